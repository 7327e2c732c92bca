//! Crash in start: killed, and killed again while it starts: recovery must survive being cut short.

use serde::{Deserialize, Serialize};

use crate::capability::Capability;
use crate::evidence::{self, Finding};
use crate::fault::Class;
use crate::kind::{Drawing, Effect, Facts, FaultKind, Refinement, Ways};
use crate::measured::Measured;
use crate::problem::{Problem, check_amount};
use crate::stage::{Stage, Step};
use crate::surface::{ProcessState, StartCrash, SurfaceError};
use crate::words::count;

/// The longest time from a start to its crash, ms: a minute.
pub const AFTER_MAX_MS: u64 = 60_000;

/// The longest that is drawn, ms: some programs serve a tenth of a second after their start, and then nothing is cut short.
const DRAWN_MAX_MS: u64 = 50;

/// How many times the start of a node is cut short in one fault.
const CRASHES: u64 = 3;

/// Killed, and several times while it starts; started for good at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrashInStart {
    /// The nodes affected.
    pub nodes: Vec<String>,
    /// How long after each start the node is killed, ms.
    pub after_ms: u64,
}

impl FaultKind for CrashInStart {
    const FACTS: Facts = Facts {
        name: "crash-in-start",
        family: "crash-in-start",
        class: Class::Process,
        is_usual: false,
        ways: Ways::TARGETS,
        needs: &[Capability::Kill, Capability::StartCrash],
    };

    fn draw(way: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        Some(Self { nodes: drawing.target(way)?, after_ms: drawing.draw.log_uniform(1, DRAWN_MAX_MS) })
    }
}

impl Effect for CrashInStart {
    fn nodes(&self) -> &[String] {
        &self.nodes
    }

    fn detail(&self, _: &[String]) -> String {
        format!("{}, {} ms after each start", self.nodes.join(" "), self.after_ms)
    }

    fn check_amounts(&self) -> Result<(), Problem> {
        check_amount("after_ms", self.after_ms, 1..=AFTER_MAX_MS as i64, "up to a minute")
    }

    fn wanted_state(&self) -> Option<ProcessState> {
        Some(ProcessState::Dead)
    }

    fn begin<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a, Result<(), SurfaceError>> {
        Box::pin(stage.kill(&self.nodes))
    }

    fn turns_ms(&self, for_ms: u64) -> Vec<u64> {
        (1..=CRASHES).map(|turn| for_ms.saturating_mul(turn) / (CRASHES + 1)).collect()
    }

    fn turn<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a, Result<(), SurfaceError>> {
        Box::pin(async move {
            for node in &self.nodes {
                let crash = stage.surface().crash_in_start(node, self.after_ms).await?;
                stage.measured().start_crashes.push((node.clone(), crash));
            }
            Ok(())
        })
    }

    fn end<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a> {
        Box::pin(stage.restart(&self.nodes))
    }

    fn finding(&self, measured: &Measured) -> Finding {
        let process = evidence::process("dead", &self.nodes, &measured.affected, &measured.running);
        judge(process, &self.nodes, &measured.start_crashes)
    }
}

/// A start of every node must have been cut short before the node answered.
fn judge(process: Finding, nodes: &[String], crashes: &[(String, StartCrash)]) -> Finding {
    let is_cut_short = |crash: &StartCrash| crash.ran_ms > 0 && !crash.has_answered;
    let cut_short = crashes.iter().filter(|(_, crash)| is_cut_short(crash)).count() as u64;
    let each = nodes.iter().all(|node| crashes.iter().any(|(of, crash)| of == node && is_cut_short(crash)));
    let starts = crashes.len() as u64;
    let measured = format!("{cut_short} of {} cut short before the node answered", count(starts, "start"));
    let mut finding = process.and(each, &measured);
    finding.add("starts", starts);
    finding.add("starts_cut_short", cut_short);
    finding
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_needs_a_start_of_each_node_that_was_cut_short() {
        let crash = |node: &str, ran_ms, has_answered| (node.to_owned(), StartCrash { ran_ms, has_answered });
        let nodes = ["n1".to_owned(), "n2".to_owned()];
        let seen = || Finding { proved: true, evidence: "seen".into(), ..Finding::default() };
        let finding = judge(seen(), &nodes, &[crash("n1", 9, false), crash("n2", 9, false), crash("n2", 9, true)]);
        assert_eq!(finding.evidence, "seen; 2 of 3 starts cut short before the node answered");
        assert!(finding.proved);
        for others in [&[crash("n1", 9, false)][..], &[crash("n1", 9, false), crash("n2", 9, true)]] {
            assert!(!judge(seen(), &nodes, others).proved, "{others:?}");
        }
        assert!(!judge(seen(), &nodes, &[crash("n1", 0, false), crash("n2", 0, false)]).proved, "they never ran");
    }
}
