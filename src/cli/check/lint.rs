//! `check --lint`: what makes the history itself suspicious.

use checker::formats::Renaming;
use checker::formats::whole_events::Events;
use checker::history::Torn;
use checker::lint::{Findings, Linter};

use super::Source;
use crate::exit::{Exit, Problem};
use crate::out::say;
use crate::store::input;

/// Looks at every event, and prints what was found.
pub(super) fn lint(file: &Source<'_>) -> Result<Exit, Problem> {
    let mut input = file.input();
    let mut events = Events::new(&mut input.reader, file.format);
    let renames = file.renames();
    let (mut linter, mut renaming) = (Linter::new(), Renaming::new(&renames));
    let damage = loop {
        match events.next_event() {
            Ok(Some(mut located)) => {
                renaming.event(&mut located.event);
                linter.event(&located);
            }
            Ok(None) => break None,
            Err(damage) => break Some(damage),
        }
    };
    let findings = linter.finish();
    if damage.is_none() && events.torn.is_none() {
        file.has_events(findings.events)?;
        file.all_were_met(&renaming)?;
    }
    let torn = events.torn;
    let torn = torn
        .map(|Torn { line, column }| format!("line {line} is cut off at column {column}, as a killed bench leaves it"));
    let broken: Vec<String> = damage.map(|damage| damage.to_string()).into_iter().chain(torn).collect();
    match file.args.json {
        true => {
            let report = serde_json::json!({ "damage": broken, "lint": findings });
            say!("{}", serde_json::to_string_pretty(&report).expect("findings are plain data"));
        }
        false => print(file, &findings, &broken),
    }
    let clean = findings.findings.is_empty() && broken.is_empty();
    Ok(if clean { Exit::Valid } else { Exit::Invalid })
}

fn print(file: &Source<'_>, findings: &Findings, broken: &[String]) {
    for finding in &findings.findings {
        say!("line {}: {}: {}", finding.line, finding.rule, finding.sentence);
    }
    for damage in broken {
        say!("{damage}");
    }
    let shown = findings.findings.len() as u64;
    let total: u64 = findings.totals.values().sum();
    if total > shown {
        say!("and {} more of the same rules", total - shown);
    }
    let plural = |number: u64, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
    let (events, found) = (plural(findings.events, "event"), plural(total + broken.len() as u64, "finding"));
    say!("{}: {events}, {found}", input::shown(&file.path));
}
