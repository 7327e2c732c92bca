//! `dissensus report`: rebuilds the reports of a run directory from its verdict and history.

use super::arguments::ReportArgs;
use crate::exit::{Exit, Problem};
use crate::out::say;
use crate::run::judge;
use crate::store::RunDir;

/// Rebuilds `report.html` and `junit.xml`, and prints the tables. A run that was killed has no verdict; then its
/// history is checked first.
pub fn report(args: &ReportArgs) -> Result<Exit, Problem> {
    let dir = RunDir::open(&args.run_dir).map_err(Problem::arguments)?;
    let record = dir.read_record().map_err(Problem::arguments)?;
    let history = dir.read_history().map_err(Problem::arguments)?;
    let claims = record.settings.system.open(record.settings.seed)?.claims();
    let judged = match dir.file("verdict.json").exists() {
        true => {
            let verdict = dir.read_verdict().map_err(Problem::arguments)?;
            judge::report(&dir, &record, &history, verdict, &claims.note)?
        }
        false => judge::judge(&dir, &record, &history, &claims, &["the run did not come to its end".to_owned()])?,
    };
    say!("{}", judged.tables());
    Ok(judged.verdict.outcome.into())
}
