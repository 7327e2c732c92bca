//! A simulated world with an agenda: what is due, and which requests were answered, in the order of the events.

use std::collections::{BTreeMap, VecDeque};

use cluster_core::api::{Reply, RequestId};
use cluster_core::sim::latency::{Latency, Legs};
use cluster_core::sim::network::NetworkSettings;
use cluster_core::sim::{Answer, World};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::error::ExperimentError;
use crate::systems::dynamo::settings::DynamoSettings;
use crate::systems::dynamo::system::Dynamo;

/// How long a hop between nodes, a hop to or from a client, and a sync take.
pub(super) struct Delays {
    pub peers: Latency,
    pub clients: Latency,
    pub disk: Latency,
}

/// A world without faults, with these delays.
pub(super) fn world(settings: DynamoSettings, seed: u64, delays: Delays) -> Result<World, ExperimentError> {
    let mut world = Dynamo::new(settings, seed).map_err(ExperimentError::new)?.world();
    world.network = NetworkSettings {
        peers: Some(Legs::alike(delays.peers)),
        clients: Some(Legs::alike(delays.clients)),
        ..NetworkSettings::default()
    };
    world.disk.latency = Some(delays.disk);
    World::new(world).map_err(ExperimentError::new)
}

/// `count` independent times after a first one, ns, with a mean rate of `rate` a second.
pub(super) fn moments(rng: &mut ChaCha8Rng, from_s: f64, rate: f64, count: u32) -> Vec<u64> {
    let mut at_s = from_s;
    let next = |_| {
        at_s -= (1.0 - rng.random::<f64>()).ln() / rate;
        (at_s * 1e9) as u64
    };
    (0..count).map(next).collect()
}

/// A world with its agenda. `T` is the type of an entry.
pub(super) struct Script<T> {
    pub world: World,
    agenda: BTreeMap<(u64, u64), T>,
    open: BTreeMap<RequestId, (u64, T)>,
    answered: VecDeque<RequestId>,
    noted: u64,
}

/// The next thing of interest.
pub(super) enum ScriptEvent<T> {
    /// An entry of the agenda is due.
    Due(T),
    /// A request was answered.
    Answered {
        /// What it was for.
        what: T,
        /// The time since it was sent, ns.
        took_ns: u64,
        /// None: its node crashed.
        reply: Option<Reply>,
    },
}

impl<T> Script<T> {
    pub fn new(world: World) -> Self {
        Self { world, agenda: BTreeMap::new(), open: BTreeMap::new(), answered: VecDeque::new(), noted: 0 }
    }

    /// Adds an entry that is due at a time.
    pub fn at(&mut self, at_ns: u64, what: T) {
        self.noted += 1;
        self.agenda.insert((at_ns, self.noted), what);
    }

    /// Adds an entry that is due some time from now.
    pub fn after(&mut self, ns: u64, what: T) {
        self.at(self.world.now_ns() + ns, what);
    }

    /// Waits for the answer to a request just made.
    pub fn expect(&mut self, id: RequestId, what: T) {
        self.open.insert(id, (self.world.now_ns(), what));
    }

    /// Lets time pass until an entry is due or a request is answered; none when there is neither.
    pub fn next(&mut self) -> Option<ScriptEvent<T>> {
        loop {
            while let Some(id) = self.answered.pop_front() {
                let answer = self.world.take_answer(id);
                if let (Some(answer), Some((sent_ns, what))) = (answer, self.open.remove(&id)) {
                    let reply = match answer {
                        Answer::Reply(reply) => Some(reply),
                        Answer::ConnectionLost => None,
                    };
                    return Some(ScriptEvent::Answered { what, took_ns: self.world.now_ns() - sent_ns, reply });
                }
            }
            let event_ns = self.world.next_ns();
            match self.agenda.first_entry() {
                Some(first) if event_ns.is_none_or(|event_ns| first.key().0 <= event_ns) => {
                    let ((at_ns, _), what) = first.remove_entry();
                    self.world.skip_to(at_ns);
                    return Some(ScriptEvent::Due(what));
                }
                None if self.open.is_empty() => return None,
                _ => {
                    self.world.step(event_ns?);
                    self.answered.extend(self.world.take_fresh());
                }
            }
        }
    }
}
