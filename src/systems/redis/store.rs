//! Get, put and delete of strings, for the workloads that need no more.
//!
//! Redis has no contexts, so a context is what was read, and a write with one is a compare-and-set by a script, which
//! Redis executes at once. A write whose context is outdated is refused.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use workloads::store::{Context, ReplicaVersion, Store, StoreError, StoreFuture, Versions};

use super::connections::Connections;
use crate::systems::resp::Reply;

/// What a context of a key that is not there says; others begin with `=`.
const ABSENT: &str = "absent";

/// Sets the key, or deletes it without a new value, if it is as expected. Arguments: what was read (empty or `=` and
/// the value), what is to be (the same).
const SWAP: &[u8] = br"
local value = redis.call('GET', KEYS[1])
if (value and '=' .. value or '') ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], string.sub(ARGV[2], 2)) end
return 1";

/// The keys of a cluster.
pub(super) struct RedisStore {
    connections: Rc<Connections>,
    nodes: Vec<String>,
}

impl RedisStore {
    /// The keys of these nodes.
    pub fn new(connections: Rc<Connections>, nodes: Vec<String>) -> Self {
        Self { connections, nodes }
    }

    /// Sets the key, or deletes it without a value.
    async fn write(
        &self,
        node: &str,
        key: &str,
        context: Option<&Context>,
        value: Option<Vec<u8>>,
    ) -> Result<(), StoreError> {
        let (key, write) = (key.as_bytes(), |words| self.connections.write(node, words));
        let reply = match (context, value) {
            (None, Some(value)) => write(&[b"SET", key, &value]).await?,
            (None, None) => write(&[b"DEL", key]).await?,
            (Some(context), value) => {
                let (read, new) = (tagged(seen(context)?), tagged(value));
                write(&[b"EVAL", SWAP, b"1", key, &read, &new]).await?
            }
        };
        match (context, reply) {
            (Some(_), Reply::Integer(0)) => Err(StoreError::Refused("the key has changed since it was read".into())),
            (_, Reply::Integer(_) | Reply::Status(_)) => Ok(()),
            (_, other) => Err(other.makes_no_sense()),
        }
    }
}

impl Store for RedisStore {
    fn nodes(&self) -> Vec<String> {
        self.nodes.clone()
    }

    fn get<'a>(&'a self, node: &'a str, key: &'a str) -> StoreFuture<'a, Versions> {
        Box::pin(async move {
            let value = value(self.connections.read(node, &[b"GET", key.as_bytes()]).await?)?;
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
            let value = value(self.connections.read_replica(node, &[b"GET", key.as_bytes()]).await?)?;
            let version = |value: Vec<u8>| ReplicaVersion { id: BASE64.encode(&value), value: Some(value) };
            Ok(value.into_iter().map(version).collect())
        })
    }
}

/// The value of a key; none if it is not there.
fn value(reply: Reply) -> Result<Option<Vec<u8>>, StoreError> {
    match reply {
        Reply::Bulk(value) => Ok(value),
        other => Err(other.makes_no_sense()),
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
