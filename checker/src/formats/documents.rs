//! The events of a JSON text that is not one of lines: a list of objects, an object that has such a list, or objects one
//! after the other, each over several lines.
//!
//! ```text
//! [{"type":"invoke",...},{...}]      {"history":[{...},{...}],"version":1}      {⏎  "type": "invoke",⏎ ...⏎}⏎{⏎ ...⏎}
//! ```
//! As with [`super::split::Maps`], one event at a time is held, brackets are only counted here, and a parser judges each event
//! later. A text that ends before its brackets are closed was cut off.

use std::io::Read;

use super::damage::{Damage, LINE_BYTES_MAX, Problem, Stop};
use super::edn::string_length;
use super::split::{Form, LISTS, OF_EVENTS, failed, too_long};
use crate::history::Torn;

/// Whether a text that begins like this is one of lines, an object each. A first line that ends within a string is a damaged
/// one, since no string has a line's end, and so is one that ends between the fields of an object before another object; one
/// that ends elsewhere is the first of an object's.
pub(super) fn is_of_lines(start: &[u8]) -> bool {
    let start = start.strip_prefix("\u{feff}".as_bytes()).unwrap_or(start).trim_ascii_start();
    let line = &start[..start.iter().position(|byte| *byte == b'\n').unwrap_or(start.len())];
    match start.first() {
        Some(b'[') => false,
        Some(b'{') if matches!(list_within(start), Within::List(_)) => false,
        Some(b'{') => match object_length(line) {
            Length::Whole(length) => line[length..].trim_ascii_start().first() != Some(&b'{'),
            Length::WithinString => true,
            Length::Open(depth) => {
                let next = start[line.len()..].trim_ascii_start().first();
                next.is_none() || (depth == 1 && next == Some(&b'{') && !line.trim_ascii_end().ends_with(b":"))
            }
        },
        _ => true,
    }
}

/// The objects of a text, one after the other.
pub(super) struct Documents<R> {
    reader: R,
    buffer: Vec<u8>,
    from: usize,
    line: u64,
    column: u64,
    place: Place,
    /// Whether a list of events has begun: then no event may stand outside one.
    listed: bool,
    begun: bool,
    ended: bool,
}

/// Where in the text the next byte is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Outside all brackets.
    Outside,
    /// In the list of events, which may be a field of an object.
    List { after: After, of_object: bool },
    /// In an object, after its list of events.
    Rest,
}

/// What came last in a list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    Bracket,
    Comma,
    Event,
}

impl<R: Read> Documents<R> {
    /// From the beginning.
    pub(super) fn new(reader: R) -> Self {
        let buffer = Vec::new();
        Self {
            reader,
            buffer,
            from: 0,
            line: 1,
            column: 1,
            place: Place::Outside,
            listed: false,
            begun: false,
            ended: false,
        }
    }

    /// Where the text ends, if brackets around the events are not closed there.
    pub(super) fn unclosed(&self) -> Option<Torn> {
        let cut = self.place != Place::Outside && self.ended && self.from == self.buffer.len();
        cut.then_some(Torn { line: self.line, column: self.column })
    }

    /// The next object.
    ///
    /// # Errors
    /// When it cannot be read or is too long, or something else comes next.
    pub(super) fn next_form(&mut self) -> Result<Option<Form<'_>>, Damage> {
        loop {
            self.skip_blanks()?;
            let Some(next) = self.buffer.get(self.from).copied() else { return Ok(None) };
            match (self.place, next) {
                (Place::Outside, b'[') => self.enter(1, false),
                (Place::Outside, b'{') => match self.list_within()? {
                    Some(length) => self.enter(length, true),
                    None if self.listed => return Err(self.unexpected(Place::Outside)),
                    None => break,
                },
                (Place::List { after: After::Bracket | After::Event, of_object }, b']') => {
                    self.pass(1);
                    self.place = if of_object { Place::Rest } else { Place::Outside };
                }
                (Place::List { after: After::Event, of_object }, b',') => {
                    self.pass(1);
                    self.place = Place::List { after: After::Comma, of_object };
                }
                (Place::List { after: After::Bracket | After::Comma, of_object }, b'{') => {
                    self.place = Place::List { after: After::Event, of_object };
                    break;
                }
                (Place::Rest, _) => self.pass_rest()?,
                (place, _) => return Err(self.unexpected(place)),
            }
        }
        let (length, last) = self.object()?;
        let (line, column, from) = (self.line, self.column, self.from);
        self.pass(length);
        Ok(Some(Form { bytes: &self.buffer[from..from + length], line, column, last }))
    }

    fn enter(&mut self, bytes: usize, of_object: bool) {
        self.pass(bytes);
        self.listed = true;
        self.place = Place::List { after: After::Bracket, of_object };
    }

    fn unexpected(&self, place: Place) -> Damage {
        let expected = match place {
            Place::Outside if self.listed => "the end, or another list of events",
            Place::Outside => "an event in `{}`, or a list of them",
            Place::List { after: After::Event, .. } => "`,` or `]`",
            Place::List { .. } | Place::Rest => "an event in `{}`",
        };
        let Stop { problem, .. } = Stop::unexpected(&self.buffer, self.from, expected);
        Damage { line: self.line, column: self.column, problem }
    }

    /// The length of what comes before the events of an object that has a list of them; none if it is an event itself.
    fn list_within(&mut self) -> Result<Option<usize>, Damage> {
        loop {
            match list_within(&self.buffer[self.from..]) {
                Within::List(length) => return Ok(Some(length)),
                Within::Open if !self.ended => self.fill()?,
                Within::Open | Within::Nothing => return Ok(None),
            }
        }
    }

    /// The length of the object that begins here, and whether the text ends within it.
    fn object(&mut self) -> Result<(usize, bool), Damage> {
        loop {
            match object_length(&self.buffer[self.from..]) {
                Length::Whole(length) => return Ok((length, false)),
                _ if self.ended => return Ok((self.buffer.len() - self.from, true)),
                _ => self.fill()?,
            }
        }
    }

    /// Passes over the other fields of the object whose list of events has ended, and over its end.
    fn pass_rest(&mut self) -> Result<(), Damage> {
        loop {
            // As if the object began here: its bracket was taken long ago.
            match rest_length(&self.buffer[self.from..]) {
                Length::Whole(length) => {
                    self.is_only_list(length)?;
                    self.pass(length);
                    self.place = Place::Outside;
                    return Ok(());
                }
                _ if self.ended => {
                    self.pass(self.buffer.len() - self.from);
                    return Ok(());
                }
                _ => self.fill()?,
            }
        }
    }

    /// Refuses another list of events among the other fields: nothing says which of them is the history.
    fn is_only_list(&self, length: usize) -> Result<(), Damage> {
        let rest = self.buffer[self.from..self.from + length].trim_ascii_start();
        let as_object = [b"{", rest.strip_prefix(b",").unwrap_or(rest)].concat();
        match list_within(&as_object) {
            Within::List(_) => {
                let problem = Problem::NotAnEvent("this object has a second list of events after this one".into());
                Err(Damage { line: self.line, column: self.column, problem })
            }
            Within::Open | Within::Nothing => Ok(()),
        }
    }

    fn skip_blanks(&mut self) -> Result<(), Damage> {
        if !std::mem::replace(&mut self.begun, true) {
            self.fill()?;
            self.from = if self.buffer.starts_with("\u{feff}".as_bytes()) { 3 } else { 0 };
        }
        loop {
            let rest = &self.buffer[self.from..];
            let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count();
            let found = blanks < rest.len();
            self.pass(blanks);
            if found || self.ended {
                return Ok(());
            }
            self.fill()?;
        }
    }

    fn pass(&mut self, bytes: usize) {
        let passed = &self.buffer[self.from..self.from + bytes];
        self.column = match passed.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => (passed.len() - end) as u64,
            None => self.column + bytes as u64,
        };
        self.line += passed.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.from += bytes;
    }

    /// Reads more, at least as much again as there is: then scanning from the beginning each time stays linear.
    fn fill(&mut self) -> Result<(), Damage> {
        if (self.buffer.len() - self.from) as u64 > LINE_BYTES_MAX {
            return Err(too_long(self.line));
        }
        self.buffer.drain(..self.from);
        self.from = 0;
        let wanted = (2 * self.buffer.len()).max(1 << 20) as u64;
        let read = self.reader.by_ref().take(wanted).read_to_end(&mut self.buffer);
        self.ended = (read.map_err(|error| failed(self.line, Problem::Read(error)))? as u64) < wanted;
        Ok(())
    }
}

/// How long an object is.
enum Length {
    Whole(usize),
    /// It does not end within the bytes at hand, which end in a string or elsewhere.
    WithinString,
    /// So many brackets are open.
    Open(u32),
}

fn object_length(bytes: &[u8]) -> Length {
    match rest_length(&bytes[1.min(bytes.len())..]) {
        Length::Whole(length) => Length::Whole(length + 1),
        other => other,
    }
}

/// The length up to the bracket that closes what is open before these bytes. Whether brackets match is not asked.
fn rest_length(bytes: &[u8]) -> Length {
    let (mut at, mut depth) = (0, 1u32);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                // A string without an end on its line is damaged, and what follows is no part of it.
                match string_length(&bytes[at..]) {
                    Some(length) if !bytes[at..at + length].contains(&b'\n') => at += length - 1,
                    _ => match bytes[at..].iter().position(|byte| *byte == b'\n') {
                        Some(line) => at += line,
                        None => return Length::WithinString,
                    },
                }
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 1 => return Length::Whole(at + 1),
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    Length::Open(depth)
}

/// Whether an object has a list of events.
enum Within {
    /// It has, and its events begin after so many bytes.
    List(usize),
    /// It has none.
    Nothing,
    /// That is not known from the bytes at hand.
    Open,
}

/// Looks at the fields of the object that begins here, one after the other, up to a list of objects or a field of an event.
fn list_within(bytes: &[u8]) -> Within {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',');
    let after_blanks = |from: usize| from + bytes[from..].iter().take_while(|byte| blank(byte)).count();
    let mut at = 1;
    loop {
        at = after_blanks(at);
        match bytes.get(at) {
            None => return Within::Open,
            Some(b'"') => {}
            Some(_) => return Within::Nothing,
        }
        let Some(length) = string_length(&bytes[at..]) else { return Within::Open };
        let name = &bytes[at + 1..at + length - 1];
        let colon = after_blanks(at + length);
        let value = after_blanks((colon + 1).min(bytes.len()));
        match (bytes.get(colon), bytes.get(value)) {
            (Some(b':'), Some(_)) => {}
            (None | Some(b':'), None) => return Within::Open,
            _ => return Within::Nothing,
        }
        if OF_EVENTS.iter().any(|field| field.as_bytes() == name) {
            return Within::Nothing;
        }
        if LISTS.iter().any(|field| field.as_bytes() == name) && bytes[value] == b'[' {
            let first = after_blanks(value + 1);
            match bytes.get(first) {
                None => return Within::Open,
                Some(b'{' | b']') => return Within::List(value + 1),
                Some(_) => return Within::Nothing,
            }
        }
        at = match value_length(&bytes[value..]) {
            Some(length) => value + length,
            None => return Within::Open,
        };
    }
}

/// The length of the value that begins here; none if it does not end within the bytes at hand.
fn value_length(bytes: &[u8]) -> Option<usize> {
    match bytes.first()? {
        b'"' => string_length(bytes),
        b'{' | b'[' => match object_length(bytes) {
            Length::Whole(length) => Some(length),
            Length::WithinString | Length::Open(_) => None,
        },
        // At least a byte is passed, whatever it is.
        _ => bytes.iter().skip(1).position(|byte| matches!(byte, b',' | b'}' | b']')).map(|end| end + 1),
    }
}
