//! The state of a coordinating client, and small services to its parts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;

use super::api::{CallId, Effect};
use super::known::Known;
use crate::api::{Now, Reply, Request};
use crate::config::Config;
use crate::ids::{NodeId, RequestId};
use crate::peers::Peers;
use crate::timers::Timers;
use crate::versions::{Actor, KeyState};

/// Names a request within one life of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OpId(pub u64);

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Alarm {
    /// A node has not answered this call in time.
    Overdue(CallId),
    /// A node that could not be reached is tried again.
    Again(OpId, NodeId),
    /// A request must be answered now.
    Deadline(OpId),
    /// A read has waited long enough for late repliers.
    Repair(OpId),
    /// Try the suspected nodes again.
    Probe,
    /// Ask somebody who the members are.
    Download,
}

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Get(OpId),
    Store(OpId),
    Delegated(OpId),
    /// Nobody waits for the answer: a repair, a probe, or a call whose request has ended. It shows who is up.
    Unawaited,
}

#[derive(Debug)]
pub(super) struct Call {
    pub(super) node: NodeId,
    pub(super) purpose: Purpose,
    /// When the node is suspected; none = it has been, or may take its time.
    pub(super) overdue_ns: Option<u64>,
}

#[derive(Debug)]
pub(super) struct GetOp {
    pub(super) request: RequestId,
    pub(super) key: Vec<u8>,
    pub(super) n: u8,
    pub(super) r: usize,
    pub(super) targets: Vec<Target>,
    pub(super) replies: BTreeMap<NodeId, KeyState>,
    pub(super) calls: Vec<CallId>,
    pub(super) answered: bool,
    pub(super) deadline_ns: u64,
}

#[derive(Debug)]
pub(super) struct StoreOp {
    pub(super) request: RequestId,
    pub(super) key: Vec<u8>,
    pub(super) state: KeyState,
    pub(super) context: Option<String>,
    pub(super) n: usize,
    pub(super) w: usize,
    pub(super) targets: Vec<Target>,
    pub(super) calls: Vec<CallId>,
    /// Calls that certainly did nothing.
    pub(super) undone: usize,
    pub(super) answered: bool,
    pub(super) deadline_ns: u64,
}

impl StoreOp {
    /// How many of the N replicas have it, themselves or by somebody who keeps it for them.
    pub fn acknowledged(&self) -> usize {
        let done = self.targets.iter().filter(|target| target.done);
        done.map(|target| target.owner).collect::<BTreeSet<NodeId>>().len()
    }
}

#[derive(Debug)]
pub(super) struct DelegatedOp {
    pub(super) request: RequestId,
    pub(super) put: Request,
    /// The nodes that were tried, the last one under way.
    pub(super) tried: Vec<NodeId>,
    pub(super) calls: Vec<CallId>,
    pub(super) deadline_ns: u64,
}

/// One node that a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub node: NodeId,
    /// The replica in whose place it is, or itself.
    pub owner: NodeId,
    /// The replica that it keeps a hint for.
    pub hint_for: Option<NodeId>,
    /// It has answered.
    pub done: bool,
}

/// A coordinating client of one cluster.
#[derive(Debug)]
pub struct Client {
    pub(super) config: Config,
    pub(super) known: Known,
    pub(super) now: Now,
    pub(super) rng: ChaCha8Rng,
    pub(super) actor: Actor,
    /// Versions made by this actor.
    pub(super) made: u64,
    /// Of the last version made: a later one has a greater.
    pub(super) timestamp_us: i64,
    pub(super) peers: Peers,
    pub(super) timers: Timers<Alarm>,
    pub(super) calls: BTreeMap<CallId, Call>,
    pub(super) gets: BTreeMap<OpId, GetOp>,
    pub(super) stores: BTreeMap<OpId, StoreOp>,
    pub(super) delegated: BTreeMap<OpId, DelegatedOp>,
    pub(super) call_next: u64,
    pub(super) op_next: u64,
    pub(super) counters: Counters,
    pub(super) out: Vec<Effect>,
}

/// What the client has done since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Reads that found a replica behind, and had it repaired.
    pub read_repairs: u64,
    /// Calls to a node in the place of another that did not answer.
    pub substitutes: u64,
    /// Nodes newly taken for down.
    pub suspicions: u64,
    /// Changes of the view of where keys live.
    pub views: u64,
}

/// Small services to the other parts.
impl Client {
    /// Makes a call whose answer is expected soon.
    pub(super) fn call(&mut self, node: NodeId, purpose: Purpose, request: Request) -> CallId {
        let call = self.call_patiently(node, purpose, request);
        let overdue_ns = self.set_timer(self.config.timing.replica_timeout, Alarm::Overdue(call));
        if let Some(asked) = self.calls.get_mut(&call) {
            asked.overdue_ns = Some(overdue_ns);
        }
        call
    }

    /// Makes a call whose answer may take its time.
    pub(super) fn call_patiently(&mut self, node: NodeId, purpose: Purpose, request: Request) -> CallId {
        self.call_next += 1;
        let call = CallId(self.call_next);
        let before = self.calls.insert(call, Call { node, purpose, overdue_ns: None });
        assert!(before.is_none(), "{call:?} already names a call");
        self.out.push(Effect::Call { call, node, request });
        call
    }

    /// The request has ended: answers to its calls only show who is up.
    pub(super) fn forget_calls(&mut self, calls: &[CallId]) {
        for call in calls {
            if let Some(call) = self.calls.get_mut(call) {
                call.purpose = Purpose::Unawaited;
            }
        }
    }

    pub(super) fn reply(&mut self, request: RequestId, reply: Reply) {
        self.out.push(Effect::Reply { request, reply });
    }

    pub(super) fn suspect(&mut self, node: NodeId) {
        self.counters.suspicions += u64::from(self.peers.suspect(node, self.now.monotonic_ns));
    }

    pub(super) fn new_op(&mut self) -> OpId {
        self.op_next += 1;
        OpId(self.op_next)
    }

    /// Returns the time it is set to.
    pub(super) fn set_timer(&mut self, after: Duration, alarm: Alarm) -> u64 {
        let after_ns = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
        let at_ns = self.now.monotonic_ns.saturating_add(after_ns);
        self.timers.set(at_ns, alarm);
        at_ns
    }
}
