//! Logs of records with offsets, as Kafka has them: what was acknowledged is read, once, in one order, without gaps.
//!
//! ```text
//! operations ─► steps of each process (sent, polled, assigned) ─► contents of each key's log: offset ─► value
//!                                  │                                        └─► lost, duplicated, aborted, contradicting
//!                                  └─► each process's own order ─► skipped, backwards
//! ```
//!
//! The names of the anomalies and their conditions are those of Jepsen's `kafka` workload (Kingsbury, "Redpanda
//! 21.10.1", 2022), which Maelstrom's `kafka` uses, too. What depends on cycles of transactions is not judged here:
//! writes of transactions are not isolated in Kafka.

mod contents;
mod order;
mod steps;

use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::finding::Finding;
use crate::history::{History, Identities};
use crate::limits::Limits;
use crate::objects::Object;

use contents::Contents;

/// Checks logs of records with offsets.
pub struct Kafka;

impl Check for Kafka {
    fn name(&self) -> &'static str {
        "kafka"
    }

    fn about(&self) -> &'static str {
        "send [[send k v]] -> [[send k [offset v]]], poll -> [[poll {k [[offset v] ...]}]], txn, assign, subscribe: nothing \
         lost, doubled, skipped or out of order"
    }

    fn scope(&self) -> Scope {
        Scope::Workload
    }

    fn objects(&self) -> &'static [Object] {
        &[Object::Log]
    }

    fn nature(&self) -> Nature {
        // What was not polled yet may be polled later.
        Nature { lasting: false, ..Nature::LASTING.needing(400) }
    }

    fn judge(&self, view: &View<'_>, context: &Context<'_>) -> Finding {
        view.by_records(|records| check(records, &context.limits))
    }
}

/// Checks `send`, `poll` and `txn` of both; `assign`, `subscribe` and `crash` say where a process begins anew.
/// O(n log n).
pub fn check(records: &History, limits: &Limits<'_>) -> Finding {
    let mut same = Identities::new(records);
    let known =
        steps::steps(records, &mut same).and_then(|steps| Ok((Contents::new(records, &steps, &mut same)?, steps)));
    let (contents, steps) = match known {
        Ok(known) => known,
        Err(problem) => return Finding::undecided(problem),
    };
    let mut finding = Finding::default();
    contents.judge(limits, &mut finding);
    order::judge(records, &steps, &contents, limits, &mut finding);
    contents.conclude(&mut finding);
    finding
}

#[cfg(test)]
mod tests;
