//! The node: one state machine, fed with inputs, answering with effects.
//!
//! ```text
//!   start.rs                 from the rows on disk to a node; state/ is what it then remembers
//!   handle ─► checks.rs         is the request one that can be served?
//!          ─► put.rs            a write: coordinate it ...
//!          ─► forward.rs        ... or hand it to who may
//!          ─► get.rs            a read: ask N, wait for R, repair afterwards
//!          ─► session.rs        what a client has seen, and must find again
//!          ─► targets.rs        whom a request goes to
//!          ─► questions.rs      what was asked of peers, and their answers
//!          ─► write_buffer.rs   rows in memory, and one replica that writes through
//!          ─► replica.rs        what peers ask of this node's own rows
//!          ─► hints.rs          hand over what was kept for others
//!          ─► anti_entropy.rs   compare Merkle trees, exchange what differs
//!          ─► admission.rs      how much of such background work the disk has room for
//!          ─► reaping.rs        forget tombstones that nobody needs any more
//!          ─► fences.rs         numbers for messages, and what comes too late
//!          ─► peers.rs          who answers and who does not
//!          ─► envelopes.rs      in which version of the protocol
//!          ─► membership.rs     who is a member: commands and gossip
//!          ─► views.rs          only nodes that agree on where keys live serve each other
//!          ─► transfer.rs       what changes hands when the members change
//!   services.rs              sending, answering, drawing and timers, for all of these
//!   every change of a row ─► image.rs ─► persistence.rs ─► Effect::Persist, and what waits for it
//! ```

mod admission;
mod anti_entropy;
mod checks;
mod envelopes;
mod fences;
mod forward;
mod get;
mod hints;
mod identity;
mod membership;
mod metrics;
mod persistence;
mod planted;
mod put;
mod questions;
mod reaping;
mod replica;
mod services;
mod session;
mod start;
mod state;
mod targets;
mod transfer;
mod views;
mod write_buffer;

use crate::api::{Effect, Input, Now, Reply, Request};
use crate::bug::Bug;
use crate::envelope::Envelope;
use crate::ids::{NodeId, RequestId};
use crate::membership::View;
use crate::message::{Command, Message};

use anti_entropy::Listing;
use start::LATE_FLUSH;
use state::{Answer, OpId, Origin, Timer};

pub use crate::row::DamagedRow;
pub use state::{Node, StartError};

impl Node {
    /// All members in order of preference for a key; the first N are its replicas.
    pub fn preference_list(&self, key: &[u8]) -> Vec<NodeId> {
        self.ring.preference_list(key).to_vec()
    }

    /// While a change is active: all members of after it in order of preference for a key.
    pub fn next_preference_list(&self, key: &[u8]) -> Option<Vec<NodeId>> {
        self.ring.next_preference(self.ring.range_of(key)).map(<[NodeId]>::to_vec)
    }

    /// Where this node believes keys to live.
    pub fn membership_view(&self) -> View {
        self.membership.view
    }

    /// Takes one input and appends what must be done because of it.
    pub fn handle(&mut self, now: Now, input: Input, effects: &mut Vec<Effect>) {
        assert!(now.monotonic_ns >= self.now.monotonic_ns, "the monotonic clock of the driver went back");
        self.now = now;
        match input {
            Input::Message { from, envelope } => self.handle_envelope(from, envelope),
            Input::Request { id, request } => self.handle_request(id, request),
            Input::Persisted(id) => {
                for held in self.persistence.complete(id) {
                    self.release(held);
                }
            }
            Input::Timer => self.timers.forget_announcement(),
        }
        while let Some(timer) = self.timers.pop_due(self.now.monotonic_ns) {
            self.handle_timer(timer);
        }
        self.finish(effects);
    }

    fn handle_request(&mut self, id: RequestId, request: Request) {
        if let Err(failure) = self.checked_room() {
            return self.fail(Origin::Client(id), failure);
        }
        match request {
            Request::Get { key, r, n } => self.client_get(id, key, r, n),
            Request::Put { key, value, context, w, n } => match self.checked_put(key, value, context, w, n) {
                Ok(put) => self.route_put(id, put, None),
                Err(failure) => self.fail(Origin::Client(id), failure),
            },
            Request::InSession { session, request } => self.request_in_session(id, session, *request),
            Request::GetLocal { key } => self.client_get_local(id, &key),
            Request::Fetch { view, .. } | Request::Store { view, .. } if self.is_other_view(id, view) => {}
            Request::Fetch { key, .. } => self.client_fetch(id, &key),
            Request::Store { key, state, hint_for, .. } => self.client_store(id, &key, &state, hint_for),
            Request::Join { node } => self.command(Origin::Client(id), Command::Join(node)),
            Request::Leave { node } => self.command(Origin::Client(id), Command::Leave(node)),
            Request::Members => {
                let reply = Reply::Members(self.members_reply());
                self.answer(Origin::Client(id), reply);
            }
        }
    }

    fn handle_envelope(&mut self, from: NodeId, envelope: Envelope) {
        if usize::from(from.0) >= self.config.names.len() || from == self.config.id {
            return;
        }
        if let Some(message) = self.open(from, envelope) {
            self.handle_message(from, message);
        }
    }

    fn handle_message(&mut self, from: NodeId, message: Message) {
        // The disk has stalled: what would wait for it as well is as good as lost on its way.
        if self.persistence.is_full() && message.is_work() {
            self.counters.messages_dropped += 1;
            return;
        }
        let Some(message) = self.serve_in_view(from, message) else { return };
        match message {
            Message::Store { tag, key, state, hint_for } => self.peer_store(from, tag, &key, &state, hint_for),
            Message::StoreBuffered { tag, key, state, hint_for } => {
                self.peer_store_buffered(from, tag, &key, &state, hint_for)
            }
            Message::Fetch { tag, key } => self.peer_fetch(from, tag, &key),
            Message::Forward { tag, life, put } => self.peer_forward(from, tag, life, *put),
            Message::Ping { tag } => self.send(from, Message::Pong { tag }),
            Message::Stored { tag } => self.answered(from, tag, Answer::Stored),
            Message::StoredAll { tags } => tags.into_iter().for_each(|tag| self.answered(from, tag, Answer::Stored)),
            Message::StoreRefused { tag } => self.answered(from, tag, Answer::StoreRefused),
            Message::Fetched { tag, state } => self.answered(from, tag, Answer::Fetched(state)),
            Message::Forwarded { tag, failure, seen } => {
                self.answered(from, tag, Answer::Forwarded(failure, seen.map(|seen| *seen)))
            }
            Message::WrongLife { tag, life } => self.answered(from, tag, Answer::WrongLife(life)),
            Message::Pong { tag } => self.answered(from, tag, Answer::Pong),
            Message::Compare { pages } => self.peer_compare(from, &pages),
            Message::Roots { credit, roots } => self.peer_roots(from, credit, &roots),
            Message::Branches { credit, span, branch, children } => {
                self.peer_branches(from, credit, *span, branch, &children)
            }
            Message::Leaves { credit, span, branch, after, keys, more } => {
                self.peer_leaves(from, credit, Listing { span: *span, branch, after, keys, more })
            }
            Message::Room { rows } => self.peer_room(from, rows),
            Message::Want { keys } => self.peer_want(from, &keys),
            Message::Command { tag, command } => self.command(Origin::Command(from, tag), command),
            Message::Commanded { tag, failure } => self.answered(from, tag, Answer::Commanded(failure)),
            Message::AskTokens { tag } => self.peer_ask_tokens(from, tag),
            Message::Tokens { tag, capacity, tokens } => self.answered(from, tag, Answer::Tokens(capacity, tokens)),
            Message::Gossip { digest } => self.peer_gossip(from, digest),
            Message::History { history } => self.peer_history(from, &history),
            Message::TagFenced { last } => self.peer_tag_fenced(last),
            Message::Guard { tag, keys } => self.peer_guard(from, tag, keys),
            Message::Fence { tag, round, last, timestamp_max_us } => {
                self.peer_fence(from, tag, round, &last, timestamp_max_us)
            }
            Message::Reap { tag, keys } => self.peer_reap(from, tag, &keys),
            Message::Guarded { tag, refused, last } => self.answered(from, tag, Answer::Guarded(refused, last)),
            Message::Fenced { tag, guarded } => self.answered(from, tag, Answer::Fenced(guarded)),
            Message::Reaped { tag } => self.answered(from, tag, Answer::Reaped),
            Message::OtherView { tag, history } => self.peer_other_view(from, tag, &history),
            Message::Offer { tag, keys } => self.peer_offer(from, tag, &keys),
            Message::Wanted { tag, keys } => self.answered(from, tag, Answer::Wanted(keys)),
            Message::HandedOver { view } => self.peer_handed_over(from, view),
            // One within another is nobody's.
            Message::InView { .. } => {}
        }
    }

    fn handle_timer(&mut self, timer: Timer) {
        match timer {
            Timer::Answer(tag) => self.overdue(tag),
            Timer::Deadline(op) => self.deadline(op),
            Timer::Repair(op) => self.repair(op),
            Timer::Probe => self.probe_suspected(),
            Timer::Hints => self.deliver_hints(),
            Timer::AntiEntropy => self.begin_anti_entropy(),
            Timer::Gossip => self.gossip(),
            Timer::Reaping => self.reap_in_turn(),
            Timer::Transfers => self.go_on_with_transfers(),
            Timer::Retry(op) => self.retry(op),
            Timer::Flush => self.flush_in_time(),
            Timer::Hedge(op) => self.hedge(op),
            Timer::LateFlush => {
                self.persistence.flush_late();
                self.set_timer(LATE_FLUSH, Timer::LateFlush);
            }
        }
    }

    /// The time allowed for a request is over; it is one of the four, or has ended.
    fn deadline(&mut self, op: OpId) {
        self.put_deadline(op);
        self.forward_deadline(op);
        self.get_deadline(op);
        self.command_deadline(op);
    }

    /// Closes the step: one batch, one alarm.
    pub(super) fn finish(&mut self, effects: &mut Vec<Effect>) {
        self.flush_when_half_full();
        if let Some((id, writes)) = self.persistence.take_batch() {
            self.out.push(Effect::Persist { id, writes });
        }
        self.gather_acks();
        if self.config.bug == Some(Bug::PeerNeverRetried) {
            let peers = &self.peers;
            self.out.retain(|effect| !matches!(effect, Effect::Send { to, .. } if peers.is_suspected(*to)));
        }
        if let Some(at_ns) = self.timers.announcement() {
            assert!(at_ns >= self.now.monotonic_ns, "an alarm for the past: due timers are handled before");
            self.out.push(Effect::SetTimer { at_ns });
        }
        effects.append(&mut self.out);
    }
}
