//! `dissensus run`.

use cluster_core::bug::Bug;
use cluster_core::protocol::Protocol;
use nemesis::NemesisSpec;
use workloads::registry::NAMES;

use super::arguments::{RunArgs, SystemArgs};
use super::main_thread::on_main_thread;
use super::out::say;
use crate::exit::{Exit, Problem};
use crate::run::settings::{ArenaKind, RunSettings};
use crate::run::{Finished, run as run_to_the_end};
use crate::store::write_whole;
use crate::systems::dynamo::DynamoSettings;
use crate::systems::dynamo::bugs::{self, Preferences};

/// Runs, and prints the result.
pub fn run(args: RunArgs) -> Result<Exit, Problem> {
    if args.system.bug.as_deref() == Some("list") {
        list_bugs();
        return Ok(Exit::Valid);
    }
    let settings = settings(&args)?;
    settings.check()?;
    if !args.json {
        eprintln!("seed {}", settings.seed);
    }
    let finished = on_main_thread(run_to_the_end(&settings, &args.store, args.json))?;
    print_finished(&finished, &args)?;
    Ok(finished.judged.verdict.outcome.into())
}

/// Prints the verdict in the requested form, and writes the JUnit file.
///
/// # Errors
/// When the file cannot be written.
pub fn print_finished(finished: &Finished, args: &RunArgs) -> Result<(), Problem> {
    if let Some(path) = &args.junit {
        let junit = reports::junit(&finished.judged.summary, &finished.judged.verdict);
        write_whole(path, &junit).map_err(Problem::bench)?;
    }
    if args.json {
        say!("{}", serde_json::to_string_pretty(&finished.judged.verdict).expect("a verdict is plain data"));
        return Ok(());
    }
    say!("{}", finished.judged.tables());
    if let (Some(ms), ArenaKind::Process) = (finished.record.first_ack_ms, finished.record.settings.arena) {
        say!("first acknowledged write {:.2} s after the start", ms as f64 / 1000.0);
    }
    Ok(())
}

/// Prints every planted bug with one line of explanation.
pub fn list_bugs() {
    let width = Bug::ALL.iter().map(|bug| bug.name().len()).max().unwrap_or(0);
    for bug in Bug::ALL {
        say!("{:width$} {}", bug.name(), bug.explanation());
    }
}

/// The settings of a run. The user's options come first, then those that the planted bug needs to show, then the
/// defaults.
///
/// # Errors
/// When a bug is unknown.
pub fn settings(args: &RunArgs) -> Result<RunSettings, Problem> {
    let usual = RunSettings::default();
    let (mut dynamo, bug) = dynamo_settings(&args.system)?;
    let workload = args.workload.clone().or(bug.workload.map(str::to_owned)).unwrap_or(usual.workload);
    let nemesis = args.nemesis.clone().or(bug.nemesis.map(str::to_owned)).unwrap_or(usual.nemesis);
    dynamo.protocol = args.system.protocol.unwrap_or_else(|| first_protocol(&nemesis));
    dynamo.spares = args.system.spares.unwrap_or_else(|| DynamoSettings::usual_spares(&nemesis));
    let ms = |span: Option<super::arguments::Span>, usual: u64| span.map_or(usual, |span| span.ms());
    Ok(RunSettings {
        arena: ArenaKind::Process,
        system: args.system.system.clone(),
        dynamo,
        workload: if workload.trim() == "all" { NAMES.join(",") } else { workload },
        nemesis,
        concurrency: args.concurrency.or(bug.sticky_clients).unwrap_or(usual.concurrency),
        rate: args.rate.unwrap_or(usual.rate),
        time_limit_ms: ms(args.time_limit, usual.time_limit_ms),
        operation_timeout_ms: ms(args.operation_timeout, usual.operation_timeout_ms),
        rest_limit_ms: ms(args.rest_limit, usual.rest_limit_ms),
        sticky: args.sticky || bug.sticky_clients.is_some(),
        seed: args.seed.unwrap_or_else(|| u64::from(rand::random::<u32>())),
        require: match args.require.is_empty() {
            true => bug.require.into_iter().collect(),
            false => args.require.clone(),
        },
        plan: args.plan.clone(),
    })
}

/// The default protocol version of the nodes: the newest, unless they are to be upgraded to it. A wrong list of faults
/// is refused later.
fn first_protocol(nemesis: &str) -> Protocol {
    let spec = nemesis.parse::<NemesisSpec>().unwrap_or_default();
    Protocol::NEWEST.previous().filter(|_| spec.asks_for("upgrade")).unwrap_or(Protocol::NEWEST)
}

/// The cluster's settings with the preferences of its bug.
///
/// # Errors
/// When the bug is unknown.
pub fn dynamo_settings(args: &SystemArgs) -> Result<(DynamoSettings, Preferences), Problem> {
    let bug: Option<Bug> = args.bug.as_deref().map(str::parse).transpose().map_err(Problem::arguments)?;
    let usual = bugs::settings(bug);
    let usual = args.mode.map_or(usual.clone(), |mode| usual.in_mode(mode.into(), args.n));
    let settings = DynamoSettings {
        nodes: args.nodes.unwrap_or(usual.nodes),
        spares: args.spares.unwrap_or(usual.spares),
        n: args.n.unwrap_or(usual.n),
        r: args.r.unwrap_or(usual.r),
        w: args.w.unwrap_or(usual.w),
        quorum: args.quorum.map_or(usual.quorum, Into::into),
        versions: args.versions.map_or(usual.versions, Into::into),
        clock_pairs: args.clock_pairs.unwrap_or(usual.clock_pairs),
        coordinator: args.coordinator.map_or(usual.coordinator, Into::into),
        session: args.session || usual.session,
        data_centres: args.data_centres.unwrap_or(usual.data_centres),
        strategy: args.strategy.map_or(usual.strategy, Into::into),
        engine: args.engine.unwrap_or(usual.engine),
        protocol: args.protocol.unwrap_or(usual.protocol),
        durability: args.durability.map_or(usual.durability, Into::into),
        coordination: args.coordination.map_or(usual.coordination, Into::into),
        port: args.port,
        bug,
    };
    Ok((settings, bug.map(bugs::preferences).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::arguments::{Cli, Command};
    use super::*;

    fn parsed(line: &str) -> RunSettings {
        let cli = Cli::try_parse_from(line.split_whitespace()).expect("the line is in order");
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

    /// The settings of a simulated run, in which everything that processes can do is possible.
    #[test]
    fn every_bug_has_options_that_work_together() {
        for bug in Bug::ALL {
            let run = parsed(&format!("dissensus run --bug {bug} --seed 1"));
            let settings = RunSettings { arena: ArenaKind::Sim, ..run };
            assert!(settings.check().is_ok(), "{bug}");
        }
    }

    /// Section 6: three ways to use the store; options that are given explicitly come first.
    #[test]
    fn a_mode_sets_versions_and_quorums() {
        use cluster_core::config::Versioning::{Dvv, Lww};
        let of = |line: &str| {
            let dynamo = parsed(&format!("dissensus run --seed 1 {line}")).dynamo;
            (dynamo.versions, dynamo.n, dynamo.r, dynamo.w)
        };
        assert_eq!(of("--mode business-logic"), (Dvv, 3, 2, 2));
        assert_eq!(of("--mode timestamp"), (Lww, 3, 2, 2));
        assert_eq!(of("--mode read-engine"), (Dvv, 3, 1, 3));
        assert_eq!(of("--mode read-engine --n 5"), (Dvv, 5, 1, 5));
        assert_eq!(of("--mode read-engine --w 2 --versions lww"), (Lww, 3, 1, 2));
        assert_eq!(of("--mode business-logic --bug fast-clock-wins"), (Dvv, 3, 2, 2), "a mode is the user's word");
    }

    #[test]
    fn what_the_user_says_goes_before_what_the_bug_prefers() {
        let settings = parsed("dissensus run --bug fast-clock-wins --versions dvv --nemesis none --seed 1");
        assert_eq!(settings.dynamo.versions, cluster_core::config::Versioning::Dvv);
        assert_eq!(settings.nemesis, "none");
        assert_eq!(settings.workload, "register");
    }
}
