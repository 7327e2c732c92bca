//! From a [`Launch`] to a process that serves.
//!
//! Files are written, the program is found and started with its log as standard error (and standard output, unless
//! that is where it announces itself), and then it is watched until it serves, ends or has taken too long.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nemesis::backend::process::ProcessId;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, Command};

use super::bound::BOUND_COMMAND;
use super::error::{ArenaError, io};
use super::programs;
use super::seats::{Running, kill_group};
use crate::arena::launch::{Launch, Program, Ready, Sign};

/// How often it is looked whether a node serves.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// How long an answer to such a look may take.
const LOOK_LIMIT: Duration = Duration::from_millis(500);
/// How much of the last line of a node's log is quoted, bytes.
const LAST_WORDS_BYTES_MAX: usize = 600;
/// How much of the log of one start is searched for the line that says that the node serves, bytes.
const LOG_SEARCHED_BYTES_MAX: u64 = 1 << 20;

/// Where a node serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Serves {
    /// Its clients.
    pub client: SocketAddr,
    /// The peers that reach it by a proxy.
    pub peer: Option<SocketAddr>,
}

/// A node that is to be started.
pub(super) struct Start<'a> {
    /// Its name.
    pub node: &'a str,
    /// Its log, to which the process appends.
    pub log: PathBuf,
    /// The executable that contains the bundled nodes.
    pub own_executable: &'a Path,
    /// How.
    pub launch: &'a Launch,
}

impl Start<'_> {
    /// Starts it; returns when it serves.
    ///
    /// # Errors
    /// When it cannot be started, ends, or does not serve in time; nothing of it is left then.
    pub async fn until_ready(&self) -> Result<(Running, Serves), ArenaError> {
        for (path, content) in &self.launch.files {
            std::fs::write(path, content).map_err(|source| io(&format!("cannot write {}", path.display()), source))?;
        }
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.map_err(|source| io(&format!("cannot open {}", self.log.display()), source))?;
        let log_begins = log.metadata().map_err(|source| io("cannot measure the log", source))?.len();
        let mut child = self.spawn(log)?;
        let why = match tokio::time::timeout(self.launch.start_limit, self.greet(&mut child, log_begins)).await {
            Ok(Ok((serves, stdin))) => return Ok((self.running(child, stdin)?, serves)),
            Ok(Err(why)) => why,
            Err(_) => missing(&self.launch.ready, self.launch.start_limit),
        };
        // It may have ended already; when the error is reported, nothing of it must be left.
        let _ = kill_group(&child);
        let _ = child.kill().await;
        let words = last_words(&self.log, log_begins);
        Err(self.not_started(if words.is_empty() { why } else { words }))
    }

    /// A process group of its own keeps an interrupt at the terminal from reaching the nodes before the bench has
    /// healed them.
    fn spawn(&self, log: File) -> Result<Child, ArenaError> {
        let cannot = |source| io(&format!("cannot start node {}", self.node), source);
        let mut command = self.command()?;
        let stdout = match self.launch.ready {
            Ready::JsonLineOnStdout => Stdio::piped(),
            Ready::At { .. } => log.try_clone().map_err(cannot)?.into(),
        };
        command
            .args(&self.launch.arguments)
            .envs(self.launch.environment.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(cannot)
    }

    fn command(&self) -> Result<Command, ArenaError> {
        match &self.launch.program {
            Program::Own => {
                let mut command = Command::new(self.own_executable);
                command.arg0("dissensus");
                Ok(command)
            }
            Program::Installed { name, binaries, package } => {
                let path = std::env::var_os("PATH").unwrap_or_default();
                let found = programs::find(name, binaries.as_deref(), &path, package);
                let found = found.map_err(|missing| self.not_started(missing.to_string()))?;
                let mut command = Command::new(self.own_executable);
                command.arg0("dissensus").arg(BOUND_COMMAND).arg(std::process::id().to_string()).arg(found);
                command.envs(binaries.iter().filter_map(|dir| programs::library_path(dir)));
                Ok(command)
            }
        }
    }

    /// Gives a child its line of input and waits until it serves.
    async fn greet(&self, child: &mut Child, log_begins: u64) -> Result<(Serves, ChildStdin), String> {
        let mut stdin = child.stdin.take().ok_or("it has no standard input")?;
        if let Some(line) = &self.launch.stdin_line {
            let written = stdin.write_all(format!("{line}\n").as_bytes()).await;
            written.map_err(|error| format!("it could not be given its options: {error}"))?;
        }
        let serves = match self.launch.ready {
            Ready::JsonLineOnStdout => announced(child).await?,
            Ready::At { client, peer, sign } => {
                while !self.shows(sign, client, log_begins).await? {
                    if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
                        return Err(format!("it ended at once: {status}"));
                    }
                    tokio::time::sleep(POLL_INTERVAL).await;
                }
                Serves { client, peer }
            }
        };
        Ok((serves, stdin))
    }

    async fn shows(&self, sign: Sign, client: SocketAddr, log_begins: u64) -> Result<bool, String> {
        Ok(match sign {
            Sign::LogLine(text) => {
                let said = log_since(&self.log, log_begins).map_err(|error| format!("its log: {error}"))?;
                said.lines().any(|line| line.contains(text))
            }
            Sign::Port => tokio::time::timeout(LOOK_LIMIT, TcpStream::connect(client)).await.is_ok_and(|it| it.is_ok()),
            Sign::Http(path) => {
                let http = reqwest::Client::builder().no_proxy().timeout(LOOK_LIMIT).build();
                let http = http.map_err(|error| format!("no HTTP client: {error}"))?;
                let answer = http.get(format!("http://{client}{path}")).send().await;
                answer.is_ok_and(|answer| answer.status().is_success())
            }
        })
    }

    fn running(&self, child: Child, stdin: ChildStdin) -> Result<Running, ArenaError> {
        let pid = child.id().ok_or_else(|| self.not_started("it ended at once".into()))?;
        let id = ProcessId::of(pid).map_err(|error| self.not_started(error.to_string()))?;
        Ok(Running { child, id, _stdin: stdin, stop_signal: self.launch.stop_signal })
    }

    fn not_started(&self, why: String) -> ArenaError {
        ArenaError::Node { node: self.node.to_owned(), why }
    }
}

/// What was not seen in time.
fn missing(ready: &Ready, limit: Duration) -> String {
    let seconds = limit.as_secs();
    match ready {
        Ready::JsonLineOnStdout => "it did not say where it listens".to_owned(),
        Ready::At { sign: Sign::LogLine(text), .. } => format!("its log had no {text:?} within {seconds} s"),
        Ready::At { client, sign: Sign::Port, .. } => format!("nothing listened at {client} within {seconds} s"),
        Ready::At { client, sign: Sign::Http(path), .. } => {
            format!("http://{client}{path} was not answered with success within {seconds} s")
        }
    }
}

/// Waits until the child prints its addresses.
async fn announced(child: &mut Child) -> Result<Serves, String> {
    let stdout = child.stdout.take().ok_or("it has no standard output")?;
    let mut line = String::new();
    let read = BufReader::new(stdout).read_line(&mut line).await;
    match read.map_err(|error| error.to_string())? {
        0 => Err("it ended at once".into()),
        _ => serde_json::from_str(&line).map_err(|error| format!("it said {line:?}: {error}")),
    }
}

/// What was appended to a log since it had this length, bytes.
fn log_since(log: &Path, begins: u64) -> std::io::Result<String> {
    let mut file = File::open(log)?;
    file.seek(SeekFrom::Start(begins))?;
    let mut bytes = Vec::new();
    file.take(LOG_SEARCHED_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The last line that a node wrote to its log since the log had this length, bytes.
fn last_words(log: &Path, begins: u64) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let begins = usize::try_from(begins).unwrap_or(usize::MAX).max(bytes.len().saturating_sub(LAST_WORDS_BYTES_MAX));
    let text = String::from_utf8_lossy(bytes.get(begins..).unwrap_or_default()).into_owned();
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().to_owned()
}
