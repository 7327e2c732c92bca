//! Processes of any unmodified program, as nodes of a cluster under test.
//!
//! A node is a tree of processes in a PID namespace of its own. Its first process is the bench's executable once more,
//! as a small init; the program and whatever that starts are below it, and cannot leave:
//!
//! ```text
//!   bench ── a thread for each node (`keeper`) ── socket, pidfd ──► init (pid 1 inside)
//!     │                                                               ├─ the program (pid 2 inside)
//!     │ reads /proc: what runs, what is stopped, what has been used   │    ├─ its children, setsid or not
//!     └──────────────────────────────────────────────────────────────►└─ orphans
//! ```
//!
//! So a node can be killed, stopped, starved and limited as a whole, each with a measurement of the effect, and it dies
//! with the bench, however that dies. None of it needs privileges, but user namespaces ([`enter`], first thing in
//! main), and a main that serves as init ([`serve_hidden_commands`], before that). [`doctor()`] says what a machine
//! allows.
//!
//! ```no_run
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     sandbox::serve_hidden_commands()?;
//!     sandbox::enter(sandbox::Namespaces::default())?;
//!     let mut command = sandbox::NodeCommand::new("redis-server");
//!     command.args(["--port", "7000"]).tmpfs("/dev/shm", 1 << 20);
//!     let node = command.spawn_blocking()?;
//!     println!("{:?}", node.pause()?);
//!     node.resume()?;
//!     println!("{:?}", node.kill()?);
//!     Ok(())
//! }
//! ```

mod command;
mod disk;
mod doctor;
mod duty;
mod enter;
mod everyone;
mod executable;
mod hidden;
mod init;
mod keeper;
mod limits;
mod log_watch;
mod node;
mod node_error;
mod off_thread;
mod processes;
pub mod programs;
mod scheduling;
mod start_error;
mod steps;
mod sys;
mod tree;
mod why;
mod wire;

pub use command::NodeCommand;
pub use disk::{DiskError, SizedDisk, Usage};
pub use doctor::{Finding, doctor};
pub use enter::{EnterError, Entered, Namespaces, enter};
pub use hidden::serve_hidden_commands;
pub use init::Lifetime;
pub use keeper::End;
pub use limits::{Limit, Limited, Resources};
pub use nix::sys::signal::Signal;
pub use node::Node;
pub use node_error::NodeError;
pub use processes::Process;
pub use start_error::StartError;
pub use steps::Step;
pub use tree::{CpuTime, Crash, Killed, PERIOD, Paused, Tree};
pub use why::Why;
