//! A node's seat in the arena: what stays of it while its processes come and go.

use std::cell::RefCell;

use nemesis::backend::process::ProcessId;
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, ChildStdin};

use crate::arena::launch::Ports;

/// A node of the arena, with its current process, if it has one.
pub(super) struct Seat {
    /// Its name.
    pub name: String,
    /// Where it listens, at every start.
    pub ports: Ports,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    running: Option<Running>,
    starts: u64,
    upgrades: u64,
}

/// A node's process.
pub(super) struct Running {
    /// The child.
    pub child: Child,
    /// The same by its identity, which no later process shares.
    pub id: ProcessId,
    /// Held open: a bundled node ends when it is closed.
    pub _stdin: ChildStdin,
    /// What ends it when a run is over.
    pub stop_signal: Signal,
}

/// Kills a child with what it has started: the group that it leads. What has left the group lives on.
pub(super) fn kill_group(child: &Child) -> nix::Result<()> {
    // One that has been waited for has no number any more, so nobody else's group is killed.
    let Some(pid) = child.id() else { return Ok(()) };
    match killpg(Pid::from_raw(pid as i32), Signal::SIGKILL) {
        Err(Errno::ESRCH) => Ok(()),
        killed => killed,
    }
}

impl Seat {
    /// A node that has not been started.
    pub fn new(name: String, ports: Ports) -> Self {
        Self { name, ports, state: RefCell::default() }
    }

    /// Its process.
    pub fn process(&self) -> Option<ProcessId> {
        self.state.borrow().running.as_ref().map(|running| running.id)
    }

    /// How often it was started.
    pub fn starts(&self) -> u64 {
        self.state.borrow().starts
    }

    /// How often it was upgraded.
    pub fn upgrades(&self) -> u64 {
        self.state.borrow().upgrades
    }

    /// It runs from now on.
    pub fn take(&self, running: Running) {
        let mut state = self.state.borrow_mut();
        state.running = Some(running);
        state.starts += 1;
    }

    /// It does not run any more; its process, if it had one.
    pub fn leave(&self) -> Option<Running> {
        self.state.borrow_mut().running.take()
    }

    /// From its next start on it is of the next version.
    pub fn upgrade(&self) {
        self.state.borrow_mut().upgrades += 1;
    }
}
