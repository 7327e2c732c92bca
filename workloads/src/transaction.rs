//! Transactions of one micro-operation, in Jepsen's form (`[["append", key, 5]]`, `[["r", key, null]]`), so that every
//! checker of such histories can read them.

use serde_json::{Value, json};

use crate::workload::{Completion, Invocation};

/// The function of every transaction.
pub(crate) const TXN: &str = "txn";

/// A read of a key.
pub(crate) fn read(key: String) -> Invocation {
    let value = json!([["r", key, null]]);
    Invocation { f: TXN, key, value }
}

/// A change of a key: `append`, `w`.
pub(crate) fn change(f: &'static str, key: String, argument: u64) -> Invocation {
    let value = json!([[f, key, argument]]);
    Invocation { f: TXN, key, value }
}

/// The completion of a read that returned `result`.
pub(crate) fn read_completion(invocation: &Invocation, result: &Value) -> Completion {
    Completion::ok(json!([["r", invocation.key, result]]))
}

/// What a transaction does.
pub(crate) enum Micro {
    Read,
    /// It changes the key, with this argument.
    Change(u64),
}

/// The micro-operation of an invocation: a read, or a change by the function `f`; a failed completion for anything
/// else.
pub(crate) fn micro(invocation: &Invocation, f: &str) -> Result<Micro, Completion> {
    let none = || invocation.fail(format!("not a transaction of one read or one {f}: {}", invocation.value));
    let micro = match invocation.value.as_array().map(Vec::as_slice) {
        Some([micro]) if invocation.f == TXN => micro,
        _ => return Err(none()),
    };
    match micro.as_array().map(Vec::as_slice) {
        Some([name, key, Value::Null]) if name == "r" && *key == invocation.key => Ok(Micro::Read),
        Some([name, key, argument]) if name == f && *key == invocation.key => {
            argument.as_u64().map(Micro::Change).ok_or_else(none)
        }
        _ => Err(none()),
    }
}
