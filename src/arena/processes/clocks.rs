//! The wall clocks of processes: who bends them, and how.
//!
//! A node that is made for it reads a small memory file, inherited from the bench, at each look at the clock.

use std::io;
use std::os::fd::RawFd;

use nemesis::backend::clock::ClockFile;
use nemesis::surface::{ClockSetting, SurfaceError, SurfaceFuture};
use program_clock::Clock;

/// The clocks of all nodes, which are known by their positions.
pub trait Clocks {
    /// The descriptor that the node's process inherits; none if it needs to know nothing of its clock.
    fn inherited(&self, node: usize) -> Option<RawFd>;
    /// What the node's programs are put under at their start; none where nothing has to be done for their clock.
    fn stand_in(&self, _node: usize) -> Option<&Clock> {
        None
    }
    /// How far the clock that the node's programs see is ahead of the machine's, ms.
    fn shown_ahead_ms(&self, _node: usize) -> SurfaceFuture<'_, i64> {
        Box::pin(std::future::ready(Err(SurfaceError("only the node itself knows what time it believes it is".into()))))
    }
    /// Bends the node's clock, also that of later starts.
    ///
    /// # Errors
    /// When the node's clock cannot be bent.
    fn set(&self, node: usize, setting: ClockSetting) -> io::Result<()>;
}

/// A clock file for each node.
pub struct ClockFiles(Vec<ClockFile>);

impl ClockFiles {
    /// For so many nodes, all right.
    ///
    /// # Errors
    /// When the system gives no memory file.
    pub fn create(nodes: usize) -> io::Result<Self> {
        (0..nodes).map(|_| ClockFile::create()).collect::<io::Result<_>>().map(Self)
    }
}

impl Clocks for ClockFiles {
    fn inherited(&self, node: usize) -> Option<RawFd> {
        Some(self.0[node].fd_number())
    }

    fn set(&self, node: usize, setting: ClockSetting) -> io::Result<()> {
        self.0[node].set(setting)
    }
}

/// The machine's clock for every node: it cannot be bent, for this reason.
pub struct MachineClock(pub String);

impl Clocks for MachineClock {
    fn inherited(&self, _node: usize) -> Option<RawFd> {
        None
    }

    fn set(&self, _node: usize, _setting: ClockSetting) -> io::Result<()> {
        Err(io::Error::other(format!("the node reads the machine's clock, which the bench cannot change: {}", self.0)))
    }
}
