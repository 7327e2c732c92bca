//! Visibility by blocks of words, against a search for each pair of a write and a read.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use super::Story;
use crate::ConcurrentWrites;
use crate::history::{EventType, Operation, Phase};
use crate::objects::Model;
use crate::visibility::{Facts, KeyFacts, Past};
use crate::visibility::{Fate, FinalSight, OwnMiss, Regress};

/// Slow and plain: how one read sees one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Yes,
    Missed,
    Neither,
}

/// The writes reachable from these along their pasts, themselves included.
fn reachable(key: &KeyFacts<'_>, from: &[u32]) -> BTreeSet<u32> {
    let mut reached = BTreeSet::new();
    let mut next = from.to_vec();
    while let Some(write) = next.pop() {
        if reached.insert(write)
            && let Past::Known(past) = &key.writes[write as usize].past
        {
            next.extend(past);
        }
    }
    reached
}

fn strictly_before(key: &KeyFacts<'_>, write: u32) -> BTreeSet<u32> {
    match &key.writes[write as usize].past {
        Past::Known(past) => reachable(key, past),
        Past::Unknown => BTreeSet::new(),
    }
}

fn sees(key: &KeyFacts<'_>, model: Model, concurrent: ConcurrentWrites, write: u32, read: usize) -> Seen {
    let read = &key.reads[read];
    if model != Model::Register {
        return if read.listed.contains(&write) { Seen::Yes } else { Seen::Missed };
    }
    let shown = reachable(key, &read.listed);
    let before = strictly_before(key, write);
    let contradicted = read.listed.iter().any(|listed| before.contains(listed));
    if key.writes[write as usize].is_delete() {
        return if contradicted { Seen::Missed } else { Seen::Yes };
    }
    let invoked_before = |delete: &u32| may_be_seen(key, *delete, read);
    let invoked_before: Vec<u32> = (0..key.writes.len() as u32).filter(invoked_before).collect();
    let shows_older = |delete: &u32| {
        let before = strictly_before(key, *delete);
        read.listed.iter().any(|listed| before.contains(listed))
    };
    let deletes: Vec<u32> = invoked_before.iter().copied().filter(|delete| !shows_older(delete)).collect();
    let covered = deletes.iter().any(|delete| strictly_before(key, *delete).contains(&write));
    let found_nothing = read.unwritten.is_empty() && read.listed.is_empty();
    let older = match read.listed.is_empty() {
        true => found_nothing && (concurrent == ConcurrentWrites::Kept || invoked_before.is_empty()),
        false => read.unwritten.is_empty() && read.listed.iter().all(|listed| before.contains(listed)),
    };
    let invoked = key.writes[write as usize].operation.invoked();
    // An unrecorded past cannot hold what has its own write in its past.
    let may_hold = |later: &u32| {
        let operation = key.writes[*later as usize].operation;
        let unrecorded = key.writes[*later as usize].past == Past::Unknown;
        unrecorded && invoked < operation.completed().unwrap_or(u64::MAX) && !before.contains(later)
    };
    let by_deletes = reachable(key, &deletes);
    let unrecorded = shown.iter().any(may_hold) || (!contradicted && by_deletes.iter().any(may_hold));
    match concurrent {
        _ if shown.contains(&write) || covered => Seen::Yes,
        _ if older && !(read.listed.is_empty() && unrecorded) => Seen::Missed,
        ConcurrentWrites::Kept if !unrecorded => Seen::Missed,
        _ => Seen::Neither,
    }
}

/// Whether a delete may have reached a read.
fn may_be_seen(key: &KeyFacts<'_>, delete: u32, read: &crate::visibility::Read<'_>) -> bool {
    let delete = &key.writes[delete as usize];
    let operation = delete.operation;
    delete.is_delete() && operation.outcome() != EventType::Fail && operation.invoked() < read.completed()
}

fn fate(key: &KeyFacts<'_>, seen: &[Seen], write: usize) -> Fate {
    let reads = 0..key.reads.len();
    let after = |read: &usize| key.writes[write].must_stay().is_some_and(|index| index < key.reads[*read].invoked());
    let finals = |wanted| key.finals.iter().filter(|read| seen[**read] == wanted).count();
    Fate {
        last_seen: reads.clone().filter(|read| seen[*read] == Seen::Yes).max(),
        first_missed: reads
            .filter(|read| seen[*read] == Seen::Missed)
            .filter(after)
            .min_by_key(|read| key.reads[*read].completed()),
        finals: FinalSight { seen: finals(Seen::Yes), missed: finals(Seen::Missed) },
    }
}

/// Compares everything that the analysis of a key reports.
fn compare(key: &KeyFacts<'_>, model: Model, concurrent: ConcurrentWrites) -> Result<(), TestCaseError> {
    let table: Vec<Vec<Seen>> = (0..key.writes.len())
        .map(|write| (0..key.reads.len()).map(|read| sees(key, model, concurrent, write as u32, read)).collect())
        .collect();
    for (write, seen) in table.iter().enumerate() {
        prop_assert_eq!(
            key.analysis.fates[write],
            fate(key, seen, write),
            "write {:?}",
            key.writes[write].element.clone()
        );
    }
    for (position, read) in key.reads.iter().enumerate() {
        let own: Vec<usize> = (0..key.writes.len())
            .filter(|write| key.writes[*write].operation.process() == read.operation.process())
            .filter(|write| key.writes[*write].must_stay().is_some_and(|index| index < read.invoked()))
            .filter(|_| read.operation.phase() == Phase::Main)
            .collect();
        let missed: Vec<usize> = own.iter().copied().filter(|write| table[*write][position] == Seen::Missed).collect();
        let expected = missed.last().map(|latest| OwnMiss { latest: *latest, count: missed.len() as u32 });
        prop_assert_eq!(key.analysis.own_missed.get(&position).copied(), expected);
        prop_assert_eq!(key.analysis.own_judged[position], !own.is_empty());
        let undecided = model == Model::Register
            && concurrent == ConcurrentWrites::Kept
            && own.iter().any(|write| table[*write][position] == Seen::Neither);
        prop_assert_eq!(key.analysis.own_undecided[position], undecided);
        again(key, model, concurrent, &table, position)?;
        order_of_others(key, model, concurrent, &table, position)?;
        beside(key, model, position)?;
    }
    covered(key, model)
}

/// What a read shows of its own account.
fn shows(key: &KeyFacts<'_>, model: Model, read: usize) -> BTreeSet<usize> {
    let listed = &key.reads[read].listed;
    let shown = if model == Model::Register { reachable(key, listed) } else { listed.iter().copied().collect() };
    shown.into_iter().map(|write| write as usize).collect()
}

/// Compares what a read must see because of the earlier reads of its process.
fn again(
    key: &KeyFacts<'_>,
    model: Model,
    concurrent: ConcurrentWrites,
    table: &[Vec<Seen>],
    position: usize,
) -> Result<(), TestCaseError> {
    let read = &key.reads[position];
    let same = |other: &&usize| {
        let other = key.reads[**other].operation;
        other.process() == read.operation.process() && other.phase() == Phase::Main
    };
    let earlier: Vec<usize> = (0..position).collect();
    let earlier: Vec<usize> =
        earlier.iter().filter(same).copied().filter(|_| read.operation.phase() == Phase::Main).collect();
    let first_shown = |write: usize| earlier.iter().copied().find(|other| shows(key, model, *other).contains(&write));
    let required: Vec<usize> = (0..key.writes.len()).filter(|write| first_shown(*write).is_some()).collect();
    let gone = |write: usize| {
        let since = first_shown(write).unwrap_or(usize::MAX);
        let lacks = |other: &&usize| !shows(key, model, **other).contains(&write) && table[write][**other] == Seen::Yes;
        earlier.iter().filter(|other| **other > since).any(|other| lacks(&other))
    };
    let missed = |write: usize| table[write][position] == Seen::Missed && !key.writes[write].removal_tried;
    let back = |write: usize| read.listed.contains(&(write as u32)) && gone(write);
    let broken: Vec<usize> = required.iter().copied().filter(|write| missed(*write) || back(*write)).collect();
    let expected = broken.last().map(|latest| Regress {
        latest: *latest,
        count: broken.len() as u32,
        shown_by: first_shown(*latest).expect("only what was shown is required"),
        came_back: !missed(*latest),
    });
    prop_assert_eq!(key.analysis.regressed.get(&position).copied(), expected);
    let judged = required.iter().any(|write| !key.writes[*write].removal_tried);
    prop_assert_eq!(key.analysis.again_judged[position], judged);
    let undecided = model == Model::Register
        && concurrent == ConcurrentWrites::Kept
        && required.iter().any(|write| table[*write][position] == Seen::Neither);
    prop_assert_eq!(key.analysis.again_undecided[position], undecided);
    Ok(())
}

/// Compares what a client's read must see because of the order in which the writers of what it shows did things.
fn order_of_others(
    key: &KeyFacts<'_>,
    model: Model,
    concurrent: ConcurrentWrites,
    table: &[Vec<Seen>],
    position: usize,
) -> Result<(), TestCaseError> {
    if key.reads[position].operation.phase() == Phase::Replica {
        return Ok(());
    }
    let (mut wrote, mut saw) = (BTreeSet::new(), BTreeSet::new());
    for shown in shows(key, model, position) {
        let operation = key.writes[shown].operation;
        let own = |write: &usize| key.writes[*write].operation.process() == operation.process();
        let before = |write: &usize| key.writes[*write].must_stay().is_some_and(|index| index < operation.invoked());
        wrote.extend((0..key.writes.len()).filter(own).filter(before));
        let knew = |read: &usize| {
            let read = &key.reads[*read];
            let own = read.operation.process() == operation.process() && read.operation.phase() == Phase::Main;
            own && read.completed() < operation.invoked()
        };
        saw.extend((0..key.reads.len()).filter(knew).flat_map(|read| shows(key, model, read)));
    }
    for (required, found) in [(wrote, &key.analysis.of_writers), (saw, &key.analysis.of_what_writers_saw)] {
        let stays = |write: &&usize| !key.writes[**write].removal_tried;
        let missed: Vec<usize> =
            required.iter().filter(stays).copied().filter(|write| table[*write][position] == Seen::Missed).collect();
        let expected = missed.last().map(|latest| OwnMiss { latest: *latest, count: missed.len() as u32 });
        prop_assert_eq!(found.missed.get(&position).copied(), expected);
        let undecided = model == Model::Register
            && concurrent == ConcurrentWrites::Kept
            && required.iter().filter(stays).any(|write| table[*write][position] == Seen::Neither);
        prop_assert!(found.reads.undecided > 0 || !undecided);
        prop_assert!(found.reads.judged > 0 || !required.iter().any(|write| stays(&write)));
    }
    Ok(())
}

/// Compares what a read lists beside what had replaced it. In a cycle everything has replaced everything, and nothing
/// can be said.
fn beside(key: &KeyFacts<'_>, model: Model, position: usize) -> Result<(), TestCaseError> {
    let listed = &key.reads[position].listed;
    let replaced = |by: u32, other: u32| {
        let (up, down) = (strictly_before(key, by), strictly_before(key, other));
        up.contains(&other) && !down.contains(&by)
    };
    let replacing: Vec<usize> = listed
        .iter()
        .filter(|by| model == Model::Register && listed.iter().any(|other| replaced(**by, *other)))
        .map(|by| *by as usize)
        .collect();
    let expected = replacing.first().map(|first| (*first, replacing.len() as u32));
    prop_assert_eq!(key.analysis.beside.get(&position).copied(), expected);
    Ok(())
}

/// Compares what of the end had been replaced by something acknowledged.
fn covered(key: &KeyFacts<'_>, model: Model) -> Result<(), TestCaseError> {
    let finals: BTreeSet<u32> = key.finals.iter().flat_map(|read| key.reads[*read].listed.clone()).collect();
    for value in (0..key.writes.len() as u32).filter(|value| finals.contains(value)) {
        let replaces = |by: &u32| {
            let acknowledged = key.writes[*by as usize].acknowledged().is_some();
            let circle = strictly_before(key, value).contains(by);
            model == Model::Register && acknowledged && !circle && strictly_before(key, *by).contains(&value)
        };
        let replacing: Vec<u32> = (0..key.writes.len() as u32).filter(replaces).collect();
        let delete = replacing.iter().find(|by| key.writes[**by as usize].is_delete());
        let expected = delete.or(replacing.first()).map(|by| *by as usize);
        prop_assert_eq!(key.analysis.covered.get(&(value as usize)).copied(), expected);
    }
    prop_assert!(key.analysis.covered.keys().all(|value| finals.contains(&(*value as u32))));
    Ok(())
}

/// What a random story does next.
#[derive(Clone, Debug)]
enum Step {
    /// Invokes a write that will replace some of the last values written, counted back.
    Write {
        process: u64,
        back: Vec<i64>,
    },
    /// Invokes a delete that will replace some of the last values written.
    Delete {
        process: u64,
        back: Vec<i64>,
    },
    Read {
        process: u64,
        back: Vec<i64>,
    },
    /// Completes what the process has open.
    Complete {
        process: u64,
        kind: EventType,
        has_past: bool,
    },
    /// Reads a value that nobody wrote.
    ReadNonsense {
        process: u64,
    },
    Remove {
        process: u64,
        back: i64,
    },
}

fn any_step() -> impl Strategy<Value = Step> {
    let back = || prop::collection::vec(1_i64..12, 0..3);
    let process = || 0_u64..4;
    let kind = prop_oneof![6 => Just(EventType::Ok), 1 => Just(EventType::Fail), 2 => Just(EventType::Info)];
    prop_oneof![
        8 => (process(), back()).prop_map(|(process, back)| Step::Write { process, back }),
        2 => (process(), back()).prop_map(|(process, back)| Step::Delete { process, back }),
        6 => (process(), back()).prop_map(|(process, back)| Step::Read { process, back }),
        14 => (process(), kind, prop::bool::weighted(0.7))
            .prop_map(|(process, kind, has_past)| Step::Complete { process, kind, has_past }),
        1 => process().prop_map(|process| Step::ReadNonsense { process }),
        1 => (process(), 1_i64..12).prop_map(|(process, back)| Step::Remove { process, back }),
    ]
}

/// An operation begun: its process, its function, its argument, what it read or replaced.
struct Open {
    process: u64,
    f: &'static str,
    argument: serde_json::Value,
    shows: Vec<i64>,
}

/// Generates a random history of one key: correct ones and violations, cycles included.
struct Generator {
    story: Story,
    model: Model,
    next: i64,
    open: [Option<Open>; 4],
    generation: [u64; 4],
}

impl Generator {
    fn generate(model: Model, steps: &[Step], finals: &[Vec<i64>]) -> Story {
        let story = Story::new(model.name());
        let mut generator = Self { story, model, next: 0, open: [None, None, None, None], generation: [0; 4] };
        for step in steps {
            generator.step(step);
        }
        for (node, back) in (1..).zip(finals) {
            let shows = generator.values(back);
            generator.story.final_read(node, "k", &shows);
        }
        generator.story
    }

    /// Values counted back from the next; the next ones count too, which makes cycles.
    fn values(&self, back: &[i64]) -> Vec<i64> {
        back.iter().map(|back| self.next + 1 - back).filter(|value| *value >= 0 && *value < self.next).collect()
    }

    fn begin(&mut self, worker: u64, f: &'static str, argument: serde_json::Value, shows: Vec<i64>) {
        if self.open[worker as usize].is_none() {
            let process = worker + 4 * self.generation[worker as usize];
            self.story.invoke(process, f, "k", argument.clone());
            self.open[worker as usize] = Some(Open { process, f, argument, shows });
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Write { process, back } => {
                if self.open[*process as usize].is_none() {
                    let shows = back.iter().map(|back| self.next + 2 - back).filter(|value| *value >= 0).collect();
                    let f = if self.model == Model::Register { "write" } else { "add" };
                    self.begin(*process, f, json!(self.next), shows);
                    self.next += 1;
                }
            }
            Step::Delete { process, back } if self.model == Model::Register => {
                let shows = self.values(back);
                self.begin(*process, "delete", json!(null), shows);
            }
            Step::Delete { .. } => {}
            Step::Read { process, back } => {
                let shows = self.values(back);
                self.begin(*process, "read", json!(null), shows);
            }
            Step::ReadNonsense { process } => self.begin(*process, "read", json!(null), vec![-1]),
            Step::Remove { process, back } if self.model == Model::Cart => {
                self.begin(*process, "remove", json!(self.next - back), Vec::new());
            }
            Step::Remove { .. } => {}
            Step::Complete { process, kind, has_past } => self.complete(*process as usize, *kind, *has_past),
        }
    }

    fn complete(&mut self, worker: usize, kind: EventType, has_past: bool) {
        let Some(Open { process, f, argument, shows }) = self.open[worker].take() else {
            return;
        };
        match (f, has_past) {
            ("read", _) if kind == EventType::Ok => drop(self.story.complete(process, kind, f, "k", json!(shows))),
            ("write" | "delete", true) => {
                let mut event = self.story.client(process, kind, f, "k", argument);
                event.past = Some(shows.iter().map(|value| json!(value)).collect());
                crate::history::Recorder::record(&self.story.recorder, event);
            }
            _ => drop(self.story.complete(process, kind, f, "k", argument)),
        }
        self.generation[worker] += u64::from(kind == EventType::Info);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn blocks_of_words_agree_with_a_search_for_each_pair(
        steps in prop::collection::vec(any_step(), 0..500),
        finals in prop::collection::vec(prop::collection::vec(1_i64..12, 0..4), 0..4),
        model in prop::sample::select(vec![Model::Set, Model::Register, Model::Cart]),
        one_wins in any::<bool>(),
    ) {
        let story = Generator::generate(model, &steps, &finals);
        let concurrent_writes = if one_wins { ConcurrentWrites::OneWins } else { ConcurrentWrites::Kept };
        let history = story.history();
        let operations: Vec<Operation<'_>> = history.operations();
        let facts = Facts::new(&operations, None, concurrent_writes);
        for key in facts.workloads.iter().flat_map(|workload| &workload.keys) {
            compare(key, model, concurrent_writes)?;
        }
    }

    /// Without siblings, without unknown outcomes, and with every write replacing the one before it, a register's
    /// last write is all that has to be read.
    #[test]
    fn without_siblings_a_register_is_a_single_value(writes in 1_i64..200, read in 0_i64..200) {
        prop_assume!(read < writes);
        let mut story = Story::new("register");
        for value in 0..writes {
            let past: Vec<i64> = (value > 0).then_some(value - 1).into_iter().collect();
            story.write_ok(0, "register-0", value, &past);
        }
        story.final_read(1, "register-0", &[read]);
        for found in [
            story.result(crate::CheckName::NO_LOST_WRITES),
            story.result_one_wins(crate::CheckName::NO_LOST_WRITES),
        ] {
            prop_assert_eq!(found.figure("lost"), (writes - 1 - read) as f64);
            prop_assert_eq!(found.figure("recovered"), (read + 1) as f64);
        }
    }
}
