//! The live image: everything a node holds, in memory, as it will be on disk once the persists under way have completed.
//!
//! Rows of the main store and of the hint store, an index by range with digests for anti-entropy, and the encoding of rows. Every
//! change returns the [`Write`] that makes it durable; nothing here waits for it (see `node::persistence`).

use std::collections::BTreeMap;
use std::ops::Bound;

use serde::{Deserialize, Serialize};

use crate::api::{NodeId, Row, Table, Write};
use crate::config::Versioning;
use crate::ring::{RangeId, Ring};
use crate::versions::KeyState;

const ROW_FORMAT: u8 = 1;

/// Where a row of a key is kept on this node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// In the main store: this node is a replica.
    Data,
    /// In the hint store, for that node.
    Hint(NodeId),
}

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    pub state: KeyState,
    /// The last dot that this node made in this row: the epoch ends with the row, and the counter is remembered here because
    /// the versions that had the earlier ones may be superseded and gone.
    pub made: Option<Made>,
}

/// Names the last version that a node made in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Made {
    pub epoch: u64,
    pub counter: u64,
}

/// A row on disk that cannot be what this node wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "damaged row in table {table:?}, key {key:?}: {why}; restore the node's data directory or start the node empty"
)]
pub struct DamagedRow {
    table: Table,
    key: String,
    why: &'static str,
}

impl DamagedRow {
    pub(crate) fn new(table: Table, key: &[u8], why: &'static str) -> Self {
        Self {
            table,
            key: String::from_utf8_lossy(key).into_owned(),
            why,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Image {
    data: BTreeMap<Vec<u8>, Held>,
    hints: BTreeMap<(NodeId, Vec<u8>), Held>,
    /// For each range the digest of every key held in it.
    ranges: Vec<BTreeMap<Vec<u8>, u128>>,
    /// For each range the wrapping sum of its keys' digests: order does not matter, and a change costs O(1).
    range_digests: Vec<u128>,
    bytes: usize,
}

impl Image {
    pub fn new(ring: &Ring) -> Self {
        let ranges = ring.ranges() as usize;
        Self {
            ranges: vec![BTreeMap::new(); ranges],
            range_digests: vec![0; ranges],
            ..Self::default()
        }
    }

    pub fn get(&self, place: &Place, key: &[u8]) -> Option<&Held> {
        match place {
            Place::Data => self.data.get(key),
            Place::Hint(owner) => self.hints.get(&(*owner, key.to_vec())),
        }
    }

    /// All that this node knows of a key: its own row joined with every hint for it.
    pub fn view(&self, key: &[u8], owners: &[NodeId], versioning: Versioning) -> KeyState {
        let mut view = self.data.get(key).map(|held| held.state.clone()).unwrap_or_default();
        for &owner in owners {
            if let Some(held) = self.get(&Place::Hint(owner), key) {
                view.join(&held.state, versioning);
            }
        }
        view
    }

    /// Replaces a row.
    pub fn put(&mut self, ring: &Ring, place: &Place, key: &[u8], held: Held) -> Write {
        let write = Write {
            table: place.table(),
            key: place.row_key(key),
            value: Some(encode(&held)),
        };
        self.bytes += held.state.bytes() + key.len();
        let old = match place {
            Place::Data => {
                self.index(ring, key, held.state.digest(key));
                self.data.insert(key.to_vec(), held)
            }
            Place::Hint(owner) => self.hints.insert((*owner, key.to_vec()), held),
        };
        self.forget_bytes(key, old.as_ref());
        write
    }

    /// Removes a hint.
    pub fn remove_hint(&mut self, owner: NodeId, key: &[u8]) -> Option<Write> {
        let old = self.hints.remove(&(owner, key.to_vec()))?;
        self.forget_bytes(key, Some(&old));
        let place = Place::Hint(owner);
        Some(Write {
            table: place.table(),
            key: place.row_key(key),
            value: None,
        })
    }

    /// Takes a row found on disk at start.
    pub fn load(&mut self, ring: &Ring, row: &Row) -> Result<(), DamagedRow> {
        let damaged = |why| DamagedRow::new(row.table, &row.key, why);
        let held = decode(&row.value).ok_or_else(|| damaged("cannot be decoded"))?;
        let (place, key) = match row.table {
            Table::Data => (Place::Data, row.key.as_slice()),
            Table::Hints => {
                let (owner, key) = row
                    .key
                    .split_first_chunk::<2>()
                    .ok_or_else(|| damaged("its key is too short"))?;
                (Place::Hint(NodeId(u16::from_be_bytes(*owner))), key)
            }
            Table::Meta => return Err(damaged("not a row of versions")),
        };
        self.put(ring, &place, key, held);
        Ok(())
    }

    pub fn keys(&self) -> usize {
        self.data.len()
    }

    pub fn hints(&self) -> usize {
        self.hints.len()
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The hints for one owner, in the order of their keys, after a key.
    pub fn hints_for<'a>(&'a self, owner: NodeId, after: &[u8]) -> impl Iterator<Item = (&'a [u8], &'a Held)> + 'a {
        let from = Bound::Excluded((owner, after.to_vec()));
        let to = Bound::Excluded((NodeId(owner.0.saturating_add(1)), Vec::new()));
        self.hints
            .range((from, to))
            .map(|((_, key), held)| (key.as_slice(), held))
    }

    /// Owners for whom a hint is held.
    pub fn hint_owners(&self) -> Vec<NodeId> {
        let mut owners: Vec<NodeId> = self.hints.keys().map(|(owner, _)| *owner).collect();
        owners.dedup();
        owners
    }

    pub fn range_digest(&self, range: RangeId) -> Option<u128> {
        self.range_digests.get(range as usize).copied()
    }

    /// Keys of a range with their digests, in order, after a key (none = from the first).
    pub fn range_keys<'a>(
        &'a self,
        range: RangeId,
        after: Option<&[u8]>,
    ) -> Option<impl Iterator<Item = (&'a Vec<u8>, u128)> + 'a> {
        let from = after.map_or(Bound::Unbounded, |key| Bound::Excluded(key.to_vec()));
        let keys = self.ranges.get(range as usize)?;
        Some(keys.range((from, Bound::Unbounded)).map(|(key, digest)| (key, *digest)))
    }

    fn index(&mut self, ring: &Ring, key: &[u8], digest: u128) {
        let range = ring.range_of(key) as usize;
        let old = self.ranges[range].insert(key.to_vec(), digest).unwrap_or(0);
        self.range_digests[range] = self.range_digests[range].wrapping_sub(old).wrapping_add(digest);
    }

    fn forget_bytes(&mut self, key: &[u8], old: Option<&Held>) {
        if let Some(old) = old {
            self.bytes -= old.state.bytes() + key.len();
        }
    }
}

impl Place {
    fn table(&self) -> Table {
        match self {
            Place::Data => Table::Data,
            Place::Hint(_) => Table::Hints,
        }
    }

    fn row_key(&self, key: &[u8]) -> Vec<u8> {
        match self {
            Place::Data => key.to_vec(),
            Place::Hint(owner) => [&owner.0.to_be_bytes(), key].concat(),
        }
    }
}

fn encode(held: &Held) -> Vec<u8> {
    let bytes = vec![ROW_FORMAT];
    postcard::to_extend(held, bytes).expect("a row is plain data")
}

fn decode(row: &[u8]) -> Option<Held> {
    let (&ROW_FORMAT, body) = row.split_first()? else {
        return None;
    };
    let (held, rest) = postcard::take_from_bytes(body).ok()?;
    rest.is_empty().then_some(held)
}
