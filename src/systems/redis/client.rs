//! A client of Redis: which operation of which workload is done by what.

use std::rc::Rc;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use workloads::client::{ReplicaFuture, Replicas, Unread, Version};
use workloads::{Attempt, Client, Completion, GetPut, Operation, get_put};

use super::commands;
use super::connections::Connections;
use super::store::RedisStore;
use crate::systems::outcomes::parse;

/// A client of the whole cluster.
pub(super) struct RedisClient {
    connections: Rc<Connections>,
    nodes: Vec<String>,
    /// Does what needs get and put alone.
    get_put: GetPut<'static>,
}

impl RedisClient {
    /// A client of these nodes.
    pub fn new(connections: Connections, nodes: Vec<String>) -> Self {
        let connections = Rc::new(connections);
        let get_put = GetPut::new(Box::new(RedisStore::new(Rc::clone(&connections), nodes.clone())));
        Self { connections, nodes, get_put }
    }

    async fn done(&self, node: &str, operation: &Operation, attempt: &Attempt) -> Completion {
        let on = &*self.connections;
        let done = match (operation.workload, operation.f) {
            ("cas-register", "read") => commands::read(on, node, operation, attempt).await,
            ("cas-register", "write") => commands::write(on, node, operation, attempt).await,
            ("cas-register", "cas") => commands::cas(on, node, operation, attempt).await,
            ("kv-set", "add") => commands::add_element(on, node, operation, attempt).await,
            ("kv-set", "read") => commands::read_elements(on, node, operation, attempt).await,
            ("kv-counter", "add") => commands::add(on, node, operation, attempt).await,
            ("kv-counter", "read") => commands::read_sum(on, node, operation, attempt).await,
            ("queue", "enqueue") => commands::enqueue(on, node, operation, attempt).await,
            ("queue", "dequeue") => commands::dequeue(on, node, operation, attempt, commands::REMOVAL_LIMIT).await,
            ("queue", "drain") => commands::drain(on, node, operation, attempt).await,
            _ => return self.get_put.invoke(node, operation, attempt).await,
        };
        done.unwrap_or_else(|completion| completion)
    }
}

/// Whether an operation is one command.
fn is_command(workload: &str, f: &str) -> bool {
    matches!(
        (workload, f),
        ("cas-register", "read" | "write" | "cas")
            | ("kv-set" | "kv-counter", "add" | "read")
            | ("queue", "enqueue" | "dequeue" | "drain")
    )
}

/// Whether a client can do this function of this workload.
pub(super) fn can(workload: &str, f: &str) -> bool {
    is_command(workload, f) || get_put::can(workload, f)
}

impl Client for RedisClient {
    fn nodes(&self) -> Vec<String> {
        self.nodes.clone()
    }

    fn can(&self, workload: &str, f: &str) -> bool {
        can(workload, f)
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
        Some(self)
    }
}

impl Replicas for RedisClient {
    /// Every node has every key.
    fn replicas(&self, _key: &str) -> Vec<String> {
        self.nodes.clone()
    }

    fn read_replica<'a>(
        &'a self,
        node: &'a str,
        workload: &'static str,
        key: &'a str,
    ) -> ReplicaFuture<'a, Vec<Version>> {
        if get_put::can(workload, "read") || get_put::can(workload, "txn") {
            return self.get_put.read_replica(node, workload, key);
        }
        async move {
            let stored = commands::stored(&self.connections, node, workload, key).await;
            let stored = stored.map_err(|error| Unread::Failed(error.to_string()))?;
            stored.into_iter().map(|bytes| version(key, &bytes)).collect()
        }
        .boxed_local()
    }
}

/// A value, or an element, as a version: it is known by what it is.
fn version(key: &str, bytes: &[u8]) -> Result<Version, Unread> {
    let value = parse(bytes).map_err(|why| Unread::Corrupt(format!("{key}: {why}")))?;
    Ok(Version { id: value.to_string(), value })
}

#[cfg(test)]
mod tests {
    use workloads::registry;

    use super::*;

    #[test]
    fn sets_registers_counters_and_queues_can_be_done() {
        let can_do = registry::names(&can);
        for name in ["cas-register", "kv-set", "kv-counter", "queue", "set", "register", "counter"] {
            assert!(can_do.contains(&name), "{name}: {can_do:?}");
        }
        for name in ["append", "log", "lock", "fenced-lock", "watch"] {
            assert!(!can_do.contains(&name), "{name}: {can_do:?}");
        }
        assert!(can("probe", "write") && !can("cas-register", "add"));
    }
}
