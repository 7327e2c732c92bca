//! The options under which a planted bug shows itself. They are the bug's own defaults; what the user says goes first.

use checker::verdict::Property;
use cluster_core::bug::Bug;
use cluster_core::config::{Coordinator, Quorum, Versioning};

use super::DynamoSettings;

/// Options that a bug prefers; none leaves the general default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    /// Replicas, read quorum, write quorum.
    pub nrw: Option<(u8, u8, u8)>,
    /// Who counts.
    pub quorum: Option<Quorum>,
    /// Causality.
    pub versions: Option<Versioning>,
    /// Workloads.
    pub workload: Option<&'static str>,
    /// Faults.
    pub nemesis: Option<&'static str>,
    /// How many nodes.
    pub nodes: Option<usize>,
    /// Pairs of a vector clock.
    pub clock_pairs: Option<u16>,
    /// Who coordinates a write.
    pub coordinator: Option<Coordinator>,
    /// In sessions.
    pub session: bool,
    /// Clients at a time, each with a node of its own.
    pub sticky_clients: Option<u64>,
    /// A property that is claimed of this load beyond what the configuration claims of every load.
    pub require: Option<Property>,
}

/// What brings this bug out.
pub fn preferences(bug: Bug) -> Preferences {
    match bug {
        // Two writers with one context at one coordinator: any concurrent load on a few keys.
        Bug::NoDots => Preferences { workload: Some("set"), nemesis: Some("none"), ..Preferences::default() },
        // The only copies must be hints, and their owners dead when they are sent.
        Bug::HintDeletedEarly => Preferences {
            nrw: Some((2, 1, 2)),
            workload: Some("set"),
            nemesis: Some("kill:majority"),
            ..Preferences::default()
        },
        Bug::FastClockWins => Preferences {
            quorum: Some(Quorum::Strict),
            versions: Some(Versioning::Lww),
            workload: Some("register"),
            nemesis: Some("clock:bump"),
            ..Preferences::default()
        },
        // Reads and writes of single replicas: what was written is mostly not where it is read next.
        Bug::SessionUnchecked => Preferences {
            nrw: Some((3, 1, 1)),
            session: true,
            workload: Some("set"),
            nemesis: Some("partition,kill"),
            ..Preferences::default()
        },
        Bug::QuorumsDisjoint => Preferences {
            quorum: Some(Quorum::Strict),
            workload: Some("set"),
            nemesis: Some("partition,slow"),
            ..Preferences::default()
        },
        // Every node a replica and a client of its own, so that no coordinator has two writers: there a vector clock
        // loses nothing unless its own pair goes.
        Bug::OwnPairTruncated => Preferences {
            nodes: Some(3),
            sticky_clients: Some(3),
            clock_pairs: Some(2),
            coordinator: Some(Coordinator::First),
            require: Some(Property::NoLostWrites),
            quorum: Some(Quorum::Strict),
            versions: Some(Versioning::VectorClock),
            workload: Some("set"),
            nemesis: Some("none"),
            ..Preferences::default()
        },
        // A replica that a delete has not reached must be there when the others have forgotten it; a fallback would
        // bring it the tombstone.
        Bug::TombstonePurgedEarly => Preferences {
            quorum: Some(Quorum::Strict),
            workload: Some("register"),
            nemesis: Some("partition"),
            ..Preferences::default()
        },
        // Who holds a hint must be dead while its key is deleted, and the hint's owner there again.
        Bug::HintReplayedAfterPurge => {
            Preferences { workload: Some("register"), nemesis: Some("partition,kill"), ..Preferences::default() }
        }
        // A fallback must hold a tombstone while its key is written again.
        Bug::LateTombstoneKills => {
            Preferences { workload: Some("register"), nemesis: Some("partition"), ..Preferences::default() }
        }
        Bug::CounterRestarts | Bug::DotsReused => {
            Preferences { workload: Some("set"), nemesis: Some("wipe"), ..Preferences::default() }
        }
        // The only copies must be hints, and their keepers restart while the owners are still cut off.
        Bug::HintsLostOnRestart => Preferences {
            nrw: Some((2, 1, 2)),
            workload: Some("set"),
            nemesis: Some("partition,kill:majority"),
            ..Preferences::default()
        },
        // Simulation alone: a killed process leaves to the system what it has not synced.
        Bug::AckBeforeSync => {
            Preferences { workload: Some("set"), nemesis: Some("disk:power"), ..Preferences::default() }
        }
        Bug::AckBeforeDurable => {
            Preferences { workload: Some("set"), nemesis: Some("kill:all"), ..Preferences::default() }
        }
        // Replicas must be silent in the middle of a request.
        Bug::QuorumCheckedOnce | Bug::NotFoundCounts => Preferences {
            quorum: Some(Quorum::Strict),
            workload: Some("set"),
            nemesis: Some("partition"),
            ..Preferences::default()
        },
        // Reads must fail where writes succeed.
        Bug::ReadQuorumZero => Preferences {
            nrw: Some((3, 3, 1)),
            quorum: Some(Quorum::Strict),
            workload: Some("set"),
            nemesis: Some("partition"),
            ..Preferences::default()
        },
        // Siblings, and replicas that are behind; the network alone sees to that.
        Bug::RepairOneSibling => {
            Preferences { workload: Some("set"), nemesis: Some("partition"), ..Preferences::default() }
        }
        // A replica that only a repair has reached must be read by itself.
        Bug::RepairPartial => Preferences {
            nrw: Some((3, 1, 2)),
            workload: Some("set"),
            nemesis: Some("partition"),
            ..Preferences::default()
        },
        // A coordinator that answers late.
        Bug::ForwardedTwice => {
            Preferences { workload: Some("register"), nemesis: Some("pause,slow"), ..Preferences::default() }
        }
        // Strict quorums keep no hints, and a set that has had its share of elements is neither written nor read any
        // more: anti-entropy is all that brings what a dead node has missed of it.
        Bug::RepairMarkedDone | Bug::MerkleDrift => Preferences {
            quorum: Some(Quorum::Strict),
            workload: Some("set"),
            nemesis: Some("kill"),
            ..Preferences::default()
        },
        Bug::HintWindow => Preferences { workload: Some("set"), nemesis: Some("kill"), ..Preferences::default() },
        Bug::HandoffOnce | Bug::PeerNeverRetried => {
            Preferences { nemesis: Some("partition"), ..Preferences::default() }
        }
    }
}

/// The settings of a cluster with this bug, where nobody says otherwise.
pub fn settings(bug: Option<Bug>) -> DynamoSettings {
    let (prefers, usual) = (bug.map(preferences).unwrap_or_default(), DynamoSettings::default());
    let (n, r, w) = prefers.nrw.unwrap_or((usual.n, usual.r, usual.w));
    DynamoSettings {
        n,
        r,
        w,
        quorum: prefers.quorum.unwrap_or(usual.quorum),
        versions: prefers.versions.unwrap_or(usual.versions),
        nodes: prefers.nodes.unwrap_or(usual.nodes),
        clock_pairs: prefers.clock_pairs.unwrap_or(usual.clock_pairs),
        coordinator: prefers.coordinator.unwrap_or(usual.coordinator),
        session: prefers.session,
        bug,
        ..usual
    }
}
