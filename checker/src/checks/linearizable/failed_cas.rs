//! Had the register, whenever a compare-and-set failed, another value than the expected one at some moment?
//!
//! Only asked when everything else has an order. The blocks of values are put in a sequence (see `register`), and the
//! moments at which one value follows the other are chosen from left to right, each as late as the failed
//! compare-and-sets of the value before it allow: a later moment is never worse for what comes after. So this is exact
//! for one sequence. Forward blocks have only one; a backward block may have several places, of which the earliest and
//! the latest are tried. Where both sequences have had the same blocks and are at the same one, a *stretch* ends, and the
//! next goes on from the later of the two moments. Where neither sequence grants a stretch, a few blocks before and after
//! it are put in every order, by the latest moment for each set of them and each last one of it (as Held and Karp, 1962,
//! do for tours). If that is in vain, a value that was certainly there during a whole failed compare-and-set
//! that expected it is a violation, and anything else is left undecided. O(n log n).
//!
//! No quick path can decide all of it, unless P = NP. Values that were written during the whole history may come in any
//! order, and each keeps the register for one span of time; a failed compare-and-set on a value is a span that it must not
//! contain. With many short ones everywhere but in two places, a value can bridge one of these two places or hardly any
//! time at all; values follow one another without a gap, so all of the time has to be bridged. To choose for each value
//! one of its two spans so that they cover a line is "rainbow covering", which is NP-complete (Arkin, Banik, Carmi,
//! Citovsky, Katz, Mitchell, Simakov, "Selecting and covering colored points"). So what is not granted here
//! goes to the general search, which is bounded, and exact where it ends.

use std::collections::VecDeque;
use std::ops::Range;

use rustc_hash::{FxHashMap, FxHashSet};

use super::register::{Action, Block, Clusters, Proof, Zones, call_of, proof, ret_of};

/// Every order is tried of so many blocks at most.
const BLOCKS_MAX: usize = 24;
/// How far beyond a stretch that is not granted others reach that are tried in its place.
const ENDS_MAX: usize = 4;
/// Sets of blocks with a last one that are looked at for a register, all in all: each takes some hundred steps.
const SETS_MAX: usize = 1_000_000;
/// The same, for the orders of some blocks.
const SETS_OF_BLOCKS_MAX: usize = 20_000;

/// A failed compare-and-set: the cluster that it expected, when it was open, and its position in the list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Failed {
    cluster: u32,
    call: u64,
    ret: u64,
    at: usize,
}

/// Judges the failed compare-and-sets of a register whose other operations have an order with these blocks.
pub(super) fn judge(clusters: &Clusters<'_>, blocks: &[Block]) -> Zones {
    let failed = failed(clusters);
    if failed.is_empty() || Moments::new(clusters, &failed, blocks).exist() {
        return Zones::Linearizable;
    }
    certainly_there(clusters, blocks, &failed).map_or(Zones::Undecided, Zones::Violation)
}

/// Those that expected a value which was there at some time, by cluster.
fn failed(clusters: &Clusters<'_>) -> Vec<Failed> {
    let expected = clusters.operations.iter().enumerate().filter_map(|(at, operation)| match operation.action {
        Action::FailedCas(expected) if operation.completed() => {
            let cluster = *clusters.numbers.get(&expected)?;
            let happened = !clusters.all[cluster as usize].dropped;
            happened.then(|| Failed { cluster, call: call_of(operation), ret: ret_of(operation), at })
        }
        _ => None,
    });
    let mut failed: Vec<Failed> = expected.collect();
    failed.sort_unstable();
    failed
}

/// The search for moments at which one value follows the other, so that each failed compare-and-set finds another value.
struct Moments<'a> {
    clusters: &'a Clusters<'a>,
    failed: &'a [Failed],
    /// The blocks with each in its earliest place, and with each in its latest.
    sequences: [Sequence; 2],
}

/// Blocks one after the other, in some order.
struct Sequence {
    blocks: Vec<Block>,
    /// By position: the first completion of what comes there or later.
    first_ret: Vec<u64>,
}

/// Where a value begins, with what came before it.
#[derive(Clone, Copy)]
struct Standing {
    /// The moment.
    began: u64,
    /// The last invocation of what came before.
    last_call: u64,
}

/// What follows a block: the first completion of all of it, and the next value, if there is one.
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

impl<'a> Moments<'a> {
    fn new(clusters: &'a Clusters<'a>, failed: &'a [Failed], blocks: &[Block]) -> Self {
        let sequences = [Place::Earliest, Place::Latest].map(|place| Sequence::new(ordered(blocks, place)));
        Self { clusters, failed, sequences }
    }

    /// Whether moments are found, stretch by stretch.
    fn exist(&self) -> bool {
        let blocks = &self.sequences[0].blocks;
        // Where the last stretches began, from which another order may lead on.
        let mut begun: VecDeque<(usize, Standing)> = VecDeque::with_capacity(BLOCKS_MAX);
        let (mut at, mut standing, mut sets_left) = (0, Standing { began: 0, last_call: 0 }, SETS_MAX);
        while at < blocks.len() {
            if begun.len() == BLOCKS_MAX {
                begun.pop_front();
            }
            begun.push_back((at, standing));
            let end = self.next_common(at);
            let reached = self.latest(at..end, standing).map(|standing| (at..end, standing));
            let reached = reached.or_else(|| self.otherwise(&begun, end, &mut sets_left));
            let Some((stretch, next)) = reached else { return false };
            // What began within the stretch is in another order now.
            begun.retain(|(at, _)| *at <= stretch.start);
            (at, standing) = (stretch.end, next);
        }
        true
    }

    /// A longer stretch over the end of one that no sequence grants, that another order of its blocks does: the shortest
    /// one, with how it ends.
    fn otherwise(
        &self,
        begun: &VecDeque<(usize, Standing)>,
        end: usize,
        sets_left: &mut usize,
    ) -> Option<(Range<usize>, Standing)> {
        let sequence = &self.sequences[0];
        let further = |end: &usize| (*end < sequence.blocks.len()).then(|| self.next_common(*end));
        let ends: Vec<usize> = std::iter::successors(Some(end), further).take(ENDS_MAX).collect();
        for (at, standing) in begun.iter().rev() {
            for stretch in ends.iter().map(|end| *at..*end).filter(|stretch| stretch.len() <= BLOCKS_MAX) {
                let limit = SETS_OF_BLOCKS_MAX.min(*sets_left);
                let orders = Orders { moments: self, blocks: &sequence.blocks[stretch.clone()] };
                let (began, sets) = orders.latest(*standing, sequence.rest(stretch.end), limit);
                *sets_left -= sets;
                if let Some(began) = began {
                    return Some((stretch, standing.with(began).after(orders.blocks)));
                }
            }
        }
        None
    }

    /// The next position at which both sequences have had the same blocks, and are at the same one.
    fn next_common(&self, at: usize) -> usize {
        let [earliest, latest] = [0, 1].map(|which: usize| &self.sequences[which].blocks);
        // Blocks that one of them has had and the other not.
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

    /// How what follows a stretch can begin at the latest, in either sequence.
    fn latest(&self, stretch: Range<usize>, standing: Standing) -> Option<Standing> {
        let different = if stretch.len() == 1 { 1 } else { 2 };
        let ends = self.sequences[..different].iter().filter_map(|each| self.in_order(each, stretch.clone(), standing));
        ends.max_by_key(|end| end.began)
    }

    /// The same, of a stretch as a sequence has it.
    fn in_order(&self, sequence: &Sequence, mut stretch: Range<usize>, standing: Standing) -> Option<Standing> {
        stretch.try_fold(standing, |standing, at| {
            let block = sequence.blocks[at];
            let began = self.through(block, standing, sequence.rest(at + 1))?;
            Some(standing.with(began).after(&[block]))
        })
    }

    /// Through the values of a block, as late as can be, to the one that follows; of the last there has to be no more than
    /// that all is granted.
    fn through(&self, block: Block, standing: Standing, rest: Rest) -> Option<u64> {
        let chain: Vec<u32> = self.clusters.chain(block.root).collect();
        let mut first_ret = vec![rest.first_ret; chain.len()];
        for at in (1..chain.len()).rev() {
            first_ret[at - 1] = first_ret[at].min(self.clusters.all[chain[at] as usize].first_ret());
        }
        let Standing { mut began, mut last_call } = standing;
        for (at, number) in chain.iter().enumerate() {
            last_call = last_call.max(self.clusters.all[*number as usize].last_call());
            let rest = Rest { first_ret: first_ret[at], next: chain.get(at + 1).copied().or(rest.next) };
            began = self.leave(*number, Standing { began, last_call }, rest)?;
        }
        Some(began)
    }

    /// From a value to the next; `last_call` has its own operations, too.
    fn leave(&self, number: u32, Standing { began, last_call }: Standing, rest: Rest) -> Option<u64> {
        let from = self.failed.partition_point(|failed| failed.cluster < number);
        let mine = self.failed[from..].iter().take_while(|failed| failed.cluster == number);
        let bound = mine.filter(|failed| failed.call > began).map(|failed| failed.ret - 1).min();
        let Some(next) = rest.next else { return Some(began).filter(|_| bound.is_none()) };
        // The value goes when the next one is written.
        let ends = rest.first_ret.saturating_sub(1).min(bound.unwrap_or(u64::MAX));
        Some(ends).filter(|ends| *ends >= last_call.max(began).max(self.clusters.all[next as usize].written.1))
    }
}

/// All orders of a few blocks that begin with the first of them.
struct Orders<'a> {
    moments: &'a Moments<'a>,
    blocks: &'a [Block],
}

/// By a set of blocks, a bit each, and the last of them: the latest moment at which that can begin.
type Latest = FxHashMap<(u32, usize), u64>;

impl Orders<'_> {
    /// The latest moment at which what follows can begin, and how many sets were looked at; nothing past a limit of them.
    fn latest(&self, standing: Standing, rest: Rest, sets_max: usize) -> (Option<u64>, usize) {
        let mut looked_at = 0;
        let mut latest = Latest::from_iter([((1, 0), standing.began)]);
        for _ in 1..self.blocks.len() {
            looked_at += latest.len();
            if looked_at > sets_max {
                return (None, sets_max);
            }
            let mut longer = Latest::default();
            for ((set, last), began) in latest {
                self.lengthen(set, last, standing.with(began), rest, &mut longer);
            }
            latest = longer;
        }
        let ends = latest.into_iter().filter_map(|((set, last), began)| {
            let here = self.before(set, last, standing.with(began));
            self.moments.through(self.blocks[last], here, rest)
        });
        (ends.max(), looked_at)
    }

    /// Lets each block that is not there yet follow the last one.
    fn lengthen(&self, set: u32, last: usize, standing: Standing, rest: Rest, longer: &mut Latest) {
        let here = self.before(set, last, standing);
        let missing = || (0..self.blocks.len()).filter(|block| set & 1 << block == 0);
        let first_ret = missing().fold(rest.first_ret, |least, block| least.min(self.blocks[block].first_ret));
        for next in missing() {
            let rest = Rest { first_ret, next: Some(self.blocks[next].root) };
            if let Some(began) = self.moments.through(self.blocks[last], here, rest) {
                let known = longer.entry((set | 1 << next, next)).or_default();
                *known = began.max(*known);
            }
        }
    }

    /// With the blocks that come before the last one.
    fn before(&self, set: u32, last: usize, standing: Standing) -> Standing {
        let before = (0..self.blocks.len()).filter(|block| set & 1 << block != 0 && *block != last);
        let last_call = before.fold(standing.last_call, |last_call, block| last_call.max(self.blocks[block].last_call));
        Standing { last_call, ..standing }
    }
}

impl Standing {
    fn with(self, began: u64) -> Self {
        Self { began, ..self }
    }

    /// With the last invocation when these blocks have come, too.
    fn after(self, blocks: &[Block]) -> Self {
        let last_call = blocks.iter().fold(self.last_call, |last_call, block| last_call.max(block.last_call));
        Self { last_call, ..self }
    }
}

/// Where backward blocks go if they have a choice.
#[derive(Clone, Copy)]
enum Place {
    Earliest,
    Latest,
}

/// The blocks in a sequence that the zones allow, the initial value first.
fn ordered(blocks: &[Block], place: Place) -> Vec<Block> {
    let mut forward: Vec<Block> = blocks.iter().filter(|block| block.is_forward()).copied().collect();
    forward.sort_unstable_by_key(|block| block.first_ret);
    let mut keyed: Vec<(u64, Block)> = forward.iter().map(|block| (block.first_ret, *block)).collect();
    for block in blocks.iter().filter(|block| !block.is_forward()) {
        let around = |moment: u64| {
            let after = forward.partition_point(|other| other.first_ret <= moment);
            after.checked_sub(1).map(|at| forward[at]).filter(|other| moment < other.last_call)
        };
        let moment = match place {
            Place::Earliest => around(block.last_call).map_or(block.last_call, |other| other.last_call),
            Place::Latest => around(block.first_ret - 1).map_or(block.first_ret - 1, |other| other.first_ret - 1),
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

/// A failed compare-and-set during all of which its expected value was certainly there.
fn certainly_there(clusters: &Clusters<'_>, blocks: &[Block], failed: &[Failed]) -> Option<Proof> {
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
