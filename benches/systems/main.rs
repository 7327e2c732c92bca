//! The table of docs/systems.md: every scenario over ten seeds, what its runs came to, and the published figure beside it.
//!
//! `cargo bench --bench systems -- --binaries DIR...` runs all scenarios, `-- NAME...` those whose names begin with one of these,
//! `--seeds N` over so many seeds from 1. A directory is one of unpacked packages; each program is taken from the first that
//! has its version, else from the PATH. Where none has it, a line says which package does, and the others go on.
//! `--store DIR` keeps the run directories; `--list` prints the names.
//!
//! A row is printed when its runs have ended. The exit code is 1 if a claim was violated where none should be, or if the bench
//! itself failed. Runs need namespaces, as `run --net netns` does, and no privileges.

mod interval;
mod programs;
mod runs;
mod scenarios;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use runs::Run;
use scenarios::{Expected, SCENARIOS, Scenario};

/// Whatever went wrong, in words.
type AnyError = Box<dyn std::error::Error>;

/// What may be said at the command line.
#[derive(Parser)]
struct Arguments {
    /// What the names of the scenarios begin with [default: all]
    names: Vec<String>,
    /// Over how many seeds
    #[arg(long, default_value_t = 10)]
    seeds: u64,
    /// A directory of unpacked packages (may be repeated)
    #[arg(long, value_name = "DIR")]
    binaries: Vec<PathBuf>,
    /// Where run directories are kept [default: they are removed]
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Print the names of the scenarios
    #[arg(long)]
    list: bool,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<ExitCode, AnyError> {
    let arguments = Arguments::parse();
    let is_asked = |scenario: &&Scenario| {
        arguments.names.is_empty() || arguments.names.iter().any(|name| scenario.name.starts_with(name))
    };
    let asked: Vec<&Scenario> = SCENARIOS.iter().filter(is_asked).collect();
    if arguments.list {
        asked.iter().for_each(|scenario| println!("{}", scenario.name));
        return Ok(ExitCode::SUCCESS);
    }
    let scratch = tempfile::tempdir()?;
    let mut is_as_expected = true;
    println!("{}", table::HEADER);
    for scenario in asked {
        match programs::arguments(scenario, &arguments.binaries) {
            Ok(binaries) => {
                let runs = run_all(scenario, &binaries, &arguments, scratch.path())?;
                println!("{}", table::row(scenario, &runs));
                is_as_expected &= !runs.iter().any(|run| is_unexpected(scenario, run));
            }
            Err(missing) => eprintln!("{}: {missing}", scenario.name),
        }
    }
    Ok(if is_as_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_all(
    scenario: &Scenario,
    binaries: &[String],
    arguments: &Arguments,
    scratch: &Path,
) -> Result<Vec<Run>, AnyError> {
    let mut runs = Vec::new();
    for seed in 1..=arguments.seeds {
        let store = scratch.join(format!("{}-{seed}", scenario.name));
        let store = arguments.store.as_deref().unwrap_or(&store);
        let run = runs::run(scenario, binaries, seed, store, scratch)?;
        eprintln!("{} seed {seed}: {}", scenario.name, run.in_words());
        runs.push(run);
        if arguments.store.is_none() {
            // A run that failed early has none.
            let _ = std::fs::remove_dir_all(store);
        }
    }
    Ok(runs)
}

fn is_unexpected(scenario: &Scenario, run: &Run) -> bool {
    run.verdict.is_none() || run.is_violated() && scenario.expected == Expected::Valid
}
