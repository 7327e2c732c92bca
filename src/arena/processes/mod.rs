//! The arena of processes: each node a child process of the bench, whatever program it is.
//!
//! ```text
//!   bench ─┬─ n1   a Launch says how ([`crate::arena::launch`]), `start.rs` does it
//!          ├─ n2   `links.rs`: how nodes reach each other; `clocks.rs`, `disks.rs`: what is done to those
//!          │       `switched.rs`, `failing_disks.rs`: the same of nodes in namespaces of their own; where there is
//!          │       no FUSE, `reported_disks.rs`; `under.rs`: the one listener that clocks and such disks share;
//!          │       `carried.rs`: of nodes that know no network
//!          └─ ...  `seats.rs`: what stays of a node while its processes come and go
//! ```
//! Bundled nodes take ports that the kernel chooses and print them, so there is no race for them. A child dies with the
//! bench, however the bench ends: the kernel kills it when the thread that started it is gone (which is why children
//! are started only from the main thread); bundled nodes end by themselves as well when their standard input is closed.
//! Nodes in namespaces have a first process of the bench's, which ends with the bench and takes all others along.

pub mod bound;
pub mod carried;
pub mod clocks;
pub mod disks;
pub mod links;
pub mod programs;

mod error;
mod failing_disks;
mod limits;
mod reported_disks;
mod running;
mod seats;
mod stand_in_clocks;
mod start;
mod surface;
mod switched;
mod under;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use nemesis::Capability;
use nemesis::fault::{CLIENTS, Link};
use nemesis::surface::SurfaceError;
use program_clock::{DiskReach, Supervisor};

use crate::arena::addresses::Addresses;
use crate::arena::launch::{Launch, Place};
use crate::systems::system::{Answer, System};
use carried::Carried;
use clocks::{ClockFiles, Clocks, MachineClock};
use disks::{Directories, Disks};
use error::io;
use failing_disks::FailingDisks;
use limits::Usage;
use links::{End, Links, Proxies};
use reported_disks::ReportedDisks;
use running::{Handle, Running};
use seats::Seat;
use stand_in_clocks::StandInClocks;
use start::{Serves, Start};
use switched::Switched;
use under::UnderListener;

pub use error::ArenaError;
pub use programs::NotInstalled;
pub use stand_in_clocks::{CLOCK_COMMAND, say_time};

/// Every packet between nodes in namespaces, with the faults as comments, in the run's directory.
const TRACE: &str = "trace.pcapng";

/// The process that starts a node's program, as the node sees it in its PID namespace.
const FIRST_PID: i32 = 1;

/// How long a node may take to answer the bench itself. A node may hang, and a change of members be lost on its way without
/// a word: neither must hold up all other faults.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// An answer to the bench itself, or that there was none in time.
async fn answered<T>(answer: Answer<'_, T>) -> Result<T, SurfaceError> {
    match tokio::time::timeout(ANSWER_LIMIT, answer).await {
        Ok(answer) => answer.map_err(SurfaceError),
        Err(_) => Err(SurfaceError(format!("no answer within {} s", ANSWER_LIMIT.as_secs()))),
    }
}

/// Where the nodes of an arena live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ground {
    /// As processes like any, on the loopback interface, with a proxy for each link.
    #[default]
    Machine,
    /// Each in network, PID and mount namespaces of its own, joined by a switch. The bench must be in a user namespace.
    Namespaces {
        /// What is done to their disks.
        disks: DisksBy,
    },
}

/// By what the disks of nodes in namespaces are made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisksBy {
    /// A file system of the bench's below each data directory, by FUSE: every fault of disks.
    FileSystem,
    /// A listener to which the kernel reports these calls: they can fail, and syncs can be late.
    Listener(DiskReach),
    /// Nothing: this machine allows neither.
    Nothing,
}

impl DisksBy {
    /// The best of them that this machine allows.
    pub fn probe() -> Self {
        match std::fs::File::options().read(true).write(true).open("/dev/fuse") {
            Ok(_) => DisksBy::FileSystem,
            Err(_) if Supervisor::is_possible().is_ok() => DisksBy::Listener(DiskReach::ALL),
            Err(_) => DisksBy::Nothing,
        }
    }
}

impl Ground {
    /// The same for a run that needs no more than this: what is reported is chosen when a program starts, and slows it
    /// down, whether or not anything comes of it.
    #[must_use]
    pub fn for_needs(self, needs: &BTreeSet<Capability>) -> Self {
        let Ground::Namespaces { disks: DisksBy::Listener(can) } = self else { return self };
        let reads = can.reads && needs.contains(&Capability::ReadErrors);
        let writes = can.writes && needs.contains(&Capability::WriteErrors);
        let of_syncs = [Capability::SyncErrors, Capability::SlowDisk];
        let syncs = can.syncs && of_syncs.iter().any(|need| needs.contains(need));
        Ground::Namespaces { disks: DisksBy::Listener(DiskReach { reads, writes, syncs }) }
    }
}

/// A running cluster of processes.
pub struct ProcessArena {
    system: Rc<dyn System>,
    own_executable: PathBuf,
    names: Vec<String>,
    dir: PathBuf,
    seats: Vec<Seat>,
    links: Box<dyn Links>,
    clocks: Box<dyn Clocks>,
    disks: Box<dyn Disks>,
    /// Puts programs under their clocks and disks, where those need it.
    supervisor: Option<Rc<Supervisor>>,
    addresses: Addresses,
    usage: Usage,
    ground: Ground,
}

/// The bench's own executable, which contains every bundled node. This is the kernel's name for it, which stays the
/// same program when the file is replaced during a run.
pub fn own_executable() -> PathBuf {
    PathBuf::from("/proc/self/exe")
}

/// The clocks of the system's nodes. Where programs cannot be put under clocks, only faults of clocks need them: those say why
/// they are not possible.
fn clocks(
    system: &dyn System,
    supervisor: Result<&Rc<Supervisor>, String>,
    own_executable: &Path,
) -> Result<Box<dyn Clocks>, ArenaError> {
    let nodes = system.nodes().len();
    if system.clock().is_some() {
        let files = ClockFiles::create(nodes);
        return Ok(Box::new(files.map_err(|source| io("cannot make a clock file", source))?));
    }
    let stand_in = supervisor.and_then(|supervisor| {
        StandInClocks::create(nodes, Rc::clone(supervisor), own_executable.to_owned()).map_err(|why| why.to_string())
    });
    Ok(match stand_in {
        Ok(clocks) => Box::new(clocks),
        Err(why) => Box::new(MachineClock(why)),
    })
}

/// Who puts programs under clocks and disks; or why nobody does.
fn supervisor(system: &dyn System, ground: Ground) -> Result<Rc<Supervisor>, String> {
    let is_for_disks = |disks| matches!(disks, DisksBy::Listener(reach) if reach.is_any());
    match ground {
        Ground::Machine => Err("that needs --net netns".into()),
        Ground::Namespaces { disks } if system.clock().is_none() || is_for_disks(disks) => {
            Supervisor::start().map(Rc::new).map_err(|why| why.to_string())
        }
        Ground::Namespaces { .. } => Err("nothing needs it".into()),
    }
}

/// The network between the system's nodes; what is recorded of it goes into this directory.
async fn links(system: &dyn System, records: &Path, ground: Ground, seed: u64) -> Result<Box<dyn Links>, ArenaError> {
    let (nodes, carrier) = (system.nodes().len(), system.carrier());
    let links: Box<dyn Links> = match ground {
        Ground::Machine => {
            // Nodes whose messages are carried dial nobody.
            let dialling = if carrier.is_some() { 0 } else { nodes };
            Box::new(Proxies::bind(dialling).await.map_err(|source| io("cannot open a proxy", source))?)
        }
        Ground::Namespaces { .. } => {
            let switched = Switched::start(nodes, seed).map_err(ArenaError::Network)?;
            switched.trace(&records.join(TRACE)).map_err(|error| ArenaError::Trace(error.to_string()))?;
            Box::new(switched)
        }
    };
    Ok(match carrier {
        Some(carrier) => Box::new(Carried::over(links, carrier)),
        None => links,
    })
}

impl ProcessArena {
    /// Starts every node of the system, with files under `dir/<node>/`. Bundled nodes are in `own_executable` (usually
    /// [`own_executable()`]). The thread that calls must outlive the nodes: in a program that is the main thread.
    ///
    /// # Errors
    /// When a proxy, a clock or a node cannot be started; everything that was started is ended again.
    pub async fn start(
        system: Rc<dyn System>,
        own_executable: PathBuf,
        dir: PathBuf,
        ground: Ground,
        seed: u64,
    ) -> Result<Self, ArenaError> {
        let names = system.nodes();
        let links = links(&*system, dir.parent().unwrap_or(&dir), ground, seed).await?;
        let supervisor = supervisor(&*system, ground);
        let clocks = clocks(&*system, supervisor.as_ref().map_err(String::clone), &own_executable)?;
        let directories = Directories::below(dir.clone());
        let disks: Box<dyn Disks> = match ground {
            Ground::Namespaces { disks: DisksBy::FileSystem } => Box::new(FailingDisks::at(directories, seed)),
            Ground::Namespaces { disks: DisksBy::Listener(reach) } if reach.is_any() => {
                Box::new(ReportedDisks::at(directories, reach, seed))
            }
            _ => Box::new(directories),
        };
        let seat = |(index, name): (usize, &String)| Seat::new(name.clone(), links.ports(index));
        let arena = Self {
            seats: names.iter().enumerate().map(seat).collect(),
            links,
            clocks,
            disks,
            supervisor: supervisor.ok(),
            addresses: Addresses::default(),
            usage: Usage::default(),
            ground,
            system,
            own_executable,
            names,
            dir,
        };
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
        self.addresses.clone()
    }

    /// Ends every node, each as its [`crate::arena::launch::Launch`] says, and waits until it is gone.
    pub async fn stop(self) {
        let mut leaving = Vec::new();
        for index in 0..self.names.len() {
            leaving.extend(self.vacate(index));
        }
        futures::future::join_all(leaving.into_iter().map(Running::end)).await;
    }

    async fn start_node(&self, index: usize, drop_damaged: bool) -> Result<(), ArenaError> {
        self.take_in(index).await?;
        let launch = self.launch(index, drop_damaged)?;
        let (running, handle, serves) = self.start_of(index, &launch)?.until_ready().await?;
        self.seat(index, running, handle, serves);
        Ok(())
    }

    /// Tells the cluster that a new member takes a vacant seat.
    async fn take_in(&self, index: usize) -> Result<(), ArenaError> {
        let (seat, place) = (&self.seats[index], self.place(index, false));
        let Some(replaces) = self.system.replaces().filter(|_| seat.is_vacant()) else { return Ok(()) };
        let taken_in = self.through_any(|through| replaces.take_in(through, &place)).await;
        taken_in.map_err(|SurfaceError(why)| ArenaError::Node {
            node: seat.name.clone(),
            why: format!("the cluster does not take in a new member in its place: {why}"),
        })?;
        seat.occupy();
        Ok(())
    }

    /// How the node is started this time. Each start is another one.
    fn launch(&self, index: usize, drop_damaged: bool) -> Result<Launch, ArenaError> {
        let seat = &self.seats[index];
        let place = self.place(index, drop_damaged);
        self.disks
            .prepare(&seat.name)
            .map_err(|source| io(&format!("cannot create {}", place.data_dir.display()), source))?;
        let launch = self.system.launch(&place);
        seat.count_start();
        launch.map_err(|error| ArenaError::Node { node: seat.name.clone(), why: error.to_string() })
    }

    fn start_of<'a>(&'a self, index: usize, launch: &'a Launch) -> Result<Start<'a>, ArenaError> {
        let node = &self.seats[index].name;
        let namespace = self.links.namespace(index);
        Ok(Start {
            node,
            log: self.dir.join(node).join("stderr.log"),
            own_executable: &self.own_executable,
            launch,
            namespace: namespace.map_err(|source| io(&format!("cannot enter the network of {node}"), source))?,
            under: self.under(index)?,
            carrier: self.system.carrier().map(|carrier| (carrier, index)),
        })
    }

    /// What puts the node's program under its clock and its disk; none where neither needs it.
    fn under(&self, index: usize) -> Result<Option<UnderListener>, ArenaError> {
        let node = &self.seats[index].name;
        let under =
            UnderListener::new(self.supervisor.as_deref(), self.clocks.stand_in(index), self.disks.reported(node));
        under.map_err(|source| io(&format!("cannot put {node} under its clock and disk"), source))
    }

    fn place(&self, index: usize, drop_damaged: bool) -> Place {
        let seat = &self.seats[index];
        Place {
            index,
            name: seat.name.clone(),
            host: self.links.host(index),
            ports: seat.ports.clone(),
            peers: self.links.peers(index),
            data_dir: self.disks.path(&seat.name),
            drop_damaged,
            clock_fd: self.clocks.inherited(index),
            parent_pid: if self.is_contained() { FIRST_PID } else { std::process::id() as i32 },
            starts: seat.starts(),
            upgrades: seat.upgrades(),
            replacements: seat.replacements(),
        }
    }

    /// Whether nodes live in namespaces of their own.
    fn is_contained(&self) -> bool {
        matches!(self.ground, Ground::Namespaces { .. })
    }

    fn seat(&self, index: usize, running: Running, handle: Handle, serves: Serves) {
        self.seats[index].take(running, handle);
        self.links.moved(index, serves.peer);
        self.addresses.set(&self.names[index], serves.client);
    }

    /// The node is reached no more; its process, if it had one.
    fn vacate(&self, index: usize) -> Option<Running> {
        self.links.moved(index, None);
        self.addresses.set(&self.names[index], None);
        self.seats[index].leave()
    }

    /// Kills all of them at once; returns what went wrong when each is dead.
    async fn kill_nodes(&self, indices: &[usize]) -> Vec<String> {
        let leaving = indices.iter().filter_map(|&index| Some((index, self.vacate(index)?)));
        let killed = leaving.map(async |(index, running)| (index, running.kill().await));
        let killed = futures::future::join_all(killed).await;
        killed
            .into_iter()
            .filter_map(|(index, killed)| Some(format!("{}: {}", self.names[index], killed.err()?)))
            .collect()
    }

    async fn change_membership(&self, node: &str, join: bool) -> Result<(), SurfaceError> {
        self.index(node)?;
        let members = self.system.membership().ok_or_else(|| self.cannot("let nodes join and leave"))?;
        self.through_any(|through| members.change(through, node, join)).await
    }

    /// Gives a command through the first running node that accepts it.
    async fn through_any<'c>(&self, command: impl Fn(SocketAddr) -> Answer<'c, ()>) -> Result<(), SurfaceError> {
        let mut refusal = SurfaceError("no node is running".into());
        for through in &self.names {
            let Ok(address) = self.address(through) else { continue };
            match answered(command(address)).await {
                Ok(()) => return Ok(()),
                Err(SurfaceError(why)) => refusal = SurfaceError(format!("{through} said: {why}")),
            }
        }
        Err(refusal)
    }

    fn cannot(&self, what: &str) -> SurfaceError {
        SurfaceError(format!("the bench does not know how to {what} in {}", self.system.name()))
    }

    fn index(&self, node: &str) -> Result<usize, SurfaceError> {
        let found = self.names.iter().position(|name| name == node);
        found.ok_or_else(|| SurfaceError(format!("there is no node {node}")))
    }

    fn ends(&self, link: &Link) -> Result<(End, End), SurfaceError> {
        let end = |name: &String| if name == CLIENTS { Ok(End::Clients) } else { self.index(name).map(End::Node) };
        Ok((end(&link.from)?, end(&link.to)?))
    }

    fn handle(&self, node: &str) -> Result<Option<Handle>, SurfaceError> {
        Ok(self.seats[self.index(node)?].handle())
    }

    fn live_handle(&self, node: &str) -> Result<Handle, SurfaceError> {
        self.handle(node)?.ok_or_else(|| SurfaceError(format!("{node} is not running")))
    }

    fn check_dead(&self, node: &str) -> Result<(), SurfaceError> {
        match self.handle(node)? {
            Some(_) => Err(SurfaceError(format!("{node} is running: its disk cannot be touched"))),
            None => Ok(()),
        }
    }

    fn address(&self, node: &str) -> Result<SocketAddr, SurfaceError> {
        self.addresses.of(node).ok_or_else(|| SurfaceError(format!("{node} is not running")))
    }
}
