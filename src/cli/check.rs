//! `dissensus check`: judges a history, wherever it comes from.
//!
//! A history of the bench's own workloads is judged by the properties claimed of them ([`judged`]); any other, and whatever
//! `--model` asks for, is checked against models ([`models`]).

mod convert;
mod judged;
mod limits;
mod lint;
mod models;
mod progress;
mod told;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use checker::checks::registry::{self, Asked, CheckName, Settings};
use checker::formats::{Format, Reading, Selection};
use checker::history::History;
use checker::objects::Model;

use super::arguments::CheckArgs;
use super::out::say;
use crate::exit::{Exit, Problem};
use crate::store::input::Input;
use limits::Budget;
use progress::Progress;

/// Does what was asked for, and prints what came of it.
pub fn check(args: &CheckArgs) -> Result<Exit, Problem> {
    if args.model.iter().any(|model| model.0 == "list") {
        list();
        return Ok(Exit::Valid);
    }
    let path = args.file.as_deref().ok_or_else(|| Problem::arguments("name the history to check"))?;
    let file = Source { path, format: format(args, path)?, args };
    if let Some(to) = &args.convert {
        return convert::convert(&file, to);
    }
    if args.lint {
        return lint::lint(&file);
    }
    let budget = Budget::begin(args);
    match plan(&file, &budget)? {
        Plan::Judge(model) => judged::judge(&file, model, &budget),
        Plan::Check(entries, reading, progress) => models::check(&file, entries, reading, &progress, &budget),
    }
}

/// The history's file and what was said of it.
struct Source<'a> {
    path: &'a Path,
    format: Format,
    args: &'a CheckArgs,
}

impl Source<'_> {
    fn open(&self) -> Result<Input, Problem> {
        Input::open(self.path).map_err(Problem::arguments)
    }

    /// An error with the file's name.
    fn damaged(&self, error: impl std::fmt::Display) -> Problem {
        Problem::arguments(format!("{} is damaged: {error}", self.path.display()))
    }
}

fn format(args: &CheckArgs, path: &Path) -> Result<Format, Problem> {
    let mut input = Input::open(path).map_err(Problem::arguments)?;
    let detected =
        input.detect().map_err(|error| Problem::arguments(format!("cannot read {}: {error}", path.display())))?;
    let path = path.display();
    args.format.or(detected).ok_or_else(|| {
        Problem::arguments(format!(
            "{path} is damaged: line 1, column 1: neither lines of JSON, nor EDN, nor a log of Jepsen; --format forces one"
        ))
    })
}

enum Plan {
    /// By the properties of the bench's own workloads.
    Judge(Option<Model>),
    /// Against these models, the first of which may have been guessed.
    Check(Vec<Chosen>, Box<Reading>, Progress),
}

/// A check, and whether it was asked for.
struct Chosen {
    asked: Asked,
    guessed: bool,
}

impl Chosen {
    fn all(asked: Vec<Asked>, guessed: bool) -> Vec<Self> {
        asked.into_iter().map(|asked| Self { asked, guessed }).collect()
    }
}

fn plan(file: &Source<'_>, budget: &Budget) -> Result<Plan, Problem> {
    let args = file.args;
    if args.model.is_empty() && (judged::in_run_dir(file) || !args.require.is_empty() || args.lww) {
        return Ok(Plan::Judge(None));
    }
    if let [only] = &args.model[..]
        && (only.0 == "cart" || !args.require.is_empty() || args.lww)
    {
        return Ok(Plan::Judge(only.0.parse().ok()));
    }
    let progress = Progress::new(args.json);
    let reading = read(file, &progress, budget)?;
    let settings = models::settings(args);
    if args.model.is_empty() {
        return Ok(guess(reading, progress, &settings));
    }
    let mut chosen = Vec::new();
    for name in &args.model {
        match resolve(&name.0, &reading, &settings) {
            Meant::Checks(asked) => chosen.extend(Chosen::all(asked, false)),
            Meant::Judged(model) if args.model.len() == 1 => return Ok(Plan::Judge(Some(model))),
            Meant::Judged(model) => {
                let why = format!("`{model}` judges the properties of the bench's own workloads: ask for it by itself");
                return Err(Problem::arguments(why));
            }
            Meant::Nothing(why) => return Err(Problem::arguments(why)),
        }
    }
    Ok(Plan::Check(chosen, Box::new(reading), progress))
}

/// As much of the history as the limits allow.
fn read(file: &Source<'_>, progress: &Progress, budget: &Budget) -> Result<Reading, Problem> {
    let input = file.open()?;
    let selection = Selection { workload: file.args.workload.clone(), allow_partial: file.args.allow_partial };
    let (read_bytes, bytes) = (Arc::clone(&input.read_bytes), input.bytes);
    let share_read = || (bytes > 0).then(|| read_bytes.load(Ordering::Relaxed) as f64 / bytes as f64);
    let out_of_time = || budget.out_of_time_to_read();
    let limits = budget.of_reading(&out_of_time);
    let mut reader = progress.reading(input);
    let read = checker::formats::read_within(&mut reader, file.format, &selection, &limits, &share_read);
    read.map_err(|damage| file.damaged(damage))
}

/// What the operations look like; the bench's own workloads name themselves.
fn guess(reading: Reading, progress: Progress, settings: &Settings) -> Plan {
    let name = registry::guess(&reading.records).filter(|_| reading.workloads.is_empty());
    match name.map(|name| resolve(name, &reading, settings)) {
        Some(Meant::Checks(asked)) => Plan::Check(Chosen::all(asked, true), Box::new(reading), progress),
        Some(Meant::Judged(model)) => Plan::Judge(Some(model)),
        Some(Meant::Nothing(_)) | None => Plan::Judge(None),
    }
}

enum Meant {
    Checks(Vec<Asked>),
    Judged(Model),
    Nothing(String),
}

/// `set`, `register` and `cart` are names of the bench's own workloads, too: they are meant where operations name
/// workloads, and `register` where reads return lists of siblings. The other workloads are recorded in the form that the
/// models of their names read, and judged by the properties claimed where no model is named.
fn resolve(name: &str, reading: &Reading, settings: &Settings) -> Meant {
    let several_meanings = matches!(name.parse(), Ok(Model::Set | Model::Register | Model::Cart));
    let own = several_meanings && reading.workloads.contains(name);
    let reads_lists = |records: &History| records.ops.iter().any(|op| records.reads_list(op));
    let siblings = name == "register" && reads_lists(&reading.records);
    match (name.parse::<Model>(), registry::find(name, settings)) {
        (Ok(model), asked) if asked.is_empty() || own || siblings => Meant::Judged(model),
        (Err(_), asked) if asked.is_empty() => Meant::Nothing(format!("there is no model `{name}`")),
        (_, asked) => Meant::Checks(asked),
    }
}

fn list() {
    for alias in registry::ALIASES {
        say!("{:<16} {}", alias.name, alias.about);
    }
    say!("");
    say!("single checks:");
    for name in CheckName::ALL {
        say!("{name:<34} {}", name.check().about());
    }
    say!("");
    say!("of the bench's own workloads, by the properties claimed of them:");
    for model in Model::ALL {
        say!("{:<16} {}", model.name(), model.about());
    }
}
