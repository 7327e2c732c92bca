//! The interface of a cluster to the nemesis: injecting faults, and measuring them.
//!
//! An arena (real processes, simulation) implements [`Surface`]; the nemesis knows nothing else of it. What can be set is
//! data (`rules.rs`), and so is what can be measured (`statistics.rs`): a rule for each link, disk, process and clock,
//! and its counters, because a fault without evidence does not count.
//!
//! A surface says what it can do. Everything else is absent: the methods for it refuse, and faults that need it are
//! refused before the run.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::capability::Capabilities;
use crate::fault::Link;

pub use crate::rules::{Checksum, ClockSetting, DiskRule, Distribution, LinkRule, Loss, ProcessLimits};
pub use crate::statistics::{CommandReading, DiskStatistics, LinkStatistics, ProcessStatistics, StartCrash};

/// A future that borrows its surface and need not be `Send`: one task runs the nemesis in either arena.
pub type SurfaceFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, SurfaceError>> + 'a>>;

/// What could not be done to the cluster, or not be measured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SurfaceError(pub String);

/// The answer of a surface that does not have this ability, asked for this node or link.
fn absent<'a, T: 'a>(whom: impl fmt::Display, what: &'static str) -> SurfaceFuture<'a, T> {
    Box::pin(std::future::ready(Err(SurfaceError(format!("{whom}: this cluster cannot {what}")))))
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

/// A cluster as the nemesis sees it. Node names are those of [`Surface::nodes`].
pub trait Surface {
    /// All nodes, running or not, in a fixed order.
    fn nodes(&self) -> Vec<String>;
    /// What can be done to this cluster and measured there.
    fn capabilities(&self) -> Capabilities;

    // Links.

    /// Replaces the rule of a link.
    fn set_link<'a>(&'a self, link: &'a Link, _rule: LinkRule) -> SurfaceFuture<'a, ()> {
        absent(link, "set rules for its links")
    }
    /// Resets the connections that a link has now.
    fn reset_link<'a>(&'a self, link: &'a Link) -> SurfaceFuture<'a, ()> {
        absent(link, "reset connections")
    }
    /// Reads a link's counters.
    fn link_statistics<'a>(&'a self, link: &'a Link) -> SurfaceFuture<'a, LinkStatistics> {
        absent(link, "measure its links")
    }

    /// Notes what is done to the cluster in whatever the surface records of its links.
    fn note(&self, _text: &str) {}

    // Processes.

    /// Kills all the given nodes at once; returns when they are dead.
    fn kill<'a>(&'a self, nodes: &'a [String]) -> SurfaceFuture<'a, ()> {
        absent(nodes.join(" "), "kill nodes")
    }
    /// Starts a killed node from its disk; returns when it answers.
    fn restart<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        absent(node, "start nodes")
    }
    /// Starts a killed node, and kills it when it has run for so long; returns when it is dead.
    fn crash_in_start<'a>(&'a self, node: &'a str, _after_ms: u64) -> SurfaceFuture<'a, StartCrash> {
        absent(node, "kill nodes while they start")
    }
    /// Pauses a node.
    fn pause<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        absent(node, "pause nodes")
    }
    /// Resumes it.
    fn resume<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        absent(node, "resume nodes")
    }
    /// The state of the node's process.
    fn process_state<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ProcessState> {
        absent(node, "tell the states of its processes")
    }
    /// Replaces what the processes of a running node may use. A node that is started again has no limits.
    fn set_limits<'a>(&'a self, node: &'a str, _limits: ProcessLimits) -> SurfaceFuture<'a, ()> {
        absent(node, "limit processes")
    }
    /// What the processes of a running node use and may use.
    fn process_statistics<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ProcessStatistics> {
        absent(node, "measure its processes")
    }

    // Clocks.

    /// Moves the node's wall clock.
    fn set_clock<'a>(&'a self, node: &'a str, _setting: ClockSetting) -> SurfaceFuture<'a, ()> {
        absent(node, "set clocks")
    }
    /// How far the node believes its clock to be ahead of the machine's wall clock, ms (asked of the node).
    fn believed_offset_ms<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, i64> {
        absent(node, "tell what its nodes believe the time to be")
    }

    // Disks.

    /// Replaces the rule of a node's disk. It outlives the node's process.
    fn set_disk<'a>(&'a self, node: &'a str, _rule: DiskRule) -> SurfaceFuture<'a, ()> {
        absent(node, "set rules for its disks")
    }
    /// What is on the node's disk and has happened to it.
    fn disk_statistics<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, DiskStatistics> {
        absent(node, "measure its disks")
    }
    /// A power failure of all the given nodes at once: they die, and their disks lose of what they have not synced what
    /// `loss` says.
    fn fail_power<'a>(&'a self, nodes: &'a [String], _loss: Loss) -> SurfaceFuture<'a, ()> {
        absent(nodes.join(" "), "fail the power of nodes")
    }
    /// Empties the disk of a killed node.
    fn wipe<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        absent(node, "empty disks")
    }
    /// Flips so many random bits in the files on the disk of a killed node.
    fn flip_bits<'a>(&'a self, node: &'a str, _bits: u64) -> SurfaceFuture<'a, ()> {
        absent(node, "flip bits in files")
    }
    /// Flips a bit in each of `rows` rows on the disk of a killed node, or in all rows if there are fewer.
    fn rot<'a>(&'a self, node: &'a str, _rows: u64) -> SurfaceFuture<'a, ()> {
        absent(node, "let rows rot")
    }
    /// Starts a killed node without the damaged rows of its disk, as an administrator would do after reading why it
    /// does not start; returns when it answers.
    fn restart_without_damaged<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        absent(node, "start nodes without damaged rows")
    }

    // Versions and membership.

    /// From its next start on the node speaks the next version of its protocol.
    fn upgrade<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        absent(node, "upgrade nodes: they have no versions")
    }
    /// The version of its protocol that the node says it speaks (asked of the node).
    fn protocol_version<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, u64> {
        absent(node, "tell the versions of its nodes")
    }
    /// Commands that the node join the cluster; returns when the command is recorded.
    fn join<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        absent(node, "take in nodes: its membership does not change")
    }
    /// Commands that the node leave the cluster; returns when the command is recorded.
    fn leave<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        absent(node, "let nodes leave: its membership does not change")
    }
    /// Empties the disk of a killed node; at its next start it is a new member that takes the place of the old one.
    fn replace<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        absent(node, "replace nodes: its members have no identity of their own")
    }
    /// Which member the node says it is (asked of the node).
    fn member<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, u64> {
        absent(node, "tell which members its nodes are")
    }
    /// The membership as the node reports it.
    fn members<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, Membership> {
        absent(node, "tell who is a member")
    }

    // Faults that are described by commands.

    /// Begins the fault of this name on these nodes.
    fn begin_command<'a>(&'a self, name: &'a str, _nodes: &'a [String]) -> SurfaceFuture<'a, ()> {
        absent(name, "run commands")
    }
    /// Ends it there, begun or not.
    fn end_command<'a>(&'a self, name: &'a str, _nodes: &'a [String]) -> SurfaceFuture<'a, ()> {
        absent(name, "run commands")
    }
    /// Asks the command that measures it: a reading for each node, or one for all if the fault is of all.
    fn measure_command<'a>(&'a self, name: &'a str, _nodes: &'a [String]) -> SurfaceFuture<'a, Vec<CommandReading>> {
        absent(name, "run commands")
    }
}
