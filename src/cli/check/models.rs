//! A history checked against models: each gives a decision, and the worst of them is the outcome.

use std::collections::BTreeSet;
use std::time::Instant;

use checker::decision::Decision;
use checker::formats::{Cut, Reading};
use checker::laws::staleness::Bounds;
use checker::registry::{Entry, Settings};
use checker::verdict::Outcome;
use serde::Serialize;

use super::limits::{Budget, Spent};
use super::progress::Progress;
use super::{Chosen, Source};
use crate::cli::arguments::CheckArgs;
use crate::cli::out::say;
use crate::exit::{Exit, Problem};

/// How many events of a violation a line names.
const EVENTS_TOLD_MAX: usize = 12;

/// What is printed with `--json`.
#[derive(Serialize)]
struct Report {
    outcome: Outcome,
    file: String,
    format: &'static str,
    operations: usize,
    passed_over: u64,
    spent: Spent,
    /// What has to be known of how the history was read, a sentence each.
    notes: Vec<String>,
    decisions: Vec<Checked>,
}

#[derive(Serialize)]
struct Checked {
    model: &'static str,
    guessed: bool,
    took_ms: u64,
    #[serde(flatten)]
    decision: Decision,
}

/// Checks against every model, and prints what each decided.
pub(super) fn check(
    file: &Source<'_>,
    models: Vec<Chosen>,
    reading: Box<Reading>,
    progress: &Progress,
    budget: &Budget,
) -> Result<Exit, Problem> {
    let args = file.args;
    let out_of_time = || budget.out_of_time();
    let limits = budget.beside(reading.records.memory_bytes(), &out_of_time);
    let settings = settings(args);
    let mut decisions = Vec::new();
    for Chosen { entry, guessed } in models {
        progress.checking(entry.name);
        let began = Instant::now();
        let judge = if reading.is_partial() { Entry::check_part } else { Entry::check };
        let decision = judge(entry, &reading.records, &limits, &settings);
        decisions.push(Checked { model: entry.name, guessed, took_ms: began.elapsed().as_millis() as u64, decision });
    }
    progress.done();
    let outcome = decisions.iter().fold(Outcome::Valid, |worst, checked| worst.merge(checked.decision.outcome));
    let report = Report {
        outcome,
        file: file.path.display().to_string(),
        format: file.format.name(),
        operations: reading.records.ops.len(),
        passed_over: reading.records.passed_over,
        spent: budget.spent(),
        notes: notes(&reading, budget),
        decisions,
    };
    match args.json {
        true => say!("{}", serde_json::to_string_pretty(&report).expect("a report is plain data")),
        false => print(&report, &reading),
    }
    Ok(outcome.into())
}

fn settings(args: &CheckArgs) -> Settings {
    let time_ns_max = args.stale_time.map(|span| u64::try_from(span.0.as_nanos()).unwrap_or(u64::MAX));
    let mut transactions = checker::transactions::Options::default();
    transactions.required = args.consistency.map_or(transactions.required, |model| model.0);
    let staleness = Bounds { versions_max: args.stale_versions, time_ns_max };
    Settings { staleness, failed_cas: args.failed_cas.into(), transactions }
}

fn notes(reading: &Reading, budget: &Budget) -> Vec<String> {
    let events = reading.records.events;
    let mut notes = Vec::new();
    if let Some(damage) = &reading.damage {
        notes.push(format!("only the {events} events before a damage were checked: {damage}"));
    }
    if let Some(line) = reading.torn {
        notes.push(format!(
            "line {line} is cut off, as a killed bench leaves it: only the {events} events before it were checked"
        ));
    }
    if let Some(cut) = reading.cut {
        let limit = match cut {
            Cut::Memory => format!("the memory limit of {}", bytes(budget.memory_bytes)),
            Cut::Time => format!("the time limit of {:?}", budget.timeout().unwrap_or_default()),
        };
        notes.push(format!(
            "{limit} ended the reading: only the first {events} events were checked, and what was open then as what never completed"
        ));
    }
    if reading.indices_missing > 0 {
        notes.push(format!("{} indices are missing: what happened there is unknown", reading.indices_missing));
    }
    if reading.other_lines > 0 {
        notes.push(format!("{} lines of the log are about something else", reading.other_lines));
    }
    if reading.records.keys_were_in_values {
        notes.push("values are [key value], as Jepsen's `independent` records them".into());
    }
    notes
}

/// A size as the command line takes it.
fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_048_576 => format!("{} KiB", bytes >> 10),
        1_048_576..1_073_741_824 => format!("{} MiB", bytes >> 20),
        _ => format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30)),
    }
}

fn print(report: &Report, reading: &Reading) {
    let records = &reading.records;
    let keys: BTreeSet<_> = records.ops.iter().map(|op| op.key).filter(|key| key.is_some()).collect();
    let processes: BTreeSet<u32> = records.ops.iter().map(|op| op.process).collect();
    let on = if keys.is_empty() { String::new() } else { format!(" on {} keys", keys.len()) };
    let aside =
        if report.passed_over == 0 { String::new() } else { format!(", {} events passed over", report.passed_over) };
    let (file, format, operations, processes) = (&report.file, report.format, report.operations, processes.len());
    say!("{file}: {format}, {operations} operations{on} by {processes} processes{aside}");
    for note in &report.notes {
        say!("note: {note}");
    }
    for checked in &report.decisions {
        print_decision(checked);
    }
    say!("\n{}", sentence(&report.spent));
}

fn sentence(spent: &Spent) -> String {
    let seconds = |ms: u64| format!("{:.2} s", ms as f64 / 1000.0);
    let (wall, processor) = (seconds(spent.wall_ms), seconds(spent.processor_ms));
    let peak = bytes(spent.memory_peak_bytes);
    format!("{wall} with reading, {processor} of processor time on {} threads, {peak} of memory at most", spent.threads)
}

fn print_decision(checked: &Checked) {
    let decision = &checked.decision;
    let guessed = if checked.guessed { " (guessed from the operations)" } else { "" };
    say!("\n{}{guessed}: {}, in {} ms", checked.model, decision.outcome, checked.took_ms);
    say!("  {}", decision.headline);
    if !decision.strongest.is_empty() {
        say!("  strongest models still possible: {}", decision.strongest.join(", "));
    }
    for violation in &decision.violations {
        let key = violation.key.as_ref().map(|key| format!(" on {key}")).unwrap_or_default();
        say!("  {}{key}: {}", violation.kind, violation.explanation.replace('\n', "\n    "));
        let told: Vec<String> = violation.events.iter().take(EVENTS_TOLD_MAX).map(u64::to_string).collect();
        let rest = violation.events.len().saturating_sub(EVENTS_TOLD_MAX);
        let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
        say!("    events {}{more}", told.join(", "));
    }
    let untold = decision.violations_total.saturating_sub(decision.violations.len() as u64);
    if untold > 0 {
        say!("  and {untold} violations more");
    }
    for (name, value) in &decision.figures {
        say!("  {name:<32} {}", (value * 1000.0).round() / 1000.0);
    }
}
