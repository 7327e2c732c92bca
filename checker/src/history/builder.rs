//! Histories are built event by event, by the readers of all formats and by tests.
//!
//! This is the only place where completions are paired with invocations. It refuses what no client can do: a process
//! does one thing at a time, completes only what it has invoked, and never invokes again after an `info`.

use rustc_hash::FxHashMap;

use super::clock::{Clock, SaidTime};
use super::columns::History;
use super::event::{Event, EventType};
use super::independent;
use super::op::{Kind, Op, OpId, Origin, OriginId, Origins, TooManyOrigins};
use super::process::{NAMED, ProcessName, ProcessRef};
use super::values::{Datum, Sym, TooManyValues, Translation, ValueId, Values};

/// One event as a reader passes it on; its values are made by the builder first.
#[derive(Clone, Copy, Debug)]
pub struct RawEvent<'a> {
    /// Its index in the history; if it has none, its position is taken.
    pub index: Option<u64>,
    /// When, in ns.
    pub time_ns: u64,
    /// The client process, by its number; none for the nemesis, and for what is to be passed over.
    pub process: Option<u64>,
    /// Invocation or outcome.
    pub kind: EventType,
    /// The function.
    pub f: &'a str,
    /// The key; nil if there is none.
    pub key: ValueId,
    /// Argument or result.
    pub value: ValueId,
    /// The list of the values that a write's context covered; nil if none is recorded.
    pub past: ValueId,
}

/// Why an event does not fit those before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// A completion of nothing.
    #[error("process {process} completes `{f}` that it never invoked")]
    NotInvoked {
        /// The process.
        process: ProcessName,
        /// What it completes.
        f: String,
    },
    /// A completion of something else.
    #[error("process {process} completes `{f}`, but what it invoked is `{open}`")]
    OtherFunction {
        /// The process.
        process: ProcessName,
        /// What it completes.
        f: String,
        /// What it invoked.
        open: String,
    },
    /// A completion of the same on another key.
    #[error("process {process} completes an operation on key {key}, but what it invoked is on key {open}")]
    OtherKey {
        /// The process.
        process: ProcessName,
        /// The key of the completion.
        key: String,
        /// The key of the invocation.
        open: String,
    },
    /// Two things at a time.
    #[error("process {process} invokes `{f}` while its `{open}` is open")]
    StillOpen {
        /// The process.
        process: ProcessName,
        /// What it invokes.
        f: String,
        /// The open operation.
        open: String,
    },
    /// A process that goes on after an `info`.
    #[error("process {process} invokes `{f}`, but it ended with an `info`")]
    Ended {
        /// The process.
        process: ProcessName,
        /// What it invokes.
        f: String,
    },
    /// An operation that is invoked after others that completed without ever being invoked.
    #[error(
        "process {process} invokes `{f}`, but what completed before was never invoked: either every operation has its \
         invocation, or none has"
    )]
    InvokedLate {
        /// The process.
        process: ProcessName,
        /// What it invokes.
        f: String,
    },
    /// Two operations at a time, and neither has a process.
    #[error("`{f}` is invoked while `{open}` is open, and neither has a process: which of them completes is not known")]
    WhoseCompletion {
        /// What is invoked.
        f: String,
        /// What is open.
        open: String,
    },
    /// An event that lacks what others have.
    #[error("it has no `{field}`, as others have")]
    Lacks {
        /// The field.
        field: &'static str,
    },
    /// A completion of nothing that does not name a function.
    #[error("it has no `f`, and completes nothing")]
    NoFunction,
    /// A time that no run has.
    #[error("its time is over 292 years")]
    TooLate,
    /// Too many events or values.
    #[error(transparent)]
    TooMany(#[from] TooManyValues),
    /// Too many nodes and workloads.
    #[error(transparent)]
    TooManyOrigins(#[from] TooManyOrigins),
}

/// An event as it was parsed from a part of a text; its names and values are numbers of that part, or of the whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ParsedEvent {
    pub index: Option<u64>,
    /// In nanoseconds if the unit is known.
    pub time: Option<SaidTime>,
    pub process: Option<ProcessRef>,
    pub kind: EventType,
    /// None where there is no process.
    pub f: Sym,
    pub key: Sym,
    pub value: ValueId,
    pub past: ValueId,
    /// Node, workload and phase.
    pub origin: OriginId,
    /// Its place in the text.
    pub line: u32,
    pub column: u32,
    pub unsaid: UnsaidOfEvent,
}

/// Which of the fields that an event should have it does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct UnsaidOfEvent {
    /// The type: it is taken for the completion of what succeeded.
    pub kind: bool,
    /// The process.
    pub process: bool,
}

impl Default for ParsedEvent {
    fn default() -> Self {
        Self {
            index: None,
            time: None,
            process: None,
            kind: EventType::Info,
            f: Sym::NONE,
            key: Sym::NONE,
            value: ValueId::NIL,
            past: ValueId::NIL,
            origin: OriginId::default(),
            line: 0,
            column: 0,
            unsaid: UnsaidOfEvent::default(),
        }
    }
}

/// What only few events have.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Extra {
    /// Why it was not `ok`.
    pub error: Sym,
    /// The round of a replica read.
    pub round: Option<u64>,
    /// How long after it was due an operation was invoked.
    pub late_ns: Option<u64>,
    /// The parts of the sum that a read of a counter returned; nil if there are none.
    pub parts: ValueId,
    /// The whole event, if it is one of the nemesis.
    pub nemesis: Option<Box<Event>>,
}

impl Extra {
    /// Whether there is anything in it.
    pub(crate) fn is_some(&self) -> bool {
        *self != Self::default()
    }
}

/// Translates the names, values and origins of a part of the text into those of the whole.
pub(crate) struct Names {
    values: Translation,
    origins: Vec<OriginId>,
}

impl Names {
    /// An event of the part as one of the whole.
    pub(crate) fn in_whole(&self, event: &ParsedEvent) -> ParsedEvent {
        let Self { values: names, origins } = self;
        let (value, past) = (names.value(event.value), names.value(event.past));
        let origin = origins[event.origin.position()];
        let process = event.process.map(|process| match process {
            ProcessRef::Named(name) => ProcessRef::Named(names.name(name)),
            ProcessRef::Number(_) => process,
        });
        ParsedEvent { process, f: names.name(event.f), key: names.name(event.key), value, past, origin, ..*event }
    }

    /// The same for what only few events have.
    pub(crate) fn extra_in_whole(&self, extra: Extra) -> Extra {
        Extra { error: self.values.name(extra.error), parts: self.values.value(extra.parts), ..extra }
    }
}

/// The state of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ProcessState {
    /// It has no open operation.
    Idle,
    /// It has invoked this operation, which is not completed yet.
    Open(OpId),
    /// It got an `info`, and must not invoke again.
    Ended,
}

/// Processes below this number are in a list, indexed by it; few histories have others.
const PROCESSES_LISTED: usize = 1 << 16;

/// The state of every process.
#[derive(Debug, Default)]
struct Processes {
    listed: Vec<ProcessState>,
    others: FxHashMap<u32, ProcessState>,
    /// The numbers of those that have names.
    numbers: FxHashMap<Sym, u32>,
}

impl Processes {
    fn of(&mut self, process: u32) -> &mut ProcessState {
        let at = process as usize;
        if at >= PROCESSES_LISTED {
            return self.others.entry(process).or_insert(ProcessState::Idle);
        }
        if at >= self.listed.len() {
            self.listed.resize(at + 1, ProcessState::Idle);
        }
        &mut self.listed[at]
    }
}

/// Takes the events of a history in their order.
#[derive(Debug)]
pub struct HistoryBuilder {
    history: History,
    processes: Processes,
    has_keys: bool,
    last_time: SaidTime,
    clock: Clock,
    /// Whether others may have recorded it, without what every event of the bench has.
    from_elsewhere: bool,
    /// What the events of clients so far have, and have not.
    said: Said,
    /// How many events were taken; without invocations, each completion counts for two in the history.
    taken: u32,
}

/// What the events of clients so far say.
#[derive(Debug, Default)]
struct Said {
    /// Some were invocations, and some completions of what was never invoked.
    invocations: bool,
    completions_alone: bool,
    /// Some had a process, and some had none.
    processes: bool,
    no_processes: bool,
    /// Operations without a process, each taken for a process of its own.
    own_processes: u32,
    /// The open one of them.
    open: Option<OpId>,
}

impl Default for HistoryBuilder {
    fn default() -> Self {
        Self {
            history: History { timed: true, ..History::default() },
            processes: Processes::default(),
            has_keys: false,
            last_time: SaidTime::default(),
            clock: Clock::default(),
            from_elsewhere: false,
            said: Said::default(),
            taken: 0,
        }
    }
}

impl HistoryBuilder {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty one, of a history that others may have recorded: without invocations, processes or types.
    pub(crate) fn from_elsewhere() -> Self {
        Self { from_elsewhere: true, ..Self::default() }
    }

    /// Says the unit of the times in the text, which are passed on in nanoseconds: nothing is guessed then.
    pub(crate) fn say_time_unit(&mut self, unit_ns: u64) {
        self.clock.unit_said_ns = Some(unit_ns);
    }

    /// How many events it has taken; the next one has this position.
    pub fn events(&self) -> u32 {
        self.history.events
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// When it does not fit those before it; then it is not taken.
    pub fn push_event(&mut self, event: &RawEvent<'_>) -> Result<(), Misfit> {
        let RawEvent { index, time_ns, process, kind, value, past, .. } = *event;
        let (mut f, mut key) = (Sym::NONE, Sym::NONE);
        let process = process.map(|number| self.values().process_number(number)).transpose()?;
        if process.is_some() {
            f = self.values().intern(event.f)?;
            key = self.key(event.key)?;
        }
        let time = Some(SaidTime::of_ns(time_ns).ok_or(Misfit::TooLate)?);
        self.take(&ParsedEvent { index, time, process, kind, f, key, value, past, ..ParsedEvent::default() }, None)
    }

    /// Takes the next event; an event without a time gets that of the one before.
    pub(crate) fn take(&mut self, event: &ParsedEvent, extra: Option<Extra>) -> Result<(), Misfit> {
        // Where there are completions alone, each counts for two.
        if self.history.events >= Op::NEVER - 2 {
            return Err(TooManyValues.into());
        }
        self.history.timed &= event.time.is_some();
        let said = event.time.unwrap_or(self.last_time);
        let time_ns = self.clock.kept(&mut self.history, said);
        self.has_keys |= event.key.is_some();
        let extra = extra.unwrap_or_default();
        match event.process {
            None => self.of_no_client(event, extra, time_ns),
            Some(_) if self.from_elsewhere && self.may_lack_fields(event) => {
                self.take_what_lacks_fields(event, &extra, time_ns)?;
            }
            Some(process) => {
                let process = self.number(process)?;
                self.of_client(process, event, &extra, time_ns)?;
            }
        }
        self.last_time = said;
        let (start_ns, end_ns) = (&mut self.history.start_ns, &mut self.history.end_ns);
        let is_first = self.taken == 0;
        *start_ns = if is_first { time_ns } else { time_ns.min(*start_ns) };
        *end_ns = if is_first { time_ns } else { time_ns.max(*end_ns) };
        self.end_event(event.index);
        self.taken += 1;
        Ok(())
    }

    /// The number of a process: its own, or the next for a new name.
    fn number(&mut self, process: ProcessRef) -> Result<u32, TooManyValues> {
        let name = match process {
            ProcessRef::Number(number) => return Ok(number),
            ProcessRef::Named(name) => name,
        };
        let (names, numbers) = (&mut self.history.process_names, &mut self.processes.numbers);
        if let Some(number) = numbers.get(&name) {
            return Ok(*number);
        }
        let number = u32::try_from(names.len()).ok().and_then(|place| NAMED.checked_add(place)).ok_or(TooManyValues)?;
        names.push(name);
        numbers.insert(name, number);
        Ok(number)
    }

    /// The number of the process of an event of a client.
    fn number_of(&mut self, event: &ParsedEvent) -> Result<u32, TooManyValues> {
        self.number(event.process.unwrap_or(ProcessRef::Number(0)))
    }

    fn of_client(&mut self, process: u32, event: &ParsedEvent, extra: &Extra, time_ns: u64) -> Result<OpId, Misfit> {
        if event.kind == EventType::Invoke {
            let op = self.invoke(process, event, time_ns)?;
            self.history.rounds.extend(extra.round.map(|round| (op, round)));
            self.history.lates_ns.extend(extra.late_ns.map(|late_ns| (op, late_ns)));
            return Ok(op);
        }
        let op = self.complete(process, event, time_ns)?;
        self.keep_extra(op, extra);
        Ok(op)
    }

    /// Gives the event its index, and counts it.
    fn end_event(&mut self, index: Option<u64>) {
        let doubled = self.said.completions_alone;
        self.index(index.or(doubled.then_some(u64::from(self.taken))));
        self.history.events += 1;
    }

    fn may_lack_fields(&self, event: &ParsedEvent) -> bool {
        event.unsaid != UnsaidOfEvent::default() || !self.said.invocations || self.said.no_processes
    }

    /// Takes an event of a client while it is not known yet whether operations have invocations and processes, and where they
    /// have none. Either all have, or none.
    fn take_what_lacks_fields(&mut self, event: &ParsedEvent, extra: &Extra, time_ns: u64) -> Result<(), Misfit> {
        let is_invocation = event.kind == EventType::Invoke;
        let said = &mut self.said;
        said.processes |= !event.unsaid.process;
        said.no_processes |= event.unsaid.process;
        if said.processes && said.no_processes {
            return Err(Misfit::Lacks { field: "process" });
        }
        if is_invocation && said.completions_alone {
            let number = self.number_of(event)?;
            let (process, f) = (self.history.process_name(number), self.history.text(event.f).to_owned());
            return Err(Misfit::InvokedLate { process, f });
        }
        said.invocations |= is_invocation;
        if said.invocations && event.unsaid.kind {
            return Err(Misfit::Lacks { field: "type" });
        }
        let process = match event.unsaid.process {
            true => self.own_process(event)?,
            false => self.number_of(event)?,
        };
        let op = match self.said.invocations {
            true => self.of_client(process, event, extra, time_ns)?,
            false => self.completed_alone(process, event, extra, time_ns)?,
        };
        if event.unsaid.process && self.said.invocations {
            self.said.open = Some(op).filter(|_| is_invocation);
        }
        Ok(())
    }

    /// The process of an event that names none: of the open operation, if it completes that, else a new one.
    fn own_process(&mut self, event: &ParsedEvent) -> Result<u32, Misfit> {
        self.history.unsaid.processes = true;
        let is_invocation = event.kind == EventType::Invoke;
        match self.said.open {
            Some(open) if is_invocation => {
                let (f, open) = (self.history.text(event.f).to_owned(), self.function_of(open));
                Err(Misfit::WhoseCompletion { f, open })
            }
            Some(open) => Ok(self.history.op(open).process),
            None => {
                let process = self.said.own_processes;
                self.said.own_processes += u32::from(is_invocation || !self.said.invocations);
                Ok(process)
            }
        }
    }

    /// Takes the completion of an operation whose invocation is not recorded, as a history of Elle may be. It counts as two
    /// events, one after the other, both with its index.
    fn completed_alone(
        &mut self,
        process: u32,
        event: &ParsedEvent,
        extra: &Extra,
        time_ns: u64,
    ) -> Result<OpId, Misfit> {
        if event.f == Sym::NONE {
            return Err(Misfit::NoFunction);
        }
        if !std::mem::replace(&mut self.said.completions_alone, true) {
            self.history.unsaid.invocations = true;
        }
        let reads = matches!(self.history.text(event.f), "read" | "get");
        let value = if reads { ValueId::NIL } else { event.value };
        self.invoke(process, &ParsedEvent { value, ..*event }, time_ns)?;
        self.end_event(event.index);
        let op = self.complete(process, event, time_ns)?;
        // No invocation follows that one of unknown outcome would forbid.
        *self.processes.of(process) = ProcessState::Idle;
        self.keep_extra(op, extra);
        Ok(op)
    }

    fn of_no_client(&mut self, event: &ParsedEvent, extra: Extra, time_ns: u64) {
        match extra.nemesis {
            Some(nemesis) => {
                let index = event.index.unwrap_or(u64::from(self.history.events));
                self.history.nemesis.push(Event { index, time: time_ns, ..*nemesis });
            }
            None => self.history.passed_over += 1,
        }
    }

    fn keep_extra(&mut self, op: OpId, extra: &Extra) {
        if extra.error.is_some() {
            self.history.errors.push((op, extra.error));
        }
        if !extra.parts.is_nil() {
            self.history.parts.push((op, extra.parts));
        }
    }

    /// Reserves room for the values of a part; the given share is what this part and those before it are of the whole.
    pub(crate) fn expect(&mut self, part: &Values, share: f64, bytes_max: u64) {
        self.values().expect(part, share, bytes_max);
    }

    /// Takes the names, values and origins of a part of a text.
    pub(crate) fn absorb(&mut self, part: &Values, origins: &Origins) -> Result<Names, Misfit> {
        let values = self.values().absorb(part)?;
        let of_whole = |origin: Origin| {
            let (node, workload) = (values.name(origin.node), values.name(origin.workload));
            self.history.origins.number(Origin { node, workload, ..origin })
        };
        let origins = origins.iter().map(of_whole).collect::<Result<Vec<OriginId>, TooManyOrigins>>()?;
        Ok(Names { values, origins })
    }

    /// Node, workload and phase as a number.
    pub(crate) fn origin(&mut self, origin: Origin) -> Result<OriginId, TooManyOrigins> {
        self.history.origins.number(origin)
    }

    /// How many operations there are.
    pub(crate) fn operations(&self) -> usize {
        self.history.ops.len()
    }

    /// Reserves room for more operations; for all that are expected, if that is known. False if they do not fit into so
    /// many bytes, counting that the present ones exist twice while they are moved. Reserved room that is never touched
    /// takes no physical memory.
    pub(crate) fn reserve(&mut self, more: usize, total: Option<f64>, bytes_max: u64) -> bool {
        let ops = &mut self.history.ops;
        let needed = ops.len() + more;
        if needed <= ops.capacity() {
            return true;
        }
        let most = usize::try_from(bytes_max).unwrap_or(usize::MAX) / size_of::<Op>();
        // A little more than expected, so that it happens once; if nothing is expected, half as much again.
        let wanted = total.map_or(needed + needed / 2, |total| (total * 1.05) as usize + more).max(needed);
        if needed > most || ops.len() > most / 2 {
            return false;
        }
        ops.try_reserve_exact(wanted.min(most) - ops.len()).is_ok()
    }

    /// The memory that it takes, in bytes. Reserved room for operations does not count, since it was not touched yet.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let history = &self.history;
        let ops = (history.ops.len() * size_of::<Op>()) as u64;
        let processes = self.processes.listed.capacity() * size_of::<ProcessState>()
            + (self.processes.others.capacity() + self.processes.numbers.capacity()) * 16;
        // These grow by doubling, and exist twice while they do.
        let aside = (history.infos.len() + history.pasts.len() + history.indices.len()) * 16;
        ops + aside as u64 + processes as u64 + history.values.memory_bytes()
    }

    /// What it has taken so far.
    pub(crate) fn as_it_is(&mut self) -> &mut History {
        &mut self.history
    }

    /// Replaces names of functions, of all events taken; returns those that no function has.
    ///
    /// # Errors
    /// When there are too many values.
    pub fn rename(&mut self, names: &[(String, String)]) -> Result<Vec<String>, TooManyValues> {
        self.history.rename(names)
    }

    /// The history of all events taken. Operations without a completion are `info`. Keys are taken from the values if
    /// these show that they are there.
    pub fn finish(self) -> History {
        let has_keys = self.has_keys;
        let mut history = self.finish_as_recorded();
        if !has_keys {
            independent::guess(&mut history);
        }
        history
    }

    /// The same, with all values as they were recorded.
    pub fn finish_as_recorded(mut self) -> History {
        let history = &self.history;
        for ops in [&history.ops, &history.aside] {
            debug_assert!(ops.is_sorted_by(|a, b| a.call < b.call), "operations are in the order of invocation");
            debug_assert!(ops.iter().all(|op| op.call < op.ret), "every completion comes after its invocation");
        }
        debug_assert!(
            history.indices.is_empty() || history.indices.len() == history.events as usize,
            "either every event has its own index, or none"
        );
        self.history.infos.sort_unstable();
        self.history.pasts.sort_unstable();
        self.history.errors.sort_unstable();
        self.history.rounds.sort_unstable();
        self.history.lates_ns.sort_unstable();
        self.history.parts.sort_unstable();
        self.clock.settle(&mut self.history);
        self.history
    }

    /// Indices are stored only from the first event on that differs from its position; then for all events before it,
    /// too.
    fn index(&mut self, index: Option<u64>) {
        let position = self.history.events;
        let index = index.unwrap_or(u64::from(position));
        let indices = &mut self.history.indices;
        if indices.is_empty() && index != u64::from(position) {
            indices.extend(0..u64::from(position));
        }
        if !indices.is_empty() || index != u64::from(position) {
            indices.push(index);
        }
    }

    fn invoke(&mut self, process: u32, event: &ParsedEvent, time_ns: u64) -> Result<OpId, Misfit> {
        let is_aside = !self.history.origin(event.origin).phase.is_of_workload();
        let ops = if is_aside { &mut self.history.aside } else { &mut self.history.ops };
        let op = if is_aside { OpId::aside(ops.len()) } else { OpId::workload(ops.len()) };
        let state = self.processes.of(process);
        if *state != ProcessState::Idle {
            let (state, f) = (*state, self.history.text(event.f).to_owned());
            let process = self.history.process_name(process);
            return Err(match state {
                ProcessState::Open(op) => Misfit::StillOpen { process, f, open: self.function_of(op) },
                ProcessState::Idle | ProcessState::Ended => Misfit::Ended { process, f },
            });
        }
        *state = ProcessState::Open(op);
        ops.push(Op {
            process,
            f: event.f,
            key: event.key,
            kind: Kind::Info,
            origin: event.origin,
            call: self.history.events,
            ret: Op::NEVER,
            argument: event.value,
            result: ValueId::NIL,
            called_ns: time_ns,
            returned_ns: u64::MAX,
        });
        Ok(op)
    }

    fn function_of(&self, op: OpId) -> String {
        self.history.text(self.history.op(op).f).to_owned()
    }

    fn complete(&mut self, process: u32, event: &ParsedEvent, time_ns: u64) -> Result<OpId, Misfit> {
        let state = self.processes.of(process);
        let ProcessState::Open(op) = *state else {
            if event.f == Sym::NONE {
                return Err(Misfit::NoFunction);
            }
            let f = self.history.text(event.f).to_owned();
            return Err(Misfit::NotInvoked { process: self.history.process_name(process), f });
        };
        if event.f != Sym::NONE && self.history.op(op).f != event.f {
            let (f, open) = (self.history.text(event.f).to_owned(), self.function_of(op));
            return Err(Misfit::OtherFunction { process: self.history.process_name(process), f, open });
        }
        let (asked, answered) = (self.history.op(op).key, event.key);
        if asked != Sym::NONE && answered != Sym::NONE && asked != answered {
            let [key, open] = [answered, asked].map(|key| self.history.text(key).to_owned());
            return Err(Misfit::OtherKey { process: self.history.process_name(process), key, open });
        }
        let is_info = event.kind == EventType::Info;
        *state = if is_info { ProcessState::Ended } else { ProcessState::Idle };
        let position = self.history.events;
        let ops = if op.is_aside() { &mut self.history.aside } else { &mut self.history.ops };
        let completed = &mut ops[op.position()];
        assert!(completed.call < position, "an operation completes after its invocation");
        debug_assert!(
            completed.ret == Op::NEVER && completed.process == process,
            "a process completes its open operation"
        );
        completed.result = event.value;
        completed.returned_ns = time_ns;
        (completed.kind, completed.ret) = match event.kind {
            EventType::Ok => (Kind::Ok, position),
            EventType::Fail => (Kind::Fail, position),
            EventType::Info | EventType::Invoke => (Kind::Info, Op::NEVER),
        };
        if completed.key == Sym::NONE {
            completed.key = event.key;
        }
        if !event.past.is_nil() {
            self.history.pasts.push((op, event.past));
        }
        if is_info {
            self.history.infos.push((op, position));
        }
        Ok(op)
    }

    /// The name of a key, which may be any data; nil is none.
    pub(crate) fn key(&mut self, key: ValueId) -> Result<Sym, TooManyValues> {
        if key.is_nil() { Ok(Sym::NONE) } else { self.values().name_as_key(key) }
    }
}

/// The values of an event are made before the event itself is taken.
impl HistoryBuilder {
    pub(crate) fn values(&mut self) -> &mut Values {
        &mut self.history.values
    }

    /// An integer.
    ///
    /// # Errors
    /// When there are too many values; so do the others.
    pub fn int(&mut self, value: i64) -> Result<ValueId, TooManyValues> {
        self.values().int(value)
    }

    /// A number that is not an integer of 64 bits.
    ///
    /// # Errors
    /// When there are too many values.
    pub fn float(&mut self, value: f64) -> Result<ValueId, TooManyValues> {
        self.values().float(value)
    }

    /// A truth value.
    pub fn bool(&mut self, truth: bool) -> ValueId {
        Values::bool(truth)
    }

    /// A string, or a keyword without its colon.
    ///
    /// # Errors
    /// When there are too many values.
    pub fn text(&mut self, text: &str) -> Result<ValueId, TooManyValues> {
        self.values().text(text)
    }

    /// A scalar that JSON does not have, see [`Datum::Other`].
    ///
    /// # Errors
    /// When there are too many values.
    pub fn other(&mut self, notation: &str) -> Result<ValueId, TooManyValues> {
        self.values().other(notation)
    }

    /// A list of values made before.
    ///
    /// # Errors
    /// When there are too many values.
    pub fn list(&mut self, elements: &[ValueId]) -> Result<ValueId, TooManyValues> {
        self.values().list(elements)
    }

    /// A set of values made before.
    ///
    /// # Errors
    /// When there are too many values.
    pub fn set(&mut self, elements: &[ValueId]) -> Result<ValueId, TooManyValues> {
        self.values().set(elements)
    }

    /// A map of keys and values, alternately.
    ///
    /// # Errors
    /// When there are too many values.
    pub fn map(&mut self, entries: &[ValueId]) -> Result<ValueId, TooManyValues> {
        self.values().map(entries)
    }

    /// What a value is.
    pub fn datum(&self, value: ValueId) -> Datum<'_> {
        self.history.datum(value)
    }
}
