//! What the bench has to know of a store: how its nodes are started, how a client talks to them, and what a
//! configuration promises. What not every store can do is a capability, absent unless a system has it; the bench then
//! leaves out what would need it, or refuses it by name.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use checker::{CheckName, Claim, ConcurrentWrites};
use futures::future::LocalBoxFuture;
use nemesis::surface::{Membership, Surface};
use nemesis::{Capabilities, CommandOffer, Layout, Spares};
use tokio::net::TcpStream;
use workloads::Client;
use workloads::clock::Clock;

use crate::arena::addresses::Addresses;
use crate::arena::command::{CommandLine, CommandStep};
use crate::arena::launch::{Launch, LaunchError, Place, Program};
use crate::arena::processes::carried::Carrier;

/// How long a node may take when it is asked how it is.
const STATUS_LIMIT: Duration = Duration::from_secs(2);

/// What a node answers to the bench itself; an error says in words what went wrong.
pub type Answer<'a, T> = LocalBoxFuture<'a, Result<T, String>>;

/// What a node says of itself, or that it has not said it in time.
///
/// # Errors
/// In words.
pub async fn answered_in_time(asked: impl Future<Output = Result<String, String>>) -> Result<String, String> {
    let said = tokio::time::timeout(STATUS_LIMIT, asked).await;
    said.map_err(|_| format!("no answer within {} s", STATUS_LIMIT.as_secs()))?
}

/// A configured store.
pub trait System {
    /// As at the command line.
    fn name(&self) -> &'static str;
    /// The nodes' names, in order.
    fn nodes(&self) -> Vec<String>;
    /// How the node in this place is started.
    ///
    /// # Errors
    /// When it cannot be started there.
    fn launch(&self, place: &Place) -> Result<Launch, LaunchError>;
    /// A client of the whole cluster.
    fn client(&self, addresses: Addresses) -> Box<dyn Client>;
    /// Whether its client can do this function of this workload.
    fn can(&self, workload: &str, f: &str) -> bool;
    /// What this configuration promises.
    fn claims(&self) -> Claims;
    /// Phrases of lines in a node's log that report an error and are normal under faults; see [`checker::run::logs`].
    fn expected_in_logs(&self) -> Vec<&str>;

    /// The programs that a run of it starts, with those that nodes are upgraded to.
    fn programs(&self) -> Vec<Program> {
        Vec::new()
    }
    /// Its nodes must each have an address of their own, as they tell each other one address for all.
    fn needs_addresses(&self) -> bool {
        false
    }
    /// Its nodes know no network: the system carries their messages. Then a [`Launch`] of it is ready when the carrier says
    /// so.
    fn carrier(&self) -> Option<Rc<dyn Carrier>> {
        None
    }
    /// Its nodes read the clock file that they inherit, and say what time they believe it is.
    fn clock(&self) -> Option<&dyn BelievedClock> {
        None
    }
    /// Nodes join and leave while the cluster runs.
    fn membership(&self) -> Option<&dyn Members> {
        None
    }
    /// A node can be started again as the next version.
    fn upgrades(&self) -> Option<&dyn Upgrades> {
        None
    }
    /// Its members have identities: a node whose disk is lost is replaced by a new member.
    fn replaces(&self) -> Option<&dyn Replaces> {
        None
    }
    /// Which nodes share a data centre and which hold a key, from the start and until members change; nothing if that is not
    /// known.
    fn layout(&self) -> Layout {
        Layout::default()
    }
    /// The nodes say who holds a key.
    fn owners(&self) -> Option<&dyn Owners> {
        None
    }
    /// Its nodes run already: the bench only reaches them.
    fn attached(&self) -> Option<&dyn Attached> {
        None
    }
    /// The whole cluster can live in virtual time.
    fn simulated(&self) -> Option<&dyn Simulated> {
        None
    }

    /// A node's address as a person would use it.
    fn shown(&self, address: SocketAddr) -> String {
        address.to_string()
    }
    /// What a node says of itself, in a line.
    fn status(&self, address: SocketAddr) -> Answer<'_, String> {
        Box::pin(async move {
            match tokio::time::timeout(STATUS_LIMIT, TcpStream::connect(address)).await {
                Ok(Ok(_)) => Ok("accepts connections".into()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err(format!("no connection within {} s", STATUS_LIMIT.as_secs())),
            }
        })
    }
    /// A command that a person can try on a node at this address.
    fn example(&self, _address: SocketAddr) -> Option<String> {
        None
    }
}

/// Nodes whose clock the bench can bend, as they read a file for it.
pub trait BelievedClock {
    /// The wall clock time that the node at this address believes it is, ns since the Unix epoch.
    fn believed_wall_ns(&self, address: SocketAddr) -> Answer<'_, i128>;
}

/// A cluster whose members change.
pub trait Members {
    /// Which nodes are no members at first, and how few members there may be.
    fn spares(&self) -> Spares;
    /// Commands, through the node at this address, that a node join or leave; returns when that is on record.
    fn change<'a>(&'a self, through: SocketAddr, node: &'a str, join: bool) -> Answer<'a, ()>;
    /// Who is a member, as the node at this address reports it.
    fn members(&self, address: SocketAddr) -> Answer<'_, Membership>;
}

/// Nodes that have versions.
pub trait Upgrades {
    /// How often a node can be upgraded, from the version that it is first started with.
    fn upgrades_max(&self) -> u64;
    /// The version that the node at this address says it is.
    fn version(&self, address: SocketAddr) -> Answer<'_, u64>;
}

/// Members that do not come back without their disks.
pub trait Replaces {
    /// Which member the node at this address says it is.
    fn member(&self, address: SocketAddr) -> Answer<'_, u64>;
    /// Removes the member that was in this place, if it still is one, and adds a new one; through the node at this address.
    /// Returns when that is on record. Doing it again changes nothing.
    fn take_in<'a>(&'a self, through: SocketAddr, place: &'a Place) -> Answer<'a, ()>;
}

/// Keys that live on some of the nodes.
pub trait Owners {
    /// The nodes that hold a key, as the node at this address reports it; the first is the one asked first.
    fn owners<'a>(&'a self, address: SocketAddr, key: &'a str) -> Answer<'a, Vec<String>>;
}

/// A cluster that runs already, wherever it is.
pub trait Attached {
    /// Where each node serves clients, host and port, in the order of the nodes.
    fn addresses(&self) -> Vec<String>;
    /// The faults that its user has described by commands.
    fn faults(&self) -> Vec<CommandOffer>;
    /// The command that takes this step of such a fault on a node, or on all of its nodes; none if there is no such fault or
    /// node.
    fn command(&self, fault: &str, step: CommandStep, nodes: &[String]) -> Option<CommandLine>;
}

/// A cluster that can live in virtual time.
pub trait Simulated {
    /// What can be done to it there.
    fn capabilities(&self) -> Capabilities;
    /// Starts the whole cluster on empty disks.
    ///
    /// # Errors
    /// When its settings cannot work.
    fn start(&self) -> Result<Box<dyn Simulation>, String>;
}

/// A cluster in virtual time.
pub trait Simulation {
    /// Through which faults are injected.
    fn surface(&self) -> &dyn Surface;
    /// The virtual time.
    fn clock(&self) -> &dyn Clock;
    /// A client of the whole cluster.
    fn client(&self) -> Box<dyn Client>;
    /// Runs a future to its end, letting virtual time pass whenever it waits.
    ///
    /// # Panics
    /// When it waits for something that can never happen: a defect of the bench, not of the cluster.
    fn block_on(&self, future: LocalBoxFuture<'_, ()>);
    /// What has happened so far.
    fn trace(&self) -> Trace;
}

/// The trace of a simulated run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    /// A hash that is equal for equal runs.
    pub hash: u64,
    /// Events of the simulated world.
    pub events: u64,
    /// Virtual time from the first event to the last.
    pub simulated: Duration,
}

/// What a configuration of a system promises.
#[derive(Clone, Debug)]
pub struct Claims {
    /// What is claimed, each with its reason.
    pub claims: Vec<Claim>,
    /// Why these and no others, in a sentence or two.
    pub note: String,
    /// What becomes of concurrent writes.
    pub concurrent_writes: ConcurrentWrites,
    /// How many nodes have to run for it to serve anything: with fewer nothing can succeed, whatever is claimed.
    pub nodes_to_serve: usize,
}

impl Claims {
    /// How a history is to be judged by these claims, and those required beyond.
    pub fn judged_by(&self, required: &[CheckName]) -> checker::Claims {
        let required = checker::Claims::of_all(required.iter().copied(), "it was required of the run").claims;
        checker::Claims {
            claims: self.claims.iter().cloned().chain(required).collect(),
            concurrent_writes: self.concurrent_writes,
            nodes_to_serve: self.nodes_to_serve,
            ..checker::Claims::default()
        }
    }
}
