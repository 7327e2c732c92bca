//! What the drawings share: coordinates, ticks, text, and the patterns that distinguish outcomes without colour.

use std::fmt;

use crate::format::{NS_PER_MS, NS_PER_S, count, esc};

/// The width of every drawing, in its own units; one is a CSS pixel on a wide screen.
pub(super) const WIDTH: f64 = 1160.0;
/// What a character of the monospaced labels takes, at 11 px.
pub(super) const MONO_CHAR: f64 = 6.65;

/// Patterns used by every drawing of the page: strokes for `fail`, dots for `info`.
pub(super) const DEFS: &str = r##"<svg class="defs" width="0" height="0" aria-hidden="true" focusable="false"><defs>
<pattern id="strokes" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
<path d="M0 0V5" class="pattern"/></pattern>
<pattern id="dots" width="5" height="5" patternUnits="userSpaceOnUse"><circle cx="1.5" cy="1.5" r="1" class="pattern-dot"/></pattern>
</defs></svg>
"##;

/// A coordinate with at most one decimal.
#[derive(Clone, Copy)]
pub(super) struct At(pub(super) f64);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0 * 10.0).round() + 0.0; // never -0
        if tenths % 10.0 == 0.0 { write!(f, "{:.0}", tenths / 10.0) } else { write!(f, "{:.1}", tenths / 10.0) }
    }
}

/// Time, linear, from left to right.
#[derive(Clone, Copy)]
pub(super) struct TimeAxis {
    pub(super) end_ns: u64,
    pub(super) left: f64,
    pub(super) right: f64,
}

impl TimeAxis {
    pub(super) fn x(&self, ns: u64) -> f64 {
        self.left + (self.right - self.left) * (ns.min(self.end_ns) as f64 / self.end_ns.max(1) as f64)
    }

    /// Round moments, about `wanted` of them.
    pub(super) fn ticks(&self, wanted: u64) -> impl Iterator<Item = u64> + use<> {
        let (step, end) = (round_up(self.end_ns / wanted.max(1)), self.end_ns);
        (0..=end / step).map(move |number| number * step)
    }
}

/// The least of 1, 2.5, 5 times a power of ten that is not less.
pub(super) fn round_up(number: u64) -> u64 {
    let mut power: u64 = 1;
    while power < u64::MAX / 100 {
        for quarters in [4, 10, 20] {
            let candidate = power.saturating_mul(quarters) / 4;
            if candidate >= number && (quarters != 10 || power > 1) {
                return candidate;
            }
        }
        power *= 10;
    }
    u64::MAX
}

/// A scale's top for a greatest value: not less, and divisible into round halves.
pub(super) fn scale_top(greatest: f64) -> f64 {
    let power = 10_f64.powf(greatest.max(1.0).log10().floor());
    let steps = [1.0, 1.2, 1.6, 2.0, 2.4, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    steps.into_iter().map(|step| step * power).find(|top| *top >= greatest).unwrap_or(10.0 * power)
}

/// A moment on an axis: `0`, `250 ms`, `5 s`.
pub(super) fn tick_label(ns: u64) -> String {
    match ns {
        0 => "0".to_owned(),
        ns if ns < NS_PER_MS => format!("{} µs", ns as f64 / 1e3),
        ns if ns < NS_PER_S => format!("{} ms", ns as f64 / NS_PER_MS as f64),
        ns if ns % NS_PER_S == 0 => format!("{} s", count(ns / NS_PER_S)),
        ns => format!("{} s", ns as f64 / NS_PER_S as f64),
    }
}

/// Text in a drawing, escaped. `anchor` is `start`, `middle` or `end`.
pub(super) fn text(x: f64, y: f64, class: &str, anchor: &str, content: &str) -> String {
    let (x, y) = (At(x), At(y));
    let anchor = if anchor == "start" { String::new() } else { format!(" text-anchor=\"{anchor}\"") };
    format!("<text x=\"{x}\" y=\"{y}\" class=\"{class}\"{anchor}>{}</text>\n", esc(content))
}

/// A straight line.
pub(super) fn line(x1: f64, y1: f64, x2: f64, y2: f64, class: &str) -> String {
    format!("<path class=\"{class}\" d=\"M{} {}L{} {}\"/>\n", At(x1), At(y1), At(x2), At(y2))
}

/// A rectangle, with a text that is shown when it is pointed at.
pub(super) fn rect(x: f64, y: f64, width: f64, height: f64, class: &str, title: &str) -> String {
    let (x, y, width, height) = (At(x), At(y), At(width), At(height));
    let shape = format!("<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" class=\"{class}\"");
    if title.is_empty() { format!("{shape}/>\n") } else { format!("{shape}><title>{}</title></rect>\n", esc(title)) }
}

/// A whole drawing. `label` describes it, for screen readers and as a tooltip.
pub(super) fn svg(height: f64, label: &str, body: &str) -> String {
    let (label, height) = (esc(label), At(height));
    format!(
        "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{label}\">\
         <svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{label}\">\n{body}</svg></div>\n"
    )
}

/// The colour class of a kind of fault; kinds not known here share one.
pub(super) fn kind_class(kind: &str) -> &'static str {
    match kind {
        "partition" => "k-partition",
        // Whatever a node does not survive has one colour.
        "kill" | "upgrade" | "wipe" | "power" | "sync-fail" | "rot" => "k-kill",
        "pause" => "k-pause",
        "clock-bump" => "k-clock-bump",
        "clock-drift" => "k-clock-drift",
        "slow-link" | "lossy-link" => "k-slow-link",
        _ => "k-other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        assert_eq!([0, 1, 2, 11, 30, 300, 200_000_001].map(round_up), [1, 1, 5, 25, 50, 500, 250_000_000]);
        assert_eq!(round_up(u64::MAX), u64::MAX);
        let axis = TimeAxis { end_ns: 30 * NS_PER_S, left: 0.0, right: 300.0 };
        assert_eq!(axis.ticks(12).map(tick_label).take(3).collect::<Vec<_>>(), ["0", "2.5 s", "5 s"]);
        assert_eq!(axis.x(15 * NS_PER_S), 150.0);
    }

    #[test]
    fn a_scale_holds_its_greatest_value_closely() {
        assert_eq!([0.0, 1.0, 212.0, 1_270.0, 9_999.0].map(scale_top), [1.0, 1.0, 240.0, 1_600.0, 10_000.0]);
    }

    #[test]
    fn coordinates_are_short() {
        assert_eq!([1.0, 1.25, -0.04, 99.96].map(|n| At(n).to_string()), ["1", "1.3", "0", "100"]);
    }
}
