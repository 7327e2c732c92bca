//! A node's processes while they run: a child of the bench, or a whole tree of processes in namespaces of its own.

use std::io::PipeWriter;
use std::time::Duration;

use nemesis::backend::process::ProcessId;
use nemesis::surface::{ProcessState, SurfaceError};
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use sandbox::Node;
use tokio::process::Child;

/// How long a node may take to obey the signal that ends it at the end of a run; then it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// By what the processes of a node can be reached. Clones reach the same.
#[derive(Clone, Debug)]
pub(super) enum Handle {
    /// One process, by its identity, which no later process shares.
    Process(ProcessId),
    /// All processes of a PID namespace.
    Tree(Node),
}

/// A node that runs.
pub(super) struct Running {
    held: Held,
    /// Held open: a bundled node ends when it is closed.
    _stdin: PipeWriter,
    /// What ends it when a run is over.
    stop_signal: Signal,
}

/// What was started.
pub(super) enum Held {
    /// A child of the bench.
    Child(Child),
    /// A tree of processes, which dies with this.
    Tree(Node),
}

impl Held {
    /// How it has ended; none while it runs.
    ///
    /// # Errors
    /// When that cannot be known.
    pub fn ended(&mut self) -> Result<Option<String>, String> {
        match self {
            Held::Child(child) => {
                child.try_wait().map(|ended| ended.map(|status| status.to_string())).map_err(|error| error.to_string())
            }
            Held::Tree(node) => Ok(node.ended().map(|end| end.to_string())),
        }
    }

    /// By what it can be reached.
    ///
    /// # Errors
    /// When it has ended at once.
    pub fn handle(&self) -> Result<Handle, String> {
        match self {
            Held::Tree(node) => Ok(Handle::Tree(node.clone())),
            Held::Child(child) => {
                let pid = child.id().ok_or("it ended at once")?;
                ProcessId::of(pid).map(Handle::Process).map_err(|error| error.to_string())
            }
        }
    }

    /// Kills it with what it has started; returns when it is dead.
    ///
    /// # Errors
    /// When it does not die.
    pub async fn kill(&mut self) -> Result<(), SurfaceError> {
        match self {
            Held::Child(child) => {
                kill_group(child).map_err(surface)?;
                child.wait().await.map(drop).map_err(surface)
            }
            Held::Tree(node) if node.ended().is_some() => Ok(()),
            Held::Tree(node) => node.kill().await.map(drop).map_err(surface),
        }
    }
}

impl Running {
    /// What was started, with its standard input.
    pub fn new(held: Held, stdin: PipeWriter, stop_signal: Signal) -> Self {
        Self { held, _stdin: stdin, stop_signal }
    }

    /// Kills it with what it has started; returns when it is dead.
    ///
    /// # Errors
    /// When it does not die.
    pub async fn kill(mut self) -> Result<(), SurfaceError> {
        self.held.kill().await
    }

    /// Ends it with its own signal, and kills it if it takes too long. One that has ended already needs neither.
    pub async fn end(mut self) {
        if self.stop_signal != Signal::SIGKILL {
            let ended = tokio::time::timeout(STOP_LIMIT, self.obeys()).await;
            if ended.is_ok_and(|obeyed| obeyed) {
                return;
            }
        }
        // At the end of a run nobody asks any more whether it worked: what does not die now dies with the bench.
        let _ = self.held.kill().await;
    }

    /// Sends the signal and waits for the end; false if it could not be sent.
    async fn obeys(&mut self) -> bool {
        match &mut self.held {
            Held::Child(child) => {
                let Some(pid) = child.id() else { return true };
                let sent = ProcessId::of(pid).and_then(|process| process.send(self.stop_signal));
                sent.is_ok() && child.wait().await.is_ok()
            }
            Held::Tree(node) => {
                let sent = node.signal_program(self.stop_signal).await.is_ok();
                if sent {
                    node.wait().await;
                }
                sent
            }
        }
    }
}

impl Handle {
    /// Stops all of it; returns when it stands still.
    ///
    /// # Errors
    /// When it has ended, or does not stop.
    pub async fn pause(&self) -> Result<(), SurfaceError> {
        match self {
            Handle::Process(process) => process.stop().await.map_err(surface),
            Handle::Tree(node) => node.pause().await.map(drop).map_err(surface),
        }
    }

    /// Lets it go on; returns when it does.
    ///
    /// # Errors
    /// When it has ended, or does not go on.
    pub async fn resume(&self) -> Result<(), SurfaceError> {
        match self {
            Handle::Process(process) => process.cont().await.map_err(surface),
            Handle::Tree(node) => node.resume().await.map_err(surface),
        }
    }

    /// What the operating system says of it. A tree is stopped when none of its processes could run.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn state(&self) -> Result<ProcessState, SurfaceError> {
        let node = match self {
            Handle::Process(process) => return process.state().map_err(surface),
            Handle::Tree(node) => node,
        };
        if node.ended().is_some() {
            return Ok(ProcessState::Dead);
        }
        let processes = node.processes().await.map_err(surface)?;
        let mut states = processes.iter().filter(|process| process.pid_inside != 1).map(|process| process.state);
        let stands = states.all(|state| matches!(state, 'T' | 't' | 'Z' | 'X'));
        Ok(if stands { ProcessState::Stopped } else { ProcessState::Running })
    }

    /// The processes as a tree.
    ///
    /// # Errors
    /// When they are not one.
    pub fn tree(&self) -> Result<&Node, SurfaceError> {
        match self {
            Handle::Tree(node) => Ok(node),
            Handle::Process(_) => Err(SurfaceError("only nodes in namespaces of their own can be limited".into())),
        }
    }
}

/// Kills a child with what it has started: the group that it leads. What has left the group lives on.
fn kill_group(child: &Child) -> nix::Result<()> {
    // One that has been waited for has no number any more, so nobody else's group is killed.
    let Some(pid) = child.id() else { return Ok(()) };
    match killpg(Pid::from_raw(pid as i32), Signal::SIGKILL) {
        Err(Errno::ESRCH) => Ok(()),
        killed => killed,
    }
}

fn surface(error: impl std::fmt::Display) -> SurfaceError {
    SurfaceError(error.to_string())
}
