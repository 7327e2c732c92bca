//! Views (4.8): nodes serve each other only while they believe keys to live in the same places.
//!
//! ```text
//!   coordinator ── Store in view 7 ──► replica in view 8         nothing is done
//!               ◄─ OtherView: my history ──
//!   it learns, chooses the targets anew, and goes on within its deadline
//! ```
//! If the replica is behind instead, it gets the coordinator's history and is asked again soon. So no quorum ever mixes
//! nodes of different views, and a node that has missed a change does no harm: no node serves it.
//!
//! A message that bears no view is of the founding one: clusters that never change pay nothing.

use std::time::Duration;

use super::state::{Answer, Node, OpId, Timer};
use crate::ids::NodeId;
use crate::membership::{FOUNDING_VIEW, History};
use crate::message::{Message, Tag};
use crate::ring::Ring;

/// How long whoever is behind gets to learn.
const RETRY_AFTER: Duration = Duration::from_millis(20);

impl Node {
    /// The message as it is sent: with the view it was made in, if it is one that only nodes of that view may serve.
    pub(super) fn in_view(&self, message: Message) -> Message {
        let view = self.membership.view;
        match message.fenced_tag() {
            Some(_) if view != FOUNDING_VIEW => Message::InView { view, message: Box::new(message) },
            _ => message,
        }
    }

    /// The message, if this node may serve it. Otherwise its sender gets the reason.
    pub(super) fn serve_in_view(&mut self, from: NodeId, message: Message) -> Option<Message> {
        let (view, message) = match message {
            Message::InView { view, message } => (view, *message),
            other => (FOUNDING_VIEW, other),
        };
        let Some(tag) = message.fenced_tag().filter(|_| view != self.membership.view) else {
            return Some(message);
        };
        // The forward will be routed anew: were it taken when the network delivers it again, there would be two writes.
        if matches!(&message, Message::Forward { life, .. } if *life == Some(self.life)) {
            self.forwards_seen.is_new(from, tag);
        }
        self.counters.views_refused += 1;
        let history = self.membership.history.clone();
        self.send(from, Message::OtherView { tag, history });
        None
    }

    /// Who was asked is of another view.
    pub(super) fn peer_other_view(&mut self, from: NodeId, tag: Tag, history: &History) {
        self.peer_history(from, history);
        self.answered(from, tag, Answer::OtherView);
    }

    pub(super) fn retry_later(&mut self, op: OpId) {
        self.set_timer(RETRY_AFTER, Timer::Retry(op));
    }

    /// It is one of the three, or has ended.
    pub(super) fn retry(&mut self, op: OpId) {
        self.retry_put(op);
        self.retry_get(op);
        self.retry_forward(op);
    }

    /// Keys live elsewhere from now on: the trees follow, and requests under way choose their targets anew.
    pub(super) fn change_view(&mut self) {
        let ring = Ring::with_history(&self.config, &self.membership.history);
        self.ring = ring.expect("the settings made a ring at the start, and a history only edits it");
        self.image.rering(&self.ring);
        self.counters.view_changes += 1;
        self.transfers.restart();
        let puts: Vec<OpId> = self.puts.keys().collect();
        let gets: Vec<OpId> = self.gets.keys().collect();
        puts.into_iter().for_each(|op| self.replan_put(op));
        gets.into_iter().for_each(|op| self.replan_get(op));
    }
}
