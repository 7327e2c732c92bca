//! Failed compare-and-sets: whenever one failed, did the register hold a value other than the expected one at some
//! moment?
//!
//! This is only asked if all other operations have an order. The register holds one value after the other; a *handover*
//! is the moment at which one value replaces another. A failed compare-and-set that expected `v` must not lie within
//! the time during which `v` is held. So the question is whether handovers can be chosen that satisfy all failed
//! compare-and-sets:
//!
//! 1. The blocks of values are put in a sequence that their zones allow (see `register`). For one sequence a greedy
//!    choice is exact: from left to right, each handover is as late as the failed compare-and-sets of the value before
//!    it allow. A later handover is never worse for the values after it, since they then begin later.
//! 2. Forward blocks have one possible order. A backward block may have several places; the earliest and the latest are
//!    tried. Where both sequences have placed the same blocks and come to the same one, a *stretch* ends, and the next
//!    one starts from the later of the two handovers.
//! 3. If neither sequence satisfies a stretch, all orders of a few blocks before and after it are tried, by the latest
//!    handover for each set of blocks and each last block in it (the dynamic program of Held and Karp, 1962, for
//!    tours).
//! 4. If that fails too, a value that was certainly held during a whole failed compare-and-set that expected it is a
//!    violation. Anything else is left undecided here, and goes to the general search, which is bounded, but exact if
//!    it ends.
//!
//! All of it is O(n log n).
//!
//! No fast path can decide every case, unless P = NP. Values whose writes are open during the whole history may come in
//! any order, and each holds the register for one span of time, which must not contain a failed compare-and-set that
//! expected it. If a value has many short ones everywhere except in two places, it can span one of these two places, or
//! hardly any time at all. Values follow one another without gaps, so together they must span all of the time. Choosing
//! for each value one of its two spans so that they cover a line is "rainbow covering", which is NP-complete (Arkin,
//! Banik, Carmi, Citovsky, Katz, Mitchell, Simakov, "Selecting and covering colored points").

use std::collections::VecDeque;
use std::ops::Range;

use rustc_hash::{FxHashMap, FxHashSet};

use super::register::{Block, Clusters, Proof, RegisterAction, Zones, call_of, proof, ret_of};

/// The most blocks of which every order is tried.
const BLOCKS_MAX: usize = 24;
/// How many ends are tried for a longer stretch in place of one that cannot be satisfied.
const ENDS_MAX: usize = 4;
/// The most pairs of a set of blocks and a last block that are examined for a register; each takes some hundred steps.
const SETS_MAX: usize = 1_000_000;
/// The same limit for a single stretch.
const SETS_OF_BLOCKS_MAX: usize = 20_000;

/// A failed compare-and-set: the cluster of the value that it expected, when it was open, and its position in the list.
/// Ordered by cluster, so that those of one cluster are a range.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Failed {
    cluster: u32,
    call: u64,
    ret: u64,
    at: usize,
}

/// Checks the failed compare-and-sets of a register whose other operations have an order with these blocks.
pub(super) fn judge(clusters: &Clusters<'_>, blocks: &[Block]) -> Zones {
    let failed = failed(clusters);
    if failed.is_empty() || Handovers::new(clusters, &failed, blocks).exist() {
        return Zones::Linearizable;
    }
    certainly_held(clusters, blocks, &failed).map_or(Zones::Undecided, Zones::Violation)
}

/// The failed compare-and-sets that expected a value which the register held at some time, by cluster. The others are
/// satisfied anyway.
fn failed(clusters: &Clusters<'_>) -> Vec<Failed> {
    let expected = clusters.operations.iter().enumerate().filter_map(|(at, operation)| match operation.action {
        RegisterAction::FailedCas(expected) if operation.completed() => {
            let cluster = *clusters.numbers.get(&expected)?;
            let happened = !clusters.all[cluster as usize].dropped;
            happened.then(|| Failed { cluster, call: call_of(operation), ret: ret_of(operation), at })
        }
        _ => None,
    });
    let mut failed: Vec<Failed> = expected.collect();
    failed.sort_unstable();
    debug_assert!(
        failed.iter().all(|failed| failed.call < failed.ret),
        "a failed compare-and-set completes after its call"
    );
    failed
}

/// The search for handovers such that each failed compare-and-set finds a value other than the expected one.
struct Handovers<'a> {
    clusters: &'a Clusters<'a>,
    failed: &'a [Failed],
    /// The sequence with each backward block in its earliest place, and that with each in its latest.
    sequences: [Sequence; 2],
}

/// Blocks in one possible order.
struct Sequence {
    blocks: Vec<Block>,
    /// By position: the first completion in the blocks from there on.
    first_ret: Vec<u64>,
}

/// How far a sequence has come: what the placed blocks mean for the value that follows them.
#[derive(Clone, Copy)]
struct Frontier {
    /// The handover at which that value begins.
    began: u64,
    /// The last invocation in the placed blocks: no later handover may come before it.
    last_call: u64,
}

/// What follows a block: the first completion in all of it, and the next value, if there is one.
#[derive(Clone, Copy)]
struct Rest {
    first_ret: u64,
    next: Option<u32>,
}

impl Sequence {
    fn new(blocks: Vec<Block>) -> Self {
        let mut first_ret: Vec<u64> = vec![u64::MAX; blocks.len() + 1];
        for (at, block) in blocks.iter().enumerate().rev() {
            first_ret[at] = first_ret[at + 1].min(block.first_ret);
        }
        Self { blocks, first_ret }
    }

    fn rest(&self, from: usize) -> Rest {
        Rest { first_ret: self.first_ret[from], next: self.blocks.get(from).map(|block| block.root) }
    }
}

impl<'a> Handovers<'a> {
    fn new(clusters: &'a Clusters<'a>, failed: &'a [Failed], blocks: &[Block]) -> Self {
        let sequences = [Placement::Earliest, Placement::Latest].map(|place| Sequence::new(ordered(blocks, place)));
        assert_eq!(sequences[0].blocks.len(), sequences[1].blocks.len(), "both sequences have all blocks");
        Self { clusters, failed, sequences }
    }

    /// Whether handovers are found, stretch by stretch.
    fn exist(&self) -> bool {
        let blocks = &self.sequences[0].blocks;
        // Where the last stretches began: another order of blocks may start from any of these places.
        let mut begun: VecDeque<(usize, Frontier)> = VecDeque::with_capacity(BLOCKS_MAX);
        let (mut at, mut frontier, mut sets_left) = (0, Frontier { began: 0, last_call: 0 }, SETS_MAX);
        while at < blocks.len() {
            if begun.len() == BLOCKS_MAX {
                begun.pop_front();
            }
            begun.push_back((at, frontier));
            let end = self.next_common(at);
            let reached = self.latest(at..end, frontier).map(|frontier| (at..end, frontier));
            let reached = reached.or_else(|| self.otherwise(&begun, end, &mut sets_left));
            let Some((stretch, next)) = reached else { return false };
            // The blocks of the stretch may be in another order now, so positions within it mean nothing any more.
            begun.retain(|(at, _)| *at <= stretch.start);
            debug_assert!(next.began >= frontier.began || stretch.start < at, "handovers do not go back in time");
            debug_assert!(stretch.end > at, "every stretch makes progress");
            (at, frontier) = (stretch.end, next);
        }
        true
    }

    /// A stretch that ends at `end` or later, and that some other order of its blocks satisfies: the first that is
    /// found from the latest start and the nearest end, with the frontier after it.
    fn otherwise(
        &self,
        begun: &VecDeque<(usize, Frontier)>,
        end: usize,
        sets_left: &mut usize,
    ) -> Option<(Range<usize>, Frontier)> {
        let sequence = &self.sequences[0];
        let further = |end: &usize| (*end < sequence.blocks.len()).then(|| self.next_common(*end));
        let ends: Vec<usize> = std::iter::successors(Some(end), further).take(ENDS_MAX).collect();
        for (at, frontier) in begun.iter().rev() {
            for stretch in ends.iter().map(|end| *at..*end).filter(|stretch| stretch.len() <= BLOCKS_MAX) {
                let limit = SETS_OF_BLOCKS_MAX.min(*sets_left);
                let orders = Orders { handovers: self, blocks: &sequence.blocks[stretch.clone()] };
                let (began, sets) = orders.latest(*frontier, sequence.rest(stretch.end), limit);
                *sets_left -= sets;
                if let Some(began) = began {
                    return Some((stretch, frontier.with(began).after(orders.blocks)));
                }
            }
        }
        None
    }

    /// The next position before which both sequences have placed the same blocks, and at which they have the same one.
    fn next_common(&self, at: usize) -> usize {
        let [earliest, latest] = [0, 1].map(|which: usize| &self.sequences[which].blocks);
        // The blocks that exactly one of the two has placed. It is empty when both have placed the same ones.
        let mut ahead: FxHashSet<u32> = FxHashSet::default();
        for next in at + 1..earliest.len() {
            let roots = [earliest[next].root, latest[next].root];
            if ahead.is_empty() && roots[0] == roots[1] {
                return next;
            }
            for root in roots {
                if !ahead.insert(root) {
                    ahead.remove(&root);
                }
            }
        }
        earliest.len()
    }

    /// The frontier after a stretch with the latest handover that either sequence allows.
    fn latest(&self, stretch: Range<usize>, frontier: Frontier) -> Option<Frontier> {
        // A stretch of one block is the same in both sequences.
        let different = if stretch.len() == 1 { 1 } else { 2 };
        let ends = self.sequences[..different].iter().filter_map(|each| self.in_order(each, stretch.clone(), frontier));
        ends.max_by_key(|end| end.began)
    }

    /// The frontier after a stretch in the order of one sequence; none if it cannot be satisfied.
    fn in_order(&self, sequence: &Sequence, mut stretch: Range<usize>, frontier: Frontier) -> Option<Frontier> {
        stretch.try_fold(frontier, |frontier, at| {
            let block = sequence.blocks[at];
            let began = self.through(block, frontier, sequence.rest(at + 1))?;
            Some(frontier.with(began).after(&[block]))
        })
    }

    /// The latest handover from the last value of a block to what follows it. The values of a block come one after the
    /// other by compare-and-set, so there is no choice of their order. None if there is no such handover.
    fn through(&self, block: Block, frontier: Frontier, rest: Rest) -> Option<u64> {
        let chain: Vec<u32> = self.clusters.chain(block.root).collect();
        let mut first_ret = vec![rest.first_ret; chain.len()];
        for at in (1..chain.len()).rev() {
            first_ret[at - 1] = first_ret[at].min(self.clusters.all[chain[at] as usize].first_ret());
        }
        let Frontier { mut began, mut last_call } = frontier;
        for (at, number) in chain.iter().enumerate() {
            last_call = last_call.max(self.clusters.all[*number as usize].last_call());
            let rest = Rest { first_ret: first_ret[at], next: chain.get(at + 1).copied().or(rest.next) };
            began = self.leave(*number, Frontier { began, last_call }, rest)?;
        }
        Some(began)
    }

    /// The latest handover from a value to the next one; `last_call` includes the value's own operations.
    ///
    /// The value is held from `began` on. It must be gone before the first completion of a failed compare-and-set that
    /// was invoked after `began`: otherwise it would be held during all of that. One that was invoked before found
    /// another value.
    fn leave(&self, number: u32, Frontier { began, last_call }: Frontier, rest: Rest) -> Option<u64> {
        let from = self.failed.partition_point(|failed| failed.cluster < number);
        let mine = self.failed[from..].iter().take_while(|failed| failed.cluster == number);
        let bound = mine.filter(|failed| failed.call > began).map(|failed| failed.ret - 1).min();
        let Some(next) = rest.next else { return Some(began).filter(|_| bound.is_none()) };
        // The handover comes before anything later completes, and after everything so far and the next write are
        // invoked.
        let ends = rest.first_ret.saturating_sub(1).min(bound.unwrap_or(u64::MAX));
        Some(ends).filter(|ends| *ends >= last_call.max(began).max(self.clusters.all[next as usize].written.1))
    }
}

/// All orders of a few blocks; the first of them stays first.
struct Orders<'a> {
    handovers: &'a Handovers<'a>,
    blocks: &'a [Block],
}

/// For a set of blocks (a bit each) and the last of them: the latest moment at which the last one can begin. The later
/// the better, so nothing else of the order of the set has to be remembered; this makes it 2^n·n cases, not n!.
type Latest = FxHashMap<(u32, usize), u64>;

impl Orders<'_> {
    /// The latest moment at which what follows can begin, and how many sets were examined; no moment if that is more
    /// than the limit.
    fn latest(&self, frontier: Frontier, rest: Rest, sets_max: usize) -> (Option<u64>, usize) {
        assert!(self.blocks.len() <= BLOCKS_MAX, "a set of blocks fits into 32 bits");
        let mut looked_at = 0;
        let mut latest = Latest::from_iter([((1, 0), frontier.began)]);
        for _ in 1..self.blocks.len() {
            looked_at += latest.len();
            if looked_at > sets_max {
                return (None, sets_max);
            }
            let mut longer = Latest::default();
            for ((set, last), began) in latest {
                self.lengthen(set, last, frontier.with(began), rest, &mut longer);
            }
            latest = longer;
        }
        let ends = latest.into_iter().filter_map(|((set, last), began)| {
            let here = self.before(set, last, frontier.with(began));
            self.handovers.through(self.blocks[last], here, rest)
        });
        (ends.max(), looked_at)
    }

    /// Lets each block that is not in the set follow the last one.
    fn lengthen(&self, set: u32, last: usize, frontier: Frontier, rest: Rest, longer: &mut Latest) {
        let here = self.before(set, last, frontier);
        let missing = || (0..self.blocks.len()).filter(|block| set & 1 << block == 0);
        let first_ret = missing().fold(rest.first_ret, |least, block| least.min(self.blocks[block].first_ret));
        for next in missing() {
            let rest = Rest { first_ret, next: Some(self.blocks[next].root) };
            if let Some(began) = self.handovers.through(self.blocks[last], here, rest) {
                let known = longer.entry((set | 1 << next, next)).or_default();
                *known = began.max(*known);
            }
        }
    }

    /// The frontier with the blocks of the set that come before the last one.
    fn before(&self, set: u32, last: usize, frontier: Frontier) -> Frontier {
        let before = (0..self.blocks.len()).filter(|block| set & 1 << block != 0 && *block != last);
        let last_call = before.fold(frontier.last_call, |last_call, block| last_call.max(self.blocks[block].last_call));
        Frontier { last_call, ..frontier }
    }
}

impl Frontier {
    fn with(self, began: u64) -> Self {
        Self { began, ..self }
    }

    /// The frontier after these blocks, too.
    fn after(self, blocks: &[Block]) -> Self {
        let last_call = blocks.iter().fold(self.last_call, |last_call, block| last_call.max(block.last_call));
        Self { last_call, ..self }
    }
}

/// Where backward blocks are placed if they have a choice.
#[derive(Clone, Copy)]
enum Placement {
    Earliest,
    Latest,
}

/// The blocks in an order that the zones allow, the initial value first.
///
/// A forward block is placed by its first completion. A backward block may go anywhere between its first completion and
/// its last invocation, except into the zone of a forward block: then it moves to the nearest end of that zone.
fn ordered(blocks: &[Block], placement: Placement) -> Vec<Block> {
    let mut forward: Vec<Block> = blocks.iter().filter(|block| block.is_forward()).copied().collect();
    forward.sort_unstable_by_key(|block| block.first_ret);
    let mut keyed: Vec<(u64, Block)> = forward.iter().map(|block| (block.first_ret, *block)).collect();
    for block in blocks.iter().filter(|block| !block.is_forward()) {
        let around = |moment: u64| {
            let after = forward.partition_point(|other| other.first_ret <= moment);
            after.checked_sub(1).map(|at| forward[at]).filter(|other| moment < other.last_call)
        };
        let moment = match placement {
            Placement::Earliest => around(block.last_call).map_or(block.last_call, |other| other.last_call),
            Placement::Latest => around(block.first_ret - 1).map_or(block.first_ret - 1, |other| other.first_ret - 1),
        };
        keyed.push((moment, *block));
    }
    keyed.sort_by_key(|(moment, _)| *moment);
    let mut ordered: Vec<Block> = keyed.into_iter().map(|(_, block)| block).collect();
    if ordered.first().is_none_or(|block| block.root != 0) {
        ordered.insert(0, Block { root: 0, first_ret: 0, last_call: 0 });
    }
    ordered
}

/// A failed compare-and-set during all of which the register certainly held the expected value: some operation that saw
/// the value, or a later one of its block, completed before it, and one that saw it or an earlier one was invoked after
/// it.
fn certainly_held(clusters: &Clusters<'_>, blocks: &[Block], failed: &[Failed]) -> Option<Proof> {
    for block in blocks {
        let chain: Vec<u32> = clusters.chain(block.root).collect();
        let mut first_ret = u64::MAX;
        let mut rets: Vec<u64> = Vec::with_capacity(chain.len());
        for number in chain.iter().rev() {
            first_ret = first_ret.min(clusters.all[*number as usize].first_ret());
            rets.push(first_ret);
        }
        let mut last_call = 0;
        for (number, first_ret) in chain.iter().zip(rets.iter().rev()) {
            last_call = last_call.max(clusters.all[*number as usize].last_call());
            let from = failed.partition_point(|failed| failed.cluster < *number);
            let mut mine = failed[from..].iter().take_while(|failed| failed.cluster == *number);
            if let Some(failed) = mine.find(|failed| *first_ret < failed.call && failed.ret < last_call) {
                let mut operations = clusters.observers(chain.iter().copied());
                operations.push(failed.at);
                operations.sort_unstable();
                operations.dedup();
                let reason = "a cas failed although its expected value was there from before it to after it";
                return Some(proof("failed-cas", reason, operations));
            }
        }
    }
    None
}
