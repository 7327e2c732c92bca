//! Keys inside values: the histories of Jepsen's `independent`.
//!
//! `independent` runs one workload on many keys and records `[k v]` where the workload alone would record `v`. No event
//! says so, so it is read off the values of all operations together, unless it is given ([`History::take_keys_from_values`]).
//!
//! A history may be one of those if no event has a key and the value of every invocation is a list of two, neither of them
//! a micro-operation; the second is a list of two for every `cas`, one of micro-operations for every `txn`, and nil for
//! every function that takes no argument (`read`, `dequeue`, `acquire`, ...). It certainly is one if there is such a
//! function or a `txn`, since without a key those would carry nothing, or no list before their micro-operations, and if
//! every `ok` has the key of its invocation. Otherwise nothing shows whether a list of two is a value or a key with one:
//! [`KeySource::Unclear`].

use rustc_hash::FxHashMap;

use super::columns::History;
use super::key_source::KeySource;
use super::op::Op;
use super::values::{Datum, Sym, ValueId};

/// Keys cannot be taken from the values of a history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotKeyed {
    /// They are in the events.
    #[error("its events have keys of their own, as the one at index {index}")]
    HasKeys {
        /// The index of such an event.
        index: u64,
    },
    /// A value is no `[key value]`.
    #[error("the value {value} at index {index} is no list of a key and a value")]
    NoPair {
        /// The index of its event.
        index: u64,
        /// The value.
        value: String,
    },
}

/// Functions that take no argument.
const WITHOUT_ARGUMENT: [&str; 14] = [
    "read",
    "r",
    "get",
    "dequeue",
    "drain",
    "poll",
    "take",
    "pop",
    "extract-min",
    "delete-min",
    "acquire",
    "release",
    "generate",
    "next",
];

impl History {
    /// Why keys cannot be taken from the values; none if they can: then each is `[key value]`, and an invocation with nil has
    /// the key of its completion.
    pub fn not_keyed(&self) -> Option<NotKeyed> {
        self.ops.iter().find_map(|op| {
            let index = self.event_index(op.call);
            let has_key = op.key.is_some().then_some(NotKeyed::HasKeys { index });
            // One that was acknowledged says its key when it is asked or when it is answered.
            let is_pair = match op.argument.is_nil() {
                true => !op.is_ok() || pair(self, op.result).is_some(),
                false => pair(self, op.argument).is_some(),
            };
            has_key.or_else(|| (!is_pair).then(|| NotKeyed::NoPair { index, value: self.show(op.argument) }))
        })
    }

    /// Takes the keys out of the values.
    ///
    /// # Errors
    /// When they cannot be taken ([`History::not_keyed`]); then nothing is changed.
    pub fn take_keys_from_values(&mut self) -> Result<(), NotKeyed> {
        match self.not_keyed() {
            Some(wrong) => Err(wrong),
            None => {
                take(self);
                Ok(())
            }
        }
    }
}

/// Moves the keys out of the values if the whole history has that form. O(n).
pub(super) fn guess(history: &mut History) {
    history.key_source = match likely(history) {
        KeySource::Values => return take(history),
        other => other,
    };
}

fn take(history: &mut History) {
    let mut names: FxHashMap<ValueId, Sym> = FxHashMap::default();
    for position in 0..history.ops.len() {
        let op = history.ops[position];
        let asked = pair(history, op.argument);
        let Some((key, _)) = asked.or_else(|| pair(history, op.result)) else { continue };
        let name = match names.get(&key) {
            Some(name) => *name,
            // There cannot be too many names, since there are fewer keys than values. Without a key nothing is lost.
            None => history.values.name_as_key(key).unwrap_or(Sym::NONE),
        };
        if !history.has_parts(key) {
            names.insert(key, name);
        }
        let argument = asked.map_or(op.argument, |(_, value)| value);
        let result = pair(history, op.result).filter(|(of, _)| history.is_equal(*of, key));
        let result = result.map_or(op.result, |(_, value)| value);
        let op = &mut history.ops[position];
        (op.key, op.argument, op.result) = (name, argument, result);
    }
    history.key_source = KeySource::Values;
}

/// Whether the value of an invocation has a key, as far as it shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HasKey {
    No,
    Perhaps,
    Yes,
}

fn likely(history: &History) -> KeySource {
    let mut functions: FxHashMap<Sym, bool> = FxHashMap::default();
    let (mut shown, mut all_answer) = (false, true);
    for op in &history.ops {
        let takes_none = *functions.entry(op.f).or_insert_with(|| WITHOUT_ARGUMENT.contains(&history.text(op.f)));
        match shows(history, op, takes_none) {
            HasKey::No => return KeySource::Events,
            HasKey::Perhaps => {}
            HasKey::Yes => shown = true,
        }
        all_answer &= !op.is_ok() || answers(history, op);
    }
    match (history.ops.is_empty(), shown, all_answer) {
        (true, ..) | (_, false, false) => KeySource::Events,
        (_, true, true) => KeySource::Values,
        _ => KeySource::Unclear,
    }
}

fn shows(history: &History, op: &Op, takes_none: bool) -> HasKey {
    let Some((key, argument)) = pair(history, op.argument) else { return HasKey::No };
    if is_micro(history, key) {
        return HasKey::No;
    }
    match history.text(op.f) {
        _ if takes_none => {
            if argument.is_nil() {
                HasKey::Yes
            } else {
                HasKey::No
            }
        }
        "cas" if pair(history, argument).is_none() => HasKey::No,
        "txn" => match history.datum(argument) {
            Datum::List(micros) if micros.iter().all(|micro| is_micro(history, *micro)) => HasKey::Yes,
            _ => HasKey::No,
        },
        _ => HasKey::Perhaps,
    }
}

/// Whether a completion has the key of its invocation.
fn answers(history: &History, op: &Op) -> bool {
    let key = pair(history, op.argument).map(|(key, _)| key);
    pair(history, op.result).is_some_and(|(of, _)| key.is_some_and(|key| history.is_equal(of, key)))
}

fn is_micro(history: &History, value: ValueId) -> bool {
    matches!(history.datum(value), Datum::List(&[f, _, _]) if matches!(history.datum(f), Datum::Text(_)))
}

fn pair(history: &History, value: ValueId) -> Option<(ValueId, ValueId)> {
    match history.datum(value) {
        Datum::List(&[first, second]) => Some((first, second)),
        _ => None,
    }
}
