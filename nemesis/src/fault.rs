//! The kinds of fault, each fully resolved to nodes and links.

use serde::{Deserialize, Serialize};

/// A directed link between two nodes: what `from` sends to `to`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Link {
    /// The sender's name.
    pub from: String,
    /// The receiver's name.
    pub to: String,
}

/// The pattern by which a partition cuts the links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Two random halves.
    Halves,
    /// One node against all others.
    Single,
    /// A random minority against the majority, of any size.
    MajorityMinority,
    /// Every node sees a majority, no two nodes the same one (Jepsen's majorities-ring).
    MajoritiesRing,
    /// Two halves joined by one node that sees both.
    Bridge,
    /// One direction only: what some nodes send is cut, but not what they receive.
    OneWay,
}

/// One fault. Durations are in the plan, not here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Fault {
    /// The links carry nothing.
    Partition {
        /// How they were chosen.
        shape: Shape,
        /// The directed links that are cut.
        links: Vec<Link>,
    },
    /// SIGKILL for all at once; started again from disk at the end.
    Kill {
        /// The nodes affected.
        nodes: Vec<String>,
    },
    /// SIGSTOP; SIGCONT at the end.
    Pause {
        /// The nodes affected.
        nodes: Vec<String>,
    },
    /// Killed, and at the end started again with the next version of the peer protocol. A rolling upgrade is a sequence
    /// of such faults; none of them is undone.
    Upgrade {
        /// The nodes affected.
        nodes: Vec<String>,
    },
    /// The wall clock jumps, and jumps back at the end.
    ClockBump {
        /// The nodes affected.
        nodes: Vec<String>,
        /// The jump, ms; negative for backwards.
        offset_ms: i64,
    },
    /// The wall clock runs fast or slow; set right at the end.
    ClockDrift {
        /// The nodes affected.
        nodes: Vec<String>,
        /// Parts per million: 1,000,000 runs at double speed, -500,000 at half.
        rate_ppm: i64,
    },
    /// The links lose a share of what is sent over them.
    LossyLink {
        /// The links affected.
        links: Vec<Link>,
        /// The share of chunks that are lost, percent, 1 to 99.
        loss_percent: u32,
    },
    /// SIGKILL, and the disk is emptied; started again with an empty disk at the end.
    Wipe {
        /// The nodes affected.
        nodes: Vec<String>,
    },
    /// A power failure of all of them at once: what their disks had not synced may be lost; started again at the end.
    Power {
        /// The nodes affected.
        nodes: Vec<String>,
    },
    /// Every sync of the disk fails, and the node ends at its first; started again on a working disk at the end.
    SyncFail {
        /// The nodes affected.
        nodes: Vec<String>,
    },
    /// Killed, and a bit flipped in each of some rows; started again at the end, without the damaged rows.
    Rot {
        /// The nodes affected.
        nodes: Vec<String>,
        /// The number of rows on each node.
        rows: u64,
    },
    /// Commanded to join the cluster. Not undone at the end.
    Join {
        /// The nodes affected.
        nodes: Vec<String>,
    },
    /// Commanded to leave the cluster. Not undone at the end.
    Leave {
        /// The nodes affected.
        nodes: Vec<String>,
    },
    /// The links deliver late.
    SlowLink {
        /// The links affected.
        links: Vec<Link>,
        /// The delay of each chunk, ms.
        delay_ms: u64,
        /// A further uniform delay of 0..=jitter, ms; the order of chunks is kept.
        jitter_ms: u64,
    },
}

/// What a fault affects. Two faults of different classes may be active on a node at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Links: partition, slow link, lossy link.
    Network,
    /// Processes: kill, pause, and everything else that a node does not survive.
    Process,
    /// Wall clocks: bump, drift.
    Clock,
    /// The membership: join, leave.
    Membership,
}

impl Fault {
    /// The name of its kind, as in plans, histories (`start-KIND`) and evidence.
    pub fn kind(&self) -> &'static str {
        match self {
            Fault::Partition { .. } => "partition",
            Fault::Kill { .. } => "kill",
            Fault::Pause { .. } => "pause",
            Fault::Upgrade { .. } => "upgrade",
            Fault::ClockBump { .. } => "clock-bump",
            Fault::ClockDrift { .. } => "clock-drift",
            Fault::SlowLink { .. } => "slow-link",
            Fault::LossyLink { .. } => "lossy-link",
            Fault::Wipe { .. } => "wipe",
            Fault::Power { .. } => "power",
            Fault::SyncFail { .. } => "sync-fail",
            Fault::Rot { .. } => "rot",
            Fault::Join { .. } => "join",
            Fault::Leave { .. } => "leave",
        }
    }

    /// What it affects.
    pub fn class(&self) -> Class {
        match self {
            Fault::Partition { .. } | Fault::SlowLink { .. } | Fault::LossyLink { .. } => Class::Network,
            Fault::Kill { .. }
            | Fault::Pause { .. }
            | Fault::Upgrade { .. }
            | Fault::Wipe { .. }
            | Fault::Power { .. }
            | Fault::SyncFail { .. }
            | Fault::Rot { .. } => Class::Process,
            Fault::ClockBump { .. } | Fault::ClockDrift { .. } => Class::Clock,
            Fault::Join { .. } | Fault::Leave { .. } => Class::Membership,
        }
    }

    /// The directed links it affects; none for classes other than [`Class::Network`].
    pub fn links(&self) -> &[Link] {
        match self {
            Fault::Partition { links, .. } | Fault::SlowLink { links, .. } | Fault::LossyLink { links, .. } => links,
            _ => &[],
        }
    }

    /// The nodes it names; none for [`Class::Network`], whose faults name links.
    pub fn own_nodes(&self) -> &[String] {
        match self {
            Fault::Kill { nodes }
            | Fault::Pause { nodes }
            | Fault::Upgrade { nodes }
            | Fault::ClockBump { nodes, .. }
            | Fault::ClockDrift { nodes, .. }
            | Fault::Wipe { nodes }
            | Fault::Power { nodes }
            | Fault::SyncFail { nodes }
            | Fault::Rot { nodes, .. }
            | Fault::Join { nodes }
            | Fault::Leave { nodes } => nodes,
            Fault::Partition { .. } | Fault::SlowLink { .. } | Fault::LossyLink { .. } => &[],
        }
    }

    /// Whether it is a disk fault, which affects processes only because they need their disks.
    pub fn is_of_disks(&self) -> bool {
        matches!(self, Fault::Wipe { .. } | Fault::Power { .. } | Fault::SyncFail { .. } | Fault::Rot { .. })
    }

    /// Whether only a simulated disk can have this fault.
    pub fn needs_simulated_disk(&self) -> bool {
        matches!(self, Fault::Power { .. } | Fault::SyncFail { .. } | Fault::Rot { .. })
    }

    /// Every node it affects, including the ends of its links, in the order of `all`.
    pub fn nodes(&self, all: &[String]) -> Vec<String> {
        let touches = |node: &&String| {
            self.own_nodes().contains(node) || self.links().iter().any(|l| l.from == **node || l.to == **node)
        };
        all.iter().filter(touches).cloned().collect()
    }
}

impl PlannedFault {
    /// When it is healed, ms since the run began.
    pub fn end_ms(&self) -> u64 {
        self.at_ms.saturating_add(self.for_ms)
    }

    /// Whether both are in force at some moment; one that starts when the other ends does not overlap it.
    pub fn overlaps(&self, other: &PlannedFault) -> bool {
        self.at_ms < other.end_ms() && other.at_ms < self.end_ms()
    }
}

/// A fault with its start and length, ms since the run began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedFault {
    /// Unique in the plan, from 1.
    pub id: u64,
    /// When it starts.
    pub at_ms: u64,
    /// How long it lasts.
    pub for_ms: u64,
    /// What it does.
    #[serde(flatten)]
    pub fault: Fault,
}
