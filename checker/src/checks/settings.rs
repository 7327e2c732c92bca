//! What checks need to know besides the history, and what they are to check.

/// What a check needs to know besides the history.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// How stale reads may be, for `staleness`.
    pub staleness: Bounds,
    /// How a compare-and-set that failed is read.
    pub failed_cas: FailedCas,
    /// What transactions have to satisfy.
    pub transactions: Transactions,
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

impl Default for Transactions {
    fn default() -> Self {
        Self { required: "strict-serializable", versions: Assume::default() }
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
