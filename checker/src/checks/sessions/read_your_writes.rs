//! Read your writes: a process that was acknowledged a write sees it, or something causally newer, in every later
//! read of the key.
//!
//! Judged for each read of the main phase whose process had earlier acknowledged writes of the key. One violation is
//! one read, however many of the writes it missed. A process that got an `info` has ended; its worker goes on as
//! another process, with no earlier writes.
//!
//! Time: linear in what the analysis in [`crate::visibility`] costs. Source: Terry et al., "Session guarantees for
//! weakly consistent replicated data", PDIS 1994.

use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::checks::sessions::{Guarantee, judge};
use crate::checks::survival::lost_writes::{flaws, name};
use crate::finding::{Draft, Finding, Proof, ReadTally, by_node, ended};
use crate::objects::Object;
use crate::visibility::Evidence;
use crate::visibility::OwnMiss;
use crate::visibility::{KeyFacts, WorkloadFacts};

/// Read your writes.
pub(crate) struct ReadYourWrites;

impl Check for ReadYourWrites {
    fn name(&self) -> &'static str {
        "read-your-writes"
    }

    fn about(&self) -> &'static str {
        "a read sees what its process wrote before, or something causally newer (Terry et al. 1994)"
    }

    fn scope(&self) -> Scope {
        Scope::Workload
    }

    fn objects(&self) -> &'static [Object] {
        &Object::OF_WORKLOADS
    }

    fn nature(&self) -> Nature {
        Nature::MEASURED
    }

    fn judge(&self, view: &View<'_>, context: &Context<'_>) -> Finding {
        judge(view, context, Guarantee::ReadYourWrites, |workload| check(workload, context))
    }
}

/// Judges a workload.
fn check(workload: &WorkloadFacts<'_>, context: &Context<'_>) -> Finding {
    let mut finding = Finding { doubts: flaws(workload), ..Finding::default() };
    let (explainer, mut tally) = (context.explainer(), ReadTally::default());
    for key in workload.keys.iter().filter(|key| key.flaws.is_empty()) {
        tally.add(&key.analysis.own_judged, &key.analysis.own_undecided);
        for (read, miss) in &key.analysis.own_missed {
            finding.violations += 1;
            explainer.add(&mut finding.anomalies, || stale_read(workload, key, *read, *miss));
        }
    }
    tally.conclude(
        &mut finding,
        "missed writes of their own process",
        workload.untested("no process read a key after its own acknowledged write"),
    );
    finding
}

fn stale_read<'k>(workload: &WorkloadFacts<'_>, key: &'k KeyFacts<'_>, read: usize, miss: OwnMiss) -> Draft<'k> {
    let (shown, write) = (&key.reads[read], &key.writes[miss.latest]);
    let read = &shown.operation;
    let through = read.node().map_or_else(String::new, |node| format!(" through {node}"));
    let acknowledged = ended(&write.operation);
    let mut explanation = format!(
        "process {} read {}{through}{} and did not see its own {}, acknowledged{}{acknowledged}",
        read.process_name(),
        key.name,
        ended(read),
        name(workload, key, write),
        by_node(&write.operation),
    );
    if miss.count > 1 {
        explanation.push_str(&format!(", nor {} of its earlier writes", miss.count - 1));
    }
    let missed = Evidence::new(workload, key).of_miss(shown, miss.latest);
    let proof = Proof::of([write.operation, *read]).with(missed);
    Draft { kind: "stale-read", key: &key.name, process: Some(read.process_name()), explanation, proof }
}
