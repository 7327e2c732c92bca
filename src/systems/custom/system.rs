//! How a node of a described store is started, or reached where it runs already, and what its file claims.

use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::SystemTime;

use checker::{Claim, ConcurrentWrites};
use nemesis::CommandOffer;
use workloads::Client;

use super::attach::node;
use super::client::CustomClient;
use super::config::{ClaimConfig, ConcurrentWritesConfig, Config, ReadySign};
use super::error::ConfigError;
use super::template::Template;
use crate::arena::addresses::Addresses;
use crate::arena::command::{CommandLine, CommandStep};
use crate::arena::launch::{Launch, LaunchError, Peer, Place, Program, Ready, Sign};
use crate::systems::system::{Attached, Claims, System};

/// A described store.
#[derive(Clone, Debug)]
pub struct Custom {
    config: Rc<Config>,
}

impl Custom {
    /// The store that a file describes.
    ///
    /// # Errors
    /// When it cannot work.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self { config: Rc::new(config) })
    }

    fn program(&self) -> Program {
        let named = self.config.cluster.command.first().map(ToString::to_string);
        self.installed(named.unwrap_or_default())
    }

    /// A program is beside the file if its path is relative and not a name alone, else it is looked for on the PATH.
    fn installed(&self, named: String) -> Program {
        let cluster = &self.config.cluster;
        let path = cluster.directory.join(&named);
        let (name, binaries) = match (named.contains('/'), path.file_name(), path.parent()) {
            (true, Some(file), Some(directory)) => (file.to_string_lossy().into_owned(), Some(directory.to_owned())),
            _ => (named, cluster.binaries.as_ref().map(|binaries| cluster.directory.join(binaries))),
        };
        let package = "your store; `binaries` in its file names a directory in which it is looked for first";
        Program::Installed { name: name.into(), binaries, package: package.into() }
    }

    /// What is in front of every key. A cluster that runs already has the keys of earlier runs, and this run has not written
    /// those.
    fn key_prefix(&self) -> String {
        if self.attached().is_none() {
            return String::new();
        }
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        format!("{:x}-", since.as_millis())
    }

    fn peer_port(&self) -> u16 {
        self.config.cluster.peer_port.unwrap_or(self.config.cluster.port)
    }

    /// Where a node's peers are, as `{peers}` has them.
    fn peers(&self, place: &Place) -> String {
        let cluster = &self.config.cluster;
        let written = place.peers.iter().map(|(index, peer)| {
            let at = match peer {
                Peer::Proxy(at) => *at,
                Peer::Host(host) => SocketAddr::new(*host, self.peer_port()),
            };
            cluster.peer.fill(|name| match name {
                "name" => Some(node(*index)),
                "number" => Some((index + 1).to_string()),
                "host" => Some(at.ip().to_string()),
                "port" => Some(at.port().to_string()),
                "peer-port" => Some(at.port().to_string()),
                "address" => Some(at.to_string()),
                _ => None,
            })
        });
        written.collect::<Vec<String>>().join(&cluster.separator)
    }
}

impl System for Custom {
    fn name(&self) -> &'static str {
        "custom"
    }

    fn nodes(&self) -> Vec<String> {
        (0..self.config.cluster.count()).map(node).collect()
    }

    fn launch(&self, place: &Place) -> Result<Launch, LaunchError> {
        let cluster = &self.config.cluster;
        if self.attached().is_some() {
            return Err(LaunchError("it runs already".into()));
        }
        let client = SocketAddr::new(place.host, place.ports.instead_of(cluster.port)?);
        let peer = SocketAddr::new(place.host, place.ports.instead_of(self.peer_port())?);
        let peers = self.peers(place);
        let value = |name: &str| {
            Some(match name {
                "name" => place.name.clone(),
                "number" => (place.index + 1).to_string(),
                "host" => place.host.to_string(),
                "port" => client.port().to_string(),
                "peer-port" => peer.port().to_string(),
                "address" => client.to_string(),
                "peer-address" => peer.to_string(),
                "data" => place.data_dir.display().to_string(),
                "peers" => peers.clone(),
                "directory" => cluster.directory.display().to_string(),
                _ => return None,
            })
        };
        let fill = |template: &Template| template.fill(value);
        let sign = match &cluster.ready {
            ReadySign::Port => Sign::Port,
            ReadySign::Http(path) => Sign::Http(path.clone().into()),
            ReadySign::Log(text) => Sign::LogLine(text.clone().into()),
        };
        let files = cluster.files.iter().map(|file| (fill(&file.path).into(), fill(&file.content)));
        let files: Vec<(std::path::PathBuf, String)> = files.collect();
        if let Some((outside, _)) = files.iter().find(|(path, _)| !is_below(path, &place.data_dir)) {
            return Err(LaunchError(format!("cluster.files: {} is not below {{data}}", outside.display())));
        }
        Ok(Launch {
            arguments: cluster.command[1..].iter().map(fill).collect(),
            environment: cluster.environment.iter().map(|(name, text)| (name.clone(), fill(text))).collect(),
            files: files.into_iter().filter(|(path, _)| !path.exists()).collect(),
            start_limit: cluster.start_limit(),
            stop_signal: cluster.stop.signal(),
            ..Launch::new(self.program(), Ready::At { client, peer: Some(peer), sign })
        })
    }

    fn programs(&self) -> Vec<Program> {
        let driver = self.config.driver.as_ref().and_then(|driver| driver.command.first());
        let node = self.attached().is_none().then(|| self.program());
        driver.map(|named| self.installed(named.clone())).into_iter().chain(node).collect()
    }

    fn client(&self, addresses: Addresses) -> Box<dyn Client> {
        Box::new(CustomClient::new(Rc::clone(&self.config), self.nodes(), addresses, self.key_prefix()))
    }

    fn can(&self, workload: &str, f: &str) -> bool {
        self.config.can(workload, f)
    }

    fn claims(&self) -> Claims {
        let cluster = &self.config.cluster;
        let note = match self.config.claims.len() {
            0 => "The file claims nothing, so nothing can be violated: all is measured.",
            _ => "What the file claims, and nothing else.",
        };
        Claims {
            claims: self.config.claims.iter().map(claim).collect(),
            note: note.to_owned(),
            concurrent_writes: match cluster.concurrent_writes {
                ConcurrentWritesConfig::Kept => ConcurrentWrites::Kept,
                ConcurrentWritesConfig::OneWins => ConcurrentWrites::OneWins,
            },
            nodes_to_serve: cluster.nodes_to_serve,
        }
    }

    fn expected_in_logs(&self) -> Vec<&str> {
        self.config.cluster.expected_in_logs.iter().map(String::as_str).collect()
    }

    fn attached(&self) -> Option<&dyn Attached> {
        (!self.config.cluster.attach.is_empty()).then_some(self as &dyn Attached)
    }
}

impl Attached for Custom {
    fn addresses(&self) -> Vec<String> {
        self.config.cluster.attach.clone()
    }

    fn faults(&self) -> Vec<CommandOffer> {
        let count = self.config.cluster.count();
        self.config.faults.iter().map(|fault| fault.offer(count)).collect()
    }

    fn command(&self, fault: &str, step: CommandStep, nodes: &[String]) -> Option<CommandLine> {
        let fault = self.config.faults.iter().find(|known| known.name == fault)?;
        fault.line(step, nodes, &self.config.cluster.attach, &self.config.cluster.directory)
    }
}

/// A claim of the file, which names a property that there is.
fn claim(config: &ClaimConfig) -> Claim {
    let check = config.property.parse().expect("it was checked when the file was read");
    match &config.workload {
        Some(workload) => Claim::of_workload(check, workload, &config.because),
        None => Claim::of_all(check, &config.because),
    }
}

/// Whether a path is below a directory, without a way out of it.
fn is_below(path: &Path, directory: &Path) -> bool {
    path.starts_with(directory) && !path.components().any(|part| part == std::path::Component::ParentDir)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    const FILE: &str = r#"
        [cluster]
        nodes = 3
        command = ["./kv.py", "--at", "{address}", "--peers={peers}", "{directory}/x"]
        environment = { NAME = "{name}/{number}" }
        port = 7000
        peer-port = 7001
        peer = "{name}={address}"
        separator = ";"
        ready = { log = "serving" }
        expected-in-logs = ["gone"]
        [[cluster.files]]
        path = "{data}/conf"
        content = "me {name}"
        [operations.cas-register.read]
        http = "GET /{key}"
        result = ""
        [operations.cas-register.write]
        http = "PUT /{key}/{value}"
        [operations.cas-register.cas]
        http = "POST /{key}/{from}/{to}"
        [[claims]]
        property = "linearizable"
        workload = "cas-register"
        because = "it says so"
    "#;

    fn custom(text: &str) -> Custom {
        Custom::new(toml::from_str(text).expect("it is a file")).expect("it can work")
    }

    fn place(directory: &Path) -> Place {
        let host = |number| IpAddr::V4(Ipv4Addr::new(10, 77, 0, number));
        let peers = BTreeMap::from([(0, Peer::Host(host(1))), (2, Peer::Proxy(SocketAddr::new(host(9), 5)))]);
        Place { peers, data_dir: directory.to_owned(), ..Place::example(3, 1) }
    }

    #[test]
    fn a_node_is_started_as_the_file_says() {
        let directory = tempfile::tempdir().expect("a directory");
        let launch = custom(FILE).launch(&place(directory.path())).expect("it can be started");
        assert_eq!(launch.arguments, ["--at", "10.77.0.2:7000", "--peers=n1=10.77.0.1:7001;n3=10.77.0.9:5", "/x"]);
        assert_eq!(launch.environment, [("NAME".to_owned(), "n2/2".to_owned())]);
        assert_eq!(launch.files, [(directory.path().join("conf"), "me n2".to_owned())]);
        let Ready::At { client, peer, sign } = launch.ready else { panic!("its address is known") };
        assert_eq!((client.port(), peer.map(|at| at.port())), (7000, Some(7001)));
        assert_eq!(sign, Sign::LogLine("serving".into()));
    }

    #[test]
    fn a_file_of_a_node_stays_in_its_directory_and_is_written_once() {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("conf"), "changed").expect("it can be written");
        assert!(custom(FILE).launch(&place(directory.path())).expect("it can be started").files.is_empty());
        for path in ["/etc/conf", "{data}/../conf"] {
            let outside = custom(&FILE.replace("{data}/conf", path));
            assert!(outside.launch(&place(directory.path())).is_err(), "{path}");
        }
    }

    #[test]
    fn what_the_file_says_can_be_done_and_is_claimed() {
        let system = custom(FILE);
        assert!(system.can("cas-register", "read") && !system.can("kv-set", "read") && !system.can("set", "add"));
        let claims = system.claims();
        assert_eq!(claims.claims[0].check.name(), "linearizable");
        assert_eq!(system.expected_in_logs(), ["gone"]);
    }
}
