//! How much of a program is supervised.

/// What the supervisor sees of a program under a clock beside its execs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Answer `clock_gettime`, `gettimeofday` and `time` that are made as raw system calls: exact, but about 20 to
    /// 40 µs a call. Most programs make none.
    pub raw_calls: bool,
    /// Count waits until an absolute time of the wall clock. The kernel ends them by the true time; this does not
    /// change that, it says that it happens. Such a wait costs about 20 to 40 µs more.
    pub absolute_waits: bool,
}

/// Which calls to its disk the supervisor sees of a program. It cannot be changed once the program has started, and each
/// such call costs about 20 to 40 µs more, whatever file it is to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskReach {
    /// `read`, `pread64`, `readv`, `preadv`, `preadv2`: those from sockets and pipes, too, as a filter sees numbers alone.
    pub reads: bool,
    /// `write`, `pwrite64`, `writev`, `pwritev`, `pwritev2`: those to sockets and pipes, too.
    pub writes: bool,
    /// `fsync`, `fdatasync`, `sync_file_range`, `syncfs`, `msync`.
    pub syncs: bool,
}

impl DiskReach {
    /// Every call that can be reported.
    pub const ALL: DiskReach = DiskReach { reads: true, writes: true, syncs: true };

    /// Whether anything is reported.
    #[must_use]
    pub fn is_any(self) -> bool {
        self != DiskReach::default()
    }
}
