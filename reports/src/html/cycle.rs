//! A cycle of transactions as a graph: a box for each transaction, an arrow for each dependency with its kind and key.
//!
//! Boxes stand on an ellipse in the order of the cycle, so that arrows to the next box never cross. An arrow is a curve
//! between the middles of two boxes that bows outwards; the boxes are drawn over it, and its head is where the curve enters
//! the box.

use checker::verdict::Anomaly;
use serde_json::Value;

use super::chart::{MONO_CHAR, WIDTH, svg, text};
use super::finder::Finder;
use crate::format::{self, abbreviate};
use crate::operation::Operation;

/// The most transactions drawn of a cycle.
const TRANSACTIONS_MAX: usize = 12;
const BOX_WIDTH: f64 = 300.0;
const BOX_HEIGHT: f64 = 40.0;
const DETAIL_CHARS_MAX: usize = 44;
/// How far the ellipse reaches up and down: so much for each box, so that neighbours at its sides do not touch.
const REACH_PER_BOX: f64 = 22.0;
const REACH_MIN: f64 = 70.0;
/// What an arrow needs above and below the boxes.
const MARGIN: f64 = 46.0;
/// Points at which a curve is looked at to find where it enters a box.
const CURVE_STEPS: u32 = 200;

/// A point of the drawing.
#[derive(Clone, Copy)]
struct Point {
    x: f64,
    y: f64,
}

/// The cycle of an anomaly as HTML; empty if it is none.
pub(super) fn draw(finder: &Finder<'_>, anomaly: &Anomaly) -> String {
    if anomaly.edges.is_empty() {
        return String::new();
    }
    let edges = &anomaly.edges[..anomaly.edges.len().min(TRANSACTIONS_MAX)];
    let (places, height) = places(edges.len());
    let whole = edges.len() == anomaly.edges.len();
    let mut body = String::new();
    for (at, edge) in edges.iter().enumerate().filter(|(at, _)| whole || at + 1 < edges.len()) {
        body += &arrow(places[at], places[(at + 1) % places.len()], height, &edge.label);
    }
    for (at, edge) in edges.iter().enumerate() {
        body += &transaction(places[at], edge.from, finder.operation(edge.from));
    }
    let left_out = match anomaly.edges.len() - edges.len() {
        0 => String::new(),
        more => format!("<p class=\"quiet\">{more} more transactions of the cycle are not drawn.</p>\n"),
    };
    let title = format!("A cycle of {} transactions", anomaly.edges.len());
    format!("{}{left_out}", svg(height, &title, &body))
}

/// Where the middles of the boxes are, and the height of the drawing.
fn places(count: usize) -> (Vec<Point>, f64) {
    // With fewer than three boxes there is nothing above or below the line.
    let reach = if count < 3 { 0.0 } else { (REACH_PER_BOX * count as f64).max(REACH_MIN) };
    let height = 2.0 * (reach + MARGIN) + BOX_HEIGHT;
    let (middle, radius) = (Point { x: WIDTH / 2.0, y: height / 2.0 }, (WIDTH - BOX_WIDTH) / 2.0 - 8.0);
    let place = |at: usize| {
        // The first is at the left; the order goes clockwise.
        let angle = std::f64::consts::TAU * at as f64 / count.max(1) as f64 + std::f64::consts::PI;
        Point { x: middle.x + radius * angle.cos(), y: middle.y + reach * angle.sin() }
    };
    ((0..count).map(place).collect(), height)
}

/// A curve from one box to another with its head and label.
fn arrow(from: Point, to: Point, height: f64, label: &str) -> String {
    let control = bow(from, to, height);
    let at = |step: u32| {
        let (t, u) = (f64::from(step) / f64::from(CURVE_STEPS), 1.0 - f64::from(step) / f64::from(CURVE_STEPS));
        let mix = |a: f64, b: f64, c: f64| u * u * a + 2.0 * u * t * b + t * t * c;
        Point { x: mix(from.x, control.x, to.x), y: mix(from.y, control.y, to.y) }
    };
    let enters = (0..CURVE_STEPS).find(|step| is_inside(at(*step), to)).unwrap_or(CURVE_STEPS).max(4);
    let (tip, before) = (at(enters), at(enters - 4));
    let curve = format!(
        "<path class=\"edge\" d=\"M{:.1} {:.1}Q{:.1} {:.1} {:.1} {:.1}\"/>\n",
        from.x, from.y, control.x, control.y, to.x, to.y
    );
    let name = abbreviate(label, 28);
    let (middle, width) = (at(CURVE_STEPS / 2), 12.0 + MONO_CHAR * name.chars().count() as f64);
    let ground = format!(
        "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"17\" class=\"edge-ground\"/>\n",
        middle.x - width / 2.0,
        middle.y - 8.5
    );
    curve + &head(before, tip) + &ground + &text(middle.x, middle.y + 4.0, "edge-label", "middle", &name)
}

/// The point towards which a curve bows: away from the middle of the drawing, or to the right of its way through it.
fn bow(from: Point, to: Point, height: f64) -> Point {
    let half = Point { x: (from.x + to.x) / 2.0, y: (from.y + to.y) / 2.0 };
    let (dx, dy) = (half.x - WIDTH / 2.0, half.y - height / 2.0);
    let distance = dx.hypot(dy);
    if distance < 1.0 {
        // Between two boxes that face each other: there above the line, back below it.
        let side = if to.x > from.x { -1.0 } else { 1.0 };
        return Point { x: half.x, y: half.y + side * (height - 40.0) };
    }
    let out = 34.0 / distance;
    Point { x: half.x + dx * out, y: half.y + dy * out }
}

fn is_inside(point: Point, middle: Point) -> bool {
    (point.x - middle.x).abs() <= BOX_WIDTH / 2.0 && (point.y - middle.y).abs() <= BOX_HEIGHT / 2.0
}

/// The head of an arrow that comes from `before` and ends at `tip`.
fn head(before: Point, tip: Point) -> String {
    let (dx, dy) = (tip.x - before.x, tip.y - before.y);
    let length = dx.hypot(dy).max(1e-6);
    let (dx, dy) = (dx / length, dy / length);
    let corner = |side: f64| (tip.x - 11.0 * dx + 5.0 * side * dy, tip.y - 11.0 * dy - 5.0 * side * dx);
    let (one, other) = (corner(1.0), corner(-1.0));
    format!(
        "<path class=\"edge-head\" d=\"M{:.1} {:.1}L{:.1} {:.1}L{:.1} {:.1}Z\"/>\n",
        tip.x, tip.y, one.0, one.1, other.0, other.1
    )
}

/// A box with the name of a transaction, who ran it, and what it did.
fn transaction(middle: Point, event: u64, operation: Option<&Operation<'_>>) -> String {
    let (x, y) = (middle.x - BOX_WIDTH / 2.0, middle.y - BOX_HEIGHT / 2.0);
    let (name, detail) = match operation {
        Some(operation) => (format!("T{event}, process {}", operation.process_name()), micros(operation)),
        None => (format!("T{event}"), String::new()),
    };
    format!(
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{BOX_WIDTH}\" height=\"{BOX_HEIGHT}\" rx=\"4\" class=\"transaction\"/>\n"
    ) + &text(middle.x, middle.y - 4.0, "transaction-name", "middle", &name)
        + &text(middle.x, middle.y + 13.0, "op-label", "middle", &abbreviate(&detail, DETAIL_CHARS_MAX))
}

/// `append x 1, r y [1 2]`; of what is no transaction its function and value.
fn micros(operation: &Operation<'_>) -> String {
    let value = operation.history().json(match operation.is_ok() {
        true => checker::history::Operation::result(operation),
        false => checker::history::Operation::argument(operation),
    });
    let shown = |part: &Value| part.as_str().map_or_else(|| format::value(part, 24), str::to_owned);
    let micro = |micro: &Value| {
        let parts = micro.as_array()?;
        Some(parts.iter().map(shown).collect::<Vec<String>>().join(" "))
    };
    let all: Option<Vec<String>> = value.as_array().and_then(|micros| micros.iter().map(micro).collect());
    all.map_or_else(|| format!("{} {}", operation.label(), format::value(&value, 30)), |all| all.join(", "))
}
