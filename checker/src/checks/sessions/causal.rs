//! Causal consistency over all keys of a workload: a read sees all that happened before it.
//!
//! An operation comes after the earlier operations of its process, after the writes that it has seen (a read) or replaced (a
//! write), and after everything that happened before those (Lamport 1978, with reads in place of messages). A read violates
//! this if it lacks a write that happened before it and that nothing it sees has replaced.
//!
//! On one key this is the four session guarantees together. Over several keys it is more: a store that keeps the sessions of
//! each key separately does not promise it. A process that has read x may miss, on y, what the writer of x had written first.
//!
//! [`super::clocks`] decides what happened before a read, and [`crate::visibility`] which of it the read lacks, deletes and
//! concurrent writes included. In a list, what happened before a write also stands before it. PRAM ([`super::pram`]) is judged
//! in the same way, but less counts as having happened before.
//!
//! Sources: Ahamad, Neiger, Burns, Kohli, Hutto, "Causal memory", 1995; Bouajjani et al., POPL 2017 (the bad pattern
//! `WriteCORead`).

use super::clocks::{Act, Clocks, Node, Reach};
use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::checks::isolation;
use crate::checks::sessions::{Guarantee, by_visibility, lacks};
use crate::checks::survival::lost_writes::{flaws, name};
use crate::finding::{Draft, Finding, Proof, ReadTally, Shrinks, a_read};
use crate::history::{Operation, Phase};
use crate::objects::{Object, reads_siblings};
use crate::visibility::{Block, Evidence, KeyFacts, Late, OwnMiss, Read, WorkloadFacts, required};

/// How many steps of a chain an explanation shows.
const STEPS_SHOWN: usize = 8;

/// Causal consistency.
pub(crate) struct Causal;

impl Check for Causal {
    fn name(&self) -> &'static str {
        "causal"
    }

    fn about(&self) -> &'static str {
        "a read sees all that happened before it, over all keys; of transactions on registers CC (Bouajjani et al. 2017)"
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
        by_visibility(
            view,
            context,
            Guarantee::Causal,
            reads_siblings,
            |workload| check(workload, context, Reach::Causal),
            |records| isolation::check_level(view.object, records, context, "causal"),
        )
    }
}

/// Judges a workload.
pub(crate) fn check(workload: &WorkloadFacts<'_>, context: &Context<'_>, reach: Reach) -> Finding {
    let mut finding = Finding { doubts: flaws(workload), ..Finding::default() };
    let clocks = match Clocks::new(workload, reach, &context.limits) {
        Ok(clocks) => clocks,
        Err(why) => {
            finding.doubts.push(why);
            return finding;
        }
    };
    finding.doubts.extend(clocks.doubt.clone());
    let (explainer, mut tally) = (context.explainer(), ReadTally::default());
    for (number, key) in workload.keys.iter().enumerate().filter(|(_, key)| key.flaws.is_empty()) {
        let must_see = |block: &Block<'_, '_>| clocks.must_see(number, block);
        let mut of_key =
            required(key, workload.model, workload.concurrent_writes, context.limits.out_of_time, must_see);
        of_key.disordered = clocks.late(number);
        finding
            .doubts
            .extend(of_key.is_cut.then(|| format!("the time was over before all of {} was looked at", key.name)));
        let broken = of_key.broken();
        tally.merge(with_beginning(key, of_key.reads));
        for (at, read) in key.reads.iter().enumerate().filter(|(at, _)| !broken.contains(at)) {
            if let Some(element) = read.lacks.first().filter(|_| is_by_client(read)) {
                finding.violations += 1;
                explainer.add(&mut finding.anomalies, || without_beginning(key, at, *element, reach));
            }
        }
        for read in broken {
            finding.violations += 1;
            let place = (number, read);
            explainer.add(&mut finding.anomalies, || match of_key.missed.get(&read) {
                Some(miss) => lacking(workload, &clocks, place, *miss, reach),
                None => too_late(workload, &clocks, place, of_key.disordered[&read], reach),
            });
        }
    }
    let (did, untested) = match reach {
        Reach::Pram => {
            ("lack what a process had written before what their own knew of", "no process had written before a read")
        }
        Reach::Causal => ("lack what happened before them", "no write happened before a read"),
    };
    tally.conclude(&mut finding, did, workload.untested(untested));
    finding
}

fn kind(reach: Reach) -> &'static str {
    match reach {
        Reach::Pram => "pram-broken",
        Reach::Causal => "causality-broken",
    }
}

/// Of a key that began with something every read has to show that, unless a register's writes may have replaced it.
fn with_beginning(key: &KeyFacts<'_>, reads: ReadTally) -> ReadTally {
    let lacking = key.reads.iter().filter(|read| is_by_client(read) && !read.lacks.is_empty()).count() as u64;
    ReadTally { judged: reads.judged.max(lacking), ..reads }
}

fn is_by_client(read: &Read<'_>) -> bool {
    read.operation.phase() != Phase::Replica
}

/// A read that lacks what was there before everything.
fn without_beginning<'k>(key: &'k KeyFacts<'_>, read: usize, element: u32, reach: Reach) -> Draft<'k> {
    let read = &key.reads[read];
    let (process, proof) = (Some(read.operation.process_name()), Proof::of([read.operation]));
    Draft { kind: kind(reach), key: &key.name, process, explanation: lacks(key, read, element), proof }
}

fn lacking<'k>(
    workload: &'k WorkloadFacts<'_>,
    clocks: &Clocks<'k, '_>,
    (number, read): (usize, usize),
    miss: OwnMiss,
    reach: Reach,
) -> Draft<'k> {
    let key = &workload.keys[number];
    let (operation, write) = (&key.reads[read].operation, &key.writes[miss.latest]);
    let chain = clocks.chain_to_read(number, read, miss.latest);
    let why = match reach {
        Reach::Pram => "which its process had made before what this one knew of",
        Reach::Causal => "which happened before it",
    };
    let mut explanation = format!(
        "{} of {} by process {} lacks {}, {why}: {}",
        a_read(operation),
        key.name,
        operation.process_name(),
        name(workload, key, write),
        steps(workload, clocks, &chain),
    );
    if miss.count > 1 {
        explanation.push_str(&format!("; the same goes for {} more writes", miss.count - 1));
    }
    let evidence = Evidence::new(workload, key);
    let mut proof = proof_of(workload, clocks, &chain).with(evidence.of_miss(&key.reads[read], miss.latest));
    let unseen = evidence.of_unseen_deletes(&key.reads[read], miss.latest, &proof.operations);
    proof = proof.with(unseen);
    // Only a chain that may turn out to be shorter needs a new explanation.
    proof.shrinks = Some(if chain.len() > 2 { Shrinks::NewExplanation } else { Shrinks::SameExplanation });
    Draft { kind: kind(reach), key: &key.name, process: Some(operation.process_name()), explanation, proof }
}

/// A read that shows something after what it happened before.
fn too_late<'k>(
    workload: &'k WorkloadFacts<'_>,
    clocks: &Clocks<'k, '_>,
    (number, read): (usize, usize),
    late: Late,
    reach: Reach,
) -> Draft<'k> {
    let key = &workload.keys[number];
    let (operation, writes) = (&key.reads[read].operation, [late.write, late.before].map(|at| &key.writes[at]));
    let chain = clocks.chain_to_write(number, late.before, late.write);
    let explanation = format!(
        "{} of {} by process {} shows {} after {}, which it happened before: {}",
        a_read(operation),
        key.name,
        operation.process_name(),
        name(workload, key, writes[0]),
        name(workload, key, writes[1]),
        steps(workload, clocks, &chain),
    );
    let mut proof = proof_of(workload, clocks, &chain);
    proof.operations.extend(writes.map(|write| write.operation));
    proof.operations.push(*operation);
    proof.shrinks = Some(Shrinks::NewExplanation);
    Draft { kind: kind(reach), key: &key.name, process: Some(operation.process_name()), explanation, proof }
}

/// The operations of a chain, with what shows that each knew of the one before.
fn proof_of<'h>(workload: &WorkloadFacts<'h>, clocks: &Clocks<'_, 'h>, chain: &[usize]) -> Proof<'h> {
    let mut proof = Proof::of(chain.iter().map(|node| *clocks.operation(*node)));
    for pair in chain.windows(2) {
        proof.operations.extend(sight(workload, clocks.node(pair[0]), clocks.node(pair[1])));
    }
    proof
}

/// The further operations needed to prove that an operation of a chain knew of the write before it.
fn sight<'h>(workload: &WorkloadFacts<'h>, earlier: Node, later: Node) -> Vec<Operation<'h>> {
    let key = &workload.keys[later.key];
    let evidence = Evidence::new(workload, key);
    match (earlier.act, later.act) {
        (Act::Write(write), Act::Read(read)) if earlier.key == later.key => evidence.of_sight(&key.reads[read], write),
        (Act::Write(write), Act::Write(later_write)) if earlier.key == later.key => {
            evidence.of_replacement(later_write, write)
        }
        _ => Vec::new(),
    }
}

fn steps(workload: &WorkloadFacts<'_>, clocks: &Clocks<'_, '_>, chain: &[usize]) -> String {
    let mut steps: Vec<String> = chain.iter().map(|node| step(workload, clocks, *node)).collect();
    if steps.len() > STEPS_SHOWN {
        let left_out = steps.len() - STEPS_SHOWN;
        steps.splice(STEPS_SHOWN / 2..STEPS_SHOWN / 2 + left_out, [format!("{left_out} steps more")]);
    }
    steps.join(", then ")
}

/// `process 3: write 17 to register-2`.
fn step(workload: &WorkloadFacts<'_>, clocks: &Clocks<'_, '_>, node: usize) -> String {
    let Node { key, act, .. } = clocks.node(node);
    let facts = &workload.keys[key];
    let what = match act {
        Act::Write(write) => name(workload, facts, &facts.writes[write]),
        Act::Read(_) => format!("read of {}", facts.name),
    };
    format!("process {}: {what}", clocks.operation(node).process_name())
}
