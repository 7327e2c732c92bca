//! A few operations of a history as a history by themselves.
//!
//! Their events follow one another without gaps, and keep the index, time, process, names and values that they have in
//! the whole. So a check of the excerpt names the same events. Only what the operations need is copied: O(k log k) for
//! k operations and their values.

use super::columns::{History, OfKey, find};
use super::op::{Op, OpId, Origin};
use super::process::NAMED;
use super::values::{Datum, Sym, TooManyValues, ValueId, Values};

impl History {
    /// The operations at these positions, which must ascend.
    ///
    /// # Errors
    /// When there are too many values, which cannot happen if the whole could be held.
    pub(crate) fn only(&self, ops: &[usize]) -> Result<History, TooManyValues> {
        assert!(ops.is_sorted_by(|a, b| a < b), "the positions of an excerpt ascend");
        assert!(ops.last().is_none_or(|last| *last < self.ops.len()), "an excerpt has operations of its history");
        let mut part = History {
            passed_over: 0,
            key_source: self.key_source,
            timed: self.timed,
            unsaid: self.unsaid,
            unit_of_time: self.unit_of_time.clone(),
            ..History::default()
        };
        part.copy_initial(self)?;
        for (new, old) in ops.iter().enumerate() {
            let copied = part.copy(self, &self.ops[*old])?;
            part.ops.push(copied);
            part.copy_extras(self, OpId::workload(*old), OpId::workload(new))?;
        }
        part.name_processes(self)?;
        part.number_events(self, ops);
        Ok(part)
    }

    /// The position of the operation that was invoked by the event with this index, if there is one. Logarithmic, but
    /// linear where the history gives indices of its own that do not ascend.
    pub(crate) fn invoked_at(&self, index: u64) -> Option<usize> {
        let position = match self.indices.binary_search(&index) {
            _ if self.indices.is_empty() => u32::try_from(index).ok()?,
            // Of an operation without an invocation both events have the index of its completion.
            Ok(position) if position > 0 && self.indices[position - 1] == index => position as u32 - 1,
            Ok(position) => position as u32,
            Err(_) => self.indices.iter().position(|other| *other == index)? as u32,
        };
        self.ops.binary_search_by_key(&position, |op| op.call).ok()
    }

    /// How many values an operation has, counting those inside lists and maps.
    pub(crate) fn values_of(&self, op: usize) -> usize {
        let past = self.past(op).map_or(0, <[ValueId]>::len);
        self.values_in(self.ops[op].argument) + self.values_in(self.ops[op].result) + past
    }

    /// The recursion is bounded, since the reader bounds the nesting of a value; the same holds below.
    fn values_in(&self, value: ValueId) -> usize {
        match self.datum(value) {
            Datum::List(elements) | Datum::Set(elements) => {
                1 + elements.iter().map(|element| self.values_in(*element)).sum::<usize>()
            }
            Datum::Map(entries) => 1 + entries.iter().flatten().map(|part| self.values_in(*part)).sum::<usize>(),
            _ => 1,
        }
    }

    fn copy(&mut self, from: &History, op: &Op) -> Result<Op, TooManyValues> {
        let name = |values: &mut Values, name: Sym| match name.is_some() {
            true => values.intern(from.text(name)),
            false => Ok(name),
        };
        let (f, key) = (name(&mut self.values, op.f)?, name(&mut self.values, op.key)?);
        let (argument, result) = (self.copy_value(from, op.argument)?, self.copy_value(from, op.result)?);
        let Origin { node, workload, phase } = from.origin(op.origin);
        let (node, workload) = (name(&mut self.values, node)?, name(&mut self.values, workload)?);
        // An excerpt has no more origins than the whole.
        let origin = self.origins.number(Origin { node, workload, phase }).map_err(|_| TooManyValues)?;
        Ok(Op { f, key, argument, result, origin, ..*op })
    }

    /// Copies what only few operations have.
    fn copy_extras(&mut self, from: &History, old: OpId, new: OpId) -> Result<(), TooManyValues> {
        if let Some(past) = find(&from.pasts, old) {
            let past = self.copy_value(from, past)?;
            self.pasts.push((new, past));
        }
        if let Some(parts) = find(&from.parts, old) {
            let parts = self.copy_value(from, parts)?;
            self.parts.push((new, parts));
        }
        if let Some(error) = from.error_of(old) {
            let error = self.values.intern(error)?;
            self.errors.push((new, error));
        }
        Ok(())
    }

    fn copy_initial(&mut self, from: &History) -> Result<(), TooManyValues> {
        self.initial.unwritten_nil = self.copy_value(from, from.initial.unwritten_nil)?;
        self.initial.of_all = self.copy_value(from, from.initial.of_all)?;
        for of_key in &from.initial.of_keys {
            let name = if of_key.name.is_some() { self.values.intern(from.text(of_key.name))? } else { Sym::NONE };
            let (key, value) = (self.copy_value(from, of_key.key)?, self.copy_value(from, of_key.value)?);
            self.initial.of_keys.push(OfKey { name, key, value });
        }
        Ok(())
    }

    fn copy_value(&mut self, from: &History, value: ValueId) -> Result<ValueId, TooManyValues> {
        match from.datum(value) {
            Datum::Nil | Datum::Bool(_) => Ok(value),
            Datum::Int(number) => self.values.int(number),
            Datum::Text(text) => self.values.text(text),
            Datum::Float(number) => self.values.float(number),
            Datum::Other(notation) => self.values.other(notation),
            Datum::List(elements) => {
                let elements: Result<Vec<ValueId>, _> =
                    elements.iter().map(|element| self.copy_value(from, *element)).collect();
                self.values.list(&elements?)
            }
            Datum::Set(elements) => {
                let elements: Result<Vec<ValueId>, _> =
                    elements.iter().map(|element| self.copy_value(from, *element)).collect();
                self.values.set(&elements?)
            }
            Datum::Map(entries) => {
                let entries: Result<Vec<ValueId>, _> =
                    entries.iter().flatten().map(|part| self.copy_value(from, *part)).collect();
                self.values.map(&entries?)
            }
        }
    }

    /// Takes over the names of the processes that occur, and their order.
    fn name_processes(&mut self, from: &History) -> Result<(), TooManyValues> {
        let mut named: Vec<u32> = self.ops.iter().map(|op| op.process).filter(|process| *process >= NAMED).collect();
        named.sort_unstable();
        named.dedup();
        for process in &named {
            let name = self.values.intern(from.text(from.process_names[(process - NAMED) as usize]))?;
            self.process_names.push(name);
        }
        for op in self.ops.iter_mut().filter(|op| op.process >= NAMED) {
            // At its place among those that occur.
            op.process = NAMED + named.partition_point(|process| *process < op.process) as u32;
        }
        Ok(())
    }

    /// Gives the events of the excerpt positions without gaps.
    fn number_events(&mut self, from: &History, ops: &[usize]) {
        let mut events: Vec<(u32, usize, Event)> = Vec::with_capacity(2 * ops.len());
        for (op, at) in self.ops.iter().enumerate() {
            events.push((at.call, op, Event::Call));
            if at.ret != Op::NEVER {
                events.push((at.ret, op, Event::Return));
            }
            if let Some(info) = find(&from.infos, OpId::workload(ops[op])) {
                events.push((info, op, Event::Info));
            }
        }
        events.sort_unstable_by_key(|(position, ..)| *position);
        debug_assert!(events.is_sorted_by(|a, b| a.0 < b.0), "every event belongs to one operation");
        self.events = events.len() as u32;
        for ((before, op, event), position) in events.into_iter().zip(0u32..) {
            self.indices.push(from.event_index(before));
            match event {
                Event::Call => self.ops[op].call = position,
                Event::Return => self.ops[op].ret = position,
                Event::Info => self.infos.push((OpId::workload(op), position)),
            }
        }
        self.infos.sort_unstable();
    }
}

enum Event {
    Call,
    Return,
    Info,
}
