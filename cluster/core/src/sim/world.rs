//! What the world consists of: nodes and clients at their places, what is to happen, and what was asked.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::clock::SimClock;
use super::disk::{Disk, DiskSettings};
use super::network::{Network, NetworkSettings};
use super::queue::Queue;
use super::trace::Trace;
use crate::api::{Effect, Now, Reply, Request};
use crate::client::{CallId, Client, Response};
use crate::config::Config;
use crate::envelope::Envelope;
use crate::ids::{NodeId, PersistId, RequestId};
use crate::node::Node;
use crate::protocol::Protocol;
use crate::sequence::Sequence;

/// What a world is made of.
#[derive(Clone, Debug)]
pub struct WorldSettings {
    /// For every node, but for its `id` and `seed`.
    pub config: Config,
    /// The network's habits.
    pub network: NetworkSettings,
    /// The disks' habits.
    pub disk: DiskSettings,
    /// Of everything.
    pub seed: u64,
}

/// A simulated cluster with its network, disks and clocks.
#[derive(Debug)]
pub struct World {
    pub(super) settings: WorldSettings,
    pub(super) now_ns: u64,
    pub(super) rng: ChaCha8Rng,
    pub(super) seats: Vec<Seat>,
    pub(super) network: Network,
    /// By time, then by chance, then as they came.
    pub(super) queue: Queue<Event>,
    pub(super) events: u64,
    pub(super) requests: u64,
    /// Requests that their node has not answered yet.
    pub(super) open: Sequence<RequestId, NodeId>,
    pub(super) answers: Sequence<RequestId, Answer>,
    pub(super) clients: Vec<ClientSeat>,
    /// Requests that coordinating clients have made, and by which call.
    pub(super) calls: Sequence<RequestId, (ClientId, CallId)>,
    /// Requests answered since they were last asked for.
    pub(super) fresh: Vec<RequestId>,
    pub(super) trace: Trace,
    /// Empty between events.
    pub(super) effects: Vec<Effect>,
}

/// What a client hears of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The node's own words.
    Reply(Reply),
    /// The node crashed with the request under way: it may have happened.
    ConnectionLost,
}

/// A node's place in the world; the node itself comes and goes.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) node: Option<Node>,
    /// Counts starts, so that what was meant for an earlier life reaches nobody.
    pub(super) life: u64,
    pub(super) disk: Disk,
    pub(super) clock: SimClock,
    pub(super) protocol: Protocol,
    pub(super) timer_ns: Option<u64>,
    /// What happens to a paused node waits here until it is resumed.
    pub(super) paused: Option<Vec<Event>>,
}

#[derive(Debug)]
pub(super) enum Event {
    Deliver { from: NodeId, to: NodeId, envelope: Envelope },
    Persisted { node: NodeId, life: u64, id: PersistId },
    Timer { node: NodeId, life: u64 },
    Arrive { node: NodeId, life: u64, id: RequestId, request: Request },
    Answer { id: RequestId, answer: Answer },
    ClientTimer { client: ClientId },
    ClientHears { client: ClientId, call: CallId, response: Response },
}

impl Event {
    /// The node that must be awake for it.
    pub fn node(&self) -> Option<NodeId> {
        match self {
            Event::Deliver { to, .. } => Some(*to),
            Event::Persisted { node, .. } | Event::Timer { node, .. } | Event::Arrive { node, .. } => Some(*node),
            Event::Answer { .. } | Event::ClientTimer { .. } | Event::ClientHears { .. } => None,
        }
    }
}

/// A coordinating client's place in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub(super) u16);

#[derive(Debug)]
pub(super) struct ClientSeat {
    pub(super) client: Client,
    pub(super) timer_ns: Option<u64>,
}

/// Small services to the other parts.
impl World {
    pub(super) fn schedule(&mut self, at_ns: u64, event: Event) {
        assert!(at_ns >= self.now_ns, "an event is scheduled for the past");
        let order = self.rng.next_u32();
        self.queue.push(at_ns, order, event);
    }

    /// At the same moment as others, but after whatever was scheduled so before.
    pub(super) fn schedule_in_order(&mut self, at_ns: u64, event: Event) {
        self.queue.push(at_ns, u32::MAX, event);
    }

    pub(super) fn now_of(&self, node: NodeId) -> Now {
        let wall_ns = self.seat(node).clock.wall_ns(self.now_ns);
        Now { monotonic_ns: self.now_ns, wall_ns }
    }

    pub(super) fn seat(&self, node: NodeId) -> &Seat {
        &self.seats[usize::from(node.0)]
    }

    pub(super) fn seat_mut(&mut self, node: NodeId) -> &mut Seat {
        &mut self.seats[usize::from(node.0)]
    }
}
