//! The run over time: which faults were in force, how much was served and how fast, and where it went wrong.
//!
//! ```text
//!   partition   ███1███        ██4██            one lane for each kind of fault
//!   kill                ██2██
//!   ok/s        ▁▃▅▅▂▁▁▅▅▅▃▂▅▅▅▅▅▅▅   │heal      by the time of completion
//!   latency     · · ·: :· ·. · : · ·  │          by the time of invocation, logarithmic
//!   anomalies        ▲     ▲                     where they begin
//! ```
//! Everything is drawn over buckets of time of at most a [`BUCKETS_MAX`]th of the run, and points are sampled, so the
//! drawing is as large for a million operations as for ten thousand.

use std::collections::{BTreeMap, BTreeSet};

use checker::CheckName;
use checker::history::Phase;
use checker::verdict::{FaultFinding, PropertyResult};

use super::Run;
use super::anomaly::{ANOMALIES_MAX, anomaly_id};
use super::bucket::{Bucket, LogScale, buckets};
use super::chart::{At, TimeAxis, WIDTH, kind_class, line, rect, round_up, scale_top, svg, text, tick_label};
use super::lane::{Lane, fault_title, force, lanes};
use crate::format::{NS_PER_MS, NS_PER_S, abbreviate, count, esc, figure, seconds, span};
use crate::operation::{End, Operation};
use crate::summary::{is_broken_claim, property_label};

/// The most buckets a run is cut into.
const BUCKETS_MAX: u64 = 150;
/// The most points drawn of each outcome, the slowest of each bucket aside.
const POINTS_MAX: usize = 1_500;

/// Where things are, in the drawing's units.
const LEFT: f64 = 256.0;
const RIGHT: f64 = WIDTH - 14.0;
const LANE_HEIGHT: f64 = 20.0;
const THROUGHPUT_HEIGHT: f64 = 130.0;
const LATENCY_HEIGHT: f64 = 180.0;
const TITLE_HEIGHT: f64 = 34.0;
const MARK_HEIGHT: f64 = 20.0;

/// What takes its place where nothing has a time.
pub(super) fn without_times() -> String {
    "<section id=\"timeline\" aria-labelledby=\"h-timeline\">\n<h2 id=\"h-timeline\">Timeline</h2>\n\
     <p>The history has no times, so there is nothing to draw.</p></section>\n"
        .to_owned()
}

/// The section with the drawing and what it leaves out.
pub(super) fn section(run: &Run<'_>) -> String {
    let timeline = Timeline::new(run);
    let body = match timeline.main.is_empty() && run.verdict.faults.is_empty() {
        true => "<p>The history holds no operation and no fault.</p>\n".to_owned(),
        false => timeline.draw() + &timeline.note(),
    };
    format!(
        "<section id=\"timeline\" aria-labelledby=\"h-timeline\">\n<h2 id=\"h-timeline\">Timeline</h2>\n{body}</section>\n"
    )
}

struct Timeline<'a> {
    run: &'a Run<'a>,
    axis: TimeAxis,
    /// The operations of the main phase.
    main: Vec<&'a Operation<'a>>,
    bucket_ns: u64,
    buckets: Vec<Bucket>,
    lanes: Vec<Lane<'a>>,
    heal_ns: Option<u64>,
    converged_ns: Option<u64>,
}

impl<'a> Timeline<'a> {
    fn new(run: &'a Run<'a>) -> Self {
        let main: Vec<&Operation<'_>> = run.operations.iter().filter(|o| o.phase() == Phase::Main).collect();
        let bucket_ns = round_up((run.end_ns / BUCKETS_MAX).max(NS_PER_MS));
        let heal_ns = run.history.nemesis().iter().find(|event| event.f == "heal").map(|event| event.time);
        Self {
            axis: TimeAxis { end_ns: run.end_ns, left: LEFT, right: RIGHT },
            buckets: buckets(&main, bucket_ns, run.end_ns),
            main,
            bucket_ns,
            lanes: lanes(&run.verdict.faults, run.end_ns),
            heal_ns,
            converged_ns: heal_ns.and_then(|heal| converged_ns(run, heal)),
            run,
        }
    }

    /// The parts from top to bottom; what lies behind them all comes first.
    fn draw(&self) -> String {
        let header = if self.heal_ns.is_some() { 36.0 } else { 8.0 };
        let lanes_height = LANE_HEIGHT * self.lanes.iter().map(|lane| lane.rows as f64 + 0.2).sum::<f64>();
        let throughput = header + lanes_height + TITLE_HEIGHT;
        let latency = throughput + THROUGHPUT_HEIGHT + TITLE_HEIGHT;
        let marks = latency + LATENCY_HEIGHT + 8.0;
        let axis = marks + MARK_HEIGHT * self.marked().count() as f64 + 4.0;
        let body = [
            self.grid(header, axis),
            self.bands(throughput, latency + LATENCY_HEIGHT),
            self.lanes(header),
            self.throughput(throughput),
            self.latency(latency),
            self.hovers(throughput, latency + LATENCY_HEIGHT),
            self.marks(marks),
            self.milestones(header, axis),
        ];
        svg(axis + 24.0, &self.label(), &body.concat())
    }

    fn label(&self) -> String {
        let (faults, ops) = (self.run.verdict.faults.len() as u64, self.main.len() as u64);
        format!(
            "Timeline of {}: {} operations and {} faults; throughput, latency and anomalies over time",
            seconds(self.run.end_ns),
            count(ops),
            count(faults)
        )
    }

    fn grid(&self, top: f64, bottom: f64) -> String {
        let tick = |ns: u64| {
            let x = self.axis.x(ns);
            line(x, top, x, bottom, "grid") + &text(x, bottom + 16.0, "tick", "middle", &tick_label(ns))
        };
        self.axis.ticks(12).map(tick).collect()
    }

    /// Every fault once more, pale, behind the charts.
    fn bands(&self, top: f64, bottom: f64) -> String {
        let drawn = self.lanes.iter().flat_map(|lane| &lane.faults);
        drawn
            .filter_map(|(_, fault)| self.extent(fault).map(|(from, to)| (fault, from, to)))
            .map(|(fault, from, to)| {
                let class = format!("band {}", kind_class(&fault.kind));
                rect(from, top, to - from, bottom - top, &class, &fault_title(fault, self.run.end_ns))
            })
            .collect()
    }

    /// Where a fault begins and ends on the axis, at least a pixel and a half wide.
    fn extent(&self, fault: &FaultFinding) -> Option<(f64, f64)> {
        let (from, to) = force(fault, self.run.end_ns)?;
        let from = self.axis.x(from).min(RIGHT - 1.5);
        Some((from, self.axis.x(to).max(from + 1.5)))
    }

    fn lanes(&self, top: f64) -> String {
        let mut out = String::new();
        let mut y = top;
        for lane in &self.lanes {
            out += &text(LEFT - 12.0, y + 13.5, "lane", "end", &abbreviate(lane.kind, 22));
            for (row, fault) in &lane.faults {
                out += &self.lane_bar(fault, y + *row as f64 * LANE_HEIGHT);
            }
            y += LANE_HEIGHT * (lane.rows as f64 + 0.2);
        }
        out
    }

    fn lane_bar(&self, fault: &FaultFinding, y: f64) -> String {
        let Some((from, to)) = self.extent(fault) else {
            return String::new();
        };
        let proof = if fault.proved || fault.foreign { "" } else { " unproved" };
        let class = format!("fault {}{proof}", kind_class(&fault.kind));
        let bar = rect(from, y + 2.0, to - from, LANE_HEIGHT - 4.0, &class, &fault_title(fault, self.run.end_ns));
        let label = if fault.proved || fault.foreign { fault.fault.to_string() } else { format!("{} ?", fault.fault) };
        let room = to - from > 8.0 + 7.0 * label.chars().count() as f64;
        bar + &if room { text(from + 5.0, y + 14.0, "fault-id", "start", &label) } else { String::new() }
    }

    /// Completions per second, stacked: ok, then info, then fail.
    fn throughput(&self, top: f64) -> String {
        let per_second = NS_PER_S as f64 / self.bucket_ns as f64;
        let highest = self.buckets.iter().map(Bucket::total).max().unwrap_or(0) as f64 * per_second;
        let scale_max = scale_top(highest);
        let bottom = top + THROUGHPUT_HEIGHT;
        let y = |rate: f64| bottom - THROUGHPUT_HEIGHT * rate / scale_max;
        let legend =
            [("ok", "area-ok"), ("info", "area-info"), ("fail", "area-fail")].map(|(n, c)| (n, Swatch::Area(c)));
        let mut out = title(top, "Completed per second", &legend);
        for share in [0.0, 0.5, 1.0] {
            out += &y_tick(y(scale_max * share), &figure(scale_max * share));
        }
        let mut below = vec![0.0; self.buckets.len()];
        for (outcome, class) in [(0, "area-ok"), (2, "area-info"), (1, "area-fail")] {
            let above: Vec<f64> =
                self.buckets.iter().zip(&below).map(|(b, base)| base + b.ended[outcome] as f64 * per_second).collect();
            if above != below {
                let area = self.steps(&below, &above, &y);
                out += &format!("<path class=\"{class}\" d=\"{area}\"/>\n");
                out += &format!("<path class=\"{class} over\" d=\"{area}\"/>\n");
            }
            below = above;
        }
        out
    }

    /// The area between two stepped lines, one value for each bucket. Buckets in which they meet are left out.
    fn steps(&self, below: &[f64], above: &[f64], y: &impl Fn(f64) -> f64) -> String {
        let mut path = String::new();
        for (number, (low, high)) in below.iter().zip(above).enumerate().filter(|(_, (low, high))| low < high) {
            let (from, to) = self.bucket_x(number);
            path += &format!("M{} {}H{}V{}H{}Z", At(from), At(y(*high)), At(to), At(y(*low)), At(from));
        }
        path
    }

    fn bucket_x(&self, number: usize) -> (f64, f64) {
        let from = (number as u64).saturating_mul(self.bucket_ns);
        (self.axis.x(from), self.axis.x(from.saturating_add(self.bucket_ns)))
    }

    /// Sampled operations and the quantiles of each bucket, on a logarithmic scale.
    fn latency(&self, top: f64) -> String {
        let latencies = self.main.iter().filter_map(|o| o.latency_ns());
        let scale = LogScale::new(latencies, top + LATENCY_HEIGHT, LATENCY_HEIGHT);
        let legend = [
            ("p50 of ok", Swatch::Line("p50")),
            ("p99 of ok", Swatch::Line("p99")),
            ("ok", Swatch::Point("point-ok", "M0 0h0")),
            ("info", Swatch::Point("point-info", INFO_POINT)),
            ("fail", Swatch::Point("point-fail", FAIL_POINT)),
        ];
        let mut out = title(top, "Latency, by the time of invocation", &legend);
        for exponent in scale.low..=scale.high {
            let ns = 10_f64.powi(exponent);
            out += &y_tick(scale.y(ns as u64), &tick_label(ns as u64));
        }
        for (end, mark) in [(End::Ok, "h0"), (End::Info, &INFO_POINT[4..]), (End::Fail, &FAIL_POINT[4..])] {
            let points: String = self
                .sample(end)
                .into_iter()
                .filter_map(|o| o.latency_ns().map(|latency| (self.axis.x(o.begins()), scale.y(latency))))
                .map(|(x, y)| format!("M{} {}{mark}", At(x), At(y)))
                .collect();
            if !points.is_empty() {
                out += &format!("<path class=\"point-{}\" d=\"{points}\"/>\n", end.name());
            }
        }
        out + &self.quantile_line(99, "p99", &scale) + &self.quantile_line(50, "p50", &scale)
    }

    fn quantile_line(&self, per_cent: usize, class: &str, scale: &LogScale) -> String {
        let (mut path, mut broken) = (String::new(), true);
        for (number, bucket) in self.buckets.iter().enumerate() {
            let Some(ns) = bucket.quantile(per_cent) else {
                broken = true;
                continue;
            };
            let (from, to) = self.bucket_x(number);
            let step = if broken { "M" } else { "L" };
            path += &format!("{step}{} {}", At((from + to) / 2.0), At(scale.y(ns)));
            broken = false;
        }
        if path.is_empty() { path } else { format!("<path class=\"{class}\" d=\"{path}\"/>\n") }
    }

    /// Every n-th operation that ended so, and the slowest of each bucket, in order of invocation.
    fn sample(&self, end: End) -> Vec<&Operation<'a>> {
        let all: Vec<&Operation<'a>> = self.main.iter().copied().filter(|o| o.end() == end).collect();
        let mut slowest: BTreeMap<u64, (u64, usize)> = BTreeMap::new();
        for (position, operation) in all.iter().enumerate() {
            let entry = (operation.latency_ns().unwrap_or(0), position);
            let held = slowest.entry(operation.begins() / self.bucket_ns).or_insert(entry);
            *held = entry.max(*held);
        }
        let mut kept: BTreeSet<usize> = (0..all.len()).step_by(stride(all.len())).collect();
        kept.extend(slowest.values().map(|(_, position)| *position));
        kept.into_iter().map(|position| all[position]).collect()
    }

    /// Invisible areas over both charts that show their figures when pointed at.
    fn hovers(&self, top: f64, bottom: f64) -> String {
        let mut out = String::new();
        for (number, bucket) in self.buckets.iter().enumerate() {
            if bucket.total() == 0 && bucket.latencies_ns.is_empty() {
                continue;
            }
            let (from, to) = self.bucket_x(number);
            out += &rect(from, top, to - from, bottom - top, "hover", &self.bucket_title(number, bucket));
        }
        out
    }

    fn bucket_title(&self, number: usize, bucket: &Bucket) -> String {
        let from = (number as u64).saturating_mul(self.bucket_ns);
        let [ok, fail, info] = bucket.ended.map(count);
        let mut title = format!("from {}: {ok} ok, {fail} fail, {info} info", seconds(from));
        if let Some((p50, p99)) = bucket.quantile(50).zip(bucket.quantile(99)) {
            title += &format!("\nlatency p50 {}, p99 {}", span(p50), span(p99));
        }
        let to = from.saturating_add(self.bucket_ns);
        let drawn = self.lanes.iter().flat_map(|lane| &lane.faults).map(|(_, fault)| fault);
        let active = drawn.filter(|f| force(f, self.run.end_ns).is_some_and(|(start, stop)| start < to && stop > from));
        for fault in active.take(4) {
            title += &format!("\n{} {}: {}", fault.kind, fault.fault, abbreviate(&fault.detail, 60));
        }
        title
    }

    fn marked(&self) -> impl Iterator<Item = (usize, &PropertyResult)> {
        self.run.verdict.properties.iter().enumerate().filter(|(_, p)| !p.anomalies.is_empty())
    }

    /// A row of marks for each property with anomalies, each leading to its explanation.
    fn marks(&self, top: f64) -> String {
        let mut out = String::new();
        for (row, (number, result)) in self.marked().enumerate() {
            let y = top + row as f64 * MARK_HEIGHT;
            out += &text(LEFT - 12.0, y + 13.0, "lane property", "end", &abbreviate(&property_label(result), 42));
            let class = if is_broken_claim(result) { "mark" } else { "mark quiet" };
            for (position, anomaly) in result.anomalies.iter().take(ANOMALIES_MAX).enumerate() {
                let (x, tip) = (self.axis.x(anomaly.from_ns), y + 3.0);
                out += &format!(
                    "<a href=\"#{}\"><path class=\"{class}\" d=\"M{} {}l5 10h-10Z\"><title>{}</title></path></a>\n",
                    anomaly_id(number, position),
                    At(x),
                    At(tip),
                    esc(abbreviate(&format!("{}: {}", anomaly.kind, anomaly.explanation), 300))
                );
            }
        }
        out
    }

    /// The heal, and the moment after which all replicas agreed.
    fn milestones(&self, top: f64, bottom: f64) -> String {
        // The label of the later one is above the line of the other.
        let milestones = [(self.converged_ns, "converged"), (self.heal_ns, "healed")];
        let mut out = String::new();
        for (row, (ns, word)) in milestones.into_iter().enumerate() {
            let Some(ns) = ns else { continue };
            let x = self.axis.x(ns);
            let y = top - 22.0 + 14.0 * row as f64;
            let (anchor, dx) = if x > (LEFT + RIGHT) / 2.0 { ("end", -5.0) } else { ("start", 5.0) };
            out += &line(x, y - 9.0, x, bottom, &format!("milestone {word}"));
            out += &text(x + dx, y, "milestone-label", anchor, &format!("{word} {}", seconds(ns)));
        }
        out
    }

    /// What the drawing shows and what it samples.
    fn note(&self) -> String {
        let mut out = format!(
            "Operations of the main phase, in buckets of {}. Shaded: faults in force; point at them, or at a \
             part of the charts, for details. ",
            span(self.bucket_ns)
        );
        let sampled: Vec<String> = End::ALL.into_iter().filter_map(|end| self.sampled(end)).collect();
        out += &match sampled.is_empty() {
            true => "Every completed operation is a point.".to_owned(),
            false => format!("Points are a sample: {}, with the slowest of each bucket.", sampled.join("; ")),
        };
        let (drawn, all) = (self.lanes.iter().map(|l| l.faults.len()).sum::<usize>(), self.run.verdict.faults.len());
        if drawn < all {
            out += &format!(
                " {} of {} faults are drawn: the others never started, or are too many.",
                count(drawn as u64),
                count(all as u64)
            );
        }
        format!("<p class=\"quiet\">{}</p>\n", esc(out))
    }

    fn sampled(&self, end: End) -> Option<String> {
        let all = self.main.iter().filter(|o| o.end() == end).count();
        let stride = stride(all);
        (stride > 1).then(|| format!("1 in {} of {} {}", count(stride as u64), count(all as u64), end.name()))
    }
}

/// Every how many operations a point is drawn.
fn stride(operations: usize) -> usize {
    operations.div_ceil(POINTS_MAX).max(1)
}

/// The moment at which the last key converged, if the checker says so for every workload.
fn converged_ns(run: &Run<'_>, heal_ns: u64) -> Option<u64> {
    let results = run.verdict.properties.iter().filter(|p| p.property == CheckName::CONVERGENCE);
    let all_ms: Option<Vec<f64>> = results.map(|p| p.figures.get(CONVERGE_FIGURE).copied()).collect();
    let last_ms = all_ms?.into_iter().reduce(f64::max).filter(|ms| ms.is_finite() && *ms >= 0.0)?;
    Some(heal_ns.saturating_add((last_ms * 1e6) as u64)).filter(|ns| *ns <= run.end_ns)
}

/// The figure of a convergence result that says how long after the heal its last key converged, ms; absent if not all
/// did.
const CONVERGE_FIGURE: &str = "converge_ms";

/// An open triangle and a cross, drawn from the point they stand for.
const INFO_POINT: &str = "M0 0m0-3l3 5h-6Z";
const FAIL_POINT: &str = "M0 0m-2.5-2.5l5 5m0-5l-5 5";

enum Swatch<'a> {
    Area(&'a str),
    Line(&'a str),
    Point(&'a str, &'a str),
}

/// A chart's title with its legend, above `top`.
fn title(top: f64, words: &str, legend: &[(&str, Swatch<'_>)]) -> String {
    let y = top - 10.0;
    let mut out = text(LEFT, y, "chart-title", "start", words);
    let mut x = LEFT + 28.0 + 7.0 * words.len() as f64;
    for (name, swatch) in legend {
        out += &match swatch {
            Swatch::Area(class) => {
                rect(x, y - 9.0, 14.0, 10.0, class, "") + &rect(x, y - 9.0, 14.0, 10.0, &format!("{class} over"), "")
            }
            Swatch::Line(class) => line(x, y - 4.0, x + 16.0, y - 4.0, class),
            Swatch::Point(class, path) => {
                format!(
                    "<path class=\"{class} legend\" transform=\"translate({} {})\" d=\"{path}\"/>\n",
                    At(x + 8.0),
                    At(y - 4.0)
                )
            }
        };
        out += &text(x + 20.0, y, "legend-label", "start", name);
        x += 34.0 + 6.6 * name.len() as f64;
    }
    out
}

fn y_tick(y: f64, label: &str) -> String {
    line(LEFT, y, RIGHT, y, "grid") + &text(LEFT - 8.0, y + 4.0, "tick", "end", label)
}
