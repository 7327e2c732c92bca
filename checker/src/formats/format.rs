//! The formats by name, and the detection of the format of a text.

use std::fmt;
use std::str::FromStr;

/// What precedes the operation in every such line of a log of Jepsen.
pub(super) const LOG_MARK: &str = "jepsen.util";

/// How a history is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// An event a line, each a JSON object.
    Json,
    /// Maps of EDN, by themselves or in one vector or list.
    Edn,
    /// A log of Jepsen, with a line `PROCESS :type :f value` for each event.
    Log,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 3] = [Format::Json, Format::Edn, Format::Log];

    /// The name used at the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Edn => "edn",
            Format::Log => "log",
        }
    }

    /// The format that the first bytes of a text look like; none if they look like no history. An empty text is a JSON
    /// history without events.
    pub fn detect(start: &[u8]) -> Option<Format> {
        let rest = start.strip_prefix("\u{feff}".as_bytes()).unwrap_or(start).trim_ascii_start();
        let next = |from: usize| rest[from..].trim_ascii_start().first();
        match rest.first() {
            None => Some(Format::Json),
            Some(b'{') if matches!(next(1), Some(b'"' | b'}') | None) => Some(Format::Json),
            Some(b'{' | b'[' | b'(' | b'#' | b';') => Some(Format::Edn),
            Some(_) if rest.windows(LOG_MARK.len()).any(|window| window == LOG_MARK.as_bytes()) => Some(Format::Log),
            Some(_) => None,
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
        known.ok_or_else(|| "known formats are json, edn, log".to_owned())
    }
}
