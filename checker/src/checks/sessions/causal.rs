//! Causal consistency over all keys of a workload: a read sees all that happened before it.
//!
//! Before an operation happened what its process did before, what a read has seen or a write has replaced, and whatever
//! happened before those (Lamport 1978, with reads in the place of messages). A read that lacks a write which happened before
//! it, and which nothing that it sees has replaced, is a violation: the process that reads knows better already.
//!
//! On one key this is the four session guarantees together. Over several it is more, and a store that keeps sessions for
//! each key by itself does not promise it: who has read x can miss, on y, what the writer of x had written first.
//!
//! A vector clock for each operation says how many of each process's operations happened before it. They are filled in the
//! order of invocation, again until nothing is news: a read may see a write that was invoked after it. What then is lacking
//! is told by [`crate::visibility`], deletes and concurrent writes included.
//!
//! Time: O(operations x processes), a few times over; memory the same, up to [`CLOCKS_MAX`]. Sources: Ahamad, Neiger,
//! Burns, Kohli, Hutto, "Causal memory", 1995; Bouajjani et al., POPL 2017 (the bad pattern `WriteCORead`).

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::checks::isolation::saturation::Isolation;
use crate::checks::isolation::{self, is_of_lists};
use crate::checks::sessions::{Guarantee, by_session};
use crate::checks::survival::lost_writes::{flaws, name};
use crate::finding::{Draft, Explainer, Finding, Proof, ReadTally, Shrinks, a_read};
use crate::history::{EventType, Operation, Phase};
use crate::objects::Object;
use crate::visibility::Evidence;
use crate::visibility::{Block, OwnMiss, owed};
use crate::visibility::{KeyFacts, Past, WorkloadFacts};

/// Entries of clocks, 4 bytes each; a history that needs more is not judged.
pub(crate) const CLOCKS_MAX: usize = 1 << 25;
/// How often clocks are filled before that ends with a doubt.
const ROUNDS_MAX: usize = 64;
/// Steps of a chain that an explanation tells.
const STEPS_SHOWN: usize = 8;

/// Causal consistency.
pub struct Causal;

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
        match view.facts {
            Some(workload) => check(workload, &context.explainer()),
            None => view.by_records(|records| match is_of_lists(view.object, records) {
                true => isolation::check_level(view.object, records, context, "causal"),
                false => by_session(records, &context.limits, Isolation::Causal, Guarantee::Causal),
            }),
        }
    }
}

/// Judges a workload.
pub(crate) fn check(workload: &WorkloadFacts<'_>, explainer: &Explainer<'_>) -> Finding {
    let mut finding = Finding { doubts: flaws(workload), ..Finding::default() };
    let before = match Before::new(workload) {
        Ok(before) => before,
        Err(why) => {
            finding.doubts.push(why);
            return finding;
        }
    };
    if before.is_cut {
        finding.doubts.push(format!("what happened before what was followed {ROUNDS_MAX} times, not to the end"));
    }
    let mut tally = ReadTally::default();
    for (number, key) in workload.keys.iter().enumerate().filter(|(_, key)| key.flaws.is_empty()) {
        let of_key = owed(key, workload.model, workload.concurrent_writes, |block| before.owes(number, key, block));
        tally.merge(of_key.reads);
        for (read, miss) in &of_key.missed {
            finding.violations += 1;
            explainer.add(&mut finding.anomalies, || lacking(workload, &before, (number, *read), *miss));
        }
    }
    tally.conclude(&mut finding, "lack what happened before them", "no write happened before a read");
    finding
}

/// An operation of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    Write(usize),
    Read(usize),
}

/// An operation among all of the workload.
#[derive(Clone, Copy, Debug)]
struct Node {
    key: usize,
    act: Act,
    session: usize,
    /// Its place in its session, from 1.
    position: u32,
    /// The one before it in its session.
    previous: Option<usize>,
}

/// Where the operations of a key are among all; those that are not judged are nowhere.
struct Numbers {
    writes: Vec<Option<usize>>,
    reads: Vec<Option<usize>>,
}

impl Numbers {
    fn new(key: &KeyFacts<'_>) -> Self {
        Self { writes: vec![None; key.writes.len()], reads: vec![None; key.reads.len()] }
    }

    fn of(&self, act: Act) -> Option<usize> {
        match act {
            Act::Write(write) => self.writes[write],
            Act::Read(read) => self.reads[read],
        }
    }

    fn set(&mut self, act: Act, number: usize) {
        match act {
            Act::Write(write) => self.writes[write] = Some(number),
            Act::Read(read) => self.reads[read] = Some(number),
        }
    }
}

/// What happened before what.
struct Before<'w, 'h> {
    keys: &'w [KeyFacts<'h>],
    /// In the order of invocation.
    nodes: Vec<Node>,
    /// For each key.
    numbers: Vec<Numbers>,
    sessions: usize,
    /// By operation and session: how many of the session's operations happened before.
    clocks: Vec<u32>,
    is_cut: bool,
}

impl<'w, 'h> Before<'w, 'h> {
    /// The clocks of all operations, or why there are none.
    fn new(workload: &'w WorkloadFacts<'h>) -> Result<Self, String> {
        let keys = &workload.keys[..];
        let mut acts: Vec<(u64, u64, usize, Act)> = Vec::new();
        for (number, key) in keys.iter().enumerate().filter(|(_, key)| key.flaws.is_empty()) {
            let writes = key.writes.iter().map(|write| &write.operation).enumerate();
            let writes = writes.filter(|(_, operation)| operation.outcome() != EventType::Fail);
            acts.extend(writes.map(|(at, op)| (op.invoked(), op.process(), number, Act::Write(at))));
            let reads = key.reads.iter().map(|read| &read.operation).enumerate();
            let reads = reads.filter(|(_, operation)| operation.phase() != Phase::Replica);
            acts.extend(reads.map(|(at, op)| (op.invoked(), op.process(), number, Act::Read(at))));
        }
        acts.sort_unstable();
        let numbers = keys.iter().map(Numbers::new).collect();
        let nodes = Vec::with_capacity(acts.len());
        let mut before = Self { keys, nodes, numbers, sessions: 0, clocks: Vec::new(), is_cut: false };
        before.number(&acts);
        let entries = before.sessions.saturating_mul(before.nodes.len());
        if entries > CLOCKS_MAX {
            let (operations, sessions) = (before.nodes.len(), before.sessions);
            return Err(format!("the clocks of {operations} operations by {sessions} processes are too many"));
        }
        before.clocks = vec![0; entries];
        before.fill();
        Ok(before)
    }

    fn number(&mut self, acts: &[(u64, u64, usize, Act)]) {
        let mut sessions: BTreeMap<u64, (usize, u32, Option<usize>)> = BTreeMap::new();
        for (at, (_, process, key, act)) in acts.iter().enumerate() {
            let next = sessions.len();
            let (session, position, last) = sessions.entry(*process).or_insert((next, 0, None));
            *position += 1;
            let (session, position, previous) = (*session, *position, last.replace(at));
            self.nodes.push(Node { key: *key, act: *act, session, position, previous });
            self.numbers[*key].set(*act, at);
        }
        self.sessions = sessions.len();
    }

    /// The writes that an operation has itself seen; of a process the last is enough.
    fn seen(&self, node: usize) -> Vec<usize> {
        let Node { key, act, .. } = self.nodes[node];
        let facts = &self.keys[key];
        let writes = match act {
            Act::Read(read) => &facts.reads[read].heads[..],
            Act::Write(write) => match &facts.writes[write].past {
                Past::Known(past) => &past[..],
                Past::Unknown => &[],
            },
        };
        let number = |write: &u32| self.numbers[key].writes[*write as usize];
        writes.iter().filter_map(number).filter(|seen| *seen != node).collect()
    }

    fn fill(&mut self) {
        let count = self.nodes.len();
        let seen: Vec<Vec<usize>> = (0..count).map(|node| self.seen(node)).collect();
        // The turn in which each clock was changed last. What was not changed since one's own last turn is no news.
        let mut changed = vec![0; count];
        for round in 0..ROUNDS_MAX {
            let mut news = false;
            for (node, seen) in seen.iter().enumerate() {
                let (turn, previous) = ((round + 1) * count + node, self.nodes[node].previous);
                for earlier in previous.iter().chain(seen) {
                    if (round == 0 || changed[*earlier] > turn - count) && self.learn(node, *earlier) {
                        changed[node] = turn;
                        news = true;
                    }
                }
            }
            if !news {
                return;
            }
        }
        self.is_cut = true;
    }

    /// All that happened before the earlier, and itself, happened before the later.
    fn learn(&mut self, later: usize, earlier: usize) -> bool {
        let clocks = [self.clock(later), self.clock(earlier)];
        let [to, from] = self.clocks.get_disjoint_mut(clocks).expect("no operation happened before itself");
        let mut news = false;
        for (to, from) in to.iter_mut().zip(from) {
            news |= *from > *to;
            *to = (*to).max(*from);
        }
        let Node { session, position, .. } = self.nodes[earlier];
        news |= position > to[session];
        to[session] = to[session].max(position);
        news
    }

    /// Where the clock of an operation is.
    fn clock(&self, node: usize) -> Range<usize> {
        node * self.sessions..(node + 1) * self.sessions
    }

    /// For each read of a key, the writes of a block that happened before it.
    fn owes(&self, number: usize, key: &KeyFacts<'_>, block: &Block<'_, '_>) -> Vec<u64> {
        // By session, the places of its writes, each with the word of all up to it.
        let mut writes: BTreeMap<usize, Vec<(u32, u64)>> = BTreeMap::new();
        for bit in 0..block.len {
            let Some(node) = self.numbers[number].writes[block.first + bit] else { continue };
            let Node { session, position, .. } = self.nodes[node];
            let known = writes.entry(session).or_default();
            known.push((position, known.last().map_or(0, |(_, word)| *word) | 1 << bit));
        }
        let of = |read: usize| {
            let Some(node) = self.numbers[number].reads[read] else { return 0 };
            let clock = &self.clocks[self.clock(node)];
            writes.iter().fold(0, |word, (session, known)| {
                let clock = clock[*session];
                let count = known.partition_point(|(position, _)| *position <= clock);
                word | count.checked_sub(1).map_or(0, |last| known[last].1)
            })
        };
        (0..key.reads.len()).map(of).collect()
    }

    /// The operations by which a read knew of a write, from the write to the read.
    fn chain(&self, read: usize, write: usize) -> Vec<usize> {
        let wanted = self.nodes[write];
        let mut came: BTreeMap<usize, usize> = BTreeMap::new();
        let mut open = VecDeque::from([read]);
        while let Some(node) = open.pop_front() {
            let Node { session, position, previous, .. } = self.nodes[node];
            if node != read && session == wanted.session && position >= wanted.position {
                let mut chain = vec![write, node];
                while let Some(next) = came.get(chain.last().unwrap_or(&read)) {
                    chain.push(*next);
                }
                return self.without_stations(chain);
            }
            for earlier in previous.into_iter().chain(self.seen(node)) {
                if earlier != read && !came.contains_key(&earlier) {
                    came.insert(earlier, node);
                    open.push_back(earlier);
                }
            }
        }
        vec![write, read]
    }

    /// Of what one process did in a row only the first and the last.
    fn without_stations(&self, mut chain: Vec<usize>) -> Vec<usize> {
        chain.dedup();
        let session = |at: usize| self.nodes[at].session;
        let kept = (0..chain.len()).filter(|at| {
            let same = |other: Option<&usize>| other.is_some_and(|other| session(*other) == session(chain[*at]));
            !(*at > 0 && same(chain.get(at - 1)) && same(chain.get(at + 1)))
        });
        kept.map(|at| chain[at]).collect()
    }

    fn operation(&self, node: usize) -> &'w Operation<'h> {
        let Node { key, act, .. } = self.nodes[node];
        match act {
            Act::Write(write) => &self.keys[key].writes[write].operation,
            Act::Read(read) => &self.keys[key].reads[read].operation,
        }
    }
}

fn lacking<'k>(
    workload: &'k WorkloadFacts<'_>,
    before: &Before<'k, '_>,
    (number, read): (usize, usize),
    miss: OwnMiss,
) -> Draft<'k> {
    let key = &workload.keys[number];
    let (operation, write) = (&key.reads[read].operation, &key.writes[miss.latest]);
    let node = |act: Act| before.numbers[number].of(act);
    let chain = match (node(Act::Read(read)), node(Act::Write(miss.latest))) {
        (Some(read), Some(write)) => before.chain(read, write),
        _ => Vec::new(),
    };
    let mut steps: Vec<String> = chain.iter().map(|node| step(workload, before, *node)).collect();
    if steps.len() > STEPS_SHOWN {
        let left_out = steps.len() - STEPS_SHOWN;
        steps.splice(STEPS_SHOWN / 2..STEPS_SHOWN / 2 + left_out, [format!("{left_out} steps more")]);
    }
    let mut explanation = format!(
        "{} of {} by process {} lacks {}, which happened before it: {}",
        a_read(operation),
        key.name,
        operation.process(),
        name(workload, key, write),
        steps.join(", then "),
    );
    if miss.count > 1 {
        explanation.push_str(&format!("; the same goes for {} more writes", miss.count - 1));
    }
    let others = Evidence::new(workload, key).of_miss(&key.reads[read], miss.latest);
    let mut proof = Proof::of(chain.iter().map(|node| *before.operation(*node))).with(others);
    for pair in chain.windows(2) {
        proof.operations.extend(sight(workload, before, pair[0], pair[1]));
    }
    // Only of a chain that may turn out to be shorter the words are not those of the whole.
    proof.shrinks = Some(if chain.len() > 2 { Shrinks::Retold } else { Shrinks::Told });
    Draft { kind: "causality-broken", key: &key.name, process: Some(operation.process()), explanation, proof }
}

/// Who else has to be known to tell that a read of a chain saw the write before it.
fn sight<'h>(
    workload: &WorkloadFacts<'h>,
    before: &Before<'_, 'h>,
    earlier: usize,
    later: usize,
) -> Vec<Operation<'h>> {
    let (earlier, later) = (before.nodes[earlier], before.nodes[later]);
    match (earlier.act, later.act) {
        (Act::Write(write), Act::Read(read)) if earlier.key == later.key => {
            let key = &workload.keys[later.key];
            Evidence::new(workload, key).of_sight(&key.reads[read], write)
        }
        _ => Vec::new(),
    }
}

/// `process 3: write 17 to register-2`.
fn step(workload: &WorkloadFacts<'_>, before: &Before<'_, '_>, node: usize) -> String {
    let Node { key, act, .. } = before.nodes[node];
    let facts = &workload.keys[key];
    let what = match act {
        Act::Write(write) => name(workload, facts, &facts.writes[write]),
        Act::Read(_) => format!("read of {}", facts.name),
    };
    format!("process {}: {what}", before.operation(node).process())
}
