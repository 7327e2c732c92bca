//! The bundled Dynamo in virtual time: the same core, workloads, fault plans and checkers as with processes, on one
//! thread.
//!
//! The world of `cluster_core::sim` has the nodes, their network, their disks and their clocks; the executor of
//! [`crate::arena::virtual_time`] lets it take its steps. Here the two are put together: a request is a future that
//! the world's answer wakes.

mod client;
mod surface;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cluster_core::api::{NodeId, Reply, Request, RequestId};
use cluster_core::node::StartError;
use cluster_core::sim::{Answer, ClientId, World, WorldSettings};
use futures::future::LocalBoxFuture;
use nemesis::fault::Link;
use nemesis::surface::SurfaceError;
use workloads::clock::Clock;

use crate::arena::virtual_time::{self, VirtualTime};

pub(super) use client::SimulatedClient;

/// A simulated cluster and the time that passes in it. Clones share the world.
#[derive(Clone)]
pub struct SimulatedCluster {
    time: Rc<VirtualTime<Cluster>>,
}

/// The world, and who waits for its answers.
struct Cluster {
    names: Vec<String>,
    world: RefCell<World>,
    waiting: RefCell<BTreeMap<RequestId, Waker>>,
    power_failures: RefCell<BTreeMap<NodeId, u64>>,
}

impl SimulatedCluster {
    /// A world with every node started on an empty disk.
    ///
    /// # Errors
    /// When the nodes refuse their settings.
    pub fn new(settings: WorldSettings) -> Result<Self, StartError> {
        let names = settings.config.names.clone();
        let world = RefCell::new(World::new(settings)?);
        let cluster = Cluster { names, world, waiting: RefCell::default(), power_failures: RefCell::default() };
        Ok(Self { time: Rc::new(VirtualTime::new(cluster)) })
    }

    /// Runs a future to its end, letting virtual time pass whenever it waits.
    ///
    /// # Panics
    /// When it waits for something that can never happen: a defect of the bench, not of the cluster.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.time.block_on(future)
    }

    /// A hash of everything that has happened in the world.
    pub fn trace_hash(&self) -> u64 {
        self.cluster().world.borrow().trace_hash()
    }

    /// How many events have happened in the world.
    pub fn events(&self) -> u64 {
        self.cluster().world.borrow().events()
    }

    /// The preference list of a key, as the first running node reports it.
    pub fn preference(&self, key: &[u8]) -> Option<Vec<String>> {
        let world = self.cluster().world.borrow();
        let node = world.nodes().find_map(|id| world.node(id))?;
        let name = |id: NodeId| self.names()[usize::from(id.0)].clone();
        Some(node.preference_list(key).into_iter().map(name).collect())
    }

    /// Nodes by name, in order.
    pub fn names(&self) -> &[String] {
        &self.cluster().names
    }

    /// Sends a client's request to a node by name.
    ///
    /// # Errors
    /// When there is no such node, or it is down: the request was not sent.
    pub fn call(&self, node: &str, request: Request) -> Result<Call, String> {
        let id = self.cluster().id(node).map_err(|error| error.0)?;
        let sent = self.cluster().world.borrow_mut().send_request(id, request);
        let request = sent.ok_or_else(|| format!("{node} is not running"))?;
        Ok(self.answer_to(request))
    }

    fn answer_to(&self, request: RequestId) -> Call {
        Call { time: Rc::clone(&self.time), request, done: false }
    }

    fn cluster(&self) -> &Cluster {
        self.time.world()
    }
}

/// Coordinating clients (6.4), which live in the world beside the nodes.
impl SimulatedCluster {
    /// A client of the cluster's settings.
    pub fn add_client(&self, seed: u64) -> ClientId {
        let added = self.cluster().world.borrow_mut().add_client(seed);
        added.expect("the nodes have started with the same settings")
    }

    /// Hands a coordinating client a get or a put.
    pub fn ask_client(&self, client: ClientId, request: Request) -> Call {
        let request = self.cluster().world.borrow_mut().client_request(client, request);
        self.answer_to(request)
    }
}

impl SimulatedCluster {
    /// Gives the command through the first running node that accepts it.
    async fn command(&self, request: Request) -> Result<(), SurfaceError> {
        let mut refusal = SurfaceError("no node is running".into());
        for through in self.names() {
            let cluster = self.cluster();
            let answers = cluster.live(through).is_ok_and(|id| !cluster.world.borrow().is_paused(id));
            if !answers {
                continue;
            }
            match self.call(through, request.clone()).map_err(SurfaceError)?.await {
                Answer::Reply(Reply::Done) => return Ok(()),
                other => refusal = SurfaceError(format!("{through} said {other:?}")),
            }
        }
        Err(refusal)
    }
}

impl Clock for SimulatedCluster {
    fn now(&self) -> Duration {
        self.time.now()
    }

    fn sleep_until(&self, deadline: Duration) -> LocalBoxFuture<'_, ()> {
        self.time.sleep_until(deadline)
    }
}

impl virtual_time::World for Cluster {
    fn now_ns(&self) -> u64 {
        self.world.borrow().now_ns()
    }

    fn next_ns(&self) -> Option<u64> {
        self.world.borrow().next_ns()
    }

    fn step(&self, at_ns: u64) {
        self.world.borrow_mut().step(at_ns);
        self.wake_answered();
    }

    /// What was answered at once, while the futures ran, is noticed here as well.
    fn skip_to(&self, at_ns: u64) {
        self.world.borrow_mut().skip_to(at_ns);
        self.wake_answered();
    }
}

impl Cluster {
    fn crash(&self, id: NodeId) {
        self.world.borrow_mut().crash(id);
        *self.power_failures.borrow_mut().entry(id).or_default() += 1;
    }

    fn wake_answered(&self) {
        let fresh = self.world.borrow_mut().take_fresh();
        for request in fresh {
            match self.waiting.borrow_mut().remove(&request) {
                Some(waker) => waker.wake(),
                None => self.world.borrow_mut().forget_request(request),
            }
        }
    }

    fn id(&self, node: &str) -> Result<NodeId, SurfaceError> {
        let found = self.names.iter().position(|name| name == node);
        found.map(|index| NodeId(index as u16)).ok_or_else(|| SurfaceError(format!("there is no node {node}")))
    }

    fn live(&self, node: &str) -> Result<NodeId, SurfaceError> {
        let id = self.id(node)?;
        match self.world.borrow().is_up(id) {
            true => Ok(id),
            false => Err(SurfaceError(format!("{node} is not running"))),
        }
    }

    fn dead(&self, node: &str) -> Result<NodeId, SurfaceError> {
        let id = self.id(node)?;
        match self.world.borrow().is_up(id) {
            false => Ok(id),
            true => Err(SurfaceError(format!("{node} is running: its disk cannot be touched"))),
        }
    }

    fn ends(&self, link: &Link) -> Result<(NodeId, NodeId), SurfaceError> {
        match (self.id(&link.from)?, self.id(&link.to)?) {
            (from, to) if from == to => Err(SurfaceError(format!("there is no link {} → {}", link.from, link.to))),
            ends => Ok(ends),
        }
    }
}

/// A request under way. If it is dropped, the client no longer waits, but the request goes on.
pub struct Call {
    time: Rc<VirtualTime<Cluster>>,
    request: RequestId,
    done: bool,
}

impl Future for Call {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let answer = self.time.world().world.borrow_mut().take_answer(self.request);
        match answer {
            Some(answer) => {
                self.done = true;
                Poll::Ready(answer)
            }
            None => {
                self.time.world().waiting.borrow_mut().insert(self.request, context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.done {
            self.time.world().waiting.borrow_mut().remove(&self.request);
            // An answer that comes later is discarded when it arrives.
        }
    }
}
