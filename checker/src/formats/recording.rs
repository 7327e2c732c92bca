//! Events in memory, as the bench records them, become a history.

use serde_json::Value;

use super::sink::{Sequence, Sink};
use super::values::FromJson;
use crate::history::{
    Event, EventType, HistoryBuilder, Misfit, Phase, Process, RawEvent, TooManyValues, ValueId, Values,
};

impl HistoryBuilder {
    /// Takes an event given by its parts, at a time equal to its position; for tests.
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

    /// Takes an event of a [`crate::history::Recording`].
    ///
    /// # Errors
    /// As [`HistoryBuilder::push_event`].
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

    /// A value of JSON, which may tell of what only EDN has: see [`crate::formats::tree`].
    ///
    /// # Errors
    /// When there are too many values.
    pub fn json(&mut self, value: &Value) -> Result<ValueId, TooManyValues> {
        self.values().json_value(value)
    }
}

/// An event that is passed over.
fn nothing(event: &Event) -> RawEvent<'_> {
    let (nil, f) = (ValueId::NIL, event.f.as_str());
    let (index, time_ns, kind) = (Some(event.index), event.time, event.kind);
    RawEvent { index, time_ns, process: None, kind, f, key: nil, value: nil, past: nil }
}

impl Values {
    /// A value of JSON that is in memory; its depth is that which its parser allows.
    pub fn json_value(&mut self, value: &Value) -> Result<ValueId, TooManyValues> {
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
