//! Functions of micro-operations that JSON writes as `{"#edn":"\"w\""}`, and what is written like them.
//!
//! A conversion to JSON writes the keyword `:w`, where it is the function of a micro-operation of a `txn`, as `"w"`, and so
//! the string `"w"` of EDN in another way ([`super::json_form`]). Both are one function to every model, as they are as `f`.
//! Elsewhere in a value such an object is a map, and stays one: only here is it known where it stands.
//!
//! O(n), and only where something is written like that.

use rustc_hash::FxHashMap;

use super::json_form::name_from_json;
use super::tree::Tree;
use crate::history::{Datum, History, TooManyValues, ValueId};

/// The mark of a notation of EDN.
const MARK: &str = "#edn";

impl History {
    /// Makes functions of micro-operations that are marked the names that they stand for.
    ///
    /// # Errors
    /// When there are too many values.
    pub(crate) fn read_marked_functions(&mut self) -> Result<(), TooManyValues> {
        let is_transaction = self.sym("txn");
        if self.sym(MARK).is_none() || is_transaction.is_none() {
            return Ok(());
        }
        let mut known = FxHashMap::default();
        for at in 0..self.ops.len() {
            if Some(self.ops[at].f) == is_transaction {
                self.ops[at].argument = self.with_functions(self.ops[at].argument, &mut known)?;
                self.ops[at].result = self.with_functions(self.ops[at].result, &mut known)?;
            }
        }
        Ok(())
    }

    /// A list whose inner lists begin with names; any other value as it is. `known` are those looked at before.
    fn with_functions(
        &mut self,
        value: ValueId,
        known: &mut FxHashMap<ValueId, ValueId>,
    ) -> Result<ValueId, TooManyValues> {
        if let Some(known) = known.get(&value) {
            return Ok(*known);
        }
        let Datum::List(inner) = self.datum(value) else { return Ok(value) };
        if !inner.iter().any(|inner| self.marked_function(*inner).is_some()) {
            return Ok(value);
        }
        let mut all = inner.to_vec();
        for inner in &mut all {
            if let (Some(name), Datum::List(parts)) = (self.marked_function(*inner), self.datum(*inner)) {
                let mut parts = parts.to_vec();
                parts[0] = self.values.text(&name)?;
                *inner = self.values.list(&parts)?;
            }
        }
        let named = self.values.list(&all)?;
        known.insert(value, named);
        Ok(named)
    }

    /// The name that the first part of a list stands for, if it is marked.
    fn marked_function(&self, inner: ValueId) -> Option<String> {
        let Datum::List(&[first, ..]) = self.datum(inner) else { return None };
        let Datum::Map(&[[mark, notation]]) = self.datum(first) else { return None };
        let (Datum::Text(MARK), Datum::Text(notation)) = (self.datum(mark), self.datum(notation)) else { return None };
        // A keyword has lost its colon, as everywhere in a history.
        [notation.to_owned(), format!(":{notation}")].into_iter().find_map(|notation| {
            let json = Tree::Map(vec![(Tree::Text(MARK.to_owned()), Tree::Text(notation))]);
            match name_from_json(&json) {
                Tree::Text(name) | Tree::Keyword(name) => Some(name),
                _ => None,
            }
        })
    }
}
