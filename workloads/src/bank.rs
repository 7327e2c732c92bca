//! `bank`: clients move money between the accounts of a bank, and read the balances of all. Transfers neither create nor
//! lose money, so every read has the same total, wherever it falls among them.
//!
//! Jepsen's `bank` test (Kingsbury, "MariaDB Galera Cluster", 2015), which asks for snapshot isolation: a transfer reads two
//! balances and writes both, a read sees all at one moment. A bank begins with [`Bank::ACCOUNTS`] accounts of
//! [`Bank::BALANCE`] each, whether or not the store has rows for them: what it has no row for has that balance.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::key_window::KeyWindow;
use crate::workload::{Invocation, Visit, Workload, probe_key};

/// `transfer` in six operations of ten, `read` in four.
#[derive(Debug)]
pub struct Bank {
    window: KeyWindow,
}

impl Bank {
    /// Accounts of a bank, named by numbers from 0.
    pub const ACCOUNTS: u64 = 8;
    /// What each begins with.
    pub const BALANCE: i64 = 10;
    /// Banks in use at a time, by default: one, so that transfers meet.
    pub const KEYS: u64 = 1;
    /// Operations after which a bank gives way to a new one, by default.
    pub const OPERATIONS_PER_KEY: u64 = 1_000;
    const TRANSFER_PERCENT: u32 = 60;
    /// A transfer is of 1 to this.
    const AMOUNT_MAX: i64 = 5;

    /// `keys` banks in use at a time, each for `operations_per_key` operations; at least one of either.
    pub fn new(keys: u64, operations_per_key: u64) -> Self {
        Self { window: KeyWindow::new("bank", keys, operations_per_key) }
    }

    /// The names of a bank's accounts.
    pub fn accounts() -> impl Iterator<Item = String> {
        (0..Self::ACCOUNTS).map(|account| account.to_string())
    }
}

fn transfer(key: String, [from, to]: [u64; 2], amount: i64) -> Invocation {
    Invocation::of("transfer", key, json!({"from": from.to_string(), "to": to.to_string(), "amount": amount}))
}

impl Workload for Bank {
    fn name(&self) -> &'static str {
        "bank"
    }

    fn functions(&self) -> &'static [&'static str] {
        &["transfer", "read"]
    }

    fn keys(&self) -> Vec<String> {
        self.window.keys()
    }

    fn next(&mut self, rng: &mut ChaCha8Rng, _process: u64) -> Invocation {
        let key = self.window.key_to_fill(rng);
        if !rng.random_ratio(Self::TRANSFER_PERCENT, 100) {
            return Invocation::of("read", key, Value::Null);
        }
        let from = rng.random_range(0..Self::ACCOUNTS);
        let to = (from + rng.random_range(1..Self::ACCOUNTS)) % Self::ACCOUNTS;
        transfer(key, [from, to], rng.random_range(1..=Self::AMOUNT_MAX))
    }

    fn probe(&self, node: &str, _number: u64) -> Option<Visit> {
        let there_and_back = [[0, 1], [1, 0]].map(|accounts| transfer(probe_key(node), accounts, 1));
        Some(Visit { invocations: there_and_back.to_vec(), until: None })
    }
}
