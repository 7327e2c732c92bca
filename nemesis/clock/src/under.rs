//! What a tree of processes is put under.

use crate::clock::Clock;
use crate::disk_calls::DiskCalls;
use crate::reach::{DiskReach, Reach};

/// A clock, a disk, or both: the kernel allows a tree of processes one listener, so they share it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Under<'a> {
    /// The wall clock that it shows.
    pub clock: Option<(&'a Clock, Reach)>,
    /// The disk by whose rules its calls are answered.
    pub disk: Option<(&'a DiskCalls, DiskReach)>,
}
