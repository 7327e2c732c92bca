//! What checks need to know besides the history, and what they are to check.

use crate::formats::Tree;

/// What a check needs to know besides the history.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How stale reads may be, for `staleness`.
    pub staleness: Bounds,
    /// How a compare-and-set that failed is read.
    pub failed_cas: FailedCas,
    /// What transactions have to satisfy.
    pub transactions: Transactions,
    /// How many permits a semaphore has; it is not judged where that is not said.
    pub permits: Option<u32>,
    /// What is known of a bank.
    pub bank: Bank,
    /// Whether `set-full` requires that an element is in every read that begins after it is known.
    pub linearizable_sets: bool,
}

/// What is known of a bank.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bank {
    /// Its accounts, all of which each read shows; none: whatever reads show.
    pub accounts: Option<Vec<Tree>>,
    /// What all balances come to; none: what most reads show.
    pub total: Option<i128>,
    /// Whether balances may be below zero.
    pub negative_balances: bool,
}

impl Settings {
    /// Nothing is known, and the usual is asked for.
    pub(crate) const DEFAULT: Settings = Settings {
        staleness: Bounds { versions_max: None, time_ns_max: None },
        failed_cas: FailedCas::Drop,
        transactions: Transactions::DEFAULT,
        permits: None,
        bank: Bank { accounts: None, total: None, negative_balances: false },
        linearizable_sets: false,
    };
}

impl Default for Settings {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// How stale a read may be; none: it is measured only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// The versions k: 1 is the last one, 2 the last two.
    pub versions_max: Option<u64>,
    /// The time delta, in ns.
    pub time_ns_max: Option<u64>,
}

/// How a compare-and-set that failed is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailedCas {
    /// It says nothing: it may have failed for any reason.
    #[default]
    Drop,
    /// It certainly found another value than the one that it expected.
    Enforce,
}

/// What is asked of transactions.
#[derive(Clone, Copy, Debug)]
pub struct Transactions {
    /// The level that must hold where the name of a check does not say it, as [`crate::checks::isolation::levels`] names it.
    pub required: &'static str,
    /// What may be assumed of the versions of a register; only checks of registers look at it.
    pub versions: Assume,
}

impl Transactions {
    const DEFAULT: Transactions = Transactions {
        required: "strict-serializable",
        versions: Assume { sequential_keys: false, linearizable_keys: false },
    };
}

impl Default for Transactions {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What may be assumed of each key by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Assume {
    /// Each key is sequentially consistent.
    pub sequential_keys: bool,
    /// Each key is linearizable.
    pub linearizable_keys: bool,
}
