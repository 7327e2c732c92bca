//! Keys that hide in values: the histories of Jepsen's `independent`.
//!
//! `independent` runs one workload on many keys and records `[k v]` where the workload alone would record `v`. Whether a
//! history is one of those is told by the values of all its operations together; the rule is in [`super`].

use rustc_hash::FxHashMap;

use super::columns::History;
use super::op::Op;
use super::values::{Datum, Sym, ValueId};

/// Moves keys out of values where the whole history is of that form; else changes nothing. O(n).
pub(super) fn take_keys_from_values(records: &mut History) {
    if !consistent(records) {
        return;
    }
    let mut names: FxHashMap<ValueId, Sym> = FxHashMap::default();
    for position in 0..records.ops.len() {
        let op = records.ops[position];
        let Some((key, argument)) = pair(records, op.argument) else { continue };
        let name = match names.get(&key) {
            Some(name) => *name,
            // Too many names: impossible, since there are fewer keys than values. Nothing is lost without a key.
            None => records.values.key(key).ok().flatten().unwrap_or(Sym::NONE),
        };
        names.insert(key, name);
        let result = pair(records, op.result).filter(|(of, _)| *of == key).map_or(op.result, |(_, value)| value);
        let op = &mut records.ops[position];
        (op.key, op.argument, op.result) = (name, argument, result);
    }
    records.keys_were_in_values = true;
}

fn consistent(records: &History) -> bool {
    let (Some(read), cas) = (records.sym("read"), records.sym("cas")) else {
        return false;
    };
    let fits = |op: &Op| {
        let Some((key, argument)) = pair(records, op.argument) else { return false };
        let argument_fits = match op.f {
            f if f == read => argument.is_nil(),
            f if Some(f) == cas => pair_of_any(records, argument).is_some(),
            _ => true,
        };
        argument_fits && (!op.is_ok() || pair(records, op.result).is_some_and(|(of, _)| of == key))
    };
    records.ops.iter().any(|op| op.f == read) && records.ops.iter().all(fits)
}

/// A list of two whose first can be a key.
fn pair(records: &History, value: ValueId) -> Option<(ValueId, ValueId)> {
    pair_of_any(records, value)
        .filter(|(key, _)| !matches!(records.datum(*key), Datum::Nil | Datum::List(_) | Datum::Map(_)))
}

fn pair_of_any(records: &History, value: ValueId) -> Option<(ValueId, ValueId)> {
    match records.datum(value) {
        Datum::List(&[first, second]) => Some((first, second)),
        _ => None,
    }
}
