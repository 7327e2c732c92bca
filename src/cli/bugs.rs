//! `dissensus bugs`: how well the bench finds each planted bug, measured in simulation.
//!
//! Each bug runs under its own options, seed by seed, and so does the cluster without a bug. A line shows which claims
//! were broken, in how many seeds, and how many seeds have to be tried (the median over all seeds to begin with). The
//! outcome is invalid if no seed finds a bug, or if the cluster without a bug breaks a claim under the same options.
//!
//! A bug in what only a process has is not measured: without names it is left out, which is said; by name it is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{ControlFlow, Range};

use checker::CheckName;
use checker::verdict::{Outcome, Verdict};
use tabled::builder::Builder;
use tabled::settings::Style;

use super::arguments::BugsArgs;
use super::seeds;
use crate::exit::{Exit, Problem};
use crate::out::say;
use crate::run::settings::{ArenaKind, RunSettings};
use crate::run::simulate::verdict_of_seed;
use crate::systems::row::{PlantedBugs, Row};
use crate::systems::{SystemSettings, find};

/// Measures, and prints a table.
pub fn bugs(args: &BugsArgs) -> Result<Exit, Problem> {
    let row = find(&args.system.name)?;
    let none = || Problem::BadArguments(format!("{} has no planted bugs", row.name));
    let bugs = row.bugs.ok_or_else(none)?;
    let (asked, left_out) = asked(settings_of(row, bugs, args)?)?;
    if let (Some(bug), false) = (left_out.first(), args.names.is_empty()) {
        return Err(Problem::BadArguments(not_simulated(bug)));
    }
    let mut table = Builder::default();
    table.push_record(["bug", "breaks", "found in", "seeds needed", "without it"]);
    let mut exit = Exit::Valid;
    for (bug, [planted, right]) in asked {
        let (planted, right) = (measure(&planted, args)?, measure(&right, args)?);
        if planted.found.is_empty() || right.counts.contains_key(&Outcome::Invalid) {
            exit = Exit::Invalid;
        }
        table.push_record([bug, planted.broken(), planted.share(), planted.needed(), right.outcomes()]);
    }
    say!(
        "seeds {}..{}, each bug under its own options, {} s each",
        args.seeds.0.start,
        args.seeds.0.end,
        args.time_limit.ms() / 1000
    );
    say!("{}", table.build().with(Style::rounded()));
    for bug in left_out {
        say!("{}", not_simulated(&bug));
    }
    Ok(exit)
}

/// A bug, with the settings of a run with it and without it.
type WithAndWithout = (String, [RunSettings; 2]);

/// The bugs to measure, and the names of those that cannot be simulated.
fn asked(all: Vec<WithAndWithout>) -> Result<(Vec<WithAndWithout>, Vec<String>), Problem> {
    let (mut simulated, mut left_out) = (Vec::new(), Vec::new());
    for (name, [planted, right]) in all {
        match planted.system.open(planted.seed)?.simulated() {
            Some(_) => simulated.push((name, [planted, right])),
            None => left_out.push(name),
        }
    }
    Ok((simulated, left_out))
}

fn not_simulated(bug: &str) -> String {
    format!("{bug} is in what only processes have, so it is not measured here: `dissensus run --net netns --bug {bug}`")
}

/// For each bug that is asked for the options that it prefers, with the bug and without it. An unknown bug is refused before
/// anything is measured.
fn settings_of(row: &Row, bugs: &dyn PlantedBugs, args: &BugsArgs) -> Result<Vec<WithAndWithout>, Problem> {
    let all = || bugs.all().into_iter().map(|(name, _)| name.to_owned()).collect();
    let names = if args.names.is_empty() { all() } else { args.names.clone() };
    let one = |name: &String, planted| {
        let unknown = || Problem::BadArguments(format!("unknown bug '{name}': `run --bug list` prints them"));
        let chosen = bugs.shows_itself(name, planted).ok_or_else(unknown)?;
        let system = SystemSettings::new(row.name, chosen.options)?;
        let mut settings = RunSettings { arena: ArenaKind::Sim, ..RunSettings::default() };
        settings.load.time_limit_ms = args.time_limit.ms();
        Ok(settings.of(system, &chosen.preferences))
    };
    let both = |name: String| Ok((name.clone(), [one(&name, true)?, one(&name, false)?]));
    names.into_iter().map(both).collect()
}

/// The results of a range of seeds.
struct Measured {
    seeds: Range<u64>,
    /// The seeds in which a claimed property was broken.
    found: Vec<u64>,
    /// The number of seeds in which each property was broken.
    properties: BTreeMap<CheckName, u64>,
    counts: BTreeMap<Outcome, u64>,
}

fn measure(settings: &RunSettings, args: &BugsArgs) -> Result<Measured, Problem> {
    let verdicts = seeds::each(&args.seeds.0, args.jobs, |seed| {
        let verdict = verdict_of_seed(&RunSettings { seed, ..settings.clone() })?.0;
        Ok(ControlFlow::Continue((verdict.outcome, broken_claims(&verdict))))
    })?;
    let (found, properties, counts) = Default::default();
    let mut measured = Measured { seeds: args.seeds.0.clone(), found, properties, counts };
    for (seed, (outcome, broken)) in verdicts {
        *measured.counts.entry(outcome).or_default() += 1;
        if !broken.is_empty() {
            measured.found.push(seed);
        }
        for property in broken {
            *measured.properties.entry(property).or_default() += 1;
        }
    }
    Ok(measured)
}

fn broken_claims(verdict: &Verdict) -> BTreeSet<CheckName> {
    let broken = verdict.properties.iter().filter(|found| found.claimed && found.outcome == Outcome::Invalid);
    broken.map(|found| found.property).collect()
}

impl Measured {
    /// `no-lost-writes 38, durability 3`.
    fn broken(&self) -> String {
        let each = self.properties.iter().map(|(property, seeds)| format!("{property} {seeds}"));
        each.collect::<Vec<_>>().join(", ")
    }

    fn share(&self) -> String {
        format!("{} of {}", self.found.len(), self.seeds.end - self.seeds.start)
    }

    /// The number of seeds to try until one finds the bug, beginning at each seed and wrapping around; the median.
    fn needed(&self) -> String {
        let length = self.seeds.end - self.seeds.start;
        let from = |start: u64| self.found.iter().map(move |found| (found + length - start) % length + 1).min();
        let mut needed: Vec<u64> = self.seeds.clone().filter_map(from).collect();
        needed.sort_unstable();
        needed.get(needed.len() / 2).map_or("not found".to_owned(), u64::to_string)
    }

    /// `40 valid`.
    fn outcomes(&self) -> String {
        let each = self.counts.iter().map(|(outcome, seeds)| format!("{seeds} {outcome}"));
        each.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(seeds: Range<u64>, found: &[u64]) -> Measured {
        Measured { seeds, found: found.to_vec(), properties: BTreeMap::new(), counts: BTreeMap::new() }
    }

    #[test]
    fn the_median_is_over_every_seed_to_begin_with() {
        assert_eq!(found(0..4, &[0, 1, 2, 3]).needed(), "1");
        assert_eq!(found(10..15, &[12]).needed(), "3", "1 to 5 seeds, by where one begins");
        assert_eq!(found(0..4, &[]).needed(), "not found");
        assert_eq!(found(10..15, &[12]).share(), "1 of 5");
    }
}
