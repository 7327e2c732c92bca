//! Transactions that read lists and append to them.
//!
//! All lists are read at one moment. If some are appended to, a second request puts them, on the condition that none of
//! the lists that were read has changed since; where one has, nothing has happened. So a transaction that writes takes
//! effect at its second request and one that only reads at its first.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use workloads::{Attempt, Completion, Operation};

use super::forms::{Compare, KeyValue};
use super::kv::{Kv, Write};
use crate::systems::outcomes::{Done, decode, encode, unchanged, unread};

/// A list as it was read, and as the transaction changes it.
struct List {
    changed_at: i64,
    elements: Vec<Value>,
    appended: bool,
}

/// What a transaction does.
#[derive(Clone, Debug, PartialEq)]
enum Micro<'o> {
    Read(&'o str),
    Append(&'o str, &'o Value),
}

/// Carries out a transaction.
pub(super) async fn txn(kv: &Kv, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
    let micros = micros(operation)?;
    let keys: Vec<String> =
        micros.iter().map(Micro::key).collect::<BTreeSet<_>>().into_iter().map(str::to_owned).collect();
    attempt.reading("txn of reads");
    let found = kv.get_all(node, &keys).await.map_err(unread(operation))?;
    let lists: Result<Vec<List>, Completion> = found.into_iter().map(|found| list(operation, found)).collect();
    let mut lists: BTreeMap<String, List> = keys.into_iter().zip(lists?).collect();
    let result: Value = micros.iter().map(|micro| carry_out(micro, &mut lists)).collect();
    if !lists.values().any(|list| list.appended) {
        return Ok(operation.ok(result));
    }
    let conditions: Vec<Compare> =
        lists.iter().map(|(key, list)| Compare::ChangedAt(key.clone(), list.changed_at)).collect();
    let changed = lists.iter().filter(|(_, list)| list.appended);
    let writes: Vec<Write> = changed.map(|(key, list)| Write::of(key, encode(&json!(list.elements)))).collect();
    attempt.writing("txn");
    match kv.put_if(node, &conditions, &writes).await.map_err(unchanged(operation))? {
        Some(_) => Ok(operation.ok(result)),
        None => Err(operation.fail("a list has changed since it was read")),
    }
}

impl Micro<'_> {
    fn key(&self) -> &str {
        match self {
            Micro::Read(key) | Micro::Append(key, _) => key,
        }
    }
}

fn micros(operation: &Operation) -> Result<Vec<Micro<'_>>, Completion> {
    let none = || operation.fail(format!("no transaction of reads and appends: {}", operation.value));
    let micro = |micro| as_micro(micro).ok_or_else(none);
    operation.value.as_array().ok_or_else(none)?.iter().map(micro).collect()
}

fn as_micro(micro: &Value) -> Option<Micro<'_>> {
    let [f, key, argument] = micro.as_array()?.as_slice() else { return None };
    match (f.as_str()?, key.as_str()?) {
        ("r", key) => Some(Micro::Read(key)),
        ("append", key) => Some(Micro::Append(key, argument)),
        _ => None,
    }
}

/// The list that was read; one that is not there is empty.
fn list(operation: &Operation, found: Option<KeyValue>) -> Result<List, Completion> {
    let Some(found) = found else { return Ok(List { changed_at: 0, elements: Vec::new(), appended: false }) };
    match decode(operation, &found.value)? {
        Value::Array(elements) => Ok(List { changed_at: found.mod_revision, elements, appended: false }),
        other => Err(Completion { corrupt: true, ..operation.fail(format!("no list is stored, but {other}")) }),
    }
}

/// Carries a micro-operation out on what was read; returns it with its result.
fn carry_out(micro: &Micro<'_>, lists: &mut BTreeMap<String, List>) -> Value {
    let list = lists.get_mut(micro.key()).expect("the list of each micro-operation was read");
    match micro {
        Micro::Read(key) => json!(["r", key, list.elements]),
        Micro::Append(key, element) => {
            list.elements.push((*element).clone());
            list.appended = true;
            json!(["append", key, element])
        }
    }
}

#[cfg(test)]
mod tests {
    use workloads::{Invocation, Outcome};

    use super::super::gateway::tests::{answer, answering};
    use super::super::settings::Reads;
    use super::*;

    /// Of keys a (not there) and b (`[1]`).
    const READ: &str = r#"{"header":{},"succeeded":true,"responses":[{"response_range":{"header":{}}},
        {"response_range":{"header":{},"kvs":[{"key":"Yg==","value":"WzFd","mod_revision":"9"}]}}]}"#;

    async fn done(micros: Value, answers: Vec<String>) -> Completion {
        let kv = Kv { gateway: answering(answers).await, reads: Reads::Default };
        let operation = Invocation::without_key("txn", micros).by("append", 1);
        txn(&kv, "n1", &operation, &Attempt::default()).await.unwrap_or_else(|completion| completion)
    }

    #[tokio::test]
    async fn a_transaction_reads_what_it_has_appended() {
        let micros = json!([["append", "a", 5], ["r", "a", null], ["r", "b", null]]);
        let put = r#"{"header":{},"succeeded":true}"#;
        let completion = done(micros, vec![answer("200 OK", READ), answer("200 OK", put)]).await;
        assert_eq!(completion.outcome, Outcome::Ok);
        assert_eq!(completion.value, json!([["append", "a", 5], ["r", "a", [5]], ["r", "b", [1]]]));
    }

    #[tokio::test]
    async fn one_that_only_reads_makes_one_request() {
        let micros = json!([["r", "b", null], ["r", "a", null], ["r", "b", null]]);
        let completion = done(micros, vec![answer("200 OK", READ)]).await;
        assert_eq!(completion.value, json!([["r", "b", [1]], ["r", "a", []], ["r", "b", [1]]]));
    }

    #[tokio::test]
    async fn before_its_second_request_a_transaction_fails_and_then_it_is_unknown() {
        let micros = || json!([["append", "a", 5], ["r", "b", null]]);
        let late = answer("503 Service Unavailable", r#"{"error":"etcdserver: request timed out"}"#);
        assert_eq!(done(micros(), vec![late.clone()]).await.outcome, Outcome::Fail);
        assert_eq!(done(micros(), vec![answer("200 OK", READ), late]).await.outcome, Outcome::Info);
        let changed = answer("200 OK", r#"{"header":{}}"#);
        assert_eq!(done(micros(), vec![answer("200 OK", READ), changed]).await.outcome, Outcome::Fail);
        let corrupt = READ.replace("WzFd", "NQ==");
        assert!(done(micros(), vec![answer("200 OK", &corrupt)]).await.corrupt, "5 is no list");
    }

    #[tokio::test]
    async fn what_is_no_transaction_is_not_sent() {
        for value in [json!(5), json!([["w", "a", 5]]), json!([["r", "a"]]), json!([["r", 1, null]])] {
            assert_eq!(done(value, Vec::new()).await.outcome, Outcome::Fail);
        }
    }
}
