//! A parser of EDN that calls a [`Sink`].
//!
//! It accepts EDN as specified (github.com/edn-format/edn), and what Clojure prints or reads beyond that:
//!
//! ```text
//! 0x1F 017 2r101 16rFF 1/3 10N 1.5M ##Inf     numbers: hexadecimal, octal, of a radix, ratios, large, decimal, not finite
//! :1 \o101 "\101"  #"a.b" #'ns/name 'x       keywords, characters, octal escapes, patterns, variables, quoted forms
//! ^{:line 1} x   ^:key x                      metadata, which is passed over
//! #:ns{:a 1}                                  a map whose keys are of one namespace: {:ns/a 1}
//! #object[Foo 0x1f "..."]   #<Foo ...>        what cannot be printed; the second as old versions did
//! ```
//! Commas are white space, `;` begins a comment, and `#_` discards the form that follows.

use super::damage::{NESTING_MAX, Stop};
use super::sink::{Sequence, Sink};

/// Reads the values of one text.
pub(crate) struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    /// How many discarded forms the current position is nested in.
    discards: usize,
}

/// How deep discarded forms may be nested in one another.
const DISCARDS_MAX: usize = 4;

/// Whether a byte ends a token.
pub(super) fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b',' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'"' | b';' | 0x0c)
}

pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b',' | 0x0c)
}

impl<'a> Parser<'a> {
    /// At the beginning of a text.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, discards: 0 }
    }

    /// The offset of the next byte.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Whether nothing is left: then the value that was being read is cut off.
    pub(crate) fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// The next byte that begins a form or closes a bracket, without taking it. White space, comments and discarded
    /// forms before it are skipped.
    ///
    /// # Errors
    /// When a discarded form is damaged.
    pub(crate) fn peek(&mut self) -> Result<Option<u8>, Stop> {
        loop {
            match self.bytes.get(self.at) {
                Some(byte) if is_blank(*byte) => self.at += 1,
                Some(b';') => {
                    let comment = self.bytes[self.at..].iter().take_while(|byte| **byte != b'\n').count();
                    self.at += comment;
                }
                Some(b'#') if self.bytes.get(self.at + 1) == Some(&b'_') => self.discard()?,
                byte => return Ok(byte.copied()),
            }
        }
    }

    /// `#_ a`, and `#_ #_ a b`: as many forms as there are marks.
    fn discard(&mut self) -> Result<(), Stop> {
        if self.discards == DISCARDS_MAX {
            return Err(Stop::syntax(self.at, format!("discarded forms nested deeper than {DISCARDS_MAX}")));
        }
        let mut forms = 0;
        while self.bytes[self.at..].starts_with(b"#_") {
            self.at += 2;
            forms += 1;
            while self.bytes.get(self.at).is_some_and(|byte| is_blank(*byte)) {
                self.at += 1;
            }
        }
        self.discards += 1;
        (0..forms).try_for_each(|_| self.nested(&mut super::sink::Nothing, &mut Vec::new(), NESTING_MAX - 1))?;
        self.discards -= 1;
        Ok(())
    }

    /// The opening bracket of a map, with the tags before it.
    ///
    /// # Errors
    /// When something else comes.
    pub(crate) fn open_map(&mut self) -> Result<(), Stop> {
        loop {
            match (self.peek()?, self.bytes.get(self.at + 1)) {
                (Some(b'^'), _) | (Some(b'#'), Some(b'^')) => self.pass_metadata(NESTING_MAX)?,
                (Some(b'#'), Some(b':')) => return Err(Stop::no_event(self.at, "its fields are of a namespace")),
                (Some(b'#'), next) if next != Some(&b'{') => {
                    self.at += 1;
                    self.token();
                }
                _ => break,
            }
        }
        match self.peek()? {
            Some(b'{') => {
                self.at += 1;
                Ok(())
            }
            _ => Err(Stop { problem: super::damage::Problem::NotAnEvent("a map begins with `{`".into()), at: self.at }),
        }
    }

    /// Takes the end of a map if it is next.
    ///
    /// # Errors
    /// When a discarded form is damaged.
    pub(crate) fn close_map(&mut self) -> Result<bool, Stop> {
        let found = self.peek()? == Some(b'}');
        self.at += usize::from(found);
        Ok(found)
    }

    /// Takes the end of the text.
    ///
    /// # Errors
    /// When there is more.
    pub(crate) fn end(&mut self) -> Result<(), Stop> {
        match self.peek()? {
            None => Ok(()),
            Some(_) => Err(self.unexpected("the end of the form")),
        }
    }

    /// The next keyword, symbol or number as it is written; none if something else comes next.
    ///
    /// # Errors
    /// When a discarded form is damaged.
    pub(crate) fn plain(&mut self) -> Result<Option<&'a str>, Stop> {
        match self.peek()? {
            None | Some(b'"' | b'\\' | b'#' | b'^' | b'\'' | b'(' | b')' | b'[' | b']' | b'{' | b'}') => Ok(None),
            Some(_) => self.checked_token().map(Some),
        }
    }

    /// A value. Its parts are kept in `stack` while it is built; afterwards the stack is as long as before.
    ///
    /// # Errors
    /// When there is none, it is damaged, too deep, or there is no room for it.
    pub(crate) fn value<S: Sink>(&mut self, sink: &mut S, stack: &mut Vec<S::Value>) -> Result<S::Value, Stop> {
        self.within(sink, stack, NESTING_MAX)
    }

    /// An event as a whole: a map whose values are nested as deep as values may be, perhaps with a tag before it.
    ///
    /// # Errors
    /// As [`Parser::value`].
    pub(crate) fn event<S: Sink>(&mut self, sink: &mut S) -> Result<S::Value, Stop> {
        self.within(sink, &mut Vec::new(), NESTING_MAX + 2)
    }

    fn within<S: Sink>(&mut self, sink: &mut S, stack: &mut Vec<S::Value>, levels: usize) -> Result<S::Value, Stop> {
        let before = stack.len();
        let value = self.nested(sink, stack, levels)?;
        debug_assert!(stack.len() == before, "a finished value has left the stack");
        Ok(value)
    }

    /// A value with at most so many `levels`. They are counted as JSON's form needs them, so that what is read here is
    /// read from there as well: two for a set or a list, one for a scalar that JSON does not have.
    fn nested<S: Sink>(&mut self, sink: &mut S, stack: &mut Vec<S::Value>, levels: usize) -> Result<S::Value, Stop> {
        let next = self.peek()?;
        let from = self.at;
        match next {
            Some(b'"') => {
                let text = self.string()?;
                sink.text(&text).map_err(Stop::full(from))
            }
            Some(b'\\') => {
                below(levels, 1, from)?;
                sink.other(self.character()?).map_err(Stop::full(from))
            }
            Some(b'[') => self.sequence(sink, stack, levels, Sequence::Vector, b']'),
            Some(b'(') => self.sequence(sink, stack, levels, Sequence::List, b')'),
            Some(b'{') => self.sequence(sink, stack, levels, Sequence::Map, b'}'),
            Some(b'#') => self.dispatch(sink, stack, levels),
            Some(b'^') => {
                self.pass_metadata(levels)?;
                self.nested(sink, stack, below(levels, 1, from)?)
            }
            Some(b'\'') => self.quoted(sink, stack, levels),
            None | Some(b')' | b']' | b'}') => Err(self.unexpected("a value")),
            Some(_) => {
                let token = self.checked_token()?;
                if levels == 0 && !json_has(token) {
                    below(levels, 1, from)?;
                }
                scalar(token, sink, from)
            }
        }
    }

    /// `^{:line 1}`, `^:key`, `^Tag`, and `#^` as it was written once: they say something of the form that follows, which is
    /// the same without them.
    fn pass_metadata(&mut self, levels: usize) -> Result<(), Stop> {
        self.at += if self.bytes[self.at] == b'#' { 2 } else { 1 };
        self.nested(&mut super::sink::Nothing, &mut Vec::new(), below(levels, 1, self.at)?)
    }

    /// `'x`, which is short for `(quote x)`.
    fn quoted<S: Sink>(&mut self, sink: &mut S, stack: &mut Vec<S::Value>, levels: usize) -> Result<S::Value, Stop> {
        let (open, from) = (self.at, stack.len());
        let inner = below(levels, 2, open)?;
        // So does the symbol in the list that it is short for.
        below(inner, 1, open)?;
        self.at += 1;
        let quote = sink.other("quote").map_err(Stop::full(open))?;
        stack.push(quote);
        let form = self.nested(sink, stack, inner)?;
        stack.push(form);
        sink.sequence(Sequence::List, stack.drain(from..)).map_err(Stop::full(open))
    }

    fn sequence<S: Sink>(
        &mut self,
        sink: &mut S,
        stack: &mut Vec<S::Value>,
        levels: usize,
        kind: Sequence,
        close: u8,
    ) -> Result<S::Value, Stop> {
        let open = self.at;
        let inner = below(levels, if matches!(kind, Sequence::Set | Sequence::List) { 2 } else { 1 }, open)?;
        self.at += 1;
        let from = stack.len();
        loop {
            match self.peek()? {
                Some(byte) if byte == close => break,
                None => return Err(self.unexpected(&format!("`{}`", char::from(close)))),
                Some(_) => {
                    let element = self.nested(sink, stack, inner)?;
                    stack.push(element);
                }
            }
        }
        self.at += 1;
        if kind == Sequence::Map && !(stack.len() - from).is_multiple_of(2) {
            return Err(Stop::syntax(open, "a map with a key without a value"));
        }
        sink.sequence(kind, stack.drain(from..)).map_err(Stop::full(open))
    }

    /// What begins with `#`, but is not discarded: a set, a special number, a tagged value, and what only Clojure has.
    fn dispatch<S: Sink>(&mut self, sink: &mut S, stack: &mut Vec<S::Value>, levels: usize) -> Result<S::Value, Stop> {
        let from = self.at;
        self.at += 1;
        match self.bytes.get(self.at) {
            Some(b'{') => self.sequence(sink, stack, levels, Sequence::Set, b'}'),
            Some(b'#') => {
                self.at += 1;
                let value = match self.token() {
                    "Inf" => f64::INFINITY,
                    "-Inf" => f64::NEG_INFINITY,
                    "NaN" => f64::NAN,
                    _ => return Err(Stop::syntax(from, "known after `##` are Inf, -Inf and NaN")),
                };
                below(levels, 1, from)?;
                sink.float(value).map_err(Stop::full(from))
            }
            Some(b'"' | b'<' | b'\'') => {
                let notation = self.notation(from)?;
                below(levels, 1, from)?;
                sink.other(notation).map_err(Stop::full(from))
            }
            Some(b'^') => {
                self.at = from;
                self.pass_metadata(levels)?;
                self.nested(sink, stack, below(levels, 1, from)?)
            }
            Some(b':') => self.of_namespace(sink, stack, levels),
            Some(byte) if byte.is_ascii_alphabetic() => {
                let tag = self.checked_token()?;
                if !is_keyword(tag) {
                    return Err(Stop::syntax(from, format!("`#{tag}` is no tag")));
                }
                let value = self.nested(sink, stack, below(levels, 1, from)?)?;
                Ok(sink.tagged(tag, value))
            }
            _ => Err(self.unexpected("a tag, or `{`, after `#`")),
        }
    }

    /// What has a meaning to Clojure alone, as it is written: a pattern, a variable, an object that cannot be printed.
    fn notation(&mut self, from: usize) -> Result<&'a str, Stop> {
        let rest = &self.bytes[self.at..];
        let length = match rest[0] {
            b'"' => string_length(rest).ok_or_else(|| Stop::syntax(self.bytes.len(), "the text ends within a pattern")),
            b'<' => object_length(rest).ok_or_else(|| Stop::syntax(self.bytes.len(), "the text ends within an object")),
            _ => Ok(1 + rest[1..].iter().take_while(|byte| !is_delimiter(**byte)).count()),
        }?;
        self.at += length;
        self.utf8(from, self.at)
    }

    /// `#:ns{:a 1}`: the keys that are keywords without a namespace get this one, and `:_/a` has none.
    fn of_namespace<S: Sink>(
        &mut self,
        sink: &mut S,
        stack: &mut Vec<S::Value>,
        levels: usize,
    ) -> Result<S::Value, Stop> {
        let tag = self.checked_token()?;
        let namespace = tag.trim_start_matches(':');
        if self.peek()? != Some(b'{') {
            return Err(self.unexpected("the map of a namespace"));
        }
        let (open, from) = (self.at, stack.len());
        let inner = below(levels, 1, open)?;
        self.at += 1;
        loop {
            let is_key = (stack.len() - from).is_multiple_of(2);
            let element = match self.peek()? {
                Some(b'}') => break,
                None => return Err(self.unexpected("`}`")),
                Some(b':') if is_key && !namespace.is_empty() => self.key_of(namespace, sink)?,
                Some(_) => self.nested(sink, stack, inner)?,
            };
            stack.push(element);
        }
        self.at += 1;
        if !(stack.len() - from).is_multiple_of(2) {
            return Err(Stop::syntax(open, "a map with a key without a value"));
        }
        sink.sequence(Sequence::Map, stack.drain(from..)).map_err(Stop::full(open))
    }

    /// A keyword as a key of a map of a namespace.
    fn key_of<S: Sink>(&mut self, namespace: &str, sink: &mut S) -> Result<S::Value, Stop> {
        let at = self.at;
        let token = self.checked_token()?;
        let name = match token[1..].split_once('/') {
            Some(("_", name)) => name.to_owned(),
            Some(_) => token[1..].to_owned(),
            None => format!("{namespace}/{}", &token[1..]),
        };
        if !is_keyword(&name) {
            return Err(Stop::syntax(at, format!("`{token}` is no keyword")));
        }
        sink.keyword(&name).map_err(Stop::full(at))
    }

    /// A token, which may be empty.
    fn token(&mut self) -> &'a str {
        self.checked_token().unwrap_or("")
    }

    fn checked_token(&mut self) -> Result<&'a str, Stop> {
        let from = self.at;
        self.at += self.bytes[from..].iter().take_while(|byte| !is_delimiter(**byte)).count();
        self.utf8(from, self.at)
    }

    fn utf8(&self, from: usize, to: usize) -> Result<&'a str, Stop> {
        let bytes: &'a [u8] = &self.bytes[from..to];
        std::str::from_utf8(bytes).map_err(|error| Stop::syntax(from + error.valid_up_to(), "not UTF-8"))
    }

    /// A character's notation, with its backslash: `\a`, `\newline`, `\u0041`, and `\(`, which would end any other
    /// token.
    fn character(&mut self) -> Result<&'a str, Stop> {
        let from = self.at;
        let first =
            self.bytes.get(from + 1).ok_or_else(|| Stop::syntax(from + 1, "the text ends within a character"))?;
        let length = match first {
            0..=0x7f => 1,
            0x80..=0xdf => 2,
            0xe0..=0xef => 3,
            _ => 4,
        };
        self.at = (from + 1 + length).min(self.bytes.len());
        if !is_delimiter(*first) {
            self.at += self.bytes[self.at..].iter().take_while(|byte| !is_delimiter(**byte)).count();
        }
        let text = self.utf8(from, self.at)?;
        let name = &text[1..];
        let named = ["newline", "return", "space", "tab", "formfeed", "backspace"].contains(&name);
        let code = |digits: &str| digits.len() == 4 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let octal =
            |digits: &str| (1..=3).contains(&digits.len()) && digits.bytes().all(|digit| (b'0'..b'8').contains(&digit));
        let coded = name.strip_prefix('u').is_some_and(code) || name.strip_prefix('o').is_some_and(octal);
        if named || name.chars().count() == 1 || coded {
            return Ok(text);
        }
        Err(Stop::syntax(from, format!("`{text}` is no character")))
    }

    /// A string.
    ///
    /// # Errors
    /// When it is damaged or cut off.
    pub(crate) fn string(&mut self) -> Result<std::borrow::Cow<'a, str>, Stop> {
        self.at += 1;
        let from = self.at;
        self.at += self.bytes[from..].iter().take_while(|byte| **byte != b'"' && **byte != b'\\').count();
        if self.bytes.get(self.at) == Some(&b'"') {
            self.at += 1;
            return self.utf8(from, self.at - 1).map(Into::into);
        }
        let mut text = self.utf8(from, self.at)?.to_owned();
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => text.push(self.escape()?),
                Some(_) => {
                    let start = self.at;
                    let plain = |byte: &&u8| **byte != b'"' && **byte != b'\\';
                    self.at += self.bytes[start..].iter().take_while(plain).count();
                    text.push_str(self.utf8(start, self.at)?);
                }
                None => return Err(Stop::syntax(self.at, "the text ends within a string")),
            }
        }
        self.at += 1;
        Ok(text.into())
    }

    fn escape(&mut self) -> Result<char, Stop> {
        let at = self.at;
        let letter = *self.bytes.get(at + 1).ok_or_else(|| Stop::syntax(at + 1, "the text ends within a string"))?;
        self.at += 2;
        Ok(match letter {
            b'"' => '"',
            b'\\' => '\\',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'u' => return self.unicode(at),
            b'0'..b'8' => self.octal(letter),
            _ => return Err(Stop::syntax(at, "an unknown escape in a string")),
        })
    }

    /// The character after `\u`; a character beyond 16 bits may be written as two.
    fn unicode(&mut self, at: usize) -> Result<char, Stop> {
        let wrong = || Stop::syntax(at, "an escape \\u without four hexadecimal digits of a character");
        let first = self.code().ok_or_else(wrong)?;
        if !(0xD800..0xDC00).contains(&first) {
            return char::from_u32(first).ok_or_else(wrong);
        }
        if !self.bytes[self.at..].starts_with(b"\\u") {
            return Err(wrong());
        }
        self.at += 2;
        let second = self.code().filter(|second| (0xDC00..0xE000).contains(second)).ok_or_else(wrong)?;
        char::from_u32(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)).ok_or_else(wrong)
    }

    /// Four hexadecimal digits.
    fn code(&mut self) -> Option<u32> {
        let digits = self.bytes.get(self.at..self.at + 4)?;
        self.at += 4;
        digits.iter().try_fold(0, |sum, digit| char::from(*digit).to_digit(16).map(|value| sum * 16 + value))
    }

    /// `\101`, whose first digit was taken: at most three octal digits.
    fn octal(&mut self, first: u8) -> char {
        let mut code = u32::from(first - b'0');
        for _ in 0..2 {
            let Some(digit) = self.bytes.get(self.at).filter(|digit| (b'0'..b'8').contains(digit)) else { break };
            code = code * 8 + u32::from(digit - b'0');
            self.at += 1;
        }
        // Three octal digits are at most 511, which is a character.
        char::from_u32(code).unwrap_or_default()
    }

    /// Something else than expected is found here.
    pub(crate) fn unexpected(&self, expected: &str) -> Stop {
        Stop::unexpected(self.bytes, self.at, expected)
    }
}

/// The length of the string that begins here, with its quotes; none if it does not end.
pub(super) fn string_length(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    None
}

/// The length of `<Foo ...>`, which old versions of Clojure print for what cannot be printed; none if it does not end. What is
/// in it may be anything: brackets `<>` in pairs on a line belong to it, else it ends with the first `>`.
pub(super) fn object_length(bytes: &[u8]) -> Option<usize> {
    let mut depth = 0u32;
    for (at, byte) in bytes.iter().enumerate().take_while(|(_, byte)| **byte != b'\n') {
        match byte {
            b'<' => depth += 1,
            b'>' if at > 0 && matches!(bytes[at - 1], b'-' | b'=') => {}
            b'>' if depth == 1 => return Some(at + 1),
            b'>' => depth -= 1,
            _ => {}
        }
    }
    bytes.iter().position(|byte| *byte == b'>').map(|end| end + 1)
}

/// Builds the value of a token that is not a string, character or bracket.
/// The levels that are left within something that takes so many.
fn below(levels: usize, taken: usize, at: usize) -> Result<usize, Stop> {
    levels.checked_sub(taken).ok_or_else(|| Stop::too_deep(at))
}

/// Whether JSON's form has a scalar without an object around it: not a ratio, a decimal, a symbol.
fn json_has(token: &str) -> bool {
    let unsigned = token.strip_prefix(['+', '-']).unwrap_or(token);
    let is_number = unsigned.starts_with(|first: char| first.is_ascii_digit());
    matches!(token, "nil" | "true" | "false")
        || token.starts_with(':')
        || (is_number && !unsigned.contains('/') && !unsigned.ends_with('M'))
}

fn scalar<S: Sink>(token: &str, sink: &mut S, at: usize) -> Result<S::Value, Stop> {
    match token {
        "nil" => return Ok(sink.nil()),
        "true" => return Ok(sink.bool(true)),
        "false" => return Ok(sink.bool(false)),
        _ => {}
    }
    if let Some(name) = token.strip_prefix(':') {
        return match is_keyword(name) {
            true => sink.keyword(name).map_err(Stop::full(at)),
            false => Err(Stop::syntax(at, format!("`{token}` is no keyword"))),
        };
    }
    let unsigned = token.strip_prefix(['+', '-']).unwrap_or(token);
    if unsigned.starts_with(|first: char| first.is_ascii_digit()) {
        return number(token, unsigned, sink, at);
    }
    if is_symbol(token) {
        return sink.other(token).map_err(Stop::full(at));
    }
    Err(Stop::syntax(at, format!("`{token}` is nothing that EDN has")))
}

fn number<S: Sink>(token: &str, unsigned: &str, sink: &mut S, at: usize) -> Result<S::Value, Stop> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    let whole = unsigned.strip_suffix('N').unwrap_or(unsigned);
    let wrong = || Stop::syntax(at, format!("`{token}` is no number"));
    if let Some((radix, digits)) = of_radix(whole) {
        let sign = if token.starts_with('-') { -1 } else { 1 };
        let value = i128::from_str_radix(digits, radix).map_err(|_| wrong())? * sign;
        return match i64::try_from(value) {
            Ok(value) => sink.int(value).map_err(Stop::full(at)),
            Err(_) => sink.other(&format!("{value}N")).map_err(Stop::full(at)),
        };
    }
    if digits(whole) {
        let signed = token.strip_suffix('N').unwrap_or(token);
        return match signed.parse() {
            Ok(value) => sink.int(value).map_err(Stop::full(at)),
            Err(_) => sink.other(&format!("{}N", signed.trim_start_matches('+'))).map_err(Stop::full(at)),
        };
    }
    if let Some((over, under)) = unsigned.split_once('/') {
        return if digits(over) && digits(under) { sink.other(token).map_err(Stop::full(at)) } else { Err(wrong()) };
    }
    let decimal = unsigned.strip_suffix('M').unwrap_or(unsigned);
    let letters = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
    match decimal.bytes().all(letters).then(|| decimal.parse::<f64>()) {
        Some(Ok(_)) if decimal.len() < unsigned.len() => sink.other(token).map_err(Stop::full(at)),
        Some(Ok(value)) if value.is_infinite() => {
            Err(Stop::syntax(at, format!("the number `{token}` is larger than a double holds (with `M` it is exact)")))
        }
        Some(Ok(value)) => sink.float(if token.starts_with('-') { -value } else { value }).map_err(Stop::full(at)),
        _ => Err(wrong()),
    }
}

/// The radix and the digits of an integer that is not written with ten: `0x1F`, `017`, `2r101`.
fn of_radix(whole: &str) -> Option<(u32, &str)> {
    if let Some(digits) = whole.strip_prefix("0x").or_else(|| whole.strip_prefix("0X")) {
        return Some((16, digits));
    }
    if let Some((radix, digits)) = whole.split_once(['r', 'R']) {
        let radix = radix.parse().ok().filter(|radix| (2..=36).contains(radix))?;
        return Some((radix, digits));
    }
    let is_octal = whole.len() > 1 && whole.starts_with('0') && whole.bytes().all(|digit| digit.is_ascii_digit());
    is_octal.then(|| (8, &whole[1..]))
}

fn is_symbol_character(character: char) -> bool {
    character.is_alphanumeric() || ".*+!-_?$%&=<>/:#'|".contains(character)
}

/// Whether this can stand behind the colon of a keyword.
pub(crate) fn is_keyword(name: &str) -> bool {
    !name.starts_with(':') && !name.is_empty() && name.chars().all(is_symbol_character)
}

/// Whether this is a symbol: like a keyword's name, but not something that would be read as a number.
pub(crate) fn is_symbol(name: &str) -> bool {
    let unsigned = name.strip_prefix(['+', '-']).unwrap_or(name);
    let first = |character: char| character.is_ascii_digit() || "#:'".contains(character);
    is_keyword(name) && !name.starts_with(first) && !unsigned.starts_with(|first: char| first.is_ascii_digit())
}
