//! Availability: after the heal, once the cluster has come to rest, every node serves again.
//!
//! Judged by the final reads, of each key through each node, and by the probes, a write through each node. Each may be
//! tried several times, and one success is enough. A key that a node never reads, or a probe that it never writes,
//! violates the property; everything that one node does not serve is one anomaly. What clients got while faults were active
//! is in the statistics and is not judged: a quorum that cannot be reached is no defect.
//!
//! This needs the whole history: no other attempt succeeded, and so many requests were served. An anomaly is proved by the last
//! request that the node did not serve, which is a violation by itself; the explanation has the numbers.
//!
//! Time: O(n log n) in the final reads and probes. Source: DeCandia et al., SOSP 2007, 2.3 and 4.6 (always writeable)
//! and 4.8.3 (peers that were considered down are tried again).

use std::collections::BTreeMap;

use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::finding::{Draft, Explainer, Finding, Proof, at_time};
use crate::history::{Operation, Phase};
use crate::objects::Object;

/// How many further requests that a node did not serve are shown beside the last.
const CONTEXT_MAX: usize = 5;

/// What one node was asked for, with the attempts: the first that succeeded, else the last.
type Asked<'h> = BTreeMap<(&'h str, &'h str, &'h str), Operation<'h>>;

/// Every node serves.
pub(crate) struct Availability;

impl Check for Availability {
    fn name(&self) -> &'static str {
        "availability"
    }

    fn about(&self) -> &'static str {
        "after the heal every node serves reads and writes"
    }

    fn scope(&self) -> Scope {
        Scope::Run
    }

    fn objects(&self) -> &'static [Object] {
        &[]
    }

    fn nature(&self) -> Nature {
        Nature::MEASURED
    }

    fn judge(&self, view: &View<'_>, context: &Context<'_>) -> Finding {
        view.by_operations(|operations| check(operations, &context.explainer()))
    }
}

/// Judges a history.
pub(crate) fn check(operations: &[Operation<'_>], explainer: &Explainer<'_>) -> Finding {
    let mut nodes: BTreeMap<&str, Asked<'_>> = BTreeMap::new();
    let after_rest = |operation: &&Operation<'_>| matches!(operation.phase(), Phase::Final | Phase::Probe);
    for operation in operations.iter().filter(after_rest) {
        let what = (operation.f(), operation.workload().unwrap_or(""), operation.key().unwrap_or(""));
        let asked = nodes.entry(operation.node().unwrap_or("?")).or_default();
        let known = asked.entry(what).or_insert(*operation);
        if !known.is_ok() {
            *known = *operation;
        }
    }
    let mut finding = Finding::default();
    let mut counts = Counts::default();
    for (node, asked) in &nodes {
        counts.add(asked);
        let refused: Vec<&Operation<'_>> = asked.values().filter(|operation| !operation.is_ok()).collect();
        finding.violations += refused.len() as u64;
        if !refused.is_empty() {
            explainer.add(&mut finding.anomalies, || unserved(node, asked.len(), &refused));
        }
    }
    if nodes.is_empty() {
        finding.doubts.push("nothing was asked after the rest".to_owned());
    }
    finding.headline = counts.headline(nodes.len());
    finding.figures = counts.figures();
    finding
}

/// Final reads and probes, and how many of them were served.
#[derive(Default)]
struct Counts {
    reads: u64,
    reads_served: u64,
    probes: u64,
    probes_served: u64,
}

impl Counts {
    fn add(&mut self, asked: &Asked<'_>) {
        for operation in asked.values() {
            let served = u64::from(operation.is_ok());
            let (count, count_served) = match operation.phase() {
                Phase::Probe => (&mut self.probes, &mut self.probes_served),
                _ => (&mut self.reads, &mut self.reads_served),
            };
            *count += 1;
            *count_served += served;
        }
    }

    fn headline(&self, nodes: usize) -> String {
        let Counts { reads, reads_served, probes, probes_served } = self;
        let mut headline = format!("{nodes} nodes served {reads_served} of {reads} final reads");
        if *probes > 0 {
            headline.push_str(&format!(" and {probes_served} of {probes} probe writes"));
        }
        headline
    }

    fn figures(&self) -> BTreeMap<String, f64> {
        let counts = [
            ("final-reads", self.reads),
            ("final-reads-served", self.reads_served),
            ("probes", self.probes),
            ("probes-served", self.probes_served),
        ];
        counts.into_iter().map(|(name, count)| (name.to_owned(), count as f64)).collect()
    }
}

fn unserved<'k>(node: &str, asked: usize, refused: &[&Operation<'k>]) -> Draft<'k> {
    let last = refused.iter().max_by_key(|operation| operation.invoked());
    let mut explanation = format!("{node} did not serve {} of {asked} requests after the rest", refused.len());
    if let Some(operation) = last {
        let why = operation.error().unwrap_or("no answer");
        let (f, of) = (operation.f(), operation.key().map_or_else(String::new, |key| format!(" of {key}")));
        explanation.push_str(&format!(": `{f}`{of}{}: {why}", at_time(operation.history(), operation.invoked_ns())));
    }
    let proof = Proof::of(last.map(|operation| **operation))
        .beside(refused.iter().map(|operation| **operation).take(CONTEXT_MAX));
    Draft { kind: "node-not-serving", key: "", process: None, explanation, proof }
}
