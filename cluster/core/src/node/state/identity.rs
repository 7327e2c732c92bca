//! What a node remembers of itself across its lives, and why it does not start on a disk that is not its own.

use std::ops::Range;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::bug::Bug;
use crate::config::{Config, ConfigError};
use crate::ring::Ring;
use crate::row::{self, DamagedRow, Row, RowWrite, Table};

/// Why a node does not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// Settings that cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A row that cannot be read.
    #[error(transparent)]
    Damaged(#[from] DamagedRow),
    /// The disk belongs to somebody else.
    #[error(
        "the data directory belongs to node {found} of ring {found_ring:x}, not to {expected} of ring {expected_ring:x}; \
         a ring is its nodes, their capacities, its partitioning and its seed"
    )]
    Foreign {
        /// Whose it is.
        found: String,
        /// The fingerprint of its ring.
        found_ring: u64,
        /// Who was to be started.
        expected: String,
        /// The fingerprint of the ring that the settings make.
        expected_ring: u64,
    },
}

const META_KEY: &[u8] = b"identity";

/// Marks epochs whose rows may be ahead of the disk.
const AHEAD_OF_DISK: u64 = 1 << 63;

/// A life with a write buffer takes so many; once they are used up, it does without the buffer.
const EPOCHS_SPARED: u64 = 1 << 20;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Identity {
    name: String,
    ring: u64,
    /// The next actor's epoch.
    pub epoch_next: u64,
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
        assert!(end < AHEAD_OF_DISK, "the epochs are used up");
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

    pub fn take_spare(&mut self) -> Option<u64> {
        let life = self.life.as_ref().filter(|_| self.has_spare())?;
        let epoch = life.start + self.life_used;
        self.life_used += 1;
        assert!(life.contains(&epoch) && epoch & AHEAD_OF_DISK != 0, "epoch {epoch:x} was not set aside for this life");
        Some(epoch)
    }

    /// The row that keeps it on disk.
    pub fn row(&self) -> RowWrite {
        RowWrite::meta(META_KEY, self)
    }
}
