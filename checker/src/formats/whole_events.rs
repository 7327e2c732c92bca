//! The events of a text one by one, with all their fields: for conversions, for the linter, and for events of the
//! nemesis.

use std::io::{BufRead, Cursor, Read};

use serde_json::Value;

use super::damage::{Damage, Problem, Stop};
use super::documents::{Documents, is_of_lines};
use super::format::Format;
use super::json_form::event_from_json;
use super::json_form::json_line;
use super::split::{Form, Lines, Maps, failed};
use super::tree::{Plain, Tree};
use super::{edn, json, log, transactions};
use crate::history::{Event, Torn};

/// An event and the line on which it begins.
pub struct Located {
    /// The line, from 1.
    pub line: u64,
    /// A map, with keywords as EDN has them.
    pub event: Tree,
}

/// Reads one event after another.
pub struct Events<'r> {
    forms: Forms<'r>,
    count: i64,
    /// Where the text was cut off; a last event that is not whole is left out.
    pub torn: Option<Torn>,
}

type Text<'r> = Box<dyn BufRead + 'r>;

enum Forms<'r> {
    Lines(Lines<Text<'r>>),
    Documents(Documents<Text<'r>>),
    Edn(Maps<Text<'r>>),
    Log(Lines<Text<'r>>),
    /// It could not be translated.
    Damaged(Option<Damage>),
}

impl<'r> Events<'r> {
    /// From the beginning of a text.
    pub fn new(reader: &'r mut dyn BufRead, format: Format) -> Self {
        let mut torn = None;
        let forms = match format {
            Format::Json => match peeked(reader) {
                Ok((true, reader)) => Forms::Lines(Lines::new(reader)),
                Ok((false, reader)) => Forms::Documents(Documents::new(reader)),
                Err(damage) => Forms::Damaged(Some(damage)),
            },
            Format::Edn => Forms::Edn(Maps::new(Box::new(reader))),
            Format::Log => Forms::Log(Lines::new(Box::new(reader))),
            Format::Transactions(notation) => match transactions::translate(reader, notation) {
                Ok(translated) => {
                    torn = translated.torn;
                    Forms::Lines(Lines::new(Box::new(Cursor::new(translated.lines))))
                }
                Err(damage) => Forms::Damaged(Some(damage)),
            },
        };
        Self { forms, count: 0, torn }
    }

    /// The next event; none at the end, and at a last event that was cut off.
    ///
    /// # Errors
    /// When the text is damaged; nothing more can be read after that.
    pub fn next_event(&mut self) -> Result<Option<Located>, Damage> {
        loop {
            let (form, parse) = self.forms.next_form()?;
            let Some(form) = form else {
                self.torn = self.torn.or(self.forms.unclosed());
                return Ok(None);
            };
            match parse(&form, self.count) {
                Ok(Some(event)) => {
                    self.count += 1;
                    return Ok(Some(Located { line: form.line, event }));
                }
                Ok(None) => {}
                Err(stop) if form.last && matches!(stop.problem, Problem::Syntax(_)) => {
                    self.torn = Some(form.torn(stop));
                    return Ok(None);
                }
                Err(stop) => return Err(form.damage(stop)),
            }
        }
    }
}

/// Parses a form: the event with this position, or something else.
type Parse = fn(&Form<'_>, i64) -> Result<Option<Tree>, Stop>;

impl Forms<'_> {
    fn next_form(&mut self) -> Result<(Option<Form<'_>>, Parse), Damage> {
        let json: Parse = |form, _| parse_json(form.bytes).map(Some);
        let edn: Parse = |form, _| parse_edn(form.bytes);
        let log: Parse = |form, count| log::event(form.bytes, count, form.last);
        match self {
            Forms::Lines(lines) => Ok((lines.next_form()?, json)),
            Forms::Documents(documents) => Ok((documents.next_form()?, json)),
            Forms::Edn(maps) => Ok((maps.next_form()?, edn)),
            Forms::Log(lines) => Ok((lines.next_form()?, log)),
            Forms::Damaged(damage) => damage.take().map_or(Ok((None, json)), Err),
        }
    }

    /// Where the text ends, if brackets around the events are not closed there.
    fn unclosed(&self) -> Option<Torn> {
        match self {
            Forms::Documents(documents) => documents.unclosed(),
            Forms::Edn(maps) => maps.unclosed(),
            Forms::Lines(_) | Forms::Log(_) | Forms::Damaged(_) => None,
        }
    }
}

/// How much of a text is looked at to find out whether it is one of lines.
const HEAD_BYTES: u64 = 64 << 10;

/// Whether a text of JSON is one of lines, and a reader of it.
pub(super) fn peeked(reader: &mut dyn BufRead) -> Result<(bool, Text<'_>), Damage> {
    let mut head = Vec::new();
    let read = (&mut *reader).take(HEAD_BYTES).read_to_end(&mut head);
    read.map_err(|error| failed(1, Problem::Read(error)))?;
    Ok((is_of_lines(&head), Box::new(Cursor::new(head).chain(reader))))
}

pub(super) fn parse_json(bytes: &[u8]) -> Result<Tree, Stop> {
    let mut parser = json::Parser::new(bytes);
    if parser.peek() != Some(b'{') {
        return Err(parser.unexpected("`{`"));
    }
    let event = parser.event(&mut Plain)?;
    parser.end()?;
    Ok(event_from_json(&event))
}

pub(super) fn parse_edn(bytes: &[u8]) -> Result<Option<Tree>, Stop> {
    let mut parser = edn::Parser::new(bytes);
    if parser.peek()?.is_none() {
        return Ok(None);
    }
    let event = parser.event(&mut Plain)?;
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
