//! Keys inside values: the histories of Jepsen's `independent`.
//!
//! `independent` runs one workload on many keys and history `[k v]` where the workload alone would record `v`. Whether
//! a history is one of those follows from the values of all its operations together; the rule is in [`super::columns`].

use rustc_hash::FxHashMap;

use super::columns::History;
use super::op::Op;
use super::values::{Datum, Sym, ValueId};

/// Moves the keys out of the values if the whole history has that form; otherwise changes nothing. O(n).
pub(super) fn take_keys_from_values(history: &mut History) {
    if !consistent(history) {
        return;
    }
    let mut names: FxHashMap<ValueId, Sym> = FxHashMap::default();
    for position in 0..history.ops.len() {
        let op = history.ops[position];
        let Some((key, argument)) = pair(history, op.argument) else { continue };
        let name = match names.get(&key) {
            Some(name) => *name,
            // There cannot be too many names, since there are fewer keys than values. Without a key nothing is lost.
            None => history.values.key(key).ok().flatten().unwrap_or(Sym::NONE),
        };
        names.insert(key, name);
        let result = pair(history, op.result).filter(|(of, _)| *of == key).map_or(op.result, |(_, value)| value);
        let op = &mut history.ops[position];
        (op.key, op.argument, op.result) = (name, argument, result);
    }
    history.keys_were_in_values = true;
}

/// Whether every operation has the form that `independent` gives it.
fn consistent(history: &History) -> bool {
    let (Some(read), cas) = (history.sym("read"), history.sym("cas")) else {
        return false;
    };
    let fits = |op: &Op| {
        let Some((key, argument)) = pair(history, op.argument) else { return false };
        let argument_fits = match op.f {
            f if f == read => argument.is_nil(),
            f if Some(f) == cas => pair_of_any(history, argument).is_some(),
            _ => true,
        };
        argument_fits && (!op.is_ok() || pair(history, op.result).is_some_and(|(of, _)| of == key))
    };
    history.ops.iter().any(|op| op.f == read) && history.ops.iter().all(fits)
}

/// A list of two whose first element can be a key.
fn pair(history: &History, value: ValueId) -> Option<(ValueId, ValueId)> {
    pair_of_any(history, value)
        .filter(|(key, _)| !matches!(history.datum(*key), Datum::Nil | Datum::List(_) | Datum::Map(_)))
}

fn pair_of_any(history: &History, value: ValueId) -> Option<(ValueId, ValueId)> {
    match history.datum(value) {
        Datum::List(&[first, second]) => Some((first, second)),
        _ => None,
    }
}
