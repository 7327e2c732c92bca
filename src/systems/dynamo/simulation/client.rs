//! A client of the simulated Dynamo: the same requests without the HTTP.

use cluster_core::api::{LocalVersion, Reply, Request};
use cluster_core::config::Config;
use cluster_core::sim::{Answer, ClientId};
use workloads::store::{Context, ReplicaVersion, Store, StoreError, StoreFuture, Versions};

use super::SimulatedCluster;
use crate::systems::dynamo::placement::Placement;
use crate::systems::dynamo::replies;
use crate::systems::dynamo::sessions::{AskInSession, InSession, Sessions};
use crate::systems::dynamo::settings::Coordination;

/// Makes the seeds of coordinating clients different from those of nodes.
const CLIENT_SEED: u64 = 0x636c_6965_6e74;

pub struct SimulatedClient {
    cluster: SimulatedCluster,
    placement: Placement,
    /// Coordinates reads and writes in the simulated world (6.4); without it the nodes do.
    coordinator: Option<ClientId>,
    sessions: Option<Sessions>,
}

impl SimulatedClient {
    pub fn new(cluster: SimulatedCluster, config: &Config, coordination: Coordination, session: bool) -> Self {
        let coordinator = match coordination {
            Coordination::Server => None,
            Coordination::Client => Some(cluster.add_client(config.ring_seed ^ CLIENT_SEED)),
        };
        Self { cluster, placement: Placement::new(config), coordinator, sessions: session.then(Sessions::default) }
    }

    /// Sends a request to one node.
    async fn ask(&self, node: &str, request: Request) -> Result<Reply, StoreError> {
        heard(self.cluster.call(node, request).map_err(StoreError::Refused)?.await)
    }

    /// Sends a request through the node, or through the coordinating client, which may ask any node.
    async fn coordinated(&self, node: &str, request: Request) -> Result<Reply, StoreError> {
        match self.coordinator {
            None => self.ask(node, request).await,
            Some(client) => {
                self.placement.check(node)?;
                heard(self.cluster.ask_client(client, request).await)
            }
        }
    }

    async fn write(
        &self,
        node: &str,
        key: &str,
        context: Option<&Context>,
        value: Option<Vec<u8>>,
    ) -> Result<(), StoreError> {
        replies::stored(self.coordinated(node, replies::put(key, context, value)).await?)
    }
}

impl Store for SimulatedClient {
    fn nodes(&self) -> Vec<String> {
        self.placement.nodes()
    }

    fn get<'a>(&'a self, node: &'a str, key: &'a str) -> StoreFuture<'a, Versions> {
        Box::pin(async move { replies::got(self.coordinated(node, replies::get(key)).await?) })
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

    fn for_process(&self, process: u64) -> Option<Box<dyn Store + '_>> {
        let sessions = self.sessions.as_ref()?;
        Some(Box::new(InSession { client: self, sessions, process }))
    }

    fn locate<'a>(&'a self, keys: &'a [String]) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            for key in keys {
                let preference = self.cluster.preference(key.as_bytes());
                self.placement.locate(key, preference.ok_or_else(|| StoreError::Refused("no node is running".into()))?);
            }
            Ok(())
        })
    }

    fn replicas(&self, key: &str) -> Vec<String> {
        self.placement.replicas(key)
    }

    fn read_replica<'a>(&'a self, node: &'a str, key: &'a str) -> StoreFuture<'a, Vec<ReplicaVersion>> {
        Box::pin(async move {
            match self.ask(node, Request::GetLocal { key: key.as_bytes().to_vec() }).await? {
                Reply::Local { versions } => Ok(versions.into_iter().map(version).collect()),
                other => Err(replies::unexpected(&other)),
            }
        })
    }
}

impl AskInSession for SimulatedClient {
    fn ask_in_session<'a>(
        &'a self,
        node: &'a str,
        session: Option<String>,
        request: Request,
    ) -> StoreFuture<'a, Reply> {
        Box::pin(self.ask(node, Request::InSession { session, request: Box::new(request) }))
    }
}

fn heard(answer: Answer) -> Result<Reply, StoreError> {
    match answer {
        Answer::Reply(reply) => replies::outcome(reply),
        Answer::ConnectionLost => Err(StoreError::Unknown("the connection was lost".into())),
    }
}

fn version(LocalVersion { id, value }: LocalVersion) -> ReplicaVersion {
    ReplicaVersion { id, value }
}
