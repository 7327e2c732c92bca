//! What operations mean: the writes and reads of each key, in terms that every check shares.
//!
//! A *write* brings an element into the world (an `add` to a set or a cart, a `write` of a register); every element
//! is written once in a run, so it names its write. A *read* shows elements. When a write counts as visible depends
//! on the model:
//!
//! - **set**: the element is listed.
//! - **register**: the value is listed, or is in the causal past of one that is: some later write had seen it and
//!   replaced it. The past of a write is on its completion, so this is known without asking the store (Burckhardt et
//!   al., POPL 2014, call the relation visibility; here it is the part of it that clients can vouch for). A `delete`
//!   replaces values like a write and leaves none of its own: what it covered may be gone wherever the delete may have
//!   arrived.
//! - **cart**: the item is listed. An item that somebody tried to remove is not judged: it may be gone or be back
//!   (DeCandia et al., SOSP 2007, 4.4: an add is never lost, a deleted item can resurface).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use rustc_hash::FxHashMap;
use serde_json::Value;

use crate::history::{EventType, Operation, Phase};
use crate::visibility::{Analysis, analyse};
use crate::{ConcurrentWrites, Options};

/// What a workload's operations mean. The names are those of the workloads and of `check --model`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Model {
    /// Elements are added, never removed.
    Set,
    /// Values are written, each replacing those that its writer had read.
    Register,
    /// Items are added and removed.
    Cart,
}

impl Model {
    /// Every model.
    pub const ALL: [Model; 3] = [Model::Set, Model::Register, Model::Cart];

    /// The name used at the command line, and by the workload.
    pub fn name(self) -> &'static str {
        match self {
            Model::Set => "set",
            Model::Register => "register",
            Model::Cart => "cart",
        }
    }

    /// What it is, in a line.
    pub fn about(self) -> &'static str {
        match self {
            Model::Set => "add an element, read all elements: each added element stays",
            Model::Register => {
                "write or delete, read all siblings: each value stays until a write or delete that saw it replaces it"
            }
            Model::Cart => "add and remove items, read all items: an added item stays until it is removed",
        }
    }

    /// The function that brings elements into the world.
    pub(crate) fn write_function(self) -> &'static str {
        match self {
            Model::Set | Model::Cart => "add",
            Model::Register => "write",
        }
    }

    /// Whether this is a write: it brings an element, or takes the place of some.
    fn is_write(self, f: &str) -> bool {
        f == self.write_function() || (self == Model::Register && f == DELETE)
    }
}

/// The function that replaces values of a register and leaves none.
const DELETE: &str = "delete";

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The name given is no model's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown model '{0}': known are set, register, cart")]
pub struct UnknownModel(pub String);

impl FromStr for Model {
    type Err = UnknownModel;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Model::ALL.into_iter().find(|model| model.name() == text).ok_or_else(|| UnknownModel(text.to_owned()))
    }
}

/// A written value, cheap to compare.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Element {
    Integer(i64),
    /// The JSON text of anything else.
    Other(String),
}

impl From<&Value> for Element {
    fn from(value: &Value) -> Self {
        value.as_i64().map_or_else(|| Element::Other(value.to_string()), Element::Integer)
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Element::Integer(value) => write!(f, "{value}"),
            Element::Other(text) => f.write_str(text),
        }
    }
}

/// The causal past that a write is known to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Past {
    /// The positions of the writes that it replaced. An `ok` write that tells nothing replaced nothing.
    Known(Vec<u32>),
    /// It may have replaced anything that was invoked before it ended: it was not acknowledged and does not tell.
    Unknown,
}

/// One write. Writes of a key are referred to by position.
#[derive(Clone, Debug)]
pub(crate) struct Write<'h> {
    pub operation: Operation<'h>,
    /// What it brought; none for a delete.
    pub element: Option<Element>,
    pub past: Past,
    /// A `remove` of it was invoked and did not certainly fail.
    pub removal_tried: bool,
    /// A `remove` of it was acknowledged.
    pub removed: bool,
}

impl Write<'_> {
    /// Whether it leaves no value.
    pub fn is_delete(&self) -> bool {
        self.element.is_none()
    }

    /// The index of its acknowledgement.
    pub fn acknowledged(&self) -> Option<u64> {
        self.operation.ok().map(|event| event.index)
    }

    /// Acknowledged and not exempt: it has to be visible ever after.
    pub fn must_stay(&self) -> Option<u64> {
        self.acknowledged().filter(|_| !self.removal_tried)
    }
}

/// One read that succeeded, in any phase.
#[derive(Clone, Debug)]
pub(crate) struct Read<'h> {
    pub operation: Operation<'h>,
    /// The writes whose elements it lists: positions, ascending, each once.
    pub listed: Vec<u32>,
    /// Listed elements that nobody wrote.
    pub unwritten: Vec<Element>,
    /// How many elements it lists more than once.
    pub duplicated: u64,
}

impl Read<'_> {
    pub fn invoked(&self) -> u64 {
        self.operation.invoke.index
    }

    pub fn completed(&self) -> u64 {
        self.operation.completion.map_or(u64::MAX, |event| event.index)
    }
}

/// Everything known of one key.
#[derive(Debug)]
pub(crate) struct KeyFacts<'h> {
    pub name: String,
    /// In the order of invocation.
    pub writes: Vec<Write<'h>>,
    /// In the order of invocation.
    pub reads: Vec<Read<'h>>,
    /// Positions of the reads that show the final state.
    pub finals: Vec<usize>,
    /// Reads of single replicas, whatever came of them, in the order of invocation.
    pub replica_reads: Vec<Operation<'h>>,
    /// Why nothing can be decided of this key.
    pub flaws: Vec<String>,
    /// Which write is visible where.
    pub analysis: Analysis,
}

/// Which reads show the final state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FinalSource {
    /// The `final` phase.
    Final,
    /// The last round of replica reads, for want of a final phase.
    Replica,
    /// There is neither.
    Nothing,
}

/// One workload of the history.
#[derive(Debug)]
pub(crate) struct WorkloadFacts<'h> {
    pub name: String,
    pub model: Model,
    pub concurrent_writes: ConcurrentWrites,
    pub final_source: FinalSource,
    pub keys: Vec<KeyFacts<'h>>,
}

/// Every workload of the history, by name.
#[derive(Debug)]
pub(crate) struct Facts<'h> {
    pub workloads: Vec<WorkloadFacts<'h>>,
    /// Operations that could not be placed, a sentence each.
    pub doubts: Vec<String>,
}

impl<'h> Facts<'h> {
    /// Sorts operations by workload and key, and settles what each read sees. Near linear in the size of the history; see
    /// [`crate::visibility`] for registers.
    pub fn new(operations: &[Operation<'h>], options: &Options) -> Self {
        let mut groups: BTreeMap<&str, Vec<Operation<'h>>> = BTreeMap::new();
        let of_workloads = |operation: &&Operation<'h>| !matches!(operation.phase(), Phase::Ring | Phase::Probe);
        for operation in operations.iter().filter(of_workloads) {
            let default = options.default_model.map_or("", Model::name);
            groups.entry(operation.workload().unwrap_or(default)).or_default().push(*operation);
        }
        let mut facts = Facts { workloads: Vec::new(), doubts: Vec::new() };
        for (name, group) in groups {
            match name.parse().ok().or(options.default_model) {
                Some(model) => facts.workloads.push(WorkloadFacts::new(name, model, &group, options)),
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
    pub fn rest_is_undecided(&self) -> bool {
        self.model == Model::Register && self.concurrent_writes == ConcurrentWrites::Kept
    }

    fn new(name: &str, model: Model, operations: &[Operation<'h>], options: &Options) -> Self {
        let mut by_key: BTreeMap<&str, Vec<Operation<'h>>> = BTreeMap::new();
        for operation in operations {
            by_key.entry(operation.key().unwrap_or(name)).or_default().push(*operation);
        }
        let final_source = final_source(operations);
        let concurrent_writes = options.concurrent_writes;
        let keys = by_key
            .into_iter()
            .map(|(key, operations)| KeyFacts::new(key, model, &operations, final_source, concurrent_writes))
            .collect();
        Self { name: name.to_owned(), model, concurrent_writes, final_source, keys }
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

impl<'h> KeyFacts<'h> {
    fn new(
        name: &str,
        model: Model,
        operations: &[Operation<'h>],
        source: FinalSource,
        concurrent_writes: ConcurrentWrites,
    ) -> Self {
        let mut builder = KeyBuilder { model, positions: FxHashMap::default(), key: KeyFacts::empty(name) };
        for operation in operations.iter().filter(|operation| model.is_write(operation.f())) {
            builder.write(operation);
        }
        builder.pasts();
        for operation in operations.iter().filter(|operation| !model.is_write(operation.f())) {
            builder.other(operation);
        }
        let mut key = builder.key;
        key.finals = key.final_reads(source);
        key.analysis = analyse(&key, model, concurrent_writes);
        key
    }

    fn empty(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            writes: Vec::new(),
            reads: Vec::new(),
            finals: Vec::new(),
            replica_reads: Vec::new(),
            flaws: Vec::new(),
            analysis: Analysis::default(),
        }
    }

    fn final_reads(&self, source: FinalSource) -> Vec<usize> {
        let last_round = self.replica_reads.iter().map(Operation::round).max();
        let shows_the_end = |read: &Read<'h>| match (source, read.operation.phase()) {
            (FinalSource::Final, Phase::Final) => true,
            (FinalSource::Replica, Phase::Replica) => Some(read.operation.round()) == last_round,
            _ => false,
        };
        (0..self.reads.len()).filter(|position| shows_the_end(&self.reads[*position])).collect()
    }
}

/// Collects the facts of a key: first all writes, then what refers to them.
struct KeyBuilder<'h> {
    model: Model,
    /// Looked up once for each element of each read, never walked through.
    positions: FxHashMap<Element, u32>,
    key: KeyFacts<'h>,
}

impl<'h> KeyBuilder<'h> {
    fn write(&mut self, operation: &Operation<'h>) {
        let element = (operation.f() != DELETE).then(|| Element::from(operation.argument()));
        let position = self.key.writes.len() as u32;
        if let Some(element) = &element
            && self.positions.insert(element.clone(), position).is_some()
        {
            let (f, key) = (operation.f(), &self.key.name);
            self.key
                .flaws
                .push(format!("`{f}` of {element} was invoked twice on {key}: a value must be written only once"));
        }
        let (past, removal_tried, removed) = (Past::Unknown, false, false);
        self.key.writes.push(Write { operation: *operation, element, past, removal_tried, removed });
    }

    /// Resolves what each write says of its past.
    fn pasts(&mut self) {
        for position in 0..self.key.writes.len() {
            let operation = self.key.writes[position].operation;
            self.key.writes[position].past = match (operation.past(), operation.outcome()) {
                (Some(values), _) => Past::Known(self.known(values, position as u32)),
                (None, EventType::Ok) => Past::Known(Vec::new()),
                (None, _) => Past::Unknown,
            };
        }
    }

    /// The writes of these values, other than `not`.
    fn known(&self, values: &[Value], not: u32) -> Vec<u32> {
        let mut past: Vec<u32> =
            values.iter().filter_map(|value| self.positions.get(&Element::from(value)).copied()).collect();
        past.retain(|position| *position != not);
        past.sort_unstable();
        past.dedup();
        past
    }

    fn other(&mut self, operation: &Operation<'h>) {
        match operation.f() {
            "read" => self.read(operation),
            "remove" if self.model == Model::Cart => self.remove(operation),
            f => {
                let flaw = format!("`{f}` on {} is not of the model {}", self.key.name, self.model);
                self.key.flaws.push(flaw);
            }
        }
    }

    fn remove(&mut self, operation: &Operation<'h>) {
        let Some(position) = self.positions.get(&Element::from(operation.argument())) else {
            return;
        };
        let write = &mut self.key.writes[*position as usize];
        write.removal_tried |= operation.outcome() != EventType::Fail;
        write.removed |= operation.outcome() == EventType::Ok;
    }

    fn read(&mut self, operation: &Operation<'h>) {
        let replica = operation.phase() == Phase::Replica;
        if replica {
            self.key.replica_reads.push(*operation);
        }
        let Some(completion) = operation.ok() else { return };
        let elements = if replica { replica_elements(&completion.value) } else { list(&completion.value) };
        match elements {
            Some(elements) => self.listed(operation, elements),
            None => {
                let (key, index) = (&self.key.name, completion.index);
                self.key
                    .flaws
                    .push(format!("the read of {key} at index {index} has a value that is not the list it should be"));
            }
        }
    }

    fn listed(&mut self, operation: &Operation<'h>, elements: Vec<&Value>) {
        let listed = Vec::with_capacity(elements.len());
        let mut read = Read { operation: *operation, listed, unwritten: Vec::new(), duplicated: 0 };
        for element in elements.iter().map(|value| Element::from(*value)) {
            match self.positions.get(&element) {
                Some(position) => read.listed.push(*position),
                None => read.unwritten.push(element),
            }
        }
        read.listed.sort_unstable();
        // One replica may hold an element in several siblings; only a client's read claims to be a union.
        if operation.phase() != Phase::Replica {
            read.duplicated = read.listed.chunk_by(|a, b| a == b).filter(|run| run.len() > 1).count() as u64;
        }
        read.listed.dedup();
        self.key.reads.push(read);
    }
}

/// The elements of a client's read; nothing read is no elements.
fn list(value: &Value) -> Option<Vec<&Value>> {
    match value {
        Value::Null => Some(Vec::new()),
        Value::Array(elements) => Some(elements.iter().collect()),
        _ => None,
    }
}

/// The elements of all versions that a replica holds: each version has a value, a list of values, or null for a
/// tombstone.
fn replica_elements(value: &Value) -> Option<Vec<&Value>> {
    let mut elements = Vec::new();
    for version in list(value)? {
        match version.as_object()?.get("value")? {
            Value::Null => {}
            Value::Array(values) => elements.extend(values),
            single => elements.push(single),
        }
    }
    Some(elements)
}
