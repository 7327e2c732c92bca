//! Pipelined RAM: each process sees the writes of every other in their order (Lipton and Sandberg 1988).
//!
//! Where reads show which writes they have seen, a read must see the acknowledged writes that its process made; all that its
//! process has seen so far, on any key and also in the causal past of a write; and what the writers of those had written before.
//! In a list the writes of a process stand in its order. Transactions of lists are judged by the anomalies that the level forbids,
//! too ([`crate::checks::isolation::levels`]). Single values are judged as transactions, see
//! [`crate::checks::isolation::saturation`].

use super::causal;
use super::clocks::Reach;
use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::checks::isolation::{check_level, is_of_lists, missed};
use crate::checks::sessions::{Guarantee, by_visibility};
use crate::finding::Finding;
use crate::limits::Limits;
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
        let finding = by_visibility(
            view,
            context,
            Guarantee::Pram,
            |records| is_of_lists(view.object, records) || reads_siblings(records),
            |workload| causal::check(workload, context, Reach::Pram),
            |records| check_level(view.object, records, context, "pram"),
        );
        match view.facts {
            Some(_) => finding,
            None => view.by_records(|records| match is_of_lists(view.object, records) {
                true => {
                    let level = check_level(view.object, records, context, "pram");
                    with_anomalies(finding, level, &context.limits)
                }
                false => finding,
            }),
        }
    }
}

/// With what sessions do not see of transactions of lists: aborted, intermediate and future reads, and lists of no order.
fn with_anomalies(mut finding: Finding, by_anomalies: Finding, limits: &Limits<'_>) -> Finding {
    let seen = by_anomalies.figures.get(missed::OWN).map_or(0, |count| *count as u64);
    let count = by_anomalies.violations.saturating_sub(seen);
    finding.doubts.extend(by_anomalies.doubts);
    if count > 0 {
        finding.violations += count;
        finding.anomalies.total += count;
        let others = by_anomalies.anomalies.kept.into_iter().filter(|kept| kept.anomaly.kind != missed::OWN);
        finding.anomalies.kept.extend(others);
        finding.anomalies.kept.truncate(limits.anomalies_max);
        finding.headline = format!("{}; {}", by_anomalies.headline, finding.headline);
        finding.figure("violations", finding.violations as f64);
    }
    finding
}
