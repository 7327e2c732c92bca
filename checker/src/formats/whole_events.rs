//! The events of a text one by one, with all their fields: for conversions, for the linter, and for events of the
//! nemesis.

use std::io::BufRead;

use serde_json::Value;

use super::damage::{Damage, Problem, Stop};
use super::format::Format;
use super::json_form::event_from_json;
use super::json_form::json_line;
use super::split::{Lines, Maps};
use super::tree::{Plain, Tree};
use super::{edn, json, log};
use crate::history::Event;

/// An event and the line on which it begins.
pub struct Located {
    /// The line, from 1.
    pub line: u64,
    /// A map, with keywords as EDN has them.
    pub event: Tree,
}

/// Reads one event after another.
pub struct Events<'r> {
    forms: Forms<&'r mut dyn BufRead>,
    count: i64,
    /// The line of a last event that was cut off, and is left out.
    pub torn: Option<u64>,
}

enum Forms<R> {
    Json(Lines<R>),
    Edn(Maps<R>),
    Log(Lines<R>),
}

impl<'r> Events<'r> {
    /// From the beginning of a text.
    pub fn new(reader: &'r mut dyn BufRead, format: Format) -> Self {
        let forms = match format {
            Format::Json => Forms::Json(Lines::new(reader)),
            Format::Edn => Forms::Edn(Maps::new(reader)),
            Format::Log => Forms::Log(Lines::new(reader)),
        };
        Self { forms, count: 0, torn: None }
    }

    /// The next event; none at the end, and at a last event that was cut off.
    ///
    /// # Errors
    /// When the text is damaged; nothing more can be read after that.
    pub fn next_event(&mut self) -> Result<Option<Located>, Damage> {
        loop {
            let format = self.forms.format();
            let form = match &mut self.forms {
                Forms::Json(lines) | Forms::Log(lines) => lines.next_form()?,
                Forms::Edn(maps) => maps.next_form()?,
            };
            let Some(form) = form else { return Ok(None) };
            let parsed = match format {
                Format::Json => parse_json(form.bytes).map(Some),
                Format::Edn => parse_edn(form.bytes),
                Format::Log => log::event(form.bytes, self.count),
            };
            match parsed {
                Ok(Some(event)) => {
                    self.count += 1;
                    return Ok(Some(Located { line: form.line, event }));
                }
                Ok(None) => {}
                Err(stop) if form.last && matches!(stop.problem, Problem::Syntax(_)) => {
                    self.torn = Some(form.line);
                    return Ok(None);
                }
                Err(stop) => return Err(form.damage(stop)),
            }
        }
    }
}

impl<R> Forms<R> {
    fn format(&self) -> Format {
        match self {
            Forms::Json(_) => Format::Json,
            Forms::Edn(_) => Format::Edn,
            Forms::Log(_) => Format::Log,
        }
    }
}

pub(super) fn parse_json(bytes: &[u8]) -> Result<Tree, Stop> {
    let mut parser = json::Parser::new(bytes);
    if parser.peek() != Some(b'{') {
        return Err(parser.unexpected("`{`"));
    }
    let event = parser.value(&mut Plain, &mut Vec::new())?;
    parser.end()?;
    Ok(event_from_json(&event))
}

pub(super) fn parse_edn(bytes: &[u8]) -> Result<Option<Tree>, Stop> {
    let mut parser = edn::Parser::new(bytes);
    if parser.peek()?.is_none() {
        return Ok(None);
    }
    let event = parser.value(&mut Plain, &mut Vec::new())?;
    parser.end()?;
    let is_map = |event: &Tree| matches!(event, Tree::Map(_));
    match &event {
        Tree::Map(_) => Ok(Some(event)),
        Tree::Tagged(_, inner) if is_map(inner) => Ok(Some(event)),
        _ => Err(Stop::no_event(0, "a map begins with `{`")),
    }
}

/// The event in the bench's own form. A missing index or time becomes 0, and a key or error that is not a string
/// becomes its text. None if it is not an event.
pub(super) fn event_of(event: &Tree) -> Option<Event> {
    let mut fields: Value = serde_json::from_str(&json_line(event)).ok()?;
    for field in ["index", "time"] {
        if fields.get(field).and_then(Value::as_u64).is_none() {
            fields[field] = 0.into();
        }
    }
    if event.get("process").and_then(Tree::name).is_some_and(|name| name.trim_start_matches(':') == "nemesis") {
        fields["process"] = "nemesis".into();
    }
    for field in ["key", "error"] {
        let text = fields.get(field).filter(|value| !value.is_string() && !value.is_null()).map(Value::to_string);
        if let Some(text) = text {
            fields[field] = text.into();
        }
    }
    serde_json::from_value(fields).ok()
}
