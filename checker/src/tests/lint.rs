//! The linter: each rule by the shortest history that breaks it, and one that breaks none.

use crate::formats::Format;
use crate::formats::whole_events::Events;
use crate::lint::{Findings, Linter};

fn lint(text: &str) -> Findings {
    let mut text = text.as_bytes();
    let mut events = Events::new(&mut text, Format::Edn);
    let mut linter = Linter::new();
    while let Some(event) = events.next_event().expect("it is EDN") {
        linter.event(&event);
    }
    linter.finish()
}

#[test]
fn each_rule_finds_its_line() {
    let cases = [
        ("{:type :boo :process 0}", "1 type"),
        ("{:type :ok}", "1 process"),
        (
            "{:type :invoke :f :read :process 1}\n{:type :fail :f :read :process 1}\n{:type :ok :f :read :process 0}",
            "3 not-invoked",
        ),
        ("{:type :invoke :f :read :process 0 :time \"10:00\"}", "1 not-an-event"),
        ("{:type :invoke :op :read :process 0}", "1 not-an-event"),
        ("{:type :invoke :f :read :process 0}", "1 never-completed"),
        (
            "{:type :invoke :f :read :process 0}\n{:type :invoke :f :read :process 0}\n{:type :fail :f :read :process 0}",
            "2 concurrent-process",
        ),
        (
            "{:type :invoke :f :read :process 0}\n{:type :info :f :read :process 0}\n{:type :invoke :f :read :process 0}
             {:type :fail :f :read :process 0}",
            "3 process-after-info",
        ),
        ("{:type :invoke :f :read :process 0}\n{:type :fail :f :write :process 0}", "2 other-function"),
        (
            "{:type :invoke :f :write :value 1 :process 0}\n{:type :ok :f :write :value 2 :process 0}",
            "2 other-argument",
        ),
        (
            "{:type :invoke :f :write :value 1 :process 0}\n{:type :fail :f :write :value 1 :process 0 :error [:timeout]}",
            "2 uncertain-fail",
        ),
        (
            "{:type :invoke :f :cas :value [1 2] :process 0}\n{:type :fail :f :cas :value :timed-out :process 0}",
            "2 uncertain-fail",
        ),
        ("{:type :invoke :f :read :process 0}\n{:type :ok :f :read :process 0}", "2 read-without-value"),
        (
            "{:type :invoke :f :write :value 1 :process 0}\n{:type :ok :f :write :value 1 :process 0}
             {:type :invoke :f :write :value 1 :process 0}\n{:type :ok :f :write :value 1 :process 0}",
            "3 value-written-twice",
        ),
        ("{:type :info :process :nemesis :index 0}\n{:type :info :process :nemesis :index 2}", "2 index-gap"),
        ("{:type :info :process :nemesis :index 3}\n{:type :info :process :nemesis :index 3}", "2 index"),
        ("{:type :info :process :nemesis :time 3}\n{:type :info :process :nemesis :time 2}", "2 clock"),
        (
            "{:type :invoke :f :read :process 0 :key 1}\n{:type :fail :f :read :process 0 :key 2}",
            "2 other-key",
        ),
    ];
    for (text, expected) in cases {
        let found: Vec<String> =
            lint(text).findings.iter().map(|finding| format!("{} {}", finding.line, finding.rule)).collect();
        assert_eq!(found, [expected], "{text}");
    }
}

#[test]
fn what_is_fine_is_not_reported() {
    let text = "{:type :invoke :f :read :process 0 :index 0 :time 5}
        {:type :fail :f :read :process 0 :error :timeout :index 1 :time 5}
        {:type :invoke :f :write :value 1 :process 0 :index 2 :time 6}
        {:type :fail :f :write :value 1 :process 0 :error \"connection refused\" :index 3 :time 7}
        {:type :invoke :f :write :value 2 :process 0 :index 4 :time 8}
        {:type :info :f :write :value 2 :process 0 :error :timeout :index 5 :time 9}
        {:type :info :f :start :process :nemesis :value :x :index 6 :time 10}
        {:type :invoke :f :write :value 1 :key 1 :process 1 :index 7 :time 11}
        {:type :ok :f :write :value 1 :key 1 :process 1 :index 8 :time 12}";
    let findings = lint(text);
    assert_eq!((findings.findings, findings.events), (Vec::new(), 9));
}

#[test]
fn findings_are_bounded_and_counted() {
    let many = "{:type :invoke :f :read :process 1}\n{:type :fail :f :read :process 1}\n".to_owned()
        + &"{:type :ok :f :read :process 0}\n".repeat(50);
    let findings = lint(&many);
    assert_eq!((findings.findings.len(), findings.totals["not-invoked"]), (20, 50));
}

/// Each of them was a finding, though nothing was wrong: completions alone, amounts that are added up, and many values that
/// come again.
#[test]
fn regression_what_is_usual_was_reported_line_by_line() {
    let rules = |text: &str| lint(text).totals;
    let of = |kind: &str, f: &str, value: &str| format!("{{:type :{kind} :f :{f} :value {value} :process 0}}\n");
    let done = |f: &str, asked: &str, shown: &str| of("invoke", f, asked) + &of("ok", f, shown);
    assert_eq!(rules(&of("ok", "txn", "[[:w :x 1]]").repeat(3)), [].into(), "completions alone");
    for (read, shown) in [("nil", "2"), ("[:x nil]", "[:x 2]")] {
        let counter = done("add", "1", "1").repeat(2) + &done("read", read, shown);
        assert_eq!(rules(&counter), [].into(), "what is added to a counter");
    }
    let set = done("add", "1", "1").repeat(2) + &done("read", "nil", "[1 2]");
    assert_eq!(rules(&set), [("value-written-twice", 1)].into(), "what is added to a set");
    let findings = lint(&done("write", "1", "1").repeat(30)).findings;
    let [finding] = &findings[..] else { panic!("one for all: {findings:?}") };
    assert!(finding.line == 3 && finding.sentence.contains("29 times, first 1 of line 1"), "{finding:?}");
}

/// The unit was told from the first event and the last, as if these were the earliest and the latest.
#[test]
fn regression_falling_times_were_taken_for_seconds_since_1970() {
    let has_wrong_unit = |time: &dyn Fn(i64) -> i64| {
        let line = |at| format!("{{:type :ok :f :read :process 0 :time {}}}\n", time(at));
        let findings = lint(&(0..6).map(line).collect::<String>()).findings;
        findings.iter().any(|finding| finding.rule == "time-unit")
    };
    assert!(!has_wrong_unit(&|at| 1_100_000_000 - at * 10_000_000));
    assert!(has_wrong_unit(&|at| 1_700_000_000_000 - at));
    assert!(has_wrong_unit(&|at| 1_700_000_000_000 + at));
}
