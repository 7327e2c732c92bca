//! `check` on inputs as they lie on people's disks: standard input and pipes, directories, what is cut off, what is no history.

mod support;

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;

use support::{BENCH, Ended, Scratch, bench};

/// A register whose last read is stale.
const STALE: &str = r#"{"index":0,"time":1000,"process":0,"type":"invoke","f":"write","value":1}
{"index":1,"time":2000,"process":0,"type":"ok","f":"write","value":1}
{"index":2,"time":3000,"process":0,"type":"invoke","f":"write","value":2}
{"index":3,"time":4000,"process":0,"type":"ok","f":"write","value":2}
{"index":4,"time":5000,"process":1,"type":"invoke","f":"read","value":null}
{"index":5,"time":6000,"process":1,"type":"ok","f":"read","value":1}
"#;

fn run(scratch: &Scratch, command: &str) -> Ended {
    bench(scratch.path(), command.split(' '))
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).expect("memory can be written");
    encoder.finish().expect("memory can be written")
}

fn zstd(text: &str) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(text.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest)
}

/// What the bench prints and how it ends if these bytes come through a pipe, so many at a time.
fn piped(dir: &Path, command: &str, bytes: &[u8], at_a_time: usize) -> (i32, String) {
    let mut child = Command::new(BENCH)
        .args(command.split(' '))
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("it has a standard input");
    for part in bytes.chunks(at_a_time) {
        // It may end before all is written, as at a damage.
        let _ = stdin.write_all(part).and_then(|()| stdin.flush());
    }
    drop(stdin);
    let ended = child.wait_with_output().expect("it ends");
    let said = [ended.stdout, ended.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (ended.status.code().expect("it ends by itself"), said)
}

/// Pipes were opened twice, and read as empty: a violation was valid.
#[test]
fn a_pipe_says_what_a_file_says() {
    let scratch = Scratch::new();
    scratch.file("stale.jsonl", STALE);
    run(&scratch, "check stale.jsonl --convert stale.edn").expect(0);
    let edn = std::fs::read_to_string(scratch.join("stale.edn")).expect("it was written");
    let sound = STALE.replace("\"read\",\"value\":1", "\"read\",\"value\":2");
    for (bytes, code) in [
        (STALE.as_bytes().to_vec(), 1),
        (sound.as_bytes().to_vec(), 0),
        (edn.as_bytes().to_vec(), 1),
        (gzip(STALE), 1),
        (gzip(&sound), 0),
        (zstd(STALE), 1),
        (zstd(&sound), 0),
        (gzip(&edn), 1),
        (Vec::new(), 2),
        (gzip(""), 2),
    ] {
        for (name, at_a_time) in [("-", 1 << 20), ("-", 1), ("/dev/stdin", 7), ("/dev/fd/0", 3)] {
            let (found, said) = piped(scratch.path(), &format!("check {name} --model register"), &bytes, at_a_time);
            assert_eq!(found, code, "{name}, {at_a_time} bytes at a time: {said}");
        }
    }
    let (code, said) = piped(scratch.path(), "check -", STALE.as_bytes(), 100);
    assert!(code == 1 && said.starts_with("standard input: json, 3 operations"), "{said}");
    let (code, said) = piped(scratch.path(), "check - --model register --json", b"{\"type\":oops}\n{}\n", 100);
    assert!(code == 254 && said.contains("standard input is damaged: line 1, column 9"), "{said}");
    let cut = &gzip(STALE)[..60];
    let (code, said) = piped(scratch.path(), "check - --model register", cut, 100);
    assert!(code == 254 && said.contains("cannot read standard input"), "{said}");
    // In a run directory, what comes through a pipe is not the history of that run.
    scratch.file("run.json", "{}");
    assert_eq!(piped(scratch.path(), "check - --model register", sound.as_bytes(), 100).0, 0);
}

#[test]
fn a_pipe_is_converted_and_examined_as_a_file_is() {
    let scratch = Scratch::new();
    let suspicious =
        STALE.replace("\"index\":3", "\"index\":4").replace("\"index\":4,\"time\":5", "\"index\":9,\"time\":5");
    for bytes in [suspicious.as_bytes().to_vec(), gzip(&suspicious), zstd(&suspicious)] {
        let (code, said) = piped(scratch.path(), "check - --lint", &bytes, 11);
        assert!(code == 1 && said.contains("index-gap") && said.contains("standard input: 6 events"), "{said}");
        let (code, said) = piped(scratch.path(), "check - --convert all.edn.gz", &bytes, 11);
        assert!(code == 0 && said.contains("6 events"), "{said}");
        let (code, said) = piped(scratch.path(), "check /dev/stdin --format json --convert all.jsonl", &bytes, 11);
        assert!(code == 0, "{said}");
        assert_eq!(std::fs::read_to_string(scratch.join("all.jsonl")).expect("it was written"), suspicious);
    }
}

#[test]
fn a_named_pipe_is_read_once() {
    let scratch = Scratch::new();
    let shell = |script: &str| {
        let ended = Command::new("bash").args(["-c", script]).current_dir(scratch.path()).env("BENCH", BENCH).output();
        let ended = ended.expect("there is a shell");
        (ended.status.code(), String::from_utf8_lossy(&ended.stdout).into_owned())
    };
    scratch.file("stale.jsonl", STALE);
    scratch.file("stale.jsonl.gz", gzip(STALE));
    for script in [
        "\"$BENCH\" check <(cat stale.jsonl) --model register",
        "\"$BENCH\" check <(cat stale.jsonl.gz) --model register",
        "\"$BENCH\" check - --model register < stale.jsonl",
        "\"$BENCH\" check /dev/stdin --model register < stale.jsonl.gz",
        "mkfifo pipe; cat stale.jsonl > pipe & \"$BENCH\" check pipe --model register",
        "(sleep 0.1; head -c 5 stale.jsonl; sleep 0.1; tail -c +6 stale.jsonl) | \"$BENCH\" check - --model register",
    ] {
        let (code, said) = shell(script);
        assert!(code == Some(1) && said.contains("3 operations"), "{script}: {code:?} {said}");
    }
}

/// Each was valid once, or refused where it says enough to be judged.
#[test]
fn a_history_is_judged_however_it_was_written() {
    let scratch = Scratch::new();
    let list = r#"[{"process":0,"type":"invoke","f":"write","value":1},
{"process":0,"type":"ok","f":"write","value":1}]"#;
    let log = "INFO [2018-04-27 23:45:06,754] jepsen worker 0 - jepsen.util 0\t:invoke\t:write\t3\n\
        INFO [2018-04-27 23:45:06,755] jepsen worker 0 - jepsen.util 0\t:ok\t:write\t3\n\
        WARN [2018-04-27 23:45:06,757] jepsen worker 1 - jepsen.core Process 1 crashed\n";
    let object = "{:type :invoke, :f :write, :value 1, :process 0}\n\
        {:type :info, :f :write, :value 1, :process 0, :error #object[java.net.X 0x5c1b \"timed out\"]}\n\
        {:type :invoke, :f :read, :process 1}\n{:type :ok, :f :read, :value 1, :process 1}\n";
    let elle = "[{:type :invoke, :value [[:r :a nil] [:r :b nil]], :process 0}\n\
        {:type :ok, :value [[:r :a nil] [:r :b [7]]], :process 0}\n\
        {:type :invoke, :value [[:append :a 7]], :process 1}\n{:type :ok, :value [[:append :a 7]], :process 1}\n\
        {:type :invoke, :value [[:append :b 7]], :process 2}\n{:type :ok, :value [[:append :b 7]], :process 2}]\n";
    let unclosed = "[{:process 0, :type :invoke, :f :write, :value 1}\n {:process 0, :type :ok, :f :write, :value 1}\n";
    for (text, options, code, said) in [
        (list, "--model register", 0, "json, 1 operation"),
        (&list[..list.len() - 1], "--model register", 2, "line 2 is cut off at column 48"),
        (log, "--model register", 0, "log, 1 operation"),
        (&log[..log.len() - 80], "--model register", 2, "line 2 is cut off"),
        (&log[..log.len() - 1], "--model register", 2, "line 3 is cut off"),
        (object, "--model register", 0, "edn, 2 operations"),
        (elle, "--consistency serializable", 0, "serializable"),
        (elle, "", 1, "strict-serializable"),
        (unclosed, "--model register", 2, "line 3 is cut off at column 1"),
        ("INFO jepsen.core - nothing\n", "--model register", 254, "no line is an operation"),
        ("", "--model register", 2, ""),
        ("[]", "--model register", 2, ""),
        ("{\"history\":[]}", "", 2, "No operation was acknowledged"),
        ("JEPSEN\0\0\0\u{1}", "", 254, "Fressian"),
        ("w(1,5,0,3)\nr(1,0,0,4)\n", "--consistency serializable", 0, "no invocation is recorded"),
        ("w(1,5,0,3)\nr(1,0,0,4)\n", "", 1, "plume, 2 operations"),
        ("w(1,5,0,3)\nr(1,0,1,4)\n", "", 2, "no invocation is recorded"),
        ("hello\n", "", 254, "--format forces one"),
        (r#"{"process":1,"type":"ok","f":"add","value":1,"key":"k","workload":"set"}"#, "", 254, "no invocations"),
    ] {
        scratch.file("history", text);
        let command = format!("check history {options}");
        let ended = run(&scratch, command.trim_end()).expect(code);
        let all = ended.stdout + &ended.stderr;
        assert!(all.contains(said), "{text}\n{all}");
    }
    scratch.file("history", list);
    run(&scratch, "check history --convert list.edn").expect(0);
    run(&scratch, "check list.edn --model register").expect(0);
    for command in ["check history --lint", "check history --convert none.edn"] {
        scratch.file("history", "INFO jepsen.core - nothing\n");
        assert!(run(&scratch, command).expect(254).stderr.contains("no line is an operation"));
    }
    assert!(!scratch.join("none.edn").exists());
}

/// Whatever part of a compressed file is there, its end is missing.
#[test]
fn a_compressed_file_that_is_cut_off_is_never_valid() {
    let scratch = Scratch::new();
    let sound = STALE.replace("\"read\",\"value\":1", "\"read\",\"value\":2");
    for whole in [gzip(&sound), zstd(&sound)] {
        scratch.file("whole", &whole);
        run(&scratch, "check whole --model register").expect(0);
        for cut in (1..whole.len()).step_by(5).chain([whole.len() - 4, whole.len() - 1]) {
            scratch.file("cut", &whole[..cut]);
            let code = run(&scratch, "check cut --model register").code();
            assert!(matches!(code, 2 | 254), "{code} of {cut} bytes");
        }
    }
}

#[test]
fn the_directory_of_a_test_stands_for_its_history() {
    let scratch = Scratch::new();
    let directory = |name: &str, files: &[(&str, &[u8])]| {
        std::fs::create_dir_all(scratch.join(name)).expect("it can be made");
        for (file, content) in files {
            File::create(scratch.join(name).join(file))
                .and_then(|mut to| to.write_all(content))
                .expect("it is written");
        }
    };
    let edn = b"{:process 0 :type :invoke :f :write :value 1}\n{:process 0 :type :ok :f :write :value 1}\n";
    let text = b"0\t:invoke\t:write\t1\n0\t:ok\t:write\t1\n";
    directory(
        "maelstrom",
        &[("history.edn", edn), ("history.txt", text), ("results.edn", b"{:valid? true}"), ("jepsen.log", b"x")],
    );
    directory("old", &[("history.txt", text), ("results.edn", b"{:valid? true}")]);
    directory("zipped", &[("history.edn.gz", &gzip(std::str::from_utf8(edn).expect("it is text")))]);
    let log = b"INFO  jepsen.core - hello\nINFO  jepsen.util - 0\t:invoke\t:write\t1\nINFO  jepsen.util - 0\t:ok\t:write\t1\n";
    directory("running", &[("jepsen.log", log)]);
    directory("test", &[("test.jepsen", b"JEPSEN\0\0\0\x01")]);
    directory("empty", &[]);
    for (name, code, said) in [
        ("maelstrom", 0, "maelstrom/history.edn: edn, 1 operation"),
        ("old", 0, "old/history.txt: log, 1 operation"),
        ("zipped", 0, "zipped/history.edn.gz: edn, 1 operation"),
        ("running", 0, "running/jepsen.log: log, 1 operation"),
        ("test", 254, "jepsen.store/write-history!"),
        ("test/test.jepsen", 254, "jepsen.store/write-history!"),
        ("maelstrom/results.edn", 254, "history.edn beside it"),
        ("empty", 254, "empty has no history: looked for history.jsonl"),
        ("nowhere", 254, "nowhere"),
    ] {
        let ended = run(&scratch, &format!("check {name} --model register")).expect(code);
        let all = ended.stdout + &ended.stderr;
        assert!(all.contains(said), "{name}: {all}");
    }
}

/// Times that nobody recorded are not zeros, and times in another unit are said.
#[test]
fn times_are_as_they_were_recorded() {
    let scratch = Scratch::new();
    let untimed: String = STALE.lines().map(|line| line.replace("\"time\":", "\"other\":") + "\n").collect();
    scratch.file("untimed.jsonl", &untimed);
    scratch.file("timed.jsonl", STALE);
    let named = |file: &str| {
        let ended = run(&scratch, &format!("check {file} --model register --json")).expect(1);
        ["from_ns", "to_ns", "latency_p50_ms"].map(|name| ended.stdout.contains(name))
    };
    assert_eq!(named("timed.jsonl"), [true; 3]);
    assert_eq!(named("untimed.jsonl"), [false; 3]);
    let since_1970 = STALE.replace("\"time\":", "\"time\":170000000");
    scratch.file("since.jsonl", since_1970);
    let said = run(&scratch, "check since.jsonl --model register").expect(1).stdout;
    assert!(said.contains("note: times are milliseconds since 1970"), "{said}");
    let said = run(&scratch, "check since.jsonl --lint").expect(1).stdout;
    assert!(said.starts_with("line 1: time-unit: times are milliseconds since 1970"), "{said}");
}

/// Every example of a format in the documentation is what it is said to be.
#[test]
fn examples_in_the_documentation_are_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/history.md");
    let mut text = String::new();
    File::open(path).and_then(|mut file| file.read_to_string(&mut text)).expect("the documentation is there");
    let section = text.split("## Formats").nth(1).expect("formats have a section");
    let scratch = Scratch::new();
    let mut read = 0;
    let mut fences = section.split("\n```").skip(1);
    while let (Some(example), Some(_)) = (fences.next(), fences.next()) {
        let (head, content) = example.split_once('\n').expect("a fence is a line");
        let [format, operations, "operation" | "operations"] = head.split(' ').collect::<Vec<_>>()[..] else {
            continue;
        };
        scratch.file("example", format!("{content}\n"));
        let ended = run(&scratch, "check example --model register --json");
        ended.expect_no_panic();
        let found: serde_json::Value =
            serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{head}: {ended:?}"));
        assert_eq!(found["format"], format, "{content}");
        assert_eq!(found["operations"].to_string(), operations, "{content}");
        assert!(!ended.stdout.contains("cut off"), "{content}");
        read += 1;
    }
    assert!(read >= 10, "{read} examples");
}
