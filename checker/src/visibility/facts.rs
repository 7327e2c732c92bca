//! What operations mean: the writes and reads of each key, in terms that every check shares.
//!
//! A *write* brings an element into the world (an `add` to a set or a cart, a `write` of a register); every element
//! is written once in a run, so it names its write. A *read* shows elements; `meaning.rs` has how operations tell
//! them. When a write counts as visible depends on the model:
//!
//! - **set**, **list-append**, **counter**: the element is listed; of a counter an element is a change, and a read that
//!   tells its parts lists changes.
//! - **register**, **rw-register**: the value is listed, or is in the causal past of one that is: some later write had seen it and
//!   replaced it. The past of a write is on its completion, so this is known without asking the store (Burckhardt et
//!   al., POPL 2014, call the relation visibility; here it is the part of it that clients can vouch for). A `delete`
//!   replaces values like a write and leaves none of its own: what it covered may be gone wherever the delete may have
//!   arrived.
//! - **cart**: the item is listed. An item that somebody tried to remove is not judged: it may be gone or be back
//!   (DeCandia et al., SOSP 2007, 4.4: an add is never lost, a deleted item can resurface).

use rustc_hash::FxHashMap;

use super::analysis::Analysis;
use crate::history::{Datum, EventType, History, Operation, Phase, ValueId};
use crate::objects::meaning::{self, Meaning, Sums};
use crate::objects::{Element, Model};

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
        self.operation.acknowledged()
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
    /// Of these the last of each process, in the order of processes.
    pub heads: Vec<u32>,
    /// Listed elements that nobody wrote.
    pub unwritten: Vec<Element>,
    /// How many elements it lists more than once.
    pub duplicated: u64,
}

impl<'h> Read<'h> {
    /// Of which nothing is known yet.
    fn of(operation: Operation<'h>) -> Self {
        Self { operation, listed: Vec::new(), heads: Vec::new(), unwritten: Vec::new(), duplicated: 0 }
    }

    pub fn invoked(&self) -> u64 {
        self.operation.invoked()
    }

    pub fn completed(&self) -> u64 {
        self.operation.completed().unwrap_or(u64::MAX)
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
    /// Reads by clients that succeeded, also those whose value says too little for [`KeyFacts::reads`].
    pub client_reads: Vec<Operation<'h>>,
    /// Positions of the reads that show the final state.
    pub finals: Vec<usize>,
    /// Reads of single replicas, whatever came of them, in the order of invocation.
    pub replica_reads: Vec<Operation<'h>>,
    /// The last round of replica reads before the final reads; a later one shows what came back after that.
    pub rest_round: Option<u64>,
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

impl<'h> KeyFacts<'h> {
    /// Without the analysis.
    pub fn new(name: &str, model: Model, operations: &[Operation<'h>], source: FinalSource) -> Self {
        let (positions, sums, writers) = (FxHashMap::default(), Sums::default(), Writers::default());
        let mut builder = KeyBuilder { model, positions, sums, writers, is_final: false, key: KeyFacts::empty(name) };
        operations.iter().for_each(|operation| builder.write(operation));
        builder.writers = Writers::new(&builder.key.writes);
        builder.pasts();
        operations.iter().for_each(|operation| builder.other(operation));
        let mut key = builder.key;
        key.finals = key.final_reads(source);
        key
    }

    fn empty(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            writes: Vec::new(),
            reads: Vec::new(),
            client_reads: Vec::new(),
            finals: Vec::new(),
            replica_reads: Vec::new(),
            rest_round: None,
            flaws: Vec::new(),
            analysis: Analysis::default(),
        }
    }

    fn final_reads(&self, source: FinalSource) -> Vec<usize> {
        let shows_the_end = |read: &Read<'h>| match (source, read.operation.phase()) {
            (FinalSource::Final, Phase::Final) => true,
            (FinalSource::Replica, Phase::Replica) => Some(read.operation.round()) == self.rest_round,
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
    /// Of a counter, whose elements are no names.
    sums: Sums,
    writers: Writers,
    /// A final read has begun.
    is_final: bool,
    key: KeyFacts<'h>,
}

/// The processes that wrote a key, numbered in their order.
#[derive(Default)]
struct Writers {
    /// For each write, its process.
    of: Vec<u32>,
    /// For each process, the last write that a read lists; [`Writers::NONE`] between reads.
    last: Vec<u32>,
}

impl Writers {
    const NONE: u32 = u32::MAX;

    fn new(writes: &[Write<'_>]) -> Self {
        let process = |write: &Write<'_>| write.operation.process();
        let mut processes: Vec<u64> = writes.iter().map(process).collect();
        processes.sort_unstable();
        processes.dedup();
        let number = |write| processes.partition_point(|known| *known < process(write)) as u32;
        Self { of: writes.iter().map(number).collect(), last: vec![Self::NONE; processes.len()] }
    }

    /// Of writes in ascending order the last of each process, in the order of processes.
    fn heads(&mut self, listed: &[u32]) -> Vec<u32> {
        let mut processes: Vec<u32> = Vec::new();
        for write in listed {
            let process = self.of[*write as usize];
            if std::mem::replace(&mut self.last[process as usize], *write) == Self::NONE {
                processes.push(process);
            }
        }
        processes.sort_unstable();
        processes.into_iter().map(|process| std::mem::replace(&mut self.last[process as usize], Self::NONE)).collect()
    }
}

impl<'h> KeyBuilder<'h> {
    /// Takes the operation if it is a write.
    fn write(&mut self, operation: &Operation<'h>) {
        let position = self.key.writes.len() as u32;
        let element = match self.model.meaning(operation) {
            Meaning::Write(value) => {
                let element = Element::new(operation.history(), value);
                self.name(operation, &element, position);
                Some(element)
            }
            Meaning::Change(change) => {
                self.sums.push(operation, position, change);
                Some(Element::new(operation.history(), operation.argument()))
            }
            Meaning::Delete => None,
            Meaning::Remove(_) | Meaning::Read | Meaning::Nothing => return,
        };
        let (past, removal_tried, removed) = (Past::Unknown, false, false);
        self.key.writes.push(Write { operation: *operation, element, past, removal_tried, removed });
    }

    /// From now on the element stands for this write.
    fn name(&mut self, operation: &Operation<'h>, element: &Element, position: u32) {
        if self.positions.insert(element.clone(), position).is_some() {
            let (verb, key) = (self.model.verb(operation), &self.key.name);
            self.key
                .flaws
                .push(format!("`{verb}` of {element} was invoked twice on {key}: a value must be written only once"));
        }
    }

    /// Resolves what each write says of its past.
    fn pasts(&mut self) {
        for position in 0..self.key.writes.len() {
            let operation = self.key.writes[position].operation;
            self.key.writes[position].past = match (operation.past(), operation.outcome()) {
                (Some(values), _) => Past::Known(self.known(operation.history(), values, position as u32)),
                (None, EventType::Ok) => Past::Known(Vec::new()),
                (None, _) => Past::Unknown,
            };
        }
    }

    /// The writes of these values, other than `not`.
    fn known(&self, history: &History, values: &[ValueId], not: u32) -> Vec<u32> {
        let mut past: Vec<u32> =
            values.iter().filter_map(|value| self.positions.get(&Element::new(history, *value)).copied()).collect();
        past.retain(|position| *position != not);
        past.sort_unstable();
        past.dedup();
        past
    }

    /// Takes the operation if it is no write.
    fn other(&mut self, operation: &Operation<'h>) {
        match self.model.meaning(operation) {
            Meaning::Read => self.read(operation),
            Meaning::Remove(element) => self.remove(operation, element),
            Meaning::Nothing => {
                let flaw = match self.model.is_transactional() {
                    true => format!("a transaction on {} is not one micro-operation of {}", self.key.name, self.model),
                    false => {
                        format!("`{}` on {} is not of the model {}", operation.f(), self.key.name, self.model)
                    }
                };
                self.key.flaws.push(flaw);
            }
            Meaning::Write(_) | Meaning::Delete | Meaning::Change(_) => {}
        }
    }

    fn remove(&mut self, operation: &Operation<'h>, element: ValueId) {
        let Some(position) = self.positions.get(&Element::new(operation.history(), element)) else {
            return;
        };
        let write = &mut self.key.writes[*position as usize];
        write.removal_tried |= operation.outcome() != EventType::Fail;
        write.removed |= operation.outcome() == EventType::Ok;
    }

    fn read(&mut self, operation: &Operation<'h>) {
        let replica = operation.phase() == Phase::Replica;
        self.is_final |= operation.phase() == Phase::Final;
        if replica {
            self.key.replica_reads.push(*operation);
        }
        if replica && !self.is_final {
            self.key.rest_round = self.key.rest_round.max(Some(operation.round()));
        }
        if !operation.is_ok() {
            return;
        }
        if !replica {
            self.key.client_reads.push(*operation);
        }
        let read = match (self.model, replica) {
            (Model::Counter, _) => self.counted(operation),
            (_, true) => replica_elements(operation).map(|elements| self.listed(operation, &elements)),
            (_, false) => self.model.shown(operation).map(|elements| self.listed(operation, &elements)),
        };
        match read {
            Some(read) => {
                let heads = self.writers.heads(&read.listed);
                self.key.reads.push(Read { heads, ..read });
            }
            None => {
                let (key, index) = (&self.key.name, operation.completed().unwrap_or(operation.invoked()));
                let what = match self.model {
                    Model::Counter => "does not tell the parts of its sum",
                    _ => "has a value that is not the list it should be",
                };
                self.key.flaws.push(format!("the read of {key} at index {index} {what}"));
            }
        }
    }

    fn listed(&self, operation: &Operation<'h>, elements: &[ValueId]) -> Read<'h> {
        let mut read = Read::of(*operation);
        read.listed.reserve_exact(elements.len());
        for element in elements.iter().map(|value| Element::new(operation.history(), *value)) {
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
        read
    }

    /// The changes that a read of a counter shows, a replica's in all its versions.
    fn counted(&self, operation: &Operation<'h>) -> Option<Read<'h>> {
        let of_versions = || -> Option<Vec<meaning::Parts>> {
            let versions = meaning::versions(operation)?.into_iter().filter(|value| !value.is_nil());
            versions.map(|value| meaning::parts(operation.history(), value)).collect()
        };
        let all = match operation.phase() {
            Phase::Replica => of_versions()?,
            _ => vec![meaning::parts_of(operation)?],
        };
        let mut read = Read::of(*operation);
        for (process, (up, down)) in all.into_iter().flatten() {
            match self.sums.changes(process, (up, down)) {
                Some(changes) => read.listed.extend(changes),
                None => read.unwritten.push(Element::Other(format!("+{up} -{down} by process {process}"))),
            }
        }
        read.listed.sort_unstable();
        read.listed.dedup();
        Some(read)
    }
}

/// The elements of all versions that a replica holds: each version has a value, a list of values, or nil for a tombstone.
fn replica_elements(read: &Operation<'_>) -> Option<Vec<ValueId>> {
    let mut elements = Vec::new();
    for version in meaning::versions(read)? {
        match read.history().datum(version) {
            Datum::Nil => {}
            Datum::List(values) => elements.extend(values),
            _ => elements.push(version),
        }
    }
    Some(elements)
}
