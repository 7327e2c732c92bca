//! Single operations whose reads tell which writes they have seen, and how records become them.
//!
//! `add` and `read` of a set; `write`, `delete` and `read` of a register whose reads show all siblings, where the
//! completion of a write tells its past; transactions of `append` and `r`, each micro-operation an operation.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use super::miss::Miss;
use crate::checks::isolation::findings::KeyName;
use crate::history::{Datum, History, Kind, Op, ValueId};

/// What an operation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It brought a value, or for a delete of a register none.
    Write {
        /// What it replaced: the writes that its writer had seen, by operation. None: nobody told.
        past: Option<Vec<u32>>,
        /// It leaves nothing to be seen.
        deletes: bool,
    },
    /// It showed these writes, in the order shown.
    Read {
        /// By operation.
        shows: Vec<u32>,
    },
}

/// One operation that may have happened; one that is unknown is a write.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The session.
    pub process: u32,
    /// The key, numbered from 0.
    pub key: u32,
    /// Whether it is known to have happened.
    pub acknowledged: bool,
    /// What it did.
    pub action: Action,
}

/// Operations in the order of invocation.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The operations.
    pub operations: Vec<Operation>,
    /// How many keys there are.
    pub keys: usize,
    /// Whether reads show writes in the order of versions.
    pub ordered: bool,
}

/// Which operation of the records each observed one is.
pub struct Ops {
    /// By observed operation.
    pub positions: Vec<u32>,
    keys: Vec<KeyName>,
}

impl Ops {
    /// The name of a key.
    pub fn key(&self, records: &History, key: u32) -> String {
        match self.keys[key as usize] {
            KeyName::Value(value) => records.show(value).trim_matches('"').to_owned(),
            KeyName::Sym(name) => records.text(name).to_owned(),
        }
    }

    /// The positions of these operations, and of all that wrote what the transactions among them read: whatever else a
    /// transaction reads is part of it, and must have been written.
    pub fn by_themselves(&self, observed: &Observed, operations: &[u32]) -> impl Iterator<Item = usize> {
        let mut open: Vec<u32> = operations.iter().map(|at| self.positions[*at as usize]).collect();
        let mut taken = BTreeSet::new();
        while let Some(position) = open.pop() {
            if !taken.insert(position) {
                continue;
            }
            let first = self.positions.partition_point(|known| *known < position);
            let parts = self.positions[first..].iter().take_while(|known| **known == position).count();
            for part in &observed.operations[first..first + parts] {
                if let Action::Read { shows } = &part.action {
                    open.extend(shows.iter().map(|write| self.positions[*write as usize]));
                }
            }
        }
        taken.into_iter().map(|position| position as usize)
    }

    /// A sentence on what was missed.
    pub fn explain(&self, records: &History, observed: &Observed, miss: &Miss) -> String {
        let index = |at: u32| records.event_index(records.ops[self.positions[at as usize] as usize].call);
        let (reader, missed) = (index(miss.reader), index(miss.missed));
        let process = observed.operations[miss.reader as usize].process;
        let key = self.key(records, miss.key);
        let of = if key.is_empty() { String::new() } else { format!(" of {key}") };
        let by = miss.through.map_or_else(String::new, |through| format!(" (index {})", index(through)));
        let value = records.show(records.ops[self.positions[miss.missed as usize] as usize].argument);
        format!(
            "the read{of} by process {process} at index {reader} does not show the write of {value} at index {missed}, {}{by}",
            miss.why()
        )
    }
}

/// Reads records.
///
/// # Errors
/// A sentence, when an operation is none of those above, or a value is written twice.
pub fn read(records: &History) -> Result<(Observed, Ops), String> {
    let mut reader = Reader {
        records,
        observed: Observed::default(),
        ops: Ops { positions: Vec::new(), keys: Vec::new() },
        numbers: FxHashMap::default(),
        written: FxHashMap::default(),
        named: Vec::new(),
    };
    for (op, position) in records.ops.iter().zip(0..) {
        reader
            .operation(op, position)
            .map_err(|what| format!("the operation invoked at index {}: {what}", records.event_index(op.call)))?;
    }
    reader.resolve()?;
    Ok((reader.observed, reader.ops))
}

struct Reader<'r> {
    records: &'r History,
    observed: Observed,
    ops: Ops,
    numbers: FxHashMap<KeyName, u32>,
    /// Key and value to operation.
    written: FxHashMap<(u32, ValueId), u32>,
    /// By operation: the values it shows, or has in its past; resolved once all writes are known.
    named: Vec<Option<Vec<ValueId>>>,
}

impl<'r> Reader<'r> {
    fn operation(&mut self, op: &Op, position: u32) -> Result<(), String> {
        let f = self.records.text(op.f);
        if op.kind == Kind::Fail {
            return Ok(());
        }
        let key = KeyName::Sym(op.key);
        match f {
            "add" => self.write(op, position, key, op.argument, Some(Vec::new())),
            "write" | "delete" => {
                let told = self.records.past(op_number(position)).map(<[ValueId]>::to_vec);
                let past = told.or_else(|| op.is_ok().then(Vec::new));
                self.write(op, position, key, if f == "delete" { ValueId::NIL } else { op.argument }, past)
            }
            "read" if op.is_ok() => self.read(op, position, key, op.result),
            "read" => Ok(()),
            _ => self.transaction(op, position),
        }
    }

    fn transaction(&mut self, op: &Op, position: u32) -> Result<(), String> {
        let value = if op.is_ok() { op.result } else { op.argument };
        let Datum::List(micros) = self.records.datum(value) else {
            return Err(format!("`{}` is no operation of sessions", self.records.text(op.f)));
        };
        self.observed.ordered = true;
        for micro in micros {
            let Datum::List([f, key, value]) = self.records.datum(*micro) else {
                return Err(format!("{} is not [f key value]", self.records.show(*micro)));
            };
            match self.records.datum(*f) {
                Datum::Text("append") => self.write(op, position, KeyName::Value(*key), *value, Some(Vec::new()))?,
                Datum::Text("r") if op.is_ok() => self.read(op, position, KeyName::Value(*key), *value)?,
                Datum::Text("r") => {}
                _ => return Err(format!("{} is neither append nor read of a list", self.records.show(*micro))),
            }
        }
        Ok(())
    }

    fn key(&mut self, key: KeyName) -> u32 {
        *self.numbers.entry(key).or_insert_with(|| {
            self.ops.keys.push(key);
            self.observed.keys += 1;
            self.ops.keys.len() as u32 - 1
        })
    }

    fn push(&mut self, op: &Op, position: u32, key: u32, action: Action, named: Option<Vec<ValueId>>) {
        self.observed.operations.push(Operation { process: op.process, key, acknowledged: op.is_ok(), action });
        self.ops.positions.push(position);
        self.named.push(named);
    }

    fn write(
        &mut self,
        op: &Op,
        position: u32,
        key: KeyName,
        value: ValueId,
        past: Option<Vec<ValueId>>,
    ) -> Result<(), String> {
        let (key, at) = (self.key(key), self.observed.operations.len() as u32);
        let deletes = value.is_nil();
        if !deletes && self.written.insert((key, value), at).is_some() {
            return Err(format!("{} is written twice: values must be unique for a key", self.records.show(value)));
        }
        self.push(op, position, key, Action::Write { past: None, deletes }, past);
        Ok(())
    }

    fn read(&mut self, op: &Op, position: u32, key: KeyName, value: ValueId) -> Result<(), String> {
        let shown = match self.records.datum(value) {
            Datum::Nil => Vec::new(),
            Datum::List(values) => values.to_vec(),
            _ => return Err(format!("the read shows {}, not a list", self.records.show(value))),
        };
        let key = self.key(key);
        self.push(op, position, key, Action::Read { shows: Vec::new() }, Some(shown));
        Ok(())
    }

    /// Values become writes. What a read shows and nobody wrote is an error; a past may name what this history lacks.
    fn resolve(&mut self) -> Result<(), String> {
        for (operation, named) in self.observed.operations.iter_mut().zip(&mut self.named) {
            let Some(values) = named.take() else { continue };
            let find = |value: &ValueId| self.written.get(&(operation.key, *value)).copied();
            match &mut operation.action {
                Action::Write { past, .. } => *past = Some(values.iter().filter_map(find).collect()),
                Action::Read { shows } => {
                    for value in &values {
                        let write = find(value)
                            .ok_or_else(|| format!("a read shows {}, which nobody wrote", self.records.show(*value)))?;
                        shows.push(write);
                    }
                }
            }
        }
        Ok(())
    }
}

fn op_number(position: u32) -> usize {
    position as usize
}
