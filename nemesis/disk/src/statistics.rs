//! What a disk did, counted: the evidence that a fault took effect, and what it took effect on.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// Declares a counter once for the disk, which counts with many threads, and once for the reader.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counts as they are made.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
        }

        /// What a disk did since it was mounted first. All but the `unsynced_` ones only rise.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct DiskStatistics {
            $($(#[$doc])* pub $name: u64,)*
            /// Files that differ from what is synced, now.
            pub unsynced_files: u64,
            /// Their blocks of 4 KiB that were written since.
            pub unsynced_blocks: u64,
            /// Memory of the undo log, now.
            pub unsynced_undo_bytes: u64,
            /// Names made, moved or removed since the last sync of anything.
            pub unsynced_names: u64,
        }

        impl Counters {
            pub(crate) fn read(&self) -> DiskStatistics {
                DiskStatistics { $($name: self.$name.get(),)* ..DiskStatistics::default() }
            }
        }
    };
}

counters! {
    /// Reads that reached the disk, because the page cache did not have them.
    reads,
    /// What they gave.
    read_bytes,
    /// Writes.
    writes,
    /// What they wrote.
    written_bytes,
    /// Writes of dirty pages of a shared mapping, among `writes`.
    mapped_writes,
    /// fsync, fdatasync, msync and the like, whatever came of them.
    syncs,
    /// Files and directories made, moved, linked and removed.
    name_changes,
    /// Reads answered with EIO by a rule.
    failed_reads,
    /// Writes answered with EIO by a rule.
    failed_writes,
    /// Syncs answered with EIO by a rule.
    failed_syncs,
    /// Blocks that a failed sync declared clean, and that no later one writes.
    forgotten_blocks,
    /// Syncs that answered success and did nothing.
    lying_syncs,
    /// Reads in which a bit was flipped.
    flipped_reads,
    /// Bits flipped in files.
    flipped_bits,
    /// Writes that landed elsewhere.
    misdirected_writes,
    /// What they wrote.
    misdirected_bytes,
    /// Calls that failed with ENOSPC, or wrote less than they should, by a rule.
    out_of_space,
    /// Calls that a rule made slow.
    delayed_calls,
    /// By how much in all.
    delayed_us,
    /// Calls that met a stalled disk.
    stalled_calls,
    /// Slow and stalled calls of a killed process, answered with EIO at once so that it can die.
    abandoned_calls,
    /// Calls answered with EIO because the power was off.
    calls_without_power,
    /// Power failures.
    crashes,
    /// Blocks that power failures took back, wholly or in part.
    lost_blocks,
    /// Bytes that power failures changed back or cut off.
    lost_bytes,
    /// Files of which they took something.
    lost_files,
    /// Names that power failures took back.
    lost_names,
    /// Files that counted as synced without a sync, because the undo log was full: a power failure loses less.
    written_back_files,
    /// Their blocks.
    written_back_blocks,
    /// Names that counted as synced without a sync, because there were too many.
    committed_early_names,
}

/// A counter for many threads.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn one(&self) {
        self.add(1);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
