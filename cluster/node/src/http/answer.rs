//! What a reply of the core looks like in HTTP.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cluster_core::api::{Failure, LocalVersion, Reply, Seat, Status};
use cluster_core::client::wire;
use cluster_core::membership::History;
use serde::Serialize;

use super::{CONTEXT, SESSION};
use crate::driver::StatusAnswer;
use crate::metrics::Counters;

/// Everything that is not success.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    error: String,
    /// Whether a write may have happened, or still may.
    maybe: bool,
    /// The request was not read to its end: the connection cannot be used again.
    close: bool,
}

impl Problem {
    fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into(), maybe: false, close: false }
    }

    pub(crate) fn bad_request(error: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    pub(crate) fn busy() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "too many requests are waiting for this node")
    }

    pub(crate) fn late(error: &str, maybe: bool) -> Self {
        Self { maybe, ..Self::new(StatusCode::GATEWAY_TIMEOUT, error) }
    }

    pub(crate) fn too_large(bytes_max: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a value has at most {bytes_max} bytes"))
    }

    pub(crate) fn half_sent() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "the request did not arrive in time").closing()
    }

    /// Not 404, which says that a key was not found: a client must not take its own slip for that.
    pub(crate) fn no_such_path() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "there are /kv/KEY, /local/KEY, /replica/KEY, /ring/KEY, /members, /admin/join/NAME, /admin/leave/NAME, \
             /status and /metrics; a key is not empty",
        )
    }

    pub(crate) fn bad_method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "/kv takes GET, PUT and DELETE, /replica GET and PUT, /admin POST, everything else GET alone",
        )
    }

    /// The core answered something that does not answer the request: a defect, of which nothing more is known.
    fn mismatched(maybe: bool) -> Self {
        Self { maybe, ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the node answered another question") }
    }

    pub(crate) fn closing(self) -> Self {
        Self { close: true, ..self }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::BadRequest(error) => Self::bad_request(error),
            Failure::Unavailable(error) => Self::new(StatusCode::SERVICE_UNAVAILABLE, error),
            Failure::Unknown(error) => Self::late(&error, true),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let happened = if self.maybe { "maybe" } else { "no" };
        let mut response = json(self.status, &serde_json::json!({ "error": self.error, "happened": happened }));
        if self.close {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// A page of JSON.
pub(crate) fn json(status: StatusCode, page: &impl Serialize) -> Response {
    match serde_json::to_string(page) {
        Ok(text) => (status, [(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// To a GET of a key.
pub(crate) fn read(reply: Reply, in_session: bool) -> Result<Response, Problem> {
    let (mut values, context) = match reply {
        Reply::Got { values, context } => (values, context),
        Reply::Failed(failure) => return Err(failure.into()),
        _ => return Err(Problem::mismatched(false)),
    };
    let mut response = match (values.len(), values.pop()) {
        (1, Some(value)) => ([(header::CONTENT_TYPE, "application/octet-stream")], value).into_response(),
        (_, Some(last)) => {
            values.push(last);
            let siblings: Vec<String> = values.iter().map(|value| BASE64.encode(value)).collect();
            json(StatusCode::MULTIPLE_CHOICES, &serde_json::json!({ "siblings": siblings }))
        }
        (_, None) => json(StatusCode::NOT_FOUND, &serde_json::json!({ "error": "not found", "happened": "no" })),
    };
    if let Some(context) = context {
        let context = HeaderValue::from_str(&context).map_err(|_| Problem::mismatched(false))?;
        if in_session {
            response.headers_mut().insert(SESSION, context.clone());
        }
        response.headers_mut().insert(CONTEXT, context);
    }
    Ok(response)
}

/// To a PUT or a DELETE.
pub(crate) fn write(reply: Reply) -> Result<Response, Problem> {
    match reply {
        Reply::Stored => Ok(StatusCode::NO_CONTENT.into_response()),
        Reply::StoredInSession { session } => {
            let session = HeaderValue::from_str(&session).map_err(|_| Problem::mismatched(false))?;
            Ok((StatusCode::NO_CONTENT, [(SESSION, session)]).into_response())
        }
        Reply::OtherView { history } => Ok(other_view(&history)),
        Reply::Failed(failure) => Err(failure.into()),
        _ => Err(Problem::mismatched(true)),
    }
}

/// To a coordinating client's fetch.
pub(crate) fn fetched(reply: Reply) -> Result<Response, Problem> {
    match reply {
        Reply::Fetched { state } => {
            Ok(([(header::CONTENT_TYPE, "application/octet-stream")], wire::encode(&state)).into_response())
        }
        Reply::OtherView { history } => Ok(other_view(&history)),
        Reply::Failed(failure) => Err(failure.into()),
        _ => Err(Problem::mismatched(false)),
    }
}

/// A coordinating client goes by another view: nothing was done, and this is what the node knows.
fn other_view(history: &History) -> Response {
    (StatusCode::CONFLICT, [(header::CONTENT_TYPE, "application/octet-stream")], wire::encode(history)).into_response()
}

/// What this node knows of the membership, for a coordinating client.
pub(crate) fn history(reply: Reply) -> Result<Response, Problem> {
    match reply {
        Reply::Members(members) => {
            let bytes = wire::encode(&members.history);
            Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response())
        }
        Reply::Failed(failure) => Err(failure.into()),
        _ => Err(Problem::mismatched(false)),
    }
}

/// To a look at this node alone.
pub(crate) fn local(reply: Reply) -> Result<Response, Problem> {
    let versions = match reply {
        Reply::Local { versions } => versions,
        Reply::Failed(failure) => return Err(failure.into()),
        _ => return Err(Problem::mismatched(false)),
    };
    let version = |LocalVersion { id, value }: LocalVersion| {
        let value = value.map(|value| BASE64.encode(value));
        serde_json::json!({ "id": id, "value": value })
    };
    let versions: Vec<serde_json::Value> = versions.into_iter().map(version).collect();
    Ok(json(StatusCode::OK, &serde_json::json!({ "versions": versions })))
}

/// To a join or leave.
pub(crate) fn command(reply: Reply) -> Result<Response, Problem> {
    match reply {
        Reply::Done => Ok(StatusCode::NO_CONTENT.into_response()),
        Reply::Failed(failure) => Err(failure.into()),
        _ => Err(Problem::mismatched(true)),
    }
}

/// To `/members`. Digest and view are 16 hexadecimal digits.
pub(crate) fn members(reply: Reply) -> Result<Response, Problem> {
    let members = match reply {
        Reply::Members(members) => members,
        Reply::Failed(failure) => return Err(failure.into()),
        _ => return Err(Problem::mismatched(false)),
    };
    let seat = |seat: &Seat| serde_json::json!({ "name": seat.name, "standing": seat.status, "version": seat.version });
    let seats: Vec<serde_json::Value> = members.seats.iter().map(seat).collect();
    let (digest, view) = (format!("{:016x}", members.digest), format!("{:016x}", members.view));
    Ok(json(StatusCode::OK, &serde_json::json!({ "digest": digest, "view": view, "seats": seats })))
}

/// `/status`.
#[derive(Debug, Serialize)]
pub(crate) struct StatusPage {
    pid: u32,
    /// What the node believes, nanoseconds since 1970.
    wall_ns: i64,
    monotonic_ns: u64,
    #[serde(flatten)]
    status: Status,
    connections: Connections,
}

#[derive(Debug, Serialize)]
struct Connections {
    clients: u64,
    /// Accepted from peers and open.
    inbound: u64,
    /// To each peer: whether the connection stands.
    outbound: BTreeMap<String, bool>,
    frames_sent: u64,
    frames_received: u64,
    sends_dropped: u64,
    /// Connections ended by this node, by reason.
    refused: BTreeMap<&'static str, u64>,
}

impl StatusPage {
    pub(crate) fn new(answer: StatusAnswer, counters: &Counters) -> Self {
        Self {
            pid: std::process::id(),
            wall_ns: answer.now.wall_ns,
            monotonic_ns: answer.now.monotonic_ns,
            status: answer.status,
            connections: Connections {
                clients: counters.clients_open.load(Relaxed),
                inbound: counters.inbound_open.load(Relaxed),
                outbound: answer.connected,
                frames_sent: counters.frames_sent.load(Relaxed),
                frames_received: counters.frames_received.load(Relaxed),
                sends_dropped: counters.sends_dropped.load(Relaxed),
                refused: counters.refused().collect(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_its_status_and_says_whether_it_may_have_happened() {
        let cases = [
            (Failure::BadRequest("b".to_owned()), 400, false),
            (Failure::Unavailable("u".to_owned()), 503, false),
            (Failure::Unknown("t".to_owned()), 504, true),
        ];
        for (failure, status, maybe) in cases {
            let problem = Problem::from(failure);
            assert_eq!((problem.status.as_u16(), problem.maybe), (status, maybe));
            assert_eq!(problem.into_response().status().as_u16(), status);
        }
    }

    #[test]
    fn no_value_one_value_and_siblings_differ_and_keep_the_context() {
        for (values, status) in [(0, 404), (1, 200), (2, 300), (3, 300)] {
            let values = vec![vec![1u8]; values];
            let reply = Reply::Got { values, context: Some("seen".to_owned()) };
            let response = read(reply, false).expect("an answer");
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(response.headers()[CONTEXT], "seen");
        }
    }
}
