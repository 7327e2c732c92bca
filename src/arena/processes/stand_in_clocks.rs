//! The wall clocks of programs that know nothing of the bench: the crate `program_clock`, as [`Clocks`].
//!
//! At each start of a program the supervisor puts a stand-in for the kernel's clock functions into it. What it shows is
//! asked of a program of the bench's own under the same clock (`__clock`), since a store does not tell its time.

use std::io;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::rc::Rc;

use nemesis::surface::{ClockSetting, SurfaceError, SurfaceFuture};
use program_clock::{Clock, Reach, Reading, Supervisor};

use super::clocks::Clocks;
use super::under::PATIENCE;

/// The hidden command of the bench's executable that says what time its clock shows.
pub const CLOCK_COMMAND: &str = "__clock";

/// A clock for each node, and the supervisor that puts programs under them.
pub struct StandInClocks {
    supervisor: Rc<Supervisor>,
    clocks: Vec<Clock>,
    own_executable: PathBuf,
}

impl StandInClocks {
    /// For so many nodes, all right.
    ///
    /// # Errors
    /// When the system gives no memory files.
    pub fn create(nodes: usize, supervisor: Rc<Supervisor>, own_executable: PathBuf) -> io::Result<Self> {
        let clocks = (0..nodes).map(|_| Clock::create()).collect::<io::Result<_>>()?;
        Ok(Self { supervisor, clocks, own_executable })
    }

    /// What the clock of a node shows now, by a program that reads it.
    fn ask(&self, node: usize) -> io::Result<Asked> {
        let mut command = Command::new(&self.own_executable);
        command.arg(CLOCK_COMMAND).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let installation = self.supervisor.prepare(&mut command, &self.clocks[node], Reach::default())?;
        let child = command.spawn()?;
        Ok(Asked { installation, child })
    }
}

/// A program that reads its clock.
struct Asked {
    installation: program_clock::Installation,
    child: std::process::Child,
}

impl Asked {
    /// How far its clock is ahead of the machine's, ms: the middle of the bounds. Waits for its end.
    fn answer(mut self) -> io::Result<i64> {
        let settled = self.installation.settled(PATIENCE).map_err(io::Error::other);
        let mut said = String::new();
        if let Some(mut stdout) = self.child.stdout.take() {
            io::Read::read_to_string(&mut stdout, &mut said)?;
        }
        program_clock::wait(&mut self.child)?;
        settled?;
        let reading: Reading = said.trim().parse().map_err(io::Error::other)?;
        let ahead_ns = reading.ahead_ns(&Reading::take()?);
        Ok(i64::midpoint(*ahead_ns.start(), *ahead_ns.end()) / 1_000_000)
    }
}

impl Clocks for StandInClocks {
    fn inherited(&self, _node: usize) -> Option<RawFd> {
        None
    }

    fn stand_in(&self, node: usize) -> Option<&Clock> {
        self.clocks.get(node)
    }

    fn set(&self, node: usize, setting: ClockSetting) -> io::Result<()> {
        self.clocks[node].set(setting.offset_ms, setting.drift_ppm).map_err(io::Error::other)
    }

    fn shown_ahead_ms(&self, node: usize) -> SurfaceFuture<'_, i64> {
        let asked = self.ask(node);
        Box::pin(async move {
            let asked = asked.map_err(surface)?;
            tokio::task::spawn_blocking(|| asked.answer()).await.map_err(surface)?.map_err(surface)
        })
    }
}

/// Says what time the clock shows that this process is under.
///
/// # Errors
/// When the system has no such clocks.
pub fn say_time() -> io::Result<String> {
    Reading::take().map(|reading| reading.to_string())
}

fn surface(error: impl std::fmt::Display) -> SurfaceError {
    SurfaceError(error.to_string())
}
