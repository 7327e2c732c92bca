//! `dissensus doctor`: what this machine allows, found out by trying.

use tabled::builder::Builder;
use tabled::settings::Style;

use crate::exit::{Exit, Problem};
use crate::out::say;

/// Tries everything, and prints what came of it. Ends with exit code 0 if a run in namespaces can have every fault.
pub fn doctor() -> Result<Exit, Problem> {
    let findings = sandbox::doctor();
    let mut table = Builder::default();
    table.push_record(["what", "for", "here"]);
    for finding in &findings {
        let said = match finding.allowed {
            true => format!("yes: {}", finding.reason),
            false => format!("no: {}\n{}", finding.reason, finding.remedy),
        };
        table.push_record([finding.name, finding.purpose, said.trim_end()]);
    }
    let mut table = table.build();
    table.with(Style::sharp());
    say!("{table}");
    let refused: Vec<&str> = findings.iter().filter(|finding| !finding.allowed).map(|finding| finding.name).collect();
    match refused.is_empty() {
        true => say!("this machine allows everything"),
        false => say!("this machine refuses {}; runs with --net proxy need none of it", refused.join(", ")),
    }
    Ok(if refused.is_empty() { Exit::Valid } else { Exit::Inconclusive })
}
