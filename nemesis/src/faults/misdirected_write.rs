//! Misdirected write: a write lands at another place of the same file, as by faulty firmware (Bairavasundaram et al., *An Analysis of
//! Data Corruption in the Storage Stack*, FAST 2008). A node may end of what it reads later.

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
use crate::target::few;

/// A share of the writes lands elsewhere; a node that ends of it is started again at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MisdirectedWrite {
    /// The nodes affected.
    pub nodes: Vec<String>,
    /// The share of writes that are struck, percent, 1 to 100.
    pub misdirected_percent: u32,
}

impl FaultKind for MisdirectedWrite {
    const FACTS: Facts = Facts {
        name: "misdirected-write",
        family: "io",
        class: Class::Process,
        is_usual: false,
        ways: Ways::Names { usual: &[], others: &["misdirected-write"] },
        needs: &[Capability::MisdirectedWrites],
    };

    fn draw(_: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        let nodes = few(drawing.members, drawing.draw);
        Some(Self { nodes, misdirected_percent: drawing.draw.log_uniform(1, 20) as u32 })
    }
}

impl Effect for MisdirectedWrite {
    fn nodes(&self) -> &[String] {
        &self.nodes
    }

    fn detail(&self, _: &[String]) -> String {
        format!("{}, {} % of the writes", self.nodes.join(" "), self.misdirected_percent)
    }

    fn check_amounts(&self) -> Result<(), Problem> {
        check_amount("misdirected_percent", self.misdirected_percent, 1..=100, "1 to 100 %")
    }

    fn share(&self) -> Share {
        Share::Disk(DiskRule { misdirected_write_percent: self.misdirected_percent, ..DiskRule::default() })
    }

    fn may_kill(&self) -> bool {
        true
    }

    fn finding(&self, measured: &Measured) -> Finding {
        disk::judge_struck(measured, &self.nodes, "write", "misdirected", "misdirected_writes", |disk| {
            disk.misdirected_writes
        })
    }
}
