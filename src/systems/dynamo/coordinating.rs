//! The coordinating client (6.4) over HTTP: the core's state machine, driven by tasks of the runtime.
//!
//! ```text
//!   ask ──► Client::handle ──► a task a call ──► the node ──► Client::handle ──► ... ──► the answer of ask
//! ```
//! The state machine is behind a lock that is held for one step and never across an await. Calls may go on after their
//! request has been answered, as read repairs do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cluster_core::api::{NodeId, Now, Reply, Request, RequestId};
use cluster_core::client::{Client, Effect, Input, Response};
use cluster_core::config::Config;
use tokio::sync::oneshot;

use super::calls::Caller;

/// Drives one coordinating client. Must be used within a runtime, on which its calls run.
pub(super) struct Coordinator {
    shared: Arc<Shared>,
}

struct Shared {
    caller: Caller,
    began: Instant,
    machine: Mutex<Machine>,
}

struct Machine {
    client: Client,
    waiting: BTreeMap<RequestId, oneshot::Sender<Reply>>,
    requests: u64,
    /// Counts how often the timer was set: only the last setting counts.
    timers: u64,
    /// The effects of the client's start, until there is a runtime to carry them out.
    starting: Vec<Effect>,
}

impl Coordinator {
    /// A client of these settings, which must be valid. Its seed is drawn: no two clients may have the same.
    pub fn new(config: &Config, caller: Caller) -> Self {
        let began = Instant::now();
        let mut starting = Vec::new();
        let client = Client::start(config.clone(), rand::random(), now_since(began), &mut starting);
        let client = client.expect("the settings are validated");
        let machine = Machine { client, waiting: BTreeMap::new(), requests: 0, timers: 0, starting };
        Self { shared: Arc::new(Shared { caller, began, machine: Mutex::new(machine) }) }
    }

    /// Performs a get or a put. If the caller stops waiting, the request still goes on.
    pub async fn ask(&self, request: Request) -> Option<Reply> {
        let (answer, answered) = oneshot::channel();
        let effects = {
            let mut machine = self.shared.lock();
            machine.requests += 1;
            let id = RequestId(machine.requests);
            machine.waiting.insert(id, answer);
            machine.handle(self.shared.now(), Input::Request { id, request })
        };
        self.shared.carry_out(effects);
        answered.await.ok()
    }
}

impl Machine {
    fn handle(&mut self, now: Now, input: Input) -> Vec<Effect> {
        let mut effects = std::mem::take(&mut self.starting);
        self.client.handle(now, input, &mut effects);
        effects
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn now(&self) -> Now {
        now_since(self.began)
    }

    fn input(self: &Arc<Self>, input: Input) {
        let effects = self.lock().handle(self.now(), input);
        self.carry_out(effects);
    }

    fn carry_out(self: &Arc<Self>, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Call { call, node, request } => {
                    let shared = Arc::clone(self);
                    tokio::spawn(async move {
                        let response = shared.call(node, request).await;
                        shared.input(Input::Response { call, response });
                    });
                }
                Effect::Reply { request, reply } => {
                    if let Some(answer) = self.lock().waiting.remove(&request) {
                        // The caller may have stopped waiting.
                        let _ = answer.send(reply);
                    }
                }
                Effect::SetTimer { at_ns } => self.set_timer(at_ns),
            }
        }
    }

    async fn call(&self, node: NodeId, request: Request) -> Response {
        self.caller.call(node, request).await
    }

    /// The task holds the client weakly: otherwise it would keep the client alive for ever.
    fn set_timer(self: &Arc<Self>, at_ns: u64) {
        let number = {
            let mut machine = self.lock();
            machine.timers += 1;
            machine.timers
        };
        let at = self.began + Duration::from_nanos(at_ns);
        let shared: Weak<Self> = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep_until(at.into()).await;
            if let Some(shared) = shared.upgrade()
                && shared.lock().timers == number
            {
                shared.input(Input::Timer);
            }
        });
    }
}

fn now_since(began: Instant) -> Now {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let wall_ns = i64::try_from(wall.as_nanos()).unwrap_or(i64::MAX);
    Now { monotonic_ns: u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX), wall_ns }
}
