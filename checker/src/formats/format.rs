//! The formats by name, and the detection of the format of a text.

use std::fmt;
use std::str::FromStr;

use super::{log, transactions};

pub use super::transactions::Notation;

/// How a history is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON: an object an event, on a line each or in a list.
    Json,
    /// Maps of EDN, by themselves or in one vector or list.
    Edn,
    /// A log of Jepsen, with a line `PROCESS :type :f value` for each event.
    Log,
    /// Transactions in a format of a checker of isolation.
    Transactions(Notation),
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 6] = [
        Format::Json,
        Format::Edn,
        Format::Log,
        Format::Transactions(Notation::Plume),
        Format::Transactions(Notation::Awdit),
        Format::Transactions(Notation::Dbcop),
    ];

    /// The name used at the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Edn => "edn",
            Format::Log => "log",
            Format::Transactions(notation) => notation.name(),
        }
    }

    /// The format that the first bytes of a text look like; none if they look like no history. An empty text is a JSON
    /// history without events.
    pub fn detect(start: &[u8]) -> Option<Format> {
        let rest = start.strip_prefix("\u{feff}".as_bytes()).unwrap_or(start).trim_ascii_start();
        let next = |from: usize| rest[from..].trim_ascii_start().first();
        if let Some(notation) = transactions::detect(rest) {
            return Some(Format::Transactions(notation));
        }
        let is_json = |at: usize| matches!(next(at), Some(b'"' | b'}') | None);
        let after = |byte: u8| rest.iter().position(|found| *found == byte).map_or(0, |at| at + 1);
        match (rest.first(), next(1.min(rest.len()))) {
            (None, _) => Some(Format::Json),
            (Some(b'{'), _) if is_json(1) => Some(Format::Json),
            (Some(b'['), Some(b'{')) if is_json(after(b'{')) => Some(Format::Json),
            (Some(b'['), Some(b'{')) => Some(Format::Edn),
            (Some(b'['), Some(b']') | None) => Some(Format::Json),
            (Some(b'['), Some(letter)) if letter.is_ascii_alphanumeric() && log::is_log(rest) => Some(Format::Log),
            (Some(b'{' | b'[' | b'(' | b'#' | b';' | b'^'), _) | (Some(b'\''), Some(b'(' | b'[')) => Some(Format::Edn),
            (Some(_), _) => log::is_log(rest).then_some(Format::Log),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Format {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Format::ALL.into_iter().find(|format| format.name() == text);
        known.ok_or_else(|| "known formats are json, edn, log, plume, awdit, dbcop".to_owned())
    }
}
