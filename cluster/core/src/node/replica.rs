//! What peers ask of this node's own rows: keep this, and what do you have?

use super::state::{Held, Node, Origin};
use crate::api::{Effect, LocalVersion, Reply};
use crate::failure::Failure;
use crate::ids::{NodeId, RequestId};
use crate::image::RowStore;
use crate::membership::View;
use crate::message::{Message, Tag};
use crate::row::KeyRow;
use crate::versions::{KeyState, Version};

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
        if self.is_fenced(from, tag) {
            return;
        }
        self.counters.stores += 1;
        self.report_room(from);
        let Some(store) = self.store_for(key, hint_for) else {
            self.counters.hints_refused += 1;
            return self.send(from, Message::StoreRefused { tag });
        };
        if self.join_row(&store, key, state) && matches!(store, RowStore::Hint(_)) {
            self.counters.hints_stored += 1;
        }
        self.emit_when_durable(key, Effect::Send { to: from, message: Message::Stored { tag } });
    }

    /// Replicas keep it themselves; others only as a hint for a replica, while there is room.
    pub(super) fn store_for(&self, key: &[u8], hint_for: Option<NodeId>) -> Option<RowStore> {
        if self.is_replica(self.config.id, key) {
            return Some(RowStore::Data);
        }
        let owner = hint_for.filter(|owner| self.is_replica(*owner, key))?;
        let store = RowStore::Hint(owner);
        self.has_room(&store, key).then_some(store)
    }

    /// A row that is there may always grow; the hints are limited.
    pub(super) fn has_room(&self, store: &RowStore, key: &[u8]) -> bool {
        let is_free = *store == RowStore::Data || self.image.hints() < self.config.limits.hints_max;
        is_free || self.image.get(store, key).is_some()
    }

    /// Answers with all that is known of the key, hints included, once that is durable.
    pub(super) fn peer_fetch(&mut self, from: NodeId, tag: Tag, key: &[u8]) {
        let state = self.view(key);
        self.time_read(key);
        let answer = Effect::Send { to: from, message: Message::Fetched { tag, state } };
        self.when_readable(key, Held::Effect(answer));
    }

    /// Refuses a coordinating client that thinks keys live elsewhere: it learns what this node knows, and begins anew.
    pub(super) fn is_other_view(&mut self, request: RequestId, view: View) -> bool {
        if self.membership.history.view() == view {
            return false;
        }
        let reply = Reply::OtherView { history: self.membership.history.clone() };
        self.out.push(Effect::Reply { request, reply });
        true
    }

    /// A coordinating client's fetch, answered as a peer's.
    pub(super) fn client_fetch(&mut self, request: RequestId, key: &[u8]) {
        if let Err(failure) = self.checked_key(key) {
            return self.fail(Origin::Client(request), failure);
        }
        let state = self.view(key);
        self.when_readable(key, Held::Effect(Effect::Reply { request, reply: Reply::Fetched { state } }));
    }

    /// A coordinating client's store, acknowledged as a peer's: when it is on disk.
    pub(super) fn client_store(&mut self, request: RequestId, key: &[u8], state: &KeyState, hint_for: Option<NodeId>) {
        if let Err(failure) = self.checked_state(key, state) {
            return self.fail(Origin::Client(request), failure);
        }
        self.counters.stores += 1;
        let Some(store) = self.store_for(key, hint_for) else {
            self.counters.hints_refused += 1;
            let why = "not a replica of the key, and no room for a hint; nothing was written".to_owned();
            return self.fail(Origin::Client(request), Failure::Unavailable(why));
        };
        if self.join_row(&store, key, state) && matches!(store, RowStore::Hint(_)) {
            self.counters.hints_stored += 1;
        }
        self.emit_when_durable(key, Effect::Reply { request, reply: Reply::Stored });
    }

    pub(super) fn client_get_local(&mut self, request: RequestId, key: &[u8]) {
        let version = |v: &Version| LocalVersion { id: v.id(), value: v.value.as_ref().map(|value| value.to_vec()) };
        let row = self.image.get(&RowStore::Data, key);
        let versions = row.map_or(Vec::new(), |row| row.state.versions().iter().map(version).collect());
        let reply = Reply::Local { versions };
        self.emit_when_durable(key, Effect::Reply { request, reply });
    }

    /// Joins a state into a row; returns whether the row changed.
    pub(super) fn join_row(&mut self, store: &RowStore, key: &[u8], state: &KeyState) -> bool {
        let Some(row) = self.joined_row(store, key, state) else {
            return false;
        };
        self.write_row(store, key, row);
        true
    }

    /// A row with a state joined into it; none if that changes nothing.
    pub(super) fn joined_row(&self, store: &RowStore, key: &[u8], state: &KeyState) -> Option<KeyRow> {
        let old = self.image.get(store, key);
        let mut row = old.cloned().unwrap_or_default();
        row.state.join(state, self.config.versions);
        self.apply_guards(key, old.is_some(), &mut row.state);
        // Nothing known is no row: it would differ from a replica that has none.
        let is_old = old.map_or(row.state.is_empty(), |old| old.state == row.state);
        (!is_old).then_some(row)
    }

    pub(super) fn write_row(&mut self, store: &RowStore, key: &[u8], row: KeyRow) {
        assert!(*store != RowStore::Hint(self.config.id), "a hint is for another node");
        let write = self.image.put(&self.ring, store, key, row);
        self.persistence.write(Some(key), write);
    }

    /// All that this node knows of a key, hints included.
    pub(super) fn view(&self, key: &[u8]) -> KeyState {
        self.image.view(key, || self.replicas(key), self.config.versions)
    }
}
