//! Workloads of the bench whose clients do each operation as it is: `cas`, `txn`, `enqueue`. They are recorded in the
//! form that a model reads, and every run that has one of them is judged by that model, claimed or not.
//!
//! Workloads that stand on get and put ([`Object::OF_WORKLOADS`]) are judged by what is known of each write and read
//! instead ([`crate::visibility`]), since their clients see siblings and contexts.

use crate::checks::check::{Context, Scope, View};
use crate::checks::registry::{CheckName, judge};
use crate::finding::Finding;
use crate::history::{History, Operation};
use crate::objects::Object;

/// A workload, what is under its keys, and the checks by which it is judged in every run.
#[derive(Debug)]
pub(crate) struct Native {
    pub name: &'static str,
    pub object: Object,
    pub measured: &'static [CheckName],
}

/// Each of them. A system may claim any other check of the object, too.
pub(crate) const NATIVE: &[Native] = &[
    Native { name: "cas-register", object: Object::CasRegister, measured: &[CheckName::LINEARIZABLE] },
    Native { name: "kv-set", object: Object::Set, measured: &[CheckName::SET_FULL] },
    Native { name: "kv-counter", object: Object::Counter, measured: &[CheckName::LINEARIZABLE] },
    Native {
        name: "append",
        object: Object::ListAppend,
        measured: &[CheckName::SERIALIZABLE, CheckName::STRICT_SERIALIZABLE],
    },
    Native { name: "queue", object: Object::Queue, measured: &[CheckName::TOTAL_QUEUE] },
    Native { name: "log", object: Object::Log, measured: &[CheckName::KAFKA] },
    Native { name: "lock", object: Object::OwnerMutex, measured: &[CheckName::LINEARIZABLE] },
    Native { name: "fenced-lock", object: Object::FencedMutex, measured: &[CheckName::LINEARIZABLE] },
    Native { name: "watch", object: Object::Log, measured: &[CheckName::WATCH] },
    Native { name: "unique-ids", object: Object::Ids, measured: &[CheckName::UNIQUE_IDS] },
    Native { name: "bank", object: Object::Accounts, measured: &[CheckName::BANK] },
    Native { name: "echo", object: Object::Ids, measured: &[CheckName::ECHO] },
    Native { name: "broadcast", object: Object::Set, measured: &[CheckName::SET_FULL] },
    Native { name: "g-set", object: Object::Set, measured: &[CheckName::SET_FULL] },
    Native { name: "g-counter", object: Object::Counter, measured: &[CheckName::G_COUNTER] },
    Native { name: "pn-counter", object: Object::Counter, measured: &[CheckName::PN_COUNTER] },
    Native { name: "lin-kv", object: Object::CasRegister, measured: &[CheckName::LINEARIZABLE] },
    Native {
        name: "txn-list-append",
        object: Object::ListAppend,
        measured: &[CheckName::SERIALIZABLE, CheckName::STRICT_SERIALIZABLE],
    },
    Native {
        name: "txn-rw-register",
        object: Object::RwRegister,
        measured: &[CheckName::SERIALIZABLE, CheckName::STRICT_SERIALIZABLE],
    },
    Native { name: "kafka", object: Object::Log, measured: &[CheckName::KAFKA] },
];

/// What is under the keys of a workload of the bench; none if it has no such workload.
pub fn object_of_workload(name: &str) -> Option<Object> {
    native(name).map(|native| native.object).or_else(|| name.parse().ok())
}

/// The workload of this name.
pub(crate) fn native(name: &str) -> Option<&'static Native> {
    NATIVE.iter().find(|native| native.name == name)
}

/// Whether an operation is of one of these workloads.
pub(crate) fn is_native(operation: &Operation<'_>) -> bool {
    operation.workload().is_some_and(|workload| native(workload).is_some())
}

/// Those that occur, in the order of [`NATIVE`].
pub(crate) fn natives_of(history: &History) -> Vec<&'static Native> {
    let names = history.workloads();
    NATIVE.iter().filter(|native| names.contains(&native.name)).collect()
}

impl Native {
    /// Whether it is judged by a check that is measured of it, or claimed.
    pub(crate) fn is_judged_by(&self, name: CheckName, claimed: bool) -> bool {
        let of_object = name.check().scope() != Scope::Run && name.is_of(self.object);
        self.measured.contains(&name) || claimed && of_object
    }

    /// Judges its operations in a history by each of these checks.
    pub(crate) fn judge(
        &self,
        history: &History,
        unnamed: &str,
        checks: &[CheckName],
        context: &Context<'_>,
    ) -> Vec<Finding> {
        match history.of_workload(self.name, unnamed) {
            Ok(columns) => {
                let view = View::of_records(&columns, Some(self.object));
                checks.iter().map(|name| judge(name.check(), &view, context)).collect()
            }
            Err(why) => checks.iter().map(|_| Finding::undecided(why.to_string())).collect(),
        }
    }
}
