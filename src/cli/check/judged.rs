//! A history of the bench's own workloads: judged by the properties that are claimed of it.

use std::io::{BufRead, Read};
use std::path::Path;

use checker::formats::{Format, events};
use checker::history::{History, HistoryError};
use checker::model::Model;
use checker::verdict::{Outcome, Property, Verdict};
use checker::{ConcurrentWrites, Options};
use reports::RunSummary;

use super::Source;
use crate::cli::out::say;
use crate::exit::{Exit, Problem};
use crate::run::judge::{Judged, first_acknowledged_write};
use crate::store::RunDir;
use crate::systems::System;
use crate::systems::dynamo::Dynamo;

/// Judges, and prints the verdict.
pub(super) fn judge(file: &Source<'_>, model: Option<Model>) -> Result<Exit, Problem> {
    let args = file.args;
    if args.workload.is_some() {
        return Err(Problem::arguments("--workload is for models: the bench's own workloads are told apart anyway"));
    }
    let (history, damage) = read(file)?;
    if let Some(line) = history.torn {
        eprintln!("line {line} is cut off, as a killed bench leaves it: left out");
    }
    let options = Options { default_model: model, ..options(file)? };
    let mut verdict = checker::check(&history, &options);
    let unseen: Vec<&Property> = args.require.iter().filter(|property| !shows(&verdict, **property)).collect();
    for property in unseen {
        verdict.outcome = verdict.outcome.merge(Outcome::Inconclusive);
        verdict.reasons.push(format!("{property} was asked for, and no workload of the history shows it."));
    }
    if let Some(damage) = damage {
        let events = history.events.len();
        let prefix = format!("Only the {events} events before a damage were judged: {damage}.");
        verdict.outcome = verdict.outcome.merge(Outcome::Inconclusive);
        verdict.reasons.push(prefix);
    }
    match args.json {
        true => say!("{}", serde_json::to_string_pretty(&verdict).expect("a verdict is plain data")),
        false => print_tables(file.path, &history, &verdict),
    }
    Ok(verdict.outcome.into())
}

fn shows(verdict: &Verdict, property: Property) -> bool {
    verdict.properties.iter().any(|found| found.property == property)
}

/// The history, and where it is damaged if a part of it was asked for.
fn read(file: &Source<'_>) -> Result<(History, Option<String>), Problem> {
    if file.format != Format::Json {
        let history = events::history(&mut file.open()?.reader, file.format).map_err(|damage| file.damaged(damage))?;
        history.validate().map_err(|error| file.damaged(error))?;
        return Ok((history, None));
    }
    match History::read(file.open()?.reader) {
        Ok(history) => Ok((history, None)),
        Err(HistoryError::Read { source, .. }) => {
            Err(Problem::arguments(format!("cannot read {}: {source}", file.path.display())))
        }
        Err(error) if file.args.allow_partial => {
            let history = before(file, line(&error))?;
            Ok((history, Some(error.to_string())))
        }
        Err(error) => Err(file.damaged(error)),
    }
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
fn before(file: &Source<'_>, line: u64) -> Result<History, Problem> {
    let mut reader = file.open()?.reader;
    let mut bytes: u64 = 0;
    let mut text = Vec::new();
    for _ in 1..line {
        text.clear();
        bytes += reader.read_until(b'\n', &mut text).map_err(Problem::arguments)? as u64;
    }
    History::read(file.open()?.reader.take(bytes)).map_err(|error| file.damaged(error))
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
fn options(file: &Source<'_>) -> Result<Options, Problem> {
    let args = file.args;
    let asked_for = Options {
        claims: if args.require.is_empty() { Property::ALL.into() } else { args.require.iter().copied().collect() },
        concurrent_writes: if args.lww { ConcurrentWrites::OneWins } else { ConcurrentWrites::Kept },
        ..Options::default()
    };
    let Some(dir) = run_dir(file).filter(|_| args.require.is_empty() && !args.lww) else {
        return Ok(asked_for);
    };
    let record = RunDir::open(dir).and_then(|dir| dir.read_record()).map_err(Problem::arguments)?;
    let system = Dynamo::new(record.settings.dynamo.clone(), record.settings.seed).map_err(Problem::arguments)?;
    Ok(system.claims().options(&record.settings.require))
}

fn print_tables(path: &Path, history: &History, verdict: &Verdict) {
    let summary = RunSummary {
        title: path.display().to_string(),
        duration_ms: history.events.last().map_or(0, |event| event.time / 1_000_000),
        first_ack_ms: first_acknowledged_write(history).map(|at| at.as_millis() as u64),
        version: env!("CARGO_PKG_VERSION").into(),
        ..RunSummary::default()
    };
    say!("{}", Judged { verdict: verdict.clone(), summary }.tables());
}
