//! A client of a store that a file describes: each operation is a request of the file, or is done by the driver.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use serde_json::Value;
use workloads::client::{ReplicaFuture, Replicas, Unread, Version};
use workloads::store::{Context, ReplicaVersion, Store, StoreError, StoreFuture, Versions};
use workloads::{Attempt, Client, Completion, GetPut, Operation, get_put};

use super::answer::Answered;
use super::ask::{Asker, Values};
use super::config::{Config, DriverConfig, Request};
use super::driver::{Driver, DriverError, DriverOutcome, DriverRequest, STARTS_MAX};
use crate::arena::addresses::Addresses;
use crate::arena::processes::own_executable;
use crate::systems::outcomes::{encode, unchanged, unread};

/// A client of the whole cluster.
pub(super) struct CustomClient {
    keys: Rc<Keys>,
    driven: Option<Driven>,
    addresses: Addresses,
    /// Does what needs get, put and delete alone.
    get_put: GetPut<'static>,
}

impl CustomClient {
    /// A client of these nodes, which puts the prefix in front of every key.
    pub fn new(config: Rc<Config>, nodes: Vec<String>, addresses: Addresses, key_prefix: String) -> Self {
        let driver = config.driver.clone();
        let driven = driver.map(|driver| Driven::new(driver, &config, key_prefix.clone()));
        let asker = Asker::new(addresses.clone(), key_prefix, config.connection.clone());
        let keys = Rc::new(Keys { asker, config, nodes });
        let get_put = GetPut::new(Box::new(OfKeys(Rc::clone(&keys))));
        Self { keys, driven, addresses, get_put }
    }

    async fn done(&self, node: &str, operation: &Operation, attempt: &Attempt) -> Completion {
        let request = self.keys.config.request(operation.workload, operation.f);
        let driven = self.driven.as_ref().filter(|driven| driven.config.does(operation.workload));
        if request.is_none() && driven.is_none() {
            return self.get_put.invoke(node, operation, attempt).await;
        }
        match operation.only_reads() {
            true => attempt.reading("request"),
            false => attempt.writing("request"),
        }
        match (request, driven) {
            (Some(request), _) => self.asked(node, operation, request).await,
            (None, Some(driven)) => driven.done(node, &self.addresses, operation).await,
            (None, None) => operation.unknown(),
        }
    }

    async fn asked(&self, node: &str, operation: &Operation, request: &Request) -> Completion {
        let values =
            Values { key: operation.key.as_deref(), value: operation.value.clone(), process: operation.process };
        match self.keys.asker.ask(node, request, &values).await {
            Ok(Answered::Happened(value)) => operation.ok(value.unwrap_or_else(|| operation.value.clone())),
            Ok(Answered::Absent) => operation.ok(Value::Null),
            Err(error) => uncompleted(operation, error),
        }
    }
}

/// A read that was not answered has changed nothing; a change may have happened unless it was refused.
fn uncompleted(operation: &Operation, error: StoreError) -> Completion {
    if operation.only_reads() { unread(operation)(error) } else { unchanged(operation)(error) }
}

impl Client for CustomClient {
    fn nodes(&self) -> Vec<String> {
        self.keys.nodes.clone()
    }

    fn can(&self, workload: &str, f: &str) -> bool {
        self.keys.config.can(workload, f)
    }

    fn invoke<'a>(
        &'a self,
        node: &'a str,
        operation: &'a Operation,
        attempt: &'a Attempt,
    ) -> LocalBoxFuture<'a, Completion> {
        self.done(node, operation, attempt).boxed_local()
    }

    fn replicas(&self) -> Option<&dyn Replicas> {
        self.keys.config.replica.is_some().then_some(self as &dyn Replicas)
    }
}

impl Replicas for CustomClient {
    /// Every node should have every key.
    fn replicas(&self, _key: &str) -> Vec<String> {
        self.keys.nodes.clone()
    }

    fn read_replica<'a>(
        &'a self,
        node: &'a str,
        workload: &'static str,
        key: &'a str,
    ) -> ReplicaFuture<'a, Vec<Version>> {
        if self.keys.config.get.is_some() && get_put::can(workload, "read") {
            return self.get_put.read_replica(node, workload, key);
        }
        async move {
            let versions = self.keys.of_replica(node, key).await.map_err(|error| Unread::Failed(error.to_string()))?;
            Ok(versions.into_iter().map(|value| Version { id: value.to_string(), value }).collect())
        }
        .boxed_local()
    }
}

/// The keys of a store.
struct Keys {
    asker: Asker,
    config: Rc<Config>,
    nodes: Vec<String>,
}

impl Keys {
    async fn ask(&self, node: &str, request: &Option<Request>, values: &Values<'_>) -> Result<Answered, StoreError> {
        let none = || StoreError::Refused("the file does not say how".into());
        self.asker.ask(node, request.as_ref().ok_or_else(none)?, values).await
    }

    async fn of_replica(&self, node: &str, key: &str) -> Result<Option<Value>, StoreError> {
        self.ask(node, &self.config.replica, &of_key(key)).await.map(present)
    }
}

fn of_key(key: &str) -> Values<'_> {
    Values { key: Some(key), ..Values::default() }
}

/// The value of a key that is there; a stored null is none.
fn present(answered: Answered) -> Option<Value> {
    match answered {
        Answered::Happened(value) => value.filter(|value| !value.is_null()),
        Answered::Absent => None,
    }
}

/// The keys of a store by get, put and delete. It has no contexts and no siblings.
struct OfKeys(Rc<Keys>);

impl Store for OfKeys {
    fn nodes(&self) -> Vec<String> {
        self.0.nodes.clone()
    }

    fn get<'a>(&'a self, node: &'a str, key: &'a str) -> StoreFuture<'a, Versions> {
        Box::pin(async move {
            let value = self.0.ask(node, &self.0.config.get, &of_key(key)).await.map(present)?;
            Ok(Versions { values: value.iter().map(encode).collect(), context: None })
        })
    }

    fn put<'a>(
        &'a self,
        node: &'a str,
        key: &'a str,
        _context: Option<&'a Context>,
        value: Vec<u8>,
    ) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let value =
                serde_json::from_slice(&value).map_err(|error| StoreError::Refused(format!("no JSON: {error}")))?;
            let values = Values { value, ..of_key(key) };
            self.0.ask(node, &self.0.config.put, &values).await.map(drop)
        })
    }

    fn delete<'a>(&'a self, node: &'a str, key: &'a str, _context: Option<&'a Context>) -> StoreFuture<'a, ()> {
        Box::pin(async move { self.0.ask(node, &self.0.config.delete, &of_key(key)).await.map(drop) })
    }

    fn replicas(&self, _key: &str) -> Vec<String> {
        self.0.nodes.clone()
    }

    fn read_replica<'a>(&'a self, node: &'a str, key: &'a str) -> StoreFuture<'a, Vec<ReplicaVersion>> {
        Box::pin(async move {
            let value = self.0.of_replica(node, key).await?;
            let version = |value: Value| ReplicaVersion { id: value.to_string(), value: Some(encode(&value)) };
            Ok(value.into_iter().map(version).collect())
        })
    }
}

/// The driver, which is started when it is needed.
struct Driven {
    config: DriverConfig,
    directory: PathBuf,
    key_prefix: String,
    running: RefCell<Option<Rc<Driver>>>,
    starts: Cell<u64>,
}

impl Driven {
    fn new(driver: DriverConfig, config: &Config, key_prefix: String) -> Self {
        let directory = config.cluster.directory.clone();
        Self { config: driver, directory, key_prefix, running: RefCell::default(), starts: Cell::default() }
    }

    async fn done(&self, node: &str, addresses: &Addresses, operation: &Operation) -> Completion {
        let Some(address) = addresses.of(node) else { return operation.fail(format!("{node} is down")) };
        let driver = match self.driver() {
            Ok(driver) => driver,
            Err(error) => return operation.fail(error.to_string()),
        };
        let key = operation.key.as_ref().map(|key| format!("{}{key}", self.key_prefix));
        let request = |id| DriverRequest {
            id,
            node,
            address: address.to_string(),
            workload: operation.workload,
            f: operation.f,
            key: key.as_deref(),
            value: &operation.value,
            process: operation.process,
        };
        match driver.ask(request).await {
            Ok(reply) => {
                let error = || reply.error.clone().unwrap_or_else(|| "the driver does not say why".into());
                match reply.outcome {
                    DriverOutcome::Ok => operation.ok(reply.value.unwrap_or_else(|| operation.value.clone())),
                    DriverOutcome::Fail => operation.fail(error()),
                    DriverOutcome::Info => uncompleted(operation, StoreError::Unknown(error())),
                }
            }
            Err(error @ DriverError::NotRunning(_)) => operation.fail(error.to_string()),
            Err(error @ DriverError::Ended(_)) => uncompleted(operation, StoreError::Unknown(error.to_string())),
        }
    }

    /// The driver that runs, started anew if the last one has ended.
    fn driver(&self) -> Result<Rc<Driver>, DriverError> {
        let mut running = self.running.borrow_mut();
        let ended = match running.as_ref().map(|driver| (driver, driver.why())) {
            Some((driver, None)) => return Ok(Rc::clone(driver)),
            Some((_, Some(why))) => why,
            None => String::new(),
        };
        if self.starts.get() >= STARTS_MAX {
            return Err(DriverError::NotRunning(format!("it has ended {STARTS_MAX} times; it {ended}")));
        }
        self.starts.set(self.starts.get() + 1);
        let driver = Rc::new(Driver::start(&self.config.command, &self.directory, Some(&own_executable()))?);
        *running = Some(Rc::clone(&driver));
        Ok(driver)
    }
}
