//! A register whose operations are a chain of causes, as Jepsen's `causal` test has it: each follows the one before.
//!
//! Each key is used by one session: `read-init` finds what the register begins with (nil or 0 if nothing else is known),
//! each `write` writes the next number (1, 2, ...), and each `read` returns what the last write wrote. A causally consistent
//! store cannot return anything else, whichever node is asked. A write of unknown outcome may or may not have happened:
//! later reads decide. O(n).

use crate::checks::by_key::{Denials, by_key, of};
use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::finding::{Draft, Finding};
use crate::history::{Datum, History, Op, ValueId};
use crate::limits::Limits;
use crate::objects::Object;

/// Checks chains of causes.
pub(crate) struct CausalRegister;

impl Check for CausalRegister {
    fn name(&self) -> &'static str {
        "causal-register"
    }

    fn about(&self) -> &'static str {
        "read-init, write n (1, 2, ...), read, one session for each key: each operation sees the one before it"
    }

    fn scope(&self) -> Scope {
        Scope::Key
    }

    fn objects(&self) -> &'static [Object] {
        &[Object::Register]
    }

    fn nature(&self) -> Nature {
        Nature::LASTING.needing(60)
    }

    fn judge(&self, view: &View<'_>, context: &Context<'_>) -> Finding {
        view.by_records(|records| check(records, &context.limits))
    }
}

/// A write on the chain. One of unknown outcome counts from the read that saw it first.
#[derive(Clone, Copy)]
struct Written {
    value: ValueId,
    by: usize,
    seen_by: Option<usize>,
}

/// Where a chain is.
#[derive(Default)]
struct Chain {
    /// What took effect, in order.
    writes: Vec<Written>,
    /// Writes of unknown outcome that nobody saw yet: they may take effect at any later time.
    pending: Vec<usize>,
    /// The first read that showed what the register begins with, where that was not said: it is nil or 0, and not both.
    began: Option<usize>,
}

/// Checks `read-init`, `write` and `read`.
pub(crate) fn check(records: &History, limits: &Limits<'_>) -> Finding {
    let keys = match by_key(records, &["read-init", "write", "read"]) {
        Ok(keys) => keys,
        Err(why) => return Finding::undecided(why),
    };
    let (mut finding, mut reads, mut denials) = (Finding::default(), 0u64, Denials::default());
    for (key, ops) in &keys {
        if let Some(why) = overlap(records, key, ops) {
            return Finding::undecided(why);
        }
        reads += walk(records, key, ops, limits, &mut denials, &mut finding);
    }
    denials.doubt(&mut finding);
    if reads == 0 {
        finding.doubt("no read succeeded");
    }
    let broken = finding.violations;
    finding.headline =
        format!("causal-register: {reads} reads of {} keys, {broken} do not see what they follow", keys.len());
    finding.figure("reads", reads as f64);
    finding.figure("reads_wrong", broken as f64);
    finding
}

/// Two operations of a key at the same time are no chain.
fn overlap(records: &History, key: &str, ops: &[usize]) -> Option<String> {
    let certain = ops.iter().map(|at| (*at, &records.ops[*at])).filter(|(_, op)| op.is_ok());
    let certain: Vec<(usize, &Op)> = certain.collect();
    let pair = certain.windows(2).find(|pair| pair[1].1.call < pair[0].1.ret)?;
    let [one, other] = [0, 1].map(|at| records.event_index(pair[at].1.call));
    Some(format!("the operations at the indices {one} and {other}{} overlap: they are no chain", of(key)))
}

/// Walks along the chain of a key; how many reads it has.
fn walk(
    records: &History,
    key: &str,
    ops: &[usize],
    limits: &Limits<'_>,
    denials: &mut Denials,
    finding: &mut Finding,
) -> u64 {
    let (mut chain, mut reads) = (Chain::default(), 0);
    // A write of unknown outcome that began while a read went on may be what it saw.
    let place = |op: &Op| if op.is_ok() { op.ret } else { op.call };
    let mut ops = ops.to_vec();
    ops.sort_by_key(|at| place(&records.ops[*at]));
    for at in ops {
        let op = &records.ops[at];
        match records.text(op.f) {
            "write" if op.may_have_happened() => match denials.change(records, op) {
                (value, true) => chain.writes.push(Written { value, by: at, seen_by: None }),
                (_, false) => chain.pending.push(at),
            },
            "read" | "read-init" if op.is_ok() => {
                reads += 1;
                if !chain.explains(records, at) {
                    chain.broken(records, key, at, limits, finding);
                }
            }
            _ => {}
        }
    }
    reads
}

/// Whether a read returned what its register may begin with.
fn may_be_initial(records: &History, read: &Op) -> bool {
    let initial = records.initial(read.key);
    match initial.is_nil() {
        true => read.result.is_nil() || matches!(records.datum(read.result), Datum::Int(0)),
        false => records.is_equal(initial, read.result),
    }
}

impl Chain {
    /// Whether a read returned what its register begins with, as far as that is known by then.
    fn is_initial(&self, records: &History, read: &Op) -> bool {
        let is_as_before = |before: usize| records.is_equal(records.ops[before].result, read.result);
        may_be_initial(records, read) && self.began.is_none_or(is_as_before)
    }

    /// Whether a read returned what it follows. A write of unknown outcome that it is the first to see takes effect.
    fn explains(&mut self, records: &History, read: usize) -> bool {
        let result = records.ops[read].result;
        let last_fits = match self.writes.last() {
            Some(last) => records.is_equal(last.value, result),
            None => self.is_initial(records, &records.ops[read]),
        };
        if last_fits {
            if self.writes.is_empty() {
                self.began.get_or_insert(read);
            }
            return true;
        }
        let Some(found) = self.pending.iter().position(|at| records.is_equal(records.ops[*at].argument, result)) else {
            return false;
        };
        let by = self.pending.swap_remove(found);
        self.writes.push(Written { value: result, by, seen_by: Some(read) });
        true
    }

    fn broken(&self, records: &History, key: &str, read: usize, limits: &Limits<'_>, finding: &mut Finding) {
        let op = &records.ops[read];
        let older = self.writes.iter().rev().find(|written| records.is_equal(written.value, op.result));
        let stale = older.is_some() || self.is_initial(records, op);
        let began = self.began.filter(|_| older.is_none() && !stale && may_be_initial(records, op));
        finding.violated(limits, || {
            let (process, shown) = (records.process_of(read), records.show(op.result));
            if let Some(began) = began {
                let first = records.show(records.ops[began].result);
                let explanation = format!(
                    "Process {process} read {shown}{}, though it began with {first}, which was read before.",
                    of(key)
                );
                return Draft::at(records, "stale-read", key, [began, read], explanation);
            }
            let Some(last) = self.writes.last().filter(|_| stale) else {
                let explanation = format!("Process {process} read {shown}{}, which nobody had written.", of(key));
                return Draft::at(records, "never-written", key, [read], explanation);
            };
            let newest = records.show(last.value);
            let explanation =
                format!("Process {process} read {shown}{}, though it follows the write of {newest}.", of(key));
            let operations = older.into_iter().chain([last]).flat_map(|written| [Some(written.by), written.seen_by]);
            Draft::at(records, "stale-read", key, operations.flatten().chain([read]), explanation)
        });
    }
}
