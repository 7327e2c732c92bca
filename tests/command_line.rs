//! What the command line refuses, with which message and exit code: 254 for bad arguments, 255 for a failure of the
//! bench.

mod support;

use std::fs::File;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use checker::verdict::Verdict;
use cluster_core::bug::Bug;
use serde_json::{Value, json};

use support::{BENCH, Ended, Scratch, bench, one_cluster_at_a_time, processes_in};

/// Options of `run` that cannot work, with what the refusal must name.
const REFUSED: [(&str, &str); 29] = [
    ("--workload nonsense", "'nonsense'"),
    ("--workload ,", "workload"),
    ("--system nonsense", "'nonsense'"),
    ("--system=nonsense --strange", "'nonsense'"),
    ("--system redis --quorum strict", "--quorum is an option of dynamo"),
    ("--appendfsync always", "--appendfsync is an option of redis"),
    ("--system redis --nemesis kill,clock", "cannot make wall clocks wrong"),
    ("--n 3 --r 4", "r = 4"),
    ("--n 3 --w 4", "w = 4"),
    ("--r 0", "r = 0"),
    ("--n 0", "n = 0"),
    ("--nodes 1 --n 3", "n = 3"),
    ("--nodes 0", "nodes"),
    ("--nodes 300", "300"),
    ("--nemesis nonsense", "'nonsense'"),
    ("--nemesis kill:n9", "'n9'"),
    ("--nemesis partition:nonsense", "'nonsense'"),
    ("--bug nonsense", "'nonsense'"),
    ("--require nonsense", "'nonsense'"),
    ("--engine nonsense", "'nonsense'"),
    ("--quorum nonsense", "'nonsense'"),
    ("--strategy 4", "'4'"),
    ("--time-limit nonsense", "'nonsense'"),
    ("--time-limit 0s", "--time-limit"),
    ("--rate=-1", "--rate"),
    ("--rate nan", "--rate"),
    ("--concurrency 0", "--concurrency"),
    ("--port 80000", "'80000'"),
    ("--plan nowhere.toml", "nowhere.toml"),
];

#[test]
fn a_run_that_cannot_work_is_refused_before_anything_is_started() {
    for (options, names) in REFUSED {
        let scratch = Scratch::new();
        let line = refused(&scratch, &format!("run {options}"), 254);
        assert!(line.contains(names), "`{options}` is refused with: {line}");
        assert!(!scratch.join("store").exists(), "`{options}` left a store behind");
    }
}

#[test]
fn the_papers_load_is_measured_beside_its_figures() {
    let refusal = refused(&Scratch::new(), "paper load --draws 0", 254);
    assert!(refusal.contains("'0'"), "{refusal}");
    let ended = bench(Scratch::new().path(), ["paper", "load"]).expect(0);
    for row in ["│ 1: T = 1024 ", "│ 2: T = 32, Q = 3840 ", "│ 3: Q = 240 "] {
        assert!(ended.stdout.contains(row), "{ended:?}");
    }
}

#[test]
fn ports_beyond_the_last_are_refused() {
    let line = refused(&Scratch::new(), "run --nodes 5 --port 65533 --time-limit 1s", 254);
    assert!(line.contains("port"), "{line}");
}

#[test]
fn a_plan_for_another_cluster_is_refused() {
    let scratch = Scratch::new();
    let plan = "version = 1\nseed = 1\n[[fault]]\nid = 1\nat_ms = 1\nfor_ms = 1\nkind = \"kill\"\nnodes = [\"n9\"]\n";
    scratch.file("plan.toml", plan);
    let line = refused(&scratch, "run --time-limit 1s --plan plan.toml", 254);
    assert!(line.contains("plan.toml") && line.contains("'n9'"), "{line}");
    scratch.file("plan.toml", plan.replace("version = 1", "version = 9"));
    let line = refused(&scratch, "run --time-limit 1s --plan plan.toml", 254);
    assert!(line.contains("plan.toml") && line.contains('9'), "{line}");
}

/// Such a fault never began, and the run was inconclusive at its end.
#[test]
fn regression_a_plan_with_faults_after_the_load_was_taken() {
    let scratch = Scratch::new();
    let fault = "[[fault]]\nid = 1\nat_ms = 3000\nfor_ms = 500\nkind = \"kill\"\nnodes = [\"n1\"]\n";
    scratch.file("late.toml", format!("version = 1\nseed = 1\n\n{fault}"));
    let line = refused(&scratch, "run --plan late.toml --time-limit 2s", 254);
    assert!(line.contains("late.toml: fault 1 begins at 3 s"), "{line}");
}

/// The bench killed every node to upgrade it, found no program, and called the store unavailable.
#[test]
fn regression_a_program_of_the_next_version_was_first_looked_for_at_the_upgrade() {
    let scratch = Scratch::new();
    let etcd = scratch.join("here/etcd");
    std::fs::create_dir(scratch.join("here")).expect("a directory");
    std::fs::write(&etcd, "#!/bin/sh\n").expect("a program");
    std::fs::set_permissions(&etcd, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("its mode");
    let command =
        "run --system etcd --nodes 1 --binaries here --binaries-next nowhere --nemesis upgrade --time-limit 2s";
    let line = refused(&scratch, command, 254);
    assert!(line.contains("etcd is not in nowhere nor on the PATH"), "{line}");
    assert!(!scratch.join("store").exists(), "nothing was begun");
}

#[test]
fn a_damaged_plan_is_refused_in_a_line() {
    let scratch = Scratch::new();
    scratch.file("plan.toml", "version = 1\nseed = [\n");
    let line = refused(&scratch, "run --time-limit 1s --plan plan.toml", 254);
    assert!(line.contains("plan.toml") && line.contains("line 2"), "{line}");
    scratch.file("plan.toml", [0, 159, 146, 150]);
    refused(&scratch, "run --time-limit 1s --plan plan.toml", 254);
}

#[test]
fn a_store_that_cannot_be_written_is_the_benchs_failure() {
    let scratch = Scratch::new();
    scratch.file("regular", "a file");
    for store in ["regular", "regular/below", "/proc/nonexistent"] {
        let line = refused(&scratch, &format!("run --time-limit 1s --store {store}"), 255);
        assert!(line.contains(store), "{line}");
    }
}

#[test]
fn a_taken_port_is_the_benchs_failure() {
    let _guard = one_cluster_at_a_time();
    let scratch = Scratch::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it is bound");
    let one = "--nodes 1 --n 1 --r 1 --w 1";
    let run = format!("run --time-limit 1s {one} --port {}", address.port());
    let line = refused(&scratch, &run, 255);
    assert!(line.contains("n1") && line.contains(&address.to_string()), "{line}");
    let up = format!("cluster up --dir cluster {one} --port {}", address.port());
    let line = refused(&scratch, &up, 255);
    assert!(line.contains("n1") && line.contains(&address.to_string()), "{line}");
    assert_eq!(processes_in(scratch.path()).len(), 0, "nothing is left running");
}

#[test]
fn what_is_no_history_is_refused_with_its_place() {
    let scratch = Scratch::new();
    let sound = history(&[1]);
    let line = refused(&scratch, "check nowhere.jsonl", 254);
    assert!(line.contains("nowhere.jsonl"), "{line}");
    let line = refused(&scratch, "check .", 254);
    assert!(line.contains(". has no history: looked for history.jsonl"), "{line}");

    let mut broken = sound.clone();
    broken[2] = r#"{"index":2,"time":oops}"#.to_owned();
    scratch.file("broken.jsonl", text(&broken));
    let line = refused(&scratch, "check broken.jsonl", 254);
    assert!(line.contains("broken.jsonl") && line.contains("line 3, column 19"), "{line}");

    let mut gap = sound.clone();
    gap.remove(2);
    scratch.file("gap.jsonl", text(&gap));
    let line = refused(&scratch, "check gap.jsonl", 254);
    assert!(line.contains("line 3") && line.contains("index"), "{line}");

    let garbage: Vec<u8> = (0..20_000u32).map(|byte| (byte.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    scratch.file("garbage", garbage);
    let line = refused(&scratch, "check garbage", 254);
    assert!(line.contains("garbage") && line.contains("line 1"), "{line}");
    refused(&scratch, &format!("check {BENCH}"), 254);
    refused(&scratch, "check garbage --require nonsense", 254);
    refused(&scratch, "check garbage --model nonsense", 254);
}

#[test]
fn check_ends_as_its_verdict() {
    let scratch = Scratch::new();
    scratch.file("sound.jsonl", text(&history(&[1])));
    scratch.file("lost.jsonl", text(&history(&[])));
    scratch.file("empty.jsonl", "");
    judged(&scratch, "check sound.jsonl --require no-lost-writes", 0);
    let lost = judged(&scratch, "check lost.jsonl --require no-lost-writes", 1);
    assert!(lost.reasons[0].contains("no-lost-writes"), "{:?}", lost.reasons);
    judged(&scratch, "check lost.jsonl --require convergence", 0);
    let empty = judged(&scratch, "check empty.jsonl", 2);
    assert!(!empty.reasons.is_empty(), "it says why it is inconclusive");
}

/// Two transactions, each of which missed what the other appended, while nodes were down.
const CYCLE: &str = r#"{:time 1, :type :info, :process :nemesis, :f :kill, :value ["n1"]}
{:time 2, :type :invoke, :process 0, :f :txn, :value [[:append :x 1] [:r :y nil]]}
{:time 3, :type :invoke, :process 1, :f :txn, :value [[:append :y 1] [:r :x nil]]}
{:time 4, :type :ok, :process 0, :f :txn, :value [[:append :x 1] [:r :y []]]}
{:time 5, :type :ok, :process 1, :f :txn, :value [[:append :y 1] [:r :x []]]}
{:time 6, :type :info, :process :nemesis, :f :start, :value ["n1"]}
{:time 7, :type :invoke, :process 2, :f :txn, :value [[:r :x nil] [:r :y nil]]}
{:time 8, :type :ok, :process 2, :f :txn, :value [[:r :x [1]] [:r :y [1]]]}
"#;

/// A history from elsewhere gets everything that a run gets: tables, the page with its drawings, JUnit, JSON.
#[test]
fn a_foreign_history_gets_every_report() {
    let scratch = Scratch::new();
    scratch.file("cycle.edn", CYCLE);
    let shown = bench(scratch.path(), ["check", "cycle.edn", "--html", "a.html", "--junit", "a.xml"]).expect(1);
    for part in ["list-append (guessed from the operations): invalid", "G2-item", "kill", "txn"] {
        assert!(shown.stdout.contains(part), "{part}: {}", shown.stdout);
    }
    let page = std::fs::read_to_string(scratch.join("a.html")).expect("the page");
    for part in ["A cycle of 2 transactions", ">rw x<", ">rw y<", "kill 1", "append x 1, r y []"] {
        assert!(page.contains(part), "{part}");
    }
    let junit = std::fs::read_to_string(scratch.join("a.xml")).expect("the XML");
    // Nothing was planned by the bench, so there is no test case of a fault that could be skipped.
    assert!(junit.contains("<failure") && !junit.contains("dissensus.faults"), "{junit}");
    let verdict = judged(&scratch, "check cycle.edn", 1);
    let found = &verdict.properties[0];
    assert_eq!((found.property.name(), found.workload.as_deref()), ("strict-serializable", Some("list-append")));
    assert_eq!((found.anomalies[0].edges.len(), verdict.faults.len(), verdict.faults[0].foreign), (2, 1, true));
}

#[test]
fn functions_that_no_model_knows_are_refused_by_name() {
    let scratch = Scratch::new();
    scratch.file("odd.edn", "{:type :invoke, :process 0, :f :frobnicate}{:type :ok, :process 0, :f :frobnicate}");
    let line = refused(&scratch, "check odd.edn", 254);
    assert!(line.contains("`frobnicate`") && line.contains("--model"), "{line}");
}

#[test]
fn a_torn_last_line_is_left_out_and_reported() {
    let scratch = Scratch::new();
    let whole = text(&history(&[1]));
    let last = whole.trim_end().rfind('\n').expect("many lines") + 1;
    scratch.file("torn.jsonl", &whole[..whole.len() - 20]);
    scratch.file("shorter.jsonl", &whole[..last]);
    let shorter = judged(&scratch, "check shorter.jsonl --require no-lost-writes", 0);
    let torn = bench(scratch.path(), ["check", "torn.jsonl", "--require", "no-lost-writes", "--json"]).expect(2);
    let line = format!("line {}", whole.lines().count());
    assert!(torn.stderr.starts_with(&format!("{line} is cut off")), "{}", torn.stderr);
    assert_eq!(torn.stderr.lines().count(), 1, "{}", torn.stderr);
    let torn: Verdict = serde_json::from_str(&torn.stdout).expect("a verdict");
    assert!(torn.reasons.len() == 1 && torn.reasons[0].contains(&line), "{:?}", torn.reasons);
    assert_eq!((torn.properties, torn.statistics), (shorter.properties, shorter.statistics));
}

#[test]
fn what_is_no_run_directory_is_refused() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.join("empty")).expect("a directory");
    let line = refused(&scratch, "report empty", 254);
    assert!(line.contains("run.json"), "{line}");
    refused(&scratch, "report nowhere", 254);
    let file = scratch.file("empty/run.json", "{\"format\": 1");
    refused(&scratch, "report empty", 254);
    refused(&scratch, &format!("report {}", file.display()), 254);
    scratch.file("empty/run.json", "{\"format\": 999}");
    let line = refused(&scratch, "report empty", 254);
    assert!(line.contains("999"), "a later format is named: {line}");
}

#[test]
fn without_a_cluster_there_is_no_status_and_nothing_to_end() {
    for action in ["status", "down"] {
        let line = refused(&Scratch::new(), &format!("cluster {action}"), 254);
        assert!(line.contains("no cluster is up"), "{line}");
    }
    let scratch = Scratch::new();
    scratch.file("cluster.json", "{");
    let line = refused(&scratch, "cluster status --dir .", 255);
    assert!(line.contains("cluster.json"), "{line}");
    refused(&Scratch::new(), "cluster up --nodes 1 --n 3", 254);
}

#[test]
fn bugs_are_listed_a_line_each() {
    let listed = bench(Scratch::new().path(), ["run", "--bug", "list"]).expect(0);
    let names: Vec<&str> = listed.stdout.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names, Bug::ALL.map(Bug::name));
    let explained = |line: &str| line.split_whitespace().count() > 3;
    assert!(listed.stdout.lines().all(explained), "{}", listed.stdout);
    let table = include_str!("../docs/bugs.md");
    for name in names {
        assert_eq!(table.matches(&format!("| `{name}` |")).count(), 1, "rows of {name} in docs/bugs.md");
    }
}

#[test]
fn help_and_version_are_no_errors() {
    let scratch = Scratch::new();
    for args in [&["--help"][..], &["run", "--help"], &["check", "--help"], &["cluster", "up", "--help"]] {
        let output = bench(scratch.path(), args).expect(0);
        assert!(output.stdout.contains("Usage:") && output.stderr.is_empty(), "{output:?}");
    }
    let output = bench(scratch.path(), ["--version"]).expect(0);
    assert_eq!(output.stdout, format!("dissensus {}\n", env!("CARGO_PKG_VERSION")));
    let help = bench(scratch.path(), ["--help"]).expect(0).stdout;
    assert!(!help.contains("__node") && !help.contains("__supervisor"), "{help}");
}

/// Each system has options of its own; help shows those of one, and how to see the others.
#[test]
fn help_shows_the_options_of_the_system_that_is_named() {
    let scratch = Scratch::new();
    let help = |args: &str| bench(scratch.path(), args.split(' ')).expect(0).stdout;
    for command in ["run", "sim", "cluster up"] {
        let usual = help(&format!("{command} --help"));
        assert!(!usual.starts_with("What the cluster"), "its own description: {usual}");
        for part in ["Options of dynamo:", "--quorum <QUORUM>", "--system NAME --help", "  redis: "] {
            assert!(usual.contains(part), "{part}: {usual}");
        }
        assert!(!usual.contains("--appendfsync"), "{usual}");
        let other = help(&format!("{command} --system redis --help"));
        assert!(other.contains("Options of redis:") && other.contains("--appendfsync"), "{other}");
        assert!(!other.contains("--quorum"), "{other}");
    }
}

#[test]
fn what_a_system_cannot_do_is_refused_by_name() {
    let line = refused(&Scratch::new(), "sim --system redis", 254);
    assert!(line.contains("redis cannot be simulated"), "{line}");
    let line = refused(&Scratch::new(), "bugs --system redis", 254);
    assert!(line.contains("redis has no planted bugs"), "{line}");
    let line = refused(&Scratch::new(), "bugs nonsense", 254);
    assert!(line.contains("'nonsense'"), "{line}");
}

/// A defect of the engines, which processes have and the simulation has not: it would be found by no seed.
#[test]
fn a_bug_of_processes_is_neither_simulated_nor_measured_in_simulation() {
    for (command, says) in [
        ("sim --bug no-sync", "dynamo cannot be simulated as it is set up: use `dissensus run`"),
        ("bugs no-dots no-sync", "`dissensus run --net netns --bug no-sync`"),
        ("run --net proxy --bug no-sync", "--net netns"),
        ("run --net netns --bug no-sync --engine memory", "redb or fjall"),
    ] {
        let line = refused(&Scratch::new(), command, 254);
        assert!(line.contains(says), "{command}: {line}");
    }
}

/// One line says which package has a program that is not installed.
#[test]
fn a_program_that_is_missing_is_named_with_its_package() {
    let _guard = one_cluster_at_a_time();
    let scratch = Scratch::new();
    let args = ["run", "--system", "redis", "--binaries", "unpacked", "--time-limit", "1s", "--json"];
    let mut command = Command::new(BENCH);
    let output = command.args(args).current_dir(scratch.path()).env("PATH", "").output().expect("the bench runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), said.lines().count()), (Some(254), 1), "{said}");
    assert!(said.contains("redis-server is not in unpacked") && said.contains("redis-server of Debian"), "{said}");
}

#[test]
fn without_a_subcommand_or_with_an_unknown_one_help_is_shown() {
    let scratch = Scratch::new();
    let output = bench(scratch.path(), [""; 0]).expect(254);
    assert!(output.stderr.contains("Usage:"), "{output:?}");
    refused(&scratch, "nonsense", 254);
    refused(&scratch, "run --nonsense", 254);
    refused(&scratch, "check", 254);
}

/// As in `dissensus check FILE | head -1`, or on a full disk.
#[test]
fn an_output_that_takes_nothing_is_no_panic() {
    let scratch = Scratch::new();
    let file = scratch.file("sound.jsonl", text(&history(&[1])));
    let file = file.to_str().expect("text");
    for args in [&["run", "--bug", "list"][..], &["check", file], &["check", file, "--json"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        does_not_panic(args, writer.into());
        let full = File::options().write(true).open("/dev/full").expect("a full device");
        does_not_panic(args, full.into());
    }
}

fn does_not_panic(args: &[&str], stdout: Stdio) {
    let ended = Command::new(BENCH).args(args).stdout(stdout).output().expect("the bench runs");
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert!(!stderr.contains("panicked"), "{args:?}: {stderr}");
    let code = ended.status.code();
    assert!(code.is_some_and(|code| [0, 1, 2, 254, 255].contains(&code)), "{args:?}: {code:?}");
}

/// Runs what must be refused with this exit code and in one line, and returns that line.
#[track_caller]
fn refused(scratch: &Scratch, args: &str, code: i32) -> String {
    let ended = bench(scratch.path(), args.split(' ')).expect(code);
    assert_eq!(ended.stdout, "", "{ended:?}");
    problem(&ended)
}

/// The one line that says what is wrong; the command line's parser adds a hint to its own.
#[track_caller]
fn problem(ended: &Ended) -> String {
    let progress = |line: &&str| line.starts_with("seed ") || line.starts_with("starting ");
    let mut lines = ended.stderr.lines().skip_while(progress);
    let first = lines.next().unwrap_or_default();
    let own = first.starts_with("dissensus: ");
    assert!(own || first.starts_with("error: "), "`dissensus:` or `error:` was expected: {ended:?}");
    assert!(!own || lines.next().is_none(), "one line was expected: {ended:?}");
    assert!(first.len() > "dissensus: ".len(), "it says something: {ended:?}");
    first.to_owned()
}

#[track_caller]
fn judged(scratch: &Scratch, args: &str, code: i32) -> Verdict {
    let ended = bench(scratch.path(), args.split(' ').chain(["--json"])).expect(code);
    assert_eq!(ended.stderr, "");
    serde_json::from_str(&ended.stdout).expect("a verdict")
}

/// One acknowledged add of 1 to a set on two nodes, whose final reads return `finally`.
fn history(finally: &[u64]) -> Vec<String> {
    let client = |process: u64, kind: &str, f: &str, node: &str, phase: Option<&str>, value: Value| {
        let mut event = json!({"process": process, "type": kind, "f": f, "key": "set-0", "node": node, "workload": "set", "value": value});
        if let Some(phase) = phase {
            event["phase"] = phase.into();
        }
        event
    };
    let nemesis = |f: &str, value: Value| json!({"process": "nemesis", "type": "info", "f": f, "value": value});
    let mut events = vec![
        nemesis("plan", json!([])),
        client(0, "invoke", "add", "n1", None, json!(1)),
        client(0, "ok", "add", "n1", None, json!(1)),
        nemesis("heal", Value::Null),
    ];
    for (process, node) in [(1, "n1"), (2, "n2")] {
        for (phase, seen) in [("replica", json!([{"id": "v1", "value": finally}])), ("final", json!(finally))] {
            let mut pair = [
                client(process, "invoke", "read", node, Some(phase), Value::Null),
                client(process, "ok", "read", node, Some(phase), seen),
            ];
            if phase == "replica" {
                pair.iter_mut().for_each(|event| event["round"] = 1.into());
            }
            events.extend(pair);
        }
    }
    let numbered = events.into_iter().enumerate().map(|(index, mut event)| {
        event["index"] = index.into();
        event["time"] = (index as u64 * 1_000_000).into();
        event.to_string()
    });
    numbered.collect()
}

fn text(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}
