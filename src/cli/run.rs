//! `dissensus run`.

use workloads::registry::names;

use super::arguments::{NetArg, RunArgs, Span};
use super::main_thread::on_main_thread;
use crate::exit::{Exit, Problem};
use crate::out::say;
use crate::run::settings::{ArenaKind, Faults, Judging, Load, RunSettings};
use crate::run::{Finished, run as run_to_the_end};
use crate::store::write_whole;
use crate::systems::SystemSettings;

/// Runs, and prints the result.
pub fn run(args: RunArgs) -> Result<Exit, Problem> {
    if let Some(bugs) = args.system.lists_bugs() {
        list_bugs(&bugs);
        return Ok(Exit::Valid);
    }
    let settings = settings(&args)?;
    settings.check()?;
    if settings.arena == ArenaKind::Netns {
        // The kernel moves only a process with one thread, so it is done before there is a runtime.
        enter_namespaces(&settings)?;
    }
    if !args.json {
        eprintln!("seed {}", settings.seed);
    }
    let finished = on_main_thread(run_to_the_end(&settings, &args.store, args.json))?;
    print_finished(&finished, &args)?;
    Ok(finished.judged.verdict.outcome.into())
}

fn enter_namespaces(settings: &RunSettings) -> Result<(), Problem> {
    let instead = match settings.system.open(settings.seed)?.needs_addresses() {
        true => "",
        false => "; --net proxy works without, with fewer faults",
    };
    let refused = |error| Problem::bench(format!("{error}; `dissensus doctor` says what this machine allows{instead}"));
    sandbox::enter(sandbox::Namespaces { network: true }).map(drop).map_err(refused)
}

/// Prints the verdict in the requested form, and writes the JUnit file.
///
/// # Errors
/// When the file cannot be written.
pub fn print_finished(finished: &Finished, args: &RunArgs) -> Result<(), Problem> {
    print_verdict(finished, args);
    // Last, so that the verdict is not lost if it cannot be written.
    let Some(path) = &args.junit else { return Ok(()) };
    write_whole(path, &reports::junit(&finished.judged.summary, &finished.judged.verdict)).map_err(Problem::bench)
}

fn print_verdict(finished: &Finished, args: &RunArgs) {
    if args.json {
        say!("{}", serde_json::to_string_pretty(&finished.judged.verdict).expect("a verdict is plain data"));
        return;
    }
    say!("{}", finished.judged.tables());
    let record = &finished.record;
    if let (Some(ms), ArenaKind::Process | ArenaKind::Netns | ArenaKind::Attached) =
        (record.first_ack_ms, record.settings.arena)
    {
        say!("first acknowledged write {:.2} s after the start", ms as f64 / 1000.0);
    }
}

/// Prints every planted bug with one line of explanation.
pub fn list_bugs(bugs: &[(&str, &str)]) {
    let width = bugs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, explanation) in bugs {
        say!("{name:width$} {explanation}");
    }
}

/// The settings of a run in processes. The user's options come first, then those that the system prefers, then the
/// defaults.
///
/// # Errors
/// When the options of the system cannot work together.
pub fn settings(args: &RunArgs) -> Result<RunSettings, Problem> {
    let chosen = args.system.choose(args.nemesis.as_deref())?;
    let usual = RunSettings::default().of(chosen.options, &chosen.preferences);
    let nemesis = args.nemesis.clone().unwrap_or(usual.faults.nemesis);
    let load = load(args, usual.load, &usual.system)?;
    Ok(RunSettings {
        arena: arena(args, &usual.system)?,
        system: usual.system,
        load,
        faults: Faults { nemesis, plan: args.plan.clone() },
        judging: if args.require.is_empty() { usual.judging } else { Judging { require: args.require.clone() } },
        seed: args.seed.unwrap_or_else(|| u64::from(rand::random::<u32>())),
    })
}

/// Proxies need nothing of the machine, so they are used where they are enough.
fn arena(args: &RunArgs, system: &SystemSettings) -> Result<ArenaKind, Problem> {
    let net = match args.net {
        Some(net) => net,
        None if system.open(0)?.attached().is_some() => return Ok(ArenaKind::Attached),
        None if system.open(0)?.needs_addresses() => NetArg::Netns,
        None => NetArg::Proxy,
    };
    Ok(match net {
        NetArg::Proxy => ArenaKind::Process,
        NetArg::Netns => ArenaKind::Netns,
    })
}

fn load(args: &RunArgs, usual: Load, system: &SystemSettings) -> Result<Load, Problem> {
    let ms = |span: Option<Span>, usual: u64| span.map_or(usual, |span| span.ms());
    let workload = args.workload.clone().unwrap_or(usual.workload);
    let workload = match workload.trim() {
        "all" => {
            let system = system.open(0)?;
            names(&|workload, f| system.can(workload, f)).join(",")
        }
        _ => workload,
    };
    Ok(Load {
        workload,
        concurrency: args.concurrency.unwrap_or(usual.concurrency),
        rate: args.rate.unwrap_or(usual.rate),
        open_loop: args.open_loop || usual.open_loop,
        time_limit_ms: ms(args.time_limit, usual.time_limit_ms),
        operation_timeout_ms: ms(args.operation_timeout, usual.operation_timeout_ms),
        rest_limit_ms: ms(args.rest_limit, usual.rest_limit_ms),
        sticky: args.sticky || usual.sticky,
    })
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::super::arguments::{Cli, Command};
    use super::super::parse::parse;
    use super::*;
    use crate::systems::SYSTEMS;

    fn parsed(line: &str) -> RunSettings {
        let words: Vec<_> = line.split_whitespace().map(Into::into).collect();
        let Ok(matches) = parse(&words) else { panic!("{line} is not understood") };
        let cli = Cli::from_arg_matches(&matches).expect("the line is in order");
        let Command::Run(args) = cli.command else { panic!("the line is a run") };
        settings(&args).expect("the settings are in order")
    }

    #[test]
    fn the_command_that_is_printed_repeats_the_run() {
        for line in [
            "dissensus run --seed 1",
            "dissensus run --bug hint-deleted-early --seed 2",
            "dissensus run --bug fast-clock-wins --r 1 --w 3 --seed 3",
            "dissensus run --workload all --nemesis kill:all,clock:drift --quorum strict --versions lww --seed 4",
            "dissensus run --engine fjall --seed 7",
            "dissensus run --coordination client --versions lww --seed 9",
            "dissensus run --nodes 7 --n 5 --engine memory --rate 12.5 --time-limit 1500ms --sticky --seed 5",
            "dissensus run --strategy 3 --seed 7",
            "dissensus run --protocol 1 --seed 7",
            "dissensus run --session --n 2 --seed 9",
            "dissensus run --mode read-engine --n 2 --seed 9",
            "dissensus run --bug own-pair-truncated --seed 9",
            "dissensus run --durability buffered --seed 7",
            "dissensus run --versions vector-clock --clock-pairs 3 --coordinator first --data-centres 2 --seed 9",
            "dissensus run --nemesis upgrade --seed 7",
            "dissensus run --strategy 2 --nodes 9 --seed 8",
            "dissensus run --require durability --require read-your-writes --port 7001 --plan p.toml --seed 6",
        ] {
            let settings = parsed(line);
            assert_eq!(parsed(&settings.command()), settings, "{line} is repeated by {}", settings.command());
        }
    }

    /// The settings of a simulated run, in which everything that processes can do is possible; or of what the bug is in, if
    /// that cannot be simulated, without the faults, which are up to the machine.
    #[test]
    fn every_bug_has_options_that_work_together() {
        for (row, bugs) in SYSTEMS.iter().filter_map(|row| Some((row, row.bugs?))) {
            for (bug, _) in bugs.all() {
                let run = parsed(&format!("dissensus run --system {} --bug {bug} --seed 1", row.name));
                let system = run.system.open(run.seed).expect("its options can work");
                let settings = match system.simulated() {
                    Some(_) => RunSettings { arena: ArenaKind::Sim, ..run },
                    None => RunSettings { faults: Faults { nemesis: "none".into(), ..run.faults.clone() }, ..run },
                };
                assert!(settings.check().is_ok(), "{bug}");
            }
        }
    }

    #[test]
    fn what_the_user_says_goes_before_what_the_system_prefers() {
        let settings = parsed("dissensus run --bug fast-clock-wins --nemesis none --require durability --seed 1");
        assert_eq!((&*settings.faults.nemesis, &*settings.load.workload), ("none", "register"));
        assert_eq!(settings.judging.require, [checker::CheckName::DURABILITY]);
        let settings = parsed("dissensus run --bug own-pair-truncated --workload cart --concurrency 7 --seed 1");
        assert_eq!((&*settings.load.workload, settings.load.concurrency, settings.load.sticky), ("cart", 7, true));
        assert_eq!(settings.judging.require, [checker::CheckName::NO_LOST_WRITES], "the bug requires it");
    }
}
