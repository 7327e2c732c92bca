//! The table, in Markdown.

use std::collections::BTreeMap;

use crate::interval::interval;
use crate::runs::Run;
use crate::scenarios::{Expected, Faults, Figure, Planned, Scenario, Source};

/// Its head.
pub const HEADER: &str = "| system and options | faults | exit codes | as expected | what was found | published |\n\
                          |---|---|---|---|---|---|";

/// A row.
pub fn row(scenario: &Scenario, runs: &[Run]) -> String {
    let wanted = match scenario.expected {
        Expected::Valid => Some(0),
        Expected::Violated => Some(1),
    };
    let count = runs.iter().filter(|run| run.code == wanted).count();
    let word = if scenario.expected == Expected::Valid { "valid" } else { "found" };
    format!(
        "| {} | {} | {} | {word} in {count} of {} | {} | {} |",
        system(scenario),
        faults(scenario),
        codes(runs),
        runs.len(),
        found(scenario, runs),
        scenario.published
    )
}

fn system(scenario: &Scenario) -> String {
    let version = |version: &str| version.trim_end_matches('.').to_owned();
    let next = scenario.next.as_ref().map(|next| format!(" to {}", version(next.version)));
    let options =
        if scenario.options.is_empty() { String::new() } else { format!(" `{}`", scenario.options.join(" ")) };
    format!("{} {}{}{options}", scenario.system, version(scenario.program.version), next.unwrap_or_default())
}

fn faults(scenario: &Scenario) -> String {
    let planned = |fault: &Planned| {
        let times = if fault.again.0 > 0 { format!(" {} times", fault.again.0 + 1) } else { String::new() };
        format!("`{}` of {}{times}", fault.kind, fault.nodes.join(", "))
    };
    match scenario.faults {
        Faults::Drawn(list) => format!("`{list}`, {} s", scenario.time_limit_seconds),
        Faults::Written { words, .. } => format!("{words}, {} s", scenario.time_limit_seconds),
        Faults::Planned(faults) => {
            let faults: Vec<String> = faults.iter().map(planned).collect();
            format!("{}, {} s", faults.join(", "), scenario.time_limit_seconds)
        }
    }
}

/// `0 ×9, 2`.
fn codes(runs: &[Run]) -> String {
    let mut counts: BTreeMap<i32, usize> = BTreeMap::new();
    for run in runs {
        *counts.entry(run.code.unwrap_or(-1)).or_default() += 1;
    }
    let shown = |(code, count): (&i32, &usize)| if *count > 1 { format!("{code} ×{count}") } else { code.to_string() };
    counts.iter().map(shown).collect::<Vec<_>>().join(", ")
}

fn found(scenario: &Scenario, runs: &[Run]) -> String {
    let faults = span(runs.iter().map(|run| run.proved(None).0 as f64));
    let mut sentences = vec![match violated(runs) {
        none if none.is_empty() => format!("every claim holds; faults a run: {faults}"),
        some => format!("{some}; faults a run: {faults}"),
    }];
    sentences.extend(scenario.figures.iter().map(|figure| in_words(figure, runs)));
    sentences.join("; ")
}

/// Which properties are violated, in how many runs.
fn violated(runs: &[Run]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in runs.iter().flat_map(Run::violated) {
        *counts.entry(name).or_default() += 1;
    }
    let shown = |(name, count): (&&str, &usize)| format!("`{name}` violated in {count}");
    counts.iter().map(shown).collect::<Vec<_>>().join(", ")
}

fn in_words(figure: &Figure, runs: &[Run]) -> String {
    let values: Vec<f64> = runs.iter().filter_map(|run| run.figure(figure)).collect();
    if let Source::RateOf(_) = figure.of {
        return rate(figure, values.iter().sum::<f64>() as u64, runs);
    }
    let percent = if figure.whole.is_empty() { "" } else { " %" };
    match values.is_empty() {
        true => format!("nothing is known of {}", figure.words),
        false => format!("{}{percent} {}", span(values), figure.words),
    }
}

/// How often something was found in so many events. A run shows it once, whatever it was that made it show.
fn rate(figure: &Figure, events: u64, runs: &[Run]) -> String {
    let shown = runs.iter().filter(|run| run.is_violated()).count() as u64;
    let minutes = runs.iter().map(|run| run.took.as_secs_f64()).sum::<f64>() / 60.0;
    let (least, most) = interval(shown, events);
    let percent = |share: f64| format!("{:.2} %", 100.0 * share);
    format!(
        "found {shown} times in {events} {} of {minutes:.1} minutes, so at {} to {} of them (95 %)",
        figure.words,
        percent(least),
        percent(most)
    )
}

/// From the least to the greatest.
fn span(values: impl IntoIterator<Item = f64>) -> String {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    match (values.first().map(|value| rounded(*value)), values.last().map(|value| rounded(*value))) {
        (Some(least), Some(most)) if least == most => least,
        (Some(least), Some(most)) => format!("{least} to {most}"),
        _ => "no".to_owned(),
    }
}

/// A whole number, with a comma before every three digits.
fn rounded(value: f64) -> String {
    let digits = format!("{value:.0}");
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}
