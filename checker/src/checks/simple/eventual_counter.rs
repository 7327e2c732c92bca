//! An eventually consistent counter ends at the sum of what was added: Maelstrom's `pn-counter` and `g-counter`.
//!
//! Only the final reads count, which clients make after the network was healed and replicas had time to exchange what
//! they know: those of the phase `final`, or with `final? true`. Each returns the sum of all acknowledged additions,
//! and of some of those whose outcome is unknown. What a final read can return is computed exactly while there are
//! few such sums, else it is bounded by the least and the largest.

use std::collections::BTreeSet;

use crate::checks::by_key::{Unread, by_key, is, of};
use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::finding::{Draft, Finding};
use crate::history::{History, Op, Phase, ValueId};
use crate::limits::Limits;
use crate::objects::Object;
use crate::objects::completion::written;

/// So many sums are kept; more are only bounded.
const SUMS_MAX: usize = 100_000;

/// Checks final reads of a counter.
pub(crate) struct EventualCounter {
    /// Whether it only grows.
    pub grows: bool,
}

impl Check for EventualCounter {
    fn name(&self) -> &'static str {
        if self.grows { "g-counter" } else { "pn-counter" }
    }

    fn about(&self) -> &'static str {
        match self.grows {
            true => "add n (not negative), read (final? true): each final read is the sum of all additions (Maelstrom)",
            false => "add n, read (final? true): each final read is the sum of all additions (Maelstrom)",
        }
    }

    fn scope(&self) -> Scope {
        Scope::Key
    }

    fn objects(&self) -> &'static [Object] {
        &[Object::Counter]
    }

    fn nature(&self) -> Nature {
        // Later additions may explain what a read returned too early to be final.
        Nature { lasting: false, ..Nature::LASTING.needing(40) }
    }

    fn judge(&self, view: &View<'_>, context: &Context<'_>) -> Finding {
        view.by_records(|records| check(records, self.grows, &context.limits))
    }
}

/// Checks `add` and final `read`s.
pub(crate) fn check(records: &History, grows: bool, limits: &Limits<'_>) -> Finding {
    let keys = match by_key(records, &["add", "read"]) {
        Ok(keys) => keys,
        Err(why) => return Finding::undecided(why),
    };
    let mut finding = Finding::default();
    let (mut finals, mut reads, mut unread) = (0u64, 0u64, Unread::default());
    for (key, ops) in &keys {
        let sums = match Sums::new(records, ops, grows) {
            Ok(sums) => sums,
            Err(problem) => return Finding::undecided(problem),
        };
        for &at in ops.iter().filter(|at| records.ops[**at].is_ok() && is(records, &records.ops[**at], "read")) {
            reads += 1;
            if records.is_of(&records.ops[at], Phase::Final) && !unread.is(records, &records.ops[at]) {
                finals += 1;
                sums.judge(key, at, limits, &mut finding);
            }
        }
        if sums.few.is_none() && finding.violations == 0 {
            let why = format!("too many sums are possible{}: only their bounds were checked", of(key));
            finding.doubt(why);
        }
    }
    unread.doubt(&mut finding);
    if finals == 0 {
        finding.doubt(match reads {
            0 => "no read succeeded",
            _ => "no read is marked as final (`final? true`, or the phase `final`), and others may be behind",
        });
    }
    let name = if grows { "g-counter" } else { "pn-counter" };
    finding.headline = format!("{name}: {finals} final reads, {} of a wrong sum", finding.violations);
    finding.figure("final_reads", finals as f64);
    finding.figure("reads_wrong", finding.violations as f64);
    finding
}

/// What a final read of a key may return.
struct Sums<'r> {
    records: &'r History,
    /// What the counter began with.
    initial: i128,
    /// An acknowledged addition of something.
    added: Option<usize>,
    least: i128,
    largest: i128,
    /// Each of them, if they are not too many.
    few: Option<BTreeSet<i128>>,
}

impl<'r> Sums<'r> {
    fn new(records: &'r History, ops: &[usize], grows: bool) -> Result<Self, String> {
        let initial = initial(records, ops)?;
        let (mut certain, mut unknown, mut added) = (Vec::new(), Vec::new(), None);
        for &at in ops.iter().filter(|at| is(records, &records.ops[**at], "add")) {
            let op = &records.ops[at];
            let Some(number) = integer(records, op.argument) else {
                let (index, value) = (records.event_index(op.call), records.show(op.argument));
                return Err(format!("the `add` at index {index} is of no integer of 128 bits: {value}"));
            };
            if grows && number < 0 {
                let index = records.event_index(op.call);
                return Err(format!(
                    "the `add` at index {index} is of {number}, but a g-counter only grows: pn-counter does not"
                ));
            }
            if written(records, op).map(|value| records.is_equal(value, op.argument)) != Ok(true) {
                let (index, value) = (records.event_index(op.ret), records.show(op.result));
                return Err(format!(
                    "the `add` of {number} is ok with {value} at index {index}: that may be what was added, the sum, or that \
                     nothing was done"
                ));
            }
            if op.is_ok() && number != 0 {
                added.get_or_insert(at);
            }
            match (op.is_ok(), op.may_have_happened()) {
                (true, _) => certain.push(number),
                (false, true) => unknown.push(number),
                (false, false) => {}
            }
        }
        // Whatever the order: no partial sum is beyond these.
        let [below, above] = [false, true].map(|is_above| {
            let all = certain.iter().chain(&unknown).filter(|number| (**number > 0) == is_above);
            all.copied().try_fold(initial, i128::checked_add)
        });
        if below.is_none() || above.is_none() {
            return Err("the sum of what was added is beyond 128 bits".to_owned());
        }
        let certain = initial + certain.iter().sum::<i128>();
        let [below, above] =
            [false, true].map(|is_above| unknown.iter().filter(|number| (**number > 0) == is_above).sum::<i128>());
        let few = few(certain, &unknown);
        Ok(Self { records, initial, added, least: certain + below, largest: certain + above, few })
    }

    fn judge(&self, key: &str, read: usize, limits: &Limits<'_>, finding: &mut Finding) {
        let op = &self.records.ops[read];
        let fits = |seen: i128| match &self.few {
            Some(few) => few.contains(&seen),
            None => (self.least..=self.largest).contains(&seen),
        };
        if !integer(self.records, op.result).is_some_and(fits) {
            finding.violated(limits, || self.wrong(key, read, op));
        }
    }

    /// Whatever was added, a sum other than the first one that nobody made is wrong by itself; the first is wrong where one
    /// addition certainly happened.
    fn wrong<'k>(&self, key: &'k str, read: usize, op: &Op) -> Draft<'k> {
        let expected = match (&self.few, self.least == self.largest) {
            (_, true) => self.least.to_string(),
            (Some(_), false) => format!("one of the sums from {} to {}", self.least, self.largest),
            (None, false) => format!("between {} and {}", self.least, self.largest),
        };
        let from = if self.initial == 0 { String::new() } else { format!("with {} at first ", self.initial) };
        let explanation = format!(
            "Process {} read {}{} at last, but {from}the sum of what was added is {expected}.",
            self.records.process_of(read),
            self.records.show(op.result),
            of(key)
        );
        let shows_none = integer(self.records, op.result) == Some(self.initial);
        let ops = self.added.filter(|_| shows_none).into_iter().chain([read]);
        Draft::at(self.records, "wrong-sum", key, ops, explanation)
    }
}

/// What a counter begins with.
fn initial(records: &History, ops: &[usize]) -> Result<i128, String> {
    let initial = ops.first().map_or(ValueId::NIL, |at| records.initial(records.ops[*at].key));
    if initial.is_nil() {
        return Ok(0);
    }
    integer(records, initial).ok_or_else(|| format!("a counter cannot begin with {}", records.show(initial)))
}

fn integer(records: &History, value: ValueId) -> Option<i128> {
    records.exact(value).ok()?.integer()
}

/// The sum of what is certain with each choice of what is unknown; none if there are too many.
fn few(certain: i128, unknown: &[i128]) -> Option<BTreeSet<i128>> {
    let mut sums = BTreeSet::from([certain]);
    for number in unknown.iter().filter(|number| **number != 0) {
        let more: Vec<i128> = sums.iter().map(|sum| sum + number).collect();
        sums.extend(more);
        if sums.len() > SUMS_MAX {
            return None;
        }
    }
    Some(sums)
}
