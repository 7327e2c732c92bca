//! From a [`Launch`] to a process that serves.
//!
//! Files are written, the program is found and started with its log as standard error (and standard output, unless
//! that is where it announces itself), and then it is watched until it serves, ends or has taken too long.

use std::ffi::OsString;
use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Seek, SeekFrom, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::rc::Rc;
use std::time::{Duration, Instant};

use checker::run::logs;
use nemesis::surface::StartCrash;
use sandbox::NodeCommand;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::unix::pipe::Receiver;
use tokio::process::Command;

use super::bound::BOUND_COMMAND;
use super::carried::{Carrier, Spoken};
use super::error::{ArenaError, io};
use super::programs;
use super::running::{Handle, Held, Running};
use super::under::{PATIENCE, UnderListener};
use crate::arena::launch::{Launch, Program, Ready, Sign};

/// How often it is looked whether a node serves.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// How long an answer to such a look may take.
const LOOK_LIMIT: Duration = Duration::from_millis(500);
/// How much of a line of a node's log is quoted, characters.
const QUOTED_MAX: usize = 600;
/// How far from its end a log is searched for the line that says why a node did not start, bytes.
const LAST_WORDS_BYTES_MAX: usize = 64 << 10;
/// How much of the log of one start is searched for the line that says that the node serves, bytes.
const LOG_SEARCHED_BYTES_MAX: u64 = 1 << 20;

/// The first process of a node, and its program.
const PROGRAMS_OF_NODE: usize = 2;

/// Where a node serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Serves {
    /// Its clients; none for a node whose messages are carried.
    pub client: Option<SocketAddr>,
    /// The peers that reach it by a proxy.
    pub peer: Option<SocketAddr>,
}

/// How a node says where it serves.
#[derive(Deserialize)]
struct Announcement {
    client: SocketAddr,
    peer: Option<SocketAddr>,
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
    /// The network namespace that it lives in, with PID and mount namespaces of its own; none = it is a child like any.
    pub namespace: Option<OwnedFd>,
    /// What puts it under its clock and its disk.
    pub under: Option<UnderListener>,
    /// Who carries its messages, and its position; none = nobody.
    pub carrier: Option<(Rc<dyn Carrier>, usize)>,
}

/// A node that was started and may not serve yet.
struct Started {
    held: Held,
    stdin: PipeWriter,
    /// Where it announces itself or writes messages, if it does either on its standard output.
    stdout: Option<PipeReader>,
    /// How long its log was before.
    log_begins: u64,
}

impl Start<'_> {
    /// Starts it; returns when it serves.
    ///
    /// # Errors
    /// When it cannot be started, ends, or does not serve in time; nothing of it is left then.
    pub async fn until_ready(mut self) -> Result<(Running, Handle, Serves), ArenaError> {
        let mut started = self.begin().await?;
        let handle = started.held.handle();
        let greeted = tokio::time::timeout(self.launch.start_limit, self.greet(&mut started)).await;
        let is_late = greeted.is_err();
        let why = match greeted {
            Ok(Ok(serves)) => match handle {
                Ok(handle) => {
                    let running = Running::new(started.held, started.stdin, self.launch.stop_signal);
                    return Ok((running, handle, serves));
                }
                Err(why) => why,
            },
            Ok(Err(why)) => why,
            Err(_) => missing(&self.launch.ready, self.launch.start_limit),
        };
        // It may have ended already; when the error is reported, nothing of it must be left.
        let _ = started.held.kill().await;
        let words = last_words(&self.log, started.log_begins);
        Err(self.not_started(match (words.is_empty(), is_late) {
            (true, _) => why,
            (false, false) => format!("{words} (its log: {})", self.log.display()),
            (false, true) => format!("{why}; its log ({}) says: {words}", self.log.display()),
        }))
    }

    /// Starts it, and kills it after this time; returns when it is dead.
    ///
    /// # Errors
    /// When it cannot be started, or does not die.
    pub async fn until(mut self, age: Duration) -> Result<StartCrash, ArenaError> {
        let began = Instant::now();
        let mut started = self.begin().await?;
        let has_answered = tokio::time::timeout(age, self.greet(&mut started)).await.is_ok_and(|served| served.is_ok());
        tokio::time::sleep(age.saturating_sub(began.elapsed())).await;
        let ran = began.elapsed();
        started.held.kill().await.map_err(|error| self.not_started(error.to_string()))?;
        Ok(StartCrash { ran_ms: ran.as_millis() as u64, has_answered })
    }

    async fn begin(&mut self) -> Result<Started, ArenaError> {
        for (path, content) in &self.launch.files {
            std::fs::write(path, content).map_err(|source| io(&format!("cannot write {}", path.display()), source))?;
        }
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.map_err(|source| io(&format!("cannot open {}", self.log.display()), source))?;
        let log_begins = log.metadata().map_err(|source| io("cannot measure the log", source))?.len();
        let cannot = |source| io(&format!("cannot start node {}", self.node), source);
        let (input, mut stdin) = std::io::pipe().map_err(cannot)?;
        let (stdout, output) = match self.launch.ready {
            Ready::At { .. } => (None, Stdio::from(log.try_clone().map_err(cannot)?)),
            Ready::JsonLineOnStdout | Ready::Carried => {
                let (reader, writer) = std::io::pipe().map_err(cannot)?;
                (Some(reader), Stdio::from(writer))
            }
        };
        if let Some(line) = &self.launch.stdin_line {
            // A line is shorter than what a pipe holds, so nobody has to read it for this to return.
            stdin.write_all(format!("{line}\n").as_bytes()).map_err(cannot)?;
        }
        let held = match &self.namespace {
            None => Held::Child(self.child(input.into(), output, log.into())?),
            Some(network) => {
                let network = network.try_clone().map_err(cannot)?;
                let under = self.under.take();
                Held::Tree(self.tree(network, under, [input.into(), output, log.into()]).await?)
            }
        };
        Ok(Started { held, stdin, stdout, log_begins })
    }

    /// A process group of its own keeps an interrupt at the terminal from reaching the nodes before the bench has
    /// healed them.
    fn child(&self, stdin: Stdio, stdout: Stdio, stderr: Stdio) -> Result<tokio::process::Child, ArenaError> {
        let mut command = Command::new(self.own_executable);
        command.arg0("dissensus");
        if let Some(found) = self.installed()? {
            command.arg(BOUND_COMMAND).arg(std::process::id().to_string()).arg(found);
        }
        command.args(&self.launch.arguments).envs(self.environment()).stdin(stdin).stdout(stdout).stderr(stderr);
        let spawned = command.process_group(0).kill_on_drop(true).spawn();
        spawned.map_err(|source| io(&format!("cannot start node {}", self.node), source))
    }

    /// A tree of processes in namespaces of its own, whose first process is the bench's. The files are its standard input,
    /// output and error.
    async fn tree(
        &self,
        network: OwnedFd,
        under: Option<UnderListener>,
        files: [Stdio; 3],
    ) -> Result<sandbox::Node, ArenaError> {
        let program = self.installed()?.unwrap_or_else(|| self.own_executable.to_owned());
        let mut command = NodeCommand::new(program);
        let [stdin, stdout, stderr] = files;
        command.args(&self.launch.arguments).stdin(stdin).stdout(stdout).stderr(stderr).hostname(self.node);
        command.network(network);
        for (name, value) in self.environment() {
            command.env(name, value);
        }
        let mut clock = None;
        if let Some(under) = under {
            // The last step before the program: it sees every start after it.
            command.before_exec(move |command| under.installer.prepare(command));
            clock = under.clock;
        }
        let node = command.spawn().await.map_err(|error| self.not_started(error.to_string()))?;
        if let Some(installation) = clock {
            let settled = move || installation.programs_settled(PROGRAMS_OF_NODE, PATIENCE);
            let settled =
                tokio::task::spawn_blocking(settled).await.map_err(|error| self.not_started(error.to_string()))?;
            settled.map_err(|why| self.not_started(format!("it is not under its clock: {why}")))?;
        }
        Ok(node)
    }

    /// Where the program is; none for one that the bench's own executable contains.
    fn installed(&self) -> Result<Option<PathBuf>, ArenaError> {
        let Program::Installed { name, binaries, package } = &self.launch.program else { return Ok(None) };
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = programs::find(name, binaries.as_deref(), &path, package);
        found.map(Some).map_err(|missing| self.not_started(missing.to_string()))
    }

    fn environment(&self) -> impl Iterator<Item = (OsString, OsString)> {
        let libraries = match &self.launch.program {
            Program::Installed { binaries: Some(dir), .. } => programs::library_path(dir),
            _ => None,
        };
        let libraries = libraries.map(|(name, value)| (OsString::from(name), value));
        let own = self.launch.environment.iter().map(|(name, value)| (name.into(), value.into()));
        libraries.into_iter().chain(own)
    }

    /// Waits until it serves.
    async fn greet(&self, started: &mut Started) -> Result<Serves, String> {
        match &self.launch.ready {
            Ready::JsonLineOnStdout => announced(started.stdout.take().ok_or("it has no standard output")?).await,
            Ready::Carried => self.carried(started).await,
            Ready::At { client, peer, sign } => {
                while !self.shows(sign, *client, started.log_begins).await? {
                    if let Some(status) = started.held.ended()? {
                        return Err(format!("it ended at once: {status}"));
                    }
                    tokio::time::sleep(POLL_INTERVAL).await;
                }
                Ok(Serves { client: Some(*client), peer: *peer })
            }
        }
    }

    /// Gives its standard input and output to the carrier of its messages.
    async fn carried(&self, started: &mut Started) -> Result<Serves, String> {
        let (carrier, node) = self.carrier.as_ref().ok_or("nobody carries its messages")?;
        let stdin = started.stdin.try_clone().map_err(|error| format!("its standard input: {error}"))?;
        let stdout = started.stdout.take().ok_or("it has no standard output")?;
        carrier.attach(*node, Spoken { stdin, stdout, log: self.log.clone() }).await?;
        Ok(Serves { client: None, peer: None })
    }

    async fn shows(&self, sign: &Sign, client: SocketAddr, log_begins: u64) -> Result<bool, String> {
        Ok(match sign {
            Sign::LogLine(text) => {
                let said = log_since(&self.log, log_begins).map_err(|error| format!("its log: {error}"))?;
                said.lines().any(|line| line.contains(&**text))
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

    fn not_started(&self, why: String) -> ArenaError {
        ArenaError::Node { node: self.node.to_owned(), why }
    }
}

/// What was not seen in time.
fn missing(ready: &Ready, limit: Duration) -> String {
    let seconds = limit.as_secs();
    match ready {
        Ready::JsonLineOnStdout => "it did not say where it listens".to_owned(),
        Ready::Carried => format!("it did not answer the first message within {seconds} s"),
        Ready::At { sign: Sign::LogLine(text), .. } => format!("its log had no {text:?} within {seconds} s"),
        Ready::At { client, sign: Sign::Port, .. } => format!("nothing listened at {client} within {seconds} s"),
        Ready::At { client, sign: Sign::Http(path), .. } => {
            format!("http://{client}{path} was not answered with success within {seconds} s")
        }
    }
}

/// Waits until the node prints its addresses.
async fn announced(stdout: PipeReader) -> Result<Serves, String> {
    let stdout = Receiver::from_owned_fd(stdout.into()).map_err(|error| error.to_string())?;
    let mut line = String::new();
    let read = BufReader::new(stdout).read_line(&mut line).await;
    match read.map_err(|error| error.to_string())? {
        0 => Err("it ended at once".into()),
        _ => {
            let said: Result<Announcement, _> = serde_json::from_str(&line);
            let Announcement { client, peer } = said.map_err(|error| format!("it said {line:?}: {error}"))?;
            Ok(Serves { client: Some(client), peer })
        }
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

/// The line of its log in which a node says why it ends, since the log had this length, bytes: the last one that reports
/// something, the worst first, as a stack trace may follow it; else the last line.
fn last_words(log: &Path, begins: u64) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let begins = usize::try_from(begins).unwrap_or(usize::MAX).max(bytes.len().saturating_sub(LAST_WORDS_BYTES_MAX));
    let text = String::from_utf8_lossy(bytes.get(begins..).unwrap_or_default()).into_owned();
    let lines = || text.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let worst = lines().filter_map(|line| Some((logs::Kind::of(line)?, line))).min_by_key(|(kind, _)| *kind);
    let line = worst.map(|(_, line)| line).or_else(|| lines().next());
    line.unwrap_or_default().chars().take(QUOTED_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last line of a stack trace was given as the reason.
    #[test]
    fn regression_a_node_says_why_it_ends_before_its_stack_trace() {
        let dir = tempfile::tempdir().expect("a directory");
        let log = dir.path().join("stderr.log");
        let said = |text: &str, begins: usize| {
            std::fs::write(&log, text).expect("a log");
            last_words(&log, begins as u64)
        };
        let earlier = "panic: of an earlier start\n";
        let trace = "info: starts\nfatal: no space left on device\nan error of no account\ngoroutine 1 [running]:\n\tmain.go:28 +0x17\n\n";
        assert_eq!(said(&format!("{earlier}{trace}"), earlier.len()), "fatal: no space left on device");
        assert_eq!(said("starts\ncannot listen\n", 0), "cannot listen");
        assert_eq!(said(earlier, earlier.len()), "");
    }
}
