//! Other names for functions: histories from elsewhere call `put` what the models call `write`.
//!
//! Renamed are the functions of operations and of the micro-operations of transactions, `[put "x" 1]`. A name is replaced once: of
//! `a=b` and `b=a` each becomes the other. O(n), and only where names were given.

use rustc_hash::{FxHashMap, FxHashSet};

use super::columns::History;
use super::values::{Datum, Sym, TooManyValues, ValueId, Values};

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
        for op in self.ops.iter_mut().chain(&mut self.aside) {
            op.f = renaming.function(op.f);
            op.argument = renaming.value(&mut self.values, op.argument)?;
            op.result = renaming.value(&mut self.values, op.result)?;
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
    fn value(&mut self, values: &mut Values, value: ValueId) -> Result<ValueId, TooManyValues> {
        if let Some(known) = self.known.get(&value) {
            return Ok(*known);
        }
        let Datum::List(micros) = values.datum(value) else { return Ok(value) };
        let names = |micro: &ValueId| match values.datum(*micro) {
            Datum::List(&[f, _, _]) => self.micros.contains_key(&f),
            _ => false,
        };
        if !micros.iter().any(names) {
            return Ok(value);
        }
        let micros = micros.to_vec();
        let renamed = micros.into_iter().map(|micro| self.micro(values, micro)).collect::<Result<Vec<_>, _>>()?;
        let renamed = values.list(&renamed)?;
        self.known.insert(value, renamed);
        Ok(renamed)
    }

    fn micro(&mut self, values: &mut Values, micro: ValueId) -> Result<ValueId, TooManyValues> {
        let Datum::List(&[f, key, value]) = values.datum(micro) else { return Ok(micro) };
        let Some(to) = self.micros.get(&f).copied() else { return Ok(micro) };
        if let Datum::Text(name) = values.datum(f) {
            self.found.extend(values.find(name));
        }
        values.list(&[to, key, value])
    }
}
