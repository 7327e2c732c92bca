//! Carries out a plan on a surface, and measures the effect of each fault.
//!
//! The caller owns time: it takes [`Plan::schedule`], waits for each step's moment, and calls [`Nemesis::perform`].
//! A fault is noted as active *before* the surface is touched and forgotten only after it is healed, so that
//! [`Nemesis::heal_all`] undoes everything even after an error or a step whose future was dropped half way.
//!
//! How a fault is begun, measured and healed is said by its kind (`faults/`); how overlapping faults compose, by the
//! ledger (`stage.rs`). When a fault ends, exactly its own share is removed, including what a drift has accumulated.

use std::collections::BTreeMap;

use crate::capability::Capability;
use crate::clocks::CLOCK_TOLERANCE_MAX_MS;
use crate::event::NemesisEvent;
use crate::evidence::{EvidenceRecord, Finding};
use crate::faults::PlannedFault;
use crate::plan::{Plan, PlanStep};
use crate::stage::{ATTEMPTS, Ledger, Stage};
use crate::surface::{ClockSetting, DiskRule, LinkRule, ProcessLimits, ProcessState, Surface, SurfaceError};

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

/// A fault between its start and its healing.
#[derive(Debug)]
struct Active {
    planned: PlannedFault,
    start_ms: u64,
    /// Why it could not be started, if it could not.
    failure: Option<String>,
    /// Its healing has begun: it was measured for the last time, and has no share in any rule.
    is_ending: bool,
}

/// Injects the faults of a plan into a cluster, measures them and heals them.
pub struct Nemesis<'a> {
    plan: Plan,
    now_ms: Box<dyn Fn() -> u64 + 'a>,
    active: BTreeMap<u64, Active>,
    ledger: Ledger,
    records: Vec<EvidenceRecord>,
}

impl<'a> Nemesis<'a> {
    /// A nemesis for this plan. `now_ms` returns the time since the run began on the arena's clock, ms; the nemesis
    /// never waits for a time.
    pub fn new(plan: Plan, now_ms: impl Fn() -> u64 + 'a) -> Self {
        Self { plan, now_ms: Box::new(now_ms), active: BTreeMap::new(), ledger: Ledger::default(), records: Vec::new() }
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
            PlanStep::Turn(id) => self.turn(id, surface).await,
            PlanStep::Stop(id) => self.stop(id, surface).await,
        }
    }

    /// Stops all active faults, ends what commands have begun, then opens every link, mends every disk, starts or resumes
    /// every node, sets right every clock and lifts every limit that this nemesis has touched, and checks processes and
    /// clocks.
    pub async fn heal_all(&mut self, surface: &dyn Surface) -> HealReport {
        let mut report = HealReport::default();
        for id in self.active() {
            report.performed.push(self.stop(id, surface).await);
        }
        assert!(self.active.is_empty(), "a fault is active after all were stopped: {:?}", self.active());
        self.end_commands(surface, &mut report).await;
        self.open_links(surface, &mut report).await;
        self.mend_disks(surface, &mut report).await;
        self.revive_nodes(surface, &mut report).await;
        self.set_clocks_right(surface, &mut report).await;
        self.lift_limits(surface, &mut report).await;
        report
    }

    async fn start(&mut self, id: u64, surface: &dyn Surface) -> Performed {
        let Some(planned) = self.plan.fault(id).cloned().filter(|_| !self.active.contains_key(&id)) else {
            return self.nothing_done(id, "is not in the plan, or active already");
        };
        let active = Active { planned: planned.clone(), start_ms: (self.now_ms)(), failure: None, is_ending: false };
        self.active.insert(id, active);
        self.ledger.open(id);
        let effect = planned.fault.effect();
        let begun = match planned.fault.check_needs(&surface.capabilities()) {
            Ok(()) => effect.begin(&mut self.stage(id, surface)).await,
            Err(unmet) => Err(SurfaceError(unmet.to_string())),
        };
        if let Err(error) = begun {
            return self.abandon(&planned, &error, surface).await;
        }
        let start_ms = (self.now_ms)();
        self.note(id, |active| active.start_ms = start_ms);
        self.stage(id, surface).note_start();
        effect.observe(&mut self.stage(id, surface)).await;
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

    /// Changes a fault while it lasts. What could not be changed is part of its evidence; the history records nothing.
    async fn turn(&mut self, id: u64, surface: &dyn Surface) -> Performed {
        let Some(active) = self.active.get(&id).filter(|active| !active.is_ending) else {
            return self.nothing_done(id, "is not active");
        };
        let planned = active.planned.clone();
        let mut stage = self.stage(id, surface);
        stage.measured().turns += 1;
        let turned = planned.fault.effect().turn(&mut stage).await;
        let error = turned.as_ref().err().map(SurfaceError::to_string);
        stage.note_failure("changing it failed", turned);
        let kind = planned.fault.kind().to_owned();
        Performed { fault: id, kind, started: true, at_ms: (self.now_ms)(), event: None, record: None, error }
    }

    async fn stop(&mut self, id: u64, surface: &dyn Surface) -> Performed {
        let Some(active) = self.active.get(&id) else {
            return self.nothing_done(id, "is not active");
        };
        let (planned, is_ending) = (active.planned.clone(), active.is_ending);
        if !is_ending {
            self.stage(id, surface).note_end();
            planned.fault.effect().measure(&mut self.stage(id, surface)).await;
        }
        self.end(&planned, surface).await;
        self.conclude(&planned, surface)
    }

    /// Handles a start that failed: what it did is undone at once, and it counts as a fault without proof.
    async fn abandon(&mut self, planned: &PlannedFault, error: &SurfaceError, surface: &dyn Surface) -> Performed {
        let reason = format!("it could not be started: {error}");
        self.note(planned.id, |active| active.failure = Some(reason.clone()));
        self.end(planned, surface).await;
        Performed { error: Some(reason), ..self.conclude(planned, surface) }
    }

    /// Takes the fault's share out of everything it touched.
    async fn end(&mut self, planned: &PlannedFault, surface: &dyn Surface) {
        self.note(planned.id, |active| active.is_ending = true);
        self.ledger.withdraw(planned.id);
        planned.fault.effect().end(&mut self.stage(planned.id, surface)).await;
    }

    /// Removes a healed fault from the active ones, and returns its evidence.
    fn conclude(&mut self, planned: &PlannedFault, surface: &dyn Surface) -> Performed {
        let Some(active) = self.active.remove(&planned.id) else {
            return self.nothing_done(planned.id, "is not active");
        };
        let (measured, errors) = self.ledger.close(planned.id);
        let mut finding = match active.failure {
            Some(reason) => Finding::failed(reason),
            None => planned.fault.effect().finding(&measured),
        };
        let error = (!errors.is_empty()).then(|| errors.join("; "));
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

    fn stage<'s>(&'s mut self, id: u64, surface: &'s dyn Surface) -> Stage<'s> {
        Stage::new(id, &mut self.ledger, surface, &*self.now_ms)
    }

    fn note(&mut self, id: u64, change: impl FnOnce(&mut Active)) {
        if let Some(active) = self.active.get_mut(&id) {
            change(active);
        }
    }
}

/// Healing for good.
impl Nemesis<'_> {
    /// What is in force by commands may keep the rest from healing, so it goes first.
    async fn end_commands(&mut self, surface: &dyn Surface, report: &mut HealReport) {
        for (name, nodes) in std::mem::take(&mut self.ledger.commands_begun) {
            if let Err(error) = surface.end_command(&name, &nodes).await {
                report.problems.push(format!("{name} of {} could not be ended: {error}", nodes.join(" ")));
                self.ledger.commands_begun.insert((name, nodes));
            }
        }
    }

    async fn open_links(&self, surface: &dyn Surface, report: &mut HealReport) {
        for link in &self.ledger.links_touched {
            if let Err(error) = surface.set_link(link, LinkRule::default()).await {
                report.problems.push(format!("the link {link} could not be opened: {error}"));
            }
        }
    }

    async fn mend_disks(&self, surface: &dyn Surface, report: &mut HealReport) {
        for node in &self.ledger.disks_touched {
            if let Err(error) = surface.set_disk(node, DiskRule::default()).await {
                report.problems.push(format!("the disk of {node} could not be mended: {error}"));
            }
        }
    }

    async fn lift_limits(&self, surface: &dyn Surface, report: &mut HealReport) {
        for node in &self.ledger.limits_touched {
            if let Err(error) = surface.set_limits(node, ProcessLimits::default()).await {
                report.problems.push(format!("the limits of {node} could not be lifted: {error}"));
            }
        }
    }

    /// Nodes that can be neither killed nor paused are not the nemesis's to bring back.
    async fn revive_nodes(&self, surface: &dyn Surface, report: &mut HealReport) {
        let capabilities = surface.capabilities();
        let is_its = capabilities.has(Capability::Kill) || capabilities.has(Capability::Pause);
        for node in surface.nodes().into_iter().filter(|_| is_its) {
            if surface.process_state(&node).await == Ok(ProcessState::Dead) && !self.ledger.nodes_killed.contains(&node)
            {
                report.found_dead.push(node.clone());
            }
            if let Err(error) = revive(&node, self.ledger.disks_rotten.contains(&node), surface).await {
                report.problems.push(format!("{node} could not be brought back: {error}"));
            }
        }
    }

    async fn set_clocks_right(&self, surface: &dyn Surface, report: &mut HealReport) {
        for node in &self.ledger.clocks_touched {
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
        if believed_ms.unsigned_abs() <= CLOCK_TOLERANCE_MAX_MS {
            return Ok(());
        }
    }
    Err(SurfaceError(format!("it still reads {believed_ms:+} ms")))
}
