//! A store with get, put and delete with a context, whose replicas can be read by themselves. It becomes a client of
//! operations by [`GetPut`](crate::get_put::GetPut).
//!
//! A foreign store that has no contexts leaves them empty; one that has no siblings returns at most one value.

use futures::future::LocalBoxFuture;

/// The opaque token that a read returns and a write passes back: the causal past of what was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context(pub String);

/// What a read returned: no value (not found), one, or several siblings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// The causally maximal values, in the store's order.
    pub values: Vec<Vec<u8>>,
    /// To be passed to a write that is to replace these values.
    pub context: Option<Context>,
}

/// One version that a replica holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaVersion {
    /// The store's identifier of the version, equal on every replica that holds this version.
    pub id: String,
    /// Its value; none for a tombstone.
    pub value: Option<Vec<u8>>,
}

/// Why a request did not succeed. The variant decides whether the history records `fail` or `info`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It certainly did not happen and will not: it was refused, rejected or never sent.
    #[error("{0}")]
    Refused(String),
    /// It may have happened, or still may: a time-out, a broken connection.
    #[error("{0}")]
    Unknown(String),
}

/// The answer to a request.
pub type StoreFuture<'a, T> = LocalBoxFuture<'a, Result<T, StoreError>>;

/// A client of such a store. `node` is the name of the node to talk to.
pub trait Store {
    /// Names of all nodes, in a fixed order.
    fn nodes(&self) -> Vec<String>;
    /// Reads a key through a node.
    fn get<'a>(&'a self, node: &'a str, key: &'a str) -> StoreFuture<'a, Versions>;
    /// Writes a key through a node; without a context the write has seen nothing.
    fn put<'a>(
        &'a self,
        node: &'a str,
        key: &'a str,
        context: Option<&'a Context>,
        value: Vec<u8>,
    ) -> StoreFuture<'a, ()>;
    /// Deletes what the context covers.
    fn delete<'a>(&'a self, node: &'a str, key: &'a str, context: Option<&'a Context>) -> StoreFuture<'a, ()>;
    /// Asks the store which nodes hold these keys now, for [`Store::replicas`] to return. A store that never moves its
    /// keys has nothing to ask.
    fn locate<'a>(&'a self, _keys: &'a [String]) -> StoreFuture<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
    /// The nodes that should hold the key once the replicas have converged.
    fn replicas(&self, key: &str) -> Vec<String>;
    /// The store for one client process, if the store keeps a session for each process; none otherwise.
    fn for_process(&self, _process: u64) -> Option<Box<dyn Store + '_>> {
        None
    }
    /// The versions of a key that one node holds, read from that node alone.
    fn read_replica<'a>(&'a self, node: &'a str, key: &'a str) -> StoreFuture<'a, Vec<ReplicaVersion>>;
}

impl<S: Store + ?Sized> Store for &S {
    fn nodes(&self) -> Vec<String> {
        (**self).nodes()
    }

    fn get<'a>(&'a self, node: &'a str, key: &'a str) -> StoreFuture<'a, Versions> {
        (**self).get(node, key)
    }

    fn put<'a>(
        &'a self,
        node: &'a str,
        key: &'a str,
        context: Option<&'a Context>,
        value: Vec<u8>,
    ) -> StoreFuture<'a, ()> {
        (**self).put(node, key, context, value)
    }

    fn delete<'a>(&'a self, node: &'a str, key: &'a str, context: Option<&'a Context>) -> StoreFuture<'a, ()> {
        (**self).delete(node, key, context)
    }

    fn locate<'a>(&'a self, keys: &'a [String]) -> StoreFuture<'a, ()> {
        (**self).locate(keys)
    }

    fn replicas(&self, key: &str) -> Vec<String> {
        (**self).replicas(key)
    }

    fn for_process(&self, process: u64) -> Option<Box<dyn Store + '_>> {
        (**self).for_process(process)
    }

    fn read_replica<'a>(&'a self, node: &'a str, key: &'a str) -> StoreFuture<'a, Vec<ReplicaVersion>> {
        (**self).read_replica(node, key)
    }
}
