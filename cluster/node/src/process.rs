//! The node as a process of its own, bound to the life of the process that started it.
//!
//! The parent writes one line of JSON to standard input and keeps it open; the node answers with one line that says
//! where it listens. When standard input ends, the parent is gone and so is the node. A node that is stopped
//! (SIGSTOP) cannot read, so the kernel is asked to kill it as well when its parent dies.

use std::io::{self, BufRead, Read, Write};
use std::process::ExitCode;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::getppid;
use serde::{Deserialize, Serialize};

use crate::log::Log;
use crate::options::NodeOptions;
use crate::server::{NodeError, serve};

/// Bytes of the longest line of options.
const OPTIONS_BYTES_MAX: u64 = 4 << 20;

/// What a node process says on standard output once it serves: one line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Where clients are served, `address:port`.
    pub client: std::net::SocketAddr,
    /// Where peers are accepted, `address:port`.
    pub peer: std::net::SocketAddr,
}

/// Why a node process ended by itself.
#[derive(Debug, thiserror::Error)]
enum ProcessError {
    #[error("the options could not be read from standard input: {0}")]
    Options(String),
    #[error("the node's life could not be bound to its parent's: {0}")]
    Binding(nix::Error),
    #[error("the process that started the node is gone")]
    Orphan,
    #[error("the runtime could not be started: {0}")]
    Runtime(io::Error),
    #[error("the addresses could not be written to standard output: {0}")]
    Answer(io::Error),
    #[error(transparent)]
    Node(#[from] NodeError),
}

/// One node as a process: the options from the first line of standard input, the addresses as one line on standard
/// output. Serves until standard input ends (exit code 0) or something fatal happens (exit code 1, and why on
/// standard error).
pub fn main_from_stdin() -> ExitCode {
    let mut log = Log::new("node");
    match run(&mut log) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log.line(format_args!("fatal: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(log: &mut Log) -> Result<(), ProcessError> {
    set_pdeathsig(Signal::SIGKILL).map_err(ProcessError::Binding)?;
    let options = read_options()?;
    *log = Log::new(options.name());
    // The parent may have died before the kernel was asked; then the signal never comes.
    if options.parent_pid.is_some_and(|parent| getppid().as_raw() != parent) {
        return Err(ProcessError::Orphan);
    }
    exit_with_stdin().map_err(ProcessError::Runtime)?;
    // One thread: five nodes share the machine, and the core is one task anyway. Storage has its own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ProcessError::Runtime)?;
    runtime.block_on(async {
        let mut node = serve(options).await?;
        answer(&Ready { client: node.client_address(), peer: node.peer_address() })?;
        Err(node.wait().await.into())
    })
}

fn read_options() -> Result<NodeOptions, ProcessError> {
    let mut line = String::new();
    let mut stdin = io::stdin().lock().take(OPTIONS_BYTES_MAX);
    stdin.read_line(&mut line).map_err(|error| ProcessError::Options(error.to_string()))?;
    if !line.ends_with('\n') {
        return Err(ProcessError::Options(format!("one line of JSON was expected, and {} bytes came", line.len())));
    }
    serde_json::from_str(&line).map_err(|error| ProcessError::Options(error.to_string()))
}

/// Ends the process, from a thread of its own, when standard input does. Nothing is lost: what was acknowledged is
/// durable.
fn exit_with_stdin() -> io::Result<()> {
    std::thread::Builder::new().name("stdin".to_owned()).spawn(|| {
        let mut ignored = [0; 256];
        loop {
            match io::stdin().lock().read(&mut ignored) {
                Ok(0) => std::process::exit(0),
                Err(error) if error.kind() != io::ErrorKind::Interrupted => std::process::exit(0),
                _ => {}
            }
        }
    })?;
    Ok(())
}

fn answer(ready: &Ready) -> Result<(), ProcessError> {
    let mut line = serde_json::to_string(ready).map_err(|error| ProcessError::Answer(error.into()))?;
    line.push('\n');
    let mut stdout = io::stdout().lock();
    stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush()).map_err(ProcessError::Answer)
}
