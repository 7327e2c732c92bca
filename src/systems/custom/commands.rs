//! Commands in RESP: a connection is used by one command at a time, and kept for the next. Each begins with the commands of the file, such
//! as AUTH.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::Value;
use workloads::store::StoreError;

use super::answer::{Body, Raw};
use crate::systems::resp::{Connection, Reply};

/// Connections that are kept for a node at most.
const IDLE_MAX: usize = 64;

/// The connections to all nodes.
#[derive(Default)]
pub(super) struct Commands {
    idle: RefCell<BTreeMap<SocketAddr, Vec<Connection>>>,
    first: Vec<Vec<String>>,
}

impl Commands {
    /// Connections that begin with these commands.
    pub fn beginning_with(first: Vec<Vec<String>>) -> Self {
        Self { first, ..Self::default() }
    }

    /// A new connection. What it begins with is no operation, so nothing has happened if that fails; it is named by its first word
    /// alone, as the others may be secret.
    async fn connect(&self, at: SocketAddr) -> Result<Connection, StoreError> {
        let refused = |why: String| StoreError::Refused(format!("no connection: {why}"));
        let mut connection = Connection::to(at).await.map_err(|why| refused(why.to_string()))?;
        for words in &self.first {
            let bytes: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
            match connection.ask(&bytes).await {
                Ok(Reply::Error(why)) => return Err(refused(format!("{}: {why}", words[0]))),
                Ok(_) => {}
                Err(error) => return Err(refused(format!("{}: {error}", words[0]))),
            }
        }
        Ok(connection)
    }

    /// Sends a command, once. A connection that fails takes those that are kept with it: the node has ended.
    ///
    /// # Errors
    /// Refused without a connection, unknown after that.
    pub async fn ask(&self, at: SocketAddr, words: &[String]) -> Result<Raw, StoreError> {
        let kept = self.idle.borrow_mut().get_mut(&at).and_then(Vec::pop);
        let mut connection = match kept {
            Some(connection) => connection,
            None => self.connect(at).await?,
        };
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        match connection.ask(&words).await {
            Ok(reply) => {
                let mut idle = self.idle.borrow_mut();
                let kept = idle.entry(at).or_default();
                if kept.len() < IDLE_MAX {
                    kept.push(connection);
                }
                Ok(raw(&reply))
            }
            Err(error) => {
                self.idle.borrow_mut().remove(&at);
                Err(StoreError::Unknown(error.to_string()))
            }
        }
    }
}

fn raw(reply: &Reply) -> Raw {
    let (number, text) = match reply {
        Reply::Integer(number) => (Some(*number), number.to_string()),
        Reply::Status(text) | Reply::Error(text) => (None, text.clone()),
        other => (None, value(other).to_string()),
    };
    Raw {
        number,
        text,
        is_success: !matches!(reply, Reply::Error(_)),
        is_nil: matches!(reply, Reply::Bulk(None)),
        body: Body::Value(value(reply)),
    }
}

/// A reply as JSON; strings are text.
fn value(reply: &Reply) -> Value {
    match reply {
        Reply::Status(text) | Reply::Error(text) => text.as_str().into(),
        Reply::Integer(number) => (*number).into(),
        Reply::Bulk(None) => Value::Null,
        Reply::Bulk(Some(bytes)) => String::from_utf8_lossy(bytes).into(),
        Reply::Array(replies) => replies.iter().map(value).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn replies_are_numbers_text_and_lists() {
        let bulk = |text: &str| Reply::Bulk(Some(text.as_bytes().to_vec()));
        assert_eq!(value(&Reply::Array(vec![bulk("1"), Reply::Integer(2), Reply::Bulk(None)])), json!(["1", 2, null]));
        assert!(raw(&Reply::Bulk(None)).is_nil && !raw(&Reply::Error("ERR".into())).is_success);
        assert_eq!(raw(&Reply::Integer(0)).number, Some(0));
    }
}
