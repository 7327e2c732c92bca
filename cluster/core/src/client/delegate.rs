//! Writes that a replica coordinates: the client sends them straight to a node of the key's top N. And everything, to
//! any node, while the client does not know which these are.
//!
//! A request is handed to the next node only if it certainly did not reach the one before: a write that is coordinated twice
//! would be two versions.

use super::api::Response;
use super::state::{Alarm, Client, DelegatedOp, OpId, Purpose};
use crate::api::{Reply, Request};
use crate::config::Quorum;
use crate::failure::Failure;
use crate::ids::{NodeId, RequestId};

impl Client {
    /// A put whose coordinator makes the version, or any request while the client does not know where keys live. The
    /// coordinator also checks it.
    pub(super) fn begin_delegated(&mut self, request: RequestId, put: Request) {
        let op = self.new_op();
        // The coordinator answers within the time for a request; its answer has a way to go.
        let patience = self.config.timing.request_timeout + self.config.timing.replica_timeout;
        let deadline_ns = self.set_timer(patience, Alarm::Deadline(op));
        let delegated = DelegatedOp { request, put, tried: Vec::new(), calls: Vec::new(), deadline_ns };
        self.delegated.insert(op, delegated);
        self.try_next_coordinator(op);
    }

    fn try_next_coordinator(&mut self, op: OpId) {
        let Some(delegated) = self.delegated.get(&op) else { return };
        let (tried, put) = (delegated.tried.clone(), delegated.put.clone());
        let Some(node) = self.next_coordinator(&tried, &put) else {
            let why = "no replica of the key can be reached; nothing was written".to_owned();
            return self.end_delegated(op, Reply::Failed(Failure::Unavailable(why)));
        };
        let call = self.call_patiently(node, Purpose::Delegated(op), put);
        if let Some(delegated) = self.delegated.get_mut(&op) {
            delegated.tried.push(node);
            delegated.calls.push(call);
        }
    }

    /// The first replica that seems to be up, then (sloppy) a fallback that does, then a replica that does not.
    fn next_coordinator(&mut self, tried: &[NodeId], request: &Request) -> Option<NodeId> {
        let (Request::Put { key, .. }, true) = (request, self.known.ring.is_some()) else {
            return self.any_node(tried);
        };
        let (replicas, rest) = self.preference_list(key).split_at(self.replicas(key).len());
        let untried = |node: &&NodeId| !tried.contains(node);
        let up = |node: &&NodeId| untried(node) && self.is_healthy(**node);
        let fallbacks = if self.config.quorum == Quorum::Sloppy { rest } else { &[] };
        let mut all =
            replicas.iter().filter(up).chain(fallbacks.iter().filter(up)).chain(replicas.iter().filter(untried));
        all.next().copied()
    }

    pub(super) fn delegated_response(&mut self, op: OpId, response: Response) {
        match response {
            Response::Reply(reply) => self.end_delegated(op, reply),
            Response::NotSent(_) => self.try_next_coordinator(op),
            Response::Lost(why) => {
                let why = format!("the coordinator was lost ({why}); the write may have happened");
                self.end_delegated(op, Reply::Failed(Failure::Unknown(why)));
            }
        }
    }

    fn end_delegated(&mut self, op: OpId, reply: Reply) {
        let Some(delegated) = self.delegated.remove(&op) else { return };
        self.timers.cancel(delegated.deadline_ns, Alarm::Deadline(op));
        self.forget_calls(&delegated.calls);
        self.reply(delegated.request, reply);
    }

    /// The coordinator is silent, and so is taken for down.
    pub(super) fn delegated_deadline(&mut self, op: OpId) {
        if let Some(&coordinator) = self.delegated.get(&op).and_then(|delegated| delegated.tried.last()) {
            self.suspect(coordinator);
        }
        let why = "the coordinator did not answer in time; the write may have happened".to_owned();
        self.end_delegated(op, Reply::Failed(Failure::Unknown(why)));
    }
}
