//! `dissensus check`: judges a history, wherever it comes from.

use std::path::Path;

use checker::verdict::{Property, Verdict};
use checker::{ConcurrentWrites, Options};
use reports::RunSummary;

use super::arguments::CheckArgs;
use super::out::say;
use crate::exit::{Exit, Problem};
use crate::run::judge::{Judged, first_acknowledged_write};
use crate::store::{RunDir, read_history};
use crate::systems::System;
use crate::systems::dynamo::Dynamo;

/// Checks, and prints the verdict.
pub fn check(args: &CheckArgs) -> Result<Exit, Problem> {
    let history = read_history(&args.file).map_err(Problem::arguments)?;
    if let Some(line) = history.torn {
        eprintln!("line {line} is cut off, as a killed bench leaves it: left out");
    }
    let options = Options { default_model: args.model, ..options(args)? };
    let verdict = checker::check(&history, &options);
    match args.json {
        true => say!("{}", serde_json::to_string_pretty(&verdict).expect("a verdict is plain data")),
        false => print_tables(args, &history, &verdict),
    }
    Ok(verdict.outcome.into())
}

/// What was asked for; else, in a run directory, what the run's configuration claims; else everything.
fn options(args: &CheckArgs) -> Result<Options, Problem> {
    let asked_for = Options {
        claims: if args.require.is_empty() { Property::ALL.into() } else { args.require.iter().copied().collect() },
        concurrent_writes: if args.lww { ConcurrentWrites::OneWins } else { ConcurrentWrites::Kept },
        ..Options::default()
    };
    // A file named without a directory is in this one.
    let parent = args.file.parent().map(|dir| if dir.as_os_str().is_empty() { Path::new(".") } else { dir });
    let run_dir = parent.filter(|dir| dir.join("run.json").exists());
    let Some(dir) = run_dir.filter(|_| args.require.is_empty() && !args.lww) else {
        return Ok(asked_for);
    };
    let record = RunDir::open(dir).and_then(|dir| dir.read_record()).map_err(Problem::arguments)?;
    let system = Dynamo::new(record.settings.dynamo.clone(), record.settings.seed).map_err(Problem::arguments)?;
    Ok(system.claims().options(&record.settings.require))
}

fn print_tables(args: &CheckArgs, history: &checker::history::History, verdict: &Verdict) {
    let summary = RunSummary {
        title: args.file.display().to_string(),
        duration_ms: history.events.last().map_or(0, |event| event.time / 1_000_000),
        first_ack_ms: first_acknowledged_write(history).map(|at| at.as_millis() as u64),
        version: env!("CARGO_PKG_VERSION").into(),
        ..RunSummary::default()
    };
    say!("{}", Judged { verdict: verdict.clone(), summary }.tables());
}
