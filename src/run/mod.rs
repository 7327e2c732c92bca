//! The lifecycle of a run, in real processes ([`run`]) or in simulation ([`simulate`]).
//!
//! ```text
//!   settings ─► run directory ─► arena up ─► stage: load ∥ nemesis, heal, convergence, final reads ─► arena down
//!                                                                     history ─► verdict ─► reports
//! ```
//! If anything fails, the nodes are ended, and what was recorded stays.

pub mod judge;
pub mod logs;
pub mod settings;
pub mod simulate;

mod arena;
mod progress;
mod stage;

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nemesis::{EvidenceRecord, Plan, PlannedFault, Schedule, Spares};

use crate::arena::launch::Program;
use crate::arena::processes::programs;
use crate::arena::time::RealClock;
use crate::exit::Problem;
use crate::store::{FORMAT, HistoryFile, MESSAGES, RunDir, RunRecord};
use crate::systems::System;
use crate::systems::system::Claims;
use arena::Arena;
use judge::Judged;
use progress::Display;
use settings::{Checked, RunSettings};
use stage::Stage;

/// A finished run.
pub struct Finished {
    /// Its run directory.
    pub dir: RunDir,
    /// The final content of `run.json`.
    pub record: RunRecord,
    /// The verdict, and what the reports say about the run.
    pub judged: Judged,
}

/// Runs in real processes to the end. Must be called on the process's main thread.
///
/// # Errors
/// When the arguments cannot work, or the bench fails. A run directory that was begun stays, with what was recorded.
pub async fn run(settings: &RunSettings, store: &Path, quiet: bool) -> Result<Finished, Problem> {
    let begun = Instant::now();
    let checked = settings.check()?;
    check_programs(&*checked.system)?;
    let plan = plan(settings, &checked)?;
    // Programs write into their logs what faults did to them, besides what their system says anyhow.
    let caused = plan.faults.iter().flat_map(|planned| planned.fault.errors_in_logs()).copied();
    let open_run = OpenRun::open(settings, &*checked.system, &plan, store)?;
    let system: Rc<dyn System> = checked.system.into();
    let expected: Vec<&str> = system.expected_in_logs().into_iter().chain(caused).collect();
    let display = Display::new(settings, quiet);
    display.starting(open_run.record.nodes.len(), settings.arena);
    let arena = Arena::up(&system, settings, &plan, open_run.dir.path()).await?;
    let client = system.client(arena.addresses());
    let clock = RealClock::start();
    let before_clock = begun.elapsed();
    let (interrupted, cut_short) = (Cell::new(false), Cell::new(false));
    let stop = || {
        cut_short.set(cut_short.get() || interrupted.get());
        interrupted.get() || open_run.history.has_failed()
    };
    let stage = Stage {
        settings: settings.interpreter(),
        clock: &clock,
        recorder: &open_run.history,
        surface: arena.surface(),
        client: &*client,
        display: Some(&display),
        evidence: &|records| open_run.evidence(records),
        stop: &stop,
        members_change: system.membership().is_some(),
    };
    // An interrupt ends the load early; the run then heals and checks as usual. A second interrupt gives up.
    let staged = tokio::select! {
        staged = stage.run(checked.workloads, plan) => staged,
        () = interrupts(&interrupted) => Err(Problem::bench("interrupted twice; `dissensus check` can judge the partial history")),
    };
    arena.down().await;
    display.finish();
    if let Some(carrier) = system.carrier() {
        open_run.dir.write_json(MESSAGES, &carrier.messages()).map_err(Problem::bench)?;
    }
    let mut doubts = staged?;
    if cut_short.get() {
        doubts.push("the run was interrupted before its time limit".into());
    }
    doubts.extend(logs::doubts(&open_run.dir.file("nodes"), &open_run.record.nodes, &expected));
    open_run.close(&system.claims(), before_clock, begun, &doubts)
}

/// Looks for all programs before a node is started: one that is missing later, as for an upgrade, would end nodes that are
/// in order.
fn check_programs(system: &dyn System) -> Result<(), Problem> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    for program in system.programs() {
        if let Program::Installed { name, binaries, package } = program {
            programs::find(&name, binaries.as_deref(), &path, &package).map_err(Problem::arguments)?;
        }
    }
    Ok(())
}

/// The given plan, or one drawn from the seed.
fn plan(settings: &RunSettings, checked: &Checked) -> Result<Plan, Problem> {
    let Checked { system, nemesis: spec, layout, capabilities, .. } = checked;
    let nodes = &system.nodes();
    let spares = system.membership().map_or_else(|| Spares::none(nodes), |members| members.spares());
    let Some(path) = &settings.faults.plan else {
        let schedule = Schedule::for_run(settings.load.time_limit_ms);
        let cluster =
            nemesis::Cluster::new(nodes, capabilities.clone()).with_layout(layout.clone()).with_spares(spares);
        return nemesis::generate(settings.seed, &cluster, spec, schedule).map_err(Problem::arguments);
    };
    let text = std::fs::read_to_string(path)
        .map_err(|error| Problem::arguments(format!("cannot read the plan {}: {error}", path.display())))?;
    let checked = |plan: &Plan| plan.validate(nodes).and_then(|()| plan.check_needs(capabilities));
    let plan = Plan::from_toml(&text).and_then(|plan| checked(&plan).map(|()| plan));
    let is_late = |planned: &&PlannedFault| planned.at_ms >= settings.load.time_limit_ms;
    if let Some(late) = plan.iter().flat_map(|plan| &plan.faults).find(is_late) {
        let (id, at, limit) = (late.id, late.at_ms as f64 / 1e3, settings.load.time_limit_ms as f64 / 1e3);
        let why = format!("fault {id} begins at {at} s, when the load has ended: raise --time-limit ({limit} s)");
        return Err(Problem::arguments(format!("{}: {why}", path.display())));
    }
    plan.map_err(|error| Problem::arguments(format!("{}: {error}", path.display())))
}

/// A run directory that is being written.
struct OpenRun {
    dir: RunDir,
    record: RunRecord,
    history: HistoryFile,
}

impl OpenRun {
    fn open(settings: &RunSettings, system: &dyn System, plan: &Plan, store: &Path) -> Result<Self, Problem> {
        let started = jiff::Timestamp::now();
        let dir = RunDir::create(store, system.name(), started, settings.seed).map_err(Problem::bench)?;
        let record = RunRecord {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").into(),
            started_utc: started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            command: settings.command(),
            settings: settings.clone(),
            nodes: system.nodes(),
            first_ack_ms: None,
            took_ms: None,
        };
        dir.write_json("run.json", &record).map_err(Problem::bench)?;
        dir.write("plan.toml", &plan.to_toml(&record.nodes)).map_err(Problem::bench)?;
        let history = HistoryFile::create(&dir.file("history.jsonl"))
            .map_err(|error| Problem::bench(format!("cannot write the history: {error}")))?;
        Ok(Self { dir, record, history })
    }

    /// Writes the evidence. An error is ignored here: a full disk also makes the history fail, and the run has to heal
    /// first.
    fn evidence(&self, records: &[EvidenceRecord]) {
        let _ = self.dir.write_json("evidence.json", &records);
    }

    /// Finishes the history, checks it, and writes the reports. `before_clock`: the time from the start of the bench to
    /// the start of the run's clock.
    fn close(
        mut self,
        claims: &Claims,
        before_clock: Duration,
        begun: Instant,
        doubts: &[String],
    ) -> Result<Finished, Problem> {
        self.history.finish().map_err(|error| {
            let dir = self.dir.path().display();
            Problem::bench(format!("the history could not be written ({error}); what was recorded is in {dir}"))
        })?;
        let history = self.dir.read_history().map_err(Problem::bench)?;
        let first_ack = judge::first_acknowledged_write(&history);
        self.record.first_ack_ms = first_ack.map(|at| (before_clock + at).as_millis() as u64);
        self.record.took_ms = Some(begun.elapsed().as_millis() as u64);
        self.dir.write_json("run.json", &self.record).map_err(Problem::bench)?;
        let judged = judge::judge(&self.dir, &self.record, &history, claims, doubts)?;
        Ok(Finished { dir: self.dir, record: self.record, judged })
    }
}

/// Notes the first interrupt, and completes at the second.
async fn interrupts(first: &Cell<bool>) {
    use tokio::signal::unix::{SignalKind, signal};
    // The last one is sent when the terminal is closed.
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
    let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)] = kinds else {
        return std::future::pending().await;
    };
    for seen in [false, true] {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        first.set(true);
        if seen {
            return;
        }
    }
}
