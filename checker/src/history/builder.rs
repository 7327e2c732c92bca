//! History are built event by event: every reader of a format ends here, and so do tests.
//!
//! The shape is checked as in [`crate::history::Recording::read`]: a process does one thing at a time, what it completes
//! it has invoked, and after an `info` it is gone.

use rustc_hash::FxHashMap;

use super::columns::History;
use super::event::EventType;
use super::independent;
use super::op::{Kind, Op};
use super::values::{Datum, Sym, TooManyValues, Translation, ValueId, Values};

/// One event as a reader hands it over; values are made by the builder first.
#[derive(Clone, Copy, Debug)]
pub struct RawEvent<'a> {
    /// Its index in the history; none if it has none: then it is the position.
    pub index: Option<u64>,
    /// When, in ns.
    pub time_ns: u64,
    /// The client process; none for the nemesis, and for whatever else is to be passed over.
    pub process: Option<u64>,
    /// Invocation or outcome.
    pub kind: EventType,
    /// The function.
    pub f: &'a str,
    /// The key; nil if there is none.
    pub key: ValueId,
    /// Argument or result.
    pub value: ValueId,
    /// The list of the values that a write's context covered; nil if nothing is event.
    pub past: ValueId,
}

/// Why an event does not fit to those before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// A completion of nothing.
    #[error("process {process} completes `{f}` that it never invoked")]
    NotInvoked {
        /// The process.
        process: u64,
        /// What it completes.
        f: String,
    },
    /// A completion of something else.
    #[error("process {process} completes `{f}`, but what it invoked is `{open}`")]
    OtherFunction {
        /// The process.
        process: u64,
        /// What it completes.
        f: String,
        /// What it invoked.
        open: String,
    },
    /// Two things at a time.
    #[error("process {process} invokes `{f}` while its `{open}` is open")]
    StillOpen {
        /// The process.
        process: u64,
        /// What it invokes.
        f: String,
        /// What is open.
        open: String,
    },
    /// A process that goes on after an `info`.
    #[error("process {process} invokes `{f}`, but it ended with an `info`")]
    Ended {
        /// The process.
        process: u64,
        /// What it invokes.
        f: String,
    },
    /// A process number beyond 32 bits.
    #[error("process {process} is beyond the largest number, {}", u32::MAX)]
    ProcessTooLarge {
        /// The process.
        process: u64,
    },
    /// A key that is a list or a map.
    #[error("the key {key} is no scalar")]
    NoKey {
        /// What stands there.
        key: String,
    },
    /// Too many events or values.
    #[error(transparent)]
    TooMany(#[from] TooManyValues),
}

/// An event as it was found in a part of a text, with the names and values of that part or of the whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ParsedEvent {
    pub index: Option<u64>,
    pub time_ns: Option<u64>,
    pub process: Option<u64>,
    pub kind: EventType,
    /// None where there is no process.
    pub f: Sym,
    pub key: Sym,
    pub value: ValueId,
    pub past: ValueId,
    /// Where it stands in the text.
    pub line: u32,
    pub column: u32,
}

/// What the names and values of a part are in the whole.
pub(crate) struct Names(Translation);

impl Names {
    /// An event of the part as one of the whole.
    pub fn in_whole(&self, event: &ParsedEvent) -> ParsedEvent {
        let Names(names) = self;
        let (value, past) = (names.value(event.value), names.value(event.past));
        ParsedEvent { f: names.name(event.f), key: names.name(event.key), value, past, ..*event }
    }
}

/// Where a process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It does nothing.
    Idle,
    /// The position of its open operation.
    Open(u32),
    /// It is gone after an `info`.
    Ended,
}

/// Processes below this number are found by it; few histories have others.
const PROCESSES_LISTED: usize = 1 << 16;

/// Where every process stands.
#[derive(Debug, Default)]
struct Processes {
    listed: Vec<Standing>,
    others: FxHashMap<u32, Standing>,
}

impl Processes {
    fn of(&mut self, process: u32) -> &mut Standing {
        let at = process as usize;
        if at >= PROCESSES_LISTED {
            return self.others.entry(process).or_insert(Standing::Idle);
        }
        if at >= self.listed.len() {
            self.listed.resize(at + 1, Standing::Idle);
        }
        &mut self.listed[at]
    }
}

/// Takes the events of a history in their order.
#[derive(Debug)]
pub struct HistoryBuilder {
    records: History,
    processes: Processes,
    has_keys: bool,
    last_time_ns: u64,
}

impl Default for HistoryBuilder {
    fn default() -> Self {
        Self {
            records: History { timed: true, ..History::default() },
            processes: Processes::default(),
            has_keys: false,
            last_time_ns: 0,
        }
    }
}

impl HistoryBuilder {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many events it has taken; the next one has this position.
    pub fn events(&self) -> u32 {
        self.records.events
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// When it does not fit to those before it; it is not taken then.
    pub fn push_event(&mut self, event: &RawEvent<'_>) -> Result<(), Misfit> {
        let RawEvent { index, time_ns, process, kind, value, past, .. } = *event;
        let (mut f, mut key) = (Sym::NONE, Sym::NONE);
        if process.is_some() {
            f = self.values().intern(event.f)?;
            key = self.key(event.key)?;
        }
        let (line, column) = (0, 0);
        self.take(&ParsedEvent { index, time_ns: Some(time_ns), process, kind, f, key, value, past, line, column })
    }

    /// Takes the next event; one without a time has that of the one before.
    pub(crate) fn take(&mut self, event: &ParsedEvent) -> Result<(), Misfit> {
        if self.records.events == Op::NEVER {
            return Err(TooManyValues.into());
        }
        self.records.timed &= event.time_ns.is_some();
        let time_ns = event.time_ns.unwrap_or(self.last_time_ns);
        self.has_keys |= event.key.is_some();
        match event.process {
            None => self.records.passed_over += 1,
            Some(process) if event.kind == EventType::Invoke => self.invoke(narrow(process)?, event, time_ns)?,
            Some(process) => self.complete(narrow(process)?, event, time_ns)?,
        }
        self.last_time_ns = time_ns;
        self.index(event.index);
        self.records.events += 1;
        Ok(())
    }

    /// Makes room for the values of a part, which with those before is so much of the whole.
    pub(crate) fn expect(&mut self, part: &Values, share: f64, bytes_max: u64) {
        self.values().expect(part, share, bytes_max);
    }

    /// Takes the names and values of a part of a text.
    pub(crate) fn absorb(&mut self, part: &Values) -> Result<Names, TooManyValues> {
        self.values().absorb(part).map(Names)
    }

    /// How many operations there are.
    pub(crate) fn operations(&self) -> usize {
        self.records.ops.len()
    }

    /// Makes room for more operations: if it is known, for as many as there will be in all. False if they were more than so
    /// many bytes, or those that are there would be while they are there twice, to be moved. Room that was never used takes
    /// no memory.
    pub(crate) fn reserve(&mut self, more: usize, total: Option<f64>, bytes_max: u64) -> bool {
        let ops = &mut self.records.ops;
        let needed = ops.len() + more;
        if needed <= ops.capacity() {
            return true;
        }
        let most = usize::try_from(bytes_max).unwrap_or(usize::MAX) / size_of::<Op>();
        // Beyond what is expected by a little, so that it is done once; else half as much again.
        let wanted = total.map_or(needed + needed / 2, |total| (total * 1.05) as usize + more).max(needed);
        if needed > most || ops.len() > most / 2 {
            return false;
        }
        ops.try_reserve_exact(wanted.min(most) - ops.len()).is_ok()
    }

    /// The memory that it takes, in bytes: the room for operations that are not there yet was not touched.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let records = &self.records;
        let ops = (records.ops.len() * size_of::<Op>()) as u64;
        let processes =
            self.processes.listed.capacity() * size_of::<Standing>() + self.processes.others.capacity() * 16;
        // What grows by doubling is there twice while it does.
        let aside = (records.infos.len() + records.pasts.len() + records.indices.len()) * 16;
        ops + aside as u64 + processes as u64 + records.values.memory_bytes()
    }

    /// What was taken. Operations without a completion are `info`.
    pub fn finish(mut self) -> History {
        self.records.infos.sort_unstable();
        self.records.pasts.sort_unstable();
        if !self.has_keys {
            independent::take_keys_from_values(&mut self.records);
        }
        self.records
    }

    fn index(&mut self, index: Option<u64>) {
        let position = self.records.events;
        let index = index.unwrap_or(u64::from(position));
        let indices = &mut self.records.indices;
        if indices.is_empty() && index != u64::from(position) {
            indices.extend(0..u64::from(position));
        }
        if !indices.is_empty() || index != u64::from(position) {
            indices.push(index);
        }
    }

    fn invoke(&mut self, process: u32, event: &ParsedEvent, time_ns: u64) -> Result<(), Misfit> {
        let operation = self.records.ops.len() as u32;
        let standing = self.processes.of(process);
        if *standing != Standing::Idle {
            let (standing, f) = (*standing, self.records.text(event.f).to_owned());
            let process = u64::from(process);
            return Err(match standing {
                Standing::Open(op) => Misfit::StillOpen { process, f, open: self.function_of(op) },
                Standing::Idle | Standing::Ended => Misfit::Ended { process, f },
            });
        }
        *standing = Standing::Open(operation);
        self.records.ops.push(Op {
            process,
            f: event.f,
            key: event.key,
            kind: Kind::Info,
            call: self.records.events,
            ret: Op::NEVER,
            argument: event.value,
            result: ValueId::NIL,
            called_ns: time_ns,
            returned_ns: u64::MAX,
        });
        Ok(())
    }

    fn function_of(&self, op: u32) -> String {
        self.records.text(self.records.ops[op as usize].f).to_owned()
    }

    fn complete(&mut self, process: u32, event: &ParsedEvent, time_ns: u64) -> Result<(), Misfit> {
        let standing = self.processes.of(process);
        let Standing::Open(op) = *standing else {
            let f = self.records.text(event.f).to_owned();
            return Err(Misfit::NotInvoked { process: process.into(), f });
        };
        if self.records.ops[op as usize].f != event.f {
            let (f, open) = (self.records.text(event.f).to_owned(), self.function_of(op));
            return Err(Misfit::OtherFunction { process: process.into(), f, open });
        }
        let is_info = event.kind == EventType::Info;
        *standing = if is_info { Standing::Ended } else { Standing::Idle };
        let position = self.records.events;
        let completed = &mut self.records.ops[op as usize];
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
            self.records.pasts.push((op, event.past));
        }
        if is_info {
            self.records.infos.push((op, position));
        }
        Ok(())
    }

    fn key(&mut self, key: ValueId) -> Result<Sym, Misfit> {
        if key.is_nil() {
            return Ok(Sym::NONE);
        }
        self.values().key(key)?.ok_or_else(|| Misfit::NoKey { key: self.records.show(key) })
    }
}

/// Values are made before the event that has them.
impl HistoryBuilder {
    pub(crate) fn values(&mut self) -> &mut Values {
        &mut self.records.values
    }

    /// An integer.
    ///
    /// # Errors
    /// When there are too many values; so do the others.
    pub fn int(&mut self, value: i64) -> Result<ValueId, TooManyValues> {
        self.values().int(value)
    }

    /// A number that is no integer of 64 bits.
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

    /// A scalar of another notation, see [`Datum::Other`].
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

    /// A map: keys and values in turn.
    ///
    /// # Errors
    /// When there are too many values.
    pub fn map(&mut self, entries: &[ValueId]) -> Result<ValueId, TooManyValues> {
        self.values().map(entries)
    }

    /// What a value is.
    pub fn datum(&self, value: ValueId) -> Datum<'_> {
        self.records.datum(value)
    }
}

fn narrow(process: u64) -> Result<u32, Misfit> {
    u32::try_from(process).map_err(|_| Misfit::ProcessTooLarge { process })
}
