//! Defects that real stores had, to be planted one at a time, so that the bench can be shown to find them.
//!
//! Each is one small deviation, taken where [`Config::bug`](crate::config::Config::bug) names it, and costs nothing
//! when off.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A defect that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bug {
    /// No dots: the coordinator bumps its counter, and the new version dominates siblings that its writer never saw.
    NoDots,
    /// A hint is dropped as soon as it is sent, before its owner has acknowledged it.
    HintDeletedEarly,
    /// Last-write-wins by the raw wall clock: a node whose clock is ahead masks later writes.
    FastClockWins,
    /// A write is acknowledged from memory and persisted up to a second later.
    AckBeforeDurable,
    /// A vector clock that is too long loses the coordinator's own pair first.
    OwnPairTruncated,
    /// A tombstone is forgotten by each replica for itself, whether the others have it or not.
    TombstonePurgedEarly,
    /// Reaping asks only who is up, and not for hints: an old version is handed over when its tombstone is gone.
    HintReplayedAfterPurge,
    /// A tombstone is forgotten by each replica for itself, and a recreated row begins with the same actor: a tombstone
    /// that a fallback hands over late supersedes what was written since.
    LateTombstoneKills,
    /// A read in a session is answered by the first R replies, whatever the session has seen.
    SessionUnchecked,
    /// R and W are served as one each, R + W <= N, and it is called a quorum.
    QuorumsDisjoint,
    /// A node has one actor for ever, and begins to count anew where it finds no row of a key.
    CounterRestarts,
    /// A node on an empty disk takes the names again that it gave before the disk was emptied.
    DotsReused,
    /// A restarted node finds its hint store unreadable, and goes on without it.
    HintsLostOnRestart,
    /// A write is acknowledged as soon as it is handed to the disk.
    AckBeforeSync,
    /// A strict quorum is checked when a request begins; later a fallback counts like a replica.
    QuorumCheckedOnce,
    /// A read that cannot have its quorum is answered nevertheless: not found.
    ReadQuorumZero,
    /// Under a strict quorum too, the not-found of a node that is no replica counts towards R.
    NotFoundCounts,
    /// Read repair settles siblings: it writes one of them back in the place of all.
    RepairOneSibling,
    /// Read repair sends one version without the rest of the key's state.
    RepairPartial,
    /// A forwarded write that is not answered soon is sent again, and coordinated again.
    ForwardedTwice,
    /// A range that two replicas agree on is noted as repaired with all of them, those that are down included.
    RepairMarkedDone,
    /// Hints for a node that has been down for longer than a window are dropped, and nothing else repairs.
    HintWindow,
    /// A hint that could not be delivered is not tried again until its keeper restarts, and nothing else repairs.
    HandoffOnce,
    /// The Merkle tree shows a row as it was before its last write, until the node starts anew.
    MerkleDrift,
    /// A peer that was once taken for down is never sent anything again.
    PeerNeverRetried,
    /// While keys change hands, requests go to the owners of after the change alone, who do not have them yet.
    ServedBeforeData,
    /// A range counts as handed over when its new owner is known, and goes with the first change that is settled.
    MovedUnconfirmed,
    /// Whoever coordinates goes by the ring that it found at its start, whoever has come or gone since.
    RingCached,
    /// Who does not answer is gossiped with no more, seed or not, until it gossips itself.
    SeedsIgnored,
    /// While keys change hands a delete goes to the owners of before alone, and no tombstone is handed over.
    DeletesNotForwarded,
    /// Changes of the membership are named by the wall clock of whoever takes them on, and old ones count as known.
    MembershipByClock,
    /// The first N virtual nodes of a walk are the replicas, whoever their hosts are.
    VirtualNodesCounted,
    /// The storage engine writes each commit and never syncs it. The core has no part in it: it is the engines' own.
    NoSync,
}

impl Bug {
    /// Every defect.
    pub const ALL: [Bug; 33] = [
        Bug::NoDots,
        Bug::HintDeletedEarly,
        Bug::FastClockWins,
        Bug::AckBeforeDurable,
        Bug::OwnPairTruncated,
        Bug::TombstonePurgedEarly,
        Bug::HintReplayedAfterPurge,
        Bug::LateTombstoneKills,
        Bug::SessionUnchecked,
        Bug::QuorumsDisjoint,
        Bug::CounterRestarts,
        Bug::DotsReused,
        Bug::HintsLostOnRestart,
        Bug::AckBeforeSync,
        Bug::QuorumCheckedOnce,
        Bug::ReadQuorumZero,
        Bug::NotFoundCounts,
        Bug::RepairOneSibling,
        Bug::RepairPartial,
        Bug::ForwardedTwice,
        Bug::RepairMarkedDone,
        Bug::HintWindow,
        Bug::HandoffOnce,
        Bug::MerkleDrift,
        Bug::PeerNeverRetried,
        Bug::ServedBeforeData,
        Bug::MovedUnconfirmed,
        Bug::RingCached,
        Bug::SeedsIgnored,
        Bug::DeletesNotForwarded,
        Bug::MembershipByClock,
        Bug::VirtualNodesCounted,
        Bug::NoSync,
    ];

    /// The name used at the command line.
    pub fn name(self) -> &'static str {
        match self {
            Bug::NoDots => "no-dots",
            Bug::HintDeletedEarly => "hint-deleted-early",
            Bug::FastClockWins => "fast-clock-wins",
            Bug::AckBeforeDurable => "ack-before-durable",
            Bug::OwnPairTruncated => "own-pair-truncated",
            Bug::TombstonePurgedEarly => "tombstone-purged-early",
            Bug::HintReplayedAfterPurge => "hint-replayed-after-purge",
            Bug::LateTombstoneKills => "late-tombstone-kills",
            Bug::SessionUnchecked => "session-unchecked",
            Bug::QuorumsDisjoint => "quorums-disjoint",
            Bug::CounterRestarts => "counter-restarts",
            Bug::DotsReused => "dots-reused",
            Bug::HintsLostOnRestart => "hints-lost-on-restart",
            Bug::AckBeforeSync => "ack-before-sync",
            Bug::QuorumCheckedOnce => "quorum-checked-once",
            Bug::ReadQuorumZero => "read-quorum-zero",
            Bug::NotFoundCounts => "not-found-counts",
            Bug::RepairOneSibling => "repair-one-sibling",
            Bug::RepairPartial => "repair-partial",
            Bug::ForwardedTwice => "forwarded-twice",
            Bug::RepairMarkedDone => "repair-marked-done",
            Bug::HintWindow => "hint-window",
            Bug::HandoffOnce => "handoff-once",
            Bug::MerkleDrift => "merkle-drift",
            Bug::PeerNeverRetried => "peer-never-retried",
            Bug::ServedBeforeData => "served-before-data",
            Bug::MovedUnconfirmed => "moved-unconfirmed",
            Bug::RingCached => "ring-cached",
            Bug::SeedsIgnored => "seeds-ignored",
            Bug::DeletesNotForwarded => "deletes-not-forwarded",
            Bug::MembershipByClock => "membership-by-clock",
            Bug::VirtualNodesCounted => "virtual-nodes-counted",
            Bug::NoSync => "no-sync",
        }
    }

    /// What it does, in a line.
    pub fn explanation(self) -> &'static str {
        EXPLANATIONS[self as usize].1
    }
}

/// In the order of [`Bug::ALL`].
const EXPLANATIONS: [(Bug, &str); Bug::ALL.len()] = [
    (
        Bug::NoDots,
        "a coordinator's counter bump dominates a concurrent sibling (no dots): acknowledged writes are lost",
    ),
    (
        Bug::HintDeletedEarly,
        "a hint is deleted when sent, before its owner acknowledged it: the version may exist nowhere",
    ),
    (Bug::FastClockWins, "last-write-wins by the raw wall clock: a fast clock masks later writes"),
    (
        Bug::AckBeforeDurable,
        "a write is acknowledged up to a second before it is durable on any replica: a crash of all loses it",
    ),
    (
        Bug::OwnPairTruncated,
        "a vector clock that is too long loses the coordinator's own pair: its write looks like its past, or older",
    ),
    (Bug::TombstonePurgedEarly, "a tombstone is purged before every replica has it: deleted values come back"),
    (
        Bug::HintReplayedAfterPurge,
        "a tombstone is purged while a fallback that is down holds a hint: what it held back comes back",
    ),
    (
        Bug::LateTombstoneKills,
        "a recreated key begins with the dots of the deleted one: a fallback's late tombstone kills it",
    ),
    (
        Bug::SessionUnchecked,
        "a read in a session is answered whatever the session has seen: after a partial write it reads backwards",
    ),
    (Bug::QuorumsDisjoint, "R and W are served as one each, R + W <= N, and it is called a quorum"),
    (
        Bug::CounterRestarts,
        "a node that finds no row of a key restarts its counter: replicas take the new write for one they have",
    ),
    (
        Bug::DotsReused,
        "a node on an empty disk reuses the names of its earlier versions: replicas take the new for the old",
    ),
    (
        Bug::HintsLostOnRestart,
        "a restarted node drops its hint store as unreadable: a version that only hints held is gone",
    ),
    (
        Bug::AckBeforeSync,
        "a write is acknowledged before the sync returns: a power failure of all its replicas loses it",
    ),
    (
        Bug::QuorumCheckedOnce,
        "a strict quorum is checked only when a request begins, then fallbacks count: quorums do not overlap",
    ),
    (
        Bug::ReadQuorumZero,
        "a read without its quorum says not-found instead of failing, and its writer overwrites what is there",
    ),
    (
        Bug::NotFoundCounts,
        "the not-found of a node that is no replica counts towards a strict R: quorums do not overlap",
    ),
    (Bug::RepairOneSibling, "read repair writes one sibling back in the place of all: the others are lost"),
    (
        Bug::RepairPartial,
        "read repair sends one version without the rest of the state: its clock then speaks for what is not there",
    ),
    (
        Bug::ForwardedTwice,
        "a forwarded write that is not answered soon is sent and coordinated again: one write, two versions",
    ),
    (
        Bug::RepairMarkedDone,
        "anti-entropy notes a range as repaired when one replica agrees, although another was down and has not",
    ),
    (Bug::HintWindow, "hints for a node that is down for over half a second are dropped, and nothing else repairs"),
    (Bug::HandoffOnce, "a hint tried in vain waits for a restart of its keeper, and nothing else repairs"),
    (Bug::MerkleDrift, "a Merkle tree shows a row as it was before its last write: who missed just that seems equal"),
    (Bug::PeerNeverRetried, "a peer that did not answer once is never sent anything again"),
    (Bug::ServedBeforeData, "while keys change hands, their new owners are asked before they have them"),
    (Bug::MovedUnconfirmed, "who loses a range drops it, handed over or not: acknowledged writes are gone"),
    (Bug::RingCached, "coordinators keep to the ring they started with: they ask who owns the keys no more"),
    (
        Bug::SeedsIgnored,
        "who does not answer is gossiped with no more, seed or not: the halves of a partition stay two rings",
    ),
    (
        Bug::DeletesNotForwarded,
        "while keys change hands their new owners do not hear of deletes: they keep what they were handed before",
    ),
    (
        Bug::MembershipByClock,
        "a change of the members is stamped by a wall clock, and whoever knows a newer one takes it for known",
    ),
    (
        Bug::VirtualNodesCounted,
        "N virtual nodes make a preference list: where one host has several of them, there are fewer copies",
    ),
    (Bug::NoSync, "the storage engine writes and never syncs: a power failure takes what was acknowledged"),
];

// Both are in the order in which the defects are declared.
const _: () = {
    let mut at = 0;
    while at < Bug::ALL.len() {
        assert!(Bug::ALL[at] as usize == at && EXPLANATIONS[at].0 as usize == at);
        at += 1;
    }
};

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The name given is no defect's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown bug '{0}': `--bug list` prints them all")]
pub struct UnknownBug(pub String);

impl FromStr for Bug {
    type Err = UnknownBug;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Bug::ALL.into_iter().find(|bug| bug.name() == text).ok_or_else(|| UnknownBug(text.to_owned()))
    }
}
