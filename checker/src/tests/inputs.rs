//! Inputs as they lie on people's disks: what each reader takes, that nothing cut off is whole, and that what a history does
//! not say is not made up.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::checks::registry;
use crate::claims::Claims;
use crate::formats::tree::Tree;
use crate::formats::whole_events::Events;
use crate::formats::write::edn_text;
use crate::formats::{Format, Notation, Reading, Selection, json_form::json_line, read};
use crate::history::{Kind, Unsaid};
use crate::limits::Limits;
use crate::outcome::Outcome;

fn reading(text: &str) -> Reading {
    let format = Format::detect(text.as_bytes()).unwrap_or_else(|| panic!("no format is like this:\n{text}"));
    read(text.as_bytes(), format, &Selection::default()).unwrap_or_else(|damage| panic!("{damage} in:\n{text}"))
}

fn damage(text: &str) -> String {
    let format = Format::detect(text.as_bytes()).unwrap_or_else(|| panic!("no format is like this:\n{text}"));
    match read(text.as_bytes(), format, &Selection::default()) {
        Ok(reading) => panic!("there is no damage in:\n{text}\n{:?}", operations(&reading)),
        Err(damage) => damage.to_string(),
    }
}

/// All operations, as people read them.
fn operations(reading: &Reading) -> Vec<String> {
    let records = &reading.records;
    let shown = records.ops.iter().map(|op| {
        let (argument, result) = (records.show(op.argument), records.show(op.result));
        format!("{} {} {argument} {result} {:?}", records.process_name(op.process), records.text(op.f), op.kind)
    });
    shown.collect()
}

/// The same events as JSON, an event a line.
fn converted(text: &str) -> String {
    written(text, json_line)
}

fn as_edn(text: &str) -> String {
    written(text, edn_text)
}

fn written(text: &str, line: impl Fn(&Tree) -> String) -> String {
    let mut reader = text.as_bytes();
    let format = Format::detect(text.as_bytes()).expect("it is like a format");
    let mut events = Events::new(&mut reader, format);
    let mut lines = String::new();
    while let Some(located) = events.next_event().unwrap_or_else(|damage| panic!("{damage} in:\n{text}")) {
        lines.push_str(&(line(&located.event) + "\n"));
    }
    lines
}

fn judged(text: &str, model: &str) -> (Outcome, String) {
    let claims = registry::find(model, &registry::Settings::default());
    let claims = Claims::of_history(claims[0].check, claims[0].object);
    let verdict = crate::check(&reading(text).records, &claims, &Limits::default());
    (verdict.outcome, verdict.reasons.join(" "))
}

/// Each was damage once, or another value.
#[test]
fn what_clojure_prints_is_a_value() {
    let value = |value: &str| {
        let text = format!("{{:process 0, :type :invoke, :f :w, :value {value}}}\n");
        let here = operations(&reading(&text));
        assert_eq!(operations(&reading(&converted(&text))), here, "{value} converted");
        here[0].clone()
    };
    for (written, meant) in [
        ("0x1F", "31"),
        ("-0X1f", "-31"),
        ("+0x1F", "31"),
        ("017", "15"),
        ("2r101", "5"),
        ("16rFF", "255"),
        ("-36rZZ", "-1295"),
        ("0x10N", "16"),
        ("0x8000000000000000", "9223372036854775808N"),
        ("^{:line 1, :column [2 (3)]} 5", "5"),
        ("^:key ^String [1 ^:b 2]", "[1 2]"),
        ("#^{:a 1} 5", "5"),
        ("'x", "(quote x)"),
        ("'(a b)", "(quote (a b))"),
        ("#:ns{:a 1, :b/c 2, :_/d 3, \"e\" 4}", "{:ns/a 1, :b/c 2, :d 3, \"e\" 4}"),
        ("#::{:a 1}", "{:a 1}"),
        (r#""\101\60""#, r#""A0""#),
        (r#""\ud83d\ude00\u00e9""#, "\"😀é\""),
        ("#object[java.net.X 0x5c1b \"a [b\"]", "[java.net.X 23579 \"a [b\"]"),
        ("#_ #<A b> 7", "7"),
    ] {
        assert_eq!(value(written), value(meant), "{written}");
    }
    let notations = [
        r#"#"a.[b\"c\\""#,
        "#'user/x",
        "#<SocketTimeoutException java.net.SocketTimeoutException: Read timed out>",
        "#<Fn (a [b <c> -> {d>",
        "\\o101",
        "\\newline",
        "1/3",
        "1.5M",
        "##-Inf",
        "#inst \"2020-01-01T00:00:00.000-00:00\"",
        "#uuid \"f81d4fae-7dec-11d0-a765-00a0c91e6bf6\"",
        "clojure.core$fn__12",
    ];
    let distinct: BTreeSet<String> = notations.iter().map(|notation| value(notation)).collect();
    assert_eq!(distinct.len(), notations.len());
    for (wrong, problem) in
        [("08", "`08` is no number"), ("2r12", "`2r12` is no number"), ("0xG", "`0xG` is no number")]
    {
        let text = format!("{{:process 0, :type :invoke, :f :w, :value {wrong}}}\n{{}}");
        assert!(damage(&text).contains(problem), "{}", damage(&text));
    }
}

/// An event's own form may have metadata and an object that cannot be printed, with any brackets in it.
#[test]
fn events_of_clojure_are_told_apart() {
    let text = "^{:a 1} {:process 0, :type :invoke, :f :w, :value 1}\n\
        #jepsen.history.Op{:process 0, :type :info, :f :w, :value 1, :error #<X (a {b>} {:process 1 :type :invoke :f :r}\n\
        #user.Op {:process 1, :type :fail, :f :r, :error [#object[a.B 0x1 \"}\"] #\"}\" \\}]}";
    assert_eq!(operations(&reading(text)), ["0 w 1 1 Info", "1 r nil nil Fail"]);
}

/// Maps, alone or in a list, and lists within a printed test. A printed test was refused as an event without a type.
#[test]
fn edn_is_read_however_it_is_laid_out() {
    let [invoke, ok] = ["{:process 0, :type :invoke, :f :w, :value [1]}", "{:process 0, :type :ok, :f :w, :value [1]}"];
    for text in [
        format!("{invoke}{ok}"),
        format!("[{invoke} {ok}]"),
        format!("'({invoke}\n{ok})"),
        format!("'[{invoke}, {ok}]"),
        format!("{{:history [{invoke} {ok}]}}"),
        format!("\u{feff}{{:history '({invoke} {ok})}}\n"),
        format!(
            "{{:name \"a]\", ; b ]\n :db #object[a.B 0x1 \"}}\"] #_ [x] :ops ({invoke} {ok}) :results {{:valid? [true]}}}}"
        ),
        format!(
            "{{:start-time 5 :events [#jepsen.history.Op{invoke} #jepsen.history.Op{ok}], :nodes [\"n1\"]}} ; the end"
        ),
    ] {
        assert_eq!(operations(&reading(&text)), ["0 w [1] [1] Ok"], "{text}");
        assert_eq!(operations(&reading(&converted(&text))), ["0 w [1] [1] Ok"], "{text}");
    }
    for (text, problem) in [
        (format!("{{:history [{invoke}] :ops [{ok}]}}"), "not an event: this map has a second list of events"),
        ("{:name \"a\" :history 5}".to_owned(), "not an event: it has no `type`"),
        ("{:name \"a\" :results {:valid? true}}".to_owned(), "not an event: it has no `type`"),
        (format!("{{:history [{invoke} {ok}]}} {invoke}}}"), "`}` closes nothing"),
    ] {
        assert!(damage(&text).contains(problem), "{text}\n{}", damage(&text));
    }
}

const WRITE: [&str; 2] = [
    r#"{"process":0,"type":"invoke","f":"write","value":"a]}"}"#,
    r#"{"process":0,"type":"ok","f":"write","value":"a]}"}"#,
];

/// An event over several lines, as others print it.
fn pretty(event: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(event).expect("it is JSON");
    serde_json::to_string_pretty(&value).expect("it is JSON")
}

#[test]
fn json_is_read_however_it_is_laid_out() {
    let [invoke, ok] = WRITE;
    let (wide_invoke, wide_ok) = (pretty(invoke), pretty(ok));
    for text in [
        format!("{invoke}\n{ok}\n"),
        format!("\u{feff}{invoke}\r\n\r\n{ok}\r\n"),
        format!("[{invoke},{ok}]"),
        format!("[{invoke},\n{ok}]\n"),
        format!("\u{feff} [\r\n  {wide_invoke},\r\n  {wide_ok}\r\n]\r\n\r\n"),
        format!("{wide_invoke}\n{wide_ok}\n"),
        format!("{wide_invoke}{wide_ok}"),
        format!("{invoke} {ok}"),
        format!("{{\"history\":[{invoke},{ok}]}}"),
        format!(
            "{{\n\"name\": \"a]\", \"nodes\": [\"n1\", {{\"ops\": []}}],\n\"events\": [{wide_invoke}, {ok}], \"valid\": {{}}\n}}\n"
        ),
        format!("{{\"ops\":[{invoke}\n,\n{ok}],\"more\":[1,\"]\"]}}"),
        format!("[{invoke}]\n[{ok}]"),
    ] {
        assert_eq!(operations(&reading(&text)), ["0 write \"a]}\" \"a]}\" Ok"], "{text}");
        assert_eq!(operations(&reading(&converted(&text))), ["0 write \"a]}\" \"a]}\" Ok"], "{text}");
    }
    for (text, problem) in [
        (format!("[{invoke} {ok}]"), "line 1, column 58: expected `,` or `]`, found `{`"),
        (format!("[{invoke},\n]"), "line 2, column 1: expected an event in `{}`, found `]`"),
        (format!("[{invoke},\n 5]"), "line 2, column 2: expected an event in `{}`, found `5`"),
        ("[\n{\"process\":0,\n\"type\":\"nope\"}]".to_owned(), "line 3, column 8: not an event: the type `nope`"),
        (format!("{wide_invoke}\n]"), "line 7, column 1: expected an event in `{}`, or a list of them, found `]`"),
        (format!("[{invoke},\n{invoke}]"), "line 2, column 1: process 0 invokes `write` while its `write` is open"),
    ] {
        assert!(damage(&text).starts_with(problem), "{text}\n{}", damage(&text));
    }
    for empty in ["", "\u{feff}", "[]", " [ ] \n", "{\"history\": []}", "()", "[", "\n\n"] {
        assert_eq!(reading(empty).records.events, 0, "{empty}");
    }
}

/// A list without its end was a whole history once, and so was a log that ends within a line.
#[test]
fn what_is_cut_off_is_never_whole() {
    let [invoke, ok] = WRITE;
    let edn = ["{:process 0, :type :invoke, :f :w, :value 12}", "{:process 0, :type :ok, :f :w, :value 12}"];
    for text in [
        format!("[{invoke},{ok}]"),
        format!("[\n{},\n{}\n]", pretty(invoke), pretty(ok)),
        format!("{{\"history\":[{invoke},{ok}],\"more\":[1,\"]\"]}}"),
        format!("[{} {}]", edn[0], edn[1]),
        format!("({}\n ; a comment\n {})", edn[0], edn[1]),
        format!("'({} {})", edn[0], edn[1]),
        format!("{{:name \"a]\", :history [{} {}], :results {{:valid? true}}}}", edn[0], edn[1]),
        "[[{\"events\":[{\"Write\":{\"variable\":0,\"version\":5}}],\"committed\":true}]]".to_owned(),
    ] {
        assert!(!reading(&text).is_partial(), "{text}");
        for cut in (1..text.len()).filter(|cut| text.is_char_boundary(*cut)) {
            let Some(format) = Format::detect(&text.as_bytes()[..cut]) else { continue };
            let read = read(&text.as_bytes()[..cut], format, &Selection::default());
            assert!(read.is_err() || read.is_ok_and(|reading| reading.torn.is_some()), "{}", &text[..cut]);
        }
    }
    let lines = [
        format!("{invoke}\n{ok}\n"),
        format!("{}\n{}\n", edn[0], edn[1]),
        "INFO  jepsen.util - 0\t:invoke\t:w\t12\nINFO  jepsen.util - 0\t:ok\t:w\t[1 2]\nINFO  jepsen.core - done\n"
            .to_owned(),
        "0\t:invoke\t:w\t12\n0\t:info\t:w\t\"a\"\ttimed out (12\n".to_owned(),
        "w(1,12,0,3)\nr(1,12,0,4)\n".to_owned(),
        "[x:=12 y==?]!\n[x==12]\n---\n[y==0]!\n".to_owned(),
    ];
    for text in lines {
        assert!(!reading(&text).is_partial(), "{text}");
        let format = Format::detect(text.as_bytes()).expect("it is like a format");
        for cut in 1..text.len() {
            let within = !text[..cut].ends_with('\n');
            let closed = text[..cut].ends_with(['}', ')', ']', '"']);
            let reading = read(&text.as_bytes()[..cut], format, &Selection::default()).expect("a cut is no damage");
            assert!(reading.torn.is_some() || !within || closed || text[..cut].contains('"'), "{}", &text[..cut]);
            let place = reading.torn.map(|torn| torn.line);
            assert!(place.is_none_or(|line| line == text[..cut].lines().count() as u64), "{place:?} {}", &text[..cut]);
        }
    }
    let unclosed = format!("[{}\n {}\n", edn[0], edn[1]);
    let torn = reading(&unclosed).torn.expect("it is not closed");
    assert_eq!((torn.line, torn.column), (3, 1));
    assert_eq!(judged(&unclosed, "register").0, Outcome::Inconclusive);
}

#[test]
fn every_layout_of_jepsens_log_is_read() {
    for prefix in [
        "INFO  jepsen.util - ",
        "INFO [2018-04-27 23:45:06,754] jepsen worker 0 - jepsen.util ",
        "2023-05-02 10:15:01,120{GMT}\tINFO\t[jepsen worker 3] jepsen.util: ",
        "2023-05-02 10:15:01,120{Europe/Berlin}\tINFO\t[jepsen worker 3 - n1] jepsen.util: ",
        "[jepsen worker 3] INFO jepsen.util - ",
        "10:15:01.120 [jepsen worker 3] INFO  jepsen.util - ",
        "2023-05-02 10:15:01,120 INFO  jepsen.util: 17 ",
        "2023-05-02T10:15:01.120Z INFO [jepsen worker nemesis] jepsen.generator.interpreter ",
        "INFO [2018-04-27 23:45:06,754] jepsen worker 0 - jepsen.util 12\t",
        "node-1 | INFO  jepsen.util - ",
        "",
        "  ",
    ] {
        for blank in ["\t", "  ", " \t "] {
            let line = |parts: [&str; 4]| format!("{prefix}{}\n", parts.join(blank));
            let text = [
                line(["0", ":invoke", ":cas", "[1 2]"]),
                "WARN [2018-04-27 23:45:06,757] jepsen worker 1 - jepsen.core Process 1 crashed\n".to_owned(),
                "{:type :invoke, :f :read, :process 3}\n".to_owned(),
                line([":nemesis", ":info", ":start", "nil"]),
                line(["1", ":invoke", ":read", "nil"]).replace('\n', "\r\n"),
                line(["0", ":info", ":cas", &format!("[1 2]{blank}java.net.X: Read (timed out")]),
                line(["1", ":ok", ":read", "3"]),
            ]
            .concat();
            let read = reading(&text);
            assert_eq!(operations(&read), ["0 cas [1, 2] [1, 2] Info", "1 read nil 3 Ok"], "{text}");
            assert_eq!((read.other_lines, read.records.nemesis().len(), read.records.timed), (2, 1, false), "{text}");
            assert_eq!(operations(&reading(&converted(&text))), operations(&read), "{text}");
        }
    }
    assert_eq!(reading("INFO  jepsen.core - nothing\n").records.events, 0);
}

#[test]
fn a_function_that_is_not_said_is_that_of_micro_operations() {
    let unnamed = [
        r#"{"process":0,"type":"invoke","value":[["append","x",1]]}"#,
        r#"{"process":0,"type":"ok","f":null,"value":[["append","x",1]]}"#,
        r#"{"process":1,"type":"invoke","value":[["r","x",null]]}"#,
        r#"{"process":1,"type":"fail"}"#,
        r#"{"process":1,"type":"invoke","value":[["r","x",null],["r","y",null]]}"#,
        r#"{"process":1,"type":"info","value":null}"#,
    ]
    .join("\n");
    let read = reading(&format!("{unnamed}\n"));
    assert!(read.records.ops.iter().all(|op| read.records.text(op.f) == "txn"), "{:?}", operations(&read));
    let kinds: Vec<Kind> = read.records.ops.iter().map(|op| op.kind).collect();
    assert_eq!(kinds, [Kind::Ok, Kind::Fail, Kind::Info]);
    let invoked = r#"{"process":0,"type":"invoke","f":"read"}"#;
    for (line, problem) in [
        (r#"{"process":0,"type":"invoke","value":3}"#, "it has no `f`"),
        (r#"{"process":0,"type":"invoke","value":[1,2]}"#, "it has no `f`"),
        (r#"{"process":0,"type":"invoke"}"#, "it has no `f`"),
        (r#"{"process":1,"type":"info"}"#, "it has no `f`, and completes nothing"),
        (r#"{"process":0}"#, "it has no `type`"),
        (r#"{"process":0,"f":"read"}"#, "it has no `type`, as others have"),
    ] {
        let found = damage(&format!("{invoked}\n{line}\n"));
        assert!(found.starts_with("line 2, column ") && found.ends_with(problem), "{line}: {found}");
    }
}

/// Elle's histories often have completions alone; what precedes what in real time is then not known.
#[test]
fn completions_alone_are_operations_that_may_have_been_invoked_at_any_time() {
    let cases = [
        // A stale read, if real time counts: it does not.
        (
            "{:process 0 :type :ok :value [[:append :x 1]]}\n{:process 1 :type :ok :value [[:r :x nil]]}",
            "list-append",
            false,
        ),
        ("{:process 0 :value [[:append :x 1]]}\n{:process 1 :value [[:r :x nil]]}", "list-append", false),
        ("{:type :ok :value [[:append :x 1]]}\n{:type :ok :value [[:r :x [1]]]}", "list-append", false),
        (
            "{:process 0 :type :ok :value [[:w :x 1]]}\n{:process 1 :type :ok :value [[:r :x nil]]}",
            "rw-register",
            false,
        ),
        // In one process it is out of order, which no real time is needed for.
        (
            "{:process 0 :type :ok :value [[:append :x 1]]}\n{:process 0 :type :ok :value [[:r :x nil]]}",
            "list-append",
            true,
        ),
        // What a failed transaction appended.
        (
            "{:process 0 :type :fail :value [[:append :x 1]]}\n{:process 1 :type :ok :value [[:r :x [1]]]}",
            "list-append",
            true,
        ),
        ("{:process 0 :type :ok :f :write :value 1}\n{:process 1 :type :ok :f :read :value nil}", "register", false),
        (
            "{:process 0 :f :write :value 1}\n{:process 0 :type :info :f :write :value 2}\n{:process 0 :f :read :value 1}",
            "register",
            false,
        ),
        ("{:type :ok :f :generate :value 1}\n{:type :ok :f :generate :value 1}", "unique-ids", true),
        (
            "{:process 0 :f :write :value 1 :index 5}\n{:process 0 :f :read :value nil :index 6}",
            "read-your-writes",
            true,
        ),
    ];
    for (text, model, violated) in cases {
        let read = reading(text);
        assert!(read.records.unsaid.invocations, "{text}");
        assert_eq!(read.records.ops.len(), text.lines().count());
        let (outcome, why) = judged(text, model);
        let expected = if violated { Outcome::Invalid } else { Outcome::Inconclusive };
        assert_eq!(outcome, expected, "{text}: {why}");
        assert!(violated || why.contains("no invocation is recorded"), "{text}: {why}");
        assert_eq!(operations(&reading(&converted(text))), operations(&read), "{text}");
    }
    let serializable = |text: &str| judged(text, "serializable").0;
    assert_eq!(serializable(cases[0].0), Outcome::Valid);
    assert_eq!(judged(cases[0].0, "strong-session-serializable").0, Outcome::Valid);
    assert_eq!(judged(cases[2].0, "strong-session-serializable").0, Outcome::Inconclusive, "no process is named");
    let events = judged_events("{:process 0 :f :write :value 1 :index 5}\n{:process 0 :f :read :value nil :index 9}");
    assert_eq!(events, [5, 9], "each event is named once, by its own index");
}

/// The events of the one anomaly.
fn judged_events(text: &str) -> Vec<u64> {
    let claims = Claims::of_history(crate::CheckName::READ_YOUR_WRITES, None);
    let verdict = crate::check(&reading(text).records, &claims, &Limits::default());
    let mut events = verdict.properties[0].anomalies[0].events.clone();
    events.dedup();
    events
}

#[test]
fn operations_without_a_process_are_told_apart_where_they_follow_one_another() {
    let pairs = r#"{"type":"invoke","f":"write","value":1}
{"type":"ok","f":"write","value":1}
{"process":"nemesis","type":"info","f":"kill"}
{"type":"invoke","f":"read","value":null}
{"type":"info","f":"read"}
{"type":"invoke","f":"read","value":null,"process":null}
{"type":"ok","f":"read","value":2}
"#;
    let read = reading(pairs);
    assert_eq!(read.records.unsaid, Unsaid { processes: true, invocations: false });
    assert_eq!(operations(&read), ["0 write 1 1 Ok", "1 read nil nil Info", "2 read nil 2 Ok"]);
    assert_eq!(judged(pairs, "register").0, Outcome::Invalid, "real time is known");
    let (outcome, why) = judged(&pairs.replace("\"value\":2", "\"value\":1"), "read-your-writes");
    assert_eq!((outcome, why.contains("no process is recorded")), (Outcome::Inconclusive, true), "{why}");
    assert_eq!(judged(&pairs.replace("\"value\":2", "\"value\":1"), "register").0, Outcome::Valid);
    let (first, invoke) = (r#"{"type":"invoke","f":"write","value":1}"#, r#"{"type":"invoke","f":"read"}"#);
    let of_process = |line: &str| line.replace("{\"type\"", "{\"process\":1,\"type\"");
    let alone = r#"{"type":"ok","f":"read","value":1}"#;
    for (lines, problem) in [
        ([first.to_owned(), invoke.to_owned()], "`read` is invoked while `write` is open, and neither has a process"),
        ([first.to_owned(), of_process(invoke)], "it has no `process`, as others have"),
        ([of_process(first), invoke.to_owned()], "it has no `process`, as others have"),
        ([alone.to_owned(), invoke.to_owned()], "what completed before was never invoked"),
        ([of_process(alone), of_process(invoke)], "what completed before was never invoked"),
        ([first.to_owned(), r#"{"f":"write","value":1}"#.to_owned()], "it has no `type`, as others have"),
    ] {
        let found = damage(&(lines.join("\n") + "\n"));
        assert!(found.starts_with("line 2, column 1: ") && found.contains(problem), "{lines:?}: {found}");
    }
}

#[test]
fn times_since_1970_are_noticed_in_whatever_unit() {
    let history = |first: u64, step: u64, events: u64| {
        let line = |at: u64| {
            let kind = if at.is_multiple_of(2) { "invoke" } else { "ok" };
            format!(
                "{{\"process\":0,\"type\":\"{kind}\",\"f\":\"write\",\"value\":{at},\"time\":{}}}\n",
                first + at * step
            )
        };
        reading(&(0..events).map(line).collect::<String>()).records
    };
    for (first, step, events, unit, span_ns, others) in [
        (1_700_000_000_000_000_000, 5_000_000, 4, Some("nanoseconds"), 15_000_000, ""),
        (1_700_000_000_000_000, 5_000, 4, Some("microseconds"), 15_000_000, "nanoseconds"),
        (1_700_000_000_000, 5, 4, Some("milliseconds"), 15_000_000, ""),
        (1_700_000_000_000, 0, 2, Some("milliseconds"), 0, "nanoseconds"),
        (1_000_000_000_000, 1_000, 40, Some("milliseconds"), 39_000_000_000, ""),
        (1_700_000_000, 1, 40, Some("seconds"), 39_000_000_000, ""),
        (4_000_000_000, 0, 40, Some("seconds"), 0, ""),
        // The first seconds of a run in nanoseconds.
        (1_700_000_000, 1_000_000, 40, None, 1_700_000_000 + 39_000_000, ""),
        (1_700_000_000, 1, 4, Some("seconds"), 3_000_000_000, ""),
        (1_700_000_000, 1, 3, None, 1_700_000_002, "seconds"),
        (1_700_000_000, 200, 26, Some("seconds"), 5_000_000_000_000, ""),
        (0, 1, 40, None, 39, "microseconds milliseconds seconds"),
        (5_000_000, 3, 40, None, 5_000_117, "microseconds milliseconds seconds"),
        // A run whose workload begins after half an hour, and lasts for a minute.
        (1_700_000_000_000, 1_500_000_000, 40, None, 1_700_000_000_000 + 39 * 1_500_000_000, ""),
    ] {
        let records = history(first, step, events);
        assert_eq!((records.since_1970(), records.end_ns()), (unit, span_ns), "{first} {step} {events}");
        let called = if unit.is_some() { 0 } else { first };
        assert_eq!(records.ops[0].called_ns, called);
        assert_eq!(records.other_units().collect::<Vec<_>>().join(" "), others, "{first} {step} {events}");
    }
}

#[test]
fn transactions_of_other_checkers_are_histories() {
    let meant = [
        r#"{"process":0,"type":"ok","f":"txn","value":[["w",KEY1,5],["r",KEY2,null]]}"#,
        r#"{"process":0,"type":"ok","f":"txn","value":[["r",KEY1,5]]}"#,
        r#"{"process":1,"type":"fail","f":"txn","value":[["w",KEY2,6]]}"#,
        r#"{"process":1,"type":"ok","f":"txn","value":[["r",KEY1,null]]}"#,
    ];
    let meant = |keys: [&str; 2], committed: bool| {
        let lines = meant.join("\n").replace("KEY1", keys[0]).replace("KEY2", keys[1]) + "\n";
        if committed { lines.replace("\"fail\"", "\"ok\"") } else { lines }
    };
    let json = r#"[[{"events":[{"Write":{"variable":1,"version":5}},{"Read":{"variable":2,"version":0}}],"committed":true},
        {"events":[["r",1,5]],"committed":true}],
        [{"events":[{"Write":{"variable":2,"version":6}}],"committed":false},{"events":[["r",1,null]],"committed":true}]]"#;
    let plume = "w(1,5,0,3)\nr(2,0,0,3)\nr(1,5,0,4)\nw(2,6,1,-1)\nr(1,0,1,9)\n";
    let awdit = "w 1 5\nr 2 0\n----\nr 1 5\n=====\nw 2 6\n-----\nr 1 0\n";
    let dbcop = "// a comment\n[x:=5 y==?] [x==5]\n---\n[y:=6]!\n\n[x==0]\n";
    for (text, notation, same) in [
        (plume, Notation::Plume, meant(["1", "2"], false)),
        (&plume.replace('\n', "\r\n"), Notation::Plume, meant(["1", "2"], false)),
        (&plume.replace(",", ", "), Notation::Plume, meant(["1", "2"], false)),
        (awdit, Notation::Awdit, meant(["1", "2"], true)),
        (&awdit.replace('\n', "\n\n"), Notation::Awdit, meant(["1", "2"], true)),
        (dbcop, Notation::Dbcop, meant(["\"x\"", "\"y\""], false)),
        (&dbcop.replace(' ', "\t "), Notation::Dbcop, meant(["\"x\"", "\"y\""], false)),
        (json, Notation::Dbcop, meant(["1", "2"], false)),
        (&json.replace('\n', " "), Notation::Dbcop, meant(["1", "2"], false)),
    ] {
        assert_eq!(Format::detect(text.as_bytes()), Some(Format::Transactions(notation)), "{text}");
        let read = reading(text);
        assert_eq!(operations(&read), operations(&reading(&same)), "{text}");
        assert!(!read.is_partial() && read.records.unsaid.invocations, "{text}");
        assert_eq!(operations(&reading(&converted(text))), operations(&read), "{text}");
        assert_eq!(judged(text, "serializable").0, Outcome::Valid, "{text}");
        // Where the write of 6 was committed, the order of the sessions has a cycle.
        let of_sessions = if notation == Notation::Awdit { Outcome::Invalid } else { Outcome::Inconclusive };
        assert_eq!(judged(text, "rw-register").0, of_sessions, "{text}");
    }
    // Where 0 is written, it is a value as any other.
    assert_eq!(
        operations(&reading("w 0 0\n=\nr 0 0\nr 1 0\n"))[1],
        r#"1 txn [["r", 0, 0], ["r", 1, nil]] [["r", 0, 0], ["r", 1, nil]] Ok"#
    );
    // A long fork: two readers see two writes in different orders.
    let fork = "w(1,1,0,1)\nw(2,1,1,2)\nr(1,1,2,3)\nr(2,0,2,3)\nr(2,1,3,4)\nr(1,0,3,4)\n";
    assert_eq!(judged(fork, "serializable").0, Outcome::Invalid);
    assert_eq!(judged(fork, "causal").0, Outcome::Valid);
    for (text, problem) in [
        ("w(1,5,0,3)\nw(1,x,0,3)\n", "line 2, column 1: expected r(key,value,session,transaction)"),
        ("w 1 5\nw 1\n", "line 2, column 1: expected `r key value`"),
        ("[x:=1]\n[x:=1 y]\n", "line 2, column 7: expected x:=1, x==1 or x==?"),
        ("[x:=1]\n  [x:=1\n", "line 2, column 3: this transaction has no `]` on its line"),
        ("[x:=1]\n[x:=1] x\n", "line 2, column 8: expected `[`"),
        ("[[{\"events\":[],\"committed\":true}],\n5]", "line 2, column 1"),
        ("[[{\"events\":[5],\"committed\":true}]]", "line 1, column 1: not an event: transaction 0 of session 0"),
    ] {
        assert!(damage(text).starts_with(problem), "{text}: {}", damage(text));
    }
}

/// Porcupine's test data: `get`, `put` and `append` of strings, with keys.
#[test]
fn porcupines_logs_are_read() {
    let text = r#"{:process 0, :type :invoke, :f :append, :key "0", :value "x 0 0 y"}
{:process 0, :type :ok, :f :append, :key "0", :value "x 0 0 y"}
{:process 1, :type :invoke, :f :get, :key "7", :value nil}
{:process 1, :type :ok, :f :get, :key "7", :value ""}
"#;
    let read = reading(text);
    assert_eq!(operations(&read), ["0 append \"x 0 0 y\" \"x 0 0 y\" Ok", "1 get nil \"\" Ok"]);
    assert!(read.records.text(read.records.ops[1].key).contains('7'));
}

proptest! {
    /// Bytes that were changed, doubled, taken out or cut off make no reader panic, nor read what is not there.
    #[test]
    fn a_mutated_text_makes_no_reader_panic(text in 0usize..9, at in 0usize..600, byte: u8, taken in 0usize..4, cut in 0usize..700) {
        let [invoke, ok] = WRITE;
        let texts = [
            format!("[{invoke},\n{ok}]"),
            format!("{}\n{}", pretty(invoke), pretty(ok)),
            format!("{{\"a\":[1],\"history\":[{invoke},{ok}],\"b\":2}}"),
            "[^:a {:process 0, :type :invoke, :f :w, :value #object[A 0x1 \"b\"]} #<A (b> #:n{:a 017} #\"a\" 'b]".to_owned(),
            "2023 [jepsen worker 3] jepsen.util: 0\t:invoke\t:w\t[1 2]\n0 :info :w nil java.X: (a\n".to_owned(),
            "w(1,5,0,3)\nr(2,0,0,3)\nw(2,6,1,-1)\n".to_owned(),
            "w 1 5\nr 2 0\n----\nr 1 5\n=====\nw 2 6\n".to_owned(),
            "[x:=5 y==?] [x==5]\n---\n[y:=6]!\n".to_owned(),
            "[[{\"events\":[[\"r\",1,null],{\"Write\":{\"variable\":2,\"version\":6}}],\"committed\":false}]]".to_owned(),
        ];
        let mut bytes = texts[text].clone().into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        bytes.drain(at..(at + taken).min(bytes.len()));
        bytes.truncate(cut.max(1));
        for format in Format::ALL {
            let reading = read(&bytes[..], format, &Selection { allow_partial: taken == 0, ..Selection::default() });
            let mut reader = &bytes[..];
            let mut events = Events::new(&mut reader, format);
            let mut count = 0;
            let whole = loop {
                match events.next_event() {
                    Ok(Some(_)) => count += 1,
                    Ok(None) => break events.torn.is_none(),
                    Err(_) => break false,
                }
            };
            prop_assert!(count <= bytes.len() / 2 + 1);
            // What is read as a history is whole only if its events are.
            if let Ok(reading) = reading {
                prop_assert!(whole || reading.is_partial(), "{}", String::from_utf8_lossy(&bytes));
            }
        }
    }
}

/// A string of EDN that is the function of a micro-operation is `{"#edn":"\\"w\\""}` in JSON, which no model took for a function.
#[test]
fn regression_a_conversion_changed_functions_of_micro_operations() {
    let txn = |process: u64, micros: &str| {
        format!(
            "{{:process {process}, :type :invoke, :f :txn, :value {micros}}}\n{{:process {process}, :type :ok, :f :txn, :value {micros}}}\n"
        )
    };
    let one = |f: &str| txn(0, &format!("[[{f} :x 1]]"));
    for (model, text) in [
        ("rw-register", one("\"w\"") + &txn(1, "[[\"r\" :x 1]]")),
        ("rw-register", one("\"w\"") + &txn(1, "[[\"r\" :x 2]]")),
        ("multi-register", one("\"w\"") + &txn(1, "[[:r :x 2]]")),
        ("session", one("\"w\"") + &txn(0, "[[\"r\" :x nil]]")),
        ("pram", one("\"w\"") + &txn(0, "[[\"r\" :x nil]]")),
        ("causal", one("\"w\"") + &txn(1, "[[\"r\" :x 1]]")),
        ("long-fork", one("\"w\"") + &txn(1, "[[\"r\" :x 1]]")),
        ("list-append", one("\"append\"") + &txn(1, "[[\"r\" :x [2]]]")),
        ("list-append", one("\"append\"") + &txn(1, "[[\"r\" :x [1]]]")),
        ("kafka", txn(0, "[[\"send\" :x [0 1]]]") + &txn(1, "[[\"poll\" {:x [[0 2]]}]]")),
    ] {
        let json = converted(&text);
        assert!(json.contains("#edn"), "{json}");
        assert_eq!(operations(&reading(&json)), operations(&reading(&text)), "{text}");
        assert_eq!(judged(&json, model), judged(&text, model), "{model}: {text}");
        let guess = |text: &str| registry::guess(&reading(text).records);
        assert_eq!(guess(&json), guess(&text), "{text}");
    }
    // Keys within values, and what is a map elsewhere.
    let keyed = txn(0, "[[\"a\" 1] [[:w :x 1]]]") + &txn(1, "[[\"a\" 1] [[:w :x {\"#edn\" \"\\\"w\\\"\"}]]]");
    assert_eq!(operations(&reading(&converted(&keyed))), operations(&reading(&keyed)));
}

/// How a name is written did not survive a conversion: a symbol as `f` became a file that was refused, the functions of a `"txn"`
/// came back as other values, and `":w"`, which JSON has for a keyword, became a string.
#[test]
fn regression_names_were_others_after_a_conversion() {
    let event = |f: &str, micros: &str, process: &str| {
        ["invoke", "ok"]
            .map(|kind| format!("{{:process {process}, :type :{kind}, :f {f}, :value {micros}}}\n"))
            .concat()
    };
    for f in [":txn", "\"txn\"", "txn", "\":txn\"", "\"::txn\"", "\"a b\"", ":1a", "write", "\"write\""] {
        for micro in [":append", "\"append\"", "append", "\":append\"", "\"::append\"", "\"a b\"", ":1a", "1", "nil"] {
            for process in ["0", "\":a\"", ":a", "a", "\"a\"", "\"a b\""] {
                let text = event(f, &format!("[[{micro} \"k\" :v]]"), process);
                let json = converted(&text);
                assert_eq!(operations(&reading(&json)), operations(&reading(&text)), "{text}{json}");
                assert_eq!(as_edn(&json), text, "{json}");
            }
        }
    }
    for f in ["txn", ":txn", "::txn", "a b", ":a b"] {
        for micro in ["w", ":w", "::w", "a b", ":a b", "1"] {
            let line = |kind| {
                format!(
                    "{{\"process\":\"{f}\",\"type\":\"{kind}\",\"f\":\"{f}\",\"value\":[[\"{micro}\",\"k\",\":v\"]]}}\n"
                )
            };
            let text = line("invoke") + &line(":ok");
            let edn = as_edn(&text);
            assert_eq!(operations(&reading(&edn)), operations(&reading(&text)), "{text}{edn}");
            assert_eq!(operations(&reading(&converted(&edn))), operations(&reading(&text)), "{text}{edn}");
        }
    }
}
