//! What a node remembers of itself across its lives, and that a disk is its own.

use std::ops::Range;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{Node, StartError};
use crate::api::{Row, RowWrite, Table};
use crate::bug::Bug;
use crate::config::Config;
use crate::ring::Ring;
use crate::row::{self, DamagedRow};
use crate::versions::{Actor, VersionVector};

const META_KEY: &[u8] = b"identity";

/// Marks epochs whose rows may be ahead of the disk.
const AHEAD_OF_DISK: u64 = 1 << 63;
/// A life with a write buffer takes so many; once they are used up, it does without the buffer.
const EPOCHS_SPARED: u64 = 1 << 20;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Identity {
    name: String,
    ring: u64,
    /// The next actor's epoch.
    epoch_next: u64,
    /// With a write buffer: the epochs of this life, which may be used before a row with them is on disk, because
    /// `epoch_next` is past them there.
    #[serde(skip)]
    life: Option<Range<u64>>,
    /// How many of them have been used.
    #[serde(skip)]
    life_used: u64,
}

impl Identity {
    /// Reads it among the rows, or makes a new one when there are none.
    pub fn recover(rows: &[Row], config: &Config, ring: &Ring, rng: &mut ChaCha8Rng) -> Result<Self, StartError> {
        let name = &config.names[usize::from(config.id.0)];
        if rows.is_empty() {
            let new = Self::new(name.clone(), ring, rng);
            return Ok(match config.bug {
                Some(Bug::DotsReused) => Self { epoch_next: 0, ..new },
                _ => new,
            });
        }
        let missing = || DamagedRow::new(Table::Meta, META_KEY, "it is missing, and there are other rows");
        let own = rows.iter().find(|row| row.table == Table::Meta && row.key == META_KEY);
        let found: Self = row::decode(own.ok_or_else(missing)?)?;
        if found.name == *name && found.ring == ring.fingerprint() {
            return Ok(found);
        }
        Err(StartError::Foreign {
            found: found.name,
            found_ring: found.ring,
            expected: name.clone(),
            expected_ring: ring.fingerprint(),
        })
    }

    /// On an empty disk epochs start at random: whatever this node made in an earlier life, it makes no dot of that
    /// again.
    fn new(name: String, ring: &Ring, rng: &mut ChaCha8Rng) -> Self {
        let epoch_next = u64::from(rng.next_u32()) << 24;
        Self { name, ring: ring.fingerprint(), epoch_next, life: None, life_used: 0 }
    }
}

impl Identity {
    /// Sets epochs aside for a life with a write buffer. They are its own once this identity is on disk.
    pub fn spare_epochs(&mut self) {
        let end = self.epoch_next + EPOCHS_SPARED;
        self.life = Some(self.epoch_next | AHEAD_OF_DISK..end | AHEAD_OF_DISK);
        self.epoch_next = end;
    }

    /// Whether there are epochs left that may be used before they are on disk.
    pub fn has_spare(&self) -> bool {
        self.life.as_ref().is_some_and(|life| life.start + self.life_used < life.end)
    }

    /// Whether a row may go on counting in this epoch. In memory only within the life that took the epoch for that;
    /// and on disk in none that may have been counted on in memory.
    pub fn may_go_on(&self, epoch: u64) -> bool {
        match &self.life {
            Some(life) => life.contains(&epoch),
            None => epoch & AHEAD_OF_DISK == 0,
        }
    }

    fn take_spare(&mut self) -> Option<u64> {
        let life = self.life.as_ref().filter(|_| self.has_spare())?;
        let epoch = life.start + self.life_used;
        self.life_used += 1;
        Some(epoch)
    }
}

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
        self.persist_identity();
        epoch
    }

    pub(super) fn persist_identity(&mut self) {
        self.persistence.write(None, RowWrite::meta(META_KEY, &self.identity));
    }
}
