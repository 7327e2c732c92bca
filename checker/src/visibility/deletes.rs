//! Which deletes a read may have seen, and what they cover.
//!
//! A delete is never listed. A read may have seen any that was invoked before the read completed and did not certainly
//! fail, unless the read lists something that the delete has replaced. Reads that list nothing of that kind, nearly all,
//! may have seen all deletes up to a number, so what those cover is known from one pass through them. For the others the
//! deletes that they cannot have seen are looked up, 64 at a time.
//!
//! Time, besides a pass through the deletes for each block: deletes / 64 * (edges of the past + elements listed), once.

use std::collections::BTreeMap;

use super::facts::{KeyFacts, Read};
use super::words::{BLOCK, bits, down};
use crate::history::EventType;

/// What deletes certainly cover of a block, and what they may cover.
type Cover = (u64, u64);

/// The deletes of a key that may have happened, in the order of invocation.
#[derive(Default)]
pub(super) struct Deletes {
    positions: Vec<usize>,
    /// For each read, how many of them were invoked before it completed.
    possible: Vec<usize>,
    /// For the reads that cannot have seen some of the deletes: these deletes, as chunks of 64 and their words.
    unseen: BTreeMap<usize, Vec<(usize, u64)>>,
    /// For each number of deletes, what the first so many cover.
    up_to: Vec<Cover>,
    /// For each chunk of 64, if anything is unseen, what they cover.
    chunks: Vec<Cover>,
}

impl Deletes {
    pub(super) fn new(key: &KeyFacts<'_>, components: &[Vec<usize>], past: &[&[u32]]) -> Self {
        let possible = |position: &usize| {
            let write = &key.writes[*position];
            write.is_delete() && write.operation.outcome() != EventType::Fail
        };
        let positions: Vec<usize> = (0..key.writes.len()).filter(possible).collect();
        let invoked = |position: usize| key.writes[position].operation.invoked();
        let before = |read: &Read<'_>| positions.partition_point(|position| invoked(*position) < read.completed());
        let possible = key.reads.iter().map(before).collect();
        let mut deletes = Self { positions, possible, ..Self::default() };
        deletes.find_unseen(key, components, past);
        deletes
    }

    /// How many deletes were invoked before a read completed.
    pub(super) fn possible(&self, read: usize) -> usize {
        self.possible[read]
    }

    fn find_unseen(&mut self, key: &KeyFacts<'_>, components: &[Vec<usize>], past: &[&[u32]]) {
        for (chunk, deletes) in self.positions.chunks(BLOCK).enumerate() {
            let (mut own, mut before) = (vec![0; past.len()], vec![0; past.len()]);
            for (bit, position) in deletes.iter().enumerate() {
                own[*position] = 1 << bit;
            }
            down(components, past, &own, &mut before);
            for (number, read) in key.reads.iter().enumerate() {
                let unseen = read.listed.iter().fold(0, |word, value| word | before[*value as usize]);
                if unseen != 0 {
                    self.unseen.entry(number).or_default().push((chunk, unseen));
                }
            }
        }
    }

    /// Takes the words of a block, by write: what it sees, and what perhaps.
    pub(super) fn carry(&mut self, sees: &[u64], perhaps: &[u64]) {
        let join = |covers: Cover, position: &usize| (covers.0 | sees[*position], covers.1 | perhaps[*position]);
        self.up_to.clear();
        self.up_to.push((0, 0));
        let mut covers = (0, 0);
        for position in &self.positions {
            covers = join(covers, position);
            self.up_to.push(covers);
        }
        if !self.unseen.is_empty() {
            self.chunks.clear();
            self.chunks.extend(self.positions.chunks(BLOCK).map(|chunk| chunk.iter().fold((0, 0), join)));
        }
    }

    /// What the deletes cover that a read may have seen.
    pub(super) fn cover(&self, read: usize, sees: &[u64], perhaps: &[u64]) -> Cover {
        let possible = self.possible[read];
        let Some(unseen) = self.unseen.get(&read) else { return self.up_to[possible] };
        let mut unseen = unseen.iter().copied().peekable();
        let mut all = (0, 0);
        for (chunk, deletes) in self.positions.chunks(BLOCK).enumerate().take(possible.div_ceil(BLOCK)) {
            let out = unseen.next_if(|(of, _)| *of == chunk).map_or(0, |(_, word)| word);
            let open = possible - chunk * BLOCK;
            let cover = match out == 0 && open >= deletes.len() {
                true => self.chunks[chunk],
                false => {
                    let seen = bits(!out).take_while(|bit| *bit < open.min(deletes.len()));
                    seen.fold((0, 0), |all, bit| (all.0 | sees[deletes[bit]], all.1 | perhaps[deletes[bit]]))
                }
            };
            all = (all.0 | cover.0, all.1 | cover.1);
        }
        all
    }
}
