//! `unique-ids`: clients ask for identifiers, of which no two may be equal.
//!
//! Jepsen's and Maelstrom's `unique-ids`. A store gives what it has for that: a revision, a sequence number, a counter.

use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::workload::{Invocation, Visit, Workload};

/// `generate`, and nothing else.
#[derive(Debug, Default)]
pub struct UniqueIds;

/// The one key that clients ask with.
const KEY: &str = "ids-0";

impl Workload for UniqueIds {
    fn name(&self) -> &'static str {
        "unique-ids"
    }

    fn functions(&self) -> &'static [&'static str] {
        &["generate"]
    }

    fn keys(&self) -> Vec<String> {
        vec![KEY.to_owned()]
    }

    fn next(&mut self, _rng: &mut ChaCha8Rng, _process: u64) -> Invocation {
        Invocation::of("generate", KEY.to_owned(), Value::Null)
    }

    /// Nothing is kept that could be read.
    fn final_visits(&self) -> Vec<Visit> {
        Vec::new()
    }

    fn probe(&self, _node: &str, _number: u64) -> Option<Visit> {
        Some(Visit::once(Invocation::of("generate", KEY.to_owned(), Value::Null)))
    }
}
