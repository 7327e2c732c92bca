//! Merkle trees (4.7): what a replica holds of one range of keys, in digests that two replicas can compare.
//!
//! ```text
//!   depth 0               ○              digest: the sum of the digests of all keys below
//!   depth 1       ○ ○ ... ○ ... ○        16 children, by the first hexadecimal digit of a key's spot
//!   depth 2             ○ ○ ... ○        ... and so on, but only where more than a handful of keys lie
//!   leaves              (spot, key) → digest of the key's state
//! ```
//! A key's *spot* is the low half of its MD5: ranges are cut by the high half, so within any range spots are uniform.
//! A digest of a node is the wrapping sum of those of its keys. So it does not depend on the order of writes, nor on how
//! far the tree is unfolded: two trees of the same keys agree at every branch, and a write costs one addition a level.

use std::collections::BTreeMap;
use std::ops::Bound;

use serde::{Deserialize, Serialize};

use crate::ring::key_position;

/// Children of a branch.
pub const FAN_OUT: u64 = 16;
/// Bits of a spot that one level decides.
const LEVEL_BITS: u32 = FAN_OUT.trailing_zeros();
/// Below the deepest branch lie keys of one spot only.
pub const DEPTH_MAX: u8 = (u64::BITS / LEVEL_BITS) as u8;
/// A branch with more keys is unfolded; one with as many or fewer is listed key by key.
pub const LISTED_MAX: u32 = 16;

/// Where a branch lies in a tree: the first digits of the spots below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Branch {
    /// How many digits; 0 is the root.
    pub depth: u8,
    /// The digits, as one number.
    pub path: u64,
}

impl Branch {
    /// The whole tree.
    pub const ROOT: Self = Self { depth: 0, path: 0 };

    /// The branch at a depth that holds a spot.
    fn of(spot: u64, depth: u8) -> Self {
        let path = match depth {
            0 => 0,
            depth => spot >> (u64::BITS - LEVEL_BITS * u32::from(depth)),
        };
        Self { depth, path }
    }

    /// One step down; none at the bottom, or where there is no such digit.
    pub fn child(self, digit: u64) -> Option<Self> {
        debug_assert!(self.is_possible(), "{self:?} is in no tree: what peers name is checked before");
        (self.depth < DEPTH_MAX && digit < FAN_OUT)
            .then(|| Self { depth: self.depth + 1, path: self.path << LEVEL_BITS | digit })
    }

    /// Whether a tree can have it: a peer may say anything.
    pub fn is_possible(self) -> bool {
        self.depth <= DEPTH_MAX && (self.depth == DEPTH_MAX || self.path >> (LEVEL_BITS * u32::from(self.depth)) == 0)
    }

    /// Whether a key of its range lies below it.
    pub fn contains(self, key: &[u8]) -> bool {
        let (first, last) = self.spots();
        (first..=last).contains(&spot_of(key))
    }

    /// The first and the last spot below it.
    fn spots(self) -> (u64, u64) {
        match u64::BITS - LEVEL_BITS * u32::from(self.depth) {
            u64::BITS => (0, u64::MAX),
            below => (self.path << below, self.path << below | ((1 << below) - 1)),
        }
    }
}

/// Where a key lies in the tree of its range.
pub fn spot_of(key: &[u8]) -> u64 {
    key_position(key) as u64
}

/// The order of keys in a tree.
pub fn place_of(key: Option<&[u8]>) -> Option<(u64, &[u8])> {
    key.map(|key| (spot_of(key), key))
}

/// What lies below a branch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The wrapping sum of the digests of its keys.
    pub digest: u128,
    /// How many keys.
    pub keys: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Inner {
    summary: Summary,
    /// Its children are in the tree as well, those that hold anything.
    unfolded: bool,
}

/// The tree of one range. Sparse: what holds nothing is not there.
#[derive(Clone, Debug, Default)]
pub struct Merkle {
    leaves: BTreeMap<(u64, Vec<u8>), u128>,
    /// All children that hold anything of an unfolded branch, and nothing below a folded one.
    inner: BTreeMap<Branch, Inner>,
    root: Inner,
}

impl Merkle {
    /// Sets the digest of a key, or takes the key out. O(depth).
    pub fn set(&mut self, key: &[u8], digest: Option<u128>) {
        let spot = spot_of(key);
        let old = match (self.leaf(spot, key), digest) {
            // Most keys that are set are there already, and not copied anew.
            (Some(leaf), Some(digest)) => Some(std::mem::replace(leaf, digest)),
            (None, Some(digest)) => self.leaves.insert((spot, key.to_vec()), digest),
            (_, None) => self.leaves.remove(&(spot, key.to_vec())),
        };
        let change = |summary: &mut Summary| {
            summary.digest = summary.digest.wrapping_sub(old.unwrap_or(0)).wrapping_add(digest.unwrap_or(0));
            summary.keys = summary.keys + u32::from(digest.is_some()) - u32::from(old.is_some());
        };
        self.change_path(spot, change);
        assert_eq!(self.root.summary.keys as usize, self.leaves.len(), "the root counts the leaves");
    }

    /// How many keys are held.
    pub(crate) fn keys_count(&self) -> usize {
        self.leaves.len()
    }

    /// The digest of a key, to be changed. Few keys have a spot in common.
    fn leaf(&mut self, spot: u64, key: &[u8]) -> Option<&mut u128> {
        let mut leaves = self.leaves.range_mut((spot, Vec::new())..).take_while(|((at, _), _)| *at == spot);
        leaves.find(|((_, known), _)| known == key).map(|(_, digest)| digest)
    }

    /// From the root down to the first branch that is folded.
    fn change_path(&mut self, spot: u64, change: impl Fn(&mut Summary)) {
        change(&mut self.root.summary);
        self.root.unfolded &= self.root.summary.keys > 0;
        let (mut unfolded, mut depth) = (self.root.unfolded, 0);
        while unfolded && depth < DEPTH_MAX {
            depth += 1;
            let branch = Branch::of(spot, depth);
            let inner = self.inner.entry(branch).or_default();
            change(&mut inner.summary);
            unfolded = inner.unfolded;
            if inner.summary.keys == 0 {
                self.inner.remove(&branch);
                return;
            }
        }
        self.unfold(spot, depth);
    }

    /// Unfolds a folded branch that has grown too large, and the child of it that is still too large.
    fn unfold(&mut self, spot: u64, mut depth: u8) {
        while depth < DEPTH_MAX && self.summary(Branch::of(spot, depth)).keys > LISTED_MAX {
            let branch = Branch::of(spot, depth);
            let children = self.scanned_children(branch);
            debug_assert_eq!(sum_of(children.values()), self.summary(branch), "a branch is the sum of its children");
            for (child, summary) in children {
                self.inner.insert(child, Inner { summary, unfolded: false });
            }
            match branch {
                Branch::ROOT => self.root.unfolded = true,
                branch => self.inner.entry(branch).or_default().unfolded = true,
            }
            depth += 1;
        }
    }

    /// From the leaves; only where they are few.
    fn scanned_children(&self, branch: Branch) -> BTreeMap<Branch, Summary> {
        let mut children = BTreeMap::<Branch, Summary>::new();
        for ((spot, _), digest) in self.under(branch) {
            let child = children.entry(Branch::of(*spot, branch.depth + 1)).or_default();
            child.digest = child.digest.wrapping_add(*digest);
            child.keys += 1;
        }
        children
    }

    /// The digest of a key, if it is held.
    pub fn get(&self, key: &[u8]) -> Option<u128> {
        self.leaves.get(&(spot_of(key), key.to_vec())).copied()
    }

    /// What lies below a branch.
    pub fn summary(&self, branch: Branch) -> Summary {
        if branch == Branch::ROOT {
            return self.root.summary;
        }
        if let Some(inner) = self.inner.get(&branch) {
            return inner.summary;
        }
        // Folded above, so few; or nothing.
        self.under(branch).fold(Summary::default(), |sum, (_, digest)| Summary {
            digest: sum.digest.wrapping_add(*digest),
            keys: sum.keys + 1,
        })
    }

    /// The keys below a branch with their digests, in the order of [`place_of`]: behind one (none = from the first) up
    /// to and with another (none = to the last).
    pub fn keys<'a>(
        &'a self,
        branch: Branch,
        after: Option<&[u8]>,
        to: Option<&'a [u8]>,
    ) -> impl Iterator<Item = (&'a [u8], u128)> {
        let (first, last) = branch.spots();
        let from = match place_of(after) {
            Some((spot, key)) if spot >= first => Bound::Excluded((spot, key.to_vec())),
            _ => Bound::Included((first, Vec::new())),
        };
        let to = place_of(to);
        let behind = self.leaves.range((from, Bound::Unbounded));
        let up_to = move |spot: u64, key: &[u8]| spot <= last && to.is_none_or(|to| (spot, key) <= to);
        behind.take_while(move |((spot, key), _)| up_to(*spot, key)).map(|((_, key), digest)| (key.as_slice(), *digest))
    }

    /// Every key with its digest.
    pub fn into_leaves(self) -> impl Iterator<Item = (Vec<u8>, u128)> {
        self.leaves.into_iter().map(|((_, key), digest)| (key, digest))
    }

    fn under(&self, branch: Branch) -> impl Iterator<Item = (&(u64, Vec<u8>), &u128)> {
        let (first, last) = branch.spots();
        self.leaves.range((first, Vec::new())..).take_while(move |((spot, _), _)| *spot <= last)
    }
}

fn sum_of<'a>(summaries: impl Iterator<Item = &'a Summary>) -> Summary {
    summaries.fold(Summary::default(), |sum, part| Summary {
        digest: sum.digest.wrapping_add(part.digest),
        keys: sum.keys + part.keys,
    })
}
