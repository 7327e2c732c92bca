//! Removes needless operations from explanations: each operation of a violation is left out in turn, and is removed if the
//! rest is still a violation of the same kind.
//!
//! A check reports operations that prove a violation, but not the fewest: a cycle names the transactions that an order was
//! first learned from, and another transaction of the cycle may prove the same. So this is done once, for every check whose
//! proofs may be too large, by running the check on fewer and fewer of the operations (the last step of delta debugging:
//! Zeller and Hildebrandt, 2002, 1-minimality). What is removed is kept beside the proof, as context.
//!
//! An anomaly of fewer operations is the same if it has the same kind, key and process. With [`Shrinks::NewAnomaly`] the same
//! kind is enough: key and process are then those of the fewest operations.
//!
//! Why the rest proves that the whole history is a violation, too: these checks learn from what operations record, and learn
//! more from more of them. Only that *nobody* wrote a value is learned from absence, and that is a kind of its own. Two kinds
//! of operations can be the reason why a write need not be seen, and are never removed: a write that the past of another one
//! names, and whatever is neither a read nor a write, such as a delete.
//!
//! Most checks draft proofs in which nothing is needless, as tests prove. Those that follow a path through other operations
//! (cycles of transactions, causal chains, the pasts of registers, the sums of counters) may have more than they need.
//!
//! Time: only for a violation; usually k checks of k operations, and bounded ([`OPERATIONS_MAX`], and the work that the caller
//! allows).

use std::collections::BTreeSet;

use crate::finding::{Anomalies, Anomaly, EventSpan, Finding, Kept, Shrinks};
use crate::history::{Datum, History, Op, Operation, ValueId};
use crate::run::findings::FaultFinding;

/// A violation with more operations stays as it is.
const OPERATIONS_MAX: usize = 100;

/// The kinds that are learned from what nobody did: a part of a history does not prove them.
const BY_ABSENCE: [&str; 2] = ["garbage-read", "unwritten"];

/// A history, parts of which can be judged again. Operations are called by their positions.
pub(crate) trait Whole {
    /// The operation with these events, if it is one.
    fn position(&self, span: &EventSpan) -> Option<usize>;
    /// The cost of judging an operation: the values that it reads or writes, and a constant.
    fn cost(&self, operation: usize) -> usize;
    /// Whether an operation can be the reason why others that are left need not be seen.
    fn hides(&self, left: &[usize], operation: usize) -> bool;
    /// The anomalies that some operations, in order, have by themselves.
    fn judge(&self, operations: &[usize]) -> Vec<Kept>;
}

/// What shrinking may spend.
#[derive(Clone, Copy)]
pub(crate) struct Budget<'b> {
    /// Operations and values handed to checks in total.
    pub work: usize,
    /// Whether the time for it is over.
    pub out_of_time: &'b dyn Fn() -> bool,
}

/// Removes needless operations from the proofs that may have some; new anomalies that are then equal are reported once.
pub(crate) fn shrink(anomalies: &mut Anomalies, whole: &dyn Whole, faults: &[FaultFinding], mut budget: Budget<'_>) {
    let mut known: BTreeSet<(String, Vec<u64>)> = BTreeSet::new();
    for mut kept in std::mem::take(&mut anomalies.kept) {
        if let Some(shrinks) = kept.shrinks {
            shrink_one(shrinks, &mut kept, whole, &mut budget);
            kept.settle(faults);
        }
        let anew = kept.shrinks == Some(Shrinks::NewAnomaly);
        if !anew || known.insert((kept.anomaly.kind.clone(), kept.anomaly.events.clone())) {
            anomalies.kept.push(kept);
        }
    }
}

fn shrink_one(shrinks: Shrinks, kept: &mut Kept, whole: &dyn Whole, budget: &mut Budget<'_>) {
    let mut left: Vec<usize> = kept.proof.iter().filter_map(|span| whole.position(span)).collect();
    left.sort_unstable();
    let few = left.len() <= OPERATIONS_MAX;
    if few && shrinks == Shrinks::NewAnomaly {
        let other = budget.spend(whole, &left).and_then(|()| graver(whole.judge(&left), &kept.anomaly));
        kept.anomaly = other.unwrap_or_else(|| kept.anomaly.clone());
    }
    let mut found = None;
    let tried =
        few && fewest(&mut left, |left, out| can_go(left, out, (shrinks, &kept.anomaly), whole, budget, &mut found));
    let gone = |span: &EventSpan| whole.position(span).is_some_and(|at| left.binary_search(&at).is_err());
    let (needless, proof) = std::mem::take(&mut kept.proof).into_iter().partition(gone);
    kept.proof = proof;
    kept.context.extend::<Vec<EventSpan>>(needless);
    if let (Shrinks::NewExplanation | Shrinks::NewAnomaly, Some(found)) = (shrinks, found) {
        kept.anomaly = found;
    }
    if !tried {
        let (explanation, operations) = (kept.anomaly.explanation.trim_end_matches('.'), left.len());
        let untried = format!(
            "{explanation}; whether fewer than these {operations} operations would do was not tried to the end"
        );
        kept.anomaly.explanation = untried;
    }
}

/// Whether an operation is needless; nothing where a limit was reached. `found` is then what the others are.
fn can_go(
    left: &[usize],
    out: usize,
    (shrinks, anomaly): (Shrinks, &Anomaly),
    whole: &dyn Whole,
    budget: &mut Budget<'_>,
    found: &mut Option<Anomaly>,
) -> Option<bool> {
    if whole.hides(left, left[out]) {
        return Some(false);
    }
    let rest: Vec<usize> = left.iter().enumerate().filter(|(at, _)| *at != out).map(|(_, one)| *one).collect();
    budget.spend(whole, &rest)?;
    let same = whole.judge(&rest).into_iter().find(|other| is_same(shrinks, anomaly, &other.anomaly));
    let can_go = same.is_some();
    *found = same.map(|kept| kept.anomaly).or(found.take());
    Some(can_go)
}

impl Budget<'_> {
    /// Counts the work of judging these operations; nothing if there is too little left.
    fn spend(&mut self, whole: &dyn Whole, operations: &[usize]) -> Option<()> {
        let cost: usize = operations.iter().map(|operation| whole.cost(*operation)).sum();
        self.work = self.work.checked_sub(cost).filter(|_| !(self.out_of_time)())?;
        Some(())
    }
}

/// What makes an anomaly of fewer operations the same: see the module.
fn is_same(shrinks: Shrinks, first: &Anomaly, other: &Anomaly) -> bool {
    let of_the_same = || (&first.key, &first.process) == (&other.key, &other.process);
    first.kind == other.kind && (shrinks == Shrinks::NewAnomaly || of_the_same())
}

/// The anomaly that operations are by themselves, if it is only another one: a check may look for a kind only where it has
/// found no graver one, and so find it only among fewer operations.
fn graver(found: Vec<Kept>, anomaly: &Anomaly) -> Option<Anomaly> {
    if found.iter().any(|other| is_same(Shrinks::NewAnomaly, anomaly, &other.anomaly)) {
        return None;
    }
    found.into_iter().map(|kept| kept.anomaly).find(|other| !BY_ABSENCE.contains(&other.kind.as_str()))
}

/// Removes what can go, the last first, until nothing can; false if `can_go` stopped answering.
fn fewest<T>(kept: &mut Vec<T>, mut can_go: impl FnMut(&[T], usize) -> Option<bool>) -> bool {
    let mut at = kept.len();
    let mut smaller = false;
    loop {
        if at == 0 {
            // What was needed by an operation that is gone may be needless now.
            if !std::mem::take(&mut smaller) {
                return true;
            }
            at = kept.len();
        }
        at -= 1;
        match can_go(kept, at) {
            None => return false,
            Some(true) => {
                kept.remove(at);
                smaller = true;
            }
            Some(false) => {}
        }
    }
}

/// Operations as a recording has them, in the order of invocation.
pub(crate) struct OfOperations<'a, 'h> {
    pub operations: &'a [Operation<'h>],
    pub judge: &'a dyn Fn(&[Operation<'h>]) -> Vec<Kept>,
}

impl Whole for OfOperations<'_, '_> {
    fn position(&self, span: &EventSpan) -> Option<usize> {
        self.operations.binary_search_by_key(&span.begin.0, |operation| operation.invoked()).ok()
    }

    fn cost(&self, operation: usize) -> usize {
        let operation = &self.operations[operation];
        let elements = |value: &ValueId| match operation.history().datum(*value) {
            Datum::List(elements) | Datum::Set(elements) => elements,
            _ => &[],
        };
        let micro = |value: &ValueId| elements(value).iter().map(|part| elements(part).len()).sum::<usize>();
        let shown = elements(&operation.result());
        10 + shown.len() + shown.iter().map(micro).sum::<usize>()
    }

    fn hides(&self, _left: &[usize], _operation: usize) -> bool {
        false
    }

    fn judge(&self, operations: &[usize]) -> Vec<Kept> {
        let part: Vec<Operation<'_>> = operations.iter().map(|at| self.operations[*at]).collect();
        (self.judge)(&part)
    }
}

/// A history in columns.
pub(crate) struct OfColumns<'a> {
    pub records: &'a History,
    pub judge: &'a dyn Fn(&History) -> Finding,
}

impl OfColumns<'_> {
    /// Whether it is a read, or a write of something.
    fn is_known(&self, op: &Op) -> bool {
        match self.records.text(op.f) {
            "write" | "w" => !op.argument.is_nil(),
            f => matches!(f, "read" | "r" | "add" | "append" | "txn"),
        }
    }
}

impl Whole for OfColumns<'_> {
    fn position(&self, span: &EventSpan) -> Option<usize> {
        self.records.invoked_at(span.begin.0)
    }

    fn cost(&self, operation: usize) -> usize {
        10 + self.records.values_of(operation)
    }

    fn hides(&self, left: &[usize], operation: usize) -> bool {
        let op = &self.records.ops[operation];
        let named = |other: &usize| {
            self.records
                .past(*other)
                .is_some_and(|past| past.iter().any(|value| self.records.is_equal(*value, op.argument)))
        };
        !self.is_known(op) || left.iter().any(named)
    }

    fn judge(&self, operations: &[usize]) -> Vec<Kept> {
        let Ok(part) = self.records.only(operations) else { return Vec::new() };
        let found = (self.judge)(&part);
        if found.violations > 0 { found.anomalies.kept } else { Vec::new() }
    }
}
