//! Rust's words and signs, without comments, strings and lifetimes: as much of a lexer as imports need.

/// The tokens of a file. `::` is one; every other sign stands by itself.
pub fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            _ if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            _ if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '"' => quoted(rest),
            '\'' => character(rest),
            _ if first.is_whitespace() => first.len_utf8(),
            _ => {
                let length = word_or_sign(rest, first);
                match raw_string(rest, length) {
                    Some(length) => length,
                    None => {
                        tokens.push(rest[..length].to_owned());
                        length
                    }
                }
            }
        };
        rest = &rest[length..];
    }
    tokens
}

fn word_or_sign(text: &str, first: char) -> usize {
    let is_inner = |inner: char| inner.is_alphanumeric() || inner == '_';
    match first {
        _ if text.starts_with("::") => 2,
        _ if is_inner(first) => text.find(|inner| !is_inner(inner)).unwrap_or(text.len()),
        _ => first.len_utf8(),
    }
}

/// The length of a string in quotes.
fn quoted(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, inner) in text.char_indices().skip(1) {
        match inner {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a character in quotes, or of the sign of a lifetime together with its name.
fn character(text: &str) -> usize {
    let mut inner = text.char_indices().skip(1);
    match (inner.next(), inner.next()) {
        // Behind a backslash comes one character, or several that are no quote.
        (Some((_, '\\')), Some((escaped, _))) => {
            text[escaped + 1..].find('\'').map_or(text.len(), |end| escaped + end + 2)
        }
        (Some(_), Some((end, '\''))) => end + 1,
        _ => 1 + text[1..].find(|inner: char| !inner.is_alphanumeric() && inner != '_').unwrap_or(text.len() - 1),
    }
}

/// The length of a raw string, if the word at the beginning is the sign of one.
fn raw_string(text: &str, word: usize) -> Option<usize> {
    if !["r", "br"].contains(&&text[..word]) {
        return None;
    }
    let hashes = text[word..].chars().take_while(|sign| *sign == '#').count();
    let body = text[word + hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    Some(body.find(&close).map_or(text.len(), |end| word + hashes + 1 + end + close.len()))
}
