//! The options under which a planted bug shows itself. They are the bug's own defaults; the user's options come first.

use checker::CheckName;
use cluster_core::bug::Bug;
use cluster_core::config::{Coordinator, Quorum, Versioning};

use nemesis::NemesisSpec;
use serde_json::Value;

use super::settings::DynamoSettings;
use crate::systems::row::{self, Chosen, PlantedBugs};

/// The planted defects, for the registry.
pub(super) struct Bugs;

impl PlantedBugs for Bugs {
    fn all(&self) -> Vec<(&'static str, &'static str)> {
        Bug::ALL.iter().map(|bug| (bug.name(), bug.explanation())).collect()
    }

    fn shows_itself(&self, name: &str, planted: bool) -> Option<Chosen<Value>> {
        name.parse().ok().map(|bug| shows_itself(bug, planted).into_json())
    }
}

/// The options under which a bug shows itself, with the bug or without it.
pub fn shows_itself(bug: Bug, planted: bool) -> Chosen<DynamoSettings> {
    let options = DynamoSettings { bug: planted.then_some(bug), ..settings(Some(bug)) };
    Chosen { options, preferences: preferences(bug).of_the_run() }
}

/// The options that a bug prefers; for none the general default applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    /// Replicas, read quorum, write quorum.
    pub nrw: Option<(u8, u8, u8)>,
    /// Which nodes count towards a quorum.
    pub quorum: Option<Quorum>,
    /// How versions are compared.
    pub versions: Option<Versioning>,
    /// Workloads.
    pub workload: Option<&'static str>,
    /// Faults.
    pub nemesis: Option<&'static str>,
    /// The number of nodes.
    pub nodes: Option<usize>,
    /// Pairs of a vector clock.
    pub clock_pairs: Option<u16>,
    /// Which replica coordinates a write.
    pub coordinator: Option<Coordinator>,
    /// Whether clients use sessions.
    pub session: bool,
    /// Clients at a time, each with a node of its own.
    pub sticky_clients: Option<u64>,
    /// A property that is claimed for this load in addition to those that the configuration claims for every load.
    pub require: Option<CheckName>,
}

impl Preferences {
    fn under(workload: &'static str, nemesis: &'static str) -> Self {
        Self { workload: Some(workload), nemesis: Some(nemesis), ..Self::default() }
    }

    fn nrw(self, n: u8, r: u8, w: u8) -> Self {
        Self { nrw: Some((n, r, w)), ..self }
    }

    /// What it prefers beside the system's own options.
    pub(super) fn of_the_run(self) -> row::Preferences {
        row::Preferences {
            workload: self.workload,
            nemesis: self.nemesis,
            sticky_clients: self.sticky_clients,
            require: self.require.into_iter().collect(),
            ..row::Preferences::default()
        }
    }

    /// No fallbacks, and so no hints.
    fn strict(self) -> Self {
        Self { quorum: Some(Quorum::Strict), ..self }
    }
}

/// The options under which this bug shows itself.
pub fn preferences(bug: Bug) -> Preferences {
    let under = Preferences::under;
    match bug {
        // Two writers with one context at one coordinator: any concurrent load on a few keys.
        Bug::NoDots => under("set", "none"),
        // The only copies must be hints, and their owners dead when they are sent.
        Bug::HintDeletedEarly => under("set", "kill:majority,kill:one").nrw(2, 1, 2),
        Bug::FastClockWins => {
            Preferences { versions: Some(Versioning::Lww), ..under("register", "clock:bump").strict() }
        }
        // Reads and writes of single replicas: a read mostly asks another replica than the write before it.
        Bug::SessionUnchecked => Preferences { session: true, ..under("set", "partition,kill").nrw(3, 1, 1) },
        Bug::QuorumsDisjoint => under("set", "partition,slow").strict(),
        Bug::OwnPairTruncated => one_writer_a_coordinator(),
        // A replica that a delete has not reached must be there when the others have forgotten it; a fallback would
        // bring it the tombstone.
        Bug::TombstonePurgedEarly => under("register", "partition").strict(),
        // The holder of a hint must be dead while its key is deleted, and the hint's owner must be back.
        Bug::HintReplayedAfterPurge => under("register", "partition,kill"),
        // A fallback must hold a tombstone while its key is written again.
        Bug::LateTombstoneKills => under("register", "partition"),
        Bug::CounterRestarts | Bug::DotsReused => under("set", "wipe"),
        // The only copies must be hints, and their keepers restart while the owners are still cut off.
        Bug::HintsLostOnRestart => under("set", "partition,kill:majority").nrw(2, 1, 2),
        // Simulation only: what a killed process has not synced survives in the operating system. With one copy the
        // power failure of one node is enough; that all replicas fail while a write is unsynced on each of them is
        // rare.
        Bug::AckBeforeSync => under("set", "disk:power").nrw(1, 1, 1).strict(),
        // Where the disks are the bench's: what a killed process has not synced survives in the operating system, and
        // the simulated disk is no engine's.
        Bug::NoSync => under("set", "disk:power"),
        // If all nodes are down whenever any is, no operation may succeed during a fault, and the verdict on the
        // cluster without the bug would be inconclusive.
        Bug::AckBeforeDurable => under("set", "kill:all,kill:one"),
        // Replicas must be silent in the middle of a request.
        Bug::QuorumCheckedOnce | Bug::NotFoundCounts => under("set", "partition").strict(),
        // Reads must fail where writes succeed.
        Bug::ReadQuorumZero => under("set", "partition").nrw(3, 3, 1).strict(),
        // Siblings, and replicas that are behind: network faults alone cause both.
        Bug::RepairOneSibling => under("set", "partition"),
        // A replica that only a repair has reached must be read by itself.
        Bug::RepairPartial => under("set", "partition").nrw(3, 1, 2),
        // A coordinator that answers late.
        Bug::ForwardedTwice => under("register", "pause,slow"),
        // Strict quorums keep no hints, and a set that has had its share of elements is neither written nor read any
        // more: only anti-entropy brings what a dead node has missed of it.
        Bug::MerkleDrift => under("set", "kill").strict(),
        // The more a node has missed, the more there is that only anti-entropy brings.
        Bug::RepairMarkedDone => under("set", "wipe").strict(),
        Bug::HintWindow => under("set", "kill"),
        // With a single copy, no other replica makes up for it.
        Bug::ServedBeforeData | Bug::MovedUnconfirmed | Bug::RingCached => {
            under("set", "membership").nrw(1, 1, 1).strict()
        }
        // The sides of a partition must have given each other up before one of them records a change.
        Bug::SeedsIgnored => under("set", "partition,membership"),
        // With a single copy, no other replica has the tombstone.
        Bug::DeletesNotForwarded => under("register", "membership").nrw(1, 1, 1).strict(),
        Bug::MembershipByClock => under("set", "membership,clock:bump"),
        // The fewer nodes there are, the more often three consecutive tokens belong to one node; and many keys.
        Bug::VirtualNodesCounted => Preferences { nodes: Some(3), ..under("register", "wipe").strict() },
        Bug::HandoffOnce | Bug::PeerNeverRetried => {
            Preferences { nemesis: Some("partition"), ..Preferences::default() }
        }
    }
}

/// Every node is a replica and has a client of its own, so that no coordinator has two writers: then a vector clock
/// loses nothing unless the coordinator's own pair is dropped.
fn one_writer_a_coordinator() -> Preferences {
    Preferences {
        nodes: Some(3),
        sticky_clients: Some(3),
        clock_pairs: Some(2),
        coordinator: Some(Coordinator::First),
        require: Some(CheckName::NO_LOST_WRITES),
        versions: Some(Versioning::VectorClock),
        ..Preferences::under("set", "none").strict()
    }
}

/// The default settings of a cluster with this bug.
pub fn settings(bug: Option<Bug>) -> DynamoSettings {
    let (prefers, usual) = (bug.map(preferences).unwrap_or_default(), DynamoSettings::default());
    let (n, r, w) = prefers.nrw.unwrap_or((usual.n, usual.r, usual.w));
    let faults: NemesisSpec = prefers.nemesis.unwrap_or_default().parse().unwrap_or_default();
    DynamoSettings {
        n,
        r,
        w,
        quorum: prefers.quorum.unwrap_or(usual.quorum),
        versions: prefers.versions.unwrap_or(usual.versions),
        nodes: prefers.nodes.unwrap_or(usual.nodes),
        spares: DynamoSettings::usual_spares(&faults),
        clock_pairs: prefers.clock_pairs.unwrap_or(usual.clock_pairs),
        coordinator: prefers.coordinator.unwrap_or(usual.coordinator),
        session: prefers.session,
        bug,
        ..usual
    }
}
