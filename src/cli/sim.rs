//! `dissensus sim`: one seed in virtual time, or a campaign over many.

use std::io::IsTerminal;
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use checker::verdict::Outcome;
use indicatif::{ProgressBar, ProgressStyle};

use super::arguments::SimArgs;
use super::run::{list_bugs, print_finished, settings};
use super::seeds;
use crate::exit::{Exit, Problem};
use crate::out::say;
use crate::run::settings::{ArenaKind, RunSettings};
use crate::run::simulate::{judge_seed, simulate};

/// Simulates, and prints the result.
pub fn sim(args: &SimArgs) -> Result<Exit, Problem> {
    if let Some(bugs) = args.run.system.lists_bugs() {
        list_bugs(&bugs);
        return Ok(Exit::Valid);
    }
    if args.run.net.is_some() {
        return Err(Problem::arguments("--net is for `dissensus run`: a simulated network is part of the cluster"));
    }
    let settings = RunSettings { arena: ArenaKind::Sim, ..settings(&args.run)? };
    settings.check()?;
    match &args.seeds {
        Some(seeds) => Campaign::new(settings, seeds.0.clone(), args).run(&args.run.store),
        None => one(&settings, args),
    }
}

fn one(settings: &RunSettings, args: &SimArgs) -> Result<Exit, Problem> {
    let begun = Instant::now();
    let (finished, trace) = simulate(settings, &args.run.store, true)?;
    let took = begun.elapsed();
    print_finished(&finished, &args.run)?;
    if !args.run.json {
        say!("trace {:016x}: {} events", trace.hash, trace.events);
        say!("{}", speed(trace.simulated, took));
    }
    Ok(finished.judged.verdict.outcome.into())
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn speed(simulated: Duration, took: Duration) -> String {
    let ratio = simulated.as_secs_f64() / took.as_secs_f64().max(1e-9);
    format!(
        "{:.1} s simulated in {:.2} s, {ratio:.0} times as fast as real time",
        simulated.as_secs_f64(),
        took.as_secs_f64()
    )
}

/// A campaign: many seeds, each with a verdict of its own.
struct Campaign {
    settings: RunSettings,
    seeds: Range<u64>,
    jobs: usize,
    keep_going: bool,
    simulated_ms: AtomicU64,
    bar: ProgressBar,
}

impl Campaign {
    fn new(settings: RunSettings, seeds: Range<u64>, args: &SimArgs) -> Self {
        let bar = match std::io::stderr().is_terminal() {
            true => ProgressBar::new(seeds.end - seeds.start),
            false => ProgressBar::hidden(),
        };
        let style = ProgressStyle::with_template("{elapsed:>5} [{bar:24}] {pos} of {len} seeds, {eta} left");
        bar.set_style(style.expect("the template is constant").progress_chars("━╸ "));
        let (jobs, keep_going) = (args.jobs.max(1), args.keep_going);
        Self { settings, seeds, jobs, keep_going, simulated_ms: AtomicU64::new(0), bar }
    }

    /// Runs until the first seed that is not valid, or through the whole range with `--keep-going`.
    fn run(&self, store: &Path) -> Result<Exit, Problem> {
        let begun = Instant::now();
        let outcomes = seeds::each(&self.seeds, self.jobs, |seed| self.judge(seed))?;
        self.bar.finish_and_clear();
        self.report(&outcomes, begun.elapsed(), store)
    }

    fn judge(&self, seed: u64) -> Result<ControlFlow<Outcome, Outcome>, Problem> {
        let (outcome, trace) = judge_seed(&RunSettings { seed, ..self.settings.clone() })?;
        self.simulated_ms.fetch_add(trace.simulated.as_millis() as u64, Ordering::Relaxed);
        self.bar.inc(1);
        Ok(match outcome {
            Outcome::Valid => ControlFlow::Continue(outcome),
            _ if self.keep_going => ControlFlow::Continue(outcome),
            _ => ControlFlow::Break(outcome),
        })
    }

    /// Simulates the failing seeds once more, now with a run directory each.
    fn report(&self, outcomes: &[(u64, Outcome)], took: Duration, store: &Path) -> Result<Exit, Problem> {
        let failing: Vec<&(u64, Outcome)> = outcomes.iter().filter(|(_, outcome)| *outcome != Outcome::Valid).collect();
        let mut worst = Outcome::Valid;
        for (seed, outcome) in &failing {
            worst = worst.merge(*outcome);
            let settings = RunSettings { seed: *seed, ..self.settings.clone() };
            let (finished, _) = simulate(&settings, store, true)?;
            say!("seed {seed} is {outcome}: {}", finished.judged.verdict.reasons.first().map_or("", String::as_str));
            say!("  report  {}", finished.dir.file("report.html").display());
            say!("  repeat  {}", finished.record.command);
        }
        say!("{} of {} valid", outcomes.len() - failing.len(), counted(outcomes.len(), "seed"));
        let simulated = Duration::from_millis(self.simulated_ms.load(Ordering::Relaxed));
        say!("{} ({})", speed(simulated, took), counted(self.jobs, "job"));
        Ok(worst.into())
    }
}
