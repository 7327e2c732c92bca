//! What some planted defects do where a line would not say it (see [`crate::bug`]).

use super::Node;
use crate::api::{Effect, Reply, RequestId};
use crate::bug::Bug;
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
