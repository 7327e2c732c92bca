//! A client of the simulated Dynamo: the same requests without the HTTP.

use cluster_core::api::{Failure, LocalVersion, Reply, Request};
use cluster_core::config::Config;
use cluster_core::sim::Answer;
use workloads::store::{Context, ReplicaVersion, Store, StoreError, StoreFuture, Versions};

use super::placement::Placement;
use crate::arena::sim::SimArena;

pub(super) struct SimulatedClient {
    arena: SimArena,
    placement: Placement,
}

impl SimulatedClient {
    pub fn new(arena: SimArena, config: &Config) -> Self {
        Self { arena, placement: Placement::new(config) }
    }

    async fn ask(&self, node: &str, request: Request) -> Result<Reply, StoreError> {
        match self.arena.call(node, request).map_err(StoreError::Refused)?.await {
            Answer::Reply(Reply::Failed(Failure::Unknown(why))) => Err(StoreError::Unknown(why)),
            Answer::Reply(Reply::Failed(Failure::BadRequest(why) | Failure::Unavailable(why))) => {
                Err(StoreError::Refused(why))
            }
            Answer::Reply(reply) => Ok(reply),
            Answer::ConnectionLost => Err(StoreError::Unknown("the connection was lost".into())),
        }
    }

    async fn write(
        &self,
        node: &str,
        key: &str,
        context: Option<&Context>,
        value: Option<Vec<u8>>,
    ) -> Result<(), StoreError> {
        let context = context.map(|Context(text)| text.clone());
        let request = Request::Put { key: key.as_bytes().to_vec(), value, context, w: None, n: None };
        match self.ask(node, request).await? {
            Reply::Stored => Ok(()),
            other => Err(unexpected(&other)),
        }
    }
}

impl Store for SimulatedClient {
    fn nodes(&self) -> Vec<String> {
        self.placement.nodes()
    }

    fn get<'a>(&'a self, node: &'a str, key: &'a str) -> StoreFuture<'a, Versions> {
        Box::pin(async move {
            let request = Request::Get { key: key.as_bytes().to_vec(), r: None, n: None };
            match self.ask(node, request).await? {
                Reply::Got { values, context } => Ok(Versions { values, context: context.map(Context) }),
                other => Err(unexpected(&other)),
            }
        })
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

    fn replicas(&self, key: &str) -> Vec<String> {
        self.placement.replicas(key)
    }

    fn read_replica<'a>(&'a self, node: &'a str, key: &'a str) -> StoreFuture<'a, Vec<ReplicaVersion>> {
        Box::pin(async move {
            match self.ask(node, Request::GetLocal { key: key.as_bytes().to_vec() }).await? {
                Reply::Local { versions } => Ok(versions.into_iter().map(version).collect()),
                other => Err(unexpected(&other)),
            }
        })
    }
}

fn version(LocalVersion { id, value }: LocalVersion) -> ReplicaVersion {
    ReplicaVersion { id, value }
}

fn unexpected(reply: &Reply) -> StoreError {
    StoreError::Unknown(format!("an answer to something else: {reply:?}"))
}
