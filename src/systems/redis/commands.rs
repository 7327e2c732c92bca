//! Registers, sets, counters and queues: one operation is one command, which Redis executes at once.
//!
//! What Redis has no command for is a script: to set a register that has an expected value, and to take a whole queue.
//!
//! A queue is a list, and an element is dequeued as [Redis's documents](https://redis.io/docs/latest/commands/lmove/)
//! have it for a reliable queue: it is moved to a second list, and removed from there when the client has it. So a
//! request whose answer got lost has dequeued nothing: a drain takes both lists. What a client has seen comes twice
//! if its removal fails.

use std::time::{Duration, Instant};

use serde_json::Value;
use workloads::store::StoreError;
use workloads::{Attempt, Completion, Operation, Outcome};

use super::connections::Connections;
use crate::systems::outcomes::{Done, decode, encode, key, unchanged, unread};
use crate::systems::resp::Reply;

/// Sets the key if it has the expected value. Arguments: that, and the new one.
const CAS: &[u8] = br"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1";

/// Takes all elements of two lists.
const DRAIN: &[u8] = br"
local elements = redis.call('LRANGE', KEYS[1], 0, -1)
for _, element in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do table.insert(elements, element) end
redis.call('DEL', KEYS[1], KEYS[2])
return elements";

/// How long a client waits for the removal of an element that it has seen. One that it has seen later than this
/// stays, so that the operation does not end for want of time when it is known what was dequeued.
pub(super) const REMOVAL_LIMIT: Duration = Duration::from_millis(200);

/// The value of a register; null if it has none.
pub(super) async fn read(on: &Connections, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
    let key = key(operation)?;
    attempt.reading("GET");
    let reply = on.read(node, &[b"GET", key.as_bytes()]).await.map_err(unread(operation))?;
    let value = value(operation, &reply)?.ok_or_else(|| unread(operation)(reply.makes_no_sense()))?;
    Ok(operation.ok(value))
}

/// Sets a register.
pub(super) async fn write(on: &Connections, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
    let words: [&[u8]; 3] = [b"SET", key(operation)?.as_bytes(), &encode(&operation.value)];
    let reply = change(on, node, operation, attempt, "SET", &words).await?;
    match reply {
        Reply::Status(_) => Ok(operation.ok(operation.value.clone())),
        other => Err(senseless(operation, &other)),
    }
}

/// Sets a register that has the expected value.
pub(super) async fn cas(on: &Connections, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
    let Some([expected, new]) = operation.value.as_array().map(Vec::as_slice) else {
        return Err(operation.fail(format!("no pair of an expected and a new value: {}", operation.value)));
    };
    let (key, old, new) = (key(operation)?.as_bytes(), encode(expected), encode(new));
    match change(on, node, operation, attempt, "script", &[b"EVAL", CAS, b"1", key, &old, &new]).await? {
        Reply::Integer(1) => Ok(operation.ok(operation.value.clone())),
        Reply::Integer(0) => Err(operation.fail(format!("the value is not {expected}"))),
        other => Err(senseless(operation, &other)),
    }
}

/// Adds an element to a set.
pub(super) async fn add_element(on: &Connections, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
    let words: [&[u8]; 3] = [b"SADD", key(operation)?.as_bytes(), &encode(&operation.value)];
    counted(operation, &change(on, node, operation, attempt, "SADD", &words).await?)
}

/// The elements of a set.
pub(super) async fn read_elements(on: &Connections, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
    let key = key(operation)?;
    attempt.reading("SMEMBERS");
    let reply = on.read(node, &[b"SMEMBERS", key.as_bytes()]).await.map_err(unread(operation))?;
    let elements = elements(operation, &reply)?.ok_or_else(|| unread(operation)(reply.makes_no_sense()))?;
    Ok(operation.ok(elements.into()))
}

/// Adds to a counter.
pub(super) async fn add(on: &Connections, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
    let words: [&[u8]; 3] = [b"INCRBY", key(operation)?.as_bytes(), &encode(&operation.value)];
    counted(operation, &change(on, node, operation, attempt, "INCRBY", &words).await?)
}

/// The sum of a counter, which begins at 0.
pub(super) async fn read_sum(on: &Connections, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
    let read = read(on, node, operation, attempt).await?;
    Ok(if read.value.is_null() { operation.ok(0.into()) } else { read })
}

/// Appends an element to a queue.
pub(super) async fn enqueue(on: &Connections, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
    let words: [&[u8]; 3] = [b"RPUSH", key(operation)?.as_bytes(), &encode(&operation.value)];
    counted(operation, &change(on, node, operation, attempt, "RPUSH", &words).await?)
}

/// Takes the first element of a queue; null if it is empty.
pub(super) async fn dequeue(
    on: &Connections,
    node: &str,
    operation: &Operation,
    attempt: &Attempt,
    removal_limit: Duration,
) -> Done {
    let (key, taken) = (key(operation)?.as_bytes(), taken(operation)?);
    let began = Instant::now();
    attempt.reading("LMOVE");
    let moved = on.write(node, &[b"LMOVE", key, &taken, b"LEFT", b"RIGHT"]).await.map_err(unread(operation))?;
    let element = value(operation, &moved)?.ok_or_else(|| unread(operation)(moved.makes_no_sense()))?;
    if let Reply::Bulk(Some(bytes)) = &moved
        && began.elapsed() < removal_limit
    {
        attempt.writing("LREM");
        // What comes of it shows in what is drained.
        let words: [&[u8]; 4] = [b"LREM", &taken, b"1", bytes];
        let _ = tokio::time::timeout(removal_limit, on.write(node, &words)).await;
    }
    Ok(operation.ok(element))
}

/// Takes all elements of a queue.
pub(super) async fn drain(on: &Connections, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
    let (key, taken) = (key(operation)?.as_bytes(), taken(operation)?);
    let reply = change(on, node, operation, attempt, "script", &[b"EVAL", DRAIN, b"2", key, &taken]).await?;
    // What cannot be read was taken all the same.
    let in_vain = |completion| Completion { outcome: Outcome::Info, ..completion };
    let elements = elements(operation, &reply).map_err(in_vain)?;
    Ok(operation.ok(elements.ok_or_else(|| senseless(operation, &reply))?.into()))
}

/// The list of the elements that clients have taken from a queue and not removed yet.
fn taken(operation: &Operation) -> Result<Vec<u8>, Completion> {
    Ok(format!("{}/taken", key(operation)?).into_bytes())
}

/// Sends a command that changes something.
async fn change(
    on: &Connections,
    node: &str,
    operation: &Operation,
    attempt: &Attempt,
    request: &'static str,
    words: &[&[u8]],
) -> Result<Reply, Completion> {
    attempt.writing(request);
    on.write(node, words).await.map_err(unchanged(operation))
}

/// What was changed says how much there is now.
fn counted(operation: &Operation, reply: &Reply) -> Done {
    match reply {
        Reply::Integer(_) => Ok(operation.ok(operation.value.clone())),
        other => Err(senseless(operation, other)),
    }
}

/// The value that a command returned, null for nil; none if it is no value.
fn value(operation: &Operation, reply: &Reply) -> Result<Option<Value>, Completion> {
    match reply {
        Reply::Bulk(None) => Ok(Some(Value::Null)),
        Reply::Bulk(Some(bytes)) => decode(operation, bytes).map(Some),
        _ => Ok(None),
    }
}

/// The elements that a command returned; none if it is no list of them.
fn elements(operation: &Operation, reply: &Reply) -> Result<Option<Vec<Value>>, Completion> {
    let Reply::Array(replies) = reply else { return Ok(None) };
    let elements: Result<Vec<Option<Value>>, _> = replies.iter().map(|reply| value(operation, reply)).collect();
    elements.map(|elements| elements.into_iter().collect())
}

fn senseless(operation: &Operation, reply: &Reply) -> Completion {
    unchanged(operation)(reply.makes_no_sense())
}

/// What a node that is read by itself has of a workload's key.
pub(super) async fn stored(
    on: &Connections,
    node: &str,
    workload: &str,
    key: &str,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let key = key.as_bytes();
    let reply = match workload {
        "kv-set" => on.read_replica(node, &[b"SMEMBERS", key]).await?,
        "queue" => on.read_replica(node, &[b"LRANGE", key, b"0", b"-1"]).await?,
        _ => on.read_replica(node, &[b"GET", key]).await?,
    };
    let parts = match reply {
        Reply::Array(parts) => parts,
        Reply::Bulk(None) => Vec::new(),
        one => vec![one],
    };
    let bytes = |part| match part {
        Reply::Bulk(Some(bytes)) => Ok(bytes),
        other => Err(other.makes_no_sense()),
    };
    parts.into_iter().map(bytes).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use workloads::Invocation;

    use super::super::connections::tests::{Asked, answering, locally};
    use super::*;

    /// What an operation comes to if the node answers so, and what it was asked.
    async fn done(
        workload: &'static str,
        f: &'static str,
        value: Value,
        answers: &[&str],
    ) -> (Completion, Vec<String>) {
        locally(async {
            let (on, asked): (_, Asked) = answering(0, answers).await;
            let (operation, attempt) = (Invocation::of(f, "a", value).by(workload, 1), Attempt::default());
            let done = match (workload, f) {
                ("cas-register", "read") => read(&on, "n1", &operation, &attempt).await,
                ("cas-register", "write") => write(&on, "n1", &operation, &attempt).await,
                ("cas-register", "cas") => cas(&on, "n1", &operation, &attempt).await,
                ("kv-set", "add") => add_element(&on, "n1", &operation, &attempt).await,
                ("kv-set", _) => read_elements(&on, "n1", &operation, &attempt).await,
                ("kv-counter", "add") => add(&on, "n1", &operation, &attempt).await,
                ("kv-counter", _) => read_sum(&on, "n1", &operation, &attempt).await,
                ("queue", "enqueue") => enqueue(&on, "n1", &operation, &attempt).await,
                ("queue", "dequeue") => dequeue(&on, "n1", &operation, &attempt, Duration::MAX).await,
                ("queue", "dequeue late") => dequeue(&on, "n1", &operation, &attempt, Duration::ZERO).await,
                _ => drain(&on, "n1", &operation, &attempt).await,
            };
            (done.unwrap_or_else(|completion| completion), asked.take())
        })
        .await
    }

    async fn outcome(workload: &'static str, f: &'static str, value: Value, answers: &[&str]) -> (Outcome, Value) {
        let (completion, _) = done(workload, f, value, answers).await;
        (completion.outcome, completion.value)
    }

    #[tokio::test]
    async fn what_is_read_is_json() {
        assert_eq!(outcome("cas-register", "read", Value::Null, &["$1\r\n5\r\n"]).await, (Outcome::Ok, 5.into()));
        assert_eq!(outcome("cas-register", "read", Value::Null, &["$-1\r\n"]).await, (Outcome::Ok, Value::Null));
        assert_eq!(outcome("kv-counter", "read", Value::Null, &["$-1\r\n"]).await, (Outcome::Ok, 0.into()));
        let two = "*2\r\n$1\r\n5\r\n$1\r\n6\r\n";
        assert_eq!(outcome("kv-set", "read", Value::Null, &[two]).await, (Outcome::Ok, json!([5, 6])));
        let (completion, _) = done("cas-register", "read", Value::Null, &["$1\r\n{\r\n"]).await;
        assert!(completion.corrupt && completion.outcome == Outcome::Fail, "{completion:?}");
        assert_eq!(outcome("kv-set", "read", Value::Null, &[":1\r\n"]).await.0, Outcome::Fail, "no list");
    }

    #[tokio::test]
    async fn a_change_that_was_refused_has_not_happened_and_one_without_an_answer_may_have() {
        let operations = [
            ("cas-register", "write", json!(5)),
            ("cas-register", "cas", json!([4, 5])),
            ("kv-set", "add", json!(5)),
            ("kv-counter", "add", json!(5)),
            ("queue", "enqueue", json!(5)),
            ("queue", "drain", Value::Null),
        ];
        for (workload, f, value) in operations {
            let refused = outcome(workload, f, value.clone(), &["-NOREPLICAS Not enough good replicas to write.\r\n"]);
            assert_eq!(refused.await.0, Outcome::Fail, "{workload} {f}");
            assert_eq!(outcome(workload, f, value.clone(), &[]).await.0, Outcome::Info, "{workload} {f}");
            let senseless = outcome(workload, f, value, &["*1\r\n+?\r\n"]).await;
            assert_eq!(senseless.0, Outcome::Info, "{workload} {f}");
        }
    }

    #[tokio::test]
    async fn a_register_is_set_if_it_has_the_expected_value() {
        let pair = || json!([4, 5]);
        let (completion, asked) = done("cas-register", "cas", pair(), &[":1\r\n"]).await;
        assert_eq!((completion.outcome, completion.value), (Outcome::Ok, pair()));
        assert!(asked[0].starts_with("EVAL") && asked[0].ends_with("1 a 4 5"), "{asked:?}");
        assert_eq!(outcome("cas-register", "cas", pair(), &[":0\r\n"]).await.0, Outcome::Fail);
        assert_eq!(outcome("cas-register", "cas", json!(5), &[]).await.0, Outcome::Fail, "no pair, so nothing is sent");
    }

    #[tokio::test]
    async fn an_element_comes_out_where_no_other_goes_in() {
        assert_eq!(done("queue", "enqueue", json!(5), &[":1\r\n"]).await.1, ["RPUSH a 5"]);
        let (completion, asked) = done("queue", "dequeue", Value::Null, &["$1\r\n5\r\n", ":1\r\n"]).await;
        assert_eq!((completion.outcome, completion.value), (Outcome::Ok, json!(5)));
        assert_eq!(asked, ["LMOVE a a/taken LEFT RIGHT", "LREM a/taken 1 5"]);
        let (completion, asked) = done("queue", "dequeue", Value::Null, &["$-1\r\n"]).await;
        assert_eq!((completion.outcome, completion.value, asked.len()), (Outcome::Ok, Value::Null, 1));
        let both = "*2\r\n$1\r\n5\r\n$1\r\n6\r\n";
        let (completion, asked) = done("queue", "drain", Value::Null, &[both]).await;
        assert_eq!((completion.outcome, completion.value), (Outcome::Ok, json!([5, 6])));
        assert!(asked[0].ends_with("2 a a/taken"), "{asked:?}");
        assert_eq!(
            outcome("queue", "drain", Value::Null, &["*1\r\n$1\r\n{\r\n"]).await.0,
            Outcome::Info,
            "it is taken"
        );
    }

    #[tokio::test]
    async fn an_element_that_was_seen_is_dequeued_and_one_that_was_not_stays() {
        let seen = outcome("queue", "dequeue", Value::Null, &["$1\r\n5\r\n"]).await;
        assert_eq!(seen, (Outcome::Ok, json!(5)), "whatever becomes of its removal");
        assert_eq!(outcome("queue", "dequeue", Value::Null, &[]).await.0, Outcome::Fail, "a drain finds it");
        let (completion, asked) = done("queue", "dequeue late", Value::Null, &["$1\r\n5\r\n"]).await;
        assert_eq!((completion.outcome, asked.len()), (Outcome::Ok, 1), "it is not removed");
    }
}
