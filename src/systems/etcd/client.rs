//! A client of etcd: which operation of which workload is done by what.

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use serde_json::Value;
use workloads::client::{ReplicaFuture, Replicas, Unread, Version};
use workloads::store::StoreError;
use workloads::{Attempt, Client, Completion, GetPut, Operation, get_put};

use super::forms::{KeyValue, Keys};
use super::kv::Kv;
use super::locks::Locks;
use super::settings::Reads;
use super::store::EtcdStore;
use super::{registers, transactions, watches};
use crate::systems::outcomes::parse;

/// A client of the whole cluster.
pub(super) struct EtcdClient {
    kv: Kv,
    nodes: Vec<String>,
    locks: Locks,
    /// Does what needs get and put alone.
    get_put: GetPut<'static>,
}

impl EtcdClient {
    /// A client of these nodes, whose locks have leases of so many seconds.
    pub fn new(kv: Kv, nodes: Vec<String>, lease_seconds: u64) -> Self {
        let get_put = GetPut::new(Box::new(EtcdStore::new(kv.clone(), nodes.clone())));
        Self { kv, nodes, locks: Locks::new(lease_seconds), get_put }
    }

    async fn done(&self, does: Does, node: &str, operation: &Operation, attempt: &Attempt) -> Completion {
        let kv = &self.kv;
        let done = match does {
            Does::Read => registers::read(kv, node, operation, attempt).await,
            Does::Write => registers::write(kv, node, operation, attempt).await,
            Does::Cas => registers::cas(kv, node, operation, attempt).await,
            Does::AddElement => registers::add_element(kv, node, operation, attempt).await,
            Does::ReadElements => registers::read_elements(kv, node, operation, attempt).await,
            Does::Add => registers::add(kv, node, operation, attempt).await,
            Does::ReadSum => registers::read_sum(kv, node, operation, attempt).await,
            Does::Txn => transactions::txn(kv, node, operation, attempt).await,
            Does::Put => watches::put(kv, node, operation, attempt).await,
            Does::Delete => watches::delete(kv, node, operation, attempt).await,
            Does::Watch => watches::watch(kv, node, operation, attempt, watches::QUIET).await,
            Does::Generate => registers::generate(kv, node, operation, attempt).await,
            Does::Acquire => self.locks.acquire(kv, node, operation, attempt).await,
            Does::Release => self.locks.release(kv, node, operation, attempt).await,
            Does::GetPut => return self.get_put.invoke(node, operation, attempt).await,
        };
        done.unwrap_or_else(|completion| completion)
    }
}

/// By what an operation is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Read,
    Write,
    Cas,
    AddElement,
    ReadElements,
    Add,
    ReadSum,
    Txn,
    Put,
    Delete,
    Watch,
    Generate,
    Acquire,
    Release,
    GetPut,
}

/// By what this function of this workload is done; none if it cannot be done.
fn does(workload: &str, f: &str) -> Option<Does> {
    Some(match (workload, f) {
        ("cas-register", "read") => Does::Read,
        ("cas-register", "write") => Does::Write,
        ("cas-register", "cas") => Does::Cas,
        ("kv-set", "add") => Does::AddElement,
        ("kv-set", "read") => Does::ReadElements,
        ("kv-counter", "add") => Does::Add,
        ("kv-counter", "read") => Does::ReadSum,
        ("append", "txn") => Does::Txn,
        ("watch", "put") => Does::Put,
        ("watch", "delete") => Does::Delete,
        ("watch", "watch") => Does::Watch,
        ("unique-ids", "generate") => Does::Generate,
        ("lock" | "fenced-lock", "acquire") => Does::Acquire,
        ("lock" | "fenced-lock", "release") => Does::Release,
        _ if get_put::can(workload, f) => Does::GetPut,
        _ => return None,
    })
}

/// Whether a client can do this function of this workload.
pub(super) fn can(workload: &str, f: &str) -> bool {
    does(workload, f).is_some()
}

impl Client for EtcdClient {
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
        match does(operation.workload, operation.f) {
            Some(does) => self.done(does, node, operation, attempt).boxed_local(),
            None => futures::future::ready(operation.unknown()).boxed_local(),
        }
    }

    fn replicas(&self) -> Option<&dyn Replicas> {
        Some(self)
    }
}

impl Replicas for EtcdClient {
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
        if does(workload, "read") == Some(Does::GetPut) || does(workload, "txn") == Some(Does::GetPut) {
            return self.get_put.read_replica(node, workload, key);
        }
        let keys = if workload == "kv-set" { Keys::Below(key) } else { Keys::One(key) };
        async move {
            let failed = |error: StoreError| Unread::Failed(error.to_string());
            let found = self.kv.range(node, &keys, Reads::Serializable).await.map_err(failed)?;
            found.into_iter().map(version).collect()
        }
        .boxed_local()
    }
}

/// A key as a version: each change of a key has a revision of its own.
fn version(found: KeyValue) -> Result<Version, Unread> {
    let KeyValue { key, value, mod_revision } = found;
    let corrupt = |why| Unread::Corrupt(format!("{}: {why}", String::from_utf8_lossy(&key)));
    let value: Value = parse(&value).map_err(corrupt)?;
    Ok(Version { id: format!("{}@{mod_revision}", String::from_utf8_lossy(&key)), value })
}

#[cfg(test)]
mod tests {
    use workloads::registry;

    use super::*;

    #[test]
    fn workloads_of_transactions_and_locks_can_be_done_and_not_those_of_queues_logs_and_banks() {
        let can_do = registry::names(&can);
        for name in ["cas-register", "kv-set", "append", "watch", "unique-ids", "lock", "fenced-lock", "register"] {
            assert!(can_do.contains(&name), "{name}: {can_do:?}");
        }
        assert!(["queue", "log", "bank"].iter().all(|name| !can_do.contains(name)));
        assert!(can("probe", "write") && !can("cas-register", "add") && !can("lock", "read"));
    }
}
