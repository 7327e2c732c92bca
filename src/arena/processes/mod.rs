//! The arena of processes: each node a child process of the bench, whatever program it is.
//!
//! ```text
//!   bench ─┬─ n1   a Launch says how ([`crate::arena::launch`]), `start.rs` does it
//!          ├─ n2   `links.rs`: how nodes reach each other; `clocks.rs`, `disks.rs`: what is done to those
//!          └─ ...  `seats.rs`: what stays of a node while its processes come and go
//! ```
//! Bundled nodes take ports that the kernel chooses and print them, so there is no race for them. A child dies with the
//! bench, however the bench ends: the kernel kills it when the thread that started it is gone (which is why children
//! are started only from the main thread); bundled nodes end by themselves as well when their standard input is closed.

pub mod bound;
pub mod clocks;
pub mod disks;
pub mod links;

mod error;
mod programs;
mod seats;
mod start;
mod surface;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use nemesis::backend::process::ProcessId;
use nemesis::fault::Link;
use nemesis::surface::SurfaceError;
use nix::sys::signal::Signal;

use crate::arena::addresses::Addresses;
use crate::arena::launch::Place;
use crate::systems::system::System;
use clocks::{ClockFiles, Clocks, MachineClock};
use disks::{Directories, Disks};
use error::io;
use links::{Links, Proxies};
use seats::{Running, Seat, kill_group};
use start::{Serves, Start};

pub use error::ArenaError;
pub use programs::NotInstalled;

/// How long a node may take to obey the signal that ends it at the end of a run; then it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(5);

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
    addresses: Addresses,
}

/// The bench's own executable, which contains every bundled node. This is the kernel's name for it, which stays the
/// same program when the file is replaced during a run.
pub fn own_executable() -> PathBuf {
    PathBuf::from("/proc/self/exe")
}

impl ProcessArena {
    /// Starts every node of the system, with files under `dir/<node>/`. Bundled nodes are in `own_executable` (usually
    /// [`own_executable()`]). The thread that calls must outlive the nodes: in a program that is the main thread.
    ///
    /// # Errors
    /// When a proxy, a clock or a node cannot be started; everything that was started is ended again.
    pub async fn start(system: Rc<dyn System>, own_executable: PathBuf, dir: PathBuf) -> Result<Self, ArenaError> {
        let names = system.nodes();
        let links = Proxies::bind(names.len()).await.map_err(|source| io("cannot open a proxy", source))?;
        let clocks: Box<dyn Clocks> = match system.clock() {
            None => Box::new(MachineClock),
            Some(_) => {
                let files = ClockFiles::create(names.len());
                Box::new(files.map_err(|source| io("cannot make a clock file", source))?)
            }
        };
        let seat = |(index, name): (usize, &String)| Seat::new(name.clone(), links.ports(index));
        let arena = Self {
            seats: names.iter().enumerate().map(seat).collect(),
            links: Box::new(links),
            clocks,
            disks: Box::new(Directories::below(dir.clone())),
            addresses: Addresses::default(),
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
        futures::future::join_all(leaving.into_iter().map(stop_process)).await;
    }

    async fn start_node(&self, index: usize, drop_damaged: bool) -> Result<(), ArenaError> {
        let seat = &self.seats[index];
        let place = self.place(index, drop_damaged);
        self.disks
            .prepare(&seat.name)
            .map_err(|source| io(&format!("cannot create {}", place.data_dir.display()), source))?;
        let launch = self.system.launch(&place);
        let launch = launch.map_err(|error| ArenaError::Node { node: seat.name.clone(), why: error.to_string() })?;
        let start = Start {
            node: &seat.name,
            log: self.dir.join(&seat.name).join("stderr.log"),
            own_executable: &self.own_executable,
            launch: &launch,
        };
        let (running, serves) = start.until_ready().await?;
        self.seat(index, running, serves);
        Ok(())
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
            parent_pid: std::process::id() as i32,
            starts: seat.starts(),
            upgrades: seat.upgrades(),
        }
    }

    fn seat(&self, index: usize, running: Running, serves: Serves) {
        self.seats[index].take(running);
        self.links.moved(index, serves.peer);
        self.addresses.set(&self.names[index], Some(serves.client));
    }

    /// The node is reached no more; its process, if it had one.
    fn vacate(&self, index: usize) -> Option<Running> {
        self.links.moved(index, None);
        self.addresses.set(&self.names[index], None);
        self.seats[index].leave()
    }

    /// Signals all of them at once, then waits until each is dead.
    async fn kill_nodes(&self, indices: &[usize]) -> Vec<String> {
        let mut gone = Vec::new();
        let mut problems = Vec::new();
        for &index in indices {
            let Some(running) = self.vacate(index) else { continue };
            match kill_group(&running.child) {
                Ok(()) => gone.push(running),
                Err(error) => problems.push(format!("{}: {error}", self.names[index])),
            }
        }
        for mut running in gone {
            if let Err(error) = running.child.wait().await {
                problems.push(error.to_string());
            }
        }
        problems
    }

    /// Gives the command through the first running node that accepts it.
    async fn change_membership(&self, node: &str, join: bool) -> Result<(), SurfaceError> {
        self.index(node)?;
        let members = self.system.membership().ok_or_else(|| self.cannot("let nodes join and leave"))?;
        let mut refusal = SurfaceError("no node is running".into());
        for through in &self.names {
            let Ok(address) = self.address(through) else { continue };
            match members.change(address, node, join).await {
                Ok(()) => return Ok(()),
                Err(why) => refusal = SurfaceError(format!("{through} said: {why}")),
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

    fn ends(&self, link: &Link) -> Result<(usize, usize), SurfaceError> {
        Ok((self.index(&link.from)?, self.index(&link.to)?))
    }

    fn process(&self, node: &str) -> Result<Option<ProcessId>, SurfaceError> {
        Ok(self.seats[self.index(node)?].process())
    }

    fn live_process(&self, node: &str) -> Result<ProcessId, SurfaceError> {
        self.process(node)?.ok_or_else(|| SurfaceError(format!("{node} is not running")))
    }

    fn address(&self, node: &str) -> Result<SocketAddr, SurfaceError> {
        self.addresses.of(node).ok_or_else(|| SurfaceError(format!("{node} is not running")))
    }
}

/// Ends a process with its own signal, and kills it if it takes too long. One that has ended already needs neither.
async fn stop_process(mut running: Running) {
    if running.stop_signal != Signal::SIGKILL && running.id.send(running.stop_signal).is_ok() {
        let ended = tokio::time::timeout(STOP_LIMIT, running.child.wait()).await;
        if ended.is_ok() {
            return;
        }
    }
    let _ = kill_group(&running.child);
    let _ = running.child.kill().await;
}
