//! Write error: writes to the disk fail (EIO). A node may end of it.

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

/// A share of the writes fails; a node that ends of it is started again at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriteError {
    /// The nodes affected.
    pub nodes: Vec<String>,
    /// The share of writes that are struck, percent, 1 to 100.
    pub error_percent: u32,
}

impl FaultKind for WriteError {
    const FACTS: Facts = Facts {
        name: "write-error",
        family: "io",
        class: Class::Process,
        is_usual: false,
        ways: Ways::Names { usual: &["write-error"], others: &[] },
        needs: &[Capability::WriteErrors],
    };

    fn draw(_: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        let nodes = few(drawing.members, drawing.draw);
        Some(Self { nodes, error_percent: drawing.draw.log_uniform(5, 50) as u32 })
    }
}

impl Effect for WriteError {
    fn errors_in_logs(&self) -> &'static [&'static str] {
        &disk::INPUT_OUTPUT
    }

    fn nodes(&self) -> &[String] {
        &self.nodes
    }

    fn detail(&self, _: &[String]) -> String {
        format!("{}, {} % of the writes", self.nodes.join(" "), self.error_percent)
    }

    fn check_amounts(&self) -> Result<(), Problem> {
        check_amount("error_percent", self.error_percent, 1..=100, "1 to 100 %")
    }

    fn share(&self) -> Share {
        Share::Disk(DiskRule { write_error_percent: self.error_percent, ..DiskRule::default() })
    }

    fn may_kill(&self) -> bool {
        true
    }

    fn finding(&self, measured: &Measured) -> Finding {
        disk::judge_struck(measured, &self.nodes, "write", "failed", "failed_writes", |disk| disk.failed_writes)
    }
}
