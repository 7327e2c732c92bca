//! The interface of a cluster to the nemesis: injecting faults, and measuring them.
//!
//! An arena (real processes, simulation) implements [`Surface`]; the nemesis knows nothing else of it. Every method
//! that injects a fault has one that measures it, because a fault without evidence does not count.

use std::future::Future;
use std::pin::Pin;

use crate::fault::Link;

/// A future that borrows its surface and need not be `Send`: one task runs the nemesis in either arena.
pub type SurfaceFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, SurfaceError>> + 'a>>;

/// What could not be done to the cluster, or not be measured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SurfaceError(pub String);

/// What a directed link does with the bytes sent over it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkRule {
    /// Nothing passes; what was sent is held back within bounds and delivered late, as TCP would do, or dropped.
    pub blocked: bool,
    /// Fixed delay, ms.
    pub delay_ms: u64,
    /// Uniform extra delay, ms.
    pub jitter_ms: u64,
    /// Share of chunks that are lost, percent, at most 100. A lost chunk is gone for good, or is delayed until it has
    /// been sent again, as TCP would do.
    pub loss_percent: u32,
}

impl LinkRule {
    /// Both rules at once: blocked if either blocks, with the sum of the delays, and losing what either would lose.
    pub fn beside(self, other: Self) -> Self {
        Self {
            blocked: self.blocked || other.blocked,
            delay_ms: self.delay_ms.saturating_add(other.delay_ms),
            jitter_ms: self.jitter_ms.saturating_add(other.jitter_ms),
            loss_percent: either(self.loss_percent, other.loss_percent),
        }
    }
}

/// The share that is struck by one of two chances, percent: a chunk passes if both let it pass. Rounded to whole
/// percent, so that two chances below 100 % stay below it.
fn either(one_percent: u32, other_percent: u32) -> u32 {
    let passing = (100 - one_percent.min(100)) * (100 - other_percent.min(100));
    100 - passing.div_ceil(100)
}

/// What a directed link has done since the cluster started. Counters never decrease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkStatistics {
    /// Bytes that reached the other side.
    pub forwarded_bytes: u64,
    /// Bytes that came in while blocked.
    pub blocked_bytes: u64,
    /// Connection attempts that came in while blocked.
    pub blocked_connections: u64,
    /// Bytes that were delivered late on purpose.
    pub delayed_bytes: u64,
    /// The sum of the delays of delayed chunks, ms.
    pub delay_total_ms: u64,
    /// Chunks that were delayed.
    pub delayed_chunks: u64,
    /// Chunks that came in while the link lost some.
    pub lossy_chunks: u64,
    /// Of those, the chunks that were lost.
    pub lost_chunks: u64,
}

impl LinkStatistics {
    /// What the link did after `before` was read.
    pub fn since(&self, before: &Self) -> Self {
        Self {
            forwarded_bytes: self.forwarded_bytes.saturating_sub(before.forwarded_bytes),
            blocked_bytes: self.blocked_bytes.saturating_sub(before.blocked_bytes),
            blocked_connections: self.blocked_connections.saturating_sub(before.blocked_connections),
            delayed_bytes: self.delayed_bytes.saturating_sub(before.delayed_bytes),
            delay_total_ms: self.delay_total_ms.saturating_sub(before.delay_total_ms),
            delayed_chunks: self.delayed_chunks.saturating_sub(before.delayed_chunks),
            lossy_chunks: self.lossy_chunks.saturating_sub(before.lossy_chunks),
            lost_chunks: self.lost_chunks.saturating_sub(before.lost_chunks),
        }
    }
}

/// What is on a node's disk, and what has happened to it since the cluster started. An arena that cannot count
/// something leaves it at zero, and the fault that it would prove cannot be injected there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskStatistics {
    /// Bytes on it.
    pub bytes: u64,
    /// Batches that were not synced at a crash and survived it.
    pub kept_batches: u64,
    /// Batches that were not synced at a crash and were lost, torn ones included.
    pub lost_batches: u64,
    /// Batches of which only a part survived a crash.
    pub torn_batches: u64,
    /// Syncs that failed.
    pub failed_syncs: u64,
    /// Rows in which a bit was flipped.
    pub rotten_rows: u64,
    /// Damaged rows that the node was started without.
    pub dropped_rows: u64,
}

/// A node's standing in the cluster, as a node reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It is a member.
    Member,
    /// The command to join was given, and is not carried out yet.
    Joining,
    /// The command to leave was given, and is not carried out yet.
    Leaving,
    /// It is not a member.
    NoMember,
}

impl Standing {
    /// The name used in histories.
    pub fn name(self) -> &'static str {
        match self {
            Standing::Member => "member",
            Standing::Joining => "joining",
            Standing::Leaving => "leaving",
            Standing::NoMember => "no-member",
        }
    }
}

/// The membership as one node reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// Equal for nodes that assign keys to the same replicas.
    pub view: String,
    /// Every node that may be a member, in a fixed order.
    pub seats: Vec<(String, Standing)>,
}

/// What the operating system says of a node's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessState {
    /// Running or sleeping.
    Running,
    /// Stopped by a signal.
    Stopped,
    /// No such process.
    Dead,
}

/// How a node's wall clock differs from the machine's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockSetting {
    /// Jump, ms.
    pub offset_ms: i64,
    /// Rate error since the setting was made, parts per million.
    pub drift_ppm: i64,
}

impl ClockSetting {
    /// Both settings at once: their sum.
    pub fn beside(self, other: Self) -> Self {
        Self {
            offset_ms: self.offset_ms.saturating_add(other.offset_ms),
            drift_ppm: self.drift_ppm.saturating_add(other.drift_ppm),
        }
    }
}

/// A cluster as the nemesis sees it. Node names are those of [`Surface::nodes`].
pub trait Surface {
    /// All nodes, running or not, in a fixed order.
    fn nodes(&self) -> Vec<String>;
    /// Replaces the rule of a link.
    fn set_link<'a>(&'a self, link: &'a Link, rule: LinkRule) -> SurfaceFuture<'a, ()>;
    /// Reads a link's counters.
    fn link_statistics<'a>(&'a self, link: &'a Link) -> SurfaceFuture<'a, LinkStatistics>;
    /// Kills all the given nodes at once, as a power failure would; returns when they are dead.
    fn kill<'a>(&'a self, nodes: &'a [String]) -> SurfaceFuture<'a, ()>;
    /// Starts a killed node from its disk; returns when it answers.
    fn restart<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()>;
    /// From its next start on the node speaks the next version of its protocol.
    fn upgrade<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        Box::pin(async move { Err(SurfaceError(format!("{node} has no versions to be upgraded between"))) })
    }
    /// The version of its protocol that the node says it speaks (asked of the node).
    fn protocol_version<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, u64> {
        Box::pin(async move { Err(SurfaceError(format!("{node} reports no version"))) })
    }
    /// Commands that the node join the cluster; returns when the command is recorded.
    fn join<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        Box::pin(
            async move { Err(SurfaceError(format!("{node} cannot join: the cluster's membership does not change"))) },
        )
    }
    /// Commands that the node leave the cluster; returns when the command is recorded.
    fn leave<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        Box::pin(
            async move { Err(SurfaceError(format!("{node} cannot leave: the cluster's membership does not change"))) },
        )
    }
    /// The membership as the node reports it.
    fn members<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, Membership> {
        Box::pin(async move { Err(SurfaceError(format!("{node} does not report who is a member"))) })
    }
    /// Pauses a node.
    fn pause<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()>;
    /// Resumes it.
    fn resume<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()>;
    /// The state of the node's process.
    fn process_state<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ProcessState>;
    /// Moves the node's wall clock.
    fn set_clock<'a>(&'a self, node: &'a str, setting: ClockSetting) -> SurfaceFuture<'a, ()>;
    /// Empties the disk of a killed node.
    fn wipe<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()>;
    /// With `fail`, every sync of the node's disk fails from now on, and the node ends at the first; without it, syncs
    /// work again.
    fn fail_syncs<'a>(&'a self, node: &'a str, fail: bool) -> SurfaceFuture<'a, ()>;
    /// Flips a bit in each of `rows` rows on the disk of a killed node, or in all rows if there are fewer.
    fn rot<'a>(&'a self, node: &'a str, rows: u64) -> SurfaceFuture<'a, ()>;
    /// Starts a killed node without the damaged rows of its disk, as an administrator would do after reading why it
    /// does not start; returns when it answers.
    fn restart_without_damaged<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()>;
    /// What is on the node's disk and has happened to it.
    fn disk<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, DiskStatistics>;
    /// How far the node believes its clock to be ahead of the machine's wall clock, ms (asked of the node).
    fn believed_offset_ms<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, i64>;
}
