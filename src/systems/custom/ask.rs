//! One request of the file, asked of a node: placeholders filled, sent once, and the answer read as the file says.
//!
//! ```text
//!   Request + values ─► HTTP, or RESP by commands.rs ─► status or reply ─► answer.rs: what it means
//! ```

use std::fmt::Display;
use std::net::SocketAddr;

use serde_json::Value;
use workloads::store::StoreError;

use super::answer::{Answered, Body, Raw, meaning};
use super::commands::Commands;
use super::config::{ConnectionConfig, Request};
use super::template::of_environment;
use crate::arena::addresses::Addresses;
use crate::systems::http;

/// The values of the placeholders of one operation.
#[derive(Clone, Debug, Default)]
pub(super) struct Values<'v> {
    pub key: Option<&'v str>,
    pub value: Value,
    pub process: u64,
}

impl Values<'_> {
    /// What stands for a name; values are JSON.
    fn of(&self, name: &str) -> Option<String> {
        match name {
            "key" => self.key.map(str::to_owned),
            "value" => Some(self.value.to_string()),
            "from" => self.value.get(0).map(Value::to_string),
            "to" => self.value.get(1).map(Value::to_string),
            "process" => Some(self.process.to_string()),
            variable => of_environment(variable),
        }
    }

    /// What stands for a name in a URL.
    fn of_url(&self, name: &str) -> Option<String> {
        let encoded =
            |text: String| percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC).to_string();
        self.of(name).map(encoded)
    }
}

/// Asks the nodes.
pub(super) struct Asker {
    addresses: Addresses,
    key_prefix: String,
    connection: ConnectionConfig,
    http: reqwest::Client,
    commands: Commands,
}

impl Asker {
    /// Of the nodes at these addresses; the prefix is put in front of every key.
    pub fn new(addresses: Addresses, key_prefix: String, connection: ConnectionConfig) -> Self {
        let first = connection.resp.iter().map(|words| words.iter().map(|word| word.fill(of_environment)).collect());
        let commands = Commands::beginning_with(first.collect());
        Self { addresses, key_prefix, connection, http: http::client(), commands }
    }

    /// Sends a request to a node, once.
    ///
    /// # Errors
    /// Refused if it certainly did not happen, unknown otherwise.
    pub async fn ask(&self, node: &str, request: &Request, values: &Values<'_>) -> Result<Answered, StoreError> {
        let down = || StoreError::Refused(format!("{node} is down"));
        let at = self.addresses.of(node).ok_or_else(down)?;
        let key = values.key.map(|key| format!("{}{key}", self.key_prefix));
        let values = &Values { key: key.as_deref(), ..values.clone() };
        let raw = match (&request.http, &request.resp) {
            (Some(_), _) => self.by_http(at, request, values).await?,
            (None, Some(words)) => {
                let words: Vec<String> = words.iter().map(|word| word.fill(|name| values.of(name))).collect();
                self.commands.ask(at, &words).await?
            }
            (None, None) => unreachable!("a request without a question was refused when the file was read"),
        };
        meaning(request, raw)
    }

    async fn by_http(&self, at: SocketAddr, request: &Request, values: &Values<'_>) -> Result<Raw, StoreError> {
        let line = request.http.as_ref().and_then(|line| line.method_and_path());
        let (method, path) = line.ok_or_else(|| StoreError::Refused("no METHOD /PATH".into()))?;
        let url = format!("http://{at}{}", path.fill(|name| values.of_url(name)));
        let refused = |error: &dyn Display| StoreError::Refused(format!("{method} {url}: {error}"));
        let parsed = reqwest::Method::from_bytes(method.as_bytes()).map_err(|error| refused(&error))?;
        let mut sent = self.http.request(parsed, &url);
        let is_own = |name: &str| request.headers.keys().any(|own| own.eq_ignore_ascii_case(name));
        let of_all = self.connection.headers.iter().filter(|(name, _)| !is_own(name));
        for (name, value) in request.headers.iter().chain(of_all) {
            sent = sent.header(name, value.fill(|name| values.of(name)));
        }
        if let Some(body) = &request.body {
            sent = sent.body(body.fill(|name| values.of(name)));
        }
        let answer = sent.send().await.map_err(http::not_sent_or_unknown)?;
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(http::unknown)?;
        Ok(Raw {
            number: Some(status.as_u16().into()),
            text: format!("{status}: {}", shortened(&bytes)),
            is_success: status.is_success(),
            is_nil: false,
            body: Body::Bytes(bytes.to_vec()),
        })
    }
}

/// The beginning of an answer, for messages.
fn shortened(bytes: &[u8]) -> String {
    const SHOWN: usize = 120;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]).into_owned();
    text.trim().replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_json_and_safe_in_a_url() {
        let values = Values { key: Some("a/b c"), value: json!([1, "x"]), process: 3 };
        assert_eq!(values.of_url("key").as_deref(), Some("a%2Fb%20c"));
        assert_eq!((values.of("from"), values.of("to")), (Some("1".into()), Some("\"x\"".into())));
        assert_eq!(values.of("value").as_deref(), Some("[1,\"x\"]"));
    }
}
