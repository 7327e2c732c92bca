//! A node put together and running: its tasks, its thread, and how it ends.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use cluster_core::api::{Effect, NodeId, Now, Row, Write};
use cluster_core::node::Node;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::clock::{Clock, ClockError};
use crate::driver::{CALLS_MAX, Call, Driver, MESSAGES_MAX, Wiring};
use crate::http;
use crate::log::Log;
use crate::metrics::Counters;
use crate::options::{NodeOptions, OptionsError};
use crate::peers::{Acceptor, Identity, Outbound};
use crate::storage::{self, Sound, StorageEngine, StorageError, Syncs};

/// Why a node did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The options cannot work.
    #[error("the options cannot work: {0}")]
    Options(#[from] OptionsError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The store cannot be opened or read.
    #[error(transparent)]
    Open(#[from] StorageError),
    /// The store failed. What is on the disk is not known, so the node ends and does not try again.
    #[error("{0}; the node ends, and what it had not acknowledged may be lost")]
    Store(Arc<StorageError>),
    /// The storage thread ended by a defect.
    #[error("the storage thread is gone; the node cannot promise anything any more")]
    StorageGone,
    /// The clock cannot be read.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// The core cannot work with the settings, or with what is on the disk.
    #[error("the node cannot start: {0}")]
    Core(String),
    /// No thread, no socket.
    #[error("the operating system refused the node a thread or a socket: {0}")]
    Resource(#[source] io::Error),
    /// A task of the node ended by a defect.
    #[error("a task of the node ended: {0}")]
    Task(String),
    /// Ended by [`NodeHandle::shutdown`].
    #[error("the node was stopped")]
    Stopped,
}

/// The sockets of a node, bound before it starts, so that their addresses are known beforehand.
#[derive(Debug)]
pub struct Listeners {
    client: TcpListener,
    peer: TcpListener,
}

impl Listeners {
    /// Binds both addresses; port 0 takes a free one. Connections wait until the node serves.
    ///
    /// # Errors
    /// [`NodeError::Listen`].
    pub async fn bind(client: SocketAddr, peer: SocketAddr) -> Result<Self, NodeError> {
        let bind =
            async |address| TcpListener::bind(address).await.map_err(|source| NodeError::Listen { address, source });
        Ok(Self { client: bind(client).await?, peer: bind(peer).await? })
    }

    /// Where clients and where peers will be served.
    ///
    /// # Errors
    /// [`NodeError::Resource`] when the operating system does not say.
    pub fn addresses(&self) -> Result<(SocketAddr, SocketAddr), NodeError> {
        let address = |listener: &TcpListener| listener.local_addr().map_err(NodeError::Resource);
        Ok((address(&self.client)?, address(&self.peer)?))
    }
}

/// A running node. Dropped, it stops without waiting for anything, like a killed one.
#[derive(Debug)]
pub struct NodeHandle {
    client: SocketAddr,
    peer: SocketAddr,
    tasks: JoinSet<Result<(), NodeError>>,
    storage: JoinHandle<()>,
}

impl NodeHandle {
    /// Where clients are served.
    pub fn client_address(&self) -> SocketAddr {
        self.client
    }

    /// Where peers are accepted.
    pub fn peer_address(&self) -> SocketAddr {
        self.peer
    }

    /// Waits for what ends the node.
    pub async fn wait(&mut self) -> NodeError {
        match self.tasks.join_next().await {
            Some(Ok(Err(error))) => error,
            Some(Ok(Ok(()))) => NodeError::Task("it had nothing left to do".to_owned()),
            Some(Err(error)) => NodeError::Task(error.to_string()),
            None => NodeError::Stopped,
        }
    }

    /// Stops the node; on return its store is closed and can be opened again.
    pub async fn shutdown(mut self) {
        self.tasks.shutdown().await;
        // The thread ends once the driver's queue is gone. A panic in it has been reported by the driver already.
        let _ = tokio::task::spawn_blocking(move || self.storage.join()).await;
    }
}

/// Starts a node: opens its store, recovers, listens, serves.
///
/// # Errors
/// What is wrong with the options, the addresses, the store, or what is in it.
pub async fn serve(options: NodeOptions) -> Result<NodeHandle, NodeError> {
    let listeners = Listeners::bind(options.client_listen, options.peer_listen).await?;
    serve_on(options, listeners).await
}

/// The same on sockets bound earlier; the options' own addresses are not looked at.
///
/// # Errors
/// As [`serve`].
pub async fn serve_on(options: NodeOptions, listeners: Listeners) -> Result<NodeHandle, NodeError> {
    options.validate()?;
    let engine = storage::open(options.engine, &options.data_dir, Syncs::under(options.core.bug))?;
    serve_with(options, listeners, engine).await
}

/// The same on an engine of the caller's; the options' own engine is not looked at.
///
/// # Errors
/// As [`serve`].
pub async fn serve_with(
    options: NodeOptions,
    listeners: Listeners,
    mut engine: Box<dyn StorageEngine>,
) -> Result<NodeHandle, NodeError> {
    options.validate()?;
    let (client, peer) = listeners.addresses()?;
    let log = Log::new(options.name());
    let counters = Arc::new(Counters::default());
    let clock = Clock::open(options.clock_fd)?;
    let rows = match options.drop_damaged {
        true => load_without_damaged(engine.as_mut(), &log)?,
        false => engine.load()?,
    };
    let row_count = rows.len();
    let mut effects = Vec::new();
    let node = start_core(&options, rows, clock.now()?, &mut effects, &log)?;
    let (storage, thread) = storage::spawn(engine, Arc::clone(&counters)).map_err(NodeError::Resource)?;

    let identity = Identity::of(&options.core);
    let mut tasks = JoinSet::new();
    let outbound = dial_peers(&options, &identity, &counters, &log, &mut tasks);
    let (messages, messages_in) = mpsc::channel(MESSAGES_MAX);
    let (calls, calls_in) = mpsc::channel(CALLS_MAX);
    let wiring = Wiring { clock, messages: messages_in, calls: calls_in, storage, outbound };
    tasks.spawn(Driver::new(node, effects, wiring).run());
    let acceptor = Acceptor { identity, messages, counters: Arc::clone(&counters), log: log.clone() };
    tasks.spawn(forever(acceptor.run(listeners.peer)));
    tasks.spawn(forever(serve_clients(&options, listeners.client, calls, counters)));
    log.line(format_args!("started: clients at {client}, peers at {peer}, {row_count} rows from {}", options.engine));
    Ok(NodeHandle { client, peer, tasks, storage: thread })
}

/// Reads what can be read, and deletes the rest for good.
fn load_without_damaged(engine: &mut dyn StorageEngine, log: &Log) -> Result<Vec<Row>, NodeError> {
    let Sound { rows, damaged } = engine.load_sound()?;
    let mut deletions = Vec::new();
    for (table, key, what) in damaged {
        log.line(format_args!("dropped the damaged row {key} of table {table:?}: {what}"));
        deletions.push(Write { table, key: key.0, value: None });
    }
    engine.commit(&deletions)?;
    Ok(rows)
}

fn start_core(
    options: &NodeOptions,
    rows: Vec<Row>,
    now: Now,
    effects: &mut Vec<Effect>,
    log: &Log,
) -> Result<Node, NodeError> {
    let core = options.core.clone();
    let started = match options.drop_damaged {
        true => Node::start_without_damaged(core, rows, now, effects),
        false => Node::start(core, rows, now, effects).map(|node| (node, Vec::new())),
    };
    let (node, dropped) = started.map_err(|error| NodeError::Core(error.to_string()))?;
    for row in dropped {
        log.line(format_args!("dropped: {row}"));
    }
    Ok(node)
}

fn dial_peers(
    options: &NodeOptions,
    identity: &Identity,
    counters: &Arc<Counters>,
    log: &Log,
    tasks: &mut JoinSet<Result<(), NodeError>>,
) -> BTreeMap<NodeId, Arc<Outbound>> {
    let mut outbound = BTreeMap::new();
    for (peer, address) in &options.peers {
        let name = &options.core.names[usize::from(peer.0)];
        let (link, task) = Outbound::new(name, *address, identity.hello(), Arc::clone(counters), log.clone());
        tasks.spawn(forever(task));
        outbound.insert(*peer, Arc::new(link));
    }
    outbound
}

fn serve_clients(
    options: &NodeOptions,
    listener: TcpListener,
    calls: mpsc::Sender<Call>,
    counters: Arc<Counters>,
) -> impl Future<Output = ()> + use<> {
    let api = http::Api::new(&options.core, calls, counters);
    http::serve(listener, api)
}

/// A task that ends only when the node does.
async fn forever(task: impl Future<Output = ()>) -> Result<(), NodeError> {
    task.await;
    Err(NodeError::Stopped)
}
