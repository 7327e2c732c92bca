//! The write buffer (6.1): rows are kept in memory and written later, many at once; one replica of each write is on
//! disk before its client hears of it.
//!
//! ```text
//!   client ─► coordinator ─┬─ Store ────────► the one replica that writes it through ──► durable ack ─┐
//!                          ├─ StoreBuffered ► another: memory, ack at once ──────────────────────────┼─► W acks, one
//!                          └─ own memory ────────────────────────────────────────────────────────────┘   of them durable
//!                             a flush every second, or as soon as half of the buffer is taken
//! ```
//! **What may be revealed from memory, and why.** The acknowledgements of the other replicas: the client is answered only
//! when one has it on disk, so a crash of every node at once loses nothing that was acknowledged; anti-entropy gives
//! it back to those that forgot. Reads: they may show a write that nobody has acknowledged yet and that a crash then
//! takes back, which any unacknowledged write may suffer. Copies sent to peers: what they reveal is the dot of a version
//! that this disk does not know. So *a dot that left the node is never made again* must hold without the row: in
//! every life the node takes a block of epochs, whose end is on disk before the first of them is used, and never goes
//! on counting in an epoch of an earlier life. **What is not promised any more:** two quorums overlap in a node that
//! may have forgotten, so reads may miss acknowledged writes until anti-entropy has run; and a write is on one disk,
//! not on W, until the next flush.
//!
//! The replica that writes through is drawn for each write. If it has not answered after a while, the next one is asked
//! to write through as well: a write waits for the faster of two disks, and the tail of one slow sync is nobody's.

use super::state::{Held, Node, OpId, Target, Timer};
use crate::api::Effect;
use crate::config::Durability;
use crate::ids::NodeId;
use crate::image::RowStore;
use crate::message::{Message, Tag};
use crate::row::KeyRow;
use crate::versions::KeyState;

/// Peers know the message for a buffered write from this version of the protocol on.
const BUFFERED_STORES: u8 = 2;

/// As a coordinator.
impl Node {
    /// Whether puts are coordinated with the buffer. Not before the epochs of this life are on disk.
    pub(super) fn is_buffered(&self) -> bool {
        self.config.durability == Durability::Buffered && self.persistence.has_completed() && self.identity.has_spare()
    }

    /// The coordinator has made its row: keeps it in memory, or writes it through if this node was drawn for that. Sends
    /// it to the other targets at once.
    pub(super) fn begin_buffered(&mut self, op: OpId, store: &RowStore, row: KeyRow) {
        let Some(put) = self.puts.get(&op) else { return };
        let (key, targets) = (put.key.clone(), put.targets.clone());
        let me = self.config.id;
        let durable = self.draw_durable(&targets);
        let is_in_memory = durable != me && self.keep_row(store, &key, row.clone());
        if !is_in_memory {
            self.write_row(store, &key, row);
            self.write_through(op);
        }
        self.set_timer(self.config.timing.durable_patience, Timer::Hedge(op));
        for target in targets.into_iter().filter(|target| target.node != me) {
            self.send_put(op, target, target.node == durable);
        }
        if is_in_memory {
            self.put_acknowledged(op, me);
        }
    }

    /// One of the replicas that seem to be up; where none is among the targets, any.
    fn draw_durable(&mut self, targets: &[Target]) -> NodeId {
        let likely: Vec<NodeId> =
            targets.iter().map(|target| target.node).filter(|node| self.is_healthy(*node)).collect();
        let drawn = self.draw(likely.len());
        likely.get(drawn).copied().unwrap_or(self.config.id)
    }

    /// Nobody has the write on disk yet: the next target is asked to write it through as well.
    pub(super) fn hedge(&mut self, op: OpId) {
        let Some(put) = self.puts.get_mut(&op) else { return };
        if put.is_durable {
            return;
        }
        let Some(target) = put.next_to_write_through() else { return };
        self.counters.durable_hedges += 1;
        self.set_timer(self.config.timing.durable_patience, Timer::Hedge(op));
        match target.node == self.config.id {
            true => self.write_through(op),
            false => self.send_put(op, target, true),
        }
    }

    /// This node's own copy, written through after all.
    fn write_through(&mut self, op: OpId) {
        let Some(put) = self.puts.get_mut(&op) else { return };
        let is_new = put.asked_durable.insert(self.config.id);
        assert!(is_new, "a write is written through here twice");
        let key = put.key.clone();
        self.when_durable(&key, Held::PutIsLocal(op));
    }

    /// A replica has the write on disk.
    pub(super) fn put_durable(&mut self, op: OpId) {
        if let Some(put) = self.puts.get_mut(&op) {
            put.is_durable = true;
        }
    }

    /// Whether a target may take the write in memory: another one writes it through, and it knows how.
    pub(super) fn may_buffer(&self, peer: NodeId) -> bool {
        self.is_buffered() && self.agreed_version(peer) >= BUFFERED_STORES
    }
}

/// As a replica.
impl Node {
    /// Joins a peer's state into a row in memory, and acknowledges it at once.
    pub(super) fn peer_store_buffered(
        &mut self,
        from: NodeId,
        tag: Tag,
        key: &[u8],
        state: &KeyState,
        hint_for: Option<NodeId>,
    ) {
        if !self.is_buffered() {
            return self.peer_store(from, tag, key, state, hint_for);
        }
        if self.is_fenced(from, tag) {
            return;
        }
        self.counters.stores += 1;
        self.report_room(from);
        let Some(store) = self.store_for(key, hint_for) else {
            self.counters.hints_refused += 1;
            return self.send(from, Message::StoreRefused { tag });
        };
        let Some(row) = self.joined_row(&store, key, state) else {
            return self.send(from, Message::Stored { tag });
        };
        self.counters.hints_stored += u64::from(matches!(store, RowStore::Hint(_)));
        if self.keep_row(&store, key, row.clone()) {
            return self.send(from, Message::Stored { tag });
        }
        self.write_row(&store, key, row);
        self.emit_when_durable(key, Effect::Send { to: from, message: Message::Stored { tag } });
    }

    /// Puts a row into the buffer; false if that is full, and then it is to be written through.
    fn keep_row(&mut self, store: &RowStore, key: &[u8], row: KeyRow) -> bool {
        if self.persistence.buffer.depth() >= self.config.limits.buffer_objects_max {
            self.counters.buffer_full += 1;
            return false;
        }
        assert!(*store != RowStore::Hint(self.config.id), "a hint is for another node");
        let write = self.image.put(&self.ring, store, key, row);
        self.persistence.buffer.keep(key, write);
        self.counters.buffered_writes += 1;
        true
    }

    /// Writes what the buffer holds, at its time.
    pub(super) fn flush_in_time(&mut self) {
        self.persistence.flush_buffer();
        self.set_timer(self.config.timing.flush_interval, Timer::Flush);
    }

    /// Writes what the buffer holds once half of its room is taken, so that it is not full before that is on disk.
    pub(super) fn flush_when_half_full(&mut self) {
        if self.persistence.buffer.waiting() * 2 >= self.config.limits.buffer_objects_max {
            self.persistence.flush_buffer();
        }
    }

    /// Answers a read: from memory where there is a buffer, else when the rows of the key are on disk.
    pub(super) fn when_readable(&mut self, key: &[u8], held: Held) {
        match self.config.durability {
            Durability::Buffered => self.release(held),
            Durability::Synced => self.when_durable(key, held),
        }
    }
}
