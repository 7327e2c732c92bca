//! Rules as data: what links, disks, processes and clocks of a cluster are set to. The default of each is "no fault".
//!
//! Every rule composes: `one.beside(other)` is both at once, in any order. What a surface is set to is the sum of the
//! rules of all faults in force.

use serde::{Deserialize, Serialize};

use crate::capability::Capability;

/// What a directed link does with what is sent over it, a *chunk* at a time: a packet, a message, or the bytes that were
/// read at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkRule {
    /// Nothing passes; what was sent is held back within bounds and delivered late, as TCP would do, or dropped.
    pub blocked: bool,
    /// The least delay, ms.
    pub delay_ms: u64,
    /// What comes on top of it: half of this on average, ms, as [`LinkRule::distribution`] says.
    pub jitter_ms: u64,
    /// How the delays between chunks differ.
    pub distribution: Distribution,
    /// Share of chunks that are lost, percent, at most 100. A lost chunk is gone for good, or is delayed until it has
    /// been sent again, as TCP would do.
    pub loss_percent: u32,
    /// Share of chunks that arrive twice, percent, at most 100.
    pub duplicate_percent: u32,
    /// Share of chunks that are held back so that later ones overtake them, percent, at most 100.
    pub reorder_percent: u32,
    /// For how long they are held back, ms.
    pub reorder_hold_ms: u64,
    /// Share of chunks in which a bit is flipped, percent, at most 100.
    pub corrupt_percent: u32,
    /// What becomes of the checksum of a chunk with a flipped bit.
    pub checksum: Checksum,
    /// How much passes in a second, kilobits (1000 bits); unlimited if none.
    pub rate_kbit_s: Option<u64>,
}

/// How delays differ from chunk to chunk. All distributions have the same least delay and the same mean: `delay_ms`, and
/// `delay_ms + jitter_ms / 2`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distribution {
    /// Uniform from `delay_ms` to `delay_ms + jitter_ms`; constant without a jitter.
    #[default]
    Uniform,
    /// Normal, with a standard deviation of a sixth of the jitter, cut off at the ends of that range.
    Normal,
    /// Pareto: most delays are near the least one, few are many times as long. Its exponent follows from least and
    /// mean: `1 + 2 * delay_ms / jitter_ms`.
    Pareto,
}

/// What becomes of the checksum of a chunk in which a bit is flipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Checksum {
    /// It stays wrong: the receiving kernel drops the packet.
    #[default]
    Left,
    /// It is made right again: the program meets the flipped bit.
    Repaired,
}

impl LinkRule {
    /// Both rules at once: blocked if either blocks, with the sum of the delays, the lower rate, and striking the chunks
    /// that either would strike. Of two distributions the one with the heavier tail wins; a repaired checksum, too.
    #[must_use]
    pub fn beside(self, other: Self) -> Self {
        Self {
            blocked: self.blocked || other.blocked,
            delay_ms: self.delay_ms.saturating_add(other.delay_ms),
            jitter_ms: self.jitter_ms.saturating_add(other.jitter_ms),
            distribution: self.distribution.max(other.distribution),
            loss_percent: either(self.loss_percent, other.loss_percent),
            duplicate_percent: either(self.duplicate_percent, other.duplicate_percent),
            reorder_percent: either(self.reorder_percent, other.reorder_percent),
            reorder_hold_ms: self.reorder_hold_ms.max(other.reorder_hold_ms),
            corrupt_percent: either(self.corrupt_percent, other.corrupt_percent),
            checksum: self.checksum.max(other.checksum),
            rate_kbit_s: least(self.rate_kbit_s, other.rate_kbit_s),
        }
    }
}

/// What goes wrong with the calls to a node's disk. Shares strike each call by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskRule {
    /// Share of reads that fail (EIO), percent, at most 100.
    pub read_error_percent: u32,
    /// Share of writes that fail (EIO), percent, at most 100.
    pub write_error_percent: u32,
    /// Share of syncs that fail (EIO), percent, at most 100.
    pub sync_error_percent: u32,
    /// Share of syncs that are answered without being done, percent, at most 100: what they should have synced is
    /// lost at the next power failure.
    pub lying_sync_percent: u32,
    /// Share of writes that land at another place of the same file, percent, at most 100.
    pub misdirected_write_percent: u32,
    /// How much later each read, write and sync is answered, ms.
    pub latency_ms: u64,
    /// By how many bytes the files may still grow, then there is no space left (ENOSPC); unlimited if none.
    pub free_bytes: Option<u64>,
}

impl DiskRule {
    /// Both rules at once: striking the calls that either would strike, with the sum of the latencies and the lesser
    /// space.
    #[must_use]
    pub fn beside(self, other: Self) -> Self {
        Self {
            read_error_percent: either(self.read_error_percent, other.read_error_percent),
            write_error_percent: either(self.write_error_percent, other.write_error_percent),
            sync_error_percent: either(self.sync_error_percent, other.sync_error_percent),
            lying_sync_percent: either(self.lying_sync_percent, other.lying_sync_percent),
            misdirected_write_percent: either(self.misdirected_write_percent, other.misdirected_write_percent),
            latency_ms: self.latency_ms.saturating_add(other.latency_ms),
            free_bytes: least(self.free_bytes, other.free_bytes),
        }
    }
}

/// What a power failure leaves of what a disk had not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// As the medium has it: a simulated disk keeps, tears or loses each batch by chance; the disk of a real program
    /// loses everything that was not synced.
    Usual,
    /// Each block and each name by a coin of this seed: writes are torn and reordered.
    Torn {
        /// The seed of the coins.
        seed: u64,
    },
}

/// What a node's processes may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessLimits {
    /// Share of the time in which the processes may run at all, percent; unlimited if none.
    pub cpu_percent: Option<u32>,
    /// How many more files than now a process may open; unlimited if none.
    pub files_more: Option<u64>,
    /// How many more bytes of memory than now a process may have; unlimited if none.
    pub memory_more_bytes: Option<u64>,
}

impl ProcessLimits {
    /// Both limits at once: the lower of each.
    #[must_use]
    pub fn beside(self, other: Self) -> Self {
        Self {
            cpu_percent: least(self.cpu_percent, other.cpu_percent),
            files_more: least(self.files_more, other.files_more),
            memory_more_bytes: least(self.memory_more_bytes, other.memory_more_bytes),
        }
    }
}

/// How a node's wall clock differs from the machine's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockSetting {
    /// Jump, ms.
    pub offset_ms: i64,
    /// Rate error since the setting was made, parts per million.
    pub drift_ppm: i64,
}

impl ClockSetting {
    /// Both settings at once: their sum.
    #[must_use]
    pub fn beside(self, other: Self) -> Self {
        Self {
            offset_ms: self.offset_ms.saturating_add(other.offset_ms),
            drift_ppm: self.drift_ppm.saturating_add(other.drift_ppm),
        }
    }
}

impl Distribution {
    /// What a surface must be able to do for it.
    pub fn needs(self) -> &'static [Capability] {
        match self {
            Distribution::Uniform => &[],
            Distribution::Normal | Distribution::Pareto => &[Capability::DelayDistributions],
        }
    }
}

/// The share that is struck by one of two chances, percent: a chunk passes if both let it pass. Rounded to whole
/// percent, so that two chances below 100 % stay below it.
fn either(one_percent: u32, other_percent: u32) -> u32 {
    let passing = (100 - one_percent.min(100)) * (100 - other_percent.min(100));
    100 - passing.div_ceil(100)
}

/// The lesser of two limits, where none is no limit.
fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_add_up_to_less_than_their_sum() {
        assert_eq!([either(0, 0), either(50, 0), either(50, 50), either(99, 99), either(100, 3)], [0, 50, 75, 99, 100]);
    }

    #[test]
    fn no_fault_beside_a_rule_changes_nothing_and_order_does_not_matter() {
        let link = LinkRule {
            blocked: true,
            delay_ms: 3,
            jitter_ms: 4,
            distribution: Distribution::Pareto,
            loss_percent: 5,
            duplicate_percent: 6,
            reorder_percent: 7,
            reorder_hold_ms: 8,
            corrupt_percent: 9,
            checksum: Checksum::Repaired,
            rate_kbit_s: Some(10),
        };
        assert_eq!((link.beside(LinkRule::default()), LinkRule::default().beside(link)), (link, link));
        let disk = DiskRule {
            read_error_percent: 1,
            write_error_percent: 2,
            sync_error_percent: 3,
            lying_sync_percent: 4,
            misdirected_write_percent: 5,
            latency_ms: 6,
            free_bytes: Some(7),
        };
        assert_eq!((disk.beside(DiskRule::default()), DiskRule::default().beside(disk)), (disk, disk));
        let limits = ProcessLimits { cpu_percent: Some(9), files_more: Some(1), memory_more_bytes: Some(2) };
        let none = ProcessLimits::default();
        assert_eq!((limits.beside(none), none.beside(limits)), (limits, limits));
        let lower = ProcessLimits { cpu_percent: Some(3), files_more: Some(5), memory_more_bytes: None };
        let both = ProcessLimits { cpu_percent: Some(3), files_more: Some(1), memory_more_bytes: Some(2) };
        assert_eq!(limits.beside(lower), both);
    }
}
