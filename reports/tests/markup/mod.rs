//! A strict reader of markup: every tag is closed in order, every attribute quoted, every `<` and `&` part of markup.

use std::collections::BTreeSet;

/// The elements that HTML never closes.
const VOID: [&str; 2] = ["meta", "link"];

/// Text as reports escape it, where it holds no control characters.
pub fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}

/// Panics where the page is not well formed, an id occurs twice, or a link within the page leads nowhere.
pub fn check_html(page: &str) {
    let body = page.strip_prefix("<!DOCTYPE html>\n").expect("the page has its doctype");
    let (before, rest) = body.split_once("<style>").expect("the page has a style");
    let (_, after) = rest.split_once("</style>").expect("the style ends");
    let attributes = check(&format!("{before}{after}"), &VOID);
    let (mut ids, mut links) = (BTreeSet::new(), BTreeSet::new());
    for (name, value) in &attributes {
        match (name.as_str(), value.strip_prefix('#')) {
            ("id", _) => assert!(ids.insert(value.as_str()), "the id {value} occurs twice"),
            ("href", Some(target)) => _ = links.insert(target),
            _ => (),
        }
    }
    let nowhere: Vec<_> = links.difference(&ids).collect();
    assert!(nowhere.is_empty(), "links lead nowhere: {nowhere:?}");
}

/// Panics where the document is not well formed XML, or holds characters that XML 1.0 forbids.
pub fn check_xml(document: &str) {
    let body = document.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").expect("an XML declaration");
    assert!(!body.chars().any(|c| (c.is_control() && c != '\n') || matches!(c, '\u{fffe}' | '\u{ffff}')));
    check(body, &[]);
}

/// Reads all tags; the attributes, in order.
fn check(text: &str, void: &[&str]) -> Vec<(String, String)> {
    let (mut open, mut attributes, mut rest) = (Vec::<String>::new(), Vec::new(), text);
    while let Some((words, after)) = rest.split_once('<') {
        check_text(words);
        let (tag, after) = after.split_once('>').expect("a tag ends");
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "</{name}> closes another element");
            continue;
        }
        let (tag, closed) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, mut fields) = tag.split_once(' ').unwrap_or((tag, ""));
        assert!(!name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "<{tag}> is no tag");
        while !fields.trim().is_empty() {
            let (field, after) = attribute(fields.trim_start());
            attributes.push(field);
            fields = after;
        }
        if !closed && !void.contains(&name) {
            open.push(name.to_owned());
        }
    }
    check_text(rest);
    assert!(open.is_empty(), "never closed: {open:?}");
    attributes
}

/// One attribute and what follows; `open` is the one that may stand alone.
fn attribute(fields: &str) -> ((String, String), &str) {
    if let Some(after) = fields.strip_prefix("open").filter(|after| !after.starts_with('=')) {
        return (("open".to_owned(), String::new()), after);
    }
    let (name, after) = fields.split_once("=\"").unwrap_or_else(|| panic!("an attribute is not quoted: {fields}"));
    assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{name} is no attribute");
    let (value, after) = after.split_once('"').expect("an attribute ends");
    check_text(value);
    ((name.to_owned(), value.to_owned()), after)
}

fn check_text(text: &str) {
    assert!(!text.contains(['<', '>']), "a stray angle bracket: {text}");
    for entity in text.split('&').skip(1) {
        let name = entity.split_once(';').map(|(name, _)| name).unwrap_or_default();
        let known = ["amp", "lt", "gt", "quot", "#39", "#10", "#9"].contains(&name);
        assert!(known, "a stray ampersand before: {}", entity.chars().take(20).collect::<String>());
    }
}
