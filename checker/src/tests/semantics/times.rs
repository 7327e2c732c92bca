//! What times mean: their unit, where they begin, and what is known of events at one time. Each test is of a history that was
//! judged by times which its reader had changed.

use serde_json::{Value, json};

use super::{finding_ends, judged};
use crate::checks::settings::{Bounds, Settings};

use crate::formats::{Damage, Format, Selection, read};
use crate::history::{EventType, History, Phase};
use crate::objects::ConcurrentWrites;
use crate::tests::{Story, check, claiming_all};
use crate::verdict::Outcome::{Inconclusive, Invalid, Valid};

const SECOND_NS: u64 = 1_000_000_000;
const MILLISECOND_NS: u64 = 1_000_000;

/// A read of 1 after it has been replaced by 2, in JSON or EDN, with such times.
fn text(times: &[Value], format: Format) -> String {
    let events = [
        (0, "invoke", "write", "1"),
        (0, "ok", "write", "1"),
        (0, "invoke", "write", "2"),
        (0, "ok", "write", "2"),
        (1, "invoke", "read", "null"),
        (1, "ok", "read", "1"),
    ];
    let line = |((process, kind, f, value), time): (&(i64, &str, &str, &str), &Value)| match format {
        Format::Json => {
            format!("{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",\"value\":{value},\"time\":{time}}}\n")
        }
        _ => {
            let value = value.replace("null", "nil");
            format!("{{:process {process}, :type :{kind}, :f :{f}, :value {value}, :time {time}}}\n")
        }
    };
    events.iter().zip(times).map(line).collect()
}

fn reading(times: &[Value], format: Format, time_unit_ns: Option<u64>) -> Result<History, Damage> {
    let selection = Selection { time_unit_ns, ..Selection::default() };
    read(text(times, format).as_bytes(), format, &selection).map(|reading| reading.records)
}

/// The same of times that are integers, in both formats.
fn stale(times: impl IntoIterator<Item = i64>, unit_ns: Option<u64>) -> History {
    let times: Vec<Value> = times.into_iter().map(Value::from).collect();
    let read = |format| reading(&times, format, unit_ns).unwrap_or_else(|damage| panic!("{times:?}: {damage}"));
    let [json, edn] = [Format::Json, Format::Edn].map(read);
    let ns = |history: &History| history.ops.iter().map(|op| (op.called_ns, op.returned_ns)).collect::<Vec<_>>();
    assert_eq!((ns(&json), json.since_1970(), json.timed), (ns(&edn), edn.since_1970(), edn.timed), "{times:?}");
    json
}

fn at_most(versions_max: Option<u64>, time_ns_max: Option<u64>) -> Settings {
    Settings { staleness: Bounds { versions_max, time_ns_max }, ..Settings::default() }
}

/// The clock was set back after the first event: all others were taken to have happened at once, in whatever unit.
#[test]
fn regression_dates_before_that_of_the_first_event_became_one_moment() {
    for (unit, second) in [("milliseconds", 1_000), ("microseconds", 1_000_000), ("nanoseconds", 1_000_000_000)] {
        for ahead in [1, 3_600, 86_400] {
            for behind in 0..5 {
                // The clock is set back after so many events.
                let time =
                    |at: i64| 1_700_000_000 * second + at * second / 10 + if at <= behind { ahead * second } else { 0 };
                let history = stale((0..6).map(time), None);
                assert_eq!(history.since_1970(), Some(unit));
                let words = format!("the time of the event at index {} is before that of an earlier one", behind + 1);
                for settings in [at_most(Some(1), None), at_most(None, Some(MILLISECOND_NS))] {
                    finding_ends(&judged("staleness", &history, &settings), (unit, ""), Inconclusive, &words);
                }
            }
        }
    }
    // Ten milliseconds lie between these events, and so they are no seconds.
    let descending = stale((0..6).map(|at| 1_100_000_000 - at * 10_000_000), None);
    assert_eq!((descending.since_1970(), descending.other_units().count()), (None, 0));
    finding_ends(&judged("staleness", &descending, &at_most(Some(1), None)), ("falling", ""), Inconclusive, "index 1");
}

/// Times that do not fit became the largest that does: all of them one moment.
#[test]
fn regression_times_that_overflow_their_unit_became_one_moment() {
    for (first, step, unit_ns) in [
        (json!(1_700_000_000_000_u64), 1_000.0, SECOND_NS),
        (json!(1_700_000_000_000.5), 1_000.0, SECOND_NS),
        (json!(-1_700_000_000_000_i64), 1_000.0, SECOND_NS),
        (json!(1_700_000_000_000_000_000_u64), 1e9, 1_000),
        (json!(1e300), 1e299, 1),
        (json!(u64::MAX), 0.0, 1),
        (json!(i64::MAX), 0.0, 1),
        (json!(i64::MIN), 0.0, 1),
    ] {
        let later = |at: u32| match (first.as_i64(), first.as_f64()) {
            (Some(first), _) => json!(first + step as i64 * i64::from(at)),
            (None, Some(time)) if step > 0.0 => json!(time + step * f64::from(at)),
            _ => first.clone(),
        };
        let times: Vec<Value> = (0..6).map(later).collect();
        for format in [Format::Json, Format::Edn] {
            let refused = reading(&times, format, Some(unit_ns)).expect_err("it is no time").to_string();
            assert!(refused.starts_with("line 1, ") && refused.contains("292 years"), "{first}: {refused}");
        }
    }
    // Dates in seconds fit.
    let history = stale((0..6).map(|at| 1_700_000_000 + at), Some(SECOND_NS));
    assert_eq!((history.since_1970(), history.end_ns()), (Some("seconds"), 5 * SECOND_NS));
}

/// All times below zero became zero: where a clock begins says nothing.
#[test]
fn regression_times_below_zero_became_one_moment() {
    let late = -300_000_000_i64;
    for first in [late, -1, -500_000_000, -9_000_000_000_000_000_000, 0, 400_000_000] {
        for unit_ns in [None, Some(1)] {
            let history = stale((0..6).map(|at| first + at * 100_000_000), unit_ns);
            let finding = judged("staleness", &history, &at_most(Some(1), None));
            finding_ends(&finding, ("staleness", ""), Invalid, "in different orders");
            assert_eq!(finding.figures["delta_ms"], 100.0, "{first}");
            assert!(history.timed && history.since_1970().is_none());
        }
    }
    let parts: Vec<Value> = (0..6).map(|at| json!(-0.25 + f64::from(at) * 0.125)).collect();
    for format in [Format::Json, Format::Edn] {
        let history = reading(&parts, format, Some(SECOND_NS)).expect("these are times");
        assert_eq!(history.ops[2].called_ns - history.ops[0].called_ns, 4 * 125 * MILLISECOND_NS);
        assert_eq!(judged("staleness", &history, &at_most(Some(1), None)).outcome(), Invalid);
    }
    // Times fall below zero, and run back.
    let history = stale([5, 6, 7, -3, 9, 10].map(|time| time * 1_000_000), None);
    finding_ends(&judged("staleness", &history, &at_most(Some(1), None)), ("below", ""), Inconclusive, "index 3");
}

/// Some write -1 where no time was recorded: it was the time 0.
#[test]
fn regression_no_time_at_all_was_a_time() {
    let history = stale([-1; 6], None);
    assert!(!history.timed);
    finding_ends(&judged("staleness", &history, &at_most(Some(1), None)), ("-1", ""), Inconclusive, "no times");
}

/// Operations one after the other were concurrent where the clock is coarse.
#[test]
fn regression_events_at_one_time_had_no_order() {
    for times in [[1, 2, 2, 3, 3, 4], [1, 1, 2, 2, 2, 2], [1, 2, 2, 2, 2, 2], [1, 2, 3, 4, 4, 5], [7; 6]] {
        let history = stale(times.map(|time| time * 1_000_000_000), None);
        let judge = |settings: &Settings| judged("staleness", &history, settings);
        let finding = judge(&at_most(Some(1), None));
        finding_ends(&finding, ("staleness", ""), Invalid, "in different orders");
        // The read need not have begun much earlier to be fresh.
        assert_eq!((finding.figures["versions_at_least"], finding.figures["delta_ms"]), (2.0, 1e-6), "{times:?}");
        assert_eq!(judge(&at_most(Some(2), None)).outcome(), Valid);
        assert_eq!(judge(&at_most(None, Some(0))).outcome(), Invalid);
        assert_eq!(judge(&at_most(None, Some(1))).outcome(), Valid);
    }
    let lines = text(&[3, 3, 3, 3, 3, 3].map(Value::from), Format::Json);
    let mut lines: Vec<&str> = lines.lines().collect();
    // The read of 1 comes first, and at the same time.
    lines.rotate_right(2);
    let history = read((lines.join("\n") + "\n").as_bytes(), Format::Json, &Selection::default()).expect("it is one");
    let finding = judged("staleness", &history.records, &Settings::default());
    finding_ends(&finding, ("future", ""), Invalid, "began at 0.000 s, later in the history");
}

/// A unit that was said did not keep the reader from guessing another: minute 28 of a run was a date.
#[test]
fn regression_times_of_a_unit_that_was_said_were_taken_for_dates() {
    let late = || (0..6).map(|at| 1_700_000_000_000 + at * MILLISECOND_NS as i64);
    let history = stale(late(), Some(1));
    assert_eq!((history.since_1970(), history.end_ns()), (None, 1_700_005_000_000));
    let finding = judged("staleness", &history, &at_most(None, Some(100 * MILLISECOND_NS)));
    finding_ends(&finding, ("staleness", ""), Valid, "delta 1.000 ms");
    assert_eq!(stale(late(), None).since_1970(), Some("milliseconds"), "nobody says what they are");
    for (first, unit_ns, since_1970) in [
        (1_700_000_000, 1, None),
        (1_700_000_000, 1_000, None),
        (1_700_000_000, SECOND_NS, Some("seconds")),
        (1_700_000_000_000, 1_000, None),
        (1_700_000_000_000, MILLISECOND_NS, Some("milliseconds")),
        (1_700_000_000_000_000, 1, None),
        (1_700_000_000_000_000, 1_000, Some("microseconds")),
        (1_700_000_000_000_000_000, 1, Some("nanoseconds")),
    ] {
        let history = stale((0..6).map(|at| first + at), Some(unit_ns));
        assert_eq!(history.since_1970(), since_1970, "{first} of {unit_ns} ns");
        assert_eq!(history.ops[0].returned_ns - history.ops[0].called_ns, unit_ns, "{first} of {unit_ns} ns");
    }
}

/// The same with times as they are written here.
fn reading_as_written(times: [&str; 6], format: Format, time_unit_ns: Option<u64>) -> History {
    let places: Vec<Value> = (900..906).map(Value::from).collect();
    let mut lines = text(&places, format);
    for (place, time) in places.iter().zip(times) {
        lines = lines.replace(&place.to_string(), time);
    }
    let selection = Selection { time_unit_ns, ..Selection::default() };
    read(lines.as_bytes(), format, &selection).expect("these are times").records
}

/// Fractions were cut before the unit was known: reads late by half a second were not.
#[test]
fn regression_fractions_were_cut_before_the_unit_was_known() {
    let late_by = |times: [&str; 6], unit_ns: Option<u64>, most_ns: u64| {
        let judge = |format| {
            let history = reading_as_written(times, format, unit_ns);
            (judged("staleness", &history, &at_most(None, Some(most_ns))), history)
        };
        let [(json, history), (edn, _)] = [Format::Json, Format::Edn].map(judge);
        assert_eq!((json.outcome(), &json.figures), (edn.outcome(), &edn.figures), "{times:?}");
        (json.figures["delta_ms"], history.since_1970(), history.are_times_cut())
    };
    let seconds = ["1700000000", "1700000000.1", "1700000000.2", "1700000000.25", "1700000000.75", "1700000000.875"];
    assert_eq!(late_by(seconds, None, 1), (500.0, Some("seconds"), false));
    assert_eq!(late_by(seconds, Some(SECOND_NS), 1), (500.0, Some("seconds"), false));
    let ms = [
        "1700000000000.125",
        "1700000000000.25",
        "1.7000000000005e12",
        "1700000000001",
        "1700000000002.000001",
        "1700000000003",
    ];
    assert_eq!(late_by(ms, None, 1), (1.000_001, Some("milliseconds"), false));
    let us = [
        "1700000000000000.5",
        "1700000000000001",
        "1700000000000002",
        "1700000000000003",
        "1700000000000003.125",
        "1700000000000004",
    ];
    assert_eq!(late_by(us, None, 1), (0.000_125, Some("microseconds"), false));
    // No date: nobody knows the unit, and nanoseconds have no fractions.
    assert_eq!(late_by(["0", "0.5", "1.5", "2", "3.75", "4"], None, 1), (1e-6, None, true));
    // The more there is before the point, the less fits behind it.
    assert_eq!(late_by(["0", "0.5", "1", "9e9", "9e18", "9.1e18"], None, 1), (8.999_999_991e12, None, true));
    // A double has not the last digits of these.
    let exact = [
        "1700000000.000000128",
        "1700000000.1",
        "1700000000.2",
        "1700000000.300000001",
        "1700000000.300000130",
        "1700000000.4",
    ];
    assert_eq!(late_by(exact, Some(SECOND_NS), 1), (0.000_129, Some("seconds"), false));
    assert_eq!(late_by(exact, None, 1), (0.000_129, Some("seconds"), false));
}

/// Times below zero with fractions, and the decimals and ratios of EDN.
#[test]
fn regression_decimals_were_no_times() {
    let edn = |times: [&str; 6], unit_ns: Option<u64>| {
        let history = reading_as_written(times, Format::Edn, unit_ns);
        history.ops[2].called_ns - history.ops[1].returned_ns
    };
    let dates = ["1700000000M", "1700000000.1M", "17000000002/10", "1700000000.25M", "1700000000.75M", "1700000001N"];
    assert_eq!(edn(dates, None), SECOND_NS / 2);
    assert_eq!(edn(dates, Some(SECOND_NS)), SECOND_NS / 2);
    let below = ["-3", "-2.5M", "-5/2", "-1.75", "1.5", "2"];
    assert_eq!(edn(below, Some(SECOND_NS)), 3_250 * MILLISECOND_NS);
    assert_eq!(edn(["-3", "-2.5", "-2", "-2", "5", "1e-400M"], None), 7);
}

/// One event without a time, 0 or -1, and the dates of all others were nanoseconds.
#[test]
fn regression_one_time_that_is_no_date_hid_the_unit_of_all_others() {
    for (second, unit_ns) in [(1_000, 1_000_000), (1_000_000, 1_000), (1_000_000_000, 1)] {
        for odd in 0..6 {
            for time in [0, -1, 5] {
                let at = |event: i64| if event == odd { time } else { 1_700_000_000 * second + event * second / 10 };
                assert!(stale((0..6).map(at), None).are_times_mixed(), "{second} {odd} {time}");
                assert!(!stale((0..6).map(at), Some(unit_ns)).are_times_mixed(), "it was said");
            }
        }
    }
    for fine in [
        stale((0..6).map(|at| at * 1_000_000_000), None),
        stale((0..6).map(|at| 900_000_000_000 + at * 50_000_000_000), None),
    ] {
        assert!(!fine.are_times_mixed() && fine.other_units().next().is_none());
    }
}

/// Of a run of five weeks, in milliseconds, nothing was known but nanoseconds.
#[test]
fn regression_dates_of_a_long_run_were_nanoseconds() {
    for (second, name) in [(1_000, "milliseconds"), (1_000_000, "microseconds"), (1, "seconds")] {
        let history = stale((0..6).map(|at| (1_700_000_000 + at * 7 * 86_400) * second), None);
        let units: Vec<&str> = history.since_1970().into_iter().chain(history.other_units()).collect();
        assert!(units.contains(&name), "{name}: {units:?}");
    }
}

/// All times -1 are none, in whatever unit; a conversion of decimals was refused.
#[test]
fn regression_times_that_were_written_in_another_way() {
    for unit_ns in [None, Some(1), Some(1_000), Some(MILLISECOND_NS), Some(SECOND_NS)] {
        assert!(!stale([-1; 6], unit_ns).timed, "{unit_ns:?}");
    }
    let marked =
        [r##"{"#edn":"1/3"}"##, r##"{"#edn":"1.5M"}"##, "2", r##"{"#edn":"2.5M"}"##, "3.5", r##"{"#edn":"9/2"}"##];
    let plain = ["1/3", "1.5M", "2", "2.5M", "3.5", "9/2"];
    let ns = |history: &History| history.ops.iter().map(|op| (op.called_ns, op.returned_ns)).collect::<Vec<_>>();
    let (json, edn) = (
        reading_as_written(marked, Format::Json, Some(SECOND_NS)),
        reading_as_written(plain, Format::Edn, Some(SECOND_NS)),
    );
    assert_eq!(ns(&json), ns(&edn));
    let radix = reading_as_written(["0x1F", "2r100000", "041", "34", "35", "36"], Format::Edn, Some(1));
    assert_eq!(ns(&radix), [(31, 32), (33, 34), (35, 36)]);
}

/// A monotonic clock that is as large as a date is one to the reader: whoever judges by time gets the other units.
#[test]
fn a_history_of_an_unknown_unit_is_as_it_would_be_in_others() {
    let history = stale((0..6).map(|at| 1_700_000_000_000 + at * MILLISECOND_NS as i64), None);
    let late = |history: &History| judged("staleness", history, &at_most(None, Some(1))).figures["delta_ms"];
    let others: Vec<_> = history.in_other_units().map(|(unit, other)| (unit, late(&other))).collect();
    assert_eq!((late(&history), others), (1e6, vec![("nanoseconds", 1.0)]));
    let history = stale((0..6).map(|at| 5_000_000 + at * 3_000), None);
    let others: Vec<_> = history.in_other_units().map(|(unit, other)| (unit, late(&other))).collect();
    let expected = vec![("microseconds", 3.0), ("milliseconds", 3e3), ("seconds", 3e6)];
    assert_eq!((late(&history), others), (3e-3, expected));
}

/// Explanations said that all was at 0.000 s in a history without times.
#[test]
fn regression_explanations_had_times_where_the_history_has_none() {
    let without = |text: &str| {
        let lines: String = text.split(';').map(|line| format!("{}\n", line.trim())).collect();
        read(lines.as_bytes(), Format::Log, &Selection::default()).expect("it is a log").records
    };
    let set = without("0 :invoke :add 1; 0 :ok :add 1; 0 :invoke :read nil; 0 :ok :read []");
    let back = without(
        "0 :invoke :add 1; 0 :ok :add 1; 1 :invoke :read nil; 1 :ok :read [1]; 1 :invoke :read nil; 1 :ok :read []",
    );
    for (model, history, words) in [
        ("read-your-writes", &set, "process 0 read set and did not see its own add 1 to set, acknowledged"),
        ("causal", &set, "a read of set by process 0 lacks"),
        ("pram", &set, "a read of set by process 0 lacks"),
        ("monotonic-reads", &back, "a read of set by process 1 does not show"),
    ] {
        let finding = judged(model, history, &Settings::default());
        finding_ends(&finding, (model, ""), Invalid, words);
        for anomaly in finding.explained() {
            assert!(!anomaly.explanation.contains("0.000"), "{}", anomaly.explanation);
        }
    }
}

/// The same in what is judged of runs: none of these explanations says when it was, and no figure is a time.
#[test]
fn regression_explanations_of_runs_had_times_where_the_history_has_none() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).read(0, "set-0", &[1]).read(0, "set-0", &[]).add_fail(1, "set-0", 2);
    story.start(1, "kill", &["n1"]).stop(1, "kill").add(2, "set-0", 3).heal();
    story.workload("counter").invoke(3, "inc", "counter-0", json!(5));
    story.complete(3, EventType::Ok, "inc", "counter-0", json!(5)).sum(4, "counter-0", &[]);
    story.workload("set");
    for round in 0..2 {
        story.replica(round, 1, "set-0", &[("a", json!([2]))]).replica(round, 2, "set-0", &[]);
    }
    story.final_read(1, "set-0", &[2]).after_rest(Phase::Probe, 3, "write", Err("refused"));
    let judge = |timed: bool| {
        let lines = story.events().into_iter().map(|event| {
            let mut fields = serde_json::to_value(event).expect("an event is plain data");
            if !timed {
                fields.as_object_mut().expect("it has fields").remove("time");
            }
            format!("{fields}\n")
        });
        let text: String = lines.collect();
        let history = read(text.as_bytes(), Format::Json, &Selection::default()).expect("it is one").records;
        let verdict = check(&history, &claiming_all(ConcurrentWrites::Kept));
        let anomalies = verdict.properties.iter().flat_map(|property| &property.anomalies);
        let explained: Vec<(String, String)> =
            anomalies.map(|anomaly| (anomaly.kind.clone(), anomaly.explanation.clone())).collect();
        let figures = verdict.properties.iter().flat_map(|property| property.figures.keys().cloned());
        (explained, figures.filter(|name| name.contains("_ms")).collect::<Vec<String>>())
    };
    let is_a_moment = |text: &str| text.split(' ').any(|word| word.contains('.') && word.parse::<f64>().is_ok());
    let ((with, figures), (without, none)) = (judge(true), judge(false));
    let kinds =
        |explained: &[(String, String)]| explained.iter().map(|(kind, _)| kind.clone()).collect::<Vec<String>>();
    assert_eq!(kinds(&with), kinds(&without));
    assert!(with.iter().filter(|(_, text)| is_a_moment(text)).count() >= 7, "{with:#?}");
    assert!(!without.iter().any(|(_, text)| is_a_moment(text) || text.contains(" at 0")), "{without:#?}");
    assert!(!figures.is_empty() && none.is_empty(), "{figures:?}, {none:?}");
}
