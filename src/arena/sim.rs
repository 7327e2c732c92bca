//! The simulation arena: the same core, workloads, fault plans and checkers as the process arena, in virtual time on
//! one thread.
//!
//! Futures are polled until all of them wait; then the world takes one step: the earliest event of the simulated
//! cluster, or the deadline of the earliest sleeper. Nothing else happens, so a run is a function of its seed.
//!
//! ```text
//!   block_on ─► poll ─► all wait? ─► World::step ─► answers wake clients, time wakes sleepers ─► poll ...
//! ```

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use cluster_core::api::{NodeId, Reply, Request, RequestId};
use cluster_core::node::StartError;
use cluster_core::sim::network::LinkRule as SimRule;
use cluster_core::sim::{Answer, ClientId, World, WorldSettings};
use futures::future::LocalBoxFuture;
use nemesis::fault::Link;
use nemesis::surface::{
    ClockSetting, DiskRule, DiskStatistics, LinkRule, LinkStatistics, Loss, Membership, ProcessState, Surface,
    SurfaceError, SurfaceFuture,
};
use nemesis::{Capabilities, Capability};
use workloads::clock::Clock;

use crate::systems::dynamo::standing;

const NS_PER_MS: u64 = 1_000_000;

/// A simulated cluster and the time that passes in it. Clones share the world.
#[derive(Clone)]
pub struct SimArena {
    shared: Rc<Shared>,
}

struct Shared {
    names: Vec<String>,
    world: RefCell<World>,
    start_ns: u64,
    sleepers: RefCell<BTreeMap<(u64, u64), Waker>>,
    waiting: RefCell<BTreeMap<RequestId, Waker>>,
    sleeps: Cell<u64>,
    power_failures: RefCell<BTreeMap<NodeId, u64>>,
}

impl SimArena {
    /// What can be done to the simulated world. Each crash in it is a power failure.
    pub fn capabilities() -> Capabilities {
        let links = [Capability::Cut, Capability::Delay, Capability::Loss];
        let nodes = [Capability::Kill, Capability::Pause, Capability::Clock, Capability::Wipe];
        let disks = [Capability::PowerFailure, Capability::SyncErrors, Capability::RottenRows];
        let cluster = [Capability::Membership, Capability::Upgrade];
        Capabilities::none().with(links.into_iter().chain(nodes).chain(disks).chain(cluster))
    }

    /// A world with every node started on an empty disk.
    ///
    /// # Errors
    /// When the nodes refuse their settings.
    pub fn new(settings: WorldSettings) -> Result<Self, StartError> {
        let names = settings.config.names.clone();
        let world = World::new(settings)?;
        let shared = Shared {
            names,
            start_ns: world.now_ns(),
            world: RefCell::new(world),
            sleepers: RefCell::default(),
            waiting: RefCell::default(),
            sleeps: Cell::new(0),
            power_failures: RefCell::default(),
        };
        Ok(Self { shared: Rc::new(shared) })
    }

    /// Runs a future to its end, letting virtual time pass whenever it waits.
    ///
    /// # Panics
    /// When it waits for something that can never happen: a defect of the bench, not of the cluster.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let woken = Arc::new(Flag(AtomicBool::new(true)));
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(future);
        loop {
            if woken.0.swap(false, Ordering::Relaxed)
                && let Poll::Ready(output) = future.as_mut().poll(&mut context)
            {
                return output;
            }
            while !woken.0.load(Ordering::Relaxed) {
                assert!(self.shared.advance(), "everything waits and nothing will ever happen");
            }
        }
    }

    /// A hash of everything that has happened in the world.
    pub fn trace_hash(&self) -> u64 {
        self.shared.world.borrow().trace_hash()
    }

    /// How many events have happened in the world.
    pub fn events(&self) -> u64 {
        self.shared.world.borrow().events()
    }

    /// The preference list of a key, as the first running node reports it.
    pub fn preference(&self, key: &[u8]) -> Option<Vec<String>> {
        let world = self.shared.world.borrow();
        let node = world.nodes().find_map(|id| world.node(id))?;
        let name = |id: NodeId| self.shared.names[usize::from(id.0)].clone();
        Some(node.preference_list(key).into_iter().map(name).collect())
    }

    /// Nodes by name, in order.
    pub fn names(&self) -> &[String] {
        &self.shared.names
    }

    /// Sends a client's request to a node by name.
    ///
    /// # Errors
    /// When there is no such node, or it is down: the request was not sent.
    pub fn call(&self, node: &str, request: Request) -> Result<Call, String> {
        let id = self.shared.id(node).map_err(|error| error.0)?;
        let sent = self.shared.world.borrow_mut().send_request(id, request);
        let request = sent.ok_or_else(|| format!("{node} is not running"))?;
        Ok(Call { shared: Rc::clone(&self.shared), request, done: false })
    }
}

/// Coordinating clients (6.4), which live in the world beside the nodes.
impl SimArena {
    /// A client of the cluster's settings.
    pub fn add_client(&self, seed: u64) -> ClientId {
        let added = self.shared.world.borrow_mut().add_client(seed);
        added.expect("the nodes have started with the same settings")
    }

    /// Hands a coordinating client a get or a put.
    pub fn ask_client(&self, client: ClientId, request: Request) -> Call {
        let request = self.shared.world.borrow_mut().client_request(client, request);
        Call { shared: Rc::clone(&self.shared), request, done: false }
    }
}

impl SimArena {
    /// Gives the command through the first running node that accepts it.
    async fn command(&self, request: Request) -> Result<(), SurfaceError> {
        let mut refusal = SurfaceError("no node is running".into());
        for through in self.names() {
            let answers = self.shared.live(through).is_ok_and(|id| !self.shared.world.borrow().is_paused(id));
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

impl Shared {
    fn crash(&self, id: NodeId) {
        self.world.borrow_mut().crash(id);
        *self.power_failures.borrow_mut().entry(id).or_default() += 1;
    }

    /// Takes the next step of the world. Returns whether there was one.
    fn advance(&self) -> bool {
        let sleeper = self.sleepers.borrow().first_key_value().map(|((at, _), _)| *at);
        let event = self.world.borrow().next_ns();
        match (sleeper, event) {
            (None, None) => return false,
            (Some(at), event) if event.is_none_or(|event| at <= event) => self.world.borrow_mut().skip_to(at),
            (_, Some(event)) => {
                self.world.borrow_mut().step(event);
            }
            (Some(_), None) => {}
        }
        self.wake_answered();
        self.wake_sleepers();
        true
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

    fn wake_sleepers(&self) {
        let now_ns = self.world.borrow().now_ns();
        let mut sleepers = self.sleepers.borrow_mut();
        while let Some(entry) = sleepers.first_entry()
            && entry.key().0 <= now_ns
        {
            entry.remove().wake();
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
    shared: Rc<Shared>,
    request: RequestId,
    done: bool,
}

impl Future for Call {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let answer = self.shared.world.borrow_mut().take_answer(self.request);
        match answer {
            Some(answer) => {
                self.done = true;
                Poll::Ready(answer)
            }
            None => {
                self.shared.waiting.borrow_mut().insert(self.request, context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.done {
            self.shared.waiting.borrow_mut().remove(&self.request);
            // An answer that comes later is discarded when it arrives.
        }
    }
}

impl Clock for SimArena {
    fn now(&self) -> Duration {
        Duration::from_nanos(self.shared.world.borrow().now_ns() - self.shared.start_ns)
    }

    fn sleep_until(&self, deadline: Duration) -> LocalBoxFuture<'_, ()> {
        let at_ns = self.shared.start_ns.saturating_add(u64::try_from(deadline.as_nanos()).unwrap_or(u64::MAX));
        let order = self.shared.sleeps.get();
        self.shared.sleeps.set(order + 1);
        Box::pin(Sleep { shared: &self.shared, slot: (at_ns, order) })
    }
}

struct Sleep<'a> {
    shared: &'a Shared,
    slot: (u64, u64),
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.shared.world.borrow().now_ns() >= self.slot.0 {
            return Poll::Ready(());
        }
        self.shared.sleepers.borrow_mut().insert(self.slot, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        self.shared.sleepers.borrow_mut().remove(&self.slot);
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// An immediate result: in simulation the nemesis's actions take no time.
fn at_once<'a, T: 'a>(result: Result<T, SurfaceError>) -> SurfaceFuture<'a, T> {
    Box::pin(std::future::ready(result))
}

impl Surface for SimArena {
    fn nodes(&self) -> Vec<String> {
        self.shared.names.clone()
    }

    fn capabilities(&self) -> Capabilities {
        Self::capabilities()
    }

    fn set_link<'a>(&'a self, link: &'a Link, rule: LinkRule) -> SurfaceFuture<'a, ()> {
        at_once(self.shared.ends(link).map(|(from, to)| {
            let rule = SimRule {
                cut: rule.blocked,
                slow_ns: rule.delay_ms * NS_PER_MS,
                jitter_ns: rule.jitter_ms * NS_PER_MS,
                loss_percent: rule.loss_percent,
            };
            self.shared.world.borrow_mut().network().set_rule(from, to, rule);
        }))
    }

    fn link_statistics<'a>(&'a self, link: &'a Link) -> SurfaceFuture<'a, LinkStatistics> {
        at_once(self.shared.ends(link).map(|(from, to)| {
            let counters = self.shared.world.borrow_mut().network().counters(from, to);
            LinkStatistics {
                forwarded_bytes: counters.passed_bytes,
                blocked_bytes: counters.blocked_bytes,
                blocked_connections: 0,
                delayed_bytes: counters.slowed_bytes,
                delay_total_ms: counters.slowed_total_ns / NS_PER_MS,
                delayed_chunks: counters.slowed_messages,
                lossy_chunks: counters.lossy_messages,
                lost_chunks: counters.lost_messages,
                ..LinkStatistics::default()
            }
        }))
    }

    fn kill<'a>(&'a self, nodes: &'a [String]) -> SurfaceFuture<'a, ()> {
        let ids: Result<Vec<NodeId>, SurfaceError> = nodes.iter().map(|node| self.shared.id(node)).collect();
        at_once(ids.map(|ids| ids.into_iter().for_each(|id| self.shared.crash(id))))
    }

    fn fail_power<'a>(&'a self, nodes: &'a [String], _loss: Loss) -> SurfaceFuture<'a, ()> {
        self.kill(nodes)
    }

    fn restart<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        at_once(
            self.shared.id(node).and_then(|id| {
                self.shared.world.borrow_mut().start(id).map_err(|error| SurfaceError(error.to_string()))
            }),
        )
    }

    fn upgrade<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        at_once(self.shared.id(node).and_then(|id| {
            let mut world = self.shared.world.borrow_mut();
            let newest = || SurfaceError(format!("{node} speaks the newest version already: start with an older one"));
            let next = world.protocol(id).next().ok_or_else(newest)?;
            world.set_protocol(id, next);
            Ok(())
        }))
    }

    fn protocol_version<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, u64> {
        at_once(self.shared.id(node).and_then(|id| {
            let world = self.shared.world.borrow();
            let version = world.node(id).filter(|_| !world.is_paused(id)).map(|node| node.status().protocol_version);
            version.map(u64::from).ok_or_else(|| SurfaceError(format!("{node} does not answer")))
        }))
    }

    fn join<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        Box::pin(async move {
            let node = self.shared.id(node)?;
            self.command(Request::Join { node }).await
        })
    }

    fn leave<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        Box::pin(async move {
            let node = self.shared.id(node)?;
            self.command(Request::Leave { node }).await
        })
    }

    fn members<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, Membership> {
        Box::pin(async move {
            let id = self.shared.live(node)?;
            if self.shared.world.borrow().is_paused(id) {
                return Err(SurfaceError(format!("{node} does not answer")));
            }
            match self.call(node, Request::Members).map_err(SurfaceError)?.await {
                Answer::Reply(Reply::Members(members)) => {
                    let seats = members.seats.into_iter().map(|seat| (seat.name, standing(seat.status)));
                    Ok(Membership { view: format!("{:016x}", members.view), seats: seats.collect() })
                }
                other => Err(SurfaceError(format!("{node} said {other:?}"))),
            }
        })
    }

    fn wipe<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        at_once(self.shared.dead(node).map(|id| self.shared.world.borrow_mut().wipe(id)))
    }

    /// Syncs fail all or none: that is all that the simulated disk knows.
    fn set_disk<'a>(&'a self, node: &'a str, rule: DiskRule) -> SurfaceFuture<'a, ()> {
        let fail = rule.sync_error_percent > 0;
        at_once(self.shared.id(node).map(|id| self.shared.world.borrow_mut().fail_syncs(id, fail)))
    }

    fn rot<'a>(&'a self, node: &'a str, rows: u64) -> SurfaceFuture<'a, ()> {
        let rows = usize::try_from(rows).unwrap_or(usize::MAX);
        at_once(self.shared.dead(node).map(|id| self.shared.world.borrow_mut().rot(id, rows)))
    }

    fn restart_without_damaged<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        at_once(self.shared.id(node).and_then(|id| {
            let started = self.shared.world.borrow_mut().start_without_damaged(id);
            started.map(drop).map_err(|error| SurfaceError(error.to_string()))
        }))
    }

    fn disk_statistics<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, DiskStatistics> {
        at_once(self.shared.id(node).map(|id| {
            let world = self.shared.world.borrow();
            let counters = world.disk_counters(id);
            DiskStatistics {
                bytes: world.disk_bytes(id),
                kept_batches: counters.kept,
                lost_batches: counters.lost,
                torn_batches: counters.torn,
                failed_syncs: counters.failed_syncs,
                rotten_rows: counters.rotten_rows,
                dropped_rows: counters.dropped_rows,
                power_failures: self.shared.power_failures.borrow().get(&id).copied().unwrap_or(0),
                ..DiskStatistics::default()
            }
        }))
    }

    fn pause<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        at_once(self.shared.live(node).map(|id| self.shared.world.borrow_mut().pause(id)))
    }

    fn resume<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        at_once(self.shared.live(node).map(|id| self.shared.world.borrow_mut().resume(id)))
    }

    fn process_state<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ProcessState> {
        at_once(self.shared.id(node).map(|id| {
            let world = self.shared.world.borrow();
            match (world.is_up(id), world.is_paused(id)) {
                (false, _) => ProcessState::Dead,
                (true, true) => ProcessState::Stopped,
                (true, false) => ProcessState::Running,
            }
        }))
    }

    fn set_clock<'a>(&'a self, node: &'a str, setting: ClockSetting) -> SurfaceFuture<'a, ()> {
        at_once(self.shared.id(node).map(|id| {
            let offset_ns = setting.offset_ms.saturating_mul(NS_PER_MS as i64);
            self.shared.world.borrow_mut().set_clock(id, offset_ns, setting.drift_ppm);
        }))
    }

    fn believed_offset_ms<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, i64> {
        at_once(self.shared.id(node).and_then(|id| {
            let world = self.shared.world.borrow();
            match world.is_up(id) && !world.is_paused(id) {
                true => Ok(world.clock_offset_ns(id) / NS_PER_MS as i64),
                false => Err(SurfaceError(format!("{node} does not answer"))),
            }
        }))
    }
}
