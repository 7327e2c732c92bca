//! HTTP as the clients of systems speak it: each request is sent exactly once, and the error of one without an answer says
//! whether it can have reached the node.

use std::time::Duration;

use reqwest::Client;
use reqwest::redirect::Policy;
use workloads::store::StoreError;

/// How long a connection may take.
const CONNECT_LIMIT: Duration = Duration::from_millis(500);
/// Some nodes close a connection that was idle for ten seconds. A connection that is about to be closed must not be used
/// again, or the request on it is lost.
const IDLE_MAX: Duration = Duration::from_secs(5);

/// One pool of connections for all nodes. No redirects, no proxies, no retries.
pub fn client() -> Client {
    Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT_LIMIT)
        .pool_idle_timeout(IDLE_MAX)
        .tcp_nodelay(true)
        .build()
        .expect("an HTTP client without TLS needs nothing from the system")
}

/// The error of a request without an answer: without a connection nothing was sent; after that, anything may have
/// happened.
pub fn not_sent_or_unknown(error: reqwest::Error) -> StoreError {
    match error.is_connect() {
        true => StoreError::Refused(format!("no connection: {}", describe(&error))),
        false => unknown(error),
    }
}

/// The error of a request that may have happened.
pub fn unknown(error: reqwest::Error) -> StoreError {
    StoreError::Unknown(describe(&error))
}

/// The innermost reason of an error, which says most.
pub fn describe(error: &reqwest::Error) -> String {
    let mut reason: &dyn std::error::Error = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    reason.to_string()
}
