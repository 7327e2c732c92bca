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
    assert_eq!(stale["decisions"][0]["violations_total"], 1);
    let both = json(run(&scratch, "check sound.jsonl --model cas-register,unique-ids --json").expect(2));
    assert_eq!(both["decisions"].as_array().map(Vec::len), Some(2));
    let list = run(&scratch, "check --model list").expect(0);
    for model in ["cas-register", "list-append", "staleness", "cart"] {
        assert!(list.stdout.lines().any(|line| line.starts_with(model)), "{}", list.stdout);
    }
    run(&scratch, "check sound.jsonl --model set,cart").expect(254);
    run(&scratch, "check --model register").expect(254);
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
        assert_eq!(checked["decisions"][0]["violations_total"], 1, "{name}");
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

#[test]
fn limits_are_told() {
    let scratch = Scratch::new();
    scratch.file("sound.jsonl", text(&SOUND));
    for option in ["--memory 1TB", "--memory 0", "--timeout x", "--consistency nonsense", "--stale-versions 0"] {
        run(&scratch, &format!("check sound.jsonl --model cas-register {option}")).expect(254);
    }
    run(&scratch, "check sound.jsonl --model cas-register --memory 1MiB --timeout 60s --failed-cas enforce").expect(0);
}

/// Histories that Jepsen recorded of etcd in 2014 with verdicts known from elsewhere, where they are at hand.
#[test]
fn labelled_histories_are_judged_as_their_labels_say() {
    let histories = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures/etcd-register");
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
