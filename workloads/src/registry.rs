//! The workloads by name, for `--workload LIST`. A new workload is added here, and nowhere else.

use crate::append::Append;
use crate::bank::Bank;
use crate::cart::{Cart, StoredCart};
use crate::cas_register::CasRegister;
use crate::counter::{Counter, StoredCounter};
use crate::echo::Echo;
use crate::kv_counter::KvCounter;
use crate::kv_set::KvSet;
use crate::list_append::ListAppend;
use crate::lock::Lock;
use crate::log::Log;
use crate::meaning::Meaning;
use crate::one_counter::OneCounter;
use crate::one_set::OneSet;
use crate::queue::Queue;
use crate::register::{Register, StoredRegister};
use crate::rw_register::RwRegister;
use crate::set::{Set, StoredSet};
use crate::single_writer::Stored;
use crate::unique_ids::UniqueIds;
use crate::watch::Watch;
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
const WORKLOADS: [Row; 27] = [
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
    native("cas-register", |unique| {
        Box::new(CasRegister::new(CasRegister::KEYS, CasRegister::OPERATIONS_PER_KEY, unique.clone()))
    }),
    native("kv-set", |unique| Box::new(KvSet::new(KvSet::KEYS, KvSet::ELEMENTS_PER_KEY, unique.clone()))),
    native("kv-counter", |_| Box::new(KvCounter::new(KvCounter::KEYS, KvCounter::OPERATIONS_PER_KEY))),
    native("append", |unique| Box::new(Append::new(Append::KEYS, Append::ELEMENTS_PER_KEY, unique.clone()))),
    native("queue", |unique| Box::new(Queue::new(Queue::KEYS, Queue::ELEMENTS_PER_KEY, unique.clone()))),
    native("log", |unique| Box::new(Log::new(Log::KEYS, Log::RECORDS_PER_KEY, unique.clone()))),
    native("lock", |_| Box::new(Lock::plain(Lock::KEYS, Lock::ACQUISITIONS_PER_KEY))),
    native("fenced-lock", |_| Box::new(Lock::fenced(Lock::KEYS, Lock::ACQUISITIONS_PER_KEY))),
    native("watch", |unique| Box::new(Watch::new(Watch::KEYS, unique.clone()))),
    native("unique-ids", |_| Box::new(UniqueIds)),
    native("bank", |_| Box::new(Bank::new(Bank::KEYS, Bank::OPERATIONS_PER_KEY))),
    native("echo", |_| Box::new(Echo)),
    native("broadcast", |unique| Box::new(OneSet::broadcast(unique.clone()))),
    native("g-set", |unique| Box::new(OneSet::grow_only(unique.clone()))),
    native("g-counter", |_| Box::new(OneCounter::growing())),
    native("pn-counter", |_| Box::new(OneCounter::up_and_down())),
    native("lin-kv", |unique| {
        Box::new(CasRegister::lin_kv(CasRegister::KEYS, CasRegister::OPERATIONS_PER_KEY, unique.clone()))
    }),
    native("txn-list-append", |unique| {
        Box::new(Append::txn_list_append(Append::KEYS, Append::ELEMENTS_PER_KEY, unique.clone()))
    }),
    native("txn-rw-register", |unique| {
        Box::new(Append::txn_rw_register(Append::KEYS, Append::ELEMENTS_PER_KEY, unique.clone()))
    }),
    native("kafka", |unique| Box::new(Log::kafka(Log::KEYS, Log::RECORDS_PER_KEY, unique.clone()))),
];

/// A workload whose client has its operations as they are.
const fn native(name: &'static str, create: fn(&Unique) -> Box<dyn Workload>) -> Row {
    Row { name, create, meaning: None }
}

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

/// Whether a client can do a function (the second) of a workload (the first).
pub type Can<'c> = &'c dyn Fn(&str, &str) -> bool;

/// Why a list of workloads cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkloadError {
    /// No workload has that name.
    #[error("unknown workload '{0}': known are {known}, or all", known = NAMES.join(", "))]
    Unknown(String),
    /// The system's client has not all of its operations.
    #[error(
        "workload '{workload}' needs '{f}', which this system's client cannot do; it can do {}",
        if can.is_empty() { "no workload".to_owned() } else { can.join(", ") }
    )]
    Cannot {
        /// The workload.
        workload: &'static str,
        /// The first function that is missing.
        f: &'static str,
        /// The workloads that the client can do.
        can: Vec<&'static str>,
    },
    /// Two of a kind would write the same keys.
    #[error("workload '{0}' is listed twice: name each once")]
    Duplicate(&'static str),
    /// Nothing to do.
    #[error("no workload given: name some of {known}, or all", known = NAMES.join(", "))]
    Empty,
}

/// The workloads of a comma-separated list, with their default sizes, in the order given; `all` stands for every one
/// that the client can do.
///
/// # Errors
/// When a name is unknown or listed twice, when the client cannot do it, or when the list is empty.
pub fn by_name(list: &str, can: Can<'_>) -> Result<Vec<Box<dyn Workload>>, WorkloadError> {
    let unique = Unique::default();
    let mut chosen: Vec<Row> = Vec::new();
    for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        for row in expand(name, can)? {
            if chosen.iter().any(|other| other.name == row.name) {
                return Err(WorkloadError::Duplicate(row.name));
            }
            chosen.push(row);
        }
    }
    if chosen.is_empty() {
        return Err(WorkloadError::Empty);
    }
    let workloads: Vec<Box<dyn Workload>> = chosen.into_iter().map(|row| (row.create)(&unique)).collect();
    workloads.iter().try_for_each(|workload| check(workload.as_ref(), can))?;
    Ok(workloads)
}

/// The rows that one item of the list stands for.
fn expand(name: &str, can: Can<'_>) -> Result<Vec<Row>, WorkloadError> {
    if name == "all" {
        return Ok(rows(can).collect());
    }
    let known = WORKLOADS.into_iter().find(|row| row.name == name);
    known.map(|known| vec![known]).ok_or_else(|| WorkloadError::Unknown(name.to_owned()))
}

/// The workloads of which a client can do everything.
fn rows(can: Can<'_>) -> impl Iterator<Item = Row> {
    let unique = Unique::default();
    WORKLOADS.into_iter().filter(move |row| missing((row.create)(&unique).as_ref(), can).is_none())
}

/// The names of the workloads of which a client can do everything, in the order of `all`.
pub fn names(can: Can<'_>) -> Vec<&'static str> {
    rows(can).map(|row| row.name).collect()
}

/// The first function of a workload that a client cannot do.
fn missing(workload: &dyn Workload, can: Can<'_>) -> Option<&'static str> {
    workload.functions().iter().copied().find(|f| !can(workload.name(), f))
}

/// Refuses a workload that a client cannot do.
pub(crate) fn check(workload: &dyn Workload, can: Can<'_>) -> Result<(), WorkloadError> {
    match missing(workload, can) {
        Some(f) => Err(WorkloadError::Cannot { workload: workload.name(), f, can: names(can) }),
        None => Ok(()),
    }
}

/// The functions of the workload of this name.
///
/// # Errors
/// When there is none.
pub fn functions(name: &str) -> Result<&'static [&'static str], WorkloadError> {
    let row = WORKLOADS.into_iter().find(|row| row.name == name);
    let row = row.ok_or_else(|| WorkloadError::Unknown(name.to_owned()))?;
    Ok((row.create)(&Unique::default()).functions())
}

/// The workloads that a store with get and put alone can do, with what their operations mean to it.
pub fn meanings() -> impl Iterator<Item = (&'static str, Box<dyn Meaning>)> {
    WORKLOADS.into_iter().filter_map(|row| row.meaning.map(|meaning| (row.name, meaning())))
}
