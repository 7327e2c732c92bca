//! A history as lines of JSON: read, checked for shape, written.
//!
//! A bench that is killed leaves a last line cut in the middle. That is no error: the line is left out and its number is
//! told in [`Recording::torn`]. Anything else that is broken is an error that names the line, because a verdict on half a
//! history would be a verdict on nothing.

use std::io::{self, BufRead, Read, Write};

use rustc_hash::FxHashMap;

use super::event::{Event, EventType, Process};
use super::operations::{self, Operation};

/// The longest line that is read, in bytes: a read of some five million elements.
pub const LINE_BYTES_MAX: u64 = 64 << 20;

/// A recorded run: its events in the order of their indices.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    /// The events; the one at position i has index i.
    pub events: Vec<Event>,
    /// The number (from 1) of a last line that was cut off while it was written, and is left out.
    pub torn: Option<u64>,
}

/// Why a text is not a history.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The reader itself failed.
    #[error("line {line}: cannot be read: {source}")]
    Read {
        /// The line being read, from 1.
        line: u64,
        /// What the reader said.
        source: io::Error,
    },
    /// A line is longer than [`LINE_BYTES_MAX`].
    #[error("line {line}: longer than {LINE_BYTES_MAX} bytes; is this a history?")]
    LineTooLong {
        /// The line, from 1.
        line: u64,
    },
    /// A line is not the JSON of an event.
    #[error("line {line}, column {column}: not an event: {problem}")]
    NotAnEvent {
        /// The line, from 1.
        line: u64,
        /// The column at which it was noticed, from 1.
        column: usize,
        /// What is wrong.
        problem: String,
    },
    /// Lines are missing, doubled or out of order.
    #[error("line {line}: index {found}, but {expected} comes next: lines are missing, doubled or out of order")]
    Index {
        /// The line, from 1.
        line: u64,
        /// The index that should have come.
        expected: u64,
        /// The one that came.
        found: u64,
    },
    /// An `ok`, `fail` or `info` of a process that has no operation open.
    #[error("line {line}: process {process} completes `{f}` that it never invoked")]
    NotInvoked {
        /// The line, from 1.
        line: u64,
        /// The process.
        process: u64,
        /// The function that it claims to complete.
        f: String,
    },
    /// A completion is of another function than the invocation.
    #[error("line {line}: process {process} completes `{f}`, but what it invoked at line {invoked} is `{open}`")]
    OtherFunction {
        /// The line, from 1.
        line: u64,
        /// The process.
        process: u64,
        /// The function completed.
        f: String,
        /// The function that is open.
        open: String,
        /// The line of its invocation.
        invoked: u64,
    },
    /// A process invokes while its last operation is open.
    #[error("line {line}: process {process} invokes `{f}` while its operation of line {invoked} is open")]
    StillOpen {
        /// The line, from 1.
        line: u64,
        /// The process.
        process: u64,
        /// The function invoked.
        f: String,
        /// The line of the open invocation.
        invoked: u64,
    },
    /// A process goes on after an `info`.
    #[error("line {line}: process {process} invokes `{f}`, but it ended with the `info` of line {ended}")]
    Ended {
        /// The line, from 1.
        line: u64,
        /// The process.
        process: u64,
        /// The function invoked.
        f: String,
        /// The line of the `info`.
        ended: u64,
    },
}

impl Recording {
    /// Reads lines of JSON up to the end. Blank lines are skipped; a last line that was cut off is told in `torn`.
    pub fn read(mut reader: impl BufRead) -> Result<Self, HistoryError> {
        let mut history = Recording::default();
        let mut shape = Shape::default();
        let mut bytes = Vec::new();
        for line in 1.. {
            if !next_line(&mut reader, &mut bytes, line)? {
                break;
            }
            if bytes.trim_ascii().is_empty() {
                continue;
            }
            // Without its newline, so that an error at its end has a column of this line.
            match serde_json::from_slice::<Event>(bytes.trim_ascii_end()) {
                Ok(event) => {
                    shape.accept(line, &event)?;
                    history.events.push(event);
                }
                Err(error) if is_cut_off(&error, &bytes) && at_end(&mut reader, line)? => history.torn = Some(line),
                Err(error) => return Err(not_an_event(line, &error)),
            }
        }
        Ok(history)
    }

    /// Reads a history that is in memory; see [`Recording::read`].
    pub fn parse(text: &str) -> Result<Self, HistoryError> {
        Self::read(text.as_bytes())
    }

    /// Checks what [`Recording::read`] checks of the order of events, for a history that was not read. A line number is
    /// the event's position, from 1.
    pub fn validate(&self) -> Result<(), HistoryError> {
        let mut shape = Shape::default();
        (1..).zip(&self.events).try_for_each(|(line, event)| shape.accept(line, event))
    }

    /// Every operation of every client, in the order of invocation.
    pub fn operations(&self) -> Vec<Operation<'_>> {
        operations::pair(&self.events)
    }

    /// Writes every event, a line each.
    pub fn write(&self, mut to: impl Write) -> io::Result<()> {
        self.events.iter().try_for_each(|event| write_event(&mut to, event))
    }
}

/// One event as a line of JSON, with its newline.
pub fn write_line(event: &Event) -> String {
    let mut line =
        serde_json::to_string(event).expect("an event is strings, numbers and JSON values, which always serialise");
    line.push('\n');
    line
}

/// Writes one event as a line, in a single write, so that a kill between two events leaves whole lines.
pub fn write_event(to: &mut impl Write, event: &Event) -> io::Result<()> {
    to.write_all(write_line(event).as_bytes())
}

/// Reads the next line with its newline into `bytes`; false at the end.
fn next_line(reader: &mut impl BufRead, bytes: &mut Vec<u8>, line: u64) -> Result<bool, HistoryError> {
    bytes.clear();
    let mut bounded = reader.by_ref().take(LINE_BYTES_MAX + 1);
    let read = bounded.read_until(b'\n', bytes).map_err(|source| HistoryError::Read { line, source })?;
    if bytes.len() as u64 > LINE_BYTES_MAX {
        return Err(HistoryError::LineTooLong { line });
    }
    Ok(read > 0)
}

/// Whether the line can be the beginning of an event that was being written. Without its newline a cut may also have left
/// half a character, which is a syntax error.
fn is_cut_off(error: &serde_json::Error, bytes: &[u8]) -> bool {
    error.is_eof() || (error.is_syntax() && bytes.last() != Some(&b'\n'))
}

fn at_end(reader: &mut impl BufRead, line: u64) -> Result<bool, HistoryError> {
    Ok(reader.fill_buf().map_err(|source| HistoryError::Read { line: line + 1, source })?.is_empty())
}

fn not_an_event(line: u64, error: &serde_json::Error) -> HistoryError {
    let text = error.to_string();
    let problem = text.rfind(" at line ").map_or(text.as_str(), |end| &text[..end]).to_owned();
    HistoryError::NotAnEvent { line, column: error.column(), problem }
}

/// Where a client process stands.
enum Standing {
    Open {
        line: u64,
        f: String,
    },
    /// The text of its last function, whose room the next one takes.
    Idle {
        f: String,
    },
    Ended {
        line: u64,
    },
}

/// The shape of a history, checked event by event: indices without gaps, processes that do one thing at a time.
#[derive(Default)]
struct Shape {
    next: u64,
    clients: FxHashMap<u64, Standing>,
}

impl Shape {
    fn accept(&mut self, line: u64, event: &Event) -> Result<(), HistoryError> {
        if event.index != self.next {
            return Err(HistoryError::Index { line, expected: self.next, found: event.index });
        }
        self.next += 1;
        match (event.process, event.kind) {
            (Process::Nemesis, _) => Ok(()),
            (Process::Client(process), EventType::Invoke) => self.invoke(line, process, event),
            (Process::Client(process), _) => self.complete(line, process, event),
        }
    }

    fn invoke(&mut self, line: u64, process: u64, event: &Event) -> Result<(), HistoryError> {
        let f = || event.f.clone();
        match self.clients.get_mut(&process) {
            Some(Standing::Open { line: invoked, .. }) => {
                return Err(HistoryError::StillOpen { line, process, f: f(), invoked: *invoked });
            }
            Some(Standing::Ended { line: ended }) => {
                return Err(HistoryError::Ended { line, process, f: f(), ended: *ended });
            }
            Some(Standing::Idle { f: room }) => {
                let mut open = std::mem::take(room);
                open.clone_from(&event.f);
                self.clients.insert(process, Standing::Open { line, f: open });
            }
            None => drop(self.clients.insert(process, Standing::Open { line, f: f() })),
        }
        Ok(())
    }

    fn complete(&mut self, line: u64, process: u64, event: &Event) -> Result<(), HistoryError> {
        let f = || event.f.clone();
        let Some(standing) = self.clients.get_mut(&process) else {
            return Err(HistoryError::NotInvoked { line, process, f: f() });
        };
        match standing {
            Standing::Open { line: invoked, f: open } if *open != event.f => {
                let (open, invoked) = (open.clone(), *invoked);
                return Err(HistoryError::OtherFunction { line, process, f: f(), open, invoked });
            }
            Standing::Open { .. } if event.kind == EventType::Info => *standing = Standing::Ended { line },
            Standing::Open { f: open, .. } => *standing = Standing::Idle { f: std::mem::take(open) },
            Standing::Ended { .. } | Standing::Idle { .. } => {
                return Err(HistoryError::NotInvoked { line, process, f: f() });
            }
        }
        Ok(())
    }
}
