//! A history checked against models: each gives a decision, and the worst of them is the outcome.

use std::collections::BTreeMap;
use std::time::Instant;

use checker::checks::check::Context;
use checker::checks::isolation::Assume;
use checker::checks::registry::{Asked, Settings};
use checker::checks::simple::staleness::Bounds;
use checker::finding::{Anomaly, Finding};
use checker::formats::Reading;
use checker::verdict::Outcome;
use serde::Serialize;

use super::limits::{Budget, Spent};
use super::progress::Progress;
use super::told;
use super::{Chosen, Source};
use crate::cli::arguments::{AssumeArg, CheckArgs};
use crate::cli::out::say;
use crate::exit::{Exit, Problem};

/// What is printed with `--json`.
#[derive(Serialize)]
pub(super) struct Report {
    pub outcome: Outcome,
    pub file: String,
    pub format: &'static str,
    pub operations: usize,
    pub passed_over: u64,
    pub spent: Spent,
    /// What has to be known of how the history was read, a sentence each.
    pub notes: Vec<String>,
    pub decisions: Vec<Checked>,
}

/// What one model decided.
#[derive(Serialize)]
pub(super) struct Checked {
    pub model: &'static str,
    pub guessed: bool,
    /// Which check that was, where the name is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chosen: Option<String>,
    pub took_ms: u64,
    #[serde(flatten)]
    pub decision: Decision,
}

/// A finding as it is printed.
#[derive(Serialize)]
pub(super) struct Decision {
    pub outcome: Outcome,
    pub headline: String,
    pub figures: BTreeMap<String, f64>,
    pub violations: Vec<Anomaly>,
    pub violations_total: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub strongest: Vec<String>,
}

impl From<Finding> for Decision {
    fn from(finding: Finding) -> Self {
        Self {
            outcome: finding.outcome(),
            headline: finding.summary(),
            violations: finding.explained().cloned().collect(),
            violations_total: finding.anomalies.total,
            figures: finding.figures,
            strongest: finding.strongest,
        }
    }
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
    let context = Context::new(limits, settings(args));
    let mut decisions = Vec::new();
    for Chosen { asked, guessed } in models {
        let several = asked.object.is_none();
        let model = if several { asked.check.name() } else { asked.name };
        progress.checking(model);
        let began = Instant::now();
        let judge = if reading.is_partial() { Asked::check_part } else { Asked::check };
        let decision = judge(&asked, &reading.records, &context).into();
        let took_ms = began.elapsed().as_millis() as u64;
        decisions.push(Checked { model, guessed, chosen: asked.chosen(), took_ms, decision });
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
        false => told::print(&report, &reading.records),
    }
    Ok(outcome.into())
}

pub(super) fn settings(args: &CheckArgs) -> Settings {
    let time_ns_max = args.stale_time.map(|span| u64::try_from(span.0.as_nanos()).unwrap_or(u64::MAX));
    let mut transactions = checker::checks::isolation::Options::default();
    transactions.required = args.consistency.map_or(transactions.required, |model| model.0);
    transactions.versions = Assume {
        sequential_keys: args.assume.contains(&AssumeArg::SequentialKeys),
        linearizable_keys: args.assume.contains(&AssumeArg::LinearizableKeys),
    };
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
        notes.push(format!(
            "{} ended the reading: only the first {events} events were checked, and what was open then as what never completed",
            budget.named(cut)
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
