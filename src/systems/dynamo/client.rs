//! A client of the bundled Dynamo over HTTP.
//!
//! What matters here is that failures are reported correctly: `Refused` only where the request certainly had no effect
//! (it was never sent, or the node said so), `Unknown` for everything else.

pub(super) mod http;

use std::net::SocketAddr;
use std::time::Duration;

use cluster_core::api::{MemberStatus, Reply, Request};
use cluster_core::config::Config;
use nemesis::surface::Membership;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use workloads::store::{Context, ReplicaVersion, Store, StoreError, StoreFuture, Versions};

use super::calls::Caller;
use super::coordinating::Coordinator;
use super::placement::Placement;
use super::replies;
use super::sessions::{AskInSession, InSession, Sessions};
use super::settings::Coordination;
use crate::arena::addresses::Addresses;
use crate::systems::http::{describe, not_sent_or_unknown, unknown};
use http::{CONTEXT, decode_base64, header, read, refusal};

const SESSION: &str = "x-dynamo-session";
const SESSION_BEGINS: &str = "begin";
const STATUS_TIMEOUT: Duration = Duration::from_millis(500);
const COMMAND_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) struct DynamoClient {
    http: reqwest::Client,
    addresses: Addresses,
    placement: Placement,
    /// Coordinates reads and writes here (6.4); without it the nodes do.
    coordinator: Option<Coordinator>,
    sessions: Option<Sessions>,
}

#[derive(Deserialize)]
struct ReplicaAnswer {
    versions: Vec<LocalVersion>,
}

#[derive(Deserialize)]
struct LocalVersion {
    id: String,
    value: Option<String>,
}

#[derive(Deserialize)]
struct PreferenceAnswer {
    preference: Vec<String>,
}

#[derive(Deserialize)]
struct MembershipAnswer {
    view: String,
    seats: Vec<Seat>,
}

#[derive(Deserialize)]
struct Seat {
    name: String,
    standing: MemberStatus,
}

#[derive(Deserialize)]
struct VersionAnswer {
    protocol_version: u64,
}

#[derive(Deserialize)]
struct ClockAnswer {
    wall_ns: serde_json::Value,
}

impl DynamoClient {
    pub fn new(
        http: reqwest::Client,
        addresses: Addresses,
        config: &Config,
        coordination: Coordination,
        session: bool,
    ) -> Self {
        let coordinator = match coordination {
            Coordination::Server => None,
            Coordination::Client => {
                let caller = Caller::new(http.clone(), addresses.clone(), config.names.clone());
                Some(Coordinator::new(config, caller))
            }
        };
        Self {
            http,
            addresses,
            placement: Placement::new(config),
            coordinator,
            sessions: session.then(Sessions::default),
        }
    }

    fn url(&self, node: &str, path: &str, key: &str) -> Result<String, StoreError> {
        let address = self.addresses.of(node);
        let address = address.ok_or_else(|| StoreError::Refused(format!("{node} is not running")))?;
        Ok(format!("http://{address}/{path}/{}", utf8_percent_encode(key, NON_ALPHANUMERIC)))
    }

    /// Sends the request through the coordinator, which may ask any node; `node` only has to be one of the cluster.
    async fn coordinated(&self, coordinator: &Coordinator, node: &str, request: Request) -> Result<Reply, StoreError> {
        self.placement.check(node)?;
        let reply = coordinator.ask(request).await;
        replies::outcome(reply.ok_or_else(|| StoreError::Unknown("the coordinating client has ended".into()))?)
    }

    async fn read(&self, request: RequestBuilder) -> Result<Versions, StoreError> {
        read(request.send().await.map_err(not_sent_or_unknown)?).await
    }

    async fn in_session(&self, node: &str, session: Option<String>, request: Request) -> Result<Reply, StoreError> {
        let header_value = session.unwrap_or_else(|| SESSION_BEGINS.to_owned());
        let url = |key: &[u8]| self.url(node, "kv", &String::from_utf8_lossy(key));
        match request {
            Request::Get { key, .. } => {
                let read = self.read(self.http.get(url(&key)?).header(SESSION, header_value)).await?;
                Ok(Reply::Got { values: read.values, context: read.context.map(|Context(text)| text) })
            }
            Request::Put { key, value, context, .. } => {
                let url = url(&key)?;
                let write = match value {
                    Some(value) => self.http.put(url).body(value),
                    None => self.http.delete(url),
                };
                let context = context.map(Context);
                let response = self.write(write.header(SESSION, header_value), context.as_ref()).await?;
                let session = header(&response, SESSION);
                session
                    .map(|session| Reply::StoredInSession { session })
                    .ok_or_else(|| StoreError::Unknown("the node's answer says nothing of the session".into()))
            }
            _ => Err(StoreError::Refused("only a get and a put can be in a session".into())),
        }
    }

    async fn write(&self, request: RequestBuilder, context: Option<&Context>) -> Result<Response, StoreError> {
        let request = match context {
            Some(Context(text)) => request.header(CONTEXT, text),
            None => request,
        };
        let response = request.send().await.map_err(not_sent_or_unknown)?;
        match response.status() {
            StatusCode::NO_CONTENT => Ok(response),
            _ => Err(refusal(response).await),
        }
    }
}

impl DynamoClient {
    /// The preference list of a key, as a node reports it.
    async fn preference(&self, node: &str, key: &str) -> Result<Vec<String>, StoreError> {
        let response = self.http.get(self.url(node, "ring", key)?).send().await.map_err(not_sent_or_unknown)?;
        let answer: PreferenceAnswer = response.json().await.map_err(unknown)?;
        Ok(answer.preference)
    }
}

impl Store for DynamoClient {
    fn nodes(&self) -> Vec<String> {
        self.placement.nodes()
    }

    fn get<'a>(&'a self, node: &'a str, key: &'a str) -> StoreFuture<'a, Versions> {
        Box::pin(async move {
            if let Some(coordinator) = &self.coordinator {
                return replies::got(self.coordinated(coordinator, node, replies::get(key)).await?);
            }
            self.read(self.http.get(self.url(node, "kv", key)?)).await
        })
    }

    fn put<'a>(
        &'a self,
        node: &'a str,
        key: &'a str,
        context: Option<&'a Context>,
        value: Vec<u8>,
    ) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            if let Some(coordinator) = &self.coordinator {
                let request = replies::put(key, context, Some(value));
                return replies::stored(self.coordinated(coordinator, node, request).await?);
            }
            self.write(self.http.put(self.url(node, "kv", key)?).body(value), context).await.map(|_| ())
        })
    }

    fn delete<'a>(&'a self, node: &'a str, key: &'a str, context: Option<&'a Context>) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            if let Some(coordinator) = &self.coordinator {
                let request = replies::put(key, context, None);
                return replies::stored(self.coordinated(coordinator, node, request).await?);
            }
            self.write(self.http.delete(self.url(node, "kv", key)?), context).await.map(|_| ())
        })
    }

    fn for_process(&self, process: u64) -> Option<Box<dyn Store + '_>> {
        let sessions = self.sessions.as_ref()?;
        Some(Box::new(InSession { client: self, sessions, process }))
    }

    fn locate<'a>(&'a self, keys: &'a [String]) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            for key in keys {
                let mut answer = Err(StoreError::Refused("no node is running".into()));
                for node in self.placement.nodes() {
                    if answer.is_err() {
                        answer = self.preference(&node, key).await;
                    }
                }
                self.placement.locate(key, answer?);
            }
            Ok(())
        })
    }

    fn replicas(&self, key: &str) -> Vec<String> {
        self.placement.replicas(key)
    }

    fn read_replica<'a>(&'a self, node: &'a str, key: &'a str) -> StoreFuture<'a, Vec<ReplicaVersion>> {
        Box::pin(async move {
            let response = self.http.get(self.url(node, "local", key)?).send().await.map_err(not_sent_or_unknown)?;
            if response.status() != StatusCode::OK {
                return Err(refusal(response).await);
            }
            let answer: ReplicaAnswer = response.json().await.map_err(unknown)?;
            answer.versions.into_iter().map(decode_version).collect()
        })
    }
}

impl AskInSession for DynamoClient {
    fn ask_in_session<'a>(
        &'a self,
        node: &'a str,
        session: Option<String>,
        request: Request,
    ) -> StoreFuture<'a, Reply> {
        Box::pin(self.in_session(node, session, request))
    }
}

/// The time that the node itself believes it is, ns since the Unix epoch.
pub(super) async fn believed_wall_ns(http: &reqwest::Client, address: SocketAddr) -> Result<i128, String> {
    let request = http.get(format!("http://{address}/status")).timeout(STATUS_TIMEOUT);
    let status: ClockAnswer = async { request.send().await?.json().await }.await.map_err(|error| describe(&error))?;
    let text = status.wall_ns.as_str().map_or_else(|| status.wall_ns.to_string(), str::to_owned);
    text.parse().map_err(|_| format!("the node's wall_ns is no number: {text}"))
}

/// The version of the peer protocol that a node reports.
pub(super) async fn protocol_version(http: &reqwest::Client, address: SocketAddr) -> Result<u64, String> {
    let request = http.get(format!("http://{address}/status")).timeout(STATUS_TIMEOUT);
    let answer: VersionAnswer = async { request.send().await?.json().await }.await.map_err(|error| describe(&error))?;
    Ok(answer.protocol_version)
}

/// Commands, through the node at this address, that a node join or leave.
pub(super) async fn change_membership(
    http: &reqwest::Client,
    address: SocketAddr,
    node: &str,
    join: bool,
) -> Result<(), String> {
    let verb = if join { "join" } else { "leave" };
    let node = utf8_percent_encode(node, NON_ALPHANUMERIC);
    let request = http.post(format!("http://{address}/admin/{verb}/{node}")).timeout(COMMAND_TIMEOUT);
    let response = request.send().await.map_err(|error| describe(&error))?;
    match response.status() {
        StatusCode::NO_CONTENT => Ok(()),
        _ => Err(refusal(response).await.to_string()),
    }
}

/// The membership as the node at this address reports it.
pub(super) async fn members(http: &reqwest::Client, address: SocketAddr) -> Result<Membership, String> {
    let request = http.get(format!("http://{address}/members")).timeout(STATUS_TIMEOUT);
    let answer: MembershipAnswer =
        async { request.send().await?.json().await }.await.map_err(|error| describe(&error))?;
    let seats = answer.seats.into_iter().map(|seat| (seat.name, replies::standing(seat.standing)));
    Ok(Membership { view: answer.view, seats: seats.collect() })
}

/// The nodes that hold a key, in the order in which they are asked, as the node at this address reports it.
pub(super) async fn owners(http: &reqwest::Client, address: SocketAddr, key: &str) -> Result<Vec<String>, String> {
    let key = utf8_percent_encode(key, NON_ALPHANUMERIC);
    let request = http.get(format!("http://{address}/ring/{key}")).timeout(STATUS_TIMEOUT);
    let answer: PreferenceAnswer =
        async { request.send().await?.json().await }.await.map_err(|error| describe(&error))?;
    Ok(answer.preference)
}

/// What the node at this address says of itself.
pub(super) async fn status(http: &reqwest::Client, address: SocketAddr) -> Result<String, String> {
    let request = http.get(format!("http://{address}/status")).timeout(COMMAND_TIMEOUT);
    async { request.send().await?.text().await }.await.map_err(|error| describe(&error))
}

fn decode_version(version: LocalVersion) -> Result<ReplicaVersion, StoreError> {
    let value = version.value.as_deref().map(decode_base64).transpose()?;
    Ok(ReplicaVersion { id: version.id, value })
}
