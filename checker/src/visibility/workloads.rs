//! The operations of each workload by key, with what is visible where.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::blocks::analyse;
use super::facts::{FinalSource, KeyFacts};
use crate::history::{Operation, Phase};
use crate::objects::{ConcurrentWrites, Model};

/// One workload of the history.
#[derive(Debug)]
pub(crate) struct WorkloadFacts<'h> {
    pub name: String,
    pub model: Model,
    pub concurrent_writes: ConcurrentWrites,
    pub final_source: FinalSource,
    pub keys: Vec<KeyFacts<'h>>,
    /// It is a workload of the bench and must test what is claimed; a history from elsewhere need not.
    pub is_test: bool,
}

/// Every workload of the history, by name.
#[derive(Debug, Default)]
pub(crate) struct Facts<'h> {
    pub workloads: Vec<WorkloadFacts<'h>>,
    /// Operations that could not be placed, a sentence each.
    pub doubts: Vec<String>,
}

impl<'h> Facts<'h> {
    /// Sorts operations by workload and key, and computes what each read sees. Near linear in the size of the history; see
    /// [`crate::visibility`] for registers.
    pub(crate) fn new(
        operations: &[Operation<'h>],
        default_model: Option<Model>,
        concurrent_writes: ConcurrentWrites,
    ) -> Self {
        let mut groups: BTreeMap<&str, Vec<Operation<'h>>> = BTreeMap::new();
        let of_workloads = |operation: &&Operation<'h>| !matches!(operation.phase(), Phase::Ring | Phase::Probe);
        for operation in operations.iter().filter(of_workloads) {
            let default = default_model.map_or("", Model::name);
            groups.entry(operation.workload().unwrap_or(default)).or_default().push(*operation);
        }
        let mut facts = Facts { workloads: Vec::new(), doubts: Vec::new() };
        for (name, group) in groups {
            match name.parse().ok().or(default_model) {
                Some(model) => facts.workloads.push(WorkloadFacts::new(name, model, &group, concurrent_writes)),
                None => facts.doubts.push(no_model(name, group.len())),
            }
        }
        facts
    }
}

fn no_model(workload: &str, operations: usize) -> String {
    let names = Model::ALL.map(Model::name).join(", ");
    if workload.is_empty() {
        format!("{operations} operations name no workload; say by which model they are to be judged: {names}.")
    } else {
        format!("{operations} operations of `{workload}` are not judged: no model has that name; known are {names}.")
    }
}

impl<'h> WorkloadFacts<'h> {
    /// Whether a write that a read neither sees nor has provably missed is undecided; otherwise a concurrent write
    /// has won.
    pub(crate) fn rest_is_undecided(&self) -> bool {
        self.model.is_register() && self.concurrent_writes == ConcurrentWrites::Kept
    }

    /// Why it is a doubt that nothing was tested.
    pub(crate) fn untested<'w>(&self, why: &'w str) -> Option<&'w str> {
        Some(why).filter(|_| self.is_test)
    }

    /// How many writes and reads by clients there are.
    pub(crate) fn operations(&self) -> usize {
        self.keys.iter().map(|key| key.writes.len() + key.client_reads.len()).sum()
    }

    /// Whether some operation of it is known to have happened.
    pub(crate) fn is_acknowledged(&self) -> bool {
        let any = |key: &KeyFacts<'_>| {
            !key.reads.is_empty()
                || !key.client_reads.is_empty()
                || key.writes.iter().any(|write| write.operation.is_ok())
        };
        self.keys.iter().any(any)
    }

    /// Sorts a workload's operations by key, and computes what each read sees.
    pub(crate) fn new(
        name: &str,
        model: Model,
        operations: &[Operation<'h>],
        concurrent_writes: ConcurrentWrites,
    ) -> Self {
        let mut by_key: BTreeMap<Cow<'_, str>, Vec<Operation<'h>>> = BTreeMap::new();
        for operation in operations {
            let key = operation.key().map(Cow::Borrowed).or_else(|| model.key_within(operation));
            by_key.entry(key.unwrap_or(Cow::Borrowed(name))).or_default().push(*operation);
        }
        let final_source = final_source(operations);
        let keys = by_key
            .into_iter()
            .map(|(key, operations)| analysed(&key, model, &operations, final_source, concurrent_writes))
            .collect();
        Self { name: name.to_owned(), model, concurrent_writes, final_source, keys, is_test: true }
    }
}

fn final_source(operations: &[Operation<'_>]) -> FinalSource {
    let has = |phase| operations.iter().any(|operation| operation.phase() == phase);
    match (has(Phase::Final), has(Phase::Replica)) {
        (true, _) => FinalSource::Final,
        (false, true) => FinalSource::Replica,
        (false, false) => FinalSource::Nothing,
    }
}

fn analysed<'h>(
    name: &str,
    model: Model,
    operations: &[Operation<'h>],
    source: FinalSource,
    concurrent_writes: ConcurrentWrites,
) -> KeyFacts<'h> {
    let mut key = KeyFacts::new(name, model, operations, source);
    key.analysis = analyse(&key, model, concurrent_writes, &|| false);
    key
}
