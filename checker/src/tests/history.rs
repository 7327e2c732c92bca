//! Reading and writing histories of JSON lines, and what an operation says of its events.

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::Story;
use crate::formats::{Damage, Format, LINE_BYTES_MAX, Reading, Selection, read};
use crate::history::{Event, EventType, History, Operation, Phase, Process, write_line};

const READ: &str = r#"{"index":0,"time":5,"process":3,"type":"invoke","f":"read","key":"k","value":null}"#;
const DONE: &str = r#"{"index":1,"time":6,"process":3,"type":"ok","f":"read","key":"k","value":[1]}"#;

fn reading(text: &str) -> Result<Reading, Damage> {
    read(text.as_bytes(), Format::Json, &Selection::default())
}

fn parsed(text: &str) -> History {
    reading(text).expect("a history").records
}

fn error(lines: &[&str]) -> String {
    reading(&lines.join("\n")).expect_err("this is no history").to_string()
}

fn with(line: &str, changes: &[(&str, &str)]) -> String {
    changes.iter().fold(line.to_owned(), |line, (from, to)| {
        assert!(line.contains(from), "{from} in {line}");
        line.replace(from, to)
    })
}

#[test]
fn lines_become_operations_and_events_of_the_nemesis() {
    let nemesis = r#"{"index":2,"time":7,"process":"nemesis","type":"info","f":"heal","value":null}"#;
    let open = with(READ, &[("\"index\":0", "\"index\":3")]);
    let history = parsed(&format!("{READ}\n\n{DONE}\n{nemesis}\n{open}\n"));
    assert_eq!((history.events, history.torn, history.passed_over), (4, None, 0));
    let heal = Event { index: 2, ..Event::new(7, Process::Nemesis, EventType::Info, "heal", Value::Null) };
    assert_eq!(history.nemesis(), [heal]);
    let operations = history.operations();
    assert_eq!(operations.len(), 2);
    assert_eq!((operations[0].process(), operations[0].invoked(), operations[0].completed()), (3, 0, Some(1)));
    assert_eq!((operations[0].outcome(), operations[0].latency_ns()), (EventType::Ok, Some(1)));
    assert_eq!((operations[0].f(), operations[0].key(), operations[0].phase()), ("read", Some("k"), Phase::Main));
    assert_eq!((operations[1].outcome(), operations[1].latency_ns()), (EventType::Info, None));
}

#[test]
fn what_few_operations_have_is_kept() {
    let invoke =
        with(READ, &[("\"f\"", "\"node\":\"n1\",\"workload\":\"set\",\"phase\":\"replica\",\"round\":7,\"f\"")]);
    let fail = with(DONE, &[("\"ok\"", "\"fail\""), ("[1]", "null,\"error\":\"refused\"")]);
    let history = parsed(&format!("{invoke}\n{fail}\n"));
    let [read] = history.operations()[..] else { panic!("there is one operation") };
    assert_eq!(
        (read.node(), read.workload(), read.phase(), read.round()),
        (Some("n1"), Some("set"), Phase::Replica, 7)
    );
    assert_eq!((read.outcome(), read.error()), (EventType::Fail, Some("refused")));
    assert!(history.ops.is_empty(), "a read of one replica is not among the operations of workloads");
    assert_eq!(history.workloads(), ["set"]);
}

#[test]
fn a_torn_last_line_is_reported_and_left_out() {
    for cut in 1..DONE.len() {
        let history = parsed(&format!("{READ}\n{}", &DONE[..cut]));
        assert_eq!((history.events, history.torn.map(|torn| torn.line)), (1, Some(2)), "cut at {cut}");
    }
}

#[test]
fn a_broken_line_in_the_middle_is_an_error_with_its_place() {
    assert!(error(&[&READ[..20], DONE]).starts_with("line 1, column 2"));
    let found = error(&[&with(READ, &[("invoke", "begin")]), DONE]);
    assert!(found.contains("the type `begin` is none of invoke, ok, fail, info"), "{found}");
    assert!(error(&[r#"{"index":0}"#, READ]).contains("it has no `type`"));
    assert!(error(&["[]", READ]).starts_with("line 2, column 1: expected the end, or another list of events"));
    assert!(error(&["\u{0}\u{0}", READ]).starts_with("line 1, column 1"));
}

#[test]
fn a_whole_last_line_that_is_wrong_is_an_error() {
    assert!(error(&[READ, "{\"index\":1}"]).contains("it has no `type`"));
    assert!(error(&[READ, "nonsense\n"]).starts_with("line 2, column 1"));
}

#[test]
fn indices_ascend_and_gaps_are_counted() {
    let later = with(DONE, &[("\"index\":1", "\"index\":7")]);
    assert_eq!(reading(&format!("{READ}\n{later}\n")).expect("a history").indices_missing, 6);
    let found = error(&[READ, &with(DONE, &[("\"index\":1", "\"index\":0")]), ""]);
    assert!(found.starts_with("line 2, column 1: not an event: index 0"), "{found}");
}

#[test]
fn processes_do_one_thing_at_a_time() {
    let first = with(DONE, &[("\"index\":1", "\"index\":0")]);
    let later = with(READ, &[("\"index\":0", "\"index\":1")]);
    assert_eq!(
        error(&[&first, &later]),
        "line 2, column 1: process 3 invokes `read`, but what completed before was never invoked: either every operation has \
         its invocation, or none has"
    );
    let other = with(DONE, &[("read", "write")]);
    assert_eq!(error(&[READ, &other]), "line 2, column 1: process 3 completes `write`, but what it invoked is `read`");
    let second = with(READ, &[("\"index\":0", "\"index\":1")]);
    assert_eq!(error(&[READ, &second]), "line 2, column 1: process 3 invokes `read` while its `read` is open");
    let info = with(DONE, &[("\"ok\"", "\"info\"")]);
    let third = with(READ, &[("\"index\":0", "\"index\":2")]);
    assert_eq!(
        error(&[READ, &info, &third]),
        "line 3, column 1: process 3 invokes `read`, but it ended with an `info`"
    );
    let again = with(DONE, &[("\"index\":1", "\"index\":2")]);
    assert!(error(&[READ, DONE, &again]).contains("never invoked"));
}

#[test]
fn an_endless_line_is_refused() {
    let endless = std::io::BufReader::new(std::io::Read::take(std::io::repeat(b' '), LINE_BYTES_MAX + 9));
    let error = read(endless, Format::Json, &Selection::default()).expect_err("it is too long").to_string();
    assert!(error.contains("longer than 67108864 bytes; is this a history?"), "{error}");
}

#[test]
fn a_reader_that_fails_is_reported() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("disk on fire"))
        }
    }
    let broken = std::io::BufReader::new(Broken);
    let error = read(broken, Format::Json, &Selection::default()).expect_err("the reader is broken");
    assert!(error.to_string().ends_with("cannot be read: disk on fire"), "{error}");
}

#[test]
fn an_empty_text_is_an_empty_history() {
    assert_eq!((parsed("").events, parsed("").ops.len()), (0, 0));
}

#[test]
fn a_recorder_gives_indices() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).heal();
    let indices: Vec<u64> = story.events().iter().map(|event| event.index).collect();
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
        time in 0_u64..1 << 62,
        f in "[a-z][a-z:#-]{0,5}",
        (key, node, error) in any::<(Option<String>, Option<String>, Option<String>)>(),
        workload in prop::option::of("[a-z][a-z-]{0,5}"),
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
fn well_formed(events: Vec<Event>) -> Vec<Event> {
    let mut open: std::collections::BTreeMap<u64, (String, Option<String>)> = Default::default();
    let mut generation = [0; 5];
    let mut history = Vec::new();
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
                open.insert(process, (event.f.clone(), event.key.clone()));
            }
            Some((f, key)) => {
                event.f = f;
                // It may say no key, but not another one.
                if key.is_some() && event.key.is_some() {
                    event.key = key;
                }
                if event.kind == EventType::Invoke {
                    event.kind = EventType::Ok;
                }
                generation[worker as usize] += u64::from(event.kind == EventType::Info);
            }
        }
        history.push(event);
    }
    history
}

/// Everything that an operation says of itself.
fn described(operation: &Operation<'_>) -> String {
    let history = operation.history();
    let past = operation.past().map(|past| past.iter().map(|value| history.json(*value)).collect::<Vec<Value>>());
    let values = [operation.argument(), operation.result()].map(|value| history.json(value));
    let events = [Some(operation.invoked()), operation.completed()];
    let times = (operation.invoked_ns(), operation.completed_ns());
    let names = (operation.f(), operation.key(), operation.node(), operation.workload(), operation.error());
    format!("{:?} {events:?} {times:?} {names:?} {values:?} {past:?} {:?}", operation.outcome(), operation.phase())
}

fn text(events: &[Event]) -> String {
    events.iter().map(write_line).collect()
}

proptest! {
    /// What was recorded in memory and what is read from its lines is the same history.
    #[test]
    fn what_was_written_is_read_back(events in prop::collection::vec(any_event(), 0..12)) {
        let events = well_formed(events);
        let (recorded, read) = (super::of(&events), parsed(&text(&events)));
        let all = |history: &History| history.operations().iter().map(described).collect::<Vec<String>>();
        prop_assert_eq!(all(&recorded), all(&read));
        prop_assert_eq!((recorded.events, recorded.passed_over), (read.events, read.passed_over));
    }

    #[test]
    fn a_history_cut_anywhere_is_a_prefix(events in prop::collection::vec(any_event(), 1..6), at in any::<prop::sample::Index>()) {
        let text = text(&well_formed(events)).into_bytes();
        let cut = at.index(text.len() + 1);
        let read = read(&text[..cut], Format::Json, &Selection::default()).expect("a cut is no error").records;
        let whole = text[..cut].iter().filter(|byte| **byte == b'\n').count();
        let complete = cut > 0 && text[cut - 1] != b'\n' && text.get(cut) == Some(&b'\n');
        prop_assert_eq!(read.events as usize, whole + usize::from(complete));
        let torn = cut > 0 && text[cut - 1] != b'\n' && !complete;
        prop_assert_eq!(read.torn.map(|torn| torn.line), torn.then_some(whole as u64 + 1));
    }

    #[test]
    fn nonsense_never_panics(text in any::<Vec<u8>>()) {
        let _ = read(text.as_slice(), Format::Json, &Selection::default());
    }
}
