//! Had the register, whenever a compare-and-set failed, another value than the expected one at some moment?
//!
//! Only asked when everything else has an order. The blocks of values are put in a sequence (see `register`), and the
//! moments at which one value follows the other are chosen from left to right, each as late as the failed
//! compare-and-sets of the value before it allow: a later moment is never worse for what comes after. So this is exact
//! for one sequence. Forward blocks have only one; a backward block may have several places, of which the earliest and
//! the latest are tried, side by side: wherever both have had the same values and are at the same one, each goes on from
//! the better of the two moments. If neither does, a value that was certainly there during a whole failed compare-and-set
//! that expected it is a violation, and anything else is left undecided. O(n log n).
//!
//! No quick path can decide all of it, unless P = NP. Values that were written during the whole history may come in any
//! order, and each keeps the register for one span of time; a failed compare-and-set on a value is a span that it must not
//! contain. With many short ones everywhere but in two places, a value can bridge one of these two places or hardly any
//! time at all; values follow one another without a gap, so all of the time has to be bridged. To choose for each value
//! one of its two spans so that they cover a line is "rainbow covering", which is NP-complete (Arkin, Banik, Carmi,
//! Citovsky, Katz, Mitchell, Simakov, "Selecting and covering colored points"). So what neither order of the blocks
//! grants goes to the general search, which is bounded, and exact where it ends.

use rustc_hash::FxHashSet;

use super::register::{Action, Block, Clusters, Proof, Zones, call_of, proof, ret_of};

/// A failed compare-and-set: the cluster that it expected, when it was open, and its position in the list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Failed {
    cluster: u32,
    call: u64,
    ret: u64,
    at: usize,
}

/// Where backward blocks go if they have a choice.
#[derive(Clone, Copy)]
enum Place {
    Earliest,
    Latest,
}

/// Judges the failed compare-and-sets of a register whose other operations have an order with these blocks.
pub(super) fn judge(clusters: &Clusters<'_>, blocks: &[Block]) -> Zones {
    let failed = failed(clusters);
    if failed.is_empty() {
        return Zones::Linearizable;
    }
    if granted(clusters, &failed, [Place::Earliest, Place::Latest].map(|place| Walk::new(clusters, blocks, place))) {
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

/// Whether moments can be found that grant each failed compare-and-set another value.
fn granted(clusters: &Clusters<'_>, failed: &[Failed], mut walks: [Walk; 2]) -> bool {
    // Values that one of the walks has had and the other not.
    let mut ahead: FxHashSet<u32> = FxHashSet::default();
    for at in 0..walks[0].sequence.len() {
        let values = [0, 1].map(|walk: usize| walks[walk].sequence[at]);
        for value in values.into_iter().filter(|_| values[0] != values[1]) {
            if !ahead.insert(value) {
                ahead.remove(&value);
            }
        }
        if ahead.is_empty() && values[0] == values[1] {
            let latest = walks[0].began.max(walks[1].began);
            walks.iter_mut().for_each(|walk| walk.began = latest);
        }
        walks.iter_mut().for_each(|walk| walk.step(clusters, failed, at));
        if walks.iter().all(|walk| walk.began.is_none()) {
            return false;
        }
    }
    true
}

/// Values one after the other, and when the one at hand began.
struct Walk {
    sequence: Vec<u32>,
    /// By position: until when that value may stay, for the sake of those that come later.
    until: Vec<u64>,
    last_call: u64,
    /// None if no moments grant all so far.
    began: Option<u64>,
}

impl Walk {
    fn new(clusters: &Clusters<'_>, blocks: &[Block], place: Place) -> Self {
        let sequence: Vec<u32> = ordered(blocks, place).iter().flat_map(|block| clusters.chain(block.root)).collect();
        let mut until: Vec<u64> = vec![u64::MAX; sequence.len()];
        let mut first_ret = u64::MAX;
        for (at, number) in sequence.iter().enumerate().rev() {
            until[at] = first_ret.saturating_sub(1);
            first_ret = first_ret.min(clusters.all[*number as usize].first_ret());
        }
        Self { sequence, until, last_call: 0, began: Some(0) }
    }

    /// From the value at a position to the next, as late as can be; at the last one it only has to be granted.
    fn step(&mut self, clusters: &Clusters<'_>, failed: &[Failed], at: usize) {
        let number = self.sequence[at];
        self.last_call = self.last_call.max(clusters.all[number as usize].last_call());
        let Some(began) = self.began else { return };
        let from = failed.partition_point(|failed| failed.cluster < number);
        let mine = failed[from..].iter().take_while(|failed| failed.cluster == number);
        let bound = mine.filter(|failed| failed.call > began).map(|failed| failed.ret - 1).min();
        let ends = self.until[at].min(bound.unwrap_or(u64::MAX));
        self.began = match self.sequence.get(at + 1) {
            None => Some(began).filter(|_| bound.is_none()),
            // The value goes when the next one is written.
            Some(next) => {
                Some(ends).filter(|ends| *ends >= self.last_call.max(began).max(clusters.all[*next as usize].written.1))
            }
        };
    }
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
