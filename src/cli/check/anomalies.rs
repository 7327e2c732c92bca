//! The findings on a whole history for the terminal: how it was read, what each check found, and the operations of each
//! anomaly in a table.
//!
//! Names and values come from a history that anybody may have written: nothing of them moves the cursor or makes the
//! report long.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;

use checker::history::{History, Kind};
use checker::verdict::{Anomaly, Outcome, PropertyResult};
use console::style;
use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Style};

use super::limits::{Spent, bytes};
use super::report::Report;
use crate::out::say;
use crate::run::judge::{terminal_width, wants_colour};
use crate::store::input::shown;

/// How many operations of an anomaly are shown.
const OPERATIONS_SHOWN_MAX: usize = 12;
/// How many of these are the last ones, where there are more.
const LAST_OPERATIONS_SHOWN: usize = 4;
/// How many characters of an operation are.
const OPERATION_CHARS_MAX: usize = 80;
/// How many characters of a sentence are.
const SENTENCE_CHARS_MAX: usize = 2_000;

/// Prints it all.
pub(super) fn print(report: &Report<'_>) {
    let (history, verdict) = (report.history, &report.verdict);
    header(report);
    let by_event = operations_of(&verdict.properties, history);
    for (number, found) in verdict.properties.iter().enumerate() {
        finding(report, number, found, &by_event);
    }
    for reason in verdict.reasons.iter().filter(|reason| !is_of_finding(reason, &verdict.properties)) {
        say!("\n{}", plain(reason, SENTENCE_CHARS_MAX));
    }
    let of_run = reports::run_tables(verdict, history.timed, terminal_width(), wants_colour());
    if !of_run.is_empty() {
        say!("\n{}", of_run.trim_end());
    }
    say!("\n{}", spent(&report.spent));
}

fn header(report: &Report<'_>) {
    let history = report.history;
    let keys: BTreeSet<_> = history.ops.iter().map(|op| op.key).filter(|key| key.is_some()).collect();
    let processes: BTreeSet<u32> = history.ops.iter().map(|op| op.process).collect();
    let on = if keys.is_empty() { String::new() } else { format!(" on {}", plural(keys.len(), "key")) };
    let aside = match history.passed_over {
        0 => String::new(),
        events => format!(", {} passed over", plural(events as usize, "event")),
    };
    let (operations, processes) = (plural(history.ops.len(), "operation"), plural(processes.len(), "process"));
    let (file, format) = (shown(&report.file.path), report.file.format);
    say!("{file}: {format}, {operations}{on} by {processes}{aside}");
    for note in &report.notes {
        say!("note: {}", plain(note, SENTENCE_CHARS_MAX));
    }
}

/// Whether a reason only repeats what is printed of a check.
fn is_of_finding(reason: &str, properties: &[PropertyResult]) -> bool {
    properties.iter().any(|found| reason.ends_with(&format!(": {}.", found.summary)))
}

/// The operations that events of anomalies belong to.
type ByEvent = BTreeMap<u64, usize>;

fn operations_of(properties: &[PropertyResult], history: &History) -> ByEvent {
    let anomalies = properties.iter().flat_map(|found| &found.anomalies);
    let wanted: BTreeSet<u64> = anomalies.flat_map(|anomaly| anomaly.events.iter().copied()).collect();
    let mut by_event = ByEvent::new();
    if wanted.is_empty() {
        return by_event;
    }
    for at in 0..history.ops.len() {
        by_event.extend(history.events_of(at).filter(|event| wanted.contains(event)).map(|event| (event, at)));
    }
    by_event
}

fn finding(report: &Report<'_>, number: usize, found: &PropertyResult, by_event: &ByEvent) {
    let guessed = if report.choice.guessed { " (guessed from the operations)" } else { "" };
    let asked = report.choice.asked.get(number);
    let name = asked.filter(|asked| asked.object.is_some()).map_or(found.property.name(), |asked| asked.name);
    say!("\n{name}{guessed}: {}", coloured(found.outcome));
    if let Some(chosen) = asked.and_then(|asked| asked.chosen()) {
        say!("  {chosen}");
    }
    say!("  {}", plain(&found.summary, SENTENCE_CHARS_MAX));
    if !found.strongest.is_empty() {
        say!("  strongest models that this does not rule out: {}", found.strongest.join(", "));
    }
    for anomaly in &found.anomalies {
        let key = anomaly.key.as_ref().map(|key| format!(" on {}", plain(key, OPERATION_CHARS_MAX)));
        let lines = anomaly.explanation.lines().map(|line| plain(line, SENTENCE_CHARS_MAX));
        let explanation: Vec<String> = lines.collect();
        say!("\n  {}{}: {}", anomaly.kind, key.unwrap_or_default(), explanation.join("\n    "));
        operations(anomaly, report.history, by_event);
    }
    let further = found.anomalies_total.saturating_sub(found.anomalies.len() as u64);
    if further > 0 {
        say!("\n  and {} more", plural(further as usize, "violation"));
    }
    if !found.figures.is_empty() {
        figures(&found.figures);
    }
}

/// The operations of an anomaly, one a line.
fn operations(anomaly: &Anomaly, records: &History, by_event: &ByEvent) {
    let ops: BTreeSet<usize> = anomaly.events.iter().filter_map(|event| by_event.get(event).copied()).collect();
    let mut table = Builder::default();
    let times: &[&str] = if records.timed { &["from s", "to s"] } else { &[] };
    table.push_record([&["events", "process", "operation"], times].concat());
    // What shows the violation often comes last.
    let left_out = ops.len().saturating_sub(OPERATIONS_SHOWN_MAX);
    let first = if left_out > 0 { OPERATIONS_SHOWN_MAX - LAST_OPERATIONS_SHOWN } else { ops.len() };
    for (number, at) in ops.iter().enumerate() {
        match number {
            _ if number < first || number >= first + left_out => table.push_record(row(*at, records)),
            _ if number == first => table.push_record([format!("... and {}", plural(left_out, "operation"))]),
            _ => {}
        }
    }
    let mut table = table.build();
    table.with(Style::empty()).modify(Columns::new(3..), Alignment::right());
    for line in table.to_string().lines() {
        say!("    {}", line.trim_end());
    }
}

fn row(at: usize, records: &History) -> Vec<String> {
    let op = &records.ops[at];
    let events: Vec<String> = records.events_of(at).map(|event| event.to_string()).collect();
    let outcome = match op.kind {
        Kind::Ok => "",
        Kind::Fail => ", failed",
        Kind::Info => ", outcome unknown",
    };
    let shown = records.in_words(at) + outcome;
    let mut row = vec![
        events.join(", "),
        plain(&records.process_of(at).to_string(), OPERATION_CHARS_MAX),
        plain(&shown, OPERATION_CHARS_MAX),
    ];
    if records.timed {
        let seconds = |ns: u64| format!("{:.6}", ns as f64 / 1e9);
        let ended = if op.kind == Kind::Info { String::new() } else { seconds(op.returned_ns) };
        row.extend([seconds(op.called_ns), ended]);
    }
    row
}

fn figures(figures: &BTreeMap<String, f64>) {
    let mut table = Builder::default();
    for (name, value) in figures {
        let rounded = (value * 1000.0).round() / 1000.0;
        let shown = if rounded.fract() == 0.0 && (0.0..1e15).contains(&rounded) {
            count(rounded as usize)
        } else {
            rounded.to_string()
        };
        table.push_record([name.clone(), shown]);
    }
    let mut table = table.build();
    table.with(Style::empty()).modify(Columns::last(), Alignment::right());
    say!("");
    for line in table.to_string().lines() {
        say!(" {}", line.trim_end());
    }
}

fn spent(spent: &Spent) -> String {
    let seconds = |ms: u64| format!("{:.2} s", ms as f64 / 1000.0);
    let (wall, processor) = (seconds(spent.wall_ms), seconds(spent.processor_ms));
    let (threads, peak) = (plural(spent.threads, "thread"), bytes(spent.memory_peak_bytes));
    format!("{wall} with reading; {processor} of processor time on {threads}; {peak} of memory at most")
}

fn coloured(outcome: Outcome) -> String {
    if !std::io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some() {
        return outcome.to_string();
    }
    let styled = style(outcome).bold().force_styling(true);
    match outcome {
        Outcome::Valid => styled.green(),
        Outcome::Inconclusive => styled.yellow(),
        Outcome::Invalid => styled.red(),
    }
    .to_string()
}

/// Without what moves a cursor, and cut where it is long.
fn plain(text: &str, chars_max: usize) -> String {
    let shown = text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter });
    match text.char_indices().nth(chars_max) {
        None => shown.collect(),
        Some(_) => shown.take(chars_max - 1).chain(['…']).collect(),
    }
}

/// `1,234`.
fn count(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(",")
}

/// `1 key`, `2 keys`, `2 processes`.
fn plural(number: usize, noun: &str) -> String {
    let ending = match number {
        1 => "",
        _ if noun.ends_with('s') => "es",
        _ => "s",
    };
    format!("{} {noun}{ending}", count(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_for_people() {
        let counts = [0, 999, 1_000, 1_234_567].map(count);
        assert_eq!(counts, ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([plural(1, "key"), plural(1_000, "process")], ["1 key", "1,000 processes"]);
        assert_eq!(plain("a\u{1b}[2Jb", 80), "a\u{fffd}[2Jb");
        assert_eq!(plain("abcdef", 4), "abc…");
        assert_eq!([bytes(5 << 10), bytes(300 << 20), bytes(3 << 29)], ["5 KiB", "300 MiB", "1.5 GiB"]);
    }
}
