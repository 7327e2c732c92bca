//! What is measured: each row of the table with its history, and how `dissensus check` is called.

use super::objects::{Input, Object};
use super::transactions::Fault;
use super::violating_objects::Violating;

/// A row of the table.
pub struct Row {
    pub name: &'static str,
    pub history: History,
    /// The options of `dissensus check`.
    pub options: &'static str,
    /// The other checker that is measured on the same history.
    pub peer: Option<Peer>,
    pub size: Size,
    /// The wall time and memory aimed at.
    pub target: &'static str,
    /// What other checkers took, on two cores as well.
    pub before: &'static str,
}

/// Another checker, measured beside ours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Peer {
    /// Linearizability.
    Porcupine,
    /// Transactions.
    Adya,
}

impl Peer {
    pub fn name(self) -> &'static str {
        match self {
            Peer::Porcupine => "porcupine-rs",
            Peer::Adya => "adya",
        }
    }
}

/// What a history consists of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum History {
    Objects(Input),
    /// `count` transactions on lists, or on registers.
    Transactions {
        lists: bool,
        count: usize,
        fault: Fault,
    },
    /// One thing is wrong.
    Violating(Violating),
}

/// Which rows are measured together.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub enum Size {
    Small,
    Full,
    Large,
}

const CAS: &str = "--model cas-register";
const CAS_ENFORCED: &str = "--model cas-register --failed-cas enforce";

const fn cas(name: &'static str, keys: u64, operations: u64) -> Row {
    Row { options: CAS, ..objects(name, Object::Cas, keys, operations, 20) }
}

const fn objects(name: &'static str, object: Object, keys: u64, operations: u64, clients: u64) -> Row {
    let history = History::Objects(Input { object, keys, operations, clients });
    Row { name, history, options: "", peer: None, size: Size::Small, target: "", before: "" }
}

const fn lists(name: &'static str, count: usize) -> Row {
    let history = History::Transactions { lists: true, count, fault: Fault::Nothing };
    let options = "--model list-append";
    Row { name, history, options, peer: Some(Peer::Adya), size: Size::Small, target: "", before: "" }
}

const fn registers(name: &'static str, options: &'static str, count: usize) -> Row {
    let history = History::Transactions { lists: false, count, fault: Fault::Nothing };
    Row { name, history, options, peer: None, size: Size::Full, target: "", before: "" }
}

const fn beside(row: Row) -> Row {
    Row { peer: Some(Peer::Porcupine), ..row }
}

const fn enforced(row: Row) -> Row {
    Row { options: CAS_ENFORCED, ..row }
}

const fn full(row: Row) -> Row {
    Row { size: Size::Full, ..row }
}

const fn large(name: &'static str, keys: u64, operations: u64, options: &'static str) -> Row {
    Row { size: Size::Large, options, ..cas(name, keys, operations) }
}

const SMALL: usize = 100_000;
const LARGE: usize = 1_000_000;

pub const ROWS: [Row; 33] = [
    beside(cas("one key, `cas`, unique values, 1,000 operations, 20 clients", 1, 1_000)),
    beside(enforced(cas("one key, 1,000 operations, failed `cas` enforced", 1, 1_000))),
    Row {
        target: "0.03 s",
        before: "Porcupine 31 s, 5.1 GB",
        ..full(beside(cas("one key, 10,000 operations", 1, 10_000)))
    },
    Row {
        target: "0.03 s",
        before: "Porcupine over 60 s, 16.7 GB",
        ..full(beside(enforced(cas("one key, 10,000 operations, enforced", 1, 10_000))))
    },
    Row { before: "Porcupine out of memory", ..full(cas("one key, 100,000 operations", 1, 100_000)) },
    full(enforced(cas("one key, 100,000 operations, enforced", 1, 100_000))),
    Row {
        target: "1 s, 500 MB",
        before: "Porcupine out of memory",
        ..full(cas("one key, 1,000,000 operations", 1, 1_000_000))
    },
    full(enforced(cas("one key, 1,000,000 operations, enforced", 1, 1_000_000))),
    beside(cas("50 keys of 200 operations", 50, 200)),
    Row {
        target: "0.8 s, 500 MB",
        before: "Porcupine 16.5 s, 2.5 GB",
        ..full(beside(cas("1,000 keys of 1,000 operations", 1_000, 1_000)))
    },
    Row {
        target: "0.8 s, 500 MB",
        before: "Porcupine 45 s, 9.9 GB",
        ..full(beside(enforced(cas("1,000 keys of 1,000 operations, enforced", 1_000, 1_000))))
    },
    Row {
        options: CAS,
        target: "0.07 s",
        before: "Porcupine 3.6 s, 636 MB",
        ..beside(objects("one key, values 0 to 4, eight of unknown outcome, a stale read", Object::Small, 1, 1_000, 10))
    },
    Row {
        target: "0.07 s",
        before: "Porcupine 12 s, 2.3 GB",
        ..enforced(beside(objects("values 0 to 4, enforced", Object::Small, 1, 1_000, 10)))
    },
    Row {
        options: "--model queue",
        target: "1 s",
        before: "PolyLin 2.95 s",
        ..full(objects("queue, 1,000,000 operations, 10 clients", Object::Queue, 1, 1_000_000, 10))
    },
    Row {
        options: "--model stack",
        target: "1.5 s",
        before: "PolyLin 4.5 s",
        ..full(objects("stack, 1,000,000 operations, 10 clients", Object::Stack, 1, 1_000_000, 10))
    },
    Row {
        options: "--model set",
        target: "0.4 s",
        before: "PolyLin 0.81 s",
        ..full(objects("set, 1,000,000 operations, 10 clients", Object::Set, 1, 1_000_000, 10))
    },
    Row {
        target: "0.2 s",
        before: "Elle 9.6 s, 1.6 GB; adya 1.18 s, 432 MB",
        ..lists("`list-append`, strict serializable, 100,000 transactions, 10 sessions", SMALL)
    },
    Row {
        target: "3 s, 1.5 GB",
        before: "Elle 65 s, 9.9 GB; adya 24.5 s, 4.2 GB",
        ..full(lists("`list-append`, 1,000,000 transactions", LARGE))
    },
    Row {
        peer: Some(Peer::Adya),
        target: "0.7 s",
        before: "Elle 188 s, 12 GB; adya 34.6 s",
        ..registers("`rw-register`, sequential keys, 100,000", "--model rw-register --assume sequential-keys", SMALL)
    },
    registers("`rw-register`, linearizable keys, 100,000", "--model rw-register --assume linearizable-keys", SMALL),
    Row {
        peer: Some(Peer::Adya),
        target: "10 s",
        before: "adya over 120 s",
        ..registers("`rw-register`, sequential keys, 1,000,000", "--model rw-register --assume sequential-keys", LARGE)
    },
    registers("`rw-register`, linearizable keys, 1,000,000", "--model rw-register --assume linearizable-keys", LARGE),
    Row {
        target: "1 s",
        before: "AWDIT 1.9 s",
        ..registers(
            "`strong-session-monotonic-atomic-view`, 1,000,000",
            "--model strong-session-monotonic-atomic-view",
            LARGE,
        )
    },
    Row {
        target: "1.2 s",
        before: "AWDIT 2.3 s",
        ..registers("`strong-session-read-atomic`, 1,000,000", "--model strong-session-read-atomic", LARGE)
    },
    Row {
        target: "1.8 s",
        before: "AWDIT 3.7 s, 1.3 GB",
        ..registers("`causal-convergence`, 1,000,000", "--model causal-convergence", LARGE)
    },
    Row { target: "1.8 s", ..registers("`causal`, 1,000,000", "--model causal", LARGE) },
    registers("`causal-memory`, 1,000,000", "--model causal-memory", LARGE),
    registers("`pram`, 1,000,000", "--model pram", LARGE),
    large(
        "1,000 keys of 10,000 operations (20,000,000 lines, 2.1 GB)",
        1_000,
        10_000,
        "--model cas-register --memory 20GiB",
    ),
    large("the same with `--memory 1GiB`", 1_000, 10_000, "--model cas-register --memory 1GiB"),
    large("the same with `--memory 300MiB`", 1_000, 10_000, "--model cas-register --memory 300MiB"),
    large("one key of 10,000,000 operations with `--memory 1GiB`", 1, 10_000_000, "--model cas-register --memory 1GiB"),
    large("one key of 10,000,000 operations", 1, 10_000_000, "--model cas-register --memory 20GiB"),
];
