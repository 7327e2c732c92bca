//! What peers ask of this node's own rows: keep this, and what do you have?

use super::{Node, Place};
use crate::api::{Effect, NodeId};
use crate::message::{Message, Tag};
use crate::versions::KeyState;

impl Node {
    /// Joins a peer's state into the main store or the hint store; the ack waits for the disk.
    pub(super) fn peer_store(
        &mut self,
        from: NodeId,
        tag: Tag,
        key: &[u8],
        state: &KeyState,
        hint_for: Option<NodeId>,
    ) {
        self.counters.stores += 1;
        let Some(place) = self.place_for(key, hint_for) else {
            self.counters.hints_refused += 1;
            return self.send(from, Message::StoreRefused { tag });
        };
        if self.join_row(&place, key, state) && matches!(place, Place::Hint(_)) {
            self.counters.hints_stored += 1;
        }
        self.emit_when_durable(
            key,
            Effect::Send {
                to: from,
                message: Message::Stored { tag },
            },
        );
    }

    /// Replicas keep it themselves; others only as a hint for a replica, while there is room.
    fn place_for(&self, key: &[u8], hint_for: Option<NodeId>) -> Option<Place> {
        if self.is_replica(self.config.id, key) {
            return Some(Place::Data);
        }
        let owner = hint_for.filter(|owner| self.is_replica(*owner, key))?;
        let place = Place::Hint(owner);
        let room = self.image.hints() < self.config.limits.hints_max || self.image.get(&place, key).is_some();
        room.then_some(place)
    }

    /// Answers with all that is known of the key, hints included, once that is durable.
    pub(super) fn peer_fetch(&mut self, from: NodeId, tag: Tag, key: &[u8]) {
        let state = self.view(key);
        self.emit_when_durable(
            key,
            Effect::Send {
                to: from,
                message: Message::Fetched { tag, state },
            },
        );
    }
}
