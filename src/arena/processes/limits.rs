//! What the processes of a node use and may use: limits that say how much more than now, made absolute.

use std::cell::RefCell;
use std::collections::BTreeMap;

use nemesis::surface::{ProcessLimits, ProcessStatistics, SurfaceError};
use sandbox::{Limit, Node, PERIOD, Resources};

/// What of a node's use its present processes do not tell any more: they have ended.
#[derive(Debug, Default)]
pub(super) struct Usage {
    by_node: RefCell<BTreeMap<String, OfNode>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct OfNode {
    /// What its present processes had used when this was read last, and those before them in all, ms.
    cpu_ms: Total,
    held_ms: Total,
}

/// A counter that begins again whenever a node is started.
#[derive(Clone, Copy, Debug, Default)]
struct Total {
    before: u64,
    last: u64,
}

impl Total {
    fn read(&mut self, now: u64) -> u64 {
        // A lower one is that of other processes.
        if now < self.last {
            self.before += self.last;
        }
        self.last = now;
        self.before + now
    }
}

impl Usage {
    /// What a node's processes use and may use. The times are of all its processes since the cluster started, as far as
    /// they were asked for while they lived.
    ///
    /// # Errors
    /// When it has ended, or cannot be read.
    pub async fn of(&self, name: &str, node: &Node) -> Result<ProcessStatistics, SurfaceError> {
        let Resources { open_files, files_max, data_bytes, data_max_bytes } =
            node.resources().await.map_err(surface)?;
        let cpu = node.cpu_time().await.map_err(surface)?.used;
        let held = node.held().await.map_err(surface)?;
        let mut all = self.by_node.borrow_mut();
        let of_node = all.entry(name.to_owned()).or_default();
        Ok(ProcessStatistics {
            cpu_ms: of_node.cpu_ms.read(cpu.as_millis() as u64),
            held_ms: of_node.held_ms.read(held.as_millis() as u64),
            open_files,
            files_max: files_max.unwrap_or(u64::MAX),
            memory_bytes: data_bytes,
            memory_max_bytes: data_max_bytes.unwrap_or(u64::MAX),
        })
    }
}

/// Gives the processes of a node these limits; those that it had before are lifted where there is none now.
///
/// # Errors
/// When it has ended, or a limit cannot be set.
pub(super) async fn set(node: &Node, limits: ProcessLimits) -> Result<(), SurfaceError> {
    let used = node.resources().await.map_err(surface)?;
    let files = limits.files_more.map(|more| used.open_files.saturating_add(more));
    let bytes = limits.memory_more_bytes.map(|more| used.data_bytes.saturating_add(more));
    node.limit(Limit::FileDescriptors, files).await.map_err(surface)?;
    node.limit(Limit::Data, bytes).await.map_err(surface)?;
    node.throttle(limits.cpu_percent.unwrap_or(100), PERIOD).await.map_err(surface)
}

fn surface(error: impl std::fmt::Display) -> SurfaceError {
    SurfaceError(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_total_goes_on_over_a_restart() {
        let mut total = Total::default();
        assert_eq!([5, 9, 2, 3, 0, 4].map(|now| total.read(now)), [5, 9, 11, 12, 12, 16]);
    }
}
