//! The arena of a cluster that runs already, somewhere: nothing is started, stopped or looked into. What can be done to it
//! is what its user has described by commands.
//!
//! ```text
//!   clients ───────────────────────────► nodes, at the addresses that the user names
//!   nemesis ─► mod.rs ─► orders.rs ─► keeper.rs, a process beside the bench ─► run.rs: begin, measure, end
//! ```

pub mod keeper;

mod orders;
mod run;

use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use nemesis::surface::{CommandReading, Surface, SurfaceError, SurfaceFuture};
use nemesis::{Capabilities, Capability, CommandOffer};
use tokio::net::{TcpStream, lookup_host};

use crate::arena::addresses::Addresses;
use crate::arena::command::{CommandLine, CommandStep};
use crate::systems::system::{Attached, System};
use keeper::Debt;
use orders::Orders;
use run::Ended;

/// A node has to accept a connection within this time before a run.
const REACH_LIMIT: Duration = Duration::from_secs(10);

/// The cluster cannot be attached.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// Its system has to be started.
    #[error("there is no cluster to attach")]
    NothingRuns,
    /// A node is not where it was said to be.
    #[error("{node} does not accept connections at {address}: {why}")]
    Unreachable {
        /// The node.
        node: String,
        /// Where it was said to be.
        address: String,
        /// Why not.
        why: String,
    },
    /// The process that runs commands cannot be started.
    #[error("the process that runs the commands cannot be started: {0}")]
    NoKeeper(#[source] std::io::Error),
}

/// A cluster that runs already.
pub struct AttachedArena {
    system: Rc<dyn System>,
    addresses: Addresses,
    orders: Orders,
}

impl AttachedArena {
    /// Looks whether every node accepts connections. What commands print is in `directory`.
    ///
    /// # Errors
    /// When one does not, or commands cannot be run.
    pub async fn reach(system: Rc<dyn System>, own_executable: &Path, directory: &Path) -> Result<Self, AttachError> {
        let attached = system.attached().ok_or(AttachError::NothingRuns)?;
        let (nodes, at) = (system.nodes(), attached.addresses());
        let reached = nodes.into_iter().zip(at).map(async |(node, address)| match reached(&address).await {
            Ok(at) => Ok((node, at)),
            Err(why) => Err(AttachError::Unreachable { node, address, why }),
        });
        let addresses = Addresses::default();
        for reached in futures::future::join_all(reached).await {
            let (node, at) = reached?;
            addresses.set(&node, Some(at));
        }
        let orders = Orders::start(own_executable, directory).map_err(AttachError::NoKeeper)?;
        Ok(Self { system, addresses, orders })
    }

    /// What can be done to a cluster that runs already.
    pub fn capabilities(system: &dyn System) -> Capabilities {
        let offers = system.attached().map_or_else(Vec::new, Attached::faults);
        let commands = if offers.is_empty() { None } else { Some(Capability::Commands) };
        let why = "it runs already, and the bench did not start it: describe its faults by commands";
        Capabilities::none().without(Capability::ALL, why).with(commands).offering(offers)
    }

    /// The nodes' client addresses.
    pub fn addresses(&self) -> Addresses {
        self.addresses.clone()
    }

    /// Ends what commands have begun and not ended. The cluster runs on.
    pub async fn stop(self) {
        self.orders.end().await;
    }

    fn attached(&self) -> &dyn Attached {
        self.system.attached().expect("it was attached when this arena was made")
    }

    /// By which nodes the commands of a fault are run: each by itself, or all at once.
    fn turns<'n>(&self, name: &str, nodes: &'n [String]) -> Result<Vec<&'n [String]>, SurfaceError> {
        let offers: Vec<CommandOffer> = self.attached().faults();
        let offer = offers.iter().find(|offer| offer.name == name);
        let offer = offer.ok_or_else(|| SurfaceError(format!("no fault is called {name}")))?;
        Ok(if offer.is_of_all { vec![nodes] } else { nodes.chunks(1).collect() })
    }

    fn line(&self, name: &str, step: CommandStep, nodes: &[String]) -> Result<CommandLine, SurfaceError> {
        let line = self.attached().command(name, step, nodes);
        line.ok_or_else(|| SurfaceError(format!("{name} has no command for {}", nodes.join(" "))))
    }

    async fn run(&self, name: &str, step: CommandStep, nodes: &[String]) -> Result<(CommandLine, Ended), SurfaceError> {
        let line = self.line(name, step, nodes)?;
        let fault = format!("{name} {}", nodes.join(" "));
        // It names a file, so it stays short.
        let of = if let [node] = nodes { node } else { "all" };
        let label = format!("{}-{name}-{of}", step.name());
        let debt = match step {
            CommandStep::Begin => Debt::Owed(fault, self.line(name, CommandStep::End, nodes)?),
            CommandStep::End => Debt::Paid(fault),
            CommandStep::Measure => Debt::Nothing,
        };
        let ended = self.orders.run(label, line.clone(), debt).await;
        Ok((line, ended.map_err(|error| SurfaceError(error.to_string()))?))
    }

    async fn begin(&self, name: &str, nodes: &[String]) -> Result<(), SurfaceError> {
        for turn in self.turns(name, nodes)? {
            let (_, ended) = self.run(name, CommandStep::Begin, turn).await?;
            if !ended.is_success() {
                return Err(SurfaceError(format!("its begin of {} {ended}", turn.join(" "))));
            }
        }
        Ok(())
    }

    /// Each is ended, whatever became of the others.
    async fn end(&self, name: &str, nodes: &[String]) -> Result<(), SurfaceError> {
        let mut problems = Vec::new();
        for turn in self.turns(name, nodes)? {
            let by_hand = self.line(name, CommandStep::End, turn)?;
            let why = match self.run(name, CommandStep::End, turn).await {
                Ok((_, ended)) if ended.is_success() => continue,
                Ok((_, ended)) => ended.to_string(),
                Err(error) => error.to_string(),
            };
            problems.push(format!("its end of {} {why}; run it by hand: {by_hand}", turn.join(" ")));
        }
        if problems.is_empty() { Ok(()) } else { Err(SurfaceError(problems.join("; "))) }
    }

    async fn measure(&self, name: &str, nodes: &[String]) -> Result<Vec<CommandReading>, SurfaceError> {
        let mut readings = Vec::new();
        for turn in self.turns(name, nodes)? {
            let of = turn.join(" ");
            let (_, ended) = self.run(name, CommandStep::Measure, turn).await?;
            let is_in_force = ended.answer();
            let is_in_force = is_in_force.ok_or_else(|| SurfaceError(format!("its measure of {of} {ended}")))?;
            readings.push(CommandReading { of, is_in_force, said: ended.said });
        }
        Ok(readings)
    }
}

/// The first address of this name that accepts a connection.
async fn reached(address: &str) -> Result<SocketAddr, String> {
    let try_all = async {
        let mut why = "the name has no address".to_owned();
        for at in lookup_host(address).await.map_err(|error| error.to_string())? {
            match TcpStream::connect(at).await {
                Ok(_) => return Ok(at),
                Err(error) => why = error.to_string(),
            }
        }
        Err(why)
    };
    let too_late = |_| Err(format!("no answer within {} s", REACH_LIMIT.as_secs()));
    tokio::time::timeout(REACH_LIMIT, try_all).await.unwrap_or_else(too_late)
}

impl Surface for AttachedArena {
    fn nodes(&self) -> Vec<String> {
        self.system.nodes()
    }

    fn capabilities(&self) -> Capabilities {
        Self::capabilities(&*self.system)
    }

    fn begin_command<'a>(&'a self, name: &'a str, nodes: &'a [String]) -> SurfaceFuture<'a, ()> {
        Box::pin(self.begin(name, nodes))
    }

    fn end_command<'a>(&'a self, name: &'a str, nodes: &'a [String]) -> SurfaceFuture<'a, ()> {
        Box::pin(self.end(name, nodes))
    }

    fn measure_command<'a>(&'a self, name: &'a str, nodes: &'a [String]) -> SurfaceFuture<'a, Vec<CommandReading>> {
        Box::pin(self.measure(name, nodes))
    }
}
