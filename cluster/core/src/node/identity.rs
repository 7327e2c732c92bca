//! What a node remembers of itself across its lives, and that a disk is its own.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{Node, StartError};
use crate::api::{Row, Table, Write};
use crate::bug::Bug;
use crate::config::Config;
use crate::ring::Ring;
use crate::row::{self, DamagedRow};
use crate::versions::{Actor, VersionVector};

const META_KEY: &[u8] = b"identity";

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Identity {
    name: String,
    ring: u64,
    /// The next actor's epoch.
    epoch_next: u64,
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
        Self { name, ring: ring.fingerprint(), epoch_next: u64::from(rng.next_u32()) << 24 }
    }
}

impl Node {
    /// The epoch of an actor that nobody has heard of; it is on disk in the same batch as the first version that
    /// bears it.
    pub(super) fn new_epoch(&mut self, known: &VersionVector) -> u64 {
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
        let write = Write {
            table: Table::Meta,
            key: META_KEY.to_vec(),
            value: Some(row::encode(Table::Meta, META_KEY, &self.identity)),
        };
        self.persistence.write(None, write);
    }
}
