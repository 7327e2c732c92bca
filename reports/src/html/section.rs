//! The sections made of words and tables: headline, properties, faults, operations, configuration.

use std::collections::BTreeMap;

use checker::verdict::{APDEX_SATISFIED_MS, FaultFinding, OperationStatistics, Outcome, PropertyResult};
use serde_json::Value;

use super::Run;
use super::chart::kind_class;
use super::table::{Set, table};
use crate::format::{NS_PER_MS, abbreviate, count, esc, figure, named_figure, plural, seconds, span};
use crate::grid::Grid;
use crate::summary::{
    RunSummary, SENTENCE_CHARS_MAX, availability, harvest, headline as headline_sentence, operations_total,
    property_label, reasons_beyond_headline, sign, workload_name,
};

/// The most faults and settings listed, and the most reasons.
const FAULTS_MAX: usize = 400;
const SETTINGS_MAX: usize = 200;
const REASONS_MAX: usize = 40;
/// The longest evidence, setting or detail shown, in characters.
const DETAIL_CHARS_MAX: usize = 400;

/// A sign and a word for an outcome; `quiet` if it has no consequence.
pub(super) fn pill(outcome: Outcome, quiet: bool) -> String {
    pill_of(outcome, quiet, &format!("<span aria-hidden=\"true\">{}</span> {outcome}", sign(outcome)))
}

fn pill_of(outcome: Outcome, quiet: bool, content: &str) -> String {
    let quiet = if quiet { " quiet" } else { "" };
    format!("<span class=\"pill {outcome}{quiet}\">{content}</span>")
}

/// The verdict in a sentence, the run in figures, and how to repeat it.
pub(super) fn headline(run: &Run<'_>) -> String {
    let outcome = run.verdict.outcome;
    format!(
        "<header class=\"{outcome}\">\n<p class=\"title\">{title}</p>\n\
         <h1><span class=\"badge\"><span aria-hidden=\"true\">{sign}</span> {badge}</span> {sentence}</h1>\n\
         {reasons}{facts}{command}</header>\n{nav}",
        title = esc(abbreviate(&run.summary.title, 200)),
        sign = sign(outcome),
        badge = outcome.to_string().to_uppercase(),
        sentence = esc(headline_sentence(run.summary, run.verdict)),
        reasons = reasons(run),
        facts = facts(run),
        command = command(run.summary),
        nav = navigation(run),
    )
}

fn navigation(run: &Run<'_>) -> String {
    let messages = run.summary.messages.as_ref().map_or("", |_| "<a href=\"#messages\">Messages</a> ");
    format!(
        "<nav aria-label=\"Sections\"><a href=\"#properties\">Properties</a> \
         <a href=\"#timeline\">Timeline</a> <a href=\"#anomalies\">Anomalies</a> <a href=\"#faults\">Faults</a> \
         <a href=\"#operations\">Operations</a> {messages}<a href=\"#configuration\">Configuration</a></nav>\n"
    )
}

/// Every reason but the one that the headline already gave.
fn reasons(run: &Run<'_>) -> String {
    let others = reasons_beyond_headline(run.summary, run.verdict);
    if others.is_empty() {
        return String::new();
    }
    let mut items: String = others
        .iter()
        .take(REASONS_MAX)
        .map(|reason| format!("<li>{}</li>\n", esc(abbreviate(reason, SENTENCE_CHARS_MAX))))
        .collect();
    if others.len() > REASONS_MAX {
        items += &format!("<li>{} not shown.</li>\n", plural((others.len() - REASONS_MAX) as u64, "more reason"));
    }
    format!("<ul class=\"reasons\">\n{items}</ul>\n")
}

fn facts(run: &Run<'_>) -> String {
    let (summary, verdict) = (run.summary, run.verdict);
    let (ok, all) = operations_total(verdict);
    let proved = verdict.faults.iter().filter(|f| f.proved).count() as u64;
    let foreign = is_foreign(run);
    let faults = match verdict.faults.len() as u64 {
        0 if !summary.is_run() => "none".to_owned(),
        0 => "none planned".to_owned(),
        recorded if foreign => count(recorded),
        planned => format!("{} of {}", count(proved), count(planned)),
    };
    let facts = [
        ("Seed", summary.seed.to_string()),
        ("Started", summary.started_utc.clone()),
        ("Duration", span(summary.duration_ms.saturating_mul(NS_PER_MS))),
        ("Operations acknowledged", format!("{} of {}", count(ok), count(all))),
        ("First acknowledged", summary.first_ack_ms.map_or("never".to_owned(), |ms| format!("after {} ms", count(ms)))),
        (if foreign { "Faults recorded" } else { "Faults proved" }, faults),
        ("Nodes", nodes(&summary.nodes)),
    ];
    // A history from elsewhere has neither seed nor start, names its nodes nowhere, and may have no times.
    let unknown = |name: &str| match name {
        "Seed" | "Started" => !summary.is_run(),
        "Nodes" => summary.nodes.is_empty(),
        "Duration" | "First acknowledged" => run.is_untimed(),
        _ => false,
    };
    let facts = facts.iter().filter(|(name, _)| !unknown(name));
    let items: String =
        facts.map(|(name, value)| format!("<div><dt>{name}</dt><dd>{}</dd></div>\n", esc(value))).collect();
    format!("<dl class=\"facts\">\n{items}</dl>\n")
}

/// Whether another bench recorded the faults, which says nothing of their effect.
fn is_foreign(run: &Run<'_>) -> bool {
    match &run.verdict.faults[..] {
        [] => !run.summary.is_run(),
        faults => faults.iter().any(|fault| fault.foreign),
    }
}

fn nodes(names: &[String]) -> String {
    abbreviate(&format!("{} ({})", count(names.len() as u64), names.join(", ")), 80)
}

/// A click selects the whole command.
fn command(summary: &RunSummary) -> String {
    if summary.command.is_empty() {
        return String::new();
    }
    format!(
        "<figure class=\"command\"><figcaption>Repeat this {what} (one click selects the line)</figcaption>\
         <pre tabindex=\"0\"><code>{}</code></pre></figure>\n",
        esc(abbreviate(&summary.command, SENTENCE_CHARS_MAX)),
        what = if summary.is_run() { "run" } else { "check" },
    )
}

/// Claimed and found, for each property and workload.
pub(super) fn properties(run: &Run<'_>) -> String {
    let has_claims = run.summary.has_claims(run.verdict);
    let mut columns = vec![("Property", Set::Text), ("Workload", Set::Text)];
    columns.extend(has_claims.then_some(("Claimed", Set::Text)));
    columns.extend([("Found", Set::Text), ("Finding", Set::Prose)]);
    let properties = run.verdict.properties.iter().enumerate();
    let rows: Vec<Vec<String>> = properties.map(|(number, result)| property_row(number, result, has_claims)).collect();
    let note = match run.summary.claims_note.is_empty() {
        true => String::new(),
        false => format!("<p>{}</p>\n", esc(abbreviate(&run.summary.claims_note, SENTENCE_CHARS_MAX))),
    };
    let body = match rows.is_empty() {
        true => "<p>No property was judged.</p>\n".to_owned(),
        false if has_claims => table("Properties, claimed and found", &columns, &rows),
        false => table("Properties and what was found", &columns, &rows),
    };
    let meaning = match has_claims {
        true => {
            "<p class=\"quiet\">Every property is measured; only a claimed one that is violated makes the run invalid.</p>\n"
        }
        false => "",
    };
    let grid = Grid::of(&run.verdict.properties).map_or_else(String::new, |grid| properties_grid(&grid, has_claims));
    format!(
        "<section id=\"properties\" aria-labelledby=\"h-properties\">\n<h2 id=\"h-properties\">Properties</h2>\n\
         {note}{meaning}{grid}{body}</section>\n"
    )
}

/// The result of each property in each workload, with a link to its finding.
fn properties_grid(grid: &Grid<'_>, has_claims: bool) -> String {
    let workloads: Vec<String> = grid.workloads.iter().map(|workload| abbreviate(workload, 24)).collect();
    let columns: Vec<(&str, Set)> =
        ["Property"].into_iter().chain(workloads.iter().map(String::as_str)).map(|name| (name, Set::Text)).collect();
    let cell = |(number, result): (usize, &PropertyResult)| {
        let description = format!(
            "{} is {}{}",
            property_label(result),
            result.outcome,
            if result.claimed { "" } else { ", not claimed" }
        );
        let mark = pill_of(result.outcome, !result.claimed, sign(result.outcome));
        format!("<a href=\"#property-{number}\" title=\"{}\">{mark}</a>", esc(description))
    };
    let rows: Vec<Vec<String>> = grid
        .rows
        .iter()
        .map(|row| {
            let name = format!("<code>{}</code>", row.property);
            [name].into_iter().chain(row.results.iter().map(|result| result.map_or_else(String::new, cell))).collect()
        })
        .collect();
    let grid = table("Properties by workload", &columns, &rows);
    let hollow = if has_claims { "A hollow sign: not claimed. " } else { "" };
    format!("{grid}<p class=\"quiet\">{hollow}Each leads to what was found:</p>\n")
}

fn property_row(number: usize, result: &PropertyResult, has_claims: bool) -> Vec<String> {
    let finding = esc(abbreviate(&result.summary, SENTENCE_CHARS_MAX));
    let anomalies = match result.anomalies.len() {
        0 => String::new(),
        _ => format!(" <a href=\"#anomalies-{number}\">Show anomalies</a>"),
    };
    let mut row = vec![
        format!("<code id=\"property-{number}\">{}</code>", result.property),
        esc(workload_name(result)).to_string(),
    ];
    row.extend(has_claims.then(|| if result.claimed { "<strong>yes</strong>" } else { "no" }.to_owned()));
    row.push(pill(result.outcome, !result.claimed));
    row.push(format!("{finding}{anomalies}{}", figures(&result.figures)));
    row
}

fn figures(figures: &BTreeMap<String, f64>) -> String {
    const FIGURES_MAX: usize = 60;
    if figures.is_empty() {
        return String::new();
    }
    let items: String = figures
        .iter()
        .take(FIGURES_MAX)
        .map(|(name, value)| named_figure(name, *value))
        .map(|(name, value)| format!("<div><dt>{}</dt><dd>{value}</dd></div>", esc(abbreviate(&name, 60))))
        .collect();
    let more = match figures.len().saturating_sub(FIGURES_MAX) {
        0 => String::new(),
        more => format!("<p>{} not shown.</p>", plural(more as u64, "more figure")),
    };
    format!("<details><summary>Figures</summary><dl class=\"figures\">{items}</dl>{more}</details>")
}

/// Each planned fault and its evidence; of a history from elsewhere, each that its nemesis recorded.
pub(super) fn faults(run: &Run<'_>) -> String {
    let (planned, foreign) = (planned_windows(run), is_foreign(run));
    let mut columns = vec![("Fault", Set::Number), ("Kind", Set::Text), ("Detail", Set::Prose), ("Nodes", Set::Text)];
    columns.extend((!run.is_untimed()).then_some(("In force", Set::Text)));
    columns.extend([("Proved", Set::Text), ("Evidence", Set::Prose)].into_iter().filter(|_| !foreign));
    let faults = &run.verdict.faults;
    let rows: Vec<Vec<String>> =
        faults.iter().take(FAULTS_MAX).map(|fault| fault_row(run, fault, planned.get(&fault.fault), foreign)).collect();
    let mut body = match (rows.is_empty(), foreign) {
        (true, true) => "<p>No faults are recorded.</p>\n".to_owned(),
        (true, false) => "<p>No faults were planned.</p>\n".to_owned(),
        (false, true) => table("Faults that the nemesis recorded", &columns, &rows),
        (false, false) => table("Faults and their evidence", &columns, &rows),
    };
    let meaning = match foreign {
        true if faults.is_empty() => "",
        true => "As the nemesis of this history recorded them; it says nothing of their effect.",
        false => "A fault counts only with evidence that it took effect.",
    };
    if faults.len() > FAULTS_MAX {
        let left_out = count((faults.len() - FAULTS_MAX) as u64);
        body += &format!("<p class=\"quiet\">{left_out} more are in evidence.json.</p>\n");
    }
    format!(
        "<section id=\"faults\" aria-labelledby=\"h-faults\">\n<h2 id=\"h-faults\">Faults</h2>\n\
         <p class=\"quiet\">{meaning}</p>\n{body}</section>\n"
    )
}

fn fault_row(run: &Run<'_>, fault: &FaultFinding, planned: Option<&(u64, u64)>, foreign: bool) -> Vec<String> {
    let class = kind_class(&fault.kind);
    let mut row = vec![
        fault.fault.to_string(),
        format!("<span class=\"kind {class}\">{}</span>", esc(abbreviate(&fault.kind, 40))),
        esc(abbreviate(&fault.detail, DETAIL_CHARS_MAX)).to_string(),
        esc(abbreviate(&fault.nodes.join(" "), DETAIL_CHARS_MAX)).to_string(),
    ];
    row.extend((!run.is_untimed()).then(|| esc(window(fault, planned, run.end_ns)).to_string()));
    if !foreign {
        let proved = match fault.proved {
            true => "<span class=\"yes\">✓ yes</span>",
            false => "<strong class=\"no\">✗ no</strong>",
        };
        row.extend([proved.to_owned(), esc(abbreviate(&fault.evidence, DETAIL_CHARS_MAX)).to_string()]);
    }
    row
}

/// When a fault was in force, or when it should have been.
pub(super) fn window(fault: &FaultFinding, planned: Option<&(u64, u64)>, end_ns: u64) -> String {
    match (fault.start_ns, fault.stop_ns, planned) {
        (Some(start), Some(stop), _) => {
            format!("{} – {} ({})", seconds(start), seconds(stop), span(stop.saturating_sub(start)))
        }
        (Some(start), None, _) => format!("{} – {}, never healed", seconds(start), seconds(end_ns)),
        (None, _, Some((from, to))) => format!("never; planned {} – {}", seconds(*from), seconds(*to)),
        (None, _, None) => "never".to_owned(),
    }
}

/// The planned start and end of each fault, ns, from the plan that the nemesis put on record.
fn planned_windows(run: &Run<'_>) -> BTreeMap<u64, (u64, u64)> {
    let plan = run.history.nemesis().iter().find(|event| event.f == "plan");
    let faults = plan.and_then(|e| e.value.as_array()).map(Vec::as_slice).unwrap_or_default();
    faults.iter().filter_map(planned_window).collect()
}

fn planned_window(fault: &Value) -> Option<(u64, (u64, u64))> {
    let number = |name: &str| fault.get(name).and_then(Value::as_u64);
    let (at, lasts) = (number("at_ms")?, number("for_ms")?);
    let ns = |ms: u64| ms.saturating_mul(NS_PER_MS);
    Some((number("fault")?, (ns(at), ns(at.saturating_add(lasts)))))
}

/// Counts, availability and latencies for each function.
pub(super) fn statistics(run: &Run<'_>) -> String {
    let columns = [
        "Workload",
        "f",
        "ok",
        "fail",
        "info",
        "ok in faults",
        "ok outside",
        "harvest in faults",
        "harvest outside",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "max ms",
        "p50 ms in faults",
        "p99 ms in faults",
        "Apdex",
    ];
    let columns: Vec<(&str, Set)> = columns
        .iter()
        .enumerate()
        .map(|(position, name)| (*name, if position < 2 { Set::Text } else { Set::Number }))
        .collect();
    let rows: Vec<Vec<String>> = run.verdict.statistics.iter().map(statistics_row).collect();
    let body = match rows.is_empty() {
        true => "<p>No operations were recorded.</p>\n".to_owned(),
        false => table("Operations by workload and function", &columns, &rows),
    };
    format!(
        "<section id=\"operations\" aria-labelledby=\"h-operations\">\n<h2 id=\"h-operations\">Operations</h2>\n\
         <p class=\"quiet\"><b>ok</b> happened, <b>fail</b> certainly did not, <b>info</b> is unknown. \
         “In faults” is the share acknowledged of those invoked while a fault was in force; latencies are of ok operations. \
         Harvest is the mean over reads of the share that a read shows of what had been acknowledged before it (for a \
         register: whether it shows the latest value or a newer one). \
         Apdex counts an operation that was ok within {APDEX_SATISFIED_MS} ms fully, within four \
         times that by half, any other not at all.</p>\n\
         {body}</section>\n"
    )
}

fn statistics_row(s: &OperationStatistics) -> Vec<String> {
    let mut row =
        vec![esc(abbreviate(&s.workload, 60)).to_string(), format!("<code>{}</code>", esc(abbreviate(&s.f, 40)))];
    row.extend([s.ok, s.fail, s.info].map(count));
    row.extend(availability(s));
    row.extend(harvest(s));
    row.extend([s.latency_p50_ms, s.latency_p99_ms, s.latency_p999_ms, s.latency_max_ms].map(figure));
    row.extend([s.latency_in_faults_p50_ms, s.latency_in_faults_p99_ms].map(figure));
    row.push(if s.apdex.is_finite() { format!("{:.2}", s.apdex) } else { figure(s.apdex) });
    row
}

/// The settings, as they were.
pub(super) fn configuration(run: &Run<'_>) -> String {
    let settings = &run.summary.settings;
    let rows: Vec<Vec<String>> = settings
        .iter()
        .take(SETTINGS_MAX)
        .map(|(name, value)| {
            let (name, value) = (abbreviate(name, 80), abbreviate(value, DETAIL_CHARS_MAX));
            vec![esc(name).to_string(), format!("<code>{}</code>", esc(value))]
        })
        .collect();
    let mut body = match rows.is_empty() {
        true => "<p>No settings were recorded.</p>\n".to_owned(),
        false => table("Configuration", &[("Setting", Set::Text), ("Value", Set::Prose)], &rows),
    };
    if settings.len() > SETTINGS_MAX {
        body += &format!(
            "<p class=\"quiet\">{} more are in run.json.</p>\n",
            count((settings.len() - SETTINGS_MAX) as u64)
        );
    }
    format!(
        "<section id=\"configuration\" aria-labelledby=\"h-configuration\">\n\
         <h2 id=\"h-configuration\">Configuration</h2>\n{body}</section>\n"
    )
}

/// Where the other files of the run are.
pub(super) fn footer(summary: &RunSummary) -> String {
    // The report on a history from elsewhere belongs to no run directory.
    let directory = match summary.run_dir.as_str() {
        "" => String::new(),
        dir => format!(
            " · run directory <code>{}</code>, with history.jsonl, verdict.json and evidence.json",
            esc(abbreviate(dir, DETAIL_CHARS_MAX))
        ),
    };
    format!("<footer><p>dissensus {}{directory}</p></footer>\n", esc(abbreviate(&summary.version, 80)))
}
