//! How EDN is written as JSON without loss.
//!
//! Converting a history loses nothing in either direction: what only EDN has is written as strings and objects in a
//! form that is read back as what it was, and strings that happen to look like that form are marked. The rule for each:
//!
//! | EDN | JSON |
//! |---|---|
//! | `:x` as a value | `":x"`; the string `":x"` is `"::x"`, and so on |
//! | a map's key `:x` | `"x"`; any other key is its EDN text (`1` is `"1"`), a string only where needed (`"\"x\""`); a symbol `'x` |
//! | `:x` as `:type`, `:f`, `:process`, and the function of a micro-operation of a `txn` | `"x"` |
//! | the string `"x"` there; a symbol | `{"#edn":"\"x\""}`; `{"#edn":"x"}` |
//! | `#{1 2}`, `(1 2)`, `#tag v` | `{"#set":[1,2]}`, `{"#list":[1,2]}`, `{"#tag":v}` |
//! | a ratio, a character, a decimal, a symbol, `##Inf` | `{"#edn":"1/3"}` |
//! | an integer beyond 64 bits, `123N` | its digits |
//!
//! A [`crate::history::History`] distinguishes less: there, a keyword is the string of its name, a list is a vector, and a
//! tag is ignored.

use super::edn::{is_keyword, is_symbol};
use super::tree::{Tree, parse_edn};
use super::write::{edn_text, json_text};

impl Tree {
    /// The value in JSON's form; the result has only what JSON has.
    pub(crate) fn to_json(&self) -> Tree {
        let many = |elements: &[Tree]| Tree::Vector(elements.iter().map(Tree::to_json).collect());
        match self {
            Tree::Text(text) if looks_marked(text) => Tree::Text(format!(":{text}")),
            Tree::Keyword(name) => Tree::Text(format!(":{name}")),
            Tree::Float(value) if !value.is_finite() => as_edn(self),
            Tree::Other(notation) if !is_large_integer(notation) => as_edn(self),
            Tree::Vector(elements) => many(elements),
            Tree::List(elements) => tag("list", many(elements)),
            Tree::Set(elements) => tag("set", many(elements)),
            Tree::Tagged(name, value) if !RESERVED.contains(&name.as_str()) => tag(name, value.to_json()),
            Tree::Tagged(..) => as_edn(self),
            Tree::Map(entries) => map_to_json(entries),
            Tree::Nil | Tree::Bool(_) | Tree::Int(_) | Tree::Float(_) | Tree::Text(_) | Tree::Other(_) => self.clone(),
        }
    }

    /// How many levels of brackets its JSON form has, those within strings included.
    pub(crate) fn levels(&self) -> usize {
        let deepest = |elements: &[Tree]| elements.iter().map(Tree::levels).max().unwrap_or(0);
        match self {
            Tree::Vector(elements) => 1 + deepest(elements),
            Tree::List(elements) | Tree::Set(elements) => 2 + deepest(elements),
            Tree::Map(entries) => {
                1 + entries.iter().map(|(key, value)| key.levels().max(value.levels())).max().unwrap_or(0)
            }
            Tree::Tagged(_, value) => 1 + value.levels(),
            Tree::Float(value) => usize::from(!value.is_finite()),
            Tree::Other(notation) => usize::from(!is_large_integer(notation)),
            Tree::Nil | Tree::Bool(_) | Tree::Int(_) | Tree::Text(_) | Tree::Keyword(_) => 0,
        }
    }

    /// The value that the JSON form stands for: the inverse of [`Tree::to_json`].
    pub(crate) fn from_json(json: Tree) -> Tree {
        match json {
            Tree::Text(text) => text_from_json(&text),
            Tree::Vector(elements) => Tree::Vector(elements.into_iter().map(Tree::from_json).collect()),
            Tree::Map(mut entries) => {
                if let [(Tree::Text(key), value)] = &mut entries[..]
                    && let Some(tagged) = key.strip_prefix('#').and_then(|tag| tagged_from_json(tag, value))
                {
                    return tagged;
                }
                if let [(Tree::Text(key), value)] = &mut entries[..]
                    && let Some(name) = unquoted_mark(key, value)
                {
                    let value = Tree::from_json(value.clone());
                    return Tree::Map(vec![(Tree::Text(name), value)]);
                }
                let from_json = |(key, value): (Tree, Tree)| (key_from_json(key), Tree::from_json(value));
                Tree::Map(entries.into_iter().map(from_json).collect())
            }
            other => other,
        }
    }
}

/// Tags with a meaning in the JSON form, which cannot be tags of EDN there.
const RESERVED: [&str; 3] = ["set", "list", "edn"];

fn tag(name: &str, value: Tree) -> Tree {
    Tree::Map(vec![(Tree::Text(format!("#{name}")), value)])
}

fn as_edn(value: &Tree) -> Tree {
    tag("edn", Tree::Text(edn_text(value)))
}

fn is_large_integer(notation: &str) -> bool {
    let digits = notation.strip_prefix('-').unwrap_or(notation).strip_suffix('N');
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()))
}

/// Whether a string is colons before a keyword's name: as a string of JSON it would be read back as something else.
fn looks_marked(text: &str) -> bool {
    text.starts_with(':') && is_keyword(text.trim_start_matches(':'))
}

/// A string of JSON as a value: a keyword, or a string without its mark.
pub(crate) fn text_from_json(text: &str) -> Tree {
    match text.strip_prefix(':') {
        Some(name) if is_keyword(name) => Tree::Keyword(name.to_owned()),
        Some(marked) if looks_marked(marked) => Tree::Text(marked.to_owned()),
        _ => Tree::Text(text.to_owned()),
    }
}

fn map_to_json(entries: &[(Tree, Tree)]) -> Tree {
    let mut json: Vec<_> = entries.iter().map(|(key, value)| (Tree::Text(key_to_json(key)), value.to_json())).collect();
    if let ([(Tree::Text(original), _)], [(Tree::Text(key), value)]) = (entries, &mut json[..])
        && key.strip_prefix('#').is_some_and(|tag| tagged_from_json(tag, value).is_some())
    {
        *key = edn_text(&Tree::Text(original.clone()));
    }
    Tree::Map(json)
}

/// The value that a map with the single field `#tag` stands for; none if it is just a map.
pub(crate) fn tagged_from_json(tag: &str, json: &Tree) -> Option<Tree> {
    let elements = || match json {
        Tree::Vector(elements) => Some(elements.iter().cloned().map(Tree::from_json).collect()),
        _ => None,
    };
    match tag {
        "set" => elements().map(Tree::Set),
        "list" => elements().map(Tree::List),
        "edn" => {
            let value = json.name().and_then(parse_edn)?;
            (value.to_json() == as_edn(&value) && json.name() == Some(&edn_text(&value))).then_some(value)
        }
        tag if is_tag(tag) => Some(Tree::Tagged(tag.to_owned(), Box::new(Tree::from_json(json.clone())))),
        _ => None,
    }
}

/// The string `#tag` that was quoted because it would otherwise be a mark before this value.
pub(crate) fn unquoted_mark(key: &str, json: &Tree) -> Option<String> {
    let Some(Tree::Text(name)) = key.starts_with("\"#").then(|| parse_edn(key)).flatten() else { return None };
    let is_mark = name.strip_prefix('#').is_some_and(|tag| tagged_from_json(tag, json).is_some());
    (is_mark && edn_text(&Tree::Text(name.clone())) == key).then_some(name)
}

/// A tag of EDN. `#:ns{...}` has none: it is a map whose keys are of a namespace.
fn is_tag(tag: &str) -> bool {
    tag.starts_with(|first: char| first.is_ascii_alphabetic()) && is_keyword(tag)
}

fn key_to_json(key: &Tree) -> String {
    match key {
        Tree::Keyword(name) if is_name(name) => name.clone(),
        Tree::Text(text) if key_text_from_json(text) == *key => text.clone(),
        Tree::Other(symbol) if is_name(symbol) => format!("'{symbol}"),
        key => edn_text(key),
    }
}

fn key_from_json(key: Tree) -> Tree {
    match key {
        Tree::Text(text) => key_text_from_json(&text),
        other => other,
    }
}

/// The name of a field of a JSON object as a key: see the table above.
pub(crate) fn key_text_from_json(text: &str) -> Tree {
    if is_name(text) {
        return Tree::Keyword(text.to_owned());
    }
    if let Some(symbol) = text.strip_prefix('\'').filter(|symbol| is_name(symbol)) {
        return Tree::Other(symbol.to_owned());
    }
    parse_edn(text).filter(|key| key_to_json(key) == text).unwrap_or_else(|| Tree::Text(text.to_owned()))
}

/// Whether a name needs no marks.
fn is_name(name: &str) -> bool {
    is_symbol(name) && !["nil", "true", "false"].contains(&name)
}

/// The fields of an event whose keywords are plain strings in JSON.
const NAMED: [&str; 3] = ["type", "f", "process"];

/// An event in JSON's form.
pub(crate) fn event_to_json(event: &Tree) -> Tree {
    let key = |key: &Tree| Tree::Text(key_to_json(key));
    each_field(event, key, Tree::clone, |field, value, is_transaction| match field {
        field if NAMED.contains(&field) => name_to_json(value),
        "value" if is_transaction => micro_operations(value, Tree::to_json, name_to_json),
        _ => value.to_json(),
    })
}

/// The event that the JSON form stands for; the inverse of [`event_to_json`].
pub(crate) fn event_from_json(event: &Tree) -> Tree {
    let from_json = |value: &Tree| Tree::from_json(value.clone());
    let key = |key: &Tree| key.name().map_or_else(|| key.clone(), key_text_from_json);
    each_field(event, key, name_from_json, |field, value, is_transaction| match field {
        field if NAMED.contains(&field) => name_from_json(value),
        "value" if is_transaction => micro_operations(value, from_json, name_from_json),
        _ => from_json(value),
    })
}

/// Changes each value of an event, and its keys to those of the other format. The tag of an event (the name of a record
/// type) carries no information.
fn each_field(
    event: &Tree,
    change_key: impl Fn(&Tree) -> Tree,
    name: impl Fn(&Tree) -> Tree,
    change: impl Fn(&str, &Tree, bool) -> Tree,
) -> Tree {
    let entries = match event {
        Tree::Map(entries) => entries,
        Tree::Tagged(_, event) => return each_field(event, change_key, name, change),
        other => return other.clone(),
    };
    let is_transaction = event.get("f").is_some_and(|f| name_or_symbol(&name(f)) == Some("txn"));
    let changed = entries.iter().map(|(key, value)| {
        let field = key.name().unwrap_or_default();
        (change_key(key), change(field, value, is_transaction))
    });
    Tree::Map(changed.collect())
}

/// `[[:append 1 2]]`: the first of each inner list is a function's name, the rest are values.
fn micro_operations(value: &Tree, change: impl Fn(&Tree) -> Tree, name: impl Fn(&Tree) -> Tree) -> Tree {
    let inner = |operation: &Tree| match operation {
        Tree::Vector(parts) => {
            let parts = parts.iter().enumerate();
            Tree::Vector(parts.map(|(at, part)| if at == 0 { name(part) } else { change(part) }).collect())
        }
        other => change(other),
    };
    match value {
        Tree::Vector(operations) => Tree::Vector(operations.iter().map(inner).collect()),
        other => change(other),
    }
}

/// What names a function, a type or a process: a keyword, a string, or a symbol.
pub(super) fn name_or_symbol(name: &Tree) -> Option<&str> {
    match name {
        Tree::Other(symbol) if is_name(symbol) => Some(symbol),
        other => other.name(),
    }
}

fn name_to_json(name: &Tree) -> Tree {
    match name {
        Tree::Keyword(text) if is_symbol(text) => Tree::Text(text.clone()),
        Tree::Text(text) if is_symbol(text) => as_edn(name),
        other => other.to_json(),
    }
}

pub(super) fn name_from_json(json: &Tree) -> Tree {
    match json {
        Tree::Text(text) if is_symbol(text) => Tree::Keyword(text.clone()),
        Tree::Text(text) => text_from_json(text),
        Tree::Map(entries) => match &entries[..] {
            [(key, Tree::Text(text))] if key.name() == Some("#edn") => {
                let name = parse_edn(text).filter(|name| name_to_json(name) == *json);
                name.unwrap_or_else(|| Tree::from_json(json.clone()))
            }
            _ => Tree::from_json(json.clone()),
        },
        other => Tree::from_json(other.clone()),
    }
}

/// An event as a line of JSON, without the line's end.
pub fn json_line(event: &Tree) -> String {
    json_text(&event_to_json(event))
}
