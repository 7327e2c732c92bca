//! What some planted defects do where a line would not say it (see [`crate::bug`]).

use super::state::{Node, Purpose};
use crate::api::{Effect, Reply};
use crate::bug::Bug;
use crate::ids::{NodeId, RequestId};
use crate::membership::History;
use crate::message::Message;
use crate::ring::{RangeId, Ring};
use crate::versions::KeyState;

impl Node {
    /// What read repair writes back: all of it, but for two defects.
    pub(super) fn written_back(&self, whole: &KeyState) -> KeyState {
        let Some(last) = whole.versions().last() else { return whole.clone() };
        let mut kept = last.clone();
        match self.config.bug {
            // The one kept comes to cover the others, as if its writer had merged them.
            Some(Bug::RepairOneSibling) => {
                for other in whole.versions().iter().filter(|other| other.dot != kept.dot) {
                    kept.past.join(&other.past);
                    kept.past.add(other.dot);
                }
            }
            // The one kept travels alone, against the rule that whole states travel.
            Some(Bug::RepairPartial) => {}
            _ => return whole.clone(),
        }
        let mut state = KeyState::default();
        state.insert(kept, self.config.versions);
        state
    }

    /// The ring by which requests find the owners of a key: this node's, but for one defect.
    pub(super) fn ring_to_ask(&self) -> &Ring {
        self.cached_ring.as_ref().unwrap_or(&self.ring)
    }

    /// Groups of owners that a request passes over: none, but for one defect those of before a change.
    pub(super) fn groups_skipped(&self, range: RangeId) -> usize {
        let is_changing = || self.ring.next_preference(range).is_some();
        usize::from(self.config.bug == Some(Bug::ServedBeforeData) && is_changing())
    }

    /// With one defect, deletes are kept from those who gain a key, and so are tombstones.
    pub(super) fn is_withheld(&self, is_delete: bool) -> bool {
        self.config.bug == Some(Bug::DeletesNotForwarded) && is_delete
    }

    /// What a change that is made now is called: by a count, but for one defect, which asks the wall clock, ...
    pub(super) fn next_version(&self) -> u64 {
        match self.config.bug {
            Some(Bug::MembershipByClock) => (self.now.wall_ns / 1000).max(1) as u64,
            _ => self.membership.writing.next_version(),
        }
    }

    /// ... takes over what is newer than all that it knows, ...
    pub(super) fn merge_history(&self, history: &mut History, theirs: &History) -> bool {
        match self.config.bug {
            Some(Bug::MembershipByClock) => history.merge_newer(theirs),
            _ => history.merge(theirs),
        }
    }

    /// ... and sends nothing to a peer that knows the newest change, as if it had to know all older ones.
    pub(super) fn counts_as_known(&self, theirs: &History) -> bool {
        let own = &self.membership.history;
        self.config.bug == Some(Bug::MembershipByClock) && theirs.newest() == own.newest() && theirs != own
    }

    /// Whether this node gossips with the peer: always, but for one defect.
    pub(super) fn gossips_with(&self, peer: NodeId) -> bool {
        !self.membership.struck.contains(&peer)
    }

    /// With one defect, each round of gossip looks who is there. Who has been silent for long is struck from those to
    /// gossip with until it speaks of the membership itself; two that have struck each other, as the sides of a partition
    /// do, never will.
    pub(super) fn strike_the_silent(&mut self) {
        if self.config.bug != Some(Bug::SeedsIgnored) {
            return;
        }
        let me = self.config.id;
        for peer in self.acquaintances().into_iter().filter(|peer| *peer != me) {
            if self.is_lost(peer) {
                self.membership.struck.insert(peer);
            }
            self.ask(peer, Purpose::Ping, |tag| Message::Ping { tag });
        }
    }

    /// With one defect, rows that this node does not own are not offered to those who do, but deleted.
    pub(super) fn drops_unconfirmed(&self) -> bool {
        self.config.bug == Some(Bug::MovedUnconfirmed)
    }

    /// Not found, with the context of what is known here, so that a write that follows replaces it.
    pub(super) fn answer_not_found(&mut self, request: RequestId, key: &[u8]) {
        let known = self.view(key);
        let context = (!known.is_empty()).then(|| self.context_of(key, &known, None));
        let reply = Reply::Got { values: Vec::new(), context };
        self.emit_when_durable(key, Effect::Reply { request, reply });
    }
}
