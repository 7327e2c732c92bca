//! What paths force: edges that every order without a cycle has.

use super::edges::{Edge, Key, Moments, Read, Why};
use crate::checks::isolation::causality::INITIAL;

/// What paths force of the readers and writers of each key.
pub(super) struct Forcing<'p> {
    moments: Moments,
    paths: &'p Paths,
    /// By moment: its place in an order of all.
    place: Vec<u32>,
    /// How many edges the paths are made of.
    known: usize,
}

impl<'p> Forcing<'p> {
    pub(super) fn new(moments: Moments, order: &[u32], paths: &'p Paths, known: usize) -> Self {
        let mut place = vec![0; order.len()];
        order.iter().zip(0..).for_each(|(one, at)| place[*one as usize] = at);
        Self { moments, paths, place, known }
    }

    /// The edges that the reads and writes of a key force, without those that others of them and paths say.
    pub(super) fn of(&self, key: &Key) -> Vec<Edge> {
        let mut writers = key.writers.clone();
        writers.sort_unstable_by_key(|writer| self.place[self.moments.seen_from(*writer) as usize]);
        let reads = key.reads.iter().copied().filter(|read| read.source != INITIAL);
        let mut forced: Vec<Edge> = reads.flat_map(|read| self.of_read(key.key, read, &writers)).collect();
        if self.moments.has_conflicts() {
            forced.extend(self.of_writers(key.key, &writers));
        }
        forced
    }

    /// Whether one is before another.
    fn is_before(&self, one: u32, other: u32) -> bool {
        self.paths.lead(self.moments.seen_from(one), self.moments.seen_to(other))
    }

    /// The steps that put one before another.
    fn before(&self, one: u32, other: u32, why: Why) -> impl Iterator<Item = Edge> {
        let known = self.known;
        self.moments.before(one, other).map(move |(from, to)| Edge { from, to, why, known })
    }

    fn of_read(&self, key: u32, Read { reader, source }: Read, writers: &[u32]) -> Vec<Edge> {
        let Self { moments, known, .. } = *self;
        let others = writers.iter().copied().filter(|writer| *writer != source && *writer != reader);
        let is_seen = |writer: &u32| self.is_before(*writer, reader) && !self.is_before(*writer, source);
        // The latest first: who comes before another that is forced needs no edge.
        let mut earlier: Vec<u32> = Vec::new();
        // Who is before somebody that was seen need not have been seen itself, unless that level asks for it.
        let counts = |_: &u32| moments != Moments::SeenItself;
        for writer in others.clone().rev().filter(counts).filter(is_seen) {
            if !earlier.iter().any(|other| self.is_before(writer, *other)) {
                earlier.push(writer);
            }
        }
        let is_missed = |writer: &u32| {
            self.is_before(source, *writer) && !self.paths.lead(moments.begin(reader), moments.commit(*writer))
        };
        let mut later: Vec<u32> = Vec::new();
        for writer in others.filter(is_missed) {
            if moments == Moments::SeenItself || !later.iter().any(|other| self.is_before(*other, writer)) {
                later.push(writer);
            }
        }
        let seen = |writer| self.before(writer, source, Why::Seen { key, reader });
        let missed = |writer| {
            let (from, to) = (moments.begin(reader), moments.commit(writer));
            Edge { from, to, why: Why::Missed { key, source }, known }
        };
        earlier.into_iter().flat_map(seen).chain(later.into_iter().map(missed)).collect()
    }

    /// Of two that would overlook each other otherwise, the one that has not seen the other is the first.
    fn of_writers(&self, key: u32, writers: &[u32]) -> Vec<Edge> {
        let mut forced = Vec::new();
        for one in writers.iter().copied() {
            let mut later: Vec<u32> = Vec::new();
            for other in writers.iter().copied().filter(|other| *other != one && !self.is_before(one, *other)) {
                let is_first = self.paths.lead(self.moments.begin(one), self.moments.commit(other));
                if is_first && !later.iter().any(|known| self.is_before(*known, other)) {
                    later.push(other);
                }
            }
            forced.extend(later.into_iter().flat_map(|other| self.before(one, other, Why::Overlap { key })));
        }
        forced
    }
}

/// Which moment is before which: a row of bits for each.
pub(super) struct Paths {
    words: usize,
    bits: Vec<u64>,
}

impl Paths {
    /// From edges and an order of all that agrees with them.
    pub(super) fn new(count: usize, order: &[u32], edges: &[Edge]) -> Self {
        let words = count.div_ceil(64);
        let mut paths = Self { words, bits: vec![0; count * words] };
        let mut after = vec![Vec::new(); count];
        edges.iter().for_each(|edge| after[edge.from as usize].push(edge.to));
        for from in order.iter().rev().copied() {
            for to in std::mem::take(&mut after[from as usize]) {
                paths.learn(from as usize, to as usize);
            }
        }
        paths
    }

    /// One is before another, and before all that this is before.
    fn learn(&mut self, from: usize, to: usize) {
        for word in 0..self.words {
            self.bits[from * self.words + word] |= self.bits[to * self.words + word];
        }
        self.bits[from * self.words + to / 64] |= 1 << (to % 64);
    }

    /// Whether there is a path.
    pub(super) fn lead(&self, from: u32, to: u32) -> bool {
        self.bits[from as usize * self.words + to as usize / 64] >> (to % 64) & 1 == 1
    }
}
