//! How a node of Redis and a Sentinel are started and asked.
//!
//! Nodes are n1, n2, ...; with Sentinels there are as many of these, s1 beside n1 and so on, each a node of the
//! bench's own: a fault can be one of a Sentinel alone, or of a node and its Sentinel.

use std::net::SocketAddr;

use nix::sys::signal::Signal;
use tokio::net::TcpStream;
use workloads::Client;

use super::claims;
use super::client::{self, RedisClient};
use super::connections::{Ask, Connections, sentinel_of};
use super::files::{self, PORT, SENTINEL_PORT};
use super::settings::{RedisSettings, SettingsError};
use crate::arena::addresses::Addresses;
use crate::arena::launch::{Launch, LaunchError, Place, Program, Ready, Sign};
use crate::systems::resp::{Connection, Reply};
use crate::systems::system::{Answer, Claims, System, answered_in_time};

/// Redis, configured.
#[derive(Clone, Debug)]
pub struct Redis {
    settings: RedisSettings,
}

impl Redis {
    /// A configured node, or cluster.
    ///
    /// # Errors
    /// When the settings cannot work.
    pub fn new(settings: RedisSettings) -> Result<Self, SettingsError> {
        settings.check()?;
        Ok(Self { settings })
    }

    /// Those that have the data.
    fn nodes_of_data(&self) -> Vec<String> {
        (1..=self.settings.nodes).map(|number| format!("n{number}")).collect()
    }

    /// The server, which is the Sentinel as well.
    fn program(&self) -> Program {
        let server = self.settings.program;
        Program::Installed {
            name: server.file().into(),
            binaries: self.settings.binaries.clone(),
            package: server.package().into(),
        }
    }

    /// A program with its configuration file. It is written if it is not there: the program changes it. It is also
    /// written if it is empty, which is what becomes of one whose disk loses power before the program has synced it.
    fn launch_of(&self, place: &Place, file: String, more: Option<&str>, ready: Ready) -> Launch {
        let path = files::path(&place.data_dir);
        let arguments = std::iter::once(path.display().to_string()).chain(more.map(str::to_owned)).collect();
        let is_there = std::fs::metadata(&path).is_ok_and(|found| found.len() > 0);
        let files = if is_there { Vec::new() } else { vec![(path, file)] };
        Launch { arguments, files, stop_signal: Signal::SIGTERM, ..Launch::new(self.program(), ready) }
    }

    /// The first node is the master at first. Replicas that are started with it are ready when they have what it has;
    /// one that comes back later may find no master.
    fn node(&self, place: &Place) -> Result<Launch, LaunchError> {
        let own = SocketAddr::new(place.host, place.ports.instead_of(PORT)?);
        let master = match self.settings.sentinel {
            true => place.hosts()?.get(&0).filter(|_| place.index > 0).map(|host| SocketAddr::new(*host, PORT)),
            false => None,
        };
        let file = files::of_node(&self.settings, own, &place.data_dir, master);
        let sign = match master {
            Some(_) if place.starts == 0 => Sign::LogLine("<-> REPLICA sync: Finished with success".into()),
            _ => Sign::LogLine("Ready to accept connections".into()),
        };
        Ok(self.launch_of(place, file, None, Ready::At { client: own, peer: None, sign }))
    }

    fn sentinel(&self, place: &Place) -> Result<Launch, LaunchError> {
        let own = SocketAddr::new(place.host, place.ports.instead_of(SENTINEL_PORT)?);
        let file = files::of_sentinel(own, &place.data_dir, &place.hosts()?);
        Ok(self.launch_of(place, file, Some("--sentinel"), Ready::At { client: own, peer: None, sign: Sign::Port }))
    }
}

impl System for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn nodes(&self) -> Vec<String> {
        let nodes = self.nodes_of_data();
        let sentinels: Vec<String> =
            nodes.iter().filter(|_| self.settings.sentinel).map(|node| sentinel_of(node)).collect();
        [nodes, sentinels].concat()
    }

    fn launch(&self, place: &Place) -> Result<Launch, LaunchError> {
        if place.index < self.settings.nodes { self.node(place) } else { self.sentinel(place) }
    }

    fn programs(&self) -> Vec<Program> {
        vec![self.program()]
    }

    fn client(&self, addresses: Addresses) -> Box<dyn Client> {
        let ask = if self.settings.sentinel { Ask::Master } else { Ask::Node };
        let connections = Connections::new(addresses, ask, self.settings.wait);
        Box::new(RedisClient::new(connections, self.nodes_of_data()))
    }

    fn needs_addresses(&self) -> bool {
        self.settings.sentinel
    }

    fn can(&self, workload: &str, f: &str) -> bool {
        client::can(workload, f)
    }

    fn claims(&self) -> Claims {
        claims::claims(&self.settings)
    }

    /// What a replica and its master say of the connection between them.
    fn expected_in_logs(&self) -> Vec<&str> {
        vec!["Error condition on socket for SYNC", "Error reply to PING from"]
    }

    fn status(&self, address: SocketAddr) -> Answer<'_, String> {
        Box::pin(async move {
            let said = answered_in_time(information(address)).await?;
            Ok(summary(&said))
        })
    }

    fn example(&self, address: SocketAddr) -> Option<String> {
        Some(format!("redis-cli -h {} -p {} INFO replication", address.ip(), address.port()))
    }
}

/// What the node at this address says of itself.
async fn information(address: SocketAddr) -> Result<String, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    match Connection::over(stream).ask(&[b"INFO"]).await.map_err(|error| error.to_string())? {
        Reply::Bulk(Some(said)) => Ok(String::from_utf8_lossy(&said).into_owned()),
        other => Err(format!("no information: {other:?}")),
    }
}

/// The same in a line: the version, and what it is to the others.
fn summary(said: &str) -> String {
    let field = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let version = match (field("valkey_version"), field("redis_version")) {
        (Some(version), _) => format!("Valkey {version}"),
        (None, version) => format!("Redis {}", version.unwrap_or("of an unknown version")),
    };
    match (field("role"), field("connected_slaves"), field("master_host")) {
        (Some("master"), Some(replicas), _) => format!("{version}, master, {replicas} replicas"),
        (Some("slave"), _, Some(master)) => format!("{version}, replica of {master}"),
        _ => match field("master0") {
            Some(master) => format!("{version}, Sentinel, {master}"),
            None => version,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::arena::launch::Peer;

    fn cluster() -> Redis {
        let settings = RedisSettings { nodes: 3, sentinel: true, ..RedisSettings::default() };
        Redis::new(settings).expect("the settings can work")
    }

    fn place(index: usize, dir: &Path) -> Place {
        Place { name: cluster().nodes()[index].clone(), data_dir: dir.to_owned(), ..Place::example(6, index) }
    }

    fn sign(launch: &Launch) -> Sign {
        let Ready::At { sign, .. } = &launch.ready else { panic!("its address is known") };
        sign.clone()
    }

    #[test]
    fn a_sentinel_is_beside_each_node_and_clients_are_of_the_nodes() {
        assert_eq!(cluster().nodes(), ["n1", "n2", "n3", "s1", "s2", "s3"]);
        assert_eq!(cluster().client(Addresses::default()).nodes(), ["n1", "n2", "n3"]);
        let one = Redis::new(RedisSettings::default()).expect("the settings can work");
        assert_eq!(one.nodes(), ["n1"]);
    }

    #[test]
    fn the_first_node_is_the_master_and_the_others_follow_it() {
        let launch = |index| cluster().launch(&place(index, Path::new("data"))).expect("it can be started");
        assert!(
            !launch(0).files[0].1.contains("replicaof")
                && sign(&launch(0)) == Sign::LogLine("Ready to accept connections".into())
        );
        assert!(launch(2).files[0].1.contains("replicaof 10.77.0.1 6379\n"));
        assert_eq!(launch(2).arguments, ["data/redis.conf"]);
        assert!(launch(3).files[0].1.contains("sentinel monitor dissensus 10.77.0.1 6379 2\n"));
        assert_eq!(launch(5).arguments, ["data/redis.conf", "--sentinel"]);
    }

    #[test]
    fn a_replica_that_comes_back_need_not_find_its_master() {
        let mut place = place(1, Path::new("data"));
        let first = sign(&cluster().launch(&place).expect("it can be started"));
        place.starts = 1;
        let later = sign(&cluster().launch(&place).expect("it can be started"));
        assert!(first != later && later == Sign::LogLine("Ready to accept connections".into()), "{first:?} {later:?}");
    }

    /// The node has written there whom it follows.
    #[test]
    fn a_file_that_is_there_is_kept() {
        let dir = tempfile::tempdir().expect("a directory");
        let launch = cluster().launch(&place(0, dir.path())).expect("it can be started");
        let (path, content): (PathBuf, String) = launch.files[0].clone();
        let written = |content: &str| {
            std::fs::write(&path, content).expect("it can be written");
            cluster().launch(&place(0, dir.path())).expect("it can be started").files
        };
        assert!(written(&content).is_empty());
        assert_eq!(written("").len(), 1, "the disk has lost what was in it");
    }

    #[test]
    fn nodes_behind_proxies_are_refused() {
        let mut place = place(1, Path::new("data"));
        place.peers.insert(0, Peer::Proxy(SocketAddr::new(Place::example_host(9), 1)));
        assert!(cluster().launch(&place).is_err());
    }

    #[test]
    fn a_node_says_what_it_is_in_a_line() {
        let master = "# Server\r\nredis_version:7.0.15\r\nrole:master\r\nconnected_slaves:2\r\n";
        assert_eq!(summary(master), "Redis 7.0.15, master, 2 replicas");
        let replica = "redis_version:7.2.4\r\nvalkey_version:9.1.2\r\nrole:slave\r\nmaster_host:10.77.0.1\r\n";
        assert_eq!(summary(replica), "Valkey 9.1.2, replica of 10.77.0.1");
        let sentinel =
            "redis_version:7.0.15\r\nmaster0:name=dissensus,status=ok,address=10.77.0.1:6379,slaves=2,sentinels=3\r\n";
        assert!(summary(sentinel).starts_with("Redis 7.0.15, Sentinel, name=dissensus,status=ok"));
    }
}
