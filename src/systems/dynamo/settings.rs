//! A configuration of the bundled Dynamo, as `run.json` keeps it.

use cluster_core::bug::Bug;
use cluster_core::config::{ConfigError, Coordinator, Durability, Partitioning, Quorum, Versioning};
use cluster_core::protocol::Protocol;
use cluster_node::Engine;
use nemesis::spec::NemesisSpec;
use serde::{Deserialize, Serialize};

/// Random tokens of each node on the ring (strategies 1 and 2).
const TOKENS: u32 = 16;
/// Equal ranges (strategies 2 and 3), as many as there may be nodes: whatever their number, each can have one.
const RANGES: u32 = 256;
/// Nodes that run beside a cluster whose members may change.
const SPARES: usize = 2;

/// One of the partition strategies of 6.2, as numbered there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Strategy {
    /// Random tokens, which define the ranges.
    #[default]
    #[serde(rename = "1")]
    RandomTokens,
    /// Random tokens, and equal ranges.
    #[serde(rename = "2")]
    FixedRanges,
    /// Equal ranges, equally many a node.
    #[serde(rename = "3")]
    EqualTokens,
}

impl From<Strategy> for Partitioning {
    fn from(strategy: Strategy) -> Self {
        match strategy {
            Strategy::RandomTokens => Self::Random { tokens: TOKENS },
            Strategy::FixedRanges => Self::FixedRanges { tokens: TOKENS, ranges: RANGES },
            Strategy::EqualTokens => Self::EqualTokens { ranges: RANGES },
        }
    }
}

/// Who coordinates the requests of the bench's clients (6.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coordination {
    /// A node, any, as a load balancer would choose it.
    #[default]
    Server,
    /// The client's library: it asks the replicas itself.
    Client,
}

/// The ways in which Dynamo's services use it (section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The client reconciles siblings: the shopping cart.
    BusinessLogic,
    /// The last write wins: customers' sessions.
    Timestamp,
    /// R = 1, W = N: catalogues, read often and seldom written.
    ReadEngine,
}

/// A configuration of the bundled Dynamo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DynamoSettings {
    /// How many nodes.
    pub nodes: usize,
    /// Replicas of a key.
    pub n: u8,
    /// Replies a read waits for.
    pub r: u8,
    /// Acknowledgements a write waits for.
    pub w: u8,
    /// Who counts towards a quorum.
    pub quorum: Quorum,
    /// Causality.
    pub versions: Versioning,
    /// Pairs of a vector clock; one more drops the oldest.
    #[serde(default = "usual_clock_pairs")]
    pub clock_pairs: u16,
    /// Who coordinates a write; runs recorded before there was a choice had the first.
    #[serde(default = "first_coordinator")]
    pub coordinator: Coordinator,
    /// Whether client processes read and write in sessions.
    #[serde(default)]
    pub session: bool,
    /// Data centres that the nodes are dealt to in turn; 0 names none.
    #[serde(default)]
    pub data_centres: u16,
    /// How keys are divided among the nodes; runs recorded before there was a choice are of the first.
    #[serde(default)]
    pub strategy: Strategy,
    /// What keeps the rows.
    pub engine: Engine,
    /// How many nodes beyond `nodes` run and are no members at first.
    #[serde(default)]
    pub spares: usize,
    /// The version of the peer protocol that nodes start with.
    #[serde(default)]
    pub protocol: Protocol,
    /// Who coordinates requests; in runs recorded before there was a choice, the nodes.
    #[serde(default)]
    pub coordination: Coordination,
    /// When a write is on disk.
    #[serde(default)]
    pub durability: Durability,
    /// A planted defect.
    pub bug: Option<Bug>,
    /// The first node's client port, the next ones following; none takes free ports.
    pub port: Option<u16>,
}

fn usual_clock_pairs() -> u16 {
    10
}

fn first_coordinator() -> Coordinator {
    Coordinator::First
}

impl DynamoSettings {
    /// How many nodes there are to join under these faults, where nobody says.
    pub fn usual_spares(faults: &NemesisSpec) -> usize {
        if faults.asks_for("membership") { SPARES } else { 0 }
    }

    /// These settings with the versions and quorums of a mode, for `n` replicas, or the usual number.
    #[must_use]
    pub fn in_mode(self, mode: Mode, n: Option<u8>) -> Self {
        let usual = Self::default();
        let (n, r, w) = (n.unwrap_or(usual.n), usual.r, usual.w);
        let (versions, r, w) = match mode {
            Mode::BusinessLogic => (Versioning::Dvv, r, w),
            Mode::Timestamp => (Versioning::Lww, r, w),
            Mode::ReadEngine => (Versioning::Dvv, 1, n),
        };
        Self { versions, n, r, w, ..self }
    }

    /// The data centre of each node.
    pub(super) fn dealt_data_centres(&self) -> Vec<u16> {
        let dealt = |centres: u16| (0..centres).cycle().take(self.nodes + self.spares).collect();
        (self.data_centres > 0).then_some(self.data_centres).map_or(Vec::new(), dealt)
    }
}

impl Default for DynamoSettings {
    fn default() -> Self {
        Self {
            nodes: 5,
            spares: 0,
            n: 3,
            r: 2,
            w: 2,
            quorum: Quorum::Sloppy,
            versions: Versioning::Dvv,
            clock_pairs: usual_clock_pairs(),
            coordinator: Coordinator::default(),
            session: false,
            data_centres: 0,
            strategy: Strategy::default(),
            engine: Engine::Redb,
            protocol: Protocol::NEWEST,
            coordination: Coordination::default(),
            durability: Durability::Synced,
            bug: None,
            port: None,
        }
    }
}

/// Settings that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The defect is in what this engine does not have.
    #[error("--bug no-sync needs an engine that syncs: redb or fjall, not memory")]
    NothingToSync,
    /// Those of the protocol.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The coordinating client has none.
    #[error("--session needs --coordination server: sessions are checked by the node that coordinates a read")]
    SessionsOfClients,
    /// The last node would need a port that does not exist.
    #[error(
        "--port {port} leaves no ports for {nodes} nodes: they take as many from it upwards, and 65535 is the last"
    )]
    Ports {
        /// The first port.
        port: u16,
        /// How many nodes.
        nodes: usize,
    },
}
