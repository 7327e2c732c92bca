//! `dissensus check`: judges a history, wherever it comes from.
//!
//! ```text
//! read (any format, within the limits) ─► choose (what is claimed, asked for, or guessed) ─► check ─► report
//! ```
//! A history whose operations name workloads is judged workload by workload, by the properties claimed of them; any other,
//! and whatever `--model` asks for, as one object. Either gives a verdict, and the same reports.

mod anomalies;
mod choose;
mod convert;
mod limits;
mod lint;
mod place;
mod progress;
mod report;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use checker::checks::registry;
use checker::formats::write::edn_text;
use checker::formats::{Cut, Format, Problem as Damaged, Reading, Renaming, Selection};
use checker::history::{History, KeySource, Misfit, Unsaid};
use checker::limits::Limits;
use checker::objects::Object;
use checker::{CheckName, Outcome};

use super::arguments::{CheckArgs, Initial, Rename, TimeUnit};
use crate::exit::{Exit, Problem};
use crate::out::say;
use crate::store::input::{Input, shown};
use choose::Choice;
use limits::Budget;
use progress::Progress;
use report::Report;

/// Does what was asked for, and prints the result.
pub fn check(args: &CheckArgs) -> Result<Exit, Problem> {
    if args.model.iter().any(|model| model.0 == "list") {
        list();
        return Ok(Exit::Valid);
    }
    let no_file = || Problem::arguments("name the history to check: a file, a directory, or - for standard input");
    let path = args.file.as_deref().ok_or_else(no_file)?;
    names_are_renamed_once(args)?;
    let file = Source::open(place::of_history(path)?, args)?;
    if let Some(to) = &args.convert {
        return convert::convert(&file, to);
    }
    if args.lint {
        return lint::lint(&file);
    }
    judge(&file)
}

/// Reads, chooses, checks and reports.
fn judge(file: &Source<'_>) -> Result<Exit, Problem> {
    let (args, budget) = (file.args, Budget::begin(file.args));
    report::can_be_written(file)?;
    let progress = Progress::new(args.json);
    let mut reading = read(file, &progress, &budget)?;
    if reading.other_lines > 0 && !reading.is_partial() {
        file.has_events(reading.records.events.into())?;
    }
    if args.keyed {
        let taken = reading.records.take_keys_from_values();
        taken.map_err(|why| Problem::arguments(format!("--keyed does not fit {}: {why}", shown(&file.path))))?;
    }
    some_operation_is_of(args.workload.as_deref(), &reading)?;
    some_function_is_called(&reading)?;
    initial_values_are_one_each(args)?;
    let mut keys_unmet = Vec::<String>::new();
    for initial in &args.initial {
        let begun = reading.records.begin_with(initial.key.as_ref(), &initial.value);
        let begun = begun.map_err(|full| Problem::arguments(format!("{}: {full}", file.path.display())))?;
        keys_unmet.extend(initial.key.as_ref().filter(|_| !begun).map(edn_text));
    }
    let choice = choose::choose(file, &reading)?;
    if choice.claims.by_workload && reading.records.unsaid != Unsaid::default() {
        return Err(file.damaged(
            "its operations have no invocations, or no processes, by which the properties of the bench's own workloads are \
             judged; --model names what is judged without",
        ));
    }
    if let Some(gap) = reading.gap.filter(|_| choice.claims.by_workload && !args.allow_partial) {
        return Err(file.damaged(gap));
    }
    if choice.claims.by_workload
        && let Some(operations) = budget.workload_operations_max(&reading.records)
    {
        // What the checks know of each operation would not fit beside so many of them.
        reading.records = std::mem::take(&mut reading.records).first(operations);
        reading.cut = Some(Cut::Memory);
    }
    let mut notes = report::notes(args, &reading, &choice, &budget);
    notes.extend(
        keys_unmet
            .iter()
            .map(|key| format!("the key {key} of --initial is of no operation: nothing begins with its value")),
    );
    let mut history = std::mem::take(&mut reading.records);
    if choice.claims.by_workload && reading.cut.is_some() {
        // A part of the final reads shows too little, and would be taken for all of them.
        history = history.of_main_phase();
    }
    progress.checking(&choice.names());
    let out_of_time = || budget.out_of_time();
    let limits = budget.beside(history.memory_bytes(), &out_of_time);
    let mut verdict = checker::check(&history, &choice.claims, &limits);
    progress.done();
    let undecided = choice.unseen(&verdict).chain(report::left_out(&reading, &choice, &history, &budget));
    let undecided = undecided.chain(odd_times(&history, &choice));
    for doubt in undecided.collect::<Vec<String>>() {
        verdict.outcome = verdict.outcome.merge(Outcome::Inconclusive);
        verdict.reasons.push(doubt);
    }
    verdict.reasons.extend(in_other_units(&history, &choice, &limits, &mut verdict.outcome));
    verdict.reasons.extend(keyed_or_not(args, &history, &choice, &limits, &mut verdict.outcome));
    let outcome = verdict.outcome;
    Report { file, choice: &choice, history: &history, verdict, notes, spent: budget.spent() }.give()?;
    Ok(outcome.into())
}

/// Nothing that is judged by time is known where times had a fraction that was cut off, or where some are dates and others are not.
fn odd_times(history: &History, choice: &Choice) -> Option<String> {
    let why = match (history.are_times_cut(), history.are_times_mixed()) {
        (true, _) => "Times have a fraction, so that they are hardly nanoseconds",
        (false, true) => "Some times are dates and others are none, so that they are hardly nanoseconds",
        (false, false) => return None,
    };
    is_by_time(choice).then(|| format!("{why}: say with --time-unit whether they are s, ms, us or ns."))
}

/// Where nothing shows the unit of the times, they are judged in each that they may have, too. Where that makes another outcome,
/// neither is known; the sentence says so.
fn in_other_units(history: &History, choice: &Choice, limits: &Limits<'_>, outcome: &mut Outcome) -> Option<String> {
    if !is_by_time(choice) || history.are_times_cut() || history.are_times_mixed() {
        return None;
    }
    let own = history.since_1970().map_or("nanoseconds".to_owned(), |unit| format!("{unit} since 1970"));
    history.in_other_units().find_map(|(unit, other)| {
        let is = checker::check(&other, &choice.claims, limits).outcome;
        (is != *outcome).then(|| {
            let sentence = format!(
                "Nothing shows the unit of the times. As {own} they are {outcome}, as {unit} {is}: say with --time-unit whether they \
                 are s, ms, us or ns."
            );
            *outcome = Outcome::Inconclusive;
            sentence
        })
    })
}

fn is_by_time(choice: &Choice) -> bool {
    choice.asked.iter().any(|asked| asked.check == CheckName::STALENESS)
}

/// Where nothing shows whether values are `[key value]`, they are judged as such, too. Where that makes another outcome,
/// neither is known; the sentence says so.
fn keyed_or_not(
    args: &CheckArgs,
    history: &History,
    choice: &Choice,
    limits: &Limits<'_>,
    outcome: &mut Outcome,
) -> Option<String> {
    let is_unclear = history.key_source == KeySource::Unclear;
    // Reads that are asked for without a key are hardly `independent`'s, unless nothing else explains what they show.
    let may_be =
        is_unclear || (history.key_source == KeySource::Events && *outcome == Outcome::Invalid && !args.not_keyed);
    if !may_be || history.not_keyed().is_some() {
        return None;
    }
    let mut keyed = history.clone();
    keyed.take_keys_from_values().ok()?;
    let other = checker::check(&keyed, &choice.claims, limits).outcome;
    if other == *outcome || (!is_unclear && other != Outcome::Valid) {
        return None;
    }
    let sentence = format!(
        "Every value is a list of two. As values they are {outcome}, as [key value] {other}: say with --not-keyed or --keyed \
         which they are."
    );
    *outcome = Outcome::Inconclusive;
    Some(sentence)
}

/// Refuses a name of a workload that no operation has. Where reading ended early, one may follow.
fn some_operation_is_of(workload: Option<&str>, reading: &Reading) -> Result<(), Problem> {
    let Some(name) = workload
        .filter(|name| reading.cut.is_none() && reading.records.ops.is_empty() && !reading.workloads.contains(*name))
    else {
        return Ok(());
    };
    let names: Vec<&str> = reading.workloads.iter().map(String::as_str).collect();
    let known = if names.is_empty() { "none is named".to_owned() } else { format!("there are {}", names.join(", ")) };
    Err(Problem::arguments(format!("no operation of this history is of a workload `{name}`: {known}")))
}

/// Refuses to rename what no function is called. Where reading ended early, one may follow.
fn some_function_is_called(reading: &Reading) -> Result<(), Problem> {
    match reading.unknown_names.first().filter(|_| reading.cut.is_none()) {
        Some(name) => Err(nothing_to_rename(name)),
        None => Ok(()),
    }
}

fn nothing_to_rename(name: &str) -> Problem {
    Problem::arguments(format!("no function of this history is called `{name}`: there is nothing to rename"))
}

/// Refuses two initial values of the same objects: only one of them could count.
fn initial_values_are_one_each(args: &CheckArgs) -> Result<(), Problem> {
    let is_again = |(at, one): (usize, &Initial)| args.initial[..at].iter().any(|other| other.key == one.key);
    match args.initial.iter().enumerate().any(is_again) {
        true => Err(Problem::arguments("--initial is said twice of the same objects: leave one of them out")),
        false => Ok(()),
    }
}

/// Refuses two new names of one function: only one of them could count.
fn names_are_renamed_once(args: &CheckArgs) -> Result<(), Problem> {
    let is_again = |(at, one): &(usize, &Rename)| args.rename[..*at].iter().any(|other| other.from == one.from);
    match args.rename.iter().enumerate().find(is_again) {
        Some((_, Rename { from, .. })) => {
            Err(Problem::arguments(format!("--rename says twice what `{from}` is called: leave one of them out")))
        }
        None => Ok(()),
    }
}

/// The history's file and what was said of it.
struct Source<'a> {
    path: PathBuf,
    format: Format,
    args: &'a CheckArgs,
    /// Opened once, since a pipe has nothing to be read twice.
    input: RefCell<Option<Input>>,
}

impl<'a> Source<'a> {
    /// Opens it and recognises its format.
    fn open(path: PathBuf, args: &'a CheckArgs) -> Result<Self, Problem> {
        let mut input = Input::open(&path).map_err(Problem::arguments)?;
        let head = input.head().map_err(|error| cannot_read(&path, &error))?;
        place::refuse_fressian(&path, &head)?;
        let format = args.format.or(Format::detect(&head)).ok_or_else(|| {
            Problem::arguments(match place::other_kind(&head) {
                Some(kind) => format!("{} is {kind}", shown(&path)),
                None => format!(
                    "{} is no history: line 1, column 1: neither JSON, nor EDN, nor a log of Jepsen, nor transactions of Plume, AWDIT \
                     or DBCop; --format forces one",
                    shown(&path)
                ),
            })
        })?;
        Ok(Self { path, format, args, input: RefCell::new(Some(input)) })
    }

    /// The other names that were asked for.
    fn renames(&self) -> Vec<(String, String)> {
        self.args.rename.iter().map(|rename| (rename.from.clone(), rename.to.clone())).collect()
    }

    /// Refuses names that no function of the whole history had.
    fn all_were_met(&self, renaming: &Renaming<'_>) -> Result<(), Problem> {
        renaming.unknown().next().map_or(Ok(()), |name| Err(nothing_to_rename(name)))
    }

    /// The text, which is read once.
    fn input(&self) -> Input {
        self.input.take().expect("a history is read once")
    }

    /// Refuses a log in which no line is an operation: nothing of it was read, and nothing of it would be judged.
    fn has_events(&self, events: u64) -> Result<(), Problem> {
        match (self.format, events) {
            (Format::Log, 0) => {
                Err(self.damaged("no line is an operation, as in `0 :invoke :read nil`, with white space between"))
            }
            _ => Ok(()),
        }
    }

    /// An error with the file's name.
    fn damaged(&self, error: impl std::fmt::Display) -> Problem {
        Problem::arguments(format!("{} is damaged: {error}", shown(&self.path)))
    }
}

fn cannot_read(path: &Path, error: &std::io::Error) -> Problem {
    Problem::arguments(format!("cannot read {}: {error}", shown(path)))
}

/// As much of the history as the limits allow.
fn read(file: &Source<'_>, progress: &Progress, budget: &Budget) -> Result<Reading, Problem> {
    let input = file.input();
    let selection = Selection {
        workload: file.args.workload.clone(),
        allow_partial: file.args.allow_partial,
        values_as_recorded: file.args.keyed || file.args.not_keyed,
        time_unit_ns: file.args.time_unit.map(TimeUnit::ns),
        renames: file.renames(),
    };
    let (read_bytes, bytes) = (Arc::clone(&input.read_bytes), input.bytes);
    let share_read = || (bytes > 0).then(|| read_bytes.load(Ordering::Relaxed) as f64 / bytes as f64);
    let out_of_time = || budget.out_of_time_to_read();
    let limits = budget.of_reading(&out_of_time);
    let mut reader = progress.reading(input);
    let read = checker::formats::read_within(&mut reader, file.format, &selection, &limits, &share_read);
    read.map_err(|damage| match &damage.problem {
        Damaged::Read(error) => {
            let place = format!("{}, line {}", shown(&file.path), damage.line);
            Problem::arguments(format!("cannot read {place}: {error}"))
        }
        // It is whole, and says what cannot be.
        Damaged::Misfit(misfit) => {
            let way = match misfit {
                Misfit::Ended { .. } => {
                    ": after an `info` its client goes on as a new process, since the operation may still take effect; where it \
                     certainly cannot, it is `fail`; --lint lists all such places"
                }
                _ => "; --lint lists all such places",
            };
            let (line, path) = (damage.line, shown(&file.path));
            Problem::arguments(format!("{path} is no history: line {line}, column {}: {misfit}{way}", damage.column))
        }
        Damaged::NotAnEvent(_) => {
            Problem::arguments(format!("{} is no history: {damage}", shown(&file.path)))
        }
        _ => file.damaged(damage),
    })
}

fn list() {
    say!("names of objects, and what is usually checked of them:");
    for alias in registry::ALIASES {
        say!("{:<16} {}", alias.name, alias.about);
    }
    say!("");
    say!("single checks:");
    for name in CheckName::ALL {
        say!("{name:<34} {}", name.about());
    }
    say!("");
    say!("workloads of the bench, by the properties claimed of them:");
    for object in Object::ALL {
        say!("{:<16} {}", object.name(), object.about());
    }
}
