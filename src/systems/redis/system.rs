//! How a Redis node is started, and what it promises.

use std::net::SocketAddr;

use checker::{CheckName, Claim, ConcurrentWrites};
use nix::sys::signal::Signal;
use workloads::{Client, GetPut, get_put};

use super::client::RedisClient;
use super::settings::{AppendFsync, RedisSettings};
use crate::arena::addresses::Addresses;
use crate::arena::launch::{Launch, LaunchError, Place, Program, Ready, Sign};
use crate::systems::system::{Claims, System};

/// The port of Redis's documents.
const PORT: u16 = 6379;
/// The name of the node.
const NODE: &str = "n1";

/// What one node promises of whatever it keeps: it executes one command after the other.
const OF_ONE_NODE: [CheckName; 8] = [
    CheckName::NO_LOST_WRITES,
    CheckName::DURABILITY,
    CheckName::NO_RESURRECTION,
    CheckName::SIBLINGS_BOUNDED,
    CheckName::READ_YOUR_WRITES,
    CheckName::MONOTONIC_READS,
    CheckName::MONOTONIC_WRITES,
    CheckName::WRITES_FOLLOW_READS,
];

/// Redis, configured.
#[derive(Clone, Debug)]
pub struct Redis {
    settings: RedisSettings,
}

impl Redis {
    /// A configured node.
    pub fn new(settings: RedisSettings) -> Self {
        Self { settings }
    }

    fn arguments(&self, place: &Place, port: u16) -> Vec<String> {
        let (append, sync) = match self.settings.appendfsync {
            AppendFsync::Always => ("yes", "always"),
            AppendFsync::Everysec => ("yes", "everysec"),
            AppendFsync::Off => ("no", "no"),
        };
        let (bind, port, dir) = (place.host.to_string(), port.to_string(), place.data_dir.display().to_string());
        // No snapshots: what survives is what the append-only file has.
        let options = [
            ("--bind", bind.as_str()),
            ("--port", &port),
            ("--dir", &dir),
            ("--save", ""),
            ("--appendonly", append),
            ("--appendfsync", sync),
        ];
        options.iter().flat_map(|(name, value)| [(*name).to_owned(), (*value).to_owned()]).collect()
    }
}

impl System for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn nodes(&self) -> Vec<String> {
        vec![NODE.to_owned()]
    }

    fn launch(&self, place: &Place) -> Result<Launch, LaunchError> {
        let port = place.ports.instead_of(PORT)?;
        let program = Program::Installed {
            name: "redis-server",
            binaries: self.settings.binaries.clone(),
            package: "the package redis-server of Debian",
        };
        let client = SocketAddr::new(place.host, port);
        let ready = Ready::At { client, peer: None, sign: Sign::LogLine("Ready to accept connections") };
        let arguments = self.arguments(place, port);
        Ok(Launch { arguments, stop_signal: Signal::SIGTERM, ..Launch::new(program, ready) })
    }

    fn client(&self, addresses: Addresses) -> Box<dyn Client> {
        Box::new(GetPut::new(Box::new(RedisClient::new(addresses, self.nodes()))))
    }

    fn can(&self, workload: &str, f: &str) -> bool {
        get_put::can(workload, f)
    }

    fn claims(&self) -> Claims {
        let served = "the one node serves again as soon as it runs";
        let mut claims = vec![Claim::of_all(CheckName::AVAILABILITY, served)];
        let note = match self.settings.appendfsync {
            AppendFsync::Always | AppendFsync::Everysec => {
                let kept = "one node executes one command after the other, and has it in its file when it answers";
                claims.extend(OF_ONE_NODE.map(|check| Claim::of_all(check, kept)));
                "A killed process loses nothing that it has handed to the operating system, so with an append-only file \
                 nothing that was acknowledged may be lost, whenever it is synced."
            }
            AppendFsync::Off => {
                "Without a file a node forgets everything when it ends, so nothing is claimed of what was written."
            }
        };
        Claims { claims, note: note.to_owned(), concurrent_writes: ConcurrentWrites::Kept, nodes_to_serve: 1 }
    }

    fn expected_in_logs(&self) -> &'static [&'static str] {
        &[]
    }
}
