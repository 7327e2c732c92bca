//! Which operation is which request of Maelstrom's documents, and what its answer must look like.
//!
//! Keys go to nodes as numbers, as Maelstrom sends them (`kv-3` is 3), but for those of logs, which are strings. The one set and
//! the one counter have no key.

use serde_json::{Value, json};
use workloads::Operation;

use super::message::Message;

/// Keys of probes are numbers beyond those of all others.
const PROBE_KEYS_FROM: u64 = 1_000_000;

/// How an operation is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    /// By one request.
    Ask(Rpc),
    /// As of a log: positions are kept.
    Send,
    Poll,
    Assign,
}

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rpc {
    Echo,
    Generate,
    Broadcast,
    ReadMessages,
    AddElement,
    ReadElements,
    AddDelta,
    ReadSum,
    ReadKey,
    WriteKey,
    CasKey,
    Txn,
}

/// How a function of a workload is done; none if it cannot be.
pub(super) fn does(workload: &str, f: &str) -> Option<Does> {
    Some(match (workload, f) {
        ("echo", "echo") => Does::Ask(Rpc::Echo),
        ("unique-ids", "generate") => Does::Ask(Rpc::Generate),
        ("broadcast", "broadcast") => Does::Ask(Rpc::Broadcast),
        ("broadcast", "read") => Does::Ask(Rpc::ReadMessages),
        ("g-set", "add") => Does::Ask(Rpc::AddElement),
        ("g-set", "read") => Does::Ask(Rpc::ReadElements),
        ("g-counter" | "pn-counter", "add") => Does::Ask(Rpc::AddDelta),
        ("g-counter" | "pn-counter", "read") => Does::Ask(Rpc::ReadSum),
        ("lin-kv", "read") => Does::Ask(Rpc::ReadKey),
        ("lin-kv", "write") => Does::Ask(Rpc::WriteKey),
        ("lin-kv", "cas") => Does::Ask(Rpc::CasKey),
        ("txn-list-append" | "txn-rw-register", "txn") => Does::Ask(Rpc::Txn),
        ("kafka", "send") => Does::Send,
        ("kafka", "poll") => Does::Poll,
        ("kafka", "assign") => Does::Assign,
        _ => return None,
    })
}

/// Whether this function of this workload can be done.
pub(super) fn can(workload: &str, f: &str) -> bool {
    does(workload, f).is_some()
}

/// Whether what each node says of this workload's one key is what it has by itself.
pub(super) fn is_replicated(workload: &str) -> bool {
    matches!(workload, "broadcast" | "g-set" | "g-counter" | "pn-counter")
}

/// The request that reads the one key of such a workload.
pub(super) fn read_of(workload: &str) -> Option<Rpc> {
    match does(workload, "read") {
        Some(Does::Ask(rpc)) if is_replicated(workload) => Some(rpc),
        _ => None,
    }
}

/// An answer is not what the documents say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{node} answered {request} with {answer}, which is not {expected}")]
pub(super) struct Malformed {
    /// Who.
    pub node: String,
    /// What was asked.
    pub request: &'static str,
    /// What came.
    pub answer: String,
    /// What should have come.
    pub expected: String,
}

impl Rpc {
    /// Its type.
    pub fn name(self) -> &'static str {
        match self {
            Rpc::Echo => "echo",
            Rpc::Generate => "generate",
            Rpc::Broadcast => "broadcast",
            Rpc::AddElement | Rpc::AddDelta => "add",
            Rpc::ReadMessages | Rpc::ReadElements | Rpc::ReadSum | Rpc::ReadKey => "read",
            Rpc::WriteKey => "write",
            Rpc::CasKey => "cas",
            Rpc::Txn => "txn",
        }
    }

    /// Whether it changes nothing, whatever becomes of it.
    pub fn only_reads(self, operation: &Operation) -> bool {
        self == Rpc::Echo || operation.only_reads()
    }

    /// Its body for an operation.
    pub fn body(self, operation: &Operation) -> Value {
        let (name, value) = (self.name(), &operation.value);
        let key = || number(operation.key.as_deref().unwrap_or_default());
        match self {
            Rpc::Echo => json!({"type": name, "echo": value}),
            Rpc::Broadcast => json!({"type": name, "message": value}),
            Rpc::AddElement => json!({"type": name, "element": value}),
            Rpc::AddDelta => json!({"type": name, "delta": value}),
            Rpc::ReadKey => json!({"type": name, "key": key()}),
            Rpc::WriteKey => json!({"type": name, "key": key(), "value": value}),
            Rpc::CasKey => json!({"type": name, "key": key(), "from": value[0], "to": value[1]}),
            Rpc::Txn => json!({"type": name, "txn": micros(value).map(numbered).collect::<Vec<_>>()}),
            Rpc::Generate | Rpc::ReadMessages | Rpc::ReadElements | Rpc::ReadSum => json!({"type": name}),
        }
    }

    /// The result of an operation in the answer of a node.
    ///
    /// # Errors
    /// When it is not what the documents say.
    pub fn result(self, node: &str, operation: &Operation, answer: &Message) -> Result<Value, Malformed> {
        let body = answer.parsed();
        let expected = format!("{}_ok", self.name());
        let found = (body["type"] == expected.as_str()).then(|| self.found(operation, &body, answer)).flatten();
        found.ok_or_else(|| Malformed {
            node: node.to_owned(),
            request: self.name(),
            answer: answer.body.get().chars().take(QUOTED_MAX).collect(),
            expected: format!("{expected}{}", self.with()),
        })
    }

    /// What the answer has besides its type, in words.
    fn with(self) -> &'static str {
        match self {
            Rpc::Echo => " with the field echo",
            Rpc::Generate => " with the field id",
            Rpc::ReadMessages => " with the field messages, a list",
            Rpc::ReadElements => " with the field value, a list",
            Rpc::ReadSum => " with the field value, an integer",
            Rpc::ReadKey => " with the field value",
            Rpc::Txn => " with the field txn: the same micro-operations, and what was read in place of null",
            Rpc::Broadcast | Rpc::AddElement | Rpc::AddDelta | Rpc::WriteKey | Rpc::CasKey => "",
        }
    }

    fn found(self, operation: &Operation, body: &Value, answer: &Message) -> Option<Value> {
        match self {
            Rpc::Echo => body.get("echo").cloned(),
            Rpc::Generate => identifier(answer),
            Rpc::ReadMessages => body.get("messages").filter(|messages| messages.is_array()).cloned(),
            Rpc::ReadElements => body.get("value").filter(|elements| elements.is_array()).cloned(),
            Rpc::ReadSum => body.get("value").and_then(integer),
            Rpc::ReadKey => body.get("value").cloned(),
            Rpc::Txn => transaction(&operation.value, &body["txn"]),
            Rpc::Broadcast | Rpc::AddElement | Rpc::AddDelta | Rpc::WriteKey | Rpc::CasKey => {
                Some(operation.value.clone())
            }
        }
    }
}

/// How much of an answer is quoted, characters.
pub(super) const QUOTED_MAX: usize = 300;

/// A key as nodes know it: the number in its name.
fn number(key: &str) -> Value {
    let digits = key.len() - key.trim_end_matches(|letter: char| letter.is_ascii_digit()).len();
    let number: u64 = key[key.len() - digits..].parse().unwrap_or_default();
    let from = if key.starts_with("probe-") { PROBE_KEYS_FROM } else { 0 };
    (from + number).into()
}

fn micros(txn: &Value) -> impl Iterator<Item = &Value> {
    txn.as_array().into_iter().flatten()
}

/// A micro-operation with the number of its key.
fn numbered(micro: &Value) -> Value {
    json!([micro[0], number(micro[1].as_str().unwrap_or_default()), micro[2]])
}

/// A completed transaction: the same micro-operations on the same keys, and what each read in place of null.
fn transaction(asked: &Value, answered: &Value) -> Option<Value> {
    let answers = answered.as_array().filter(|answers| answers.len() == micros(asked).count())?;
    let completed = micros(asked).zip(answers).map(|(micro, answer)| {
        let sent = numbered(micro);
        let [f, key, value] = answer.as_array()?.as_slice() else { return None };
        let is_same = *f == sent[0] && *key == sent[1] && (micro[0] == "r" || *value == sent[2]);
        is_same.then(|| json!([micro[0], micro[1], value]))
    });
    completed.collect::<Option<Vec<Value>>>().map(Value::from)
}

/// A sum, which some languages write with a decimal point.
fn integer(value: &Value) -> Option<Value> {
    let whole =
        |number: f64| (number.fract() == 0.0 && number.abs() < 2f64.powi(53)).then(|| Value::from(number as i64));
    if value.is_i64() || value.is_u64() { Some(value.clone()) } else { value.as_f64().and_then(whole) }
}

/// An identifier. An integer beyond 64 bits stays what it is, as text: as a floating-point number it would be equal to others.
fn identifier(answer: &Message) -> Option<Value> {
    #[derive(serde::Deserialize)]
    struct Generated {
        id: Box<serde_json::value::RawValue>,
    }
    let Generated { id } = serde_json::from_str(answer.body.get()).ok()?;
    let digits = id.get().trim_start_matches('-');
    let value: Value = serde_json::from_str(id.get()).ok()?;
    let is_large = value.is_f64() && digits.bytes().all(|digit| digit.is_ascii_digit());
    Some(if is_large { id.get().into() } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(workload: &'static str, f: &'static str, key: &str, value: Value) -> Operation {
        Operation { workload, process: 3, f, key: Some(key.to_owned()), value }
    }

    fn answered(rpc: Rpc, operation: &Operation, body: &str) -> Result<Value, String> {
        let line = format!("{{\"src\":\"n1\",\"dest\":\"c1\",\"body\":{body}}}");
        let message = Message::on_line(line.as_bytes()).expect("a message");
        rpc.result("n1", operation, &message).map_err(|malformed| malformed.to_string())
    }

    #[test]
    fn requests_are_those_of_the_documents() {
        let cas = operation("lin-kv", "cas", "kv-12", json!([3, 4]));
        assert_eq!(Rpc::CasKey.body(&cas), json!({"type": "cas", "key": 12, "from": 3, "to": 4}));
        let probe = operation("lin-kv", "write", "probe-n2", json!(2));
        assert_eq!(Rpc::WriteKey.body(&probe), json!({"type": "write", "key": 1_000_002, "value": 2}));
        let txn = operation("txn-list-append", "txn", "", json!([["r", "list-0", null], ["append", "list-7", 9]]));
        assert_eq!(Rpc::Txn.body(&txn), json!({"type": "txn", "txn": [["r", 0, null], ["append", 7, 9]]}));
        let broadcast = operation("broadcast", "broadcast", "set-0", json!(5));
        assert_eq!(Rpc::Broadcast.body(&broadcast), json!({"type": "broadcast", "message": 5}));
    }

    #[test]
    fn an_answer_has_what_the_documents_say() {
        let read = operation("g-set", "read", "set-0", Value::Null);
        let ok = r#"{"type":"read_ok","value":[1,2]}"#;
        assert_eq!(answered(Rpc::ReadElements, &read, ok), Ok(json!([1, 2])));
        let why = answered(Rpc::ReadMessages, &read, ok).expect_err("it has another field");
        assert!(
            why.starts_with("n1 answered read with {\"type\":\"read_ok\"") && why.ends_with("messages, a list"),
            "{why}"
        );
        assert!(answered(Rpc::ReadElements, &read, r#"{"type":"ok","value":[]}"#).is_err());
        assert_eq!(answered(Rpc::ReadSum, &read, r#"{"type":"read_ok","value":3.0}"#), Ok(json!(3)));
        assert!(answered(Rpc::ReadSum, &read, r#"{"type":"read_ok","value":3.5}"#).is_err());
    }

    #[test]
    fn a_transaction_is_completed_and_not_changed() {
        let txn = operation("txn-rw-register", "txn", "", json!([["r", "register-1", null], ["w", "register-2", 9]]));
        let done = |answer: &str| answered(Rpc::Txn, &txn, &format!("{{\"type\":\"txn_ok\",\"txn\":{answer}}}"));
        assert_eq!(done(r#"[["r",1,8],["w",2,9]]"#), Ok(json!([["r", "register-1", 8], ["w", "register-2", 9]])));
        for strange in [r#"[["r",1,8]]"#, r#"[["r",1,8],["w",2,10]]"#, r#"[["r",3,8],["w",2,9]]"#, "null"] {
            assert!(done(strange).is_err(), "{strange}");
        }
    }

    #[test]
    fn large_identifiers_stay_apart() {
        let generate = operation("unique-ids", "generate", "ids-0", Value::Null);
        let id = |id: &str| answered(Rpc::Generate, &generate, &format!("{{\"type\":\"generate_ok\",\"id\":{id}}}"));
        assert_ne!(id("340282366920938463463374607431768211455"), id("340282366920938463463374607431768211454"));
        assert_eq!(id("7"), Ok(json!(7)));
        assert_eq!(id("[\"n1\",7]"), Ok(json!(["n1", 7])));
        assert!(answered(Rpc::Generate, &generate, r#"{"type":"generate_ok"}"#).is_err());
    }
}
