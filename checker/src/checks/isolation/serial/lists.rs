//! What is known of lists: whoever appended before another, whom a read shows, and whom it lacks.
//!
//! Only the appends that nobody read have no order yet, and those that only their own transaction has read: these come before
//! the others of them, or their update is lost, which every level that is asked forbids.

use super::edges::{Facts, Key, Why};
use crate::checks::isolation::input::{Micro, Names, Transactions};

/// What is known of one list; transactions are those of the whole history.
pub(in crate::checks::isolation) struct Listed<'l> {
    pub key: u32,
    /// The longest read.
    pub whole: &'l [u32],
    /// Who appended each of its elements, as far as others have read them.
    pub settled: &'l [u32],
    /// Who read these.
    pub settled_by: Option<u32>,
    /// Who appended what no other has read.
    pub unseen: &'l [u32],
    /// Of these, who has read it himself, as the longest read.
    pub own_end: Option<u32>,
}

/// More than this is not looked at.
const STEPS_MAX: usize = 1 << 20;

/// What is known of some transactions of a history, by their positions in it, ascending; `part` has only these. None if that is
/// too much.
pub(in crate::checks::isolation) fn of_lists<'f, 'l>(
    part: &'f Transactions,
    names: &'f dyn Names,
    members: &[u32],
    lists: impl Iterator<Item = Listed<'l>>,
) -> Option<Facts<'f>> {
    let committed = vec![true; part.len()];
    let mut facts =
        Facts { transactions: part, names, committed, keys: Vec::new(), before: Vec::new(), missed: Vec::new() };
    for list in lists {
        Local::new(&list, members).add(&mut facts);
        if facts.before.len() + facts.missed.len() > STEPS_MAX {
            return None;
        }
    }
    Some(facts)
}

/// A list as a part of the history has it.
struct Local<'l> {
    list: &'l Listed<'l>,
    /// Who appended, with the places of the elements.
    places: Vec<(usize, u32)>,
    unseen: Vec<u32>,
    settled_by: Option<u32>,
    own_end: Option<u32>,
}

impl<'l> Local<'l> {
    fn new(list: &'l Listed<'l>, members: &[u32]) -> Self {
        let local = |one: u32| members.binary_search(&one).ok().map(|at| at as u32);
        let places = list.settled.iter().enumerate().filter_map(|(at, writer)| Some((at, local(*writer)?)));
        let places = places.collect();
        let unseen = list.unseen.iter().filter_map(|writer| local(*writer)).collect();
        Self {
            list,
            places,
            unseen,
            settled_by: list.settled_by.and_then(local),
            own_end: list.own_end.and_then(local),
        }
    }

    fn add(self, facts: &mut Facts<'_>) {
        self.appends(facts);
        for reader in 0..facts.transactions.len() as u32 {
            for micro in facts.transactions.micros(reader).iter().filter(|micro| micro.key() == self.list.key) {
                let shown = facts.transactions.shown_of(self.list.whole, reader, *micro);
                if let Some(length) = shown.filter(|_| matches!(micro, Micro::List { .. })) {
                    self.read(reader, length.min(self.list.settled.len()), facts);
                }
            }
        }
        facts.keys.push(Key { key: self.list.key, reads: Vec::new(), writers: self.unseen });
    }

    /// Who appended before whom.
    fn appends(&self, facts: &mut Facts<'_>) {
        let key = self.list.key;
        if let Some(witness) = self.settled_by {
            let why = Why::Listed { key, witness };
            facts.before.extend(self.places.windows(2).map(|pair| (pair[0].1, pair[1].1, why)));
            let last = self.places.last().map(|(_, last)| *last);
            facts.before.extend(last.into_iter().flat_map(|last| self.unseen.iter().map(move |one| (last, *one, why))));
        }
        if let Some(own) = self.own_end {
            let others = self.unseen.iter().filter(|one| **one != own);
            facts.before.extend(others.map(|one| (own, *one, Why::Listed { key, witness: own })));
        }
    }

    /// Whom a read of so many elements shows, and whom it lacks.
    fn read(&self, reader: u32, length: usize, facts: &mut Facts<'_>) {
        let key = self.list.key;
        let (shown, lacking) = self.places.split_at(self.places.partition_point(|(at, _)| *at < length));
        let last = shown.iter().rev().find(|(_, writer)| *writer != reader);
        facts.before.extend(last.map(|(_, writer)| (*writer, reader, Why::Read { key })));
        let lacking = lacking.iter().map(|(_, writer)| *writer).chain(self.unseen.iter().copied());
        let lacking = lacking.filter(|writer| *writer != reader);
        facts.missed.extend(lacking.map(|writer| (reader, writer, Why::Lacks { key })));
    }
}
