//! Questions to peers and their answers (4.8.3).
//!
//! Every question has a tag, and a time by which a peer that is up would have answered. An answer counts once, for
//! the question whose tag it bears; what comes twice, or for a question of an earlier life, counts for nothing but a
//! sign of life.

use super::state::{Answer, Asked, Node, Purpose, Timer};
use crate::bug::Bug;
use crate::ids::NodeId;
use crate::message::{Message, Tag};

impl Node {
    /// Sends a message that wants an answer, and sets the alarm that suspects the peer.
    pub(super) fn ask(&mut self, peer: NodeId, purpose: Purpose, message: impl FnOnce(Tag) -> Message) -> Tag {
        let tag = self.new_tag();
        let overdue_ns = Some(self.set_timer(self.config.timing.replica_timeout, Timer::Answer(tag)));
        let asked = Asked { peer, overdue_ns, purpose };
        debug_assert!(!self.asked.contains_key(&tag), "{tag:?} already names a message that wants an answer");
        self.asked.insert(tag, asked);
        self.send(peer, message(tag));
        tag
    }

    /// As [`Node::ask`], but for the sending, which is left to the caller.
    pub(super) fn ask_unsent(
        &mut self,
        peer: NodeId,
        purpose: Purpose,
        message: impl FnOnce(Tag) -> Message,
    ) -> Message {
        let tag = self.new_tag();
        let overdue_ns = Some(self.set_timer(self.config.timing.replica_timeout, Timer::Answer(tag)));
        self.asked.insert(tag, Asked { peer, overdue_ns, purpose });
        self.in_view(message(tag))
    }

    /// Sends a message whose answer may take its time.
    pub(super) fn ask_patiently(
        &mut self,
        peer: NodeId,
        purpose: Purpose,
        message: impl FnOnce(Tag) -> Message,
    ) -> Tag {
        let tag = self.new_tag();
        let asked = Asked { peer, overdue_ns: None, purpose };
        self.asked.insert(tag, asked);
        self.send(peer, message(tag));
        tag
    }

    pub(super) fn answered(&mut self, from: NodeId, tag: Tag, answer: Answer) {
        if self.peers.clear(from) {
            self.counters.recoveries += 1;
        }
        if self.asked.get(&tag).is_none_or(|asked| asked.peer != from) {
            return;
        }
        let Some(asked) = self.asked.remove(&tag) else { return };
        self.cancel_alarm(tag, &asked);
        match (asked.purpose, answer) {
            (Purpose::Put(op), Answer::Stored) => {
                self.put_durable(op);
                self.put_acknowledged(op, from);
            }
            (Purpose::BufferedPut(op), Answer::Stored) => self.put_acknowledged(op, from),
            (Purpose::Put(op) | Purpose::BufferedPut(op), Answer::StoreRefused) => self.put_refused(op, from),
            (Purpose::Get(op), Answer::Fetched(state)) => self.get_answered(op, from, state),
            (Purpose::Forward(op), Answer::Forwarded(failure, seen)) => {
                self.forward_answered(op, failure, seen.unwrap_or_default())
            }
            (Purpose::Forward(op), Answer::WrongLife(life)) => self.forward_met_life(op, from, life),
            (Purpose::Hint { owner, key, digest }, Answer::Stored) => self.hint_acknowledged(owner, key, digest),
            (Purpose::Command(op), Answer::Commanded(failure)) => self.command_answered(op, failure),
            (Purpose::Command(op), Answer::Tokens(capacity, tokens)) => self.command_has_tokens(op, capacity, tokens),
            (Purpose::Reaping, Answer::Guarded(refused, last)) => self.reaping_guarded(from, tag, &refused, last),
            (Purpose::Reaping, Answer::Fenced(guarded)) => self.reaping_fenced(from, tag, guarded),
            (Purpose::Reaping, Answer::Reaped) => self.reaping_reaped(from),
            (Purpose::Offer(page), Answer::Wanted(keys)) => self.offer_answered(page, from, keys),
            (Purpose::Transfer(page, key), Answer::Stored) => self.row_transferred(page, from, &key),
            (Purpose::Offer(page) | Purpose::Transfer(page, _), _) => self.page_failed(page),
            (Purpose::Put(op) | Purpose::BufferedPut(op), Answer::OtherView) => self.put_met_view(op, from),
            (Purpose::Get(op), Answer::OtherView) => self.get_met_view(op, from),
            (Purpose::Forward(op), Answer::OtherView) => self.forward_met_view(op),
            (Purpose::Hint { owner, key, .. }, _) => self.handovers.ended(owner, &key),
            // A peer that answers something else than it was asked is of no use; the alarm has been seen to.
            _ => {}
        }
    }

    /// A peer has not answered in time.
    pub(super) fn overdue(&mut self, tag: Tag) {
        let Some(asked) = self.asked.get_mut(&tag) else { return };
        asked.overdue_ns = None;
        let peer = asked.peer;
        self.suspect(peer);
        match self.asked.get(&tag).map(|asked| &asked.purpose) {
            // Answers to coordinated requests still count when they come late; the request's end forgets them.
            Some(&(Purpose::Put(op) | Purpose::BufferedPut(op))) => self.put_overdue(op, peer),
            Some(&Purpose::Get(op)) => self.get_overdue(op, peer),
            Some(&Purpose::Command(op)) => self.command_overdue(op, peer),
            Some(&Purpose::Forward(op)) if self.config.bug == Some(Bug::ForwardedTwice) => self.send_forward(op),
            Some(Purpose::Forward(_)) => {}
            Some(Purpose::Reaping) => {
                self.asked.remove(&tag);
                self.reaping_overdue(peer, tag);
            }
            Some(Purpose::Hint { owner, key, .. }) => {
                if self.config.bug != Some(Bug::HandoffOnce) {
                    self.handovers.ended(*owner, key);
                }
                self.asked.remove(&tag);
            }
            Some(&Purpose::Offer(page) | &Purpose::Transfer(page, _)) => {
                self.page_failed(page);
                self.asked.remove(&tag);
            }
            Some(Purpose::Ping) | None => {
                self.asked.remove(&tag);
            }
        }
    }

    fn suspect(&mut self, peer: NodeId) {
        self.lives.forget(peer);
        if self.peers.suspect(peer, self.now.monotonic_ns) {
            self.counters.suspicions += 1;
        }
    }

    /// A request has ended: nobody waits for the answers to its questions any more. But who does not answer one in
    /// time is taken for down all the same; else reads, which end as soon as R have answered, would never notice.
    pub(super) fn forget_questions(&mut self, tags: &[Tag]) {
        for tag in tags {
            let Some(asked) = self.asked.get_mut(tag) else {
                continue;
            };
            if asked.overdue_ns.is_some() && !self.peers.is_suspected(asked.peer) {
                asked.purpose = Purpose::Ping;
            } else if let Some(asked) = self.asked.remove(tag) {
                self.cancel_alarm(*tag, &asked);
            }
        }
    }

    fn cancel_alarm(&mut self, tag: Tag, asked: &Asked) {
        if let Some(at_ns) = asked.overdue_ns {
            self.timers.cancel(at_ns, Timer::Answer(tag));
        }
    }

    pub(super) fn probe_suspected(&mut self) {
        for peer in self.peers.suspected() {
            let tag = self.new_tag();
            self.send(peer, Message::Ping { tag });
        }
        self.set_timer(self.config.timing.probe_interval, Timer::Probe);
    }
}
