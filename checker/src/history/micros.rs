//! The micro-operations of a transaction: lists `[f key value]`, as Jepsen records them.

use serde_json::Value;

/// The function of a transaction.
pub(super) const TRANSACTION: &str = "txn";

/// The micro-operations of a transaction: function, key, value; none if the value is no list of such.
pub fn micros(value: &Value) -> Option<Vec<(&str, &Value, &Value)>> {
    let mut all = Vec::new();
    for micro in value.as_array()? {
        match micro.as_array()?.as_slice() {
            [f, key, value] => all.push((f.as_str()?, key, value)),
            _ => return None,
        }
    }
    Some(all)
}

/// The micro-operation of a transaction that has just one: function, key, value.
pub fn only_micro(value: &Value) -> Option<(&str, &Value, &Value)> {
    match &micros(value)?[..] {
        [one] => Some(*one),
        _ => None,
    }
}
