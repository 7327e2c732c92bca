//! Each violation with its explanation, the operations that prove it drawn and listed, and what was left out.

use std::ops::Range;

use checker::verdict::{Anomaly, PropertyResult};

use super::Run;
use super::cycle;
use super::finder::Finder;
use super::section::pill;
use super::table::{Set, table};
use crate::format::{abbreviate, count, esc};
use crate::summary::{SENTENCE_CHARS_MAX, is_broken_claim, property_label};

/// The most anomalies shown of one property and workload, and how many of a broken claim are open from the start.
pub(super) const ANOMALIES_MAX: usize = 20;
const OPEN_MAX: usize = 3;
/// Past this size of the section, in bytes, anomalies are explained without a drawing; past the second, they are only counted.
const DRAWN_BYTES_MAX: usize = 900_000;
const EXPLAINED_BYTES_MAX: usize = 1_100_000;

/// Where the page links to for an anomaly.
pub(super) fn anomaly_id(result: usize, position: usize) -> String {
    format!("anomaly-{result}-{position}")
}

/// All anomalies, those of broken claims first.
pub(super) fn section(run: &Run<'_>) -> String {
    let finder = Finder::new(run);
    let mut results: Vec<(usize, &PropertyResult)> =
        run.verdict.properties.iter().enumerate().filter(|(_, p)| !p.anomalies.is_empty()).collect();
    results.sort_by_key(|(_, p)| !is_broken_claim(p));
    let mut body = String::new();
    for (number, result) in &results {
        group(&finder, *number, result, &mut body);
    }
    let intro = match results.is_empty() {
        true => "<p>No anomaly was found.</p>\n".to_owned(),
        false if run.is_untimed() => INTRODUCTION.replace(BY_TIME, BY_ORDER),
        false => INTRODUCTION.to_owned(),
    };
    format!(
        "<section id=\"anomalies\" aria-labelledby=\"h-anomalies\">\n<h2 id=\"h-anomalies\">Anomalies</h2>\n{intro}{body}</section>\n"
    )
}

const INTRODUCTION: &str = "<p class=\"quiet\">In the drawings time runs to the right and is not to scale: long gaps are shortened. \
Bars with a heavy edge and a ● prove the anomaly: these operations alone are one, and none of them is needless. \
Bars with a ○ help to understand it, the others are the nearest operations on the same key; dashed edges are info or fail. \
Shaded: faults in force.</p>\n";
/// What the introduction says of the axis, and what it says instead where nothing has a time.
const BY_TIME: &str = "time runs to the right and is not to scale: long gaps are shortened";
const BY_ORDER: &str = "events are in their order from left to right, since they have no times";

fn group(finder: &Finder<'_>, number: usize, result: &PropertyResult, out: &mut String) {
    let total = result.anomalies_total.max(result.anomalies.len() as u64);
    let shown = result.anomalies.len().min(ANOMALIES_MAX);
    let left_out = match total - shown as u64 {
        0 => String::new(),
        n => format!(", the first {shown} shown, {} left out", count(n)),
    };
    let claim = if result.claimed { "" } else { ", not claimed" };
    *out += &format!(
        "<h3 id=\"anomalies-{number}\">{} {} <span class=\"quiet\">{}{claim}{left_out}</span></h3>\n",
        pill(result.outcome, !result.claimed),
        esc(property_label(result)),
        if total == 1 { "1 anomaly".to_owned() } else { format!("{} anomalies", count(total)) },
    );
    for (position, anomaly) in result.anomalies.iter().take(shown).enumerate() {
        if out.len() > EXPLAINED_BYTES_MAX {
            *out += &left_out_for_size(number, position..shown);
            return;
        }
        let open = is_broken_claim(result) && position < OPEN_MAX;
        let story = match out.len() > DRAWN_BYTES_MAX {
            true => "<p class=\"quiet\">Not drawn: the report has reached its size.</p>\n".to_owned(),
            false => story(finder, result, anomaly),
        };
        *out += &article(finder.when(anomaly), &anomaly_id(number, position), position, anomaly, open, &story);
    }
}

/// Says that some are left out; the timeline's marks for them lead here.
fn left_out_for_size(number: usize, positions: Range<usize>) -> String {
    let more = count(positions.len() as u64);
    let targets: String = positions.map(|p| format!("<span id=\"{}\"></span>", anomaly_id(number, p))).collect();
    format!("<p class=\"quiet\">{targets}{more} more are left out here: the report has reached its size.</p>\n")
}

fn article(when: String, id: &str, position: usize, anomaly: &Anomaly, open: bool, story: &str) -> String {
    let key =
        anomaly.key.as_ref().map(|key| format!(" on <code>{}</code>", esc(abbreviate(key, 60)))).unwrap_or_default();
    let process = anomaly.process.as_ref().map(|p| format!(", process {}", esc(p.to_string()))).unwrap_or_default();
    format!(
        "<details class=\"anomaly\" id=\"{id}\"{open}><summary><b>{number}. {kind}</b>{key}{process} \
         <span class=\"quiet\">{when}</span></summary>\n<p class=\"explanation\">{explanation}</p>\n{story}</details>\n",
        open = if open { " open" } else { "" },
        number = position + 1,
        kind = esc(abbreviate(&anomaly.kind, 60)),
        explanation = esc(abbreviate(&anomaly.explanation, SENTENCE_CHARS_MAX)),
    )
}

/// The drawing, the table, and what both leave out.
fn story(finder: &Finder<'_>, result: &PropertyResult, anomaly: &Anomaly) -> String {
    let scene = finder.scene(result, anomaly);
    if scene.drawn.is_empty() {
        return "<p class=\"quiet\">The history holds none of the operations that the anomaly names.</p>\n".to_owned();
    }
    let rows: Vec<Vec<String>> = scene.drawn.iter().map(|drawn| scene.row(drawn)).collect();
    let times = [("Invoked", Set::Number), ("Took", Set::Number)];
    let mut columns = vec![("Events", Set::Text)];
    columns.extend(times.into_iter().filter(|_| !scene.untimed));
    columns.extend([
        ("Process", Set::Number),
        ("Operation", Set::Text),
        ("Value", Set::Prose),
        ("Outcome", Set::Text),
        ("Node", Set::Text),
        ("Role", Set::Text),
    ]);
    format!(
        "{}{}<p class=\"quiet\">{}</p>\n<details><summary>These operations as a table</summary>\n{}</details>\n",
        cycle::draw(finder, anomaly),
        scene.draw(anomaly),
        esc(&scene.note),
        table("Operations around the anomaly; events are indices of the history", &columns, &rows)
    )
}
