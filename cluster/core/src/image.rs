//! The live image: everything a node holds, in memory, as it will be on disk once the persists under way have completed.
//!
//! Rows of the main store and of the hint store, and a Merkle tree for each range for anti-entropy. Every
//! change returns the [`RowWrite`] that makes it durable; nothing here waits for it (see `node::persistence`).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::config::Versioning;
use crate::ids::NodeId;
use crate::merkle::Merkle;
use crate::ring::{RangeId, Ring, Span};
use crate::row::{self, DamagedRow, KeyRow, Row, RowWrite, Table};
use crate::versions::KeyState;

/// The store of this node that keeps a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RowStore {
    /// In the main store: this node is a replica.
    Data,
    /// In the hint store, for that node.
    Hint(NodeId),
}

#[derive(Debug, Default)]
pub(crate) struct Image {
    data: BTreeMap<Vec<u8>, KeyRow>,
    /// By owner, none of whom has none.
    hints: BTreeMap<NodeId, BTreeMap<Vec<u8>, KeyRow>>,
    hints_count: usize,
    /// For each range its ends, and the tree of the keys held in it.
    trees: Vec<(Span, Merkle)>,
    bytes: usize,
    /// Keys of the main store of which nothing but one tombstone is held.
    tombstones: BTreeSet<Vec<u8>>,
    /// Plants the bug `merkle-drift`.
    drifts: bool,
}

impl Image {
    pub fn new(ring: &Ring) -> Self {
        let mut image = Self::default();
        image.rering(ring);
        image
    }

    /// The ring has changed. The tree of a range whose ends are the same stays; the keys of the others are assigned to
    /// their new ranges. Returns how many keys were reassigned.
    pub fn rering(&mut self, ring: &Ring) -> usize {
        let mut old: BTreeMap<Span, Merkle> = std::mem::take(&mut self.trees).into_iter().collect();
        let tree = |range| (ring.span(range), old.remove(&ring.span(range)).unwrap_or_default());
        self.trees = (0..ring.ranges()).map(tree).collect();
        let mut moved = 0;
        for (key, digest) in old.into_values().flat_map(Merkle::into_leaves) {
            self.trees[ring.range_of(&key) as usize].1.set(&key, Some(digest));
            moved += 1;
        }
        debug_assert_eq!(
            self.trees.iter().map(|(_, tree)| tree.keys_count()).sum::<usize>(),
            self.data.len(),
            "every key of the main store is in one tree"
        );
        moved
    }

    pub fn get(&self, store: &RowStore, key: &[u8]) -> Option<&KeyRow> {
        match store {
            RowStore::Data => self.data.get(key),
            RowStore::Hint(owner) => self.hints.get(owner)?.get(key),
        }
    }

    /// All that this node knows of a key: its own row joined with every hint for it.
    pub fn view<'a>(&self, key: &[u8], owners: impl FnOnce() -> &'a [NodeId], versioning: Versioning) -> KeyState {
        let mut view = self.data.get(key).map(|held| held.state.clone()).unwrap_or_default();
        if self.hints.is_empty() {
            return view;
        }
        for &owner in owners() {
            if let Some(held) = self.get(&RowStore::Hint(owner), key) {
                view.join(&held.state, versioning);
            }
        }
        view
    }

    /// Replaces a row.
    pub fn put(&mut self, ring: &Ring, store: &RowStore, key: &[u8], held: KeyRow) -> RowWrite {
        let write = RowWrite::held(store.table(), store.row_key(key), held.clone());
        self.insert(ring, store, key, held);
        write
    }

    /// Removes a hint.
    pub fn remove_hint(&mut self, owner: NodeId, key: &[u8]) -> Option<RowWrite> {
        let hints = self.hints.get_mut(&owner)?;
        let old = hints.remove(key)?;
        assert!(self.hints_count > 0, "a hint is removed where none is counted");
        self.hints_count -= 1;
        if hints.is_empty() {
            self.hints.remove(&owner);
        }
        self.forget_bytes(key, Some(&old));
        let store = RowStore::Hint(owner);
        Some(RowWrite::delete(store.table(), store.row_key(key)))
    }

    /// Removes a row of the main store, and with it the actor that is bound to it.
    pub fn remove_data(&mut self, ring: &Ring, key: &[u8]) -> Option<RowWrite> {
        let old = self.data.remove(key)?;
        self.forget_bytes(key, Some(&old));
        self.tombstones.remove(key);
        let tree = &mut self.trees[ring.range_of(key) as usize].1;
        assert!(tree.get(key).is_some(), "a row of the main store is missing in the tree of its range");
        tree.set(key, None);
        Some(RowWrite::delete(Table::Data, key.to_vec()))
    }

    /// Takes a row found on disk at start, in a cluster of so many nodes.
    pub fn load(&mut self, ring: &Ring, nodes: usize, row: &Row) -> Result<(), DamagedRow> {
        let damaged = |why| DamagedRow::new(row.table, &row.key, why);
        let held = row::decode(row)?;
        let (store, key) = RowStore::of_row(row).ok_or_else(|| damaged("its key is not one of this table"))?;
        if matches!(store, RowStore::Hint(owner) if usize::from(owner.0) >= nodes) {
            return Err(damaged("it is a hint for a node that the cluster does not have"));
        }
        self.insert(ring, &store, key, held);
        Ok(())
    }

    pub fn keys(&self) -> usize {
        self.data.len()
    }

    pub fn hints(&self) -> usize {
        self.hints_count
    }

    /// How many keys are nothing but a tombstone.
    pub fn tombstones(&self) -> usize {
        self.tombstones.len()
    }

    /// Keys of which nothing but one tombstone is held, in order, from a key on.
    pub fn tombstones_from(&self, key: &[u8]) -> impl Iterator<Item = &Vec<u8>> {
        self.tombstones.range::<[u8], _>((Bound::Included(key), Bound::Unbounded))
    }

    /// Whether a hint for any of these owners is held.
    pub fn has_hint(&self, owners: &[NodeId], key: &[u8]) -> bool {
        !self.hints.is_empty() && owners.iter().any(|owner| self.get(&RowStore::Hint(*owner), key).is_some())
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The hints for one owner, in the order of their keys, after a key.
    pub fn hints_for<'a>(&'a self, owner: NodeId, after: &[u8]) -> impl Iterator<Item = (&'a [u8], &'a KeyRow)> + 'a {
        let behind = (Bound::Excluded(after), Bound::Unbounded);
        let hints = self.hints.get(&owner).map(|hints| hints.range::<[u8], _>(behind));
        hints.into_iter().flatten().map(|(key, held)| (key.as_slice(), held))
    }

    /// Owners for whom a hint is held.
    pub fn hint_owners(&self) -> Vec<NodeId> {
        self.hints.keys().copied().collect()
    }

    /// The tree of a range.
    pub fn tree(&self, range: RangeId) -> Option<&Merkle> {
        self.trees.get(range as usize).map(|(_, tree)| tree)
    }

    fn insert(&mut self, ring: &Ring, store: &RowStore, key: &[u8], held: KeyRow) {
        self.bytes += held.state.bytes() + key.len();
        let old = match store {
            RowStore::Data => {
                self.index(ring, key, held.state.digest(key));
                match held.state.is_tombstone() {
                    true => self.tombstones.insert(key.to_vec()),
                    false => self.tombstones.remove(key),
                };
                replace(&mut self.data, key, held)
            }
            RowStore::Hint(owner) => {
                let old = replace(self.hints.entry(*owner).or_default(), key, held);
                self.hints_count += usize::from(old.is_none());
                old
            }
        };
        self.forget_bytes(key, old.as_ref());
        debug_assert_eq!(
            self.hints_count,
            self.hints.values().map(BTreeMap::len).sum::<usize>(),
            "the hints are counted"
        );
        debug_assert!(self.tombstones.len() <= self.data.len(), "every tombstone is a row of the main store");
    }

    /// Plants the bug `merkle-drift`: from now on a tree shows a row as it was before its last write.
    pub fn let_drift(&mut self) {
        self.drifts = true;
    }

    fn index(&mut self, ring: &Ring, key: &[u8], digest: u128) {
        let before = self.data.get(key).filter(|_| self.drifts).map(|old| old.state.digest(key));
        let digest = before.unwrap_or(digest);
        self.trees[ring.range_of(key) as usize].1.set(key, Some(digest));
    }

    fn forget_bytes(&mut self, key: &[u8], old: Option<&KeyRow>) {
        if let Some(old) = old {
            let bytes = old.state.bytes() + key.len();
            assert!(bytes <= self.bytes, "a row of {bytes} bytes leaves an image of {}", self.bytes);
            self.bytes -= bytes;
        }
    }
}

/// Most rows that are written are there already: their keys are not copied anew.
fn replace(rows: &mut BTreeMap<Vec<u8>, KeyRow>, key: &[u8], held: KeyRow) -> Option<KeyRow> {
    match rows.get_mut(key) {
        Some(row) => Some(std::mem::replace(row, held)),
        None => rows.insert(key.to_vec(), held),
    }
}

impl RowStore {
    fn table(&self) -> Table {
        match self {
            RowStore::Data => Table::Data,
            RowStore::Hint(_) => Table::Hints,
        }
    }

    fn row_key(&self, key: &[u8]) -> Vec<u8> {
        match self {
            RowStore::Data => key.to_vec(),
            RowStore::Hint(owner) => [&owner.0.to_be_bytes(), key].concat(),
        }
    }

    fn of_row(row: &Row) -> Option<(RowStore, &[u8])> {
        match row.table {
            Table::Data => Some((RowStore::Data, row.key.as_slice())),
            Table::Hints => {
                let (owner, key) = row.key.split_first_chunk::<2>()?;
                Some((RowStore::Hint(NodeId(u16::from_be_bytes(*owner))), key))
            }
            Table::Meta => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partitioning::Partitioning;

    fn ring(nodes: u16) -> Ring {
        Ring::new(nodes, Partitioning::Random { tokens: 8 }, &[], 1).expect("such a ring exists")
    }

    fn filled(ring: &Ring, keys: u32) -> Image {
        let mut image = Image::new(ring);
        for key in 0..keys {
            image.put(ring, &RowStore::Data, &key.to_be_bytes(), KeyRow::default());
        }
        image
    }

    /// After a change of the ring the trees are as if they had always been of the new one, and the keys of a range
    /// whose ends are the same have not been touched.
    #[test]
    fn a_ring_change_rebuilds_the_trees_of_the_ranges_that_it_moved() {
        use crate::merkle::Branch;
        let (old, new) = (ring(4), ring(5));
        let mut image = filled(&old, 2000);
        let stays = |key: &u32| new.range_of_span(old.span(old.range_of(&key.to_be_bytes()))).is_some();
        let moved = (0..2000u32).filter(|key| !stays(key)).count();
        assert!((1..2000).contains(&moved), "{moved} keys of ranges that changed");
        assert_eq!(image.rering(&new), moved);
        let fresh = filled(&new, 2000);
        for range in 0..new.ranges() {
            let root = |image: &Image| image.tree(range).map(|tree| tree.summary(Branch::ROOT));
            assert_eq!(root(&image), root(&fresh));
        }
        assert_eq!(image.rering(&new), 0, "nothing has changed");
    }
}
