//! A client of Redis: get, put and delete of strings.
//!
//! Redis has no contexts, so a context is what was read, and a write with one is a compare-and-set by a script, which
//! Redis executes at once. A write whose context is outdated is refused. A connection is used by one request at a time;
//! one whose request was given up is closed, so that its late reply is no other request's.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use tokio::net::TcpStream;
use workloads::store::{Context, ReplicaVersion, Store, StoreError, StoreFuture, Versions};

use super::resp::{Connection, Reply};
use crate::arena::addresses::Addresses;

const CONNECT_LIMIT: Duration = Duration::from_millis(500);

/// What a context of a key that is not there says; others begin with `=`.
const ABSENT: &str = "absent";

/// Sets the key, or deletes it without a new value, if it is as expected. Arguments: what was read (empty or `=` and the
/// value), what is to be (the same).
const SWAP: &[u8] = br"
local value = redis.call('GET', KEYS[1])
if (value and '=' .. value or '') ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], string.sub(ARGV[2], 2)) end
return 1";

pub(super) struct RedisClient {
    addresses: Addresses,
    nodes: Vec<String>,
    /// Connections without a request, by node.
    idle: RefCell<BTreeMap<String, Vec<Connection>>>,
}

impl RedisClient {
    pub fn new(addresses: Addresses, nodes: Vec<String>) -> Self {
        Self { addresses, nodes, idle: RefCell::default() }
    }

    /// Sends a command to a node. A node that has died takes its connections along, so a command that finds a
    /// connection closed is of unknown outcome, and all of the node's idle ones are dropped.
    async fn ask(&self, node: &str, words: &[&[u8]]) -> Result<Reply, StoreError> {
        let idle = self.idle.borrow_mut().get_mut(node).and_then(Vec::pop);
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.connect(node).await?,
        };
        match connection.ask(words).await {
            Ok(reply) => {
                self.idle.borrow_mut().entry(node.to_owned()).or_default().push(connection);
                Ok(reply)
            }
            Err(error) => {
                self.idle.borrow_mut().remove(node);
                Err(StoreError::Unknown(error.to_string()))
            }
        }
    }

    async fn connect(&self, node: &str) -> Result<Connection, StoreError> {
        let address = self.addresses.of(node);
        let address = address.ok_or_else(|| StoreError::Refused(format!("{node} is not running")))?;
        match tokio::time::timeout(CONNECT_LIMIT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Without it a small request could wait for the acknowledgement of the one before.
                let _ = stream.set_nodelay(true);
                Ok(Connection::over(stream))
            }
            Ok(Err(error)) => Err(StoreError::Refused(format!("no connection to {node}: {error}"))),
            Err(_) => Err(StoreError::Refused(format!("no connection to {node} in time"))),
        }
    }

    async fn read(&self, node: &str, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match self.ask(node, &[b"GET", key.as_bytes()]).await? {
            Reply::Bulk(value) => Ok(value),
            other => Err(refused(other)),
        }
    }

    /// Sets the key, or deletes it without a value.
    async fn write(
        &self,
        node: &str,
        key: &str,
        context: Option<&Context>,
        value: Option<Vec<u8>>,
    ) -> Result<(), StoreError> {
        let key = key.as_bytes();
        let reply = match (context, value) {
            (None, Some(value)) => self.ask(node, &[b"SET", key, &value]).await?,
            (None, None) => self.ask(node, &[b"DEL", key]).await?,
            (Some(context), value) => {
                let (read, new) = (tagged(seen(context)?), tagged(value));
                self.ask(node, &[b"EVAL", SWAP, b"1", key, &read, &new]).await?
            }
        };
        match (context, reply) {
            (Some(_), Reply::Integer(0)) => Err(StoreError::Refused("the key has changed since it was read".into())),
            (_, Reply::Integer(_) | Reply::Status(_)) => Ok(()),
            (_, other) => Err(refused(other)),
        }
    }
}

impl Store for RedisClient {
    fn nodes(&self) -> Vec<String> {
        self.nodes.clone()
    }

    fn get<'a>(&'a self, node: &'a str, key: &'a str) -> StoreFuture<'a, Versions> {
        Box::pin(async move {
            let value = self.read(node, key).await?;
            Ok(Versions { context: Some(context(value.as_deref())), values: value.into_iter().collect() })
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

    /// Every node has every key.
    fn replicas(&self, _key: &str) -> Vec<String> {
        self.nodes.clone()
    }

    fn read_replica<'a>(&'a self, node: &'a str, key: &'a str) -> StoreFuture<'a, Vec<ReplicaVersion>> {
        Box::pin(async move {
            let value = self.read(node, key).await?;
            let version = |value: Vec<u8>| ReplicaVersion { id: BASE64.encode(&value), value: Some(value) };
            Ok(value.into_iter().map(version).collect())
        })
    }
}

/// An error reply means that the command was not executed.
fn refused(reply: Reply) -> StoreError {
    match reply {
        Reply::Error(why) => StoreError::Refused(why),
        other => StoreError::Unknown(format!("the reply makes no sense: {other:?}")),
    }
}

fn context(value: Option<&[u8]>) -> Context {
    Context(value.map_or_else(|| ABSENT.to_owned(), |value| format!("={}", BASE64.encode(value))))
}

/// What was read when the context was made.
fn seen(Context(text): &Context) -> Result<Option<Vec<u8>>, StoreError> {
    let strange = || StoreError::Refused(format!("{text:?} is no context of this client"));
    match text.strip_prefix('=') {
        None if text == ABSENT => Ok(None),
        None => Err(strange()),
        Some(encoded) => BASE64.decode(encoded).map(Some).map_err(|_| strange()),
    }
}

/// A value as the script distinguishes it from none.
fn tagged(value: Option<Vec<u8>>) -> Vec<u8> {
    value.map_or_else(Vec::new, |value| [b"=", &value[..]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_what_was_read() {
        for value in [None, Some(vec![]), Some(b"absent".to_vec()), Some(vec![0, 255])] {
            assert_eq!(seen(&context(value.as_deref())), Ok(value));
        }
        assert!(matches!(seen(&Context("strange".into())), Err(StoreError::Refused(_))));
    }

    #[test]
    fn an_empty_value_is_a_value() {
        assert_ne!(tagged(Some(Vec::new())), tagged(None));
    }
}
