//! A store that is one copy in memory: it keeps siblings and honours contexts, and misbehaves on request.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::FutureExt;
use workloads::clock::Clock;
use workloads::store::{Context, ReplicaVersion, Store, StoreError, StoreFuture, Versions};

use super::{VirtualClock, ms};

/// How requests of one kind are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// Correctly.
    #[default]
    Right,
    /// Refused: it certainly did not happen.
    Refuse,
    /// Done, but the answer is lost.
    Unknown,
    /// Never answered. A put is done nevertheless.
    Hang,
    /// Puts: acknowledged but not stored. Reads: not found.
    Lose,
    /// Reads: bytes that no client wrote.
    Garbage,
}

/// Versions by their dot; none is a tombstone.
type Siblings = BTreeMap<u64, Option<Vec<u8>>>;

/// The store; see the module.
pub struct MemoryStore {
    clock: VirtualClock,
    nodes: Vec<String>,
    pub gets: Cell<Behaviour>,
    pub puts: Cell<Behaviour>,
    /// `puts` applies to the keys with this prefix.
    pub puts_of: Cell<&'static str>,
    pub replica_reads: Cell<Behaviour>,
    /// Each request takes this long; one and a half times as long for a key whose last byte is odd, so that requests
    /// overlap unevenly.
    pub latency: Cell<Duration>,
    /// Replica reads of the last node are answered with nothing until then.
    pub lagging_until: Cell<Duration>,
    pub put_count: Cell<u64>,
    /// No node can be read by itself.
    pub without_replicas: Cell<bool>,
    keys: RefCell<BTreeMap<String, Siblings>>,
    dots: Cell<u64>,
}

impl MemoryStore {
    pub fn new(clock: &VirtualClock, nodes: usize) -> Self {
        Self {
            clock: clock.clone(),
            nodes: (1..=nodes).map(|node| format!("n{node}")).collect(),
            gets: Cell::default(),
            puts: Cell::default(),
            puts_of: Cell::new(""),
            replica_reads: Cell::default(),
            latency: Cell::new(ms(3)),
            lagging_until: Cell::default(),
            put_count: Cell::new(0),
            without_replicas: Cell::default(),
            keys: RefCell::default(),
            dots: Cell::new(0),
        }
    }

    /// Stores a value without a request.
    pub fn plant(&self, key: &str, value: &[u8]) {
        self.write(key, None, Some(value.to_vec()));
    }

    async fn answer(&self, behaviour: Behaviour, key: &str) -> Result<(), StoreError> {
        let latency = self.latency.get();
        let odd = key.bytes().last().is_some_and(|byte| byte % 2 == 1);
        let took = if odd { latency * 3 / 2 } else { latency };
        if !took.is_zero() {
            self.clock.sleep_until(self.clock.now() + took).await;
        }
        match behaviour {
            Behaviour::Refuse => Err(StoreError::Refused("refused: too few replicas".to_owned())),
            Behaviour::Unknown => Err(StoreError::Unknown("connection reset".to_owned())),
            Behaviour::Hang => std::future::pending().await,
            _ => Ok(()),
        }
    }

    fn write(&self, key: &str, context: Option<&Context>, value: Option<Vec<u8>>) {
        let covered: BTreeSet<u64> = match context {
            Some(Context(dots)) => serde_json::from_str(dots).expect("the store's own context"),
            None => BTreeSet::new(),
        };
        self.dots.set(self.dots.get() + 1);
        let mut keys = self.keys.borrow_mut();
        let versions = keys.entry(key.to_owned()).or_default();
        versions.retain(|dot, _| !covered.contains(dot));
        versions.insert(self.dots.get(), value);
    }

    fn versions(&self, key: &str) -> Siblings {
        self.keys.borrow().get(key).cloned().unwrap_or_default()
    }

    async fn change(&self, key: &str, context: Option<&Context>, value: Option<Vec<u8>>) -> Result<(), StoreError> {
        self.put_count.set(self.put_count.get() + 1);
        let behaviour = if key.starts_with(self.puts_of.get()) { self.puts.get() } else { Behaviour::Right };
        if !matches!(behaviour, Behaviour::Refuse | Behaviour::Lose) {
            self.write(key, context, value);
        }
        self.answer(behaviour, key).await
    }
}

impl Store for MemoryStore {
    fn nodes(&self) -> Vec<String> {
        self.nodes.clone()
    }

    fn get<'a>(&'a self, _node: &'a str, key: &'a str) -> StoreFuture<'a, Versions> {
        async move {
            let behaviour = self.gets.get();
            self.answer(behaviour, key).await?;
            let versions = match behaviour {
                Behaviour::Lose => BTreeMap::new(),
                Behaviour::Garbage => BTreeMap::from([(u64::MAX, Some(b"\xff{garbage".to_vec()))]),
                _ => self.versions(key),
            };
            let dots: Vec<u64> = versions.keys().copied().collect();
            let context = (!dots.is_empty()).then(|| Context(serde_json::to_string(&dots).expect("numbers are JSON")));
            Ok(Versions { values: versions.into_values().flatten().collect(), context })
        }
        .boxed_local()
    }

    fn put<'a>(
        &'a self,
        _node: &'a str,
        key: &'a str,
        context: Option<&'a Context>,
        value: Vec<u8>,
    ) -> StoreFuture<'a, ()> {
        self.change(key, context, Some(value)).boxed_local()
    }

    fn delete<'a>(&'a self, _node: &'a str, key: &'a str, context: Option<&'a Context>) -> StoreFuture<'a, ()> {
        self.change(key, context, None).boxed_local()
    }

    fn replicas(&self, _key: &str) -> Vec<String> {
        if self.without_replicas.get() { Vec::new() } else { self.nodes.clone() }
    }

    fn read_replica<'a>(&'a self, node: &'a str, key: &'a str) -> StoreFuture<'a, Vec<ReplicaVersion>> {
        async move {
            let behaviour = self.replica_reads.get();
            self.answer(behaviour, key).await?;
            let lags = self.nodes.last().is_some_and(|last| last == node);
            if lags && self.clock.now() < self.lagging_until.get() {
                return Ok(Vec::new());
            }
            if behaviour == Behaviour::Garbage {
                return Ok(vec![ReplicaVersion { id: "x".to_owned(), value: Some(b"[1,".to_vec()) }]);
            }
            let versions = self.versions(key).into_iter();
            Ok(versions.rev().map(|(dot, value)| ReplicaVersion { id: format!("d{dot:06}"), value }).collect())
        }
        .boxed_local()
    }
}
