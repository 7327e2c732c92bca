//! A run of a scenario: the whole program, as a user starts it, and what it left.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use checker::verdict::{Outcome, PropertyResult, Verdict};
use serde_json::Value;

use crate::AnyError;
use crate::scenarios::{Faults, Figure, Planned, Scenario, Source};

const DISSENSUS: &str = env!("CARGO_BIN_EXE_dissensus");

/// How a run ended.
pub struct Run {
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What was found; none if the bench failed.
    pub verdict: Option<Verdict>,
    /// How long it took.
    pub took: Duration,
    evidence: Vec<Value>,
    last_words: String,
}

/// Runs a scenario with a seed.
///
/// # Errors
/// When the program cannot be started or a file cannot be written.
pub fn run(scenario: &Scenario, binaries: &[String], seed: u64, store: &Path, scratch: &Path) -> Result<Run, AnyError> {
    let mut command = Command::new(DISSENSUS);
    command
        .args(["run", "--system", scenario.system, "--json", "--net", "netns"])
        .args(binaries)
        .args(scenario.options);
    command.args(["--seed", &seed.to_string(), "--time-limit", &format!("{}s", scenario.time_limit_seconds)]);
    match scenario.faults {
        Faults::Drawn(list) => command.args(["--nemesis", list]),
        Faults::Planned(planned) => {
            command.arg("--plan").arg(written(scenario, &plan(planned, scenario.time_limit_seconds * 1000), scratch)?)
        }
        Faults::Written { plan, .. } => command.arg("--plan").arg(written(scenario, plan, scratch)?),
    };
    let began = Instant::now();
    let output = command.arg("--store").arg(store).stdin(Stdio::null()).output()?;
    let evidence = fs::read(store.join("latest/evidence.json")).ok();
    let said = String::from_utf8_lossy(&output.stderr);
    Ok(Run {
        code: output.status.code(),
        verdict: serde_json::from_slice(&output.stdout).ok(),
        took: began.elapsed(),
        evidence: evidence.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default(),
        last_words: said.lines().last().unwrap_or_default().to_owned(),
    })
}

/// Writes a scenario's plan.
fn written(scenario: &Scenario, plan: &str, scratch: &Path) -> std::io::Result<PathBuf> {
    let file = scratch.join(format!("{}.toml", scenario.name));
    fs::write(&file, plan)?;
    Ok(file)
}

/// A plan's file. What would not be healed before the run ends is left out.
fn plan(planned: &[Planned], end_ms: u64) -> String {
    let each = planned.iter().flat_map(|fault| {
        let (again, every_ms) = fault.again;
        (0..=again).map(move |number| (fault.at_ms + number * every_ms, fault))
    });
    let mut faults: Vec<(u64, &Planned)> = each.filter(|(at_ms, fault)| at_ms + fault.for_ms < end_ms).collect();
    faults.sort_by_key(|(at_ms, _)| *at_ms);
    let entries = faults.iter().zip(1..).map(|((at_ms, fault), id)| {
        let Planned { kind, nodes, for_ms, .. } = fault;
        format!("\n[[fault]]\nid = {id}\nat_ms = {at_ms}\nfor_ms = {for_ms}\nkind = {kind:?}\nnodes = {nodes:?}\n")
    });
    std::iter::once("version = 1\nseed = 1\n".to_owned()).chain(entries).collect()
}

impl Run {
    /// Whether something that is claimed was violated.
    pub fn is_violated(&self) -> bool {
        self.verdict.as_ref().is_some_and(|verdict| verdict.outcome == Outcome::Invalid)
    }

    /// The names of the claimed properties that are violated, each once.
    pub fn violated(&self) -> BTreeSet<&'static str> {
        let properties = self.verdict.iter().flat_map(|verdict| &verdict.properties);
        properties
            .filter(|found| found.claimed && found.outcome == Outcome::Invalid)
            .map(|found| found.property.name())
            .collect()
    }

    /// How many faults are proved, and how many nodes those of this kind took; of all kinds if none is given.
    pub fn proved(&self, kind: Option<&str>) -> (usize, usize) {
        let faults = self.verdict.iter().flat_map(|verdict| &verdict.faults);
        let counted = faults.filter(|fault| fault.proved && kind.is_none_or(|kind| fault.kind == kind));
        counted.fold((0, 0), |(faults, nodes), fault| (faults + 1, nodes + fault.nodes.len()))
    }

    /// Operations that were acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.verdict.iter().flat_map(|verdict| &verdict.statistics).map(|found| found.ok).sum()
    }

    /// The value of a figure: a share in percent if it has a whole. None if the run has no such figure.
    pub fn figure(&self, figure: &Figure) -> Option<f64> {
        let (part, whole) = match figure.of {
            Source::Property(name) => {
                let properties = self.verdict.iter().flat_map(|verdict| &verdict.properties);
                let found: Vec<&PropertyResult> =
                    properties.filter(|found| found.claimed && found.property.name() == name).collect();
                let sum = |part: &str| found.iter().filter_map(|found| of_property(found, part)).reduce(|a, b| a + b);
                (sum(figure.part)?, figure.whole.iter().filter_map(|part| sum(part)).sum())
            }
            Source::Evidence => {
                let of = |fault: &Value| fault["figures"][figure.part].as_f64();
                (self.evidence.iter().filter_map(of).reduce(|a, b| a + b)?, 0.0)
            }
            Source::RateOf(kind) => (self.proved(Some(kind)).1 as f64, 0.0),
        };
        match figure.whole {
            [] => Some(part),
            _ => (whole > 0.0).then_some(100.0 * part / whole),
        }
    }

    /// How it ended, in a line.
    pub fn in_words(&self) -> String {
        let code = self.code.map_or_else(|| "ended by a signal".to_owned(), |code| format!("exit {code}"));
        let seconds = self.took.as_secs();
        match &self.verdict {
            None => format!("{code} after {seconds} s: {}", self.last_words),
            Some(verdict) => {
                let (faults, nodes) = self.proved(None);
                let why = verdict.reasons.join(" ");
                format!(
                    "{code} after {seconds} s, {} acknowledged, {faults} faults of {nodes} nodes proved. {why}",
                    self.acknowledged()
                )
            }
        }
    }
}

fn of_property(found: &PropertyResult, part: &str) -> Option<f64> {
    match part {
        "violations" => Some(found.anomalies_total as f64),
        part => found.figures.get(part).copied(),
    }
}
