//! `dissensus check`: judges a history, wherever it comes from.
//!
//! ```text
//! read (any format, within the limits) ─► choose (what is claimed, asked for, or guessed) ─► check ─► report
//! ```
//! A history whose operations name workloads is judged workload by workload, by the properties claimed of them; any other,
//! and whatever `--model` asks for, as one object. Either gives a verdict, and the same reports.

mod anomalies;
mod choose;
mod convert;
mod limits;
mod lint;
mod progress;
mod report;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use checker::checks::registry;
use checker::formats::{Cut, Format, Problem as Damaged, Reading, Selection};
use checker::objects::Object;
use checker::{CheckName, Outcome};

use super::arguments::CheckArgs;
use super::out::say;
use crate::exit::{Exit, Problem};
use crate::store::input::Input;
use limits::Budget;
use progress::Progress;
use report::Report;

/// Does what was asked for, and prints the result.
pub fn check(args: &CheckArgs) -> Result<Exit, Problem> {
    if args.model.iter().any(|model| model.0 == "list") {
        list();
        return Ok(Exit::Valid);
    }
    let path = args.file.as_deref().ok_or_else(|| Problem::arguments("name the history to check"))?;
    let path = if path.is_dir() { path.join("history.jsonl") } else { path.to_owned() };
    let file = Source { format: format(args, &path)?, path, args };
    if let Some(to) = &args.convert {
        return convert::convert(&file, to);
    }
    if args.lint {
        return lint::lint(&file);
    }
    judge(&file)
}

/// Reads, chooses, checks and reports.
fn judge(file: &Source<'_>) -> Result<Exit, Problem> {
    let (args, budget) = (file.args, Budget::begin(file.args));
    report::can_be_written(file)?;
    let progress = Progress::new(args.json);
    let mut reading = read(file, &progress, &budget)?;
    some_operation_is_of(args.workload.as_deref(), &reading)?;
    let choice = choose::choose(file, &reading)?;
    if let Some(gap) = reading.gap.filter(|_| choice.claims.by_workload && !args.allow_partial) {
        return Err(file.damaged(gap));
    }
    if choice.claims.by_workload
        && let Some(operations) = budget.workload_operations_max(&reading.records)
    {
        // What the checks know of each operation would not fit beside so many of them.
        reading.records = std::mem::take(&mut reading.records).first(operations);
        reading.cut = Some(Cut::Memory);
    }
    let notes = report::notes(&reading, &choice, &budget);
    let mut history = std::mem::take(&mut reading.records);
    if choice.claims.by_workload && reading.cut.is_some() {
        // A part of the final reads shows too little, and would be taken for all of them.
        history = history.of_main_phase();
    }
    progress.checking(&choice.names());
    let out_of_time = || budget.out_of_time();
    let limits = budget.beside(history.memory_bytes(), &out_of_time);
    let mut verdict = checker::check(&history, &choice.claims, &limits);
    progress.done();
    let undecided = choice.unseen(&verdict).chain(report::left_out(&reading, &choice, &history, &budget));
    for doubt in undecided.collect::<Vec<String>>() {
        verdict.outcome = verdict.outcome.merge(Outcome::Inconclusive);
        verdict.reasons.push(doubt);
    }
    let outcome = verdict.outcome;
    Report { file, choice: &choice, history: &history, verdict, notes, spent: budget.spent() }.give()?;
    Ok(outcome.into())
}

/// Refuses a name of a workload that no operation has. Where reading ended early, one may follow.
fn some_operation_is_of(workload: Option<&str>, reading: &Reading) -> Result<(), Problem> {
    let Some(name) = workload
        .filter(|name| reading.cut.is_none() && reading.records.ops.is_empty() && !reading.workloads.contains(*name))
    else {
        return Ok(());
    };
    let names: Vec<&str> = reading.workloads.iter().map(String::as_str).collect();
    let known = if names.is_empty() { "none is named".to_owned() } else { format!("there are {}", names.join(", ")) };
    Err(Problem::arguments(format!("no operation of this history is of a workload `{name}`: {known}")))
}

/// The history's file and what was said of it.
struct Source<'a> {
    path: PathBuf,
    format: Format,
    args: &'a CheckArgs,
}

impl Source<'_> {
    fn open(&self) -> Result<Input, Problem> {
        Input::open(&self.path).map_err(Problem::arguments)
    }

    /// An error with the file's name.
    fn damaged(&self, error: impl std::fmt::Display) -> Problem {
        Problem::arguments(format!("{} is damaged: {error}", self.path.display()))
    }
}

fn format(args: &CheckArgs, path: &Path) -> Result<Format, Problem> {
    let mut input = Input::open(path).map_err(Problem::arguments)?;
    let detected =
        input.detect().map_err(|error| Problem::arguments(format!("cannot read {}: {error}", path.display())))?;
    let path = path.display();
    args.format.or(detected).ok_or_else(|| {
        Problem::arguments(format!(
            "{path} is damaged: line 1, column 1: neither lines of JSON, nor EDN, nor a log of Jepsen; --format forces one"
        ))
    })
}

/// As much of the history as the limits allow.
fn read(file: &Source<'_>, progress: &Progress, budget: &Budget) -> Result<Reading, Problem> {
    let input = file.open()?;
    let selection = Selection { workload: file.args.workload.clone(), allow_partial: file.args.allow_partial };
    let (read_bytes, bytes) = (Arc::clone(&input.read_bytes), input.bytes);
    let share_read = || (bytes > 0).then(|| read_bytes.load(Ordering::Relaxed) as f64 / bytes as f64);
    let out_of_time = || budget.out_of_time_to_read();
    let limits = budget.of_reading(&out_of_time);
    let mut reader = progress.reading(input);
    let read = checker::formats::read_within(&mut reader, file.format, &selection, &limits, &share_read);
    read.map_err(|damage| match &damage.problem {
        Damaged::Read(error) => Problem::arguments(format!("cannot read {}: {error}", file.path.display())),
        _ => file.damaged(damage),
    })
}

fn list() {
    say!("names of objects, and what is usually checked of them:");
    for alias in registry::ALIASES {
        say!("{:<16} {}", alias.name, alias.about);
    }
    say!("");
    say!("single checks:");
    for name in CheckName::ALL {
        say!("{name:<34} {}", name.about());
    }
    say!("");
    say!("workloads of the bench, by the properties claimed of them:");
    for object in Object::ALL {
        say!("{:<16} {}", object.name(), object.about());
    }
}
