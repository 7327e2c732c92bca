//! The command line: what is asked for, done, and how it ends.

mod arguments;
mod bugs;
mod check;
mod cluster;
mod out;
mod paper;
mod report;
mod run;
mod seeds;
mod sim;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::exit::{Exit, Problem};
use arguments::{Cli, Command};

/// The whole program.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            let _ = error.print();
            return if asked_for { ExitCode::SUCCESS } else { Exit::BadArguments.into() };
        }
    };
    let done = match cli.command {
        Command::Node { .. } => return cluster_node::main_from_stdin(),
        Command::Supervisor(args) => cluster::supervise(&args),
        Command::Run(args) => run::run(*args),
        Command::Sim(args) => sim::sim(&args),
        Command::Bugs(args) => bugs::bugs(&args),
        Command::Check(args) => check::check(&args),
        Command::Report(args) => report::report(&args),
        Command::Cluster(args) => cluster::cluster(&args),
        Command::Paper(args) => paper::paper(&args),
    };
    match done {
        Ok(exit) => exit.into(),
        Err(problem) => {
            eprintln!("dissensus: {problem}");
            problem.exit().into()
        }
    }
}

/// A runtime whose root future runs on this, the main, thread: nodes are started from it and live as long as it does.
fn on_main_thread<T>(work: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Problem::bench(format!("cannot start the runtime: {error}")))?;
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    result
}
