//! Programs that speak Maelstrom's protocol: the examples of docs/maelstrom, right and wrong ones for each workload, get the
//! verdict that Maelstrom's documents ask for; and what a program can do wrong besides is said. They are in Python: where there is
//! none it is said, and nothing is tested.

mod support;

use std::path::PathBuf;
use std::process::Command;

use checker::verdict::{Outcome, PropertyResult, Verdict};
use support::{Ended, Scratch, bench, one_cluster_at_a_time, programs_in};

/// A partition in which each side has writes of its own.
const PARTITION: &str = r#"
version = 1
seed = 1
[[fault]]
id = 1
at_ms = 300
for_ms = 1000
kind = "partition"
shape = "single"
links = ["n1 -> n2", "n2 -> n1", "n1 -> n3", "n3 -> n1"]
"#;

/// Every third message between nodes is lost, and of the others every third arrives twice, and every third behind later ones.
const MESSAGES: &str = r#"
version = 1
seed = 1
[[fault]]
id = 1
at_ms = 200
for_ms = 1500
kind = "lossy-link"
loss_percent = 33
links = ["n1 -> n2", "n2 -> n1", "n1 -> n3", "n3 -> n1", "n2 -> n3", "n3 -> n2"]
[[fault]]
id = 2
at_ms = 200
for_ms = 1500
kind = "duplicate-link"
duplicate_percent = 33
links = ["n1 -> n2", "n2 -> n1", "n1 -> n3", "n3 -> n1", "n2 -> n3", "n3 -> n2"]
[[fault]]
id = 3
at_ms = 200
for_ms = 1500
kind = "reorder-link"
reorder_percent = 33
hold_ms = 700
links = ["n1 -> n2", "n2 -> n1", "n1 -> n3", "n3 -> n1", "n2 -> n3", "n3 -> n2"]
"#;

const NOTHING: &str = "version = 1\nseed = 1\n";

const KILL: &str = r#"
version = 1
seed = 1
[[fault]]
id = 1
at_ms = 500
for_ms = 300
kind = "kill"
nodes = ["n1"]
"#;

fn has_python() -> bool {
    let has = Command::new("python3").arg("--version").output().is_ok();
    if !has {
        eprintln!("not tested: there is no python3");
    }
    has
}

fn example(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/maelstrom").join(name);
    format!("python3 '{}'", path.display())
}

/// The bench with a program, in a directory of its own; whatever it started is gone then.
fn ended(scratch: &Scratch, bin: &str, workload: &str, more: &[&str]) -> Ended {
    let words = ["run", "--system", "maelstrom", "--bin", bin, "--workload", workload, "--nodes", "3", "--seed", "1"];
    let load = ["--time-limit", "2s", "--rate", "100", "--settle", "500", "--json", "--plan", "plan.toml"];
    let all = words.iter().chain(&load).chain(more).map(|word| (*word).to_owned());
    let ended = bench(scratch.path(), all);
    assert!(programs_in(scratch.path()).is_empty(), "nothing is left running");
    ended
}

fn run(scratch: &Scratch, bin: &str, workload: &str, more: &[&str]) -> Verdict {
    let ended = ended(scratch, bin, workload, more);
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

fn property<'v>(verdict: &'v Verdict, name: &str) -> &'v PropertyResult {
    let is = |found: &&PropertyResult| found.property.name() == name && found.claimed;
    verdict.properties.iter().find(is).unwrap_or_else(|| panic!("{name} is claimed: {verdict:?}"))
}

/// Each program keeps the property of the workload under the faults of the plan, or does not.
fn judge(plan: &str, property_name: &str, programs: &[(&str, &str, Outcome)]) {
    if !has_python() {
        return;
    }
    let _guard = one_cluster_at_a_time();
    // These programs wait more than they work.
    std::thread::scope(|scope| {
        for (program, workload, expected) in programs {
            scope.spawn(|| judge_one(plan, property_name, program, workload, *expected));
        }
    });
}

fn judge_one(plan: &str, property_name: &str, program: &str, workload: &str, expected: Outcome) {
    let scratch = Scratch::new();
    scratch.file("plan.toml", plan);
    let verdict = run(&scratch, &example(program), workload, &["--rest-limit", "3s"]);
    let found = property(&verdict, property_name);
    assert_eq!(found.outcome, expected, "{program} of {workload}: {} {:?}", found.summary, verdict.reasons);
    assert_eq!(verdict.outcome, expected, "{program} of {workload}: {:?}", verdict.reasons);
    assert!(verdict.faults.iter().all(|fault| fault.proved), "{program}: {:?}", verdict.faults);
}

#[test]
fn an_echo_repeats_what_was_said() {
    judge(NOTHING, "echo", &[("echo.py", "echo", Outcome::Valid), ("echo_forgets.py", "echo", Outcome::Invalid)]);
}

#[test]
fn identifiers_are_unique_with_the_name_of_the_node() {
    let programs =
        [("unique_ids.py", "unique-ids", Outcome::Valid), ("unique_ids_number.py", "unique-ids", Outcome::Invalid)];
    judge(NOTHING, "unique-ids", &programs);
}

#[test]
fn a_broadcast_that_is_sent_once_does_not_survive_a_partition() {
    let programs =
        [("broadcast.py", "broadcast", Outcome::Valid), ("broadcast_once.py", "broadcast", Outcome::Invalid)];
    judge(PARTITION, "set-full", &programs);
    judge(NOTHING, "set-full", &[("broadcast_once.py", "broadcast", Outcome::Valid)]);
}

#[test]
fn a_set_that_grows_keeps_all_whatever_becomes_of_messages() {
    judge(MESSAGES, "set-full", &[("g_set.py", "g-set", Outcome::Valid)]);
    judge(NOTHING, "set-full", &[("g_set_replaces.py", "g-set", Outcome::Invalid)]);
}

#[test]
fn sums_survive_what_becomes_of_messages_and_differences_do_not() {
    judge(MESSAGES, "pn-counter", &[("counter.py", "pn-counter", Outcome::Valid)]);
    judge(MESSAGES, "g-counter", &[("counter_deltas.py", "g-counter", Outcome::Invalid)]);
    judge(NOTHING, "g-counter", &[("counter_deltas.py", "g-counter", Outcome::Valid)]);
    judge(NOTHING, "g-counter", &[("counter_seq_kv.py", "g-counter", Outcome::Valid)]);
}

#[test]
fn a_store_on_the_linearizable_service_is_linearizable() {
    let programs = [
        ("lin_kv.py", "lin-kv", Outcome::Valid),
        ("lin_kv_cache.py", "lin-kv", Outcome::Invalid),
        ("lin_kv_by_seq_kv.py", "lin-kv", Outcome::Invalid),
    ];
    judge(NOTHING, "linearizable", &programs);
}

#[test]
fn transactions_are_strictly_serializable_on_one_value_and_not_on_copies() {
    let programs = [("txn.py", "txn-list-append", Outcome::Valid), ("txn.py", "txn-rw-register", Outcome::Valid)];
    judge(NOTHING, "strict-serializable", &programs);
    let programs =
        [("txn_local.py", "txn-list-append", Outcome::Invalid), ("txn_local.py", "txn-rw-register", Outcome::Invalid)];
    judge(PARTITION, "strict-serializable", &programs);
}

#[test]
fn offsets_that_are_taken_in_one_place_are_no_ones_elses() {
    judge(NOTHING, "kafka", &[("kafka.py", "kafka", Outcome::Valid), ("kafka_local.py", "kafka", Outcome::Invalid)]);
}

/// A program in a few lines of Python, that is no program of the documents.
fn program(scratch: &Scratch, lines: &str) -> String {
    let opening = "import json, os, sys\n\
        def answer(m, **body):\n    \
            body['in_reply_to'] = m['body']['msg_id']\n    \
            print(json.dumps({'src': m['dest'], 'dest': m['src'], 'body': body}), flush=True)\n\
        for line in sys.stdin:\n    \
            m = json.loads(line)\n    \
            kind = m['body']['type']\n    \
            if kind == 'init': answer(m, type='init_ok')\n";
    format!("python3 {}", scratch.file("node.py", format!("{opening}{lines}")).display())
}

#[test]
fn what_is_no_message_and_what_is_no_answer_is_quoted() {
    if !has_python() {
        return;
    }
    let _guard = one_cluster_at_a_time();
    let scratch = Scratch::new();
    scratch.file("plan.toml", NOTHING);
    let talks = program(
        &scratch,
        "    if kind == 'echo':\n        print('I echo', flush=True); answer(m, type='echo_ok', echo=m['body']['echo'])\n",
    );
    let verdict = run(&scratch, &talks, "echo", &[]);
    let reasons = verdict.reasons.join("\n");
    assert_eq!(verdict.outcome, Outcome::Inconclusive, "{reasons}");
    assert!(reasons.contains("no message") && reasons.contains("I echo"), "{reasons}");
    let other = program(&scratch, "    if kind == 'echo': answer(m, type='echo_ok', text=m['body']['echo'])\n");
    let verdict = run(&scratch, &other, "echo", &[]);
    assert_eq!(property(&verdict, "availability").outcome, Outcome::Invalid, "{:?}", verdict.reasons);
    let explanation = format!("{:?}", property(&verdict, "availability").anomalies);
    assert!(explanation.contains("which is not echo_ok with the field echo"), "{explanation}");
}

#[test]
fn a_program_that_ends_is_named() {
    if !has_python() {
        return;
    }
    let _guard = one_cluster_at_a_time();
    let scratch = Scratch::new();
    scratch.file("plan.toml", NOTHING);
    let ends = program(
        &scratch,
        "    if m['dest'] == 'n2' and kind == 'echo': sys.exit('I give up')\n    \
         if kind == 'echo': answer(m, type='echo_ok', echo=m['body']['echo'])\n",
    );
    let verdict = run(&scratch, &ends, "echo", &[]);
    let reasons = verdict.reasons.join("\n");
    assert_eq!(verdict.outcome, Outcome::Invalid, "n2 does not serve: {reasons}");
    assert!(reasons.contains("n2 ended by itself"), "{reasons}");
    let silent = "python3 -c 'import sys; sys.exit(\"no configuration\")'";
    let refused = ended(&scratch, silent, "echo", &[]).expect(255);
    assert!(refused.stderr.contains("no configuration"), "{refused:?}");
    let other = "python3 -c 'print(\"Hello!\", flush=True); input()'";
    let refused = ended(&scratch, other, "echo", &[]).expect(255);
    assert!(refused.stderr.contains("no message") && refused.stderr.contains("Hello!"), "{refused:?}");
}

/// What is in memory is lost with it, so nodes are killed only if they are said to survive it.
#[test]
fn nodes_are_killed_only_if_they_are_durable() {
    if !has_python() {
        return;
    }
    let _guard = one_cluster_at_a_time();
    let scratch = Scratch::new();
    scratch.file("plan.toml", KILL);
    let refused = ended(&scratch, &example("g_set.py"), "g-set", &[]).expect(254);
    assert!(refused.stderr.contains("--durable"), "{refused:?}");
    let verdict = run(&scratch, &example("lin_kv.py"), "lin-kv", &["--durable"]);
    assert_eq!(verdict.outcome, Outcome::Valid, "it keeps nothing itself: {:?}", verdict.reasons);
    assert!(verdict.faults.iter().all(|fault| fault.proved), "{:?}", verdict.faults);
}

#[test]
fn a_program_that_is_nowhere_is_missed_before_the_run() {
    let scratch = Scratch::new();
    scratch.file("plan.toml", NOTHING);
    let refused = ended(&scratch, "./no-such-node", "echo", &[]).expect(254);
    assert!(refused.stderr.contains("no-such-node") && refused.stderr.contains("--bin"), "{refused:?}");
    let without = bench(scratch.path(), ["run", "--system", "maelstrom"].map(str::to_owned)).expect(254);
    assert!(without.stderr.contains("--bin CMD"), "{without:?}");
    let other = ended(&scratch, "python3", "queue", &[]).expect(254);
    assert!(other.stderr.contains("it can do"), "{other:?}");
}
