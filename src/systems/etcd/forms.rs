//! The JSON of etcd's gateway: bytes are base64, 64-bit integers are strings, and what is zero or false is left out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

/// Bytes as a request has them.
pub(super) fn bytes(bytes: impl AsRef<[u8]>) -> Value {
    BASE64.encode(bytes).into()
}

/// A key, or a range of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Keys<'k> {
    /// One.
    One(&'k str),
    /// Those that begin with this and go on with a slash.
    Below(&'k str),
    /// Every key that there is.
    All,
}

impl Keys<'_> {
    /// As fields of a request: `key`, and for a range `range_end`, the first key behind it.
    pub fn fields(&self) -> Value {
        match self {
            Keys::One(key) => json!({"key": bytes(key)}),
            // Behind '/' comes '0'.
            Keys::Below(prefix) => {
                json!({"key": bytes(format!("{prefix}/")), "range_end": bytes(format!("{prefix}0"))})
            }
            Keys::All => json!({"key": bytes([0]), "range_end": bytes([0])}),
        }
    }
}

/// A condition of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    /// The key has this value; one that is not there has none.
    Value(String, Vec<u8>),
    /// The key was changed last at this revision; 0 = it is not there.
    ChangedAt(String, i64),
}

impl Compare {
    /// As a request has it.
    pub fn form(&self) -> Value {
        let (key, target, field, operand) = match self {
            Compare::Value(key, value) => (key, "VALUE", "value", bytes(value)),
            Compare::ChangedAt(key, revision) => (key, "MOD", "mod_revision", revision.to_string().into()),
        };
        json!({"key": bytes(key), "target": target, "result": "EQUAL", field: operand})
    }
}

/// An answer.
#[derive(Debug, Deserialize, PartialEq)]
pub(super) struct Answered<A> {
    /// What every answer has.
    pub header: Header,
    /// The rest.
    #[serde(flatten)]
    pub answer: A,
}

/// What every answer has.
#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub(super) struct Header {
    /// The store's revision; after a change that of the change.
    #[serde(deserialize_with = "integer")]
    pub revision: i64,
    /// The member that answers.
    #[serde(deserialize_with = "integer")]
    pub member_id: u64,
}

/// An answer that says no more.
#[derive(Debug, Deserialize, PartialEq)]
pub(super) struct Done {}

/// A key with its value.
#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub(super) struct KeyValue {
    /// The key.
    #[serde(deserialize_with = "base64")]
    pub key: Vec<u8>,
    /// Its value.
    #[serde(deserialize_with = "base64")]
    pub value: Vec<u8>,
    /// The revision that changed it last.
    #[serde(deserialize_with = "integer")]
    pub mod_revision: i64,
}

/// The answer to a range.
#[derive(Debug, Deserialize, PartialEq)]
pub(super) struct Ranged {
    /// In the order of the keys.
    #[serde(default)]
    pub kvs: Vec<KeyValue>,
}

/// The answer to a delete.
#[derive(Debug, Deserialize, PartialEq)]
pub(super) struct Deleted {
    /// How many keys.
    #[serde(default, deserialize_with = "integer")]
    pub deleted: u64,
}

/// The answer to a transaction.
#[derive(Debug, Deserialize, PartialEq)]
pub(super) struct Txn {
    /// Whether its conditions held.
    #[serde(default)]
    pub succeeded: bool,
    /// One for each request in it.
    #[serde(default)]
    pub responses: Vec<TxnPart>,
}

/// The answer to one request in a transaction.
#[derive(Debug, Deserialize, PartialEq)]
pub(super) struct TxnPart {
    /// If it was a range.
    pub response_range: Option<Ranged>,
}

/// The answer to the grant of a lease.
#[derive(Debug, Deserialize, PartialEq)]
pub(super) struct Granted {
    /// The lease.
    #[serde(rename = "ID", deserialize_with = "integer")]
    pub id: i64,
}

/// A message of a watch.
#[derive(Debug, Deserialize, PartialEq)]
pub(super) struct Streamed {
    /// What it brings.
    pub result: Answered<Watched>,
}

/// What a message of a watch brings.
#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub(super) struct Watched {
    /// The watch begins.
    pub created: bool,
    /// The watch ends.
    pub canceled: bool,
    /// Why.
    pub cancel_reason: String,
    /// In the order of their revisions.
    pub events: Vec<WatchEvent>,
}

/// A change of a key.
#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub(super) struct WatchEvent {
    /// `DELETE`; a put is left out.
    #[serde(rename = "type")]
    pub kind: String,
    /// The key, with the revision of the change.
    pub kv: KeyValue,
}

/// What a node says of itself.
#[derive(Debug, Deserialize, PartialEq)]
pub(super) struct Status {
    /// Its version.
    pub version: String,
    /// The member that leads; 0 = none does.
    #[serde(default, deserialize_with = "integer")]
    pub leader: u64,
    /// The term.
    #[serde(rename = "raftTerm", default, deserialize_with = "integer")]
    pub raft_term: u64,
    /// The last entry of its log.
    #[serde(rename = "raftIndex", default, deserialize_with = "integer")]
    pub raft_index: u64,
}

/// The answer to `GET /version`.
#[derive(Debug, Deserialize, PartialEq)]
pub(super) struct Version {
    /// That of the program.
    pub etcdserver: String,
}

/// An error.
#[derive(Debug, Deserialize, PartialEq)]
pub(super) struct Refusal {
    /// In words.
    pub error: String,
}

/// A number that is written as a string.
pub(super) fn integer<'d, D: Deserializer<'d>, T: std::str::FromStr>(input: D) -> Result<T, D::Error> {
    let text = String::deserialize(input)?;
    text.parse().map_err(|_| D::Error::custom(format!("{text:?} is no integer of its kind")))
}

fn base64<'d, D: Deserializer<'d>>(input: D) -> Result<Vec<u8>, D::Error> {
    BASE64.decode(String::deserialize(input)?).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_below_a_key_ends_before_longer_names() {
        let text = |value: &Value| BASE64.decode(value.as_str().expect("text")).expect("base64");
        let fields = Keys::Below("kv-set-1").fields();
        let (begin, end) = (text(&fields["key"]), text(&fields["range_end"]));
        let is_in = |key: &str| (begin.as_slice()..end.as_slice()).contains(&key.as_bytes());
        assert!(is_in("kv-set-1/0") && is_in("kv-set-1/9999"));
        assert!(!is_in("kv-set-1") && !is_in("kv-set-10/1") && !is_in("kv-set-2/1"));
        assert_eq!(Keys::One("a").fields(), json!({"key": "YQ=="}));
    }

    #[test]
    fn conditions_name_what_they_compare() {
        let value = Compare::Value("a".into(), b"5".to_vec()).form();
        assert_eq!(value, json!({"key": "YQ==", "target": "VALUE", "result": "EQUAL", "value": "NQ=="}));
        let absent = Compare::ChangedAt("a".into(), 0).form();
        assert_eq!(absent, json!({"key": "YQ==", "target": "MOD", "result": "EQUAL", "mod_revision": "0"}));
    }

    /// As etcd 3.4.23 answers.
    #[test]
    fn what_is_left_out_is_zero() {
        let header = r#""header":{"cluster_id":"1","member_id":"18446744073709551615","revision":"4","raft_term":"2"}"#;
        let read: Answered<Txn> = serde_json::from_str(&format!("{{{header}}}")).expect("an answer");
        assert_eq!((read.answer.succeeded, read.header.revision, read.header.member_id), (false, 4, u64::MAX));
        let read: Answered<Deleted> = serde_json::from_str(&format!("{{{header}}}")).expect("an answer");
        assert_eq!(read.answer.deleted, 0);
        let events = r#""events":[{"kv":{"key":"YQ==","mod_revision":"3","value":"NQ=="}},
            {"type":"DELETE","kv":{"key":"YQ==","mod_revision":"4"}}]"#;
        let read: Streamed = serde_json::from_str(&format!("{{\"result\":{{{header},{events}}}}}")).expect("an answer");
        let [put, delete] = &read.result.answer.events[..] else { panic!("two events: {read:?}") };
        assert_eq!((put.kind.as_str(), &put.kv.value[..], put.kv.mod_revision), ("", &b"5"[..], 3));
        assert_eq!((delete.kind.as_str(), &delete.kv.value[..], delete.kv.mod_revision), ("DELETE", &b""[..], 4));
    }

    #[test]
    fn what_is_no_answer_is_none() {
        assert!(serde_json::from_str::<Answered<Done>>("{}").is_err());
        assert!(
            serde_json::from_str::<Answered<Ranged>>(r#"{"header":{},"kvs":[{"key":"?"}]}"#).is_err(),
            "not base64"
        );
        assert!(serde_json::from_str::<Answered<Granted>>(r#"{"header":{},"ID":"x"}"#).is_err());
    }
}
