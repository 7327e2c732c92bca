//! What the tests run on: a virtual clock, a store that misbehaves on request, and a recorder that keeps all events.

mod clock;
mod reference;
mod store;

use std::cell::RefCell;
use std::time::Duration;

use checker::history::{Event, EventType, Phase, Process, Recorder};
use serde_json::Value;
use workloads::client::{Attempt, Client};
use workloads::store::Store;
use workloads::{
    Completion, Convergence, Counts, FinalReads, GetPut, Interpreter, Invocation, Settings, by_name, get_put,
};

pub use clock::VirtualClock;
pub use reference::{Flaw, Reference};
pub use store::{Behaviour, MemoryStore};

/// Milliseconds.
pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Keeps events in order, with their index.
#[derive(Default)]
pub struct History(RefCell<Vec<Event>>);

impl Recorder for History {
    fn record(&self, mut event: Event) {
        event.index = self.0.borrow().len() as u64;
        self.0.borrow_mut().push(event);
    }
}

/// A store as a client, to be asked for the operations of one workload.
pub struct Bench {
    pub clock: VirtualClock,
    /// For as long as the tests run, since the client keeps it.
    pub store: &'static MemoryStore,
    pub workload: &'static str,
    client: GetPut<'static>,
}

impl Bench {
    pub fn new(workload: &'static str) -> Self {
        let clock = VirtualClock::default();
        let store: &'static MemoryStore = Box::leak(Box::new(MemoryStore::new(&clock, 3)));
        let client = GetPut::new(Box::new(store));
        Self { clock, store, workload, client }
    }

    /// Performs an operation of a process on key `k` through node `n1`; returns its completion and the attempt.
    pub fn perform(&self, process: u64, f: &'static str, value: Value) -> (Completion, Attempt) {
        let operation = Invocation::of(f, "k", value).by(self.workload, process);
        let attempt = Attempt::default();
        let completion = self.clock.block_on(self.client.invoke("n1", &operation, &attempt));
        (completion, attempt)
    }

    /// The values stored at `n1` under `k`.
    pub fn stored(&self) -> Vec<String> {
        let versions = self.clock.block_on(self.store.get("n1", "k")).expect("the store answers");
        versions.values.into_iter().map(|bytes| String::from_utf8(bytes).expect("it is text")).collect()
    }
}

/// Everything that a test looks at after a run.
pub struct Outcome {
    pub events: Vec<Event>,
    pub counts: Counts,
    pub missed: u64,
    pub first_ack: Option<Duration>,
    pub ended: Duration,
    pub rest: Option<Convergence>,
    pub finals: Option<FinalReads>,
}

/// An operation: its invocation and its completion.
pub struct Operation {
    pub invoke: Event,
    pub done: Event,
}

impl Operation {
    pub fn took(&self) -> Duration {
        Duration::from_nanos(self.done.time - self.invoke.time)
    }
}

impl Outcome {
    /// The outcome of a test that has called the parts of a run by itself.
    pub fn of(history: History) -> Self {
        let (counts, missed, first_ack, ended) = Default::default();
        Self { events: history.0.into_inner(), counts, missed, first_ack, ended, rest: None, finals: None }
    }

    /// The operations of a phase, in the order of their invocations. Panics where a process has two at a time, or one
    /// without end.
    pub fn operations(&self, phase: Phase) -> Vec<Operation> {
        let mut operations = Vec::new();
        for (at, invoke) in self.events.iter().enumerate() {
            if invoke.kind != EventType::Invoke || invoke.phase != phase {
                continue;
            }
            let done = self.events[at + 1..].iter().find(|event| event.process == invoke.process);
            let done = done.expect("every invocation completes").clone();
            assert_ne!(done.kind, EventType::Invoke, "{:?} has two operations at a time", invoke.process);
            operations.push(Operation { invoke: invoke.clone(), done });
        }
        operations
    }

    /// The history as lines of JSON.
    pub fn lines(&self) -> Vec<String> {
        self.events.iter().map(|event| serde_json::to_string(event).expect("an event is JSON")).collect()
    }
}

/// Runs the main phase alone.
pub fn run(list: &str, settings: Settings, prepare: impl FnOnce(&MemoryStore)) -> Outcome {
    run_parts(list, settings, prepare, |_| {}, false)
}

/// Runs all three phases; `heal` is called between the first and the second.
pub fn run_all(
    list: &str,
    settings: Settings,
    prepare: impl FnOnce(&MemoryStore),
    heal: impl FnOnce(&MemoryStore),
) -> Outcome {
    run_parts(list, settings, prepare, heal, true)
}

fn run_parts(
    list: &str,
    settings: Settings,
    prepare: impl FnOnce(&MemoryStore),
    heal: impl FnOnce(&MemoryStore),
    all: bool,
) -> Outcome {
    let clock = VirtualClock::default();
    let store = MemoryStore::new(&clock, 3);
    let history = History::default();
    prepare(&store);
    let workloads = by_name(list, &get_put::can).expect("the list is known");
    let client = GetPut::new(Box::new(&store));
    let interpreter = Interpreter::new(&client, &clock, &history, workloads, settings).expect("the settings are right");
    let (ended, rest, finals) = clock.block_on(async {
        interpreter.run(&|| false).await;
        let ended = workloads::clock::Clock::now(&clock);
        if !all {
            return (ended, None, None);
        }
        heal(&store);
        let (rest, finals) = (interpreter.await_convergence().await, interpreter.final_reads().await);
        interpreter.read_replicas_again(rest.expect("replicas can be read by themselves")).await;
        (ended, rest, Some(finals))
    });
    let progress = interpreter.progress();
    let (counts, missed, first_ack) = (progress.counts(), progress.missed(), progress.first_ack());
    drop(interpreter);
    Outcome { events: history.0.into_inner(), counts, missed, first_ack, ended, rest, finals }
}

/// The number of a client process.
pub fn client(event: &Event) -> u64 {
    match event.process {
        Process::Client(id) => id,
        Process::Nemesis => panic!("the interpreter is no nemesis: {event:?}"),
    }
}
