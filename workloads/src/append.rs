//! `append`, and `txn-list-append` as Maelstrom calls it: transactions that append to several lists and read them, in
//! Jepsen's form (Kingsbury and Alvaro, "Elle", VLDB 2020): `[["append", "append-0", 5], ["r", "append-1", null]]`. The
//! `ok` has what was read in place of null. `txn-rw-register`: the same with registers, which are written (`"w"`).
//!
//! `list-append` has transactions of one key, for a store that has no others.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::key_window::KeyWindow;
use crate::transaction::TXN;
use crate::workload::{Invocation, Unique, Visit, Workload, probe_key};

/// One to four micro-operations a transaction, half of them changes.
#[derive(Debug)]
pub struct Append {
    name: &'static str,
    change: &'static str,
    window: KeyWindow,
    unique: Unique,
}

impl Append {
    /// Lists in use at a time, by default: so few that transactions meet.
    pub const KEYS: u64 = 4;
    /// Appends after which a list gives way to a new one, by default.
    pub const ELEMENTS_PER_KEY: u64 = 60;
    const MICROS_MAX: usize = 4;
    const CHANGE_PERCENT: u32 = 50;

    /// `keys` lists in use at a time, each for `elements_per_key` appends; at least one of either.
    pub fn new(keys: u64, elements_per_key: u64, unique: Unique) -> Self {
        Self { name: "append", change: "append", window: KeyWindow::new("append", keys, elements_per_key), unique }
    }

    /// The same under Maelstrom's name.
    pub fn txn_list_append(keys: u64, elements_per_key: u64, unique: Unique) -> Self {
        let window = KeyWindow::new("list", keys, elements_per_key);
        Self { name: "txn-list-append", change: "append", window, unique }
    }

    /// Transactions on registers, each for `writes_per_key` writes.
    pub fn txn_rw_register(keys: u64, writes_per_key: u64, unique: Unique) -> Self {
        let window = KeyWindow::new("register", keys, writes_per_key);
        Self { name: "txn-rw-register", change: "w", window, unique }
    }

    fn micro(&mut self, rng: &mut ChaCha8Rng) -> Value {
        match rng.random_ratio(Self::CHANGE_PERCENT, 100) {
            true => json!([self.change, self.window.key_to_fill(rng), self.unique.next()]),
            false => json!(["r", self.window.key(rng), null]),
        }
    }
}

impl Workload for Append {
    fn name(&self) -> &'static str {
        self.name
    }

    fn functions(&self) -> &'static [&'static str] {
        &[TXN]
    }

    fn keys(&self) -> Vec<String> {
        self.window.keys()
    }

    fn next(&mut self, rng: &mut ChaCha8Rng, _process: u64) -> Invocation {
        let micros = rng.random_range(1..=Self::MICROS_MAX);
        let micros: Vec<Value> = (0..micros).map(|_| self.micro(rng)).collect();
        Invocation::without_key(TXN, micros)
    }

    fn final_visits(&self) -> Vec<Visit> {
        let read = |key| Visit::once(Invocation::without_key(TXN, json!([["r", key, null]])));
        self.keys().into_iter().map(read).collect()
    }

    fn probe(&self, node: &str, number: u64) -> Option<Visit> {
        Some(Visit::once(Invocation::without_key(TXN, json!([[self.change, probe_key(node), number]]))))
    }
}
