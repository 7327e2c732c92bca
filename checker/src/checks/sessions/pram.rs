//! Pipelined RAM: each process sees the writes of every other in their order (Lipton and Sandberg 1988).
//!
//! Where reads show which writes they have seen, a read must see the acknowledged writes that its process made; all that its
//! process has seen so far, on any key and also in the causal past of a write; and what the writers of those had written before.
//! In a list the writes of a process stand in its order. Single values are judged as transactions, see
//! [`crate::checks::isolation::saturation`].

use super::causal;
use super::clocks::Reach;
use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::checks::isolation::{check_level, is_of_lists};
use crate::checks::sessions::by_visibility;
use crate::finding::Finding;
use crate::objects::{Object, reads_siblings};

/// Pipelined RAM.
pub(crate) struct Pram;

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
        by_visibility(
            view,
            context,
            |records| is_of_lists(view.object, records) || reads_siblings(records),
            |workload| causal::check(workload, context, Reach::Pram),
            |records| check_level(view.object, records, context, "pram"),
        )
    }
}
