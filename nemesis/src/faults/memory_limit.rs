//! Memory limit: a node gets only so much memory more (ENOMEM). It may end of it.

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

/// The most memory that counts as a limit, MiB: a TiB.
pub const MEMORY_MAX_MIB: u64 = 1 << 20;

/// Each process gets only so much memory more; a node that ends of it is started again at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryLimit {
    /// The nodes affected.
    pub nodes: Vec<String>,
    /// How much more than when the fault starts each process may have, MiB.
    pub more_mib: u64,
}

impl FaultKind for MemoryLimit {
    const FACTS: Facts = Facts {
        name: "memory-limit",
        family: "limit",
        class: Class::Process,
        is_usual: false,
        ways: Ways::Names { usual: &["memory"], others: &[] },
        needs: &[Capability::MemoryLimit],
    };

    fn draw(_: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        Some(Self { nodes: few(drawing.members, drawing.draw), more_mib: drawing.draw.log_uniform(1, 64) })
    }
}

impl Effect for MemoryLimit {
    fn nodes(&self) -> &[String] {
        &self.nodes
    }

    fn detail(&self, _: &[String]) -> String {
        format!("{}, {} MiB more", self.nodes.join(" "), self.more_mib)
    }

    fn check_amounts(&self) -> Result<(), Problem> {
        check_amount("more_mib", self.more_mib, 1..=MEMORY_MAX_MIB as i64, "up to a TiB")
    }

    fn share(&self) -> Share {
        Share::Limits(ProcessLimits {
            memory_more_bytes: Some(self.more_mib.saturating_mul(1 << 20)),
            ..ProcessLimits::default()
        })
    }

    fn may_kill(&self) -> bool {
        true
    }

    fn finding(&self, measured: &Measured) -> Finding {
        judge_limit(
            measured,
            &self.nodes,
            "bytes of memory",
            |limits| limits.memory_max_bytes,
            |limits| limits.memory_bytes,
        )
    }
}
