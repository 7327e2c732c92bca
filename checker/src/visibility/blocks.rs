//! Which write is visible in which read of a key, for all of them at once.
//!
//! Decided pair by pair this is quadratic, and for a register each pair is a search through causal pasts. So writes are
//! taken in *blocks* of 64, and a set of writes of the block is one machine word. For each block every read gets two
//! words: the writes it has *seen*, and those it has *missed*, that is provably not seen. For a set or a cart they
//! come from the elements listed. For a register three words are carried along the edges of the causal past, which is
//! linear in the edges:
//!
//! - `sees`, up: the writes of the block that are this write or in its past;
//! - `before`, down: the writes of the block in whose past this write is;
//! - `perhaps`, up: the writes of the block that may be in a part of the past that is not recorded: that is, all that were
//!   invoked before the write ended, but for those in whose past it is itself.
//!
//! A read sees what any of the values listed sees. What it does not see it has missed if everything listed is
//! provably older (a read that found nothing is older than everything); and, where concurrent writes are kept, also
//! if nothing listed has an unrecorded past. The rest is undecided where concurrent writes are kept, and
//! overwritten where one wins.
//!
//! A *delete* is a write that is never listed. A read may lack what is covered by a delete that it may have seen
//! ([`super::deletes`]): such a write counts as seen. Where one write wins, a read that found nothing is no longer older than
//! everything once there was a delete: that may be the winner.
//!
//! Time: writes / 64 * (edges of the past + reads), plus the elements listed. Memory: a few words for each write and
//! read.

use std::collections::BTreeMap;

use super::analysis::{Analysis, Fate, Late, OwnMiss, Regress, Required};
use super::deletes::Deletes;
use super::facts::{KeyFacts, Past, Read, Step, Write};
use super::lists::{Lists, join};
use super::words::{BLOCK, bits, components, down, gather, low_bits};
use crate::finding::ReadTally;
use crate::history::Phase;
use crate::objects::ConcurrentWrites;
use crate::objects::Model;

/// Whether the time is over; asked once for each block.
type OutOfTime<'t> = &'t (dyn Fn() -> bool + Sync);

/// Computes visibility for a key, until the time is over.
pub(crate) fn analyse(
    key: &KeyFacts<'_>,
    model: Model,
    concurrent_writes: ConcurrentWrites,
    out_of_time: OutOfTime<'_>,
) -> Analysis {
    let mut sight = Sight::new(key, model, concurrent_writes);
    let orders = Orders::new(key);
    let mut analysis = Analysis {
        fates: vec![Fate::default(); key.writes.len()],
        own_judged: vec![false; key.reads.len()],
        own_missed: BTreeMap::new(),
        own_undecided: vec![false; key.reads.len()],
        again_judged: vec![false; key.reads.len()],
        again_undecided: vec![false; key.reads.len()],
        ..Analysis::default()
    };
    let (lists, mut late) = (Lists::new(key), BTreeMap::new());
    let (mut of_writers, mut of_what_writers_saw) = (RequiredSoFar::new(key), RequiredSoFar::new(key));
    for block in blocks(key) {
        if out_of_time() {
            analysis.is_cut = true;
            break;
        }
        sight.look(&block);
        block.last_seen(&sight, &mut analysis.fates);
        block.first_missed(&sight, &orders, &mut analysis.fates);
        block.finals(&sight, &mut analysis.fates);
        block.own_writes(&sight, &orders, &mut analysis);
        block.own_reads(&sight, &orders, &mut analysis);
        block.covered(&sight, &mut analysis);
        block.beside(&sight, &mut analysis);
        let [wrote, saw] = block.before_each_write(&sight, &orders);
        of_writers.take(&block, &sight, &sight.carried(key, wrote));
        join(&mut late, block.late_shown(&lists, &saw));
        of_what_writers_saw.take(&block, &sight, &sight.carried(key, saw));
    }
    analysis.of_writers = Required { disordered: lists.late_writes(), ..of_writers.finish() };
    analysis.of_what_writers_saw = Required { disordered: late, ..of_what_writers_saw.finish() };
    analysis
}

/// What clients' reads of a key lack of what they must see, until the time is over; `must_see` returns a word for each read:
/// the writes of a block that it must see.
pub(crate) fn required(
    key: &KeyFacts<'_>,
    model: Model,
    concurrent_writes: ConcurrentWrites,
    out_of_time: OutOfTime<'_>,
    must_see: impl Fn(&Block<'_, '_>) -> Vec<u64>,
) -> Required {
    let mut sight = Sight::new(key, model, concurrent_writes);
    let mut so_far = RequiredSoFar::new(key);
    for block in blocks(key) {
        if out_of_time() {
            return Required { is_cut: true, ..so_far.finish() };
        }
        sight.look(&block);
        so_far.take(&block, &sight, &must_see(&block));
    }
    so_far.finish()
}

fn blocks<'k, 'h>(key: &'k KeyFacts<'h>) -> impl Iterator<Item = Block<'k, 'h>> {
    let block = |first: usize| Block { key, first, len: BLOCK.min(key.writes.len() - first) };
    (0..key.writes.len()).step_by(BLOCK).map(block)
}

/// [`Required`] in the making, block by block.
struct RequiredSoFar {
    /// For each read, whether it is a client's.
    is_judged: Vec<bool>,
    must_see: Vec<bool>,
    undecided: Vec<bool>,
    missed: BTreeMap<usize, OwnMiss>,
}

impl RequiredSoFar {
    fn new(key: &KeyFacts<'_>) -> Self {
        let is_judged: Vec<bool> = key.reads.iter().map(|read| read.operation.phase() != Phase::Replica).collect();
        let none = vec![false; is_judged.len()];
        Self { is_judged, must_see: none.clone(), undecided: none, missed: BTreeMap::new() }
    }

    /// Takes a block; `words` are what each read must see of it.
    fn take(&mut self, block: &Block<'_, '_>, sight: &Sight<'_>, words: &[u64]) {
        let stays = block.word(|write| !write.removal_tried);
        for (read, word) in words.iter().enumerate().filter(|(read, word)| self.is_judged[*read] && **word != 0) {
            let required = word & stays;
            let missed = required & sight.missed[read];
            self.must_see[read] |= required != 0;
            self.undecided[read] |= sight.rest_is_undecided && required & !sight.seen[read] & !missed != 0;
            if missed != 0 {
                let latest = block.first + missed.ilog2() as usize;
                let miss = self.missed.entry(read).or_insert(OwnMiss { latest, count: 0 });
                miss.latest = latest;
                miss.count += missed.count_ones();
            }
        }
    }

    fn finish(self) -> Required {
        let mut reads = ReadTally::default();
        reads.add(&self.must_see, &self.undecided);
        Required { reads, missed: self.missed, ..Required::default() }
    }
}

/// Reads and writes in the orders in which they are visited.
struct Orders {
    by_completion: Vec<usize>,
    /// Reads of the main phase, in the order of invocation.
    by_process: BTreeMap<u64, Vec<usize>>,
    /// Writes, in the order of invocation.
    writes_by_process: BTreeMap<u64, Vec<usize>>,
}

impl Orders {
    fn new(key: &KeyFacts<'_>) -> Self {
        let mut by_completion: Vec<usize> = (0..key.reads.len()).collect();
        by_completion.sort_by_key(|read| key.reads[*read].completed());
        let mut by_process: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (position, read) in key.reads.iter().enumerate() {
            if read.operation.phase() != Phase::Replica {
                by_process.entry(read.operation.process()).or_default().push(position);
            }
        }
        let mut writes_by_process: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (position, write) in key.writes.iter().enumerate() {
            writes_by_process.entry(write.operation.process()).or_default().push(position);
        }
        Self { by_completion, by_process, writes_by_process }
    }
}

/// Acknowledged writes in order, each with the word of all up to it.
struct Acknowledged<At> {
    places: Vec<At>,
    words: Vec<u64>,
}

impl<At: Ord + Copy> Acknowledged<At> {
    fn new(mut acknowledged: Vec<(At, usize)>) -> Self {
        acknowledged.sort_unstable();
        let mut all = Self { places: Vec::new(), words: Vec::new() };
        let mut word = 0;
        for (place, bit) in acknowledged {
            word |= 1 << bit;
            all.places.push(place);
            all.words.push(word);
        }
        all
    }

    /// The writes before a place.
    fn before(&self, place: At) -> u64 {
        let count = self.places.partition_point(|acknowledged| *acknowledged < place);
        count.checked_sub(1).map_or(0, |last| self.words[last])
    }
}

/// Up to 64 writes that follow each other.
pub(crate) struct Block<'a, 'h> {
    key: &'a KeyFacts<'h>,
    /// The position of the first.
    pub first: usize,
    /// How many.
    pub len: usize,
}

impl Block<'_, '_> {
    fn last_seen(&self, sight: &Sight<'_>, fates: &mut [Fate]) {
        let mut wanted = low_bits(self.len);
        for (read, seen) in sight.seen.iter().enumerate().rev() {
            for bit in bits(seen & wanted) {
                fates[self.first + bit].last_seen = Some(read);
            }
            wanted &= !seen;
            if wanted == 0 {
                break;
            }
        }
    }

    fn first_missed(&self, sight: &Sight<'_>, orders: &Orders, fates: &mut [Fate]) {
        let acknowledged: Vec<(u64, usize)> =
            (0..self.len).filter_map(|bit| Some((self.key.writes[self.first + bit].must_stay()?, bit))).collect();
        let mut wanted = acknowledged.iter().fold(0, |word, (_, bit)| word | 1 << bit);
        let acknowledged = Acknowledged::new(acknowledged);
        for read in &orders.by_completion {
            let missed = sight.missed[*read] & wanted;
            if missed == 0 {
                continue;
            }
            let missed = missed & acknowledged.before(self.key.reads[*read].invoked());
            for bit in bits(missed) {
                fates[self.first + bit].first_missed = Some(*read);
            }
            wanted &= !missed;
        }
    }

    fn finals(&self, sight: &Sight<'_>, fates: &mut [Fate]) {
        for read in &self.key.finals {
            for bit in bits(sight.seen[*read]) {
                fates[self.first + bit].finals.seen += 1;
            }
            for bit in bits(sight.missed[*read]) {
                fates[self.first + bit].finals.missed += 1;
            }
        }
    }

    fn own_writes(&self, sight: &Sight<'_>, orders: &Orders, analysis: &mut Analysis) {
        for (process, acknowledged) in self.acknowledged_by_process() {
            let acknowledged = Acknowledged::new(acknowledged);
            for read in orders.by_process.get(&process).into_iter().flatten() {
                let own = acknowledged.before(self.key.reads[*read].step());
                let missed = own & sight.missed[*read];
                analysis.own_judged[*read] |= own != 0;
                analysis.own_undecided[*read] |= sight.rest_is_undecided && own & !sight.seen[*read] & !missed != 0;
                if missed != 0 {
                    let latest = self.first + missed.ilog2() as usize;
                    let miss = analysis.own_missed.entry(*read).or_insert(OwnMiss { latest, count: 0 });
                    miss.latest = latest;
                    miss.count += missed.count_ones();
                }
            }
        }
    }

    /// What reads have shown to a process must stay visible to it.
    fn own_reads(&self, sight: &Sight<'_>, orders: &Orders, analysis: &mut Analysis) {
        let stays = self.word(|write| !write.removal_tried);
        for reads in orders.by_process.values() {
            let mut shown = Shown::default();
            for &read in reads {
                let missed = sight.missed[read] & shown.all & stays;
                let back = sight.listed[read] & shown.gone;
                analysis.again_judged[read] |= shown.all & stays != 0;
                analysis.again_undecided[read] |=
                    sight.rest_is_undecided && shown.all & !sight.seen[read] & !sight.missed[read] != 0;
                if missed | back != 0 {
                    let bit = (missed | back).ilog2() as usize;
                    let count = (missed | back).count_ones() + analysis.regressed.get(&read).map_or(0, |r| r.count);
                    let came_back = missed & 1 << bit == 0;
                    let latest = self.first + bit;
                    analysis.regressed.insert(read, Regress { latest, count, shown_by: shown.by[bit], came_back });
                }
                shown.add(read, sight.shown[read], sight.seen[read]);
            }
        }
    }

    /// Writes that final reads list and that acknowledged writes of the block had replaced.
    fn covered(&self, sight: &Sight<'_>, analysis: &mut Analysis) {
        let Means::Causal(causality, _) = &sight.means else { return };
        let acknowledged = self.word(|write| write.acknowledged().is_some());
        let deletes = self.word(|write| write.is_delete());
        for listed in self.key.finals.iter().flat_map(|read| &self.key.reads[*read].listed) {
            let by = causality.replaced_by(*listed as usize) & acknowledged;
            let by = if by & deletes == 0 { by } else { by & deletes };
            if by != 0 {
                let first = self.first + by.trailing_zeros() as usize;
                let known = analysis.covered.entry(*listed as usize).or_insert(first);
                if !self.key.writes[*known].is_delete() && self.key.writes[first].is_delete() {
                    *known = first;
                }
            }
        }
    }

    /// Reads that list a write of the block and something that it had replaced.
    fn beside(&self, sight: &Sight<'_>, analysis: &mut Analysis) {
        for (read, replacing) in sight.beside.iter().enumerate().filter(|(_, word)| **word != 0) {
            let first = self.first + replacing.trailing_zeros() as usize;
            analysis.beside.entry(read).or_insert((first, 0)).1 += replacing.count_ones();
        }
    }

    /// For each write of the key, the writes of the block that had been acknowledged to its process before, and those that reads
    /// had shown to its process before.
    fn before_each_write(&self, sight: &Sight<'_>, orders: &Orders) -> [Vec<u64>; 2] {
        let count = self.key.writes.len();
        let (mut wrote, mut saw) = (vec![0; count], vec![0; count]);
        let mut acknowledged = self.acknowledged_by_process();
        for (process, writes) in &orders.writes_by_process {
            let acknowledged = acknowledged.remove(process).map(Acknowledged::new);
            let mut reads = orders.by_process.get(process).into_iter().flatten().peekable();
            let mut shown = 0;
            for &write in writes {
                let step = self.key.writes[write].step();
                while let Some(read) = reads.next_if(|read| self.key.reads[**read].step() < step) {
                    shown |= sight.shown[*read];
                }
                saw[write] = shown;
                wrote[write] = acknowledged.as_ref().map_or(0, |acknowledged| acknowledged.before(step));
            }
        }
        [wrote, saw]
    }

    /// By read, the first write of the block that a list shows after one whose process had seen it before; `saw` has for each
    /// write the writes of the block that its process had seen.
    fn late_shown(&self, lists: &Lists<'_, '_>, saw: &[u64]) -> BTreeMap<usize, Late> {
        lists.late(|order| {
            let mut due = 0;
            let at = order.iter().position(|write| {
                let is_late = self.bit(*write) & due != 0;
                due |= saw[*write as usize];
                is_late
            })?;
            let knew = |before: &&u32| saw[**before as usize] & self.bit(order[at]) != 0;
            let before = order[..at].iter().find(knew)?;
            Some(Late { at, write: order[at] as usize, before: *before as usize })
        })
    }

    /// The bit of a write; none if it is of another block.
    fn bit(&self, write: u32) -> u64 {
        let bit = (write as usize).checked_sub(self.first).filter(|bit| *bit < self.len);
        bit.map_or(0, |bit| 1 << bit)
    }

    /// The writes of the block that satisfy a condition.
    fn word(&self, holds: impl Fn(&Write<'_>) -> bool) -> u64 {
        let writes = self.key.writes[self.first..self.first + self.len].iter().enumerate();
        writes.filter(|(_, write)| holds(write)).fold(0, |word, (bit, _)| word | 1 << bit)
    }

    fn acknowledged_by_process(&self) -> BTreeMap<u64, Vec<(Step, usize)>> {
        let mut by_process: BTreeMap<u64, Vec<(Step, usize)>> = BTreeMap::new();
        for (bit, write) in self.key.writes[self.first..self.first + self.len].iter().enumerate() {
            if write.must_stay().is_some() {
                by_process.entry(write.operation.process()).or_default().push((write.step(), bit));
            }
        }
        by_process
    }
}

/// Of a block, what the reads of one process have shown so far.
struct Shown {
    all: u64,
    /// Shown once, and absent from a later read that may lack it.
    gone: u64,
    /// For each bit of `all`, the read that showed it first.
    by: [usize; BLOCK],
}

impl Default for Shown {
    fn default() -> Self {
        Self { all: 0, gone: 0, by: [0; BLOCK] }
    }
}

impl Shown {
    fn add(&mut self, read: usize, shown: u64, seen: u64) {
        self.gone |= self.all & !shown & seen;
        for bit in bits(shown & !self.all) {
            self.by[bit] = read;
        }
        self.all |= shown;
    }
}

/// Which writes of a block one read shows, sees and misses.
#[derive(Clone, Copy, Default)]
struct Look {
    /// Listed, or in the past of what is.
    shown: u64,
    /// Shown, or covered by a delete that may have been seen.
    seen: u64,
    /// Provably not seen.
    missed: u64,
    /// Listed beside something that it had replaced.
    beside: u64,
}

/// For the current block, what each read lists, sees and misses; see [`Look`].
struct Sight<'a> {
    listed: Vec<u64>,
    shown: Vec<u64>,
    seen: Vec<u64>,
    missed: Vec<u64>,
    beside: Vec<u64>,
    /// For each read, how many of the elements it lists have been passed.
    passed: Vec<usize>,
    /// Whether a write that is neither seen nor missed is undecided; otherwise it is legitimately overwritten.
    rest_is_undecided: bool,
    means: Means<'a>,
}

enum Means<'a> {
    /// What is listed is visible.
    Listed,
    /// What is in the past of what is listed is visible too.
    Causal(Box<Causality<'a>>, ConcurrentWrites),
}

impl<'a> Sight<'a> {
    fn new(key: &'a KeyFacts<'_>, model: Model, concurrent_writes: ConcurrentWrites) -> Self {
        let reads = key.reads.len();
        // What has replaced nothing, and is itself never replaced, is visible where it is listed.
        let is_listed = !model.is_register() || (concurrent_writes == ConcurrentWrites::Kept && key.is_plain());
        let means = match is_listed {
            true => Means::Listed,
            false => Means::Causal(Box::new(Causality::new(key)), concurrent_writes),
        };
        let rest_is_undecided = model.is_register() && concurrent_writes == ConcurrentWrites::Kept;
        let words = || vec![0; reads];
        Self {
            listed: words(),
            shown: words(),
            seen: words(),
            missed: words(),
            beside: words(),
            passed: vec![0; reads],
            rest_is_undecided,
            means,
        }
    }

    /// For each read, the words of all writes that it sees, together; `words` has one for each write, and those of a process
    /// only grow.
    fn carried(&self, key: &KeyFacts<'_>, mut words: Vec<u64>) -> Vec<u64> {
        if let Means::Causal(causality, _) = &self.means {
            gather(&causality.components, &causality.past, &mut words);
            let listed = |read: &Read<'_>| read.listed.iter().fold(0, |word, write| word | words[*write as usize]);
            return key.reads.iter().map(listed).collect();
        }
        let of_heads = |read: &Read<'_>| read.heads.iter().fold(0, |word, write| word | words[*write as usize]);
        key.reads.iter().map(of_heads).collect()
    }

    /// Looks at a block. Blocks have to be looked at in their order, each once.
    fn look(&mut self, block: &Block<'_, '_>) {
        let all = low_bits(block.len);
        if let Means::Causal(causality, _) = &mut self.means {
            causality.carry(block);
        }
        for (position, read) in block.key.reads.iter().enumerate() {
            let listed = take_listed(&read.listed, &mut self.passed[position], block.first + block.len);
            let look = match &self.means {
                Means::Listed => Look { shown: listed, seen: listed, missed: !listed, beside: 0 },
                Means::Causal(causality, concurrent_writes) => {
                    causality.look(read, position, listed, *concurrent_writes)
                }
            };
            self.listed[position] = listed;
            self.shown[position] = look.shown & all;
            self.seen[position] = look.seen & all;
            self.missed[position] = look.missed & all;
            self.beside[position] = look.beside & all;
        }
    }
}

/// The word of the listed writes below `end` that were not passed yet.
fn take_listed(listed: &[u32], passed: &mut usize, end: usize) -> u64 {
    let mut word = 0;
    while let Some(position) = listed.get(*passed).filter(|position| (**position as usize) < end) {
        word |= 1 << (*position as usize % BLOCK);
        *passed += 1;
    }
    word
}

/// The causal past of a register's writes, and the words carried along it.
struct Causality<'a> {
    /// For each write, the writes that it replaced.
    past: Vec<&'a [u32]>,
    /// Writes whose past is not recorded, with the index of their end.
    unrecorded: Vec<(usize, u64)>,
    /// Strongly connected components, the past first. Correct histories have no cycles; an incorrect one must not break the
    /// check.
    components: Vec<Vec<usize>>,
    sees: Vec<u64>,
    before: Vec<u64>,
    perhaps: Vec<u64>,
    deletes: Deletes,
    /// The deletes of the block, failed ones too.
    is_delete: u64,
}

impl<'a> Causality<'a> {
    fn new(key: &'a KeyFacts<'_>) -> Self {
        let writes = key.writes.len();
        let mut past: Vec<&[u32]> = Vec::with_capacity(writes);
        let mut unrecorded = Vec::new();
        for (position, write) in key.writes.iter().enumerate() {
            match &write.past {
                Past::Known(replaced) => past.push(replaced),
                Past::Unknown => {
                    past.push(&[]);
                    unrecorded.push((position, write.operation.completed().unwrap_or(u64::MAX)));
                }
            }
        }
        let components = components(&past);
        let words = || vec![0; writes];
        let (sees, before, perhaps) = (words(), words(), words());
        let deletes = Deletes::new(key, &components, &past);
        Self { past, unrecorded, components, sees, before, perhaps, deletes, is_delete: 0 }
    }

    /// Carries the words of a block through the whole past.
    fn carry(&mut self, block: &Block<'_, '_>) {
        for words in [&mut self.sees, &mut self.before, &mut self.perhaps] {
            words.fill(0);
        }
        for bit in 0..block.len {
            self.sees[block.first + bit] = 1 << bit;
        }
        let writes = &block.key.writes[block.first..block.first + block.len];
        for (position, end) in &self.unrecorded {
            let earlier = writes.partition_point(|write| write.operation.invoked() < *end);
            self.perhaps[*position] = low_bits(earlier);
        }
        // `sees` still holds the writes' own bits only.
        down(&self.components, &self.past, &self.sees, &mut self.before);
        for (position, _) in &self.unrecorded {
            self.perhaps[*position] &= !self.before[*position];
        }
        gather(&self.components, &self.past, &mut self.sees);
        if !self.unrecorded.is_empty() {
            gather(&self.components, &self.past, &mut self.perhaps);
        }
        self.is_delete = block.word(|write| write.is_delete());
        self.deletes.carry(&self.sees, &self.perhaps);
    }

    /// The writes of the block that have replaced this one. In a cycle nothing has replaced anything.
    fn replaced_by(&self, value: usize) -> u64 {
        self.before[value] & !self.sees[value]
    }

    /// Which writes of the block a read shows, sees and misses; `listed` are those that it lists.
    fn look(&self, read: &Read<'_>, position: usize, listed: u64, concurrent_writes: ConcurrentWrites) -> Look {
        let values = || read.listed.iter().map(|value| *value as usize);
        let found_nothing = read.listed.is_empty() && read.unwritten.is_empty();
        let shown = values().fold(0, |word, value| word | self.sees[value]);
        // Of these the read lists something older, so it has seen neither them nor what covers them.
        let contradicted = values().fold(0, |word, value| word | self.before[value]);
        let all_older = match read.listed.is_empty() || !read.unwritten.is_empty() {
            true => 0,
            false => values().fold(u64::MAX, |word, value| word & self.before[value]),
        };
        let (covered, perhaps_covered) = self.deletes.cover(position, &self.sees, &self.perhaps);
        let perhaps = values().fold(perhaps_covered & !contradicted, |word, value| word | self.perhaps[value]);
        let not_shown = match concurrent_writes {
            ConcurrentWrites::Kept => !perhaps,
            ConcurrentWrites::OneWins if found_nothing && self.deletes.possible(position) == 0 => u64::MAX,
            ConcurrentWrites::OneWins => 0,
        };
        let seen = shown | covered;
        let missed = (all_older | not_shown) & !seen;
        let is_delete = self.is_delete;
        Look {
            shown: shown & !is_delete,
            seen: (seen & !is_delete) | (is_delete & !contradicted),
            missed: (missed & !is_delete) | (is_delete & contradicted),
            beside: values().fold(0, |word, value| word | self.replaced_by(value)) & listed,
        }
    }
}
