//! What nodes wrote into their logs that no client sees: panics and unhandled errors.
//!
//! A line is classified by its words alone, whichever logger wrote it: `panicked`, `panic`, `sigsegv` and the like are
//! a *panic*, `fatal` is a *fatal* error, `error` and `exception` are an *error*. A system may also write errors when
//! only the network fails (such as a connection that was reset); these are given as phrases, and lines that contain one
//! are ignored unless they are a panic. The caller passes the lines: this module reads no files. O(length of the
//! lines); at most `SHOWN_MAX` lines of a node and kind are kept, each cut at `TEXT_MAX` characters.
//!
//! Jepsen's `log-file-pattern` does the same with one pattern for each test.

use std::collections::BTreeMap;
use std::fmt;

/// How many lines of a node and kind are shown; further ones are only counted.
pub(crate) const SHOWN_MAX: usize = 3;

/// How many characters of a line are shown.
pub(crate) const TEXT_MAX: usize = 200;

/// How bad a line is, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The program or one of its threads crashed.
    Panic,
    /// The program reports that it cannot continue.
    Fatal,
    /// Something failed.
    Error,
}

impl Kind {
    /// The words in its lines, in lower case.
    fn words(self) -> &'static [&'static str] {
        match self {
            Kind::Panic => &["panicked", "panic", "panics", "sigsegv", "sigabrt", "segfault", "overflowed"],
            Kind::Fatal => &["fatal"],
            Kind::Error => &["error", "exception", "unhandled"],
        }
    }

    /// What a line reports, if anything.
    pub fn of(line: &str) -> Option<Kind> {
        let words = || line.split(|letter: char| !letter.is_ascii_alphanumeric());
        [Kind::Panic, Kind::Fatal, Kind::Error].into_iter().find(|kind| {
            let is_one = |word: &str| kind.words().iter().any(|known| word.eq_ignore_ascii_case(known));
            words().any(is_one)
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::Panic => "panicked",
            Kind::Fatal => "reported a fatal error",
            Kind::Error => "reported an error",
        })
    }
}

/// A line that should not be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number in the log, from 1.
    pub line: u64,
    /// Its text, cut.
    pub text: String,
}

/// The lines of one node of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// The first lines.
    pub shown: Vec<Entry>,
    /// How many there are.
    pub total: u64,
}

/// Examines the lines of logs, one after the other.
#[derive(Clone, Debug, Default)]
pub struct Logs<'p> {
    expected: &'p [&'p str],
    found: BTreeMap<(String, Kind), Entries>,
}

impl<'p> Logs<'p> {
    /// Ignores lines that contain one of these phrases, unless they report a panic.
    pub fn new(expected: &'p [&'p str]) -> Self {
        Self { expected, found: BTreeMap::new() }
    }

    /// Examines a line of a node's log; `line` is its number, from 1.
    pub fn line(&mut self, node: &str, line: u64, text: &str) {
        let Some(kind) = Kind::of(text) else { return };
        if kind != Kind::Panic && self.expected.iter().any(|phrase| text.contains(phrase)) {
            return;
        }
        let entries = self.found.entry((node.to_owned(), kind)).or_default();
        entries.total += 1;
        if entries.shown.len() < SHOWN_MAX {
            let text = text.trim().chars().take(TEXT_MAX).collect();
            entries.shown.push(Entry { line, text });
        }
    }

    /// The lines found, by node and kind.
    pub fn found(&self) -> &BTreeMap<(String, Kind), Entries> {
        &self.found
    }

    /// A sentence for each node and kind, which names the log by `path` and quotes its lines: a run in which a node
    /// wrote such lines is not simply valid, whatever its clients saw.
    pub fn doubts(&self, path: impl Fn(&str) -> String) -> Vec<String> {
        let doubt = |((node, kind), entries): (&(String, Kind), &Entries)| {
            debug_assert!(!entries.shown.is_empty(), "a node and kind is listed for its lines");
            let quoted: Vec<String> =
                entries.shown.iter().map(|entry| format!("line {}: \"{}\"", entry.line, entry.text)).collect();
            let more = match entries.total - entries.shown.len() as u64 {
                0 => String::new(),
                more => format!("; and {more} more"),
            };
            format!("{node} {kind}: {}, {}{more}", path(node), quoted.join(", "))
        };
        self.found.iter().map(doubt).collect()
    }
}
