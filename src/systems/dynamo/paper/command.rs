//! `dissensus paper`: the paper's experiments, measured again and compared with its figures.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgMatches, Args, FromArgMatches, Subcommand};
use reports::experiment::{Experiment, FigureTable};
use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Style};

use super::error::ExperimentError;
use super::pbs::Scale;
use super::{buffer, coordination, load, pbs, versions};
use crate::exit::{Exit, Problem};
use crate::out::say;
use crate::store::write_whole;

/// How it is called.
pub fn command() -> clap::Command {
    PaperArgs::augment_args(clap::Command::new("paper").about("Measure what the Dynamo paper measured"))
}

/// Carries it out.
///
/// # Errors
/// When an experiment cannot be made, or the page cannot be written.
pub fn run(matches: &ArgMatches) -> Result<ExitCode, Problem> {
    let args = PaperArgs::from_arg_matches(matches).map_err(Problem::arguments)?;
    paper(&args).map(ExitCode::from)
}

#[derive(Args)]
struct PaperArgs {
    /// One experiment; all if none is named
    #[command(subcommand)]
    action: Option<PaperAction>,
    /// Where the page of plots goes [default: paper.html in the store]
    #[arg(long, value_name = "FILE", global = true)]
    html: Option<PathBuf>,
    /// Where run directories are kept
    #[arg(long, value_name = "DIR", default_value = "store", global = true)]
    store: PathBuf,
}

#[derive(Clone, Subcommand)]
enum PaperAction {
    /// How evenly each partition strategy spreads a uniform load (6.2, figure 8)
    Load {
        /// Rings over which each figure is averaged
        #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u16).range(1..=10_000))]
        draws: u16,
        /// Of the first ring; the others follow
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Latencies with requests coordinated by nodes and by clients (6.4, table 2)
    Coordination {
        /// Reads, and as many writes
        #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1000..=10_000_000))]
        operations: u32,
        /// Of everything
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// The slowest requests with the write buffer and without (6.1)
    Buffer {
        /// Reads, and as many writes
        #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1000..=10_000_000))]
        operations: u32,
        /// Of everything
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// How many versions reads see as concurrent writers grow (6.3)
    Versions {
        /// Reads for each number of writers
        #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1000..=10_000_000))]
        reads: u32,
        /// Of everything
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// How stale partial quorums are, by versions and by time (Bailis et al. 2012)
    Pbs {
        /// Of random quorums and of the WARS model
        #[arg(long, default_value_t = 2_000_000, value_parser = clap::value_parser!(u32).range(1000..=20_000_000))]
        trials: u32,
        /// Of the protocol in simulation, for each moment at which it is read
        #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1000..=10_000_000))]
        protocol_trials: u32,
        /// Of everything
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

impl PaperAction {
    /// Every experiment at its full size.
    fn all() -> Vec<Self> {
        let seed = 1;
        vec![
            Self::Load { draws: 40, seed },
            Self::Coordination { operations: 200_000, seed },
            Self::Buffer { operations: 200_000, seed },
            Self::Versions { reads: 200_000, seed },
            Self::Pbs { trials: 2_000_000, protocol_trials: 100_000, seed },
        ]
    }
}

/// Measures, prints tables, and draws a page of plots. A figure that differs from the published one makes the outcome
/// invalid.
fn paper(args: &PaperArgs) -> Result<Exit, Problem> {
    let actions = match &args.action {
        Some(action) => vec![action.clone()],
        None => PaperAction::all(),
    };
    let mut experiments = Vec::new();
    for action in &actions {
        let experiment = perform(action).map_err(Problem::bench)?;
        print(&experiment);
        experiments.push(experiment);
    }
    let page = page(args, &experiments);
    let html = reports::experiments_html("The Dynamo paper's experiments, measured again", &experiments);
    if let Some(directory) = page.parent() {
        std::fs::create_dir_all(directory)
            .map_err(|error| Problem::bench(format!("cannot make {}: {error}", directory.display())))?;
    }
    write_whole(&page, &html).map_err(Problem::bench)?;
    say!("plots  {}", page.display());
    match experiments.iter().all(|experiment| experiment.disagreements.is_empty()) {
        true => Ok(Exit::Valid),
        false => Ok(Exit::Invalid),
    }
}

fn perform(action: &PaperAction) -> Result<Experiment, ExperimentError> {
    match *action {
        PaperAction::Load { draws, seed } => load::experiment(draws, seed),
        PaperAction::Coordination { operations, seed } => coordination::experiment(operations, seed),
        PaperAction::Buffer { operations, seed } => buffer::experiment(operations, seed),
        PaperAction::Versions { reads, seed } => versions::experiment(reads, seed),
        PaperAction::Pbs { trials, protocol_trials, seed } => pbs::experiment(Scale { trials, protocol_trials, seed }),
    }
}

/// The path of the page: one page for all experiments, or one for an experiment that is measured alone.
fn page(args: &PaperArgs, experiments: &[Experiment]) -> PathBuf {
    let name = match (&args.action, experiments) {
        (Some(_), [one]) => format!("paper-{}.html", one.name),
        _ => "paper.html".into(),
    };
    args.html.clone().unwrap_or_else(|| args.store.join(name))
}

fn print(experiment: &Experiment) {
    say!("{}", experiment.title);
    for sentence in &experiment.method {
        say!("{sentence}");
    }
    for figures in &experiment.tables {
        say!("\n{}\n{}", figures.caption, table(figures));
    }
    match experiment.disagreements.is_empty() {
        true => say!("holds: {}\n", experiment.criterion),
        false => {
            say!("does not hold: {}", experiment.criterion);
            for disagreement in &experiment.disagreements {
                say!("  {disagreement}");
            }
            say!("");
        }
    }
}

fn table(figures: &FigureTable) -> String {
    let mut builder = Builder::default();
    builder.push_record(figures.headings.clone());
    for row in &figures.rows {
        builder.push_record(row.clone());
    }
    let mut table = builder.build();
    table.with(Style::rounded()).modify(Columns::new(1..), Alignment::right());
    table.to_string()
}
