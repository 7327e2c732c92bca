//! From a recorded history to a verdict and the reports on it; `run`, `sim` and `report` end here.

use std::io::IsTerminal;
use std::time::Duration;

use checker::history::{History, Phase};
use checker::limits::Limits;
use checker::verdict::{Outcome, Verdict};
use reports::RunSummary;

use crate::exit::Problem;
use crate::store::{RunDir, RunRecord};
use crate::systems::system::Claims;

/// A verdict with what reports need beside it.
pub struct Judged {
    /// The verdict.
    pub verdict: Verdict,
    /// What the reports say of the run.
    pub summary: RunSummary,
}

impl Judged {
    /// The tables for standard output.
    pub fn tables(&self) -> String {
        reports::terminal(&self.summary, &self.verdict, terminal_width(), wants_colour())
    }
}

/// The columns of the terminal, if standard output is one.
pub fn terminal_width() -> Option<usize> {
    console::Term::stdout().size_checked().map(|(_, columns)| usize::from(columns))
}

/// Whether standard output is to be coloured.
pub fn wants_colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Checks the history against the claims, and writes `verdict.json`, `report.html` and `junit.xml`.
///
/// # Errors
/// When a file cannot be written.
pub fn judge(
    dir: &RunDir,
    record: &RunRecord,
    history: &History,
    claims: &Claims,
    doubts: &[String],
) -> Result<Judged, Problem> {
    let verdict = verdict(history, &claims.judged_by(&record.settings.judging.require), &Limits::default(), doubts);
    dir.write_json("verdict.json", &verdict).map_err(Problem::bench)?;
    report(dir, record, history, verdict, &claims.note)
}

/// Checks the history against what is claimed, with what only the bench knows.
pub fn verdict(history: &History, claims: &checker::Claims, limits: &Limits<'_>, doubts: &[String]) -> Verdict {
    with_doubts(checker::check(history, claims, limits), doubts)
}

/// The outcome with what only the bench knows: a doubt makes a valid run inconclusive. It comes before what the history
/// leaves open, which it often explains, and which may be more than a report lists.
fn with_doubts(mut verdict: Verdict, doubts: &[String]) -> Verdict {
    if !doubts.is_empty() {
        let at = usize::from(verdict.outcome == Outcome::Invalid).min(verdict.reasons.len());
        verdict.outcome = verdict.outcome.merge(Outcome::Inconclusive);
        verdict.reasons.splice(at..at, doubts.iter().cloned());
    }
    verdict
}

/// Writes the reports on a verdict.
///
/// # Errors
/// When a file cannot be written.
pub fn report(
    dir: &RunDir,
    record: &RunRecord,
    history: &History,
    verdict: Verdict,
    claims_note: &str,
) -> Result<Judged, Problem> {
    // The files name the directory as the store does, wherever it is looked at from; only the terminal needs the path.
    let messages = dir.read_messages().map_err(Problem::bench)?;
    let filed = RunSummary { messages, ..summary(dir.name(), record, history, claims_note) };
    dir.write("report.html", &reports::html(&filed, &verdict, history)).map_err(Problem::bench)?;
    dir.write("junit.xml", &reports::junit(&filed, &verdict)).map_err(Problem::bench)?;
    let summary = RunSummary { run_dir: dir.path().display().to_string(), ..filed };
    Ok(Judged { verdict, summary })
}

fn summary(run_dir: String, record: &RunRecord, history: &History, claims_note: &str) -> RunSummary {
    let settings = &record.settings;
    RunSummary {
        title: format!("{}: {}", settings.system.name(), settings.load.workload.replace(',', ", ")),
        started_utc: record.started_utc.clone(),
        duration_ms: history.end_ns() / 1_000_000,
        untimed: false,
        seed: settings.seed,
        command: record.command.clone(),
        settings: settings.shown(),
        claims_note: claims_note.to_owned(),
        first_ack_ms: record.first_ack_ms,
        nodes: record.nodes.clone(),
        messages: None,
        run_dir,
        version: record.version.clone(),
    }
}

/// When the first write of the workload was acknowledged, on the run's clock.
pub fn first_acknowledged_write(history: &History) -> Option<Duration> {
    let writes = history.operations().into_iter().filter(|operation| !operation.only_reads());
    let acknowledged = writes.filter(|write| write.is_ok() && write.phase() == Phase::Main);
    acknowledged.filter_map(|write| write.completed_ns()).min().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons(outcome: Outcome) -> Vec<String> {
        let mut verdict = checker::check(&History::default(), &checker::Claims::default(), &Limits::default());
        (verdict.outcome, verdict.reasons) = (outcome, vec!["first".to_owned(), "second".to_owned()]);
        with_doubts(verdict, &["it was killed".to_owned()]).reasons
    }

    /// A run killed early leaves so much open that this was not among the reasons listed.
    #[test]
    fn regression_why_a_run_ended_early_was_the_last_of_many_reasons() {
        assert_eq!(reasons(Outcome::Inconclusive), ["it was killed", "first", "second"]);
        assert_eq!(reasons(Outcome::Invalid), ["first", "it was killed", "second"]);
    }
}
