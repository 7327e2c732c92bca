//! A history of the bench's own workloads: judged by the properties that are claimed of it.

use std::path::Path;

use checker::CheckName;
use checker::formats::{Problem as Damaged, Selection, read_within};
use checker::history::History;
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
fn read(file: &Source<'_>, budget: &Budget) -> Result<(History, Option<String>), Problem> {
    let input = file.open()?;
    let selection = Selection { workload: None, allow_partial: file.args.allow_partial };
    let out_of_time = || budget.out_of_time_to_read();
    let limits = budget.of_reading(&out_of_time);
    let mut reader = input.reader;
    let read = read_within(&mut reader, file.format, &selection, &limits, &|| None);
    let reading = read.map_err(|damage| match &damage.problem {
        Damaged::Read(error) => Problem::arguments(format!("cannot read {}: {error}", file.path.display())),
        _ => file.damaged(damage),
    })?;
    let (events, history) = (reading.records.events, reading.records);
    Ok(match (reading.damage, reading.cut) {
        (Some(damage), _) => {
            let doubt = format!("Only the {events} events before a damage were judged: {damage}.");
            (history, Some(doubt))
        }
        (None, Some(cut)) => under_load(history, &budget.named(cut)),
        (None, None) => (history, None),
    })
}

/// What was read of a history until a limit, without what comes after the heal: a part of the final reads shows too little,
/// and would be taken for all.
fn under_load(history: History, limit: &str) -> (History, Option<String>) {
    let history = history.of_main_phase();
    let operations = history.ops.len();
    let doubt = format!(
        "{limit} ended the reading: only the first {operations} operations were judged, and none after the heal. \
         More memory or time (--memory, --timeout) judges all."
    );
    (history, Some(doubt))
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

fn print_tables(path: &Path, history: &History, verdict: &Verdict) {
    let summary = RunSummary {
        title: path.display().to_string(),
        duration_ms: history.end_ns() / 1_000_000,
        first_ack_ms: first_acknowledged_write(history).map(|at| at.as_millis() as u64),
        version: env!("CARGO_PKG_VERSION").into(),
        ..RunSummary::default()
    };
    say!("{}", Judged { verdict: verdict.clone(), summary }.tables());
}
