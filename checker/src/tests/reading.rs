//! Reading side by side and within limits: the same records however many threads, and a part where there is no room.

use crate::formats::{Cut, Format, Reading, Selection, read, read_within};
use crate::history::Kind;
use crate::limits::Limits;

/// Lines with every kind of value, keys of two kinds, names that come late, blank lines, events passed over.
fn lines(operations: usize) -> String {
    let value = |at: usize| match at % 9 {
        0 => at.to_string(),
        1 => format!("\"text {}\"", at % 50),
        2 => format!("[{at},[\"nested {at}\",-{at}],[]]"),
        3 => format!("{{\"a\":{at},\"b\":[1.5,{}]}}", at as f64 / 7.0),
        4 => "null".to_owned(),
        5 => (at as i64 * -3_000_000_000).to_string(),
        6 => "true".to_owned(),
        7 => "\":keyword\"".to_owned(),
        _ => "{\"#set\":[1,2]}".to_owned(),
    };
    let mut text = String::new();
    for at in 0..operations {
        let key = if at % 3 == 0 { format!("\"k{}\"", at % 17) } else { (at % 5).to_string() };
        let f = if at % 4 == 0 { "read".to_owned() } else { format!("f{}", at / 500) };
        for (event, kind) in [(2 * at, "invoke"), (2 * at + 1, if at % 6 == 0 { "fail" } else { "ok" })] {
            text.push_str(&format!(
                "{{\"index\":{event},\"time\":{},\"process\":{},\"type\":\"{kind}\",\"f\":\"{f}\",\"key\":{key},\"value\":{}}}\n",
                event * 10,
                at % 7,
                value(at + event % 2)
            ));
        }
        if at % 100 == 0 {
            text.push_str("\n{\"process\":\"nemesis\",\"type\":\"info\",\"f\":\"start\"}\n");
        }
    }
    text.replace("\"index\":0,", "")
}

fn within(text: &str, threads: usize, memory_bytes: u64) -> Reading {
    let limits = Limits { threads, memory_bytes, ..Limits::default() };
    let read = read_within(&mut text.as_bytes(), Format::Json, &Selection::default(), &limits, &|| None);
    read.expect("the lines are a history")
}

fn described(reading: &Reading) -> Vec<String> {
    let records = &reading.records;
    let op = |(at, op): (usize, &crate::history::Op)| {
        let (argument, result) = (records.show(op.argument), records.show(op.result));
        let (f, key) = (records.text(op.f), records.text(op.key));
        let events: Vec<u64> = records.events_of(at).collect();
        format!("{} {f} {key} {argument} {result} {:?} {} {} {events:?}", op.process, op.kind, op.called_ns, op.ret)
    };
    records.ops.iter().enumerate().map(op).collect()
}

#[test]
fn threads_and_blocks_make_no_difference() {
    let text = lines(4_000);
    let one = read(text.as_bytes(), Format::Json, &Selection::default()).expect("the lines are a history");
    assert_eq!(one.records.ops.len(), 4_000);
    assert!(one.cut.is_none() && !one.is_partial());
    // With so much memory a block is of 8 and of 16 KiB: many of them.
    for memory_bytes in [(8 << 10) * 256, (16 << 10) * 256] {
        for threads in [1, 2, 5] {
            let other = within(&text, threads, memory_bytes);
            assert_eq!(other.cut, None, "{memory_bytes}");
            assert_eq!(described(&other), described(&one), "{threads} threads, {memory_bytes} bytes");
            assert_eq!(other.records.passed_over, one.records.passed_over);
            assert_eq!(other.records.timed, one.records.timed);
        }
    }
}

#[test]
fn damage_far_into_a_text_is_located_whatever_the_blocks() {
    let mut text = lines(3_000);
    let line = text.lines().count() + 1;
    text.push_str("{\"index\":oops}\n");
    text.push_str(&lines(1_000));
    for threads in [1, 3] {
        for memory_bytes in [(8 << 10) * 256, u64::MAX] {
            let limits = Limits { threads, memory_bytes, ..Limits::default() };
            let read = |allow_partial| {
                let selection = Selection { allow_partial, ..Selection::default() };
                read_within(&mut text.as_bytes(), Format::Json, &selection, &limits, &|| None)
            };
            let damage = read(false).expect_err("it is damaged");
            assert_eq!((damage.line, damage.column), (line as u64, 10), "{damage}");
            assert_eq!(read(true).expect("it is allowed").records.ops.len(), 3_000);
        }
    }
}

#[test]
fn what_does_not_fit_is_left_out_and_reported() {
    let text = lines(20_000);
    let whole = within(&text, 1, u64::MAX);
    for threads in [1, 2] {
        let memory_bytes = 1 << 20;
        let part = within(&text, threads, memory_bytes);
        assert_eq!(part.cut, Some(Cut::Memory));
        assert!(part.is_partial());
        let operations = part.records.ops.len();
        assert!((1_000..19_000).contains(&operations), "{operations}");
        assert!((operations * size_of::<crate::history::Op>()) as u64 <= memory_bytes);
        // All but what was open at the end is as in the whole.
        let (mut part, whole) = (described(&part), described(&whole));
        let same = part.iter().zip(&whole).take_while(|(a, b)| a == b).count();
        assert!(same + 1 >= part.len(), "{}", part[same]);
        part.truncate(same);
        assert_eq!(part, whole[..same]);
    }
}

#[test]
fn a_reading_ends_with_the_time() {
    let text = lines(3_000);
    let asked = std::sync::atomic::AtomicU32::new(0);
    let out_of_time = || asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) >= 2;
    let limits = Limits { memory_bytes: (8 << 10) * 256, out_of_time: &out_of_time, ..Limits::default() };
    let part = read_within(&mut text.as_bytes(), Format::Json, &Selection::default(), &limits, &|| None);
    let part = part.expect("the lines are a history");
    assert_eq!(part.cut, Some(Cut::Time));
    let operations = part.records.ops.len();
    assert!((1..1_000).contains(&operations), "three blocks of 8 KiB: {operations}");
    assert!(part.records.ops[..operations - 1].iter().all(|op| op.kind != Kind::Info));
}

#[test]
fn a_line_longer_than_a_block_is_one_event() {
    let long: Vec<String> = (0..20_000).map(|element| element.to_string()).collect();
    let mut text = lines(10);
    text.push_str(&format!("{{\"process\":9,\"type\":\"invoke\",\"f\":\"x\",\"value\":[{}]}}\n", long.join(",")));
    text.push_str("{\"process\":9,\"type\":\"ok\",\"f\":\"x\"}");
    for threads in [1, 2] {
        let reading = within(&text, threads, 1 << 20);
        let last = reading.records.ops.last().expect("there is one");
        assert!(reading.records.show(last.argument).ends_with("19998, 19999]"));
        assert_eq!((reading.records.ops.len(), last.kind, reading.torn), (11, Kind::Ok, None));
    }
}
