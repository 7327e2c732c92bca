//! The facts about a run besides its verdict and history, and the sentences that every kind of report shares.

use checker::verdict::{FaultFinding, OperationStatistics, Outcome, PropertyResult, Verdict};

use crate::format::{abbreviate, count, percent, plural};
use crate::messages::Messages;

/// The facts about a run besides verdict and history; the bench takes them from `run.json`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunSummary {
    /// The system and its workloads: `dynamo: set, register, cart`.
    pub title: String,
    /// When the run began, UTC, ISO 8601.
    pub started_utc: String,
    /// How long it took from the first event to the last, ms.
    pub duration_ms: u64,
    /// Whether the history has no times: nothing is said of any then.
    pub untimed: bool,
    /// The seed that everything random came from.
    pub seed: u64,
    /// The command line that repeats the run.
    pub command: String,
    /// The configuration, name and value, in the order in which it is shown.
    pub settings: Vec<(String, String)>,
    /// Why these properties are claimed and the others are not, in a sentence or two.
    pub claims_note: String,
    /// When the first operation was acknowledged, ms since the run began; none if none was.
    pub first_ack_ms: Option<u64>,
    /// The nodes' names.
    pub nodes: Vec<String>,
    /// The messages that the bench carried, if it carried any.
    pub messages: Option<Messages>,
    /// Where the run directory is.
    pub run_dir: String,
    /// The version of the bench.
    pub version: String,
}

impl RunSummary {
    /// Whether this bench ran it. A history alone has neither seed nor start, and nobody claimed or planned anything.
    pub(crate) fn is_run(&self) -> bool {
        !self.started_utc.is_empty()
    }

    /// Whether some properties are claimed and others are not; what was checked of a history alone was asked for.
    pub(crate) fn has_claims(&self, verdict: &Verdict) -> bool {
        self.is_run() || verdict.properties.iter().any(|property| !property.claimed)
    }
}

/// The longest sentence taken over from a verdict, in characters.
pub(crate) const SENTENCE_CHARS_MAX: usize = 2_000;

/// One sentence that says what happened and why.
pub(crate) fn headline(summary: &RunSummary, verdict: &Verdict) -> String {
    let sentence = match verdict.outcome {
        Outcome::Valid => valid_headline(summary, verdict),
        Outcome::Inconclusive => reason_or(verdict, "nothing claimed was broken, but the run does not prove it"),
        Outcome::Invalid => invalid_headline(summary, verdict),
    };
    abbreviate(&sentence, SENTENCE_CHARS_MAX)
}

fn valid_headline(summary: &RunSummary, verdict: &Verdict) -> String {
    let held = verdict.properties.iter().filter(|p| p.claimed).count() as u64;
    let claims = match (held, summary.has_claims(verdict)) {
        (0, true) => "nothing was claimed".to_owned(),
        (0, false) => "nothing was checked".to_owned(),
        (1, true) => "the one claimed check held".to_owned(),
        (1, false) => "the check holds".to_owned(),
        (n, true) => format!("all {} claimed checks held", count(n)),
        (n, false) => format!("all {} checks hold", count(n)),
    };
    format!("{claims}; {}", faults_sentence(summary, &verdict.faults))
}

fn invalid_headline(summary: &RunSummary, verdict: &Verdict) -> String {
    let mut broken = verdict.properties.iter().filter(|p| is_broken_claim(p));
    let Some(first) = broken.next() else {
        return reason_or(verdict, "a claimed property was violated");
    };
    let (is, checks) = match summary.has_claims(verdict) {
        true => ("was claimed and is", "more claimed check"),
        false => ("is", "more check"),
    };
    let others = match broken.count() as u64 {
        0 => String::new(),
        n => format!(" ({} violated)", plural(n, checks)),
    };
    format!("{} {is} violated: {}{others}", property_label(first), first.summary)
}

/// The reasons that the headline does not already give.
pub(crate) fn reasons_beyond_headline<'v>(summary: &RunSummary, verdict: &'v Verdict) -> Vec<&'v String> {
    let said = headline(summary, verdict);
    let finding = match verdict.outcome {
        Outcome::Invalid => verdict.properties.iter().find(|p| is_broken_claim(p)),
        Outcome::Valid | Outcome::Inconclusive => None,
    };
    let names = |reason: &str, p: &PropertyResult| {
        let names_workload = p.workload.as_ref().is_none_or(|workload| reason.contains(workload));
        reason.contains(p.property.name()) && reason.contains(&p.summary) && names_workload
    };
    verdict.reasons.iter().filter(|reason| **reason != said && !finding.is_some_and(|p| names(reason, p))).collect()
}

fn reason_or(verdict: &Verdict, otherwise: &str) -> String {
    verdict.reasons.first().cloned().unwrap_or_else(|| otherwise.to_owned())
}

/// `no faults were planned`, `8 faults, all proved`, `8 faults, 7 of them proved`.
pub(crate) fn faults_sentence(summary: &RunSummary, faults: &[FaultFinding]) -> String {
    if faults.iter().any(|fault| fault.foreign) {
        return format!("{} recorded by its nemesis", plural(faults.len() as u64, "fault"));
    }
    let (planned, proved) = (faults.len() as u64, faults.iter().filter(|f| f.proved).count() as u64);
    match (planned, proved) {
        (0, _) if !summary.is_run() => "no faults are recorded".to_owned(),
        (0, _) => "no faults were planned".to_owned(),
        (1, 1) => "its one fault is proved".to_owned(),
        (n, p) if n == p => format!("{}, all proved", plural(n, "fault")),
        (n, p) => format!("{}, {} of them proved", plural(n, "fault"), count(p)),
    }
}

/// `no-lost-writes (set)`, or the property alone where the check spans all workloads.
pub(crate) fn property_label(result: &PropertyResult) -> String {
    match &result.workload {
        Some(workload) => format!("{} ({workload})", result.property),
        None => result.property.to_string(),
    }
}

/// The workload that was judged; `all` where it was the whole run.
pub(crate) fn workload_name(result: &PropertyResult) -> &str {
    result.workload.as_deref().unwrap_or("all")
}

/// Whether this result is one that makes a run invalid.
pub(crate) fn is_broken_claim(result: &PropertyResult) -> bool {
    result.claimed && result.outcome == Outcome::Invalid
}

/// The sign shown beside an outcome, so that colour is never the only one.
pub(crate) fn sign(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Valid => "✓",
        Outcome::Inconclusive => "?",
        Outcome::Invalid => "✗",
    }
}

/// Acknowledged and all operations of the main phase.
pub(crate) fn operations_total(verdict: &Verdict) -> (u64, u64) {
    let add =
        |(ok, all): (u64, u64), s: &OperationStatistics| (ok.saturating_add(s.ok), all.saturating_add(invoked(s)));
    verdict.statistics.iter().fold((0, 0), add)
}

/// How many operations of one function there were.
fn invoked(s: &OperationStatistics) -> u64 {
    s.ok.saturating_add(s.fail).saturating_add(s.info)
}

/// The share acknowledged of the operations invoked while a fault was in force, and of the others.
pub(crate) fn availability(s: &OperationStatistics) -> [String; 2] {
    let outside = (s.ok.saturating_sub(s.ok_in_faults), invoked(s).saturating_sub(s.invoked_in_faults));
    [percent(s.ok_in_faults, s.invoked_in_faults), percent(outside.0, outside.1)]
}

/// The harvest of reads invoked while a fault was in force, and of the others.
pub(crate) fn harvest(s: &OperationStatistics) -> [String; 2] {
    const PARTS: u64 = 1_000_000;
    let shown = |share: Option<f64>| {
        // Rounded down: a read that lacks anything does not show 100 %.
        let parts = |share: f64| (share * PARTS as f64).floor() as u64;
        share.map_or_else(String::new, |share| percent(parts(share).max(u64::from(share > 0.0)), PARTS))
    };
    [shown(s.harvest_in_faults), shown(s.harvest_outside_faults)]
}
