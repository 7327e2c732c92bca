//! The verdict as JUnit XML, for a CI to read.
//!
//! Three suites: `properties` (a case for each property and workload), `faults` (a case for each planned fault; what the
//! nemesis of a history from elsewhere did is no test) and `run` (the merged verdict, so that a run which is not valid for
//! some other reason is not green either). A broken claim is a failure; what leaves a run inconclusive is an error; what was
//! measured without being claimed is skipped where it did not hold.

use checker::verdict::{FaultFinding, Outcome, PropertyResult, Verdict};

use crate::format::{abbreviate, count, esc, seconds_ms};
use crate::summary::{RunSummary, SENTENCE_CHARS_MAX, headline, property_label};

/// The most anomalies explained in one failure.
const ANOMALIES_MAX: usize = 20;

/// The verdict as a JUnit document.
pub fn junit(summary: &RunSummary, verdict: &Verdict) -> String {
    let has_claims = summary.has_claims(verdict);
    // What another bench's nemesis recorded was not planned here, and is no test.
    let faults = verdict.faults.iter().filter(|fault| !fault.foreign);
    let suites = [
        Suite { name: "properties", cases: verdict.properties.iter().map(|p| property_case(p, has_claims)).collect() },
        Suite { name: "faults", cases: faults.map(fault_case).collect() },
        Suite { name: "run", cases: vec![run_case(summary, verdict)] },
    ];
    let suites: Vec<&Suite> = suites.iter().filter(|suite| summary.is_run() || !suite.cases.is_empty()).collect();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    out += &format!(
        "<testsuites name=\"{}\" {} time=\"{}\">\n",
        esc(format_args!("dissensus {}", summary.title)),
        counters(suites.iter().flat_map(|s| &s.cases)),
        time_s(summary.duration_ms),
    );
    for suite in suites {
        out += &suite.xml(summary);
    }
    out + "</testsuites>\n"
}

struct Suite {
    name: &'static str,
    cases: Vec<Case>,
}

impl Suite {
    fn xml(&self, summary: &RunSummary) -> String {
        let timestamp = match summary.started_utc.as_str() {
            "" => String::new(),
            started => format!(" timestamp=\"{}\"", esc(started)),
        };
        let mut out = format!("  <testsuite name=\"{}\" {}{timestamp}>\n", self.name, counters(&self.cases));
        if self.name == "run" {
            out += &properties_xml(summary);
        }
        for case in &self.cases {
            out += &case.xml(self.name);
        }
        out + "  </testsuite>\n"
    }
}

/// What JUnit calls properties: the configuration.
fn properties_xml(summary: &RunSummary) -> String {
    let seed = summary.is_run().then(|| ("seed".to_owned(), summary.seed.to_string()));
    let command = ("command".to_owned(), summary.command.clone());
    let rows: String = seed
        .iter()
        .chain([&command])
        .chain(&summary.settings)
        .map(|(name, value)| format!("      <property name=\"{}\" value=\"{}\"/>\n", esc(name), esc(value)))
        .collect();
    format!("    <properties>\n{rows}    </properties>\n")
}

/// How a test case ended, in JUnit's words.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Passed,
    Failure,
    Error,
    Skipped,
}

struct Case {
    name: String,
    ns: u64,
    ending: Ending,
    message: String,
    /// The body of a failure or error; the output of a case that passed.
    text: String,
}

impl Case {
    fn xml(&self, class: &str) -> String {
        let (message, text) = (esc(abbreviate(&self.message, SENTENCE_CHARS_MAX)), Lines(&self.text));
        let inner = match self.ending {
            Ending::Passed => format!("<system-out>{text}</system-out>"),
            Ending::Failure => format!("<failure type=\"invalid\" message=\"{message}\">{text}</failure>"),
            Ending::Error => format!("<error type=\"inconclusive\" message=\"{message}\">{text}</error>"),
            Ending::Skipped => format!("<skipped message=\"{message}\"/>"),
        };
        format!(
            "    <testcase classname=\"dissensus.{class}\" name=\"{}\" time=\"{}\">\n      {inner}\n    </testcase>\n",
            esc(&self.name),
            time_s(self.ns / crate::format::NS_PER_MS)
        )
    }
}

/// Escaped text that keeps its line ends as they are.
struct Lines<'a>(&'a str);

impl std::fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (number, line) in self.0.split('\n').enumerate() {
            let separator = if number == 0 { "" } else { "\n" };
            write!(f, "{separator}{}", esc(line))?;
        }
        Ok(())
    }
}

fn property_case(result: &PropertyResult, has_claims: bool) -> Case {
    let (ending, message) = match (result.outcome, result.claimed) {
        (Outcome::Valid, _) => (Ending::Passed, String::new()),
        (Outcome::Invalid, true) => (Ending::Failure, result.summary.clone()),
        (Outcome::Inconclusive, true) => (Ending::Error, result.summary.clone()),
        (found, false) => (Ending::Skipped, format!("not claimed, found {found}: {}", result.summary)),
    };
    let claim = match (has_claims, result.claimed) {
        (false, _) => "",
        (true, true) => "claimed; ",
        (true, false) => "not claimed; ",
    };
    let text = format!("{claim}found {}: {}{}", result.outcome, result.summary, explanations(result));
    Case { name: property_label(result), ns: 0, ending, message, text }
}

fn explanations(result: &PropertyResult) -> String {
    let shown = result.anomalies.iter().take(ANOMALIES_MAX);
    let mut out: String = shown
        .map(|a| format!("\n{}: {}", a.kind, abbreviate(&a.explanation.replace('\n', " "), SENTENCE_CHARS_MAX)))
        .collect();
    let left_out = result.anomalies_total.saturating_sub(result.anomalies.len().min(ANOMALIES_MAX) as u64);
    if left_out > 0 {
        out += &format!("\n... and {} more", count(left_out));
    }
    out
}

fn fault_case(fault: &FaultFinding) -> Case {
    let window = match (fault.start_ns, fault.stop_ns) {
        (None, _) => "never started".to_owned(),
        (Some(start), None) => format!("{} to the end of the run", seconds_ms(start)),
        (Some(start), Some(stop)) => format!("{} to {}", seconds_ms(start), seconds_ms(stop)),
    };
    let (ending, message) = match fault.proved {
        true => (Ending::Passed, String::new()),
        false => (Ending::Error, format!("not proved to have taken effect: {}", fault.evidence)),
    };
    let ns = fault.stop_ns.zip(fault.start_ns).map_or(0, |(stop, start)| stop.saturating_sub(start));
    let name = format!("{} {}: {}", fault.kind, fault.fault, abbreviate(&fault.detail, 200));
    Case { name, ns, ending, message, text: format!("{window}; evidence: {}", fault.evidence) }
}

fn run_case(summary: &RunSummary, verdict: &Verdict) -> Case {
    let ending = match verdict.outcome {
        Outcome::Valid => Ending::Passed,
        Outcome::Inconclusive => Ending::Error,
        Outcome::Invalid => Ending::Failure,
    };
    let mut text = format!("{}: {}", verdict.outcome, headline(summary, verdict));
    for reason in &verdict.reasons {
        text += &format!("\n{reason}");
    }
    text += &format!("\nrepeat: {}", summary.command);
    let ns = summary.duration_ms.saturating_mul(crate::format::NS_PER_MS);
    Case { name: "verdict".to_owned(), ns, ending, message: headline(summary, verdict), text }
}

fn counters<'a>(cases: impl IntoIterator<Item = &'a Case>) -> String {
    let (mut tests, mut failures, mut errors, mut skipped) = (0, 0, 0, 0);
    for case in cases {
        tests += 1;
        match case.ending {
            Ending::Passed => (),
            Ending::Failure => failures += 1,
            Ending::Error => errors += 1,
            Ending::Skipped => skipped += 1,
        }
    }
    format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\"")
}

fn time_s(ms: u64) -> String {
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}
