//! A parser of JSON that calls a [`Sink`] and locates errors by their byte.
//!
//! It accepts strict JSON (RFC 8259). Strings without escapes are borrowed, integers are read digit by digit, and every
//! byte is looked at once: histories consist of many short lines, and reading them is bound by memory.

use std::borrow::Cow;

use super::damage::{NESTING_MAX, Stop};
use super::json_form::key_text_from_json;
use super::sink::{Sequence, Sink};
use super::tree::parse_edn;

/// Every integer with this many digits fits into 64 bits with a sign.
const DIGITS_SAFE: usize = 18;

/// How many bytes are examined at once, as one word.
const TOGETHER: usize = size_of::<u64>();
/// A word with 1 in each byte, and one with only the highest bit of each byte set.
const ONES: u64 = u64::from_ne_bytes([1; TOGETHER]);
const HIGHEST: u64 = u64::from_ne_bytes([0x80; TOGETHER]);

/// Marks each byte below a bound of at most 128 by its highest bit (Mycroft 1987).
///
/// Subtracting the bound sets the highest bit of every smaller byte; `!bytes` excludes bytes that had it before. A
/// borrow from a smaller byte may also mark the byte above it wrongly, so only the lowest mark is exact: the callers
/// use no other.
#[inline]
fn below(bytes: u64, bound: u8) -> u64 {
    debug_assert!(bound <= 128, "the trick works for bounds up to 128");
    bytes.wrapping_sub(ONES * u64::from(bound)) & !bytes & HIGHEST
}

/// The offset of the first byte that `ends` marks, found eight bytes at a time; the length if there is none. `ends_one`
/// is the same condition for a single byte.
#[inline]
fn first(bytes: &[u8], ends: impl Fn(u64) -> u64, ends_one: impl Fn(u8) -> bool) -> usize {
    let (words, rest) = bytes.as_chunks::<TOGETHER>();
    for (at, word) in words.iter().enumerate() {
        let found = ends(u64::from_le_bytes(*word));
        if found != 0 {
            return at * TOGETHER + found.trailing_zeros() as usize / 8;
        }
    }
    let known = bytes.len() - rest.len();
    known + rest.iter().position(|byte| ends_one(*byte)).unwrap_or(rest.len())
}

/// How many bytes come before the first newline; all of them if there is none.
#[inline]
pub(crate) fn line_end(bytes: &[u8]) -> usize {
    first(bytes, |word| below(word ^ (ONES * u64::from(b'\n')), 1), |byte| byte == b'\n')
}

/// How many bytes of a string come before its closing quote, an escape or a control character; all of them if there is
/// none.
#[inline]
fn string_end(bytes: &[u8]) -> usize {
    let equal = |word: u64, byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    let ends = |word: u64| equal(word, b'"') | equal(word, b'\\') | below(word, 0x20);
    first(bytes, ends, |byte| byte == b'"' || byte == b'\\' || byte < 0x20)
}

/// Reads the values of one text.
pub(crate) struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A number as it is read.
pub(crate) enum Number<'a> {
    /// It fits into 64 bits with sign.
    Int(i64),
    /// An integer that does not.
    Large(&'a str),
    /// With a point or an exponent.
    Float(f64),
}

impl<'a> Parser<'a> {
    /// At the beginning of a text.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The offset of the next byte.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// What was taken since a place: numbers, which are ASCII.
    pub(crate) fn number_since(&self, from: usize) -> &'a str {
        std::str::from_utf8(&self.bytes[from..self.at]).unwrap_or_default().trim_ascii()
    }

    /// The next byte after white space, without taking it.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    /// Takes this byte if it is next.
    #[inline]
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Takes this byte.
    ///
    /// # Errors
    /// When another one is next.
    #[inline]
    pub(crate) fn expect(&mut self, byte: u8) -> Result<(), Stop> {
        if self.take(byte) { Ok(()) } else { Err(self.missing(byte)) }
    }

    #[cold]
    fn missing(&self, byte: u8) -> Stop {
        self.unexpected(&format!("`{}`", char::from(byte)))
    }

    /// Takes exactly these bytes, if they come next.
    #[inline]
    pub(crate) fn take_all(&mut self, expected: &[u8]) -> bool {
        let found = self.bytes[self.at..].starts_with(expected);
        self.at += if found { expected.len() } else { 0 };
        found
    }

    /// The bytes of a string without escapes. None, and nothing is taken, if anything else comes next.
    #[inline]
    pub(crate) fn plain_string(&mut self) -> Option<&'a [u8]> {
        let bytes: &'a [u8] = self.bytes;
        let rest = bytes.get(self.at..)?.strip_prefix(b"\"")?;
        let end = string_end(rest);
        let found = rest.get(end) == Some(&b'"');
        self.at += if found { end + 2 } else { 0 };
        found.then(|| &rest[..end])
    }

    /// Takes the end of the text.
    ///
    /// # Errors
    /// When there is more.
    pub(crate) fn end(&mut self) -> Result<(), Stop> {
        if self.peek().is_none() { Ok(()) } else { Err(self.unexpected("the end of the line")) }
    }

    /// A count of few digits, with what ends a value behind it. None, and nothing is taken, if anything else comes next.
    #[inline]
    pub(crate) fn small_count(&mut self) -> Option<u32> {
        self.peek();
        let rest = &self.bytes[self.at..];
        let digits = rest.iter().take(9).take_while(|byte| byte.is_ascii_digit()).count();
        let leads = rest.first() == Some(&b'0') && digits > 1;
        if digits == 0 || leads || !matches!(rest.get(digits), Some(b',' | b'}' | b' ')) {
            return None;
        }
        self.at += digits;
        Some(rest[..digits].iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')))
    }

    /// Takes the name of the next field, and its colon, of an object whose `{` was taken; none at its `}`.
    ///
    /// # Errors
    /// When there is neither.
    pub(crate) fn field(&mut self, first: bool) -> Result<Option<Cow<'a, str>>, Stop> {
        if self.take(b'}') {
            return Ok(None);
        }
        if !first {
            self.expect(b',')?;
        }
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a field's name in quotes"));
        }
        let name = self.string()?;
        self.expect(b':')?;
        Ok(Some(name))
    }

    /// A string.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>, Stop> {
        self.expect(b'"')?;
        let from = self.at;
        let end = from + string_end(&self.bytes[from..]);
        self.at = end;
        match self.bytes.get(end) {
            Some(b'"') => {
                self.at += 1;
                Ok(Cow::Borrowed(self.utf8(from, end)?))
            }
            Some(b'\\') => self.escaped(from).map(Cow::Owned),
            Some(_) => Err(Stop::syntax(end, "a control character in a string: write it as \\u00XX")),
            None => Err(Stop::syntax(end, "the text ends within a string")),
        }
    }

    /// A string with escapes that begins at `from`; `self.at` is at the first escape.
    fn escaped(&mut self, from: usize) -> Result<String, Stop> {
        let mut text = self.utf8(from, self.at)?.to_owned();
        loop {
            let start = self.at;
            while self.bytes.get(self.at).is_some_and(|byte| *byte != b'"' && *byte != b'\\' && *byte >= 0x20) {
                self.at += 1;
            }
            text.push_str(self.utf8(start, self.at)?);
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.push(self.escape()?),
                Some(_) => return Err(Stop::syntax(self.at, "a control character in a string: write it as \\u00XX")),
                None => return Err(Stop::syntax(self.at, "the text ends within a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Stop> {
        let at = self.at;
        let letter = self.bytes.get(at + 1).ok_or_else(|| Stop::syntax(at + 1, "the text ends within a string"))?;
        self.at += 2;
        Ok(match letter {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(at),
            _ => return Err(Stop::syntax(at, "an unknown escape in a string")),
        })
    }

    /// The character after `\u`: four hexadecimal digits, and four more if these are the first half of a surrogate
    /// pair.
    fn unicode(&mut self, at: usize) -> Result<char, Stop> {
        let first = self.hex(at)?;
        let lone = || Stop::syntax(at, "half of a surrogate pair in a string");
        if !(0xD800..0xE000).contains(&first) {
            return char::from_u32(first).ok_or_else(lone);
        }
        if first >= 0xDC00 || !self.bytes[self.at..].starts_with(b"\\u") {
            return Err(lone());
        }
        self.at += 2;
        let second = self.hex(at)?;
        if !(0xDC00..0xE000).contains(&second) {
            return Err(lone());
        }
        char::from_u32(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)).ok_or_else(lone)
    }

    fn hex(&mut self, at: usize) -> Result<u32, Stop> {
        let wrong = || Stop::syntax(at, "an escape \\u without four hexadecimal digits");
        let Some(digits) = self.bytes.get(self.at..self.at + 4) else {
            self.at = self.bytes.len();
            return Err(Stop::syntax(self.at, "the text ends within a string"));
        };
        self.at += 4;
        digits
            .iter()
            .try_fold(0, |sum, digit| char::from(*digit).to_digit(16).map(|value| sum * 16 + value).ok_or_else(wrong))
    }

    /// A number.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn number(&mut self) -> Result<Number<'a>, Stop> {
        self.peek();
        let from = self.at;
        let negative = self.bytes.get(from) == Some(&b'-');
        self.at += usize::from(negative);
        let digits = self.at;
        let mut sum: i64 = 0;
        let mut overflow = false;
        // So many digits always fit, so no overflow check is needed.
        for _ in 0..DIGITS_SAFE {
            let Some(digit) = self.digit() else { break };
            sum = sum * 10 + if negative { -digit } else { digit };
        }
        while let Some(digit) = self.digit() {
            let next = sum
                .checked_mul(10)
                .and_then(|sum| if negative { sum.checked_sub(digit) } else { sum.checked_add(digit) });
            overflow |= next.is_none();
            sum = next.unwrap_or(sum);
        }
        if self.at == digits || (self.bytes[digits] == b'0' && self.at > digits + 1) {
            return Err(Stop::syntax(from, "not a number"));
        }
        if matches!(self.bytes.get(self.at), Some(b'.' | b'e' | b'E')) {
            return self.float(from);
        }
        if overflow {
            return Ok(Number::Large(self.utf8(from, self.at)?));
        }
        Ok(Number::Int(sum))
    }

    fn digit(&mut self) -> Option<i64> {
        let byte = *self.bytes.get(self.at)?;
        let digit = byte.is_ascii_digit().then(|| i64::from(byte - b'0'))?;
        self.at += 1;
        Some(digit)
    }

    /// A number whose digits before the point or exponent were already read.
    fn float(&mut self, from: usize) -> Result<Number<'a>, Stop> {
        let wrong = |at| Stop::syntax(at, "a number without digits after its point or exponent");
        if self.bytes[self.at] == b'.' {
            self.at += 1;
            self.digit().ok_or_else(|| wrong(self.at))?;
            while self.digit().is_some() {}
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.bytes.get(self.at), Some(b'+' | b'-')));
            self.digit().ok_or_else(|| wrong(self.at))?;
            while self.digit().is_some() {}
        }
        let text = self.utf8(from, self.at)?;
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Number::Float(value)),
            _ => Err(Stop::syntax(from, "a number out of range")),
        }
    }

    /// A literal.
    ///
    /// # Errors
    /// When it is something else.
    pub(crate) fn word(&mut self, word: &str) -> Result<(), Stop> {
        let rest = &self.bytes[self.at..];
        if rest.starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        if word.as_bytes().starts_with(rest) {
            self.at = self.bytes.len();
        }
        Err(Stop::syntax(self.at, format!("not `{word}`, and nothing else that JSON has")))
    }

    /// A value. Its parts are kept in `stack` while it is built; afterwards the stack is as long as before.
    ///
    /// # Errors
    /// When there is none, it is damaged, too deep, or there is no room for it.
    pub(crate) fn value<S: Sink>(&mut self, sink: &mut S, stack: &mut Vec<S::Value>) -> Result<S::Value, Stop> {
        self.within(sink, stack, NESTING_MAX)
    }

    /// An event as a whole: an object whose values are nested as deep as values may be.
    ///
    /// # Errors
    /// As [`Parser::value`].
    pub(crate) fn event<S: Sink>(&mut self, sink: &mut S) -> Result<S::Value, Stop> {
        self.within(sink, &mut Vec::new(), NESTING_MAX + 1)
    }

    fn within<S: Sink>(&mut self, sink: &mut S, stack: &mut Vec<S::Value>, levels: usize) -> Result<S::Value, Stop> {
        let before = stack.len();
        let value = self.nested(sink, stack, levels)?;
        debug_assert!(stack.len() == before, "a finished value has left the stack");
        Ok(value)
    }

    /// A value with at most so many `levels`.
    fn nested<S: Sink>(&mut self, sink: &mut S, stack: &mut Vec<S::Value>, levels: usize) -> Result<S::Value, Stop> {
        let next = self.peek();
        let from = self.at;
        match next {
            Some(b'"') => sink.text(&self.string()?).map_err(Stop::full(from)),
            Some(b'-' | b'0'..=b'9') => match self.number()? {
                Number::Int(value) => sink.int(value).map_err(Stop::full(from)),
                Number::Float(value) => sink.float(value).map_err(Stop::full(from)),
                Number::Large(digits) => sink.other(&format!("{digits}N")).map_err(Stop::full(from)),
            },
            Some(b'[' | b'{') if levels == 0 => Err(Stop::too_deep(from)),
            Some(b'[') => self.list(sink, stack, levels - 1),
            Some(b'{') => self.object(sink, stack, levels - 1),
            Some(b'n') => self.word("null").map(|()| sink.nil()),
            Some(b't') => self.word("true").map(|()| sink.bool(true)),
            Some(b'f') => self.word("false").map(|()| sink.bool(false)),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn list<S: Sink>(&mut self, sink: &mut S, stack: &mut Vec<S::Value>, levels: usize) -> Result<S::Value, Stop> {
        let (start, from) = (self.at, stack.len());
        self.at += 1;
        if !self.take(b']') {
            loop {
                let element = self.nested(sink, stack, levels)?;
                stack.push(element);
                if self.take(b']') {
                    break;
                }
                self.expect(b',')?;
            }
        }
        sink.sequence(Sequence::Vector, stack.drain(from..)).map_err(Stop::full(start))
    }

    fn object<S: Sink>(&mut self, sink: &mut S, stack: &mut Vec<S::Value>, levels: usize) -> Result<S::Value, Stop> {
        let (start, from) = (self.at, stack.len());
        self.at += 1;
        while let Some(name) = self.field(stack.len() == from)? {
            // A value of EDN in a string counts as it does in EDN.
            if levels_in(&name) > levels {
                return Err(Stop::too_deep(start));
            }
            let is_notation = name == "#edn";
            let name = sink.name(&name).map_err(Stop::full(self.at))?;
            stack.push(name);
            if is_notation && self.peek() == Some(b'"') {
                self.notation_within(levels + 1)?;
            }
            let value = self.nested(sink, stack, levels)?;
            stack.push(value);
        }
        sink.sequence(Sequence::Map, stack.drain(from..)).map_err(Stop::full(start))
    }

    /// Looks at the string that comes next: as a notation of EDN it has at most so many levels.
    fn notation_within(&mut self, levels: usize) -> Result<(), Stop> {
        let from = self.at;
        let deepest = parse_edn(&self.string()?).map_or(0, |value| value.levels());
        self.at = from;
        if deepest > levels { Err(Stop::too_deep(from)) } else { Ok(()) }
    }

    fn utf8(&self, from: usize, to: usize) -> Result<&'a str, Stop> {
        let bytes: &'a [u8] = &self.bytes[from..to];
        std::str::from_utf8(bytes).map_err(|error| Stop::syntax(from + error.valid_up_to(), "not UTF-8"))
    }

    /// Something else than expected is found here.
    pub(crate) fn unexpected(&self, expected: &str) -> Stop {
        Stop::unexpected(self.bytes, self.at, expected)
    }
}

/// The levels of the value that a field's name stands for.
fn levels_in(name: &str) -> usize {
    let is_nested = name.bytes().any(|byte| b"[({#'\\/.".contains(&byte));
    if is_nested { key_text_from_json(name).levels() } else { 0 }
}
