//! Values, keys and processes of any shape, and which of them are equal.

use std::fmt::Write;

use crate::checks::check::{Context, Settings};
use crate::checks::registry;
use crate::finding::Finding;
use crate::formats::{Format, Selection, read};
use crate::history::{History, Identities, KeySource, NotKeyed};
use crate::limits::Limits;
use crate::outcome::Outcome::{self, Inconclusive, Invalid, Valid};

fn of_edn(text: &str) -> History {
    read(text.as_bytes(), Format::Edn, &Selection::default())
        .unwrap_or_else(|damage| panic!("{damage}\n{text}"))
        .records
}

fn of_json(text: &str) -> History {
    read(text.as_bytes(), Format::Json, &Selection::default())
        .unwrap_or_else(|damage| panic!("{damage}\n{text}"))
        .records
}

fn judge(model: &str, history: &History) -> Finding {
    let settings = Settings::default();
    let asked = registry::find(model, &settings);
    let [asked] = &asked[..] else { panic!("{model} is one check") };
    asked.check(history, &Context::new(Limits::default(), &settings))
}

/// Operations one after the other, each with function, argument and result, by processes 0, 1, ...
fn sequence(operations: &[[&str; 3]]) -> String {
    let mut text = String::new();
    for (process, [f, argument, result]) in operations.iter().enumerate() {
        let _ = writeln!(text, "{{:process {process} :type :invoke :f :{f} :value {argument}}}");
        let _ = writeln!(text, "{{:process {process} :type :ok :f :{f} :value {result}}}");
    }
    text
}

/// Values of each shape, in two notations of equal values, and another value.
const SHAPES: [[&str; 3]; 13] = [
    ["[1 2]", "(1.0 2)", "[2 1]"],
    ["{:a 1 :b [2]}", "{\"b\" [2N], \"a\" 1}", "{:a 1 :b [3]}"],
    ["#{1 2 3}", "#{3 2 1}", "#{1 2}"],
    ["[]", "()", "{}"],
    ["[[1 [2]] nil]", "[[1 [2M]] nil]", "[[1 2] nil]"],
    ["{[1 2] #{:x :y}}", "{[1 2] #{\"y\" \"x\"}}", "{[1 2] #{:x}}"],
    ["1/2", "0.5", "0.5001"],
    ["100000000000000000000N", "1e20", "100000000000000000001N"],
    ["#inst \"2026\"", "\"2026\"", "2026"],
    [":name/space", "\"name/space\"", "\"name\""],
    ["\\u0041", "\\A", "\"A\""],
    ["\\o101", "\\A", "\\o"],
    ["{#{1} {}}", "{#{1.0} {}}", "{[1] {}}"],
];

/// Model, operations, and a function with a result that is right, and one that is wrong.
type Case<'a> = (&'a str, Vec<[&'a str; 3]>, &'a str, String, String);

#[test]
fn a_value_of_any_shape_is_found_again_and_another_is_not() {
    for [one, same, other] in SHAPES {
        let pair = |new: &str| format!("[{one} {new}]");
        let both = format!("[{one} 7]");
        let cases: Vec<Case<'_>> = vec![
            ("cas-register", vec![["write", one, one]], "read", same.into(), other.into()),
            ("register", vec![["write", "7", "7"], ["write", one, one]], "read", same.into(), "7".into()),
            ("queue", vec![["enqueue", one, one]], "dequeue", same.into(), other.into()),
            ("stack", vec![["push", "7", "7"], ["push", one, one]], "pop", same.into(), other.into()),
            ("total-queue", vec![["enqueue", one, one]], "dequeue", same.into(), other.into()),
            ("set", vec![["add", one, one], ["add", "7", "7"]], "read", format!("[7 {same}]"), format!("[7 {other}]")),
            ("set-full", vec![["add", one, one], ["add", "7", "7"]], "read", format!("#{{7 {same}}}"), "[7]".into()),
            ("staleness", vec![["write", one, one]], "read", same.into(), other.into()),
            ("monotonic-reads", vec![["write", one, one], ["read", "nil", same]], "read", same.into(), String::new()),
            ("unique-ids", vec![["generate", "nil", one]], "generate", other.into(), same.into()),
            ("dirty-reads", vec![["write", one, one]], "read", format!("[{one} {same}]"), format!("[{one} {other}]")),
        ];
        for (model, mut operations, f, fine, wrong) in cases {
            let before = operations.clone();
            operations.push([f, "nil", &fine]);
            let mut text = sequence(&operations);
            if model == "staleness" {
                text = timed(&text);
            }
            let found = judge(model, &of_edn(&text));
            assert_eq!(found.outcome(), Valid, "{model} of {one}\n{text}\n{found:?}");
            if wrong.is_empty() {
                continue;
            }
            operations = before;
            operations.push([f, "nil", &wrong]);
            let mut text = sequence(&operations);
            if model == "staleness" {
                text = timed(&text);
            }
            let found = judge(model, &of_edn(&text));
            assert_eq!(found.outcome(), Invalid, "{model} of {one}\n{text}\n{found:?}");
        }
        let swapped = pair("7");
        let cas = [["write", same, same], ["cas", &swapped, &swapped], ["read", "nil", "7"]];
        assert_eq!(judge("cas-register", &of_edn(&sequence(&cas))).outcome(), Valid, "cas of {one}");
        let cas = [["write", other, other], ["cas", &both, &both]];
        assert_eq!(judge("cas-register", &of_edn(&sequence(&cas))).outcome(), Invalid, "cas of {one}");
    }
}

fn timed(text: &str) -> String {
    text.lines().enumerate().map(|(at, line)| format!("{{:time {at} {}\n", &line[1..])).collect()
}

#[test]
fn keys_and_values_of_transactions_are_any_data() {
    for [one, same, other] in SHAPES {
        let txn = |micros: &str| format!("[{micros}]");
        let write = |f: &str, key: &str, value: &str| txn(&format!("[:{f} {key} {value}]"));
        let read = |key: &str, value: &str| txn(&format!("[:r {key} {value}]"));
        for (model, f, fine, wrong) in [
            ("rw-register", "w", read(same, same), read(same, other)),
            ("multi-register", "w", read(same, same), read(same, other)),
            ("list-append", "append", read(same, &format!("[{same}]")), read(same, &format!("[{other}]"))),
            ("read-atomic", "w", read(same, same), read(same, other)),
            ("causal", "w", read(same, same), read(same, other)),
        ] {
            for (shown, outcome) in [(fine, Valid), (wrong, Invalid)] {
                let wrote = write(f, one, one);
                let asked = read(same, "nil");
                let mut text = sequence(&[["txn", &wrote, &wrote]]);
                let _ = writeln!(text, "{{:process 1 :type :invoke :f :txn :value {asked}}}");
                let _ = writeln!(text, "{{:process 1 :type :ok :f :txn :value {shown}}}");
                let found = judge(model, &of_edn(&text));
                assert_eq!(found.outcome(), outcome, "{model} of {one}\n{text}\n{found:?}");
            }
        }
    }
}

#[test]
fn what_is_equal_is_so_in_every_format() {
    let equal: [&[&str]; 16] = [
        &["1", "1.0", "1N", "1M", "1e0", "+1", "2/2", "10e-1"],
        &["0", "-0.0", "0M", "0/3"],
        &["##NaN", "##NaN"],
        &["##Inf"],
        &["\"x\"", ":x"],
        &["x"],
        &["\\x", "\\u0078"],
        &["\"1\""],
        &["[1 2]", "(1 2)", "[1.0 2M]"],
        &["[2 1]"],
        &["#{1 2}", "#{2 1}", "#{2 1 1.0}"],
        &["{1 2}", "{1.0 2N}"],
        &["{2 1}"],
        &["nil"],
        &["\"\""],
        &["{:a {:b 1}, :c 2}", "{\"c\" 2, :a {\"b\" 1.0}}"],
    ];
    let event = |value: &str| format!("{{:process 0 :type :invoke :f :w :value [{value}]}}");
    let all: Vec<(usize, &str)> = equal
        .iter()
        .enumerate()
        .flat_map(|(group, notations)| notations.iter().map(move |one| (group, *one)))
        .collect();
    let edn = event(&all.iter().map(|(_, notation)| *notation).collect::<Vec<_>>().join(" "));
    let tree = crate::formats::tree::parse_edn(&edn).expect("it is EDN");
    let json = crate::formats::json_form::json_line(&tree);
    for history in [of_edn(&edn), of_json(&json)] {
        let mut same = Identities::new(&history);
        let values = history.datum(history.ops[0].argument).elements().expect("a list");
        assert_eq!(values.len(), all.len());
        for (one, (group, notation)) in values.iter().zip(&all) {
            for (other, (other_group, other_notation)) in values.iter().zip(&all) {
                let is_equal = group == other_group;
                assert_eq!(same.of(*one) == same.of(*other), is_equal, "{notation} and {other_notation}");
                assert_eq!(history.is_equal(*one, *other), is_equal, "{notation} and {other_notation}");
                assert_eq!(
                    history.notation(*one) == history.notation(*other),
                    is_equal,
                    "{notation}, {other_notation}"
                );
                assert_eq!(
                    history.key_name(*one) == history.key_name(*other),
                    is_equal,
                    "{notation}, {other_notation}"
                );
            }
        }
    }
}

#[test]
fn keys_are_any_data_and_shown_plainly() {
    let keys = [
        ("1", "1"),
        ("\"1\"", "\"1\""),
        (":x", "x"),
        ("[1 \"a\"]", "[1, \"a\"]"),
        ("[\"1\" :a]", "[\"1\", \"a\"]"),
        ("{:b 2 :a nil}", "{\"a\": nil, \"b\": 2}"),
        ("#{2 1}", "#{1, 2}"),
        ("[]", "[]"),
        ("[nil]", "[nil]"),
        ("\"nil\"", "\"nil\""),
        ("true", "true"),
        ("-1", "-1"),
        ("1/3", "1/3"),
        ("\"a b\"", "a b"),
    ];
    let mut text = String::new();
    for (process, (key, _)) in keys.iter().enumerate() {
        for (kind, f, value) in [("invoke", "write", process), ("ok", "write", process)] {
            let _ = writeln!(text, "{{:process {process} :type :{kind} :f :{f} :key {key} :value {value}}}");
        }
    }
    let history = of_edn(&text);
    let shown: Vec<&str> = history.ops.iter().map(|op| history.text(op.key)).collect();
    assert_eq!(shown, keys.map(|(_, shown)| shown));
    assert_eq!(judge("register", &history).figures["objects"], keys.len() as f64);
}

/// Key 1 and key "1" were one key.
#[test]
fn a_number_and_the_string_of_it_are_two_keys() {
    let text = r#"{"process":0,"type":"invoke","f":"write","key":1,"value":1}
{"process":0,"type":"ok","f":"write","key":1,"value":1}
{"process":0,"type":"invoke","f":"write","key":"1","value":2}
{"process":0,"type":"ok","f":"write","key":"1","value":2}
{"process":0,"type":"invoke","f":"read","key":1.0,"value":null}
{"process":0,"type":"ok","f":"read","key":1.0,"value":1}
"#;
    assert_eq!(judge("register", &of_json(text)).outcome(), Valid);
    assert_eq!(judge("register", &of_json(&text.replace("1.0", "\"1\""))).outcome(), Invalid);
}

#[test]
fn keys_in_values_are_recognised_by_what_functions_take() {
    use KeySource::{Events, Unclear, Values};
    let write = ["write", "[7 1]", "[7 1]"];
    let cases: [(&[[&str; 3]], KeySource); 20] = [
        (&[write, ["read", "[7 nil]", "[7 1]"]], Values),
        (&[["write", "[[7 8] 1]", "[[7 8] 1]"], ["read", "[[7 8] nil]", "[(7 8.0) 1]"]], Values),
        (&[["write", "[nil 1]", "[nil 1]"], ["read", "[nil nil]", "[nil 1]"]], Values),
        (&[["write", "[{:a 1} nil]", "[{:a 1} nil]"], ["read", "[{:a 1} nil]", "[{\"a\" 1} nil]"]], Values),
        (&[["enqueue", "[1 2]", "[1 2]"], ["dequeue", "[1 nil]", "[1 2]"]], Values),
        (&[["acquire", "[1 nil]", "[1 nil]"], ["release", "[1 nil]", "[1 nil]"]], Values),
        (&[["generate", "[1 nil]", "[1 99]"]], Values),
        (&[["txn", "[5 [[:w 1 2]]]", "[5 [[:w 1 2]]]"]], Values),
        (&[["txn", "[5 []]", "[5 []]"]], Values),
        (&[["push", "[1 2]", "[1 2]"], ["pop", "[1 nil]", "[1 2]"]], Values),
        (&[["cas", "[1 [2 3]]", "[1 [2 3]]"], ["read", "[1 nil]", "[1 3]"]], Values),
        (&[write], Unclear),
        (&[write, ["cas", "[7 [1 2]]", "[7 [1 2]]"]], Unclear),
        (&[write, ["read", "[7 nil]", "[8 1]"]], Unclear),
        (&[["add", "[1 2]", "[1 2]"], ["remove", "[1 2]", "[1 2]"]], Unclear),
        (&[write, ["read", "nil", "[7 1]"]], Events),
        (&[write, ["read", "[7 1]", "[7 1]"]], Events),
        (&[write, ["cas", "[1 2]", "[1 2]"], ["read", "[7 nil]", "[7 1]"]], Events),
        (&[["txn", "[[:w 1 2] [:r 1 nil]]", "[[:w 1 2] [:r 1 2]]"]], Events),
        (&[["write", "1", "1"], ["read", "nil", "1"]], Events),
    ];
    for (operations, source) in cases {
        let history = of_edn(&sequence(operations));
        assert_eq!(history.key_source, source, "{operations:?}");
        let has_keys = history.ops.iter().all(|op| op.key.is_some());
        assert_eq!(has_keys, source == Values, "{operations:?}");
    }
    assert_eq!(of_edn("").key_source, Events);
}

#[test]
fn keys_are_taken_from_values_where_that_is_asked_for() {
    let recorded = Selection { values_as_recorded: true, ..Selection::default() };
    let of = |text: &str| read(text.as_bytes(), Format::Edn, &recorded).expect("it is whole").records;
    let mut history =
        of(&sequence(&[["write", "[7 1]", "[7 1]"], ["write", "[[8] nil]", "nil"], ["read", "nil", "[7 1]"]]));
    assert_eq!(history.key_source, KeySource::Events);
    assert_eq!(history.take_keys_from_values(), Ok(()));
    let shown: Vec<[String; 3]> = history
        .ops
        .iter()
        .map(|op| [history.text(op.key).to_owned(), history.show(op.argument), history.show(op.result)])
        .collect();
    let expected = [["7", "1", "1"], ["[8]", "nil", "nil"], ["7", "nil", "1"]];
    assert_eq!(shown, expected.map(|parts| parts.map(str::to_owned)));
    let mut plain = of(&sequence(&[["write", "[7 1]", "[7 1]"], ["write", "5", "5"]]));
    assert_eq!(plain.take_keys_from_values(), Err(NotKeyed::NoPair { index: 2, value: "5".into() }));
    assert_eq!(plain.key_source, KeySource::Events);
    assert_eq!(plain.show(plain.ops[0].argument), "[7, 1]");
    let mut keyed = of("{:process 0 :type :invoke :f :write :key 1 :value [1 2]}");
    assert_eq!(keyed.take_keys_from_values(), Err(NotKeyed::HasKeys { index: 0 }));
}

/// Processes that are no small numbers were passed over, and what they saw counted as fine.
#[test]
fn any_data_names_a_process() {
    let names = [
        ("\"c1\"", "c1"),
        (":c1", "c1"),
        ("-1", "-1"),
        ("1.5", "1.5"),
        ("4294967296", "4294967296"),
        ("18446744073709551616", "18446744073709551616N"),
        ("\"1\"", "\"1\""),
        ("1/3", "1/3"),
        ("[\"n1\" 3]", "[\"n1\", 3]"),
        ("true", "true"),
        ("worker", "'worker"),
        ("2147483648", "2147483648"),
        ("7.0", "7"),
    ];
    for (name, shown) in names {
        let wrote = "{:process 0 :type :invoke :f :write :value 1} {:process 0 :type :ok :f :write :value 1}";
        let read =
            format!("{{:process {name} :type :invoke :f :read}} {{:process {name} :type :ok :f :read :value 99}}");
        let edn = format!("{wrote}\n{read}");
        let json: String = format!("{wrote} {read}")
            .split_inclusive('}')
            .map(|event| crate::formats::tree::parse_edn(event.trim()).expect("it is EDN"))
            .map(|event| crate::formats::json_form::json_line(&event) + "\n")
            .collect();
        for history in [of_edn(&edn), of_json(&json)] {
            assert_eq!((history.ops.len(), history.passed_over), (2, 0), "{name}");
            let found = judge("register", &history);
            assert_eq!(found.outcome(), Invalid, "{name}");
            assert_eq!(history.process_of(1).to_string(), shown);
            let said = found.explained().next().expect("it is explained").explanation.clone();
            assert!(said.contains(&format!("process {shown} read")), "{said}");
            let alone = history.only(&[1]).expect("there is room");
            assert_eq!(alone.process_of(0).to_string(), shown, "{name}");
        }
        let twice = format!("{{:process {name} :type :invoke :f :read}} {{:process {name} :type :invoke :f :read}}");
        let refused = read_error(&twice);
        assert!(refused.contains(&format!("process {shown} invokes `read` while its `read` is open")), "{refused}");
    }
    let nemesis = of_edn("{:process :nemesis :type :info :f :start} {:process \"nemesis\" :type :info :f :stop}");
    assert_eq!((nemesis.ops.len(), nemesis.nemesis().len(), nemesis.passed_over), (0, 2, 0));
}

fn read_error(text: &str) -> String {
    match read(text.as_bytes(), Format::Edn, &Selection::default()) {
        Ok(reading) => panic!("it was read: {} operations", reading.records.ops.len()),
        Err(damage) => damage.to_string(),
    }
}

#[test]
fn lists_that_registers_show_are_siblings_or_values() {
    use crate::objects::reads_siblings;
    let cases: [(&[[&str; 3]], bool); 10] = [
        (&[["write", "1", "1"], ["read", "nil", "[1]"]], true),
        (&[["write", "1", "1"], ["write", "2", "2"], ["read", "nil", "[1 2]"]], true),
        (&[["write", "1", "1"], ["read", "nil", "#{1}"]], true),
        (&[["read", "nil", "[]"]], true),
        (&[["write", "[1 2]", "[1 2]"], ["read", "nil", "[[1 2]]"]], true),
        (&[["write", "[1 2]", "[1 2]"], ["read", "nil", "[1 2]"]], false),
        (&[["write", "[1 2]", "[1 2]"], ["read", "nil", "[9 9]"]], false),
        (&[["write", "#{1}", "#{1}"], ["read", "nil", "#{1}"]], false),
        (&[["cas", "[nil [1]]", "[nil [1]]"], ["read", "nil", "[1]"]], false),
        (&[["write", "1", "1"], ["read", "nil", "1"]], false),
    ];
    for (operations, siblings) in cases {
        assert_eq!(reads_siblings(&of_edn(&sequence(operations))), siblings, "{operations:?}");
    }
}

#[test]
fn a_model_says_which_values_it_cannot_take() {
    let cases: [(&str, &[[&str; 3]], &str); 10] = [
        ("counter", &[["add", "[1]", "[1]"]], "[1]"),
        ("counter", &[["add", "1.5", "1.5"]], "1.5"),
        ("counter", &[["add", "1", "1"], ["read", "nil", "{:a 1}"]], "{\"a\": 1}"),
        ("counter", &[["add", "\"1\"", "\"1\""]], "\"1\""),
        ("priority-queue", &[["insert", "[1]", "[1]"]], "[1]"),
        ("monotonic", &[["read", "nil", "[1]"]], "[1]"),
        ("cas-register", &[["cas", "{:old 1 :new 2}", "{:old 1 :new 2}"]], "{\"old\": 1, \"new\": 2}"),
        ("set-full", &[["add", "1", "1"], ["read", "nil", "7"]], "7"),
        ("set", &[["add", "1", "1"], ["read", "nil", "{1 1}"]], "{1: 1}"),
        ("unique-ids", &[["generate", "nil", "nil"]], "nil"),
    ];
    for (model, operations, value) in cases {
        let found = judge(model, &of_edn(&sequence(operations)));
        let outcome: Outcome = found.outcome();
        assert_eq!(outcome, Inconclusive, "{model} of {operations:?}: {found:?}");
        assert!(
            found.doubts.iter().any(|doubt| doubt.contains(value)),
            "{model}: {:?} says nothing of {value}",
            found.doubts
        );
    }
}
