//! `dissensus check`: judges a history, wherever it comes from.

use checker::verdict::{Property, Verdict};
use checker::{ConcurrentWrites, Options};
use reports::RunSummary;

use super::arguments::CheckArgs;
use super::out::say;
use crate::exit::{Exit, Problem};
use crate::run::judge::{Judged, first_acknowledged_write};
use crate::store::{StoreError, read_history};

/// Checks, and prints the verdict.
pub fn check(args: &CheckArgs) -> Result<Exit, Problem> {
    let history = read_history(&args.file).map_err(|error| match error {
        StoreError::Damaged { .. } => Problem::arguments(error),
        error => Problem::arguments(error),
    })?;
    if let Some(line) = history.torn {
        eprintln!("line {line} is cut off, as a killed bench leaves it: left out");
    }
    let claims = if args.require.is_empty() { Property::ALL.to_vec() } else { args.require.clone() };
    let options = Options {
        claims: claims.into_iter().collect(),
        concurrent_writes: if args.lww { ConcurrentWrites::OneWins } else { ConcurrentWrites::Kept },
        default_model: args.model,
        ..Options::default()
    };
    let verdict = checker::check(&history, &options);
    match args.json {
        true => say!("{}", serde_json::to_string_pretty(&verdict).expect("a verdict is plain data")),
        false => print_tables(args, &history, &verdict),
    }
    Ok(verdict.outcome.into())
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
