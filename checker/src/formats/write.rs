//! Trees as text: EDN as Clojure prints it, and JSON without white space.

use std::fmt::Write;

use super::tree::Tree;

/// A value as EDN.
pub fn edn_text(value: &Tree) -> String {
    let mut text = String::new();
    edn(value, &mut text);
    text
}

/// A tree that has only what JSON has (see [`Tree::to_json`]) as JSON.
pub(super) fn json_text(value: &Tree) -> String {
    let mut text = String::new();
    json(value, &mut text);
    text
}

/// Writing to a string cannot fail.
macro_rules! put {
    ($to:expr, $($text:tt)*) => { let _ = write!($to, $($text)*); };
}

fn edn(value: &Tree, to: &mut String) {
    match value {
        Tree::Nil => to.push_str("nil"),
        Tree::Bool(truth) => {
            put!(to, "{truth}");
        }
        Tree::Int(value) => {
            put!(to, "{value}");
        }
        Tree::Float(value) if value.is_nan() => to.push_str("##NaN"),
        Tree::Float(value) if value.is_infinite() => to.push_str(if *value > 0.0 { "##Inf" } else { "##-Inf" }),
        Tree::Float(value) => {
            put!(to, "{value:?}");
        }
        Tree::Text(text) => quoted(text, to),
        Tree::Keyword(name) => {
            put!(to, ":{name}");
        }
        Tree::Other(notation) => to.push_str(notation),
        Tree::Vector(elements) => between("[", elements, "]", to),
        Tree::List(elements) => between("(", elements, ")", to),
        Tree::Set(elements) => between("#{", elements, "}", to),
        Tree::Map(entries) => {
            to.push('{');
            for (at, (key, value)) in entries.iter().enumerate() {
                to.push_str(if at == 0 { "" } else { ", " });
                edn(key, to);
                to.push(' ');
                edn(value, to);
            }
            to.push('}');
        }
        Tree::Tagged(tag, value) => {
            put!(to, "#{tag} ");
            edn(value, to);
        }
    }
}

fn between(open: &str, elements: &[Tree], close: &str, to: &mut String) {
    to.push_str(open);
    for (at, element) in elements.iter().enumerate() {
        to.push_str(if at == 0 { "" } else { " " });
        edn(element, to);
    }
    to.push_str(close);
}

/// A string in quotes, with the escapes that both formats have.
fn quoted(text: &str, to: &mut String) {
    to.push('"');
    for character in text.chars() {
        match character {
            '"' => to.push_str("\\\""),
            '\\' => to.push_str("\\\\"),
            '\n' => to.push_str("\\n"),
            '\r' => to.push_str("\\r"),
            '\t' => to.push_str("\\t"),
            control if control < ' ' => {
                put!(to, "\\u{:04x}", u32::from(control));
            }
            other => to.push(other),
        }
    }
    to.push('"');
}

/// Writes a tree that has only what JSON has, see [`Tree::to_json`].
fn json(value: &Tree, to: &mut String) {
    match value {
        Tree::Nil => to.push_str("null"),
        Tree::Text(text) | Tree::Keyword(text) => quoted(text, to),
        Tree::Other(notation) => to.push_str(notation.trim_end_matches('N')),
        Tree::Vector(elements) | Tree::List(elements) | Tree::Set(elements) => {
            to.push('[');
            for (at, element) in elements.iter().enumerate() {
                to.push_str(if at == 0 { "" } else { "," });
                json(element, to);
            }
            to.push(']');
        }
        Tree::Map(entries) => {
            to.push('{');
            for (at, (key, value)) in entries.iter().enumerate() {
                to.push_str(if at == 0 { "" } else { "," });
                json(key, to);
                to.push(':');
                json(value, to);
            }
            to.push('}');
        }
        Tree::Tagged(_, value) => json(value, to),
        Tree::Bool(_) | Tree::Int(_) | Tree::Float(_) => edn(value, to),
    }
}
