//! Lying sync: the disk answers a sync without doing it, as drives with a volatile cache do. What came since counts as
//! unsynced, and a power failure at the same time or later takes it.

use serde::{Deserialize, Serialize};

use crate::capability::Capability;
use crate::disk;
use crate::evidence::Finding;
use crate::fault::Class;
use crate::kind::{Drawing, Effect, Facts, FaultKind, Refinement, Ways};
use crate::measured::Measured;
use crate::problem::{Problem, check_amount};
use crate::stage::Share;
use crate::surface::DiskRule;

/// A share of the syncs is answered without being done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LyingSync {
    /// The nodes affected.
    pub nodes: Vec<String>,
    /// The share of syncs that lie, percent, 1 to 100.
    pub lying_percent: u32,
}

impl FaultKind for LyingSync {
    const FACTS: Facts = Facts {
        name: "lying-sync",
        family: "lying-sync",
        class: Class::Disk,
        is_usual: false,
        ways: Ways::TARGETS,
        needs: &[Capability::LyingSyncs],
    };

    fn draw(way: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        Some(Self { nodes: drawing.target(way)?, lying_percent: 100 })
    }
}

impl Effect for LyingSync {
    fn nodes(&self) -> &[String] {
        &self.nodes
    }

    fn detail(&self, _: &[String]) -> String {
        format!("{}, {} % of the syncs", self.nodes.join(" "), self.lying_percent)
    }

    fn check_amounts(&self) -> Result<(), Problem> {
        check_amount("lying_percent", self.lying_percent, 1..=100, "1 to 100 %")
    }

    fn share(&self) -> Share {
        Share::Disk(DiskRule { lying_sync_percent: self.lying_percent, ..DiskRule::default() })
    }

    fn finding(&self, measured: &Measured) -> Finding {
        disk::judge_struck(measured, &self.nodes, "sync", "lied", "lying_syncs", |disk| disk.lying_syncs)
    }
}
