//! The formats of checkers of isolation: sessions of transactions on registers, without times and without outcomes but
//! whether a transaction committed.
//!
//! ```text
//! plume   w(1,5,0,3)              Plume, PolySI and AWDIT: function, key, value, session, transaction (-1: it did not commit)
//! awdit   w 1 5 ⏎ ----- ⏎ =====   AWDIT's own: after `-----` comes the next transaction, after `=====` the next session
//! dbcop   [x:=5 y==2 z==?]! ⏎ --- DBCop: a list is a transaction, `!` if it did not commit; after `---` the next session
//!         [[{"events":[{"Write":{"variable":0,"version":5}}],"committed":true}]]     the same as JSON, also as the `data` of
//!         an object with what `dbcop generate` says of it
//! ```
//! Each is translated into events in JSON, completions alone, which are then read as any others: a session is a process. In all
//! of them 0 is what a register holds before anything is written: a read of 0 shows nil where nobody writes 0 to that register.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::io::{BufRead, Read};

use rustc_hash::FxHashMap;
use serde_json::Value;

use super::damage::{Damage, Problem, Stop};
use super::split::failed;
use crate::history::Torn;

/// The longest text that is translated, in bytes: it is held as a whole.
const TEXT_BYTES_MAX: u64 = 1 << 30;

/// Which of these formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notation {
    /// `w(key,value,session,transaction)`.
    Plume,
    /// `w key value`.
    Awdit,
    /// `[x:=1 y==2]`, or the same as JSON.
    Dbcop,
}

impl Notation {
    /// The name used at the command line.
    pub fn name(self) -> &'static str {
        match self {
            Notation::Plume => "plume",
            Notation::Awdit => "awdit",
            Notation::Dbcop => "dbcop",
        }
    }
}

/// A text as lines of JSON.
pub(super) struct Translated {
    /// An event a line.
    pub lines: Vec<u8>,
    /// Where the text was cut off.
    pub torn: Option<Torn>,
}

/// A read or a write of a register.
struct Micro {
    writes: bool,
    /// As JSON.
    key: String,
    /// None for nil.
    value: Option<u64>,
}

/// A transaction.
struct Transaction {
    session: u64,
    committed: bool,
    micros: Vec<Micro>,
}

/// The format of these that the text begins like.
pub(super) fn detect(start: &[u8]) -> Option<Notation> {
    let text = String::from_utf8_lossy(&start[..start.len().min(4096)]);
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with("//"))?;
    let json: String = text.chars().filter(|letter| !letter.is_whitespace()).take(12).collect();
    match () {
        () if plume_fields(first).is_some() => Some(Notation::Plume),
        () if awdit_line(first).is_some() => Some(Notation::Awdit),
        () if dbcop_event(first.trim_start_matches('[').split([' ', '\t', ']']).next()?).is_some() => {
            Some(Notation::Dbcop)
        }
        () if json.starts_with("[[{\"events\"") => Some(Notation::Dbcop),
        () if is_generated(&text) => Some(Notation::Dbcop),
        () => None,
    }
}

/// Translates a text of one of these formats.
///
/// # Errors
/// When it cannot be read, is too long, or is damaged before its end.
pub(super) fn translate(reader: &mut dyn BufRead, notation: Notation) -> Result<Translated, Damage> {
    let mut text = Vec::new();
    reader.take(TEXT_BYTES_MAX + 1).read_to_end(&mut text).map_err(|error| failed(1, Problem::Read(error)))?;
    if text.len() as u64 > TEXT_BYTES_MAX {
        return Err(failed(1, Problem::Syntax(format!("longer than {TEXT_BYTES_MAX} bytes"))));
    }
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&text);
    let mut sessions = Sessions::default();
    let torn = match notation {
        Notation::Dbcop if is_json(text) => sessions.dbcop_json(text)?,
        Notation::Plume => sessions.lines(text, Sessions::plume)?,
        Notation::Awdit => sessions.lines(text, Sessions::awdit)?,
        Notation::Dbcop => sessions.lines(text, Sessions::dbcop)?,
    };
    Ok(Translated { lines: sessions.as_events(), torn })
}

fn is_json(text: &[u8]) -> bool {
    let mut rest = text.iter().filter(|byte| !byte.is_ascii_whitespace());
    matches!((rest.next(), rest.next()), (Some(&b'['), Some(&b'[')) | (Some(&b'{'), _))
}

/// Whether it begins as what `dbcop generate` writes: an object with `params`, `info`, times, and `data`.
fn is_generated(text: &str) -> bool {
    let json: String = text.chars().filter(|letter| !letter.is_whitespace()).take(2048).collect();
    json.starts_with('{') && json.contains("\"data\":[[") && !json.contains("\"type\":")
        || ["{\"params\":", "{\"info\":"].iter().any(|begin| json.starts_with(begin))
}

/// The sessions of DBCop's JSON as the `data` of a generated history.
#[derive(serde::Deserialize)]
struct Generated {
    data: Vec<Vec<Value>>,
}

/// What is wrong on a line, and at which offset.
type OnLine = Result<(), Stop>;

/// The transactions of a text, in their order.
#[derive(Default)]
struct Sessions {
    transactions: Vec<Transaction>,
    /// Of the session and the number that a text gives a transaction: its place.
    by_number: FxHashMap<(u64, i64), usize>,
    /// The session, where a text does not name it.
    session: u64,
    /// Whether the next operation begins a transaction.
    begins: bool,
}

impl Sessions {
    fn lines(&mut self, text: &[u8], line: fn(&mut Self, &str, bool) -> OnLine) -> Result<Option<Torn>, Damage> {
        self.begins = true;
        for (bytes, number) in text.split_inclusive(|byte| *byte == b'\n').zip(1u64..) {
            let unfinished = bytes.last() != Some(&b'\n');
            let read = std::str::from_utf8(bytes).map_err(|error| Stop::syntax(error.valid_up_to(), "not UTF-8"));
            match read.and_then(|text| line(self, text.trim_end(), unfinished)) {
                Ok(()) => {}
                Err(stop) if unfinished => return Ok(Some(Torn { line: number, column: stop.at as u64 + 1 })),
                Err(stop) => return Err(Damage { line: number, column: stop.at as u64 + 1, problem: stop.problem }),
            }
        }
        Ok(None)
    }

    fn plume(&mut self, line: &str, _: bool) -> OnLine {
        if line.trim().is_empty() {
            return Ok(());
        }
        let (writes, [key, value, session], number) = plume_fields(line)
            .ok_or_else(|| Stop::syntax(0, "expected r(key,value,session,transaction), or w(...)"))?;
        let micro = Micro { writes, key: key.to_string(), value: Some(value) };
        if number == -1 {
            self.transactions.push(Transaction { session, committed: false, micros: vec![micro] });
            return Ok(());
        }
        let next = self.transactions.len();
        let at = *self.by_number.entry((session, number)).or_insert(next);
        if at == next {
            self.transactions.push(Transaction { session, committed: true, micros: Vec::new() });
        }
        self.transactions[at].micros.push(micro);
        Ok(())
    }

    fn awdit(&mut self, line: &str, unfinished: bool) -> OnLine {
        let read = awdit_line(line);
        if unfinished && matches!(read, Some(Awdit::Operation(_))) {
            // The digits of its value may go on.
            return Err(Stop::syntax(line.len(), "the text ends within a line"));
        }
        match read.ok_or_else(|| Stop::syntax(0, "expected `r key value`, `w key value`, `---` or `===`"))? {
            Awdit::Blank => {}
            Awdit::Transaction => self.begins = true,
            Awdit::Session => (self.begins, self.session) = (true, self.session + 1),
            Awdit::Operation(micro) => {
                if std::mem::take(&mut self.begins) {
                    let session = self.session;
                    self.transactions.push(Transaction { session, committed: true, micros: Vec::new() });
                }
                self.transactions.last_mut().expect("one has begun").micros.push(micro);
            }
        }
        Ok(())
    }

    fn dbcop(&mut self, line: &str, unfinished: bool) -> OnLine {
        let (text, indent) = (line.trim(), line.len() - line.trim_start().len());
        if text.is_empty() || text.starts_with("//") {
            return Ok(());
        }
        if unfinished {
            // A transaction that did not commit has a `!` at its end, which may be what is cut off.
            return Err(Stop::syntax(line.len(), "the text ends within a line"));
        }
        if text.bytes().all(|byte| byte == b'-') {
            self.session += 1;
            return Ok(());
        }
        let mut rest = text;
        while !rest.is_empty() {
            let at = indent + text.len() - rest.len();
            let inner =
                rest.strip_prefix('[').ok_or_else(|| Stop::syntax(at, "expected `[`, which begins a transaction"))?;
            let end = inner.find(']').ok_or_else(|| Stop::syntax(at, "this transaction has no `]` on its line"))?;
            let micros = inner[..end].split_ascii_whitespace().map(|event| {
                let at = indent + (event.as_ptr() as usize - text.as_ptr() as usize);
                dbcop_event(event).ok_or_else(|| Stop::syntax(at, "expected x:=1, x==1 or x==?"))
            });
            let micros = micros.collect::<Result<Vec<Micro>, Stop>>()?;
            let after = &inner[end + 1..];
            let committed = !after.starts_with('!');
            self.transactions.push(Transaction { session: self.session, committed, micros });
            rest = after.strip_prefix('!').unwrap_or(after).trim_start();
        }
        Ok(())
    }

    fn dbcop_json(&mut self, text: &[u8]) -> Result<Option<Torn>, Damage> {
        let sessions: Result<Vec<Vec<Value>>, _> = match text.trim_ascii_start().first() {
            Some(b'{') => serde_json::from_slice(text).map(|Generated { data }| data),
            _ => serde_json::from_slice(text),
        };
        let sessions = match sessions {
            Ok(sessions) => sessions,
            Err(error) => {
                let (line, column) = (error.line() as u64, error.column() as u64);
                if error.is_eof() {
                    return Ok(Some(Torn { line, column: column.max(1) }));
                }
                return Err(Damage { line, column: column.max(1), problem: Problem::Syntax(error.to_string()) });
            }
        };
        for (session, transactions) in (0u64..).zip(sessions) {
            for (at, transaction) in transactions.iter().enumerate() {
                let wrong = |what: &str| {
                    failed(1, Problem::NotAnEvent(format!("transaction {at} of session {session}: {what}")))
                };
                let events =
                    transaction.get("events").and_then(Value::as_array).ok_or_else(|| wrong("it has no `events`"))?;
                let micros = events.iter().map(dbcop_json_event).collect::<Option<Vec<Micro>>>();
                let micros = micros.ok_or_else(|| wrong("an event is no read and no write of a variable"))?;
                let committed = transaction.get("committed").and_then(Value::as_bool);
                let committed = committed.ok_or_else(|| wrong("it has no `committed`, true or false"))?;
                self.transactions.push(Transaction { session, committed, micros });
            }
        }
        Ok(None)
    }

    /// Lines of JSON, each the completion of a transaction.
    fn as_events(&self) -> Vec<u8> {
        let micros = || self.transactions.iter().flat_map(|transaction| &transaction.micros);
        let writes_0 = micros().filter(|micro| micro.writes && micro.value == Some(0)).map(|micro| &*micro.key);
        let writes_0: BTreeSet<&str> = writes_0.collect();
        let mut text = String::new();
        for Transaction { session, committed, micros } in &self.transactions {
            let kind = if *committed { "ok" } else { "fail" };
            put(&mut text, format_args!(r#"{{"process":{session},"type":"{kind}","f":"txn","value":["#));
            for (at, Micro { writes, key, value }) in micros.iter().enumerate() {
                let (comma, f) = (if at == 0 { "" } else { "," }, if *writes { "w" } else { "r" });
                match value.filter(|value| *writes || *value != 0 || writes_0.contains(&**key)) {
                    Some(value) => put(&mut text, format_args!(r#"{comma}["{f}",{key},{value}]"#)),
                    None => put(&mut text, format_args!(r#"{comma}["{f}",{key},null]"#)),
                }
            }
            text.push_str("]}\n");
        }
        text.into_bytes()
    }
}

/// Writing to a string cannot fail.
fn put(to: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = to.write_fmt(text);
}

/// `w(1,5,0,3)`: whether it writes; key, value and session; the transaction.
fn plume_fields(line: &str) -> Option<(bool, [u64; 3], i64)> {
    let line = line.trim();
    let writes = line.starts_with('w');
    let fields = line.strip_prefix(['r', 'w'])?.strip_prefix('(')?.strip_suffix(')')?;
    let mut fields = fields.split(',').map(str::trim);
    let mut number = || fields.next()?.parse::<u64>().ok();
    let named = [number()?, number()?, number()?];
    let transaction = fields.next()?.parse().ok()?;
    fields.next().is_none().then_some((writes, named, transaction))
}

/// A line of AWDIT's own format.
enum Awdit {
    Blank,
    Transaction,
    Session,
    Operation(Micro),
}

fn awdit_line(line: &str) -> Option<Awdit> {
    let line = line.trim();
    if line.is_empty() {
        return Some(Awdit::Blank);
    }
    if line.bytes().all(|byte| byte == b'-') {
        return Some(Awdit::Transaction);
    }
    if line.bytes().all(|byte| byte == b'=') {
        return Some(Awdit::Session);
    }
    let mut fields = line.split_ascii_whitespace();
    let writes = match fields.next()? {
        "w" => true,
        "r" => false,
        _ => return None,
    };
    let (key, value) = (fields.next()?.parse::<u64>().ok()?, fields.next()?.parse().ok()?);
    fields.next().is_none().then(|| Awdit::Operation(Micro { writes, key: key.to_string(), value: Some(value) }))
}

/// `x:=5`, `x==5` or `x==?`.
fn dbcop_event(event: &str) -> Option<Micro> {
    let (writes, (key, value)) = match event.split_once(":=") {
        Some(parts) => (true, parts),
        None => (false, event.split_once("==")?),
    };
    let is_name = !key.is_empty() && key.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
    let value = match value {
        "?" if !writes => None,
        digits => Some(digits.parse().ok()?),
    };
    is_name.then(|| Micro { writes, key: Value::from(key).to_string(), value })
}

/// `{"Write":{"variable":0,"version":5}}`, or `["w",0,5]`; null is a read of what nobody wrote.
fn dbcop_json_event(event: &Value) -> Option<Micro> {
    let (writes, key, value) = match event {
        Value::Array(parts) => match &parts[..] {
            [f, key, value] => match f.as_str()? {
                "w" => (true, key, value),
                "r" => (false, key, value),
                _ => return None,
            },
            _ => return None,
        },
        Value::Object(event) => {
            let (name, fields) = event.iter().next().filter(|_| event.len() == 1)?;
            let writes = match &**name {
                "Write" => true,
                "Read" => false,
                _ => return None,
            };
            (writes, fields.get("variable")?, fields.get("version")?)
        }
        _ => return None,
    };
    let value = if value.is_null() && !writes { None } else { Some(value.as_u64()?) };
    (key.is_string() || key.is_u64()).then(|| Micro { writes, key: key.to_string(), value })
}
