//! What operations mean, model by model: what is not understood, who may let go of a lock, what a result says, what objects begin
//! with, and whose failed write was read. Each table has the histories of one kind.

mod orders;
mod regressions;
mod times;

use serde_json::{Value, json};

use crate::checks::check::Context;
use crate::checks::registry;
use crate::checks::settings::{Bank, Settings};
use crate::finding::Finding;
use crate::formats::{Format, Selection, parse_assignment, parse_data, read};
use crate::history::{Event, EventType, History, Process};
use crate::limits::Limits;
use crate::verdict::Outcome::{self, Inconclusive, Invalid, Valid};

/// Operations one after the other, separated by `;`: `PROCESS FUNCTION ARGUMENT`, which is `ok` with its argument unless it goes
/// on with `=> RESULT`, `! ERROR` (it failed) or `?` (unknown). `FUNCTION@KEY` names a key. Values are JSON.
fn history(text: &str) -> History {
    let mut events = Vec::new();
    for operation in text.split(';').map(str::trim) {
        let (process, rest) = operation.split_once(' ').expect("a process comes first");
        let (f, rest) = rest.split_once(' ').expect("an argument comes last");
        let (f, key) = f.split_once('@').map_or((f, None), |(f, key)| (f, Some(key.to_owned())));
        let value =
            |text: &str| serde_json::from_str::<Value>(text.trim()).unwrap_or_else(|_| panic!("{text} in {operation}"));
        let (argument, kind, result, error) = if let Some((argument, result)) = rest.split_once("=>") {
            (argument, EventType::Ok, result, None)
        } else if let Some((argument, error)) = rest.split_once('!') {
            (argument, EventType::Fail, argument, Some(error.trim().to_owned()))
        } else if let Some(argument) = rest.strip_suffix('?') {
            (argument, EventType::Info, argument, None)
        } else {
            (rest, EventType::Ok, rest, None)
        };
        let process = Process::Client(process.parse().expect("a process is a number"));
        let event = |kind, shown: &str, error| Event {
            key: key.clone(),
            error,
            ..Event::new(events.len() as u64, process, kind, f, value(shown))
        };
        let (invoked, completed) = (event(EventType::Invoke, argument, None), event(kind, result, error));
        events.extend([invoked, completed]);
    }
    History::of_events(&events).expect("the events fit")
}

fn judged(model: &str, history: &History, settings: &Settings) -> Finding {
    let asked = registry::find(model, settings);
    assert!(!asked.is_empty(), "there is a model `{model}`");
    let mut findings = asked.iter().map(|asked| asked.check(history, &Context::new(Limits::default(), settings)));
    findings
        .find(|finding| finding.outcome() == Invalid)
        .unwrap_or_else(|| asked[0].check(history, &Context::new(Limits::default(), settings)))
}

/// Judges a history, and looks for words in the summary or the first explanation.
#[track_caller]
fn ends(model: &str, text: &str, settings: &Settings, outcome: Outcome, words: &str) {
    finding_ends(&judged(model, &history(text), settings), (model, text), outcome, words);
}

#[track_caller]
fn finding_ends(finding: &Finding, what: (&str, &str), outcome: Outcome, words: &str) {
    assert_eq!(finding.outcome(), outcome, "{what:?}: {finding:?}");
    let explained = finding.explained().map(|anomaly| anomaly.explanation.clone()).collect::<Vec<_>>().join("\n");
    let said = format!("{}\n{explained}", finding.summary());
    assert!(said.contains(words), "{what:?}: no `{words}` in {said}");
}

#[test]
fn where_nothing_was_acknowledged_nothing_is_valid() {
    for (model, text) in [
        ("register", "0 write 1 ?; 1 write 2 ! refused"),
        ("cas-register", "0 cas [1,2] ! x; 0 read null ! x"),
        ("sequential", "0 write 1 ?"),
        ("multi-register", r#"0 txn [["w","x",1]] ?"#),
        ("mutex", "0 acquire null ?; 1 release null ?"),
        ("set", "0 add 1 ?; 1 read null ! x"),
        ("counter", "0 add 1 ! x; 0 add 2 ! x"),
        ("queue", "0 enqueue 1 ! x; 1 dequeue null ?"),
        ("stack", "0 push 1 ?"),
        ("priority-queue", "0 insert 3 ?"),
        ("list-append", r#"0 txn [["append","x",1]] ?"#),
        ("rw-register", r#"0 txn [["w","x",1]] ! x"#),
        ("read-committed", r#"0 txn [["w","x",1]] ?"#),
        ("causal", "0 write 1 ?"),
        ("session", "0 write 1 ?; 1 read null ! x"),
        ("session", "0 add 1 ?"),
        ("set-full", "0 add 1 ?; 1 read null ! x"),
        ("total-queue", "0 enqueue 1 ?"),
        ("unique-ids", "0 generate null ! x"),
        ("monotonic", "0 inc null ?"),
        ("bank", "0 transfer null ?; 1 read null ! x"),
        ("dirty-reads", "0 write 1 ! x"),
        ("long-fork", r#"0 write [["w",1,1]] ?"#),
        ("staleness", "0 write 1 ?"),
    ] {
        ends(model, text, &Settings::default(), Inconclusive, "acknowledged: nothing is known");
    }
}

#[test]
fn a_function_that_a_model_does_not_know_is_named_and_nothing_is_valid() {
    let registers = "0 write 1; 0 swap 2; 1 touch 1; 1 read null => 1";
    for (model, text, first, second) in [
        ("register", registers, "`swap`", "`touch`"),
        ("sequential", registers, "`swap`", "`touch`"),
        ("mutex", "0 acquire null; 1 renew null; 2 steal null", "`renew`", "`steal`"),
        ("fenced-mutex", "0 acquire null => 1; 1 renew null; 2 steal null", "`renew`", "`steal`"),
        ("set", "0 add 1; 0 union 2; 0 clear null", "`union`", "`clear`"),
        ("counter", "0 add 1; 0 reset null; 0 double null", "`reset`", "`double`"),
        ("queue", "0 enqueue 1; 0 size null => 1; 0 flush null", "`size`", "`flush`"),
        ("set-full", "0 add 1; 0 union 2; 0 clear null", "`union`", "`clear`"),
        ("total-queue", "0 enqueue 1; 0 size null => 1; 0 flush null", "`size`", "`flush`"),
        ("unique-ids", "0 generate null => 1; 0 read null => 1; 0 write 7", "`read`", "`write`"),
        ("monotonic", "0 inc null => 1; 0 reset null; 0 double null", "`reset`", "`double`"),
        ("bank", "0 read null => {\"a\":1}; 0 close null; 0 open null", "`close`", "`open`"),
        ("dirty-reads", registers, "`swap`", "`touch`"),
        ("staleness", registers, "`swap`", "`touch`"),
    ] {
        ends(model, text, &Settings::default(), Inconclusive, first);
        ends(model, text, &Settings::default(), Inconclusive, second);
    }
    for (model, text, words) in [
        ("multi-register", r#"0 txn [["w","x",1]]; 0 swap 2"#, "`swap`"),
        ("list-append", r#"0 txn [["append","x",1]]; 0 pop []"#, "`pop`"),
        ("list-append", r#"0 txn [["append","x",1]]; 0 pop 3"#, "`pop`"),
        ("rw-register", r#"0 txn [["w","x",1]]; 0 pop []"#, "`pop`"),
        ("read-atomic", r#"0 txn [["w","x",1]]; 0 pop 1"#, "`pop`"),
        ("session", "0 write 1; 0 pop 1", "`pop`"),
        ("session", "0 add 1; 1 read null => [1]; 0 pop []", "`pop`"),
        ("long-fork", r#"0 write [["w",1,1]]; 0 pop 1"#, "no list of micro-operations"),
    ] {
        ends(model, text, &Settings::default(), Inconclusive, words);
    }
}

#[test]
fn locks_differ_in_who_may_let_go() {
    // Of each history: what a mutex says, an owner mutex, a reentrant mutex.
    for (text, mutex, owner, reentrant) in [
        ("0 acquire null; 1 release null", Valid, Invalid, Invalid),
        ("0 acquire null; 1 release null; 1 acquire null", Valid, Invalid, Invalid),
        ("0 acquire null; 0 release null; 1 acquire null; 1 release null", Valid, Valid, Valid),
        ("0 acquire null; 1 acquire null", Invalid, Invalid, Invalid),
        ("0 acquire null; 0 acquire null", Invalid, Invalid, Valid),
        ("0 acquire null; 0 acquire null; 0 release null; 0 release null; 1 acquire null", Invalid, Invalid, Valid),
        ("0 acquire null; 0 acquire null; 0 release null; 1 acquire null", Invalid, Invalid, Invalid),
        ("0 release null", Invalid, Invalid, Invalid),
        ("0 acquire null; 0 release null; 0 release null", Invalid, Invalid, Invalid),
        ("0 acquire null; 0 release null ?; 1 acquire null", Valid, Valid, Valid),
        ("0 acquire null ?; 1 release null; 1 acquire null", Valid, Invalid, Invalid),
        ("0 acquire null ! busy; 1 acquire null; 1 release null => \"OK\"", Valid, Valid, Valid),
        ("0 acquire null => true; 1 acquire null ?; 0 release null => 17", Valid, Valid, Valid),
        ("0 acquire null => false", Inconclusive, Inconclusive, Inconclusive),
        ("0 acquire@a null; 1 acquire@b null; 1 release@a null", Valid, Invalid, Invalid),
    ] {
        for (model, outcome) in [("mutex", mutex), ("owner-mutex", owner), ("reentrant-mutex", reentrant)] {
            ends(model, text, &Settings::default(), outcome, "");
        }
    }
}

#[test]
fn fencing_tokens_grow() {
    for (text, outcome) in [
        ("0 acquire null => 1; 0 release null; 1 acquire null => 2", Valid),
        ("0 acquire null => 1; 0 release null; 1 acquire null => 1", Invalid),
        ("0 acquire null => 5; 0 release null; 1 acquire null => 3", Invalid),
        ("0 acquire null => 5; 1 acquire null => 6", Invalid),
        ("0 acquire null => 5; 1 release null", Invalid),
        ("0 acquire null => {\"fence\":1}; 0 release null; 1 acquire null => {\"fence\":4}", Valid),
        ("0 acquire null => {\"fence\":4}; 0 release null; 1 acquire null => {\"fence\":4}", Invalid),
        ("0 acquire null => {\"token\":-2}; 0 release null; 0 acquire null => {\"token\":-1}", Valid),
        ("0 acquire null => true", Inconclusive),
        ("0 acquire null => 7; 0 release null ?; 1 acquire null => 8", Valid),
        ("0 acquire null ?; 1 acquire null => 3; 1 release null; 2 acquire null => 9", Valid),
        ("0 acquire null ! x; 1 acquire null => 3; 1 acquire null => 9", Invalid),
    ] {
        ends("fenced-mutex", text, &Settings::default(), outcome, "");
    }
}

#[test]
fn a_semaphore_has_its_permits() {
    let settings = |permits| Settings { permits, ..Settings::default() };
    for (permits, text, outcome) in [
        (2, "0 acquire null; 1 acquire null", Valid),
        (2, "0 acquire null; 1 acquire null; 2 acquire null", Invalid),
        (1, "0 acquire null; 1 acquire null", Invalid),
        (2, "0 acquire null; 1 acquire null; 2 release null; 2 acquire null", Valid),
        (3, "0 acquire 2; 1 acquire 1; 0 release 2; 2 acquire 2", Valid),
        (3, "0 acquire 2; 1 acquire 2", Invalid),
        (3, "0 release 1", Invalid),
        (3, "0 acquire 1; 0 release 2", Invalid),
        (2, "0 acquire null; 0 acquire null; 0 acquire null ?; 1 release null", Valid),
        (2, "0 acquire 0", Inconclusive),
        (2, "0 acquire \"x\"", Inconclusive),
        (2, "0 acquire 2; 0 release 2 ?; 1 acquire 2; 2 acquire null", Invalid),
    ] {
        ends("semaphore", text, &settings(Some(permits)), outcome, "");
    }
    ends("semaphore", "0 acquire null", &settings(None), Inconclusive, "--permits");
}

#[test]
fn a_set_is_held_to_what_additions_and_removals_say() {
    for (text, outcome) in [
        ("0 remove 1 => true; 0 add 1 => false", Invalid),
        ("0 remove 1 => true", Invalid),
        ("0 remove 1 => false; 0 add 1 => true; 0 remove 1 => true", Valid),
        ("0 add 1 => true; 1 add 1 => true", Invalid),
        ("0 add 1 => true; 1 add 1 => false", Valid),
        ("0 add 1 => false", Invalid),
        ("0 add 1 => true; 0 remove 1 => true; 0 add 1 => true", Valid),
        ("0 add 1; 0 remove 1 => false", Invalid),
        ("0 add 1; 0 remove 1; 0 remove 1 => true", Invalid),
        ("0 add 1 ?; 1 add 1 => false; 1 contains 1 => true", Valid),
        ("0 add 1 ?; 1 remove 1 => true; 1 remove 1 => true", Invalid),
        ("0 add 1 ! x; 1 add 1 => false", Invalid),
        ("0 add 1 => true; 1 read null => [1]; 1 add 1 => false; 0 read null => [1]", Valid),
        ("0 add 1 => true; 1 read null => [1]; 1 remove 1 => false", Invalid),
        ("0 add 1 => \"OK\"; 0 add 1 => null; 1 read null => [1]", Valid),
        // Elements that are truth values themselves: no result.
        ("0 add true => true; 1 add true => false; 1 remove false => true", Valid),
        ("0 add \"a\" => true; 1 add \"b\" => true; 0 add \"a\" => true", Invalid),
        ("0 add@x 1 => true; 0 add@y 1 => true", Valid),
    ] {
        ends("set", text, &Settings::default(), outcome, "");
    }
}

#[test]
fn a_bank_has_accounts_a_total_and_balances() {
    let accounts = |names: &str| Some(names.split(',').map(|name| parse_data(name).expect("a name")).collect());
    let plain = Bank::default;
    let negative = Bank { negative_balances: true, ..plain() };
    let of = |names: &str| Bank { accounts: accounts(names), ..plain() };
    let total = |total| Bank { total: Some(total), ..plain() };
    let two = r#"0 read null => {"a":10,"b":10}; 0 read null => "#;
    for (shown, bank, outcome, kind) in [
        (r#"{"a":-5,"b":25}"#, plain(), Invalid, "negative-balance"),
        (r#"{"a":-5,"b":25}"#, negative.clone(), Valid, ""),
        (r#"{"a":5,"b":15}"#, plain(), Valid, ""),
        (r#"{"a":5,"b":16}"#, negative, Invalid, "wrong-total"),
        (r#"{"a":5,"c":15}"#, plain(), Valid, ""),
        (r#"{"a":5,"c":15}"#, of("a,b"), Invalid, "unexpected-account"),
        (r#"{"a":5,"b":15}"#, of("a,b"), Valid, ""),
        (r#"{"a":5,"b":null}"#, of("a,b"), Invalid, "no-balance"),
        (r#"{"a":5,"b":15}"#, total(20), Valid, ""),
        (r#"{"a":5,"b":15}"#, total(21), Invalid, "wrong-total"),
        (r#"{"a":-5,"zzz":25}"#, of("a,b"), Invalid, "unexpected-account"),
        (r#"[5,15]"#, plain(), Invalid, "no-balance"),
    ] {
        let settings = Settings { bank, ..Settings::default() };
        let finding = judged("bank", &history(&format!("{two}{shown}")), &settings);
        finding_ends(&finding, ("bank", shown), outcome, "");
        let kinds: Vec<&str> = finding.explained().map(|anomaly| anomaly.kind.as_str()).collect();
        assert!(kinds.iter().all(|found| *found == kind), "{shown}: {kinds:?}");
    }
    // Numbers name accounts, too.
    let mut numbered = history(r#"0 read null => {"0":1,"1":2}"#);
    let known = Settings { bank: of("0,1"), ..Settings::default() };
    assert_eq!(judged("bank", &numbered, &known).outcome(), Valid);
    numbered.begin_with(None, &parse_data("{0 1, 1 3}").expect("a map")).expect("there is room");
    assert_eq!(judged("bank", &numbered, &Settings::default()).outcome(), Invalid);
}

#[test]
fn set_full_counts_what_was_added_and_may_forbid_staleness() {
    let linearizable = Settings { linearizable_sets: true, ..Settings::default() };
    let plain = Settings::default();
    for (text, settings, outcome, words) in [
        ("0 add 1; 1 read null => [1]", &plain, Valid, "1 elements stable"),
        ("0 add 1; 1 read null => [1,7]", &plain, Invalid, "1 elements stable"),
        ("0 add 1 ! x; 1 read null => [1]; 1 read null => [1]", &plain, Invalid, "0 elements stable"),
        ("0 add 1; 1 read null => []; 1 read null => [1]", &plain, Valid, "1 of them stale"),
        ("0 add 1; 1 read null => []; 1 read null => [1]", &linearizable, Invalid, "does not have it, though a later"),
        ("0 add 1; 1 read null => [1]; 1 read null => [1]", &linearizable, Valid, ""),
        ("1 read null => []; 0 add 1; 1 read null => [1]", &linearizable, Valid, ""),
        ("0 add 1 ?; 1 read null => []; 1 read null => [1]", &linearizable, Valid, ""),
        ("0 add 1 ?; 1 read null => [1]; 1 read null => []; 1 read null => [1]", &linearizable, Invalid, ""),
        ("0 add 1; 1 read null => [7]; 1 read null => []", &plain, Invalid, "1 lost"),
        ("0 add 1 => false; 1 read null => [1]", &plain, Inconclusive, "`ok` with false"),
    ] {
        ends("set-full", text, settings, outcome, words);
    }
}

/// With what objects begin: `V`, or `K=V`.
fn beginning(text: &str, initial: &[&str]) -> History {
    let mut history = history(text);
    begin(&mut history, initial);
    history
}

fn begin(history: &mut History, initial: &[&str]) {
    for initial in initial {
        let (key, value) = parse_assignment(initial).expect("a value, or that of a key");
        history.begin_with(key.as_ref(), &value).expect("there is room");
    }
}

#[test]
fn what_objects_begin_with_can_be_said_of_every_model() {
    let semaphore = Settings { permits: Some(2), ..Settings::default() };
    let plain = Settings::default();
    for (model, settings, initial, text, with, without) in [
        ("register", &plain, "0", "0 read null => 0; 0 write 1; 0 read null => 1", Valid, Invalid),
        ("register", &plain, "0", "0 read null => null", Invalid, Valid),
        ("cas-register", &plain, "0", "1 read null => 0; 1 cas [0,3]; 1 read null => 3", Valid, Invalid),
        ("cas-register", &plain, "0", "1 write 0; 1 cas [0,3]; 1 write 0; 1 read null => 0", Valid, Valid),
        ("cas-register", &plain, "x=0", "1 read@x null => 0; 1 read@y null => null", Valid, Invalid),
        ("register", &plain, "\"a\"", "1 read null => \"a\"; 1 write \"b\"; 2 read null => \"a\"", Invalid, Invalid),
        ("sequential", &plain, "0", "1 read null => 0; 1 write 1", Valid, Invalid),
        ("sequential", &plain, "x=0", "1 read@y null => 0", Invalid, Invalid),
        ("multi-register", &plain, "0", r#"0 txn [["r","x",0],["w","x",1]]"#, Valid, Invalid),
        ("multi-register", &plain, "x=0", r#"0 txn [["r","x",0],["r","y",0]]"#, Invalid, Invalid),
        ("mutex", &plain, "true", "0 release null; 1 acquire null", Valid, Invalid),
        ("owner-mutex", &plain, "1", "1 release null; 2 acquire null", Valid, Invalid),
        ("owner-mutex", &plain, "1", "2 acquire null", Invalid, Valid),
        ("fenced-mutex", &plain, "7", "2 acquire null => 7", Invalid, Valid),
        ("semaphore", &semaphore, "1", "0 acquire null; 1 acquire null", Invalid, Valid),
        ("mutex", &plain, "17", "0 acquire null", Inconclusive, Valid),
        ("set", &plain, "[1,2]", "0 read null => [2,1]; 0 add 3; 0 read null => [1,2,3]", Valid, Invalid),
        ("set", &plain, "[1]", "0 contains 1 => true; 0 add 1 => false", Valid, Invalid),
        ("set", &plain, "[1]", "0 read null => []", Invalid, Valid),
        ("counter", &plain, "5", "0 add 1; 0 read null => 6", Valid, Invalid),
        ("counter", &plain, "\"five\"", "0 add 1; 0 read null => 1", Inconclusive, Valid),
        ("queue", &plain, "[1,2]", "0 dequeue null => 1; 0 dequeue null => 2", Valid, Invalid),
        ("queue", &plain, "[1,2]", "0 dequeue null => 2", Invalid, Invalid),
        ("stack", &plain, "[1,2]", "0 push 3; 0 pop null => 3; 0 pop null => 2", Valid, Invalid),
        ("priority-queue", &plain, "[9,4]", "0 insert 5; 0 extract-min null => 4", Valid, Invalid),
        ("list-append", &plain, "[1]", r#"0 txn [["append","x",2]]; 0 txn [["r","x",[1,2]]]"#, Valid, Invalid),
        ("list-append", &plain, "[1]", r#"0 txn [["r","x",null]]"#, Invalid, Valid),
        ("list-append", &plain, "y=[1]", r#"0 txn [["r","x",null],["r","y",[1]]]"#, Valid, Invalid),
        ("rw-register", &plain, "0", r#"0 txn [["r","x",0],["w","x",1]]; 1 txn [["r","x",1]]"#, Valid, Invalid),
        ("rw-register", &plain, "0", r#"0 txn [["w","x",1]]; 1 txn [["r","x",0]]"#, Invalid, Invalid),
        ("rw-register", &plain, "0", r#"0 txn [["r","x",null]]"#, Invalid, Valid),
        (
            "read-atomic",
            &plain,
            "0",
            r#"0 txn [["w","x",1],["w","y",1]]; 1 txn [["r","x",1],["r","y",0]]"#,
            Invalid,
            Invalid,
        ),
        ("causal", &plain, "0", "0 write 1; 0 read null => 0", Invalid, Invalid),
        ("session", &plain, "0", "1 read null => 0; 0 write 1; 1 read null => 1", Valid, Invalid),
        ("session", &plain, "[7]", "1 read null => [7]; 0 add 1; 1 read null => [7,1]", Valid, Invalid),
        ("set-full", &plain, "[7]", "1 read null => [7]", Valid, Invalid),
        ("set-full", &plain, "[7]", "0 add 1; 1 read null => [1]", Invalid, Valid),
        ("total-queue", &plain, "[7]", "0 dequeue null => 7", Valid, Invalid),
        ("total-queue", &plain, "[7,8]", "0 drain null => [7]", Invalid, Invalid),
        ("monotonic", &plain, "5", "0 read null => 4", Invalid, Valid),
        ("monotonic", &plain, "5", "0 inc null => 5", Invalid, Valid),
        ("bank", &plain, r#"{"a":5,"b":5}"#, r#"0 read null => {"a":5,"b":6}"#, Invalid, Valid),
        ("dirty-reads", &plain, "0", "0 read null => [1,1]", Invalid, Valid),
        ("long-fork", &plain, "0", r#"0 read [["r",1,null],["r",2,null]] => [["r",1,0],["r",2,0]]"#, Valid, Invalid),
        ("staleness", &plain, "0", "0 read null => 0; 0 write 1; 0 read null => 1", Valid, Invalid),
    ] {
        begins(model, settings, initial, text, (with, without));
    }
}

fn begins(model: &str, settings: &Settings, initial: &str, text: &str, (with, without): (Outcome, Outcome)) {
    let said = (model, text);
    finding_ends(&judged(model, &beginning(text, &[initial]), settings), said, with, "");
    finding_ends(&judged(model, &history(text), settings), said, without, "");
}

#[test]
fn what_objects_of_jepsen_and_maelstrom_begin_with_can_be_said() {
    let plain = Settings::default();
    for (model, initial, text, with, without) in [
        ("broadcast", "[7]", "0 broadcast 1; 1 read null => [1,7]", Valid, Invalid),
        ("causal-register", "7", "0 read-init null => 7; 0 write 1; 0 read null => 1", Valid, Invalid),
        ("causal-register", "7", "0 read-init null => 0; 0 write 1; 0 read null => 1", Invalid, Valid),
        ("causal-register", "7", "0 write 1; 0 read null => 7", Invalid, Invalid),
        ("causal-reverse", "[7]", "0 write 1; 1 read null => [7,1]", Valid, Invalid),
        ("causal-reverse", "[7]", "0 write 1; 1 read null => [1]", Invalid, Valid),
        ("causal-reverse", "[7]", "0 write 7; 0 write 1; 1 read null => [7,1]", Valid, Valid),
        ("causal-reverse", "7", "0 write 1; 1 read null => [1]", Inconclusive, Valid),
        ("kafka", "[7]", r#"0 poll null => {"x":[[0,7]]}"#, Valid, Invalid),
        ("kafka", "x=[7,7]", r#"0 poll null => {"x":[[0,7],[1,7]]}"#, Valid, Invalid),
        ("kafka", "[7]", r#"0 poll null => {"x":[[0,7],[1,7]]}"#, Invalid, Invalid),
        ("kafka", "7", r#"0 poll null => {"x":[]}"#, Inconclusive, Inconclusive),
    ] {
        begins(model, &plain, initial, text, (with, without));
    }
}

/// It was called by the number that it has inside, here 2^31.
#[test]
fn regression_a_process_was_not_called_by_its_name_where_a_number_is_below_the_first() {
    let history = beginning("4000000000 read null => 4", &["5"]);
    let finding = judged("monotonic", &history, &Settings::default());
    let words = "Process 4000000000 was given 4, which began with 5.";
    finding_ends(&finding, ("monotonic", "below the first"), Invalid, words);
}

#[test]
fn final_reads_of_a_counter_have_what_it_began_with() {
    let lines = |seen: i64| {
        let line = |process, kind, f, value: Value| json!({"process": process, "type": kind, "f": f, "value": value});
        let mut read = [line(1, "invoke", "read", json!(null)), line(1, "ok", "read", json!(seen))];
        read.iter_mut().for_each(|event| event["final?"] = json!(true));
        let added = [line(0, "invoke", "add", json!(1)), line(0, "ok", "add", json!(1))];
        let unknown = [line(0, "invoke", "add", json!(2)), line(0, "info", "add", json!(2))];
        let events = added.into_iter().chain(unknown).chain(read);
        events.map(|event| event.to_string() + "\n").collect::<String>()
    };
    for (model, initial, seen, outcome, words) in [
        ("pn-counter", "5", 6, Valid, ""),
        ("pn-counter", "5", 8, Valid, ""),
        ("g-counter", "5", 8, Valid, ""),
        ("g-counter", "5", 1, Invalid, "with 5 at first the sum of what was added is one of the sums from 6 to 8"),
        ("pn-counter", "5", 5, Invalid, "Process 1 read 5 at last"),
        ("pn-counter", "-1", 0, Valid, ""),
        ("pn-counter", "\"five\"", 6, Inconclusive, "a counter cannot begin with \"five\""),
    ] {
        let reading = read(lines(seen).as_bytes(), Format::Json, &Selection::default());
        let mut history = reading.expect("it is a history").records;
        begin(&mut history, &[initial]);
        let finding = judged(model, &history, &Settings::default());
        finding_ends(&finding, (model, initial), outcome, words);
    }
}

#[test]
fn several_keys_each_begin_with_their_own() {
    let text = "0 read@x null => 1; 0 read@y null => [2]; 0 read@z null => 9; 0 read@7 null => \"seven\"";
    let all = beginning(text, &["9", "x=1", "y=[2]", "7=seven"]);
    assert_eq!(judged("register", &beginning(text, &["9", "x=1"]), &Settings::default()).outcome(), Invalid);
    assert_eq!(all.initial(all.sym("7").expect("it is a key")), all.ops[3].result);
    assert_eq!(all.show(all.initial(all.sym("y").expect("it is a key"))), "[2]");
    assert_eq!(all.show(all.initial(all.sym("z").expect("it is a key"))), "9");
}

#[test]
fn a_value_or_that_of_a_key() {
    for (text, key, value) in [
        ("0", None, "0"),
        ("-5", None, "-5"),
        ("x=0", Some("\"x\""), "0"),
        ("[1 2]", None, "[1, 2]"),
        ("[1,2]", None, "[1, 2]"),
        ("\"a=b\"", None, "\"a=b\""),
        ("k=\"a=b\"", Some("\"k\""), "\"a=b\""),
        (":k=:v", Some("\"k\""), "\"v\""),
        ("1=[]", Some("1"), "[]"),
        ("free", None, "\"free\""),
        ("null", None, "nil"),
        ("nil", None, "nil"),
        ("{\"a\":1}", None, "{\"a\": 1}"),
        ("[1 2]=5", Some("[1, 2]"), "5"),
        ("\"a=b\"=0", Some("\"a=b\""), "0"),
        ("\"a=b\"=\"c=d\"", Some("\"a=b\""), "\"c=d\""),
    ] {
        let (found_key, found) = parse_assignment(text).unwrap_or_else(|| panic!("{text} is a value"));
        assert_eq!(found_key.as_ref().map(crate::formats::shown).as_deref(), key, "{text}");
        assert_eq!(crate::formats::shown(&found), value, "{text}");
    }
    for text in ["", "[1", "=5", "x=", "x=[", "a=b=0"] {
        assert_eq!(parse_assignment(text), None, "{text}");
    }
}

#[test]
fn names_of_functions_are_mapped() {
    let renamed = |text: &str, renames: &[(&str, &str)]| {
        let renames = renames.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        let selection = Selection { renames, ..Selection::default() };
        read(text.as_bytes(), Format::Edn, &selection).expect("the history is sound")
    };
    let op = |f: &str, argument: &str, result: &str| {
        format!(
            "{{:process 0, :type :invoke, :f :{f}, :value {argument}}} {{:process 0, :type :ok, :f :{f}, :value {result}}} "
        )
    };
    for (model, text, renames, outcome) in [
        ("register", op("put", "1", "1") + &op("get", "nil", "1"), vec![("put", "write"), ("get", "read")], Valid),
        ("register", op("put", "1", "1") + &op("get", "nil", "2"), vec![("put", "write"), ("get", "read")], Invalid),
        ("set-full", op("broadcast", "1", "1") + &op("read", "nil", "[1]"), vec![("broadcast", "add")], Valid),
        ("set-full", op("broadcast", "1", "1") + &op("read", "nil", "[]"), vec![("broadcast", "add")], Invalid),
        (
            "register",
            op("read", "1", "1") + &op("write", "nil", "1"),
            vec![("read", "write"), ("write", "read")],
            Valid,
        ),
        (
            "total-queue",
            op("send", "1", "1") + &op("poll", "nil", "1"),
            vec![("send", "enqueue"), ("poll", "dequeue")],
            Valid,
        ),
        ("list-append", op("txn", "[[:push 1 5]]", "[[:push 1 5]]"), vec![("push", "append")], Valid),
        ("list-append", op("txn", "[[:get 1 nil]]", "[[:get 1 [5]]]"), vec![("get", "r")], Invalid),
        ("rw-register", op("tx", "[[:put :x 5]]", "[[:put :x 5]]"), vec![("put", "w"), ("tx", "txn")], Valid),
        ("mutex", op("lock", "nil", "nil") + &op("lock", "nil", "nil"), vec![("lock", "acquire")], Invalid),
        (
            "cas-register",
            op("set", "[:x 1]", "[:x 1]") + &op("read", "[:x nil]", "[:x 1]"),
            vec![("set", "write")],
            Valid,
        ),
    ] {
        let reading = renamed(&text, &renames);
        assert_eq!(reading.unknown_names, Vec::<String>::new(), "{text}");
        finding_ends(&judged(model, &reading.records, &Settings::default()), (model, &text), outcome, "");
    }
    // Keys are taken out of values under the new names.
    let keyed = renamed(&(op("set", "[:x 1]", "[:x 1]") + &op("get", "[:x nil]", "[:x 1]")), &[("get", "read")]);
    assert!(keyed.records.ops.iter().all(|op| keyed.records.text(op.key) == "x"));
    assert_eq!(renamed(&op("read", "nil", "1"), &[("get", "read"), ("read", "r")]).unknown_names, ["get"]);
}

#[test]
fn a_completion_of_another_value_counts_where_it_can_be_one() {
    for (model, text, outcome) in [
        ("register", "0 write 1 => 2; 1 read null => 2", Valid),
        ("register", "0 write 1 => 2; 1 read null => 1", Invalid),
        ("register", "0 write 1 => \"OK\"; 1 read null => 1", Valid),
        ("register", "0 write 1 => \"OK\"; 1 read null => \"OK\"", Invalid),
        ("register", "0 write 1 => true; 1 read null => 1", Valid),
        ("register", "0 write 1 => null; 1 read null => 1", Valid),
        ("register", "0 write null => 3; 1 read null => 3", Valid),
        ("register", "0 write \"a\" => \"b\"; 1 read null => \"b\"", Valid),
        ("register", "0 write \"a\" => \"ok\"; 1 read null => \"a\"", Valid),
        ("register", "0 write \"a\" => 17; 1 read null => \"a\"", Valid),
        ("register", "0 write true => false; 1 read null => false", Valid),
        ("register", "0 write 1 => false; 1 read null => 1", Inconclusive),
        ("register", "0 write 1 ?; 1 read null => 1", Valid),
        ("cas-register", "0 write 1; 0 cas [1,2] => [1,3]; 1 read null => 3", Valid),
        ("cas-register", "0 write 1; 0 cas [1,2] => true; 1 read null => 2", Valid),
        ("cas-register", "0 write 1; 0 cas [1,2] => false; 1 read null => 1", Inconclusive),
        ("sequential", "0 write 1 => \"done\"; 0 read null => 1", Valid),
        ("queue", "0 enqueue 1 => 2; 0 dequeue null => 2", Valid),
        ("queue", "0 enqueue \"a\" => 1; 0 dequeue null => \"a\"", Valid),
        ("stack", "0 push 1 => true; 0 pop null => 1", Valid),
        ("counter", "0 add 5 => \"ok\"; 0 read null => 5", Valid),
        ("counter", "0 add 5 => 12; 0 read null => 5", Inconclusive),
        ("total-queue", "0 enqueue 1 => \"OK\"; 0 dequeue null => 1", Valid),
        ("total-queue", "0 enqueue 1 => 2; 0 dequeue null => 2", Valid),
        ("total-queue", "0 enqueue 1 => false; 0 dequeue null => 1", Inconclusive),
        ("set-full", "0 add 1 => 2; 0 read null => [2]", Valid),
        ("set-full", "0 add 1 => true; 0 read null => [1]", Valid),
        ("staleness", "0 write 1 => \"OK\"; 0 read null => 1", Valid),
        ("multi-register", r#"0 txn [["w","x",1]] => true; 0 txn [["r","x",1]]"#, Valid),
        ("list-append", r#"0 txn [["append","x",1],["r","x",null]] => "OK"; 0 txn [["r","x",[1]]]"#, Valid),
        ("rw-register", r#"0 txn [["w","x",1],["r","x",null]] => true; 0 txn [["r","x",1]]"#, Valid),
        ("session", "0 write 1 => true; 0 read null => 1", Valid),
    ] {
        ends(model, text, &Settings::default(), outcome, "");
    }
}

/// Model, history, the value that is named, and whose operation failed.
const FAILED_WRITERS: [(&str, &str, &str, &str); 21] = [
    ("register", "3 write 7 ! timeout; 1 read null => 7", "7", "`write` (process 3, event 1) failed with `timeout`"),
    ("cas-register", "0 write 1; 3 cas [1,7] ! reset; 1 read null => 7", "7", "`cas` (process 3, event 3)"),
    ("cas-register", "3 write@x 7 ! lost; 1 cas@x [7,8]", "7", "`write` (process 3, event 1) failed with `lost`"),
    ("sequential", "3 write 7 ! timeout; 1 read null => 7", "7", "`write` (process 3, event 1)"),
    (
        "multi-register",
        r#"3 txn [["w","x",7]] ! a; 1 txn [["r","x",7]]"#,
        "7",
        "`txn` (process 3, event 1) failed with `a`",
    ),
    (
        "cas-register",
        "3 write {\"a\":1} ! e; 1 read null => {\"a\":1}",
        "1}",
        "`write` (process 3, event 1) failed with `e`",
    ),
    ("total-queue", "3 enqueue [1,[2]] ! e; 1 dequeue null => [1,[2]]", "[1, [2]]", "`enqueue` (process 3, event 1)"),
    ("set", "3 add 7 ! timeout; 1 read null => [7]", "7", "`add` (process 3, event 1) failed with `timeout`"),
    ("set", "3 add 7 ! b; 1 contains 7 => true", "7", "`add` (process 3, event 1) failed with `b`"),
    ("queue", "3 enqueue 7 ! c; 1 dequeue null => 7", "7", "`enqueue` (process 3, event 1) failed with `c`"),
    ("stack", "3 push 7 ! c; 1 pop null => 7", "7", "`push` (process 3, event 1) failed with `c`"),
    (
        "total-queue",
        "0 enqueue 1 ! conflict; 1 dequeue null => 1",
        "1",
        "`enqueue` (process 0, event 1) failed with `conflict`",
    ),
    ("total-queue", "0 enqueue 1 ! e; 1 drain null => [1]", "1", "`enqueue` (process 0, event 1) failed with `e`"),
    ("set-full", "0 add 1; 3 add 7 ! d; 1 read null => [1,7]", "7", "`add` (process 3, event 3) failed with `d`"),
    ("counter", "3 add 5 ! timeout; 1 read null => 5", "The", "`add` (process 3, event 1) failed with `timeout`"),
    (
        "list-append",
        r#"3 txn [["append","x",7]] ! f; 1 txn [["r","x",[7]]]"#,
        "7",
        "`txn` (process 3, event 1) failed with `f`",
    ),
    (
        "rw-register",
        r#"3 txn [["w","x",7]] ! g; 1 txn [["r","x",7]]"#,
        "7",
        "`txn` (process 3, event 1) failed with `g`",
    ),
    (
        "read-committed",
        r#"3 txn [["w","x",7]] ! h; 1 txn [["r","x",7]]"#,
        "7",
        "`txn` (process 3, event 1) failed with `h`",
    ),
    ("session", "3 write 7 ! i; 1 read null => 7", "7", "`write` (process 3, event 1) failed with `i`"),
    ("dirty-reads", "3 write 7 ! j; 1 read null => [7,7]", "7", "`write` (process 3, event 1) failed with `j`"),
    ("staleness", "3 write 7 ! k; 1 read null => 7", "7", "`write` (process 3, event 1) failed with `k`"),
];

#[test]
fn a_violation_names_the_failed_operation_that_wrote_the_value() {
    for (model, text, value, failed) in FAILED_WRITERS {
        let finding = judged(model, &history(text), &Settings::default());
        finding_ends(&finding, (model, text), Invalid, failed);
        finding_ends(&finding, (model, text), Invalid, "if the client cannot know, record `info`.");
        finding_ends(&finding, (model, text), Invalid, value);
        let anomaly = finding.explained().next().expect("one is explained");
        let failed = if failed.contains("event 3") { 3 } else { 1 };
        assert!(anomaly.events.contains(&failed) || anomaly.context.contains(&failed), "{model}: {anomaly:?}");
    }
    // Where another may have written it too, the failed one is not to blame.
    let both = "3 write 7 ! timeout; 4 write 7; 4 write 8; 1 read null => 7";
    let finding = judged("register", &history(both), &Settings::default());
    assert!(!finding.explained().any(|anomaly| anomaly.explanation.contains("failed with")), "{finding:?}");
}
