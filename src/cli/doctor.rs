//! `dissensus doctor`: what this machine allows, found out by trying.

use sandbox::Finding;
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
    say!("{}", way_of_disks(&findings));
    let refused: Vec<&str> = findings.iter().filter(|finding| !finding.allowed).map(|finding| finding.name).collect();
    match refused.is_empty() {
        true => say!("this machine allows everything"),
        false => say!("this machine refuses {}; runs with --net proxy need none of it", refused.join(", ")),
    }
    Ok(if refused.is_empty() { Exit::Valid } else { Exit::Inconclusive })
}

/// By which of two ways the disks of nodes can be made to fail here.
fn way_of_disks(findings: &[Finding]) -> &'static str {
    let is_allowed = |name: &str| findings.iter().any(|finding| finding.name == name && finding.allowed);
    match (is_allowed("fuse"), is_allowed("seccomp-notification")) {
        (true, _) => "faults of disks: all of them, by FUSE",
        (false, true) => {
            "faults of disks: reads, writes and syncs that fail, and slow syncs, by a listener to system calls; for the \
             others FUSE is needed"
        }
        (false, false) => "faults of disks: none, as there is neither FUSE nor a listener to system calls",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &'static str, allowed: bool) -> Finding {
        Finding { name, purpose: "", allowed, reason: String::new(), remedy: String::new() }
    }

    #[test]
    fn the_better_way_to_disks_is_named() {
        let way = |fuse, seccomp| way_of_disks(&[found("fuse", fuse), found("seccomp-notification", seccomp)]);
        assert!(way(true, true).contains("all of them") && way(true, false).contains("all of them"));
        assert!(way(false, true).contains("by a listener"));
        assert!(way(false, false).contains("none"));
    }
}
