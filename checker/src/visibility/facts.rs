//! What operations mean: the writes and reads of each key, in terms that every check shares.
//!
//! A *write* creates an element (an `add` to a set or a cart, a `write` of a register); every element
//! is written once in a run, so it names its write. A *read* shows elements; `meaning.rs` says how operations
//! record them. When a write counts as visible depends on the model:
//!
//! - **set**, **list-append**, **counter**: the element is listed; of a counter an element is a change, and a read that
//!   shows its parts lists changes.
//! - **register**, **rw-register**: the value is listed, or is in the causal past of one that is: some later write had seen it and
//!   replaced it. The past of a write is on its completion, so this is known without querying the store (Burckhardt et
//!   al., POPL 2014, call the relation visibility; here it is the part of it that clients know). A `delete`
//!   replaces values like a write and leaves none of its own: what it covered may be gone wherever the delete may have
//!   arrived.
//! - **cart**: the item is listed. An item that somebody tried to remove is not judged: it may be gone or be back
//!   (DeCandia et al., SOSP 2007, 4.4: an add is never lost, a deleted item can resurface).

use rustc_hash::{FxHashMap, FxHashSet};

use super::analysis::Analysis;
use crate::history::{Datum, EventType, History, Operation, Phase, ValueId};
use crate::objects::meaning::{self, Meaning, Sums};
use crate::objects::{Element, Model};

/// A place in a session: the index of an operation's invocation, and the number of a micro-operation within it.
pub(crate) type Step = (u64, u32);

/// The causal past that a write is known to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Past {
    /// The positions of the writes that it replaced. An `ok` write that records no past replaced nothing.
    Known(Vec<u32>),
    /// It may have replaced anything that was invoked before it ended: it was not acknowledged and records no past.
    Unknown,
}

impl Past {
    /// The writes that it is known to have replaced.
    pub(crate) fn known(&self) -> &[u32] {
        match self {
            Past::Known(past) => past,
            Past::Unknown => &[],
        }
    }
}

/// One write. Writes of a key are referred to by position.
#[derive(Clone, Debug)]
pub(crate) struct Write<'h> {
    pub operation: Operation<'h>,
    /// Which micro-operation of it, from 0.
    pub micro: u32,
    /// The element that it wrote; none for a delete.
    pub element: Option<Element>,
    pub past: Past,
    /// A `remove` of it was invoked and did not certainly fail.
    pub removal_tried: bool,
    /// A `remove` of it was acknowledged.
    pub removed: bool,
}

impl Write<'_> {
    /// Its place in its session.
    pub(crate) fn step(&self) -> Step {
        (self.operation.invoked(), self.micro)
    }

    /// Whether it leaves no value.
    pub(crate) fn is_delete(&self) -> bool {
        self.element.is_none()
    }

    /// The index of its acknowledgement.
    pub(crate) fn acknowledged(&self) -> Option<u64> {
        self.operation.acknowledged()
    }

    /// Acknowledged and not exempt: it must stay visible from then on.
    pub(crate) fn must_stay(&self) -> Option<u64> {
        self.acknowledged().filter(|_| !self.removal_tried)
    }
}

/// One read that succeeded, in any phase.
#[derive(Clone, Debug)]
pub(crate) struct Read<'h> {
    pub operation: Operation<'h>,
    /// Which micro-operation of it, from 0.
    pub micro: u32,
    /// The writes whose elements it lists: positions, ascending, each once.
    pub listed: Vec<u32>,
    /// Of these, the last acknowledged one of each process, in the order of processes, and all that were not acknowledged.
    pub heads: Vec<u32>,
    /// The writes in the order shown, each at its first position; only for a list, whose order counts.
    pub order: Option<Vec<u32>>,
    /// Listed elements that nobody wrote.
    pub unwritten: Vec<Element>,
    /// How many elements it lists more than once.
    pub duplicated: u64,
    /// What it does not show of that with which the key began, though nothing can have replaced it: positions in
    /// [`KeyFacts::initial`], ascending.
    pub lacks: Vec<u32>,
}

impl<'h> Read<'h> {
    /// A read of which nothing is known yet.
    fn of(operation: Operation<'h>, micro: u32) -> Self {
        let (listed, heads, unwritten, lacks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { operation, micro, listed, heads, order: None, unwritten, duplicated: 0, lacks }
    }

    /// Its place in its session.
    pub(crate) fn step(&self) -> Step {
        (self.operation.invoked(), self.micro)
    }

    pub(crate) fn invoked(&self) -> u64 {
        self.operation.invoked()
    }

    pub(crate) fn completed(&self) -> u64 {
        self.operation.completed().unwrap_or(u64::MAX)
    }
}

/// Everything known of one key.
#[derive(Debug)]
pub(crate) struct KeyFacts<'h> {
    pub name: String,
    /// What it began with, as far as that was said. Nobody wrote it.
    pub initial: Vec<Element>,
    /// In the order of invocation.
    pub writes: Vec<Write<'h>>,
    /// In the order of invocation.
    pub reads: Vec<Read<'h>>,
    /// Reads by clients that succeeded, including those whose value does not suffice for [`KeyFacts::reads`].
    pub client_reads: Vec<Operation<'h>>,
    /// Positions of the reads that show the final state.
    pub finals: Vec<usize>,
    /// Reads of single replicas, whatever their outcome, in the order of invocation.
    pub replica_reads: Vec<Operation<'h>>,
    /// The last round of replica reads before the final reads; a later one shows what came back after that.
    pub rest_round: Option<u64>,
    /// Why nothing can be decided of this key.
    pub flaws: Vec<String>,
    /// An operation whose function the model does not know, in words: what it did is not known, so nothing can be judged.
    pub unknown: Option<String>,
    /// Which write is visible where.
    pub analysis: Analysis,
}

/// What an operation, or a micro-operation, does to its key.
pub(crate) enum Deed {
    /// It writes an element; a delete none.
    Write(Option<ValueId>),
    /// It shows a set, a list or siblings.
    Read {
        /// All that it shows.
        shown: ValueId,
        /// Whether the order counts.
        ordered: bool,
    },
}

/// Which reads show the final state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FinalSource {
    /// The `final` phase.
    Final,
    /// The last round of replica reads, if there is no final phase.
    Replica,
    /// There is neither.
    Nothing,
}

impl<'h> KeyFacts<'h> {
    /// Without the analysis.
    pub(crate) fn new(name: &str, model: Model, operations: &[Operation<'h>], source: FinalSource) -> Self {
        let (positions, sums, writers) = (FxHashMap::default(), Sums::default(), Writers::default());
        let (key, initial) = (KeyFacts::empty(name), FxHashSet::default());
        let mut builder = KeyBuilder { model, positions, sums, writers, is_final: false, initial, key };
        operations.iter().for_each(|operation| builder.write(operation));
        builder.writers = Writers::new(&builder.key.writes);
        builder.pasts();
        operations.iter().for_each(|operation| builder.other(operation));
        let mut key = builder.key;
        key.finals = key.final_reads(source);
        key
    }

    /// Of operations from anywhere, each with the number of the micro-operation and what that does, on a key that began with
    /// some elements. Without the analysis.
    pub(crate) fn of_deeds(
        name: &str,
        model: Model,
        initial: Vec<Element>,
        deeds: &[(Operation<'h>, u32, Deed)],
    ) -> Self {
        let (positions, sums, writers) = (FxHashMap::default(), Sums::default(), Writers::default());
        let at_first = initial.iter().cloned().collect();
        let key = KeyFacts { initial, ..KeyFacts::empty(name) };
        let mut builder = KeyBuilder { model, positions, sums, writers, is_final: false, initial: at_first, key };
        for (operation, micro, deed) in deeds {
            if let Deed::Write(value) = deed {
                builder.bring(operation, *micro, *value);
            }
        }
        builder.writers = Writers::new(&builder.key.writes);
        builder.pasts();
        for (operation, micro, deed) in deeds {
            if let Deed::Read { shown, ordered } = deed {
                builder.show(operation, *micro, *shown, *ordered);
            }
        }
        builder.key
    }

    /// Whether every write is known to have replaced nothing: then what is listed is all that is seen.
    pub(crate) fn is_plain(&self) -> bool {
        let none = Past::Known(Vec::new());
        self.writes.iter().all(|write| !write.is_delete() && write.past == none)
    }

    fn empty(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            initial: Vec::new(),
            writes: Vec::new(),
            reads: Vec::new(),
            client_reads: Vec::new(),
            finals: Vec::new(),
            replica_reads: Vec::new(),
            rest_round: None,
            flaws: Vec::new(),
            unknown: None,
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
    /// Looked up once for each element of each read, never iterated.
    positions: FxHashMap<Element, u32>,
    /// For a counter, whose elements do not name their writes.
    sums: Sums,
    writers: Writers,
    /// A final read has begun.
    is_final: bool,
    /// The elements of [`KeyFacts::initial`].
    initial: FxHashSet<Element>,
    key: KeyFacts<'h>,
}

/// The processes that wrote a key, numbered in their order. A write that was not acknowledged counts as a process of its own: it
/// may not have been made, and hides none of the others.
#[derive(Default)]
struct Writers {
    /// For each write, its writer.
    of: Vec<u32>,
    /// For each writer, the last write that a read lists; [`Writers::NONE`] between reads.
    last: Vec<u32>,
}

impl Writers {
    const NONE: u32 = u32::MAX;

    fn new(writes: &[Write<'_>]) -> Self {
        let process = |write: &Write<'_>| write.operation.process();
        let mut processes: Vec<u64> = writes.iter().map(process).collect();
        processes.sort_unstable();
        processes.dedup();
        let mut count = processes.len() as u32;
        let number = |write: &Write<'_>| match write.acknowledged() {
            Some(_) => processes.partition_point(|known| *known < process(write)) as u32,
            None => {
                count += 1;
                count - 1
            }
        };
        let of = writes.iter().map(number).collect();
        Self { of, last: vec![Self::NONE; count as usize] }
    }

    /// The last of each writer among writes in ascending order, in the order of writers.
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
        match self.model.meaning(operation) {
            Meaning::Write(value) => self.bring(operation, 0, Some(value)),
            Meaning::Change(change) => {
                self.sums.push(operation, self.key.writes.len() as u32, change);
                self.push(operation, 0, Some(Element::new(operation.history(), operation.argument())));
            }
            Meaning::Delete => self.bring(operation, 0, None),
            Meaning::Remove(_) | Meaning::Read | Meaning::Nothing => {}
        }
    }

    /// Takes a write of a value, or a delete.
    fn bring(&mut self, operation: &Operation<'h>, micro: u32, value: Option<ValueId>) {
        let element = value.map(|value| Element::new(operation.history(), value));
        if let Some(element) = &element {
            if self.initial.contains(element) {
                let (verb, key) = (self.model.verb(operation), &self.key.name);
                let flaw = format!(
                    "`{verb}` of {element} was invoked on {key}, which began with it: a read of it shows either"
                );
                self.key.flaws.push(flaw);
            }
            self.name(operation, element, self.key.writes.len() as u32);
        }
        self.push(operation, micro, element);
    }

    fn push(&mut self, operation: &Operation<'h>, micro: u32, element: Option<Element>) {
        let (past, removal_tried, removed) = (Past::Unknown, false, false);
        self.key.writes.push(Write { operation: *operation, micro, element, past, removal_tried, removed });
    }

    /// Whether a write replaces others; an element that is added to others does not.
    fn replaces(&self, operation: &Operation<'_>) -> bool {
        self.model == Model::RwRegister || matches!(operation.f(), "write" | "delete")
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

    /// Resolves the past that each write records.
    fn pasts(&mut self) {
        for position in 0..self.key.writes.len() {
            let operation = self.key.writes[position].operation;
            self.key.writes[position].past = match (operation.past(), operation.outcome()) {
                (Some(values), _) => Past::Known(self.known(operation.history(), values, position as u32)),
                (None, EventType::Ok) => Past::Known(Vec::new()),
                (None, _) if !self.replaces(&operation) => Past::Known(Vec::new()),
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
                self.key.unknown.get_or_insert(flaw);
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
            (_, true) => replica_elements(operation).map(|elements| self.listed(operation, 0, &elements, false)),
            (model, false) => {
                let ordered = model == Model::ListAppend;
                model.shown(operation).map(|elements| self.listed(operation, 0, &elements, ordered))
            }
        };
        self.take(operation, read);
    }

    /// Takes a read of a set, of a list, or of siblings.
    fn show(&mut self, operation: &Operation<'h>, micro: u32, shown: ValueId, ordered: bool) {
        let read = match operation.history().datum(shown) {
            Datum::Nil => Some(self.listed(operation, micro, &[], ordered)),
            Datum::List(elements) => Some(self.listed(operation, micro, elements, ordered)),
            // A set has no order that could count.
            Datum::Set(elements) if !ordered => Some(self.listed(operation, micro, elements, ordered)),
            _ => None,
        };
        let read = read.map(|read| self.begun(read, operation.history().datum(shown).elements().unwrap_or_default()));
        self.take(operation, read);
    }

    /// A read with what it shows of that with which the key began.
    fn begun(&self, mut read: Read<'h>, elements: &[ValueId]) -> Read<'h> {
        if self.initial.is_empty() {
            return read;
        }
        read.unwritten.retain(|element| !self.initial.contains(element));
        let shown = elements.iter().map(|value| Element::new(read.operation.history(), *value));
        let initial = &self.key.initial;
        read.lacks = if self.model.is_register() {
            // Whatever is there may have replaced it, and so may a delete.
            let is_kept = elements.is_empty() && !self.key.writes.iter().any(Write::is_delete);
            (0..initial.len() as u32).filter(|_| is_kept).collect()
        } else if read.order.is_some() {
            let in_place = shown.zip(initial).take_while(|(shown, first)| shown == *first).count();
            (in_place as u32..initial.len() as u32).collect()
        } else {
            let shown: FxHashSet<Element> = shown.collect();
            (0..).zip(initial).filter(|(_, element)| !shown.contains(element)).map(|(at, _)| at).collect()
        };
        read
    }

    fn take(&mut self, operation: &Operation<'h>, read: Option<Read<'h>>) {
        match read {
            Some(read) => {
                let heads = self.writers.heads(&read.listed);
                self.key.reads.push(Read { heads, ..read });
            }
            None => {
                let (key, index) = (&self.key.name, operation.completed().unwrap_or(operation.invoked()));
                let what = match self.model {
                    Model::Counter => "does not list the parts of its sum",
                    _ => "has a value that is not the list it should be",
                };
                self.key.flaws.push(format!("the read of {key} at index {index} {what}"));
            }
        }
    }

    fn listed(&self, operation: &Operation<'h>, micro: u32, elements: &[ValueId], ordered: bool) -> Read<'h> {
        let mut read = Read::of(*operation, micro);
        read.listed.reserve_exact(elements.len());
        for element in elements.iter().map(|value| Element::new(operation.history(), *value)) {
            match self.positions.get(&element) {
                Some(position) => read.listed.push(*position),
                None => read.unwritten.push(element),
            }
        }
        read.order = ordered.then(|| each_once(&read.listed));
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
        let mut read = Read::of(*operation, 0);
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

/// Each at its first position.
fn each_once(listed: &[u32]) -> Vec<u32> {
    let mut known = FxHashSet::default();
    listed.iter().copied().filter(|write| known.insert(*write)).collect()
}

/// The elements of all versions that a replica holds: each version has a value, a list of values, or nil for a tombstone.
fn replica_elements(read: &Operation<'_>) -> Option<Vec<ValueId>> {
    let mut elements = Vec::new();
    for version in meaning::versions(read)? {
        match read.history().datum(version) {
            Datum::Nil => {}
            Datum::List(values) | Datum::Set(values) => elements.extend(values),
            _ => elements.push(version),
        }
    }
    Some(elements)
}
