//! What a check of one model decided, and within which limits it worked.
//!
//! The checks of [`crate::check`] judge properties of the bench's own workloads and make a [`crate::verdict::Verdict`]. A
//! check here takes [`crate::history::History`], which may come from anywhere, asks one question of them (is this
//! register linearizable?), and answers with a [`Decision`]. A limit that was reached is told in the headline, and the
//! outcome is then [`Outcome::Inconclusive`] unless a violation was found before: a violation is a violation, however
//! much was left unread.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::verdict::Outcome;

/// The answer to one question about a history.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Whether the history is one that the model allows.
    pub outcome: Outcome,
    /// The answer in a line: what was checked, of how much, and which limit was reached if any.
    pub headline: String,
    /// Figures by name; the unit is the name's end (`stale_ms_p99`).
    pub figures: BTreeMap<String, f64>,
    /// The first violations, at most [`Limits::violations_max`].
    pub violations: Vec<Violation>,
    /// How many there are in all.
    pub violations_total: u64,
    /// The strongest consistency models still possible; only checks of transactions fill it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strongest: Vec<String>,
}

/// A few operations that no execution of the model explains.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Violation {
    /// The anomaly's name, as in `stale-read` or `G1c`.
    pub kind: String,
    /// The key that it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// One or two sentences that name values, processes and times.
    pub explanation: String,
    /// The history indices of the events of a minimal set of operations that is a violation by itself, ascending.
    pub events: Vec<u64>,
}

/// What a check may spend.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    /// Memory that a check may take beside the records, in bytes; what it takes is estimated by the check itself.
    pub memory_bytes: u64,
    /// How many violations are explained; further ones are only counted.
    pub violations_max: usize,
    /// Whether the time for it is over. Asked often, from every thread; a check has no clock of its own.
    pub out_of_time: &'a (dyn Fn() -> bool + Sync),
    /// Threads that a check may use, at least one.
    pub threads: usize,
}

/// The time that never ends.
fn never() -> bool {
    false
}

impl Default for Limits<'_> {
    fn default() -> Self {
        Self { memory_bytes: 1 << 30, violations_max: 20, out_of_time: &never, threads: 1 }
    }
}

impl fmt::Debug for Limits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits")
            .field("memory_bytes", &self.memory_bytes)
            .field("violations_max", &self.violations_max)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

impl Decision {
    /// One without violations.
    pub fn valid(headline: impl Into<String>) -> Self {
        Self { headline: headline.into(), ..Self::default() }
    }

    /// Nothing could be decided, and why.
    pub fn inconclusive(headline: impl Into<String>) -> Self {
        Self { outcome: Outcome::Inconclusive, headline: headline.into(), ..Self::default() }
    }

    /// Counts a violation, and keeps it with its explanation if there is room; the explanation is only made then.
    pub fn violated(&mut self, limits: &Limits<'_>, explain: impl FnOnce() -> Violation) {
        self.outcome = Outcome::Invalid;
        self.violations_total += 1;
        if self.violations.len() < limits.violations_max {
            self.violations.push(explain());
        }
    }

    /// Sets a figure.
    pub fn figure(&mut self, name: &str, value: impl Into<f64>) {
        self.figures.insert(name.to_owned(), value.into());
    }
}
