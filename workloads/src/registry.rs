//! The workloads by name, for `--workload LIST`. A new workload is added here, and nowhere else.

use crate::cart::{Cart, StoredCart};
use crate::counter::{Counter, StoredCounter};
use crate::list_append::ListAppend;
use crate::meaning::Meaning;
use crate::register::{Register, StoredRegister};
use crate::rw_register::RwRegister;
use crate::set::{Set, StoredSet};
use crate::single_writer::Stored;
use crate::workload::{Unique, Workload};

/// A workload.
#[derive(Clone, Copy)]
struct Row {
    name: &'static str,
    /// Makes it in its default size, with values from the run's counter.
    create: fn(&Unique) -> Box<dyn Workload>,
    /// What its operations mean to a store that has get and put alone; none if they need a client that has them as they
    /// are.
    meaning: Option<fn() -> Box<dyn Meaning>>,
}

/// Every workload. The order is that of `all`, and it counts: workloads take turns in it.
const WORKLOADS: [Row; 7] = [
    Row {
        name: "set",
        create: |unique| Box::new(Set::new(Set::KEYS, Set::ELEMENTS_PER_KEY, unique.clone())),
        meaning: Some(|| Box::new(StoredSet)),
    },
    Row {
        name: "register",
        create: |unique| Box::new(Register::new(Register::KEYS, unique.clone())),
        meaning: Some(|| Box::new(StoredRegister)),
    },
    Row {
        name: "cart",
        create: |unique| Box::new(Cart::new(Cart::KEYS, Cart::ITEMS_PER_KEY, unique.clone())),
        meaning: Some(|| Box::new(StoredCart)),
    },
    Row {
        name: "counter",
        create: |_| Box::new(Counter::up_and_down(Counter::KEYS, Counter::CHANGES_PER_KEY)),
        meaning: Some(|| Box::new(StoredCounter::default())),
    },
    Row {
        name: "grow-counter",
        create: |_| Box::new(Counter::growing(Counter::KEYS, Counter::CHANGES_PER_KEY)),
        meaning: Some(|| Box::new(StoredCounter::default())),
    },
    Row {
        name: "list-append",
        create: |unique| Box::new(ListAppend::new(ListAppend::KEYS, ListAppend::ELEMENTS_PER_KEY, unique.clone())),
        meaning: Some(|| Box::new(Stored::<ListAppend>::default())),
    },
    Row {
        name: "rw-register",
        create: |unique| Box::new(RwRegister::new(RwRegister::KEYS, RwRegister::WRITES_PER_KEY, unique.clone())),
        meaning: Some(|| Box::new(Stored::<RwRegister>::default())),
    },
];

/// The names of all workloads, in the order of `all`.
pub const NAMES: [&str; WORKLOADS.len()] = {
    let mut names = [""; WORKLOADS.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = WORKLOADS[index].name;
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
    let mut chosen: Vec<Row> = Vec::new();
    for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        for row in expand(name)? {
            if chosen.iter().any(|other| other.name == row.name) {
                return Err(WorkloadError::Duplicate(row.name));
            }
            chosen.push(row);
        }
    }
    if chosen.is_empty() {
        return Err(WorkloadError::Empty);
    }
    Ok(chosen.into_iter().map(|row| (row.create)(&unique)).collect())
}

/// The rows that one item of the list stands for.
fn expand(name: &str) -> Result<Vec<Row>, WorkloadError> {
    if name == "all" {
        return Ok(WORKLOADS.to_vec());
    }
    let known = WORKLOADS.into_iter().find(|row| row.name == name);
    known.map(|known| vec![known]).ok_or_else(|| WorkloadError::Unknown(name.to_owned()))
}

/// The workloads that a store with get and put alone can do, with what their operations mean to it.
pub fn meanings() -> impl Iterator<Item = (&'static str, Box<dyn Meaning>)> {
    WORKLOADS.into_iter().filter_map(|row| row.meaning.map(|meaning| (row.name, meaning())))
}
