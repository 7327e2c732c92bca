//! The process arena: each node a child process, each directed link a proxy, each wall clock a file.
//!
//! ```text
//!   bench ─┬─ n1 ──► proxy n1→n2 ──► n2        a link's proxy sits in the bench; a node dials its peers only through them
//!          ├─ n2 ──► proxy n2→n1 ──► n1
//!          └─ a memory file for each clock, inherited by the node
//! ```
//! Ports are chosen by the kernel and printed on the node's standard output, so there is no race for them. A child dies
//! with the bench, however the bench ends: the kernel kills it when the thread that started it is gone (which is why
//! children are started only from the main thread), and it ends by itself when its standard input is closed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use nemesis::backend::clock::ClockFile;
use nemesis::backend::process::ProcessId;
use nemesis::backend::proxy::LinkProxy;
use nemesis::fault::Link;
use nemesis::surface::{
    ClockSetting, DiskStatistics, LinkRule, LinkStatistics, Membership, ProcessState, Surface, SurfaceError,
    SurfaceFuture,
};
use nemesis::{Capabilities, Capability};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use crate::systems::{Addresses, Place, System, address, set_address};

/// A node must report its addresses within this time.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How much of the last line of a node's log is quoted, bytes.
const LAST_WORDS_BYTES_MAX: usize = 600;

/// The cluster could not be started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ArenaError {
    /// Files, sockets or the clock.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A node ended or did not answer instead of serving.
    #[error("node {node} did not start: {why}")]
    Node {
        /// The node.
        node: String,
        /// The last line of its log, or what went wrong.
        why: String,
    },
}

/// A running cluster of processes.
pub struct ProcessArena {
    system: Rc<dyn System>,
    executable: PathBuf,
    names: Vec<String>,
    dir: PathBuf,
    seats: Vec<RefCell<Seat>>,
    links: BTreeMap<(usize, usize), LinkProxy>,
    link_addresses: BTreeMap<(usize, usize), SocketAddr>,
    addresses: Addresses,
}

/// A node of the arena, with its current process, if it has one.
struct Seat {
    running: Option<Running>,
    clock: ClockFile,
    starts: u64,
    upgrades: u64,
}

struct Running {
    child: Child,
    id: ProcessId,
    /// Held open: the node ends when it is closed.
    _stdin: ChildStdin,
}

#[derive(Deserialize)]
struct Ready {
    client: SocketAddr,
    peer: SocketAddr,
}

/// The bench's own executable, which contains every bundled node. This is the kernel's name for it, which stays the
/// same program when the file is replaced during a run.
pub fn own_executable() -> PathBuf {
    PathBuf::from("/proc/self/exe")
}

impl ProcessArena {
    /// What can be done to processes behind proxies.
    pub fn capabilities() -> Capabilities {
        let links = [Capability::Cut, Capability::Delay, Capability::Loss];
        let nodes = [Capability::Kill, Capability::Pause, Capability::Clock, Capability::Wipe];
        let disks = [Capability::PowerFailure, Capability::SyncErrors, Capability::RottenRows];
        Capabilities::none()
            .with(links.into_iter().chain(nodes).chain([Capability::Membership, Capability::Upgrade]))
            .without(disks, "the disks of processes are real ones: use `dissensus sim`, or kill and wipe")
    }

    /// Starts every node of the system as `executable SUBCOMMAND NAME` (usually [`own_executable`]), with files under
    /// `dir/<node>/`. The thread that calls must outlive the nodes: in a program that is the main thread.
    ///
    /// # Errors
    /// When a proxy, a clock or a node cannot be started; everything that was started is ended again.
    pub async fn start(system: Rc<dyn System>, executable: PathBuf, dir: PathBuf) -> Result<Self, ArenaError> {
        let names = system.nodes();
        let mut arena = Self {
            system,
            executable,
            seats: Vec::new(),
            links: BTreeMap::new(),
            link_addresses: BTreeMap::new(),
            addresses: Addresses::default(),
            names,
            dir,
        };
        for _ in &arena.names {
            let clock = ClockFile::create().map_err(|source| io("cannot make a clock file", source))?;
            arena.seats.push(RefCell::new(Seat { running: None, clock, starts: 0, upgrades: 0 }));
        }
        arena.bind_links().await?;
        // Waits for all of them: a start that is abandoned half way would leave a node running when the error is
        // reported.
        let starts =
            futures::future::join_all((0..arena.names.len()).map(|index| arena.start_node(index, false))).await;
        if let Some(error) = starts.into_iter().find_map(Result::err) {
            arena.stop().await;
            return Err(error);
        }
        Ok(arena)
    }

    /// The nodes' client addresses, kept up to date as nodes start and end.
    pub fn addresses(&self) -> Addresses {
        Addresses::clone(&self.addresses)
    }

    /// Ends every node and waits until it is gone.
    pub async fn stop(self) {
        let all: Vec<usize> = (0..self.names.len()).collect();
        self.kill_nodes(&all).await;
    }

    async fn bind_links(&mut self) -> Result<(), ArenaError> {
        let nodes = self.names.len();
        for from in 0..nodes {
            for to in (0..nodes).filter(|to| *to != from) {
                let bound = LinkProxy::bind().await.map_err(|source| io("cannot open a proxy", source))?;
                self.links.insert((from, to), bound.0);
                self.link_addresses.insert((from, to), bound.1);
            }
        }
        Ok(())
    }

    async fn start_node(&self, index: usize, drop_damaged: bool) -> Result<(), ArenaError> {
        let name = &self.names[index];
        let dir = self.dir.join(name);
        let place = self.place(index, drop_damaged);
        std::fs::create_dir_all(&place.data_dir)
            .map_err(|source| io(&format!("cannot create {}", place.data_dir.display()), source))?;
        let log_path = dir.join("stderr.log");
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log_path)
            .map_err(|source| io(&format!("cannot open {}", log_path.display()), source))?;
        let mut child = self.spawn(name, log)?;
        let ready = tokio::time::timeout(START_TIMEOUT, greet(&mut child, &self.system.options(&place))).await;
        let why = match ready {
            Ok(Ok((ready, stdin))) => return self.seat_node(index, child, stdin, &ready),
            Ok(Err(why)) => why,
            Err(_) => "it did not say where it listens".to_owned(),
        };
        // It may have ended already; when the error is reported, nothing of it must be left.
        let _ = child.kill().await;
        Err(self.not_started(name, &why, &log_path))
    }

    fn data_dir(&self, node: &str) -> PathBuf {
        self.dir.join(node).join("data")
    }

    fn place(&self, index: usize, drop_damaged: bool) -> Place {
        let seat = self.seats[index].borrow();
        let peers = self.link_addresses.iter().filter(|((from, _), _)| *from == index);
        Place {
            index,
            data_dir: self.data_dir(&self.names[index]),
            drop_damaged,
            peers: peers.map(|((_, to), address)| (*to, *address)).collect(),
            clock_fd: seat.clock.fd_number(),
            parent_pid: std::process::id() as i32,
            starts: seat.starts,
            upgrades: seat.upgrades,
        }
    }

    /// A process group of its own keeps an interrupt at the terminal from reaching the nodes before the bench has
    /// healed them.
    fn spawn(&self, name: &str, log: std::fs::File) -> Result<Child, ArenaError> {
        Command::new(&self.executable)
            .arg0("dissensus")
            .arg(self.system.subcommand())
            .arg(name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| io(&format!("cannot start node {name}"), source))
    }

    fn seat_node(&self, index: usize, child: Child, stdin: ChildStdin, ready: &Ready) -> Result<(), ArenaError> {
        let name = &self.names[index];
        let node_error = |why: String| ArenaError::Node { node: name.clone(), why };
        let pid = child.id().ok_or_else(|| node_error("it ended at once".into()))?;
        let id = ProcessId::of(pid).map_err(|error| node_error(error.to_string()))?;
        let mut seat = self.seats[index].borrow_mut();
        seat.running = Some(Running { child, id, _stdin: stdin });
        seat.starts += 1;
        for (_, link) in self.links.iter().filter(|((_, to), _)| *to == index) {
            link.set_target(Some(ready.peer));
        }
        set_address(&self.addresses, name, Some(ready.client));
        Ok(())
    }

    fn not_started(&self, name: &str, why: &str, log: &Path) -> ArenaError {
        let words = last_words(log);
        let why = if words.is_empty() { why.to_owned() } else { words };
        ArenaError::Node { node: name.to_owned(), why }
    }

    /// Signals all of them at once, then waits until each is dead.
    async fn kill_nodes(&self, indices: &[usize]) -> Vec<String> {
        let mut gone = Vec::new();
        let mut problems = Vec::new();
        for &index in indices {
            for (_, link) in self.links.iter().filter(|((_, to), _)| *to == index) {
                link.set_target(None);
            }
            set_address(&self.addresses, &self.names[index], None);
            if let Some(mut running) = self.seats[index].borrow_mut().running.take() {
                match running.child.start_kill() {
                    Ok(()) => gone.push(running),
                    Err(error) => problems.push(format!("{}: {error}", self.names[index])),
                }
            }
        }
        for mut running in gone {
            if let Err(error) = running.child.wait().await {
                problems.push(error.to_string());
            }
        }
        problems
    }

    fn index(&self, node: &str) -> Result<usize, SurfaceError> {
        let found = self.names.iter().position(|name| name == node);
        found.ok_or_else(|| SurfaceError(format!("there is no node {node}")))
    }

    fn link(&self, link: &Link) -> Result<&LinkProxy, SurfaceError> {
        let ends = (self.index(&link.from)?, self.index(&link.to)?);
        self.links.get(&ends).ok_or_else(|| SurfaceError(format!("there is no link {} → {}", link.from, link.to)))
    }

    fn process(&self, node: &str) -> Result<Option<ProcessId>, SurfaceError> {
        let seat = self.seats[self.index(node)?].borrow();
        Ok(seat.running.as_ref().map(|running| running.id))
    }

    fn address(&self, node: &str) -> Result<SocketAddr, SurfaceError> {
        address(&self.addresses, node).ok_or_else(|| SurfaceError(format!("{node} is not running")))
    }

    /// Gives the command through the first running node that accepts it.
    async fn change_membership(&self, node: &str, join: bool) -> Result<(), SurfaceError> {
        self.index(node)?;
        let mut refusal = SurfaceError("no node is running".into());
        for through in &self.names {
            let Ok(address) = self.address(through) else { continue };
            match self.system.change_membership(address, node, join).await {
                Ok(()) => return Ok(()),
                Err(why) => refusal = SurfaceError(format!("{through} said: {why}")),
            }
        }
        Err(refusal)
    }

    fn live_process(&self, node: &str) -> Result<ProcessId, SurfaceError> {
        self.process(node)?.ok_or_else(|| SurfaceError(format!("{node} is not running")))
    }
}

impl Surface for ProcessArena {
    fn nodes(&self) -> Vec<String> {
        self.names.clone()
    }

    fn capabilities(&self) -> Capabilities {
        Self::capabilities()
    }

    fn set_link<'a>(&'a self, link: &'a Link, rule: LinkRule) -> SurfaceFuture<'a, ()> {
        Box::pin(async move {
            self.link(link)?.set_rule(rule);
            Ok(())
        })
    }

    fn link_statistics<'a>(&'a self, link: &'a Link) -> SurfaceFuture<'a, LinkStatistics> {
        Box::pin(async move { Ok(self.link(link)?.statistics()) })
    }

    fn kill<'a>(&'a self, nodes: &'a [String]) -> SurfaceFuture<'a, ()> {
        Box::pin(async move {
            let indices = nodes.iter().map(|node| self.index(node)).collect::<Result<Vec<_>, _>>()?;
            let problems = self.kill_nodes(&indices).await;
            if problems.is_empty() { Ok(()) } else { Err(SurfaceError(problems.join("; "))) }
        })
    }

    fn restart<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        Box::pin(async move {
            let index = self.index(node)?;
            self.start_node(index, false).await.map_err(|error| SurfaceError(error.to_string()))
        })
    }

    fn wipe<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        Box::pin(async move {
            if self.process(node)?.is_some() {
                return Err(SurfaceError(format!("{node} is running: its disk cannot be touched")));
            }
            match std::fs::remove_dir_all(self.data_dir(node)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(surface(error)),
                _ => Ok(()),
            }
        })
    }

    fn restart_without_damaged<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        Box::pin(async move {
            let index = self.index(node)?;
            self.start_node(index, true).await.map_err(|error| SurfaceError(error.to_string()))
        })
    }

    fn disk_statistics<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, DiskStatistics> {
        Box::pin(async move {
            self.index(node)?;
            let bytes = bytes_under(&self.data_dir(node)).map_err(surface)?;
            Ok(DiskStatistics { bytes, ..DiskStatistics::default() })
        })
    }

    fn upgrade<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        Box::pin(async move {
            let mut seat = self.seats[self.index(node)?].borrow_mut();
            if seat.upgrades >= self.system.upgrades_max() {
                return Err(SurfaceError(format!("{node} speaks the newest version already: start with an older one")));
            }
            seat.upgrades += 1;
            Ok(())
        })
    }

    fn protocol_version<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, u64> {
        Box::pin(async move {
            let address = self.address(node)?;
            self.system.protocol_version(address).await.map_err(SurfaceError)
        })
    }

    fn join<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        Box::pin(self.change_membership(node, true))
    }

    fn leave<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        Box::pin(self.change_membership(node, false))
    }

    fn members<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, Membership> {
        Box::pin(async move { self.system.members(self.address(node)?).await.map_err(SurfaceError) })
    }

    fn pause<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        Box::pin(async move { self.live_process(node)?.stop().await.map_err(surface) })
    }

    fn resume<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        Box::pin(async move { self.live_process(node)?.cont().await.map_err(surface) })
    }

    fn process_state<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ProcessState> {
        Box::pin(async move {
            match self.process(node)? {
                Some(process) => process.state().map_err(surface),
                None => Ok(ProcessState::Dead),
            }
        })
    }

    fn set_clock<'a>(&'a self, node: &'a str, setting: ClockSetting) -> SurfaceFuture<'a, ()> {
        Box::pin(async move { self.seats[self.index(node)?].borrow().clock.set(setting).map_err(surface) })
    }

    fn believed_offset_ms<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, i64> {
        Box::pin(async move {
            let address = self.address(node)?;
            let before = wall_ns();
            let believed = self.system.believed_wall_ns(address).await.map_err(SurfaceError)?;
            let true_ns = i128::midpoint(before, wall_ns());
            i64::try_from((believed - true_ns) / 1_000_000).map_err(surface)
        })
    }
}

/// Gives a child its options and waits until it reports its addresses.
async fn greet(child: &mut Child, options: &str) -> Result<(Ready, ChildStdin), String> {
    let mut stdin = child.stdin.take().ok_or("it has no standard input")?;
    let stdout = child.stdout.take().ok_or("it has no standard output")?;
    let written = stdin.write_all(format!("{options}\n").as_bytes()).await;
    written.map_err(|error| format!("it could not be given its options: {error}"))?;
    let mut line = String::new();
    let read = BufReader::new(stdout).read_line(&mut line).await;
    match read.map_err(|error| error.to_string())? {
        0 => Err("it ended at once".into()),
        _ => {
            let ready = serde_json::from_str(&line).map_err(|error| format!("it said {line:?}: {error}"))?;
            Ok((ready, stdin))
        }
    }
}

/// The last line that a node wrote to its log.
fn last_words(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text[text.len().saturating_sub(LAST_WORDS_BYTES_MAX)..]).into_owned();
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().to_owned()
}

/// The disk of a process is the machine's, into which the bench cannot inject faults.
/// Bytes of the files in a directory and below it; none where there is no directory.
fn bytes_under(dir: &Path) -> std::io::Result<u64> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut bytes = 0;
    for entry in entries {
        let entry = entry?;
        let is_dir = entry.file_type()?.is_dir();
        bytes += if is_dir { bytes_under(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}

fn wall_ns() -> i128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i128)
}

fn io(what: &str, source: std::io::Error) -> ArenaError {
    ArenaError::Io { what: what.to_owned(), source }
}

fn surface(error: impl std::fmt::Display) -> SurfaceError {
    SurfaceError(error.to_string())
}
