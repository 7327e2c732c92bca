//! Other names for functions: histories from elsewhere call `put` what the models call `write`.
//!
//! Renamed are the functions of operations and of the micro-operations of transactions, `[put "x" 1]`. A name is replaced once: of
//! `a=b` and `b=a` each becomes the other. O(n), and only where names were given.

use rustc_hash::{FxHashMap, FxHashSet};

use super::columns::History;
use super::values::{Datum, Sym, TooManyValues, ValueId};

impl History {
    /// Replaces the names of functions, each by the one beside it. Returns those that no function has.
    ///
    /// # Errors
    /// When there are too many values.
    pub(super) fn rename(&mut self, names: &[(String, String)]) -> Result<Vec<String>, TooManyValues> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let mut renaming = Renaming::default();
        for (from, to) in names {
            renaming.functions.insert(self.values.intern(from)?, self.values.intern(to)?);
            renaming.micros.insert(self.values.text(from)?, self.values.text(to)?);
        }
        for at in 0..self.ops.len() + self.aside.len() {
            let is_main = at < self.ops.len();
            let op = if is_main { self.ops[at] } else { self.aside[at - self.ops.len()] };
            let f = renaming.function(op.f);
            let (argument, result) = (renaming.value(self, op.argument)?, renaming.value(self, op.result)?);
            let renamed = if is_main {
                &mut self.ops[at]
            } else {
                let main = self.ops.len();
                &mut self.aside[at - main]
            };
            (renamed.f, renamed.argument, renamed.result) = (f, argument, result);
        }
        let is_unknown = |(from, _): &&(String, String)| {
            let name = self.values.find(from);
            !name.is_some_and(|name| renaming.found.contains(&name))
        };
        Ok(names.iter().filter(is_unknown).map(|(from, _)| from.clone()).collect())
    }
}

#[derive(Default)]
struct Renaming {
    functions: FxHashMap<Sym, Sym>,
    micros: FxHashMap<ValueId, ValueId>,
    /// Lists that were renamed before.
    known: FxHashMap<ValueId, ValueId>,
    /// The names that some function had.
    found: FxHashSet<Sym>,
}

impl Renaming {
    fn function(&mut self, f: Sym) -> Sym {
        let Some(to) = self.functions.get(&f) else { return f };
        self.found.insert(f);
        *to
    }

    /// A list of micro-operations with other names; any other value as it is.
    fn value(&mut self, history: &mut History, value: ValueId) -> Result<ValueId, TooManyValues> {
        if let Some(known) = self.known.get(&value) {
            return Ok(*known);
        }
        let Datum::List(micros) = history.datum(value) else { return Ok(value) };
        let names = |micro: &ValueId| match history.datum(*micro) {
            Datum::List(&[f, _, _]) => self.micros.contains_key(&f),
            _ => false,
        };
        if !micros.iter().any(names) {
            return Ok(value);
        }
        let micros = micros.to_vec();
        let renamed = micros.into_iter().map(|micro| self.micro(history, micro)).collect::<Result<Vec<_>, _>>()?;
        let renamed = history.values.list(&renamed)?;
        self.known.insert(value, renamed);
        Ok(renamed)
    }

    fn micro(&mut self, history: &mut History, micro: ValueId) -> Result<ValueId, TooManyValues> {
        let Datum::List(&[f, key, value]) = history.datum(micro) else { return Ok(micro) };
        let Some(to) = self.micros.get(&f).copied() else { return Ok(micro) };
        if let Datum::Text(name) = history.datum(f) {
            self.found.extend(history.sym(name));
        }
        history.values.list(&[to, key, value])
    }
}
