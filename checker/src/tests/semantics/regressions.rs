//! Defects that random histories of `definitions` found: each is the shortest history that showed it.

use super::*;

/// A result of nil, which is no identifier, ended the check: what was given out twice beside it was not reported.
#[test]
fn regression_a_nil_hid_identifiers_that_were_given_out_twice() {
    let twice = "1 generate null => 7; 2 generate null => null; 1 generate null => 7";
    ends("unique-ids", twice, &Settings::default(), Invalid, "7 was given");
    let once = "1 generate null => 7; 2 generate null => null";
    ends("unique-ids", once, &Settings::default(), Inconclusive, "no identifier");
}

/// That a failed write had the value of the beginning made every read of the beginning a dirty one.
#[test]
fn regression_what_a_table_began_with_was_taken_for_what_a_failed_write_wrote() {
    let text = "1 write 0 ! conflict; 2 read null => [0, 0]";
    let judged = |initial: &[&str]| judged("dirty-reads", &beginning(text, initial), &Settings::default()).outcome();
    assert_eq!((judged(&["0"]), judged(&["5"])), (Valid, Invalid));
}

/// Of two equal elements, of which one came out, the one that was put in first was taken to be missing, though the queue was
/// found empty before the other was put in.
#[test]
fn regression_an_equal_element_that_came_out_was_not_the_first() {
    let first = "1 enqueue 1; 2 dequeue null => 1; 2 dequeue null => null";
    let none = Settings::default();
    ends("total-queue", &format!("{first}; 1 enqueue 1"), &none, Inconclusive, "may still be queued");
    ends("total-queue", &format!("{first}; 1 enqueue 1; 2 dequeue null => null"), &none, Invalid, "lost");
}

/// A dequeue of unknown outcome was used up by an element that may still have been queued, which needs nobody who took it.
#[test]
fn regression_what_may_still_be_queued_used_up_a_dequeue_of_unknown_outcome() {
    let event = |process, kind, f: &str, value| Event::new(0, Process::Client(process), kind, f, value);
    let (invoke, ok, info) = (EventType::Invoke, EventType::Ok, EventType::Info);
    let events = [
        // Put in first, and acknowledged last.
        event(1, invoke, "enqueue", json!(1)),
        event(2, invoke, "enqueue", json!(2)),
        event(2, ok, "enqueue", json!(2)),
        event(2, invoke, "enqueue", json!(3)),
        event(2, ok, "enqueue", json!(3)),
        event(3, invoke, "dequeue", Value::Null),
        event(3, info, "dequeue", Value::Null),
        event(4, invoke, "dequeue", Value::Null),
        event(4, ok, "dequeue", json!(3)),
        event(4, invoke, "dequeue", Value::Null),
        event(4, ok, "dequeue", Value::Null),
        event(1, ok, "enqueue", json!(1)),
    ];
    let history = History::of_events(&events).expect("the events fit");
    finding_ends(
        &judged("total-queue", &history, &Settings::default()),
        ("total-queue", ""),
        Inconclusive,
        "may still be queued",
    );
}

/// A value that the list began with, written again later, was taken to show the later write.
#[test]
fn regression_what_a_list_began_with_was_taken_for_a_later_write_of_it() {
    let text = "1 write 2; 2 read null => [1]; 1 write 1";
    let judged = |initial: &[&str]| judged("causal-reverse", &beginning(text, initial), &Settings::default()).outcome();
    assert_eq!((judged(&["[1]"]), judged(&[])), (Valid, Invalid));
}

/// That a write of a value had failed before hid that the one which happened began after others had completed.
#[test]
fn regression_a_failed_write_of_a_value_hid_when_it_was_written() {
    let text = "1 write 1 ! full; 2 write 2; 1 write 1; 3 read null => [1]";
    ends("causal-reverse", text, &Settings::default(), Invalid, "without 2");
}

/// A write of unknown outcome that began while a read went on was not taken for what the read saw.
#[test]
fn regression_a_read_saw_what_was_written_meanwhile() {
    let event = |process, kind, f: &str, value| Event::new(0, Process::Client(process), kind, f, value);
    let events = [
        event(1, EventType::Invoke, "read", Value::Null),
        event(2, EventType::Invoke, "write", json!(1)),
        event(2, EventType::Info, "write", json!(1)),
        event(1, EventType::Ok, "read", json!(1)),
    ];
    let history = History::of_events(&events).expect("the events fit");
    let finding = judged("causal-register", &history, &Settings::default());
    finding_ends(&finding, ("causal-register", ""), Valid, "1 reads");
}

/// These looked at the argument of a change alone, whatever its completion said.
#[test]
fn regression_some_checks_passed_over_what_a_completion_says() {
    let none = Settings::default();
    ends("causal-reverse", "1 write 1 => 3; 2 read null => [3]", &none, Valid, "");
    ends("causal-reverse", "1 write 1 => false; 2 read null => []", &none, Inconclusive, "`fail`");
    ends("causal-register", "1 write 1 => 3; 1 read null => 3", &none, Valid, "");
    ends("causal-register", "1 write 1 => false; 1 read null => 0", &none, Inconclusive, "`fail`");
    for (answer, words) in [("3", "the sum"), ("false", "nothing was done")] {
        let events = history(&format!("1 add 1 => {answer}; 2 read null => 1"));
        finding_ends(&judged("pn-counter", &events, &none), ("pn-counter", answer), Inconclusive, words);
    }
}

/// What a read showed before anybody had asked for its write was accepted, since somebody did later.
#[test]
fn regression_reads_from_the_future_were_accepted() {
    let none = Settings::default();
    for (model, text) in [
        ("set-full", "0 add 1; 1 read null => [1, 2]; 0 add 2; 1 read null => [1, 2]"),
        ("broadcast", "0 broadcast 1; 1 read null => [1, 2]; 0 broadcast 2; 1 read null => [1, 2]"),
        ("causal-reverse", "1 read null => [1]; 0 write 1; 1 read null => [1]"),
        ("comments", "0 write 1; 1 read null => [1, 2]; 0 insert 2; 1 read null => [1, 2]"),
        ("total-queue", "1 dequeue null => 1; 0 enqueue 1; 1 dequeue null => null"),
        ("total-queue", "1 drain null => [1]; 0 enqueue 1; 1 drain null => []"),
        ("kafka", r#"1 poll [["poll"]] => [["poll",{"x":[[0,1]]}]]; 0 send [["send","x",1]] => [["send","x",[0,1]]]"#),
        ("long-fork", r#"1 read [["r","x",1],["r","y",null]]; 0 write [["w","x",1]]"#),
    ] {
        ends(model, text, &none, Invalid, "which nobody had ");
    }
    let linearizable = Settings { linearizable_sets: true, ..Settings::default() };
    let early = "0 add 1; 1 read null => [1, 2]; 0 add 2; 1 read null => [1, 2]";
    ends("set-full", early, &linearizable, Invalid, "nobody had added then");
    // A table may begin with one value; if that is said, with no other.
    let early = "1 read null => [7, 7]; 0 write 7; 1 read null => [7, 7]";
    ends("dirty-reads", early, &none, Valid, "");
    let said = judged("dirty-reads", &beginning(early, &["5"]), &none);
    finding_ends(&said, ("dirty-reads", early), Invalid, "which nobody had written then");
}

/// Equal records were compared with all sends of the history, though one of these came after both had been polled.
#[test]
fn regression_a_record_was_at_two_offsets_before_it_was_sent_again() {
    let sent = |offset: u64| format!(r#"0 send [["send","x",1]] => [["send","x",[{offset},1]]]"#);
    let polled = r#"1 poll [["poll"]] => [["poll",{"x":[[0,1],[1,1]]}]]"#;
    let none = Settings::default();
    ends("kafka", &format!("{}; {polled}; {}", sent(0), sent(1)), &none, Invalid, "sent once by then");
    ends("kafka", &format!("{}; {}; {polled}", sent(0), sent(1)), &none, Valid, "");
}

/// Only what acknowledgements and watches say of one revision and key was compared.
#[test]
fn regression_watches_showed_what_nobody_had_put() {
    let none = Settings::default();
    let watch = |changes: &str| format!("9 watch 1 => [[{changes}]]");
    let one = watch(r#"[1,"put","a",1]"#);
    let both = watch(r#"[1,"put","a",1],[2,"put","a",1]"#);
    for (text, words) in [
        (format!(r#"1 put ["a",1] ! refused; {one}"#), "had failed"),
        (one.clone(), "nobody had asked for"),
        (watch(r#"[1,"delete","a"]"#), "nobody had asked for"),
        (format!(r#"1 delete "a" => null; {}"#, watch(r#"[1,"delete","a"]"#)), "there was nothing"),
        (format!(r#"1 put ["a",1] => 3; {}"#, watch(r#"[2,"put","a",1]"#)), "acknowledged at revision 3"),
        (
            format!(r#"1 put ["a",1] => 2; 1 put ["a",2] => 1; {}"#, watch(r#"[1,"put","a",2],[2,"put","a",1]"#)),
            "known before",
        ),
        (format!(r#"1 put ["a",1] => 1; 1 put ["b",1] => 1; {one}"#), "Revision 1 is that of"),
        (format!(r#"1 put ["a",1] => 1; 2 put ["a",1] => 1; {one}"#), "acknowledged to two operations"),
        (format!(r#"1 put ["a",1] ?; {both}"#), "asked for once"),
        (format!(r#"{one}; 1 put ["a",1] => 1"#), "nobody had asked for then"),
        (format!(r#"{one}; 1 put ["a",1] ?"#), "nobody had asked for then"),
        (format!(r#"1 put ["b",1] => 5; 2 put ["a",1] ?; {one}"#), "known before"),
        (
            format!(r#"{}; 2 put ["b",1] => 4; {one}"#, r#"1 put ["a",1] => 1; 9 watch 1 => [[[5,"put","c",1]]]"#),
            "known before",
        ),
    ] {
        ends("watch", &text, &none, Invalid, words);
    }
    for text in [
        format!(r#"1 put ["a",1] ?; {one}"#),
        format!(r#"1 put ["a",1] ?; 2 put ["a",1] ?; {both}"#),
        format!(r#"2 put ["a",1] ?; 1 put ["a",1] => 2; {both}"#),
        format!(r#"1 put ["a",1] ?; 2 put ["b",1] => 5; {one}; 3 put ["c",1] ! refused"#),
    ] {
        ends("watch", &text, &none, Valid, "");
    }
}

/// A put whose answer has no revision was passed over.
#[test]
fn regression_a_put_without_a_revision_was_passed_over() {
    let none = Settings::default();
    for answer in ["\"x\"", "null", "true", "{\"revision\":1}", "1.5"] {
        let text = format!(r#"1 put ["a",1] => {answer}; 2 put ["a",2] => 2; 9 watch 2 => [[[2,"put","a",2]]]"#);
        ends("watch", &text, &none, Inconclusive, "without a revision");
    }
    ends("watch", r#"1 put ["a",1] => 1; 2 delete "b" => null; 9 watch 1 => [[[1,"put","a",1]]]"#, &none, Valid, "");
}

/// What depends on whose an operation is was judged of histories that do not say it.
#[test]
fn regression_histories_without_processes_were_judged_by_them() {
    let without = |text: &str| {
        let mut history = history(text);
        history.unsaid.processes = true;
        // As the reader does: each operation is one of a process of its own.
        history.ops.iter_mut().zip(0..).for_each(|(op, number)| op.process = number);
        history
    };
    let none = Settings::default();
    let kafka = [
        r#"0 send [["send","x",1]] => [["send","x",[0,1]]]; 0 send [["send","x",2]] => [["send","x",[1,2]]]"#,
        r#"1 poll [["poll"]] => [["poll",{"x":[[0,1],[1,2]]}]]; 1 poll [["poll"]] => [["poll",{"x":[[0,1]]}]]"#,
    ];
    let made_up = r#"1 poll [["poll"]] => [["poll",{"x":[[2,9]]}]]"#;
    let held = "0 acquire null; 0 release null; 1 acquire null";
    let fenced = "0 acquire null => 1; 0 release null; 1 acquire null => 2";
    for (model, text, outcome, words) in [
        ("kafka", kafka.join("; "), Inconclusive, "no process is recorded"),
        ("kafka", format!("{}; {made_up}", kafka[0]), Invalid, "nobody had sent"),
        (
            "owner-mutex",
            held.to_owned(),
            Inconclusive,
            "no process is recorded, and who may release a lock (`owner-mutex`)",
        ),
        ("reentrant-mutex", held.to_owned(), Inconclusive, "no process is recorded"),
        ("fenced-mutex", fenced.to_owned(), Inconclusive, "no process is recorded"),
        ("mutex", held.to_owned(), Valid, ""),
        ("mutex", "0 acquire null; 1 acquire null".to_owned(), Invalid, ""),
        ("semaphore", held.to_owned(), Valid, ""),
        ("watch", r#"0 put ["a",1] => 1; 0 watch 1 => [[[1,"put","a",1]]]"#.to_owned(), Valid, ""),
    ] {
        let settings = Settings { permits: Some(1), ..none.clone() };
        finding_ends(&judged(model, &without(&text), &settings), (model, &text), outcome, words);
    }
}

/// Operations that are recorded by their completions alone have no order but that of each process.
#[test]
fn regression_histories_without_invocations_were_judged_by_their_order() {
    let without = |text: &str| {
        let mut history = history(text);
        history.unsaid.invocations = true;
        history
    };
    let none = Settings::default();
    for (model, text, outcome) in [
        ("long-fork", r#"1 read [["r","x",1],["r","y",null]]; 0 write [["w","x",1]]"#, Valid),
        ("total-queue", "0 enqueue 1; 1 drain null => []", Inconclusive),
        ("total-queue", "1 dequeue null => 1; 0 enqueue 1", Valid),
        ("total-queue", "1 dequeue null => 2; 0 enqueue 1", Invalid),
        ("dirty-reads", "1 read null => [1, 1]; 1 read null => [2, 2]; 0 write 1; 0 write 2", Valid),
        ("set-full", "1 read null => [1]; 0 add 1", Inconclusive),
    ] {
        let finding = judged(model, &without(text), &none);
        finding_ends(&finding, (model, text), outcome, "");
    }
}

/// A drain whose result is no list was taken for one that left nothing.
#[test]
fn regression_a_drain_without_a_list_left_nothing() {
    let none = Settings::default();
    for result in ["null", "\"1\"", "{\"a\":1}", "1"] {
        let text = format!("0 enqueue 1; 0 enqueue 2; 1 dequeue null => 2; 1 drain null => {result}");
        ends("total-queue", &text, &none, Inconclusive, "no list");
        ends("total-queue", &format!("{text}; 1 dequeue null => 9"), &none, Invalid, "nobody had enqueued");
    }
    ends("total-queue", "0 enqueue 1; 1 dequeue null => 1; 1 drain null => []", &none, Valid, "");
}

/// Where nil had been put in, a result of nil was taken for an empty queue.
#[test]
fn regression_nil_was_never_an_element() {
    let none = Settings::default();
    for (model, put, take) in [
        ("queue", "enqueue", "dequeue"),
        ("total-queue", "enqueue", "dequeue"),
        ("stack", "push", "pop"),
        ("deque", "push-front", "pop-back"),
        ("priority-queue", "insert", "extract-min"),
    ] {
        let unclear = format!("0 {put} null => null; 1 {take} null => null");
        assert_eq!(judged(model, &history(&unclear), &none).outcome(), Inconclusive, "{model}");
        let empty_before = format!("1 {take} null => null; 0 {put} 1; 1 {take} null => 1; 0 {put} null => null");
        assert_ne!(judged(model, &history(&empty_before), &none).outcome(), Invalid, "{model}");
        let without_nil = format!("0 {put} 1; 1 {take} null => 1; 1 {take} null => null");
        ends(model, &without_nil, &none, Valid, "");
        if model != "priority-queue" {
            ends(model, &unclear, &none, Inconclusive, "returned nil");
            let begun =
                judged(model, &beginning(&format!("1 {take} null => null; 1 {take} null => 1"), &["[null]"]), &none);
            assert_ne!(begun.outcome(), Valid, "{model}: {begun:?}");
        }
    }
    ends("queue", "0 enqueue null => null; 1 peek null => null", &none, Inconclusive, "returned nil");
    // Nothing is unclear: nil was put in after the queue was found empty.
    ends("queue", "1 dequeue null => null; 0 enqueue null => null", &none, Valid, "");
}

/// A read that is `ok` without a value was taken for one that showed nothing, or 0, or something wrong.
#[test]
fn regression_reads_without_a_value_were_made_up() {
    let none = Settings::default();
    for (model, text) in [
        ("set", "0 add 1; 1 read null => null"),
        ("set-full", "0 add 1; 1 read null => [1]; 1 read null => null"),
        ("broadcast", "0 broadcast 1; 1 read null => [1]; 1 read null => null"),
        ("counter", "0 add 1; 1 read null => null"),
        ("counter", "1 read null => null; 0 add 1"),
        ("bank", r#"1 read null => {"a":1}; 1 read null => null"#),
        ("causal-reverse", "0 write 1; 1 read null => null"),
        ("dirty-reads", "0 write 1; 1 read null => null; 1 read null => [1, 1]"),
        ("monotonic", "0 inc null => 1; 0 read null => null"),
        ("accounts", r#"1 read null => {"a":1}; 1 read null => null"#),
        ("session", "0 add 1; 0 read null => null"),
        ("causal", "0 add 1; 0 read null => null"),
    ] {
        assert_eq!(judged(model, &history(text), &none).outcome(), Inconclusive, "{model}: {text}");
    }
    // What other reads show is wrong all the same.
    for (model, text) in [
        ("bank", r#"1 read null => null; 1 read null => {"a":-1}"#),
        ("causal-reverse", "0 write 1; 1 read null => null; 1 read null => [2]"),
        ("dirty-reads", "0 write 1; 1 read null => null; 1 read null => [1, 2]"),
    ] {
        ends(model, text, &none, Invalid, "without a value");
    }
    // A register may hold nil, and begin with it.
    ends("register", "0 read null => null; 0 write 1; 0 read null => 1", &none, Valid, "");
}

/// Integers beyond 64 bits, and fractions, were no numbers.
#[test]
fn regression_sums_were_of_64_bits() {
    let none = Settings::default();
    let with = |last: &str| {
        let add = r#"{"process":0,"type":"TYPE","f":"add","value":9223372036854775807}"#;
        let read = format!(r#"{{"process":0,"type":"TYPE","f":"read","value":{last},"final?":true}}"#);
        let both = |event: &str| format!("{}\n{}\n", event.replace("TYPE", "invoke"), event.replace("TYPE", "ok"));
        let text = both(add) + &both(add) + &both(&read);
        read_text(&text)
    };
    for model in ["pn-counter", "g-counter"] {
        for (last, outcome) in [
            ("18446744073709551614", Valid),
            ("18446744073709551615", Invalid),
            ("18446744073709551614.5", Invalid),
            ("null", Inconclusive),
        ] {
            let finding = judged(model, &with(last), &none);
            finding_ends(&finding, (model, last), outcome, "");
        }
    }
    let whole = r#"0 read null => {"a":1,"b":2}"#;
    for (balances, outcome) in [
        (r#"{"a":1.5,"b":1.5}"#, Valid),
        (r#"{"a":1.5,"b":1.25}"#, Invalid),
        (r#"{"a":18446744073709551615,"b":1}"#, Invalid),
        (r#"{"a":0.1,"b":2.9}"#, Inconclusive),
        (r#"{"a":1e300,"b":2}"#, Inconclusive),
        (r#"{"a":"x","b":3}"#, Invalid),
    ] {
        let finding = judged("bank", &history(&format!("{whole}; 1 read null => {balances}")), &none);
        finding_ends(&finding, ("bank", balances), outcome, "");
        let kinds = || finding.explained().map(|anomaly| anomaly.kind.as_str());
        assert_eq!(kinds().any(|kind| kind == "no-balance"), balances.contains("\"x\""), "{balances}: {finding:?}");
    }
    let large = r#"{"a":18446744073709551615}"#;
    ends("bank", &format!("0 read null => {large}; 1 read null => {large}"), &none, Valid, "");
}

fn read_text(text: &str) -> History {
    read(text.as_bytes(), Format::Json, &Selection::default()).unwrap_or_else(|damage| panic!("{damage}")).records
}

/// Levels of isolation took a history that only reads lists for one of registers, in which a list of nil is the beginning; the
/// guess of a model took it for one of lists.
#[test]
fn regression_lists_that_nobody_writes_were_registers_to_some_models() {
    let text = r#"0 txn [["r","x",null]] => [["r","x",[null]]]"#;
    assert_eq!(registry::guess(&history(text)), Some("list-append"));
    for model in ["list-append", "serializable", "read-committed", "causal"] {
        ends(model, text, &Settings::default(), Invalid, "nobody appended");
    }
    ends("rw-register", text, &Settings::default(), Valid, "");
}

/// What a set or a list began with was forgotten: reads could lack it that had shown it before.
#[test]
fn regression_sessions_forgot_what_sets_and_lists_began_with() {
    let (forgot, lacks) = ("1 read null => [3,5]; 1 read null => [5]", "1 read null => [5]");
    let list = r#"0 txn [["append","x",5]]; 1 txn [["r","x",[3,5]]]; 1 txn [["r","x",[5]]]"#;
    let none = Settings::default();
    for (model, initial, text, outcome, words) in [
        (
            "monotonic-reads",
            "[3]",
            format!("0 add 5; {forgot}"),
            Invalid,
            "does not show 3, with which set began; a read",
        ),
        ("session", "#{3}", format!("0 add 5; {forgot}"), Invalid, "had shown it to the same process"),
        ("causal", "[3]", format!("0 add 5; {forgot}"), Invalid, "does not show 3, with which set began"),
        ("pram", "[3]", format!("0 add 5; {forgot}"), Invalid, "does not show 3, with which set began"),
        ("causal", "[3]", format!("0 add 5; {lacks}"), Invalid, "does not show 3"),
        ("pram", "[3]", format!("0 add 5; {lacks}"), Invalid, "does not show 3"),
        ("monotonic-reads", "[3]", format!("0 add 5; {lacks}"), Inconclusive, "no order of the writes explains that"),
        ("read-your-writes", "[3]", format!("0 add 5; {lacks}"), Inconclusive, "does not show 3"),
        (
            "monotonic-reads",
            "[3,4]",
            "0 add 5; 1 read null => [4]; 1 read null => [3]".to_owned(),
            Invalid,
            "not show 4",
        ),
        ("monotonic-reads", "x=[3]", list.to_owned(), Invalid, "does not show 3 in its place, with which x began"),
        ("pram", "x=[3]", list.to_owned(), Invalid, "does not show 3 in its place, with which x began"),
        ("session", "3", format!("0 add 5; {forgot}"), Inconclusive, "a set cannot begin with 3"),
        // Which of the two is shown is not known.
        ("causal", "[3]", "0 add 1; 0 add 3; 1 read null => [3]".to_owned(), Inconclusive, "began with it"),
        ("causal", "[3]", "0 add 5; 1 read null => [3]; 1 read null => [5,3]".to_owned(), Valid, ""),
        ("session", "[3]", "0 add 5; 1 read null => [3]; 1 read null => [5,3]".to_owned(), Valid, ""),
    ] {
        let finding = judged(model, &beginning(&text, &[initial]), &none);
        finding_ends(&finding, (model, &text), outcome, words);
    }
}

/// Who holds a lock at first was compared with the numbers that processes have inside, where those from 2^31 on are names.
#[test]
fn regression_who_holds_a_lock_at_first_was_an_inner_number() {
    let begun = |model: &str, process: &str, initial: &str, f: &str| {
        let line = |kind| format!("{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\"}}\n");
        let mut history = read_text(&(line("invoke") + &line("ok")));
        begin(&mut history, &[initial]);
        judged(model, &history, &Settings::default()).outcome()
    };
    for model in ["owner-mutex", "reentrant-mutex"] {
        for (process, other) in [
            ("2147483649", "2147483648"),
            ("\"a\"", "2147483648"),
            ("\"a\"", "b"),
            ("7", "8"),
            ("1.5", "1"),
            ("-1", "1"),
            ("[1]", "[2]"),
            ("4294967296", "0"),
            ("false", "7"),
        ] {
            assert_eq!(begun(model, process, process, "release"), Valid, "{model}: {process} holds it");
            assert_eq!(begun(model, process, other, "release"), Invalid, "{model}: {other} holds it, not {process}");
            assert_eq!(begun(model, process, other, "acquire"), Invalid, "{model}: {other} holds it, not {process}");
        }
        assert_eq!(begun(model, "1", "false", "acquire"), Valid, "{model}: it is free");
        assert_eq!(begun(model, "1", "true", "acquire"), Inconclusive, "{model}: somebody holds it");
    }
}

/// It was said that their function is none of transactions.
#[test]
fn regression_additions_that_nobody_read_were_no_transactions() {
    for model in ["session", "read-your-writes", "causal", "pram"] {
        ends(model, "0 add 1", &Settings::default(), Inconclusive, "no read succeeded");
        ends(
            model,
            "0 add 1; 1 read null => null",
            &Settings::default(),
            Inconclusive,
            "no read shows a list or a set",
        );
    }
}

/// A register without a key had no name in sentences.
#[test]
fn regression_a_register_without_a_key_had_no_name() {
    let text = "0 write 1; 1 write 2; 2 read null => 1; 2 read null => 2; 2 read null => 1";
    for model in ["pram", "causal-memory", "causal-convergence", "monotonic-reads"] {
        let history = history(text);
        let finding = judged(model, &history, &Settings::default());
        assert_eq!(finding.outcome(), Invalid, "{model}");
        for anomaly in finding.explained() {
            assert!(!anomaly.explanation.contains("  "), "{model}: {}", anomaly.explanation);
            assert!(anomaly.key.as_deref().unwrap_or_default().is_empty(), "{model}: {anomaly:?}");
        }
    }
    ends("pram", text, &Settings::default(), Invalid, "wrote the register and read it from");
}
