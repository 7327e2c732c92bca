//! The lifecycle of a run in the process arena.
//!
//! ```text
//!   settings ─► run directory ─► arena up ─► clients ∥ nemesis ∥ progress ─► heal ─► rest ─► final reads ─► arena down
//!                                                                                                  history ─► verdict ─► reports
//! ```
//! Whatever fails on the way, the nodes are ended and what was recorded stays.

pub mod judge;
pub mod settings;

mod hurt;
mod progress;

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use checker::history::{Event, EventType, Process, Recorder};
use checker::verdict::{Outcome, Verdict};
use nemesis::{Nemesis, NemesisEvent, Plan, Schedule};
use workloads::Interpreter;
use workloads::clock::Clock;

use crate::arena::process::{ProcessArena, own_executable};
use crate::arena::time::RealClock;
use crate::exit::Problem;
use crate::store::{FORMAT, HistoryFile, RunDir, RunRecord};
use crate::systems::System;
use judge::Judged;
use progress::Display;
use settings::{Checked, RunSettings};

/// What a run came to.
pub struct Finished {
    /// Where everything is.
    pub dir: RunDir,
    /// `run.json` as it was left.
    pub record: RunRecord,
    /// The verdict.
    pub verdict: Verdict,
    /// The tables for a terminal of this width.
    pub judged: Judged,
}

/// Runs to the end. Must be called on the process's main thread.
///
/// # Errors
/// When the arguments cannot work, or the bench fails; a run directory that was begun stays, with what was recorded.
pub async fn run(settings: &RunSettings, store: &Path, quiet: bool) -> Result<Finished, Problem> {
    let begun = Instant::now();
    let checked = settings.check()?;
    let plan = plan(settings, &checked)?;
    let dir = RunDir::create(store, &settings.system, jiff::Timestamp::now(), settings.seed).map_err(Problem::bench)?;
    let mut record = begin_record(settings, &checked.system);
    dir.write_json("run.json", &record).map_err(Problem::bench)?;
    let nodes = checked.system.nodes();
    dir.write("plan.toml", &plan.to_toml(&nodes)).map_err(Problem::bench)?;
    let system: Rc<dyn System> = Rc::new(checked.system);
    let recorder = HistoryFile::create(&dir.file("history.jsonl"))
        .map_err(|error| Problem::bench(format!("cannot write the history: {error}")))?;

    let display = Display::new(settings, quiet);
    display.starting(nodes.len());
    let executable = own_executable().map_err(Problem::bench)?;
    let arena = ProcessArena::start(Rc::clone(&system), executable, dir.file("nodes"))
        .await
        .map_err(Problem::bench)?;
    let clock = RealClock::start();
    let before_clock = begun.elapsed();
    let live = Live {
        settings,
        clock,
        recorder: &recorder,
        arena: &arena,
        display: &display,
        dir: &dir,
    };
    let doubts = live.run(&system, checked.workloads, plan).await;
    arena.stop().await;
    let finished = recorder.finish();
    display.finish();
    let doubts = doubts?;
    finished.map_err(|error| {
        Problem::bench(format!(
            "the history could not be written ({error}); what was recorded is in {}",
            dir.path().display()
        ))
    })?;

    let history = dir.read_history().map_err(Problem::bench)?;
    let first_ack = judge::first_acknowledged_write(&history);
    record.first_ack_ms = first_ack.map(|at| (before_clock + at).as_millis() as u64);
    record.took_ms = Some(begun.elapsed().as_millis() as u64);
    dir.write_json("run.json", &record).map_err(Problem::bench)?;
    let judged = judge::judge(&dir, &record, &history, &system.claims(), &doubts)?;
    Ok(Finished {
        dir,
        record,
        verdict: judged.verdict.clone(),
        judged,
    })
}

fn plan(settings: &RunSettings, checked: &Checked) -> Result<Plan, Problem> {
    let nodes = checked.system.nodes();
    let Some(path) = &settings.plan else {
        let schedule = Schedule::for_run(settings.time_limit_ms);
        return nemesis::generate(settings.seed, &nodes, &checked.nemesis, schedule).map_err(Problem::arguments);
    };
    let text = std::fs::read_to_string(path)
        .map_err(|error| Problem::arguments(format!("cannot read the plan {}: {error}", path.display())))?;
    let plan = Plan::from_toml(&text).and_then(|plan| plan.validate(&nodes).map(|()| plan));
    plan.map_err(|error| Problem::arguments(format!("{}: {error}", path.display())))
}

fn begin_record(settings: &RunSettings, system: &dyn System) -> RunRecord {
    RunRecord {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").into(),
        started_utc: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        command: settings.command(),
        settings: settings.clone(),
        nodes: system.nodes(),
        first_ack_ms: None,
        took_ms: None,
    }
}

/// The part of a run during which the cluster is up.
struct Live<'a> {
    settings: &'a RunSettings,
    clock: RealClock,
    recorder: &'a HistoryFile,
    arena: &'a ProcessArena,
    display: &'a Display,
    dir: &'a RunDir,
}

impl Live<'_> {
    /// Returns the doubts that only the bench knows of: what the history does not tell.
    async fn run(
        &self,
        system: &Rc<dyn System>,
        workloads: Vec<Box<dyn workloads::Workload>>,
        plan: Plan,
    ) -> Result<Vec<String>, Problem> {
        let client = system.client(self.arena.addresses());
        let settings = self.settings.interpreter();
        let interpreter =
            Interpreter::new(&*client, &self.clock, self.recorder, workloads, settings).map_err(Problem::arguments)?;
        let mut nemesis = Nemesis::new(plan, || self.clock.now().as_millis() as u64);
        self.record(&nemesis.plan().event(&system.nodes()));
        let interrupted = Cell::new(false);
        let over = Cell::new(false);
        let stop = || interrupted.get() || self.recorder.has_failed();
        let main = async {
            interpreter.run(&stop).await;
            over.set(true);
        };
        let progress = interpreter.progress();
        let ended = || over.get() || stop();
        let aside = async {
            futures::join!(
                hurt::carry_out(self, &mut nemesis, &ended),
                self.display.follow(&self.clock, &progress, &over),
            )
        };
        // An interrupt ends the load early and goes on to heal and judge; a second one gives up.
        let load = async { futures::join!(main, aside) };
        tokio::select! {
            _ = load => {}
            () = interrupts(&interrupted) => return Err(Problem::bench("interrupted twice; the partial history can be checked with `dissensus check`")),
        }
        let mut doubts = self.settle(&interpreter, &mut nemesis).await?;
        if interrupted.get() {
            doubts.push("the run was interrupted before its time limit".into());
        }
        Ok(doubts)
    }

    async fn settle(&self, interpreter: &Interpreter<'_>, nemesis: &mut Nemesis<'_>) -> Result<Vec<String>, Problem> {
        self.display.say("healing");
        let exits = self.arena.unexpected_exits();
        let mut doubts: Vec<String> = exits
            .into_iter()
            .map(|(node, status)| format!("{node} ended by itself ({status}): see nodes/{node}/stderr.log"))
            .collect();
        let report = nemesis.heal_all(self.arena).await;
        for performed in &report.performed {
            hurt::record(self, performed);
        }
        doubts.extend(report.problems.iter().map(|problem| format!("healing: {problem}")));
        self.dir
            .write_json("evidence.json", &nemesis.records())
            .map_err(Problem::bench)?;
        self.record(&NemesisEvent::heal());
        self.display.say("waiting for the replicas to agree");
        interpreter.rest().await;
        self.display.say("final reads");
        interpreter.final_reads().await;
        Ok(doubts)
    }

    fn record(&self, event: &NemesisEvent) {
        self.record_at(self.clock.now().as_nanos() as u64, event);
    }

    fn record_at(&self, time_ns: u64, event: &NemesisEvent) {
        let value = event.value.clone();
        self.recorder.record(Event::new(
            time_ns,
            Process::Nemesis,
            EventType::Info,
            event.f.clone(),
            value,
        ));
    }
}

/// Notes the first interrupt, and completes at the second.
async fn interrupts(first: &Cell<bool>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    for seen in [false, true] {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        first.set(true);
        if seen {
            return;
        }
    }
}

/// The outcome with what only the bench knows: a doubt makes a valid run inconclusive.
fn with_doubts(mut verdict: Verdict, doubts: &[String]) -> Verdict {
    if !doubts.is_empty() {
        verdict.outcome = verdict.outcome.merge(Outcome::Inconclusive);
        verdict.reasons.extend(doubts.iter().cloned());
    }
    verdict
}
