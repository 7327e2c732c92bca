//! Torn: a power failure of which each unsynced block and each unsynced name survives by the toss of a coin, so that
//! writes are torn and reordered.

use serde::{Deserialize, Serialize};

use super::power;
use crate::capability::Capability;
use crate::disk;
use crate::evidence::Finding;
use crate::fault::Class;
use crate::kind::{Drawing, Effect, Facts, FaultKind, Refinement, Ways};
use crate::measured::Measured;
use crate::stage::{Stage, Step};
use crate::surface::{Loss, ProcessState, SurfaceError};

/// A power failure of all of them at once, which tears what their disks had not synced; started again at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Torn {
    /// The nodes affected.
    pub nodes: Vec<String>,
    /// The seed of the coins.
    pub coins: u32,
}

impl FaultKind for Torn {
    const FACTS: Facts = Facts {
        name: "torn",
        family: "disk",
        class: Class::Process,
        is_usual: false,
        ways: Ways::Names { usual: &[], others: &["torn"] },
        needs: &[Capability::Kill, Capability::PowerFailure, Capability::TornWrites],
    };

    fn draw(_: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        let nodes = power::drawn(drawing)?;
        Some(Self { nodes, coins: drawing.draw.below(1 << 32) as u32 })
    }
}

impl Effect for Torn {
    fn nodes(&self) -> &[String] {
        &self.nodes
    }

    fn wanted_state(&self) -> Option<ProcessState> {
        Some(ProcessState::Dead)
    }

    fn begin<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a, Result<(), SurfaceError>> {
        Box::pin(power::fail(stage, &self.nodes, Loss::Torn { seed: u64::from(self.coins) }))
    }

    fn end<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a> {
        Box::pin(disk::restart_all(stage, &self.nodes))
    }

    fn finding(&self, measured: &Measured) -> Finding {
        power::finding(measured, &self.nodes)
    }
}
