//! How much of a program is supervised.

/// What the supervisor sees of a program beside its execs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Answer `clock_gettime`, `gettimeofday` and `time` that are made as raw system calls: exact, but about 20 to
    /// 40 µs a call. Most programs make none.
    pub raw_calls: bool,
    /// Count waits until an absolute time of the wall clock. The kernel ends them by the true time; this does not
    /// change that, it says that it happens. Such a wait costs about 20 to 40 µs more.
    pub absolute_waits: bool,
}
