//! A history of the bench's own workloads: judged by the properties that are claimed of it.

use std::io::{BufRead, Read};
use std::path::Path;

use checker::CheckName;
use checker::formats::{Format, whole_events as events};
use checker::history::{HistoryError, Phase, Recording};
use checker::objects::Model;
use checker::verdict::{Outcome, Verdict};
use checker::{Claims, ConcurrentWrites};
use reports::RunSummary;

use super::Source;
use super::limits::Budget;
use crate::cli::out::say;
use crate::exit::{Exit, Problem};
use crate::run::judge::{Judged, first_acknowledged_write};
use crate::store::RunDir;
use crate::systems::System;
use crate::systems::dynamo::Dynamo;

/// Judges, and prints the verdict.
pub(super) fn judge(file: &Source<'_>, model: Option<Model>, budget: &Budget) -> Result<Exit, Problem> {
    let args = file.args;
    if args.workload.is_some() {
        return Err(Problem::arguments("--workload is for models: the bench's own workloads are told apart anyway"));
    }
    let (history, doubt) = read(file, budget)?;
    if let Some(line) = history.torn {
        eprintln!("line {line} is cut off, as a killed bench leaves it: left out");
    }
    let options = Claims { default_object: model, ..options(file)? };
    let mut verdict = checker::check(&history, &options);
    let unseen: Vec<&CheckName> = args.require.iter().filter(|property| !shows(&verdict, **property)).collect();
    for property in unseen {
        verdict.outcome = verdict.outcome.merge(Outcome::Inconclusive);
        verdict.reasons.push(format!("{property} was asked for, and no workload of the history shows it."));
    }
    if let Some(doubt) = doubt {
        verdict.outcome = verdict.outcome.merge(Outcome::Inconclusive);
        verdict.reasons.push(doubt);
    }
    match args.json {
        true => say!("{}", serde_json::to_string_pretty(&verdict).expect("a verdict is plain data")),
        false => print_tables(file.path, &history, &verdict),
    }
    Ok(verdict.outcome.into())
}

fn shows(verdict: &Verdict, property: CheckName) -> bool {
    verdict.properties.iter().any(|found| found.property == property)
}

/// The history, and why that is not all of it, if it is not.
fn read(file: &Source<'_>, budget: &Budget) -> Result<(Recording, Option<String>), Problem> {
    let mut text = budget.of_judging(file.open()?.reader);
    let history = match file.format {
        Format::Json => match Recording::read(&mut text) {
            Err(HistoryError::Read { source, .. }) => {
                return Err(Problem::arguments(format!("cannot read {}: {source}", file.path.display())));
            }
            Err(error) if file.args.allow_partial => {
                let history = before(file, line(&error))?;
                let events = history.events.len();
                return Ok((history, Some(format!("Only the {events} events before a damage were judged: {error}."))));
            }
            read => read.map_err(|error| file.damaged(error))?,
        },
        _ => {
            let history = events::history(&mut text, file.format).map_err(|damage| file.damaged(damage))?;
            history.validate().map_err(|error| file.damaged(error))?;
            history
        }
    };
    Ok(match text.cut {
        Some(cut) => under_load(history, &budget.named(cut)),
        None => (history, None),
    })
}

/// What was read of a history until a limit, without what comes after the heal: a part of the final reads shows too little,
/// and would be taken for all.
fn under_load(mut history: Recording, limit: &str) -> (Recording, Option<String>) {
    history.torn = None;
    let end = history.events.iter().position(|event| event.phase != Phase::Main).unwrap_or(history.events.len());
    history.events.truncate(end);
    let doubt = format!(
        "{limit} ended the reading: only the first {end} events were judged, and none after the heal. \
         More memory or time (--memory, --timeout) judges all."
    );
    (history, Some(doubt))
}

fn line(error: &HistoryError) -> u64 {
    match error {
        HistoryError::Read { line, .. }
        | HistoryError::LineTooLong { line }
        | HistoryError::NotAnEvent { line, .. }
        | HistoryError::Index { line, .. }
        | HistoryError::NotInvoked { line, .. }
        | HistoryError::OtherFunction { line, .. }
        | HistoryError::StillOpen { line, .. }
        | HistoryError::Ended { line, .. } => *line,
    }
}

/// The history of the lines before one.
fn before(file: &Source<'_>, line: u64) -> Result<Recording, Problem> {
    let mut reader = file.open()?.reader;
    let mut bytes: u64 = 0;
    let mut text = Vec::new();
    for _ in 1..line {
        text.clear();
        bytes += reader.read_until(b'\n', &mut text).map_err(Problem::arguments)? as u64;
    }
    Recording::read(file.open()?.reader.take(bytes)).map_err(|error| file.damaged(error))
}

/// The run directory that the file lies in, if it does.
fn run_dir<'a>(file: &Source<'a>) -> Option<&'a Path> {
    // A file named without a directory is in this one.
    let parent = file.path.parent().map(|dir| if dir.as_os_str().is_empty() { Path::new(".") } else { dir });
    parent.filter(|dir| dir.join("run.json").exists())
}

/// Whether the file lies in a run directory.
pub(super) fn in_run_dir(file: &Source<'_>) -> bool {
    run_dir(file).is_some()
}

/// What was asked for; else, in a run directory, what the run's configuration claims; else everything.
fn options(file: &Source<'_>) -> Result<Claims, Problem> {
    let args = file.args;
    let asked_for = Claims {
        concurrent_writes: if args.lww { ConcurrentWrites::OneWins } else { ConcurrentWrites::Kept },
        ..match args.require.is_empty() {
            true => Claims::of_all(CheckName::measured(), "nothing else is known of the system"),
            false => Claims::of_all(args.require.iter().copied(), "it was asked for"),
        }
    };
    let Some(dir) = run_dir(file).filter(|_| args.require.is_empty() && !args.lww) else {
        return Ok(asked_for);
    };
    let record = RunDir::open(dir).and_then(|dir| dir.read_record()).map_err(Problem::arguments)?;
    let system = Dynamo::new(record.settings.dynamo.clone(), record.settings.seed).map_err(Problem::arguments)?;
    Ok(system.claims().judged_by(&record.settings.require))
}

fn print_tables(path: &Path, history: &Recording, verdict: &Verdict) {
    let summary = RunSummary {
        title: path.display().to_string(),
        duration_ms: history.events.last().map_or(0, |event| event.time / 1_000_000),
        first_ack_ms: first_acknowledged_write(history).map(|at| at.as_millis() as u64),
        version: env!("CARGO_PKG_VERSION").into(),
        ..RunSummary::default()
    };
    say!("{}", Judged { verdict: verdict.clone(), summary }.tables());
}
