//! The facts of a history from anywhere whose reads show which writes they have seen.
//!
//! `add` and `read` of a set; `write`, `delete` and `read` of a register whose reads show all siblings, where the completion
//! of a write records its past; transactions of `append` and `r`, each micro-operation an operation of its key.

use std::mem::size_of;

use rustc_hash::FxHashMap;

use super::blocks::analyse;
use super::facts::{Deed, FinalSource, KeyFacts, Read, Write};
use super::workloads::WorkloadFacts;
use crate::history::{Datum, History, Identities, Operation, Sym, ValueId};
use crate::limits::Limits;
use crate::objects::{ConcurrentWrites, Element, Model};

/// Approximate bytes of an operation, and of a value that it shows, besides the history.
const BYTES_PER_OPERATION: u64 = (size_of::<Write<'_>>() + size_of::<Read<'_>>() + 64) as u64;
const BYTES_PER_VALUE: u64 = 16;

/// What a key is called in the history.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum KeyName {
    /// By the operation.
    Symbol(Sym),
    /// By a micro-operation.
    Value(ValueId),
}

/// What was done to a key, in order.
struct OfKey<'h> {
    name: String,
    initial: ValueId,
    deeds: Vec<(Operation<'h>, u32, Deed)>,
}

impl<'h> WorkloadFacts<'h> {
    /// Sorts the operations of a history by key, and computes what each read sees, until the time is over. Concurrent writes are
    /// kept.
    ///
    /// # Errors
    /// A sentence, when an operation is none of those above, or the memory is too little.
    pub(crate) fn of_history(history: &'h History, limits: &Limits<'_>) -> Result<Self, String> {
        let values: usize = (0..history.ops.len()).map(|op| history.values_of(op)).sum();
        let bytes = history.ops.len() as u64 * BYTES_PER_OPERATION + values as u64 * BYTES_PER_VALUE;
        if bytes > limits.memory_bytes {
            return Err(format!("what {} operations show needs more memory than there is", history.ops.len()));
        }
        let model = model(history);
        let same = Identities::new(history);
        let mut keys = Keys { history, model, same, numbers: FxHashMap::default(), keys: Vec::new() };
        for op in 0..history.ops.len() {
            let operation = history.operation(op);
            let placed = keys.take(operation, op);
            placed.map_err(|what| format!("the operation invoked at index {}: {what}", operation.invoked()))?;
        }
        let concurrent_writes = ConcurrentWrites::Kept;
        let analysed = |of: &OfKey<'h>| {
            let initial = elements_at_first(history, model, of.initial)?;
            let mut key = KeyFacts::of_deeds(&of.name, model, initial, &of.deeds);
            key.analysis = analyse(&key, model, concurrent_writes, limits.out_of_time);
            Ok(key)
        };
        let keys = keys.keys.iter().map(analysed).collect::<Result<_, String>>()?;
        let (name, final_source) = (String::new(), FinalSource::Nothing);
        Ok(Self { name, model, concurrent_writes, final_source, keys, is_test: false })
    }
}

/// What a key begins with: a register with a value, or with siblings.
fn elements_at_first(history: &History, model: Model, initial: ValueId) -> Result<Vec<Element>, String> {
    let elements = match (history.datum(initial), model) {
        (Datum::Nil, _) => &[],
        (Datum::List(elements) | Datum::Set(elements), _) => elements,
        (_, Model::Register) => return Ok(vec![Element::new(history, initial)]),
        _ => {
            let what = if model == Model::Set { "set" } else { "list" };
            return Err(format!("a {what} cannot begin with {}", history.show(initial)));
        }
    };
    Ok(elements.iter().map(|element| Element::new(history, *element)).collect())
}

/// What the keys are: registers if anything is written, and else what their elements are added to.
fn model(history: &History) -> Model {
    let mut functions = history.ops.iter().map(|op| history.text(op.f));
    if functions.clone().any(|f| matches!(f, "write" | "delete")) {
        return Model::Register;
    }
    match functions.any(|f| f == "add") {
        true => Model::Set,
        false => Model::ListAppend,
    }
}

struct Keys<'h> {
    history: &'h History,
    model: Model,
    same: Identities<'h>,
    numbers: FxHashMap<KeyName, usize>,
    keys: Vec<OfKey<'h>>,
}

impl<'h> Keys<'h> {
    fn take(&mut self, operation: Operation<'h>, op: usize) -> Result<(), String> {
        let key = KeyName::Symbol(self.history.ops[op].key);
        let deed = match operation.f() {
            "add" => Deed::Write(Some(operation.argument())),
            "write" => Deed::Write(Some(operation.argument()).filter(|value| !value.is_nil())),
            "delete" => Deed::Write(None),
            // A register may hold nothing.
            "read" if operation.is_ok() && self.model == Model::Set && operation.result().is_nil() => {
                let index = self.history.event_index(self.history.ops[op].ret);
                return Err(format!("the read of a set at index {index} is `ok` without a value"));
            }
            "read" if operation.is_ok() => Deed::Read { shown: operation.result(), ordered: false },
            "read" => return Ok(()),
            _ => return self.transaction(operation),
        };
        self.push(key, operation, 0, deed);
        Ok(())
    }

    fn transaction(&mut self, operation: Operation<'h>) -> Result<(), String> {
        let history = self.history;
        let value = if operation.is_ok() { operation.result() } else { operation.argument() };
        let Datum::List(micros) = history.datum(value) else {
            return Err(format!("`{}` is no operation of sessions", operation.f()));
        };
        if micros.is_empty() && operation.f() != "txn" {
            return Err(format!("`{}` is no operation of sessions", operation.f()));
        }
        for (micro, number) in micros.iter().zip(0..) {
            let Datum::List(&[f, key, value]) = history.datum(*micro) else {
                return Err(format!("{} is not [f key value]", history.show(*micro)));
            };
            let deed = match history.datum(f) {
                Datum::Text("append") => Deed::Write(Some(value)),
                Datum::Text("r") if operation.is_ok() => Deed::Read { shown: value, ordered: true },
                Datum::Text("r") => continue,
                _ => return Err(format!("{} is neither append nor read of a list", history.show(*micro))),
            };
            let key = KeyName::Value(self.same.of(key));
            self.push(key, operation, number, deed);
        }
        Ok(())
    }

    fn push(&mut self, key: KeyName, operation: Operation<'h>, micro: u32, deed: Deed) {
        let number = *self.numbers.entry(key).or_insert_with(|| {
            let name = match key {
                KeyName::Symbol(name) if !name.is_some() => self.model.name().to_owned(),
                KeyName::Symbol(name) => self.history.text(name).to_owned(),
                KeyName::Value(value) => self.history.key_name(value).into_owned(),
            };
            let initial = match key {
                KeyName::Symbol(name) => self.history.initial(name),
                KeyName::Value(key) => self.history.initial_of_value(key),
            };
            self.keys.push(OfKey { name, initial, deeds: Vec::new() });
            self.keys.len() - 1
        });
        self.keys[number].deeds.push((operation, micro, deed));
    }
}
