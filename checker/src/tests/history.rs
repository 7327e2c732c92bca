//! Reading and writing histories.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::Story;
use crate::history::{Event, EventType, HistoryError, LINE_BYTES_MAX, Phase, Process, Recording, write_line};

const READ: &str = r#"{"index":0,"time":5,"process":3,"type":"invoke","f":"read","key":"k","value":null}"#;
const DONE: &str = r#"{"index":1,"time":6,"process":3,"type":"ok","f":"read","key":"k","value":[1]}"#;

fn error(lines: &[&str]) -> String {
    Recording::parse(&lines.join("\n")).expect_err("this is no history").to_string()
}

fn with(line: &str, changes: &[(&str, &str)]) -> String {
    changes.iter().fold(line.to_owned(), |line, (from, to)| {
        assert!(line.contains(from), "{from} in {line}");
        line.replace(from, to)
    })
}

#[test]
fn lines_become_events_and_operations() {
    let nemesis = r#"{"index":2,"time":7,"process":"nemesis","type":"info","f":"heal","value":null}"#;
    let open = with(READ, &[("\"index\":0", "\"index\":3")]);
    let history = Recording::parse(&format!("{READ}\n\n{DONE}\n{nemesis}\n{open}\n")).expect("a history");
    assert_eq!((history.events.len(), history.torn), (4, None));
    assert_eq!((history.events[0].process, history.events[2].process), (Process::Client(3), Process::Nemesis));
    let operations = history.operations();
    assert_eq!(operations.len(), 2);
    assert_eq!((operations[0].outcome(), operations[0].latency_ns()), (EventType::Ok, Some(1)));
    assert_eq!((operations[0].f(), operations[0].key(), operations[0].phase()), ("read", Some("k"), Phase::Main));
    assert_eq!((operations[1].outcome(), operations[1].latency_ns()), (EventType::Info, None));
}

#[test]
fn unknown_fields_are_kept() {
    let line = with(READ, &[("\"f\"", "\"round\":7,\"colour\":{\"a\":[1]},\"f\"")]);
    let history = Recording::parse(&line).expect("a history");
    assert_eq!(history.events[0].extra["colour"], json!({"a": [1]}));
    assert_eq!(history.operations()[0].round(), 7);
    let again = Recording::parse(&write_line(&history.events[0])).expect("what was written can be read");
    assert_eq!(again, history);
}

#[test]
fn a_torn_last_line_is_told_and_left_out() {
    for cut in 1..DONE.len() {
        let history = Recording::parse(&format!("{READ}\n{}", &DONE[..cut])).expect("a torn line is no error");
        assert_eq!((history.events.len(), history.torn), (1, Some(2)), "cut at {cut}");
    }
    let history = Recording::parse(&format!("{READ}\n{}\n", &DONE[..20])).expect("nor with a newline");
    assert_eq!(history.torn, Some(2));
}

#[test]
fn a_broken_line_in_the_middle_is_an_error_with_its_place() {
    assert_eq!(error(&[&READ[..20], DONE]), "line 1, column 20: not an event: EOF while parsing a value");
    let found = error(&[&with(READ, &[("invoke", "begin")]), DONE]);
    assert!(found.starts_with("line 1, column 46: not an event: unknown variant `begin`"), "{found}");
    let found = error(&[&with(READ, &[("3", "-3")])]);
    assert!(found.contains("expected a process number or \"nemesis\""), "{found}");
    assert!(error(&[r#"{"index":0}"#]).contains("missing field `time`"));
    assert!(error(&["[]", READ]).starts_with("line 1, column"));
    assert!(error(&["\u{0}\u{0}", READ]).starts_with("line 1, column 1"));
}

#[test]
fn a_whole_last_line_that_is_wrong_is_an_error() {
    assert!(error(&[READ, "{\"index\":1}"]).contains("missing field"));
    assert!(error(&[READ, "nonsense\n"]).starts_with("line 2, column 2"));
}

#[test]
fn indices_have_no_gaps_and_no_duplicates() {
    let expected = "line 2: index 7, but 1 comes next: lines are missing, doubled or out of order";
    assert_eq!(error(&[READ, &with(DONE, &[("\"index\":1", "\"index\":7")])]), expected);
    assert!(error(&[READ, &with(DONE, &[("\"index\":1", "\"index\":0")])]).starts_with("line 2: index 0, but 1"));
    assert!(error(&[DONE]).starts_with("line 1: index 1, but 0"));
}

#[test]
fn processes_do_one_thing_at_a_time() {
    let first = with(DONE, &[("\"index\":1", "\"index\":0")]);
    assert_eq!(error(&[&first]), "line 1: process 3 completes `read` that it never invoked");
    let other = with(DONE, &[("read", "write")]);
    assert_eq!(error(&[READ, &other]), "line 2: process 3 completes `write`, but what it invoked at line 1 is `read`");
    let second = with(READ, &[("\"index\":0", "\"index\":1")]);
    assert_eq!(error(&[READ, &second]), "line 2: process 3 invokes `read` while its operation of line 1 is open");
    let info = with(DONE, &[("\"ok\"", "\"info\"")]);
    let third = with(READ, &[("\"index\":0", "\"index\":2")]);
    assert_eq!(
        error(&[READ, &info, &third]),
        "line 3: process 3 invokes `read`, but it ended with the `info` of line 2"
    );
    let again = with(DONE, &[("\"index\":1", "\"index\":2")]);
    assert!(error(&[READ, DONE, &again]).contains("never invoked"));
}

#[test]
fn an_endless_line_is_refused() {
    let endless = std::io::BufReader::new(std::io::Read::take(std::io::repeat(b' '), LINE_BYTES_MAX + 9));
    assert!(matches!(Recording::read(endless), Err(HistoryError::LineTooLong { line: 1 })));
}

#[test]
fn a_reader_that_fails_is_told() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("disk on fire"))
        }
    }
    let error = Recording::read(std::io::BufReader::new(Broken)).expect_err("the reader is broken");
    assert_eq!(error.to_string(), "line 1: cannot be read: disk on fire");
}

#[test]
fn an_empty_text_is_an_empty_history() {
    assert_eq!(Recording::parse("").expect("a history"), Recording::default());
}

#[test]
fn a_recorder_gives_indices() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).heal();
    let indices: Vec<u64> = story.history().events.iter().map(|event| event.index).collect();
    assert_eq!(indices, [0, 1, 2]);
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|map| Value::from(map.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

prop_compose! {
    fn any_event()(
        process in 0_u64..5,
        what in 0_usize..4,
        time in any::<u64>(),
        f in any::<String>(),
        (key, node, workload, error) in any::<(Option<String>, Option<String>, Option<String>, Option<String>)>(),
        value in any_value(),
        phase in prop_oneof![Just(Phase::Main), Just(Phase::Replica), Just(Phase::Final)],
        past in prop::option::of(prop::collection::vec(any_value(), 0..3)),
        extra in prop::collection::btree_map("x-[a-z]{0,4}", any_value(), 0..3),
    ) -> Event {
        let kind = [EventType::Invoke, EventType::Ok, EventType::Fail, EventType::Info][what];
        let mut event = Event::new(time, Process::Client(process), kind, f, value);
        (event.key, event.node, event.workload, event.error) = (key, node, workload, error);
        (event.phase, event.past, event.extra) = (phase, past, extra.into_iter().collect());
        event
    }
}

/// Turns any events into a well-formed history: whoever has nothing open invokes, whoever has ended becomes somebody
/// else.
fn well_formed(events: Vec<Event>) -> Recording {
    let mut open: std::collections::BTreeMap<u64, String> = Default::default();
    let mut generation = [0; 5];
    let mut history = Recording::default();
    for (index, mut event) in events.into_iter().enumerate() {
        event.index = index as u64;
        let Process::Client(worker) = event.process else {
            continue;
        };
        let process = worker + 5 * generation[worker as usize];
        event.process = Process::Client(process);
        match open.remove(&process) {
            None => {
                event.kind = EventType::Invoke;
                open.insert(process, event.f.clone());
            }
            Some(f) => {
                event.f = f;
                if event.kind == EventType::Invoke {
                    event.kind = EventType::Ok;
                }
                generation[worker as usize] += u64::from(event.kind == EventType::Info);
            }
        }
        history.events.push(event);
    }
    history
}

proptest! {
    #[test]
    fn what_was_written_is_read_back(events in prop::collection::vec(any_event(), 0..12)) {
        let history = well_formed(events);
        let mut text = Vec::new();
        history.write(&mut text).expect("a vector takes everything");
        prop_assert_eq!(Recording::read(text.as_slice()).expect("what was written can be read"), history);
    }

    #[test]
    fn a_history_cut_anywhere_is_a_prefix(events in prop::collection::vec(any_event(), 1..6), at in any::<prop::sample::Index>()) {
        let history = well_formed(events);
        let mut text = Vec::new();
        history.write(&mut text).expect("a vector takes everything");
        let cut = at.index(text.len() + 1);
        let read = Recording::read(&text[..cut]).expect("a cut is no error");
        let whole = text[..cut].iter().filter(|byte| **byte == b'\n').count();
        let complete = cut > 0 && text[cut - 1] != b'\n' && text.get(cut) == Some(&b'\n');
        prop_assert_eq!(&read.events[..], &history.events[..whole + usize::from(complete)]);
        let torn = cut > 0 && text[cut - 1] != b'\n' && !complete;
        prop_assert_eq!(read.torn, torn.then_some(whole as u64 + 1));
    }

    #[test]
    fn nonsense_never_panics(text in any::<Vec<u8>>()) {
        let _ = Recording::read(text.as_slice());
    }
}
