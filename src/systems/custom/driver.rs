//! A driver: a program in any language that does operations. It reads requests from its standard input and writes replies to its
//! standard output, a line of JSON each; `docs/custom.md` has the protocol.
//!
//! ```text
//!   to the driver:   {"id":7,"node":"n1","address":"10.77.0.1:7000","workload":"cas-register","f":"read","key":"k",
//!                     "value":null,"process":3}
//!   to the bench:    {"id":7,"type":"ok","value":5}
//! ```
//! Replies may come in any order. What a driver leaves unanswered is unknown, and so is all that is open when it ends; it is
//! started again for the next operation, a bounded number of times.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::oneshot;

use crate::arena::processes::bound::BOUND_COMMAND;

/// The longest line that is read, bytes.
const LINE_BYTES_MAX: u64 = 16 << 20;
/// A driver that ends is started again this often.
pub const STARTS_MAX: u64 = 20;

/// An operation, as a driver is asked for it.
#[derive(Clone, Debug, Serialize)]
pub struct DriverRequest<'r> {
    /// By which its reply is known.
    pub id: u64,
    /// Through which node.
    pub node: &'r str,
    /// Where that serves clients.
    pub address: String,
    /// Of which workload.
    pub workload: &'r str,
    /// The function.
    pub f: &'r str,
    /// The key, if the operation names one.
    pub key: Option<&'r str>,
    /// The argument.
    pub value: &'r Value,
    /// The client process.
    pub process: u64,
}

/// What a driver says came of an operation.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct DriverReply {
    /// Of which.
    pub id: u64,
    /// How it completed.
    #[serde(rename = "type")]
    pub outcome: DriverOutcome,
    /// The result; not there: the argument.
    pub value: Option<Value>,
    /// Why it is not ok.
    pub error: Option<String>,
}

/// How an operation completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DriverOutcome {
    /// It happened.
    Ok,
    /// It certainly did not.
    Fail,
    /// Unknown.
    Info,
}

/// Why there is no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DriverError {
    /// The driver does not run: nothing was asked.
    #[error("the driver does not run: {0}")]
    NotRunning(String),
    /// It ended, or said something that is no reply: what was asked may have happened.
    #[error("the driver {0}")]
    Ended(String),
}

/// How often, and how many times, a driver that was killed is looked after.
const KILL_POLL: Duration = Duration::from_millis(1);
const KILL_POLLS_MAX: u32 = 1000;

/// Operations without a reply; after the end of the driver, why it ended.
#[derive(Debug, Default)]
struct Waiting {
    replies: BTreeMap<u64, oneshot::Sender<DriverReply>>,
    ended: Option<String>,
    /// Replies that nobody waits for.
    strays: u64,
}

/// A program that is gone when this is dropped.
struct Killed(Child);

impl Drop for Killed {
    /// The kernel needs a moment to end it; whoever looks after the run must find nothing.
    fn drop(&mut self) {
        let _ = self.0.start_kill();
        for _ in 0..KILL_POLLS_MAX {
            match self.0.try_wait() {
                Ok(None) => std::thread::sleep(KILL_POLL),
                Ok(Some(_)) | Err(_) => return,
            }
        }
    }
}

/// A driver that runs.
pub struct Driver {
    stdin: tokio::sync::Mutex<ChildStdin>,
    waiting: Arc<Mutex<Waiting>>,
    child: Killed,
    next: AtomicU64,
}

impl Driver {
    /// Starts a driver in a directory (empty: the bench's). By the bench's own executable it is bound to the bench's life, also if
    /// that is killed.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &[String], directory: &Path, own_executable: Option<&Path>) -> Result<Self, DriverError> {
        let not_running = |error: std::io::Error| DriverError::NotRunning(format!("{}: {error}", command.join(" ")));
        let mut program = match own_executable {
            Some(own) => {
                let mut program = Command::new(own);
                program.arg(BOUND_COMMAND).arg(std::process::id().to_string()).args(command);
                program
            }
            None => {
                let mut program = Command::new(&command[0]);
                program.args(&command[1..]);
                program
            }
        };
        program.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        if !directory.as_os_str().is_empty() {
            program.current_dir(directory);
        }
        let mut child = program.spawn().map_err(not_running)?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both are piped");
        };
        let waiting = Arc::new(Mutex::new(Waiting::default()));
        tokio::spawn(read_replies(stdout, Arc::clone(&waiting)));
        Ok(Self { stdin: stdin.into(), waiting, child: Killed(child), next: AtomicU64::new(1) })
    }

    /// Asks for an operation, and waits for the reply. `request` is given the number of it.
    ///
    /// # Errors
    /// When the driver ends before.
    pub async fn ask<'r>(&self, request: impl FnOnce(u64) -> DriverRequest<'r>) -> Result<DriverReply, DriverError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut line = serde_json::to_vec(&request(id)).expect("a request is JSON");
        line.push(b'\n');
        let reply = self.register(id)?;
        {
            let mut stdin = self.stdin.lock().await;
            let written = async { stdin.write_all(&line).await.and(stdin.flush().await) };
            written.await.map_err(|error| DriverError::Ended(format!("reads no more: {error}")))?;
        }
        let _guard = Forget { waiting: &self.waiting, id };
        reply.await.map_err(|_| DriverError::Ended(self.why().unwrap_or_else(|| "ended".into())))
    }

    /// Replies that nobody waited for: to operations whose time was over, or that were never asked.
    pub fn strays(&self) -> u64 {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).strays
    }

    /// Ends its input, and waits until it ends.
    ///
    /// # Errors
    /// When it does not end within this time.
    pub async fn end(self, limit: Duration) -> Result<(), DriverError> {
        let Self { stdin, mut child, .. } = self;
        drop(stdin);
        let ended = tokio::time::timeout(limit, child.0.wait()).await;
        let running = |_| DriverError::Ended(format!("still runs {} s after the end of its input", limit.as_secs()));
        ended.map_err(running)?.map(drop).map_err(|error| DriverError::Ended(format!("cannot be waited for: {error}")))
    }

    /// Why it has ended; none while it runs.
    pub fn why(&self) -> Option<String> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).ended.clone()
    }

    fn register(&self, id: u64) -> Result<oneshot::Receiver<DriverReply>, DriverError> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(why) = &waiting.ended {
            return Err(DriverError::NotRunning(format!("it {why}")));
        }
        let (sender, receiver) = oneshot::channel();
        waiting.replies.insert(id, sender);
        Ok(receiver)
    }
}

/// An operation that nobody waits for any more: its time is over.
struct Forget<'w> {
    waiting: &'w Mutex<Waiting>,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).replies.remove(&self.id);
    }
}

/// Hands out replies until the driver ends.
async fn read_replies(stdout: ChildStdout, waiting: Arc<Mutex<Waiting>>) {
    let mut stdout = BufReader::new(stdout);
    let why = loop {
        let mut line = String::new();
        match (&mut stdout).take(LINE_BYTES_MAX).read_line(&mut line).await {
            Ok(0) => break "ended".to_owned(),
            Ok(_) => {}
            Err(error) => break format!("wrote what cannot be read: {error}"),
        }
        if line.trim().is_empty() {
            continue;
        }
        match serde_json::from_str::<DriverReply>(&line) {
            Ok(reply) => {
                let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
                let sender = waiting.replies.remove(&reply.id);
                // One whose time is over waits no more.
                let is_taken = sender.is_some_and(|sender| sender.send(reply).is_ok());
                waiting.strays += u64::from(!is_taken);
            }
            Err(error) => break format!("wrote a line that is no reply ({error}): {}", line.trim()),
        }
    };
    let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    waiting.ended = Some(why);
    waiting.replies.clear();
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn driver(script: &str) -> Driver {
        Driver::start(&["sh".into(), "-c".into(), script.into()], Path::new(""), None).expect("there is a shell")
    }

    fn request(value: &Value, id: u64) -> DriverRequest<'_> {
        let (node, workload, f) = ("n1", "cas-register", "read");
        DriverRequest { id, node, address: "127.0.0.1:1".into(), workload, f, key: Some("k"), value, process: 0 }
    }

    #[tokio::test]
    async fn replies_come_in_any_order() {
        let script = r#"read a; read b; echo '{"id":2,"type":"ok","value":"second"}'; echo
            echo '{"id":1,"type":"fail","error":"no"}'; cat"#;
        let (driver, nil) = (driver(script), Value::Null);
        let (first, second) = tokio::join!(driver.ask(|id| request(&nil, id)), driver.ask(|id| request(&nil, id)));
        let (first, second) = (first.expect("a reply"), second.expect("a reply"));
        assert_eq!((first.outcome, first.error.as_deref()), (DriverOutcome::Fail, Some("no")));
        assert_eq!((second.outcome, second.value), (DriverOutcome::Ok, Some(json!("second"))));
        assert_eq!(driver.why(), None);
    }

    #[tokio::test]
    async fn what_is_open_when_a_driver_ends_is_unknown() {
        for script in ["read a; exit 0", "read a; echo oops; cat"] {
            let (driver, nil) = (driver(script), Value::Null);
            let ended = driver.ask(|id| request(&nil, id)).await.expect_err("no reply");
            assert!(matches!(ended, DriverError::Ended(_)), "{ended}");
            assert!(driver.why().is_some());
            let later = driver.ask(|id| request(&nil, id)).await.expect_err("it is over");
            assert!(matches!(later, DriverError::NotRunning(_)), "{later}");
        }
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_does_not_run() {
        let started = Driver::start(&["no-such-driver".into()], Path::new(""), None);
        assert!(matches!(started, Err(DriverError::NotRunning(why)) if why.contains("no-such-driver")));
    }
}
