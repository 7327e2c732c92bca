//! The models that a history can be checked against, by name, and which one a history looks like.
//!
//! The models of the bench's own workloads, which judge properties and claims, are in [`crate::visibility`]; a history that
//! names no workload is checked against those here.

use std::collections::BTreeSet;

use crate::checks::isolation::saturation::Isolation;
use crate::checks::linearizable::{self, Model};
use crate::checks::sessions::{self, Guarantee};
use crate::checks::simple::staleness::Bounds;
use crate::checks::simple::{bank, dirty_reads, long_fork, monotonic, staleness, unique_ids};
use crate::checks::survival::{set_full, total_queue};
use crate::checks::{isolation, minimal};
use crate::history::{Datum, History, ValueId};
use crate::limits::{Decision, Limits};
use crate::verdict::Outcome;

/// What a check needs to know beside the history.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// How stale reads may be, for `staleness`.
    pub staleness: Bounds,
    /// How a compare-and-set that failed is read.
    pub failed_cas: linearizable::FailedCas,
    /// What transactions have to satisfy.
    pub transactions: isolation::Options,
}

/// One model.
pub struct Entry {
    /// The name used at the command line.
    pub name: &'static str,
    /// Functions, values and what is decided, in a line.
    pub about: &'static str,
    /// Whether a violation among the first events of a history is one of the whole, whatever follows, if what was open then
    /// counts as never completed. Where real time does not count it is not: what was read may be written later. Nor where
    /// the end decides, as with what was lost.
    pub lasting: bool,
    /// What it needs beside the records for each operation, in bytes, where it does not limit itself.
    bytes_per_operation: u64,
    /// Whether its violations may have needless operations, which are taken away here. The others' have none.
    shrinks: bool,
    run: fn(&History, &Limits<'_>, &Settings) -> Decision,
}

impl Entry {
    /// Checks a history against it.
    pub fn check(&self, records: &History, limits: &Limits<'_>, settings: &Settings) -> Decision {
        let needed = self.bytes_per_operation.saturating_mul(records.ops.len() as u64);
        if (limits.out_of_time)() {
            return Decision::inconclusive(format!("{}: the time limit was reached before it began", self.name));
        }
        if needed > limits.memory_bytes {
            let (name, operations) = (self.name, records.ops.len());
            return Decision::inconclusive(format!(
                "{name}: {operations} operations need about {} MiB beside the history, {} MiB are left of the limit: nothing \
                 was checked",
                needed.div_ceil(1 << 20),
                limits.memory_bytes >> 20
            ));
        }
        let mut decision = (self.run)(records, limits, settings);
        if self.shrinks {
            let again = |part: &History, limits: &Limits<'_>| (self.run)(part, limits, settings);
            minimal::shrink(&mut decision, records, limits, &again);
        }
        decision
    }

    /// Checks the first part of a history, of which there is more. It is never valid, and a violation counts only if
    /// nothing that follows can explain it.
    pub fn check_part(&self, records: &History, limits: &Limits<'_>, settings: &Settings) -> Decision {
        let mut decision = self.check(records, limits, settings);
        if decision.outcome == Outcome::Invalid && !self.lasting {
            decision.headline.push_str("; what was not read may explain what is violated in this part");
        }
        if decision.outcome == Outcome::Valid || !self.lasting {
            decision.outcome = Outcome::Inconclusive;
        }
        decision
    }
}

/// Every model, in the order in which they are listed.
pub const MODELS: &[Entry] = &[
    Entry {
        name: "register",
        about: "read, write v: linearizable, each key by itself (reads of lists of siblings: the bench's own workload)",
        lasting: true,
        bytes_per_operation: 0,
        shrinks: false,
        run: |records, limits, settings| linearizable(Model::Register, records, limits, settings),
    },
    Entry {
        name: "cas-register",
        about: "read, write v, cas [expected new]: linearizable, each key by itself",
        lasting: true,
        bytes_per_operation: 0,
        shrinks: false,
        run: |records, limits, settings| linearizable(Model::Register, records, limits, settings),
    },
    Entry {
        name: "sequential",
        about: "read, write v, cas [expected new]: sequentially consistent, all keys together (Lamport 1979)",
        lasting: false,
        bytes_per_operation: 0,
        shrinks: false,
        run: |records, limits, settings| linearizable(Model::Sequential, records, limits, settings),
    },
    Entry {
        name: "multi-register",
        about: "txn of [r k v] and [w k v] on several registers at once: linearizable",
        lasting: true,
        bytes_per_operation: 0,
        shrinks: false,
        run: |records, limits, settings| linearizable(Model::MultiRegister, records, limits, settings),
    },
    Entry {
        name: "mutex",
        about: "acquire, release: linearizable, each key by itself",
        lasting: true,
        bytes_per_operation: 0,
        shrinks: false,
        run: |records, limits, settings| linearizable(Model::Mutex, records, limits, settings),
    },
    Entry {
        name: "set",
        about: "add v, remove v, read [v ...]: linearizable, each key by itself",
        lasting: true,
        bytes_per_operation: 0,
        shrinks: false,
        run: |records, limits, settings| linearizable(Model::Set, records, limits, settings),
    },
    Entry {
        name: "counter",
        about: "add n (inc, dec), read: linearizable, each key by itself",
        lasting: true,
        bytes_per_operation: 0,
        shrinks: false,
        run: |records, limits, settings| linearizable(Model::Counter, records, limits, settings),
    },
    Entry {
        name: "queue",
        about: "enqueue v, dequeue: first in, first out, linearizable; what is lost or doubled alone: total-queue",
        lasting: true,
        bytes_per_operation: 0,
        shrinks: false,
        run: |records, limits, settings| linearizable(Model::Queue, records, limits, settings),
    },
    Entry {
        name: "fifo-queue",
        about: "the same as queue",
        lasting: true,
        bytes_per_operation: 0,
        shrinks: false,
        run: |records, limits, settings| linearizable(Model::Queue, records, limits, settings),
    },
    Entry {
        name: "stack",
        about: "push v, pop: last in, first out, linearizable",
        lasting: true,
        bytes_per_operation: 0,
        shrinks: false,
        run: |records, limits, settings| linearizable(Model::Stack, records, limits, settings),
    },
    Entry {
        name: "priority-queue",
        about: "insert n, extract-min: linearizable",
        lasting: true,
        bytes_per_operation: 0,
        shrinks: false,
        run: |records, limits, settings| linearizable(Model::PriorityQueue, records, limits, settings),
    },
    Entry {
        name: "list-append",
        about: "txn of [append k v] and [r k [v ...]]: isolation of transactions by their dependencies (Elle)",
        lasting: false,
        bytes_per_operation: 0,
        shrinks: true,
        run: |records, limits, settings| isolation::check_list_append(records, limits, settings.transactions),
    },
    Entry {
        name: "rw-register",
        about: "txn of [w k v] (v unique for k) and [r k v]: isolation of transactions by their dependencies (Elle)",
        lasting: false,
        bytes_per_operation: 0,
        shrinks: true,
        run: |records, limits, settings| isolation::check_rw_register(records, limits, settings.transactions),
    },
    Entry {
        name: "read-committed",
        about: "txn of [w k v] and [r k v]: a transaction sees the writes of a committed one all or, later, more (Biswas and Enea 2019)",
        lasting: false,
        bytes_per_operation: 0,
        shrinks: true,
        run: |records, limits, _| isolation::check_isolation(records, limits, Isolation::ReadCommitted),
    },
    Entry {
        name: "read-atomic",
        about: "txn of [w k v] and [r k v]: who sees one write of a transaction sees all of them (Biswas and Enea 2019)",
        lasting: false,
        bytes_per_operation: 0,
        shrinks: true,
        run: |records, limits, _| isolation::check_isolation(records, limits, Isolation::ReadAtomic),
    },
    Entry {
        name: "causal",
        about: "txn of [w k v] and [r k v]: causal consistency, CC (Bouajjani et al. 2017), also of single reads and writes",
        lasting: false,
        bytes_per_operation: 0,
        shrinks: true,
        run: |records, limits, _| by_session(records, limits, Isolation::Causal, Guarantee::Causal),
    },
    Entry {
        name: "causal-convergence",
        about: "txn of [w k v] and [r k v]: causal convergence, CCv: all agree on one order of concurrent writes",
        lasting: false,
        bytes_per_operation: 0,
        shrinks: true,
        run: |records, limits, _| isolation::check_isolation(records, limits, Isolation::CausalConvergence),
    },
    Entry {
        name: "causal-memory",
        about: "txn of [w k v] and [r k v]: causal memory, CM: each process has an order of all writes that explains its reads",
        lasting: false,
        bytes_per_operation: 0,
        shrinks: true,
        run: |records, limits, _| isolation::check_isolation(records, limits, Isolation::CausalMemory),
    },
    Entry {
        name: "pram",
        about: "txn of [w k v] and [r k v]: each process sees the writes of every other in their order (pipelined RAM)",
        lasting: false,
        bytes_per_operation: 0,
        shrinks: true,
        run: |records, limits, _| by_session(records, limits, Isolation::Pram, Guarantee::Pram),
    },
    Entry {
        name: "session",
        about: "read, write v, add v (values, sets, lists, siblings): the next four, each key by itself (Terry et al. 1994)",
        lasting: false,
        bytes_per_operation: 0,
        shrinks: true,
        run: |records, limits, _| sessions::check(records, limits),
    },
    Entry {
        name: "read-your-writes",
        about: "a read sees what its process wrote before",
        lasting: false,
        bytes_per_operation: 0,
        shrinks: true,
        run: |records, limits, _| sessions::check_of(records, limits, &[Guarantee::ReadYourWrites]),
    },
    Entry {
        name: "monotonic-reads",
        about: "a read sees what its process saw before",
        lasting: false,
        bytes_per_operation: 0,
        shrinks: true,
        run: |records, limits, _| sessions::check_of(records, limits, &[Guarantee::MonotonicReads]),
    },
    Entry {
        name: "monotonic-writes",
        about: "who sees a write sees what its process wrote before it",
        lasting: false,
        bytes_per_operation: 0,
        shrinks: true,
        run: |records, limits, _| sessions::check_of(records, limits, &[Guarantee::MonotonicWrites]),
    },
    Entry {
        name: "writes-follow-reads",
        about: "who sees a write sees what its process had seen before it",
        lasting: false,
        bytes_per_operation: 0,
        shrinks: true,
        run: |records, limits, _| sessions::check_of(records, limits, &[Guarantee::WritesFollowReads]),
    },
    Entry {
        name: "set-full",
        about: "add v, read [v ...]: which elements stay, which are lost, how long they take to appear",
        lasting: false,
        bytes_per_operation: 200,
        shrinks: false,
        run: |records, limits, _| set_full::check(records, limits),
    },
    Entry {
        name: "total-queue",
        about: "enqueue v, dequeue, drain: what is acknowledged comes out, whatever the order",
        lasting: false,
        bytes_per_operation: 200,
        shrinks: false,
        run: |records, limits, _| total_queue::check(records, limits),
    },
    Entry {
        name: "unique-ids",
        about: "generate: no two results are equal",
        lasting: true,
        bytes_per_operation: 40,
        shrinks: false,
        run: |records, limits, _| unique_ids::check(records, limits),
    },
    Entry {
        name: "monotonic",
        about: "read, inc, next, each of an integer: what is returned later is not less",
        lasting: true,
        bytes_per_operation: 60,
        shrinks: false,
        run: |records, limits, _| monotonic::check(records, limits),
    },
    Entry {
        name: "bank",
        about: "transfer, read {account balance ...}: every read has the same total",
        lasting: true,
        bytes_per_operation: 80,
        shrinks: false,
        run: |records, limits, _| bank::check(records, limits),
    },
    Entry {
        name: "dirty-reads",
        about: "write v of all rows, read [v ...] of all rows: nobody sees what a failed write wrote, and rows are alike",
        lasting: true,
        bytes_per_operation: 100,
        shrinks: false,
        run: |records, limits, _| dirty_reads::check(records, limits),
    },
    Entry {
        name: "long-fork",
        about: "[w k v] once for each k, reads of several k: reads agree on the order of writes",
        lasting: true,
        bytes_per_operation: 200,
        shrinks: false,
        run: |records, limits, _| long_fork::check(records, limits),
    },
    Entry {
        name: "staleness",
        about: "read, write v (unique): how many versions and how long reads are behind",
        lasting: true,
        bytes_per_operation: 250,
        shrinks: true,
        run: |records, limits, settings| staleness::check(records, limits, settings.staleness),
    },
];

fn linearizable(model: Model, records: &History, limits: &Limits<'_>, settings: &Settings) -> Decision {
    let options = linearizable::Options { failed_cas: settings.failed_cas, ..Default::default() };
    linearizable::check(model, records, limits, &options)
}

/// Reads that show lists are of sets, or of registers with siblings: those are judged by what they see of the writes.
fn by_session(records: &History, limits: &Limits<'_>, level: Isolation, guarantee: Guarantee) -> Decision {
    match records.ops.iter().any(|op| records.reads_list(op)) {
        true => sessions::check_of(records, limits, &[guarantee]),
        false => isolation::check_isolation(records, limits, level),
    }
}

/// The model of a name.
pub fn find(name: &str) -> Option<&'static Entry> {
    MODELS.iter().find(|model| model.name == name)
}

/// The name of the model that the operations look like; which may not be one of [`MODELS`], but of [`crate::visibility`]. None if
/// they look like none, or like several.
pub fn guess(records: &History) -> Option<&'static str> {
    let functions: BTreeSet<&str> =
        records.ops.iter().map(|op| op.f).collect::<BTreeSet<_>>().into_iter().map(|f| records.text(f)).collect();
    let only = |known: &[&str]| functions.iter().all(|f| known.contains(f));
    let has = |f: &str| functions.contains(f);
    match () {
        () if functions.is_empty() => None,
        () if only(&["txn"]) => transaction_model(records),
        () if only(&["read", "write", "cas"]) && has("cas") => Some("cas-register"),
        () if only(&["read", "write"]) && has("write") => Some(long_fork_rows_or_register(records)),
        () if only(&["read", "add", "remove"]) && has("add") => Some(set_or_counter(records)),
        () if only(&["read", "inc", "dec"]) && (has("inc") || has("dec")) => Some("counter"),
        () if only(&["transfer", "read"]) && has("transfer") => Some("bank"),
        () if only(&["enqueue", "dequeue", "drain"]) && has("enqueue") => Some("total-queue"),
        () if only(&["push", "pop"]) && has("push") => Some("stack"),
        () if only(&["insert", "extract-min"]) && has("insert") => Some("priority-queue"),
        () if only(&["acquire", "release"]) => Some("mutex"),
        () if only(&["generate"]) => Some("unique-ids"),
        () => None,
    }
}

fn transaction_model(records: &History) -> Option<&'static str> {
    let micro = |value: ValueId| match records.datum(value) {
        Datum::List(operations) => operations
            .iter()
            .filter_map(|operation| match records.datum(*operation) {
                Datum::List([f, ..]) => Some(records.datum(*f)),
                _ => None,
            })
            .collect::<Vec<_>>(),
        _ => Vec::new(),
    };
    let mut functions = records.ops.iter().flat_map(|op| micro(op.argument));
    functions.find_map(|f| match f {
        Datum::Text("append") => Some("list-append"),
        Datum::Text("w" | "write") => Some("rw-register"),
        _ => None,
    })
}

fn long_fork_rows_or_register(records: &History) -> &'static str {
    let is_micro = |value: ValueId| match records.datum(value) {
        Datum::List([first, ..]) => matches!(records.datum(*first), Datum::List([_, _, _])),
        _ => false,
    };
    match !records.ops.is_empty() && records.ops.iter().all(|op| is_micro(op.argument)) {
        true => "long-fork",
        false if reads_rows(records) => "dirty-reads",
        false => "register",
    }
}

/// Whether reads show the rows of a table, and not the siblings of a register: always as many, two at least, and some are alike,
/// which siblings never are.
fn reads_rows(records: &History) -> bool {
    let reads = || records.ops.iter().filter(|op| op.is_ok() && records.text(op.f) == "read");
    let rows = |op: &crate::history::Op| match records.datum(op.result) {
        Datum::List(rows) => rows,
        _ => &[],
    };
    let Some(count) = reads().map(|op| rows(op).len()).next().filter(|count| *count > 1) else { return false };
    reads().all(|op| rows(op).len() == count) && reads().any(|op| rows(op).windows(2).any(|pair| pair[0] == pair[1]))
}

fn set_or_counter(records: &History) -> &'static str {
    let reads_number = |op: &crate::history::Op| {
        op.is_ok() && records.text(op.f) == "read" && matches!(records.datum(op.result), Datum::Int(_))
    };
    match records.ops.iter().any(reads_number) && !records.ops.iter().any(|op| records.reads_list(op)) {
        true => "counter",
        false => "set-full",
    }
}
