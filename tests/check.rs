//! `check` on histories from elsewhere: models, formats, damage, the linter; how each ends and what it prints.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use support::{BENCH, Ended, Scratch, bench};

/// A compare-and-set register: the last read is stale in the second.
const SOUND: [&str; 6] = [
    r#"{"index":0,"time":1000,"process":0,"type":"invoke","f":"write","value":1}"#,
    r#"{"index":1,"time":2000,"process":0,"type":"ok","f":"write","value":1}"#,
    r#"{"index":2,"time":3000,"process":1,"type":"invoke","f":"cas","value":[1,2]}"#,
    r#"{"index":3,"time":4000,"process":1,"type":"ok","f":"cas","value":[1,2],"extra":[":k",{"a":null}]}"#,
    r#"{"index":4,"time":5000,"process":0,"type":"invoke","f":"read","value":null}"#,
    r#"{"index":5,"time":6000,"process":0,"type":"ok","f":"read","value":2}"#,
];

fn text(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn stale() -> String {
    text(&SOUND).replace(r#""f":"read","value":2"#, r#""f":"read","value":1"#)
}

fn run(scratch: &Scratch, command: &str) -> Ended {
    bench(scratch.path(), command.split(' '))
}

fn json(ended: Ended) -> Value {
    serde_json::from_str(&ended.stdout).expect("it prints JSON")
}

#[test]
fn a_model_is_guessed_and_ends_as_its_decision() {
    let scratch = Scratch::new();
    scratch.file("sound.jsonl", text(&SOUND));
    scratch.file("stale.jsonl", stale());
    let sound = run(&scratch, "check sound.jsonl").expect(0);
    assert!(sound.stdout.contains("cas-register (guessed from the operations): valid"), "{}", sound.stdout);
    let stale = json(run(&scratch, "check stale.jsonl --model cas-register --json").expect(1));
    assert_eq!(stale["outcome"], "invalid");
    assert_eq!(stale["properties"][0]["anomalies_total"], 1);
    let both = json(run(&scratch, "check sound.jsonl --model cas-register,monotonic --json").expect(2));
    assert_eq!(both["properties"].as_array().map(Vec::len), Some(2));
    let list = run(&scratch, "check --model list").expect(0);
    for model in ["cas-register", "list-append", "staleness", "cart"] {
        assert!(list.stdout.lines().any(|line| line.starts_with(model)), "{}", list.stdout);
    }
    run(&scratch, "check sound.jsonl --model set,cart").expect(254);
    run(&scratch, "check --model register").expect(254);
}

/// They were left undecided: any transaction was taken for one of lists.
#[test]
fn sessions_of_transactions_of_registers_are_decided() {
    let scratch = Scratch::new();
    for (shown, code) in [("1", 0), ("null", 1)] {
        let history = [
            r#"{"index":0,"time":1,"process":0,"type":"invoke","f":"txn","value":[["w","x",1]]}"#.to_owned(),
            r#"{"index":1,"time":2,"process":0,"type":"ok","f":"txn","value":[["w","x",1]]}"#.to_owned(),
            r#"{"index":2,"time":3,"process":0,"type":"invoke","f":"txn","value":[["r","x",null]]}"#.to_owned(),
            format!(r#"{{"index":3,"time":4,"process":0,"type":"ok","f":"txn","value":[["r","x",{shown}]]}}"#),
        ];
        scratch.file("transactions.jsonl", history.map(|line| line + "\n").concat());
        run(&scratch, "check transactions.jsonl --model session").expect(code);
    }
}

#[test]
fn every_format_and_compression_says_the_same() {
    let scratch = Scratch::new();
    scratch.file("stale.jsonl", stale());
    run(&scratch, "check stale.jsonl --convert stale.edn").expect(0);
    run(&scratch, "check stale.edn --convert back.jsonl.gz").expect(0);
    run(&scratch, "check back.jsonl.gz --convert again.jsonl").expect(0);
    let read = |name: &str| std::fs::read_to_string(scratch.join(name)).expect("it was written");
    assert_eq!(read("again.jsonl"), stale(), "fields that nobody knows are kept");
    assert!(read("stale.edn").contains(":type :invoke, :f :cas, :value [1 2]"), "{}", read("stale.edn"));
    let log: String = ["0 :invoke :write 1", "0 :ok :write 1", "1 :invoke :read nil", "1 :ok :read nil"]
        .map(|line| format!("INFO  jepsen.util - {line}\n"))
        .concat();
    scratch.file("log", log);
    let mut frames = vec![0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    for half in stale().as_bytes().chunks(300) {
        frames.extend(ruzstd::encoding::compress_to_vec(half, ruzstd::encoding::CompressionLevel::Fastest));
    }
    scratch.file("frames", frames);
    for name in ["stale.jsonl", "stale.edn", "back.jsonl.gz", "frames", "log"] {
        let checked = json(run(&scratch, &format!("check {name} --model cas-register --json")).expect(1));
        assert_eq!(checked["properties"][0]["anomalies_total"], 1, "{name}");
    }
    run(&scratch, "check stale.jsonl --convert stale.txt").expect(254);
    run(&scratch, "check stale.jsonl --format edn --model cas-register").expect(254);
}

#[test]
fn a_damaged_history_is_refused_or_checked_in_part() {
    let scratch = Scratch::new();
    let (whole, unfinished) = (text(&SOUND[..4]), text(&SOUND[4..]));
    scratch.file("damaged.jsonl", format!("{whole}nonsense\n{unfinished}"));
    let refused = run(&scratch, "check damaged.jsonl --model cas-register").expect(254);
    assert!(refused.stderr.contains("line 5, column 1"), "{}", refused.stderr);
    let partial = run(&scratch, "check damaged.jsonl --model cas-register --allow-partial").expect(2);
    assert!(partial.stdout.contains("only the 4 events before a damage"), "{}", partial.stdout);
    scratch.file("torn.jsonl", &text(&SOUND)[..text(&SOUND).len() - 20]);
    let torn = run(&scratch, "check torn.jsonl --model cas-register").expect(2);
    assert!(torn.stdout.contains("line 6 is cut off"), "{}", torn.stdout);
    let own = text(&SOUND).replace(r#""value""#, r#""workload":"register","key":"r","value""#).replace("cas", "write");
    let broken = own.replace(r#"{"index":4"#, r#"{index":4"#);
    scratch.file("own.jsonl", broken);
    run(&scratch, "check own.jsonl").expect(254);
    let judged = json(run(&scratch, "check own.jsonl --allow-partial --json").expect(2));
    assert!(judged["reasons"].to_string().contains("Only the 4 events before a damage"), "{judged}");
}

#[test]
fn a_compressed_file_that_is_damaged_is_no_shorter_history() {
    let scratch = Scratch::new();
    let mut frame = ruzstd::encoding::compress_to_vec(stale().as_bytes(), ruzstd::encoding::CompressionLevel::Fastest);
    let last = frame.len() - 1;
    frame[last] ^= 1;
    scratch.file("damaged.zst", &frame);
    let refused = run(&scratch, "check damaged.zst --model cas-register").expect(254);
    assert!(refused.stderr.contains("checksum"), "{}", refused.stderr);
    scratch.file("cut.zst", &frame[..frame.len() / 2]);
    run(&scratch, "check cut.zst --model cas-register --allow-partial").expect(254);
}

#[test]
fn the_linter_finds_and_ends_so() {
    let scratch = Scratch::new();
    scratch.file("sound.jsonl", text(&SOUND));
    run(&scratch, "check sound.jsonl --lint").expect(0);
    let timed_out = SOUND[1].replace(r#""type":"ok""#, r#""type":"fail","error":"read timed out""#);
    scratch.file("suspicious.jsonl", text(&[SOUND[0], &timed_out]));
    let found = run(&scratch, "check suspicious.jsonl --lint").expect(1);
    assert!(found.stdout.starts_with("line 2: uncertain-fail: "), "{}", found.stdout);
    let report = json(run(&scratch, "check suspicious.jsonl --lint --json").expect(1));
    assert_eq!(report["lint"]["totals"]["uncertain-fail"], 1);
}

/// Two writes of a register whose order is known only if each register is linearizable; the reads show the opposite
/// order.
#[test]
fn what_is_assumed_of_registers_determines_the_order_of_their_versions() {
    let scratch = Scratch::new();
    let history = |second_writer: u64| {
        let transactions = [
            (0, r#"[["w","x",1]]"#, r#"[["w","x",1]]"#),
            (second_writer, r#"[["w","x",2]]"#, r#"[["w","x",2]]"#),
            (2, r#"[["r","x",null],["w","y",1]]"#, r#"[["r","x",2],["w","y",1]]"#),
            (3, r#"[["r","y",null],["r","x",null]]"#, r#"[["r","y",1],["r","x",1]]"#),
        ];
        let line = |(process, invoked, completed): &(u64, &str, &str)| {
            let event = |kind, value| format!(r#"{{"type":"{kind}","f":"txn","process":{process},"value":{value}}}"#);
            format!("{}\n{}\n", event("invoke", invoked), event("ok", completed))
        };
        transactions.iter().map(line).collect::<String>()
    };
    scratch.file("one.jsonl", history(0));
    scratch.file("two.jsonl", history(1));
    let check = "--model rw-register --consistency serializable";
    for (file, assumed, found) in [
        ("one.jsonl", "", None),
        ("one.jsonl", " --assume sequential-keys", Some("not serializable: 1 G-single")),
        // The read of the older one is later, too.
        ("one.jsonl", " --assume linearizable-keys", Some("not serializable: 1 cyclic-versions")),
        ("two.jsonl", "", None),
        ("two.jsonl", " --assume sequential-keys", None),
        ("two.jsonl", " --assume linearizable-keys", Some("not serializable: 1 cyclic-versions")),
        ("two.jsonl", " --assume sequential-keys,linearizable-keys", Some("not serializable: 1 cyclic-versions")),
    ] {
        let ended = run(&scratch, &format!("check {file} {check}{assumed}")).expect(i32::from(found.is_some()));
        assert!(ended.stdout.contains(found.unwrap_or("valid")), "{file}{assumed}: {}", ended.stdout);
    }
    run(&scratch, &format!("check one.jsonl {check} --assume nonsense")).expect(254);
}

#[test]
fn limits_are_reported() {
    let scratch = Scratch::new();
    scratch.file("sound.jsonl", text(&SOUND));
    for option in ["--memory 1TB", "--memory 0", "--timeout x", "--consistency nonsense", "--stale-versions 0"] {
        run(&scratch, &format!("check sound.jsonl --model cas-register {option}")).expect(254);
    }
    run(&scratch, "check sound.jsonl --model cas-register --memory 1MiB --timeout 60s --failed-cas enforce").expect(0);
}

/// `operations` operations on two keys, one after the other; the read of one of them is stale.
fn long(operations: u64, stale: u64) -> String {
    let mut text = String::new();
    for at in 0..operations {
        let (process, key, value) = (at % 3, at % 2, at / 4 * 4 + at % 2);
        let read = at % 4 >= 2;
        let (f, argument) = if read { ("read", "null".into()) } else { ("write", value.to_string()) };
        let result = if at == stale { 0 } else { value };
        for (event, kind, value) in [(2 * at, "invoke", argument), (2 * at + 1, "ok", result.to_string())] {
            text.push_str(&format!(
                r#"{{"index":{event},"time":{event},"process":{process},"type":"{kind}","f":"{f}","key":"k{key}","value":{value}}}"#
            ));
            text.push('\n');
        }
    }
    text
}

#[test]
fn a_history_that_does_not_fit_is_checked_in_part() {
    let scratch = Scratch::new();
    scratch.file("sound.jsonl", long(60_000, u64::MAX));
    scratch.file("early.jsonl", long(60_000, 402));
    scratch.file("late.jsonl", long(60_000, 59_998));
    let with = |file: &str, model: &str, memory: &str, code| {
        json(run(&scratch, &format!("check {file}.jsonl --model {model} --memory {memory} --json")).expect(code))
    };
    // 60,000 operations are 2.9 MB of records.
    for (file, code) in [("sound", 2), ("early", 1), ("late", 2)] {
        let part = with(file, "register", "2MiB", code);
        let notes = part["notes"].to_string();
        assert!(notes.contains("the memory limit of 2 MiB ended the reading: only the first"), "{file}: {notes}");
        let operations = part["operations"].as_u64().unwrap_or(0);
        assert!((10_000..30_000).contains(&operations), "{operations}");
    }
    for (file, code) in [("sound", 0), ("early", 1), ("late", 1)] {
        with(file, "register", "64MiB", code);
    }
    let sequential = with("early", "sequential", "2MiB", 2);
    assert_eq!(sequential["outcome"], "inconclusive", "what follows could explain it");
    for model in ["session", "causal", "staleness", "rw-register", "unique-ids", "set-full"] {
        let code = run(&scratch, &format!("check sound.jsonl --model {model} --memory 2MiB")).status.code();
        assert!(code == Some(2) || (model, code) == ("unique-ids", Some(1)), "{model} ends with {code:?}");
    }
}

/// One process that adds to `count` sets, one after the other, and reads each; one of the reads shows nothing.
fn sets(count: u64, stale: u64) -> String {
    let mut text = String::new();
    for set in 0..count {
        let shown = if set == stale { "[]".to_owned() } else { format!("[{set}]") };
        let add = [("invoke", "add", set.to_string()), ("ok", "add", set.to_string())];
        let read = [("invoke", "read", "null".to_owned()), ("ok", "read", shown)];
        for (index, (kind, f, value)) in (4 * set..).zip(add.into_iter().chain(read)) {
            let place = format!(r#""index":{index},"time":{index},"process":0,"workload":"set","key":"set-{set}""#);
            text.push_str(&format!(r#"{{{place},"type":"{kind}","f":"{f}","value":{value}}}"#));
            text.push('\n');
        }
    }
    text
}

/// Checking the bench's own workloads once had no bounds on memory and time.
#[test]
fn limits_hold_for_the_benchs_own_workloads_too() {
    let scratch = Scratch::new();
    scratch.file("sound.jsonl", sets(1_000, u64::MAX));
    scratch.file("early.jsonl", sets(1_000, 10));
    scratch.file("late.jsonl", sets(1_000, 990));
    run(&scratch, "check sound.jsonl --convert sound.edn").expect(0);
    let with = |file: &str, limit: &str, code| {
        json(run(&scratch, &format!("check {file} --require read-your-writes {limit} --json")).expect(code))
    };
    // 4,000 events are 400 kB of text.
    for (file, code) in [("sound.jsonl", 2), ("sound.edn", 2), ("early.jsonl", 1), ("late.jsonl", 2)] {
        let reasons = with(file, "--memory 2MiB", code)["reasons"].to_string();
        assert!(reasons.contains("the memory limit of 2 MiB ended the reading: only the first 1"), "{file}: {reasons}");
    }
    for (file, code) in [("sound.jsonl", 0), ("sound.edn", 0), ("early.jsonl", 1), ("late.jsonl", 1)] {
        with(file, "--memory 64MiB", code);
    }
    let ended = with("sound.jsonl", "--timeout 1ns", 2);
    assert!(ended["reasons"].to_string().contains("the time limit of 1ns ended the reading"), "{ended}");
}

/// A history without workloads was split by the names of workloads: none of its operations was left, and none is no violation.
#[test]
fn a_property_asked_of_a_history_without_workloads_is_judged() {
    let scratch = Scratch::new();
    scratch.file("sound.jsonl", text(&SOUND));
    scratch.file("stale.jsonl", stale());
    for (file, code) in [("sound.jsonl", 0), ("stale.jsonl", 1)] {
        run(&scratch, &format!("check {file} --model cas-register --require linearizable")).expect(code);
    }
    let set = sets(10, 3).replace(r#""workload":"set","#, "");
    scratch.file("set.jsonl", &set);
    run(&scratch, "check set.jsonl --model set --require linearizable").expect(1);
    run(&scratch, "check set.jsonl --model set --require sequential").expect(2);
    run(&scratch, "check set.jsonl --workload register").expect(254);
}

/// Some levels are decided without what `--assume` says: it was once passed over there, in silence.
#[test]
fn assumptions_count_or_are_refused() {
    let scratch = Scratch::new();
    let transaction = |process: u64, value: &str| {
        ["invoke", "ok"]
            .map(|kind| format!(r#"{{"process":{process},"type":"{kind}","f":"txn","value":{value}}}"#) + "\n")
            .concat()
    };
    scratch.file("stale.jsonl", transaction(0, r#"[["w","x",1]]"#) + &transaction(1, r#"[["r","x",null]]"#));
    for (level, code) in
        [("read-committed", 254), ("read-atomic", 254), ("causal", 254), ("read-uncommitted", 1), ("serializable", 1)]
    {
        let assumed = format!("check stale.jsonl --model rw-register --assume linearizable-keys --consistency {level}");
        run(&scratch, &assumed).expect(code);
        run(&scratch, &assumed.replace(" --model rw-register", "")).expect(code);
        run(&scratch, &format!("check stale.jsonl --model rw-register --consistency {level}")).expect(0);
    }
    run(&scratch, "check stale.jsonl --model causal-memory --assume sequential-keys").expect(254);
    run(&scratch, "check stale.jsonl --model rw-register --require read-atomic --assume sequential-keys").expect(254);
}

/// What a weaker level refuted, stronger ones did not, and one name meant two things.
#[test]
fn a_stronger_level_refutes_what_a_weaker_one_refutes() {
    let scratch = Scratch::new();
    // Invoked in this order, and completed in the order of the numbers.
    let history = |transactions: &[(u64, u64, &str)]| {
        let event = |process: &u64, kind: &str, value: &str| {
            format!(r#"{{"process":{process},"type":"{kind}","f":"txn","value":{value}}}"#) + "\n"
        };
        let mut events: Vec<(u64, String)> = Vec::new();
        for ((process, completed, value), at) in transactions.iter().zip(0..) {
            events.push((at * 2, event(process, "invoke", value)));
            events.push((completed * 2 + 1, event(process, "ok", value)));
        }
        events.sort();
        events.into_iter().map(|(_, line)| line).collect::<String>()
    };
    scratch
        .file("blind", history(&[(0, 0, r#"[["w","a",1]]"#), (0, 1, r#"[["w","a",2]]"#), (0, 2, r#"[["r","a",1]]"#)]));
    let causes = [(1, 0, r#"[["r","x",1],["w","y",1]]"#), (2, 1, r#"[["r","y",1]]"#), (2, 2, r#"[["w","x",1]]"#)];
    scratch.file("causes", history(&causes));
    let lists = [(0, 0, r#"[["append","x",1],["append","y",1]]"#), (1, 1, r#"[["r","x",[1]],["r","y",[]]]"#)];
    scratch.file("lists", history(&lists));
    let registers = [
        (0, 2, r#"[["w","x",1],["w","y",1]]"#),
        (1, 3, r#"[["w","x",2],["w","y",2]]"#),
        (2, 4, r#"[["r","x",1],["r","y",2]]"#),
    ];
    scratch.file("registers", history(&registers));
    for (file, options, code) in [
        ("blind", "--model rw-register", 1),
        ("blind", "--model rw-register --consistency strong-session-serializable", 1),
        ("blind", "--model rw-register --consistency serializable", 0),
        ("causes", "--model causal", 1),
        ("causes", "--model rw-register --consistency causal", 1),
        ("causes", "--model rw-register --consistency strong-session-serializable", 1),
        ("causes", "--model rw-register --consistency serializable", 0),
        ("lists", "--model list-append --consistency read-atomic", 1),
        ("lists", "--model list-append --consistency update-atomic", 1),
        ("lists", "--model read-atomic", 1),
        ("lists", "--model list-append --consistency read-committed", 0),
        ("registers", "--model rw-register", 1),
        ("registers", "--model rw-register --consistency serializable", 1),
        ("registers", "--model read-atomic", 1),
        ("registers", "--model rw-register --consistency read-committed", 0),
    ] {
        run(&scratch, &format!("check {file} {options}")).expect(code);
    }
}

/// Another bench's nemesis may use our words: its events were taken for damaged ones of ours, and nothing was valid any more.
#[test]
fn the_events_of_another_nemesis_change_no_verdict() {
    let scratch = Scratch::new();
    for nemesis in [
        r#"{"process":"nemesis","type":"info","f":"start-kill","value":{"fault":"disk","nodes":["n1"]}}"#,
        r#"{"process":"nemesis","type":"info","f":"plan","value":"majority"}"#,
        r#"{"process":"nemesis","type":"info","f":"start-kill","value":"n1"}"#,
    ] {
        for workload in ["", r#""workload":"mine","#] {
            let write = ["invoke", "ok"]
                .map(|kind| format!(r#"{{{workload}"process":0,"type":"{kind}","f":"write","value":1}}"#) + "\n");
            scratch.file("foreign.jsonl", format!("{}{nemesis}\n{}", write[0], write[1]));
            let code =
                if workload.is_empty() || !nemesis.contains("fault") && !nemesis.contains("plan") { 0 } else { 2 };
            run(&scratch, "check foreign.jsonl --model register").expect(code);
        }
    }
}

/// The history itself was once overwritten by its report.
#[test]
fn a_report_replaces_nothing_but_a_report() {
    let scratch = Scratch::new();
    scratch.file("sound.jsonl", text(&SOUND));
    for refused in ["--html sound.jsonl", "--html page --junit page", "--junit /dev/null", "--html nowhere/page"] {
        run(&scratch, &format!("check sound.jsonl {refused}")).expect(254);
    }
    assert_eq!(std::fs::read_to_string(scratch.join("sound.jsonl")).expect("it is there"), text(&SOUND));
    run(&scratch, "check sound.jsonl --html page --junit page.xml").expect(0);
    run(&scratch, "check sound.jsonl --html page --junit page.xml").expect(0);
}

/// Of a list, what nobody wrote was once passed over.
#[test]
fn sessions_that_read_what_nobody_wrote_are_invalid() {
    let scratch = Scratch::new();
    let lines = [("invoke", "write", "1"), ("ok", "write", "1"), ("invoke", "read", "null"), ("ok", "read", "[1,7]")]
        .map(|(kind, f, value)| format!(r#"{{"process":0,"type":"{kind}","f":"{f}","value":{value}}}"#) + "\n");
    scratch.file("unwritten.jsonl", lines.concat());
    run(&scratch, "check unwritten.jsonl --model session").expect(1);
}

#[test]
fn a_check_ends_with_its_time() {
    let scratch = Scratch::new();
    scratch.file("sound.jsonl", long(60_000, u64::MAX));
    for model in ["register", "sequential", "session", "causal", "staleness", "rw-register", "unique-ids"] {
        let ended = json(run(&scratch, &format!("check sound.jsonl --model {model} --timeout 1ms --json")).expect(2));
        assert_eq!(ended["outcome"], "inconclusive", "{ended}");
        assert!(ended["notes"].to_string().contains("the time limit of 1ms ended the reading"), "{ended}");
    }
}

/// Histories that Jepsen recorded of etcd in 2014 with verdicts known from elsewhere, where they are at hand.
#[test]
fn labelled_histories_are_judged_as_their_labels_say() {
    let shared = std::env::var_os("DISSENSUS_FIXTURES").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures"));
    let histories = shared.join("etcd-register");
    let Ok(labels) = std::fs::read_to_string(histories.join("labels.tsv")) else {
        eprintln!("there are no labelled histories here: nothing was tested");
        return;
    };
    let labels: Vec<(PathBuf, &str)> = labels
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(file, label)| (histories.join(file), label.trim()))
        .collect();
    assert_eq!(labels.len(), 102);
    for reading in ["drop", "enforce"] {
        for (file, label) in &labels {
            let mut command = Command::new(BENCH);
            command.arg("check").arg(file).args(["--model", "cas-register", "--failed-cas", reading]);
            let ended = command.output().expect("it runs");
            let expected = if *label == "valid" { Some(0) } else { Some(1) };
            assert_eq!(ended.status.code(), expected, "{} with --failed-cas {reading}", file.display());
        }
    }
}

/// Operations one after the other, each with function, argument and result, as lines of JSON without index and time.
fn lines(operations: &[[&str; 3]]) -> String {
    let line = |process: usize, kind: &str, f: &str, value: &str| {
        format!("{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",\"value\":{value}}}\n")
    };
    let operation = |(process, [f, argument, result]): (usize, &[&str; 3])| {
        line(process, "invoke", f, argument) + &line(process, "ok", f, result)
    };
    operations.iter().enumerate().map(operation).collect()
}

/// A key that is a list was no key: what was read of it was stale, since another had been written.
#[test]
fn whether_values_have_keys_is_said_and_can_be_given() {
    let scratch = Scratch::new();
    let writes = [["write", "[[1,\"a\"],1]", "[[1,\"a\"],1]"], ["write", "[2,5]", "[2,5]"]];
    let read = ["read", "[[1,\"a\"],null]", "[[1,\"a\"],1]"];
    scratch.file("keyed.jsonl", lines(&[writes[0], writes[1], read]));
    let found = run(&scratch, "check keyed.jsonl --model register").expect(0);
    assert!(found.stdout.contains("keys were taken from them (--not-keyed"), "{}", found.stdout);
    let found = json(run(&scratch, "check keyed.jsonl --model register --json").expect(0));
    assert_eq!(found["keys"], "values");
    let found = json(run(&scratch, "check keyed.jsonl --model register --json --not-keyed").expect(1));
    assert_eq!(found["keys"], "events");
    let no_pair = lines(&[["write", "[1,5]", "[1,5]"], ["write", "7", "7"], ["read", "null", "[1,5]"]]);
    scratch.file("no-pair.jsonl", no_pair);
    let refused = run(&scratch, "check no-pair.jsonl --model register --keyed").expect(254);
    assert!(refused.stderr.contains("the value 7 at index 2 is no list of a key and a value"), "{}", refused.stderr);
    scratch.file("nil.jsonl", lines(&[["write", "[1,null]", "[1,null]"], ["read", "null", "[1,null]"]]));
    run(&scratch, "check nil.jsonl --model register --keyed").expect(0);
    run(&scratch, "check nil.jsonl --model register --keyed --not-keyed").expect(254);
}

/// It was read as values, whatever they were.
#[test]
fn where_nothing_shows_whether_values_have_keys_both_are_judged() {
    let scratch = Scratch::new();
    // As values the second compare-and-set finds another value; as keys each finds its own.
    let differ = [["write", "[1,[1,2]]", "[1,[1,2]]"], ["write", "[2,[3,4]]", "[2,[3,4]]"]];
    let cas = ["cas", "[1,[[1,2],[5,6]]]", "[1,[[1,2],[5,6]]]"];
    scratch.file("differ.jsonl", lines(&[differ[0], differ[1], cas]));
    let found = run(&scratch, "check differ.jsonl --model cas-register").expect(2);
    assert!(found.stdout.contains("As values they are invalid, as [key value] valid"), "{}", found.stdout);
    let found = json(run(&scratch, "check differ.jsonl --model cas-register --json").expect(2));
    assert_eq!(found["keys"], "unclear");
    run(&scratch, "check differ.jsonl --model cas-register --keyed").expect(0);
    run(&scratch, "check differ.jsonl --model cas-register --not-keyed").expect(1);
    // Either way it is valid, and that is what it is.
    scratch.file("same.jsonl", lines(&differ));
    run(&scratch, "check same.jsonl --model cas-register").expect(0);
}

/// They were passed over, and the history was valid without them.
#[test]
fn a_process_that_is_no_number_counts() {
    let scratch = Scratch::new();
    let bad = text(&[
        r#"{"process":"a","type":"invoke","f":"write","value":1}"#,
        r#"{"process":"a","type":"ok","f":"write","value":1}"#,
        r#"{"process":"b","type":"invoke","f":"read"}"#,
        r#"{"process":"b","type":"ok","f":"read","value":99}"#,
    ]);
    for names in [["\"a\"", "\"b\""], ["-1", "-2"], ["1.5", "2.5"], ["5000000000", "\":x\""], ["[1]", "{\"n\":1}"]] {
        let named = bad.replace("\"a\"", names[0]).replace("\"b\"", names[1]);
        scratch.file("named.jsonl", named);
        run(&scratch, "check named.jsonl --model register").expect(1);
    }
    scratch.file("bad.jsonl", bad);
    let found = run(&scratch, "check bad.jsonl --model register").expect(1);
    assert!(found.stdout.contains("process b read"), "{}", found.stdout);
    let page = run(&scratch, "check bad.jsonl --model register --html page.html").expect(1);
    drop(page);
    assert!(std::fs::read_to_string(scratch.path().join("page.html")).expect("it is written").contains("process b"));
}

/// A history, the options, the exit code, and words that are printed.
type Meaning = (&'static str, &'static str, i32, &'static str);

const UNKNOWN_FUNCTIONS: &str = r#"{:process 36, :type :invoke, :f :try_acquire, :value "0x7f8f"}
{:process 36, :type :ok, :f :try_acquire, :value true}
{:process 40, :type :invoke, :f :pop, :value "0x7f80"}
{:process 40, :type :ok, :f :pop, :value "0x55be"}"#;
const RELEASED_BY_ANOTHER: &str = "{:process 0 :type :invoke :f :acquire :value nil}
{:process 0 :type :ok :f :acquire :value nil}
{:process 1 :type :invoke :f :release :value nil}
{:process 1 :type :ok :f :release :value nil}
{:process 1 :type :invoke :f :acquire :value nil}
{:process 1 :type :ok :f :acquire :value nil}";
const BOOLEAN_RESULTS: &str = r#"{"process":0,"type":"invoke","f":"remove","value":1}
{"process":0,"type":"ok","f":"remove","value":true}
{"process":0,"type":"invoke","f":"add","value":1}
{"process":0,"type":"ok","f":"add","value":false}"#;
const BELOW_ZERO: &str = "{:process 0 :type :invoke :f :read :value nil}
{:process 0 :type :ok :f :read :value {0 10 1 10}}
{:process 0 :type :invoke :f :transfer :value {:from 0 :to 1 :amount 15}}
{:process 0 :type :ok :f :transfer :value {:from 0 :to 1 :amount 15}}
{:process 0 :type :invoke :f :read :value nil}
{:process 0 :type :ok :f :read :value {0 -5 1 25}}";
const FOREIGN_ACCOUNT: &str = r#"{"process":0,"type":"invoke","f":"read"}
{"process":0,"type":"ok","f":"read","value":{"a":-10,"b":110}}
{"process":0,"type":"invoke","f":"read"}
{"process":0,"type":"ok","f":"read","value":{"a":50,"zzz":50}}"#;
const BEGINS_WITH_0: &str = "{:process 1 :type :invoke :f :read :value nil}
{:process 1 :type :ok :f :read :value 0}
{:process 1 :type :invoke :f :cas :value [0 3]}
{:process 1 :type :ok :f :cas :value [0 3]}
{:process 1 :type :invoke :f :read :value nil}
{:process 1 :type :ok :f :read :value 3}";
const FAILED_ENQUEUE: &str = "{:process 0 :type :invoke :f :enqueue :value 1 :time 1}
{:process 0 :type :fail :f :enqueue :value 1 :time 2 :error :conflict}
{:process 1 :type :invoke :f :dequeue :value nil :time 3}
{:process 1 :type :ok :f :dequeue :value 1 :time 4}";
const PUT_AND_GET: &str = "{:process 0 :type :invoke :f :put :value 1}
{:process 0 :type :ok :f :put :value \"OK\"}
{:process 0 :type :invoke :f :get :value nil}
{:process 0 :type :ok :f :get :value 1}";
const STALE_FOR_A_WHILE: &str = "{:process 0 :type :invoke :f :add :value 1}
{:process 0 :type :ok :f :add :value 1}
{:process 1 :type :invoke :f :read :value nil}
{:process 1 :type :ok :f :read :value #{}}
{:process 1 :type :invoke :f :read :value nil}
{:process 1 :type :ok :f :read :value #{1}}";
const UNACKNOWLEDGED: &str = "{:process 0 :type :invoke :f :write :value 1}
{:process 0 :type :info :f :write :value 1}";

/// As in seconds since 1970: the read comes six seconds after the write that it does not show.
const IN_SECONDS: &str = "{:process 0 :type :invoke :f :write :value 1 :time 1700000000.2}
{:process 0 :type :ok :f :write :value 1 :time 1700000000.4}
{:process 0 :type :invoke :f :write :value 2 :time 1700000001}
{:process 0 :type :ok :f :write :value 2 :time 1700000001.5}
{:process 1 :type :invoke :f :read :value nil :time 1700000007.25}
{:process 1 :type :ok :f :read :value 1 :time 1700000007.5}";
/// A monotonic clock in nanoseconds, 28 minutes after its start: as large as milliseconds since 1970.
const UPTIME: &str = "{:process 0 :type :invoke :f :write :value 1 :time 1700000000000}
{:process 0 :type :ok :f :write :value 1 :time 1700000200000}
{:process 0 :type :invoke :f :write :value 2 :time 1700001000000}
{:process 0 :type :ok :f :write :value 2 :time 1700001500000}
{:process 1 :type :invoke :f :read :value nil :time 1700002000000}
{:process 1 :type :ok :f :read :value 1 :time 1700007500000}";
/// Seconds since the run began.
const PARTS: &str = "{:process 0 :type :invoke :f :write :value 1 :time 0.2}
{:process 0 :type :ok :f :write :value 1 :time 0.4}
{:process 0 :type :invoke :f :write :value 2 :time 1}
{:process 0 :type :ok :f :write :value 2 :time 1.5}
{:process 1 :type :invoke :f :read :value nil :time 7.25}
{:process 1 :type :ok :f :read :value 1 :time 7.5}";
/// The same since the run began, in milliseconds.
const IN_MS: &str = "{:process 0 :type :invoke :f :write :value 1 :time 200}
{:process 0 :type :ok :f :write :value 1 :time 400}
{:process 0 :type :invoke :f :write :value 2 :time 1000}
{:process 0 :type :ok :f :write :value 2 :time 1500}
{:process 1 :type :invoke :f :read :value nil :time 7250}
{:process 1 :type :ok :f :read :value 1 :time 7500}";
/// As Maelstrom records it: reads before the last ones may be behind.
const FINAL_READ: &str = "{:process 0 :type :invoke :f :add :value 2}
{:process 0 :type :ok :f :add :value 2}
{:process 1 :type :invoke :f :read :value nil}
{:process 1 :type :ok :f :read :value 0}
{:process 1 :type :invoke :f :read :value nil :final? true}
{:process 1 :type :ok :f :read :value 2 :final? true}";
/// As `dbcop generate` writes it.
const GENERATED: &str = r#"{"params":{"id":0,"n_node":2},"info":"generated","start":"2026-01-01T00:00:00Z","end":"2026-01-01T00:00:01Z",
"data":[[{"events":[{"Write":{"variable":0,"version":1}},{"Write":{"variable":1,"version":2}}],"committed":true}],
[{"events":[{"Read":{"variable":0,"version":1}},{"Read":{"variable":1,"version":0}}],"committed":true}]]}"#;

const TWO_LISTS: &str = r#"{"history":[{"process":0,"type":"ok","f":"write","value":1}],"n":1,
"events":[{"process":0,"type":"ok","f":"read","value":7}]}"#;
const OTHER_KEY: &str = r#"{"process":0,"type":"invoke","f":"write","key":"x","value":1}
{"process":0,"type":"ok","f":"write","key":"y","value":1}"#;
const READ_OF_NO_KEY: &str = r#"{"process":0,"type":"invoke","f":"write","value":["k",1]}
{"process":0,"type":"ok","f":"write","value":["k",1]}
{"process":0,"type":"invoke","f":"read","value":null}
{"process":0,"type":"ok","f":"read","value":null}"#;
const WROTE: &str =
    r#"[[{"events":[{"Write":{"variable":1,"version":5}},{"Wrote":{"variable":1,"version":5}}],"committed":true}]]"#;
/// The last line was `r 1 15`.
const CUT_IN_A_NUMBER: &str = "w 1 15\n=====\nr 1 1";
const ONLY_READS: &str = r#"{"process":0,"type":"invoke","f":"txn","value":[["r","x",null]]}
{"process":0,"type":"ok","f":"txn","value":[["r","x",null]]}"#;

/// Its register begins with a list, which nobody writes.
const BEGINS_WITH_A_LIST: &str = "{:process 0 :type :invoke :f :read :value nil}
{:process 0 :type :ok :f :read :value [1 2]}
{:process 0 :type :invoke :f :write :value 3}
{:process 0 :type :ok :f :write :value 3}";

/// A register that nobody writes.
const READS_A_LIST: &str = "{:process 0 :type :invoke :f :read :value nil}
{:process 0 :type :ok :f :read :value [1 2]}";

/// Whoever reads y sees x through the one in the middle, but not x itself.
const MISSED_BY_TWO: &str = "{:process 0 :type :invoke :f :txn :value [[:append :x 1]]}
{:process 0 :type :ok :f :txn :value [[:append :x 1]]}
{:process 1 :type :invoke :f :txn :value [[:r :x nil] [:append :y 1]]}
{:process 1 :type :ok :f :txn :value [[:r :x [1]] [:append :y 1]]}
{:process 2 :type :invoke :f :txn :value [[:r :y nil] [:r :x nil]]}
{:process 2 :type :ok :f :txn :value [[:r :y [1]] [:r :x nil]]}";
const TWO_APPENDS: &str = "{:process 0 :type :invoke :f :txn :value [[:append :x 1] [:append :y 1]]}
{:process 0 :type :ok :f :txn :value [[:append :x 1] [:append :y 1]]}
{:process 1 :type :invoke :f :txn :value [[:r :x nil]]}
{:process 1 :type :ok :f :txn :value [[:r :x [1]]]}";
const ADDED: &str = r#"{"process":0,"type":"invoke","f":"add","value":5}
{"process":0,"type":"ok","f":"add","value":5}
{"process":1,"type":"invoke","f":"read"}
{"process":1,"type":"ok","f":"read","value":5}"#;
/// Reads are asked for without a key.
const ANSWERED_WITH_KEYS: &str = "{:process 0 :type :invoke :f :write :value [0 1]}
{:process 0 :type :ok :f :write :value [0 1]}
{:process 1 :type :invoke :f :write :value [1 2]}
{:process 1 :type :ok :f :write :value [1 2]}
{:process 2 :type :invoke :f :read :value nil}
{:process 2 :type :ok :f :read :value [0 1]}";

/// In key 2 nothing was written, whatever it begins with.
const KEYED_NIL: &str = "{:process 0 :type :invoke :f :write :value [1 5]}
{:process 0 :type :ok :f :write :value [1 5]}
{:process 1 :type :invoke :f :read :value [2 nil]}
{:process 1 :type :ok :f :read :value [2 nil]}";
const LOST_ELEMENT: &str = "{:process 0 :type :invoke :f :add :value 1}
{:process 0 :type :ok :f :add :value 1}
{:process 0 :type :invoke :f :add :value 2}
{:process 0 :type :ok :f :add :value 2}
{:process 1 :type :invoke :f :read :value nil}
{:process 1 :type :ok :f :read :value #{2}}";
/// Completions alone, in Plume's format.
const SESSIONS: &str = "w(1,5,0,3)\nr(1,5,1,4)\n";
const MICROS_BY_WORDS: &str = "{:process 0 :type :invoke :f :txn :value [[:write :x 1] [:read :y nil]]}
{:process 0 :type :ok :f :txn :value [[:write :x 1] [:read :y nil]]}";
const TIME_OF_DAY: &str = r#"{"time":"10:15:01","process":0,"type":"invoke","f":"write","value":1}
{"time":"10:15:02","process":0,"type":"ok","f":"write","value":1}"#;
const AFTER_INFO: &str = "{:process 0 :type :invoke :f :write :value 1}
{:process 0 :type :info :f :write :value 1}
{:process 0 :type :invoke :f :read :value nil}
{:process 0 :type :ok :f :read :value 1}";

const MEANINGS: [Meaning; 122] = [
    (KEYED_NIL, "--initial 0", 1, "process 1 read of key 2 -> nil"),
    (KEYED_NIL, "--initial 0", 1, "It begins with 0."),
    (
        BELOW_ZERO,
        "--model bank --initial 10",
        2,
        "0 reads judged, 0 of which are wrong, and 2 not judged; a bank cannot",
    ),
    (BELOW_ZERO, "--model bank --initial {\"0\":10,\"1\":10} --total 21", 254, "those of --initial come to 20"),
    (
        LOST_ELEMENT,
        "--model set",
        1,
        "1 was added by process 0 (event 1), and the read that process 1 began then (event 4)",
    ),
    (LOST_ELEMENT, "--model set", 1, "1 of 1 object (set) is not linearizable; 3 operations"),
    (BEGINS_WITH_0, "--memory 10", 254, "write it like 1GiB, 500MiB or 4096B"),
    (BEGINS_WITH_0, "--html -", 254, "name a file for the report"),
    (BEGINS_WITH_0, "--lint --html page.html", 254, "cannot be used with"),
    (BEGINS_WITH_0, "--model cas-regster", 254, "is `cas-register` meant?"),
    (TWO_APPENDS, "--consistency serialisable", 254, "is `serializable` meant?"),
    (MICROS_BY_WORDS, "", 2, "note: micro-operations are called `read`, `write`: levels of isolation know `r`, `w`"),
    (MICROS_BY_WORDS, "--rename write=w,read=r", 0, "rw-register (guessed from the operations): valid"),
    (SESSIONS, "", 2, "(--consistency strong-session-serializable does not)"),
    (SESSIONS, "--lint", 0, "2 events, 0 findings"),
    (TIME_OF_DAY, "", 254, "line 1, column 9: not an event: `time` is no number"),
    (TIME_OF_DAY, "--lint", 1, "line 1: not-an-event: `time` is no number"),
    (TIME_OF_DAY, "--time-unit s", 254, "is no history: line 1"),
    (AFTER_INFO, "", 254, "its client goes on as a new process"),
    (PUT_AND_GET, "--rename put=write,get=read --lint", 1, "`write` was invoked with 1"),
    (PUT_AND_GET, "--rename got=read --lint", 254, "no function of this history is called `got`"),
    (PUT_AND_GET, "--rename got=read --convert history.edn", 254, "no function of this history is called `got`"),
    (MISSED_BY_TWO, "--model causal-cerone", 2, "may break causal-cerone"),
    (MISSED_BY_TWO, "--model monotonic-view", 2, "may break monotonic-view"),
    (MISSED_BY_TWO, "--model consistent-view", 1, ""),
    (MISSED_BY_TWO, "--model read-atomic", 0, ""),
    (TWO_APPENDS, "--model list-append --require serializable", 0, "serializable"),
    (TWO_APPENDS, "--require serializable", 0, "serializable"),
    (TWO_APPENDS, "--require strict-serializable", 0, "strict-serializable"),
    (ADDED, "--model counter --require counter-bounds", 2, "is not known, so that nothing can be judged"),
    (ANSWERED_WITH_KEYS, "", 2, "say with --not-keyed or --keyed"),
    (ANSWERED_WITH_KEYS, "--keyed", 0, ""),
    (ANSWERED_WITH_KEYS, "--not-keyed", 1, ""),
    (BEGINS_WITH_A_LIST, "--model register --initial [1,2]", 0, "linearizable"),
    (BEGINS_WITH_A_LIST, "--model register --initial [2,1]", 1, ""),
    (READS_A_LIST, "--model register --initial [1,2]", 0, "linearizable"),
    (READS_A_LIST, "--model register --initial [2,1]", 1, ""),
    (READS_A_LIST, "--model register --initial 0", 254, "such as linearizable, cas-register"),
    (READS_A_LIST, "--model register --initial a=b=0", 254, "names that contain a = are in quotes"),
    (
        BEGINS_WITH_0,
        "--model cas-register --consistency serializable",
        254,
        "--consistency is an option of --model list-append",
    ),
    (BEGINS_WITH_0, "--model cas-register --assume linearizable-keys", 254, "--assume is an option of"),
    (BEGINS_WITH_0, "--model cas-register --stale-time 1s", 254, "--stale-time is an option of --model staleness"),
    (BEGINS_WITH_0, "--model cas-register --stale-versions 1", 254, "--stale-versions is an option of"),
    (ONLY_READS, "--model rw-register --consistency serializable --assume sequential-keys", 0, ""),
    (PUT_AND_GET, "--rename put=write,put=cas", 254, "says twice what `put` is called"),
    ("{:process 0 :type :invoke :f :write :value 1e400}\n", "", 254, "larger than a double holds"),
    ("{\"process\":0,\"type\":\"invoke\",\"f\":\"write\",\"value\":1e400}\n", "", 254, "out of range"),
    (UNKNOWN_FUNCTIONS, "", 254, "no model fits these functions: `pop`, `try_acquire`; name one with --model"),
    (UNKNOWN_FUNCTIONS, "--model mutex", 2, "the model knows no `pop`, `try_acquire`"),
    (UNKNOWN_FUNCTIONS, "--model list-append", 2, "`try_acquire`"),
    (UNKNOWN_FUNCTIONS, "--model unique-ids", 2, "`pop`, `try_acquire`"),
    (RELEASED_BY_ANOTHER, "--model mutex", 0, "linearizable"),
    (RELEASED_BY_ANOTHER, "", 0, "mutex (guessed from the operations): valid"),
    (RELEASED_BY_ANOTHER, "--model owner-mutex", 1, "process 1 release"),
    (RELEASED_BY_ANOTHER, "--model reentrant-mutex", 1, ""),
    (RELEASED_BY_ANOTHER, "--model semaphore --permits 1", 0, ""),
    (RELEASED_BY_ANOTHER, "--model semaphore --permits 1 --initial 1", 1, ""),
    (RELEASED_BY_ANOTHER, "--model semaphore", 254, "--permits"),
    (RELEASED_BY_ANOTHER, "--model mutex --permits 2", 254, "--permits is an option of --model semaphore"),
    (RELEASED_BY_ANOTHER, "--model fenced-mutex", 2, "`acquire` of nil is not what the model knows"),
    (RELEASED_BY_ANOTHER, "--model mutex --initial true", 1, ""),
    (BOOLEAN_RESULTS, "--model set", 1, "add 1 -> false"),
    (BOOLEAN_RESULTS, "--model set --initial [1]", 1, ""),
    (BELOW_ZERO, "--model bank", 1, "below zero"),
    (BELOW_ZERO, "", 1, "bank (guessed from the operations): invalid"),
    (BELOW_ZERO, "--model bank --negative-balances", 0, ""),
    (BELOW_ZERO, "--model bank --negative-balances --total 20 --accounts 0,1", 0, ""),
    (BELOW_ZERO, "--model bank --negative-balances --total 21", 1, "all balances come to 21"),
    (BELOW_ZERO, "--model bank --negative-balances --accounts 0", 1, "which the bank does not have"),
    (FOREIGN_ACCOUNT, "--model bank", 1, "below zero"),
    (FOREIGN_ACCOUNT, "--model bank --negative-balances", 0, ""),
    (FOREIGN_ACCOUNT, "--model bank --negative-balances --accounts a,b", 1, "the account \"zzz\""),
    (FOREIGN_ACCOUNT, "--model monotonic --accounts a,b", 254, "--accounts is an option of --model bank"),
    (BEGINS_WITH_0, "--model cas-register --initial 0", 0, ""),
    (BEGINS_WITH_0, "--model cas-register", 1, ""),
    (BEGINS_WITH_0, "--initial 0", 0, "cas-register (guessed"),
    (BEGINS_WITH_0, "--model cas-register --initial -1", 1, ""),
    (BEGINS_WITH_0, "--model cas-register --initial 0=7 --initial 0", 0, ""),
    (BEGINS_WITH_0, "--model cas-register --initial [", 254, "a value of EDN or JSON"),
    (BEGINS_WITH_0, "--model unique-ids --initial 0", 254, "--initial is an option of models"),
    (BEGINS_WITH_0, "--model watch --initial 0", 254, "--initial is an option of models"),
    (BEGINS_WITH_0, "--model adya-g2,echo --initial 0", 254, "--initial is an option of models"),
    (FAILED_ENQUEUE, "--model total-queue", 1, "`enqueue` (process 0, event 1) failed with `conflict`"),
    (FAILED_ENQUEUE, "--model queue", 1, "if the client cannot know, record `info`"),
    (PUT_AND_GET, "--rename put=write,get=read", 0, "register (guessed"),
    (PUT_AND_GET, "--rename put=write,get=read --model register --initial 1", 0, ""),
    (PUT_AND_GET, "--rename put=write,got=read", 254, "no function of this history is called `got`"),
    (PUT_AND_GET, "--rename put", 254, "write it like put=write"),
    (PUT_AND_GET, "", 254, "no model fits these functions: `get`, `put`"),
    (PUT_AND_GET, "", 254, "--rename (put=write)"),
    (TWO_LISTS, "", 254, "a second list of events"),
    (OTHER_KEY, "", 254, "on key y, but what it invoked is on key x"),
    (READ_OF_NO_KEY, "--keyed", 254, "no list of a key and a value"),
    (WROTE, "--consistency serializable", 254, "no read and no write"),
    (CUT_IN_A_NUMBER, "--consistency serializable", 2, "line 3 is cut off"),
    (ONLY_READS, "", 0, "rw-register (guessed"),
    (ONLY_READS, "--convert /nonexistent/a.edn", 254, "cannot write"),
    (ONLY_READS, "--convert history.edn", 0, ""),
    ("", "", 2, "No operation was acknowledged"),
    (IN_SECONDS, "--model staleness --stale-time 100ms", 1, "seconds since 1970"),
    (IN_SECONDS, "--model staleness --stale-time 100ms --time-unit s", 1, "times are seconds since 1970"),
    (
        IN_MS,
        "--model staleness --stale-time 100ms",
        2,
        "As nanoseconds they are valid, as milliseconds invalid: say with --time-unit",
    ),
    (IN_MS, "--model staleness --stale-time 2h", 0, "staleness: valid"),
    (
        UPTIME,
        "--model staleness --stale-time 100ms",
        2,
        "As milliseconds since 1970 they are invalid, as nanoseconds valid",
    ),
    (UPTIME, "--model staleness --stale-time 100ms --time-unit ns", 0, "staleness: valid"),
    (UPTIME, "--model staleness --stale-time 1us", 1, "if they are not, say so with --time-unit"),
    (UPTIME, "--model sequential", 0, ""),
    (PARTS, "--model staleness --stale-time 1h", 2, "Times have a fraction, so that they are hardly nanoseconds"),
    (PARTS, "--model staleness --stale-time 100ms --time-unit s", 1, "stale"),
    (PARTS, "--model sequential", 0, ""),
    (IN_MS, "--model staleness --stale-time 100ms --time-unit ms", 1, "stale"),
    (IN_MS, "--model staleness --stale-time 60s --time-unit ms", 0, ""),
    (IN_MS, "--model sequential", 0, ""),
    (FINAL_READ, "", 0, "pn-counter (guessed"),
    (FINAL_READ, "--model counter", 1, ""),
    (GENERATED, "--consistency read-atomic", 1, "dbcop"),
    (BEGINS_WITH_0, "--initial 0 --initial 1", 254, "said twice"),
    (BEGINS_WITH_0, "--initial 0 --initial nokey=1", 0, "the key \"nokey\" of --initial is of no operation"),
    (STALE_FOR_A_WHILE, "--model set-full", 0, "1 of them stale"),
    (STALE_FOR_A_WHILE, "--model set-full --linearizable", 1, "though a later one does"),
    (UNACKNOWLEDGED, "--model register", 2, "the only operation was not acknowledged"),
    (UNACKNOWLEDGED, "--require no-lost-writes --model register", 2, "was acknowledged"),
];

#[test]
fn what_operations_mean_decides_and_is_said() {
    let scratch = Scratch::new();
    for (history, options, code, words) in MEANINGS {
        scratch.file("history", history);
        let ended = run(&scratch, format!("check history {options}").trim_end()).expect(code);
        let printed = format!("{}{}", ended.stdout, ended.stderr);
        assert!(printed.contains(words), "{options}: no `{words}` in {printed}");
        assert!(code != 254 || !printed.contains("workload"), "{options}: {printed}");
    }
}

#[test]
fn a_history_without_operations_is_never_valid() {
    let scratch = Scratch::new();
    scratch.file("nemesis.jsonl", r#"{"process":"nemesis","type":"info","f":"kill","value":null}"#);
    for options in
        ["", " --model register", " --model set-full", " --model bank", " --require no-lost-writes", " --lww"]
    {
        run(&scratch, &format!("check nemesis.jsonl{options}")).expect(2);
    }
}

/// A report of a history without times said of everything that it was at 0.000 s.
#[test]
fn regression_reports_of_histories_without_times_had_times() {
    let scratch = Scratch::new();
    let nemesis = |f: &str| format!(":nemesis\t:info\t:{f}\tnil\n");
    let write = |process: u64| format!("{process}\t:invoke\t:write\t{process}\n{process}\t:ok\t:write\t{process}\n");
    let read = "4\t:invoke\t:read\tnil\n4\t:ok\t:read\t1\n";
    let log = [write(1), nemesis("start"), write(2), nemesis("stop"), write(3), read.to_owned()].concat();
    scratch.file("history.txt", log);
    let ended = run(&scratch, "check history.txt --html page.html --junit report.xml").expect(1);
    let [page, junit] =
        ["page.html", "report.xml"].map(|name| std::fs::read_to_string(scratch.join(name)).expect("it is written"));
    // The last line says what the check took.
    let printed = ended.stdout.trim_end().rsplit_once('\n').map_or("", |(findings, _)| findings);
    assert!(printed.contains("recorded") && printed.contains("stale-read"), "{printed}");
    // The style sheet has classes of what only runs have.
    let shown = page.split_once("</style>").map_or("", |(_, shown)| shown);
    for (name, report) in [("text", printed), ("page", shown)] {
        let words = ["0.000 s", "0.00 s", " 0 ms", "took ", "claimed", "planned", "proved"];
        let of_a_run = words.into_iter().find(|word| report.contains(word));
        assert_eq!(of_a_run, None, "{name}: {report}");
    }
    assert!(page.contains(">events 0 – 9<") && page.contains("invoked by event 8"), "{page}");
    for absent in ["timestamp", "seed", "dissensus.faults", "claimed", "recorded by"] {
        assert!(!junit.contains(absent), "{absent}: {junit}");
    }
    let found = json(run(&scratch, "check history.txt --json").expect(1));
    assert_eq!(found["statistics"][1]["invoked_in_faults"], 1, "{found}");
    assert!(found["faults"][0].get("start_ns").is_none(), "{found}");
}

/// Nothing looks at it but the bench's own workloads: it was passed over.
#[test]
fn concurrent_writes_are_of_workloads_alone() {
    let scratch = Scratch::new();
    scratch.file("sound.jsonl", text(&SOUND));
    for options in ["--lww", "--lww --model cas-register"] {
        let refused = run(&scratch, &format!("check sound.jsonl {options}")).expect(254);
        assert!(refused.stderr.contains("--lww is an option of the bench's own workloads"), "{}", refused.stderr);
    }
}

#[test]
fn functions_are_renamed_in_conversions_too() {
    let scratch = Scratch::new();
    scratch.file("history", PUT_AND_GET);
    run(&scratch, "check history --rename put=write,get=read --convert renamed.edn").expect(0);
    run(&scratch, "check renamed.edn").expect(0);
    scratch.file("micros", TWO_APPENDS.replace(":append", ":add"));
    run(&scratch, "check micros --rename add=append --convert renamed.jsonl").expect(0);
    run(&scratch, "check renamed.jsonl --model list-append").expect(0);
}

/// The directory of a test of Maelstrom or Jepsen has one of each run.
#[test]
fn a_directory_of_runs_names_the_last() {
    let scratch = Scratch::new();
    std::fs::create_dir_all(scratch.join("echo/latest")).expect("it is made");
    let refused = run(&scratch, "check echo").expect(254);
    assert!(refused.stderr.contains("name one, as in echo/latest"), "{}", refused.stderr);
}
