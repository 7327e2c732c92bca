//! The verdict as tables for a terminal: what happened first, then properties, anomalies, faults and operations.
//!
//! Sentences wrap, numbers do not: if a table is too wide, its widest columns are narrowed first. Colour only repeats
//! what a word or a sign beside it says.

use std::collections::BTreeMap;

use checker::verdict::{Anomaly, FaultFinding, OperationStatistics, Outcome, PropertyResult, Verdict};
use tabled::Table;
use tabled::builder::Builder;
use tabled::settings::object::{Cell, Columns, Rows};
use tabled::settings::peaker::Priority;
use tabled::settings::{Alignment, Color, Style, Width};

use crate::format::{abbreviate, count, figure, plural, span, visible};
use crate::grid::Grid;
use crate::summary::{
    RunSummary, availability, faults_sentence, harvest, headline, is_broken_claim, operations_total, property_label,
    reasons_beyond_headline, sign, workload_name,
};

/// The width assumed where the terminal's is not known.
const WIDTH_DEFAULT: usize = 100;
/// Below this a table cannot hold its numbers; above it a line is too long to read.
const WIDTH_MIN: usize = 72;
const WIDTH_MAX: usize = 140;
/// The most anomalies explained for a claimed property; for one that is not claimed.
const ANOMALIES_MAX: usize = 3;
const ANOMALIES_UNCLAIMED_MAX: usize = 1;
/// The longest explanation and the longest other sentence, in characters.
const EXPLANATION_CHARS_MAX: usize = 600;
const SENTENCE_CHARS_MAX: usize = 300;
/// The most reasons listed, and the most unproved faults.
const REASONS_MAX: usize = 12;
const UNPROVED_MAX: usize = 8;

/// The verdict as text of at most `width` columns (100 where unknown, never under 72), with ANSI colours if `colour`.
pub fn terminal(summary: &RunSummary, verdict: &Verdict, width: Option<usize>, colour: bool) -> String {
    let page = Page { width: width.unwrap_or(WIDTH_DEFAULT).clamp(WIDTH_MIN, WIDTH_MAX), colour };
    let sections = [
        page.headline(summary, verdict),
        page.properties(summary, verdict),
        page.anomalies(summary, &verdict.properties),
        page.faults(summary.is_run(), summary.untimed, &verdict.faults),
        page.operations(&verdict.statistics),
        page.messages(summary),
        page.reasons(summary, verdict),
        page.footer(summary),
    ];
    let shown: Vec<String> = sections.into_iter().filter(|s| !s.is_empty()).collect();
    shown.join("\n")
}

/// What the nemesis did and how operations fared, for a verdict on a history whose findings are printed elsewhere; empty if
/// neither is known. `timed` says whether the history has times.
pub fn run_tables(verdict: &Verdict, timed: bool, width: Option<usize>, colour: bool) -> String {
    let page = Page { width: width.unwrap_or(WIDTH_DEFAULT).clamp(WIDTH_MIN, WIDTH_MAX), colour };
    let faults = if verdict.faults.is_empty() { String::new() } else { page.faults(false, !timed, &verdict.faults) };
    let operations = if verdict.statistics.is_empty() { String::new() } else { page.operations(&verdict.statistics) };
    [faults, operations].into_iter().filter(|section| !section.is_empty()).collect::<Vec<String>>().join("\n")
}

struct Page {
    width: usize,
    colour: bool,
}

impl Page {
    fn headline(&self, summary: &RunSummary, verdict: &Verdict) -> String {
        let badge = format!("{} {}", sign(verdict.outcome), verdict.outcome.to_string().to_uppercase());
        let title = abbreviate(&visible(&summary.title), self.width.saturating_sub(badge.chars().count() + 2));
        let mut out = format!("{}  {}\n", self.paint(&badge, ansi(verdict.outcome)), self.paint(&title, BOLD));
        out += &wrap(&visible(&headline(summary, verdict)), self.width, "", "");
        out += &self.paint(&wrap(&facts(summary, verdict), self.width, "", ""), DIM);
        out
    }

    fn properties(&self, summary: &RunSummary, verdict: &Verdict) -> String {
        let (properties, has_claims) = (&verdict.properties, summary.has_claims(verdict));
        if properties.is_empty() {
            return String::new();
        }
        match Grid::of(properties) {
            None => self.findings("Properties", has_claims, &properties.iter().collect::<Vec<_>>()),
            Some(grid) => {
                let open: Vec<&PropertyResult> = properties.iter().filter(|p| p.outcome != Outcome::Valid).collect();
                let findings = if open.is_empty() {
                    String::new()
                } else {
                    "\n".to_owned() + &self.findings("Not valid", has_claims, &open)
                };
                self.grid(&grid, has_claims) + &findings
            }
        }
    }

    /// A sign for each property and workload.
    fn grid(&self, grid: &Grid<'_>, has_claims: bool) -> String {
        let mut builder = Builder::default();
        builder.push_record(["property".to_owned()].into_iter().chain(grid.workloads.iter().map(|w| heading(w))));
        for row in &grid.rows {
            let signs = row.results.iter().map(|result| result.map_or_else(String::new, |(_, p)| mark(p)));
            builder.push_record([row.property.to_string()].into_iter().chain(signs));
        }
        let mut table = self.table(builder);
        for (row, results) in grid.rows.iter().map(|row| &row.results).enumerate().filter(|_| self.colour) {
            for (column, (_, p)) in results.iter().enumerate().filter_map(|(column, result)| Some((column, (*result)?)))
            {
                let colour = if p.claimed { found_colour(p.outcome) } else { dim() };
                table.modify(Cell::new(row + 1, column + 1), colour);
            }
        }
        let in_brackets = if has_claims { "; in brackets: not claimed" } else { "" };
        let legend = format!("✓ holds, ✗ broken, ? undecided{in_brackets}\n");
        self.section("Properties", table) + &self.paint(&legend, DIM)
    }

    fn findings(&self, title: &str, has_claims: bool, properties: &[&PropertyResult]) -> String {
        let claimed = |word: &str| has_claims.then(|| word.to_owned());
        let mut builder = Builder::default();
        let head = ["property", "workload"].map(str::to_owned).into_iter().chain(claimed("claimed"));
        builder.push_record(head.chain(["found", "finding"].map(str::to_owned)));
        for p in properties {
            let mut row = vec![p.property.to_string(), abbreviate(&visible(workload_name(p)), 24)];
            row.extend(claimed(if p.claimed { "yes" } else { "no" }));
            row.push(format!("{} {}", sign(p.outcome), p.outcome));
            row.push(abbreviate(&visible(&p.summary), SENTENCE_CHARS_MAX));
            builder.push_record(row);
        }
        let mut table = self.table(builder);
        for (row, p) in properties.iter().enumerate().filter(|_| self.colour) {
            let (claim, found) = if p.claimed { (Color::BOLD, found_colour(p.outcome)) } else { (dim(), dim()) };
            if has_claims {
                table.modify(Cell::new(row + 1, 2), claim);
            }
            table.modify(Cell::new(row + 1, if has_claims { 3 } else { 2 }), found);
        }
        self.section(title, table)
    }

    fn anomalies(&self, summary: &RunSummary, properties: &[PropertyResult]) -> String {
        let mut out = String::new();
        for p in properties.iter().filter(|p| !p.anomalies.is_empty()) {
            let claim = if p.claimed { "" } else { ", not claimed" };
            let found = anomalies_total(p);
            let title = format!("{}: {}{claim}", property_label(p), anomaly_count(found));
            out += &format!("{}\n", self.paint(&visible(&title), if is_broken_claim(p) { RED } else { BOLD }));
            let shown_max = if p.claimed { ANOMALIES_MAX } else { ANOMALIES_UNCLAIMED_MAX };
            let shown = p.anomalies.iter().take(shown_max);
            for (number, anomaly) in shown.enumerate() {
                let text = abbreviate(&visible(&anomaly.explanation), EXPLANATION_CHARS_MAX);
                let first = format!("  {}. ", number + 1);
                out += &wrap(&format!("{} {text}", anomaly_place(anomaly)), self.width, &first, "     ");
            }
            let more = found - p.anomalies.len().min(shown_max) as u64;
            if more > 0 {
                out += &self.paint(&format!("     ... and {} more {}\n", count(more), elsewhere(summary)), DIM);
            }
        }
        out
    }

    fn faults(&self, is_run: bool, untimed: bool, faults: &[FaultFinding]) -> String {
        if faults.is_empty() {
            let none = if is_run { "none were planned" } else { "none are recorded" };
            return format!("{}\n{none}\n", self.paint("Faults", BOLD));
        }
        // The nemesis of another bench planned nothing here, and proves nothing.
        let foreign = faults.iter().any(|fault| fault.foreign);
        let mut kinds: BTreeMap<&str, Vec<&FaultFinding>> = BTreeMap::new();
        for fault in faults {
            kinds.entry(&fault.kind).or_default().push(fault);
        }
        let mut builder = Builder::default();
        let head = ["kind", if foreign { "recorded" } else { "planned" }, "proved", "total time", "for example"];
        let shown = [true, true, !foreign, !untimed, true];
        builder.push_record(head.into_iter().zip(shown).filter(|(_, shown)| *shown).map(|(name, _)| name));
        for (kind, members) in &kinds {
            let row = fault_row(kind, members).into_iter().zip(shown);
            builder.push_record(row.filter(|(_, shown)| *shown).map(|(cell, _)| cell));
        }
        let mut table = self.table(builder);
        let numbers = shown.iter().filter(|shown| **shown).count() - 1;
        table.modify(Columns::new(1..numbers), Alignment::right());
        for (row, members) in kinds.values().enumerate().filter(|_| self.colour && !foreign) {
            let all = members.iter().all(|f| f.proved);
            table.modify(Cell::new(row + 1, 2), if all { Color::FG_GREEN } else { Color::FG_YELLOW });
        }
        self.section("Faults", table) + &unproved(faults, self.width)
    }

    fn operations(&self, statistics: &[OperationStatistics]) -> String {
        if statistics.is_empty() {
            return format!("{}\nnone were recorded\n", self.paint("Operations", BOLD));
        }
        let mut builder = Builder::default();
        builder.push_record(OPERATION_COLUMNS);
        for s in statistics {
            builder.push_record(operation_row(s));
        }
        let mut table = self.table(builder);
        table.modify(Columns::new(2..), Alignment::right());
        self.section("Operations", table)
    }

    fn messages(&self, summary: &RunSummary) -> String {
        let Some(messages) = &summary.messages else { return String::new() };
        let sentence = format!("{}\n", messages.counts.sentence());
        format!("{}\n{}", self.paint("Messages", BOLD), wrap(&sentence, self.width, "", ""))
    }

    fn reasons(&self, summary: &RunSummary, verdict: &Verdict) -> String {
        let reasons = reasons_beyond_headline(summary, verdict);
        if reasons.is_empty() {
            return String::new();
        }
        let mut out = self.paint("Further reasons\n", BOLD);
        for reason in reasons.iter().take(REASONS_MAX) {
            out += &wrap(&abbreviate(&visible(reason), SENTENCE_CHARS_MAX), self.width, "  - ", "    ");
        }
        let more = reasons.len().saturating_sub(REASONS_MAX) as u64;
        if more > 0 {
            out += &format!("    ... and {} {}\n", plural(more, "more reason"), elsewhere(summary));
        }
        out
    }

    /// Paths and the command are not wrapped: they are there to be copied.
    fn footer(&self, summary: &RunSummary) -> String {
        let mut out = String::new();
        if !summary.run_dir.is_empty() {
            out += &format!("{}  {}/report.html\n", self.paint("report", DIM), visible(&summary.run_dir));
        }
        if !summary.command.is_empty() {
            out += &format!("{}  {}\n", self.paint("repeat", DIM), visible(&summary.command));
        }
        out
    }

    /// A table in the house style that fits the page.
    fn table(&self, builder: Builder) -> Table {
        let mut table = builder.build();
        table
            .with(Style::rounded().remove_vertical())
            .with(Width::wrap(self.width).keep_words(true).priority(Priority::max(true)));
        if self.colour {
            table.modify(Rows::first(), dim());
        }
        table
    }

    fn section(&self, title: &str, table: Table) -> String {
        format!("{}\n{table}\n", self.paint(title, BOLD))
    }

    fn paint(&self, text: &str, code: &str) -> String {
        match (self.colour, text.strip_suffix('\n')) {
            (false, _) => text.to_owned(),
            (true, Some(line)) => format!("\u{1b}[{code}m{line}\u{1b}[0m\n"),
            (true, None) => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }
}

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "1;31";
fn dim() -> Color {
    Color::new("\u{1b}[2m", "\u{1b}[22m")
}

fn ansi(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Valid => "1;32",
        Outcome::Inconclusive => "1;33",
        Outcome::Invalid => RED,
    }
}

fn found_colour(outcome: Outcome) -> Color {
    match outcome {
        Outcome::Valid => Color::FG_GREEN,
        Outcome::Inconclusive => Color::FG_YELLOW,
        Outcome::Invalid => Color::FG_RED,
    }
}

/// Where there is more of what a table leaves out.
fn elsewhere(summary: &RunSummary) -> &'static str {
    if summary.run_dir.is_empty() { "(--html FILE writes a report with more)" } else { "in report.html" }
}

fn facts(summary: &RunSummary, verdict: &Verdict) -> String {
    let (ok, all) = operations_total(verdict);
    // A history without a run directory has neither seed nor nodes.
    let is_run = !summary.nodes.is_empty();
    let mut facts = Vec::new();
    facts.extend(is_run.then(|| format!("seed {}", summary.seed)));
    facts.extend((!summary.untimed).then(|| span(summary.duration_ms.saturating_mul(crate::format::NS_PER_MS))));
    facts.extend(is_run.then(|| plural(summary.nodes.len() as u64, "node")));
    facts.push(format!("{} of {} acknowledged", count(ok), plural(all, "operation")));
    let first_ack_ms = summary.first_ack_ms.filter(|_| !summary.untimed);
    facts.extend(first_ack_ms.map(|ms| format!("the first after {} ms", count(ms))));
    facts.push(faults_sentence(summary, &verdict.faults));
    facts.join(" · ")
}

/// How many anomalies there were; never fewer than are listed.
fn anomalies_total(p: &PropertyResult) -> u64 {
    p.anomalies_total.max(p.anomalies.len() as u64)
}

fn anomaly_count(number: u64) -> String {
    if number == 1 { "1 anomaly".to_owned() } else { format!("{} anomalies", count(number)) }
}

fn anomaly_place(anomaly: &Anomaly) -> String {
    let key = anomaly.key.as_ref().map(|key| format!(" on {}", abbreviate(&visible(key), 40))).unwrap_or_default();
    format!("{}{key}:", abbreviate(&visible(&anomaly.kind), 40))
}

fn fault_row(kind: &str, members: &[&FaultFinding]) -> [String; 5] {
    let spans = members.iter().filter_map(|f| f.start_ns.zip(f.stop_ns));
    let total_ns = spans.fold(0, |sum: u64, (start, stop)| sum.saturating_add(stop.saturating_sub(start)));
    let example = members.iter().find(|f| f.proved).or(members.first());
    let example = example.map(|f| match (f.foreign, abbreviate(&visible(&f.detail), 80)) {
        (true, detail) => detail,
        (false, detail) => format!("{detail}: {}", visible(&f.evidence)),
    });
    [
        abbreviate(&visible(kind), 24),
        count(members.len() as u64),
        count(members.iter().filter(|f| f.proved).count() as u64),
        span(total_ns),
        abbreviate(&example.unwrap_or_default(), SENTENCE_CHARS_MAX),
    ]
}

/// Which faults have no evidence, and what was measured instead.
fn unproved(faults: &[FaultFinding], width: usize) -> String {
    let mut out = String::new();
    let mut without = faults.iter().filter(|fault| !fault.proved && !fault.foreign);
    for fault in without.by_ref().take(UNPROVED_MAX) {
        let text = format!("{} {} is not proved: {}", fault.kind, fault.fault, fault.evidence);
        out += &wrap(&abbreviate(&visible(&text), SENTENCE_CHARS_MAX), width, "  - ", "    ");
    }
    let more = without.count() as u64;
    if more > 0 {
        out += &format!("    ... and {} without evidence\n", plural(more, "more fault"));
    }
    out
}

/// The name of a workload in two lines, so that many of them fit.
fn heading(workload: &str) -> String {
    abbreviate(&visible(workload), 24).replacen('-', "-\n", 1)
}

/// A sign for an outcome, in brackets where it has no consequence.
fn mark(result: &PropertyResult) -> String {
    match result.claimed {
        true => format!(" {}", sign(result.outcome)),
        false => format!("({})", sign(result.outcome)),
    }
}

/// Yield stands beside harvest: the share of requests that were answered, and the share of the data that the answers
/// showed. The headings have line breaks so that the names of workloads need none.
const OPERATION_COLUMNS: [&str; 12] = [
    "workload",
    "f",
    "ok",
    "fail",
    "info",
    "ok in\nfaults",
    "ok\noutside",
    "harvest\nin\nfaults",
    "harvest\noutside",
    "p50\nms",
    "p99\nms",
    "max\nms",
];

fn operation_row(s: &OperationStatistics) -> [String; 12] {
    let [in_faults, outside] = availability(s);
    let [harvest_in_faults, harvest_outside] = harvest(s);
    [
        abbreviate(&visible(&s.workload), 24),
        abbreviate(&visible(&s.f), 16),
        count(s.ok),
        count(s.fail),
        count(s.info),
        in_faults,
        outside,
        harvest_in_faults,
        harvest_outside,
        figure(s.latency_p50_ms),
        figure(s.latency_p99_ms),
        figure(s.latency_max_ms),
    ]
}

/// The text in lines of at most `width` characters, the first begun with `first`, the others with `indent`.
/// A word longer than a line is cut.
fn wrap(text: &str, width: usize, first: &str, indent: &str) -> String {
    let mut out = String::new();
    let (mut line, mut used, mut empty) = (first.to_owned(), first.chars().count(), true);
    let room = width.saturating_sub(indent.chars().count().max(first.chars().count())).max(1);
    for word in text.split_whitespace().flat_map(|word| pieces(word, room)) {
        let size = word.chars().count();
        if !empty && used + 1 + size > width {
            out += line.trim_end();
            out.push('\n');
            (line, used, empty) = (indent.to_owned(), indent.chars().count(), true);
        }
        if !empty {
            line.push(' ');
            used += 1;
        }
        line += &word;
        used += size;
        empty = false;
    }
    out + line.trim_end() + "\n"
}

fn pieces(word: &str, chars_max: usize) -> Vec<String> {
    let chars: Vec<char> = word.chars().collect();
    chars.chunks(chars_max).map(|piece| piece.iter().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_wrap_at_words_and_cut_what_has_none() {
        assert_eq!(wrap("one two three", 9, "- ", "  "), "- one two\n  three\n");
        assert_eq!(wrap("abcdefghij", 6, "", ""), "abcdef\nghij\n");
    }
}
