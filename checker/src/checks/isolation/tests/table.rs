//! The table of anomalies in docs/anomalies.md: each row is judged, and nothing else may stand in it.

use std::collections::BTreeSet;

use crate::checks::isolation::findings::RawFindings;
use crate::checks::isolation::input::{Numbers, Outcome, Transactions};
use crate::checks::isolation::saturation::{self, Isolation};
use crate::checks::isolation::{Assume, levels, list_append, rw_register};
use crate::checks::sessions::{Guarantee, registers};
use crate::limits::Limits;

const PAGE: &str = include_str!("../../../tests/anomalies.md");

/// A row: the anomaly, the history as it is written, and the two cells that follow from it.
struct Row {
    anomaly: String,
    history: String,
    cells: [String; 2],
}

fn rows(section: &str) -> Vec<Row> {
    let text = PAGE.split("\n## ").find(|part| part.starts_with(section)).expect("the page has this section");
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let plain = |cell: &str| cell.trim_matches('`').to_owned();
    let rows: Vec<Row> = text
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let cells = cells(line);
            Row { anomaly: plain(&cells[0]), history: plain(&cells[1]), cells: [cells[2].clone(), cells[3].clone()] }
        })
        .collect();
    assert!(rows.len() > 5, "the section {section} has rows");
    rows
}

/// Keys are the letters, values the numbers.
pub fn parse(text: &str) -> Transactions {
    let mut all = Transactions::default();
    let mut parts: Vec<(u32, u32, u32, Outcome, &str)> = text.split(';').map(|part| header(part.trim())).collect();
    parts.sort_by_key(|part| part.1);
    for (process, call, ret, outcome, micros) in parts {
        all.begin(process, outcome, call, ret);
        for micro in micros.split(", ") {
            let words: Vec<&str> = micro.splitn(3, ' ').collect();
            let [f, key, value] = words[..] else { panic!("{micro} is not f key value") };
            let key = key.as_bytes()[0].into();
            let number = || if value == "nil" { 0 } else { value.parse().expect("a number") };
            match (f, value.strip_prefix('[')) {
                ("append", _) => all.append(key, number()),
                ("w", _) => all.write(key, number()),
                ("r", Some(list)) => {
                    let list = list.trim_end_matches(']').split_whitespace();
                    all.read_list(key, list.map(|element| element.parse().expect("a number")));
                }
                ("r", None) if value.starts_with('{') => {
                    let several = value.trim_matches(['{', '}']).split_whitespace();
                    all.read_siblings(key, several.map(|value| value.parse().expect("a number")).collect());
                }
                ("r", None) => all.read(key, number()),
                _ => panic!("{micro}"),
            }
        }
    }
    all
}

fn header(part: &str) -> (u32, u32, u32, Outcome, &str) {
    let (head, micros) = part.split_once(' ').expect("a process and micro-operations");
    let outcome = if head.ends_with('!') { Outcome::Fail } else { Outcome::Ok };
    let numbers = head.trim_end_matches('!').trim_start_matches('p');
    let mut numbers = numbers.split(['@', '-']).map(|number| number.parse().expect("a number"));
    let mut next = || numbers.next().expect("process, call and completion");
    (next(), next(), next(), outcome, micros)
}

/// Compares a section with what it should be; the anomaly of a row must be found, and be gone without any of its transactions.
fn judge(section: &str, found: impl Fn(&Row, &Transactions) -> bool, cells: impl Fn(&Transactions) -> [String; 2]) {
    let mut wrong = Vec::new();
    for row in rows(section) {
        let all = parse(&row.history);
        if !found(&row, &all) {
            wrong.push(format!("{} is not found in {}", row.anomaly, row.history));
        }
        for without in 0..all.len() as u32 {
            let others: Vec<u32> = (0..all.len() as u32).filter(|at| *at != without).collect();
            let part = all.only(&others);
            // A read whose writer was left out is another anomaly, whatever else it still shows.
            let whole = garbage(&all) || !garbage(&part);
            if whole && found(&row, &part) {
                wrong.push(format!("{}: transaction {without} is needless in {}", row.anomaly, row.history));
            }
        }
        let right = cells(&all);
        if row.cells != right {
            wrong.push(format!("| `{}` | `{}` | {} | {} |", row.anomaly, row.history, right[0], right[1]));
        }
    }
    assert!(wrong.is_empty(), "these rows of {section} should be:\n{}", wrong.join("\n"));
}

fn transactions(all: &Transactions) -> RawFindings {
    let lists = all.all_micros().any(|(_, micro)| {
        use crate::checks::isolation::input::Micro;
        matches!(micro, Micro::Append { .. } | Micro::List { .. })
    });
    match lists {
        true => list_append::analyse(all, &Numbers),
        false => rw_register::analyse(all, &Numbers, Assume::default()),
    }
}

fn garbage(all: &Transactions) -> bool {
    transactions(all).counts.contains_key("garbage-read")
}

fn join<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Whether a model is left by the anomalies, and by what saturation refutes of registers.
fn is_possible(all: &Transactions, name: &'static str) -> bool {
    use crate::checks::isolation::input::Micro;
    let lists = all.all_micros().any(|(_, micro)| matches!(micro, Micro::Append { .. } | Micro::List { .. }));
    let implied = Isolation::ALL.into_iter().filter(|level| !lists && levels::includes(name, level.name()));
    let is_kept = |level| saturation::analyse(all, &Numbers, level, &Limits::default()).counts.is_empty();
    levels::allows(name, &transactions(all).kinds()) && implied.into_iter().all(is_kept)
}

/// The weakest models that are ruled out: those whose every weaker model is possible.
fn weakest_broken(all: &Transactions) -> Vec<&'static str> {
    let broken: Vec<&'static str> = levels::names().filter(|name| !is_possible(all, name)).collect();
    let weaker = |name: &'static str| broken.iter().any(|other| *other != name && levels::includes(name, other));
    broken.iter().copied().filter(|name| !weaker(name)).collect()
}

#[test]
fn transactions_show_what_the_page_says() {
    judge(
        "Transactions",
        |row, all| transactions(all).counts.contains_key(row.anomaly.as_str()),
        |all| [join(weakest_broken(all)), join(levels::strongest_of(|name| is_possible(all, name)))],
    );
}

#[test]
fn weak_isolation_is_broken_as_the_page_says() {
    let found = |all: &Transactions, level| saturation::analyse(all, &Numbers, level, &Limits::default()).counts;
    judge(
        "Weak isolation",
        |row, all| Isolation::ALL.into_iter().any(|level| found(all, level).contains_key(row.anomaly.as_str())),
        |all| {
            let (holds, broken): (Vec<Isolation>, Vec<_>) =
                Isolation::ALL.into_iter().partition(|level| found(all, *level).is_empty());
            [broken, holds].map(|levels| join(levels.into_iter().map(Isolation::name)))
        },
    );
}

#[test]
fn sessions_are_broken_as_the_page_says() {
    let found = |all: &Transactions, guarantee| registers::analyse(all, &Numbers, guarantee, &Limits::default()).counts;
    judge(
        "Session guarantees",
        |row, all| Guarantee::ALL.into_iter().any(|one| one.name() == row.anomaly && !found(all, one).is_empty()),
        |all| {
            let broken = Guarantee::ALL.into_iter().filter(|guarantee| !found(all, *guarantee).is_empty());
            let sets = registers::smallest(all, &Numbers);
            let sets: Vec<String> =
                sets.iter().map(|set| set.iter().map(|one| one.name()).collect::<Vec<_>>().join(" + ")).collect();
            [join(broken.map(Guarantee::name)), join(sets.iter().map(String::as_str))]
        },
    );
}

/// The page says which rows of sessions the model `causal` is broken by: all but one.
#[test]
fn the_model_causal_is_weaker_than_all_guarantees_together() {
    let holds = |row: &Row| {
        let all = parse(&row.history);
        saturation::analyse(&all, &Numbers, Isolation::Causal, &Limits::default()).counts.is_empty()
    };
    let rows = rows("Session guarantees");
    let holding: Vec<usize> = (0..rows.len()).filter(|row| holds(&rows[*row])).collect();
    assert_eq!((holding, rows[2].anomaly.as_str()), (vec![2], "monotonic-reads"));
}

/// Every anomaly that these checks can report is in the table.
#[test]
fn the_page_has_every_anomaly() {
    let there: BTreeSet<String> = rows("Transactions").into_iter().map(|row| row.anomaly).collect();
    let mut known: BTreeSet<String> = levels::anomalies().map(str::to_owned).collect();
    known.retain(|name| *name != "G-update");
    let missing: Vec<&String> = known.iter().filter(|name| !there.contains(*name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The table of levels in docs/checkers.md is that of the code.
#[test]
fn the_page_has_every_level() {
    const CHECKERS: &str = include_str!("../../../../../docs/checkers.md");
    let cell = |names: &[&str]| {
        let names: Vec<String> = names.iter().filter(|name| **name != "none").map(|name| format!("`{name}`")).collect();
        names.join(", ")
    };
    let rows = levels::rows().map(|(name, adya, includes, forbids)| {
        let called = if adya.is_empty() { format!("`{name}`") } else { format!("`{name}` ({adya})") };
        format!("| {called} | {} | {} |\n", cell(includes), cell(forbids))
    });
    let table = format!("| level | implies | forbids |\n|---|---|---|\n{}", rows.collect::<String>());
    assert!(CHECKERS.contains(&table), "the table of levels should be:\n{table}");
}
