//! Within which limits a check works.
//!
//! A limit that was reached is a doubt of its [`crate::finding::Finding`], which is then inconclusive unless a violation was
//! found before: a violation is a violation, however much was left unread.

use std::fmt;

/// What a check may spend.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    /// Memory that a check may take besides the records, in bytes; what it takes is estimated by the check itself.
    pub memory_bytes: u64,
    /// How many violations are explained; further ones are only counted.
    pub anomalies_max: usize,
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
        Self { memory_bytes: 1 << 30, anomalies_max: 20, out_of_time: &never, threads: 1 }
    }
}

impl fmt::Debug for Limits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits")
            .field("memory_bytes", &self.memory_bytes)
            .field("anomalies_max", &self.anomalies_max)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}
