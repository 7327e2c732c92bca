//! The fast path of a stack, if each element is pushed once.
//!
//! The idea: find the element at the bottom, remove it, and continue with the rest. At a moment at which no element is
//! certainly inside, the stack can be empty, so the two sides of that moment are independent. In a *stretch* without
//! such a moment the stack is never empty, so one element is at the bottom all the time: it is pushed before everything
//! else in the stretch and popped after everything else. Any element that can be at the bottom will do: if it is
//! removed, the rest is linearizable if and only if the whole is, since any order of the rest fits between its push and
//! its pop. Without it, there may be new moments at which no element is certainly inside, which divide the stretch
//! further. If no element can be at the bottom, there is no order. An operation that found the stack empty needs such a
//! moment of the whole.
//!
//! Each element is removed once and each moment is uncovered once, and trees over the moments find them: O(n log n).
//! Lee and Mathur (arXiv 2410.04581) have the same bound; Abdulla et al. (arXiv 2509.17795) need O(n²).

use super::contents::{Conflict, Contents, OutOfTime};

/// The time is checked once in so many stretches.
const LOOK_EVERY: u32 = 4096;

/// The elements of a stretch in which none can be at the bottom, or an operation that cannot have found the stack
/// empty. `Err` if the time runs out before that is known.
pub(super) fn judge(contents: &Contents, out_of_time: &dyn Fn() -> bool) -> Result<Option<Conflict>, OutOfTime> {
    let mut stack = Stack::new(contents);
    let mut stretches = stack.uncovered(0, stack.moments.len() as u32);
    let mut looked_at = 0u32;
    while let Some((from, to)) = stretches.pop() {
        looked_at += 1;
        if looked_at.is_multiple_of(LOOK_EVERY) && out_of_time() {
            return Err(OutOfTime);
        }
        debug_assert!(from < to, "a stretch is not empty");
        let Some(bottom) = stack.bottom(from, to) else {
            return Ok(Some(Conflict { held: stack.certain_within(from, to), empty: None }));
        };
        stack.coverage.add(stack.pushed[bottom], stack.popped[bottom], -1);
        stretches.extend(stack.uncovered(from, to));
    }
    Ok(contents.never_empty())
}

/// No element here.
const NONE: u32 = u32::MAX;

struct Stack<'a> {
    contents: &'a Contents,
    /// When elements begin and cease to be certainly inside, ascending, in ranks of the history. A gap is the time
    /// between two successive ones.
    moments: Vec<u32>,
    /// For each moment the element whose push completes then, or [`NONE`].
    element: Vec<u32>,
    /// For each element the moment at which its push completes, and that at which its pop is invoked.
    pushed: Vec<u32>,
    popped: Vec<u32>,
    /// For each gap, how many elements are certainly inside.
    coverage: Coverage,
    /// Elements whose push was not found to be early enough yet: the invocation of the push, by the moment of
    /// completion.
    not_yet: Tree,
    /// Elements whose push is early enough: the completion of the pop, negated, so that the latest one is the least.
    ready: Tree,
}

impl<'a> Stack<'a> {
    fn new(contents: &'a Contents) -> Self {
        let held = &contents.held;
        let mut bounds: Vec<(u32, u32)> = Vec::with_capacity(held.len() * 2);
        for (place, held) in held.iter().enumerate().filter(|(_, held)| held.is_certain()) {
            bounds.push((held.insert_ret, place as u32 * 2));
            bounds.push((held.remove_call, place as u32 * 2 + 1));
        }
        bounds.sort_unstable();

        let mut element = vec![NONE; bounds.len()];
        let (mut pushed, mut popped) = (vec![0; held.len()], vec![0; held.len()]);
        let mut not_yet = vec![NONE; bounds.len()];
        let mut inside = 0;
        let mut coverage = Vec::with_capacity(bounds.len());
        for (moment, (_, bound)) in bounds.iter().enumerate() {
            let place = (bound / 2) as usize;
            if bound % 2 == 0 {
                (element[moment], pushed[place]) = (place as u32, moment as u32);
                not_yet[moment] = held[place].insert_call;
                inside += 1;
            } else {
                popped[place] = moment as u32;
                inside -= 1;
            }
            coverage.push(inside);
        }
        debug_assert!(inside == 0, "every element that is certainly inside begins and ceases to be");
        let ready = Tree::new(vec![NONE; bounds.len()]);
        let moments = bounds.into_iter().map(|(moment, _)| moment).collect();
        let (coverage, not_yet) = (Coverage::new(&coverage), Tree::new(not_yet));
        Self { contents, moments, element, pushed, popped, coverage, not_yet, ready }
    }

    /// An element that can be at the bottom from the first to the last moment of a stretch: its push was invoked before
    /// the first, and its pop completed after the last. It is removed from the trees.
    ///
    /// A push that is early enough for a stretch is so for all stretches within it, which begin no earlier; so an
    /// element moves from `not_yet` to `ready` once, and never back.
    fn bottom(&mut self, from: u32, to: u32) -> Option<usize> {
        let (begins, ends) = (self.moments[from as usize], self.moments[to as usize]);
        while let Some((call, moment)) = self.not_yet.least(from, to).filter(|(call, _)| *call < begins) {
            debug_assert!(call < begins, "the push is invoked before the stretch begins");
            self.not_yet.set(moment, NONE);
            let place = self.element[moment as usize] as usize;
            self.ready.set(moment, NONE - 1 - self.contents.held[place].remove_ret);
        }
        let (negated, moment) = self.ready.least(from, to)?;
        if negated == NONE || NONE - 1 - negated <= ends {
            return None;
        }
        self.ready.set(moment, NONE);
        Some(self.element[moment as usize] as usize)
    }

    /// Marks the gaps between these moments in which no element is left, and returns the stretches between them.
    fn uncovered(&mut self, from: u32, to: u32) -> Vec<(u32, u32)> {
        let (mut stretches, mut begin) = (Vec::new(), from);
        while let Some(gap) = self.coverage.take_zero(begin, to) {
            if begin < gap {
                stretches.push((begin, gap));
            }
            begin = gap + 1;
        }
        if begin < to {
            stretches.push((begin, to));
        }
        stretches
    }

    /// The elements that are certainly inside at some time of a stretch and were not removed.
    fn certain_within(&self, from: u32, to: u32) -> Vec<usize> {
        let left = |moment: &u32| self.not_yet.get(*moment) != NONE || self.ready.get(*moment) != NONE;
        (from..to).filter(left).map(|moment| self.element[moment as usize] as usize).collect()
    }
}

/// A segment tree: the least of any range of numbers, any of which can change.
struct Tree {
    leaves: usize,
    least: Vec<u32>,
}

impl Tree {
    fn new(values: Vec<u32>) -> Self {
        let leaves = values.len().next_power_of_two();
        let mut least = vec![NONE; leaves];
        least.extend(values);
        least.resize(2 * leaves, NONE);
        for node in (1..leaves).rev() {
            least[node] = least[2 * node].min(least[2 * node + 1]);
        }
        Self { leaves, least }
    }

    fn get(&self, at: u32) -> u32 {
        self.least[self.leaves + at as usize]
    }

    fn set(&mut self, at: u32, value: u32) {
        let mut node = self.leaves + at as usize;
        self.least[node] = value;
        while node > 1 {
            node /= 2;
            let least = self.least[2 * node].min(self.least[2 * node + 1]);
            if self.least[node] == least {
                break;
            }
            self.least[node] = least;
        }
    }

    /// The least number from `from` to before `to`, with its position.
    fn least(&self, from: u32, to: u32) -> Option<(u32, u32)> {
        debug_assert!(from <= to && to as usize <= self.leaves, "a range lies within the tree");
        let (mut low, mut high) = (self.leaves + from as usize, self.leaves + to as usize);
        let (mut best, mut value) = (0, NONE);
        while low < high {
            if low % 2 == 1 {
                (best, value) = if self.least[low] < value { (low, self.least[low]) } else { (best, value) };
                low += 1;
            }
            if high % 2 == 1 {
                high -= 1;
                (best, value) = if self.least[high] < value { (high, self.least[high]) } else { (best, value) };
            }
            (low, high) = (low / 2, high / 2);
        }
        if value == NONE {
            return None;
        }
        while best < self.leaves {
            best = if self.least[2 * best] == value { 2 * best } else { 2 * best + 1 };
        }
        Some((value, (best - self.leaves) as u32))
    }
}

/// How many elements cover each gap: a segment tree in which the counts of a range change together, and each zero is
/// found once.
struct Coverage {
    leaves: usize,
    /// The least count of a node's gaps, without the amounts that its ancestors add.
    least: Vec<i32>,
    /// The amount that is added to all gaps of a node.
    added: Vec<i32>,
}

/// The count of a gap whose zero was found. No element covers that gap, so its count never changes again.
const FOUND: i32 = i32::MAX / 2;

impl Coverage {
    fn new(counts: &[i32]) -> Self {
        let leaves = counts.len().next_power_of_two();
        let mut least = vec![FOUND; leaves];
        least.extend(counts);
        least.resize(2 * leaves, FOUND);
        for node in (1..leaves).rev() {
            least[node] = least[2 * node].min(least[2 * node + 1]);
        }
        Self { leaves, least, added: vec![0; 2 * leaves] }
    }

    /// Adds to the counts from `from` to before `to`.
    fn add(&mut self, from: u32, to: u32, number: i32) {
        let (mut low, mut high) = (self.leaves + from as usize, self.leaves + to as usize);
        let ends = [low, high - 1];
        while low < high {
            for node in [(low % 2 == 1).then_some(low), (high % 2 == 1).then(|| high - 1)].into_iter().flatten() {
                self.least[node] += number;
                self.added[node] += number;
            }
            (low, high) = (low.div_ceil(2), high / 2);
        }
        ends.into_iter().for_each(|leaf| self.refresh(leaf));
    }

    fn refresh(&mut self, leaf: usize) {
        let mut node = leaf / 2;
        while node > 0 {
            self.least[node] = self.least[2 * node].min(self.least[2 * node + 1]) + self.added[node];
            node /= 2;
        }
    }

    /// The first gap from `from` to before `to` whose count is zero. It is not found again.
    fn take_zero(&mut self, from: u32, to: u32) -> Option<u32> {
        let gap = self.first_zero(from as usize, to as usize)?;
        let leaf = self.leaves + gap;
        self.least[leaf] = FOUND;
        self.refresh(leaf);
        Some(gap as u32)
    }

    fn first_zero(&self, from: usize, to: usize) -> Option<usize> {
        if from >= to {
            return None;
        }
        // Nodes still to visit, the leftmost last, with the amount that their ancestors add, their first gap and their
        // width.
        let mut nodes = vec![(1, 0, 0, self.leaves)];
        while let Some((node, above, begin, width)) = nodes.pop() {
            if begin >= to || begin + width <= from || self.least[node] + above > 0 {
                continue;
            }
            debug_assert!(self.least[node] + above == 0, "no gap is covered by fewer than no elements");
            if node >= self.leaves {
                return Some(begin);
            }
            let (above, half) = (above + self.added[node], width / 2);
            nodes.push((2 * node + 1, above, begin + half, half));
            nodes.push((2 * node, above, begin, half));
        }
        None
    }
}
