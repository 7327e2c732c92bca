//! The network of the nodes: every message goes through it.
//!
//! ```text
//!   node, client or service ─► send ─► link (rule, counters) ─► latency ─► deliver ─► node's standard input
//!                                                                                   ├► client that waits for it
//!                                                                                   └► service, which answers
//! ```
//! Links are those between nodes, and those between nodes and clients. Services are reached without faults, as in Maelstrom; the
//! bench itself, which greets nodes, is the client `c0` and has no faults either. A message to a node that is down is lost, but
//! before a node's first start messages wait for it: all nodes are started together.

mod journal;
mod link;
mod party;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use nemesis::Capability;
use nemesis::surface::{LinkRule, LinkStatistics, SurfaceError};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reports::Messages;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::message::Message;
use super::services::Services;
use super::settings::{LatencyDistribution, MaelstromSettings};
use crate::arena::processes::carried::{Carrier, Spoken};
use crate::arena::processes::links::End;
use journal::{Entry, Journal};
use link::{Departure, MessageLink};
use party::{Party, ends};
use wire::{Complaints, Lines, WAITING_MAX};

/// The client that is the bench itself.
const BENCH: &str = "c0";
/// So many messages are under way at a time; further ones are lost.
const UNDER_WAY_MAX: usize = 100_000;
/// What nodes that keep everything in memory cannot be made to suffer.
const OF_MEMORY: [Capability; 11] = [
    Capability::Kill,
    Capability::StartCrash,
    Capability::Wipe,
    Capability::PowerFailure,
    Capability::TornWrites,
    Capability::FlippedBits,
    Capability::ReadErrors,
    Capability::WriteErrors,
    Capability::SyncErrors,
    Capability::LyingSyncs,
    Capability::MisdirectedWrites,
];

/// The network. It is used from the bench's task and from one for each pipe.
pub(super) struct Network {
    shared: Arc<Shared>,
    is_durable: bool,
}

struct Shared {
    names: Vec<String>,
    latency: Latency,
    state: Mutex<State>,
    next_request: AtomicU64,
}

/// How long messages are under way without any fault.
#[derive(Clone, Copy)]
struct Latency {
    mean: Duration,
    distribution: LatencyDistribution,
}

struct State {
    chance: ChaCha8Rng,
    links: BTreeMap<(End, End), MessageLink>,
    seats: Vec<Seat>,
    services: Services,
    /// Requests that were not answered, by their numbers.
    waiting: BTreeMap<u64, Waiting>,
    under_way: usize,
    messages: u64,
    journal: Journal,
}

/// A node.
#[derive(Default)]
struct Seat {
    /// How often it was started.
    life: u64,
    /// What it reads while it runs.
    lines: Option<Lines>,
    /// What it says wrong is said there.
    complaints: Option<Arc<Complaints>>,
    /// What waits for its first start.
    early: Vec<Vec<u8>>,
}

/// Who waits for the answer to a request.
struct Waiting {
    client: String,
    node: usize,
    answer: oneshot::Sender<Message>,
}

/// A message on its way.
struct Parcel {
    /// Its number among all messages.
    id: u64,
    message: Message,
    from: Party,
    to: Party,
    departure: Option<Departure>,
    entry: Entry,
}

/// There is no answer to a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unanswered {
    /// The node does not run: nothing was sent.
    #[error("{0} is down")]
    Down(String),
    /// It ended before it answered.
    #[error("{0} ended before it answered")]
    Ended(String),
}

impl Network {
    /// A network of nodes none of which has started.
    pub fn new(settings: &MaelstromSettings, seed: u64) -> Self {
        let names: Vec<String> = (1..=settings.nodes).map(|number| format!("n{number}")).collect();
        let ends = || (0..names.len()).map(End::Node).chain([End::Clients]);
        let links = ends().flat_map(|from| ends().map(move |to| (from, to))).filter(|(from, to)| from != to);
        let state = State {
            chance: ChaCha8Rng::seed_from_u64(seed),
            links: links.map(|ends| (ends, MessageLink::default())).collect(),
            seats: names.iter().map(|_| Seat::default()).collect(),
            services: Services::new(seed),
            waiting: BTreeMap::new(),
            under_way: 0,
            messages: 0,
            journal: Journal::new(),
        };
        let latency = Latency { mean: Duration::from_millis(settings.latency_ms), distribution: settings.latency_dist };
        let shared = Shared { names, latency, state: Mutex::new(state), next_request: AtomicU64::new(1) };
        Self { shared: Arc::new(shared), is_durable: settings.durable }
    }

    /// The run begins: times of messages count from now.
    pub fn begin(&self) {
        self.shared.state().journal.begin();
    }

    /// The nodes' names, in order.
    pub fn names(&self) -> &[String] {
        &self.shared.names
    }

    /// How often a node was started, if it runs.
    pub fn life(&self, node: &str) -> Option<u64> {
        let index = self.shared.index(node)?;
        let state = self.shared.state();
        state.seats[index].lines.as_ref().map(|_| state.seats[index].life)
    }

    /// Sends a request of a client to a node, and waits for the answer.
    ///
    /// # Errors
    /// When the node does not run, or ends before it answers.
    pub async fn ask(&self, client: &str, node: &str, body: Value) -> Result<Message, Unanswered> {
        self.shared.ask(client, Party::Client, node, body).await
    }

    /// The same of the bench itself, which no fault touches.
    ///
    /// # Errors
    /// Those of a client.
    pub async fn ask_by_bench(&self, node: &str, body: Value) -> Result<Message, Unanswered> {
        self.shared.ask(BENCH, Party::Bench, node, body).await
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is locked, so a poisoned state cannot be half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn index(&self, node: &str) -> Option<usize> {
        self.names.iter().position(|name| name == node)
    }

    async fn ask(
        self: &Arc<Self>,
        client: &str,
        from: Party,
        node: &str,
        mut body: Value,
    ) -> Result<Message, Unanswered> {
        let down = || Unanswered::Down(node.to_owned());
        let index = self.index(node).ok_or_else(down)?;
        let number = self.next_request.fetch_add(1, Ordering::Relaxed);
        body["msg_id"] = number.into();
        let (answer, answered) = oneshot::channel();
        {
            let mut state = self.state();
            state.seats[index].lines.as_ref().ok_or_else(down)?;
            state.waiting.insert(number, Waiting { client: client.to_owned(), node: index, answer });
        }
        let _forget = Forget { shared: self, number };
        let message = Message::of(client, node, &body);
        self.send(message, from, Party::Node(index));
        answered.await.map_err(|_| Unanswered::Ended(node.to_owned()))
    }

    /// A node says something.
    fn said(self: &Arc<Self>, node: usize, message: Message) {
        match self.party(&message.dest) {
            Some(to) => self.send(message, Party::Node(node), to),
            None => {
                let Message { dest, body, .. } = message;
                let what = format!("it sent a message to {dest:?}, whom nobody knows: {body}");
                self.state().complain_of(Party::Node(node), &what);
            }
        }
    }

    /// Who has this name.
    fn party(&self, name: &str) -> Option<Party> {
        let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        match name {
            BENCH => Some(Party::Bench),
            _ if Services::has(name) => Some(Party::Service),
            _ if name.strip_prefix('c').is_some_and(is_number) => Some(Party::Client),
            _ => self.index(name).map(Party::Node),
        }
    }

    /// Sends a message over the link that there is, if there is one.
    fn send(self: &Arc<Self>, message: Message, from: Party, to: Party) {
        let mut departing = Vec::new();
        let (id, entry) = {
            let state = &mut *self.state();
            state.messages += 1;
            let entry = state.journal.sent(&message, from, to);
            let (bytes, latency) = (message.bytes(), self.latency.draw(from, to, &mut state.chance));
            match ends(from, to).and_then(|ends| state.links.get_mut(&ends)) {
                None => departing.push((latency, None)),
                Some(link) => {
                    let departures = link.take_in(bytes, &mut state.chance).into_iter();
                    departing.extend(departures.map(|departure| (latency + departure.takes(), Some(departure))));
                }
            }
            if state.under_way + departing.len() > UNDER_WAY_MAX {
                return state.complain_of(from, &format!("{UNDER_WAY_MAX} messages are under way: one was dropped"));
            }
            state.under_way += departing.len();
            (state.messages, entry)
        };
        for (takes, departure) in departing {
            let copy = Parcel { id, message: message.clone(), from, to, departure, entry };
            if takes.is_zero() {
                self.arrive(copy);
                continue;
            }
            let shared = Arc::clone(self);
            tokio::spawn(async move {
                sleep(takes).await;
                shared.arrive(copy);
            });
        }
    }

    /// A message is at its destination.
    fn arrive(self: &Arc<Self>, parcel: Parcel) {
        let answer = {
            let state = &mut *self.state();
            state.under_way -= 1;
            let passes = match (ends(parcel.from, parcel.to), &parcel.departure) {
                (Some(ends), Some(departure)) => {
                    let link = state.links.get_mut(&ends);
                    link.is_none_or(|link| link.hand_over(departure, parcel.message.bytes()))
                }
                _ => true,
            };
            if passes {
                state.journal.arrived(parcel.entry);
                state.deliver(&parcel)
            } else {
                None
            }
        };
        let Some(message) = answer else { return };
        if let Some(to) = self.party(&message.dest) {
            self.send(message, Party::Service, to);
        }
    }

    /// The node has ended, unless it was started again meanwhile.
    fn ended(&self, node: usize, life: u64) {
        let mut state = self.state();
        if state.seats[node].life == life {
            state.seats[node].lines = None;
            state.waiting.retain(|_, waiting| waiting.node != node);
        }
    }

    async fn greet(self: &Arc<Self>, node: usize, spoken: Spoken) -> Result<(), String> {
        let cannot = |error: io::Error| format!("its standard input and output: {error}");
        let (lines, stdout) =
            (wire::writer(spoken.stdin).map_err(cannot)?, wire::reader(spoken.stdout).map_err(cannot)?);
        let complaints = Arc::new(Complaints::in_log(&spoken.log));
        let number = self.next_request.fetch_add(1, Ordering::Relaxed);
        let init = json!({"type": "init", "msg_id": number, "node_id": self.names[node], "node_ids": self.names});
        let init = Message::of(BENCH, &self.names[node], &init);
        let (life, answered) = self.state().begin(node, number, &init, lines, Arc::clone(&complaints));
        let _forget = Forget { shared: self, number };
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            wire::read(stdout, &complaints, |message| shared.said(node, message)).await;
            shared.ended(node, life);
        });
        match answered.await.map(|answer| answer.parsed()) {
            Ok(answer) if answer["type"] == "init_ok" => Ok(()),
            Ok(answer) => Err(format!("it answered the message init with {answer}, not with init_ok")),
            Err(_) => Err("it ended before it answered the message init".to_owned()),
        }
    }
}

impl State {
    /// A life of a node begins. The first line that it reads is the greeting; then comes what others have sent before its
    /// first start. Its life, and its answer to the greeting.
    fn begin(
        &mut self,
        node: usize,
        number: u64,
        init: &Message,
        lines: Lines,
        complaints: Arc<Complaints>,
    ) -> (u64, oneshot::Receiver<Message>) {
        let (answer, answered) = oneshot::channel();
        self.waiting.insert(number, Waiting { client: BENCH.to_owned(), node, answer });
        self.messages += 1;
        let seat = &mut self.seats[node];
        seat.life += 1;
        let first = [init.line(self.messages)].into_iter().chain(std::mem::take(&mut seat.early));
        // There is room: at most as many wait as a node that does not read may have.
        first.for_each(|line| drop(lines.try_send(line)));
        (seat.lines, seat.complaints) = (Some(lines), Some(complaints));
        (seat.life, answered)
    }

    /// Hands a message to whom it is for; the answer of a service.
    fn deliver(&mut self, parcel: &Parcel) -> Option<Message> {
        let message = &parcel.message;
        match parcel.to {
            Party::Node(node) => self.write(node, message.line(parcel.id)),
            Party::Client | Party::Bench => self.answer(message),
            Party::Service => {
                let body = self.services.answer(&message.dest, &message.src, &message.parsed())?;
                return Some(Message::of(&message.dest, &message.src, &body));
            }
        }
        None
    }

    /// Says in a node's log what is wrong with what it sends.
    fn complain_of(&self, party: Party, what: &str) {
        let Party::Node(node) = party else { return };
        self.seats[node].complaints.iter().for_each(|complaints| complaints.say(&what));
    }

    fn write(&mut self, node: usize, line: Vec<u8>) {
        let seat = &mut self.seats[node];
        match &seat.lines {
            None if seat.life == 0 && seat.early.len() + 1 < WAITING_MAX => seat.early.push(line),
            None => {}
            Some(lines) => {
                if let Err(tokio::sync::mpsc::error::TrySendError::Full(_)) = lines.try_send(line) {
                    let what =
                        format!("it does not read its standard input: {WAITING_MAX} messages wait, one was dropped");
                    seat.complaints.iter().for_each(|complaints| complaints.say(&what));
                }
            }
        }
    }

    /// An answer that nobody waits for any more is dropped, and so is one to another client than the one that asked.
    fn answer(&mut self, message: &Message) {
        let Some(number) = message.parsed()["in_reply_to"].as_u64() else { return };
        if self.waiting.get(&number).is_some_and(|waiting| waiting.client == message.dest) {
            let waiting = self.waiting.remove(&number).expect("it is there");
            // If it is gone meanwhile, its time was over.
            let _ = waiting.answer.send(message.clone());
        }
    }
}

impl Latency {
    /// How long a message is under way; nothing is added to those of clients.
    fn draw(&self, from: Party, to: Party, chance: &mut ChaCha8Rng) -> Duration {
        let is_of_client = |party| matches!(party, Party::Client | Party::Bench);
        if self.mean.is_zero() || is_of_client(from) || is_of_client(to) {
            return Duration::ZERO;
        }
        let share = 1.0 - chance.random_range(0.0..1.0_f64);
        match self.distribution {
            LatencyDistribution::Constant => self.mean,
            LatencyDistribution::Uniform => self.mean.mul_f64(2.0 * share),
            LatencyDistribution::Exponential => self.mean.mul_f64(-share.ln()),
        }
    }
}

/// A request that nobody waits for any more.
struct Forget<'s> {
    shared: &'s Shared,
    number: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.shared.state().waiting.remove(&self.number);
    }
}

/// There is no such link.
fn no_link(from: End, to: End) -> SurfaceError {
    SurfaceError(format!("there is no link from {from} to {to}"))
}

impl Carrier for Network {
    fn attach(&self, node: usize, spoken: Spoken) -> LocalBoxFuture<'_, Result<(), String>> {
        self.shared.greet(node, spoken).boxed_local()
    }

    fn set_rule(&self, from: End, to: End, rule: LinkRule) -> Result<(), SurfaceError> {
        let mut state = self.shared.state();
        state.links.get_mut(&(from, to)).map(|link| link.set_rule(rule)).ok_or_else(|| no_link(from, to))
    }

    fn statistics(&self, from: End, to: End) -> Result<LinkStatistics, SurfaceError> {
        let state = self.shared.state();
        state.links.get(&(from, to)).map(MessageLink::statistics).ok_or_else(|| no_link(from, to))
    }

    fn messages(&self) -> Messages {
        self.shared.state().journal.finish()
    }

    fn spared(&self) -> Option<(&'static [Capability], &'static str)> {
        let why = "these nodes keep everything in memory, as Maelstrom's do: --durable says that they keep it on disk \
                   ($DISSENSUS_DATA)";
        (!self.is_durable).then_some((&OF_MEMORY, why))
    }
}
