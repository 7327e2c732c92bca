//! Run directories that older versions of the bench have left, which this version reads.
//!
//! `fixtures/format-N` is what a bench that wrote that format has left, without what can be rebuilt.

mod support;

use std::fs;
use std::path::Path;

use checker::CheckName;
use checker::verdict::{Outcome, Verdict};
use dissensus::exit::Exit;
use dissensus::run::settings::{ArenaKind, RunSettings};
use dissensus::store::{FORMAT, RunDir};
use dissensus::systems::SystemSettings;
use dissensus::systems::dynamo::DynamoSettings;

use support::{Scratch, bench};

const OLD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/format-1");

/// Its settings are flat, with the options of the one system that there was in a field of its name.
#[test]
fn a_record_of_format_1_is_read_as_one_of_today() {
    let record = RunDir::open(Path::new(OLD)).and_then(|dir| dir.read_record()).expect("it is read");
    let options = DynamoSettings { nodes: 3, n: 2, session: true, ..DynamoSettings::default() };
    let mut settings = RunSettings { arena: ArenaKind::Sim, seed: 4, ..RunSettings::default() };
    settings.system = SystemSettings::of(&options);
    (settings.load.workload, settings.load.rate, settings.load.time_limit_ms) = ("set".into(), 9.5, 1_000);
    settings.faults.nemesis = "none".into();
    settings.judging.require = vec![CheckName::DURABILITY];
    assert_eq!(record.settings, settings);
    assert_eq!((record.format, record.nodes.len()), (FORMAT, 3));
    let words = |command: &str| {
        let mut words: Vec<String> = command.split(" --").map(str::to_owned).collect();
        words.sort();
        words
    };
    assert_eq!(words(&settings.command()), words(&record.command), "the command that repeats it is the same");
}

/// Its verdict is reported, and its history judged by what its configuration claims.
#[test]
fn reports_and_verdicts_are_made_again_from_format_1() {
    let scratch = Scratch::new();
    for name in ["run.json", "history.jsonl", "verdict.json"] {
        scratch.file(name, fs::read(Path::new(OLD).join(name)).expect("it is in the fixture"));
    }
    let recorded: Verdict =
        serde_json::from_slice(&fs::read(scratch.join("verdict.json")).expect("it was copied")).expect("a verdict");
    let code = Exit::from(recorded.outcome) as i32;
    bench(scratch.path(), ["report", "."]).expect(code);
    let page = fs::read_to_string(scratch.join("report.html")).expect("the report was rebuilt");
    assert!(page.contains("dissensus sim --workload set --nemesis none --nodes 3 --n 2"), "{page}");
    let judged = bench(scratch.path(), ["check", ".", "--json"]).expect(code);
    let judged: Verdict = serde_json::from_str(&judged.stdout).expect("a verdict");
    let claimed = |verdict: &Verdict| -> Vec<(String, Option<String>, Outcome)> {
        let claimed = verdict.properties.iter().filter(|property| property.claimed);
        claimed.map(|found| (found.property.to_string(), found.workload.clone(), found.outcome)).collect()
    };
    assert!(!claimed(&recorded).is_empty() && claimed(&judged) == claimed(&recorded), "{judged:?}");
}

/// What is missing or strange in an old record is named, not made up.
#[test]
fn a_damaged_record_of_format_1_is_refused() {
    let scratch = Scratch::new();
    let text = fs::read_to_string(Path::new(OLD).join("run.json")).expect("it is in the fixture");
    for (from, to, why) in [
        ("\"rate\": 9.5,", "", "rate"),
        ("\"system\": \"dynamo\",", "\"system\": \"stranger\",", "stranger"),
        ("\"quorum\": \"sloppy\",", "\"quorum\": \"odd\",", "odd"),
    ] {
        assert!(text.contains(from), "{from}");
        scratch.file("run.json", text.replace(from, to));
        let refused = bench(scratch.path(), ["report", "."]).expect(254);
        assert!(refused.stderr.contains("run.json is damaged") && refused.stderr.contains(why), "{}", refused.stderr);
    }
}
