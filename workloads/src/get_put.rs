//! The client of a store that has get, put and delete alone: each operation is done as its workload's
//! [`Meaning`] says.
//!
//! ```text
//!   invoke(node, operation) ─► Meaning of operation.workload ─► get, then put or delete ─► Store
//! ```

use std::collections::BTreeMap;
use std::rc::Rc;

use futures::FutureExt;
use futures::future::{LocalBoxFuture, ready};
use serde_json::Value;

use crate::client::{Attempt, Client, Completion, Operation, ReplicaFuture, Replicas, Unread, Version};
use crate::meaning::{Corrupt, Meaning, get, put};
use crate::registry;
use crate::store::{ReplicaVersion, Store};
use crate::workload::PROBE;

/// What the operations of each workload mean, by its name.
type Meanings = BTreeMap<&'static str, Box<dyn Meaning>>;

/// A store with get and put as a client of operations.
pub struct GetPut<'s> {
    store: Box<dyn Store + 's>,
    /// Shared by the clients of all processes: what a process has done to a counter does not depend on its session.
    meanings: Rc<Meanings>,
}

impl<'s> GetPut<'s> {
    /// A client that knows every workload that has a meaning by get and put.
    pub fn new(store: Box<dyn Store + 's>) -> Self {
        Self { store, meanings: Rc::new(meanings()) }
    }
}

fn meanings() -> Meanings {
    let probe: (_, Box<dyn Meaning>) = (PROBE, Box::new(StoredProbe));
    registry::meanings().chain([probe]).collect()
}

/// Whether a store with get and put alone can do this function of this workload.
pub fn can(workload: &str, f: &str) -> bool {
    knows(&meanings(), workload, f)
}

fn knows(meanings: &Meanings, workload: &str, f: &str) -> bool {
    meanings.get(workload).is_some_and(|meaning| meaning.functions().contains(&f))
}

impl Client for GetPut<'_> {
    fn nodes(&self) -> Vec<String> {
        self.store.nodes()
    }

    fn can(&self, workload: &str, f: &str) -> bool {
        knows(&self.meanings, workload, f)
    }

    fn invoke<'a>(
        &'a self,
        node: &'a str,
        operation: &'a Operation,
        attempt: &'a Attempt,
    ) -> LocalBoxFuture<'a, Completion> {
        match self.meanings.get(operation.workload) {
            Some(meaning) => meaning.perform(&*self.store, node, operation, attempt),
            None => ready(operation.unknown()).boxed_local(),
        }
    }

    fn for_process(&self, process: u64) -> Option<Box<dyn Client + '_>> {
        let store = self.store.for_process(process)?;
        Some(Box::new(GetPut { store, meanings: Rc::clone(&self.meanings) }))
    }

    fn replicas(&self) -> Option<&dyn Replicas> {
        Some(self)
    }
}

impl Replicas for GetPut<'_> {
    fn locate<'a>(&'a self, keys: &'a [String]) -> ReplicaFuture<'a, ()> {
        let located = self.store.locate(keys);
        async move { located.await.map_err(|error| Unread::Failed(error.to_string())) }.boxed_local()
    }

    fn replicas(&self, key: &str) -> Vec<String> {
        self.store.replicas(key)
    }

    fn read_replica<'a>(
        &'a self,
        node: &'a str,
        workload: &'static str,
        key: &'a str,
    ) -> ReplicaFuture<'a, Vec<Version>> {
        async move {
            let Some(meaning) = self.meanings.get(workload) else {
                return Err(Unread::Failed(format!("what is stored of {workload} is not known")));
            };
            let versions = self.store.read_replica(node, key).await;
            let versions = versions.map_err(|error| Unread::Failed(error.to_string()))?;
            let decoded: Result<Vec<Version>, Corrupt> =
                versions.into_iter().map(|version| decode(meaning.as_ref(), version)).collect();
            decoded.map_err(|corrupt| Unread::Corrupt(format!("{key} on {node}: {corrupt}")))
        }
        .boxed_local()
    }
}

/// A write to a key that no workload uses, to see whether a node serves writes.
struct StoredProbe;

impl Meaning for StoredProbe {
    fn functions(&self) -> &'static [&'static str] {
        &["write"]
    }

    fn perform<'a>(
        &'a self,
        store: &'a dyn Store,
        node: &'a str,
        operation: &'a Operation,
        attempt: &'a Attempt,
    ) -> LocalBoxFuture<'a, Completion> {
        async move {
            let bytes = operation.value.to_string().into_bytes();
            match get(store, node, operation, attempt).await {
                Ok(read) => put(store, node, operation, attempt, read.context.as_ref(), bytes).await,
                Err(completion) => completion,
            }
        }
        .boxed_local()
    }

    fn decode(&self, bytes: &[u8]) -> Result<Value, Corrupt> {
        serde_json::from_slice(bytes).map_err(|error| Corrupt::new("what a probe writes", bytes, error))
    }
}

fn decode(meaning: &dyn Meaning, version: ReplicaVersion) -> Result<Version, Corrupt> {
    let value = version.value.map(|bytes| meaning.decode(&bytes)).transpose()?;
    Ok(Version { id: version.id, value: value.unwrap_or(Value::Null) })
}
