//! The options that a node gets when it starts: one line of JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use cluster_core::api::NodeId;
use cluster_core::config::{Config, ConfigError};
use serde::{Deserialize, Serialize};

/// What keeps the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// Memory alone: gone with the process.
    Memory,
    /// A B-tree file, each commit synced.
    #[default]
    Redb,
    /// A log-structured merge tree in a directory, each commit one synced append to its journal.
    Fjall,
}

impl Engine {
    /// Every engine.
    pub const ALL: [Engine; 3] = [Engine::Memory, Engine::Redb, Engine::Fjall];

    /// The name used at the command line.
    pub fn name(self) -> &'static str {
        match self {
            Engine::Memory => "memory",
            Engine::Redb => "redb",
            Engine::Fjall => "fjall",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The name given is no engine's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown engine '{0}': memory, redb and fjall are the ones there are")]
pub struct UnknownEngine(pub String);

impl FromStr for Engine {
    type Err = UnknownEngine;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Engine::ALL.into_iter().find(|engine| engine.name() == text).ok_or_else(|| UnknownEngine(text.to_owned()))
    }
}

/// One node's options.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeOptions {
    /// The protocol's settings.
    pub core: Config,
    /// Where the engine keeps its files; made if it is not there.
    pub data_dir: PathBuf,
    /// What keeps the rows.
    #[serde(default)]
    pub engine: Engine,
    /// Whether to start without the rows that are damaged, and to delete them, instead of refusing to start.
    #[serde(default)]
    pub drop_damaged: bool,
    /// Where clients are served. Port 0 takes a free one.
    #[serde(default = "any_local_port")]
    pub client_listen: SocketAddr,
    /// Where peers' connections are accepted. Port 0 takes a free one.
    #[serde(default = "any_local_port")]
    pub peer_listen: SocketAddr,
    /// Where to dial each peer: perhaps a proxy on the way to it. Every node but this one.
    #[serde(default)]
    pub peers: BTreeMap<NodeId, SocketAddr>,
    /// An inherited descriptor of the file that bends the wall clock; without it the clock is the real one.
    #[serde(default)]
    pub clock_fd: Option<i32>,
    /// The process that started the node: when it is gone, so is the node.
    #[serde(default)]
    pub parent_pid: Option<i32>,
}

/// `127.0.0.1:0`
pub fn any_local_port() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

/// Options that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// The protocol's settings do not fit each other.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// This node is not in the list of names.
    #[error("node {id} is not among the {nodes} names: ids count from 0")]
    Id {
        /// The id.
        id: u16,
        /// How many names there are.
        nodes: usize,
    },
    /// A peer cannot be dialled.
    #[error("there is no address for peer {0}: `peers` must name every other node")]
    PeerMissing(String),
    /// An address for nobody.
    #[error("`peers` has an address for node {0}, which is not another node of the cluster")]
    PeerUnknown(u16),
}

impl NodeOptions {
    /// Refuses what can never work.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn validate(&self) -> Result<(), OptionsError> {
        self.core.validate()?;
        let nodes = self.core.names.len();
        let id = self.core.id;
        if usize::from(id.0) >= nodes {
            return Err(OptionsError::Id { id: id.0, nodes });
        }
        if let Some(unknown) = self.peers.keys().find(|peer| **peer == id || usize::from(peer.0) >= nodes) {
            return Err(OptionsError::PeerUnknown(unknown.0));
        }
        let missing = self.others().find(|(peer, _)| !self.peers.contains_key(peer));
        match missing {
            Some((_, name)) => Err(OptionsError::PeerMissing(name.to_owned())),
            None => Ok(()),
        }
    }

    /// This node's name.
    pub fn name(&self) -> &str {
        self.core.names.get(usize::from(self.core.id.0)).map_or("?", String::as_str)
    }

    /// Every other node.
    fn others(&self) -> impl Iterator<Item = (NodeId, &str)> {
        let names = (0..=u16::MAX).map(NodeId).zip(&self.core.names);
        names.filter(|(peer, _)| *peer != self.core.id).map(|(peer, name)| (peer, name.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use cluster_core::config::{Limits, Partitioning, Quorum, Timing, Versioning};

    use cluster_core::config::Durability;
    use cluster_core::protocol::Protocol;

    use super::*;

    fn options(nodes: u16, id: u16) -> NodeOptions {
        let core = Config {
            id: NodeId(id),
            names: (1..=nodes).map(|number| format!("n{number}")).collect(),
            n: 1,
            r: 1,
            w: 1,
            quorum: Quorum::Sloppy,
            versions: Versioning::Dvv,
            coordinator: Default::default(),
            partitioning: Partitioning::Random { tokens: 8 },
            members: None,
            seeds: Vec::new(),
            capacities: Vec::new(),
            data_centres: Vec::new(),
            ring_seed: 1,
            seed: 2,
            timing: Timing::default(),
            limits: Limits::default(),
            protocol: Protocol::NEWEST,
            durability: Durability::Synced,
            bug: None,
        };
        let peers = (0..nodes).filter(|peer| *peer != id).map(|peer| (NodeId(peer), any_local_port())).collect();
        NodeOptions {
            core,
            data_dir: "data".into(),
            engine: Engine::Redb,
            drop_damaged: false,
            client_listen: any_local_port(),
            peer_listen: any_local_port(),
            peers,
            clock_fd: Some(3),
            parent_pid: None,
        }
    }

    #[test]
    fn options_survive_their_json() {
        let options = options(3, 1);
        let json = serde_json::to_string(&options).expect("serialises");
        assert!(json.contains(r#""peers":{"0":"127.0.0.1:0","2":"127.0.0.1:0"}"#), "{json}");
        assert_eq!(serde_json::from_str::<NodeOptions>(&json).expect("parses"), options);
    }

    #[test]
    fn what_is_left_out_has_a_default_and_what_is_unknown_is_refused() {
        let mut json = serde_json::to_value(options(1, 0)).expect("serialises");
        let fields = json.as_object_mut().expect("an object");
        fields.retain(|name, _| name == "core" || name == "data_dir");
        let read: NodeOptions = serde_json::from_value(json.clone()).expect("parses");
        assert_eq!((read.engine, read.client_listen, read.clock_fd), (Engine::Redb, any_local_port(), None));
        json["colour"] = "red".into();
        assert!(serde_json::from_value::<NodeOptions>(json).is_err());
    }

    #[test]
    fn every_other_node_needs_an_address_and_nobody_else() {
        assert_eq!(options(3, 1).validate(), Ok(()));
        let mut missing = options(3, 1);
        missing.peers.remove(&NodeId(2));
        assert_eq!(missing.validate(), Err(OptionsError::PeerMissing("n3".to_owned())));
        let mut own = options(3, 1);
        own.peers.insert(NodeId(1), any_local_port());
        assert_eq!(own.validate(), Err(OptionsError::PeerUnknown(1)));
        assert_eq!(options(3, 3).validate(), Err(OptionsError::Id { id: 3, nodes: 3 }));
    }

    #[test]
    fn engines_are_found_by_name() {
        for engine in Engine::ALL {
            assert_eq!(engine.to_string().parse(), Ok(engine));
        }
        let unknown = "rocks".parse::<Engine>().expect_err("there is no such engine");
        assert_eq!(unknown, UnknownEngine("rocks".to_owned()));
        let text = unknown.to_string();
        assert!(Engine::ALL.iter().all(|engine| text.contains(engine.name())), "{text}");
    }
}
