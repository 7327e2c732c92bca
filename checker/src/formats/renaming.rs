//! Other names for functions, given to one whole event after another: in conversions, and for the linter.
//!
//! As in a history that is checked, the functions of clients and of the micro-operations of their transactions are renamed, each
//! once.

use std::collections::BTreeSet;

use super::tree::Tree;

/// Gives functions other names, and knows which it met.
pub struct Renaming<'a> {
    names: &'a [(String, String)],
    met: BTreeSet<&'a str>,
}

impl<'a> Renaming<'a> {
    /// Each name with the one that replaces it.
    pub fn new(names: &'a [(String, String)]) -> Self {
        Self { names, met: BTreeSet::new() }
    }

    /// Renames the functions of an event.
    pub fn event(&mut self, event: &mut Tree) {
        if self.names.is_empty() || event.get("process").and_then(Tree::name) == Some("nemesis") {
            return;
        }
        if let Some(f) = event.get_mut("f") {
            self.name(f);
        }
        if let Some(Tree::Vector(micros) | Tree::List(micros)) = event.get_mut("value") {
            for micro in micros {
                if let Tree::Vector(parts) | Tree::List(parts) = micro
                    && let [f, _, _] = &mut parts[..]
                {
                    self.name(f);
                }
            }
        }
    }

    /// The names that no function had.
    pub fn unknown(&self) -> impl Iterator<Item = &'a str> {
        self.names.iter().map(|(from, _)| from.as_str()).filter(|from| !self.met.contains(from))
    }

    fn name(&mut self, f: &mut Tree) {
        let (Tree::Text(name) | Tree::Keyword(name)) = f else { return };
        if let Some((from, to)) = self.names.iter().find(|(from, _)| from == name.trim_start_matches(':')) {
            self.met.insert(from);
            *name = to.clone();
        }
    }
}
