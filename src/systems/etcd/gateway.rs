//! etcd's JSON gateway: one POST for each call, and what its errors say of the outcome.
//!
//! A node proposes a change to the leader and then waits until it is applied. What goes wrong before it proposes has
//! changed nothing; what goes wrong while it waits (a time-out, a new leader, its own end) says nothing of the change,
//! which may be applied later (`processInternalRaftRequestOnce` in etcd's `server/etcdserver/v3_server.go`). So only the
//! errors of the first kind are refusals, by their words: their gRPC codes are not kept apart.

use std::net::SocketAddr;

use reqwest::{Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use workloads::store::StoreError;

use super::forms::{Answered, Refusal, Status, Version};
use crate::arena::addresses::Addresses;
use crate::systems::http::{not_sent_or_unknown, unknown};

/// The longest answer that is read, bytes; what workloads ask for is far shorter.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Errors of a node that has not proposed the change, or of one that all nodes refuse to apply.
const REFUSALS: [&str; 13] = [
    "etcdserver: too many requests",
    "etcdserver: request is too large",
    "etcdserver: no leader",
    "etcdserver: not capable",
    "etcdserver: rpc not supported for learner",
    "etcdserver: duplicate key given in txn request",
    "etcdserver: too many operations in txn request",
    "etcdserver: key is not provided",
    "etcdserver: requested lease not found",
    "etcdserver: mvcc: database space exceeded",
    "etcdserver: mvcc: required revision has been compacted",
    "etcdserver: mvcc: required revision is a future revision",
    "raft proposal dropped",
];

/// Calls to the nodes of a cluster.
#[derive(Clone)]
pub(super) struct Gateway {
    http: reqwest::Client,
    addresses: Addresses,
}

impl Gateway {
    /// The nodes at these addresses.
    pub fn new(http: reqwest::Client, addresses: Addresses) -> Self {
        Self { http, addresses }
    }

    /// Calls a node.
    ///
    /// # Errors
    /// `Refused` if the call certainly has no effect, `Unknown` if that cannot be said.
    pub async fn call<A: DeserializeOwned>(
        &self,
        node: &str,
        path: &str,
        request: &Value,
    ) -> Result<Answered<A>, StoreError> {
        read(self.open(node, path, request).await?).await
    }

    /// Calls a node; returns its answer unread, if it is one.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn open(&self, node: &str, path: &str, request: &Value) -> Result<Response, StoreError> {
        let address = self.addresses.of(node);
        let address = address.ok_or_else(|| StoreError::Refused(format!("{node} is not running")))?;
        post(&self.http, address, path, request).await
    }
}

/// Calls the node at this address.
///
/// # Errors
/// As [`Gateway::call`].
pub(super) async fn call<A: DeserializeOwned>(
    http: &reqwest::Client,
    address: SocketAddr,
    path: &str,
    request: &Value,
) -> Result<Answered<A>, StoreError> {
    read(post(http, address, path, request).await?).await
}

async fn post(
    http: &reqwest::Client,
    address: SocketAddr,
    path: &str,
    request: &Value,
) -> Result<Response, StoreError> {
    let response = http.post(format!("http://{address}/v3/{path}")).json(request).send().await;
    let response = response.map_err(not_sent_or_unknown)?;
    match response.status() {
        StatusCode::OK => Ok(response),
        _ => Err(refusal(response).await),
    }
}

/// What the node at this address says of itself.
///
/// # Errors
/// When it does not answer.
pub(super) async fn status(http: &reqwest::Client, address: SocketAddr) -> Result<Answered<Status>, StoreError> {
    call(http, address, "maintenance/status", &json!({})).await
}

/// The version of the program at this address.
///
/// # Errors
/// When it does not answer.
pub(super) async fn version(http: &reqwest::Client, address: SocketAddr) -> Result<String, StoreError> {
    let response = http.get(format!("http://{address}/version")).send().await.map_err(not_sent_or_unknown)?;
    let Version { etcdserver } = serde_json::from_slice(&body(response).await?).map_err(senseless)?;
    Ok(etcdserver)
}

async fn read<A: DeserializeOwned>(response: Response) -> Result<Answered<A>, StoreError> {
    serde_json::from_slice(&body(response).await?).map_err(senseless)
}

async fn body(mut response: Response) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unknown)? {
        if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(StoreError::Unknown(format!("the answer is longer than {ANSWER_BYTES_MAX} bytes")));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The error that an answer other than success tells.
async fn refusal(response: Response) -> StoreError {
    let status = response.status();
    let bytes = match body(response).await {
        Ok(bytes) => bytes,
        Err(error) => return error,
    };
    match serde_json::from_slice(&bytes) {
        Ok(Refusal { error }) if is_refusal(&error) => StoreError::Refused(error),
        Ok(Refusal { error }) => StoreError::Unknown(error),
        Err(_) => StoreError::Unknown(format!("{status}, and no error in its answer")),
    }
}

fn is_refusal(error: &str) -> bool {
    REFUSALS.contains(&error)
}

fn senseless(error: serde_json::Error) -> StoreError {
    StoreError::Unknown(format!("the answer makes no sense: {error}"))
}

#[cfg(test)]
pub(super) mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::super::forms::Done;
    use super::*;
    use crate::systems::http;

    /// A gateway to a node `n1` that gives each connection the next of these bytes as its answer, and closes it.
    pub async fn answering(answers: Vec<String>) -> Gateway {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addresses = Addresses::default();
        addresses.set("n1", listener.local_addr().ok());
        tokio::spawn(async move {
            for answer in answers {
                let Ok((mut stream, _)) = listener.accept().await else { return };
                // A request of the client is short enough to come at once.
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Gateway::new(http::client(), addresses)
    }

    /// An answer over HTTP.
    pub fn answer(status: &str, body: &str) -> String {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
    }

    async fn called(answers: Vec<String>) -> Result<Answered<Done>, StoreError> {
        answering(answers).await.call("n1", "kv/put", &json!({})).await
    }

    async fn error_of(error: &str) -> StoreError {
        let body = json!({"error": error, "message": error, "code": 14}).to_string();
        called(vec![answer("503 Service Unavailable", &body)]).await.expect_err("an error")
    }

    #[tokio::test]
    async fn an_answer_is_ok() {
        let read = called(vec![answer("200 OK", r#"{"header":{"revision":"7"}}"#)]).await.expect("an answer");
        assert_eq!(read.header.revision, 7);
    }

    #[tokio::test]
    async fn only_what_was_not_proposed_is_refused() {
        for error in ["etcdserver: too many requests", "etcdserver: requested lease not found"] {
            assert_eq!(error_of(error).await, StoreError::Refused(error.into()));
        }
        let unsaid = [
            "etcdserver: request timed out",
            "etcdserver: request timed out, possibly due to previous leader failure",
            "etcdserver: leader changed",
            "etcdserver: server stopped",
            "context deadline exceeded",
            "transport is closing",
            "grpc: received message larger than max",
        ];
        for error in unsaid {
            assert_eq!(error_of(error).await, StoreError::Unknown(error.into()));
        }
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_or_makes_no_sense_says_nothing_of_the_call() {
        let torn = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"header\"".to_owned();
        let headless = answer("200 OK", "{}");
        let page = answer("502 Bad Gateway", "<html>");
        for answer in [String::new(), torn, headless, page] {
            let error = called(vec![answer.clone()]).await.expect_err("an error");
            assert!(matches!(error, StoreError::Unknown(_)), "{answer:?}: {error:?}");
        }
    }

    #[tokio::test]
    async fn a_node_that_is_not_there_is_not_asked() {
        let gone = TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr();
        let addresses = Addresses::default();
        addresses.set("n1", gone.ok());
        let gateway = Gateway::new(http::client(), addresses);
        for node in ["n1", "n2"] {
            let error = gateway.call::<Done>(node, "kv/put", &json!({})).await.expect_err("an error");
            assert!(matches!(error, StoreError::Refused(_)), "{node}: {error:?}");
        }
    }
}
