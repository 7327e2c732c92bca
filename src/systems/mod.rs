//! Systems under test. What the bench knows of a particular store is here and nowhere else.

pub mod dynamo;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use checker::{CheckName, Claim, ConcurrentWrites};
use futures::future::LocalBoxFuture;
use nemesis::surface::Membership;
use workloads::Client;

/// Where each node's clients are served at this moment; none while it is down. Shared by the arena, which writes, and
/// clients, who read, some of them from tasks of their own.
pub type Addresses = Arc<RwLock<BTreeMap<String, SocketAddr>>>;

/// Where this node's clients are served now; none while it is down.
pub fn address(addresses: &Addresses, node: &str) -> Option<SocketAddr> {
    addresses.read().unwrap_or_else(PoisonError::into_inner).get(node).copied()
}

/// Where each running node's clients are served now.
pub fn all_addresses(addresses: &Addresses) -> BTreeMap<String, SocketAddr> {
    addresses.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Notes where this node's clients are served from now on; none = nowhere.
pub fn set_address(addresses: &Addresses, node: &str, at: Option<SocketAddr>) {
    let mut addresses = addresses.write().unwrap_or_else(PoisonError::into_inner);
    match at {
        Some(at) => addresses.insert(node.to_owned(), at),
        None => addresses.remove(node),
    };
}

/// What a node learns about its place in the arena when it starts.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its position among the nodes, from 0.
    pub index: usize,
    /// Where its files go.
    pub data_dir: PathBuf,
    /// Whether it is to start without the damaged rows of its disk, instead of refusing.
    pub drop_damaged: bool,
    /// Where to dial every other node, by position: the link's proxy.
    pub peers: BTreeMap<usize, SocketAddr>,
    /// The inherited descriptor of its clock file.
    pub clock_fd: i32,
    /// The process that starts it.
    pub parent_pid: i32,
    /// How often it was started before.
    pub starts: u64,
    /// How often it was upgraded before, each time to the next version of its protocol.
    pub upgrades: u64,
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
}

impl Claims {
    /// How a history is to be judged by these claims, and those required beyond.
    pub fn judged_by(&self, required: &[CheckName]) -> checker::Claims {
        let required = checker::Claims::of_all(required.iter().copied(), "it was required of the run").claims;
        checker::Claims {
            claims: self.claims.iter().cloned().chain(required).collect(),
            concurrent_writes: self.concurrent_writes,
            ..checker::Claims::default()
        }
    }
}

/// A store that the bench can start as processes of its own executable.
pub trait System {
    /// As at the command line.
    fn name(&self) -> &'static str;
    /// The nodes' names, in order.
    fn nodes(&self) -> Vec<String>;
    /// The hidden subcommand that is one node.
    fn subcommand(&self) -> &'static str;
    /// The line of options that a node reads from its standard input.
    fn options(&self, place: &Place) -> String;
    /// A client of the whole cluster.
    fn client(&self, addresses: Addresses) -> Box<dyn Client>;
    /// Whether its client can do this function of this workload.
    fn can(&self, workload: &str, f: &str) -> bool;
    /// The wall clock time that the node at this address believes, ns since the Unix epoch.
    fn believed_wall_ns(&self, address: SocketAddr) -> LocalBoxFuture<'_, Result<i128, String>>;
    /// How often a node can be upgraded, from the version of its protocol that it is first started with.
    fn upgrades_max(&self) -> u64;
    /// The version of its protocol that the node at this address says it speaks.
    fn protocol_version(&self, address: SocketAddr) -> LocalBoxFuture<'_, Result<u64, String>>;
    /// Commands, through the node at this address, that a node join or leave; returns when that is on record.
    fn change_membership<'a>(
        &'a self,
        address: SocketAddr,
        node: &'a str,
        join: bool,
    ) -> LocalBoxFuture<'a, Result<(), String>>;
    /// Who is a member, as the node at this address reports it.
    fn members(&self, address: SocketAddr) -> LocalBoxFuture<'_, Result<Membership, String>>;
    /// So many of the last nodes are no members at first.
    fn spares(&self) -> usize;
    /// Phrases of lines in a node's log that report an error and are normal under faults; see [`checker::run::logs`].
    fn expected_in_logs(&self) -> &'static [&'static str];
    /// What this configuration promises.
    fn claims(&self) -> Claims;
}
