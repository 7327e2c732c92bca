//! The node as clients see it: HTTP/1.1.
//!
//! | | |
//! |---|---|
//! | `GET /kv/{key}` | 200 the value, 300 `{"siblings":[base64, ...]}`, 404 none |
//! | `PUT /kv/{key}`, `DELETE /kv/{key}` | 204 |
//! | `GET /local/{key}` | what this node alone holds |
//! | `GET /replica/{key}?view=`, `PUT /replica/{key}` | for coordinating clients: a whole state, binary (`cluster_core::client::wire`) |
//! | `GET /history` | for coordinating clients: the membership, binary; also the body of 409, for one that goes by another view |
//! | `POST /admin/join/{name}`, `/admin/leave/{name}` | 204, at any node: a node becomes a member, or is one no more |
//! | `GET /members` | the membership as this node knows it |
//! | `GET /status`, `/ring/{key}`, `/metrics` | the node itself |
//!
//! A key is the rest of the path, percent-decoded, any bytes. The context travels in the header `X-Dynamo-Context`,
//! both ways. A client that wants to read its writes and never backwards sends `X-Dynamo-Session` with a get or put: at
//! first `begin`, then what the last answer for this key returned in it. Quorums are overridden by `?n=&r=&w=`; all
//! three must be numbers, though a read has no use for `w` and a write none for `r`. Everything else is an error with
//! the body `{"error": "...", "happened": "no" | "maybe"}`:
//! 400, 408, 413, 503, 504.

mod answer;
mod body;
mod connections;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use cluster_core::api::{NodeId, Reply, Request as CoreRequest};
use cluster_core::client::wire::{self, StoreBody};
use cluster_core::config::Config;
use cluster_core::membership::View;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use self::answer::{Problem, StatusPage};
use crate::driver::Call;
use crate::metrics::{self, Counters, Method};

/// The header that carries a context.
pub(crate) const CONTEXT: &str = "x-dynamo-context";
/// The header that carries a session, both ways; the word [`SESSION_BEGINS`] begins one.
pub(crate) const SESSION: &str = "x-dynamo-session";
/// A session that has seen nothing.
const SESSION_BEGINS: &str = "begin";
/// The core answers within its own bound; this much more, and the driver itself is stuck.
const ANSWER_GRACE: Duration = Duration::from_secs(5);

/// What every handler needs.
pub(crate) struct Api {
    names: Vec<String>,
    replicas: u8,
    value_bytes_max: usize,
    answer_timeout: Duration,
    calls: mpsc::Sender<Call>,
    counters: Arc<Counters>,
}

impl Api {
    /// For a node with these settings, whose driver takes `calls`.
    pub(crate) fn new(config: &Config, calls: mpsc::Sender<Call>, counters: Arc<Counters>) -> Self {
        Self {
            names: config.names.clone(),
            replicas: config.n,
            value_bytes_max: config.limits.value_bytes_max,
            answer_timeout: config.timing.request_timeout + ANSWER_GRACE,
            calls,
            counters,
        }
    }

    /// Asks the driver. `happened` is what is known if no answer comes.
    async fn ask<T>(&self, call: impl FnOnce(oneshot::Sender<T>) -> Call, writes: bool) -> Result<T, Problem> {
        let (answer, answered) = oneshot::channel();
        self.calls.try_send(call(answer)).map_err(|_| Problem::busy())?;
        match timeout(self.answer_timeout, answered).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(_)) => Err(Problem::late("the node is ending", writes)),
            Err(_) => Err(Problem::late("the node is stuck, most likely on its disk", writes)),
        }
    }

    async fn request(&self, request: CoreRequest) -> Result<Reply, Problem> {
        let writes = matches!(
            request,
            CoreRequest::InSession { .. }
                | CoreRequest::Put { .. }
                | CoreRequest::Store { .. }
                | CoreRequest::Join { .. }
                | CoreRequest::Leave { .. }
        );
        self.ask(|answer| Call::Request { request, answer }, writes).await
    }

    fn node_of(&self, name: &str) -> Result<NodeId, Problem> {
        let nodes = (0..=u16::MAX).map(NodeId).zip(&self.names);
        let found = nodes.into_iter().find(|(_, known)| *known == name).map(|(node, _)| node);
        found.ok_or_else(|| {
            Problem::bad_request(format!("there is no node '{name}': the nodes are {}", self.names.join(", ")))
        })
    }

    fn name_of(&self, node: NodeId) -> String {
        self.names.get(usize::from(node.0)).cloned().unwrap_or_else(|| node.0.to_string())
    }
}

/// Serves clients until it is dropped.
pub(crate) async fn serve(listener: TcpListener, api: Api) {
    let counters = Arc::clone(&api.counters);
    connections::serve(listener, router(api), counters).await;
}

fn router(api: Api) -> Router {
    Router::new()
        .route("/kv/{*key}", get(read).put(write).delete(delete))
        .route("/local/{*key}", get(local))
        .route("/replica/{*key}", get(fetch).put(store))
        .route("/history", get(history))
        .route("/ring/{*key}", get(ring))
        .route("/admin/join/{name}", post(join))
        .route("/admin/leave/{name}", post(leave))
        .route("/members", get(members))
        .route("/status", get(status))
        .route("/metrics", get(metrics_page))
        .fallback(async || Problem::no_such_path())
        .method_not_allowed_fallback(async || Problem::bad_method())
        .with_state(Arc::new(api))
}

/// Quorum overrides.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Overrides {
    n: Option<u8>,
    r: Option<u8>,
    w: Option<u8>,
}

type ParsedOverrides = Result<Query<Overrides>, QueryRejection>;

fn overrides(parsed: ParsedOverrides) -> Result<Overrides, Problem> {
    match parsed {
        Ok(Query(overrides)) => Ok(overrides),
        Err(rejection) => Err(Problem::bad_request(format!(
            "the query must be of the form ?n=3&r=2&w=2, each optional and from 1 to 255: {}",
            rejection.body_text()
        ))),
    }
}

/// The key: what follows the first segment of the path.
fn key_of(uri: &Uri) -> Result<Vec<u8>, Problem> {
    let encoded = uri.path().splitn(3, '/').nth(2).unwrap_or_default();
    let escapes = encoded.split('%').skip(1);
    let sound = |escape: &str| escape.as_bytes().iter().take(2).filter(|byte| byte.is_ascii_hexdigit()).count() == 2;
    if !escapes.into_iter().all(sound) {
        return Err(Problem::bad_request("the key has a % that is not followed by two hexadecimal digits".to_owned()));
    }
    Ok(percent_decode_str(encoded).collect())
}

/// The context, not yet understood. Something that is no text is refused here, never taken for nothing.
fn context_of(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    text_of(headers, CONTEXT)
}

fn text_of(headers: &HeaderMap, name: &str) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Problem::bad_request(format!(
            "there is more than one {name}: send the one that the last answer returned"
        )));
    }
    match value.to_str() {
        Ok(text) => Ok(Some(text.to_owned())),
        Err(_) => Err(Problem::bad_request(format!("the {name} is not text"))),
    }
}

/// The request, in the session that its headers name, if any.
fn in_session(headers: &HeaderMap, request: CoreRequest) -> Result<CoreRequest, Problem> {
    let session = text_of(headers, SESSION)?;
    Ok(match session {
        None => request,
        Some(text) => {
            let session = (text != SESSION_BEGINS).then_some(text);
            CoreRequest::InSession { session, request: Box::new(request) }
        }
    })
}

async fn read(State(api): State<Arc<Api>>, uri: Uri, parsed: ParsedOverrides, headers: HeaderMap) -> Response {
    timed(&api, Method::Get, async {
        let Overrides { n, r, .. } = overrides(parsed)?;
        let request = in_session(&headers, CoreRequest::Get { key: key_of(&uri)?, r, n })?;
        let is_session = matches!(request, CoreRequest::InSession { .. });
        answer::read(api.request(request).await?, is_session)
    })
    .await
}

async fn write(State(api): State<Arc<Api>>, uri: Uri, parsed: ParsedOverrides, request: Request) -> Response {
    timed(&api, Method::Put, async {
        let headers = request.headers().clone();
        context_of(&headers)?;
        let value = body::read(request, api.value_bytes_max).await?;
        put(&api, &uri, parsed, &headers, Some(value)).await
    })
    .await
}

async fn delete(State(api): State<Arc<Api>>, uri: Uri, parsed: ParsedOverrides, headers: HeaderMap) -> Response {
    timed(&api, Method::Delete, async { put(&api, &uri, parsed, &headers, None).await }).await
}

async fn put(
    api: &Api,
    uri: &Uri,
    parsed: ParsedOverrides,
    headers: &HeaderMap,
    value: Option<Vec<u8>>,
) -> Result<Response, Problem> {
    let Overrides { n, w, .. } = overrides(parsed)?;
    let request = CoreRequest::Put { key: key_of(uri)?, value, context: context_of(headers)?, w, n };
    answer::write(api.request(in_session(headers, request)?).await?)
}

async fn local(State(api): State<Arc<Api>>, uri: Uri) -> Response {
    timed(&api, Method::Local, async {
        answer::local(api.request(CoreRequest::GetLocal { key: key_of(&uri)? }).await?)
    })
    .await
}

/// The view that a coordinating client goes by.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ViewOf {
    #[serde(default)]
    view: u64,
}

type ParsedView = Result<Query<ViewOf>, QueryRejection>;

async fn fetch(State(api): State<Arc<Api>>, uri: Uri, parsed: ParsedView) -> Response {
    timed(&api, Method::Fetch, async {
        let Query(ViewOf { view }) = parsed.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
        answer::fetched(api.request(CoreRequest::Fetch { key: key_of(&uri)?, view: View(view) }).await?)
    })
    .await
}

async fn store(State(api): State<Arc<Api>>, uri: Uri, request: Request) -> Response {
    timed(&api, Method::Store, async {
        let bytes = body::read(request, wire::BODY_BYTES_MAX).await?;
        let StoreBody { state, hint_for, view } =
            wire::decode(&bytes).map_err(|error| Problem::bad_request(error.to_string()))?;
        answer::write(api.request(CoreRequest::Store { key: key_of(&uri)?, state, hint_for, view }).await?)
    })
    .await
}

async fn ring(State(api): State<Arc<Api>>, uri: Uri) -> Result<Response, Problem> {
    let key = key_of(&uri)?;
    let preference = api.ask(|answer| Call::Preference { key, answer }, false).await?;
    let preference: Vec<String> = preference.into_iter().map(|node| api.name_of(node)).collect();
    Ok(answer::json(StatusCode::OK, &serde_json::json!({ "preference": preference, "replicas": api.replicas })))
}

async fn join(State(api): State<Arc<Api>>, Path(name): Path<String>) -> Result<Response, Problem> {
    let node = api.node_of(&name)?;
    answer::command(api.request(CoreRequest::Join { node }).await?)
}

async fn leave(State(api): State<Arc<Api>>, Path(name): Path<String>) -> Result<Response, Problem> {
    let node = api.node_of(&name)?;
    answer::command(api.request(CoreRequest::Leave { node }).await?)
}

async fn history(State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    answer::history(api.request(CoreRequest::Members).await?)
}

async fn members(State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    answer::members(api.request(CoreRequest::Members).await?)
}

async fn status(State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    let answer = api.ask(Call::Status, false).await?;
    Ok(answer::json(StatusCode::OK, &StatusPage::new(answer, &api.counters)))
}

async fn metrics_page(State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    let answer = api.ask(Call::Metrics, false).await?;
    let page = metrics::render(&answer.core, &answer.distributions, &answer.depths, &api.counters);
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], page).into_response())
}

/// Counts how long the request took, whatever came of it.
async fn timed(api: &Api, method: Method, work: impl Future<Output = Result<Response, Problem>>) -> Response {
    let began = Instant::now();
    let response = work.await.into_response();
    api.counters.request_served(method, began.elapsed());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(path: &str) -> Result<Vec<u8>, u16> {
        let uri = path.parse().expect("a path");
        key_of(&uri).map_err(|problem| problem.into_response().status().as_u16())
    }

    #[test]
    fn a_key_is_any_bytes() {
        assert_eq!(key("/kv/cart-0"), Ok(b"cart-0".to_vec()));
        assert_eq!(key("/kv/a/b//c?n=3"), Ok(b"a/b//c".to_vec()));
        assert_eq!(key("/local/%00%ff%2F%25"), Ok(vec![0, 255, b'/', b'%']));
        for malformed in ["/kv/%", "/kv/%4", "/kv/%4%41", "/kv/%zz"] {
            assert_eq!(key(malformed), Err(400), "{malformed}");
        }
    }

    #[test]
    fn a_context_is_one_header_of_text_or_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(context_of(&headers).ok(), Some(None));
        headers.append(CONTEXT, "abc".parse().expect("text"));
        assert_eq!(context_of(&headers).ok(), Some(Some("abc".to_owned())));
        headers.append(CONTEXT, "def".parse().expect("text"));
        assert!(context_of(&headers).is_err());
        headers.clear();
        headers.append(CONTEXT, axum::http::HeaderValue::from_bytes(&[200]).expect("obscure, but a header"));
        assert!(context_of(&headers).is_err());
    }

    fn api(calls: mpsc::Sender<Call>) -> Api {
        Api {
            names: vec!["n1".to_owned()],
            replicas: 1,
            value_bytes_max: 10,
            answer_timeout: Duration::from_secs(60),
            calls,
            counters: Arc::default(),
        }
    }

    fn some_put() -> CoreRequest {
        CoreRequest::Put { key: b"k".to_vec(), value: None, context: None, w: None, n: None }
    }

    async fn page(problem: Problem) -> (u16, String) {
        let response = problem.into_response();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 1 << 16).await.expect("a short page");
        (status, String::from_utf8(body.to_vec()).expect("text"))
    }

    #[tokio::test]
    async fn a_full_queue_refuses_and_an_answer_that_never_comes_is_unknown() {
        let (calls, mut waiting) = mpsc::channel(1);
        let api = api(calls);
        let (first, second) =
            tokio::join!(async { api.request(some_put()).await.expect_err("the driver drops it") }, async {
                let refused = api.request(some_put()).await.expect_err("the queue is full");
                drop(waiting.recv().await);
                refused
            },);
        let (status, body) = page(first).await;
        assert_eq!(status, 504);
        assert!(body.contains(r#""happened":"maybe""#), "{body}");
        let (status, body) = page(second).await;
        assert_eq!(status, 503);
        assert!(body.contains(r#""happened":"no""#), "{body}");
    }
}
