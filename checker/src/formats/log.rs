//! The operations in a log of Jepsen, and in its `history.txt`: process, type, function and value on a line.
//!
//! ```text
//! INFO  jepsen.util - 0  :invoke  :read  nil
//! INFO [2018-04-27 23:45:06,754] jepsen worker 0 - jepsen.util 0  :invoke  :read  nil
//! 2023-05-02 10:15:01,120{GMT}  INFO  [jepsen worker 3] jepsen.util: 3  :invoke  :read  nil
//! 0  :invoke  :read  nil
//! ```
//! Jepsen logs each event after whatever prefix the logger is configured to write. So the prefix means nothing: an operation
//! is a process, one of the four types and a function, with white space between them, wherever they are on the line; after
//! them come the value and, if there is one, the error. Lines without are skipped. Such a history has neither times nor keys.

use super::damage::Stop;
use super::edn::{Parser, is_keyword};
use super::tree::{Plain, Tree};

/// An event of a log: process, type and function as written, and where the value begins.
pub(crate) struct Line<'a> {
    /// `0`, or `:nemesis`.
    pub process: &'a str,
    /// `invoke`, `ok`, `fail` or `info`.
    pub kind: &'a str,
    /// The function, without its colon.
    pub f: &'a str,
    /// The offset at which the value begins.
    pub value_at: usize,
}

impl Line<'_> {
    /// The process. Clojure prints numbers of the base ten: `022` is 22, and not octal, as in EDN.
    pub(super) fn process(&self) -> Tree {
        let name = self.process.trim_start_matches(':');
        self.process.parse().map_or_else(|_| keyword(name), Tree::Int)
    }
}

/// What names the logger of operations, where it is named.
const LOG_MARK: &str = "jepsen.util";

/// The types, as they are logged.
const KINDS: [&str; 4] = [":invoke", ":ok", ":fail", ":info"];

/// The operation on a line; none if the line is something else. The last line of a text, `unfinished` if no end of a line
/// follows it, may have been cut off: it is whole only if its value shows where it ends.
///
/// # Errors
/// When the line begins like an operation, but is not one, and when it may have been cut off.
pub(crate) fn line(bytes: &[u8], unfinished: bool) -> Result<Option<Line<'_>>, Stop> {
    let cut_off = || Stop::syntax(bytes.len(), "the text ends within a line of a log");
    let Some((process, kind, after)) = operation(bytes) else {
        return if unfinished { Err(cut_off()) } else { Ok(None) };
    };
    let mut parser = Parser::new(&bytes[after..]);
    let shifted = |stop: Stop| Stop { at: stop.at + after, ..stop };
    let f = parser.plain().map_err(shifted)?;
    let no_function = || Stop::no_event(after + parser.at(), "a function follows the type, as in `:read`");
    let Some(f) = f.and_then(|f| f.strip_prefix(':')).filter(|f| is_keyword(f)) else {
        return match () {
            () if unfinished => Err(cut_off()),
            () if is_marked(bytes) => Err(no_function()),
            () => Ok(None),
        };
    };
    let value_at = after + parser.at();
    if unfinished && !shows_its_end(&bytes[value_at..]) {
        return Err(cut_off());
    }
    Ok(Some(Line { process, kind: &kind[1..], f, value_at }))
}

/// Whether some line of the beginning of a text is an operation, or is of Jepsen.
pub(super) fn is_log(start: &[u8]) -> bool {
    let is_of_jepsen = |line: &[u8]| line.windows(7).any(|window| window == b"jepsen.") || operation(line).is_some();
    start.split(|byte| *byte == b'\n').any(is_of_jepsen)
}

fn is_marked(bytes: &[u8]) -> bool {
    bytes.windows(LOG_MARK.len()).any(|window| window == LOG_MARK.as_bytes())
}

/// The process, the type, and the offset behind it.
fn operation(bytes: &[u8]) -> Option<(&str, &'static str, usize)> {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let mut from = 0;
    loop {
        let at = from + bytes[from..].iter().position(|byte| *byte == b':')?;
        from = at + 1;
        let Some(kind) = KINDS.into_iter().find(|kind| bytes[at..].starts_with(kind.as_bytes())) else { continue };
        let after = at + kind.len();
        let before = bytes[..at].trim_ascii_end();
        if before.len() == at || !bytes.get(after).is_none_or(is_blank) {
            continue;
        }
        let start = before.iter().rposition(is_blank).map_or(0, |blank| blank + 1);
        let Ok(process) = std::str::from_utf8(&before[start..]) else { continue };
        let is_number = !process.is_empty() && process.bytes().all(|byte| byte.is_ascii_digit());
        // `:type :invoke` is in a map that was logged, and no operation of a process `:type`.
        let is_name = || process != ":type" && process.strip_prefix(':').is_some_and(is_keyword);
        if is_number || process == ":nemesis" || (is_name() && is_marked(bytes)) {
            return Some((process, kind, after));
        }
    }
}

/// Whether a value at the end of a text is there as a whole: a number may go on, but not a bracket that was closed.
fn shows_its_end(rest: &[u8]) -> bool {
    let mut parser = Parser::new(rest);
    let value = parser.value(&mut super::sink::Nothing, &mut Vec::new());
    let whole = rest.trim_ascii();
    let closed =
        matches!(whole.last(), Some(b'"' | b']' | b')' | b'}')) || [&b"nil"[..], b"true", b"false"].contains(&whole);
    value.is_ok() && (closed || !parser.is_at_end())
}

/// The event as a map with the fields that a log has, to be written in another format.
///
/// # Errors
/// As [`line()`].
pub(crate) fn event(bytes: &[u8], index: i64, unfinished: bool) -> Result<Option<Tree>, Stop> {
    let Some(line) = line(bytes, unfinished)? else { return Ok(None) };
    let mut parser = Parser::new(&bytes[line.value_at..]);
    let shifted = |stop: Stop| Stop { at: stop.at + line.value_at, ..stop };
    let value = match parser.peek().map_err(shifted)? {
        Some(_) => parser.value(&mut Plain, &mut Vec::new()).map_err(shifted)?,
        None => Tree::Nil,
    };
    let mut fields = vec![
        (keyword("index"), Tree::Int(index)),
        (keyword("process"), line.process()),
        (keyword("type"), keyword(line.kind)),
        (keyword("f"), keyword(line.f)),
        (keyword("value"), value),
    ];
    let error = bytes[line.value_at + parser.at()..].trim_ascii();
    if !error.is_empty() {
        fields.push((keyword("error"), text_of(error)));
    }
    Ok(Some(Tree::Map(fields)))
}

/// An error as it was logged: a value of EDN, or the text of an exception.
fn text_of(error: &[u8]) -> Tree {
    let text = String::from_utf8_lossy(error);
    super::tree::parse_edn(&text).unwrap_or_else(|| Tree::Text(text.into_owned()))
}

fn keyword(name: &str) -> Tree {
    Tree::Keyword(name.to_owned())
}
