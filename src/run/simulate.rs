//! A run in simulation: one seed with its run directory, or many seeds of which only the failing ones leave a
//! directory.

use std::path::Path;
use std::time::{Duration, Instant};

use checker::history::{History, MemoryRecorder, Recorder};
use checker::limits::Limits;
use checker::verdict::{Outcome, Verdict};
use nemesis::{EvidenceRecord, Plan};

use super::progress::Display;
use super::settings::{Checked, RunSettings};
use super::stage::Stage;
use super::{Finished, OpenRun, judge, plan};
use crate::exit::Problem;
use crate::systems::system::Trace;

/// Simulates one seed, and leaves its run directory.
///
/// # Errors
/// When the arguments cannot work, or the bench fails.
pub fn simulate(settings: &RunSettings, store: &Path, quiet: bool) -> Result<(Finished, Trace), Problem> {
    let begun = Instant::now();
    let checked = settings.check()?;
    let plan = plan(settings, &checked)?;
    let open_run = OpenRun::open(settings, &*checked.system, &plan, store)?;
    let claims = checked.system.claims();
    let display = Display::new(settings, quiet);
    let staged =
        stage(settings, checked, plan, &open_run.history, &|records| open_run.evidence(records), Some(&display));
    display.finish();
    let (doubts, trace) = staged?;
    let finished = open_run.close(&claims, Duration::ZERO, begun, &doubts)?;
    Ok((finished, trace))
}

/// Simulates one seed in memory, and checks its history. Only the outcome counts, so no anomaly is explained.
///
/// # Errors
/// When the arguments cannot work, or the bench fails.
pub fn judge_seed(settings: &RunSettings) -> Result<(Outcome, Trace), Problem> {
    let (recorded, trace) = record_seed(settings)?;
    Ok((recorded.verdict(0).outcome, trace))
}

/// Simulates one seed in memory, and checks its history, with all anomalies explained.
///
/// # Errors
/// When the arguments cannot work, or the bench fails.
pub fn verdict_of_seed(settings: &RunSettings) -> Result<(Verdict, Trace), Problem> {
    let (recorded, trace) = record_seed(settings)?;
    Ok((recorded.verdict(Limits::default().anomalies_max), trace))
}

/// A simulated run in memory, not yet checked.
struct Recorded {
    history: History,
    claims: checker::Claims,
    doubts: Vec<String>,
}

impl Recorded {
    /// Checks the history, and explains at most this many anomalies of each property.
    fn verdict(self, anomalies_max: usize) -> Verdict {
        judge::verdict(&self.history, &self.claims, &Limits { anomalies_max, ..Limits::default() }, &self.doubts)
    }
}

fn record_seed(settings: &RunSettings) -> Result<(Recorded, Trace), Problem> {
    let checked = settings.check()?;
    let plan = plan(settings, &checked)?;
    let claims = checked.system.claims().judged_by(&settings.judging.require);
    let recorder = MemoryRecorder::with_room(expected_events(settings));
    let (doubts, trace) = stage(settings, checked, plan, &recorder, &|_| {}, None)?;
    let history = History::of_events(&recorder.into_events()).map_err(Problem::bench)?;
    Ok((Recorded { history, claims, doubts }, trace))
}

/// The approximate length of a run's history, events: two for each operation, and the reads of replicas at the end.
fn expected_events(settings: &RunSettings) -> usize {
    let operations = settings.load.rate * settings.load.time_limit_ms as f64 / 1000.0;
    (2.0 * operations).min(EVENTS_EXPECTED_MAX) as usize + EVENTS_AT_THE_END
}

/// A longer history makes the buffer grow.
const EVENTS_EXPECTED_MAX: f64 = 100_000.0;
const EVENTS_AT_THE_END: usize = 4_000;

fn stage(
    settings: &RunSettings,
    checked: Checked,
    plan: Plan,
    recorder: &dyn Recorder,
    evidence: &dyn Fn(&[EvidenceRecord]),
    display: Option<&Display>,
) -> Result<(Vec<String>, Trace), Problem> {
    let Checked { system, workloads, .. } = checked;
    let simulated = system.simulated().ok_or_else(|| Problem::arguments("the system cannot be simulated"))?;
    let simulation = simulated.start().map_err(Problem::arguments)?;
    let client = simulation.client();
    let stage = Stage {
        settings: settings.interpreter(),
        clock: simulation.clock(),
        recorder,
        surface: simulation.surface(),
        client: &*client,
        display,
        evidence,
        stop: &|| false,
        members_change: system.membership().is_some(),
    };
    let mut doubts = None;
    simulation.block_on(Box::pin(async { doubts = Some(stage.run(workloads, plan).await) }));
    let doubts = doubts.expect("a future that has come to its end has left its result")?;
    Ok((doubts, simulation.trace()))
}
