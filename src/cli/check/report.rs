//! The verdict on a history before people and machines: tables or JSON on standard output, and the same files as of a run
//! (`--html`, `--junit`).

use std::cell::LazyCell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use checker::checks::registry;
use checker::formats::Reading;
use checker::history::{History, KeySource, Torn};
use checker::verdict::{OperationStatistics, Verdict};
use reports::RunSummary;
use serde::Serialize;

use super::choose::Choice;
use super::limits::{Budget, Spent};
use super::{Source, anomalies};
use crate::cli::arguments::CheckArgs;
use crate::exit::Problem;
use crate::out::say;
use crate::run::judge::{Judged, first_acknowledged_write};
use crate::store::input::{is_standard_input, shown};
use crate::store::write_whole;

/// Everything that a report says.
pub(super) struct Report<'a> {
    pub file: &'a Source<'a>,
    pub choice: &'a Choice,
    pub history: &'a History,
    pub verdict: Verdict,
    /// What has to be known of how the history was read, a sentence each.
    pub notes: Vec<String>,
    pub spent: Spent,
}

/// What is printed with `--json`: the verdict, as in `verdict.json`, and how it was reached.
#[derive(Serialize)]
struct Json<'a> {
    file: String,
    format: &'static str,
    operations: usize,
    passed_over: u64,
    /// Where keys come from: `events`, `values`, or `unclear`.
    keys: &'static str,
    notes: &'a [String],
    /// The checks asked for of the whole history; empty where workloads were judged by what is claimed of them.
    checks: Vec<Check>,
    spent: Spent,
    #[serde(flatten)]
    verdict: &'a Verdict,
}

/// A check that was asked for.
#[derive(Serialize)]
struct Check {
    /// The name that asked for it.
    asked: &'static str,
    check: &'static str,
    /// Whether nobody asked, and the operations look like it.
    guessed: bool,
    /// Which check that was, where the name is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    chosen: Option<String>,
}

impl Report<'_> {
    /// Prints it, and writes the files that were asked for.
    pub fn give(mut self) -> Result<(), Problem> {
        let args = self.file.args;
        if !self.is_timed() || self.history.unsaid.invocations {
            self.verdict.statistics.iter_mut().for_each(OperationStatistics::forget_times);
        }
        let by_workload = self.choice.claims.by_workload;
        for note in self.notes.iter().filter(|_| by_workload) {
            eprintln!("{note}");
        }
        // It looks at every operation: at most once, and not where nothing shows it.
        let summary = LazyCell::new(|| self.summary());
        match (args.json, by_workload) {
            (true, _) => say!("{}", self.json()),
            (false, true) => {
                say!("{}", Judged { verdict: self.verdict.clone(), summary: summary.clone() }.tables());
            }
            (false, false) => anomalies::print(&self),
        }
        let written = |path: &Path, text: String| write_whole(path, &text).map_err(Problem::arguments);
        if let Some(path) = &args.html {
            written(path, reports::html(&summary, &self.verdict, self.history))?;
        }
        if let Some(path) = &args.junit {
            written(path, reports::junit(&summary, &self.verdict))?;
        }
        Ok(())
    }

    /// Whether its events have times, if there are any.
    fn is_timed(&self) -> bool {
        self.history.timed || self.history.events == 0
    }

    fn json(&self) -> String {
        let choice = self.choice;
        let check = |asked: &checker::checks::registry::Asked| Check {
            asked: asked.name,
            check: asked.check.name(),
            guessed: choice.guessed,
            chosen: asked.chosen(),
        };
        let json = Json {
            file: shown(&self.file.path),
            format: self.file.format.name(),
            operations: self.history.ops.len(),
            passed_over: self.history.passed_over,
            keys: self.history.key_source.name(),
            notes: &self.notes,
            checks: choice.asked.iter().map(check).collect(),
            spent: self.spent,
            verdict: &self.verdict,
        };
        let mut json = serde_json::to_value(&json).expect("a verdict is plain data");
        let timed = self.is_timed();
        if !timed {
            leave_out_times(&mut json["properties"]);
            leave_out_times(&mut json["faults"]);
        }
        if !timed || self.history.unsaid.invocations {
            leave_out_times(&mut json["statistics"]);
        }
        serde_json::to_string_pretty(&json).expect("a verdict is plain data")
    }

    /// What reports say beside the verdict.
    pub fn summary(&self) -> RunSummary {
        let path = shown(&self.file.path);
        RunSummary {
            title: path.clone(),
            duration_ms: self.history.end_ns() / 1_000_000,
            untimed: !self.is_timed(),
            first_ack_ms: first_acknowledged_write(self.history).map(|at| at.as_millis() as u64),
            command: repeats(std::env::args_os().skip(1)),
            claims_note: self.chosen().join(" "),
            version: env!("CARGO_PKG_VERSION").into(),
            ..RunSummary::default()
        }
    }

    /// Which checks were chosen, and why, a sentence each.
    fn chosen(&self) -> Vec<String> {
        let why = if self.choice.guessed { "guessed from the operations" } else { "asked for" };
        let asked = self.choice.asked.iter();
        asked.map(|asked| format!("{}: {why}.", asked.chosen().unwrap_or_else(|| asked.name.to_owned()))).collect()
    }
}

/// Leaves out times and latencies that a history does not have: zeros that nobody recorded.
fn leave_out_times(found: &mut serde_json::Value) {
    match found {
        serde_json::Value::Object(fields) => {
            fields.retain(|name, _| !name.ends_with("_ns") && !name.ends_with("_ms") && name != "apdex");
            fields.values_mut().for_each(leave_out_times);
        }
        serde_json::Value::Array(elements) => elements.iter_mut().for_each(leave_out_times),
        _ => {}
    }
}

/// Refuses a place for a report that would destroy something else: the history, the other report, a device or a pipe.
pub(super) fn can_be_written(file: &Source<'_>) -> Result<(), Problem> {
    let args = file.args;
    let targets: Vec<&PathBuf> = args.html.iter().chain(&args.junit).collect();
    let refused = |path: &Path, why: &str| Err(Problem::arguments(format!("{} is {why}", path.display())));
    for (at, path) in targets.iter().enumerate() {
        let same = |other: &Path| {
            path.as_path() == other
                || path.canonicalize().is_ok_and(|real| other.canonicalize().is_ok_and(|other| real == other))
        };
        if is_standard_input(path) {
            return refused(path, "no file, and standard output has the verdict: name a file for the report");
        }
        if same(&file.path) {
            return refused(path, "the history itself: name another file for the report");
        }
        if targets[..at].iter().any(|other| same(other)) {
            return refused(path, "named for two reports: name another file for one of them");
        }
        if path.symlink_metadata().is_ok_and(|found| !found.is_file()) {
            return refused(path, "no plain file: a report would replace it");
        }
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !parent.is_dir() {
            return refused(path, "in a directory that does not exist");
        }
    }
    Ok(())
}

/// The command that decides the same again: the words that were given, without those that say where results go. The words
/// themselves, so that no option is forgotten.
fn repeats(given: impl Iterator<Item = OsString>) -> String {
    let mut given = given.map(|word| word.to_string_lossy().into_owned());
    let mut words = vec!["dissensus".to_owned()];
    while let Some(word) = given.next() {
        match word.as_str() {
            "--html" | "--junit" => drop(given.next()),
            "--json" => {}
            other if other.starts_with("--html=") || other.starts_with("--junit=") => {}
            _ => words.push(word),
        }
    }
    // Words of a command line have no zero bytes, which is all that cannot be quoted.
    shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| words.join(" "))
}

/// What has to be known of how a history was read, a sentence each.
pub(super) fn notes(args: &CheckArgs, reading: &Reading, choice: &Choice, budget: &Budget) -> Vec<String> {
    let events = reading.records.events;
    let mut notes = Vec::new();
    if let Some(Torn { line, column }) = reading.torn {
        let cut_off = format!("line {line} is cut off at column {column}, as a killed bench leaves it");
        notes.push(match choice.claims.by_workload {
            true => format!("{cut_off}: left out"),
            false => format!("{cut_off}: only the {events} events before it were checked"),
        });
    }
    notes.extend(unsaid(&reading.records));
    if let (Some(damage), false) = (&reading.damage, choice.claims.by_workload) {
        notes.push(format!("only the {events} events before a damage were checked: {damage}"));
    }
    if let (Some(cut), false) = (reading.cut, choice.claims.by_workload) {
        notes.push(format!(
            "{} ended the reading: only the first {events} events were checked, and what was open then as what never completed",
            budget.named(cut)
        ));
    }
    if reading.indices_missing > 0 && !choice.claims.by_workload {
        notes.push(format!("{} indices are missing: what happened there is unknown", reading.indices_missing));
    }
    if reading.other_lines > 0 {
        notes.push(format!("{} lines of the log are about something else", reading.other_lines));
    }
    notes.extend(keys(reading.records.key_source, args));
    notes.extend(choice.is_of_transactions().then(|| micros(&reading.records)).flatten());
    notes
}

/// That micro-operations have other names than levels of isolation know, if some have.
fn micros(records: &History) -> Option<String> {
    const SHOWN_MAX: usize = 8;
    let names = registry::unknown_micros(records);
    let shown: Vec<String> = names.iter().take(SHOWN_MAX).map(|name| format!("`{}`", name.escape_debug())).collect();
    (!names.is_empty()).then(|| {
        format!(
            "micro-operations are called {}: levels of isolation know `r`, `w` and `append`; --rename read=r,write=w maps names",
            shown.join(", ")
        )
    })
}

/// Where keys were looked for, if values may have them.
fn keys(source: KeySource, args: &CheckArgs) -> Option<String> {
    let note = match source {
        KeySource::Values if args.keyed => "values are [key value], as --keyed says: keys were taken from them",
        KeySource::Values => {
            "values are [key value], as Jepsen's `independent` records them: keys were taken from them (--not-keyed leaves \
             them as they are)"
        }
        KeySource::Unclear => {
            "every value is a list of two, and nothing shows whether that is [key value]: values were left as they are \
             (--keyed takes keys from them, --not-keyed says that they are values)"
        }
        KeySource::Events if args.not_keyed => "values were left as they are, as --not-keyed says",
        KeySource::Events => return None,
    };
    Some(note.to_owned())
}

/// What the history does not say of its operations, or says in another way, a sentence each.
fn unsaid(records: &History) -> impl Iterator<Item = String> {
    let no_invocations = records.unsaid.invocations.then(|| {
        "no invocation is recorded: each completion is an operation that may have been invoked at any time, and only the order \
         of each process is known"
            .to_owned()
    });
    let no_processes = records
        .unsaid
        .processes
        .then(|| "no process is recorded: each operation is taken for a process of its own".to_owned());
    let since_1970 = records.since_1970().map(|unit| {
        let other =
            if records.other_units().next().is_some() { "; if they are not, say so with --time-unit" } else { "" };
        format!("times are {unit} since 1970: they are read as such, and counted from the earliest event{other}")
    });
    [no_invocations, no_processes, since_1970].into_iter().flatten()
}

/// Why workloads were not judged as a whole, a sentence each. What is asked of a whole history knows that by itself.
pub(super) fn left_out(reading: &Reading, choice: &Choice, history: &History, budget: &Budget) -> Vec<String> {
    if !choice.claims.by_workload {
        return Vec::new();
    }
    let (events, operations) = (history.events, history.ops.len());
    let damage = reading.damage.as_ref();
    let damage = damage.map(|damage| format!("Only the {events} events before a damage were judged: {damage}."));
    let cut = reading.cut.map(|cut| {
        format!(
            "{} ended the reading: only the first {operations} operations were judged, and none after the heal. \
             More memory or time (--memory, --timeout) judges all.",
            budget.named(cut)
        )
    });
    let missing = (reading.indices_missing > 0)
        .then(|| format!("{} events are missing between those recorded.", reading.indices_missing));
    [damage, cut, missing].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_repeats_has_every_option_but_where_results_go() {
        let given = [
            "check",
            "a dir/h.edn",
            "--html",
            "page.html",
            "--consistency",
            "snapshot-isolation",
            "--junit=x",
            "--json",
        ];
        assert_eq!(
            repeats(given.into_iter().map(OsString::from)),
            "dissensus check 'a dir/h.edn' --consistency snapshot-isolation"
        );
    }
}
