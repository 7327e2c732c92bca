//! Builds a history from events in memory, as the bench records them.

use serde_json::Value;

use super::sink::{Sequence, Sink};
use super::tree::Tree;
use super::values::{FromEdn, FromJson};
use crate::history::{
    Event, EventType, Extra, History, HistoryBuilder, Misfit, OfKey, Origin, ParsedEvent, Process, RawEvent, SaidTime,
    Sym, TooManyValues, ValueId, Values,
};

impl HistoryBuilder {
    /// Takes an event given by its parts; its time is its position. For tests.
    ///
    /// # Errors
    /// As [`HistoryBuilder::push_event`].
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

    /// Takes an event as the bench records it.
    ///
    /// # Errors
    /// As [`HistoryBuilder::push_event`].
    pub fn push(&mut self, event: &Event) -> Result<(), Misfit> {
        self.push_as(Some(event.index), event)
    }

    /// The same with another index; without one it is the event's position.
    fn push_as(&mut self, index: Option<u64>, event: &Event) -> Result<(), Misfit> {
        let time = Some(SaidTime::of_ns(event.time).ok_or(Misfit::TooLate)?);
        let kind = event.kind;
        let mut parsed = ParsedEvent { index, time, kind, ..ParsedEvent::default() };
        let mut extra = Extra::default();
        match event.process {
            Process::Nemesis => extra.nemesis = Some(Box::new(event.clone())),
            Process::Client(process) => {
                parsed.process = Some(self.values().process_number(process)?);
                self.client(event, &mut parsed, &mut extra)?;
            }
        }
        self.take(&parsed, Some(extra).filter(Extra::is_some))
    }

    fn client(&mut self, event: &Event, parsed: &mut ParsedEvent, extra: &mut Extra) -> Result<(), Misfit> {
        let mut name = |name: &Option<String>| match name {
            Some(name) => self.values().intern(name),
            None => Ok(Sym::NONE),
        };
        let (node, workload) = (name(&event.node)?, name(&event.workload)?);
        extra.error = name(&event.error)?;
        extra.round = event.extra.get("round").and_then(Value::as_u64);
        extra.late_ns = event.extra.get("late_ns").and_then(Value::as_u64);
        parsed.f = self.values().intern(&event.f)?;
        if let Some(key) = &event.key {
            let key = self.json(&Value::String(key.clone()))?;
            parsed.key = self.key(key)?;
        }
        parsed.origin = self.origin(Origin { node, workload, phase: event.phase })?;
        parsed.value = self.json(&event.value)?;
        if let Some(past) = &event.past {
            let past = past.iter().map(|value| self.json(value)).collect::<Result<Vec<ValueId>, _>>()?;
            parsed.past = self.list(&past)?;
        }
        if let Some(parts) = event.extra.get("parts") {
            extra.parts = self.json(parts)?;
        }
        Ok(())
    }

    /// A value of JSON, which may stand for something that only EDN has: see [`crate::formats::json_form`].
    ///
    /// # Errors
    /// When there are too many values.
    pub fn json(&mut self, value: &Value) -> Result<ValueId, TooManyValues> {
        self.values().json_value(value)
    }
}

impl History {
    /// The history of events as the bench records them. Their indices are their positions, whatever `index` they have.
    ///
    /// # Errors
    /// When an event does not fit those before it, with its position, from 0.
    pub fn of_events<'e>(events: impl IntoIterator<Item = &'e Event>) -> Result<Self, MisfitAt> {
        let mut builder = HistoryBuilder::new();
        for (position, event) in events.into_iter().enumerate() {
            builder.push_as(None, event).map_err(|misfit| MisfitAt { position, misfit })?;
        }
        Ok(builder.finish())
    }
}

/// A value as [`History::notation`] writes it.
pub(crate) fn shown(value: &Tree) -> String {
    let mut values = Values::default();
    // One value is not too many.
    value.feed(&mut FromEdn(&mut values)).map_or_else(|full| full.to_string(), |value| values.notation(value))
}

impl History {
    /// Says what an object begins with: that of a key, or all whose keys are not named. Returns whether any operation is of
    /// such an object.
    ///
    /// # Errors
    /// When there are too many values.
    pub fn begin_with(&mut self, key: Option<&Tree>, value: &Tree) -> Result<bool, TooManyValues> {
        let value = value.feed(&mut FromEdn(&mut self.values))?;
        self.initial.unwritten_nil = self.values.other("nil")?;
        let Some(key) = key else {
            self.initial.of_all = value;
            return Ok(true);
        };
        let key = key.feed(&mut FromEdn(&mut self.values))?;
        let name = if key.is_nil() { Sym::NONE } else { self.values.name_as_key(key)? };
        self.initial.of_keys.push(OfKey { name, key, value });
        Ok(self.ops.iter().any(|op| op.key == name || self.names_in_micros(op, key)))
    }

    /// Whether a transaction reads or writes this key.
    fn names_in_micros(&self, op: &crate::history::Op, key: ValueId) -> bool {
        [op.argument, op.result]
            .into_iter()
            .filter_map(|value| self.datum(value).elements())
            .flatten()
            .any(|micro| self.micro(*micro).is_some_and(|(_, named, _)| self.is_equal(named, key)))
    }
}

/// An event that does not fit those before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event {position}: {misfit}")]
pub struct MisfitAt {
    /// Its position, from 0.
    pub position: usize,
    /// Why.
    pub misfit: Misfit,
}

impl Values {
    /// A value of JSON that is in memory; its parser has bounded its depth, and so the recursion.
    pub(crate) fn json_value(&mut self, value: &Value) -> Result<ValueId, TooManyValues> {
        let mut sink = FromJson(self);
        match value {
            Value::Null => Ok(ValueId::NIL),
            Value::Bool(truth) => Ok(sink.bool(*truth)),
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(value), _) => sink.int(value),
                (None, Some(large)) => sink.other(&format!("{large}N")),
                (None, None) => sink.float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => sink.text(text),
            Value::Array(elements) => {
                let built = elements.iter().map(|element| self.json_value(element)).collect::<Result<Vec<_>, _>>();
                FromJson(self).sequence(Sequence::Vector, built?.drain(..))
            }
            Value::Object(fields) => {
                let mut entries = Vec::with_capacity(2 * fields.len());
                for (name, value) in fields {
                    entries.push(FromJson(self).name(name)?);
                    entries.push(self.json_value(value)?);
                }
                FromJson(self).sequence(Sequence::Map, entries.drain(..))
            }
        }
    }
}
