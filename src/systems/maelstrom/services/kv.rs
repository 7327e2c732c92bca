//! What the key-value services have in common: their requests and answers, and what a request does to the value of a key.

use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::systems::maelstrom::error_code::{
    KEY_DOES_NOT_EXIST, MALFORMED_REQUEST, PRECONDITION_FAILED, unknown_request,
};

/// A key, which may be any JSON: its text.
pub(super) type Key = String;

/// A key-value store.
pub(super) trait Kv {
    /// Does a request of a client.
    fn answer(&mut self, client: &str, request: &KvRequest, chance: &mut ChaCha8Rng) -> KvAnswer;
}

/// A request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct KvRequest {
    /// On which key.
    pub key: Key,
    /// What.
    pub does: Does,
}

/// What a request does.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Does {
    Read,
    Write(Value),
    Cas { from: Value, to: Value, creates: bool },
}

/// What comes of a request.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum KvAnswer {
    Read(Value),
    Written,
    Swapped,
    Missing(Key),
    Differs { is: Value, expected: Value },
}

/// What a request does to the value that it meets: the answer, and the value that is there from now on, if it is another.
pub(super) struct Done {
    pub answer: KvAnswer,
    pub changed: Option<Value>,
}

impl KvRequest {
    /// The request in a body.
    ///
    /// # Errors
    /// The body of the error that is the answer then.
    pub fn in_body(body: &Value) -> Result<Self, Value> {
        let field = |name: &str| {
            let missing = || MALFORMED_REQUEST.body(format!("{} needs a field {name:?}", body["type"]));
            body.get(name).cloned().ok_or_else(missing)
        };
        let creates = body["create_if_not_exists"] == true;
        let does = match body["type"].as_str() {
            Some("read") => Does::Read,
            Some("write") => Does::Write(field("value")?),
            Some("cas") => Does::Cas { from: field("from")?, to: field("to")?, creates },
            _ => return Err(unknown_request(body, "read, write and cas")),
        };
        Ok(Self { key: field("key")?.to_string(), does })
    }

    /// What it does where the key has this value.
    pub fn done(&self, is: Option<&Value>) -> Done {
        let (answer, new) = match (&self.does, is) {
            (Does::Read, Some(value)) => (KvAnswer::Read(value.clone()), None),
            (Does::Write(value), _) => (KvAnswer::Written, Some(value)),
            (Does::Cas { from, to, .. }, Some(is)) if is == from => (KvAnswer::Swapped, Some(to)),
            (Does::Cas { to, creates: true, .. }, None) => (KvAnswer::Swapped, Some(to)),
            (Does::Cas { from, .. }, Some(is)) => (KvAnswer::Differs { is: is.clone(), expected: from.clone() }, None),
            (Does::Read | Does::Cas { .. }, None) => (KvAnswer::Missing(self.key.clone()), None),
        };
        Done { answer, changed: new.filter(|new| is != Some(*new)).cloned() }
    }
}

impl KvAnswer {
    /// As the body of a message.
    pub fn body(self) -> Value {
        match self {
            KvAnswer::Read(value) => json!({"type": "read_ok", "value": value}),
            KvAnswer::Written => json!({"type": "write_ok"}),
            KvAnswer::Swapped => json!({"type": "cas_ok"}),
            KvAnswer::Missing(key) => KEY_DOES_NOT_EXIST.body(format!("there is no key {key}")),
            KvAnswer::Differs { is, expected } => {
                PRECONDITION_FAILED.body(format!("the value is {is}, not {expected}"))
            }
        }
    }
}
