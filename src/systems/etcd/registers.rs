//! Registers, sets and counters: one change is one request.
//!
//! An element of a set is a key of its own below the set's, so elements never conflict, and one range shows all at one
//! moment. A counter has no request of its own: what was read and the sum are compared and put at once, and where
//! another client was quicker nothing has happened.

use serde_json::Value;
use workloads::{Attempt, Operation};

use super::forms::{Compare, Keys};
use super::kv::{Kv, Write};
use crate::systems::outcomes::{Done, decode, encode, key, unchanged, unread};

/// The value of a key; null if it is not there.
pub(super) async fn read(kv: &Kv, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
    attempt.reading("range");
    let found = kv.get(node, key(operation)?).await.map_err(unread(operation))?;
    let value = found.map(|found| decode(operation, &found.value)).transpose()?;
    Ok(operation.ok(value.unwrap_or(Value::Null)))
}

/// Puts a value.
pub(super) async fn write(kv: &Kv, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
    let write = Write::of(key(operation)?, encode(&operation.value));
    attempt.writing("put");
    kv.put(node, &write).await.map_err(unchanged(operation))?;
    Ok(operation.ok(operation.value.clone()))
}

/// Puts a key for the sake of the revision that it gets, which is an identifier that nobody else gets.
pub(super) async fn generate(kv: &Kv, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
    let write = Write::of(key(operation)?, encode(&operation.value));
    attempt.writing("put");
    let revision = kv.put(node, &write).await.map_err(unchanged(operation))?;
    Ok(operation.ok(revision.into()))
}

/// Puts a value in place of the expected one.
pub(super) async fn cas(kv: &Kv, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
    let key = key(operation)?;
    let Some([expected, new]) = operation.value.as_array().map(Vec::as_slice) else {
        return Err(operation.fail(format!("no pair of an expected and a new value: {}", operation.value)));
    };
    let condition = Compare::Value(key.to_owned(), encode(expected));
    attempt.writing("txn");
    let changed = kv.put_if(node, &[condition], &[Write::of(key, encode(new))]).await;
    match changed.map_err(unchanged(operation))? {
        Some(_) => Ok(operation.ok(operation.value.clone())),
        None => Err(operation.fail(format!("the value is not {expected}"))),
    }
}

/// Adds an element to a set.
pub(super) async fn add_element(kv: &Kv, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
    let value = encode(&operation.value);
    let write = Write::of(&format!("{}/{}", key(operation)?, operation.value), value);
    attempt.writing("put");
    kv.put(node, &write).await.map_err(unchanged(operation))?;
    Ok(operation.ok(operation.value.clone()))
}

/// The elements of a set.
pub(super) async fn read_elements(kv: &Kv, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
    attempt.reading("range");
    let found = kv.range(node, &Keys::Below(key(operation)?), kv.reads).await.map_err(unread(operation))?;
    let elements: Result<Vec<Value>, _> = found.iter().map(|found| decode(operation, &found.value)).collect();
    Ok(operation.ok(elements?.into()))
}

/// Adds to a counter.
pub(super) async fn add(kv: &Kv, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
    let (key, read) = (key(operation)?, read(kv, node, operation, attempt).await?.value);
    let by = operation.value.as_i64();
    let sum = read.as_i64().or(read.is_null().then_some(0)).zip(by).and_then(|(sum, by)| sum.checked_add(by));
    let sum = sum.ok_or_else(|| operation.fail(format!("{read} and {} have no sum", operation.value)))?;
    let condition = match read.is_null() {
        true => Compare::ChangedAt(key.to_owned(), 0),
        false => Compare::Value(key.to_owned(), encode(&read)),
    };
    attempt.writing("txn");
    let changed = kv.put_if(node, &[condition], &[Write::of(key, sum.to_string())]).await;
    match changed.map_err(unchanged(operation))? {
        Some(_) => Ok(operation.ok(operation.value.clone())),
        None => Err(operation.fail(format!("the sum is not {read} any more"))),
    }
}

/// The sum of a counter.
pub(super) async fn read_sum(kv: &Kv, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
    let read = read(kv, node, operation, attempt).await?;
    Ok(if read.value.is_null() { operation.ok(0.into()) } else { read })
}
