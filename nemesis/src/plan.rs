//! A fault plan: which faults affect which nodes and links, and when, as data in a file that people read, edit and run
//! again.
//!
//! ```toml
//! version = 1
//! seed = 42
//!
//! # n2 n4
//! [[fault]]
//! id = 1
//! at_ms = 2000
//! for_ms = 3000
//! kind = "kill"
//! nodes = ["n2", "n4"]
//! ```
//!
//! Links are written `"n1 -> n2"`. A seed beyond TOML's integers is written as a string.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde_json::json;

use crate::capability::{Capabilities, Capability};
use crate::event::NemesisEvent;
use crate::fault::{CLIENTS, Class};
use crate::faults::{Fault, PlannedFault};
use crate::kind::TURNS_MAX;
use crate::problem::{Problem, TIME_MAX_MS};

/// The version of the plan format that is written, and the only one that is read.
pub const VERSION: u32 = 1;

/// The faults of a run. A [`crate::Nemesis`] carries them out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The seed that it was made from. It has no effect on a plan that is read from a file.
    pub seed: u64,
    /// The faults, by convention in the order of their start.
    pub faults: Vec<PlannedFault>,
}

/// One step of carrying out a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PlanStep {
    /// Heals the fault with this id. Declared before `Start`, so that steps of the same moment heal first.
    Stop(u64),
    /// Changes the fault with this id while it lasts, as its kind does.
    Turn(u64),
    /// Injects the fault with this id.
    Start(u64),
}

impl Plan {
    /// The steps with their times (ms since the run began), sorted: the order in which to take them.
    pub fn schedule(&self) -> Vec<(u64, PlanStep)> {
        let steps = |fault: &PlannedFault| {
            let ends = [(fault.at_ms, PlanStep::Start(fault.id)), (fault.end_ms(), PlanStep::Stop(fault.id))];
            let (id, start_ms) = (fault.id, fault.at_ms);
            let turn = move |turn_ms: u64| (start_ms.saturating_add(turn_ms), PlanStep::Turn(id));
            let turns = fault.fault.effect().turns_ms(fault.for_ms);
            ends.into_iter().chain(turns.into_iter().map(turn))
        };
        let mut schedule: Vec<(u64, PlanStep)> = self.faults.iter().flat_map(steps).collect();
        schedule.sort_unstable();
        schedule
    }

    /// The fault with this id.
    pub fn fault(&self, id: u64) -> Option<&PlannedFault> {
        self.faults.iter().find(|fault| fault.id == id)
    }

    /// The history event `plan`, to be recorded at time 0; `nodes` are all nodes of the cluster.
    pub fn event(&self, nodes: &[String]) -> NemesisEvent {
        let entry = |planned: &PlannedFault| {
            json!({
                "fault": planned.id, "kind": planned.fault.kind(), "detail": planned.fault.detail(nodes),
                "nodes": planned.fault.nodes(nodes), "at_ms": planned.at_ms, "for_ms": planned.for_ms,
            })
        };
        NemesisEvent { f: "plan".to_owned(), value: self.faults.iter().map(entry).collect() }
    }

    /// The plan as a file; `nodes` are all nodes of the cluster, for the comment that says what each fault does.
    pub fn to_toml(&self, nodes: &[String]) -> String {
        let seed = i64::try_from(self.seed).map_or_else(|_| format!("\"{}\"", self.seed), |seed| seed.to_string());
        let mut text =
            format!("# A dissensus fault plan; times in ms since the run began.\nversion = {VERSION}\nseed = {seed}\n");
        for planned in &self.faults {
            let entry = toml::to_string(planned).expect("strings and small integers are all TOML");
            text += &format!("\n# {}\n[[fault]]\n{entry}", planned.fault.detail(nodes));
        }
        text
    }

    /// Reads a plan from a file's text. Whether it fits a cluster is checked by [`Plan::validate`].
    ///
    /// # Errors
    /// When the text is not TOML, is of another version, or has a fault that is incomplete or of an unknown kind.
    pub fn from_toml(text: &str) -> Result<Self, PlanError> {
        let header: FileHeader = toml::from_str(text).map_err(|error| syntax(text, &error))?;
        if header.version != VERSION {
            return Err(PlanError::Version(header.version));
        }
        let file: FilePlan = toml::from_str(text).map_err(|error| syntax(text, &error))?;
        let seed = match file.seed {
            FileSeed::Number(seed) => seed,
            FileSeed::Text(text) => text.parse().map_err(|_| PlanError::Seed(text))?,
        };
        let read = |(index, fault): (usize, FileFault)| {
            let position = FaultPosition { number: index + 1, id: fault.id };
            fault.resolve().map_err(|problem| PlanError::Fault { position, problem })
        };
        let faults = file.fault.into_iter().enumerate().map(read).collect::<Result<_, _>>()?;
        Ok(Self { seed, faults })
    }

    /// What a cluster must be able to do for all of its faults.
    pub fn needs(&self) -> BTreeSet<Capability> {
        self.faults.iter().flat_map(|planned| planned.fault.needs()).collect()
    }

    /// Checks that the cluster can do what the plan needs.
    ///
    /// # Errors
    /// The first fault whose needs are not met, and what is missing.
    pub fn check_needs(&self, capabilities: &Capabilities) -> Result<(), PlanError> {
        for (index, planned) in self.faults.iter().enumerate() {
            let position = FaultPosition { number: index + 1, id: planned.id };
            let unmet = |unmet| PlanError::Fault { position, problem: Problem::Unmet(unmet) };
            planned.fault.check_needs(capabilities).map_err(unmet)?;
        }
        Ok(())
    }

    /// Checks that the plan can be carried out on a cluster of these nodes.
    ///
    /// # Errors
    /// The first fault that cannot be carried out, and why.
    pub fn validate(&self, nodes: &[String]) -> Result<(), PlanError> {
        let mut ids: BTreeSet<u64> = BTreeSet::new();
        for (index, planned) in self.faults.iter().enumerate() {
            let position = FaultPosition { number: index + 1, id: planned.id };
            let fails = |problem: Problem| PlanError::Fault { position, problem };
            if planned.id == 0 || !ids.insert(planned.id) {
                return Err(fails(Problem::Id));
            }
            check_times(planned).map_err(fails)?;
            check_names(&planned.fault, nodes).map_err(fails)?;
            planned.fault.effect().check_amounts().map_err(fails)?;
            check_turns(planned).map_err(fails)?;
            check_processes(planned, &self.faults[..index]).map_err(fails)?;
        }
        Ok(())
    }
}

fn check_times(planned: &PlannedFault) -> Result<(), Problem> {
    match planned {
        PlannedFault { for_ms: 0, .. } => Err(Problem::ZeroDuration),
        PlannedFault { at_ms, for_ms, .. } if *at_ms > TIME_MAX_MS || *for_ms > TIME_MAX_MS => Err(Problem::TooLong),
        _ => Ok(()),
    }
}

fn check_turns(planned: &PlannedFault) -> Result<(), Problem> {
    match planned.fault.effect().turns_ms(planned.for_ms).len() > TURNS_MAX {
        true => Err(Problem::TooManyTurns),
        false => Ok(()),
    }
}

fn check_names(fault: &Fault, nodes: &[String]) -> Result<(), Problem> {
    let (named, links) = (fault.own_nodes(), fault.links());
    if named.is_empty() && links.is_empty() {
        return Err(Problem::NoTarget);
    }
    let ends = links.iter().flat_map(|link| [&link.from, &link.to]).filter(|end| *end != CLIENTS);
    if let Some(name) = ends.chain(named).find(|name| !nodes.contains(name)) {
        return Err(Problem::UnknownNode { name: name.clone(), known: nodes.to_vec() });
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = named.iter().find(|node| !seen.insert(*node)) {
        return Err(Problem::Twice(twice.clone()));
    }
    let mut seen = BTreeSet::new();
    match links.iter().find(|link| link.from == link.to || !seen.insert(*link)) {
        Some(link) if link.from == link.to => Err(Problem::LinkToItself(link.from.clone())),
        Some(link) => Err(Problem::Twice(link.to_string())),
        None => Ok(()),
    }
}

/// Only one fault at a time may kill or pause a node or take its disk: a dead node cannot be paused.
fn check_processes(planned: &PlannedFault, earlier: &[PlannedFault]) -> Result<(), Problem> {
    let rival = |other: &&PlannedFault| other.fault.class() == Class::Process && other.overlaps(planned);
    for other in earlier.iter().filter(rival).filter(|_| planned.fault.class() == Class::Process) {
        if let Some(node) = planned.fault.own_nodes().iter().find(|node| other.fault.own_nodes().contains(node)) {
            return Err(Problem::Overlap { node: node.clone(), other: other.id });
        }
    }
    Ok(())
}

/// The error of a text that is not TOML, in one line, with line and column counted from 1.
fn syntax(text: &str, error: &toml::de::Error) -> PlanError {
    let message = error.message().replace('\n', " ");
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else {
        return PlanError::Syntax(message);
    };
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    PlanError::Syntax(format!("line {line}, column {column}: {message}"))
}

/// What is wrong with a plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Not TOML, or not of the form of a plan; the text names line and column.
    #[error("the plan cannot be read: {0}")]
    Syntax(String),
    /// Written by another release.
    #[error("the plan is of version {0}, and this release reads version {VERSION}")]
    Version(u32),
    /// The seed's text is not a number.
    #[error("the plan's seed '{0}' is not a number of 64 bits")]
    Seed(String),
    /// One fault is wrong.
    #[error("{position}: {problem}")]
    Fault {
        /// Which fault.
        position: FaultPosition,
        /// What is wrong with it.
        problem: Problem,
    },
}

/// Which fault of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultPosition {
    /// Its position in the file, from 1.
    pub number: usize,
    /// Its id.
    pub id: u64,
}

impl fmt::Display for FaultPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[[fault]] number {} of the plan (id {})", self.number, self.id)
    }
}

#[derive(Deserialize)]
struct FileHeader {
    version: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilePlan {
    #[serde(rename = "version")]
    _version: u32,
    seed: FileSeed,
    #[serde(default)]
    fault: Vec<FileFault>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum FileSeed {
    Number(u64),
    Text(String),
}

/// A fault in the file: what all have in common, and the fields of its kind.
#[derive(Deserialize)]
struct FileFault {
    id: u64,
    at_ms: u64,
    for_ms: u64,
    kind: String,
    #[serde(flatten)]
    fields: toml::Table,
}

impl FileFault {
    fn resolve(self) -> Result<PlannedFault, Problem> {
        let fault = Fault::read(&self.kind, self.fields)?;
        Ok(PlannedFault { id: self.id, at_ms: self.at_ms, for_ms: self.for_ms, fault })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Link;
    use crate::faults::*;
    use crate::rules::Distribution;
    use crate::shape::Shape;

    fn nodes() -> Vec<String> {
        ["n1", "n2", "n3"].map(str::to_owned).to_vec()
    }

    fn one_of_each() -> Plan {
        let link = |from: &str, to: &str| Link { from: from.into(), to: to.into() };
        let only = |name: &str| vec![name.to_owned()];
        let faults = [
            Fault::from(Partition { shape: Shape::Single, links: vec![link("n1", "n2"), link("n2", "n1")] }),
            Fault::from(Kill { nodes: nodes() }),
            Fault::from(Pause { nodes: only("n2") }),
            Fault::from(ClockBump { nodes: only("n1"), offset_ms: -1500 }),
            Fault::from(ClockDrift { nodes: only("n1"), rate_ppm: 250_000 }),
            Fault::from(SlowLink {
                links: vec![link("n3", "n2")],
                delay_ms: 120,
                jitter_ms: 40,
                distribution: Distribution::Uniform,
            }),
            Fault::from(LossyLink { links: vec![link("n3", "n2")], loss_percent: 30 }),
            Fault::from(Wipe { nodes: only("n3") }),
            Fault::from(Power { nodes: nodes() }),
            Fault::from(SyncFail { nodes: only("n1") }),
            Fault::from(Rot { nodes: only("n3"), rows: 9 }),
            Fault::from(Join { nodes: only("n3") }),
            Fault::from(Leave { nodes: only("n2") }),
        ];
        let position =
            |(index, fault)| PlannedFault { id: index as u64 + 1, at_ms: 1000 * index as u64, for_ms: 1000, fault };
        Plan { seed: 42, faults: faults.into_iter().enumerate().map(position).collect() }
    }

    #[test]
    fn a_plan_reads_back_what_was_written() {
        for seed in [42, u64::MAX] {
            let plan = Plan { seed, ..one_of_each() };
            let text = plan.to_toml(&nodes());
            assert_eq!(Plan::from_toml(&text).as_ref(), Ok(&plan), "{text}");
            assert_eq!(plan.validate(&nodes()), Ok(()));
        }
        assert_eq!(Plan::from_toml(&Plan::default().to_toml(&nodes())), Ok(Plan::default()));
    }

    #[test]
    fn the_file_is_readable() {
        let plan = Plan { faults: one_of_each().faults[5..6].to_vec(), ..one_of_each() };
        let wanted = "# A dissensus fault plan; times in ms since the run began.\nversion = 1\nseed = 42\n\n\
            # n3→n2, 140 ms ± 20 ms\n[[fault]]\nid = 6\nat_ms = 5000\nfor_ms = 1000\nkind = \"slow-link\"\n\
            delay_ms = 120\njitter_ms = 40\nlinks = [\"n3 -> n2\"]\n";
        assert_eq!(plan.to_toml(&nodes()), wanted);
    }

    #[test]
    fn a_file_that_is_wrong_says_where_and_why() {
        let fault = |rest: &str| format!("version = 1\nseed = 1\n[[fault]]\nid = 4\nat_ms = 0\nfor_ms = 5\n{rest}");
        for (text, wanted) in [
            ("version = 2\nfuture = true".to_owned(), "version 2"),
            ("seed = 1".to_owned(), "version"),
            ("version = 1\nseed = \"x\"".to_owned(), "'x'"),
            ("version = 1\nseed = 1\nfualt = 1".to_owned(), "fualt"),
            ("version = 1\nseed = ".to_owned(), "line 2"),
            (fault("kind = \"crash\""), "number 1 of the plan (id 4): unknown kind 'crash'"),
            (fault("kind = \"kill\""), "'nodes' is missing"),
            (fault("kind = \"kill\"\nnodes = [\"n1\"]\nrate_ppm = 5"), "'rate_ppm' does not belong"),
            (fault("kind = \"slow-link\"\nlinks = [\"n1\"]\ndelay_ms = 1\njitter_ms = 0"), "'n1' is not a link"),
            (fault("kind = \"partition\"\nlinks = []\nshape = \"blob\""), "blob"),
        ] {
            let error = Plan::from_toml(&text).expect_err(&text).to_string();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }

    #[test]
    fn a_plan_that_cannot_be_carried_out_says_where_and_why() {
        type Change = fn(&mut Plan);
        let changes: [(Change, &str); 13] = [
            (|p| p.faults[1].id = 1, "number 2 of the plan (id 1): ids are unique"),
            (|p| p.faults[0].id = 0, "ids are unique"),
            (|p| p.faults[2].for_ms = 0, "number 3 of the plan (id 3): for_ms is 0"),
            (|p| p.faults[2].at_ms = u64::MAX, "ten days"),
            (
                |p| p.faults[1].fault = Fault::from(Kill { nodes: vec!["n9".into()] }),
                "unknown node 'n9': the cluster has n1, n2",
            ),
            (|p| p.faults[1].fault = Fault::from(Kill { nodes: vec![] }), "no node"),
            (|p| p.faults[1].fault = Fault::from(Kill { nodes: vec!["n1".into(), "n1".into()] }), "n1 is named twice"),
            (|p| p.faults[3].fault = Fault::from(ClockBump { nodes: vec!["n1".into()], offset_ms: 0 }), "zero or out"),
            (
                |p| p.faults[3].fault = Fault::from(ClockDrift { nodes: vec!["n1".into()], rate_ppm: -1_000_000 }),
                "zero or out",
            ),
            (|p| p.faults[1].for_ms = 1001, "n2 is killed, paused or robbed of its disk by fault 2"),
            (
                |p| {
                    p.faults[6].fault =
                        Fault::from(LossyLink { links: p.faults[6].fault.links().to_vec(), loss_percent: 100 })
                },
                "99 %",
            ),
            (|p| p.faults[10].fault = Fault::from(Rot { nodes: vec!["n1".into()], rows: 0 }), "zero or out"),
            (
                |p| {
                    let links = vec![Link { from: "n1".into(), to: "n1".into() }];
                    p.faults[0].fault = Fault::from(Partition { shape: Shape::Single, links });
                },
                "n1 to itself",
            ),
        ];
        for (change, wanted) in changes {
            let mut plan = one_of_each();
            change(&mut plan);
            let error = plan.validate(&nodes()).expect_err(wanted).to_string();
            assert!(error.contains(wanted), "{wanted}: {error}");
        }
    }

    #[test]
    fn the_schedule_is_in_time_order_and_heals_before_it_injects() {
        let schedule = one_of_each().schedule();
        assert_eq!(&schedule[..3], [(0, PlanStep::Start(1)), (1000, PlanStep::Stop(1)), (1000, PlanStep::Start(2))]);
        assert_eq!((schedule.len(), schedule[25]), (26, (13_000, PlanStep::Stop(13))));
    }

    #[test]
    fn the_plan_event_records_every_fault() {
        let event = one_of_each().event(&nodes());
        assert_eq!(event.f, "plan");
        let wanted = json!({"fault": 4, "kind": "clock-bump", "detail": "n1 -1.5 s", "nodes": ["n1"], "at_ms": 3000, "for_ms": 1000});
        assert_eq!(event.value[3], wanted);
        assert_eq!(event.value[5]["nodes"], json!(["n2", "n3"]));
        assert_eq!(Plan::default().event(&nodes()).value, json!([]));
    }
}
