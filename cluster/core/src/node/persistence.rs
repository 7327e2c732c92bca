//! Persist before promise: what reveals or vouches for a row waits for the batch that writes it.
//!
//! All writes of one step of the node make one batch with a name. Whatever would let the world know of them (an ack,
//! an answer to a read, a copy sent to a peer) is held under that name and released by the completed persist. So a
//! crash can only forget what nobody was told: in particular a dot that leaves the node can never be made again.

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
