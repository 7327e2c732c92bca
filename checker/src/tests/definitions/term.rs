//! What stands in a random history, and how it is written.

use std::fmt::Write;

use super::draw::Done;
use super::{Data, EventType, Format, Names};

/// A value of a history, as far as it matters what it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Term {
    Nil,
    Bool(bool),
    /// A number that counts as such.
    Number(i64),
    /// A string that counts as such.
    Text(String),
    /// The name of a field or of a function.
    Name(&'static str),
    /// Anything, different from all with other numbers.
    Thing(u64),
    List(Vec<Term>),
    /// Elements in no order.
    Elements(Vec<Term>),
    Map(Vec<(Term, Term)>),
}

impl Term {
    /// The elements of a list.
    pub fn elements(&self) -> &[Term] {
        match self {
            Term::List(elements) | Term::Elements(elements) => elements,
            _ => &[],
        }
    }

    /// A number that counts.
    pub fn number(&self) -> Option<i64> {
        match self {
            Term::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The value of a field of a map.
    pub fn field(&self, name: &Term) -> Option<&Term> {
        let Term::Map(fields) = self else { return None };
        fields.iter().find(|(field, _)| field == name).map(|(_, value)| value)
    }
}

/// What stands for each thing.
pub enum Naming<'r> {
    /// Its number.
    Plain,
    /// Data of any shape.
    Other(Names<'r>),
}

impl Naming<'_> {
    pub fn thing(&mut self, number: u64) -> Data {
        match self {
            Naming::Plain => Data::Number(number.to_string()),
            Naming::Other(names) => names.value(number as i64),
        }
    }

    fn number(&mut self, number: i64) -> Data {
        match self {
            Naming::Plain => Data::Number(number.to_string()),
            Naming::Other(names) => names.number(number),
        }
    }

    fn process(&self, process: u64) -> Data {
        match self {
            Naming::Plain => Data::Number(process.to_string()),
            Naming::Other(names) => names.process(process as u32),
        }
    }

    /// In any order, if order does not matter.
    fn shuffled<T>(&mut self, parts: Vec<T>) -> Vec<T> {
        match self {
            Naming::Plain => parts,
            Naming::Other(names) => names.shuffled(parts),
        }
    }

    fn elements(&mut self, elements: &[Term]) -> Data {
        let twice = (1..elements.len()).any(|at| elements[..at].contains(&elements[at]));
        let data = elements.iter().map(|element| self.data(element)).collect();
        let data = self.shuffled(data);
        let as_set = match self {
            Naming::Plain => false,
            Naming::Other(names) => !twice && names.random.one_in(2),
        };
        if as_set { Data::Set(data) } else { Data::List(data) }
    }

    pub fn data(&mut self, term: &Term) -> Data {
        match term {
            Term::Nil => Data::Nil,
            Term::Bool(truth) => Data::Bool(*truth),
            Term::Number(number) => self.number(*number),
            Term::Text(text) => Data::Text(text.clone()),
            Term::Name(name) => Data::Name((*name).to_owned()),
            Term::Thing(number) => self.thing(*number),
            Term::List(parts) => Data::List(parts.iter().map(|part| self.data(part)).collect()),
            Term::Elements(elements) => self.elements(elements),
            Term::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| (self.data(key), self.data(value))).collect();
                Data::Map(self.shuffled(entries))
            }
        }
    }
}

/// An event of an operation.
fn event(done: &Done, kind: EventType, value: &Term, time: usize, format: Format, naming: &mut Naming<'_>) -> String {
    let (process, value) = (naming.process(done.process), naming.data(value));
    let key = done.key.map_or(Data::Nil, |key| naming.thing(key));
    let (f, kind) = (done.f, format!("{kind:?}").to_lowercase());
    let mut text = String::new();
    let _ = match format {
        Format::Edn => write!(
            text,
            "{{:time {time}, :process {}, :type :{kind}, :f :{f}, :key {}, :value {}, :final? {}}}",
            process.edn(),
            key.edn(),
            value.edn(),
            done.is_final
        ),
        _ => write!(
            text,
            "{{\"time\":{time},\"process\":{},\"type\":\"{kind}\",\"f\":\"{f}\",\"key\":{},\"value\":{},\"final?\":{}}}",
            process.json(),
            key.json(),
            value.json(),
            done.is_final
        ),
    };
    text
}

/// A history in a format: each event is a nanosecond after the one before.
pub fn written(all: &[Done], format: Format, naming: &mut Naming<'_>) -> String {
    let mut events: Vec<(usize, &Done, EventType, &Term)> = Vec::new();
    for done in all {
        events.push((done.call, done, EventType::Invoke, &done.argument));
        if done.end < usize::MAX {
            events.push((done.end, done, done.kind, &done.result));
        }
    }
    events.sort_unstable_by_key(|(at, ..)| *at);
    let lines = events.into_iter().map(|(at, done, kind, value)| event(done, kind, value, at, format, naming));
    lines.collect::<Vec<_>>().join("\n") + "\n"
}
