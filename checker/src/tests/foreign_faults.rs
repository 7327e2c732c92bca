//! Faults of histories that other benches recorded.

use crate::formats::{Format, Selection, read};
use crate::history::History;
use crate::limits::Limits;
use crate::run::faults::findings;
use crate::{CheckName, Claims, Object, Outcome};

/// A history of EDN: events of the nemesis (time in ms, function, value) around two operations.
fn history(nemesis: &[(u64, &str, &str)]) -> History {
    let mut events: Vec<(u64, String)> = nemesis
        .iter()
        .map(|(ms, f, value)| (*ms, format!(":process :nemesis, :type :info, :f :{f}, :value {value}")))
        .collect();
    events.push((5, ":process 0, :type :invoke, :f :write, :value 1".to_owned()));
    events.push((6, ":process 0, :type :ok, :f :write, :value 1".to_owned()));
    events.sort();
    let line = |(ms, rest): &(u64, String)| format!("{{:time {}, {rest}}}\n", ms * 1_000_000);
    let text: String = events.iter().map(line).collect();
    read(text.as_bytes(), Format::Edn, &Selection::default()).expect("it is EDN").records
}

/// Kind, detail, nodes, and from when to when in ms.
fn faults(nemesis: &[(u64, &str, &str)]) -> Vec<(String, String, String, u64, Option<u64>)> {
    let ms = |ns: u64| ns / 1_000_000;
    let found = findings(&history(nemesis)).into_iter().map(|fault| {
        assert!(fault.foreign && !fault.proved, "{fault:?}");
        let start = ms(fault.start_ns.expect("it began"));
        (fault.kind, fault.detail, fault.nodes.join(" "), start, fault.stop_ns.map(ms))
    });
    found.collect()
}

fn fault(
    kind: &str,
    detail: &str,
    nodes: &str,
    start: u64,
    stop: Option<u64>,
) -> (String, String, String, u64, Option<u64>) {
    (kind.to_owned(), detail.to_owned(), nodes.to_owned(), start, stop)
}

#[test]
fn an_operation_of_the_nemesis_is_recorded_twice() {
    let partition = [
        (1, "start-partition", ":majority"),
        (2, "start-partition", "{\"n1\" #{\"n2\" \"n3\"}}"),
        (8, "stop-partition", "nil"),
        (9, "stop-partition", ":network-healed"),
    ];
    assert_eq!(faults(&partition), [fault("partition", "{n1: {n2 n3}}", "n1", 1, Some(9))]);
}

/// Every operation of a log of Jepsen, which has no times, was taken for one in faults: all was at time zero.
#[test]
fn regression_without_times_faults_last_from_event_to_event() {
    let write = |process: u64| {
        ["invoke", "ok"]
            .map(|kind| format!("{{:process {process}, :type :{kind}, :f :write, :value {process}}}\n"))
            .concat()
    };
    let nemesis = |f: &str| format!("{{:process :nemesis, :type :info, :f :{f}, :value nil}}\n");
    let text = write(1) + &nemesis("start") + &nemesis("start") + &write(2) + &nemesis("stop") + &write(3) + &write(4);
    let history = read(text.as_bytes(), Format::Edn, &Selection::default()).expect("it is EDN").records;
    let claims = Claims { statistics: true, ..Claims::of_history(CheckName::LINEARIZABLE, Some(Object::Register)) };
    let verdict = crate::check(&history, &claims, &Limits::default());
    let [writes] = &verdict.statistics[..] else { panic!("there is one function") };
    assert_eq!((writes.ok, writes.invoked_in_faults, writes.ok_in_faults), (4, 1, 1));
}

#[test]
fn start_means_a_fault_or_that_nodes_are_started_again() {
    assert_eq!(faults(&[(1, "start", "nil"), (8, "stop", "nil")]), [fault("fault", "", "", 1, Some(8))]);
    let nodes = "[\"n1\" \"n2\"]";
    let killed = [(1, "kill", nodes), (4, "start", nodes), (7, "pause", nodes), (9, "resume", nodes)];
    let expected = [fault("kill", "[n1 n2]", "n1 n2", 1, Some(4)), fault("pause", "[n1 n2]", "n1 n2", 7, Some(9))];
    assert_eq!(faults(&killed), expected);
    // Each is recorded twice, a while apart; and again.
    let twice = [(1, "kill", "nil"), (2, "kill", nodes), (4, "start", "nil"), (5, "start", nodes)];
    let again = [(11, "start", "nil"), (12, "start", "nil"), (14, "stop", "nil"), (15, "stop", "nil")];
    let expected = [fault("kill", "[n1 n2]", "n1 n2", 1, Some(5)), fault("fault", "", "", 11, Some(15))];
    assert_eq!(faults(&[&twice[..], &again[..]].concat()), expected);
}

#[test]
fn what_never_ends_lasts_and_a_heal_ends_everything() {
    assert_eq!(faults(&[(2, "bump", "{\"n1\" 800}")]), [fault("bump", "{n1: 800}", "n1", 2, None)]);
    let healed = [(1, "isolate", "nil"), (2, "start-loss", "nil"), (9, "heal", "nil")];
    assert_eq!(faults(&healed), [fault("isolate", "", "", 1, Some(9)), fault("loss", "", "", 2, Some(9))]);
    assert_eq!(faults(&[(1, "check-offsets", "nil")]), []);
}

/// They are drawn, and keep nothing from being valid: the bench did not plan them.
#[test]
fn foreign_faults_leave_no_doubt() {
    let history = history(&[(1, "start-partition", "nil"), (9, "stop-partition", "nil")]);
    let claims = Claims::of_history(CheckName::LINEARIZABLE, Some(Object::Register));
    let verdict = crate::check(&history, &claims, &Limits::default());
    assert_eq!((verdict.outcome, verdict.faults.len()), (Outcome::Valid, 1), "{verdict:?}");
}

/// A keyword says how, not where; what is nested names nodes, too.
#[test]
fn nodes_are_found_behind_a_keyword() {
    let isolated = "[:isolated {\"n2\" #{\"n1\"}, \"n1\" #{\"n2\"}}]";
    let found = faults(&[(1, "start-partition", isolated), (9, "stop-partition", "nil")]);
    assert_eq!(found[0].2, "n1 n2");
}
