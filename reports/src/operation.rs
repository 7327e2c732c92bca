//! The operations of a history, as reports draw them: an invocation with the completion that follows from its process.

use std::collections::BTreeMap;

use checker::history::{Event, EventType, Process, only_micro};
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
pub(crate) struct Operation<'a> {
    pub(crate) process: u64,
    pub(crate) invoke: &'a Event,
    /// None if the history ends before it.
    pub(crate) completion: Option<&'a Event>,
}

impl Operation<'_> {
    pub(crate) fn start_ns(&self) -> u64 {
        self.invoke.time
    }

    /// When it completed; `end_of_run_ns` if it never did.
    pub(crate) fn end_ns(&self, end_of_run_ns: u64) -> u64 {
        self.completion.map_or(end_of_run_ns, |c| c.time).max(self.invoke.time)
    }

    pub(crate) fn end(&self) -> End {
        match self.completion.map(|c| c.kind) {
            Some(EventType::Ok) => End::Ok,
            Some(EventType::Fail) => End::Fail,
            Some(EventType::Info | EventType::Invoke) | None => End::Info,
        }
    }

    /// The function; that of the micro-operation, if it is a transaction of one.
    pub(crate) fn function(&self) -> &str {
        of_transaction(self.invoke).map_or(&self.invoke.f, |(f, _)| f)
    }

    /// What it was asked with; null for a read.
    pub(crate) fn argument(&self) -> &Value {
        of_transaction(self.invoke).map_or(&self.invoke.value, |(_, argument)| argument)
    }

    /// What a read that succeeded showed, or anything else that returned a list.
    pub(crate) fn result(&self) -> Option<&Value> {
        let completion = self.completion.filter(|completion| completion.kind == EventType::Ok)?;
        match of_transaction(completion) {
            Some(("r", result)) => Some(result),
            Some(_) => None,
            None => Some(&completion.value).filter(|value| value.is_array() || self.invoke.f == "read"),
        }
    }

    /// From invocation to completion; none for one that never completed.
    pub(crate) fn latency_ns(&self) -> Option<u64> {
        self.completion.map(|c| c.time.saturating_sub(self.invoke.time))
    }
}

/// Function and value of the micro-operation of a transaction that has just one.
fn of_transaction(event: &Event) -> Option<(&str, &Value)> {
    let (f, _, value) = only_micro(&event.value).filter(|_| event.f == "txn")?;
    Some((f, value))
}

/// Every client operation, in order of invocation. A completion without an invocation is left out.
pub(crate) fn operations(events: &[Event]) -> Vec<Operation<'_>> {
    let mut open: BTreeMap<u64, Operation<'_>> = BTreeMap::new();
    let mut all = Vec::with_capacity(events.len() / 2);
    for event in events {
        let Process::Client(process) = event.process else {
            continue;
        };
        if event.kind == EventType::Invoke {
            all.extend(open.insert(process, Operation { process, invoke: event, completion: None }));
        } else if let Some(operation) = open.remove(&process) {
            all.push(Operation { completion: Some(event), ..operation });
        }
    }
    all.extend(open.into_values());
    all.sort_by_key(|operation| operation.invoke.index);
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(index: u64, process: Process, kind: EventType) -> Event {
        Event { index, ..Event::new(index * 10, process, kind, "add", Value::from(1)) }
    }

    /// Transactions of one micro-operation are told like any other operation.
    #[test]
    fn a_transaction_is_told_by_its_micro_operation() {
        let txn = |kind, value| Event { value, ..Event::new(0, Process::Client(1), kind, "txn", Value::Null) };
        let (invoke, ok) =
            (txn(EventType::Invoke, json!([["r", "k", null]])), txn(EventType::Ok, json!([["r", "k", [1]]])));
        let read = Operation { process: 1, invoke: &invoke, completion: Some(&ok) };
        assert_eq!((read.function(), read.argument(), read.result()), ("r", &Value::Null, Some(&json!([1]))));
        let (invoke, ok) = (txn(EventType::Invoke, json!([["w", "k", 2]])), txn(EventType::Ok, json!([["w", "k", 2]])));
        let write = Operation { process: 1, invoke: &invoke, completion: Some(&ok) };
        assert_eq!((write.function(), write.argument(), write.result()), ("w", &json!(2), None));
    }

    #[test]
    fn operations_pair_by_process_in_order_of_invocation() {
        let events = [
            event(0, Process::Client(7), EventType::Invoke),
            event(1, Process::Client(2), EventType::Invoke),
            event(2, Process::Nemesis, EventType::Info),
            event(3, Process::Client(2), EventType::Fail),
            event(4, Process::Client(9), EventType::Ok),
            event(5, Process::Client(2), EventType::Invoke),
            event(6, Process::Client(2), EventType::Info),
        ];
        let all = operations(&events);
        let told: Vec<_> = all.iter().map(|o| (o.invoke.index, o.process, o.end(), o.latency_ns())).collect();
        assert_eq!(told, [(0, 7, End::Info, None), (1, 2, End::Fail, Some(20)), (5, 2, End::Info, Some(10))]);
        assert_eq!(all[0].end_ns(99), 99);
    }
}
