//! From bytes to forms: the lines of a text, or the maps of an EDN text, which may begin and end anywhere in a line.
//!
//! A form is its bytes and the place of the first one, so that a parser's offset can be converted to a line and a
//! column. Only one form is held at a time, and its length is bounded.

use std::io::{BufRead, Read};

use super::damage::{Damage, LINE_BYTES_MAX, Problem, Stop};
use super::edn::{is_blank, is_delimiter, object_length, string_length};
use crate::history::Torn;

/// The fields under which exports keep the list of events.
pub(super) const LISTS: [&str; 4] = ["history", "events", "ops", "operations"];
/// The fields of an event: an object that has one is no export.
pub(super) const OF_EVENTS: [&str; 4] = ["type", "f", "process", "value"];

/// One form of a text.
pub(super) struct Form<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// The line of its first byte, from 1.
    pub line: u64,
    /// The column of its first byte, from 1.
    pub column: u64,
    /// Whether it ends where the text ends, without a newline or a closing bracket: then it may have been cut off.
    pub last: bool,
}

impl Form<'_> {
    /// Where the text ends within this form.
    pub(super) fn torn(&self, stop: Stop) -> Torn {
        let Damage { line, column, .. } = self.damage(stop);
        Torn { line, column }
    }

    /// The place in the text where a parser stopped.
    pub(super) fn damage(&self, stop: Stop) -> Damage {
        let before = &self.bytes[..stop.at.min(self.bytes.len())];
        let lines = before.iter().filter(|byte| **byte == b'\n').count() as u64;
        let column = match before.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => (before.len() - end) as u64,
            None => self.column + before.len() as u64,
        };
        debug_assert!(self.line > 0 && column > 0, "lines and columns are counted from 1");
        Damage { line: self.line + lines, column, problem: stop.problem }
    }
}

/// A problem of a line as a whole.
pub(super) fn failed(line: u64, problem: impl Into<Problem>) -> Damage {
    Damage { line, column: 1, problem: problem.into() }
}

/// A form that is longer than any event.
pub(super) fn too_long(line: u64) -> Damage {
    failed(line, Problem::Syntax(format!("longer than {LINE_BYTES_MAX} bytes; is this a history?")))
}

/// The lines of a text.
pub(super) struct Lines<R> {
    reader: R,
    bytes: Vec<u8>,
    line: u64,
}

impl<R: BufRead> Lines<R> {
    /// From the beginning.
    pub(super) fn new(reader: R) -> Self {
        Self { reader, bytes: Vec::new(), line: 0 }
    }

    /// The next line that is not blank, without white space at its end.
    ///
    /// # Errors
    /// When it cannot be read or is too long.
    pub(super) fn next_form(&mut self) -> Result<Option<Form<'_>>, Damage> {
        loop {
            self.bytes.clear();
            self.line += 1;
            let mut bounded = self.reader.by_ref().take(LINE_BYTES_MAX + 1);
            let read = bounded.read_until(b'\n', &mut self.bytes).map_err(|error| failed(self.line, error))?;
            if self.bytes.len() as u64 > LINE_BYTES_MAX {
                return Err(too_long(self.line));
            }
            if read == 0 {
                return Ok(None);
            }
            if self.line == 1 && self.bytes.starts_with("\u{feff}".as_bytes()) {
                self.bytes.drain(..3);
            }
            if !self.bytes.trim_ascii().is_empty() {
                break;
            }
        }
        let last = self.bytes.last() != Some(&b'\n');
        Ok(Some(Form { bytes: self.bytes.trim_ascii_end(), line: self.line, column: 1, last }))
    }
}

/// The forms of an EDN text. One vector or list around all of them is removed, and so is a map that has it as its history,
/// such as a printed test of Jepsen: `{:name "x" :history [{...} {...}]}`.
pub(super) struct Maps<R> {
    reader: R,
    buffer: Vec<u8>,
    from: usize,
    line: u64,
    column: u64,
    /// The brackets that close what is around the forms, the innermost last.
    wrapped: Vec<u8>,
    begun: bool,
    ended: bool,
}

/// The result of a scan of the buffer.
enum Found {
    /// A form of so many bytes.
    Form(usize),
    /// The form does not end within the bytes at hand.
    Incomplete,
}

impl<R: Read> Maps<R> {
    /// From the beginning.
    pub(super) fn new(reader: R) -> Self {
        let buffer = Vec::new();
        Self { reader, buffer, from: 0, line: 1, column: 1, wrapped: Vec::new(), begun: false, ended: false }
    }

    /// Where the text ends, if what is around all forms is not closed there.
    pub(super) fn unclosed(&self) -> Option<Torn> {
        let at_end = self.ended && self.from == self.buffer.len();
        (at_end && !self.wrapped.is_empty()).then_some(Torn { line: self.line, column: self.column })
    }

    /// The next form.
    ///
    /// # Errors
    /// When it cannot be read or is too long, or brackets do not match.
    pub(super) fn next_form(&mut self) -> Result<Option<Form<'_>>, Damage> {
        if !self.begun {
            self.begin()?;
        }
        loop {
            self.skip_blanks()?;
            match self.buffer.get(self.from) {
                None => return Ok(None),
                Some(byte) if Some(byte) == self.wrapped.last() => {
                    self.wrapped.pop();
                    self.pass(1);
                }
                Some(_) if self.wrapped == [b'}'] => self.pass_field()?,
                Some(byte @ (b']' | b')' | b'}')) => {
                    let problem = format!("`{}` closes nothing", char::from(*byte));
                    return Err(Damage { line: self.line, column: self.column, problem: Problem::Syntax(problem) });
                }
                Some(_) => break,
            }
        }
        let (length, last) = self.form()?;
        let (line, column, from) = (self.line, self.column, self.from);
        self.pass(length);
        Ok(Some(Form { bytes: &self.buffer[from..from + length], line, column, last }))
    }

    fn begin(&mut self) -> Result<(), Damage> {
        self.begun = true;
        self.fill()?;
        if self.buffer.starts_with("\u{feff}".as_bytes()) {
            self.from = 3;
        }
        self.skip_blanks()?;
        loop {
            match around(&self.buffer[self.from..]) {
                Around::Events(length, wrapped) => {
                    self.pass(length);
                    self.wrapped = wrapped;
                    return Ok(());
                }
                Around::Nothing => return Ok(()),
                Around::Open if self.ended => return Ok(()),
                Around::Open if (self.buffer.len() - self.from) as u64 > LINE_BYTES_MAX => {
                    return Err(too_long(self.line));
                }
                Around::Open => self.fill()?,
            }
        }
    }

    /// Passes over a key or a value of the map that has the history, after the history.
    fn pass_field(&mut self) -> Result<(), Damage> {
        let (length, _) = self.form()?;
        if is_history(token(&self.buffer[self.from..self.from + length])) {
            let problem = Problem::NotAnEvent("this map has a second list of events after the first".into());
            return Err(Damage { line: self.line, column: self.column, problem });
        }
        self.pass(length);
        Ok(())
    }

    /// The length of the form that begins here, and whether the text ends with it.
    fn form(&mut self) -> Result<(usize, bool), Damage> {
        loop {
            match scan(&self.buffer[self.from..]) {
                Found::Form(length) => return Ok((length, false)),
                Found::Incomplete if self.ended => return Ok((self.buffer.len() - self.from, true)),
                Found::Incomplete if (self.buffer.len() - self.from) as u64 > LINE_BYTES_MAX => {
                    return Err(too_long(self.line));
                }
                Found::Incomplete => self.fill()?,
            }
        }
    }

    /// Skips white space and comments.
    fn skip_blanks(&mut self) -> Result<(), Damage> {
        loop {
            let rest = &self.buffer[self.from..];
            let blanks = rest.iter().take_while(|byte| is_blank(**byte)).count();
            let comment = rest.get(blanks) == Some(&b';');
            let length = if comment { rest[blanks..].iter().position(|byte| *byte == b'\n') } else { None };
            match (comment, length) {
                (true, Some(length)) => self.pass(blanks + length),
                (true, None) if self.ended => self.pass(rest.len()),
                (false, _) if blanks < rest.len() || self.ended => {
                    self.pass(blanks);
                    return Ok(());
                }
                _ => self.fill()?,
            }
        }
    }

    fn pass(&mut self, bytes: usize) {
        let passed = &self.buffer[self.from..self.from + bytes];
        let lines = passed.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.column = match passed.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => (passed.len() - end) as u64,
            None => self.column + bytes as u64,
        };
        self.line += lines;
        self.from += bytes;
    }

    /// Reads more: twice as much as there is, but no less than a mebibyte. Since a form is scanned from its beginning
    /// each time, doubling keeps the total work linear.
    fn fill(&mut self) -> Result<(), Damage> {
        self.buffer.drain(..self.from);
        self.from = 0;
        let wanted = (2 * self.buffer.len()).max(1 << 20) as u64;
        let read = self.reader.by_ref().take(wanted).read_to_end(&mut self.buffer);
        self.ended = (read.map_err(|error| failed(self.line, error))? as u64) < wanted;
        Ok(())
    }
}

/// What is around the events of a text.
enum Around {
    /// So many bytes come before the first event, and these brackets after the last one, the innermost last.
    Events(usize, Vec<u8>),
    /// Nothing: the first form is an event.
    Nothing,
    /// That is not known from the bytes at hand.
    Open,
}

/// The last token of a form: of a keyword, it without the comments and discarded forms before it.
fn token(form: &[u8]) -> &[u8] {
    &form[form.iter().rposition(|byte| is_delimiter(*byte)).map_or(0, |at| at + 1)..]
}

/// Whether a key of a map is one under which a list of events is kept.
fn is_history(key: &[u8]) -> bool {
    key.strip_prefix(b":").is_some_and(|name| LISTS.iter().any(|list| list.as_bytes() == name))
}

/// Looks at the first form, which may be quoted, and if it is a map at its fields, up to a list of events or a field of an event.
fn around(bytes: &[u8]) -> Around {
    let quoted = usize::from(bytes.first() == Some(&b'\''));
    match bytes.get(quoted) {
        Some(b'[') => return Around::Events(quoted + 1, vec![b']']),
        Some(b'(') => return Around::Events(quoted + 1, vec![b')']),
        Some(b'{') if quoted == 0 => {}
        _ => return Around::Nothing,
    }
    let mut at = 1;
    loop {
        let Found::Form(length) = scan(&bytes[at..]) else { return Around::Open };
        let key = token(&bytes[at..at + length]);
        at += length;
        let is_of_event = |name: &[u8]| OF_EVENTS.iter().any(|field| field.as_bytes() == name);
        if key.strip_prefix(b":").is_none_or(is_of_event) {
            return Around::Nothing;
        }
        // The history itself need not end within the bytes at hand.
        if is_history(key) {
            return of_map(bytes, at);
        }
        let Found::Form(length) = scan(&bytes[at..]) else { return Around::Open };
        at += length;
    }
}

/// What is around the events of a map whose value under the key of the history begins here.
fn of_map(bytes: &[u8], at: usize) -> Around {
    let blanks = bytes[at..].iter().take_while(|byte| is_blank(**byte)).count();
    let value = &bytes[at + blanks..];
    match around(value) {
        Around::Events(length, list) if list.len() == 1 => {
            Around::Events(at + blanks + length, [b"}", &list[..]].concat())
        }
        Around::Open => Around::Open,
        _ if value.is_empty() => Around::Open,
        _ => Around::Nothing,
    }
}

/// Finds the end of the first form. Brackets are only counted; a parser checks later whether they match. A tag is part
/// of the form that follows it, and a discarded form (`#_ x`) is part of the form after it.
fn scan(bytes: &[u8]) -> Found {
    // `missing`: how many complete forms at depth 0 are still needed; each `#_` there needs one more.
    let (mut at, mut depth, mut missing) = (0, 0u32, 1u32);
    while at < bytes.len() {
        let byte = bytes[at];
        let mut whole = true;
        match byte {
            b'"' => match string_length(&bytes[at..]) {
                Some(length) => at += length,
                None => return Found::Incomplete,
            },
            b';' => {
                at += bytes[at..].iter().take_while(|byte| **byte != b'\n').count();
                whole = false;
            }
            b'{' | b'[' | b'(' => {
                (at, depth, whole) = (at + 1, depth + 1, false);
            }
            b'}' | b']' | b')' if depth == 0 => return Found::Form(at),
            b'}' | b']' | b')' => (at, depth) = (at + 1, depth - 1),
            b'\\' => {
                at += 2;
                at += bytes.get(at..).unwrap_or(&[]).iter().take_while(|byte| !is_delimiter(**byte)).count();
            }
            b'#' if matches!(bytes.get(at + 1), Some(b'_' | b'^')) => {
                missing += u32::from(depth == 0);
                (at, whole) = (at + 2, false);
            }
            b'#' if bytes.get(at + 1) == Some(&b'{') => (at, whole) = (at + 1, false),
            b'#' if bytes.get(at + 1) == Some(&b'<') => match object_length(&bytes[at + 1..]) {
                Some(length) => at += 1 + length,
                None => return Found::Incomplete,
            },
            // Metadata is a form of its own, and another one follows.
            b'^' => {
                missing += u32::from(depth == 0);
                (at, whole) = (at + 1, false);
            }
            _ if is_blank(byte) => (at, whole) = (at + 1, false),
            _ => {
                whole = byte != b'#' || bytes.get(at + 1) == Some(&b'#');
                at += bytes[at..].iter().take_while(|byte| !is_delimiter(**byte)).count().max(1);
                // A token that no delimiter ends may go on in the bytes not read yet.
                if at == bytes.len() {
                    return Found::Incomplete;
                }
            }
        }
        debug_assert!(missing > 0, "the scan goes on while forms are missing");
        missing -= u32::from(whole && depth == 0);
        if missing == 0 {
            return Found::Form(at.min(bytes.len()));
        }
    }
    Found::Incomplete
}
