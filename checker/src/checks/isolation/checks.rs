//! The levels of isolation as checks: of the table of [`levels`], and those of [`super::saturation`].

use super::saturation::Isolation;
use super::{check_isolation, check_level, is_of_lists, levels, per_key};
use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::finding::Finding;
use crate::objects::Object;

/// A level of the table of levels, by its name there.
///
/// Of the bench's own workloads each key is judged by itself, which those of three levels are; any other history all keys
/// together, by the dependencies of its transactions. Two levels have an exact check of their own where registers are written
/// once for each value: [`Isolation::ReadCommitted`] and [`Isolation::ReadAtomic`].
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

    fn exact(&self) -> Option<Isolation> {
        [Isolation::ReadCommitted, Isolation::ReadAtomic].into_iter().find(|level| level.name() == self.name)
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
            None => view.by_records(|records| match self.exact().filter(|_| !is_of_lists(view.object, records)) {
                Some(level) => check_isolation(records, &context.limits, level),
                None => check_level(view.object, records, context, self.name),
            }),
        }
    }
}

/// A level of causal consistency that the table of levels does not have.
pub(crate) struct Causality(pub Isolation);

impl Check for Causality {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn about(&self) -> &'static str {
        match self.0 {
            Isolation::CausalMemory => {
                "txn of [w k v] and [r k v]: causal memory, CM: each process has an order of all writes that explains its reads"
            }
            _ => "txn of [w k v] and [r k v]: causal convergence, CCv: all agree on one order of concurrent writes",
        }
    }

    fn scope(&self) -> Scope {
        Scope::Workload
    }

    fn objects(&self) -> &'static [Object] {
        &[Object::RwRegister]
    }

    fn nature(&self) -> Nature {
        Nature::RELATIONS
    }

    fn judge(&self, view: &View<'_>, context: &Context<'_>) -> Finding {
        view.by_records(|records| check_isolation(records, &context.limits, self.0))
    }
}
