//! The interpreter: client processes that invoke the operations of workloads and record every invocation and
//! completion.
//!
//! ```text
//!  Schedule (when) ─► worker ─► Workload::next (what) ─► node (where) ─► Client::invoke | time-out ─► completion
//! ```
//!
//! A run has four parts, called one after the other: [`Interpreter::run`] while faults come and go,
//! [`Interpreter::await_convergence`] once the cluster is healed (each replica read by itself until all agree, if the
//! client can do that), [`Interpreter::probes`] (a write through each node), [`Interpreter::final_reads`] through the
//! ordinary client path. What is left out because the client cannot do it is an event of the history.
//!
//! Every worker is a future in one task: nothing is spawned, and time comes from the [`Clock`] alone. All random
//! numbers come from the seed, in one stream for each use, so that the n-th operation of a workload is the same however
//! the answers interleave (except where a workload asks for what it has seen: a cart removes known items). With a
//! deterministic clock and client, the whole history is deterministic.

mod after_heal;
mod probe;
mod progress;
mod schedule;
mod visit;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use checker::history::{Event, EventType, Phase, Process, Recorder};
use futures::StreamExt;
use futures::future::{Either, LocalBoxFuture, select};
use futures::stream::FuturesUnordered;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

pub use after_heal::{Convergence, FinalReads};
pub use probe::Probes;
pub use progress::{Counts, Progress};

use crate::client::{Attempt, Client, Completion, Operation, Outcome};
use crate::clock::Clock;
use crate::registry::{self, WorkloadError};
use crate::workload::{Invocation, PROBE, Workload};
use schedule::{Last, Schedule};

/// After an outage the clients catch up with at most this much of the schedule; older operations are left out.
const CATCH_UP: Duration = Duration::from_secs(1);

/// The settings of the clients in a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Client processes at a time, 1 to [`Settings::CONCURRENCY_MAX`].
    pub concurrency: u64,
    /// Operations a second of all clients together; 0 = as fast as they complete, with longer and longer gaps, up to 26 ms,
    /// while those of a client fail.
    pub rate: f64,
    /// Whether operations are due whatever became of those before (open-loop): none is left out where the clients are late, and each
    /// records how late it was, so that its latency counts from when it was due.
    pub open_loop: bool,
    /// How long [`Interpreter::run`] invokes operations.
    pub time_limit: Duration,
    /// How long a client waits for one operation.
    pub operation_timeout: Duration,
    /// How long [`Interpreter::await_convergence`] waits for the replicas to agree.
    pub rest_limit: Duration,
    /// Which node a client talks to.
    pub placement: Placement,
    /// The seed of all random numbers in the run.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            concurrency: 10,
            rate: 200.0,
            open_loop: false,
            time_limit: Duration::from_secs(30),
            operation_timeout: Duration::from_secs(1),
            rest_limit: Duration::from_secs(30),
            placement: Placement::Spread,
            seed: 0,
        }
    }
}

impl Settings {
    /// The most client processes at a time.
    pub const CONCURRENCY_MAX: u64 = 10_000;

    fn check(&self) -> Result<(), SettingsError> {
        if !(1..=Self::CONCURRENCY_MAX).contains(&self.concurrency) {
            return Err(SettingsError::Concurrency(self.concurrency));
        }
        if !self.rate.is_finite() || self.rate < 0.0 {
            return Err(SettingsError::Rate(self.rate));
        }
        if self.open_loop && self.rate == 0.0 {
            return Err(SettingsError::OpenLoop);
        }
        if self.operation_timeout.is_zero() {
            return Err(SettingsError::OperationTimeout);
        }
        Ok(())
    }
}

/// Which node a client talks to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Placement {
    /// A random node for each operation.
    #[default]
    Spread,
    /// Worker i stays with node i modulo the number of nodes.
    Sticky,
}

/// Why an interpreter cannot run.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SettingsError {
    /// No clients, or too many.
    #[error("concurrency is {0}: give a number of clients from 1 to {max}", max = Settings::CONCURRENCY_MAX)]
    Concurrency(u64),
    /// Not a rate.
    #[error("rate is {0}: give operations a second, or 0 for as fast as possible")]
    Rate(f64),
    /// Without a rate nothing is due.
    #[error("an open-loop load needs a rate: give operations a second")]
    OpenLoop,
    /// Every operation would time out.
    #[error("the operation time-out is 0: give the time that a client waits for an operation")]
    OperationTimeout,
    /// Nothing to do.
    #[error("no workload given")]
    NoWorkloads,
    /// The client cannot do a workload.
    #[error(transparent)]
    Workload(#[from] WorkloadError),
    /// No node to talk to.
    #[error("the cluster has no nodes")]
    NoNodes,
}

/// Runs several workloads, mixed, by one client.
pub struct Interpreter<'a> {
    client: &'a dyn Client,
    clock: &'a dyn Clock,
    recorder: &'a dyn Recorder,
    settings: Settings,
    nodes: Vec<String>,
    workloads: Vec<SeededWorkload>,
    /// The index of the workload whose turn it is.
    turn: Cell<usize>,
    placement_rng: RefCell<ChaCha8Rng>,
    /// The lowest process number that no process has used.
    fresh_process: Cell<u64>,
    /// The processes with an operation under way.
    busy: RefCell<BTreeSet<u64>>,
    progress: Rc<Progress>,
    /// A visit that fails is made again until then, however often that is.
    patient_until: Cell<Duration>,
}

/// A workload with its own stream of random numbers.
struct SeededWorkload {
    name: &'static str,
    workload: RefCell<Box<dyn Workload>>,
    rng: RefCell<ChaCha8Rng>,
}

/// What all workers of one run share.
struct Run<'r> {
    deadline: Duration,
    schedule: RefCell<Schedule>,
    /// Operations that were due and not begun when the run was over, as their client was busy.
    unbegun: Cell<u64>,
    stop: &'r dyn Fn() -> bool,
}

/// The fields that the invocation and the completion of an operation share in the history.
struct EventFields<'s> {
    process: u64,
    phase: Phase,
    node: &'s str,
    /// None for operations of no workload, such as probes.
    workload: Option<&'static str>,
    f: &'static str,
    key: Option<&'s str>,
    round: Option<u64>,
}

/// Where in the run an operation belongs.
#[derive(Clone, Copy)]
struct At<'s> {
    /// The workload that learns of its outcome; none for an operation of no workload.
    seeded: Option<&'s SeededWorkload>,
    phase: Phase,
    node: &'s str,
    /// How long it was due before, where that counts.
    late: Option<Duration>,
}

/// How long a worker may sleep before it checks again whether to stop.
const STOP_POLL: Duration = Duration::from_millis(100);
/// The event that a phase after the heal was left out.
const LEFT_OUT: &str = "left-out";
/// The longest error text in a history, bytes.
const ERROR_BYTES_MAX: usize = 500;

impl<'a> Interpreter<'a> {
    /// An interpreter of `workloads`, which take turns.
    pub fn new(
        client: &'a dyn Client,
        clock: &'a dyn Clock,
        recorder: &'a dyn Recorder,
        workloads: Vec<Box<dyn Workload>>,
        settings: Settings,
    ) -> Result<Self, SettingsError> {
        settings.check()?;
        let nodes = client.nodes();
        if workloads.is_empty() {
            return Err(SettingsError::NoWorkloads);
        }
        if nodes.is_empty() {
            return Err(SettingsError::NoNodes);
        }
        let can = |workload: &str, f: &str| client.can(workload, f);
        workloads.iter().try_for_each(|workload| registry::check(workload.as_ref(), &can))?;
        let workloads = workloads.into_iter().zip(FIRST_WORKLOAD_STREAM..);
        let workloads =
            workloads.map(|(workload, stream)| SeededWorkload::new(workload, rng(settings.seed, stream))).collect();
        let placement_rng = RefCell::new(rng(settings.seed, PLACEMENT_STREAM));
        let (turn, fresh_process, busy, progress, patient_until) = Default::default();
        Ok(Self {
            client,
            clock,
            recorder,
            settings,
            nodes,
            workloads,
            turn,
            placement_rng,
            fresh_process,
            busy,
            progress,
            patient_until,
        })
    }

    /// The live counts of [`Interpreter::run`].
    pub fn progress(&self) -> Rc<Progress> {
        Rc::clone(&self.progress)
    }

    /// The main phase: invokes operations until the time limit, or until `stop` says so, and waits for those under way.
    pub async fn run(&self, stop: &dyn Fn() -> bool) {
        let begin = self.clock.now();
        // At least one operation for each client: otherwise a slow schedule would leave out operations whenever a
        // client is busy.
        let backlog = match self.settings.open_loop {
            true => u64::MAX,
            false => self.settings.concurrency.max((self.settings.rate * CATCH_UP.as_secs_f64()) as u64),
        };
        let schedule = Schedule::new(self.settings.rate, begin, backlog, self.rng(SCHEDULE_STREAM));
        let run = Run {
            deadline: begin.saturating_add(self.settings.time_limit),
            schedule: schedule.into(),
            unbegun: Cell::new(0),
            stop,
        };
        let first = self.take_processes(self.settings.concurrency);
        let workers = (0..self.settings.concurrency).map(|worker| self.work(worker, first + worker, &run));
        let mut workers: FuturesUnordered<_> = workers.collect();
        while workers.next().await.is_some() {}
        if self.settings.open_loop {
            let until = self.clock.now().min(run.deadline);
            self.progress.missed.set(run.unbegun.get() + run.schedule.borrow().due_before(until));
        }
    }

    async fn work(&self, worker: u64, mut process: u64, run: &Run<'_>) {
        let (mut last, mut failures) = (None, 0);
        while let Some(due) = self.wait_for_turn(run, last).await {
            let begun = self.clock.now();
            let late = self.settings.open_loop.then(|| begun.saturating_sub(due));
            let seeded = &self.workloads[self.turn.replace((self.turn.get() + 1) % self.workloads.len())];
            let invocation = seeded.workload.borrow_mut().next(&mut seeded.rng.borrow_mut(), process);
            let at = At { seeded: Some(seeded), phase: Phase::Main, node: self.node_for(worker), late };
            let completion = self.operate(at, process, invocation, |_| {}).await;
            self.progress.count(&completion, self.clock.now());
            failures = if completion.outcome == Outcome::Fail { failures + 1 } else { 0 };
            last = Some(Last { begun, failures });
            if completion.outcome == Outcome::Info {
                self.ended(process);
                process += self.settings.concurrency;
                self.fresh_process.set(self.fresh_process.get().max(process + 1));
            }
        }
    }

    /// Waits until the worker's next operation is due, and returns when that was; none when the run is over.
    async fn wait_for_turn(&self, run: &Run<'_>, last: Option<Last>) -> Option<Duration> {
        yield_once().await;
        let due = run.schedule.borrow_mut().next(self.clock.now(), last);
        self.progress.missed.set(run.schedule.borrow().missed());
        let until = due.min(run.deadline);
        loop {
            let now = self.clock.now();
            if (run.stop)() || now >= run.deadline {
                run.unbegun.set(run.unbegun.get() + u64::from(due < now.min(run.deadline)));
                return None;
            }
            if now >= until {
                return Some(due);
            }
            self.clock.sleep_until(until.min(now + STOP_POLL)).await;
        }
    }

    /// Performs one operation, and records its invocation and its completion, which `look` sees first. The value of the
    /// completion is moved into the history; the returned completion has none.
    async fn operate(
        &self,
        at: At<'_>,
        process: u64,
        invocation: Invocation,
        look: impl FnOnce(&Completion),
    ) -> Completion {
        let At { seeded, phase, node, late } = at;
        let operation = invocation.by(seeded.map_or(PROBE, |seeded| seeded.name), process);
        let (f, key, workload) = (operation.f, operation.key.as_deref(), seeded.map(|seeded| seeded.name));
        let fields = EventFields { process, phase, node, workload, f, key, round: None };
        self.record(&fields, EventType::Invoke, operation.value.clone(), |event| {
            let late_ns = late.map(|late| u64::try_from(late.as_nanos()).unwrap_or(u64::MAX));
            event.extra.extend(late_ns.map(|late_ns| ("late_ns".to_owned(), late_ns.into())));
        });
        let attempt = Attempt::default();
        let mut completion = self.complete(seeded.is_some(), node, &operation, &attempt).await;
        if let Some(seeded) = seeded {
            seeded.workload.borrow_mut().observe(&operation, &completion);
        }
        look(&completion);
        let value = std::mem::take(&mut completion.value);
        self.record(&fields, completion.outcome.into(), value, |event| {
            event.error = completion.error.as_deref().map(bounded);
            event.past = attempt.take_past();
            event.extra.extend(attempt.take_parts().map(|parts| ("parts".to_owned(), parts)));
        });
        completion
    }

    /// The client's answer, or what is known when the time is over.
    async fn complete(&self, in_session: bool, node: &str, operation: &Operation, attempt: &Attempt) -> Completion {
        let own = in_session.then(|| self.client.for_process(operation.process)).flatten();
        let client = own.as_deref().unwrap_or(self.client);
        let deadline = self.clock.now().saturating_add(self.settings.operation_timeout);
        match within(self.clock, deadline, client.invoke(node, operation, attempt)).await {
            Some(completion) => completion,
            None => attempt.timed_out(operation, self.settings.operation_timeout),
        }
    }

    /// Tells every workload that a process has ended.
    fn ended(&self, process: u64) {
        self.workloads.iter().for_each(|seeded| seeded.workload.borrow_mut().ended(process));
    }

    /// Records that a phase is left out, and why: what it would have shown is not known.
    fn leave_out(&self, phase: &str, why: &str) {
        let time = u64::try_from(self.clock.now().as_nanos()).unwrap_or(u64::MAX);
        let value = json!({"phase": phase, "why": why});
        self.recorder.record(Event::new(time, Process::Nemesis, EventType::Info, LEFT_OUT, value));
    }

    fn record(&self, fields: &EventFields<'_>, kind: EventType, value: Value, finish: impl FnOnce(&mut Event)) {
        self.follow(fields.process, kind);
        let time = u64::try_from(self.clock.now().as_nanos()).unwrap_or(u64::MAX);
        let mut event = Event::new(time, Process::Client(fields.process), kind, fields.f, value);
        event.key = fields.key.map(str::to_owned);
        event.node = Some(fields.node.to_owned());
        event.workload = fields.workload.map(str::to_owned);
        event.phase = fields.phase;
        event.extra.extend(fields.round.map(|round| ("round".to_owned(), round.into())));
        finish(&mut event);
        self.recorder.record(event);
    }

    /// Asserts that a process has one operation at a time: it invokes none before its last one has completed, and
    /// completes only what it has invoked. A history that breaks this could not be checked.
    fn follow(&self, process: u64, kind: EventType) {
        let mut busy = self.busy.borrow_mut();
        match kind {
            EventType::Invoke => assert!(busy.insert(process), "process {process} has two operations at a time"),
            _ => assert!(busy.remove(&process), "process {process} completes what it never invoked"),
        }
    }

    fn node_for(&self, worker: u64) -> &str {
        let count = self.nodes.len();
        let node = match self.settings.placement {
            Placement::Sticky => usize::try_from(worker).unwrap_or(usize::MAX) % count,
            Placement::Spread => self.placement_rng.borrow_mut().random_range(0..count),
        };
        &self.nodes[node]
    }

    /// Reserves `count` process numbers that no process has used, and returns the first.
    pub fn take_processes(&self, count: u64) -> u64 {
        let first = self.fresh_process.get();
        self.fresh_process.set(first + count);
        first
    }

    fn rng(&self, stream: u64) -> ChaCha8Rng {
        rng(self.settings.seed, stream)
    }
}

impl SeededWorkload {
    fn new(workload: Box<dyn Workload>, rng: ChaCha8Rng) -> Self {
        Self { name: workload.name(), workload: workload.into(), rng: rng.into() }
    }
}

const SCHEDULE_STREAM: u64 = 0;
const PLACEMENT_STREAM: u64 = 1;
const FIRST_WORKLOAD_STREAM: u64 = 2;

fn rng(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

/// The future's output, or none if the deadline comes first. If both are ready at once, the output counts.
async fn within<T>(clock: &dyn Clock, deadline: Duration, future: LocalBoxFuture<'_, T>) -> Option<T> {
    match select(future, clock.sleep_until(deadline)).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

/// Lets every other future of the task run first. With a store that answers at once, one worker would otherwise never
/// yield.
async fn yield_once() {
    let mut yielded = false;
    let once = futures::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    });
    pin!(once).await
}

/// An error text, cut to [`ERROR_BYTES_MAX`].
fn bounded(text: &str) -> String {
    if text.len() <= ERROR_BYTES_MAX {
        return text.to_owned();
    }
    format!("{}...", &text[..text.floor_char_boundary(ERROR_BYTES_MAX)])
}
