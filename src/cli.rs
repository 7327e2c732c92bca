//! The command line: parses the arguments, runs the command, and maps its result to an exit code.

mod arguments;
mod bugs;
mod check;
mod cluster;
mod doctor;
mod main_thread;
mod parse;
mod report;
mod run;
mod seeds;
mod sim;
mod system;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{ArgMatches, FromArgMatches};

use crate::arena::attached::keeper::keep;
use crate::arena::processes::bound::become_bound;
use crate::exit::{Exit, Problem};
use arguments::{BoundArgs, Cli, Command, KeeperArgs};
use main_thread::on_main_thread;
use parse::Unparsed;

/// The whole program.
pub fn main() -> ExitCode {
    // Does not return where the bench has started itself as the first process of a node.
    if let Err(error) = sandbox::serve_hidden_commands() {
        eprintln!("dissensus: /proc/self cannot be read: {error}");
        return Exit::BenchFailed.into();
    }
    let words: Vec<OsString> = std::env::args_os().collect();
    let done = match parse::parse(&words) {
        Ok(matches) => carry_out(&matches),
        Err(Unparsed::Problem(problem)) => Err(problem),
        Err(Unparsed::Clap(error)) => return parsed_no_command(&error),
    };
    let done = match crate::out::lost() {
        Some(why) => Err(Problem::bench(format!("standard output could not be written: {why}"))),
        None => done,
    };
    done.unwrap_or_else(|problem| {
        eprintln!("dissensus: {problem}");
        problem.exit().into()
    })
}

fn parsed_no_command(error: &clap::Error) -> ExitCode {
    let asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    let _ = error.print();
    if asked_for { ExitCode::SUCCESS } else { Exit::BadArguments.into() }
}

fn carry_out(matches: &ArgMatches) -> Result<ExitCode, Problem> {
    if let Some((name, matches)) = matches.subcommand()
        && let Some(own) = parse::own_command(name)
    {
        return (own.run)(matches);
    }
    let cli = Cli::from_arg_matches(matches).map_err(Problem::arguments)?;
    let exit = match cli.command {
        Command::Bound(args) => Err(bound(&args)),
        Command::Clock => say_time(),
        Command::Keeper(args) => keeper(&args),
        Command::Supervisor(args) => cluster::supervise(&args),
        Command::Run(args) => run::run(*args),
        Command::Sim(args) => sim::sim(&args),
        Command::Bugs(args) => bugs::bugs(&args),
        Command::Check(args) => check::check(&args),
        Command::Report(args) => report::report(&args),
        Command::Doctor => doctor::doctor(),
        Command::Cluster(args) => cluster::cluster(&args),
    };
    exit.map(ExitCode::from)
}

/// What time the clock shows that this process is under.
fn say_time() -> Result<Exit, Problem> {
    let reading = crate::arena::processes::say_time().map_err(Problem::bench)?;
    crate::out::say!("{reading}");
    Ok(Exit::Valid)
}

/// Keeps the commands of faults: in a session of its own, and deaf to what ends the bench.
fn keeper(KeeperArgs { dir }: &KeeperArgs) -> Result<Exit, Problem> {
    use tokio::signal::unix::{SignalKind, signal};
    nix::unistd::setsid().map_err(Problem::bench)?;
    on_main_thread(async {
        // Handlers that do nothing: commands do not inherit them, as they would inherit that a signal is ignored.
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let _deaf = kinds.map(signal);
        keep(std::io::stdin().lock(), std::io::stdout().lock(), dir).map_err(Problem::bench)
    })?;
    Ok(Exit::Valid)
}

/// Becomes the program; returns only with the reason why not.
fn bound(BoundArgs { parent_pid, words }: &BoundArgs) -> Problem {
    match words.split_first() {
        None => Problem::arguments("no program is named"),
        Some((program, arguments)) => {
            let error = become_bound(*parent_pid, program, arguments);
            Problem::bench(format!("cannot start {}: {error}", program.display()))
        }
    }
}
