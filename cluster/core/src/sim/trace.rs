//! A hash of all that happens in a world. It need not withstand anybody, but be quick and the same on every machine.

use std::fmt;
use std::hash::{Hash, Hasher};

use rustc_hash::FxHasher;

#[derive(Default)]
pub(super) struct Trace(FxHasher);

impl Trace {
    pub fn note(&mut self, what: &impl Hash) {
        what.hash(&mut self.0);
    }

    /// Of everything noted so far.
    pub fn hash(&self) -> u64 {
        self.0.finish()
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trace({:x})", self.hash())
    }
}
