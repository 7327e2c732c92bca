//! The settings of one node. All nodes of a cluster share everything but `id` and `seed`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::bug::Bug;
use crate::ids::NodeId;
use crate::partitioning::PartitionError;
pub use crate::partitioning::Partitioning;
use crate::partitioning::tokens_of_each;
use crate::protocol::Protocol;

/// Which nodes may count towards a quorum (4.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quorum {
    /// The first N reachable nodes of the preference list; a fallback keeps a hint.
    #[default]
    Sloppy,
    /// The first N nodes of the preference list, reachable or not.
    Strict,
}

/// How concurrent writes are distinguished from later ones, and what becomes of them (4.4, 6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Versioning {
    /// Dotted version vectors (Preguiça et al. 2010): concurrent writes become siblings.
    #[default]
    Dvv,
    /// One version, the greatest timestamp: concurrent writes overwrite each other.
    Lww,
    /// The paper's literal vector clocks: concurrent writes become siblings, but for those that one coordinator made of
    /// the same context.
    VectorClock,
}

/// Who coordinates a write among the key's replicas (4.5, 6.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coordinator {
    /// The one that answered the preceding read first, as the write's context says; else as [`Coordinator::First`].
    #[default]
    Fastest,
    /// The node that was asked, if it is one; else the first that seems to be up.
    First,
}

/// When a write is on disk (6.1, 6.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Durability {
    /// On each replica that acknowledges it, before it does.
    #[default]
    Synced,
    /// On one replica before the client is answered; on the others some time later, from a buffer in memory.
    Buffered,
}

/// How long things may take. Every bound is here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// A replica that has not answered for this long is taken for down, and replaced by a fallback (sloppy).
    pub replica_timeout: Duration,
    /// A coordinated request gets its answer by then, whatever it is.
    pub request_timeout: Duration,
    /// How long a read waits for late repliers after it has answered, before it repairs.
    pub repair_delay: Duration,
    /// Between two attempts to reach a peer that is taken for down.
    pub probe_interval: Duration,
    /// Between two rounds of hint delivery.
    pub hint_interval: Duration,
    /// Between two rounds of anti-entropy; each round goes to one peer.
    pub anti_entropy_interval: Duration,
    /// Between two flushes of the write buffer.
    pub flush_interval: Duration,
    /// How long a buffered write waits for a replica to write it through before another one is asked to as well.
    pub durable_patience: Duration,
    /// While the 99th percentile of foreground storage reads is above this, background work is cut down (6.5).
    pub storage_read_threshold: Duration,
    /// Between two exchanges of the membership with a random peer (4.8.1).
    #[serde(default = "gossip_interval")]
    pub gossip_interval: Duration,
    /// Between two rounds of reaping tombstones.
    #[serde(default = "default_reaping_interval")]
    pub reaping_interval: Duration,
    /// How old a message is at least that reaping has its receiver drop.
    #[serde(default = "default_reaping_grace")]
    pub reaping_grace: Duration,
}

/// The paper's: once a second.
fn gossip_interval() -> Duration {
    Duration::from_secs(1)
}

fn default_reaping_interval() -> Duration {
    Duration::from_millis(500)
}

fn default_reaping_grace() -> Duration {
    Duration::from_secs(2)
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            replica_timeout: Duration::from_millis(200),
            request_timeout: Duration::from_millis(750),
            repair_delay: Duration::from_millis(100),
            probe_interval: Duration::from_millis(250),
            hint_interval: Duration::from_millis(250),
            anti_entropy_interval: Duration::from_millis(500),
            flush_interval: Duration::from_secs(1),
            durable_patience: Duration::from_millis(10),
            storage_read_threshold: Duration::from_millis(50),
            gossip_interval: gossip_interval(),
            reaping_interval: default_reaping_interval(),
            reaping_grace: default_reaping_grace(),
        }
    }
}

/// Bounds on what a node holds in memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Client requests under way, coordinated or forwarded; one more is refused.
    pub requests_max: usize,
    /// Bytes of a value (4.1: objects under 1 MiB).
    pub value_bytes_max: usize,
    /// Bytes of a key.
    pub key_bytes_max: usize,
    /// Hints held for others, all owners together; one more is refused and its write does not count.
    pub hints_max: usize,
    /// Rows of the write buffer that are not on disk; one more is written through.
    pub buffer_objects_max: usize,
    /// Rows of background work in an interval, hints to one peer for example, until it is known how busy the disk is;
    /// after that it is between a floor and `slice_max` (6.5).
    pub transfers_max: usize,
    /// The most rows of background work in an interval, when there is room.
    pub slice_max: usize,
    /// Pairs of a vector clock; one more drops the oldest (4.4).
    pub clock_pairs_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_max: 4096,
            value_bytes_max: 1 << 20,
            key_bytes_max: 4096,
            hints_max: 1_000_000,
            buffer_objects_max: 1000,
            transfers_max: 64,
            slice_max: 1024,
            clock_pairs_max: 10,
        }
    }
}

/// One node's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// This node.
    pub id: NodeId,
    /// Names of all nodes that may ever be members; the place in the list is the [`NodeId`].
    pub names: Vec<String>,
    /// How many of the first of them found the cluster; the others join on command. None: all.
    #[serde(default)]
    pub members: Option<u16>,
    /// Nodes with whom everybody gossips, so that the cluster never falls into two that do not know each other (4.8.2).
    /// None at all: the founders.
    #[serde(default)]
    pub seeds: Vec<NodeId>,
    /// Replicas of a key.
    pub n: u8,
    /// Replies a read waits for.
    pub r: u8,
    /// Acknowledgements a write waits for.
    pub w: u8,
    /// Who counts.
    pub quorum: Quorum,
    /// Causality.
    pub versions: Versioning,
    /// Who coordinates a write.
    #[serde(default)]
    pub coordinator: Coordinator,
    /// How keys are divided among the nodes.
    pub partitioning: Partitioning,
    /// What each node can carry beside the others, in whatever unit; none at all: they are equal.
    #[serde(default)]
    pub capacities: Vec<u32>,
    /// The data centre of each node; none at all: they are in one.
    #[serde(default)]
    pub data_centres: Vec<u16>,
    /// Seeds the ring; equal on all nodes.
    pub ring_seed: u64,
    /// Seeds this node's own choices.
    pub seed: u64,
    /// Durations.
    pub timing: Timing,
    /// Memory.
    pub limits: Limits,
    /// The version of the peer protocol that the node speaks, beside the one before.
    #[serde(default)]
    pub protocol: Protocol,
    /// When a write is on disk.
    #[serde(default)]
    pub durability: Durability,
    /// A planted defect.
    pub bug: Option<Bug>,
}

/// Settings that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No node, or more than a cluster can name.
    #[error("a cluster has 1 to 256 nodes, not {0}")]
    Nodes(usize),
    /// N is not 1..=nodes.
    #[error("n = {n} replicas need at least as many nodes, and there are {nodes}: lower --n or raise --nodes")]
    Replicas {
        /// N.
        n: u8,
        /// Nodes.
        nodes: usize,
    },
    /// R or W is not 1..=N.
    #[error("{what} = {value} must be from 1 to n = {n}: a quorum larger than the replicas can never be met")]
    QuorumSize {
        /// `r` or `w`.
        what: &'static str,
        /// Its value.
        value: u8,
        /// N.
        n: u8,
    },
    /// More founders than names.
    #[error("{members} of {nodes} nodes cannot found the cluster: give at least as many names")]
    Members {
        /// Founders.
        members: u16,
        /// How many names there are.
        nodes: usize,
    },
    /// A seed is nobody.
    #[error("seed {seed} is no node: ids count from 0, and there are {nodes} names")]
    Seed {
        /// The id given.
        seed: u16,
        /// How many names there are.
        nodes: usize,
    },
    /// This node is not among the names.
    #[error("this node has id {id}, and there are {nodes} names: ids count from 0")]
    Id {
        /// Of this node.
        id: u16,
        /// How many names there are.
        nodes: usize,
    },
    /// Two nodes of one name.
    #[error("two nodes have the name '{0}': every node needs a name of its own")]
    SameName(String),
    /// Data centres are all nodes' or none's.
    #[error("there are {given} data centres for {nodes} nodes: name one for each, or none")]
    DataCentres {
        /// How many are named.
        given: usize,
        /// Nodes.
        nodes: usize,
    },
    /// Ranges, tokens and capacities do not fit each other.
    #[error(transparent)]
    Partition(#[from] PartitionError),
    /// A setting that must not be zero.
    #[error("{0} must not be zero")]
    Zero(&'static str),
}

impl Config {
    /// Refuses what can never work.
    ///
    /// # Errors
    /// When nodes, N, R, W and the partitioning do not fit each other, two names are the same, or something is zero that must not be.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let nodes = self.names.len();
        if nodes == 0 || nodes > 256 {
            return Err(ConfigError::Nodes(nodes));
        }
        if let Some(members) = self.members.filter(|members| *members == 0 || usize::from(*members) > nodes) {
            return Err(ConfigError::Members { members, nodes });
        }
        if let Some(seed) = self.seeds.iter().find(|seed| usize::from(seed.0) >= nodes) {
            return Err(ConfigError::Seed { seed: seed.0, nodes });
        }
        let founders = self.founders();
        if self.n == 0 || u16::from(self.n) > founders {
            return Err(ConfigError::Replicas { n: self.n, nodes: usize::from(founders) });
        }
        for (what, value) in [("r", self.r), ("w", self.w)] {
            if value == 0 || value > self.n {
                return Err(ConfigError::QuorumSize { what, value, n: self.n });
            }
        }
        let mut names = (1..nodes).map(|at| self.names.split_at(at));
        if let Some((_, rest)) = names.find(|(before, rest)| before.contains(&rest[0])) {
            return Err(ConfigError::SameName(rest[0].clone()));
        }
        if !self.capacities.is_empty() && self.capacities.len() != nodes {
            return Err(PartitionError::Capacities { given: self.capacities.len(), nodes: nodes as u16 }.into());
        }
        tokens_of_each(founders, self.partitioning, self.founders_capacities())?;
        let given = self.data_centres.len();
        if given != 0 && given != nodes {
            return Err(ConfigError::DataCentres { given, nodes });
        }
        match self.zero() {
            Some(setting) => Err(ConfigError::Zero(setting)),
            None => Ok(()),
        }
    }

    /// How many of the first names found the cluster.
    pub fn founders(&self) -> u16 {
        self.members.unwrap_or(self.names.len().min(usize::from(u16::MAX)) as u16)
    }

    /// The capacities of the founders alone, or none at all.
    pub fn founders_capacities(&self) -> &[u32] {
        &self.capacities[..self.capacities.len().min(usize::from(self.founders()))]
    }

    /// What a node can carry beside the others.
    pub fn capacity(&self, node: NodeId) -> u32 {
        self.capacities.get(usize::from(node.0)).copied().unwrap_or(1)
    }

    /// Those with whom everybody gossips.
    pub fn seeds(&self) -> Vec<NodeId> {
        match self.seeds.is_empty() {
            true => (0..self.founders()).map(NodeId).collect(),
            false => self.seeds.clone(),
        }
    }

    /// Refuses an `id` that is no node's; apart from [`Config::validate`], which also serves settings for no node in
    /// particular.
    ///
    /// # Errors
    /// When there is no name for the id.
    pub fn validate_id(&self) -> Result<(), ConfigError> {
        let (id, nodes) = (self.id.0, self.names.len());
        match usize::from(id) < nodes {
            true => Ok(()),
            false => Err(ConfigError::Id { id, nodes }),
        }
    }

    /// A setting that is zero and must not be: an interval of zero would be due for ever.
    fn zero(&self) -> Option<&'static str> {
        let (timing, limits) = (&self.timing, &self.limits);
        let settings = [
            ("timing.replica_timeout", timing.replica_timeout.is_zero()),
            ("timing.request_timeout", timing.request_timeout.is_zero()),
            ("timing.repair_delay", timing.repair_delay.is_zero()),
            ("timing.probe_interval", timing.probe_interval.is_zero()),
            ("timing.hint_interval", timing.hint_interval.is_zero()),
            ("timing.anti_entropy_interval", timing.anti_entropy_interval.is_zero()),
            ("timing.flush_interval", timing.flush_interval.is_zero()),
            ("timing.durable_patience", timing.durable_patience.is_zero()),
            ("timing.gossip_interval", timing.gossip_interval.is_zero()),
            ("timing.reaping_interval", timing.reaping_interval.is_zero()),
            ("limits.requests_max", limits.requests_max == 0),
            ("limits.key_bytes_max", limits.key_bytes_max == 0),
            ("limits.transfers_max", limits.transfers_max == 0),
            ("limits.slice_max", limits.slice_max == 0),
            ("limits.clock_pairs_max", limits.clock_pairs_max == 0),
        ];
        settings.into_iter().find(|(_, is_zero)| *is_zero).map(|(name, _)| name)
    }
}
