//! The part of a run during which the cluster is up, the same in both arenas.
//!
//! ```text
//!   clients ∥ nemesis ∥ display ─► heal ─► convergence ─► probes ─► final reads ─► replicas again
//! ```

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Duration;

use checker::history::{Event, EventType, Phase, Process, Recorder};
use nemesis::{Class, EvidenceRecord, Nemesis, NemesisEvent, Performed, Plan, PlannedFault, Standing, Surface};
use serde_json::{Value, json};
use workloads::clock::Clock;
use workloads::{Client, Interpreter, Workload};

use super::progress::Display;
use crate::exit::Problem;

/// How often the end of the load is checked.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// An arena with a running cluster, and everything that a run needs besides.
pub(super) struct Stage<'a> {
    /// The settings of the clients.
    pub settings: workloads::Settings,
    /// The arena's time.
    pub clock: &'a dyn Clock,
    /// Records every event.
    pub recorder: &'a dyn Recorder,
    /// Through which the nemesis injects faults.
    pub surface: &'a dyn Surface,
    /// The client of the system.
    pub client: &'a dyn Client,
    /// The display, if there is one.
    pub display: Option<&'a Display>,
    /// Called with all evidence so far whenever a fault has ended.
    pub evidence: &'a dyn Fn(&[EvidenceRecord]),
    /// Whether the load is to end before its time.
    pub stop: &'a dyn Fn() -> bool,
    /// Whether nodes can join and leave, and say who is a member.
    pub members_change: bool,
}

impl Stage<'_> {
    /// Runs the load and the plan, heals, waits for the replicas to converge, and reads everything once more.
    ///
    /// Returns the doubts that the history does not show: what could not be healed, and nodes that ended by themselves.
    ///
    /// # Errors
    /// When the settings of the load cannot work.
    pub async fn run(&self, workloads: Vec<Box<dyn Workload>>, plan: Plan) -> Result<Vec<String>, Problem> {
        let interpreter = Interpreter::new(self.client, self.clock, self.recorder, workloads, self.settings.clone())
            .map_err(Problem::arguments)?;
        let mut nemesis = Nemesis::new(plan, || self.clock.now().as_millis() as u64);
        self.record(&nemesis.plan().event(&self.surface.nodes()));
        let over = Cell::new(false);
        let load = async {
            interpreter.run(self.stop).await;
            over.set(true);
        };
        let ended = || over.get() || (self.stop)();
        let watch = async {
            if let Some(display) = self.display {
                display.follow(self.clock, &interpreter.progress(), &over).await;
            }
        };
        futures::join!(load, self.carry_out(&mut nemesis, &ended), watch);
        let unbegun = interpreter.progress().missed();
        if self.settings.open_loop && unbegun > 0 {
            self.say(&format!(
                "{unbegun} operations were due and never begun: {} clients are too few for the rate and the latency",
                self.settings.concurrency
            ));
        }
        let mut doubts = self.heal(&mut nemesis).await;
        let moves = |planned: &PlannedFault| planned.fault.class() == Class::Membership;
        if nemesis.plan().faults.iter().any(moves) {
            self.say("waiting for joins and leaves to be carried out");
            doubts.extend(self.settle().await);
        }
        self.say("waiting for the replicas to agree");
        let convergence = interpreter.await_convergence().await;
        self.say("a write through each node");
        interpreter.probes().await;
        if self.members_change {
            self.ask_for_members(interpreter.take_processes(1)).await;
        }
        self.say("final reads (tried again while a node does not serve)");
        let reads = interpreter.final_reads().await;
        if reads.failed > 0 {
            self.say(&format!("{} of {} final reads were not served", reads.failed, reads.pairs));
        }
        if let Some(convergence) = convergence {
            interpreter.read_replicas_again(convergence).await;
        }
        Ok(doubts)
    }

    /// Waits until every node reports that no change of the membership is under way, and all report the same view: only
    /// then is it known which replicas have to agree. Returns a doubt if that takes longer than `rest_limit`.
    async fn settle(&self) -> Option<String> {
        let deadline = self.clock.now() + self.settings.rest_limit;
        while !self.is_settled().await {
            if self.clock.now() >= deadline {
                return Some(format!(
                    "members were still coming or going {:?} after the heal",
                    self.settings.rest_limit
                ));
            }
            self.clock.sleep_until(self.clock.now() + POLL_INTERVAL).await;
        }
        None
    }

    async fn is_settled(&self) -> bool {
        let mut views = BTreeSet::new();
        for node in self.surface.nodes() {
            let Ok(membership) = self.surface.members(&node).await else { return false };
            let is_done =
                |(_, standing): &(String, Standing)| matches!(standing, Standing::Member | Standing::NoMember);
            if !membership.seats.iter().all(is_done) {
                return false;
            }
            views.insert(membership.view);
        }
        views.len() <= 1
    }

    /// Asks each node for the membership and records the answers, so that the history shows whether all agree.
    async fn ask_for_members(&self, process: u64) {
        for node in self.surface.nodes() {
            let event = |kind, value| {
                let time_ns = self.clock.now().as_nanos() as u64;
                let event = Event::new(time_ns, Process::Client(process), kind, "members", value);
                Event { node: Some(node.clone()), phase: Phase::Ring, ..event }
            };
            self.recorder.record(event(EventType::Invoke, Value::Null));
            match self.surface.members(&node).await {
                Ok(membership) => {
                    let mut pairs: Vec<(&str, &str)> =
                        membership.seats.iter().map(|(name, standing)| (name.as_str(), standing.name())).collect();
                    pairs.sort_unstable();
                    pairs.push(("view", &membership.view));
                    self.recorder.record(event(EventType::Ok, json!(pairs)));
                }
                Err(why) => {
                    let failed = event(EventType::Fail, Value::Null);
                    self.recorder.record(Event { error: Some(why.to_string()), ..failed });
                }
            }
        }
    }

    /// Takes every step of the plan at its time, until the plan or the load is over.
    async fn carry_out(&self, nemesis: &mut Nemesis<'_>, over: &dyn Fn() -> bool) {
        for (at_ms, step) in nemesis.plan().schedule() {
            if !self.wait_until(Duration::from_millis(at_ms), over).await {
                return;
            }
            let performed = nemesis.perform(step, self.surface).await;
            self.note(&performed);
            if performed.record.is_some() {
                (self.evidence)(nemesis.records());
            }
            if let Some(display) = self.display {
                display.nemesis(nemesis);
            }
        }
    }

    async fn wait_until(&self, deadline: Duration, over: &dyn Fn() -> bool) -> bool {
        while self.clock.now() < deadline {
            if over() {
                return false;
            }
            self.clock.sleep_until(deadline.min(self.clock.now() + POLL_INTERVAL)).await;
        }
        !over()
    }

    async fn heal(&self, nemesis: &mut Nemesis<'_>) -> Vec<String> {
        self.say("healing");
        let report = nemesis.heal_all(self.surface).await;
        for performed in &report.performed {
            self.note(performed);
        }
        (self.evidence)(nemesis.records());
        self.record(&NemesisEvent::heal());
        let died = report.found_dead.iter().map(|node| format!("{node} ended by itself: see nodes/{node}/stderr.log"));
        died.chain(report.problems.iter().map(|problem| format!("healing: {problem}"))).collect()
    }

    /// Records a step of the nemesis in the history.
    fn note(&self, performed: &Performed) {
        if let Some(event) = &performed.event {
            self.record(event);
            if let Some(display) = self.display {
                display.event(event);
            }
        }
    }

    fn say(&self, what: &str) {
        if let Some(display) = self.display {
            display.say(what);
        }
    }

    fn record(&self, event: &NemesisEvent) {
        self.surface.note(&format!("{} {}", event.f, event.value));
        let time_ns = self.clock.now().as_nanos() as u64;
        let value = event.value.clone();
        self.recorder.record(Event::new(time_ns, Process::Nemesis, EventType::Info, event.f.clone(), value));
    }
}
