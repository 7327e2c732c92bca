//! What a node remembers of itself across its lives, and that a disk is its own.

use super::state::Node;
use crate::bug::Bug;
use crate::versions::{Actor, VersionVector};

impl Node {
    /// The epoch of an actor that nobody has heard of; it is on disk in the same batch as the first version that
    /// bears it, or was set aside before.
    pub(super) fn new_epoch(&mut self, known: &VersionVector) -> u64 {
        let id = self.config.id;
        while let Some(epoch) = self.identity.take_spare() {
            if known.counter(Actor { node: id, epoch }) == 0 {
                return epoch;
            }
        }
        let node = self.config.id;
        // A disk that was put back to an earlier state also counts epochs from there: those that show are passed over.
        let trusts_disk = self.config.bug == Some(Bug::DotsReused);
        while !trusts_disk && known.counter(Actor { node, epoch: self.identity.epoch_next }) > 0 {
            self.identity.epoch_next += 1;
        }
        let epoch = self.identity.epoch_next;
        self.identity.epoch_next += 1;
        assert!(trusts_disk || known.counter(Actor { node, epoch }) == 0, "epoch {epoch:x} is taken a second time");
        self.persist_identity();
        epoch
    }

    pub(super) fn persist_identity(&mut self) {
        self.persistence.write(None, self.identity.row());
    }
}
