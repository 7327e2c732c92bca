//! Every check of a single workload against a plain definition, written from what the check promises and not from how it
//! decides.
//!
//! ```text
//! random history (draw) ─► plain definition ─► violated, or not
//!          │                                        ║ the same
//!          └─► written as JSON and as EDN (term) ─► check
//! ```
//!
//! A definition is the shortest thing that can be said of a few operations: quadratic, or a search through every order. Each
//! history is written with small numbers, and again with other data in their places: lists, maps and sets as values, tuples as
//! keys, strings as processes. What is found is the same each time.
//!
//! `DISSENSUS_CASES=10000 cargo test -p dissensus-checker --lib -- --nocapture definitions::` looks at more, and prints how
//! many of them were violated.

use crate::checks::check::Context;
use crate::checks::registry;
use crate::checks::settings::Settings;
use crate::finding::Finding;
use crate::formats::{Format, Selection, Tree, parse_data, read};
use crate::history::{EventType, History};
use crate::limits::Limits;
use crate::tests::random::{Random, cases};
use crate::tests::registry::renaming::{Data, Names};
use crate::verdict::Outcome;

use draw::Done;
use term::{Naming, Term};

mod draw;
mod ends;
mod identifiers;
mod logs;
mod money;
mod numbers;
mod orders;
mod queues;
mod rows;
mod sets;
mod staleness;
mod term;
mod text;
mod watches;
mod writes;

/// A history, and what is known besides.
#[derive(Clone, Default)]
struct Case {
    done: Vec<Done>,
    /// What objects begin with: all of them, or that of a key.
    initial: Vec<(Option<u64>, Term)>,
    settings: Settings,
    /// The accounts of a bank, if they are known.
    accounts: Option<Vec<Term>>,
}

impl Case {
    fn of(done: Vec<Done>) -> Self {
        Self { done, ..Self::default() }
    }

    /// What the object of a key begins with.
    fn initial(&self, key: Option<u64>) -> Option<&Term> {
        let of = |wanted: Option<u64>| self.initial.iter().find(|(key, _)| *key == wanted).map(|(_, value)| value);
        key.and_then(|key| of(Some(key))).or_else(|| of(None))
    }

    /// The operations of each key, in the order of invocation.
    fn by_key(&self) -> Vec<(Option<u64>, Vec<&Done>)> {
        let mut keys: Vec<(Option<u64>, Vec<&Done>)> = Vec::new();
        for done in &self.done {
            match keys.iter_mut().find(|(key, _)| *key == done.key) {
                Some((_, of_key)) => of_key.push(done),
                None => keys.push((done.key, vec![done])),
            }
        }
        keys
    }
}

/// What a definition says.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Says {
    Violated,
    Holds,
    /// Nobody can know.
    Open,
    /// It is not violated; whether it can be known that it holds is not defined.
    NotViolated,
}

impl Says {
    fn violated_if(violated: bool) -> Self {
        if violated { Says::Violated } else { Says::Holds }
    }

    fn allows(self, outcome: Outcome) -> bool {
        match self {
            Says::Violated => outcome == Outcome::Invalid,
            Says::Holds => outcome == Outcome::Valid,
            Says::Open => outcome == Outcome::Inconclusive,
            Says::NotViolated => outcome != Outcome::Invalid,
        }
    }
}

fn tree(data: &Data) -> Tree {
    parse_data(&data.edn()).expect("what is written can be read")
}

/// Judges a history as it is written in a format, with names.
fn judged(model: &str, case: &Case, format: Format, naming: &mut Naming<'_>) -> (Finding, String) {
    let text = term::written(&case.done, format, naming);
    let read = read(text.as_bytes(), format, &Selection::default());
    let mut history: History = read.unwrap_or_else(|damage| panic!("{damage}\n{text}")).records;
    for (key, value) in &case.initial {
        let key = key.map(|key| tree(&naming.thing(key)));
        history.begin_with(key.as_ref(), &tree(&naming.data(value))).expect("there is room");
    }
    let mut settings = case.settings.clone();
    if let Some(accounts) = &case.accounts {
        settings.bank.accounts = Some(accounts.iter().map(|account| tree(&naming.data(account))).collect());
    }
    let [asked] = registry::find(model, &settings)[..] else { panic!("{model} asks for one check") };
    (asked.check(&history, &Context::new(Limits::default(), &settings)), text)
}

/// What is said of a history. A change that is called done and says that it did nothing is of unknown outcome, and leaves a
/// doubt.
fn says(case: &Case, define: &impl Fn(&Case) -> Says) -> Says {
    if !case.done.iter().any(Done::is_ok) {
        return Says::Open;
    }
    let mut known = case.clone();
    for denied in known.done.iter_mut().filter(|done| done.is_denied()) {
        (denied.kind, denied.end) = (EventType::Info, usize::MAX);
    }
    match define(&known) {
        Says::Violated => Says::Violated,
        _ if case.done.iter().any(Done::is_denied) => Says::Open,
        other => other,
    }
}

/// Draws histories, and compares what a check finds with what the definition says.
///
/// # Panics
/// Where they disagree, and where nearly all histories are violated, or nearly none.
fn agree(model: &str, usual: u64, draw: impl Fn(&mut Random) -> Case, define: impl Fn(&Case) -> Says) {
    let (mut violated, mut holds, cases) = (0, 0, cases(usual));
    for seed in 0..cases {
        let mut random = Random(seed);
        let case = draw(&mut random);
        let says = says(&case, &define);
        violated += u64::from(says == Says::Violated);
        holds += u64::from(says == Says::Holds);
        let (plain, text) = judged(model, &case, Format::Json, &mut Naming::Plain);
        let about =
            || format!("{model}, seed {seed}: the definition says {says:?}\n{:?}\n{text}\n{plain:#?}", case.initial);
        assert!(says.allows(plain.outcome()), "{}", about());
        for format in [Format::Edn, Format::Json] {
            let mut naming = Naming::Other(Names { random: &mut random, shape: seed });
            let (other, other_text) = judged(model, &case, format, &mut naming);
            let [one, another] = [&plain, &other].map(|finding| (finding.outcome(), finding.violations));
            assert_eq!(another, one, "under other names: {}\n{other_text}\n{other:#?}", about());
        }
    }
    println!("{model}: {cases} histories, {violated} violated, {holds} hold, no disagreement");
    assert!(violated * 10 >= cases && holds * 10 >= cases, "{model}: {violated} violated, {holds} hold of {cases}");
}
