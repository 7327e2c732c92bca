//! Numbers, times and values as people read them, and text made safe to show.
//!
//! Keys, values and errors come from the store under test. None of them may break a page, move a terminal's cursor or
//! make a report large, so all go through [`visible`] or [`esc`], and through an abbreviation.

use std::fmt;

use serde_json::{Map, Value};

/// A whole number with thousands separators: `48,211`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 fault`, `2 faults`.
pub(crate) fn plural(number: u64, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", count(number))
}

/// A figure: whole numbers without decimals, others with three significant ones; `n/a` if it is no number.
pub(crate) fn figure(number: f64) -> String {
    if !number.is_finite() {
        return "n/a".to_owned();
    }
    let (sign, size) = (if number < 0.0 { "-" } else { "" }, number.abs());
    if size >= 1e15 {
        return format!("{number:e}");
    }
    if size.fract() == 0.0 || size >= 1_000.0 {
        return format!("{sign}{}", count(size.round() as u64));
    }
    let decimals = if size >= 100.0 { 0 } else { (2.0 - size.max(1e-3).log10().floor()).clamp(0.0, 4.0) as usize };
    format!("{sign}{size:.decimals$}")
}

/// A name and a value of [`figures`](checker::verdict::PropertyResult::figures): the unit leaves the name for the
/// value.
pub(crate) fn named_figure(name: &str, value: f64) -> (String, String) {
    match name.strip_suffix("_ms") {
        Some(name) => (name.replace(['_', '-'], " "), format!("{} ms", figure(value))),
        None => (name.replace(['_', '-'], " "), figure(value)),
    }
}

/// Seconds to a hundredth, from ns: `12.35 s`.
pub(crate) fn seconds(ns: u64) -> String {
    format!("{}.{:02} s", count(ns / NS_PER_S), ns % NS_PER_S / (NS_PER_S / 100))
}

/// Seconds to a millisecond, from ns: `12.345 s`.
pub(crate) fn seconds_ms(ns: u64) -> String {
    format!("{}.{:03} s", count(ns / NS_PER_S), ns % NS_PER_S / NS_PER_MS)
}

/// A span, in the unit that suits its size, from ns: `3.2 ms`, `4.50 s`.
pub(crate) fn span(ns: u64) -> String {
    if ns < NS_PER_S { format!("{} ms", figure(ns as f64 / 1e6)) } else { seconds(ns) }
}

/// Nanoseconds in a second.
pub(crate) const NS_PER_S: u64 = 1_000_000_000;
/// Nanoseconds in a millisecond.
pub(crate) const NS_PER_MS: u64 = 1_000_000;

/// A share in percent with one decimal, never rounded up to 100 nor down to 0; `–` of nothing.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    match (part, whole) {
        (_, 0) => "–".to_owned(),
        (0, _) => "0%".to_owned(),
        (part, whole) if part >= whole => "100%".to_owned(),
        (part, whole) => format!("{:.1}%", (part as f64 / whole as f64 * 100.0).clamp(0.1, 99.9)),
    }
}

/// The first `chars_max` characters, the last of them `…` if there were more.
pub(crate) fn abbreviate(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        None => text.to_owned(),
        Some(_) => text.chars().take(chars_max.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// A history value in at most `chars_max` characters. Long lists show their beginning and how many follow.
pub(crate) fn value(value: &Value, chars_max: usize) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => abbreviate(text, chars_max),
        Value::Array(items) => values(items, chars_max),
        Value::Object(fields) if is_version(fields) => abbreviate(&version(fields), chars_max),
        Value::Object(fields) => {
            let shown: Vec<String> = fields
                .iter()
                .take(8)
                .map(|(name, v)| format!("{}: {}", abbreviate(name, 24), value_in_list(v)))
                .collect();
            abbreviate(&format!("{{{}}}", shown.join(", ")), chars_max)
        }
        scalar => abbreviate(&scalar.to_string(), chars_max),
    }
}

/// One version of a replica read: `{"id": .., "value": ..}`.
pub(crate) fn is_version(fields: &Map<String, Value>) -> bool {
    fields.len() == 2 && fields.contains_key("id") && fields.contains_key("value")
}

fn version(fields: &Map<String, Value>) -> String {
    let held = match &fields["value"] {
        Value::Null => "tombstone".to_owned(),
        held => value_in_list(held),
    };
    format!("{} = {held}", value_in_list(&fields["id"]))
}

fn value_in_list(item: &Value) -> String {
    match item {
        Value::Null => "null".to_owned(),
        Value::Array(items) => values(items, 32),
        Value::Object(_) => value(item, 48),
        scalar => value(scalar, 24),
    }
}

/// As many items as fit, then the number of the others.
pub(crate) fn values(items: &[Value], chars_max: usize) -> String {
    const MORE_CHARS: usize = 16;
    let mut out = String::from("[");
    for (position, item) in items.iter().enumerate() {
        let text = value_in_list(item);
        let separator = if position == 0 { "" } else { ", " };
        if position > 0 && out.chars().count() + text.chars().count() + MORE_CHARS > chars_max {
            return abbreviate(&format!("{out}, … {} more]", count((items.len() - position) as u64)), chars_max.max(8));
        }
        out.push_str(separator);
        out.push_str(&text);
    }
    out.push(']');
    abbreviate(&out, chars_max)
}

/// Characters that would act on a terminal or a page instead of being shown: controls, and marks that reorder text.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}')
}

/// The text with such characters written out, as `\u{1b}`; line ends and tabs become spaces.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            c if is_hidden(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// Shows the text escaped for XML and HTML, in content and in attributes; characters that XML forbids are written out.
pub(crate) fn esc<T: fmt::Display>(text: T) -> Escaped<T> {
    Escaped(text)
}

/// See [`esc`].
pub(crate) struct Escaped<T>(T);

impl<T: fmt::Display> fmt::Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        write!(Escaper(f), "{}", self.0)
    }
}

struct Escaper<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Escaper<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '&' => self.0.write_str("&amp;")?,
                '<' => self.0.write_str("&lt;")?,
                '>' => self.0.write_str("&gt;")?,
                '"' => self.0.write_str("&quot;")?,
                '\'' => self.0.write_str("&#39;")?,
                '\n' => self.0.write_str("&#10;")?,
                '\t' => self.0.write_str("&#9;")?,
                c if is_hidden(c) => write!(self.0, "{}", c.escape_unicode())?,
                c => self.0.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.0, 3.0, 2.345, 23.45, 234.5, 4_903.2].map(figure), ["0", "3", "2.35", "23.4", "234", "4,903"]);
        assert_eq!([0.0123, -2.5, f64::NAN, 1e300].map(figure), ["0.0123", "-2.50", "n/a", "1e300"]);
        assert_eq!(seconds(12_345_678_901), "12.34 s");
        assert_eq!(span(3_240_000), "3.24 ms");
    }

    #[test]
    fn a_share_is_never_rounded_to_all_or_nothing() {
        assert_eq!(percent(99_999, 100_000), "99.9%");
        assert_eq!(percent(1, 100_000), "0.1%");
        assert_eq!((percent(5, 5), percent(0, 5), percent(0, 0)), ("100%".into(), "0%".into(), "–".into()));
    }

    #[test]
    fn long_lists_say_how_much_is_left_out() {
        let elements: Vec<Value> = (0..5_000).map(Value::from).collect();
        assert_eq!(value(&Value::from(elements), 32), "[0, 1, 2, 3, 4, 5, … 4,994 more]");
        assert_eq!(value(&json!([1, 2]), 32), "[1, 2]");
        assert_eq!(value(&json!([{"id": "a:1", "value": null}]), 60), "[a:1 = tombstone]");
    }

    #[test]
    fn nothing_acts_on_a_page_or_a_terminal() {
        assert_eq!(esc("<a b=\"c\">'&\u{0}\u{202e}").to_string(), "&lt;a b=&quot;c&quot;&gt;&#39;&amp;\\u{0}\\u{202e}");
        assert_eq!(visible("\u{1b}[2J\nx"), "\\u{1b}[2J x");
    }

    proptest! {
        #[test]
        fn abbreviations_keep_their_bound(text in "\\PC{0,80}", chars_max in 8usize..60) {
            prop_assert!(abbreviate(&text, chars_max).chars().count() <= chars_max);
            let listed = Value::from(vec![Value::from(text.clone()); 9]);
            prop_assert!(value(&listed, chars_max).chars().count() <= chars_max);
        }

        #[test]
        fn escaped_text_has_no_markup(text in any::<String>()) {
            let escaped = esc(&text).to_string();
            prop_assert!(!escaped.contains(['<', '>', '"', '\'']) && !escaped.chars().any(is_hidden));
        }
    }
}
