//! The command line: parses the arguments, runs the command, and maps its result to an exit code.

mod arguments;
mod bugs;
mod check;
mod cluster;
mod main_thread;
mod out;
mod paper;
mod report;
mod run;
mod seeds;
mod sim;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::exit::Exit;
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
