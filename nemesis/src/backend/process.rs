//! Real processes: killed, paused and resumed by signals, and observed in `/proc`.
//!
//! A process is identified by its pid *and* its start time, so that another process which has got the same pid since is
//! never signalled.

use std::fs;
use std::io;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

use crate::surface::ProcessState;

/// How long a signal may take to show in `/proc`.
const SIGNAL_TIMEOUT: Duration = Duration::from_secs(5);

/// How often `/proc` is read meanwhile.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// One process, and never another one that gets its pid later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProcessId {
    pid: i32,
    /// In clock ticks since the machine booted.
    start_time: u64,
}

/// Why a process could not be signalled or observed.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It has ended.
    #[error("process {0} has ended")]
    Gone(i32),
    /// The signal was refused.
    #[error("process {pid} cannot be sent {signal}: {source}")]
    Signal {
        /// Its pid.
        pid: i32,
        /// Which signal.
        signal: Signal,
        /// Why.
        source: Errno,
    },
    /// `/proc` cannot be read.
    #[error("the state of process {pid} cannot be read: {source}")]
    Proc {
        /// Its pid.
        pid: i32,
        /// Why.
        source: io::Error,
    },
    /// The signal was sent, and had no effect.
    #[error("process {pid} was signalled, but is not {wanted:?} after {SIGNAL_TIMEOUT:?}")]
    NoEffect {
        /// Its pid.
        pid: i32,
        /// The state it should be in.
        wanted: ProcessState,
    },
}

impl ProcessId {
    /// The process that has this pid now.
    ///
    /// # Errors
    /// When there is none.
    pub fn of(pid: u32) -> Result<Self, ProcessError> {
        let pid = i32::try_from(pid).ok().filter(|pid| *pid > 0).ok_or(ProcessError::Gone(0))?;
        let (_, start_time) = read_stat(pid)?.ok_or(ProcessError::Gone(pid))?;
        Ok(Self { pid, start_time })
    }

    /// Its pid.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// SIGKILL; returns when it is dead. A process that has ended already counts as killed.
    ///
    /// # Errors
    /// When it cannot be signalled, or does not die.
    pub async fn kill(&self) -> Result<(), ProcessError> {
        match self.send(Signal::SIGKILL) {
            Ok(()) => self.reach(ProcessState::Dead).await,
            Err(ProcessError::Gone(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// SIGSTOP; returns when it is stopped.
    ///
    /// # Errors
    /// When it has ended, cannot be signalled, or does not stop.
    pub async fn stop(&self) -> Result<(), ProcessError> {
        self.send(Signal::SIGSTOP)?;
        self.reach(ProcessState::Stopped).await
    }

    /// SIGCONT; returns when it runs.
    ///
    /// # Errors
    /// When it has ended, cannot be signalled, or does not run.
    pub async fn cont(&self) -> Result<(), ProcessError> {
        self.send(Signal::SIGCONT)?;
        self.reach(ProcessState::Running).await
    }

    /// Sends a signal without waiting for its effect. To kill several processes at once: send to all, then
    /// [`ProcessId::kill`] each.
    ///
    /// # Errors
    /// When it has ended or cannot be signalled.
    pub fn send(&self, signal: Signal) -> Result<(), ProcessError> {
        if self.state()? == ProcessState::Dead {
            return Err(ProcessError::Gone(self.pid));
        }
        match signal::kill(Pid::from_raw(self.pid), signal) {
            Ok(()) => Ok(()),
            Err(Errno::ESRCH) => Err(ProcessError::Gone(self.pid)),
            Err(source) => Err(ProcessError::Signal { pid: self.pid, signal, source }),
        }
    }

    /// Its state. A zombie is dead, and so is one whose pid belongs to another process now.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn state(&self) -> Result<ProcessState, ProcessError> {
        Ok(match read_stat(self.pid)? {
            Some((state, start_time)) if start_time == self.start_time => state,
            _ => ProcessState::Dead,
        })
    }

    async fn reach(&self, wanted: ProcessState) -> Result<(), ProcessError> {
        let deadline = Instant::now() + SIGNAL_TIMEOUT;
        loop {
            match self.state()? {
                state if state == wanted => return Ok(()),
                ProcessState::Dead => return Err(ProcessError::Gone(self.pid)),
                _ if Instant::now() >= deadline => return Err(ProcessError::NoEffect { pid: self.pid, wanted }),
                _ => sleep(POLL_INTERVAL).await,
            }
        }
    }
}

/// State and start time of whatever has this pid now; none if nothing has.
fn read_stat(pid: i32) -> Result<Option<(ProcessState, u64)>, ProcessError> {
    let fails = |source| ProcessError::Proc { pid, source };
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => parse_stat(&stat).map(Some).ok_or_else(|| fails(io::ErrorKind::InvalidData.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::ESRCH as i32) => {
            Ok(None)
        }
        Err(error) => Err(fails(error)),
    }
}

/// Fields 3 (state) and 22 (start time) of proc_pid_stat(5). The name in field 2 may hold anything, blanks and
/// brackets too, so fields are counted from its last closing bracket.
fn parse_stat(stat: &str) -> Option<(ProcessState, u64)> {
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_whitespace();
    let state = match fields.next()? {
        "Z" | "X" | "x" => ProcessState::Dead,
        "T" | "t" => ProcessState::Stopped,
        _ => ProcessState::Running,
    };
    Some((state, fields.nth(18)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    /// Kills what it started, whatever the test does.
    struct Sleeper(Child);

    impl Sleeper {
        fn start() -> (Self, ProcessId) {
            let child = Command::new("sleep").arg("1000").spawn().expect("sleep starts");
            let id = ProcessId::of(child.id()).expect("it runs");
            (Self(child), id)
        }

        fn reap(&mut self) {
            self.0.wait().expect("a child");
        }
    }

    impl Drop for Sleeper {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[tokio::test]
    async fn a_process_stops_goes_on_and_dies() {
        let (mut sleeper, id) = Sleeper::start();
        assert_eq!(id.state().expect("proc"), ProcessState::Running);
        id.stop().await.expect("stopped");
        assert_eq!(id.state().expect("proc"), ProcessState::Stopped);
        id.cont().await.expect("runs");
        assert_eq!(id.state().expect("proc"), ProcessState::Running);
        id.stop().await.expect("stopped");
        id.kill().await.expect("even a stopped process dies");
        assert_eq!(id.state().expect("proc"), ProcessState::Dead, "a zombie is dead");
        sleeper.reap();
        assert_eq!(id.state().expect("proc"), ProcessState::Dead, "and so is one that is gone");
        id.kill().await.expect("dead enough");
        assert!(
            matches!(id.stop().await, Err(ProcessError::Gone(_)))
                && matches!(id.cont().await, Err(ProcessError::Gone(_)))
        );
    }

    #[tokio::test]
    async fn a_reused_pid_is_not_signalled() {
        let (_sleeper, id) = Sleeper::start();
        let stranger = ProcessId { start_time: id.start_time.wrapping_sub(1), ..id };
        assert_eq!(stranger.state().expect("proc"), ProcessState::Dead);
        assert!(matches!(stranger.stop().await, Err(ProcessError::Gone(_))));
        stranger.kill().await.expect("nothing to do");
        assert_eq!(id.state().expect("proc"), ProcessState::Running);
    }

    #[test]
    fn stat_is_read_past_any_name() {
        let rest = "1 1 1 0 -1 4194560 95 0 0 0 0 0 0 0 20 0 1 0 777 5";
        assert_eq!(parse_stat(&format!("7 (a) R (b) T {rest}")), Some((ProcessState::Stopped, 777)));
        assert_eq!(parse_stat(&format!("7 (x) Z {rest}")), Some((ProcessState::Dead, 777)));
        assert_eq!(parse_stat(&format!("7 (x) D {rest}")), Some((ProcessState::Running, 777)));
        assert_eq!(parse_stat("7 (x) S 1 2"), None);
        assert_eq!(parse_stat(""), None);
        assert!(matches!(ProcessId::of(0), Err(ProcessError::Gone(_))));
    }
}
