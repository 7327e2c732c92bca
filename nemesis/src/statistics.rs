//! What was counted: the evidence of faults. Counters never decrease while a cluster lives; what a surface cannot count
//! it leaves at zero, and the fault that it would prove cannot be injected there.

/// Declares counters, and what was counted between two readings of them.
macro_rules! counters {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $field:ident,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $($(#[$doc])* pub $field: u64,)*
        }

        impl $name {
            /// What was counted after `before` was read.
            pub fn since(&self, before: &Self) -> Self {
                Self { $($field: self.$field.saturating_sub(before.$field),)* }
            }

            /// Both together.
            pub fn and(&self, other: &Self) -> Self {
                Self { $($field: self.$field.saturating_add(other.$field),)* }
            }
        }
    };
}

counters! {
    /// What a directed link has done since the cluster started. A chunk is a packet, a message, or the bytes that were
    /// read at once.
    LinkStatistics {
        /// Bytes that reached the other side.
        forwarded_bytes,
        /// Bytes that came in while blocked.
        blocked_bytes,
        /// Connection attempts that came in while blocked.
        blocked_connections,
        /// Bytes that were delivered late on purpose.
        delayed_bytes,
        /// The sum of the delays of delayed chunks, ms.
        delay_total_ms,
        /// Chunks that were delayed.
        delayed_chunks,
        /// Chunks that came in while the link lost some.
        lossy_chunks,
        /// Of those, the chunks that were lost.
        lost_chunks,
        /// Chunks that came in, whatever became of them. Counted where duplicates, reordering or flipped bits are.
        chunks,
        /// Chunks that were delivered twice.
        duplicated_chunks,
        /// Chunks that were delivered behind later ones.
        reordered_chunks,
        /// Chunks in which a bit was flipped.
        corrupted_chunks,
        /// Chunks that waited for the link's rate, or were dropped because too many did.
        throttled_chunks,
        /// Connections that were reset.
        reset_connections,
    }
}

counters! {
    /// What is on a node's disk (`bytes`), and what has happened to it since the cluster started.
    DiskStatistics {
        /// Bytes on it, now.
        bytes,
        /// Power failures.
        power_failures,
        /// Batches that were not synced at a crash and survived it.
        kept_batches,
        /// Batches that were not synced at a crash and were lost, torn ones included.
        lost_batches,
        /// Batches of which only a part survived a crash.
        torn_batches,
        /// Bytes that power failures changed back or cut off.
        lost_bytes,
        /// Files of which they took something.
        lost_files,
        /// Reads that failed.
        failed_reads,
        /// Writes that failed.
        failed_writes,
        /// Syncs that failed.
        failed_syncs,
        /// Syncs that were answered without being done.
        lying_syncs,
        /// Writes that landed elsewhere.
        misdirected_writes,
        /// Calls that found no space.
        out_of_space_calls,
        /// Calls that were answered late on purpose.
        delayed_calls,
        /// By how much in all, ms.
        delay_total_ms,
        /// Bits that were flipped in files.
        flipped_bits,
        /// Rows in which a bit was flipped.
        rotten_rows,
        /// Damaged rows that the node was started without.
        dropped_rows,
    }
}

counters! {
    /// What a node's processes use and may use. All but the times are as of now.
    ProcessStatistics {
        /// Processor time used since the cluster started, user and system, ms.
        cpu_ms,
        /// Time in which the processes were kept from running since the cluster started, ms.
        held_ms,
        /// Files that the process with the most has open.
        open_files,
        /// The lowest limit of open files among the processes.
        files_max,
        /// Memory of the process with the most, bytes.
        memory_bytes,
        /// The lowest limit of memory among the processes, bytes; `u64::MAX` without one.
        memory_max_bytes,
    }
}

/// How a node's start was cut short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StartCrash {
    /// How long the node ran before it was killed, ms.
    pub ran_ms: u64,
    /// Whether it answered before that: then it was not killed in its start.
    pub has_answered: bool,
}

/// What the command that measures a fault said of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandReading {
    /// Of which node; of several for a fault of all.
    pub of: String,
    /// Whether the fault is in force.
    pub is_in_force: bool,
    /// What it printed.
    pub said: String,
}
