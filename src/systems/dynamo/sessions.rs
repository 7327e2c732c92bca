//! The sessions of the bench's client processes: the session token of each process and key, as the store returned it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use cluster_core::api::{Reply, Request};
use workloads::store::{Context, ReplicaVersion, Store, StoreError, StoreFuture, Versions};

use super::replies;

/// How many sessions are kept. Beyond that the least recently used one is dropped, whose process has ended long ago.
const SESSIONS_MAX: usize = 1 << 16;

/// One session for each process and key.
#[derive(Debug, Default)]
pub(super) struct Sessions(RefCell<Kept>);

#[derive(Debug, Default)]
struct Kept {
    sessions: BTreeMap<(u64, String), (u64, String)>,
    uses: u64,
}

impl Sessions {
    fn of(&self, process: u64, key: &str) -> Option<String> {
        self.0.borrow().sessions.get(&(process, key.to_owned())).map(|(_, session)| session.clone())
    }

    fn keep(&self, process: u64, key: &str, session: String) {
        let kept = &mut *self.0.borrow_mut();
        kept.uses += 1;
        kept.sessions.insert((process, key.to_owned()), (kept.uses, session));
        if kept.sessions.len() > SESSIONS_MAX {
            let oldest = kept.sessions.iter().min_by_key(|(_, (used, _))| *used).map(|(at, _)| at.clone());
            oldest.map(|at| kept.sessions.remove(&at));
        }
    }
}

/// A client that can ask in a session.
pub(super) trait AskInSession: Store {
    /// Carries out [`Request::InSession`] through the node.
    fn ask_in_session<'a>(&'a self, node: &'a str, session: Option<String>, request: Request)
    -> StoreFuture<'a, Reply>;
}

/// The store as one process sees it.
pub(super) struct InSession<'c, C> {
    pub client: &'c C,
    pub sessions: &'c Sessions,
    pub process: u64,
}

impl<C: AskInSession> InSession<'_, C> {
    async fn ask(&self, node: &str, key: &str, request: Request) -> Result<Reply, StoreError> {
        let reply = self.client.ask_in_session(node, self.sessions.of(self.process, key), request).await?;
        let seen = match &reply {
            Reply::Got { context, .. } => context.clone(),
            Reply::StoredInSession { session } => Some(session.clone()),
            _ => None,
        };
        if let Some(session) = seen {
            self.sessions.keep(self.process, key, session);
        }
        Ok(reply)
    }

    async fn write(
        &self,
        node: &str,
        key: &str,
        context: Option<&Context>,
        value: Option<Vec<u8>>,
    ) -> Result<(), StoreError> {
        match self.ask(node, key, replies::put(key, context, value)).await? {
            Reply::StoredInSession { .. } => Ok(()),
            other => Err(replies::unexpected(&other)),
        }
    }
}

impl<C: AskInSession> Store for InSession<'_, C> {
    fn nodes(&self) -> Vec<String> {
        self.client.nodes()
    }

    fn get<'a>(&'a self, node: &'a str, key: &'a str) -> StoreFuture<'a, Versions> {
        Box::pin(async move { replies::got(self.ask(node, key, replies::get(key)).await?) })
    }

    fn put<'a>(
        &'a self,
        node: &'a str,
        key: &'a str,
        context: Option<&'a Context>,
        value: Vec<u8>,
    ) -> StoreFuture<'a, ()> {
        Box::pin(self.write(node, key, context, Some(value)))
    }

    fn delete<'a>(&'a self, node: &'a str, key: &'a str, context: Option<&'a Context>) -> StoreFuture<'a, ()> {
        Box::pin(self.write(node, key, context, None))
    }

    fn locate<'a>(&'a self, keys: &'a [String]) -> StoreFuture<'a, ()> {
        self.client.locate(keys)
    }

    fn replicas(&self, key: &str) -> Vec<String> {
        self.client.replicas(key)
    }

    fn read_replica<'a>(&'a self, node: &'a str, key: &'a str) -> StoreFuture<'a, Vec<ReplicaVersion>> {
        self.client.read_replica(node, key)
    }
}
