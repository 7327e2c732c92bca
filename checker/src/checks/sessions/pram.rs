//! Pipelined RAM: each process sees the writes of every other in their order (Lipton and Sandberg 1988).
//!
//! Reads that show lists are judged by what they see of the writes, see [`crate::checks::sessions::visible`]; single values as
//! transactions, see [`crate::checks::isolation::saturation`].

use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::checks::isolation::saturation::Isolation;
use crate::checks::sessions::{Guarantee, by_session};
use crate::finding::Finding;
use crate::objects::Object;

/// Pipelined RAM.
pub struct Pram;

impl Check for Pram {
    fn name(&self) -> &'static str {
        "pram"
    }

    fn about(&self) -> &'static str {
        "txn of [w k v] and [r k v]: each process sees the writes of every other in their order (pipelined RAM)"
    }

    fn scope(&self) -> Scope {
        Scope::Workload
    }

    fn objects(&self) -> &'static [Object] {
        &Object::OF_WORKLOADS
    }

    fn nature(&self) -> Nature {
        Nature::RELATIONS
    }

    fn judge(&self, view: &View<'_>, context: &Context<'_>) -> Finding {
        view.by_records(|records| by_session(records, &context.limits, Isolation::Pram, Guarantee::Pram))
    }
}
