//! The one task that owns the core, and feeds it.
//!
//! ```text
//!   peers ──────► │ wait for something, take all that is there │ ──► Node::handle for each ──► effects, in order
//!   clients ────► │                                            │       send    → the peer's queue (full: dropped)
//!   persisted ──► │                                            │       persist → the storage thread (full: wait)
//!   timer ──────► │                                            │       reply   → the client's handler
//! ```
//!
//! All queues in are bounded, so a node that cannot keep up holds its peers back, refuses its clients, and does not grow.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cluster_core::api::{
    Distribution, Effect, Input, Metric, NodeId, Now, PersistId, Reply, Request, RequestId, RowWrite, Status,
};
use cluster_core::envelope::Envelope;
use cluster_core::node::Node;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::metrics::QueueDepth;
use crate::peers::Outbound;
use crate::server::NodeError;
use crate::storage::{Batch, StorageQueue};

/// Peers' messages that may wait for the driver.
pub(crate) const MESSAGES_MAX: usize = 512;
/// Clients' calls that may wait for the driver; one more is refused.
pub(crate) const CALLS_MAX: usize = 1024;
/// Inputs of one kind taken at once.
const BATCH_MAX: usize = 256;
/// The longest sleep: a timer set further ahead is looked at again then.
const SLEEP_MAX: Duration = Duration::from_secs(3600);

/// What a client's handler asks of the driver. Each answer goes nowhere if the client has gone.
#[derive(Debug)]
pub(crate) enum Call {
    /// A request for the core.
    Request { request: Request, answer: oneshot::Sender<Reply> },
    /// For `/status`.
    Status(oneshot::Sender<StatusAnswer>),
    /// For `/ring`.
    Preference { key: Vec<u8>, answer: oneshot::Sender<Vec<NodeId>> },
    /// For `/metrics`.
    Metrics(oneshot::Sender<MetricsAnswer>),
}

#[derive(Debug)]
pub(crate) struct StatusAnswer {
    pub(crate) status: Status,
    pub(crate) now: Now,
    /// Peers by name, and whether the connection to them stands.
    pub(crate) connected: BTreeMap<String, bool>,
}

#[derive(Debug)]
pub(crate) struct MetricsAnswer {
    pub(crate) core: Vec<Metric>,
    pub(crate) distributions: Vec<Distribution>,
    pub(crate) depths: Vec<QueueDepth>,
}

/// What the driver is connected to.
pub(crate) struct Wiring {
    pub(crate) clock: Clock,
    pub(crate) messages: mpsc::Receiver<(NodeId, Envelope)>,
    pub(crate) calls: mpsc::Receiver<Call>,
    pub(crate) storage: StorageQueue,
    pub(crate) outbound: BTreeMap<NodeId, Arc<Outbound>>,
}

/// Owns the core.
pub(crate) struct Driver {
    node: Node,
    wiring: Wiring,
    effects: Vec<Effect>,
    timer_at_ns: Option<u64>,
    /// Requests that the core has not answered. It answers each, so none stays.
    waiting: BTreeMap<RequestId, oneshot::Sender<Reply>>,
    next_request: u64,
    persisted: Option<PersistId>,
}

/// What was there to be taken at one moment.
#[derive(Default)]
struct Taken {
    messages: Vec<(NodeId, Envelope)>,
    calls: Vec<Call>,
}

impl Driver {
    /// A driver for a node that has just started, with the effects of its start.
    pub(crate) fn new(node: Node, effects: Vec<Effect>, wiring: Wiring) -> Self {
        Self { node, wiring, effects, timer_at_ns: None, waiting: BTreeMap::new(), next_request: 0, persisted: None }
    }

    /// Serves until something fatal happens.
    pub(crate) async fn run(mut self) -> Result<(), NodeError> {
        let mut taken = Taken::default();
        loop {
            self.carry_out_effects().await;
            self.wait(&mut taken).await?;
            self.take_more(&mut taken);
            let now = self.wiring.clock.now()?;
            self.handle_persisted(now)?;
            for (from, envelope) in taken.messages.drain(..) {
                self.node.handle(now, Input::Message { from, envelope }, &mut self.effects);
            }
            for call in taken.calls.drain(..) {
                self.handle_call(now, call);
            }
            self.handle_timer(now);
        }
    }

    /// Waits until there is something to do.
    async fn wait(&mut self, taken: &mut Taken) -> Result<(), NodeError> {
        let timer = tokio::time::sleep_until(self.wake_at()?);
        let wiring = &mut self.wiring;
        tokio::select! {
            changed = wiring.storage.progress.changed() => changed.map_err(|_| NodeError::StorageGone)?,
            count = wiring.messages.recv_many(&mut taken.messages, BATCH_MAX) => stop_at_zero(count)?,
            count = wiring.calls.recv_many(&mut taken.calls, BATCH_MAX) => stop_at_zero(count)?,
            () = timer => {}
        }
        Ok(())
    }

    fn wake_at(&self) -> Result<Instant, NodeError> {
        let sleep = match self.timer_at_ns {
            Some(at_ns) => {
                Duration::from_nanos(at_ns.saturating_sub(self.wiring.clock.now()?.monotonic_ns)).min(SLEEP_MAX)
            }
            None => SLEEP_MAX,
        };
        Ok(Instant::now() + sleep)
    }

    /// Takes what else is there: no kind of input can starve another.
    fn take_more(&mut self, taken: &mut Taken) {
        while taken.messages.len() < BATCH_MAX
            && let Ok(message) = self.wiring.messages.try_recv()
        {
            taken.messages.push(message);
        }
        while taken.calls.len() < BATCH_MAX
            && let Ok(call) = self.wiring.calls.try_recv()
        {
            taken.calls.push(call);
        }
    }

    fn handle_persisted(&mut self, now: Now) -> Result<(), NodeError> {
        let progress = self.wiring.storage.progress.borrow_and_update().clone();
        if let Some(failure) = progress.failure {
            return Err(NodeError::Store(failure));
        }
        if progress.persisted > self.persisted {
            self.persisted = progress.persisted;
            if let Some(id) = progress.persisted {
                self.node.handle(now, Input::Persisted(id), &mut self.effects);
            }
        }
        Ok(())
    }

    fn handle_timer(&mut self, now: Now) {
        if self.timer_at_ns.is_some_and(|at_ns| at_ns <= now.monotonic_ns) {
            self.timer_at_ns = None;
            self.node.handle(now, Input::Timer, &mut self.effects);
        }
    }

    /// An answer whose client has gone is dropped: that is what the ignored results say.
    fn handle_call(&mut self, now: Now, call: Call) {
        match call {
            Call::Request { request, answer } => {
                let id = RequestId(self.next_request);
                self.next_request += 1;
                self.waiting.insert(id, answer);
                self.node.handle(now, Input::Request { id, request }, &mut self.effects);
            }
            Call::Status(answer) => {
                let links = self.wiring.outbound.values();
                let connected = links.map(|link| (link.name.clone(), link.connected())).collect();
                let _ = answer.send(StatusAnswer { status: self.node.status(), now, connected });
            }
            Call::Preference { key, answer } => {
                let _ = answer.send(self.node.preference_list(&key));
            }
            Call::Metrics(answer) => {
                let _ = answer.send(MetricsAnswer {
                    core: self.node.metrics(),
                    distributions: self.node.distributions(),
                    depths: self.depths(),
                });
            }
        }
    }

    fn depths(&self) -> Vec<QueueDepth> {
        let batches = &self.wiring.storage.batches;
        let own = [
            ("messages", self.wiring.messages.len()),
            ("calls", self.wiring.calls.len()),
            ("persists", batches.max_capacity() - batches.capacity()),
            ("replies", self.waiting.len()),
        ];
        let own = own.map(|(queue, waiting)| QueueDepth { queue: queue.to_owned(), waiting: waiting as u64 });
        let links = self.wiring.outbound.values();
        let links = links.map(|link| QueueDepth { queue: format!("to-{}", link.name), waiting: link.waiting() });
        own.into_iter().chain(links).collect()
    }

    async fn carry_out_effects(&mut self) {
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Send { to, message } => {
                    if let Some(link) = self.wiring.outbound.get(&to) {
                        link.send(&self.node.seal(to, message));
                    }
                }
                Effect::Persist { id, writes } => {
                    let writes = writes.into_iter().map(RowWrite::encoded).collect();
                    // A closed queue means that the thread has failed; its last report, which `wait` sees, says how.
                    let _ = self.wiring.storage.batches.send(Batch { id, writes }).await;
                }
                Effect::Reply { request, reply } => {
                    if let Some(answer) = self.waiting.remove(&request) {
                        let _ = answer.send(reply);
                    }
                }
                Effect::SetTimer { at_ns } => self.timer_at_ns = Some(at_ns),
            }
        }
    }
}

/// A queue with no sender left: the node's other tasks have been ended.
fn stop_at_zero(count: usize) -> Result<(), NodeError> {
    if count == 0 { Err(NodeError::Stopped) } else { Ok(()) }
}
