//! Transactions of one micro-operation, in Jepsen's form (`[["append", key, 5]]`, `[["r", key, null]]`), so that every
//! checker of such histories can read them.

use serde_json::{Value, json};

use crate::client::{Completion, Operation};
use crate::workload::Invocation;

/// The function of every transaction.
pub(crate) const TXN: &str = "txn";

/// A read of a key.
pub(crate) fn read(key: String) -> Invocation {
    let value = json!([["r", key, null]]);
    Invocation::of(TXN, key, value)
}

/// A change of a key: `append`, `w`.
pub(crate) fn change(f: &'static str, key: String, argument: u64) -> Invocation {
    let value = json!([[f, key, argument]]);
    Invocation::of(TXN, key, value)
}

/// The completion of a read that returned `result`.
pub(crate) fn read_completion(operation: &Operation, result: &Value) -> Completion {
    operation.ok(json!([["r", operation.key, result]]))
}

/// What a transaction does.
pub(crate) enum Micro {
    Read,
    /// It changes the key, with this argument.
    Change(u64),
}

/// The micro-operation of an operation: a read, or a change by the function `f`; a failed completion for anything
/// else.
pub(crate) fn micro(operation: &Operation, f: &str) -> Result<Micro, Completion> {
    let none = || operation.fail(format!("not a transaction of one read or one {f}: {}", operation.value));
    let is_its = |key: &Value| key.as_str() == operation.key.as_deref();
    let micro = match operation.value.as_array().map(Vec::as_slice) {
        Some([micro]) if operation.f == TXN => micro,
        _ => return Err(none()),
    };
    match micro.as_array().map(Vec::as_slice) {
        Some([name, key, Value::Null]) if name == "r" && is_its(key) => Ok(Micro::Read),
        Some([name, key, argument]) if name == f && is_its(key) => {
            argument.as_u64().map(Micro::Change).ok_or_else(none)
        }
        _ => Err(none()),
    }
}
