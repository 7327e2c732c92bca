//! A value by itself, as people write it at a command line.

use super::edn::is_symbol;
use super::json;
use super::tree::{Plain, Tree, parse_edn};

/// A value in JSON, else in EDN, else a bare word, which is the string of itself. None if it is neither.
pub fn parse_data(text: &str) -> Option<Tree> {
    let mut parser = json::Parser::new(text.trim().as_bytes());
    let json = parser.value(&mut Plain, &mut Vec::new()).and_then(|value| parser.end().map(|()| value));
    let value = json.ok().map(Tree::from_json).or_else(|| parse_edn(text));
    value.map(|value| match value {
        Tree::Other(word) if is_symbol(&word) => Tree::Text(word),
        other => other,
    })
}

/// A value, or that of a key: `0`, `[1 2]`, `x=0`, `"a=b"=0`. A text that is a value as a whole is one, but for a bare word
/// with a `=`. Of such a word with several it is not known which of them comes after the key.
pub fn parse_assignment(text: &str) -> Option<(Option<Tree>, Tree)> {
    if let Some(value) = unambiguous(text) {
        return Some((None, value));
    }
    text.match_indices('=').find_map(|(at, sign)| {
        let (key, value) = (&text[..at], &text[at + sign.len()..]);
        Some((Some(unambiguous(key)?), unambiguous(value)?))
    })
}

/// A value that is no bare word with a `=` in it.
fn unambiguous(text: &str) -> Option<Tree> {
    let is_word = |value: &Tree| matches!(value, Tree::Text(word) | Tree::Keyword(word) if text.trim().ends_with(word));
    parse_data(text).filter(|value| !(is_word(value) && text.contains('=')))
}
