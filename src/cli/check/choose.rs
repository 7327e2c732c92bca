//! What a history is judged by: what the configuration of its run claims, what was asked for, or what it looks like.

use std::path::Path;

use checker::checks::isolation::Assume;
use checker::checks::registry::{self, Asked, CheckName, Settings};
use checker::checks::settings::Bank;
use checker::checks::settings::Bounds;
use checker::formats::{Reading, Tree};
use checker::history::History;
use checker::objects::{Object, reads_siblings};
use checker::verdict::Verdict;
use checker::{Claim, Claims, ConcurrentWrites, On};

use super::Source;
use crate::cli::arguments::{AssumeArg, CheckArgs, Initial};
use crate::exit::Problem;
use crate::store::RunDir;
use crate::store::input::{is_standard_input, shown};

/// In a longer history operations are counted only for reports that show the counts: counting them costs as much as a check.
const STATISTICS_OPERATIONS_MAX: usize = 20_000;

/// The claims, and how they were chosen.
pub(super) struct Choice {
    pub claims: Claims,
    /// The checks that were asked for of the whole history, in order.
    pub asked: Vec<Asked>,
    /// Whether they were guessed from the operations.
    pub guessed: bool,
    /// The properties that some workload has to show.
    required: Vec<CheckName>,
}

impl Choice {
    fn of_workloads(claims: Claims, required: &[CheckName]) -> Self {
        Self { claims, asked: Vec::new(), guessed: false, required: required.to_vec() }
    }

    fn of_history(asked: Vec<Asked>, guessed: bool, settings: Settings, statistics: bool) -> Self {
        let reason = if guessed { "guessed from the operations" } else { "it was asked for" };
        let claim =
            |asked: &Asked| Claim { check: asked.check, on: On::History(asked.object), reason: reason.to_owned() };
        let claims = asked.iter().map(claim).collect();
        let claims = Claims { claims, by_workload: false, statistics, settings, ..Claims::default() };
        Self { claims, asked, guessed, required: Vec::new() }
    }

    /// Whether transactions are asked for: some level of isolation.
    pub fn is_of_transactions(&self) -> bool {
        self.asked.iter().any(|asked| is_level(asked.check))
    }

    /// What is checked, for people.
    pub fn names(&self) -> String {
        let names: Vec<&str> = self.asked.iter().map(|asked| asked.check.name()).collect();
        if names.is_empty() { "what is claimed".to_owned() } else { names.join(", ") }
    }

    /// The required properties that no workload of the history shows, a sentence each.
    pub fn unseen<'v>(&'v self, verdict: &'v Verdict) -> impl Iterator<Item = String> + 'v {
        let is_shown = |name: CheckName| verdict.properties.iter().any(|found| found.property == name);
        let unseen = self.required.iter().filter(move |name| !is_shown(**name));
        unseen.map(|name| format!("{name} was asked for, and no workload of the history shows it."))
    }
}

/// Chooses.
///
/// # Errors
/// When a name is unknown, when nothing was asked for and nothing fits the operations, or when a chosen check would pass
/// over what is assumed.
pub(super) fn choose(file: &Source<'_>, reading: &Reading) -> Result<Choice, Problem> {
    let choice = by_names(file, reading)?;
    assumptions_count(file.args, &choice.asked)?;
    options_count(file.args, &choice)?;
    concurrent_writes_are_of_workloads(file, reading, &choice)?;
    totals_agree(file.args)?;
    Ok(choice)
}

/// Refuses `--lww` where no operation is of a workload of the bench's own: no model asks whether concurrent writes are kept.
fn concurrent_writes_are_of_workloads(file: &Source<'_>, reading: &Reading, choice: &Choice) -> Result<(), Problem> {
    let is_of_workloads = choice.claims.by_workload
        && (choice.claims.default_object.is_some() || !reading.workloads.is_empty() || run_dir(&file.path).is_some());
    match file.args.lww && !is_of_workloads && !reading.records.ops.is_empty() {
        true => Err(Problem::arguments(
            "--lww is an option of the bench's own workloads, which no operation names: nothing else looks at it (--model set, \
             register or cart says what they mean)",
        )),
        false => Ok(()),
    }
}

/// Refuses a total of a bank that is not that of the balances with which it begins: one of the two would not count.
fn totals_agree(args: &CheckArgs) -> Result<(), Problem> {
    let Some(said) = args.total else { return Ok(()) };
    let begun = args.initial.iter().filter_map(|initial| sum(&initial.value));
    match begun.into_iter().find(|sum| *sum != said) {
        Some(sum) => Err(Problem::arguments(format!(
            "--total says that all balances come to {said}, and those of --initial come to {sum}: leave one of them out"
        ))),
        None => Ok(()),
    }
}

/// The sum of balances, if all of them are integers.
fn sum(balances: &Tree) -> Option<i128> {
    let Tree::Map(entries) = balances else { return None };
    entries.iter().map(|(_, balance)| balance.int().map(i128::from)).sum()
}

fn by_names(file: &Source<'_>, reading: &Reading) -> Result<Choice, Problem> {
    let args = file.args;
    if let Some(asked) = required_of_guessed(file, reading) {
        return Ok(Choice::of_history(asked, false, settings(args), true));
    }
    let by_properties = !args.require.is_empty() || args.lww;
    if args.model.is_empty() && (run_dir(&file.path).is_some() || by_properties || !reading.workloads.is_empty()) {
        return Ok(Choice::of_workloads(claims(file, None)?, &args.require));
    }
    let settings = settings(args);
    let reports = args.html.is_some() || args.junit.is_some();
    let statistics = reports || reading.records.ops.len() <= STATISTICS_OPERATIONS_MAX;
    if let Some(asked) = required_of_object(args, reading, &settings) {
        return Ok(Choice::of_history(asked, false, settings, statistics));
    }
    if let [only] = &args.model[..]
        && by_properties
    {
        return Ok(Choice::of_workloads(claims(file, only.0.parse().ok())?, &args.require));
    }
    if args.model.is_empty() {
        return guess(file, reading, settings, statistics);
    }
    let mut asked = Vec::new();
    for name in &args.model {
        match resolve(&name.0, reading, args, &settings)? {
            Meaning::Checks(checks) => asked.extend(checks),
            Meaning::Workload(object) if args.model.len() == 1 => {
                return Ok(Choice::of_workloads(claims(file, Some(object))?, &args.require));
            }
            Meaning::Workload(object) => {
                let why =
                    format!("`{object}` judges the properties of the bench's own workloads: ask for it by itself");
                return Err(Problem::arguments(why));
            }
        }
    }
    Ok(Choice::of_history(asked, false, settings, statistics))
}

/// Refuses `--assume` for levels that are decided exactly, from the order of sessions and reads alone: passed over, what is
/// assumed would seem to have been checked.
fn assumptions_count(args: &CheckArgs, asked: &[Asked]) -> Result<(), Problem> {
    const EXACT: [CheckName; 9] = [
        CheckName::READ_COMMITTED,
        CheckName::MONOTONIC_ATOMIC_VIEW,
        CheckName::READ_ATOMIC,
        CheckName::STRONG_SESSION_MONOTONIC_ATOMIC_VIEW,
        CheckName::STRONG_SESSION_READ_ATOMIC,
        CheckName::CAUSAL,
        CheckName::CAUSAL_CONVERGENCE,
        CheckName::CAUSAL_MEMORY,
        CheckName::PRAM,
    ];
    match asked.iter().find(|asked| !args.assume.is_empty() && EXACT.contains(&asked.check)) {
        Some(exact) => Err(Problem::arguments(format!(
            "{} is decided without the order of versions, which is all that --assume is about: leave it out, or ask for another \
             level (--consistency serializable)",
            exact.check
        ))),
        None => Ok(()),
    }
}

/// Checks of what is the same whatever was there before the history.
const STATELESS: [CheckName; 4] = [CheckName::UNIQUE_IDS, CheckName::ECHO, CheckName::WATCH, CheckName::ADYA_G2];

/// Refuses what was said of objects that nothing asked for is about, and a semaphore of which nothing was said: passed over, it
/// would seem to have been looked at.
fn options_count(args: &CheckArgs, choice: &Choice) -> Result<(), Problem> {
    let asks = |check: CheckName| choice.asked.iter().any(|asked| asked.check == check);
    let of_semaphores = choice.asked.iter().any(|asked| asked.object == Some(Object::Semaphore));
    // What is of the bench's own workloads is judged by properties, which have these settings, too.
    let of_properties = choice.asked.is_empty();
    let of_transactions =
        of_properties || choice.asked.iter().any(|asked| ["list-append", "rw-register"].contains(&asked.name));
    let of_levels = of_properties || choice.asked.iter().any(|asked| is_level(asked.check));
    let of_staleness = of_properties || asks(CheckName::STALENESS);
    let of_states = !choice.asked.is_empty() && choice.asked.iter().all(|asked| !STATELESS.contains(&asked.check));
    let said = [
        (!args.accounts.is_empty(), asks(CheckName::BANK), "--accounts", "--model bank"),
        (args.total.is_some(), asks(CheckName::BANK), "--total", "--model bank"),
        (args.negative_balances, asks(CheckName::BANK), "--negative-balances", "--model bank"),
        (args.linearizable, asks(CheckName::SET_FULL), "--linearizable", "--model set-full"),
        (args.permits.is_some(), of_semaphores, "--permits", "--model semaphore"),
        (args.consistency.is_some(), of_transactions, "--consistency", "--model list-append and rw-register"),
        (!args.assume.is_empty(), of_levels, "--assume", "--model rw-register"),
        (args.stale_time.is_some(), of_staleness, "--stale-time", "--model staleness"),
        (args.stale_versions.is_some(), of_staleness, "--stale-versions", "--model staleness"),
        (
            !args.initial.is_empty(),
            of_states,
            "--initial",
            "models of objects that have a state, such as linearizable, cas-register, set-full or session",
        ),
    ];
    if let Some((_, _, option, of)) = said.iter().find(|(is_said, counts, ..)| *is_said && !counts) {
        return Err(Problem::arguments(format!("{option} is an option of {of}: nothing else looks at it")));
    }
    match of_semaphores && args.permits.is_none() {
        true => Err(Problem::arguments("say with --permits how many permits the semaphore has")),
        false => Ok(()),
    }
}

/// The required checks of a history that is no run of the bench and of which nobody has said what object it is about: of the
/// object that the operations look like. None where the checks are of the bench's own workloads.
fn required_of_guessed(file: &Source<'_>, reading: &Reading) -> Option<Vec<Asked>> {
    let args = file.args;
    let is_foreign = reading.workloads.is_empty() && run_dir(&file.path).is_none() && args.model.is_empty();
    if !is_foreign || args.require.is_empty() || args.lww || !args.require.iter().all(is_of_any_history) {
        return None;
    }
    let name = registry::guess(&reading.records)
        .filter(|name| !(*name == "register" && shows_siblings(args, &reading.records)))?;
    let object = registry::find(name, &settings(args)).first().and_then(|asked| asked.object);
    Some(args.require.iter().map(|check| Asked { name: check.name(), check: *check, object }).collect())
}

/// Whether a check is of any history, not only of the bench's own workloads. Levels of transactions have the names of properties.
fn is_of_any_history(check: &CheckName) -> bool {
    CheckName::measured().all(|measured| measured != *check) || is_level(*check)
}

/// Whether a check is of a level of transactions.
fn is_level(check: CheckName) -> bool {
    checker::checks::isolation::levels::canonical(check.name()).is_some()
}

/// The required checks, of a whole history of one kind of object: where no operation names a workload, and none of the checks
/// is of the bench's own workloads.
fn required_of_object(args: &CheckArgs, reading: &Reading, settings: &Settings) -> Option<Vec<Asked>> {
    let [model] = &args.model[..] else { return None };
    let object = registry::find(&model.0, settings).first()?.object?;
    let of_history = !args.require.is_empty() && !args.lww && reading.workloads.is_empty();
    let asked = |check: &CheckName| Asked { name: check.name(), check: *check, object: Some(object) };
    (of_history && args.require.iter().all(is_of_any_history)).then(|| args.require.iter().map(asked).collect())
}

/// What the operations look like. A history without operations is judged, too, and is never valid.
fn guess(file: &Source<'_>, reading: &Reading, settings: Settings, statistics: bool) -> Result<Choice, Problem> {
    let Some(name) = registry::guess(&reading.records) else {
        if reading.records.ops.is_empty() {
            return Ok(Choice::of_workloads(claims(file, None)?, &[]));
        }
        let functions = functions(&reading.records);
        return Err(Problem::arguments(format!(
            "{}: no model fits these functions: {functions}; name one with --model (--model list prints them), and what its \
             functions are called here with --rename (put=write)",
            shown(&file.path)
        )));
    };
    match resolve(name, reading, file.args, &settings)? {
        Meaning::Checks(asked) => Ok(Choice::of_history(asked, true, settings, statistics)),
        Meaning::Workload(object) => Ok(Choice::of_workloads(claims(file, Some(object))?, &[])),
    }
}

/// The functions of the operations, the first few.
fn functions(history: &History) -> String {
    const SHOWN_MAX: usize = 8;
    let names: std::collections::BTreeSet<&str> = history.ops.iter().map(|op| history.text(op.f)).collect();
    let shown: Vec<String> = names.iter().take(SHOWN_MAX).map(|name| format!("`{}`", name.escape_debug())).collect();
    let more = if names.len() > SHOWN_MAX { format!(" and {} more", names.len() - SHOWN_MAX) } else { String::new() };
    shown.join(", ") + &more
}

/// What a name asks for.
enum Meaning {
    /// Checks of the history as a whole.
    Checks(Vec<Asked>),
    /// The properties of a workload of the bench.
    Workload(Object),
}

/// `set`, `register` and `cart` are names of the bench's own workloads, too: they are meant where operations name
/// workloads, and `register` where reads return lists of siblings. The other workloads are recorded in the form that the
/// models of their names read, and judged by the properties claimed where no model is named.
fn resolve(name: &str, reading: &Reading, args: &CheckArgs, settings: &Settings) -> Result<Meaning, Problem> {
    let several_meanings = matches!(name.parse(), Ok(Object::Set | Object::Register | Object::Cart));
    let own = several_meanings && reading.workloads.contains(name);
    let siblings = name == "register" && shows_siblings(args, &reading.records);
    match (name.parse::<Object>(), registry::find(name, settings)) {
        (Ok(object), asked) if asked.is_empty() || own || siblings => Ok(Meaning::Workload(object)),
        (Err(_), asked) if asked.is_empty() => Err(Problem::arguments(format!("there is no model `{name}`"))),
        (_, asked) => Ok(Meaning::Checks(asked)),
    }
}

/// Whether reads of registers show siblings. Where it is said that registers begin with a list, lists are values.
fn shows_siblings(args: &CheckArgs, history: &History) -> bool {
    let is_list = |initial: &Initial| matches!(initial.value, Tree::Vector(_) | Tree::List(_) | Tree::Set(_));
    reads_siblings(history) && !args.initial.iter().any(is_list)
}

/// The run directory that a file lies in, if it does.
fn run_dir(path: &Path) -> Option<&Path> {
    if is_standard_input(path) {
        return None;
    }
    // A file named without a directory is in this one.
    let parent = path.parent().map(|dir| if dir.as_os_str().is_empty() { Path::new(".") } else { dir });
    parent.filter(|dir| dir.join("run.json").exists())
}

/// What was asked for; else, in a run directory, what the run's configuration claims; else everything that is measured.
fn claims(file: &Source<'_>, default_object: Option<Object>) -> Result<Claims, Problem> {
    let args = file.args;
    let asked_for = Claims {
        concurrent_writes: if args.lww { ConcurrentWrites::OneWins } else { ConcurrentWrites::Kept },
        settings: settings(args),
        default_object,
        ..match args.require.is_empty() {
            true => Claims::of_measured("nothing else is known of the system"),
            false => Claims::of_all(args.require.iter().copied(), "it was asked for"),
        }
    };
    let Some(dir) = run_dir(&file.path).filter(|_| args.require.is_empty() && !args.lww) else {
        return Ok(asked_for);
    };
    let record = RunDir::open(dir).and_then(|dir| dir.read_record()).map_err(Problem::arguments)?;
    let settings = &record.settings;
    let claims = settings.system.open(settings.seed)?.claims();
    Ok(Claims { default_object, ..claims.judged_by(&settings.judging.require) })
}

fn settings(args: &CheckArgs) -> Settings {
    let time_ns_max = args.stale_time.map(|span| u64::try_from(span.0.as_nanos()).unwrap_or(u64::MAX));
    let mut transactions = checker::checks::isolation::Options::default();
    transactions.required = args.consistency.map_or(transactions.required, |model| model.0);
    transactions.versions = Assume {
        sequential_keys: args.assume.contains(&AssumeArg::SequentialKeys),
        linearizable_keys: args.assume.contains(&AssumeArg::LinearizableKeys),
    };
    let staleness = Bounds { versions_max: args.stale_versions, time_ns_max };
    let accounts = args.accounts.iter().map(|account| account.0.clone()).collect::<Vec<_>>();
    let accounts = Some(accounts).filter(|accounts| !accounts.is_empty());
    let bank = Bank { accounts, total: args.total, negative_balances: args.negative_balances };
    Settings {
        staleness,
        failed_cas: args.failed_cas.into(),
        transactions,
        permits: args.permits,
        bank,
        linearizable_sets: args.linearizable,
    }
}
