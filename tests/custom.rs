//! Stores that a file describes: each example of docs/custom.md is run as the page says, and drivers are tested. What needs
//! Python says so where there is none, and does nothing.

mod support;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use checker::verdict::{Outcome, PropertyResult, Verdict};
use support::{Ended, Scratch, bench, found, one_cluster_at_a_time, programs_in};

/// One partition, long enough for writes on both sides.
const PARTITION: &str = r#"
version = 1
seed = 1
[[fault]]
id = 1
at_ms = 500
for_ms = 2000
kind = "partition"
shape = "single"
links = ["n1 -> n2", "n2 -> n1", "n1 -> n3", "n3 -> n1"]
"#;

const PAUSE: &str = r#"
version = 1
seed = 1
[[fault]]
id = 1
at_ms = 500
for_ms = 500
kind = "pause"
nodes = ["n1"]
"#;

/// A file of docs/custom.
fn example(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/custom").join(name)
}

fn has_python() -> bool {
    let has = Command::new("python3").arg("--version").output().is_ok();
    if !has {
        eprintln!("not tested: there is no python3");
    }
    has
}

/// The driver in Go, compiled; none where there is no Go.
fn go_driver(scratch: &Scratch) -> Option<PathBuf> {
    let program = scratch.join("driver");
    let mut go = Command::new("go");
    go.env("GOCACHE", scratch.join("cache")).arg("build").arg("-o").arg(&program).arg(example("driver.go"));
    match go.output() {
        Ok(built) => {
            assert!(built.status.success(), "{built:?}");
            Some(program)
        }
        Err(_) => {
            eprintln!("not tested: there is no go");
            None
        }
    }
}

#[test]
fn the_driver_in_go_keeps_the_protocol_and_its_store_the_promise_of_one_node() {
    let scratch = Scratch::new();
    let Some(driver) = go_driver(&scratch).filter(|_| has_python()) else { return };
    let _guard = one_cluster_at_a_time();
    let tested = ended(&scratch, &["driver-test", &driver.display().to_string()]);
    assert_eq!(tested.status.code(), Some(0), "{tested:?}");
    scratch.file("plan.toml", PAUSE);
    fs::copy(example("kv.py"), scratch.join("kv.py")).expect("it can be copied");
    let text = fs::read_to_string(example("driver.toml")).expect("it is there");
    let command = format!("[{:?}]", driver.display().to_string());
    scratch.file("go.toml", text.replace("[\"python3\", \"driver.py\"]", &command));
    let verdict = run(&scratch, "go.toml", &["--nodes", "1", "--time-limit", "3s"]);
    assert_eq!(property(&verdict, "linearizable").outcome, Outcome::Valid, "{:?}", verdict.reasons);
}

/// The bench with these words, in a directory of its own; whatever it started is gone then.
fn ended(scratch: &Scratch, words: &[&str]) -> Ended {
    let ended = bench(scratch.path(), words.iter().map(|word| (*word).to_owned()));
    assert!(programs_in(scratch.path()).is_empty(), "nothing is left running");
    ended
}

/// What a run of a described store comes to.
fn run(scratch: &Scratch, config: &str, more: &[&str]) -> Verdict {
    let words = ["run", "--system", "custom", "--config", config, "--seed", "1", "--json", "--plan", "plan.toml"];
    let ended = ended(scratch, &[&words, more].concat());
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

fn property<'v>(verdict: &'v Verdict, name: &str) -> &'v PropertyResult {
    let is = |found: &&PropertyResult| found.property.name() == name && found.claimed;
    verdict.properties.iter().find(is).unwrap_or_else(|| panic!("{name} is claimed: {verdict:?}"))
}

#[test]
fn the_split_brain_of_the_tutorial_is_found() {
    if !has_python() {
        return;
    }
    let _guard = one_cluster_at_a_time();
    let scratch = Scratch::new();
    scratch.file("plan.toml", PARTITION);
    for file in ["kv.toml", "driver.toml"] {
        let verdict = run(&scratch, &example(file).display().to_string(), &["--time-limit", "4s"]);
        assert_eq!(verdict.outcome, Outcome::Invalid, "{file}: {:?}", verdict.reasons);
        assert_eq!(property(&verdict, "linearizable").outcome, Outcome::Invalid, "{file}");
        assert!(verdict.faults.iter().all(|fault| fault.proved), "{file}: {:?}", verdict.faults);
    }
}

/// The same server with nobody to tell: the example in which it is right.
#[test]
fn one_node_of_the_tutorial_keeps_its_promise() {
    if !has_python() {
        return;
    }
    let _guard = one_cluster_at_a_time();
    let scratch = Scratch::new();
    scratch.file("plan.toml", PAUSE);
    for file in ["kv.toml", "driver.toml"] {
        let config = example(file).display().to_string();
        let verdict = run(&scratch, &config, &["--nodes", "1", "--time-limit", "3s"]);
        assert_ne!(verdict.outcome, Outcome::Invalid, "{file}: {:?}", verdict.reasons);
        assert_eq!(property(&verdict, "linearizable").outcome, Outcome::Valid, "{file}");
    }
}

#[test]
fn redis_as_a_file_describes_it_keeps_what_it_claims() {
    let Some(binaries) = found("redis-server") else { return };
    let _guard = one_cluster_at_a_time();
    let scratch = Scratch::new();
    scratch.file("plan.toml", PAUSE.replace("pause", "kill"));
    let text = fs::read_to_string(example("redis.toml")).expect("it is there");
    let unpacked = binaries.get(1).map_or_else(String::new, |directory| format!("[cluster]\nbinaries = {directory:?}"));
    scratch.file("redis.toml", if unpacked.is_empty() { text } else { text.replace("[cluster]", &unpacked) });
    let verdict = run(&scratch, "redis.toml", &["--time-limit", "3s"]);
    assert_ne!(verdict.outcome, Outcome::Invalid, "{:?}", verdict.reasons);
    for name in ["set-full", "linearizable", "availability"] {
        assert_eq!(property(&verdict, name).outcome, Outcome::Valid, "{name}: {:?}", verdict.reasons);
    }
    let workloads: Vec<_> = verdict.properties.iter().filter_map(|found| found.workload.as_deref()).collect();
    assert!(["register", "kv-set", "kv-counter"].iter().all(|name| workloads.contains(name)), "{workloads:?}");
}

/// The file asks for it by a name, and no message quotes it.
#[test]
fn a_redis_that_wants_a_password_gets_it_from_the_environment() {
    const SECRET: &str = "open-sesame";
    let Some(binaries) = found("redis-server") else { return };
    let _guard = one_cluster_at_a_time();
    let scratch = Scratch::new();
    scratch.file("plan.toml", PAUSE);
    let text = fs::read_to_string(example("redis.toml")).expect("it is there");
    let unpacked = binaries.get(1).map_or_else(String::new, |directory| format!("binaries = {directory:?}"));
    let locked = text.replace("[cluster]", &format!("[cluster]\n{unpacked}"));
    let locked = locked.replace("\"--dir\"", &format!("\"--requirepass\", \"{SECRET}\", \"--dir\""));
    let words =
        ["run", "--system", "custom", "--config", "redis.toml", "--workload", "kv-set", "--time-limit", "2s", "--json"];
    let run = |connection: &str, password: &str| -> Verdict {
        scratch.file("redis.toml", format!("{connection}\n{locked}"));
        let mut by = Command::new(support::BENCH);
        by.env("STORE_PASSWORD", password);
        let ended = support::Bench::start_by(scratch.path(), by, words.iter().chain(&["--plan", "plan.toml"])).end();
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
    };
    let open = "[connection]\nresp = [[\"AUTH\", \"{env:STORE_PASSWORD}\"]]";
    let verdict = run(open, SECRET);
    assert_eq!(property(&verdict, "set-full").outcome, Outcome::Valid, "{:?}", verdict.reasons);
    let history = fs::read_to_string(scratch.join("store/latest/history.jsonl")).expect("a history");
    assert!(!history.contains(SECRET));
    for (connection, password, says) in [(open, "wrong-password", "AUTH: WRONGPASS"), ("", "", "NOAUTH")] {
        let verdict = run(connection, password);
        assert_eq!(property(&verdict, "set-full").outcome, Outcome::Inconclusive, "{:?}", verdict.reasons);
        let history = fs::read_to_string(scratch.join("store/latest/history.jsonl")).expect("a history");
        assert!(history.contains(says) && !history.contains("wrong-password"), "{says}");
    }
}

#[test]
fn a_file_that_cannot_work_is_refused_with_the_key_that_is_wrong() {
    let scratch = Scratch::new();
    let good = fs::read_to_string(example("kv.toml")).expect("it is there");
    for (from, to, says) in [
        ("nodes = 3", "node = 3", "unknown field `node`"),
        ("nodes = 3", "nodes = 0", "cluster.nodes: 0"),
        ("{address}", "{adress}", "cluster.command: unknown placeholder {adress}"),
        ("GET /{key}", "GET {key}", "operations.cas-register.read.http"),
        ("{value}}", "{values}}", "operations.cas-register.write: unknown placeholder {values}"),
        ("result = \"/value\"\n", "", "operations.cas-register.read: it returns something"),
        ("result = \"/value\"", "result = \"value\"", "operations.cas-register.read.result"),
        (
            "cas-register.cas",
            "cas-register.swap",
            "operations.cas-register.swap: cas-register has only read, write, cas",
        ),
        ("\"linearizable\"", "\"perfect\"", "claims.property: unknown property 'perfect': known are"),
        ("\"linearizable\"", "\"total-queue\"", "claims.property: total-queue is not shown by cas-register"),
        ("workload = \"cas-register\"", "workload = \"kv-set\"", "claims.workload: the file does not do 'kv-set'"),
        ("PUT /{key}", "PUT /key", "operations.cas-register.write: it does not say {key}"),
        ("{\"value\": {value}}", "{}", "operations.cas-register.write: it does not say {value}"),
        ("{peers}", "{peers", "cluster.command: {peers has no closing brace"),
        ("fail = [409]", "fail = [409]\nok = [409]", "409 is in `ok` and in `fail`"),
        ("fail = [409]", "fail = [\"409\"]", "is a list of numbers"),
        ("command = [\"python3\"", "command = [\"no-such-program\"", "no-such-program"),
        ("GET /{key}", "GET /{key}?as={env:NO_SUCH_NAME}", "{env:NO_SUCH_NAME}: the environment does not have it"),
    ] {
        assert!(good.contains(from), "{from}");
        scratch.file("store.toml", good.replace(from, to));
        let ended = ended(&scratch, &["run", "--system", "custom", "--config", "store.toml", "--time-limit", "1s"]);
        assert_eq!(ended.status.code(), Some(254), "{to}: {ended:?}");
        assert!(ended.stderr.contains(says), "{to}: {}", ended.stderr);
    }
    let without = ended(&scratch, &["run", "--system", "custom"]);
    assert!(without.status.code() == Some(254) && without.stderr.contains("--config FILE"), "{without:?}");
}

#[test]
fn a_driver_is_tested_before_a_run_depends_on_it() {
    if !has_python() {
        return;
    }
    let scratch = Scratch::new();
    let driver = example("driver.py").display().to_string();
    let right = ended(&scratch, &["driver-test", "python3", &driver]);
    assert_eq!(right.status.code(), Some(0), "{right:?}");
    let answers = |what: &str| {
        format!(
            "import sys, json\nfor line in sys.stdin:\n    asked = json.loads(line)['id']\n    {what}\n    sys.stdout.flush()"
        )
    };
    for (script, says) in [
        (answers("print('{}')"), "no reply"),
        (answers("print(json.dumps({'id': asked, 'type': 'ok'}))"), "was ok, and nobody listens"),
        (answers("print((json.dumps({'id': asked, 'type': 'fail', 'error': 'no'}) + '\\n') * 2)"), "one thing twice"),
        ("import sys".to_owned(), "ended"),
        (
            answers("print(json.dumps({'id': asked, 'type': 'fail', 'error': 'timed out'}))"),
            "may have happened: say info",
        ),
    ] {
        scratch.file("wrong.py", &script);
        let wrong = ended(&scratch, &["driver-test", "python3", "wrong.py"]);
        assert_eq!(wrong.status.code(), Some(1), "{script}: {wrong:?}");
        assert!(wrong.stdout.contains(says), "{script}: {}", wrong.stdout);
    }
}
