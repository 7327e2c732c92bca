//! Whole runs of the real executable: what a run leaves behind, the verdict on a planted bug, and how a run ends that
//! is stopped.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use checker::CheckName;
use checker::history::{History, Operation, Phase};
use checker::verdict::{Outcome, Verdict};
use dissensus::store::{RunRecord, read_history};
use nemesis::{EvidenceRecord, Plan};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use support::{Bench, Ended, Scratch, bench, nodes_in, one_cluster_at_a_time, state, within};

/// The nodes of a bench that was killed must be gone by then.
const ORPHANS_LIVE_MAX: Duration = Duration::from_secs(5);
/// Lines of history that show a run in full swing.
const IN_FULL_SWING: usize = 50;

const PAUSE_ALL: &str = r#"
version = 1
seed = 1
[[fault]]
id = 1
at_ms = 200
for_ms = 100000
kind = "pause"
nodes = ["n1", "n2", "n3", "n4", "n5"]
"#;

const ISOLATE_ONE: &str = r#"
version = 1
seed = 1
[[fault]]
id = 1
at_ms = 200
for_ms = 100000
kind = "partition"
shape = "single"
links = ["n1 -> n2", "n1 -> n3", "n1 -> n4", "n1 -> n5", "n2 -> n1", "n3 -> n1", "n4 -> n1", "n5 -> n1"]
"#;

#[test]
fn a_run_leaves_a_verdict_and_a_whole_run_directory() {
    let _guard = one_cluster_at_a_time();
    let scratch = Scratch::new();
    let verdict = valid_run(&scratch);
    assert_eq!(verdict.reasons, [""; 0], "a valid run has no reasons");
    assert!(verdict.faults.iter().all(|fault| fault.proved), "{:?}", verdict.faults);
    let dir = latest(&scratch);
    assert_eq!(dir.parent(), Some(&*scratch.join("store/dynamo")), "store/<name>/<time>-<seed>");
    every_file_is_there(&dir, &verdict);
    check_agrees(&dir, &verdict);
    report_is_rebuilt(&scratch, &verdict);
}

/// Faults whose evidence does not depend on how busy the machine is: a dead process, a moved clock, links that
/// clients' requests cross.
const PROVABLE: &str = r#"
version = 1
seed = 1
[[fault]]
id = 1
at_ms = 300
for_ms = 1500
kind = "kill"
nodes = ["n2"]
[[fault]]
id = 2
at_ms = 500
for_ms = 2000
kind = "partition"
shape = "single"
links = ["n1 -> n2", "n1 -> n3", "n1 -> n4", "n1 -> n5", "n2 -> n1", "n3 -> n1", "n4 -> n1", "n5 -> n1"]
[[fault]]
id = 3
at_ms = 600
for_ms = 1500
kind = "clock-bump"
nodes = ["n3"]
offset_ms = -60000
"#;

fn valid_run(scratch: &Scratch) -> Verdict {
    fs::write(scratch.join("plan.toml"), PROVABLE).expect("the plan is written");
    let arguments = ["run", "--time-limit", "4s", "--seed", "7", "--plan", "plan.toml", "--json"];
    let ended = bench(scratch.path(), arguments);
    let verdict = verdict_of(&ended);
    assert_eq!(ended.stderr, "", "--json leaves the terminal alone");
    assert_eq!(nodes_in(scratch.path()).len(), 0, "no node is left");
    assert_eq!(verdict.outcome, Outcome::Valid, "the bundled Dynamo keeps its claims: {:?}", verdict.reasons);
    verdict
}

fn every_file_is_there(dir: &Path, verdict: &Verdict) {
    let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let record: RunRecord = serde_json::from_str(&read("run.json")).expect("run.json");
    assert!(dir.display().to_string().ends_with(&format!("-{}", record.settings.seed)));
    assert!(record.first_ack_ms < record.took_ms, "{record:?}");
    let nodes = record.nodes;
    assert_eq!(nodes, ["n1", "n2", "n3", "n4", "n5"]);

    let plan = Plan::from_toml(&read("plan.toml")).expect("plan.toml");
    plan.validate(&nodes).expect("it can be carried out");
    assert!(!plan.faults.is_empty(), "a run has faults");
    let evidence: Vec<EvidenceRecord> = serde_json::from_str(&read("evidence.json")).expect("evidence.json");
    assert_eq!(evidence.len(), plan.faults.len());
    assert_eq!(verdict.faults.len(), plan.faults.len());

    let history = read_history(&dir.join("history.jsonl")).expect("history.jsonl");
    assert_eq!(history.torn, None);
    let (phases, operations) = ([Phase::Main, Phase::Replica, Phase::Final], history.operations());
    assert!(phases.iter().all(|phase| operations.iter().any(|operation| operation.phase() == *phase)));
    assert_eq!(&serde_json::from_str::<Verdict>(&read("verdict.json")).expect("verdict.json"), verdict);
    assert!(read("report.html").ends_with("</html>\n"), "report.html is whole");
    assert!(read("junit.xml").trim_end().ends_with("</testsuites>"), "junit.xml is whole");
    for node in nodes {
        assert!(dir.join(format!("nodes/{node}/stderr.log")).is_file(), "{node}");
        let files = fs::read_dir(dir.join(format!("nodes/{node}/data"))).expect("a data directory");
        assert_ne!(files.count(), 0, "{node} has stored something");
    }
    let parts = fs::read_dir(dir).expect("a directory").flatten();
    let names: Vec<_> = parts.map(|entry| entry.file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().ends_with(".part")), "{names:?}");
}

/// `check` with the same claims gives exactly the same verdict.
fn check_agrees(dir: &Path, verdict: &Verdict) {
    let ended = check(dir, claimed(verdict));
    assert_eq!(&verdict_of(&ended), verdict);
    let ended = check(dir, BTreeSet::new());
    assert_eq!(&verdict_of(&ended), verdict, "in a run directory the claims are those of its configuration");
    let ended = bench(dir, ["check", "--json", "history.jsonl"]);
    assert_eq!(&verdict_of(&ended), verdict, "named without its directory");
}

fn report_is_rebuilt(scratch: &Scratch, verdict: &Verdict) {
    let dir = latest(scratch);
    let files = ["report.html", "junit.xml"].map(|name| dir.join(name));
    let before = files.clone().map(|file| fs::read_to_string(file).expect("a report"));
    for file in &files {
        fs::remove_file(file).expect("removed");
    }
    let ended = bench(scratch.path(), ["report", "store/latest"]);
    assert_eq!(ended.code(), code_of(verdict.outcome), "{ended:?}");
    for (file, before) in files.iter().zip(before) {
        let after = fs::read_to_string(file).expect("it is there again");
        let differing = before.lines().zip(after.lines()).find(|(before, after)| before != after);
        assert!(before == after, "{} is not the same: {differing:?}", file.display());
    }
}

#[test]
fn a_planted_bug_is_found_and_shown() {
    let _guard = one_cluster_at_a_time();
    let scratch = Scratch::new();
    let args = "run --bug no-dots --time-limit 5s --seed 11 --json --junit copy.xml";
    let ended = bench(scratch.path(), args.split(' ')).expect(1);
    let verdict = verdict_of(&ended);
    assert!(verdict.reasons.iter().any(|reason| reason.contains("no-lost-writes")), "{:?}", verdict.reasons);
    let lost = verdict
        .properties
        .iter()
        .find(|result| result.property == CheckName::NO_LOST_WRITES && result.claimed)
        .expect("it is claimed");
    assert_eq!(lost.outcome, Outcome::Invalid);
    let anomaly = lost.anomalies.first().expect("a violation is shown");

    let dir = latest(&scratch);
    let history = read_history(&dir.join("history.jsonl")).expect("a history");
    assert!(!anomaly.events.is_empty(), "{anomaly:?}");
    for index in &anomaly.events {
        let has =
            |operation: &Operation<'_>| [Some(operation.invoked()), operation.completed()].contains(&Some(*index));
        let operation = history.operations().into_iter().find(has).expect("it is of a client");
        assert_eq!(operation.key(), anomaly.key.as_deref(), "event {index} proves something of the anomaly's key");
    }
    let html = unescape(&fs::read_to_string(dir.join("report.html")).expect("a report"));
    assert!(html.contains(&anomaly.explanation), "the report explains: {}", anomaly.explanation);
    let junit = fs::read_to_string(dir.join("junit.xml")).expect("a report");
    assert!(junit.contains("<failure"), "{junit}");
    assert_eq!(fs::read_to_string(scratch.join("copy.xml")).ok().as_ref(), Some(&junit));
    check(&dir, claimed(&verdict)).expect(1);
}

#[test]
fn nothing_survives_a_bench_that_is_killed() {
    let _guard = one_cluster_at_a_time();
    let scratch = Scratch::new();
    let mut running = start(&scratch, "run --time-limit 100s --seed 1 --nemesis none");
    running.wait_until("a full swing", || history_lines(&scratch) > IN_FULL_SWING);
    assert_eq!(nodes_in(scratch.path()).len(), 5);
    running.signal(Signal::SIGKILL);
    within(ORPHANS_LIVE_MAX, "every node is gone", || nodes_in(scratch.path()).is_empty());
    drop(running);
    a_partial_history_can_be_judged(&scratch);
}

#[test]
fn nothing_survives_a_killed_bench_though_every_node_is_stopped() {
    let _guard = one_cluster_at_a_time();
    let scratch = Scratch::new();
    scratch.file("pause.toml", PAUSE_ALL);
    let mut running = start(&scratch, "run --time-limit 100s --seed 1 --plan pause.toml");
    running.wait_until("a pause of all", || {
        let nodes = nodes_in(scratch.path());
        nodes.len() == 5 && nodes.into_keys().all(|pid| state(pid) == Some('T'))
    });
    running.signal(Signal::SIGKILL);
    within(ORPHANS_LIVE_MAX, "every stopped node is gone", || nodes_in(scratch.path()).is_empty());
    drop(running);
    a_partial_history_can_be_judged(&scratch);
}

/// A history without its end proves nothing of what was lost, and says so.
fn a_partial_history_can_be_judged(scratch: &Scratch) {
    let dir = latest(scratch);
    let ended = check(&dir, [CheckName::NO_LOST_WRITES].into());
    assert_eq!(verdict_of(&ended).outcome, Outcome::Inconclusive, "{ended:?}");
    let report = bench(scratch.path(), ["report", "store/latest"]).expect(2);
    assert!(report.stdout.contains("did not come to its end"), "{}", report.stdout);
    let html = fs::read_to_string(dir.join("report.html")).expect("a report");
    assert!(html.contains("did not come to its end"));
}

#[test]
fn an_interrupted_run_heals_and_judges() {
    let _guard = one_cluster_at_a_time();
    let scratch = Scratch::new();
    scratch.file("isolate.toml", ISOLATE_ONE);
    let mut running = start(&scratch, "run --time-limit 100s --seed 1 --plan isolate.toml --json");
    running.wait_until("a partition in full swing", || {
        history_lines(&scratch) > IN_FULL_SWING && has_happened(&scratch, "start-partition")
    });
    running.signal(Signal::SIGINT);
    let ended = running.end().expect(2);
    let verdict = verdict_of(&ended);
    assert!(verdict.reasons.iter().any(|reason| reason.contains("interrupted")), "{:?}", verdict.reasons);
    assert_eq!(nodes_in(scratch.path()).len(), 0, "no node is left");

    let dir = latest(&scratch);
    assert_eq!(
        fs::read_to_string(dir.join("verdict.json")).ok().map(|text| text.trim().to_owned()),
        Some(ended.stdout.trim().to_owned())
    );
    let history = read_history(&dir.join("history.jsonl")).expect("a history");
    let faults: Vec<&str> = history.nemesis().iter().map(|event| event.f.as_str()).collect();
    assert_eq!(faults, ["plan", "start-partition", "stop-partition", "heal"]);
    assert!(read_back(&history), "every node answers after the heal");
    let evidence = fs::read_to_string(dir.join("evidence.json")).expect("evidence.json");
    let evidence: Vec<EvidenceRecord> = serde_json::from_str(&evidence).expect("evidence.json");
    assert_eq!(evidence.len(), 1);
}

/// Whether each node has answered a final read.
fn read_back(history: &History) -> bool {
    let operations = history.operations();
    let answers = operations.iter().filter(|operation| operation.phase() == Phase::Final && operation.is_ok());
    let nodes: BTreeSet<_> = answers.filter_map(Operation::node).collect();
    nodes.len() == 5
}

#[test]
fn a_second_interrupt_gives_up() {
    let _guard = one_cluster_at_a_time();
    let scratch = Scratch::new();
    let mut running = start(&scratch, "run --time-limit 100s --rest-limit 100s --seed 1 --nemesis none");
    running.wait_until("a full swing", || history_lines(&scratch) > IN_FULL_SWING);
    // A node that cannot be started again keeps the replicas from converging.
    kill_node(&scratch, "n3");
    fs::write(latest(&scratch).join("nodes/n3/data/node.redb"), "no database").expect("its disk can be damaged");
    running.signal(Signal::SIGINT);
    running.wait_until("the heal", || has_happened(&scratch, "heal"));
    running.signal(Signal::SIGINT);
    within(Duration::from_secs(10), "the bench gives up while it waits for rest", || running.has_ended());
    let ended = running.end().expect(255);
    assert!(ended.stderr.contains("interrupted twice"), "{}", ended.stderr);
    within(ORPHANS_LIVE_MAX, "every node is gone", || nodes_in(scratch.path()).is_empty());
}

#[test]
fn a_node_that_ends_by_itself_makes_a_run_inconclusive() {
    let _guard = one_cluster_at_a_time();
    let scratch = Scratch::new();
    let mut running = start(&scratch, "run --time-limit 2s --seed 1 --nemesis none --json");
    running.wait_until("a full swing", || history_lines(&scratch) > IN_FULL_SWING);
    kill_node(&scratch, "n3");
    let ended = running.end().expect(2);
    let reasons = verdict_of(&ended).reasons;
    assert!(reasons.iter().any(|reason| reason.starts_with("n3 ended by itself")), "{reasons:?}");
}

/// A line that a node's runtime would write: the cluster goes on, and its clients see nothing.
#[test]
fn a_panic_in_a_log_makes_a_run_inconclusive() {
    let _guard = one_cluster_at_a_time();
    let scratch = Scratch::new();
    let mut running = start(&scratch, "run --time-limit 4s --seed 1 --nemesis none --json");
    running.wait_until("a full swing", || history_lines(&scratch) > IN_FULL_SWING);
    let log = latest(&scratch).join("nodes/n2/stderr.log");
    let mut log = fs::File::options().append(true).open(log).expect("the node has a log");
    log.write_all(b"thread 'tokio-runtime-worker' panicked at src/peers.rs:7:9:\n").expect("it is planted");
    let verdict = verdict_of(&running.end().expect(2));
    let is_reported = verdict.reasons.iter().any(|reason| {
        reason.starts_with("n2 panicked: nodes/n2/stderr.log, line ") && reason.contains("src/peers.rs:7:9")
    });
    assert!(is_reported, "{:?}", verdict.reasons);
}

fn kill_node(scratch: &Scratch, name: &str) {
    let nodes = nodes_in(scratch.path());
    let node = nodes.iter().find(|(_, command)| command.contains(&format!("__node {name} ")));
    let (pid, _) = node.unwrap_or_else(|| panic!("{name} is not among {nodes:?}"));
    kill(Pid::from_raw(*pid), Signal::SIGKILL).expect("it runs");
}

fn start(scratch: &Scratch, args: &str) -> Bench {
    Bench::start(scratch.path(), args.split(' '))
}

/// Judges the history of a run directory by these claims, and prints the verdict as JSON.
#[track_caller]
fn check(dir: &Path, claims: BTreeSet<CheckName>) -> Ended {
    let aside = Scratch::new();
    let mut args = vec!["check".to_owned(), "--json".to_owned(), dir.join("history.jsonl").display().to_string()];
    args.extend(claims.iter().map(|property| format!("--require={property}")));
    let ended = bench(aside.path(), args);
    assert!((0..=2).contains(&ended.code()), "{ended:?}");
    ended
}

fn claimed(verdict: &Verdict) -> BTreeSet<CheckName> {
    let claimed = verdict.properties.iter().filter(|result| result.claimed);
    claimed.map(|result| result.property).collect()
}

/// The verdict that was printed, with which the exit code must agree.
#[track_caller]
fn verdict_of(ended: &Ended) -> Verdict {
    ended.expect_no_panic();
    let verdict: Verdict = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    assert_eq!(ended.code(), code_of(verdict.outcome), "{:?}", verdict.reasons);
    verdict
}

fn code_of(outcome: Outcome) -> i32 {
    match outcome {
        Outcome::Valid => 0,
        Outcome::Invalid => 1,
        Outcome::Inconclusive => 2,
    }
}

/// The newest run directory, by its real path.
fn latest(scratch: &Scratch) -> PathBuf {
    let link = scratch.join("store/latest");
    link.canonicalize().expect("store/latest points at a run directory")
}

fn history_text(scratch: &Scratch) -> String {
    fs::read_to_string(scratch.join("store/latest/history.jsonl")).unwrap_or_default()
}

fn history_lines(scratch: &Scratch) -> usize {
    history_text(scratch).lines().count()
}

fn has_happened(scratch: &Scratch, f: &str) -> bool {
    history_text(scratch).contains(&format!(r#""f":"{f}""#))
}

fn unescape(html: &str) -> String {
    let escapes = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    escapes.iter().fold(html.to_owned(), |html, (escape, character)| html.replace(escape, character))
}
