//! What a cluster can be made to suffer: capabilities, which a surface reports and kinds of fault need.
//!
//! A capability is something that can be injected *and* measured: without evidence a fault does not count. Everything is
//! absent until a surface says that it has it. A fault whose needs are not met is refused before the run, with the
//! reason. Faults that somebody else has described as commands are known by their names: the surface offers them.

use std::collections::BTreeMap;
use std::fmt;

/// Something that can be injected into a cluster and measured there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// Cut directed links between nodes.
    Cut,
    /// Deliver late, by a constant or uniform delay.
    Delay,
    /// Deliver late by a normal or Pareto distribution.
    DelayDistributions,
    /// Lose a share of what is sent.
    Loss,
    /// Deliver a share twice.
    Duplication,
    /// Deliver a share behind what was sent later.
    Reordering,
    /// Flip bits in a share.
    Corruption,
    /// Let only so much pass in a second.
    RateLimit,
    /// Reset the connections of a link.
    Reset,
    /// All of that on links between clients and nodes, too ([`crate::fault::CLIENTS`]).
    ClientLinks,
    /// Tell which nodes share a data centre.
    DataCentres,
    /// Tell which nodes hold a key.
    KeyOwners,
    /// Kill nodes and start them again.
    Kill,
    /// Pause nodes and resume them.
    Pause,
    /// Kill a node while it starts.
    StartCrash,
    /// Give a node only a share of the processor.
    CpuLimit,
    /// Limit the files that a node may open.
    FileLimit,
    /// Limit the memory of a node.
    MemoryLimit,
    /// Make wall clocks wrong.
    Clock,
    /// Empty the disk of a dead node.
    Wipe,
    /// Lose at a power failure what a disk has not synced.
    PowerFailure,
    /// Lose or keep each unsynced block by itself at a power failure.
    TornWrites,
    /// Fail reads.
    ReadErrors,
    /// Fail writes.
    WriteErrors,
    /// Fail syncs.
    SyncErrors,
    /// Run out of space.
    DiskSpace,
    /// Answer late.
    SlowDisk,
    /// Answer a sync without doing it.
    LyingSyncs,
    /// Let writes land elsewhere in their file.
    MisdirectedWrites,
    /// Flip bits in rows of the bundled store, and start it without them.
    RottenRows,
    /// Flip bits in files of a dead node.
    FlippedBits,
    /// Make nodes join and leave.
    Membership,
    /// Start nodes with their next version.
    Upgrade,
    /// Let a new member on an empty disk take the place of a dead node.
    Replace,
    /// Run the commands that describe a fault: one that begins it, one that measures it, one that ends it.
    Commands,
}

impl Capability {
    /// Every capability.
    pub const ALL: [Capability; 35] = [
        Capability::Cut,
        Capability::Delay,
        Capability::DelayDistributions,
        Capability::Loss,
        Capability::Duplication,
        Capability::Reordering,
        Capability::Corruption,
        Capability::RateLimit,
        Capability::Reset,
        Capability::ClientLinks,
        Capability::DataCentres,
        Capability::KeyOwners,
        Capability::Kill,
        Capability::Pause,
        Capability::StartCrash,
        Capability::CpuLimit,
        Capability::FileLimit,
        Capability::MemoryLimit,
        Capability::Clock,
        Capability::Wipe,
        Capability::PowerFailure,
        Capability::TornWrites,
        Capability::ReadErrors,
        Capability::WriteErrors,
        Capability::SyncErrors,
        Capability::DiskSpace,
        Capability::SlowDisk,
        Capability::LyingSyncs,
        Capability::MisdirectedWrites,
        Capability::RottenRows,
        Capability::FlippedBits,
        Capability::Membership,
        Capability::Upgrade,
        Capability::Replace,
        Capability::Commands,
    ];

    /// What one can do who has it: the end of "this cluster cannot ...".
    fn words(self) -> &'static str {
        match self {
            Capability::Cut => "cut links between nodes",
            Capability::Delay => "deliver late over links",
            Capability::DelayDistributions => "delay by a normal or Pareto distribution",
            Capability::Loss => "lose what is sent over links",
            Capability::Duplication => "deliver twice over links",
            Capability::Reordering => "reorder what is sent over links",
            Capability::Corruption => "flip bits in what is sent over links",
            Capability::RateLimit => "limit the rate of links",
            Capability::Reset => "reset the connections of links",
            Capability::ClientLinks => "touch the links between clients and nodes",
            Capability::DataCentres => "tell which nodes share a data centre",
            Capability::KeyOwners => "tell which nodes hold a key",
            Capability::Kill => "kill nodes and start them again",
            Capability::Pause => "pause nodes",
            Capability::StartCrash => "kill a node while it starts",
            Capability::CpuLimit => "starve nodes of the processor",
            Capability::FileLimit => "limit the files that nodes may open",
            Capability::MemoryLimit => "limit the memory of nodes",
            Capability::Clock => "make wall clocks wrong",
            Capability::Wipe => "empty the disks of nodes",
            Capability::PowerFailure => "lose what disks have not synced",
            Capability::TornWrites => "tear what disks have not synced",
            Capability::ReadErrors => "fail reads from disks",
            Capability::WriteErrors => "fail writes to disks",
            Capability::SyncErrors => "fail syncs of disks",
            Capability::DiskSpace => "fill disks",
            Capability::SlowDisk => "slow down disks",
            Capability::LyingSyncs => "answer syncs without doing them",
            Capability::MisdirectedWrites => "let writes land elsewhere",
            Capability::RottenRows => "let rows of the store rot",
            Capability::FlippedBits => "flip bits in files",
            Capability::Membership => "make nodes join and leave",
            Capability::Upgrade => "start nodes with their next version",
            Capability::Replace => "replace nodes by new members",
            Capability::Commands => "run commands as faults",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.words())
    }
}

/// A fault that is described by commands, which nobody here knows: what it is called, and where it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandOffer {
    /// As whoever described it calls it.
    pub name: String,
    /// The nodes that it may affect.
    pub nodes: Vec<String>,
    /// Its commands name no node: they are run once for all of these nodes, not once for each.
    pub is_of_all: bool,
}

/// What a cluster can do, and, where somebody knows, why it cannot do the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// The reason for each absence; none for what is present.
    known: BTreeMap<Capability, Option<String>>,
    /// The faults that are described by commands.
    commands: Vec<CommandOffer>,
}

impl Capabilities {
    /// Nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// Everything.
    pub fn all() -> Self {
        Self::none().with(Capability::ALL)
    }

    /// These, too.
    #[must_use]
    pub fn with(mut self, capabilities: impl IntoIterator<Item = Capability>) -> Self {
        self.known.extend(capabilities.into_iter().map(|capability| (capability, None)));
        self
    }

    /// Not these, for this reason: what the machine or the system lacks, and what to do about it.
    #[must_use]
    pub fn without(mut self, capabilities: impl IntoIterator<Item = Capability>, reason: &str) -> Self {
        self.known.extend(capabilities.into_iter().map(|capability| (capability, Some(reason.to_owned()))));
        self
    }

    /// These faults, which are described by commands; that they can be run is a capability.
    #[must_use]
    pub fn offering(self, commands: Vec<CommandOffer>) -> Self {
        Self { commands, ..self }
    }

    /// The faults that are described by commands.
    pub fn commands(&self) -> &[CommandOffer] {
        &self.commands
    }

    /// Whether the cluster has it.
    pub fn has(&self, capability: Capability) -> bool {
        self.known.get(&capability) == Some(&None)
    }

    /// The first of these needs of a kind that is not met.
    ///
    /// # Errors
    /// That need, and why it is not met.
    pub fn check(&self, kind: &'static str, needs: &[Capability]) -> Result<(), Unmet> {
        match needs.iter().find(|need| !self.has(**need)) {
            None => Ok(()),
            Some(&missing) => Err(Unmet { kind, missing, reason: self.known.get(&missing).cloned().flatten() }),
        }
    }
}

/// A kind of fault needs what the cluster cannot do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the fault {kind} is not possible here, since this cluster cannot {missing}{}", because(reason.as_deref()))]
pub struct Unmet {
    /// The kind.
    pub kind: &'static str,
    /// What it needs.
    pub missing: Capability,
    /// Why that is missing, where somebody knows.
    pub reason: Option<String>,
}

fn because(reason: Option<&str>) -> String {
    reason.map_or(String::new(), |reason| format!(": {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn what_nobody_has_said_is_absent() {
        let some = Capabilities::none().with([Capability::Cut, Capability::Kill]);
        assert!(some.has(Capability::Cut) && !some.has(Capability::Clock));
        assert_eq!(some.check("partition", &[Capability::Kill, Capability::Cut]), Ok(()));
        let unmet = some.check("clock-bump", &[Capability::Cut, Capability::Clock]).expect_err("no clocks");
        assert_eq!((unmet.kind, unmet.missing, &unmet.reason), ("clock-bump", Capability::Clock, &None));
        assert_eq!(
            unmet.to_string(),
            "the fault clock-bump is not possible here, since this cluster cannot make wall clocks wrong"
        );
    }

    #[test]
    fn a_reason_is_passed_on_and_ends_with_what_it_explains() {
        let full = Capabilities::all().without([Capability::DiskSpace], "/dev/fuse cannot be opened");
        let unmet = full.check("disk-full", &[Capability::DiskSpace]).expect_err("no fuse");
        assert!(unmet.to_string().ends_with("cannot fill disks: /dev/fuse cannot be opened"), "{unmet}");
        assert!(full.with([Capability::DiskSpace]).has(Capability::DiskSpace));
    }

    #[test]
    fn all_is_all() {
        let words: BTreeSet<&str> = Capability::ALL.into_iter().map(Capability::words).collect();
        assert_eq!(words.len(), Capability::ALL.len(), "each once, in words of its own");
        assert!(Capability::ALL.is_sorted(), "in the order of their declaration");
    }
}
