//! The drawing of an anomaly: a lane for each process, a bar for each operation, from invocation to completion.
//!
//! What proves an anomaly is often milliseconds wide and half a minute apart, so time is not to scale: the moments at
//! which something begins or ends keep their order, and the longer a gap between two of them, the more of it is cut
//! ([`StoryAxis`]).

use std::collections::BTreeSet;

use checker::history::{Phase, ProcessName};
use checker::verdict::{Anomaly, FaultFinding};
use serde_json::Value;

use super::chart::{MONO_CHAR, WIDTH, kind_class, line, rect, svg, text};
use super::lane::{fault_title, force};
use crate::format::{self, abbreviate, esc, is_version, plural, seconds_ms, span};
use crate::operation::Operation;

/// The most faults behind a drawing.
pub(super) const FAULTS_MAX: usize = 10;

/// One operation of a drawing.
pub(super) struct Drawn<'a> {
    pub(super) operation: &'a Operation<'a>,
    pub(super) role: Role,
}

/// Why an operation is in a drawing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It is one of the fewest operations that prove the anomaly.
    Proof,
    /// It helps to understand them.
    Context,
    /// It is on the same key, at about the same time.
    Near,
}

impl Role {
    /// The class under which it is drawn.
    fn class(self) -> &'static str {
        match self {
            Role::Proof => "proof",
            Role::Context => "context",
            Role::Near => "near",
        }
    }

    /// What stands before its label.
    fn mark(self) -> &'static str {
        match self {
            Role::Proof => "● ",
            Role::Context => "○ ",
            Role::Near => "",
        }
    }

    /// Its text in the table.
    fn cell(self) -> &'static str {
        match self {
            Role::Proof => "<strong>● proof</strong>",
            Role::Context => "○ context",
            Role::Near => "nearby",
        }
    }
}

/// One anomaly's operations and the faults behind them.
pub(super) struct Scene<'a> {
    pub(super) drawn: Vec<Drawn<'a>>,
    pub(super) faults: Vec<&'a FaultFinding>,
    pub(super) focus: Vec<Value>,
    pub(super) end_ns: u64,
    /// Whether places are indices of events instead of times.
    pub(super) untimed: bool,
    pub(super) note: String,
}

/// Where things are, in the drawing's units.
const LEFT: f64 = 96.0;
const RIGHT: f64 = WIDTH - 8.0;
/// What the last bar leaves free for its label.
const LABEL_ROOM: f64 = 320.0;
const ROW_HEIGHT: f64 = 24.0;
const BAR_HEIGHT: f64 = 18.0;
const FAULT_ROW_HEIGHT: f64 = 16.0;
const LABEL_CHARS_MAX: usize = 46;
/// What a bar leaves free beside a label inside it.
const LABEL_MARGIN: f64 = 6.0;

impl Scene<'_> {
    /// The drawing as HTML.
    pub(super) fn draw(&self, anomaly: &Anomaly) -> String {
        let axis = StoryAxis::new(self);
        let (lanes, bands) = (self.lanes(&axis), self.bands(&axis));
        let top = FAULT_ROW_HEIGHT * bands.iter().map(|band| band.row + 1).max().unwrap_or(0) as f64 + 6.0;
        let bottom = top + ROW_HEIGHT * lanes.iter().map(|lane| lane.rows.len() as f64).sum::<f64>() + 4.0;
        let mut body: String = bands.iter().map(|band| self.band(band, bottom)).collect();
        body += &axis.ticks(top, bottom, |place| self.moment(place));
        let mut y = top;
        for lane in &lanes {
            body += &line(0.0, y, RIGHT, y, "grid");
            body += &text(
                LEFT - 10.0,
                y + 16.0,
                "lane",
                "end",
                &format!("process {}", abbreviate(&lane.name.to_string(), 14)),
            );
            for (row, placed) in lane.rows.iter().flatten() {
                body += &self.bar(placed, y + 3.0 + ROW_HEIGHT * *row as f64);
            }
            y += ROW_HEIGHT * lane.rows.len() as f64;
        }
        body += &line(0.0, y, RIGHT, y, "grid");
        let (operations, lanes) =
            (plural(self.drawn.len() as u64, "operation"), plural(lanes.len() as u64, "process lane"));
        svg(bottom + 20.0, &format!("Around {}: {operations} in {lanes}", anomaly.kind), &body)
    }

    /// The faults with their place, their names in as few rows as keep them apart.
    fn bands(&self, axis: &StoryAxis) -> Vec<Band<'_>> {
        let mut free_from = [f64::MIN; FAULTS_MAX];
        let mut bands = Vec::new();
        for fault in &self.faults {
            let Some((from, to)) = force(fault, self.end_ns) else {
                continue;
            };
            let name = format!("{} {}", abbreviate(&fault.kind, 24), fault.fault);
            let (x, name_width) = (axis.x(from), 10.0 + MONO_CHAR * name.chars().count() as f64);
            let (to, name_x) = (axis.x(to).max(x + 1.5), (x + 4.0).min(RIGHT - name_width));
            let row = free_from.iter().position(|free| *free <= x.min(name_x)).unwrap_or(FAULTS_MAX - 1);
            free_from[row] = to.max(name_x + name_width);
            bands.push(Band { fault, x, width: to - x, name, name_x, row });
        }
        bands
    }

    /// A fault's time behind everything, its name on top.
    fn band(&self, band: &Band<'_>, bottom: f64) -> String {
        let (class, y) = (kind_class(&band.fault.kind), FAULT_ROW_HEIGHT * band.row as f64);
        let title = fault_title(band.fault, self.end_ns);
        rect(band.x, y, band.width, bottom - y, &format!("band {class}"), &title)
            + &rect(band.x, y, band.width, 2.0, &format!("fault {class}"), "")
            + &text(band.name_x, y + 12.5, "band-label", "start", &band.name)
    }

    /// A lane for each process, in order of appearance; within it, bars and labels that would touch go to further rows.
    fn lanes(&self, axis: &StoryAxis) -> Vec<Lane<'_>> {
        let mut lanes: Vec<Lane<'_>> = Vec::new();
        for drawn in &self.drawn {
            let placed = self.place(drawn, axis);
            let process = drawn.operation.process();
            match lanes.iter_mut().find(|lane| lane.process == process) {
                Some(lane) => lane.add(placed),
                None => {
                    let name = drawn.operation.process_name();
                    let mut lane = Lane { process, name, rows: Vec::new() };
                    lane.add(placed);
                    lanes.push(lane);
                }
            }
        }
        lanes
    }

    /// The label goes into the bar if it fits, else to its right, else to its left.
    fn place<'s>(&self, drawn: &'s Drawn<'s>, axis: &StoryAxis) -> Placed<'s> {
        let from = axis.x(drawn.operation.begins());
        let to = axis.x(drawn.operation.ends(self.end_ns)).max(from + 2.0);
        let label = abbreviate(&self.label(drawn), LABEL_CHARS_MAX);
        let width = MONO_CHAR * label.chars().count() as f64;
        let right = if width + 2.0 * LABEL_MARGIN <= to - from { from + LABEL_MARGIN } else { to + 5.0 };
        let fits = right + width <= RIGHT;
        let label_x = if fits { right } else { (from - 5.0 - width).max(LEFT) };
        Placed { drawn, from, to, label, label_x, label_end: label_x + width }
    }

    fn bar(&self, placed: &Placed<'_>, y: f64) -> String {
        let operation = placed.drawn.operation;
        let role = placed.drawn.role.class();
        let class = format!("op {} {role}", operation.end().name());
        let title = self.title(operation);
        let label = text(placed.label_x, y + 13.0, &format!("op-label {role}"), "start", &placed.label);
        rect(placed.from, y, placed.to - placed.from, BAR_HEIGHT, &class, &title) + &label
    }

    /// `● add 17 → ok n3`
    fn label(&self, drawn: &Drawn<'_>) -> String {
        let operation = drawn.operation;
        let (mark, node) = (drawn.role.mark(), operation.node().unwrap_or_default());
        let argument = format::value(&operation.argument(), 14);
        let space = if argument.is_empty() { "" } else { " " };
        let result = operation.result().map_or_else(String::new, |result| format!(": {}", self.result(&result)));
        let by = if node.is_empty() { String::new() } else { format!(" {}", abbreviate(node, 12)) };
        format!("{mark}{}{space}{argument} → {}{by}{result}", function(operation), operation.end().name())
    }

    /// The value read, in a few characters: the list if it is short, else its length and whether it contains the value
    /// in question.
    fn result(&self, value: &Value) -> String {
        const SHORT_CHARS: usize = 22;
        if value.is_null() {
            return "nothing".to_owned();
        }
        let whole = format::value(value, SHORT_CHARS + 1);
        let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
        if !value.is_array() || (!whole.contains('…') && whole.chars().count() <= SHORT_CHARS) {
            return whole;
        }
        let noun = if items.iter().all(|i| i.as_object().is_some_and(is_version)) { "version" } else { "value" };
        let contains = self.focus.first().map(|focus| {
            let there = if items.iter().any(|item| holds(item, focus)) { "with" } else { "without" };
            format!(", {there} {}", format::value(focus, 12))
        });
        format!("{}{}", plural(items.len() as u64, noun), contains.unwrap_or_default())
    }

    /// A place on the axis in words.
    fn moment(&self, place: u64) -> String {
        if self.untimed { format!("event {place}") } else { seconds_ms(place) }
    }

    fn title(&self, operation: &Operation<'_>) -> String {
        if self.untimed {
            let (value, error) = (self.value(operation, 160), error(operation));
            return format!("{} {value}\ninvoked by event {}{error}", function(operation), operation.invoked());
        }
        let took = operation.latency_ns().map_or("never completed".to_owned(), |ns| format!("took {}", span(ns)));
        let value = self.value(operation, 160);
        let error = error(operation);
        format!("{} {value}\ninvoked {}, {took}{error}", function(operation), seconds_ms(operation.begins()))
    }

    /// The argument or the result, with whether it contains the values in question.
    fn value(&self, operation: &Operation<'_>, chars_max: usize) -> String {
        let result = operation.result();
        let Some(items) = result.as_ref().and_then(Value::as_array) else {
            let shown = result.unwrap_or_else(|| operation.argument());
            return format::value(&shown, chars_max) + &past(operation, chars_max);
        };
        let list = format::values(items, chars_max);
        let contains = self.focus.iter().filter(|_| !items.is_empty()).map(|focus| {
            let there = if items.iter().any(|item| holds(item, focus)) { "with" } else { "without" };
            format!("; {there} {}", format::value(focus, 24))
        });
        let contains: String = contains.collect();
        format!("{list}{contains}")
    }

    /// The cells of an operation's row in the table, as HTML.
    pub(super) fn row(&self, drawn: &Drawn<'_>) -> Vec<String> {
        let operation = drawn.operation;
        let lines = match operation.completed() {
            Some(completed) => format!("{}, {completed}", operation.invoked()),
            None => operation.invoked().to_string(),
        };
        let node = operation.node().unwrap_or_default();
        let times = [seconds_ms(operation.begins()), operation.latency_ns().map_or("–".to_owned(), span)];
        let mut row = vec![lines];
        row.extend(times.into_iter().filter(|_| !self.untimed));
        row.extend([
            esc(abbreviate(&operation.process_name().to_string(), 40)).to_string(),
            format!("<code>{}</code>", esc(function(operation))),
            esc(self.value(operation, 120)).to_string(),
            esc(format!("{}{}", operation.end().name(), error(operation))).to_string(),
            esc(abbreviate(node, 40)).to_string(),
            drawn.role.cell().to_owned(),
        ]);
        row
    }
}

/// `read`, `replica read`, `final read`, `ring members`, `probe write`.
fn function(operation: &Operation<'_>) -> String {
    let f = abbreviate(operation.label(), 20);
    match operation.phase() {
        Phase::Main => f,
        Phase::Replica => format!("replica {f}"),
        Phase::Final => format!("final {f}"),
        Phase::Ring => format!("ring {f}"),
        Phase::Probe => format!("probe {f}"),
    }
}

fn error(operation: &Operation<'_>) -> String {
    operation.error().map(|error| format!(": {}", abbreviate(error, 100))).unwrap_or_default()
}

/// What a write replaced.
fn past(operation: &Operation<'_>, chars_max: usize) -> String {
    match &operation.replaced()[..] {
        [] => String::new(),
        past => format!(" over {}", format::values(past, chars_max)),
    }
}

/// Whether an item of a list read is the value, or a version that is or holds it.
fn holds(item: &Value, focus: &Value) -> bool {
    match item {
        Value::Object(fields) if is_version(fields) => holds(&fields["value"], focus),
        Value::Array(elements) => elements.contains(focus),
        item => item == focus,
    }
}

/// A fault behind a drawing.
struct Band<'a> {
    fault: &'a FaultFinding,
    x: f64,
    width: f64,
    name: String,
    name_x: f64,
    row: usize,
}

/// An operation's bar and label, placed from left to right.
struct Placed<'a> {
    drawn: &'a Drawn<'a>,
    from: f64,
    to: f64,
    label: String,
    label_x: f64,
    label_end: f64,
}

struct Lane<'a> {
    process: u64,
    name: ProcessName,
    rows: Vec<Vec<(usize, Placed<'a>)>>,
}

impl<'a> Lane<'a> {
    /// Into the first row where it touches nothing.
    fn add(&mut self, placed: Placed<'a>) {
        let (from, to) = (placed.from.min(placed.label_x), placed.to.max(placed.label_end));
        let free = |row: &Vec<(usize, Placed<'a>)>| {
            row.iter().all(|(_, other)| {
                from > other.to.max(other.label_end) + 4.0 || to + 4.0 < other.from.min(other.label_x)
            })
        };
        let row = self.rows.iter().position(free).unwrap_or_else(|| {
            self.rows.push(Vec::new());
            self.rows.len() - 1
        });
        self.rows[row].push((row, placed));
    }
}

/// Time, not to scale: each gap between two moments takes a little, and the logarithm of its length more.
struct StoryAxis {
    /// Moments, ns, ascending and distinct, with their place.
    stops: Vec<(u64, f64)>,
}

impl StoryAxis {
    fn new(scene: &Scene<'_>) -> Self {
        let bounds = scene.drawn.iter().map(|d| (d.operation.begins(), d.operation.ends(scene.end_ns)));
        let mut moments: BTreeSet<u64> = bounds.flat_map(|(from, to)| [from, to]).collect();
        let (first, last) = (moments.first().copied().unwrap_or(0), moments.last().copied().unwrap_or(0));
        let edges = scene.faults.iter().filter_map(|f| force(f, scene.end_ns)).flat_map(|(from, to)| [from, to]);
        moments.extend(edges.filter(|ns| (first..=last).contains(ns)));
        let moments: Vec<u64> = moments.into_iter().collect();
        let weight = |pair: &[u64]| 0.35 + (1.0 + (pair[1] - pair[0]) as f64 / 1e6).ln();
        let total: f64 = moments.windows(2).map(weight).sum::<f64>().max(f64::MIN_POSITIVE);
        let room = RIGHT - LABEL_ROOM - LEFT - 6.0;
        let mut stops = Vec::with_capacity(moments.len());
        let mut x = LEFT + 6.0;
        for (position, moment) in moments.iter().enumerate() {
            x += if position == 0 { 0.0 } else { room * weight(&moments[position - 1..=position]) / total };
            stops.push((*moment, x));
        }
        Self { stops }
    }

    /// The place of a moment; what lies outside the story is at its edges.
    fn x(&self, ns: u64) -> f64 {
        let after = self.stops.partition_point(|(moment, _)| *moment < ns);
        match (after.checked_sub(1).map(|i| self.stops[i]), self.stops.get(after)) {
            (None, _) => {
                if self.stops.first().is_some_and(|(moment, _)| *moment == ns) {
                    self.stops[0].1
                } else {
                    LEFT
                }
            }
            (Some(_), None) => RIGHT,
            (Some((from, x_from)), Some((to, x_to))) => {
                x_from + (x_to - x_from) * (ns - from) as f64 / (to - from).max(1) as f64
            }
        }
    }

    /// Moments named under the lanes, as many as have room.
    fn ticks(&self, top: f64, bottom: f64, name: impl Fn(u64) -> String) -> String {
        const ROOM: f64 = 78.0;
        let (mut out, mut free_from) = (String::new(), f64::MIN);
        for (ns, x) in &self.stops {
            if *x >= free_from {
                out += &line(*x, top, *x, bottom, "grid");
                out += &text(*x, bottom + 14.0, "tick", "start", &name(*ns));
                free_from = x + ROOM;
            }
        }
        out
    }
}
