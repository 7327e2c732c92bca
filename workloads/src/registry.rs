//! The workloads by name, for `--workload LIST`. A new workload is added here, and nowhere else.

use crate::cart::Cart;
use crate::counter::Counter;
use crate::list_append::ListAppend;
use crate::register::Register;
use crate::rw_register::RwRegister;
use crate::set::Set;
use crate::workload::{Unique, Workload};

/// Makes a workload of its default size, whose values come from the run's counter.
type Create = fn(&Unique) -> Box<dyn Workload>;

/// Each workload's name, and how it is made. The order is that of `all`, and it counts: workloads take turns in it.
const WORKLOADS: [(&str, Create); 7] = [
    ("set", |unique| Box::new(Set::new(Set::KEYS, Set::ELEMENTS_PER_KEY, unique.clone()))),
    ("register", |unique| Box::new(Register::new(Register::KEYS, unique.clone()))),
    ("cart", |unique| Box::new(Cart::new(Cart::KEYS, Cart::ITEMS_PER_KEY, unique.clone()))),
    ("counter", |_| Box::new(Counter::up_and_down(Counter::KEYS, Counter::CHANGES_PER_KEY))),
    ("grow-counter", |_| Box::new(Counter::growing(Counter::KEYS, Counter::CHANGES_PER_KEY))),
    ("list-append", |unique| Box::new(ListAppend::new(ListAppend::KEYS, ListAppend::ELEMENTS_PER_KEY, unique.clone()))),
    ("rw-register", |unique| Box::new(RwRegister::new(RwRegister::KEYS, RwRegister::WRITES_PER_KEY, unique.clone()))),
];

/// The names that [`by_name`] knows, in the order of `all`.
pub const NAMES: [&str; WORKLOADS.len()] = {
    let mut names = [""; WORKLOADS.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = WORKLOADS[index].0;
        index += 1;
    }
    names
};

/// Why a list of workloads cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkloadError {
    /// No workload has that name.
    #[error("unknown workload '{0}': known are {known}, or all", known = NAMES.join(", "))]
    Unknown(String),
    /// Two of a kind would write the same keys.
    #[error("workload '{0}' is listed twice: name each once")]
    Duplicate(&'static str),
    /// Nothing to do.
    #[error("no workload given: name some of {known}, or all", known = NAMES.join(", "))]
    Empty,
}

/// The workloads of a comma-separated list, with their default sizes, in the order given; `all` stands for every one.
///
/// # Errors
/// When a name is unknown or listed twice, or the list is empty.
pub fn by_name(list: &str) -> Result<Vec<Box<dyn Workload>>, WorkloadError> {
    let unique = Unique::default();
    let mut chosen: Vec<(&'static str, Create)> = Vec::new();
    for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        for (known, create) in expand(name)? {
            if chosen.iter().any(|(other, _)| *other == known) {
                return Err(WorkloadError::Duplicate(known));
            }
            chosen.push((known, create));
        }
    }
    if chosen.is_empty() {
        return Err(WorkloadError::Empty);
    }
    Ok(chosen.into_iter().map(|(_, create)| create(&unique)).collect())
}

/// The entries that one item of the list stands for.
fn expand(name: &str) -> Result<Vec<(&'static str, Create)>, WorkloadError> {
    if name == "all" {
        return Ok(WORKLOADS.to_vec());
    }
    let known = WORKLOADS.into_iter().find(|(known, _)| *known == name);
    known.map(|known| vec![known]).ok_or_else(|| WorkloadError::Unknown(name.to_owned()))
}
