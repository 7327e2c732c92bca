//! The operations of a history, as reports draw them: an invocation with the completion that follows from its process.

use std::ops::Deref;

use checker::history::{self, EventType, History, ValueId};
use serde_json::Value;

/// How an operation ended, as its client saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    Ok,
    Fail,
    Info,
}

impl End {
    pub(crate) const ALL: [End; 3] = [End::Ok, End::Fail, End::Info];

    /// The history's word for it, also the class under which it is drawn.
    pub(crate) fn name(self) -> &'static str {
        match self {
            End::Ok => "ok",
            End::Fail => "fail",
            End::Info => "info",
        }
    }
}

/// One client operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation<'a>(history::Operation<'a>);

impl<'a> Deref for Operation<'a> {
    type Target = history::Operation<'a>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Operation<'_> {
    /// Where it begins in drawings: its time, ns, or the index of its event where the history has no times.
    pub(crate) fn begins(&self) -> u64 {
        if self.history().timed { self.invoked_ns() } else { self.invoked() }
    }

    /// Where it ends, likewise; `end_of_run` if it never completed.
    pub(crate) fn ends(&self, end_of_run: u64) -> u64 {
        let ends = if self.history().timed { self.completed_ns() } else { self.completed() };
        ends.unwrap_or(end_of_run).max(self.begins())
    }

    pub(crate) fn end(&self) -> End {
        match self.outcome() {
            EventType::Ok => End::Ok,
            EventType::Fail => End::Fail,
            EventType::Info | EventType::Invoke => End::Info,
        }
    }

    /// What it was asked with; null for a read.
    pub(crate) fn argument(&self) -> Value {
        let argument = self.0.argument();
        self.history().json(self.of_transaction(argument).map_or(argument, |(_, value)| value))
    }

    /// What a read that succeeded showed, or anything else that returned a list.
    pub(crate) fn result(&self) -> Option<Value> {
        let result = Some(self.0.result()).filter(|_| self.is_ok())?;
        match self.of_transaction(result) {
            Some(("r", shown)) => Some(self.history().json(shown)),
            Some(_) => None,
            None => Some(self.history().json(result)).filter(|value| value.is_array() || self.f() == "read"),
        }
    }

    /// The values that a write's context covered.
    pub(crate) fn replaced(&self) -> Vec<Value> {
        self.past().unwrap_or_default().iter().map(|value| self.history().json(*value)).collect()
    }

    /// Function and value of the micro-operation, if it is a transaction that has just one.
    fn of_transaction(&self, value: ValueId) -> Option<(&str, ValueId)> {
        let (f, _, value) = self.history().only_micro(value).filter(|_| self.f() == "txn")?;
        Some((f, value))
    }
}

/// Every client operation, in order of invocation.
pub(crate) fn operations(history: &History) -> Vec<Operation<'_>> {
    history.operations().into_iter().map(Operation).collect()
}

#[cfg(test)]
mod tests {
    use checker::history::{Event, Process};
    use serde_json::json;

    use super::*;

    /// Transactions of one micro-operation are shown like any other operation.
    #[test]
    fn a_transaction_is_shown_by_its_micro_operation() {
        let txn = |kind, value| Event::new(0, Process::Client(1), kind, "txn", value);
        let history = History::of_events(&[
            txn(EventType::Invoke, json!([["r", "k", null]])),
            txn(EventType::Ok, json!([["r", "k", [1]]])),
            txn(EventType::Invoke, json!([["w", "k", 2]])),
            txn(EventType::Ok, json!([["w", "k", 2]])),
        ]);
        let history = history.expect("the events fit");
        let [read, write] = operations(&history)[..] else { panic!("there are two operations") };
        assert_eq!((read.label(), read.argument(), read.result()), ("r", Value::Null, Some(json!([1]))));
        assert_eq!((write.label(), write.argument(), write.result()), ("w", json!(2), None));
    }

    #[test]
    fn an_operation_that_never_completed_lasts_to_the_end_of_the_run() {
        let event = |time, kind| Event::new(time, Process::Client(7), kind, "add", Value::from(1));
        let history = History::of_events(&[event(10, EventType::Invoke)]).expect("the events fit");
        let [open] = operations(&history)[..] else { panic!("there is one operation") };
        assert_eq!((open.end(), open.ends(99), open.latency_ns()), (End::Info, 99, None));
    }
}
