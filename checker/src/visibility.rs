//! Which write is visible in which read of a key, for all of them at once.
//!
//! Asked pair by pair this is quadratic, and for a register each pair is a search through causal pasts. So writes are
//! taken in *blocks* of 64, and a set of writes of the block is one machine word. For each block every read gets two
//! words: the writes it has *seen*, and those it has *missed*, that is provably not seen. For a set or a cart they
//! come from the elements listed. For a register three words are carried along the edges of the causal past, which is
//! linear in the edges:
//!
//! - `sees`, up: the writes of the block that are this write or in its past;
//! - `before`, down: the writes of the block in whose past this write is;
//! - `perhaps`, up: the writes of the block that may be in the part of the past that nobody told.
//!
//! A read sees what any of the values listed sees. What it does not see it has missed if everything listed is
//! provably older (a read that found nothing is older than everything); and, where concurrent writes are kept, also
//! if nothing listed has a past that is not told. The rest is undecided where concurrent writes are kept, and
//! overwritten where one wins.
//!
//! Time: writes / 64 * (edges of the past + reads), plus the elements listed. Memory: a few words for each write and
//! read.

use std::collections::BTreeMap;

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::ConcurrentWrites;
use crate::history::Phase;
use crate::model::{KeyFacts, Model, Past};

/// The writes in a block: the bits of a word.
const BLOCK: usize = 64;

/// How the final reads see a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FinalSight {
    /// Reads that see it.
    pub seen: usize,
    /// Reads that have provably missed it.
    pub missed: usize,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fate {
    /// The last read, by invocation, that saw it.
    pub last_seen: Option<usize>,
    /// Of the reads invoked after its acknowledgement that missed it, the first to complete.
    pub first_missed: Option<usize>,
    /// The final reads.
    pub finals: FinalSight,
}

/// A read that did not see writes which its own process had been acknowledged before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OwnMiss {
    /// The last of them.
    pub latest: usize,
    /// How many.
    pub count: u32,
}

/// All that the checks need to know of visibility in a key.
#[derive(Debug, Default)]
pub(crate) struct Analysis {
    /// For each write.
    pub fates: Vec<Fate>,
    /// For each read of the main phase, whether its process had earlier writes to look for.
    pub own_judged: Vec<bool>,
    /// The reads that missed own writes.
    pub own_missed: BTreeMap<usize, OwnMiss>,
    /// For each read, whether own writes are hidden behind a past that nobody told.
    pub own_undecided: Vec<bool>,
}

/// Settles visibility for a key.
pub(crate) fn analyse(key: &KeyFacts<'_>, model: Model, concurrent_writes: ConcurrentWrites) -> Analysis {
    let mut sight = Sight::new(key, model, concurrent_writes);
    let orders = Orders::new(key);
    let mut analysis = Analysis {
        fates: vec![Fate::default(); key.writes.len()],
        own_judged: vec![false; key.reads.len()],
        own_missed: BTreeMap::new(),
        own_undecided: vec![false; key.reads.len()],
    };
    for first in (0..key.writes.len()).step_by(BLOCK) {
        let block = Block { key, first, len: BLOCK.min(key.writes.len() - first) };
        sight.look(&block);
        block.last_seen(&sight, &mut analysis.fates);
        block.first_missed(&sight, &orders, &mut analysis.fates);
        block.finals(&sight, &mut analysis.fates);
        block.own_writes(&sight, &orders, &mut analysis);
    }
    analysis
}

/// The positions of the bits that are set.
fn bits(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        (word != 0).then(|| {
            let bit = word.trailing_zeros() as usize;
            word &= word - 1;
            bit
        })
    })
}

/// The lowest `count` bits.
fn low_bits(count: usize) -> u64 {
    if count >= BLOCK { u64::MAX } else { (1 << count) - 1 }
}

/// Reads in the orders in which they are walked.
struct Orders {
    by_completion: Vec<usize>,
    /// Reads of the main phase, in the order of invocation.
    by_process: BTreeMap<u64, Vec<usize>>,
}

impl Orders {
    fn new(key: &KeyFacts<'_>) -> Self {
        let mut by_completion: Vec<usize> = (0..key.reads.len()).collect();
        by_completion.sort_by_key(|read| key.reads[*read].completed());
        let mut by_process: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (position, read) in key.reads.iter().enumerate() {
            if read.operation.phase() == Phase::Main {
                by_process.entry(read.operation.process).or_default().push(position);
            }
        }
        Self { by_completion, by_process }
    }
}

/// Acknowledgements in their order, each with the word of all up to it.
#[derive(Default)]
struct Acknowledged {
    indices: Vec<u64>,
    words: Vec<u64>,
}

impl Acknowledged {
    fn new(mut acknowledged: Vec<(u64, usize)>) -> Self {
        acknowledged.sort_unstable();
        let mut all = Self::default();
        let mut word = 0;
        for (index, bit) in acknowledged {
            word |= 1 << bit;
            all.indices.push(index);
            all.words.push(word);
        }
        all
    }

    /// The writes acknowledged before an event.
    fn before(&self, index: u64) -> u64 {
        let count = self.indices.partition_point(|acknowledged| *acknowledged < index);
        count.checked_sub(1).map_or(0, |last| self.words[last])
    }
}

/// Up to 64 writes that follow each other.
struct Block<'a, 'h> {
    key: &'a KeyFacts<'h>,
    first: usize,
    len: usize,
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
                let own = acknowledged.before(self.key.reads[*read].invoked());
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

    fn acknowledged_by_process(&self) -> BTreeMap<u64, Vec<(u64, usize)>> {
        let mut by_process: BTreeMap<u64, Vec<(u64, usize)>> = BTreeMap::new();
        for (bit, write) in self.key.writes[self.first..self.first + self.len].iter().enumerate() {
            if let Some(index) = write.must_stay() {
                by_process.entry(write.operation.process).or_default().push((index, bit));
            }
        }
        by_process
    }
}

/// For the block looked at, what each read has seen and missed.
struct Sight<'a> {
    seen: Vec<u64>,
    missed: Vec<u64>,
    /// Neither seen nor missed means that nobody can tell; otherwise it is legitimately overwritten.
    rest_is_undecided: bool,
    means: Means<'a>,
}

enum Means<'a> {
    /// What is listed is visible. For each read, how many of the elements it lists have been passed.
    Listed(Vec<usize>),
    /// What is in the past of what is listed is visible too.
    Causal(Box<Causality<'a>>, ConcurrentWrites),
}

impl<'a> Sight<'a> {
    fn new(key: &'a KeyFacts<'_>, model: Model, concurrent_writes: ConcurrentWrites) -> Self {
        let reads = key.reads.len();
        let means = match model {
            Model::Set | Model::Cart => Means::Listed(vec![0; reads]),
            Model::Register => Means::Causal(Box::new(Causality::new(key)), concurrent_writes),
        };
        let rest_is_undecided = model == Model::Register && concurrent_writes == ConcurrentWrites::Kept;
        Self { seen: vec![0; reads], missed: vec![0; reads], rest_is_undecided, means }
    }

    /// Looks at a block. Blocks have to be looked at in their order, each once.
    fn look(&mut self, block: &Block<'_, '_>) {
        let all = low_bits(block.len);
        if let Means::Causal(causality, _) = &mut self.means {
            causality.carry(block);
        }
        for (position, read) in block.key.reads.iter().enumerate() {
            let (seen, missed) = match &mut self.means {
                Means::Listed(passed) => {
                    let seen = take_listed(&read.listed, &mut passed[position], block.first + block.len);
                    (seen, !seen)
                }
                Means::Causal(causality, concurrent_writes) => {
                    causality.judge(&read.listed, !read.unwritten.is_empty(), *concurrent_writes)
                }
            };
            (self.seen[position], self.missed[position]) = (seen & all, missed & all);
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
    /// Writes whose past nobody told, with the index of their end.
    untold: Vec<(usize, u64)>,
    /// Strongly connected components, the past first. True histories have no cycles; a false one must not break the
    /// check.
    components: Vec<Vec<usize>>,
    sees: Vec<u64>,
    before: Vec<u64>,
    perhaps: Vec<u64>,
}

impl<'a> Causality<'a> {
    fn new(key: &'a KeyFacts<'_>) -> Self {
        let writes = key.writes.len();
        let mut past: Vec<&[u32]> = Vec::with_capacity(writes);
        let mut untold = Vec::new();
        for (position, write) in key.writes.iter().enumerate() {
            match &write.past {
                Past::Known(replaced) => past.push(replaced),
                Past::Unknown => {
                    past.push(&[]);
                    untold.push((position, write.operation.completion.map_or(u64::MAX, |event| event.index)));
                }
            }
        }
        let components = components(&past);
        Self { past, untold, components, sees: vec![0; writes], before: vec![0; writes], perhaps: vec![0; writes] }
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
        for (position, end) in &self.untold {
            let earlier = writes.partition_point(|write| write.operation.invoke.index < *end);
            self.perhaps[*position] = low_bits(earlier);
        }
        self.down();
        gather(&self.components, &self.past, &mut self.sees);
        if !self.untold.is_empty() {
            gather(&self.components, &self.past, &mut self.perhaps);
        }
    }

    /// Carries `before` from each write to its past, the latest first. `sees` still holds the writes' own bits only.
    fn down(&mut self) {
        for component in self.components.iter().rev() {
            let word = component.iter().fold(0, |word, write| word | self.before[*write]);
            let own_bits = component.iter().fold(0, |word, write| word | self.sees[*write]);
            // Inside a cycle all see one another, and what is seen is not asked for being older.
            for write in component {
                self.before[*write] = word;
            }
            for older in component.iter().flat_map(|write| self.past[*write]) {
                self.before[*older as usize] |= word | own_bits;
            }
        }
    }

    /// What a read that lists these values has seen, and what it has provably missed.
    fn judge(&self, listed: &[u32], has_unwritten: bool, concurrent_writes: ConcurrentWrites) -> (u64, u64) {
        let positions = || listed.iter().map(|position| *position as usize);
        let seen = positions().fold(0, |word, write| word | self.sees[write]);
        let nothing_but_older = if has_unwritten { 0 } else { u64::MAX };
        let older = positions().fold(nothing_but_older, |word, write| word & self.before[write]);
        let missed = match concurrent_writes {
            ConcurrentWrites::Kept => older | !positions().fold(0, |word, write| word | self.perhaps[write]),
            ConcurrentWrites::OneWins => older,
        };
        (seen, missed & !seen)
    }
}

/// Adds to each write's word the words of its past.
fn gather(components: &[Vec<usize>], past: &[&[u32]], words: &mut [u64]) {
    for component in components {
        let mut word = 0;
        for write in component {
            word |= past[*write].iter().fold(words[*write], |word, older| word | words[*older as usize]);
        }
        for write in component {
            words[*write] = word;
        }
    }
}

/// The strongly connected components, each after those that it leads to.
fn components(past: &[&[u32]]) -> Vec<Vec<usize>> {
    let edges = past.iter().map(|older| older.len()).sum();
    let mut graph: DiGraph<(), ()> = DiGraph::with_capacity(past.len(), edges);
    for _ in past {
        graph.add_node(());
    }
    for (write, older) in past.iter().enumerate() {
        for older in *older {
            graph.add_edge(NodeIndex::new(write), NodeIndex::new(*older as usize), ());
        }
    }
    kosaraju_scc(&graph).into_iter().map(|component| component.into_iter().map(NodeIndex::index).collect()).collect()
}
