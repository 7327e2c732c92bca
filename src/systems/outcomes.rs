//! What came of an operation, by what came of its requests, for clients that store values as JSON.

use serde_json::Value;
use workloads::store::StoreError;
use workloads::{Completion, Operation};

/// How an operation completed; an error is one that did not succeed.
pub type Done = Result<Completion, Completion>;

/// A read that failed has changed nothing, whatever the reason.
pub fn unread(operation: &Operation) -> impl Fn(StoreError) -> Completion {
    move |error| operation.fail(error.to_string())
}

/// A change that failed may have happened all the same, unless it was refused.
pub fn unchanged(operation: &Operation) -> impl Fn(StoreError) -> Completion {
    move |error| match error {
        StoreError::Refused(why) => operation.fail(why),
        StoreError::Unknown(why) => operation.info(why),
    }
}

/// The key that an operation names.
pub fn key(operation: &Operation) -> Result<&str, Completion> {
    let none = || operation.fail(format!("'{}' of {} names no key", operation.f, operation.workload));
    operation.key.as_deref().ok_or_else(none)
}

/// A value as it is stored: JSON.
pub fn encode(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// A stored value, read before anything was changed.
pub fn decode(operation: &Operation, bytes: &[u8]) -> Result<Value, Completion> {
    parse(bytes).map_err(|why| Completion { corrupt: true, ..operation.fail(why) })
}

/// A stored value, or why it is none.
pub fn parse(bytes: &[u8]) -> Result<Value, String> {
    let strange = |error| format!("stored bytes are no JSON: {error} ({} bytes)", bytes.len());
    serde_json::from_slice(bytes).map_err(strange)
}
