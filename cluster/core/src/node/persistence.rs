//! Persist before promise: every message that reveals a row waits until the batch that writes the row is on disk.
//!
//! All writes of one step of the node make one named batch. Every effect that reveals them (an acknowledgement, an
//! answer to a read, a copy sent to a peer) is held under that name, and released when the batch is on disk. So a crash
//! can only lose what has not left the node; in particular, a dot that has left the node is never made again.

use super::state::{Held, Node};
use crate::api::Effect;

impl Node {
    /// Emits now, or when every row of the key is on disk.
    pub(super) fn emit_when_durable(&mut self, key: &[u8], effect: Effect) {
        self.when_durable(key, Held::Effect(effect));
    }

    pub(super) fn when_durable(&mut self, key: &[u8], held: Held) {
        if let Some(held) = self.persistence.hold_for_key(key, held) {
            self.release(held);
        }
    }

    /// Notes how long a foreground read of own rows waits for the disk: with a write buffer it does not.
    pub(super) fn time_read(&mut self, key: &[u8]) {
        self.when_readable(key, Held::ReadSince(self.now.monotonic_ns));
    }

    pub(super) fn release(&mut self, held: Held) {
        match held {
            Held::Effect(effect) => self.out.push(effect),
            Held::PutIsLocal(op) => self.put_is_local(op),
            Held::History(history) => self.believe(history),
            Held::Reply(origin, reply) => self.answer(origin, reply),
            Held::FencesAreLocal(round) => self.reaping_fenced(self.config.id, round, true),
            Held::GetIsLocal(op, state) => self.get_answered(op, self.config.id, state),
            Held::ReadSince(asked_ns) => self.storage_read(asked_ns),
        }
    }
}
