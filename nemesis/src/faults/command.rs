//! Command: a fault that its user has described by commands: one that begins it, one that ends it, and one that measures
//! it. What it does is not known here, only whether it shows.
//!
//! ```text
//!   measure: no ─► begin ─► measure: yes ... measure: yes ─► end ─► measure: no
//! ```
//! A command that says yes always measures nothing, so it has to say no before the fault and after it.

use serde::{Deserialize, Serialize};

use crate::capability::{Capabilities, Capability, CommandOffer, Unmet};
use crate::evidence::Finding;
use crate::fault::Class;
use crate::kind::{Drawing, Effect, Facts, FaultKind, Refinement, Ways};
use crate::measured::{Asked, CommandReadings, Measured};
use crate::problem::Problem;
use crate::stage::{Stage, Step};
use crate::surface::{CommandReading, SurfaceError};

/// A fault that is described by commands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// As whoever described it calls it.
    pub name: String,
    /// The nodes affected.
    pub nodes: Vec<String>,
}

impl FaultKind for Command {
    /// A node may not survive it, as far as anybody knows.
    const FACTS: Facts = Facts {
        name: "command",
        family: "command",
        class: Class::Process,
        is_usual: false,
        ways: Ways::Commands,
        needs: &[Capability::Commands],
    };

    fn check_way(way: &Refinement, capabilities: &Capabilities) -> Result<(), Unmet> {
        capabilities.check(Self::FACTS.name, Self::FACTS.needs)?;
        match way {
            Refinement::Command(name) => offered(name, capabilities).map(drop),
            _ => Ok(()),
        }
    }

    fn fits(way: &Refinement, drawing: &Drawing<'_>) -> bool {
        !drawable(way, drawing).is_empty()
    }

    /// One node at a time, or all of a fault that is of all.
    fn draw(way: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        let (offer, nodes) = drawing.draw.pick(&drawable(way, drawing), 1).pop()?;
        let nodes = if offer.is_of_all { nodes } else { drawing.draw.pick(&nodes, 1) };
        Some(Self { name: offer.name, nodes })
    }
}

/// What is offered of this way, with the nodes that it may affect.
fn drawable(way: &Refinement, drawing: &Drawing<'_>) -> Vec<(CommandOffer, Vec<String>)> {
    let is_asked_for = |offer: &&CommandOffer| match way {
        Refinement::Command(name) => offer.name == *name,
        _ => true,
    };
    let with_nodes = |offer: &CommandOffer| {
        let may = drawing.nodes.iter().filter(|node| offer.nodes.contains(node));
        (offer.clone(), may.cloned().collect::<Vec<String>>())
    };
    let all = drawing.commands.iter().filter(is_asked_for).map(with_nodes);
    all.filter(|(_, nodes)| !nodes.is_empty()).collect()
}

/// What is offered by this name.
fn offered<'c>(name: &str, capabilities: &'c Capabilities) -> Result<&'c CommandOffer, Unmet> {
    let found = capabilities.commands().iter().find(|offer| offer.name == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = capabilities.commands().iter().map(|offer| &*offer.name).collect();
        unmet(format!("no fault is called {name}: there are {}", names.join(", ")))
    })
}

fn unmet(reason: String) -> Unmet {
    Unmet { kind: Command::FACTS.name, missing: Capability::Commands, reason: Some(reason) }
}

impl Effect for Command {
    fn nodes(&self) -> &[String] {
        &self.nodes
    }

    fn detail(&self, _: &[String]) -> String {
        format!("{} {}", self.name, self.nodes.join(" "))
    }

    fn check_amounts(&self) -> Result<(), Problem> {
        match self.name.is_empty() {
            true => Err(Problem::Senseless("the name is empty".into())),
            false => Ok(()),
        }
    }

    fn check_offered(&self, capabilities: &Capabilities) -> Result<(), Unmet> {
        let offer = offered(&self.name, capabilities)?;
        if let Some(node) = self.nodes.iter().find(|node| !offer.nodes.contains(node)) {
            return Err(unmet(format!("{} is not for {node}, but for {}", self.name, offer.nodes.join(", "))));
        }
        let names_all = offer.nodes.iter().all(|node| self.nodes.contains(node));
        match offer.is_of_all && !names_all {
            true => Err(unmet(format!("{} is of all its nodes at once: {}", self.name, offer.nodes.join(", ")))),
            false => Ok(()),
        }
    }

    fn begin<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a, Result<(), SurfaceError>> {
        Box::pin(async move {
            stage.measured().commands.before = self.asked(stage).await;
            stage.ledger().commands_begun.insert((self.name.clone(), self.nodes.clone()));
            stage.surface().begin_command(&self.name, &self.nodes).await
        })
    }

    fn observe<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a> {
        Box::pin(async move { stage.measured().commands.start = self.asked(stage).await })
    }

    fn measure<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a> {
        Box::pin(async move { stage.measured().commands.end = self.asked(stage).await })
    }

    fn end<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a> {
        Box::pin(async move {
            let ended = stage.surface().end_command(&self.name, &self.nodes).await;
            if ended.is_ok() {
                stage.ledger().commands_begun.remove(&(self.name.clone(), self.nodes.clone()));
            }
            stage.note_failure("ending it failed", ended);
            stage.measured().commands.after = self.asked(stage).await;
        })
    }

    fn finding(&self, measured: &Measured) -> Finding {
        judge(&measured.commands)
    }
}

impl Command {
    async fn asked(&self, stage: &Stage<'_>) -> Asked {
        let said = stage.surface().measure_command(&self.name, &self.nodes).await;
        Some(said.map_err(|error| error.to_string()))
    }
}

/// It must have been in force on each node at its start or at its end, and nowhere before and after: only then has the command
/// measured it.
fn judge(asked: &CommandReadings) -> Finding {
    let times = [("before", &asked.before), ("at its start", &asked.start), ("at its end", &asked.end)];
    let mut readings = Vec::new();
    for (when, asked) in times.into_iter().chain([("after it", &asked.after)]) {
        match asked {
            Some(Ok(said)) => readings.push(said),
            Some(Err(why)) => return Finding::failed(format!("it could not be measured {when}: {why}")),
            None => return Finding::failed(format!("it was not measured {when}")),
        }
    }
    let [before, start, end, after] = readings[..] else { unreachable!("there are four times") };
    let in_force = |readings: &[CommandReading]| readings.iter().filter(|reading| reading.is_in_force).count() as u64;
    let shown = |of: &str| start.iter().chain(end).find(|reading| reading.of == of && reading.is_in_force);
    let hidden: Vec<&str> = start.iter().map(|reading| &*reading.of).filter(|of| shown(of).is_none()).collect();
    let shows: Vec<&CommandReading> = start.iter().filter_map(|reading| shown(&reading.of)).collect();
    let evidence = match () {
        () if in_force(before) > 0 => format!("its measure says so before it was begun: {}", quoted(before)),
        () if !hidden.is_empty() => format!("its measure never says so of {}: {}", hidden.join(" "), quoted(end)),
        () if in_force(after) > 0 => format!("its measure still says so once it was ended: {}", quoted(after)),
        () => format!("its measure says so of {}, and not before it, nor after", quoted(shows)),
    };
    let nowhere_else = in_force(before) == 0 && in_force(after) == 0;
    let proved = nowhere_else && hidden.is_empty() && !start.is_empty();
    let figures = [
        ("measured", start.len() as u64),
        ("in_force_before", in_force(before)),
        ("in_force_at_start", in_force(start)),
        ("in_force_at_end", in_force(end)),
        ("in_force_after", in_force(after)),
    ];
    Finding::new(proved, evidence, figures)
}

/// What was printed, by node.
fn quoted<'r>(readings: impl IntoIterator<Item = &'r CommandReading>) -> String {
    let quote = |reading: &CommandReading| match reading.said.is_empty() {
        true => reading.of.clone(),
        false => format!("{} ({})", reading.of, reading.said),
    };
    readings.into_iter().map(quote).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(of: &[(&str, bool)]) -> Asked {
        let reading = |(of, is_in_force): &(&str, bool)| {
            let said = if *is_in_force { "cut off" } else { "" };
            CommandReading { of: (*of).into(), is_in_force: *is_in_force, said: said.into() }
        };
        Some(Ok(of.iter().map(reading).collect()))
    }

    fn judged(before: Asked, start: Asked, end: Asked, after: Asked) -> Finding {
        judge(&CommandReadings { before, start, end, after })
    }

    #[test]
    fn it_must_be_measured_in_force_while_it_lasts_and_only_then() {
        let (no, yes) = (|| said(&[("n1", false)]), || said(&[("n1", true)]));
        let finding = judged(no(), yes(), yes(), no());
        assert!(finding.proved);
        assert_eq!(finding.evidence, "its measure says so of n1 (cut off), and not before it, nor after");
        assert!(judged(no(), no(), yes(), no()).proved, "it may take a while to show");
        for (asked, says) in [
            ([yes(), yes(), yes(), yes()], "before it was begun: n1 (cut off)"),
            ([no(), no(), no(), no()], "never says so of n1"),
            ([no(), yes(), yes(), yes()], "once it was ended"),
            ([no(), yes(), Some(Err("no such program".into())), no()], "could not be measured at its end: no such"),
            ([no(), yes(), yes(), None], "was not measured after it"),
        ] {
            let [before, start, end, after] = asked;
            let finding = judged(before, start, end, after);
            assert!(!finding.proved && finding.evidence.contains(says), "{says}: {finding:?}");
        }
        assert!(!judged(said(&[]), said(&[]), said(&[]), said(&[])).proved, "of nothing nothing is proved");
    }

    #[test]
    fn each_node_must_show_it() {
        let (neither, one) = (|| said(&[("n1", false), ("n2", false)]), said(&[("n1", true), ("n2", false)]));
        let finding = judged(neither(), one.clone(), one.clone(), neither());
        assert!(!finding.proved && finding.evidence.contains("never says so of n2"), "{finding:?}");
        assert!(judged(neither(), one, said(&[("n1", false), ("n2", true)]), neither()).proved);
    }
}
