//! The levels of isolation and causality as checks, by the table of [`levels`].

use super::{check_level, levels, per_key};
use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::finding::Finding;
use crate::objects::Object;

/// A level of the table of levels, by its name there.
///
/// Of the bench's own workloads each key is judged by itself, which those of three levels are; any other history all keys
/// together.
pub(crate) struct Level {
    name: &'static str,
    about: &'static str,
    measured: bool,
}

impl Level {
    /// The level of this name, which is in the table; it has `about` as its line.
    pub(crate) const fn new(name: &'static str, about: &'static str) -> Self {
        Self { name, about, measured: false }
    }

    /// One by which every run is judged.
    pub(crate) const fn measured(name: &'static str, about: &'static str) -> Self {
        Self { name, about, measured: true }
    }
}

impl Check for Level {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn scope(&self) -> Scope {
        Scope::Workload
    }

    fn objects(&self) -> &'static [Object] {
        &Object::TRANSACTIONAL
    }

    fn nature(&self) -> Nature {
        if self.measured { Nature::MEASURED } else { Nature::RELATIONS }
    }

    fn judge(&self, view: &View<'_>, context: &Context<'_>) -> Finding {
        debug_assert!(levels::names().any(|name| name == self.name), "{} is a level of the table", self.name);
        match view.facts.filter(|_| self.measured) {
            Some(workload) => per_key::check(workload, &context.explainer(), self.name),
            None => view.by_records(|records| check_level(view.object, records, context, self.name)),
        }
    }
}
