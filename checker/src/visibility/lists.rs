//! The order in which reads show lists: whether something stands after what it has to stand before.
//!
//! Most reads of a list show a prefix of what a later one shows. So the orders are sorted: one that is a prefix of another is
//! then a prefix of the next one, and only orders that are not a prefix are walked, from the front. The first element that
//! stands too late in an order is also the first in each of its prefixes that contains it.
//!
//! Time: to sort them, and the orders that are walked.

use std::collections::{BTreeMap, btree_map::Entry};

use rustc_hash::FxHashMap;

use super::analysis::Late;
use super::facts::KeyFacts;
use crate::history::Phase;

/// The lists that clients' reads of a key show.
pub(crate) struct Lists<'k, 'h> {
    key: &'k KeyFacts<'h>,
    /// The reads, sorted by what they show.
    reads: Vec<usize>,
}

impl<'k, 'h> Lists<'k, 'h> {
    pub(crate) fn new(key: &'k KeyFacts<'h>) -> Self {
        let is_list = |read: &usize| {
            let read = &key.reads[*read];
            read.order.is_some() && read.operation.phase() != Phase::Replica
        };
        let mut lists = Self { key, reads: (0..key.reads.len()).filter(is_list).collect() };
        let mut reads = std::mem::take(&mut lists.reads);
        reads.sort_by_key(|read| lists.order(*read));
        lists.reads = reads;
        lists
    }

    fn order(&self, read: usize) -> &'k [u32] {
        self.key.reads[read].order.as_deref().unwrap_or(&[])
    }

    /// By read, what `walk` finds first in the order that it shows.
    pub(crate) fn late(&self, mut walk: impl FnMut(&[u32]) -> Option<Late>) -> BTreeMap<usize, Late> {
        let mut found = BTreeMap::new();
        let mut next: Option<(&[u32], Option<Late>)> = None;
        for read in self.reads.iter().rev() {
            let order = self.order(*read);
            let late = match next.filter(|(longer, _)| longer.starts_with(order)) {
                Some((_, late)) => late.filter(|late| late.at < order.len()),
                None => walk(order),
            };
            found.extend(late.map(|late| (*read, late)));
            next = Some((order, late));
        }
        found
    }

    /// By read, the first acknowledged write that stands after a later one of its process.
    pub(crate) fn late_writes(&self) -> BTreeMap<usize, Late> {
        if self.reads.is_empty() {
            return BTreeMap::new();
        }
        let mut last: FxHashMap<u64, usize> = FxHashMap::default();
        self.late(|order| {
            last.clear();
            order.iter().enumerate().find_map(|(at, write)| {
                let write = *write as usize;
                let of = &self.key.writes[write];
                let last = last.entry(of.operation.process()).or_insert(write);
                let before = *last;
                *last = before.max(write);
                (before > write && of.acknowledged().is_some()).then_some(Late { at, write, before })
            })
        })
    }
}

/// Of two findings by read, the earlier one of each.
pub(crate) fn join(known: &mut BTreeMap<usize, Late>, more: BTreeMap<usize, Late>) {
    for (read, late) in more {
        match known.entry(read) {
            Entry::Occupied(mut known) if late.at < known.get().at => drop(known.insert(late)),
            Entry::Occupied(_) => {}
            Entry::Vacant(place) => drop(place.insert(late)),
        }
    }
}
