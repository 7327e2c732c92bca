//! Records are built event by event: every reader of a format ends here, and so do tests.
//!
//! The shape is checked as in [`crate::history::History::read`]: a process does one thing at a time, what it completes
//! it has invoked, and after an `info` it is gone.

use rustc_hash::FxHashMap;
use serde_json::Value;

use super::datum::{TooManyValues, Values};
use super::{Kind, Op, Records, Sym, ValueId, independent};
use crate::history::{Event, EventType, Phase, Process};

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
    /// The list of the values that a write's context covered; nil if nothing is told.
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

/// Where a process stands: the position of its open operation, or gone after an `info`.
#[derive(Clone, Copy, Debug)]
enum Standing {
    Open(u32),
    Ended,
}

/// Takes the events of a history in their order.
#[derive(Debug)]
pub struct RecordsBuilder {
    records: Records,
    processes: FxHashMap<u32, Standing>,
    has_keys: bool,
    last_f: (String, Sym),
}

impl Default for RecordsBuilder {
    fn default() -> Self {
        Self {
            records: Records { timed: true, ..Records::default() },
            processes: FxHashMap::default(),
            has_keys: false,
            last_f: (String::new(), Sym::NONE),
        }
    }
}

impl RecordsBuilder {
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
        if self.records.events == Records::NEVER {
            return Err(TooManyValues.into());
        }
        match event.process {
            None => self.records.passed_over += 1,
            Some(process) if event.kind == EventType::Invoke => self.invoke(narrow(process)?, event)?,
            Some(process) => self.complete(narrow(process)?, event)?,
        }
        self.index(event.index);
        self.records.events += 1;
        Ok(())
    }

    /// Takes an event given by its parts, at a time equal to its position; for tests.
    ///
    /// # Errors
    /// As [`RecordsBuilder::push_event`].
    pub fn event(
        &mut self,
        process: u32,
        kind: EventType,
        f: &str,
        key: Option<&str>,
        value: &Value,
    ) -> Result<&mut Self, Misfit> {
        let value = self.json(value)?;
        let key = key.map_or(Ok(ValueId::NIL), |key| self.text(key))?;
        let (time_ns, past) = (u64::from(self.events()), ValueId::NIL);
        let process = Some(u64::from(process));
        self.push_event(&RawEvent { index: None, time_ns, process, kind, f, key, value, past })?;
        Ok(self)
    }

    /// Takes an event of a [`crate::history::History`].
    ///
    /// # Errors
    /// As [`RecordsBuilder::push_event`].
    pub fn push(&mut self, event: &Event) -> Result<(), Misfit> {
        let passed_over = matches!(event.phase, Phase::Replica | Phase::Ring | Phase::Probe);
        let process = match event.process {
            Process::Client(process) if !passed_over => process,
            _ => return self.push_event(&nothing(event)),
        };
        let value = self.json(&event.value)?;
        let key = event.key.as_deref().map_or(Ok(ValueId::NIL), |key| self.text(key))?;
        let past = match &event.past {
            Some(values) => self.json(&Value::Array(values.clone()))?,
            None => ValueId::NIL,
        };
        let (f, kind) = (event.f.as_str(), event.kind);
        let (index, time_ns, process) = (Some(event.index), event.time, Some(process));
        self.push_event(&RawEvent { index, time_ns, process, kind, f, key, value, past })
    }

    /// Says that an event has no time of its own.
    pub fn untimed(&mut self) {
        self.records.timed = false;
    }

    /// What was taken. Operations without a completion are `info`.
    pub fn finish(mut self) -> Records {
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

    fn invoke(&mut self, process: u32, event: &RawEvent<'_>) -> Result<(), Misfit> {
        let named = || (u64::from(process), event.f.to_owned());
        match self.processes.get(&process) {
            Some(Standing::Open(op)) => {
                let open = self.records.text(self.records.ops[*op as usize].f).to_owned();
                let (process, f) = named();
                return Err(Misfit::StillOpen { process, f, open });
            }
            Some(Standing::Ended) => {
                let (process, f) = named();
                return Err(Misfit::Ended { process, f });
            }
            None => {}
        }
        let (f, key) = (self.function(event.f)?, self.key(event.key)?);
        self.processes.insert(process, Standing::Open(self.records.ops.len() as u32));
        self.records.ops.push(Op {
            process,
            f,
            key,
            kind: Kind::Info,
            call: self.records.events,
            ret: Records::NEVER,
            argument: event.value,
            result: ValueId::NIL,
            called_ns: event.time_ns,
            returned_ns: u64::MAX,
        });
        Ok(())
    }

    fn complete(&mut self, process: u32, event: &RawEvent<'_>) -> Result<(), Misfit> {
        let Some(Standing::Open(op)) = self.processes.get(&process).copied() else {
            return Err(Misfit::NotInvoked { process: process.into(), f: event.f.to_owned() });
        };
        let (f, key) = (self.function(event.f)?, self.key(event.key)?);
        let open = self.records.ops[op as usize].f;
        if open != f {
            let (f, open) = (event.f.to_owned(), self.records.text(open).to_owned());
            return Err(Misfit::OtherFunction { process: process.into(), f, open });
        }
        let position = self.records.events;
        let completed = &mut self.records.ops[op as usize];
        completed.result = event.value;
        completed.returned_ns = event.time_ns;
        (completed.kind, completed.ret) = match event.kind {
            EventType::Ok => (Kind::Ok, position),
            EventType::Fail => (Kind::Fail, position),
            EventType::Info | EventType::Invoke => (Kind::Info, Records::NEVER),
        };
        if completed.key == Sym::NONE {
            completed.key = key;
        }
        if !event.past.is_nil() {
            self.records.pasts.push((op, event.past));
        }
        if event.kind == EventType::Info {
            self.records.infos.push((op, position));
            self.processes.insert(process, Standing::Ended);
        } else {
            self.processes.remove(&process);
        }
        Ok(())
    }

    /// Consecutive events often have one function: then nothing is looked up.
    fn function(&mut self, f: &str) -> Result<Sym, Misfit> {
        if self.last_f.1 == Sym::NONE || self.last_f.0 != f {
            self.last_f = (f.to_owned(), self.values().intern(f)?);
        }
        Ok(self.last_f.1)
    }

    fn key(&mut self, key: ValueId) -> Result<Sym, Misfit> {
        if key.is_nil() {
            return Ok(Sym::NONE);
        }
        self.has_keys = true;
        self.values().key(key)?.ok_or_else(|| Misfit::NoKey { key: self.records.show(key) })
    }
}

/// Values are made before the event that has them.
impl RecordsBuilder {
    fn values(&mut self) -> &mut Values {
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

    /// A scalar of another notation, see [`super::Datum::Other`].
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
    pub fn datum(&self, value: ValueId) -> super::Datum<'_> {
        self.records.datum(value)
    }

    /// A value of JSON, which may tell of what only EDN has: see [`crate::formats::tree`].
    ///
    /// # Errors
    /// When there are too many values.
    pub fn json(&mut self, value: &Value) -> Result<ValueId, TooManyValues> {
        self.json_value(value)
    }
}

fn narrow(process: u64) -> Result<u32, Misfit> {
    u32::try_from(process).map_err(|_| Misfit::ProcessTooLarge { process })
}

/// An event that is passed over.
fn nothing(event: &Event) -> RawEvent<'_> {
    let (nil, f) = (ValueId::NIL, event.f.as_str());
    let (index, time_ns, kind) = (Some(event.index), event.time, event.kind);
    RawEvent { index, time_ns, process: None, kind, f, key: nil, value: nil, past: nil }
}
