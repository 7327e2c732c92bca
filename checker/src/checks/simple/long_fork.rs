//! All reads agree on an order of the writes.
//!
//! Parallel snapshot isolation allows that they do not, snapshot isolation does not (Sovran et al., SOSP 2011): one read
//! sees a write of x and not yet one of y, and another read sees the write of y and not yet that of x. Every key is
//! written at most once, so a read says of each of its keys whether the write came before it or after it:
//!
//! ```text
//!   x seen ──► read ──► y not seen        a cycle of such arrows is what no order of the writes explains
//! ```
//!
//! Workload and condition are those of Jepsen's `long-fork`, which compares only reads of the same keys. Here reads of
//! any keys are compared, and what more than two of them say together. What a transaction reads after its own write of
//! the key says nothing. That a value which nobody wrote, or whose write failed, is not read is checked besides. Linear
//! in what was read.

use rustc_hash::FxHashMap;

use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::checks::isolation::graph::{Edges, Kind, Kinds, shortest_cycle};
use crate::finding::{Draft, Finding};
use crate::history::{Datum, History, Identities, Op, ValueId};
use crate::limits::Limits;
use crate::objects::Object;

/// Checks that reads agree on the order of writes.
pub(crate) struct LongFork;

impl Check for LongFork {
    fn name(&self) -> &'static str {
        "long-fork"
    }

    fn about(&self) -> &'static str {
        "[w k v] once for each k, reads of several k: all reads agree on an order of the writes"
    }

    fn scope(&self) -> Scope {
        Scope::Workload
    }

    fn objects(&self) -> &'static [Object] {
        &[Object::MultiRegister]
    }

    fn nature(&self) -> Nature {
        Nature::LASTING.needing(200)
    }

    fn judge(&self, view: &View<'_>, context: &Context<'_>) -> Finding {
        view.by_records(|records| check(records, &context.limits))
    }
}

/// A key, and the one operation that writes it.
struct Written {
    key: ValueId,
    by: Option<Write>,
}

#[derive(Clone, Copy)]
struct Write {
    op: usize,
    /// The same for all equal values.
    value: ValueId,
}

/// A read that succeeded: of which keys, by their numbers, it shows the write, or shows that it had not come.
struct Read {
    op: usize,
    shows: Vec<(u32, bool)>,
    /// How many keys it read, whatever they showed.
    keys: usize,
}

/// A value in a read that cannot be there.
struct Impossible {
    read: usize,
    key: u32,
    value: ValueId,
}

/// What the operations of a history write and read.
#[derive(Default)]
struct Rows {
    numbers: FxHashMap<ValueId, u32>,
    keys: Vec<Written>,
    reads: Vec<Read>,
    impossible: Vec<Impossible>,
}

/// Checks operations whose values are lists of micro-operations `[w k v]` and `[r k v]`.
pub(crate) fn check(records: &History, limits: &Limits<'_>) -> Finding {
    let rows = match Rows::of(records) {
        Ok(rows) => rows,
        Err(problem) => return Finding::undecided(problem),
    };
    let mut finding = Finding::default();
    rows.impossible.iter().for_each(|shown| impossible(records, &rows, shown, limits, &mut finding));
    rows.forks(records, limits, &mut finding);
    let reads = rows.reads.iter().filter(|read| read.keys > 1).count();
    if reads == 0 {
        finding.doubt("no read of several keys succeeded");
    }
    let (keys, violations) = (rows.keys.len(), finding.violations);
    finding.headline = format!("long-fork: {reads} reads of several of {keys} keys, {violations} violations");
    finding.figure("reads", reads as f64);
    finding.figure("keys", keys as f64);
    finding
}

impl Rows {
    fn of(records: &History) -> Result<Self, String> {
        let mut rows = Self::default();
        let mut same = Identities::new(records);
        records.ops.iter().enumerate().try_for_each(|(at, op)| rows.write(records, &mut same, at, op))?;
        for (at, op) in records.ops.iter().enumerate().filter(|(_, op)| op.is_ok()) {
            let read = rows.read(records, &mut same, at, op);
            rows.reads.push(read);
        }
        Ok(rows)
    }

    fn number(&mut self, key: ValueId) -> u32 {
        let next = self.keys.len() as u32;
        let number = *self.numbers.entry(key).or_insert(next);
        if number == next {
            self.keys.push(Written { key, by: None });
        }
        number
    }

    /// Takes the writes of an operation.
    fn write(&mut self, records: &History, same: &mut Identities<'_>, at: usize, op: &Op) -> Result<(), String> {
        for operation in micro_operations(records, op)? {
            match records.micro(*operation) {
                Some(("r" | "read", ..)) => {}
                Some(("w" | "write", key, value)) => {
                    let shown = || records.show(key);
                    if records.is_equal(value, records.initial_of_value(key)) {
                        return Err(format!("{} is written with what it begins with: no read can tell", shown()));
                    }
                    let number = self.number(same.of(key));
                    let write = Write { op: at, value: same.of(value) };
                    if self.keys[number as usize].by.replace(write).is_some() {
                        return Err(format!("the key {} is written twice: long-fork needs keys written once", shown()));
                    }
                }
                _ => return Err(format!("{} is neither [r k v] nor [w k v]", records.show(*operation))),
            }
        }
        Ok(())
    }

    /// What an operation that succeeded shows of keys that it has not written itself before.
    fn read(&mut self, records: &History, same: &mut Identities<'_>, at: usize, op: &Op) -> Read {
        let mut read = Read { op: at, shows: Vec::new(), keys: 0 };
        let mut own: Vec<u32> = Vec::new();
        for operation in micro_operations(records, op).unwrap_or_default() {
            let Some((f, key, value)) = records.micro(*operation) else { continue };
            let number = self.number(same.of(key));
            read.keys += usize::from(matches!(f, "r" | "read") && !own.contains(&number));
            match f {
                "r" | "read" if own.contains(&number) => {}
                "r" | "read" if records.is_equal(value, records.initial_of_value(key)) => {
                    read.shows.push((number, false));
                }
                "r" | "read" => match self.keys[number as usize].by {
                    Some(write) if is_of(records, write, same.of(value), at) => read.shows.push((number, true)),
                    _ => self.impossible.push(Impossible { read: at, key: number, value }),
                },
                _ => own.push(number),
            }
        }
        read
    }

    /// Reports each set of reads that no order of the writes explains.
    fn forks(&self, records: &History, limits: &Limits<'_>, finding: &mut Finding) {
        let keys = self.keys.len() as u32;
        let mut edges = Edges::new(self.keys.len() + self.reads.len());
        for (node, read) in (keys..).zip(&self.reads) {
            for &(key, is_shown) in &read.shows {
                let (from, to) = if is_shown { (key, node) } else { (node, key) };
                edges.add(from, to, Kind::Wr);
            }
        }
        let graph = edges.finish();
        for component in graph.components(Kinds(0).and(Kind::Wr)) {
            finding.violated(limits, || {
                let cycle = shortest_cycle(&graph, &component, Kind::RealTime);
                self.fork(records, &cycle)
            });
        }
    }

    /// Explains a cycle of keys and reads.
    fn fork<'d>(&self, records: &History, cycle: &[(u32, u32, Kind)]) -> Draft<'d> {
        let keys = self.keys.len() as u32;
        let name = |key: u32| records.show(self.keys[key as usize].key);
        // From a key to a read that shows it, and on to a key that this does not show.
        let steps: Vec<(u32, &Read, u32)> = (0..cycle.len())
            .filter(|at| cycle[*at].0 < keys)
            .map(|at| {
                let (key, read, _) = cycle[at];
                (key, &self.reads[(read - keys) as usize], cycle[(at + 1) % cycle.len()].1)
            })
            .collect();
        debug_assert!(2 * steps.len() == cycle.len(), "keys and reads take turns");
        let say = |(shown, read, missing): &(u32, &Read, u32)| {
            let process = records.process_of(read.op);
            format!("process {process} saw the write of {} and not that of {}", name(*shown), name(*missing))
        };
        let said = steps.iter().map(say).collect::<Vec<_>>().join(", ");
        let end = match steps.len() {
            1 => "in one read",
            2 => "they do not agree which was first",
            _ => "no order of the writes explains all of it",
        };
        let explanation = format!("P{}: {end}.", &said[1..]);
        let write = |key: u32| self.keys[key as usize].by.map(|write| write.op);
        let proof = steps.iter().flat_map(|(shown, read, _)| write(*shown).into_iter().chain([read.op]));
        Draft::at(records, "long-fork", "", proof, explanation)
    }
}

fn micro_operations<'r>(records: &'r History, op: &Op) -> Result<&'r [ValueId], String> {
    match records.datum(if op.is_ok() { op.result } else { op.argument }) {
        Datum::List(operations) => Ok(operations),
        _ => Err(format!("index {} has no list of micro-operations", records.event_index(op.call))),
    }
}

/// Whether a read shows what this write may have written before.
fn is_of(records: &History, write: Write, value: ValueId, read: usize) -> bool {
    write.value == value && records.ops[write.op].may_have_happened() && records.may_show(read, write.op)
}

/// Reports a value that nobody wrote, or whose write failed.
fn impossible(records: &History, rows: &Rows, shown: &Impossible, limits: &Limits<'_>, finding: &mut Finding) {
    let Written { key, by } = &rows.keys[shown.key as usize];
    let failed =
        by.filter(|write| records.is_equal(write.value, shown.value) && !records.ops[write.op].may_have_happened());
    finding.violated(limits, || {
        let (process, key) = (records.process_of(shown.read), records.show(*key));
        let read = format!("Process {process} read {} of {key}", records.show(shown.value));
        match failed {
            None => {
                let explanation = format!("{read}, which nobody had written.");
                Draft::at(records, "never-written", "", [shown.read], explanation)
            }
            Some(write) => {
                let explanation = format!("{read}, but its write failed.");
                Draft::at(records, "aborted-read", "", [write.op, shown.read], explanation)
            }
        }
    });
}
