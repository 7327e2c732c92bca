//! Carries out a plan on a surface, and measures the effect of each fault.
//!
//! The caller owns time: it takes [`Plan::schedule`], waits for each step's moment, and calls [`Nemesis::perform`].
//! A fault is noted as active *before* the surface is touched and forgotten only after it is healed, so that
//! [`Nemesis::heal_all`] undoes everything even after an error or a step whose future was dropped half way.
//!
//! Overlapping faults compose. A link's rule is the union of the faults on it: blocked if any blocks, with the sum of
//! the delays, and losing what any of the losses would lose. A clock's setting is the sum of the faults on it. When a
//! fault ends, exactly its own share is removed, including what a drift has accumulated.

use std::collections::{BTreeMap, BTreeSet};

use crate::disk::{self, DiskReading};
use crate::event::NemesisEvent;
use crate::evidence::{self, ClockReading, DriftReading, EvidenceRecord, Finding};
use crate::fault::{Class, Fault, Link, PlannedFault};
use crate::membership::{self, MembershipReport};
use crate::plan::{Plan, PlanStep};
use crate::surface::{ClockSetting, LinkRule, LinkStatistics, ProcessState, Surface, SurfaceError};

/// How many times a clock is read for one measurement, and a node started by [`Nemesis::heal_all`], before giving up.
const ATTEMPTS: usize = 3;

/// The result of one step.
#[derive(Clone, Debug, PartialEq)]
pub struct Performed {
    /// The fault's id.
    pub fault: u64,
    /// Its kind; empty for an id that is not in the plan.
    pub kind: String,
    /// Whether the fault is in force now.
    pub started: bool,
    /// When the step was done, ms since the run began: the time of `event`.
    pub at_ms: u64,
    /// To be recorded in the history. None if there is nothing to record: a fault was stopped that never started.
    pub event: Option<NemesisEvent>,
    /// The fault's evidence, once it has stopped or failed to start.
    pub record: Option<EvidenceRecord>,
    /// What could not be done; also part of the evidence.
    pub error: Option<String>,
}

/// The result of healing everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HealReport {
    /// The faults that were still active and have been stopped now.
    pub performed: Vec<Performed>,
    /// Nodes found dead that no fault had killed: they crashed by themselves. They were started again.
    pub found_dead: Vec<String>,
    /// What is still wrong, a sentence each. Empty: every link is open, every node runs, every clock is right.
    pub problems: Vec<String>,
}

/// A fault between its start and its healing, with what was measured of it.
#[derive(Debug)]
struct Active {
    planned: PlannedFault,
    start_ms: u64,
    /// The counters of its links, once its rules were in force.
    baseline: BTreeMap<Link, LinkStatistics>,
    /// Nodes seen dead or stopped, as the fault wants them.
    affected: BTreeSet<String>,
    /// When each node's clock was set for this fault, ms since the run began.
    clock_since_ms: BTreeMap<String, u64>,
    /// The best reading of each node's clock at the start.
    readings: BTreeMap<String, Reading>,
    /// The protocol version that each node reported before it was killed.
    versions: BTreeMap<String, u64>,
    /// What the nodes reported about the change of the membership right after the command.
    membership: MembershipReport,
    /// Each node's disk, before and after the fault was injected.
    disks: BTreeMap<String, DiskReading>,
    /// The finding, once healing has begun; from then on the fault has no share in any rule.
    finding: Option<Finding>,
    errors: Vec<String>,
}

/// A clock that was read, and this fault's share in what it was set to, ms.
#[derive(Clone, Copy, Debug)]
struct Reading {
    clock: ClockReading,
    share_ms: i64,
}

impl Active {
    fn new(planned: PlannedFault, start_ms: u64) -> Self {
        Self {
            planned,
            start_ms,
            baseline: BTreeMap::new(),
            affected: BTreeSet::new(),
            clock_since_ms: BTreeMap::new(),
            readings: BTreeMap::new(),
            versions: BTreeMap::new(),
            membership: MembershipReport::default(),
            disks: BTreeMap::new(),
            finding: None,
            errors: Vec::new(),
        }
    }

    fn in_force(&self) -> bool {
        self.finding.is_none()
    }

    /// By how much this fault moves the node's clock at a moment: in ms, and in parts per million from then on.
    fn clock_share(&self, node: &str, now_ms: u64) -> (i64, i64) {
        let Some(since_ms) = self.clock_since_ms.get(node).filter(|_| self.in_force()) else {
            return (0, 0);
        };
        match self.planned.fault {
            Fault::ClockBump { offset_ms, .. } => (offset_ms, 0),
            Fault::ClockDrift { rate_ppm, .. } => {
                let drifted = i128::from(now_ms.saturating_sub(*since_ms)) * i128::from(rate_ppm) / 1_000_000;
                (i64::try_from(drifted).unwrap_or(i64::MAX), rate_ppm)
            }
            _ => (0, 0),
        }
    }
}

/// Injects the faults of a plan into a cluster, measures them and heals them.
pub struct Nemesis<'a> {
    plan: Plan,
    now_ms: Box<dyn Fn() -> u64 + 'a>,
    active: BTreeMap<u64, Active>,
    links_touched: BTreeSet<Link>,
    clocks_touched: BTreeSet<String>,
    disks_failing: BTreeSet<String>,
    disks_rotten: BTreeSet<String>,
    nodes_killed: BTreeSet<String>,
    records: Vec<EvidenceRecord>,
}

impl<'a> Nemesis<'a> {
    /// A nemesis for this plan. `now_ms` returns the time since the run began on the arena's clock, ms; the nemesis
    /// never waits for a time.
    pub fn new(plan: Plan, now_ms: impl Fn() -> u64 + 'a) -> Self {
        Self {
            plan,
            now_ms: Box::new(now_ms),
            active: BTreeMap::new(),
            links_touched: BTreeSet::new(),
            clocks_touched: BTreeSet::new(),
            disks_failing: BTreeSet::new(),
            disks_rotten: BTreeSet::new(),
            nodes_killed: BTreeSet::new(),
            records: Vec::new(),
        }
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The evidence of every fault that has stopped so far, in the order of their ends.
    pub fn records(&self) -> &[EvidenceRecord] {
        &self.records
    }

    /// The ids of the faults in force.
    pub fn active(&self) -> Vec<u64> {
        self.active.keys().copied().collect()
    }

    /// Takes one step of the plan. Does not return an error: what could not be done is in the result and in the
    /// evidence.
    pub async fn perform(&mut self, step: PlanStep, surface: &dyn Surface) -> Performed {
        match step {
            PlanStep::Start(id) => self.start(id, surface).await,
            PlanStep::Stop(id) => self.stop(id, surface).await,
        }
    }

    /// Stops all active faults, then opens every link, starts or resumes every node and sets right every clock that
    /// this nemesis has touched, and checks processes and clocks.
    pub async fn heal_all(&mut self, surface: &dyn Surface) -> HealReport {
        let mut report = HealReport::default();
        for id in self.active() {
            report.performed.push(self.stop(id, surface).await);
        }
        assert!(self.active.is_empty(), "a fault is active after all were stopped: {:?}", self.active());
        self.open_links(surface, &mut report).await;
        self.mend_disks(surface, &mut report).await;
        self.revive_nodes(surface, &mut report).await;
        self.set_clocks_right(surface, &mut report).await;
        report
    }

    async fn start(&mut self, id: u64, surface: &dyn Surface) -> Performed {
        let Some(planned) = self.plan.fault(id).cloned().filter(|_| !self.active.contains_key(&id)) else {
            return self.nothing_done(id, "is not in the plan, or active already");
        };
        self.active.insert(id, Active::new(planned.clone(), (self.now_ms)()));
        if let Err(error) = self.apply(&planned, surface).await {
            return self.abandon(id, &error, surface).await;
        }
        let start_ms = (self.now_ms)();
        self.observe_start(&planned, start_ms, surface).await;
        Performed {
            fault: id,
            kind: planned.fault.kind().to_owned(),
            started: true,
            at_ms: start_ms,
            event: Some(NemesisEvent::start(&planned, &surface.nodes())),
            record: None,
            error: None,
        }
    }

    async fn stop(&mut self, id: u64, surface: &dyn Surface) -> Performed {
        let Some(active) = self.active.get(&id) else {
            return self.nothing_done(id, "is not active");
        };
        let planned = active.planned.clone();
        if active.in_force() {
            let finding = self.measure(&planned, surface).await;
            self.note(id, |active| active.finding = Some(finding));
        }
        let running = self.undo(&planned, surface).await;
        if let Fault::Upgrade { nodes } = &planned.fault {
            let finding = self.measure_upgrade(id, nodes, surface).await;
            self.note(id, |active| active.finding = Some(finding));
        }
        self.conclude(&planned, running, surface)
    }

    /// Handles a start that failed: what it did is undone at once, and it counts as a fault without proof.
    async fn abandon(&mut self, id: u64, error: &SurfaceError, surface: &dyn Surface) -> Performed {
        let reason = format!("it could not be started: {error}");
        self.note(id, |active| active.finding = Some(Finding::failed(reason.clone())));
        let Some(planned) = self.plan.fault(id).cloned() else {
            return self.nothing_done(id, "is not in the plan");
        };
        self.undo(&planned, surface).await;
        Performed { error: Some(reason), ..self.conclude(&planned, None, surface) }
    }

    /// Removes a healed fault from the active ones, and returns its evidence. `running`: for a process fault, the nodes
    /// seen running afterwards.
    fn conclude(
        &mut self,
        planned: &PlannedFault,
        running: Option<BTreeSet<String>>,
        surface: &dyn Surface,
    ) -> Performed {
        let Some(active) = self.active.remove(&planned.id) else {
            return self.nothing_done(planned.id, "is not active");
        };
        let mut finding = match (&planned.fault, running) {
            (Fault::Kill { nodes }, Some(running)) => evidence::process("dead", nodes, &active.affected, &running),
            (Fault::Pause { nodes }, Some(running)) => evidence::process("stopped", nodes, &active.affected, &running),
            (fault, Some(running)) if fault.is_of_disks() => {
                disk::finding(fault, &active.affected, &running, &active.disks)
            }
            _ => active.finding.unwrap_or_default(),
        };
        let error = (!active.errors.is_empty()).then(|| active.errors.join("; "));
        error.iter().for_each(|error| finding.disprove(error));
        let (all, at_ms) = (surface.nodes(), (self.now_ms)());
        assert!(active.start_ms <= at_ms, "fault {} stops before it starts: the clock went back", planned.id);
        let record = EvidenceRecord {
            fault: planned.id,
            kind: planned.fault.kind().to_owned(),
            detail: planned.fault.detail(&all),
            nodes: planned.fault.nodes(&all),
            start_ms: active.start_ms,
            stop_ms: at_ms,
            proved: finding.proved,
            evidence: finding.evidence,
            figures: finding.figures,
        };
        self.records.push(record.clone());
        let event = Some(NemesisEvent::stop(&record));
        Performed {
            fault: record.fault,
            kind: record.kind.clone(),
            started: false,
            at_ms,
            event,
            record: Some(record),
            error,
        }
    }

    fn nothing_done(&self, id: u64, why: &str) -> Performed {
        let kind = self.plan.fault(id).map_or(String::new(), |planned| planned.fault.kind().to_owned());
        // A fault that failed to start was concluded then; its stop, which comes later, is not an error.
        let was_concluded = self.records.iter().any(|record| record.fault == id);
        let error = (!was_concluded).then(|| format!("fault {id} {why}"));
        Performed { fault: id, kind, started: false, at_ms: (self.now_ms)(), event: None, record: None, error }
    }

    fn note(&mut self, id: u64, change: impl FnOnce(&mut Active)) {
        if let Some(active) = self.active.get_mut(&id) {
            change(active);
        }
    }
}

/// Injecting and undoing.
impl Nemesis<'_> {
    /// The union of the faults in force on a link.
    fn rule(&self, link: &Link) -> LinkRule {
        let mut rule = LinkRule::default();
        for active in
            self.active.values().filter(|active| active.in_force() && active.planned.fault.links().contains(link))
        {
            match active.planned.fault {
                Fault::Partition { .. } => rule.blocked = true,
                Fault::SlowLink { delay_ms, jitter_ms, .. } => {
                    rule.delay_ms = rule.delay_ms.saturating_add(delay_ms);
                    rule.jitter_ms = rule.jitter_ms.saturating_add(jitter_ms);
                }
                Fault::LossyLink { loss_percent, .. } => {
                    // A chunk passes if both let it pass. Rounded to whole percent, so that two losses below 100 % stay
                    // below it.
                    let passing = (100 - rule.loss_percent) * (100 - loss_percent.min(100));
                    rule.loss_percent = 100 - passing.div_ceil(100);
                    debug_assert!(rule.loss_percent <= 100, "a share of chunks");
                }
                _ => {}
            }
        }
        rule
    }

    /// The sum of the faults in force on a node's clock, as of `now_ms`.
    fn clock(&self, node: &str, now_ms: u64) -> ClockSetting {
        let shares = self.active.values().map(|active| active.clock_share(node, now_ms));
        shares.fold(ClockSetting::default(), |sum, (offset_ms, drift_ppm)| ClockSetting {
            offset_ms: sum.offset_ms.saturating_add(offset_ms),
            drift_ppm: sum.drift_ppm.saturating_add(drift_ppm),
        })
    }

    async fn apply(&mut self, planned: &PlannedFault, surface: &dyn Surface) -> Result<(), SurfaceError> {
        match &planned.fault {
            Fault::Partition { links, .. } | Fault::SlowLink { links, .. } | Fault::LossyLink { links, .. } => {
                for link in links {
                    self.links_touched.insert(link.clone());
                    surface.set_link(link, self.rule(link)).await?;
                }
            }
            Fault::Kill { nodes } => {
                self.nodes_killed.extend(nodes.iter().cloned());
                surface.kill(nodes).await?;
            }
            Fault::Join { .. } | Fault::Leave { .. } => {
                membership::change(&planned.fault, surface).await?;
                let report = membership::ask_nodes(&planned.fault, surface).await;
                self.note(planned.id, |active| active.membership = report);
            }
            Fault::Wipe { nodes } | Fault::Power { nodes } | Fault::SyncFail { nodes } | Fault::Rot { nodes, .. } => {
                self.inject_disk_fault(planned, nodes, surface).await?;
            }
            Fault::Pause { nodes } => {
                for node in nodes {
                    surface.pause(node).await?;
                }
            }
            Fault::Upgrade { nodes } => {
                for node in nodes {
                    let version = surface.protocol_version(node).await?;
                    surface.upgrade(node).await?;
                    self.note(planned.id, |active| active.versions.extend([(node.clone(), version)]));
                }
                self.nodes_killed.extend(nodes.iter().cloned());
                surface.kill(nodes).await?;
            }
            Fault::ClockBump { nodes, .. } | Fault::ClockDrift { nodes, .. } => {
                for node in nodes {
                    self.clocks_touched.insert(node.clone());
                    let now_ms = (self.now_ms)();
                    self.note(planned.id, |active| active.clock_since_ms.extend([(node.clone(), now_ms)]));
                    surface.set_clock(node, self.clock(node, now_ms)).await?;
                }
            }
        }
        Ok(())
    }

    /// Removes the fault's share from everything it touched; for a process fault, returns the nodes seen running
    /// afterwards.
    async fn undo(&mut self, planned: &PlannedFault, surface: &dyn Surface) -> Option<BTreeSet<String>> {
        let mut errors = Vec::new();
        let mut failed = |what: String, result: Result<(), SurfaceError>| {
            errors.extend(result.err().map(|error| format!("{what}: {error}")));
        };
        for link in planned.fault.links() {
            failed(format!("healing {link} failed"), surface.set_link(link, self.rule(link)).await);
        }
        // A change of the membership is not undone.
        let is_kept = planned.fault.class() == Class::Membership;
        for node in planned.fault.own_nodes().iter().filter(|_| !is_kept) {
            let is_running = surface.process_state(node).await == Ok(ProcessState::Running);
            match &planned.fault {
                fault if fault.is_of_disks() => {
                    let mended = self.mend_disk(planned, node, is_running, surface).await;
                    failed(format!("bringing back {node} failed"), mended);
                }
                Fault::Kill { .. } | Fault::Upgrade { .. } if is_running => {}
                Fault::Kill { .. } | Fault::Upgrade { .. } => {
                    failed(format!("restarting {node} failed"), surface.restart(node).await)
                }
                Fault::Pause { .. } => failed(format!("resuming {node} failed"), surface.resume(node).await),
                _ => {
                    let setting = self.clock(node, (self.now_ms)());
                    failed(format!("setting right the clock of {node} failed"), surface.set_clock(node, setting).await);
                }
            }
        }
        self.note(planned.id, |active| active.errors.append(&mut errors));
        if planned.fault.class() != Class::Process {
            return None;
        }
        Some(in_state(planned.fault.own_nodes(), ProcessState::Running, surface).await)
    }
}

/// Disks.
impl Nemesis<'_> {
    async fn inject_disk_fault(
        &mut self,
        planned: &PlannedFault,
        nodes: &[String],
        surface: &dyn Surface,
    ) -> Result<(), SurfaceError> {
        self.nodes_killed.extend(nodes.iter().cloned());
        match planned.fault {
            Fault::SyncFail { .. } => self.disks_failing.extend(nodes.iter().cloned()),
            Fault::Rot { .. } => self.disks_rotten.extend(nodes.iter().cloned()),
            _ => {}
        }
        // The disks count a power failure when it happens, so they are read before it. The other faults are injected
        // into the disks of dead nodes.
        let at_rest = matches!(planned.fault, Fault::Wipe { .. } | Fault::Rot { .. });
        if at_rest {
            surface.kill(nodes).await?;
        }
        for node in nodes {
            let before = surface.disk(node).await?;
            let reading = DiskReading { before, after: before, end: before };
            self.note(planned.id, |active| active.disks.extend([(node.clone(), reading)]));
        }
        if matches!(planned.fault, Fault::Power { .. }) {
            surface.kill(nodes).await?;
        }
        disk::inject(&planned.fault, surface).await?;
        for node in nodes {
            let after = surface.disk(node).await?;
            self.note(planned.id, |active| active.disks.entry(node.clone()).or_default().after = after);
        }
        Ok(())
    }

    /// Makes a disk work again, starts the node from what is on it, and reads the disk's counters.
    async fn mend_disk(
        &mut self,
        planned: &PlannedFault,
        node: &str,
        is_running: bool,
        surface: &dyn Surface,
    ) -> Result<(), SurfaceError> {
        let mut reading =
            self.active.get(&planned.id).and_then(|active| active.disks.get(node)).copied().unwrap_or_default();
        if matches!(planned.fault, Fault::SyncFail { .. }) {
            surface.fail_syncs(node, false).await?;
        }
        reading.end = surface.disk(node).await?;
        let started = match &planned.fault {
            _ if is_running => Ok(()),
            Fault::Rot { .. } => disk::restart_rotten(node, &reading, surface).await,
            _ => surface.restart(node).await,
        };
        reading.end = surface.disk(node).await?;
        self.note(planned.id, |active| active.disks.extend([(node.to_owned(), reading)]));
        started
    }
}

/// Measuring.
impl Nemesis<'_> {
    /// Notes what can be measured as soon as the fault is in force.
    async fn observe_start(&mut self, planned: &PlannedFault, start_ms: u64, surface: &dyn Surface) {
        let mut baseline = BTreeMap::new();
        for link in planned.fault.links() {
            if let Ok(statistics) = surface.link_statistics(link).await {
                baseline.insert(link.clone(), statistics);
            }
        }
        self.note(planned.id, |active| (active.baseline, active.start_ms) = (baseline, start_ms));
        self.observe_processes(planned, surface).await;
        if planned.fault.class() == Class::Clock {
            for node in planned.fault.own_nodes() {
                let reading = self.read_clock(planned, node, surface).await;
                self.note(planned.id, |active| active.readings.extend(reading.map(|reading| (node.clone(), reading))));
            }
        }
    }

    /// Notes the nodes that are dead or stopped, as the fault wants them.
    async fn observe_processes(&mut self, planned: &PlannedFault, surface: &dyn Surface) {
        let wanted = match planned.fault {
            ref fault if fault.is_of_disks() => ProcessState::Dead,
            Fault::Kill { .. } | Fault::Upgrade { .. } => ProcessState::Dead,
            Fault::Pause { .. } => ProcessState::Stopped,
            _ => return,
        };
        let affected = in_state(planned.fault.own_nodes(), wanted, surface).await;
        self.note(planned.id, |active| active.affected.extend(affected));
    }

    /// Takes the last measurements before healing, and evaluates them together with the first.
    async fn measure(&mut self, planned: &PlannedFault, surface: &dyn Surface) -> Finding {
        match &planned.fault {
            Fault::Partition { links, .. } => match self.links_since_start(planned.id, links, surface).await {
                Ok(links) => evidence::partition(&links),
                Err(error) => Finding::failed(error.0),
            },
            Fault::SlowLink { links, delay_ms, .. } => match self.links_since_start(planned.id, links, surface).await {
                Ok(links) => evidence::slow_link(&links, *delay_ms),
                Err(error) => Finding::failed(error.0),
            },
            Fault::Join { .. } | Fault::Leave { .. } => {
                let first = self.active.get(&planned.id).map(|active| active.membership).unwrap_or_default();
                membership::finding(first, membership::ask_nodes(&planned.fault, surface).await)
            }
            Fault::LossyLink { links, .. } => match self.links_since_start(planned.id, links, surface).await {
                Ok(links) => evidence::lossy_link(&links),
                Err(error) => Finding::failed(error.0),
            },
            Fault::Kill { .. }
            | Fault::Pause { .. }
            | Fault::Upgrade { .. }
            | Fault::Wipe { .. }
            | Fault::Power { .. }
            | Fault::SyncFail { .. }
            | Fault::Rot { .. } => {
                self.observe_processes(planned, surface).await;
                Finding::default()
            }
            Fault::ClockBump { nodes, offset_ms } => self.measure_bump(planned, nodes, *offset_ms, surface).await,
            Fault::ClockDrift { nodes, .. } => self.measure_drift(planned, nodes, surface).await,
        }
    }

    async fn links_since_start(
        &self,
        id: u64,
        links: &[Link],
        surface: &dyn Surface,
    ) -> Result<Vec<LinkStatistics>, SurfaceError> {
        let baseline = self.active.get(&id).map(|active| &active.baseline);
        let mut differences = Vec::new();
        for link in links {
            let before = baseline.and_then(|baseline| baseline.get(link));
            let before = before.ok_or_else(|| SurfaceError(format!("{link} could not be measured at the start")))?;
            let after = surface.link_statistics(link).await;
            let after =
                after.map_err(|error| SurfaceError(format!("{link} could not be measured at the end: {error}")))?;
            differences.push(evidence::difference(before, &after));
        }
        Ok(differences)
    }

    async fn measure_bump(
        &self,
        planned: &PlannedFault,
        nodes: &[String],
        offset_ms: i64,
        surface: &dyn Surface,
    ) -> Finding {
        let mut readings = BTreeMap::new();
        for node in nodes {
            let first = self.reading_at_start(planned.id, node);
            let is_near = |reading: &Reading| reading.clock.error_ms() <= evidence::bump_tolerance_ms(offset_ms);
            let best = match first.filter(is_near) {
                Some(first) => Some(first),
                None => self.read_clock(planned, node, surface).await.or(first),
            };
            readings.insert(node.clone(), best.map(|reading| reading.clock));
        }
        evidence::clock_bump(offset_ms, &readings)
    }

    /// The version that each node reports after its restart, compared with the one before.
    async fn measure_upgrade(&self, id: u64, nodes: &[String], surface: &dyn Surface) -> Finding {
        let mut versions = BTreeMap::new();
        for node in nodes {
            let before = self.active.get(&id).and_then(|active| active.versions.get(node).copied());
            let mut after = None;
            for _ in 0..ATTEMPTS {
                after = after.or(surface.protocol_version(node).await.ok());
            }
            versions.insert(node.clone(), (before, after));
        }
        let was_dead = |node: &String| self.active.get(&id).is_some_and(|active| active.affected.contains(node));
        evidence::upgrade(&versions, nodes.iter().all(was_dead))
    }

    /// For a node that did not answer at the start, the clock is assumed to have been as it was set.
    async fn measure_drift(&self, planned: &PlannedFault, nodes: &[String], surface: &dyn Surface) -> Finding {
        let own = |reading: &Reading| reading.clock.believed_ms - (reading.clock.set_ms - reading.share_ms);
        let mut readings = BTreeMap::new();
        for node in nodes {
            let (own_at_start_ms, share_at_start_ms) =
                self.reading_at_start(planned.id, node).map_or((0, 0), |reading| (own(&reading), reading.share_ms));
            let last = self.read_clock(planned, node, surface).await;
            let drift = last.map(|last| DriftReading {
                measured_ms: own(&last) - own_at_start_ms,
                expected_ms: last.share_ms - share_at_start_ms,
            });
            readings.insert(node.clone(), drift);
        }
        evidence::clock_drift(&readings)
    }

    fn reading_at_start(&self, id: u64, node: &str) -> Option<Reading> {
        self.active.get(&id)?.readings.get(node).copied()
    }

    /// Asks a node for its clock, several times if the reading is off. Returns the reading nearest to what was set;
    /// none if the node does not answer.
    async fn read_clock(&self, planned: &PlannedFault, node: &str, surface: &dyn Surface) -> Option<Reading> {
        let mut best: Option<Reading> = None;
        for _ in 0..ATTEMPTS {
            let Ok(believed_ms) = surface.believed_offset_ms(node).await else {
                break;
            };
            let now_ms = (self.now_ms)();
            let clock = ClockReading { believed_ms, set_ms: self.clock(node, now_ms).offset_ms };
            let share_ms = self.active.get(&planned.id).map_or(0, |active| active.clock_share(node, now_ms).0);
            if best.is_none_or(|best| clock.error_ms() < best.clock.error_ms()) {
                best = Some(Reading { clock, share_ms });
            }
            if clock.error_ms() <= 1 {
                break;
            }
        }
        best
    }
}

/// Healing for good.
impl Nemesis<'_> {
    async fn open_links(&self, surface: &dyn Surface, report: &mut HealReport) {
        for link in &self.links_touched {
            if let Err(error) = surface.set_link(link, LinkRule::default()).await {
                report.problems.push(format!("the link {link} could not be opened: {error}"));
            }
        }
    }

    async fn mend_disks(&self, surface: &dyn Surface, report: &mut HealReport) {
        for node in &self.disks_failing {
            if let Err(error) = surface.fail_syncs(node, false).await {
                report.problems.push(format!("the disk of {node} could not be mended: {error}"));
            }
        }
    }

    async fn revive_nodes(&self, surface: &dyn Surface, report: &mut HealReport) {
        for node in surface.nodes() {
            if surface.process_state(&node).await == Ok(ProcessState::Dead) && !self.nodes_killed.contains(&node) {
                report.found_dead.push(node.clone());
            }
            if let Err(error) = revive(&node, self.disks_rotten.contains(&node), surface).await {
                report.problems.push(format!("{node} could not be brought back: {error}"));
            }
        }
    }

    async fn set_clocks_right(&self, surface: &dyn Surface, report: &mut HealReport) {
        for node in &self.clocks_touched {
            if let Err(error) = set_clock_right(node, surface).await {
                report.problems.push(format!("the clock of {node} is not true: {error}"));
            }
        }
    }
}

/// Restarts or resumes a node, and checks that it runs. A node whose rows have rotted may have to be started without
/// them.
async fn revive(node: &str, is_rotten: bool, surface: &dyn Surface) -> Result<(), SurfaceError> {
    let mut result = Ok(());
    for attempt in 0..ATTEMPTS {
        result = match surface.process_state(node).await? {
            ProcessState::Running => return Ok(()),
            ProcessState::Stopped => surface.resume(node).await,
            ProcessState::Dead if is_rotten && attempt > 0 => surface.restart_without_damaged(node).await,
            ProcessState::Dead => surface.restart(node).await,
        };
    }
    match (surface.process_state(node).await?, result) {
        (ProcessState::Running, _) => Ok(()),
        (_, Err(error)) => Err(error),
        (state, Ok(())) => Err(SurfaceError(format!("it is still {state:?} after {ATTEMPTS} attempts").to_lowercase())),
    }
}

async fn set_clock_right(node: &str, surface: &dyn Surface) -> Result<(), SurfaceError> {
    surface.set_clock(node, ClockSetting::default()).await?;
    let mut believed_ms = 0;
    for _ in 0..ATTEMPTS {
        believed_ms = surface.believed_offset_ms(node).await?;
        if believed_ms.unsigned_abs() <= evidence::CLOCK_TOLERANCE_MAX_MS {
            return Ok(());
        }
    }
    Err(SurfaceError(format!("it still reads {believed_ms:+} ms")))
}

/// The nodes whose process is in this state.
async fn in_state(nodes: &[String], wanted: ProcessState, surface: &dyn Surface) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for node in nodes {
        if surface.process_state(node).await == Ok(wanted) {
            found.insert(node.clone());
        }
    }
    found
}
