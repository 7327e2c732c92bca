//! Small services to the other parts of the node: sending, answering, names, chance and timers.

use std::time::Duration;

use rand::RngExt;

use super::state::{Node, OpId, Origin, Timer};
use crate::api::{Effect, Reply};
use crate::failure::Failure;
use crate::ids::NodeId;
use crate::message::Message;

impl Node {
    pub(super) fn send(&mut self, to: NodeId, message: Message) {
        assert!(to != self.config.id, "a node sends to its peers, not to itself");
        let message = self.in_view(message);
        self.out.push(Effect::Send { to, message });
    }

    pub(super) fn answer(&mut self, origin: Origin, reply: Reply) {
        match origin {
            Origin::Client(request) => {
                self.sessions.remove(&request);
                self.out.push(Effect::Reply { request, reply });
            }
            Origin::Peer(peer, tag) => {
                self.send(peer, Message::Forwarded { tag, failure: reply.failure(), seen: None })
            }
            Origin::Command(peer, tag) => self.send(peer, Message::Commanded { tag, failure: reply.failure() }),
        }
    }

    pub(super) fn fail(&mut self, origin: Origin, failure: Failure) {
        if matches!(failure, Failure::BadRequest(_)) {
            self.counters.bad_requests += 1;
        }
        self.answer(origin, Reply::Failed(failure));
    }

    /// Client requests under way, and those of peers' clients.
    pub(super) fn requests(&self) -> usize {
        self.puts.len() + self.gets.len() + self.forwardings.len() + self.commands.len()
    }

    pub(super) fn name(&self, node: NodeId) -> String {
        self.config.names[usize::from(node.0)].clone()
    }

    pub(super) fn others(&self) -> Vec<NodeId> {
        let nodes = (0..self.config.names.len() as u16).map(NodeId);
        nodes.filter(|id| *id != self.config.id).collect()
    }

    pub(super) fn is_healthy(&self, node: NodeId) -> bool {
        node == self.config.id || !self.peers.is_suspected(node)
    }

    pub(super) fn new_op(&mut self) -> OpId {
        self.op_next += 1;
        OpId(self.op_next)
    }

    /// A place below `count`; 0 if that is 0.
    pub(super) fn draw(&mut self, count: usize) -> usize {
        if count == 0 { 0 } else { self.rng.random_range(0..count) }
    }

    /// Returns the time it is set to.
    pub(super) fn set_timer(&mut self, after: Duration, timer: Timer) -> u64 {
        let after_ns = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
        let at = self.now.monotonic_ns.saturating_add(after_ns);
        assert!(at >= self.now.monotonic_ns, "an alarm in the past");
        self.timers.set(at, timer);
        at
    }
}
