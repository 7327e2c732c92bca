//! Disk full: after some bytes more there is no space left (ENOSPC). A node may end of it.

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

/// The most space that counts as little, KiB: a TiB.
pub const FREE_MAX_KIB: u64 = 1 << 30;

/// After some bytes more there is no space left; a node that ends of it is started again at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskFull {
    /// The nodes affected.
    pub nodes: Vec<String>,
    /// By how much the files of each may still grow, KiB.
    pub free_kib: u64,
}

impl FaultKind for DiskFull {
    const FACTS: Facts = Facts {
        name: "disk-full",
        family: "io",
        class: Class::Process,
        is_usual: false,
        ways: Ways::Names { usual: &["full"], others: &[] },
        needs: &[Capability::DiskSpace],
    };

    /// Little, so that it is used up while the fault lasts.
    fn draw(_: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        Some(Self { nodes: few(drawing.members, drawing.draw), free_kib: drawing.draw.log_uniform(1, 64) })
    }
}

impl Effect for DiskFull {
    fn errors_in_logs(&self) -> &'static [&'static str] {
        &disk::NO_SPACE
    }

    fn nodes(&self) -> &[String] {
        &self.nodes
    }

    fn detail(&self, _: &[String]) -> String {
        format!("{}, {} KiB left", self.nodes.join(" "), self.free_kib)
    }

    fn check_amounts(&self) -> Result<(), Problem> {
        check_amount("free_kib", self.free_kib, 1..=FREE_MAX_KIB as i64, "up to a TiB")
    }

    fn share(&self) -> Share {
        Share::Disk(DiskRule { free_bytes: Some(self.free_kib.saturating_mul(1024)), ..DiskRule::default() })
    }

    fn may_kill(&self) -> bool {
        true
    }

    fn finding(&self, measured: &Measured) -> Finding {
        disk::judge_struck(measured, &self.nodes, "call", "found no space", "out_of_space_calls", |disk| {
            disk.out_of_space_calls
        })
    }
}
