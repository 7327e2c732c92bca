//! Architectures for which there is no stand-in: the supervisor refuses to start, and says so. Everything that needs one
//! has no values here.

use std::convert::Infallible;
use std::io;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use crate::clock::Clock;
use crate::reach::Reach;
use crate::statistics::Statistics;
use crate::under::Under;

/// Why no program can be given a clock on this machine.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Another architecture.
    #[error("wall clocks of programs can be bent on x86_64 only, not on {}", std::env::consts::ARCH)]
    Architecture,
}

/// There is none here.
#[derive(Debug)]
pub struct Supervisor(Infallible);

impl Supervisor {
    /// Refuses.
    ///
    /// # Errors
    /// Always.
    pub fn start() -> Result<Self, Refused> {
        Err(Refused::Architecture)
    }

    /// Refuses.
    ///
    /// # Errors
    /// Always.
    pub fn is_possible() -> Result<(), Refused> {
        Err(Refused::Architecture)
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// None: it cannot be called.
    pub fn prepare(&self, _: &mut Command, _: &Clock, _: Reach) -> io::Result<Installation> {
        match self.0 {}
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// None: it cannot be called.
    pub fn installer(&self, _: &Clock, _: Reach) -> io::Result<(Installer, Installation)> {
        match self.0 {}
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// None: it cannot be called.
    pub fn installer_under(&self, _: Under<'_>) -> io::Result<(Installer, Installation)> {
        match self.0 {}
    }

    /// Cannot be called.
    pub fn statistics(&self) -> Statistics {
        match self.0 {}
    }
}

/// There is none here.
#[derive(Clone, Debug)]
pub struct Installer(Infallible);

impl Installer {
    /// Cannot be called.
    pub fn prepare(self, _: &mut Command) {
        match self.0 {}
    }
}

/// There is none here.
#[derive(Debug)]
pub struct Installation(Infallible);

/// There is none here.
#[derive(Debug, thiserror::Error)]
#[error("no program has a clock of its own here")]
pub struct NotInstalled(Infallible);

impl Installation {
    /// Cannot be called.
    ///
    /// # Errors
    /// None: it cannot be called.
    pub fn settled(self, _: Duration) -> Result<(), NotInstalled> {
        match self.0 {}
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// None: it cannot be called.
    pub fn programs_settled(self, _: usize, _: Duration) -> Result<(), NotInstalled> {
        match self.0 {}
    }
}

/// Waits until a child has ended: nothing is traced here.
///
/// # Errors
/// When the child cannot be waited for.
pub fn wait(child: &mut Child) -> io::Result<ExitStatus> {
    child.wait()
}
