//! Weak isolation and causality against their definitions, by enumeration.

use std::collections::BTreeSet;

use super::draw::{Shape, history};
use crate::checks::isolation::input::{Micro, Numbers, Outcome, Transactions};
use crate::checks::isolation::saturation::{Isolation, analyse};
use crate::limits::Limits;
use crate::tests::random::{Random, cases};

/// A relation between few transactions: by transaction, a mask of those before it.
type Masks = Vec<u32>;

fn close(mut before: Masks) -> Masks {
    for _ in 0..before.len() {
        for at in 0..before.len() {
            for other in 0..before.len() {
                if before[at] >> other & 1 == 1 {
                    before[at] |= before[other];
                }
            }
        }
    }
    before
}

/// A history as its definition wants it: external reads with their sources (`None`: the initial version).
struct Plain {
    count: usize,
    process: Vec<u32>,
    /// Reader, key, source.
    reads: Vec<(usize, u32, Option<usize>)>,
    writes: BTreeSet<(usize, u32)>,
}

/// None if a read is wrong by itself.
fn plain(all: &Transactions) -> Option<Plain> {
    let count = all.len();
    let mut plain = Plain {
        count,
        process: all.rows().iter().map(|row| row.process).collect(),
        reads: Vec::new(),
        writes: BTreeSet::new(),
    };
    for at in 0..count {
        for micro in all.micros(at as u32).iter().filter(|micro| micro.written().is_some()) {
            plain.writes.insert((at, micro.key()));
        }
    }
    for at in 0..count {
        let mut now: Vec<(u32, u32)> = Vec::new();
        for micro in all.micros(at as u32) {
            let known = now.iter().rev().find(|(key, _)| *key == micro.key()).map(|(_, value)| *value);
            let value = match (*micro, known) {
                (Micro::Write { value, .. }, _) => value,
                (Micro::Read { value, .. }, Some(known)) if known != value => return None,
                (Micro::Read { value, .. }, Some(_)) => value,
                (Micro::Read { key, value }, None) => {
                    let source = if value == 0 { None } else { Some(final_writer(all, key, value)?) };
                    if source == Some(at) {
                        return None;
                    }
                    plain.reads.push((at, key, source));
                    value
                }
                _ => return None,
            };
            now.push((micro.key(), value));
        }
    }
    Some(plain)
}

fn final_writer(all: &Transactions, key: u32, value: u32) -> Option<usize> {
    let last = |at: &usize| {
        let mut written = all.micros(*at as u32).iter().filter(|micro| micro.key() == key).filter_map(|m| m.written());
        written.next_back() == Some(value)
    };
    (0..all.len()).find(last)
}

impl Plain {
    fn sessions(&self) -> Masks {
        let before = |at: usize| (0..at).filter(move |earlier| self.process[*earlier] == self.process[at]);
        (0..self.count).map(|at| before(at).fold(0, |mask, earlier| mask | 1 << earlier)).collect()
    }

    /// From whom each read, the order of sessions aside.
    fn sources(&self) -> Masks {
        let mut before = vec![0; self.count];
        for (reader, _, source) in &self.reads {
            before[*reader] |= source.map_or(0, |source| 1 << source);
        }
        before
    }

    fn causes(&self, readers: impl Fn(usize) -> bool) -> Masks {
        let mut before = self.sessions();
        for (reader, _, source) in self.reads.iter().filter(|read| readers(read.0)) {
            if let Some(source) = source {
                before[*reader] |= 1 << source;
            }
        }
        before
    }

    /// Whether there is an order of all transactions that agrees with `base`, in which every read of `readers` reads from
    /// the last writer of its key among those in `seen(reader, order so far)`.
    fn ordered(&self, base: &Masks, readers: u32, seen: &dyn Fn(usize, u32) -> u32) -> bool {
        self.place(base, readers, seen, &mut Vec::new())
    }

    fn place(&self, base: &Masks, readers: u32, seen: &dyn Fn(usize, u32) -> u32, order: &mut Vec<usize>) -> bool {
        let placed = order.iter().fold(0u32, |mask, at| mask | 1 << at);
        if order.len() == self.count {
            // Where a reader may see writes placed after it, only the whole order decides.
            return (0..self.count).all(|at| self.reads_fit(at, readers, seen(at, placed), order));
        }
        for at in 0..self.count {
            if placed >> at & 1 == 1 || base[at] & !placed != 0 {
                continue;
            }
            order.push(at);
            if self.place(base, readers, seen, order) {
                return true;
            }
            order.pop();
        }
        false
    }

    fn reads_fit(&self, reader: usize, readers: u32, seen: u32, order: &[usize]) -> bool {
        if readers >> reader & 1 == 0 {
            return true;
        }
        self.reads.iter().filter(|read| read.0 == reader).all(|(_, key, source)| {
            let wrote = |at: &usize| seen >> at & 1 == 1 && *at != reader && self.writes.contains(&(*at, *key));
            order.iter().rev().copied().find(wrote) == *source
        })
    }
}

/// Whether a level holds, by its definition: enumerate all orders.
fn holds(plain: &Plain, level: Isolation) -> bool {
    let everyone = (1u32 << plain.count) - 1;
    let causes = plain.causes(|_| true);
    let closed = close(causes.clone());
    let sessions_count = !matches!(level, Isolation::Pram | Isolation::ReadAtomic);
    if sessions_count && (0..plain.count).any(|at| closed[at] >> at & 1 == 1) {
        return false;
    }
    match level {
        Isolation::MonotonicAtomicView | Isolation::SessionMonotonicAtomicView => {
            unreachable!("have a test of their own")
        }
        Isolation::ReadAtomic => {
            let sources = plain.sources();
            plain.ordered(&sources, everyone, &|reader, _| sources[reader])
        }
        Isolation::SessionReadAtomic => plain.ordered(&causes, everyone, &|reader, _| causes[reader]),
        Isolation::CausalConvergence => plain.ordered(&causes, everyone, &|reader, _| closed[reader]),
        // Each transaction has an order of its own of all that happened before it.
        Isolation::Causal => (0..plain.count).all(|one| plain.ordered(&causes, 1 << one, &|_, _| closed[one])),
        Isolation::CausalMemory | Isolation::Pram => (0..plain.count).all(|one| {
            let own = |at: usize| plain.process[at] == plain.process[one];
            let readers = (0..plain.count).filter(|at| own(*at)).fold(0, |mask, at| mask | 1 << at);
            let base = if level == Isolation::Pram { plain.causes(own) } else { causes.clone() };
            plain.ordered_whole(&base, readers)
        }),
    }
}

impl Plain {
    /// Whether there is an order in which these readers read the last write before themselves.
    fn ordered_whole(&self, base: &Masks, readers: u32) -> bool {
        self.place_whole(base, readers, &mut Vec::new())
    }

    fn place_whole(&self, base: &Masks, readers: u32, order: &mut Vec<usize>) -> bool {
        let placed = order.iter().fold(0u32, |mask, at| mask | 1 << at);
        if order.len() == self.count {
            return true;
        }
        for at in 0..self.count {
            if placed >> at & 1 == 1 || base[at] & !placed != 0 || !self.reads_fit(at, readers, placed, order) {
                continue;
            }
            order.push(at);
            if self.place_whole(base, readers, order) {
                return true;
            }
            order.pop();
        }
        false
    }
}

/// Two thirds are histories of a store with stale reads; in the others, single reads show anything that is ever written.
fn draw(seed: u64, size: u64, micros_max: u64) -> Transactions {
    let mut draw = Random(seed);
    if seed.is_multiple_of(3) {
        return wild(&mut draw, size);
    }
    let (stale, transactions) = ([10, 30, 60][draw.below(3) as usize], 2 + draw.below(size) as u32);
    history(
        &mut draw,
        Shape { transactions, processes: 3, keys: 2, micros_max, stale, unsure: 0, lists: false, again: 0 },
    )
}

fn wild(draw: &mut Random, size: u64) -> Transactions {
    let count = 3 + draw.below(size + 1) as u32;
    let plan: Vec<(bool, u32)> = (0..count).map(|_| (draw.chance(45), draw.below(2) as u32)).collect();
    let mut all = Transactions::default();
    for (at, (writes, key)) in (0..).zip(&plan) {
        all.begin(draw.below(3) as u32, Outcome::Ok, 2 * at, 2 * at + 1);
        if *writes {
            all.write(*key, at + 1);
            continue;
        }
        let values: Vec<u32> =
            (1..).zip(&plan).filter(|(_, other)| **other == (true, *key)).map(|(value, _)| value).collect();
        let chosen = draw.below(values.len() as u64 * 3 + 1) as usize;
        all.read(*key, if chosen == 0 { 0 } else { values[chosen % values.len()] });
    }
    all
}

#[test]
fn agrees_with_the_definitions() {
    let total = cases(3000);
    let levels = Isolation::ALL.into_iter().filter(|level| !level.name().ends_with("monotonic-atomic-view"));
    for level in levels {
        let mut broken = 0;
        for seed in 0..total {
            let all = draw(seed, 5, 1 + seed % 3);
            let ours = analyse(&all, &Numbers, level, &Limits::default());
            let theirs = plain(&all).is_some_and(|plain| holds(&plain, level));
            assert_eq!(ours.counts.is_empty(), theirs, "{level:?}, seed {seed}: {:?}\n{all:#?}", ours.counts);
            broken += u64::from(!theirs);
        }
        println!("{level:?}: {total} histories, {broken} broken");
        assert!(broken > total / 20 && broken < total * 19 / 20);
    }
}

/// What a transaction read of which keys from whom, in program order.
type Reads = Vec<(u32, Option<usize>)>;

/// The reads from others of each transaction; none if one is wrong by itself.
fn committed_reads(all: &Transactions) -> Option<Vec<Reads>> {
    let of = |at: usize| {
        let mut reads = Vec::new();
        for (place, micro) in all.micros(at as u32).iter().enumerate() {
            let Micro::Read { key, value } = *micro else { continue };
            let written = |micro: &Micro| micro.key() == key && micro.written() == Some(value);
            if all.micros(at as u32)[..place].iter().any(written) {
                continue;
            }
            let source = if value == 0 { None } else { Some(final_writer(all, key, value).filter(|who| *who != at)?) };
            reads.push((key, source));
        }
        Some(reads)
    };
    (0..all.len()).map(of).collect()
}

/// Monotonic atomic view by the axiom of read committed of Biswas and Enea: some order of commits agrees with reads-from, and
/// sessions if they count, and what a transaction read from before and wrote the key too comes before whom it reads the key
/// from; nobody does whose key is read as unwritten.
fn monotonic_atomic_view_holds(all: &Transactions, sessions: bool) -> bool {
    let Some(reads) = committed_reads(all) else { return false };
    let wrote =
        |at: usize, key: u32| all.micros(at as u32).iter().any(|micro| micro.written().is_some() && micro.key() == key);
    let mut before: Masks = (0..all.len())
        .map(|at| {
            let is_own = |earlier: &usize| all.row(*earlier as u32).process == all.row(at as u32).process;
            (0..at).filter(|earlier| sessions && is_own(earlier)).fold(0, |mask, earlier| mask | 1 << earlier)
        })
        .collect();
    for (reader, reads) in reads.iter().enumerate() {
        for (at, (key, source)) in reads.iter().enumerate() {
            before[reader] |= source.map_or(0, |source| 1 << source);
            for earlier in reads[..at].iter().filter_map(|(_, earlier)| *earlier) {
                match source {
                    _ if Some(earlier) == *source || !wrote(earlier, *key) => {}
                    None => return false,
                    Some(source) => before[*source] |= 1 << earlier,
                }
            }
        }
    }
    let closed = close(before);
    (0..all.len()).all(|at| closed[at] >> at & 1 == 0)
}

#[test]
fn monotonic_atomic_view_agrees_with_its_axiom() {
    for (level, sessions) in [(Isolation::MonotonicAtomicView, false), (Isolation::SessionMonotonicAtomicView, true)] {
        let (total, mut broken) = (cases(3000), 0);
        for seed in 0..total {
            let all = draw(seed, 5, 2 + seed % 3);
            let ours = analyse(&all, &Numbers, level, &Limits::default());
            let theirs = monotonic_atomic_view_holds(&all, sessions);
            assert_eq!(ours.counts.is_empty(), theirs, "{level:?}, seed {seed}: {:?}\n{all:#?}", ours.counts);
            broken += u64::from(!theirs);
        }
        println!("{level:?}: {total} histories, {broken} broken");
        assert!(broken > total / 20 && broken < total * 19 / 20);
    }
}

/// What an explanation names is a violation by itself.
#[test]
fn explanations_stand_by_themselves() {
    let mut judged = 0;
    for seed in 0..cases(1500) {
        let all = draw(seed, 20, 3);
        for level in Isolation::ALL {
            for anomaly in analyse(&all, &Numbers, level, &Limits::default()).anomalies {
                let again = analyse(&all.only(&anomaly.transactions), &Numbers, level, &Limits::default());
                assert!(!again.counts.is_empty(), "{level:?}, seed {seed}: {anomaly:#?}\n{all:#?}");
                judged += 1;
            }
        }
    }
    assert!(judged > 1000, "{judged}");
}

/// Reads of a transaction one after the other may go forward, not back.
#[test]
fn monotonic_atomic_view_goes_forward() {
    let history = |first: u32, second: u32| {
        let mut all = Transactions::default();
        all.begin(0, Outcome::Ok, 0, 1);
        all.write(0, 1);
        all.write(1, 1);
        all.begin(0, Outcome::Ok, 2, 3);
        all.write(0, 2);
        all.write(1, 2);
        all.begin(1, Outcome::Ok, 4, 5);
        all.read(0, first);
        all.read(1, second);
        analyse(&all, &Numbers, Isolation::SessionMonotonicAtomicView, &Limits::default()).counts.is_empty()
    };
    assert!(history(1, 2) && history(1, 1));
    assert!(!history(2, 1) && !history(2, 0));
}

/// Each read by itself could be explained, but not both by one order of the two writers: seed 4670 of the definitions.
#[test]
fn regression_causal_reads_of_one_transaction_had_an_order_each() {
    let mut all = Transactions::default();
    for writer in 0..2 {
        all.begin(writer, Outcome::Ok, 2 * writer, 2 * writer + 1);
        all.write(0, 1 + writer);
        all.write(1, 1 + writer);
    }
    all.begin(2, Outcome::Ok, 4, 5);
    all.read(0, 1);
    all.read(1, 2);
    let found = analyse(&all, &Numbers, Isolation::Causal, &Limits::default());
    assert!(found.counts.contains_key("cyclic-commit-order"), "{found:?}");
}
