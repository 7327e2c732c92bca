//! docs/faults.md is true: its table of every kind has a row for each, with the parameters that a plan's file has, the figures
//! that its evidence has, and tests that there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use nemesis::{Capabilities, KINDS};

use crate::kinds::{carry_out, drawn, items};
use crate::model::Model;

const TABLE: &str = "## Every kind";
/// What a fault affects is no parameter.
const AFFECTED: [&str; 3] = ["kind", "nodes", "links"];

/// A row of the table, by its columns.
struct Row {
    kind: String,
    parameters: BTreeSet<String>,
    figures: BTreeSet<String>,
    peers: String,
    tests: BTreeSet<String>,
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn rows() -> Vec<Row> {
    let text = fs::read_to_string(repository().join("docs/faults.md")).expect("the document is there");
    let (_, table) = text.split_once(TABLE).expect("it has the table");
    let lines = table.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    lines.take_while(|line| line.starts_with('|')).map(row).collect()
}

fn row(line: &str) -> Row {
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    let [kind, parameters, _arenas, figures, peers, tests] = cells[..] else { panic!("six columns: {line}") };
    Row {
        kind: quoted(kind).into_iter().collect(),
        parameters: quoted(parameters),
        figures: quoted(figures),
        peers: peers.to_owned(),
        tests: quoted(tests),
    }
}

/// What stands in backticks.
fn quoted(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_kind_has_a_row_in_the_order_of_the_registry() {
    let rows = rows();
    let of_rows: Vec<&str> = rows.iter().map(|row| row.kind.as_str()).collect();
    let kinds: Vec<&str> = KINDS.iter().map(|kind| kind.facts.name).collect();
    assert_eq!(of_rows, kinds);
    assert!(rows.iter().all(|row| !row.peers.is_empty()), "a peer that has it, or that there is none");
}

#[test]
fn the_parameters_of_every_row_are_those_of_a_plan() {
    for row in rows() {
        let faults = items().into_iter().filter(|(kind, _)| *kind == row.kind).flat_map(|(_, item)| {
            (0..20).flat_map(move |seed| drawn(&item, seed, Capabilities::all()).expect("it is possible").faults)
        });
        let texts = faults.filter(|planned| planned.fault.kind() == row.kind).map(|planned| {
            toml::Table::try_from(&planned.fault).unwrap_or_else(|error| panic!("{planned:?}: {error}"))
        });
        let names: BTreeSet<String> = texts.flat_map(|table| table.into_iter().map(|(name, _)| name)).collect();
        let names: BTreeSet<String> = names.into_iter().filter(|name| !AFFECTED.contains(&name.as_str())).collect();
        assert_eq!(row.parameters, names, "{}", row.kind);
    }
}

#[tokio::test]
async fn the_figures_of_every_row_are_those_of_its_evidence() {
    let mut wrong = Vec::new();
    for row in rows() {
        let mut figures = BTreeSet::new();
        for (_, item) in items().into_iter().filter(|(kind, _)| *kind == row.kind) {
            let plan = drawn(&item, 1, Capabilities::all()).expect("it is possible");
            for planned in plan.faults.iter().filter(|planned| planned.fault.kind() == row.kind).take(2) {
                let record = carry_out(planned, &Model::new(7).with_spares(2)).await;
                figures.extend(record.figures.into_keys().map(without_node));
            }
        }
        wrong.extend((row.figures != figures).then_some((row.kind, figures)));
    }
    assert!(wrong.is_empty(), "the figures are {wrong:?}");
}

/// `n1_before` is `NODE_before`.
fn without_node(figure: String) -> String {
    match figure.strip_prefix('n').and_then(|rest| rest.split_once('_')) {
        Some((number, rest)) if number.bytes().all(|byte| byte.is_ascii_digit()) => format!("NODE_{rest}"),
        _ => figure,
    }
}

/// Each names a file and a test in it, by its attribute or as one that the file's own main runs.
#[test]
fn the_tests_of_every_row_are_there() {
    for row in rows() {
        assert!(!row.tests.is_empty(), "{} has no test", row.kind);
        for name in &row.tests {
            let (file, test) = name.split_once("::").unwrap_or_else(|| panic!("{name} names no file"));
            let path = repository().join(file);
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(has_test(&text, test) || is_run_by_main(&path, &text, test), "{}: no test {name}", row.kind);
        }
    }
}

fn has_test(text: &str, test: &str) -> bool {
    let lines: Vec<&str> = text.lines().collect();
    let at = lines
        .iter()
        .position(|line| line.trim_start().trim_start_matches("async ").starts_with(&format!("fn {test}(")));
    at.is_some_and(|at| lines[..at].iter().rev().take(3).any(|line| line.contains("test]")))
}

/// Suites that need a process of one thread have a main, here or beside it, and lists of their tests.
fn is_run_by_main(path: &Path, text: &str, test: &str) -> bool {
    let beside = fs::read_to_string(path.with_file_name("main.rs")).unwrap_or_default();
    let has_main = [text, &beside].iter().any(|text| text.contains("fn main()"));
    let words = text.split(|character: char| !character.is_alphanumeric() && character != '_');
    let uses = words.filter(|word| *word == test).count();
    has_main && text.contains(&format!("fn {test}(")) && uses >= 2
}
