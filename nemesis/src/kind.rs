//! What a kind of fault has to say of itself. Each kind is one file in `faults/`, which implements both traits here.
//!
//! ```text
//!   FaultKind   before there is a fault: its name, its family, how it is asked for, how it is drawn from a seed
//!   Effect      of one fault: what it affects, its words, its bounds,
//!               begin ─► observe ─► turns ─► measure ─► end ─► finding
//! ```
//!
//! Most kinds are a rule on links or nodes. They give their `Share`, and the defaults of `Effect` do the rest.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::capability::{Capabilities, Capability, CommandOffer, Unmet};
use crate::draw::Draw;
use crate::evidence::Finding;
use crate::fault::{Class, Link};
use crate::measured::Measured;
use crate::problem::Problem;
use crate::shape::Layout;
use crate::stage::{Share, Stage, Step};
use crate::surface::{ProcessState, SurfaceError};
use crate::target::Target;

/// A kind of fault, apart from any single one.
pub(crate) trait FaultKind: Effect + Serialize + DeserializeOwned {
    /// What is known of it.
    const FACTS: Facts;

    /// What a cluster must be able to do for a fault of this way.
    fn needs(way: &Refinement) -> Vec<Capability> {
        let _ = way;
        Self::FACTS.needs.to_vec()
    }

    /// Checks that a cluster can do what a fault of this way needs.
    ///
    /// # Errors
    /// The first need that is not met.
    fn check_way(way: &Refinement, capabilities: &Capabilities) -> Result<(), Unmet> {
        capabilities.check(Self::FACTS.name, &<Self as FaultKind>::needs(way))
    }

    /// Whether a fault of this way could ever be drawn. A target has been checked already.
    fn fits(way: &Refinement, drawing: &Drawing<'_>) -> bool {
        let _ = way;
        !drawing.nodes.is_empty()
    }

    /// A fault of this kind, with amounts and nodes by chance; none if there is none now.
    fn draw(way: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self>;
}

/// What is known of a kind before there is a fault.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Its name, as in plans, histories (`start-NAME`) and evidence.
    pub name: &'static str,
    /// The item of a `--nemesis` list that it belongs to.
    pub family: &'static str,
    /// What it affects; the same for a whole family.
    pub class: Class,
    /// Whether `all` includes its family: a fault that a store should survive without breaking a claim, and that every
    /// arena can inject. A disk that loses data breaks claims that no store can keep, so it is asked for by name.
    pub is_usual: bool,
    /// What may stand behind the colon to ask for it.
    pub ways: Ways,
    /// What a cluster must be able to do for any fault of it.
    pub needs: &'static [Capability],
}

/// What may stand behind the colon: `partition:halves`, `clock:bump`, `kill:majority`.
#[derive(Clone, Copy, Debug)]
pub enum Ways {
    /// Names.
    Names {
        /// Those that are drawn where none was asked for.
        usual: &'static [&'static str],
        /// Those that are drawn only where they were asked for.
        others: &'static [&'static str],
    },
    /// A target; names only where they were asked for.
    Targets {
        /// The names.
        names: &'static [&'static str],
    },
    /// A target; without one it is one node, the same for the whole run. What two replicas have acknowledged is then
    /// still on the other one.
    VictimOrTarget,
    /// The name of a fault that the cluster offers by commands; without one any of them.
    Commands,
    /// Nothing.
    Alone,
}

impl Ways {
    /// A target, and no names.
    pub const TARGETS: Ways = Ways::Targets { names: &[] };

    /// The names among the ways.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let (usual, others): (&[&str], &[&str]) = match self {
            Ways::Names { usual, others } => (usual, others),
            Ways::Targets { names } => (&[], names),
            Ways::VictimOrTarget | Ways::Commands | Ways::Alone => (&[], &[]),
        };
        usual.iter().chain(others).copied()
    }

    /// Whether this name is drawn where none was asked for.
    pub(crate) fn is_usual(self, name: &str) -> bool {
        matches!(self, Ways::Names { usual, .. } if usual.contains(&name))
    }

    /// Whether a target may stand there.
    pub fn takes_targets(self) -> bool {
        matches!(self, Ways::Targets { .. } | Ways::VictimOrTarget)
    }

    /// The ways to draw from where none was asked for, names aside; the more usual ones several times.
    pub(crate) fn usual_targets(self) -> Vec<Refinement> {
        match self {
            Ways::Names { .. } => Vec::new(),
            Ways::Targets { .. } => Target::USUAL.into_iter().map(Refinement::Target).collect(),
            Ways::VictimOrTarget => vec![Refinement::Victim],
            Ways::Commands | Ways::Alone => vec![Refinement::Alone],
        }
    }
}

/// What narrows down a family: the part after the colon.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refinement {
    /// One of the names that its kinds list, with its place among those of the family.
    Name(usize, &'static str),
    /// A fault that the cluster offers by commands.
    Command(String),
    /// The nodes.
    Target(Target),
    /// Always the same node.
    Victim,
    /// There is nothing to choose.
    Alone,
}

impl Refinement {
    /// The name, if it is one.
    pub fn name(&self) -> Option<&'static str> {
        match self {
            Refinement::Name(_, name) => Some(name),
            Refinement::Command(_) | Refinement::Target(_) | Refinement::Victim | Refinement::Alone => None,
        }
    }
}

impl fmt::Display for Refinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refinement::Name(_, name) => f.pad(name),
            Refinement::Command(name) => f.pad(name),
            Refinement::Target(target) => target.fmt(f),
            Refinement::Victim => f.pad("always the same node"),
            Refinement::Alone => f.pad("nothing to choose"),
        }
    }
}

/// What a fault is drawn from.
pub(crate) struct Drawing<'a> {
    /// Chance.
    pub draw: &'a mut Draw,
    /// All nodes.
    pub nodes: &'a [String],
    /// What is known of the nodes and of where keys are.
    pub layout: &'a Layout,
    /// The faults that the cluster offers by commands.
    pub commands: &'a [CommandOffer],
    /// The nodes that are members from the start; the others are spares.
    pub founders: &'a [String],
    /// The nodes that are members when the fault starts.
    pub members: &'a [String],
    /// The fewest members that a leave may leave behind.
    pub members_min: usize,
    /// The faults that are planned before it.
    pub earlier: &'a [Earlier],
    /// How long the fault lasts, ms.
    pub for_ms: u64,
    /// The node whose disk is taken, once there is one.
    pub victim: &'a mut Option<String>,
}

/// A fault that is planned already.
#[derive(Clone, Debug)]
pub(crate) struct Earlier {
    /// Its kind's name.
    pub kind: &'static str,
    /// The change of the membership that it is, if any.
    pub change: Option<Change>,
    /// The nodes that it names.
    pub nodes: Vec<String>,
}

/// When each of so many nodes but the first has its turn, ms after the start, if all have the same part of the time.
pub(crate) fn equal_turns_ms(nodes: usize, for_ms: u64) -> Vec<u64> {
    let nodes = nodes as u64;
    (1..nodes).map(|turn| for_ms.saturating_mul(turn) / nodes).collect()
}

impl Drawing<'_> {
    /// All nodes, in an order by chance.
    pub fn shuffled(&mut self) -> Vec<String> {
        let mut nodes = self.nodes.to_vec();
        self.draw.shuffle(&mut nodes);
        nodes
    }

    /// The nodes of a target, of a usual one if the way is none; none if there are too few nodes for it.
    pub fn target(&mut self, way: &Refinement) -> Option<Vec<String>> {
        match way {
            Refinement::Target(target) => target.resolve(self.nodes, self.draw).ok(),
            Refinement::Victim => self.victim(),
            Refinement::Name(..) | Refinement::Command(_) | Refinement::Alone => {
                let fitting: Vec<Target> =
                    Target::USUAL.into_iter().filter(|target| target.check(self.nodes).is_ok()).collect();
                let target = self.draw.pick(&fitting, 1).pop()?;
                target.resolve(self.nodes, self.draw).ok()
            }
        }
    }

    /// The one node of the whole plan whose disk is wiped or rots. It never leaves: a node that has left holds nothing
    /// whose loss could be seen.
    pub fn victim(&mut self) -> Option<Vec<String>> {
        if self.victim.is_none() {
            *self.victim = self.draw.pick(self.members, 1).pop();
        }
        self.victim.clone().map(|victim| vec![victim])
    }
}

/// The most turns of a fault.
pub(crate) const TURNS_MAX: usize = 10_000;

/// A turn in every period; one more than allowed where there would be too many.
pub(crate) fn every(period_ms: u64, for_ms: u64) -> Vec<u64> {
    let turns = (1..=TURNS_MAX as u64 + 1).map(|turn| period_ms.max(1).saturating_mul(turn));
    turns.take_while(|turn_ms| *turn_ms < for_ms).collect()
}

/// A change of the membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A spare becomes a member.
    Join,
    /// A member leaves.
    Leave,
}

/// One fault: what it affects, and how it is carried out and proved.
///
/// The steps are taken in their order, turns between `observe` and `measure`. After `begin` the fault is in force; after
/// `measure` its share is withdrawn, and `end` heals. `end` may be called for a fault that did not begin or was half
/// begun.
pub(crate) trait Effect: fmt::Debug {
    /// The nodes it names; none for [`Class::Network`], whose faults name links.
    fn nodes(&self) -> &[String] {
        &[]
    }

    /// The directed links it affects; none for classes other than [`Class::Network`].
    fn links(&self) -> &[Link] {
        &[]
    }

    /// What it does, and to which nodes, in a few words; `all` are all nodes of the cluster.
    fn detail(&self, all: &[String]) -> String {
        let _ = all;
        self.nodes().join(" ")
    }

    /// Checks its amounts: none may do nothing or too much.
    ///
    /// # Errors
    /// The first amount that does.
    fn check_amounts(&self) -> Result<(), Problem> {
        Ok(())
    }

    /// Checks what it needs of a cluster beyond capabilities.
    ///
    /// # Errors
    /// The need that is not met.
    fn check_offered(&self, capabilities: &Capabilities) -> Result<(), Unmet> {
        let _ = capabilities;
        Ok(())
    }

    /// The change of the membership that it is, if any.
    fn change(&self) -> Option<Change> {
        None
    }

    /// What a cluster must be able to do for it, beyond what its kind needs.
    fn needs(&self) -> Vec<Capability> {
        Vec::new()
    }

    /// Whether a node may end of it without being killed: then that is no crash of its own, and it is started again.
    fn may_kill(&self) -> bool {
        false
    }

    /// Whether what is sent over its links proves it by itself, be there a receiver or not.
    fn is_proved_by_sending(&self) -> bool {
        false
    }

    /// Its own rule, if it acts by a rule.
    fn share(&self) -> Share {
        Share::Nothing
    }

    /// What programs write into their logs of the errors that it causes, as the kernel words them: `Input/output error`.
    fn errors_in_logs(&self) -> &'static [&'static str] {
        &[]
    }

    /// The state that its nodes' processes are in while it lasts, if that proves it.
    fn wanted_state(&self) -> Option<ProcessState> {
        None
    }

    /// Puts it in force.
    fn begin<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a, Result<(), SurfaceError>> {
        Box::pin(async move {
            if self.may_kill() {
                stage.expect_death(self.nodes());
            }
            stage.impose(self.share(), self.links(), self.nodes()).await
        })
    }

    /// When it changes while it lasts, ms after its start, in order: less than `for_ms` each.
    fn turns_ms(&self, for_ms: u64) -> Vec<u64> {
        let _ = for_ms;
        Vec::new()
    }

    /// Changes while it lasts; which turn it is, from 1, is noted among what was measured.
    fn turn<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a, Result<(), SurfaceError>> {
        let _ = stage;
        Box::pin(std::future::ready(Ok(())))
    }

    /// Measures what can be measured as soon as it is in force.
    fn observe<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a> {
        Box::pin(async move {
            stage.observe(self.share(), self.links(), self.nodes()).await;
            if let Some(wanted) = self.wanted_state() {
                stage.note_affected(self.nodes(), wanted).await;
            }
        })
    }

    /// Measures for the last time before it is healed.
    fn measure<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a> {
        Box::pin(async move {
            stage.measure(self.share(), self.links(), self.nodes()).await;
            if let Some(wanted) = self.wanted_state() {
                stage.note_affected(self.nodes(), wanted).await;
            }
        })
    }

    /// Heals it. What could not be healed is noted on the stage.
    fn end<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a> {
        Box::pin(async move {
            stage.relieve(self.share(), self.links(), self.nodes()).await;
            if self.may_kill() {
                stage.restart(self.nodes()).await;
            }
        })
    }

    /// What the measurements say: pure.
    fn finding(&self, measured: &Measured) -> Finding;
}
