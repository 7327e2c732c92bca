//! File limit: a node may open only so many files more, sockets included (EMFILE). It may end of it.

use serde::{Deserialize, Serialize};

use crate::capability::Capability;
use crate::evidence::Finding;
use crate::fault::Class;
use crate::kind::{Drawing, Effect, Facts, FaultKind, Refinement, Ways};
use crate::measured::Measured;
use crate::problem::{Problem, check_amount};
use crate::processes::judge_limit;
use crate::stage::Share;
use crate::surface::ProcessLimits;
use crate::target::few;

/// The most files that count as a limit.
pub const FILES_MAX: u64 = 1 << 20;

/// Each process may open only so many files more; a node that ends of it is started again at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileLimit {
    /// The nodes affected.
    pub nodes: Vec<String>,
    /// How many files more than when the fault starts each process may open.
    pub more_files: u64,
}

impl FaultKind for FileLimit {
    const FACTS: Facts = Facts {
        name: "file-limit",
        family: "limit",
        class: Class::Process,
        is_usual: false,
        ways: Ways::Names { usual: &["files"], others: &[] },
        needs: &[Capability::FileLimit],
    };

    fn draw(_: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        Some(Self { nodes: few(drawing.members, drawing.draw), more_files: drawing.draw.log_uniform(1, 64) })
    }
}

impl Effect for FileLimit {
    fn nodes(&self) -> &[String] {
        &self.nodes
    }

    fn detail(&self, _: &[String]) -> String {
        format!("{}, {} files more", self.nodes.join(" "), self.more_files)
    }

    fn check_amounts(&self) -> Result<(), Problem> {
        check_amount("more_files", self.more_files, 1..=FILES_MAX as i64, "up to 1,048,576")
    }

    fn share(&self) -> Share {
        Share::Limits(ProcessLimits { files_more: Some(self.more_files), ..ProcessLimits::default() })
    }

    fn may_kill(&self) -> bool {
        true
    }

    fn finding(&self, measured: &Measured) -> Finding {
        judge_limit(measured, &self.nodes, "files", |limits| limits.files_max, |limits| limits.open_files)
    }
}
