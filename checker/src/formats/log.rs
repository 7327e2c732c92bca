//! The operations in a log of Jepsen: `INFO  jepsen.util - 0  :invoke  :read  nil`.
//!
//! Jepsen logs each event as process, type, function and value, after whatever prefix the logger is configured to
//! write. It did so before it stored histories as EDN, and still does. Lines that are not operations are skipped; a
//! line that begins like an operation must be one. Such a history has neither times nor keys.

use super::damage::Stop;
use super::edn::Parser;
use super::format::LOG_MARK;
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

/// The operation on a line; none if the line is something else.
///
/// # Errors
/// When the line begins like an operation, but is not one.
pub(crate) fn line(bytes: &[u8]) -> Result<Option<Line<'_>>, Stop> {
    let Some(from) = after_mark(bytes) else { return Ok(None) };
    let mut parser = Parser::new(&bytes[from..]);
    let shifted = |stop: Stop| Stop { at: stop.at + from, ..stop };
    let Ok(Some(process)) = parser.plain() else { return Ok(None) };
    let is_process = process.starts_with(':') || process.bytes().all(|byte| byte.is_ascii_digit());
    let Ok(Some(kind)) = parser.plain() else { return Ok(None) };
    let kinds = [":invoke", ":ok", ":fail", ":info"];
    if !is_process || !kinds.contains(&kind) {
        return Ok(None);
    }
    let f = parser.plain().map_err(shifted)?;
    let no_function = || Stop::no_event(from + parser.at(), "a function follows the type, as in `:read`");
    let f = f.and_then(|f| f.strip_prefix(':')).ok_or_else(no_function)?;
    Ok(Some(Line { process, kind: &kind[1..], f, value_at: from + parser.at() }))
}

/// The offset after the mark and the separator that follows it.
fn after_mark(bytes: &[u8]) -> Option<usize> {
    let mark = bytes.windows(LOG_MARK.len()).position(|window| window == LOG_MARK.as_bytes())?;
    let rest = &bytes[mark + LOG_MARK.len()..];
    let separator = rest.iter().position(|byte| matches!(byte, b'-' | b':'))?;
    Some(mark + LOG_MARK.len() + separator + 1)
}

/// The event as a map with the fields that a log has, to be written in another format.
///
/// # Errors
/// As [`line()`].
pub(crate) fn event(bytes: &[u8], index: i64) -> Result<Option<Tree>, Stop> {
    let Some(line) = line(bytes)? else { return Ok(None) };
    let mut parser = Parser::new(&bytes[line.value_at..]);
    let shifted = |stop: Stop| Stop { at: stop.at + line.value_at, ..stop };
    let mut rest = Vec::new();
    while parser.peek().map_err(shifted)?.is_some() {
        rest.push(parser.value(&mut Plain, &mut Vec::new()).map_err(shifted)?);
    }
    let mut rest = rest.into_iter();
    let process = line.process.parse().map_or_else(|_| keyword(&line.process[1..]), Tree::Int);
    let mut fields = vec![
        (keyword("index"), Tree::Int(index)),
        (keyword("process"), process),
        (keyword("type"), keyword(line.kind)),
        (keyword("f"), keyword(line.f)),
        (keyword("value"), rest.next().unwrap_or(Tree::Nil)),
    ];
    fields.extend(rest.next().map(|error| (keyword("error"), error)));
    Ok(Some(Tree::Map(fields)))
}

fn keyword(name: &str) -> Tree {
    Tree::Keyword(name.to_owned())
}
