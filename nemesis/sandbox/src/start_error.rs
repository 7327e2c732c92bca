//! Why a node could not be started, in words that say where and what to do.

use std::ffi::OsString;
use std::io;
use std::time::Duration;

use rustix::io::Errno;

use crate::steps::Step;
use crate::why::{self, Why};

/// Why a node could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Main does not serve as init.
    #[error("no node can be started: main must call sandbox::serve_hidden_commands() first")]
    NoInit,
    /// A text that no system call takes.
    #[error("{0:?} has a zero byte in it, which no name or path may have")]
    Unusable(OsString),
    /// A PID namespace was refused.
    #[error("no PID namespace can be made: {why}")]
    PidNamespace {
        /// The reason, and what to do.
        why: Why,
    },
    /// A step between fork and exec failed.
    #[error("the node's first process failed before its exec, at {step:?}: {source}; {advice}")]
    Step {
        /// Which step.
        step: Step,
        /// Why.
        source: io::Error,
        /// What to do.
        advice: &'static str,
    },
    /// The program could not be executed.
    #[error("{program:?} cannot be executed: {source}")]
    Exec {
        /// The program.
        program: OsString,
        /// Why.
        source: io::Error,
    },
    /// The first process could not be started, or a step added by others failed.
    #[error("the node's first process cannot be started: {0}")]
    Init(io::Error),
    /// The first process ended before it started the program. Its standard error may say why.
    #[error("the node's first process ended before the program was started; the node's standard error may say why")]
    InitEnded,
    /// The program was not executed in time.
    #[error("the program was not executed within {0:?}")]
    Late(Duration),
}

impl StartError {
    pub(crate) fn pid_namespace(errno: nix::errno::Errno) -> Self {
        Self::PidNamespace { why: why::namespace("pid", Errno::from_raw_os_error(errno as i32)) }
    }

    pub(crate) fn step(step: Step, errno: i32) -> Self {
        Self::Step { step, source: io::Error::from_raw_os_error(errno), advice: advice(step) }
    }
}

fn advice(step: Step) -> &'static str {
    match step {
        Step::Proc => "in a container parts of /proc are covered, and none can be mounted: run outside of it",
        Step::Network => "the namespace must belong to the bench's user namespace",
        Step::Mount(_) => "counted from 0 among the mounts asked for: is its place there?",
        Step::Directory => "is the working directory there?",
        Step::Namespaces | Step::Propagation | Step::Hostname | Step::Privileges => {
            "has the bench entered a user namespace?"
        }
        Step::Session | Step::Lifeline => "this is a defect of the bench",
    }
}
