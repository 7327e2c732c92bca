//! A coordinating client's calls to single nodes, over HTTP.
//!
//! A call is reported as [`Response::NotSent`] only where there was no connection.

use std::time::Duration;

use cluster_core::api::{Failure, NodeId, Reply, Request};
use cluster_core::client::Response;
use cluster_core::client::wire::{self, StoreBody};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use reqwest::{RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use workloads::store::{Context, Versions};

use super::client::http::{CONTEXT, read, refused_by};
use crate::arena::addresses::Addresses;
use crate::systems::http::describe;

/// A node answers long before this, or never: it is paused, or its machine is gone.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct Caller {
    http: reqwest::Client,
    addresses: Addresses,
    names: Vec<String>,
}

impl Caller {
    pub fn new(http: reqwest::Client, addresses: Addresses, names: Vec<String>) -> Self {
        Self { http, addresses, names }
    }

    /// Sends a request to a node, and waits for its answer.
    pub async fn call(&self, node: NodeId, request: Request) -> Response {
        let name = self.names.get(usize::from(node.0)).map_or("?", String::as_str);
        let Some(address) = self.addresses.of(name) else {
            return Response::NotSent(format!("{name} is not running"));
        };
        let base = format!("http://{address}");
        match request {
            Request::Fetch { key, view } => {
                let url = format!("{}?view={}", url(&base, "replica", &key), view.0);
                self.fetch(self.http.get(url), |state| Reply::Fetched { state }).await
            }
            Request::Store { key, state, hint_for, view } => {
                let body = wire::encode(&StoreBody { state, hint_for, view });
                self.write(self.http.put(url(&base, "replica", &key)).body(body)).await
            }
            Request::Put { key, value, context, w, n } => {
                let overrides =
                    [("w", w), ("n", n)].map(|(name, number)| number.map(|number| format!("{name}={number}")));
                let overrides: Vec<String> = overrides.into_iter().flatten().collect();
                let url = format!("{}?{}", url(&base, "kv", &key), overrides.join("&"));
                let request = match value {
                    Some(value) => self.http.put(url).body(value),
                    None => self.http.delete(url),
                };
                let request = context.into_iter().fold(request, |request, text| request.header(CONTEXT, text));
                self.write(request).await
            }
            Request::Get { key, r, n } => self.get(&url(&base, "kv", &key), r, n).await,
            // The only other request is the one for the membership.
            _ => self.fetch(self.http.get(format!("{base}/history")), |history| Reply::OtherView { history }).await,
        }
    }

    /// Fetches a binary answer, and makes a reply of it.
    async fn fetch<T: DeserializeOwned>(&self, request: RequestBuilder, reply: impl FnOnce(T) -> Reply) -> Response {
        match send(request).await {
            Ok(response) if response.status() == StatusCode::OK => decoded(response, reply).await,
            Ok(response) => failed(response).await,
            Err(failed) => failed,
        }
    }

    /// A read that the node coordinates.
    async fn get(&self, url: &str, r: Option<u8>, n: Option<u8>) -> Response {
        let overrides = [("r", r), ("n", n)].map(|(name, number)| number.map(|number| format!("{name}={number}")));
        let overrides: Vec<String> = overrides.into_iter().flatten().collect();
        let response = match send(self.http.get(format!("{url}?{}", overrides.join("&")))).await {
            Ok(response) => response,
            Err(failed) => return failed,
        };
        match response.status() {
            StatusCode::OK | StatusCode::MULTIPLE_CHOICES | StatusCode::NOT_FOUND => match read(response).await {
                Ok(Versions { values, context }) => {
                    Response::Reply(Reply::Got { values, context: context.map(|Context(text)| text) })
                }
                Err(error) => Response::Lost(error.to_string()),
            },
            _ => failed(response).await,
        }
    }

    async fn write(&self, request: RequestBuilder) -> Response {
        match send(request).await {
            Ok(response) if response.status() == StatusCode::NO_CONTENT => Response::Reply(Reply::Stored),
            Ok(response) => failed(response).await,
            Err(failed) => failed,
        }
    }
}

async fn decoded<T: DeserializeOwned>(response: reqwest::Response, reply: impl FnOnce(T) -> Reply) -> Response {
    match response.bytes().await {
        Ok(bytes) => match wire::decode(&bytes) {
            Ok(value) => Response::Reply(reply(value)),
            Err(error) => Response::Lost(format!("the node's answer cannot be read: {error}")),
        },
        Err(error) => Response::Lost(describe(&error)),
    }
}

fn url(base: &str, path: &str, key: &[u8]) -> String {
    format!("{base}/{path}/{}", percent_encode(key, NON_ALPHANUMERIC))
}

async fn send(request: RequestBuilder) -> Result<reqwest::Response, Response> {
    request.timeout(CALL_TIMEOUT).send().await.map_err(|error| match error.is_connect() {
        true => Response::NotSent(describe(&error)),
        false => Response::Lost(describe(&error)),
    })
}

/// The reply of the core that stands for a status other than success.
async fn failed(response: reqwest::Response) -> Response {
    let status = response.status();
    if status == StatusCode::CONFLICT {
        return decoded(response, |history| Reply::OtherView { history }).await;
    }
    let (why, maybe) = refused_by(response).await;
    Response::Reply(Reply::Failed(match (maybe, status) {
        (true, _) => Failure::Unknown(why),
        (false, StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE) => Failure::BadRequest(why),
        (false, _) => Failure::Unavailable(why),
    }))
}
