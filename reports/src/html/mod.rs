//! The report as one HTML file that needs nothing else: no network, no script, no font.
//!
//! Its order is that of an engineer's questions: what happened, which property, when, the operations, the faults, the
//! service, the configuration. The page forbids itself scripts and every resource except its own style, and everything
//! that came from the store is escaped. In code, a `String` named or returned as HTML is already escaped.

mod anomaly;
mod bucket;
mod chart;
mod cycle;
mod experiments;
mod finder;
mod lane;
mod messages;
mod plot;
mod scene;
mod section;
mod style;
mod table;
mod timeline;

pub use experiments::experiments_html;

use checker::history::History;
use checker::verdict::Verdict;

use crate::format::{abbreviate, esc};
use crate::operation::operations;
use crate::summary::RunSummary;

/// The report as one HTML page. It stays under 2 MB for any history: where it samples or leaves something out, it says
/// so.
pub fn html(summary: &RunSummary, verdict: &Verdict, history: &History) -> String {
    let operations = operations(history);
    let end_ns = if history.timed { end_of_run(summary, verdict, history) } else { history.events.into() };
    let run = Run { summary, verdict, history, operations: &operations, end_ns };
    let sections = [
        section::headline(&run),
        section::properties(&run),
        if run.is_untimed() { timeline::without_times() } else { timeline::section(&run) },
        anomaly::section(&run),
        section::faults(&run),
        section::statistics(&run),
        messages::section(&run),
        section::configuration(&run),
    ];
    let title = format!("{}: {}", verdict.outcome.to_string().to_uppercase(), abbreviate(&summary.title, 120));
    page(&title, &[style::CSS], chart::DEFS, &sections.concat(), &section::footer(summary))
}

/// A whole page, which forbids itself every resource except its own style.
fn page(title: &str, style: &[&str], defs: &str, body: &str, footer: &str) -> String {
    format!(
        r##"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{defs}<main>
{body}</main>
{footer}</body>
</html>
"##,
        title = esc(title),
        style = style.concat(),
    )
}

/// The input of every section.
struct Run<'a> {
    summary: &'a RunSummary,
    verdict: &'a Verdict,
    history: &'a History,
    operations: &'a [crate::operation::Operation<'a>],
    /// The last moment of the run that is recorded, ns; in a history without times what follows its last event.
    end_ns: u64,
}

impl Run<'_> {
    /// Whether nothing is said of times, since the history has none.
    fn is_untimed(&self) -> bool {
        self.summary.untimed || !self.history.timed
    }
}

fn end_of_run(summary: &RunSummary, verdict: &Verdict, history: &History) -> u64 {
    let last_event = history.end_ns();
    let last_fault = verdict.faults.iter().filter_map(|f| f.stop_ns.or(f.start_ns)).max().unwrap_or(0);
    let said = summary.duration_ms.saturating_mul(crate::format::NS_PER_MS);
    last_event.max(last_fault).max(if history.events == 0 { said } else { 0 }).max(1)
}
