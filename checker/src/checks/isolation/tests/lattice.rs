//! Whatever refutes a level refutes all that imply it, and no level is refuted that holds by its definition.

use std::collections::{BTreeMap, BTreeSet};

use super::definitions::{holding, is_internal};
use super::draw::{Shape, history};
use super::peer::lines;
use crate::checks::check::{Context, View};
use crate::checks::isolation::input::{Micro, Outcome, Transactions};
use crate::checks::isolation::levels;
use crate::checks::registry::CheckName;
use crate::formats::{Format, Selection, read};
use crate::objects::Object;
use crate::tests::random::{Random, cases};
use crate::verdict::Outcome as Verdict;

/// The guarantees that causal convergence includes, for registers, beside the table of levels.
const GUARANTEES: [&str; 4] = ["read-your-writes", "monotonic-reads", "monotonic-writes", "writes-follow-reads"];

fn implies(stronger: &'static str, weaker: &'static str) -> bool {
    let guarantee = GUARANTEES.contains(&weaker) && !GUARANTEES.contains(&stronger);
    stronger != weaker && levels::includes(stronger, if guarantee { "causal-convergence" } else { weaker })
}

/// A history of a store with stale reads. In every other one some reads show any state that the key ever had; in half of them
/// transactions read and write a key again and again; and of lists some have an end that nobody sees.
pub fn draw(seed: u64, lists: bool) -> Transactions {
    let mut draw = Random(seed);
    let stale = [0, 15, 40][draw.below(3) as usize];
    let (transactions, unsure) = (2 + draw.below(5) as u32, draw.below(2) * 30);
    let again = if seed % 4 > 1 { 60 } else { 0 };
    let micros_max = if again > 0 { 4 } else { 3 };
    let shape = Shape { transactions, processes: 3, keys: 2, micros_max, stale, unsure, lists, again };
    let all = history(&mut draw, shape);
    match seed % 8 {
        4 | 6 if lists => hidden(&mut draw, &all),
        seed if seed.is_multiple_of(2) => all,
        _ => shaken(&mut draw, &all),
    }
}

/// Nobody sees more of a list than its first elements, and what he appended himself.
fn hidden(draw: &mut Random, all: &Transactions) -> Transactions {
    let mut hidden = Transactions::default();
    let lengths: Vec<usize> = (0..all.keys()).map(|_| draw.below(3) as usize).collect();
    for at in 0..all.len() as u32 {
        let row = all.row(at);
        hidden.begin(row.process, row.outcome, row.call, row.ret);
        let mut own: Vec<u32> = Vec::new();
        for micro in all.micros(at) {
            match *micro {
                Micro::Append { key, value } => {
                    own.push(value);
                    hidden.append(key, value);
                }
                list => {
                    let elements = all.list(list).iter().enumerate();
                    let length = lengths[list.key() as usize];
                    let shown = elements.filter(|(place, element)| *place < length || own.contains(element));
                    hidden.read_list(list.key(), shown.map(|(_, element)| *element));
                }
            }
        }
    }
    hidden
}

fn shaken(draw: &mut Random, all: &Transactions) -> Transactions {
    let mut shaken = Transactions::default();
    let longest = |key: u32| {
        let lists = all.all_micros().filter(|(_, micro)| micro.key() == key).map(|(_, micro)| all.list(micro));
        lists.max_by_key(|list| list.len()).unwrap_or_default()
    };
    let values = |key: u32| -> Vec<u32> {
        let happened = |at: &u32| all.row(*at).outcome != Outcome::Fail;
        let micros = (0..all.len() as u32).filter(happened).flat_map(|at| all.micros(at));
        [0].into_iter().chain(micros.filter(|m| m.key() == key).filter_map(|m| m.written())).collect()
    };
    for at in 0..all.len() as u32 {
        let row = all.row(at);
        shaken.begin(row.process, row.outcome, row.call, row.ret);
        for micro in all.micros(at) {
            let changes = draw.chance(40);
            match *micro {
                Micro::Append { key, value } => shaken.append(key, value),
                Micro::Write { key, value } => shaken.write(key, value),
                Micro::Read { key, .. } if changes => {
                    let values = values(key);
                    shaken.read(key, values[draw.below(values.len() as u64) as usize]);
                }
                Micro::List { key, .. } if changes => {
                    let longest = longest(key);
                    let length = draw.below(longest.len() as u64 + 1) as usize;
                    shaken.read_list(key, longest[..length].iter().copied());
                }
                Micro::Read { key, value } => shaken.read(key, value),
                list @ Micro::List { key, .. } => shaken.read_list(key, all.list(list).iter().copied()),
            }
        }
    }
    shaken
}

/// What each level makes of a history, asked as at the command line.
pub fn verdicts(text: &str, lists: bool) -> BTreeMap<&'static str, Verdict> {
    let records = read(text.as_bytes(), Format::Json, &Selection::default()).expect("the lines are a history").records;
    let object = if lists { Object::ListAppend } else { Object::RwRegister };
    let guarantees = GUARANTEES.into_iter().filter(|_| !lists);
    let judged = levels::names().chain(guarantees).map(|name| {
        let check = name.parse::<CheckName>().expect("every level is a check").check();
        (name, check.judge(&View::of_records(&records, Some(object)), &Context::default()).outcome())
    });
    judged.collect()
}

/// Levels for which no cycle of their own is sought: what is found may break them.
const NOT_SOUGHT: [&str; 4] = ["causal-cerone", "monotonic-view", "monotonic-snapshot-read", "forward-consistent-view"];
/// Levels that may be left open of lists.
const OPEN: [&str; 6] = ["causal-memory", "pram", NOT_SOUGHT[0], NOT_SOUGHT[1], NOT_SOUGHT[2], NOT_SOUGHT[3]];

/// Levels of lists of which nothing is missed in histories so small.
const EXACT_OF_LISTS: [&str; 14] = [
    "read-committed",
    "monotonic-atomic-view",
    "read-atomic",
    "causal",
    "causal-convergence",
    "parallel-snapshot-isolation",
    "consistent-view",
    "update-serializable",
    "repeatable-read",
    "snapshot-isolation",
    "strong-session-snapshot-isolation",
    "strong-snapshot-isolation",
    "serializable",
    "strict-serializable",
];

/// Levels of registers of which nothing is missed in histories so small.
const EXACT_OF_REGISTERS: [&str; 9] = [
    "read-atomic",
    "causal-convergence",
    "parallel-snapshot-isolation",
    "serializable",
    "strong-session-serializable",
    "strict-serializable",
    "snapshot-isolation",
    "strong-session-snapshot-isolation",
    "strong-snapshot-isolation",
];

#[derive(Default)]
struct Tally {
    broken: u64,
    found: u64,
}

fn hold_the_lattice(lists: bool) -> BTreeMap<&'static str, Tally> {
    let mut tallies: BTreeMap<&'static str, Tally> = BTreeMap::new();
    let total = cases(200);
    for seed in 0..total {
        let all = draw(seed, lists);
        let text = lines(&all);
        let verdicts = verdicts(&text, lists);
        let refuted: BTreeSet<&'static str> =
            verdicts.iter().filter(|(_, verdict)| **verdict == Verdict::Invalid).map(|(name, _)| *name).collect();
        for weaker in &refuted {
            let kept = verdicts.keys().filter(|stronger| implies(stronger, weaker) && !refuted.contains(*stronger));
            assert_eq!(kept.collect::<Vec<_>>(), Vec::<&&str>::new(), "seed {seed}: {weaker} is refuted\n{text}");
        }
        let holding = holding(&all);
        let wrong: Vec<&&str> = holding.iter().filter(|level| refuted.contains(**level)).collect();
        assert!(wrong.is_empty(), "seed {seed}: {wrong:?} hold\n{text}");
        let undecided = |verdict: &Verdict| *verdict == Verdict::Inconclusive;
        for (level, _) in verdicts.iter().filter(|(level, verdict)| undecided(verdict) && holding.contains(**level)) {
            let may_be = if lists { &OPEN[..] } else { &NOT_SOUGHT[..] };
            assert!(may_be.contains(level), "seed {seed}: {level} is undecided\n{text}");
        }
        // Of what contradicts itself the definitions may say nothing.
        let is_said = !holding.is_empty() || is_internal(&all);
        for level in NOT_SOUGHT.iter().take(if lists { 2 } else { 0 }).filter(|_| is_said) {
            let is_valid = verdicts[level] == Verdict::Valid;
            assert!(!is_valid || holding.contains(level), "seed {seed}: {level} is broken\n{text}");
        }
        for level in levels::names().filter(|_| is_said) {
            let tally = tallies.entry(level).or_default();
            tally.broken += u64::from(!holding.contains(level));
            tally.found += u64::from(refuted.contains(level));
        }
    }
    println!(
        "{total} histories of {}; level: broken by its definition, found",
        if lists { "lists" } else { "registers" }
    );
    tallies.iter().for_each(|(level, Tally { broken, found })| println!("{level}: {broken}, {found}"));
    tallies
}

#[test]
fn of_lists() {
    let tallies = hold_the_lattice(true);
    // Reads of these histories show what was written: nothing is wrong with the weakest levels but what the generator made so.
    for (level, Tally { found, .. }) in tallies.iter().filter(|(level, _)| !level.contains("uncommitted")) {
        assert!(*found > 0, "{level} was never refuted");
    }
    for level in EXACT_OF_LISTS {
        let Tally { broken, found } = tallies[level];
        assert_eq!(found, broken, "of {level} not all were found");
    }
    // Of two appends that nobody read, the one whose transaction had read the list before is the first of them, or its update
    // is lost: only where it has read its own append, too, is that used.
    // And `prefix` orders all writers, but an order of appends that nobody read is not sought for it (1 of 2,097 was missed).
    for level in ["cursor-stability", "update-atomic", "prefix"] {
        let Tally { broken, found } = tallies[level];
        assert!(found * 100 >= broken * 85, "of {level} only {found} of {broken} were found");
    }
}

#[test]
fn of_registers() {
    let tallies = hold_the_lattice(false);
    for (level, Tally { found, .. }) in tallies.iter().filter(|(level, _)| !level.contains("uncommitted")) {
        assert!(*found > 0, "{level} was never refuted");
    }
    // What these small histories leave open after all that paths force is an order.
    for level in EXACT_OF_REGISTERS {
        let Tally { broken, found } = tallies[level];
        assert_eq!(found, broken, "of {level} not all were found");
    }
}
