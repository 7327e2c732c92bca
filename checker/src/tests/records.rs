//! History: values are one id each, operations are paired, keys are found in values only where all agree.

use serde_json::{Value, json};

use crate::history::EventType::{self, Fail, Info, Invoke, Ok};
use crate::history::{Datum, History, HistoryBuilder, KeySource, Kind, Misfit, Op, RawEvent, ValueId};

type TestEvent<'a> = (u32, EventType, &'a str, Value);

fn records(events: &[TestEvent<'_>]) -> History {
    let mut builder = HistoryBuilder::new();
    for (process, kind, f, value) in events {
        builder.event(*process, *kind, f, None, value).expect("the events fit");
    }
    builder.finish()
}

#[test]
fn equal_scalars_are_equal_ids_and_come_back() {
    let mut builder = HistoryBuilder::new();
    let scalars = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(-1),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(1u64 << 31),
        json!(1.5),
        json!("1"),
        json!(""),
        json!("x"),
    ];
    let first: Vec<ValueId> = scalars.iter().map(|scalar| builder.json(scalar).expect("there is room")).collect();
    let again: Vec<ValueId> = scalars.iter().map(|scalar| builder.json(scalar).expect("there is room")).collect();
    assert_eq!(first, again);
    assert!(first.iter().enumerate().all(|(at, id)| !first[..at].contains(id)), "different scalars, different ids");
    let zeros = (builder.float(0.0), builder.float(-0.0));
    assert_eq!(zeros.0, zeros.1);
    let records = builder.finish();
    assert_eq!(records.datum(first[0]), Datum::Nil);
    assert_eq!(records.datum(first[4]), Datum::Int(-1));
    assert_eq!(records.datum(first[7]), Datum::Int(1 << 31));
    assert_eq!(records.datum(first[9]), Datum::Text("1"));
}

#[test]
fn lists_and_maps_keep_their_parts() {
    let mut builder = HistoryBuilder::new();
    let nested = builder.json(&json!([1, ["append", "x", 2], {"a": []}])).expect("there is room");
    let records = builder.finish();
    assert_eq!(records.show(nested), r#"[1, ["append", "x", 2], {"a": []}]"#);
    let Datum::List(&[one, append, _]) = records.datum(nested) else { panic!("a list of three") };
    assert_eq!((records.datum(one), append.is_list(), one.is_list()), (Datum::Int(1), true, false));
}

#[test]
fn operations_are_paired() {
    let events = [
        (0, Invoke, "write", json!(1)),
        (1, Invoke, "read", json!(null)),
        (0, Ok, "write", json!(1)),
        (1, Fail, "read", json!(null)),
        (1, Invoke, "write", json!(2)),
        (1, Info, "write", json!(2)),
        (2, Invoke, "write", json!(3)),
    ];
    let records = records(&events);
    let ends: Vec<_> = records.ops.iter().map(|op| (op.kind, op.call, op.ret)).collect();
    let never = Op::NEVER;
    assert_eq!(ends, [(Kind::Ok, 0, 2), (Kind::Fail, 1, 3), (Kind::Info, 4, never), (Kind::Info, 6, never)]);
    let events: Vec<u64> = [0, 2, 3].into_iter().flat_map(|op| records.events_of(op)).collect();
    assert_eq!(events, [0, 2, 4, 5, 6], "the event of an info is known, too");
    assert_eq!((records.ops[2].returned_ns, records.ops[3].returned_ns), (5, u64::MAX));
}

#[test]
fn what_does_not_fit_is_refused_and_not_taken() {
    let mut builder = HistoryBuilder::new();
    let mut refused = |process, kind, f: &str| builder.event(process, kind, f, None, &json!(1)).err();
    assert_eq!(refused(0, Ok, "read"), Some(Misfit::NotInvoked { process: 0.into(), f: "read".into() }));
    assert_eq!(refused(0, Invoke, "read"), None);
    let (f, open) = ("write".to_owned(), "read".to_owned());
    assert_eq!(
        refused(0, Ok, "write"),
        Some(Misfit::OtherFunction { process: 0.into(), f: f.clone(), open: open.clone() })
    );
    assert_eq!(refused(0, Invoke, "write"), Some(Misfit::StillOpen { process: 0.into(), f: f.clone(), open }));
    assert_eq!(refused(0, Info, "read"), None);
    assert_eq!(refused(0, Invoke, "write"), Some(Misfit::Ended { process: 0.into(), f }));
    assert_eq!(builder.events(), 2);
}

#[test]
fn indices_of_the_history_are_kept() {
    let mut builder = HistoryBuilder::new();
    for (index, process, kind) in [(7, None, Info), (9, Some(0), Invoke), (12, Some(0), Ok)] {
        let nil = ValueId::NIL;
        let event =
            RawEvent { index: Some(index), time_ns: 0, process, kind, f: "read", key: nil, value: nil, past: nil };
        builder.push_event(&event).expect("it fits");
    }
    let records = builder.finish();
    assert_eq!((records.ops[0].call, records.ops[0].ret, records.passed_over), (1, 2, 1));
    assert_eq!(records.events_of(0).collect::<Vec<_>>(), [9, 12]);
}

#[test]
fn keys_are_taken_from_values_where_all_operations_agree() {
    let events = [
        (0, Invoke, "write", json!([7, 1])),
        (0, Ok, "write", json!([7, 1])),
        (0, Invoke, "read", json!([7, null])),
        (0, Ok, "read", json!([7, 1])),
        (1, Invoke, "cas", json!([8, [1, 2]])),
        (1, Info, "cas", json!("timeout")),
    ];
    let found = records(&events);
    assert_eq!(found.key_source, KeySource::Values);
    let keys: Vec<&str> = found.ops.iter().map(|op| found.text(op.key)).collect();
    assert_eq!(keys, ["7", "7", "8"]);
    assert_eq!(found.datum(found.ops[1].result), Datum::Int(1));
    assert_eq!(found.show(found.ops[2].argument), "[1, 2]");
}

#[test]
fn values_that_are_pairs_by_chance_stay() {
    let written = (0, Invoke, "write", json!([7, 1]));
    let other_key = [(1, Invoke, "read", json!([7, null])), (1, Ok, "read", json!([8, 1]))];
    let not_nil = [(1, Invoke, "read", json!([7, 0]))];
    let plain_read = [(1, Invoke, "read", json!(null))];
    let plain_cas = [(1, Invoke, "cas", json!([1, 2])), (2, Invoke, "read", json!([7, null]))];
    for rest in [&other_key[..], &not_nil, &plain_read, &plain_cas, &[]] {
        let events: Vec<TestEvent<'_>> = [written.clone()].into_iter().chain(rest.iter().cloned()).collect();
        let records = records(&events);
        assert_ne!(records.key_source, KeySource::Values, "{rest:?}");
        assert_eq!(records.show(records.ops[0].argument), "[7, 1]");
    }
}

/// Operations of a history by themselves have the indices, times and values that they have in the whole.
#[test]
fn some_operations_are_a_history_by_themselves() {
    let mut builder = HistoryBuilder::new();
    let values = [json!("other"), json!([["append", "x", -7]]), json!({"a": [1.5, true]}), json!("x")];
    let values = values.map(|value| builder.json(&value).expect("there is room"));
    let past = builder.list(&[values[0], values[3]]).expect("there is room");
    // Process, kind, function, value, past; indices ascend with gaps.
    let steps = [
        (Some(1), Invoke, "a", values[0], ValueId::NIL),
        (None, Info, "start", ValueId::NIL, ValueId::NIL),
        (Some(2), Invoke, "b", values[1], ValueId::NIL),
        (Some(1), Ok, "a", values[0], ValueId::NIL),
        (Some(3), Invoke, "c", values[3], ValueId::NIL),
        (Some(2), Info, "b", values[2], past),
        (Some(3), Fail, "c", values[3], ValueId::NIL),
        (Some(4), Invoke, "d", values[3], ValueId::NIL),
    ];
    for ((process, kind, f, value, past), at) in steps.into_iter().zip(0u64..) {
        let (index, time_ns, key) = (Some(10 + 2 * at), 100 * at, values[3]);
        let event = RawEvent { index, time_ns, process, kind, f, key, value, past };
        builder.push_event(&event).expect("the event fits");
    }
    let whole = builder.finish();
    let chosen = [14, 18, 24].map(|index| whole.invoked_at(index).expect("it is an invocation"));
    assert_eq!(chosen, [1, 2, 3]);
    assert_eq!(whole.invoked_at(16), None, "a completion");
    assert_eq!(whole.invoked_at(15), None, "no event");
    let part = whole.only(&chosen).expect("there is room");
    assert_eq!((part.ops.len(), part.events), (3, 5));
    for (at, from) in chosen.into_iter().enumerate() {
        let (op, before) = (&part.ops[at], &whole.ops[from]);
        let shown = |records: &History, op: &crate::history::Op| {
            let names = (records.text(op.f).to_owned(), records.text(op.key).to_owned());
            (
                names,
                records.show(op.argument),
                records.show(op.result),
                op.process,
                op.kind,
                op.called_ns,
                op.returned_ns,
            )
        };
        assert_eq!(shown(&part, op), shown(&whole, before));
        assert!(part.events_of(at).eq(whole.events_of(from)), "operation {at}");
        let past = |records: &History, op| {
            records.past(op).map(|past| past.iter().map(|value| records.show(*value)).collect::<Vec<_>>())
        };
        assert_eq!(past(&part, at), past(&whole, from));
    }
    assert_eq!(part.past(0).map(<[ValueId]>::len), Some(2));
    assert_eq!([part.ops[0].call, part.ops[1].call, part.ops[1].ret, part.ops[2].call], [0, 1, 3, 4]);
    assert_eq!(whole.values_of(1), 1 + 1 + 3 + 1 + 1 + 1 + 1 + 1 + 2);
}
