//! Formats: what is written comes back, in either language; damage is found where it is; no text makes a reader panic.

use proptest::prelude::*;

use crate::formats::edn::is_symbol;
use crate::formats::json_form::{event_from_json, event_to_json};
use crate::formats::tree::{Plain, parse_edn};
use crate::formats::whole_events::Events;
use crate::formats::{Format, Reading, Selection, Tree, json, read};
use crate::formats::{json_form::json_line, write::edn_text};
use crate::history::{History, Kind};

fn reading(format: Format, text: &str) -> Reading {
    read(text.as_bytes(), format, &Selection::default()).unwrap_or_else(|damage| panic!("{damage} in:\n{text}"))
}

fn damage(format: Format, text: &str) -> String {
    match read(text.as_bytes(), format, &Selection::default()) {
        Ok(_) => panic!("there is no damage in:\n{text}"),
        Err(damage) => damage.to_string(),
    }
}

/// All operations as readable text.
fn described(records: &History) -> Vec<String> {
    let texts = records.ops.iter().enumerate().map(|(at, op)| {
        let (f, key) = (records.text(op.f), records.text(op.key));
        let (argument, result) = (records.show(op.argument), records.show(op.result));
        format!(
            "{} {f} {key} {argument} {result} {:?} {:?}",
            op.process,
            op.kind,
            records.events_of(at).collect::<Vec<_>>()
        )
    });
    texts.collect()
}

fn parse_json(text: &str) -> Tree {
    let mut parser = json::Parser::new(text.as_bytes());
    let value = parser.value(&mut Plain, &mut Vec::new()).expect("it is JSON");
    parser.end().expect("it is one value");
    value
}

const JEPSEN: &str = r#"; a comment
[#jepsen.history.Op{:index 0, :time 10, :type :invoke, :process 0, :f :txn, :value [[:append 1 2] [:r :x nil]]}
 {:index 1 :time 11 :type :info :process :nemesis :f :start :value #{"n1" "n2"}} #_{:type :bogus}
 {:index 2, :time 12, :type :ok, :process 0, :f :txn, :value [[:append 1 2] [:r :x (1/3 \a 12345678901234567890N)]],
  :extra #inst "2020"}]
"#;

#[test]
fn jepsens_histories_are_read() {
    let reading = reading(Format::Edn, JEPSEN);
    let value = r#"[["append", 1, 2], ["r", "x", nil]]"#;
    let result = r#"[["append", 1, 2], ["r", "x", [1/3, \a, 12345678901234567890N]]]"#;
    assert_eq!(described(&reading.records), [format!("0 txn  {value} {result} Ok [0, 2]")]);
    assert_eq!((reading.records.passed_over, reading.records.timed, reading.torn), (0, true, None));
    let nemesis = reading.records.nemesis();
    assert_eq!((nemesis.len(), nemesis[0].index, nemesis[0].time, &*nemesis[0].f), (1, 1, 11, "start"));
}

#[test]
fn a_log_is_read() {
    let text = "INFO  jepsen.core - Starting\n\
        INFO  jepsen.util - 0\t:invoke\t:cas\t[1 2]\n\
        2020-01-01 10:00:00 INFO [worker 1] jepsen.util: 1 :invoke :read nil\n\
        INFO  jepsen.util - :nemesis :info :start nil\n\
        INFO  jepsen.util - 0\t:info\t:cas\t:timed-out\n\
        INFO  jepsen.util - 1\t:ok\t:read\t3\n";
    assert_eq!(Format::detect(text.as_bytes()), Some(Format::Log));
    let reading = reading(Format::Log, text);
    assert_eq!(described(&reading.records), [r#"0 cas  [1, 2] "timed-out" Info [0, 3]"#, "1 read  nil 3 Ok [1, 4]"]);
    assert_eq!((reading.other_lines, reading.records.timed, reading.records.nemesis().len()), (1, false, 1));
    assert_eq!(
        damage(Format::Log, "INFO  jepsen.util - 0\t:invoke\t:cas\t[1 2\n"),
        "line 1, column 40: expected `]`, found the end"
    );
}

#[test]
fn formats_are_distinguished() {
    let cases: [(&str, Option<Format>); 9] = [
        ("", Some(Format::Json)),
        (" {\"a\":1}", Some(Format::Json)),
        ("\u{feff}{ \"a\":1}", Some(Format::Json)),
        ("{:a 1}", Some(Format::Edn)),
        ("{", Some(Format::Json)),
        ("[{:a 1}]", Some(Format::Edn)),
        ("; c\n{:a 1}", Some(Format::Edn)),
        ("#jepsen.history.Op{}", Some(Format::Edn)),
        ("hello", None),
    ];
    for (text, format) in cases {
        assert_eq!(Format::detect(text.as_bytes()), format, "{text}");
    }
}

const LINE: &str = r#"{"index":0,"time":5,"process":0,"type":"invoke","f":"write","key":"k","value":1,"node":"n1"}"#;

#[test]
fn damage_is_located() {
    let json: [(&str, &str); 7] = [
        ("{\"index\":1,\"time\":5,,}", "line 2, column 21: expected a field's name in quotes, found `,`"),
        ("{\"type\":\"nope\"}", "line 2, column 9: not an event: the type `nope` is none of invoke, ok, fail, info"),
        (
            "{\"process\":1,\"type\":\"ok\",\"f\":\"read\"}",
            "line 2, column 1: process 1 completes `read` that it never invoked",
        ),
        ("{\"process\":1,\"type\":\"ok\"}", "line 2, column 26: not an event: it has no `f`"),
        (
            "{\"index\":0,\"process\":1,\"type\":\"invoke\",\"f\":\"x\"}",
            "line 2, column 1: not an event: index 0 after 0: events are doubled or out of order",
        ),
        ("[1]", "line 2, column 1: expected `{`, found `[`"),
        ("{\"value\":\"\\ud800\"}", "line 2, column 11: half of a surrogate pair in a string"),
    ];
    for (line, expected) in json {
        assert_eq!(damage(Format::Json, &format!("{LINE}\n{line}\n{LINE}\n")), expected);
    }
    let edn = [
        ("{:type :invoke\n :f}", "line 2, column 4: not an event: a keyword belongs here"),
        ("{:type :invoke ]}", "line 1, column 16: expected a value, found `]`"),
        ("]", "line 1, column 1: `]` closes nothing"),
        ("{} 5", "line 1, column 3: not an event: it has no `type`"),
    ];
    for (text, expected) in edn {
        assert_eq!(damage(Format::Edn, text), expected);
    }
}

/// Such a name was taken from EDN and from a log, and refused after a conversion to JSON.
#[test]
fn regression_names_that_are_none_were_read_from_some_formats_alone() {
    for name in [":`r", "`r", "12", "true", ":", "::a", ":a@b"] {
        let edn = format!("{{:process 0, :type :invoke, :f {name}, :value nil}}");
        let found = damage(Format::Edn, &edn);
        assert!(found.ends_with(&format!("a keyword belongs here, and `{name}` is none")), "{found}");
        let none = reading(Format::Log, &format!("3\t:invoke\t{name}\tnil\n"));
        assert_eq!(none.records.ops.len(), 0, "{name}");
        let marked = damage(Format::Log, &format!("INFO jepsen.util - 3\t:invoke\t{name}\tnil\n"));
        assert!(marked.contains("a function follows the type"), "{name}: {marked}");
    }
}

/// JSON has no form for it, so a conversion made it a map.
#[test]
fn regression_a_tag_that_is_none_was_read() {
    for tag in ["a\0", "a@b", "a~"] {
        let found = damage(Format::Edn, &format!("{{:process 0, :type :invoke, :f :x, :value #{tag} 1}}"));
        assert!(found.ends_with(&format!("`#{tag}` is no tag")), "{found}");
    }
}

/// It was octal where it was read, and decimal where it was converted.
#[test]
fn regression_the_number_of_a_process_in_a_log_is_decimal() {
    let text = "022 :invoke :read nil\n022 :ok :read 5\n";
    let history = reading(Format::Log, text).records;
    assert_eq!(history.process_name(history.ops[0].process).to_string(), "22");
    let mut bytes = text.as_bytes();
    let event = Events::new(&mut bytes, Format::Log).next_event().expect("it is a log").expect("it has an event");
    assert_eq!(event.event.get("process"), Some(&Tree::Int(22)));
}

/// The keyword was taken for nil, and the event for one without a function.
#[test]
fn regression_a_function_called_nil_is_one() {
    let line = reading(Format::Log, "3\t:invoke\t:nil\t5\n3\t:ok\t:nil\t5\n");
    let edn =
        reading(Format::Edn, "{:process 3 :type :invoke :f :nil :value 5} {:process 3 :type :ok :f :nil :value 5}");
    let completion = reading(Format::Edn, "{:process 3 :type :invoke :f :x :value 5} {:process 3 :type :fail :f nil}");
    let names = [line, edn, completion].map(|reading| reading.records.text(reading.records.ops[0].f).to_owned());
    assert_eq!(names, ["nil", "nil", "x"]);
}

/// `#:set` became a tag before a list, which EDN does not have.
#[test]
fn regression_the_name_of_a_namespace_was_taken_for_a_tag() {
    let event = event_from_json(&parse_json(r##"{"value":{"#:set":["n1",null]}}"##));
    let edn = edn_text(&event);
    assert_eq!(parse_edn(&edn).as_ref(), Some(&event), "{edn}");
    assert_eq!(json_line(&event), r##"{"value":{"#:set":["n1",null]}}"##);
}

/// Such a process was taken from a log, and was another one after a conversion.
#[test]
fn regression_a_process_with_a_name_that_is_none_was_read_from_a_log() {
    let line = "INFO jepsen.util - :a\0\t:invoke\t:read\tnil\n";
    assert_eq!(reading(Format::Log, line).records.ops.len(), 0);
}

#[test]
fn a_text_that_was_cut_off_loses_its_last_form_alone() {
    for cut in 1..LINE.len() {
        let torn = reading(Format::Json, &format!("{LINE}\n{}", &LINE[..cut]));
        assert_eq!((torn.records.ops.len(), torn.torn.map(|torn| torn.line)), (1, Some(2)), "{}", &LINE[..cut]);
    }
    let event = "{:process 0 :type :invoke :f :read}";
    for cut in 1..event.len() {
        let torn = reading(Format::Edn, &format!("{}\n{}", "{:process 9 :type :invoke :f :read}", &event[..cut]));
        assert_eq!((torn.records.ops.len(), torn.torn.map(|torn| torn.line)), (1, Some(2)), "{}", &event[..cut]);
    }
    let within = format!("{}\n{LINE}\n", &LINE[..40]);
    assert!(damage(Format::Json, &within).starts_with("line 1, column 41"), "only the last line may be cut off");
}

#[test]
fn a_partial_reading_ends_at_the_damage_and_reports_it() {
    let text = format!("{LINE}\nnonsense\n{LINE}\n");
    let selection = Selection { allow_partial: true, ..Selection::default() };
    let reading = read(text.as_bytes(), Format::Json, &selection).expect("it is allowed");
    assert_eq!(reading.records.ops.len(), 1);
    assert!(reading.damage.is_some_and(|damage| damage.line == 2));
}

#[test]
fn one_workload_is_selected() {
    let line = |process: u8, workload: &str| {
        format!(r#"{{"process":{process},"type":"invoke","f":"read","value":null,"workload":"{workload}"}}"#)
    };
    let text = format!("{}\n{}\n", line(0, "set"), line(1, "cart"));
    let selection = Selection { workload: Some("cart".into()), ..Selection::default() };
    let reading = read(text.as_bytes(), Format::Json, &selection).expect("it is well-formed");
    assert_eq!((reading.records.ops[0].process, reading.records.passed_over), (1, 1));
    assert_eq!(reading.workloads.into_iter().collect::<Vec<_>>(), ["cart", "set"]);
}

/// Each with its form in JSON.
#[test]
fn what_json_does_not_have_is_expressed_in_json() {
    let cases = [
        (":x", r#"":x""#),
        ("\":x\"", r#""::x""#),
        ("\"::x\"", r#"":::x""#),
        ("\": x\"", r#"": x""#),
        ("#{1}", r##"{"#set":[1]}"##),
        ("(1)", r##"{"#list":[1]}"##),
        ("1/3", r##"{"#edn":"1/3"}"##),
        ("\\newline", r##"{"#edn":"\\newline"}"##),
        ("foo", r##"{"#edn":"foo"}"##),
        ("##-Inf", r###"{"#edn":"##-Inf"}"###),
        ("123456789012345678901234567890N", "123456789012345678901234567890"),
        ("{:a 1, 2 3, \"b\" 4, \"2\" 5, x 6, nil 7}", r#"{"a":1,"2":3,"\"b\"":4,"\"2\"":5,"'x":6,"nil":7}"#),
        ("{\"a b\" 1}", r#"{"a b":1}"#),
        ("{\"#set\" [1]}", r##"{"\"#set\"":[1]}"##),
        ("{\"#set\" 1}", r##"{"#set":1}"##),
        ("#inst \"2020\"", r##"{"#inst":"2020"}"##),
        ("#set [1]", r##"{"#edn":"#set [1]"}"##),
    ];
    for (edn, json) in cases {
        let value = parse_edn(edn).expect("it is EDN");
        let event = Tree::Map(vec![(Tree::Keyword("value".into()), value.clone())]);
        assert_eq!(json_line(&event), format!("{{\"value\":{json}}}"));
        assert_eq!(Tree::from_json(parse_json(json)), value, "{json}");
    }
}

#[test]
fn names_of_an_event_are_plain_in_json() {
    let edn = "{:type :ok, :f :txn, :process :nemesis, :value [[:append :x 1]], :error [:a \"b\"], :key \"k\"}";
    let json =
        r#"{"type":"ok","f":"txn","process":"nemesis","value":[["append",":x",1]],"error":[":a","b"],"key":"k"}"#;
    let event = parse_edn(edn).expect("it is EDN");
    assert_eq!(json_line(&event), json);
    assert_eq!(edn_text(&event_from_json(&parse_json(json))), edn);
}

fn name() -> impl Strategy<Value = String> {
    "[a-z+.*!_?$%&=<>/:0-9'#-]{1,4}"
}

/// Values of EDN as a reader makes them.
fn tree() -> impl Strategy<Value = Tree> {
    let notation = prop_oneof!["[1-9]/[1-9]", "-?[1-9][0-9]{19,22}N", "[0-9]\\.[0-9]M", Just("\\a".to_owned()), name()];
    let leaf = prop_oneof![
        Just(Tree::Nil),
        any::<bool>().prop_map(Tree::Bool),
        any::<i64>().prop_map(Tree::Int),
        (-5i64..5).prop_map(Tree::Int),
        any::<f64>().prop_map(Tree::Float),
        "[:#a1\" ]{0,4}".prop_map(Tree::Text),
        any::<String>().prop_map(Tree::Text),
        name().prop_map(Tree::Keyword),
        notation.prop_map(Tree::Other),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        let many = prop::collection::vec(inner.clone(), 0..4);
        let entries = prop::collection::vec((inner.clone(), inner.clone()), 0..3);
        prop_oneof![
            many.clone().prop_map(Tree::Vector),
            many.clone().prop_map(Tree::List),
            many.prop_map(Tree::Set),
            entries.prop_map(Tree::Map),
            ("(set|list|edn|[a-z]{1,3})", inner).prop_map(|(tag, value)| Tree::Tagged(tag, Box::new(value))),
        ]
    })
}

/// The tree that a reader makes of its text: some names of keywords and symbols are none, or something else.
/// A map with the one key `:#a` was written as JSON that records took for a value with the tag `#a`: the key's letters alone
/// were looked at, and not that it is written as a keyword.
#[test]
fn regression_a_keyword_with_the_letters_of_a_mark_was_taken_for_one() {
    let event = |value: &str| format!("{{:process 0, :type :invoke, :f :w, :value {value}, :key nil}}");
    for value in ["{:#a nil}", "{:#set [1]}", "{:#a 1, :b 2}", "{\"#set\" [1]}", "#{1}", "#tag 1"] {
        let edn = parse_edn(&event(value)).expect("it is EDN");
        let in_edn = described(&reading(Format::Edn, &event(value)).records);
        let json = json_line(&edn);
        assert_eq!(described(&reading(Format::Json, &json).records), in_edn, "{json}");
    }
}

fn readable(tree: &Tree) -> Option<Tree> {
    parse_edn(&edn_text(tree))
}

fn is_float_or_has(tree: &Tree) -> bool {
    edn_text(tree).contains("##NaN")
}

proptest! {
    #[test]
    fn edn_is_written_and_read_back(tree in tree()) {
        if let Some(value) = readable(&tree) {
            prop_assert_eq!(edn_text(&parse_edn(&edn_text(&value)).expect("it was read before")), edn_text(&value));
        }
    }

    #[test]
    fn edn_comes_back_from_json(value in tree(), f in prop_oneof![Just("txn".to_owned()), name()], process in tree()) {
        let fields = [("value", value), ("f", Tree::Keyword(f)), ("process", process)];
        let event = Tree::Map(fields.map(|(name, value)| (Tree::Keyword(name.into()), value)).into());
        let Some(event) = readable(&event).filter(|event| !is_float_or_has(event)) else { return Ok(()) };
        let json = json_line(&event);
        prop_assert_eq!(&event_from_json(&parse_json(&json)), &event, "{}", json);
    }

    #[test]
    fn json_comes_back_from_edn(value in json_value(), f in "[a-z0-9:# ]{0,3}") {
        let line = |f: &str| serde_json::json!({ "value": value, "f": f, "type": "ok", "extra": value }).to_string();
        let edn = edn_text(&event_from_json(&parse_json(&line(&f))));
        let event = parse_edn(&edn).expect("what is written is read");
        let back: serde_json::Value = serde_json::from_str(&json_line(&event)).expect("it is JSON");
        // A function needs no mark of a keyword.
        let plain = f.strip_prefix(':').filter(|name| is_symbol(name));
        prop_assert_eq!(back.to_string(), line(plain.unwrap_or(&f)), "{}", edn);
    }

    #[test]
    fn records_are_the_same_in_both_languages(value in tree(), key in tree()) {
        let pairs = [("process", Tree::Int(0)), ("type", Tree::Keyword("invoke".into())), ("f", Tree::Keyword("w".into()))];
        let mut fields: Vec<_> = pairs.into_iter().map(|(name, value)| (Tree::Keyword(name.into()), value)).collect();
        let values = [("value", value), ("key", key)];
        fields.extend(values.map(|(name, value)| (Tree::Keyword(name.into()), value)));
        let Some(event) = readable(&Tree::Map(fields)) else { return Ok(()) };
        let from = |format, text: String| read(text.as_bytes(), format, &Selection::default()).map(|read| described(&read.records));
        let edn = from(Format::Edn, edn_text(&event) + "\n").map_err(|damage| damage.problem.to_string());
        let json = from(Format::Json, json_line(&event) + "\n").map_err(|damage| damage.problem.to_string());
        prop_assert_eq!(edn, json, "{}\n{}", edn_text(&event), json_line(&event));
    }

    #[test]
    fn mutated_lines_never_panic(at in 0usize..400, byte: u8, cut in 0usize..400, format in 0usize..3) {
        let texts = [format!("{LINE}\n{LINE}\n"), JEPSEN.to_owned(), "jepsen.util - 0 :invoke :cas [1 2]\n".repeat(3)];
        let mut bytes = texts[format].clone().into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        bytes.drain(at..(at + cut % 3).min(bytes.len()));
        let allow_partial = cut % 2 == 0;
        let _ = read(&bytes[..], Format::ALL[format], &Selection { allow_partial, ..Selection::default() });
        bytes.truncate(cut);
        let _ = read(&bytes[..], Format::ALL[format], &Selection { allow_partial, ..Selection::default() });
    }

    #[test]
    fn noise_never_panics(text in "[\\[\\]{}()#_\"\\\\;:, a1nN/\n-]{0,30}") {
        let _ = parse_edn(&text);
        for format in Format::ALL {
            let _ = read(text.as_bytes(), format, &Selection::default());
        }
        if let Some(value) = parse_edn(&text) {
            prop_assert_eq!(edn_text(&parse_edn(&edn_text(&value)).expect("it was read before")), edn_text(&value));
        }
    }

    #[test]
    fn json_is_read_as_serde_reads_it(value in json_value(), at in 0usize..200, byte: u8) {
        let mut bytes = value.to_string().into_bytes();
        let at = at % (bytes.len() + 1);
        if at < bytes.len() {
            bytes[at] = byte;
        }
        let mut parser = json::Parser::new(&bytes);
        let ours = parser.value(&mut Plain, &mut Vec::new()).and_then(|value| parser.end().map(|()| value));
        let theirs = serde_json::from_slice::<serde_json::Value>(&bytes);
        prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{}", String::from_utf8_lossy(&bytes));
    }
}

fn json_value() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::{Value, json};
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1000i32..1000).prop_map(|number| json!(f64::from(number) / 8.0)),
        any::<String>().prop_map(Value::from),
        "[:#'a1\" ]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        let fields = prop::collection::btree_map("(#set|#list|#edn|#a|[:#'a1\" ]{0,4})", inner.clone(), 0..3);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            fields.prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

#[test]
fn deep_nesting_is_refused() {
    for (format, text) in [
        (Format::Json, format!("{{\"value\":{}", "[".repeat(100_000))),
        (Format::Edn, format!("{{:value {}", "[".repeat(100_000))),
        (Format::Edn, format!("{{:value {}1}}", "#a ".repeat(100_000))),
        (Format::Edn, format!("{{:value {}1}} {{}}", "#_[".repeat(100_000))),
    ] {
        let read = read(text.as_bytes(), format, &Selection::default());
        let torn = read.as_ref().is_ok_and(|reading| reading.torn.is_some());
        assert!(torn || read.is_err_and(|damage| damage.to_string().contains("nested deeper")), "{}", &text[..12]);
    }
}

/// What is read is read after a conversion, too, however deep: JSON needs two levels for a set, and EDN needs the levels
/// of a key that is a string in JSON.
#[test]
fn the_depth_that_is_read_survives_a_conversion() {
    let deep = |open: &str, close: &str, levels: usize, inner: &str| {
        format!("{}{inner}{}", open.repeat(levels), close.repeat(levels))
    };
    let mut refused = 0;
    for levels in 1..=102 {
        let as_key = |key: &str| serde_json::json!({ key: 1 }).to_string();
        let reserved = serde_json::json!({ "#edn": format!("#set {}", deep("[", "]", levels, "1")) }).to_string();
        for (format, value) in [
            (Format::Edn, deep("[", "]", levels, "1")),
            (Format::Edn, deep("[", "]", levels, "1/3")),
            (Format::Edn, deep("[", "]", levels, "12345678901234567890")),
            (Format::Edn, deep("#{", "}", levels, "##Inf")),
            (Format::Edn, deep("(", ")", levels, "x")),
            (Format::Edn, deep("#a ", "", levels, "[1]")),
            (Format::Edn, deep("{[1] ", "}", levels, "\\a")),
            (Format::Edn, deep("'", "", levels, "x")),
            (Format::Edn, deep("'", "", levels, "1")),
            (Format::Edn, deep("{", " 1}", levels, "(1)")),
            (Format::Json, deep("[", "]", levels, "1")),
            (Format::Json, deep("{\"#set\":[", "]}", levels, "1")),
            (Format::Json, deep("[", "]", 60, &as_key(&deep("[", "]", levels, "1")))),
            (Format::Json, deep("[", "]", 60, &as_key(&deep("{1/3 (", ")}", levels / 2, "1")))),
            (Format::Json, deep("[", "]", 60, &reserved)),
            (Format::Json, deep("{\"#edn\":", "}", levels, "1")),
        ] {
            let text = match format {
                Format::Edn => format!("{{:process 0 :type :invoke :f :write :value {value}}}\n"),
                _ => format!("{{\"process\":0,\"type\":\"invoke\",\"f\":\"write\",\"value\":{value}}}\n"),
            };
            let Ok(reading) = read(text.as_bytes(), format, &Selection::default()) else {
                refused += 1;
                continue;
            };
            let mut bytes = text.as_bytes();
            let event = Events::new(&mut bytes, format).next_event().expect("it is read").expect("there is one").event;
            for (text, format) in [(json_line(&event), Format::Json), (edn_text(&event), Format::Edn)] {
                let again = read(text.as_bytes(), format, &Selection::default()).expect("what was written is read");
                assert!(described(&again.records) == described(&reading.records), "{text}");
            }
        }
    }
    assert!(refused > 100, "{refused} are too deep");
}

#[test]
fn the_kind_of_an_operation_is_that_of_its_completion() {
    let text = "{:process 0 :type :invoke :f :r} {:process 0 :type :fail :f :r} {:process 0 :type :invoke :f :r}";
    let kinds: Vec<Kind> = reading(Format::Edn, text).records.ops.iter().map(|op| op.kind).collect();
    assert_eq!(kinds, [Kind::Fail, Kind::Info]);
}

#[test]
fn an_event_has_the_json_form_that_the_bench_writes() {
    assert_eq!(json_line(&event_from_json(&parse_json(LINE))), LINE);
    assert_eq!(event_to_json(&event_from_json(&parse_json(LINE))), parse_json(LINE));
}
