//! What was measured of one fault: noted by the stage while it is carried out, and judged by its kind in the end.

use std::collections::{BTreeMap, BTreeSet};

use crate::evidence::Finding;
use crate::fault::Link;
use crate::surface::{
    CommandReading, DiskStatistics, LinkStatistics, Membership, ProcessStatistics, Standing, StartCrash,
};

/// Everything that was measured of a fault. What its kind does not measure stays empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    /// When it was first measured in force and when for the last time, ms since the run began.
    pub span_ms: (u64, u64),
    /// How many times it has changed while it lasted.
    pub turns: u64,
    /// The counters of its links once its rules were in force, and at its end.
    pub links: BTreeMap<Link, LinkReading>,
    /// Nodes seen dead or stopped, as the fault wants them.
    pub affected: BTreeSet<String>,
    /// Nodes seen running after the healing.
    pub running: BTreeSet<String>,
    /// The best reading of each node's clock at the start.
    pub clocks_at_start: BTreeMap<String, Reading>,
    /// The best reading of each node's clock at the end, if it answered.
    pub clocks_at_end: BTreeMap<String, Reading>,
    /// The protocol version that each node reported before it was killed.
    pub versions_before: BTreeMap<String, u64>,
    /// The protocol version that each node reported after its restart.
    pub versions_after: BTreeMap<String, u64>,
    /// Which member each node said that it is before it was killed.
    pub members_before: BTreeMap<String, u64>,
    /// Which member each node said that it is once it was started again.
    pub members_after: BTreeMap<String, u64>,
    /// What the nodes reported about the change of the membership, right after the command and at the end.
    pub membership: (MembershipReport, MembershipReport),
    /// Each node's disk, before and after the fault was injected.
    pub disks: BTreeMap<String, DiskReading>,
    /// The nodes whose disks were read at the end of a rule on them.
    pub disks_at_end: BTreeSet<String>,
    /// The nodes that would not start with their disks, and got empty ones.
    pub disks_replaced: BTreeSet<String>,
    /// What each node's processes use and may use.
    pub processes: BTreeMap<String, ProcessReading>,
    /// What its links did while they were cut and while they were open, in turn.
    pub link_phases: LinkPhases,
    /// How often each node's clock was seen where it was set to, in turn.
    pub clock_phases: BTreeMap<String, ClockPhases>,
    /// The starts that were cut short, by node.
    pub start_crashes: Vec<(String, StartCrash)>,
    /// What the command said that measures it.
    pub commands: CommandReadings,
}

impl Measured {
    /// What each of these links did between start and end.
    ///
    /// # Errors
    /// A sentence about the first link that could not be measured.
    pub fn links_since_start(&self, links: &[Link]) -> Result<Vec<LinkStatistics>, String> {
        let since = |link: &Link| {
            let reading = self.links.get(link).cloned().unwrap_or_default();
            let before = reading.start.ok_or_else(|| format!("{link} could not be measured at the start"))?;
            let after = reading.end.map_err(|why| format!("{link} could not be measured at the end: {why}"))?;
            Ok(after.since(&before))
        };
        links.iter().map(since).collect()
    }

    /// The finding on links from what each did, or why they could not be measured.
    pub fn judge_links(&self, links: &[Link], judge: impl FnOnce(&[LinkStatistics]) -> Finding) -> Finding {
        self.links_since_start(links).map_or_else(Finding::failed, |links| judge(&links))
    }

    /// How long it was measured in force, ms.
    pub fn lasted_ms(&self) -> u64 {
        self.span_ms.1.saturating_sub(self.span_ms.0)
    }

    /// What was read of a node's processes, if it could be read in the end.
    pub fn process(&self, node: &str) -> Option<ProcessReading> {
        self.processes.get(node).copied().filter(|reading| reading.is_whole)
    }

    /// The readings of these nodes' disks, in their order; a disk that was not read counts as empty.
    pub fn disks_of(&self, nodes: &[String]) -> Vec<DiskReading> {
        nodes.iter().map(|node| self.disks.get(node).copied().unwrap_or_default()).collect()
    }
}

/// A link's counters.
#[derive(Clone, Debug)]
pub(crate) struct LinkReading {
    /// Once the fault was in force.
    pub start: Option<LinkStatistics>,
    /// At its end, or why they could not be read.
    pub end: Result<LinkStatistics, String>,
}

impl Default for LinkReading {
    fn default() -> Self {
        Self { start: None, end: Err("it was not read".to_owned()) }
    }
}

/// The sum of a counter over links.
pub(crate) fn total(links: &[LinkStatistics], field: fn(&LinkStatistics) -> u64) -> u64 {
    links.iter().map(field).fold(0, u64::saturating_add)
}

/// A disk's counters before a fault, once it was injected, and at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DiskReading {
    /// Before the fault was injected.
    pub before: DiskStatistics,
    /// Once the fault was injected.
    pub after: DiskStatistics,
    /// At its end: for a fault that the node does not survive, when it was started again.
    pub end: DiskStatistics,
}

impl DiskReading {
    /// By how much a counter has grown from before the fault to its end.
    pub fn rise(&self, count: fn(&DiskStatistics) -> u64) -> u64 {
        count(&self.end).saturating_sub(count(&self.before))
    }
}

/// By how much a counter has grown, on all these disks together.
pub(crate) fn rise(disks: &[DiskReading], count: fn(&DiskStatistics) -> u64) -> u64 {
    disks.iter().map(|disk| disk.rise(count)).fold(0, u64::saturating_add)
}

/// What a node's processes use and may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProcessReading {
    /// Before the fault was injected.
    pub before: ProcessStatistics,
    /// Once it was in force.
    pub start: ProcessStatistics,
    /// At its end.
    pub end: ProcessStatistics,
    /// Whether what proves it could be read.
    pub is_whole: bool,
}

/// What links did in turn.
#[derive(Clone, Debug, Default)]
pub(crate) struct LinkPhases {
    /// The counters at the start of the phase.
    pub baseline: BTreeMap<Link, LinkStatistics>,
    /// What all of them did while they were cut.
    pub cut: LinkStatistics,
    /// What all of them did while they were open.
    pub open: LinkStatistics,
    /// Phases in which they were cut.
    pub cuts: u64,
    /// Phases in which they were open.
    pub opens: u64,
    /// Counters that could not be read at an end of a phase.
    pub unread: u64,
}

/// What the command said that measures a fault, or why it said nothing; none if it was not asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct CommandReadings {
    /// Before the fault was begun.
    pub before: Asked,
    /// Once it was begun.
    pub start: Asked,
    /// Before it was ended.
    pub end: Asked,
    /// Once it was ended.
    pub after: Asked,
}

/// The readings of the command that measures a fault at one time.
pub(crate) type Asked = Option<Result<Vec<CommandReading>, String>>;

/// How often a clock was seen where it was set to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClockPhases {
    /// While it was off course.
    pub off_course: u64,
    /// While it was true again.
    pub true_again: u64,
}

/// What a node reported about its clock, and what the clock had been set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClockReading {
    /// How far the node reports to be ahead of the machine, ms.
    pub believed_ms: i64,
    /// How far the nemesis set it ahead of the machine, ms.
    pub set_ms: i64,
}

impl ClockReading {
    /// The difference of the two, ms.
    pub fn error_ms(&self) -> u64 {
        self.believed_ms.abs_diff(self.set_ms)
    }
}

/// A clock that was read, and this fault's share in what it was set to, ms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub clock: ClockReading,
    pub share_ms: i64,
}

/// What the nodes reported about a change of the membership: how many were asked, answered, know of the change, and
/// have carried it out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MembershipReport {
    /// Nodes asked.
    pub asked: u64,
    /// Nodes that answered.
    pub answered: u64,
    /// Nodes that know of the change of every node concerned, be it carried out or not.
    pub known: u64,
    /// Nodes that report that it has been carried out.
    pub settled: u64,
}

impl MembershipReport {
    /// Adds a node's answer: `under_way` and `done` are the standings of a node that is concerned, before and after
    /// the change has been carried out.
    pub fn add(&mut self, answer: &Membership, concerned: &[String], under_way: Standing, done: Standing) {
        let standing_of =
            |who: &String| answer.seats.iter().find(|(name, _)| name == who).map(|(_, standing)| *standing);
        let all = |wanted: &[Standing]| concerned.iter().all(|n| standing_of(n).is_some_and(|s| wanted.contains(&s)));
        self.answered += 1;
        self.known += u64::from(all(&[under_way, done]));
        self.settled += u64::from(all(&[done]));
    }
}
