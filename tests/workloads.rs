//! Counters, transactions and registers in simulation: each configuration keeps what it claims of them, and each
//! property has a configuration or a planted bug that breaks it, found and explained.

use checker::CheckName;
use checker::verdict::{Outcome, PropertyResult};
use cluster_core::bug::Bug;
use cluster_core::config::{Quorum, Versioning};
use dissensus::run::settings::{ArenaKind, Faults, Judging, RunSettings};
use dissensus::run::simulate::{simulate, verdict_of_seed};
use dissensus::systems::SystemSettings;
use dissensus::systems::dynamo::{Coordination, DynamoSettings, bugs};

/// The workloads that a usual run does not have, and one that it has.
const WORKLOADS: [&str; 5] = ["counter", "grow-counter", "list-append", "rw-register", "register"];
/// Seeds in which something must show itself.
const SEEDS: u64 = 25;

fn settings(workload: &str, dynamo: DynamoSettings, seed: u64) -> RunSettings {
    let system = SystemSettings::of(&dynamo);
    let mut settings = RunSettings { arena: ArenaKind::Sim, system, seed, ..RunSettings::default() };
    (settings.load.workload, settings.load.time_limit_ms) = (workload.to_owned(), 10_000);
    settings
}

fn strict() -> DynamoSettings {
    DynamoSettings { quorum: Quorum::Strict, ..DynamoSettings::default() }
}

fn in_session() -> DynamoSettings {
    DynamoSettings { session: true, ..DynamoSettings::default() }
}

#[test]
fn every_configuration_keeps_what_it_claims_of_every_workload() {
    let lww = |dynamo: DynamoSettings| DynamoSettings { versions: Versioning::Lww, ..dynamo };
    let configurations = [
        DynamoSettings::default(),
        strict(),
        in_session(),
        DynamoSettings { session: true, ..strict() },
        DynamoSettings { coordination: Coordination::Client, ..strict() },
        DynamoSettings { versions: Versioning::VectorClock, ..strict() },
        lww(strict()),
        lww(in_session()),
    ];
    for dynamo in configurations {
        for seed in 0..2 {
            let settings = settings(&WORKLOADS.join(","), dynamo.clone(), seed);
            let (verdict, _) = verdict_of_seed(&settings).expect("it runs");
            assert_eq!(verdict.outcome, Outcome::Valid, "{}: {:?}", settings.command(), verdict.reasons);
        }
    }
}

/// The property as it was found where it broke, in the first of a few seeds in which it did.
fn broken(workload: &str, property: CheckName, change: impl Fn(RunSettings) -> RunSettings) -> PropertyResult {
    let found = (0..SEEDS).find_map(|seed| {
        let (verdict, _) =
            verdict_of_seed(&change(settings(workload, DynamoSettings::default(), seed))).expect("it runs");
        let broken =
            |found: &PropertyResult| found.property == property && found.claimed && found.outcome == Outcome::Invalid;
        verdict.properties.into_iter().find(broken)
    });
    let found = found.unwrap_or_else(|| panic!("{property} of {workload} does not break in {SEEDS} seeds"));
    for anomaly in &found.anomalies {
        assert!(anomaly.events.len() >= 2 && anomaly.explanation.len() > 40, "{anomaly:?}");
        assert!(anomaly.key.is_some(), "{anomaly:?}");
    }
    assert!(!found.anomalies.is_empty(), "{found:?}");
    found
}

fn required(property: CheckName, dynamo: DynamoSettings) -> impl Fn(RunSettings) -> RunSettings {
    move |usual| {
        let judging = Judging { require: vec![property] };
        RunSettings { judging, system: SystemSettings::of(&dynamo), ..usual }
    }
}

/// Properties that no configuration claims, or not this one, can indeed be broken.
#[test]
fn what_is_not_claimed_does_break() {
    for (workload, properties) in [
        (
            "register",
            &[
                CheckName::READ_YOUR_WRITES,
                CheckName::MONOTONIC_READS,
                CheckName::MONOTONIC_WRITES,
                CheckName::WRITES_FOLLOW_READS,
                CheckName::CAUSAL,
            ][..],
        ),
        (
            "counter",
            &[
                CheckName::READ_YOUR_WRITES,
                CheckName::MONOTONIC_READS,
                CheckName::WRITES_FOLLOW_READS,
                CheckName::CAUSAL,
                CheckName::COUNTER_BOUNDS,
            ],
        ),
        ("grow-counter", &[CheckName::READ_YOUR_WRITES, CheckName::MONOTONIC_READS, CheckName::COUNTER_BOUNDS]),
        (
            "list-append",
            &[
                CheckName::READ_YOUR_WRITES,
                CheckName::MONOTONIC_WRITES,
                CheckName::WRITES_FOLLOW_READS,
                CheckName::SERIALIZABLE,
                CheckName::STRONG_SESSION_SERIALIZABLE,
            ],
        ),
        (
            "rw-register",
            &[
                CheckName::READ_YOUR_WRITES,
                CheckName::MONOTONIC_READS,
                CheckName::MONOTONIC_WRITES,
                CheckName::SERIALIZABLE,
                CheckName::STRONG_SESSION_SERIALIZABLE,
            ],
        ),
    ] {
        for property in properties {
            broken(workload, *property, required(*property, DynamoSettings::default()));
        }
    }
    // Sessions are of one key and one process each: that is neither causality over keys nor real time.
    for (workload, property) in [
        ("register", CheckName::CAUSAL),
        ("counter", CheckName::COUNTER_BOUNDS),
        ("list-append", CheckName::STRICT_SERIALIZABLE),
        ("rw-register", CheckName::STRICT_SERIALIZABLE),
    ] {
        broken(workload, property, required(property, in_session()));
    }
    // Overlapping quorums alone let a process read backwards while a write is under way.
    for property in [CheckName::MONOTONIC_READS, CheckName::STRONG_SESSION_SERIALIZABLE, CheckName::STRICT_SERIALIZABLE]
    {
        let lossy = |usual| {
            let required = required(property, strict())(usual);
            RunSettings { faults: Faults { nemesis: "lossy".into(), plan: None }, ..required }
        };
        broken("rw-register", property, lossy);
    }
}

/// The kinds of anomalies that explain what went wrong, each with words of its explanation.
#[test]
fn broken_order_is_explained() {
    let parted =
        broken("list-append", CheckName::SERIALIZABLE, required(CheckName::SERIALIZABLE, DynamoSettings::default()));
    assert!(parted.anomalies.iter().all(|anomaly| anomaly.kind == "incompatible-order"), "{parted:?}");
    let siblings =
        broken("rw-register", CheckName::SERIALIZABLE, required(CheckName::SERIALIZABLE, DynamoSettings::default()));
    assert!(siblings.anomalies.iter().any(|anomaly| anomaly.kind == "sibling-read"), "{siblings:?}");
    let stale =
        broken("list-append", CheckName::STRICT_SERIALIZABLE, required(CheckName::STRICT_SERIALIZABLE, in_session()));
    assert!(stale.anomalies.iter().any(|anomaly| anomaly.explanation.contains("had completed at index")), "{stale:?}");
    let low = broken(
        "grow-counter",
        CheckName::COUNTER_BOUNDS,
        required(CheckName::COUNTER_BOUNDS, DynamoSettings::default()),
    );
    assert!(low.anomalies.iter().all(|anomaly| anomaly.explanation.contains("it lacks the inc ")), "{low:?}");
    let causal = broken("register", CheckName::CAUSAL, required(CheckName::CAUSAL, in_session()));
    assert!(causal.anomalies.iter().all(|anomaly| anomaly.explanation.contains(", then process ")), "{causal:?}");
}

/// The options under which a planted bug shows itself, but with this workload.
fn with_bug(bug: Bug) -> impl Fn(RunSettings) -> RunSettings {
    let chosen = bugs::shows_itself(bug, true);
    move |mut usual| {
        usual.faults.nemesis = chosen.preferences.nemesis.map_or(usual.faults.nemesis, str::to_owned);
        RunSettings { system: SystemSettings::of(&chosen.options), ..usual }
    }
}

/// What a configuration does claim breaks with a defect, for each workload that shows it.
#[test]
fn what_is_claimed_breaks_with_a_planted_bug() {
    for (bug, workload, properties) in [
        (Bug::QuorumsDisjoint, "register", &[CheckName::MONOTONIC_WRITES][..]),
        (Bug::QuorumsDisjoint, "counter", &[CheckName::COUNTER_BOUNDS, CheckName::READ_YOUR_WRITES]),
        (Bug::QuorumsDisjoint, "grow-counter", &[CheckName::COUNTER_BOUNDS]),
        (Bug::QuorumsDisjoint, "list-append", &[CheckName::SERIALIZABLE, CheckName::MONOTONIC_WRITES]),
        (Bug::QuorumsDisjoint, "rw-register", &[CheckName::SERIALIZABLE, CheckName::MONOTONIC_WRITES]),
        (Bug::SessionUnchecked, "register", &[CheckName::WRITES_FOLLOW_READS]),
        (Bug::SessionUnchecked, "counter", &[CheckName::WRITES_FOLLOW_READS, CheckName::MONOTONIC_READS]),
        (
            Bug::SessionUnchecked,
            "list-append",
            &[CheckName::STRONG_SESSION_SERIALIZABLE, CheckName::WRITES_FOLLOW_READS],
        ),
        (
            Bug::SessionUnchecked,
            "rw-register",
            &[CheckName::STRONG_SESSION_SERIALIZABLE, CheckName::WRITES_FOLLOW_READS],
        ),
        (Bug::NoDots, "counter", &[CheckName::NO_LOST_WRITES]),
        (Bug::FastClockWins, "list-append", &[CheckName::NO_LOST_WRITES, CheckName::READ_YOUR_WRITES]),
        (Bug::FastClockWins, "rw-register", &[CheckName::READ_YOUR_WRITES]),
        (Bug::AckBeforeDurable, "list-append", &[CheckName::DURABILITY, CheckName::NO_LOST_WRITES]),
        (Bug::AckBeforeDurable, "rw-register", &[CheckName::DURABILITY]),
        (Bug::PeerNeverRetried, "counter", &[CheckName::CONVERGENCE]),
        (Bug::PeerNeverRetried, "list-append", &[CheckName::CONVERGENCE]),
        (Bug::ForwardedTwice, "rw-register", &[CheckName::SIBLINGS_BOUNDED]),
    ] {
        for property in properties {
            broken(workload, *property, with_bug(bug));
        }
    }
}

/// A history of transactions is one of Jepsen's: the models of `check` read it as it is.
#[test]
fn a_recorded_history_is_read_by_the_models_of_its_name() {
    let scratch = tempfile::tempdir().expect("a directory for the test");
    for (workload, model) in [("list-append", "list-append"), ("rw-register", "rw-register"), ("counter", "counter")] {
        let (finished, _) = simulate(&settings(workload, strict(), 1), scratch.path(), true).expect("it runs");
        let history = std::fs::read(finished.dir.file("history.jsonl")).expect("the history is there");
        let selection = checker::formats::Selection::default();
        let reading =
            checker::formats::read(&history[..], checker::formats::Format::Json, &selection).expect("it is whole");
        assert_eq!(checker::checks::registry::guess(&reading.records), Some(model));
        let asked = checker::checks::registry::find(model, &Default::default());
        let [asked] = &asked[..] else { panic!("`{model}` asks for one check: {asked:?}") };
        let summary = asked.check(&reading.records, &Default::default()).summary();
        assert!(!summary.contains("no transaction of"), "{summary}");
        assert!(!summary.contains("could not be decided"), "{summary}");
    }
}

/// A property that no workload can show would hold without having been checked.
#[test]
fn what_no_workload_shows_cannot_be_required() {
    let usual = settings("set,register", DynamoSettings::default(), 1);
    let judging = Judging { require: vec![CheckName::SERIALIZABLE] };
    let refused = RunSettings { judging, ..usual }.check().err().expect("nothing shows it");
    let reason = "--require serializable needs one of the workloads list-append, rw-register";
    assert!(refused.to_string().contains(reason), "{refused}");
}
