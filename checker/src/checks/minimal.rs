//! Explanations without needless operations: of a violation that was found, the operations are tried again, each time
//! without one, and it stays away if what is left is a violation of the same kind.
//!
//! A check tells operations that are a violation by themselves, but to tell the fewest is not its business: a cycle names the
//! transactions that an order was first learned from, and another of the cycle may show the same. So this is done once, for
//! every model whose explanations may be too large, by running its check on ever fewer of the operations (the last step of
//! delta debugging: Zeller and Hildebrandt, 2002, 1-minimality). What is told in words is then that of the smallest.
//!
//! Why what is left proves that the whole is broken, too: these checks learn from what operations say, and learn more from
//! more of them. Only what *nobody* wrote is learned from absence, and that is a kind by itself. Two things hide what others
//! wrote, and stay: what the past of another names, and whatever is neither a read nor a write, as a delete.
//!
//! The properties of the bench's own workloads draft their proofs so that nothing is needless, which tests prove; those that
//! follow a way through other operations (cycles of transactions, causal chains, the pasts of registers, the sums of counters)
//! may have more than they need, and are shrunk here in the same manner ([`shrink_proofs`]). What is taken away stays beside the
//! proof, as context. There the words tell of the whole history ("absent from all 5 final reads"), and stay as they are but for
//! chains and cycles.
//!
//! Time: only where there is a violation; k checks of k operations, mostly, and bounded ([`OPERATIONS_MAX`], [`WORK_MAX`],
//! [`PROOFS_WORK_MAX`]).

use std::collections::BTreeSet;

use crate::finding::{Anomalies, Kept, Place, Shrinks};
use crate::history::{Datum, History, Op, Operation, ValueId};
use crate::limits::{Decision, Limits, Violation};
use crate::verdict::{Anomaly, FaultFinding, Outcome};

/// A violation with more operations stays as it is.
const OPERATIONS_MAX: usize = 100;
/// Operations and values handed to checks, all in all.
const WORK_MAX: usize = 2_000_000;
/// The same for the proofs of a property's anomalies.
const PROOFS_WORK_MAX: usize = 200_000;
/// What a check may tell of so few operations: enough that one of a kind is not hidden by many of another.
const VIOLATIONS_MAX: usize = 1000;

/// The kinds that are learned from what nobody did: of a part of a history they prove nothing.
const BY_ABSENCE: [&str; 2] = ["garbage-read", "unwritten"];

/// Checks a part of the history.
type Check<'c> = dyn Fn(&History, &Limits<'_>) -> Decision + 'c;

/// Takes needless operations out of the violations that are explained; those that then are the same are told once.
pub(crate) fn shrink(decision: &mut Decision, records: &History, limits: &Limits<'_>, check: &Check<'_>) {
    let limits = Limits { violations_max: VIOLATIONS_MAX, threads: 1, ..*limits };
    let mut shrinking = Shrinking { records, limits, check, work_left: WORK_MAX };
    let mut told: BTreeSet<(String, Vec<u64>)> = BTreeSet::new();
    for mut violation in std::mem::take(&mut decision.violations) {
        shrinking.violation(&mut violation);
        if told.insert((violation.kind.clone(), violation.events.clone())) {
            decision.violations.push(violation);
        }
    }
}

/// Takes away what can go, the last first, until nothing can; false if `can_go` did not answer any more.
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

/// All but one.
fn without<T: Copy>(all: &[T], out: usize) -> Vec<T> {
    all.iter().enumerate().filter(|(at, _)| *at != out).map(|(_, one)| *one).collect()
}

/// Judges a part of the history by one property.
type Judge<'j, 'h> = dyn Fn(&[Operation<'h>]) -> Vec<Kept> + 'j;

/// The same for the anomalies of a property: takes needless operations out of the proofs that may have such. They stay beside it,
/// where they may help to understand it. `operations` are all of the history, in the order of invocation.
pub(crate) fn shrink_proofs<'h>(
    anomalies: &mut Anomalies,
    operations: &[Operation<'h>],
    faults: &[FaultFinding],
    judge: &Judge<'_, 'h>,
) {
    let mut work_left = PROOFS_WORK_MAX;
    let tried = anomalies.kept.iter_mut().filter_map(|kept| Some((kept.shrinks?, kept)));
    for (shrinks, kept) in tried {
        shrink_proof(shrinks, kept, operations, judge, &mut work_left);
        kept.settle(faults);
    }
}

fn shrink_proof<'h>(
    shrinks: Shrinks,
    kept: &mut Kept,
    operations: &[Operation<'h>],
    judge: &Judge<'_, 'h>,
    work_left: &mut usize,
) {
    let at = |place: &Place| operations.binary_search_by_key(&place.begin.0, |operation| operation.invoked()).ok();
    let mut left: Vec<Operation<'h>> = kept.proof.iter().filter_map(at).map(|at| operations[at]).collect();
    let mut told = None;
    let whole = left.len() <= OPERATIONS_MAX
        && fewest(&mut left, |left, out| {
            let rest = without(left, out);
            let cost: usize = rest.iter().map(cost).sum();
            *work_left = work_left.checked_sub(cost)?;
            let same = |other: &Kept| identity(&other.anomaly) == identity(&kept.anomaly);
            let found = judge(&rest).into_iter().find(same);
            let can_go = found.is_some();
            told = found.or(told.take());
            Some(can_go)
        });
    let gone = |place: &Place| at(place).is_some() && !left.iter().any(|operation| Place::of(operation) == *place);
    let (needless, proof) = std::mem::take(&mut kept.proof).into_iter().partition(gone);
    kept.proof = proof;
    kept.context.extend::<Vec<Place>>(needless);
    if let (Shrinks::Retold, Some(found)) = (shrinks, told) {
        kept.anomaly.explanation = found.anomaly.explanation;
    }
    if !whole {
        let (told, operations) = (kept.anomaly.explanation.trim_end_matches('.'), left.len());
        let untried =
            format!("{told}; whether fewer than these {operations} operations would do was not tried to the end");
        kept.anomaly.explanation = untried;
    }
}

/// What makes an anomaly of fewer operations the same: it is of a kind, on a key, and the same process is wronged.
fn identity(anomaly: &Anomaly) -> (&str, Option<&str>, Option<u64>) {
    (&anomaly.kind, anomaly.key.as_deref(), anomaly.process)
}

/// How much it is to judge an operation: the values that it reads or writes, and something for itself.
fn cost(operation: &Operation<'_>) -> usize {
    let elements = |value: &ValueId| match operation.history().datum(*value) {
        Datum::List(elements) => elements,
        _ => &[],
    };
    let micro = |value: &ValueId| elements(value).iter().map(|part| elements(part).len()).sum::<usize>();
    let shown = elements(&operation.result());
    10 + shown.len() + shown.iter().map(micro).sum::<usize>()
}

struct Shrinking<'a> {
    records: &'a History,
    limits: Limits<'a>,
    check: &'a Check<'a>,
    work_left: usize,
}

impl Shrinking<'_> {
    fn violation(&mut self, violation: &mut Violation) {
        let ops: BTreeSet<usize> =
            violation.events.iter().filter_map(|index| self.records.invoked_at(*index)).collect();
        let mut kept: Vec<usize> = ops.into_iter().collect();
        if kept.len() > OPERATIONS_MAX || self.cost(&kept) > self.work_left {
            let operations = kept.len();
            violation
                .explanation
                .push_str(&format!(" Whether fewer than these {operations} operations would do was not tried."));
            return;
        }
        if let Some(other) = self.by_itself(&kept, &violation.kind) {
            *violation = other;
        }
        if !self.fewest(&mut kept, violation) {
            violation.explanation.push_str(" Whether fewer operations would do was not tried to the end.");
        }
    }

    /// Takes away what can go; false if a limit was reached before.
    fn fewest(&mut self, kept: &mut Vec<usize>, violation: &mut Violation) -> bool {
        fewest(kept, |kept, at| {
            if self.hides(kept, at) {
                return Some(false);
            }
            if self.cost(kept) > self.work_left || (self.limits.out_of_time)() {
                return None;
            }
            let found = self.same_kind(&without(kept, at), &violation.kind);
            let can_go = found.is_some();
            if let Some(found) = found {
                *violation = found;
            }
            Some(can_go)
        })
    }

    /// The violation that operations are by themselves, if they are one of another kind only: a check may look for a kind only
    /// where it has found no graver one, and find that where there is less.
    fn by_itself(&mut self, ops: &[usize], kind: &str) -> Option<Violation> {
        let found = self.found(ops);
        match found.iter().any(|violation| violation.kind == kind) {
            true => None,
            false => found.into_iter().find(|violation| !BY_ABSENCE.contains(&violation.kind.as_str())),
        }
    }

    /// The violation of this kind with the fewest operations that some operations are by themselves.
    fn same_kind(&mut self, ops: &[usize], kind: &str) -> Option<Violation> {
        let same = self.found(ops).into_iter().filter(|violation| violation.kind == kind);
        same.min_by_key(|violation| violation.events.len())
    }

    /// What a check finds in some operations by themselves.
    fn found(&mut self, ops: &[usize]) -> Vec<Violation> {
        self.work_left = self.work_left.saturating_sub(self.cost(ops));
        let Ok(part) = self.records.only(ops) else { return Vec::new() };
        let decision = (self.check)(&part, &self.limits);
        if decision.outcome == Outcome::Invalid { decision.violations } else { Vec::new() }
    }

    /// Whether an operation says of others that they need not be seen.
    fn hides(&self, kept: &[usize], at: usize) -> bool {
        let op = &self.records.ops[kept[at]];
        let named = |other: &usize| self.records.past(*other).is_some_and(|past| past.contains(&op.argument));
        !self.is_known(op) || kept.iter().any(named)
    }

    /// Whether it is a read, or a write of something.
    fn is_known(&self, op: &Op) -> bool {
        match self.records.text(op.f) {
            "write" | "w" => !op.argument.is_nil(),
            f => matches!(f, "read" | "r" | "add" | "append" | "txn"),
        }
    }

    fn cost(&self, ops: &[usize]) -> usize {
        ops.iter().map(|op| 10 + self.records.values_of(*op)).sum()
    }
}
