//! Charts of figures: lines, or bars side by side, on axes with round ticks.
//!
//! A series has a colour, a shape of its marks and a dash, so that it can be distinguished from the others without
//! colour, too.

use super::chart::{At, WIDTH, line, svg, text};
use crate::experiment::{Axis, Chart, Series};
use crate::format::{abbreviate, esc};

const HEIGHT: f64 = 400.0;
const LEFT: f64 = 86.0;
const RIGHT: f64 = WIDTH - 24.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = HEIGHT - 54.0;
/// Series drawn; there are as many colours.
const SERIES_MAX: usize = 8;
/// Points drawn of a series, equally spaced among all.
const POINTS_MAX: usize = 400;
const CATEGORIES_MAX: usize = 24;
const LABEL_CHARS_MAX: usize = 60;
/// Marks only where they do not make a line a caterpillar.
const MARKED_POINTS_MAX: usize = 30;

/// Beside the page's own style.
pub(super) const CSS: &str = r#"
.s0{--k:var(--partition)}.s1{--k:var(--kill)}.s2{--k:var(--clock-bump)}.s3{--k:var(--slow-link)}.s4{--k:var(--pause)}.s5{
--k:var(--clock-drift)}.s6{--k:var(--ok)}.s7{--k:var(--other)}
.curve{fill:none;stroke:var(--k);stroke-width:1.8;stroke-linejoin:round}.curve.reference{stroke-dasharray:6 4}
.spot{fill:var(--k);stroke:var(--k);stroke-width:1.2}.spot.reference{fill:var(--panel)}
.bar{fill:var(--k);fill-opacity:.78}.bar.reference{fill-opacity:.12;stroke:var(--k);stroke-dasharray:4 3}
"#;

/// An axis with its extent, and where it lies on the drawing.
struct Scale {
    logarithmic: bool,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// Wide enough for all of the values, with round ends.
    fn over(axis: &Axis, values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let logarithmic = axis.logarithmic;
        let shown: Vec<f64> = values.filter(|value| value.is_finite() && (!logarithmic || *value > 0.0)).collect();
        let least = shown.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = shown.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (low, high) = match (shown.is_empty(), logarithmic) {
            (true, _) => (if logarithmic { 0.1 } else { 0.0 }, 1.0),
            (false, true) => log_ends(least, greatest),
            (false, false) => {
                let low = least.min(0.0);
                let step = step_for(greatest - low);
                ((low / step).floor() * step, ((greatest / step).ceil() * step).max(low + step))
            }
        };
        Self { logarithmic, low, high, from, to }
    }

    /// Where a value lies; none if the axis cannot show it.
    fn at(&self, value: f64) -> Option<f64> {
        if !value.is_finite() || (self.logarithmic && value <= 0.0) {
            return None;
        }
        let share = match self.logarithmic {
            true => (value / self.low).ln() / (self.high / self.low).ln(),
            false => (value - self.low) / (self.high - self.low),
        };
        Some(self.from + (self.to - self.from) * share.clamp(0.0, 1.0))
    }

    /// Round values, a dozen at most.
    fn ticks(&self) -> Vec<f64> {
        if !self.logarithmic {
            let step = step_for(self.high - self.low);
            let count = ((self.high - self.low) / step).round() as u32;
            return (0..=count).map(|number| self.low + f64::from(number) * step).collect();
        }
        let (first, last) = (self.low.log10().round() as i32, self.high.log10().round() as i32);
        let every = (last - first) / 10 + 1;
        (first..=last).filter(|power| (power - first) % every == 0).map(|power| 10_f64.powi(power)).collect()
    }
}

/// Whole powers of ten.
fn log_ends(least: f64, greatest: f64) -> (f64, f64) {
    let low = least.log10().floor() as i32;
    let high = (greatest.log10().ceil() as i32).max(low + 1);
    (10_f64.powi(low), 10_f64.powi(high))
}

/// A round step that divides a span into five to ten parts.
fn step_for(span: f64) -> f64 {
    let rough = if span > 0.0 { span / 5.0 } else { 0.2 };
    let power = 10_f64.powf(rough.log10().floor());
    let step = [5.0, 2.0, 1.0].into_iter().map(|factor| factor * power).find(|step| *step <= rough * 1.000_001);
    step.unwrap_or(power)
}

/// A value on an axis, as short as it can be said.
fn label(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        size if !(1e-4..1e6).contains(&size) => format!("{value:.0e}"),
        _ => {
            let text = format!("{value:.4}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    }
}

/// The chart, with its legend.
pub(super) fn plot(chart: &Chart) -> String {
    let shown = &chart.series[..chart.series.len().min(SERIES_MAX)];
    let bars = !chart.categories.is_empty();
    let ys = shown.iter().flat_map(|series| series.points.iter().map(|point| point.1));
    let y = Scale::over(&chart.y, ys, BOTTOM, TOP);
    let xs = shown.iter().flat_map(|series| series.points.iter().map(|point| point.0));
    let x = Scale::over(&chart.x, xs, LEFT, RIGHT);
    let mut body = frame(chart, &y);
    body += &match bars {
        true => category_labels(chart) + &draw_bars(chart, shown, &y),
        false => x_ticks(&x) + &draw_lines(shown, &x, &y),
    };
    body += &legend(shown);
    let left_out = match chart.series.len() - shown.len() {
        0 => String::new(),
        more => format!("<p class=\"quiet\">{more} more series are not drawn.</p>\n"),
    };
    format!("<h3>{}</h3>\n{}{left_out}", esc(abbreviate(&chart.title, 200)), svg(HEIGHT, &chart.title, &body))
}

fn frame(chart: &Chart, y: &Scale) -> String {
    let mut body = String::new();
    for tick in y.ticks() {
        if let Some(at) = y.at(tick) {
            body += &line(LEFT, at, RIGHT, at, "grid");
            body += &text(LEFT - 8.0, at + 4.0, "tick", "end", &label(tick));
        }
    }
    body += &text(LEFT - 70.0, TOP - 30.0, "chart-title", "start", &abbreviate(&chart.y.label, LABEL_CHARS_MAX));
    body + &text(RIGHT, HEIGHT - 10.0, "chart-title", "end", &abbreviate(&chart.x.label, LABEL_CHARS_MAX))
}

fn x_ticks(x: &Scale) -> String {
    let tick = |tick: f64| {
        let at = x.at(tick)?;
        Some(line(at, TOP, at, BOTTOM, "grid") + &text(at, BOTTOM + 18.0, "tick", "middle", &label(tick)))
    };
    x.ticks().into_iter().filter_map(tick).collect()
}

/// The middle and the width of a category's place.
fn place(chart: &Chart, number: usize) -> (f64, f64) {
    let width = (RIGHT - LEFT) / chart.categories.len().min(CATEGORIES_MAX) as f64;
    (LEFT + (number as f64 + 0.5) * width, width)
}

fn category_labels(chart: &Chart) -> String {
    let names = chart.categories.iter().take(CATEGORIES_MAX).enumerate();
    names
        .map(|(number, name)| text(place(chart, number).0, BOTTOM + 18.0, "tick", "middle", &abbreviate(name, 28)))
        .collect()
}

fn draw_bars(chart: &Chart, series: &[Series], y: &Scale) -> String {
    let mut body = String::new();
    for (number, one) in series.iter().enumerate() {
        for &(category, value) in one.points.iter().filter(|point| point.0 >= 0.0) {
            let (middle, width) = place(chart, category as usize);
            let Some(top) = y.at(value).filter(|_| (category as usize) < chart.categories.len().min(CATEGORIES_MAX))
            else {
                continue;
            };
            let thick = (width * 0.8 / series.len() as f64).min(70.0);
            let left = middle + (number as f64 - series.len() as f64 / 2.0) * thick;
            let class = format!("bar s{number}{}", reference(one));
            let said = format!("{}: {}", one.name, label(value));
            body += &super::chart::rect(left + 1.0, top, thick - 2.0, (BOTTOM - top).max(0.5), &class, &said);
        }
    }
    body
}

fn draw_lines(series: &[Series], x: &Scale, y: &Scale) -> String {
    series.iter().enumerate().map(|(number, one)| draw_line(number, one, x, y)).collect()
}

fn draw_line(number: usize, series: &Series, x: &Scale, y: &Scale) -> String {
    let every = series.points.len().div_ceil(POINTS_MAX).max(1);
    let sampled = series.points.iter().step_by(every);
    let places: Vec<(f64, f64)> = sampled.filter_map(|&(a, b)| Some((x.at(a)?, y.at(b)?))).collect();
    let corners: String = places.iter().map(|&(x, y)| format!("L{} {}", At(x), At(y))).collect();
    let Some(corners) = corners.strip_prefix('L') else { return String::new() };
    let class = format!("s{number}{}", reference(series));
    let title = esc(&series.name);
    let curve = format!("<path class=\"curve {class}\" d=\"M{corners}\"><title>{title}</title></path>\n");
    if places.len() > MARKED_POINTS_MAX {
        return curve;
    }
    places.iter().fold(curve, |body, &(x, y)| body + &spot(number, &class, x, y))
}

/// A mark whose shape is the series'.
fn spot(number: usize, class: &str, x: f64, y: f64) -> String {
    let r = 3.6;
    let d = match number % 4 {
        0 => format!("M{} {}a{r} {r} 0 1 0 {} 0a{r} {r} 0 1 0 -{} 0z", At(x - r), At(y), 2.0 * r, 2.0 * r),
        1 => format!("M{} {}h{}v{}h-{}z", At(x - r), At(y - r), 2.0 * r, 2.0 * r, 2.0 * r),
        2 => format!("M{} {}L{} {}L{} {}z", At(x), At(y - r), At(x + r), At(y + r), At(x - r), At(y + r)),
        _ => {
            format!("M{} {}L{} {}L{} {}L{} {}z", At(x), At(y - r), At(x + r), At(y), At(x), At(y + r), At(x - r), At(y))
        }
    };
    format!("<path class=\"spot {class}\" d=\"{d}\"/>\n")
}

fn legend(series: &[Series]) -> String {
    let mut body = String::new();
    let mut x = LEFT + 180.0;
    for (number, one) in series.iter().enumerate() {
        let class = format!("s{number}{}", reference(one));
        let y = TOP - 34.0;
        body += &format!("<path class=\"curve {class}\" d=\"M{} {}h24\"/>\n", At(x), At(y));
        body += &spot(number, &class, x + 12.0, y);
        let name = abbreviate(&one.name, 34);
        body += &text(x + 30.0, y + 4.0, "legend-label", "start", &name);
        x += 52.0 + 6.4 * name.chars().count() as f64;
    }
    body
}

fn reference(series: &Series) -> &'static str {
    if series.is_reference { " reference" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_ends_and_few_ticks() {
        let linear = Scale::over(&Axis::linear("x"), [0.3, 68.9].into_iter(), 0.0, 100.0);
        assert_eq!((linear.low, linear.high), (0.0, 70.0));
        assert_eq!(linear.ticks(), [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0]);
        let log = Scale::over(&Axis::logarithmic("x"), [0.03, 12.0, 0.0, -1.0].into_iter(), 0.0, 100.0);
        assert_eq!((log.low, log.high, log.ticks().len()), (0.01, 100.0, 5));
        assert_eq!(log.at(1.0).map(f64::round), Some(50.0));
        assert_eq!((log.at(0.0), log.at(f64::NAN)), (None, None), "what cannot be shown is left out");
        for span in [1e-9, 0.07, 1.0, 9.99, 123_456.0] {
            let ticks = Scale::over(&Axis::linear("x"), [span].into_iter(), 0.0, 1.0).ticks().len();
            assert!((3..=12).contains(&ticks), "{ticks} ticks for {span}");
        }
        let nothing = Scale::over(&Axis::linear("x"), std::iter::empty(), 0.0, 1.0);
        assert_eq!((nothing.low, nothing.high), (0.0, 1.0));
    }

    #[test]
    fn labels_are_short() {
        assert_eq!([0.0, 0.05, 10.0, 2.5, 1e-7, 3e9].map(label), ["0", "0.05", "10", "2.5", "1e-7", "3e9"]);
    }

    #[test]
    fn points_and_series_are_bounded_and_it_is_said() {
        let points: Vec<(f64, f64)> = (0..10_000).map(|at| (f64::from(at), 1.0)).collect();
        let series = vec![Series::measured("<one>", points); 20];
        let (x, y) = (Axis::linear("x"), Axis::linear("y"));
        let chart = Chart { title: "many".into(), x, y, series, categories: Vec::new() };
        let html = plot(&chart);
        assert!(html.len() < 100_000, "{}", html.len());
        assert!(html.contains("12 more series are not drawn") && !html.contains("<one>"));
    }
}
