//! Every check by name, and what else a name may ask for.
//!
//! The names of checks are one namespace: those of the properties that a run is judged by, of consistency models, and of
//! properties of a single workload. Names of objects ask for the check that is usual for them ([`ALIASES`]).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::checks::check::{Check, Context, Scope, View};
use crate::checks::isolation::Level;
use crate::checks::minimal::{self, Budget, OfColumns};
use crate::checks::{failed_writers, linearizable, log, replicas, sessions, simple, survival, unsaid};
use crate::finding::{Finding, Kept, Shrinks};
use crate::history::{History, Op};
use crate::limits::Limits;
use crate::objects::Object;
use crate::outcome::Outcome;
use crate::run::findings::active_between;

pub use crate::checks::guess::{guess, unknown_micros};
pub use crate::checks::settings::Settings;

/// The name of a check: a row of the registry, ordered as there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckName(Row);

macro_rules! registry {
    ($($name:ident = $check:expr;)*) => {
        /// Every check, in the order in which reports show them: first those by which every run is judged.
        pub(crate) static CHECKS: &[&dyn Check] = &[$(&$check),*];

        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(non_camel_case_types, clippy::upper_case_acronyms, reason = "named as the constants are")]
        enum Row { $($name),* }

        #[cfg(test)]
        const CONSTANTS: &[&str] = &[$(stringify!($name)),*];

        impl CheckName {
            /// Every name, in the order in which reports show them.
            pub const ALL: &[CheckName] = &[$(CheckName(Row::$name)),*];
            $(
                #[doc = concat!("`", stringify!($name), "`, in lower case and with hyphens.")]
                pub const $name: CheckName = CheckName(Row::$name);
            )*
        }
    };
}

registry! {
    NO_LOST_WRITES = survival::lost_writes::NoLostWrites;
    READ_YOUR_WRITES = sessions::read_your_writes::ReadYourWrites;
    MONOTONIC_READS = sessions::monotonic_reads::MonotonicReads;
    MONOTONIC_WRITES = sessions::session_order::MonotonicWrites;
    WRITES_FOLLOW_READS = sessions::session_order::WritesFollowReads;
    CAUSAL = sessions::causal::Causal;
    COUNTER_BOUNDS = simple::counter_bounds::CounterBounds;
    SERIALIZABLE = Level::measured(
        "serializable",
        "txn of lists or registers: some order explains every read; of workloads each key by itself"
    );
    STRONG_SESSION_SERIALIZABLE = Level::measured(
        "strong-session-serializable",
        "serializable, and the order is that of each process (Daudjee and Salem 2004)"
    );
    STRICT_SERIALIZABLE = Level::measured("strict-serializable", "serializable, and the order is that of real time");
    CONVERGENCE = replicas::convergence::Convergence;
    DURABILITY = survival::durability::Durability;
    NO_RESURRECTION = survival::resurrection::NoResurrection;
    SIBLINGS_BOUNDED = replicas::siblings::SiblingsBounded;
    RING_AGREEMENT = replicas::ring_agreement::RingAgreement;
    AVAILABILITY = replicas::availability::Availability;
    LINEARIZABLE = linearizable::Linearizable;
    SEQUENTIAL = linearizable::Sequential;
    SNAPSHOT_ISOLATION = Level::new(
        "snapshot-isolation",
        "txn of lists or registers: each transaction sees one moment, and of concurrent writers of a key one goes on (Adya PL-SI)"
    );
    REPEATABLE_READ = Level::new(
        "repeatable-read",
        "txn of lists or registers: what a transaction read stays so until it ends (Adya PL-2.99)"
    );
    UPDATE_SERIALIZABLE = Level::new(
        "update-serializable",
        "txn of lists or registers: the transactions that write have an order (Adya PL-3U)"
    );
    STRONG_SNAPSHOT_ISOLATION = Level::new(
        "strong-snapshot-isolation",
        "txn of lists or registers: snapshot isolation, and the moment is not before the transaction began"
    );
    STRONG_SESSION_SNAPSHOT_ISOLATION = Level::new(
        "strong-session-snapshot-isolation",
        "txn of lists or registers: snapshot isolation, and the moment is not before what the process did last"
    );
    STRONG_READ_COMMITTED = Level::new(
        "strong-read-committed",
        "txn of lists or registers: read committed, in the order of real time"
    );
    STRONG_SESSION_READ_COMMITTED = Level::new(
        "strong-session-read-committed",
        "txn of lists or registers: read committed, in the order of each process"
    );
    STRONG_READ_UNCOMMITTED = Level::new(
        "strong-read-uncommitted",
        "txn of lists or registers: read uncommitted, in the order of real time"
    );
    STRONG_SESSION_READ_UNCOMMITTED = Level::new(
        "strong-session-read-uncommitted",
        "txn of lists or registers: read uncommitted, in the order of each process"
    );
    FORWARD_CONSISTENT_VIEW = Level::new(
        "forward-consistent-view",
        "txn of lists or registers: a transaction sees all of those that it depends on (Adya PL-FCV)"
    );
    CONSISTENT_VIEW = Level::new(
        "consistent-view",
        "txn of lists or registers: a transaction does not miss what it depends on (Adya PL-2+)"
    );
    MONOTONIC_SNAPSHOT_READ = Level::new(
        "monotonic-snapshot-read",
        "txn of lists or registers: each read sees one moment, later ones no earlier moment (Adya PL-MSR)"
    );
    MONOTONIC_VIEW = Level::new(
        "monotonic-view",
        "txn of lists or registers: a transaction does not go back (Adya PL-2L)"
    );
    CURSOR_STABILITY = Level::new(
        "cursor-stability",
        "txn of lists or registers: no update is lost (Adya PL-CS)"
    );
    PARALLEL_SNAPSHOT_ISOLATION = Level::new(
        "parallel-snapshot-isolation",
        "txn of lists or registers: snapshot isolation, but for the order of writes that are unrelated (Sovran et al. 2011)"
    );
    PREFIX = Level::new(
        "prefix",
        "txn of lists or registers: each transaction sees a prefix of one order (Burckhardt et al. 2015)"
    );
    UPDATE_ATOMIC = Level::new(
        "update-atomic",
        "txn of lists or registers: read atomic, and no update is lost (Cerone et al. 2015)"
    );
    CAUSAL_CERONE = Level::new(
        "causal-cerone",
        "txn of lists or registers: causal convergence without the order of processes (Cerone et al. 2015)"
    );
    STRONG_SESSION_READ_ATOMIC = Level::new(
        "strong-session-read-atomic",
        "txn of lists or registers: read atomic, in the order of each process (the read atomic of Biswas and Enea 2019)"
    );
    STRONG_SESSION_MONOTONIC_ATOMIC_VIEW = Level::new(
        "strong-session-monotonic-atomic-view",
        "txn of lists or registers: monotonic atomic view, in the order of each process (Biswas and Enea's read committed)"
    );
    MONOTONIC_ATOMIC_VIEW = Level::new(
        "monotonic-atomic-view",
        "txn of lists or registers: who saw one write of a transaction sees the others in later reads (Bailis et al. 2014)"
    );
    READ_ATOMIC = Level::new(
        "read-atomic",
        "txn of lists or registers: who sees one write of a transaction sees all of them (Bailis et al. 2014)"
    );
    READ_COMMITTED = Level::new(
        "read-committed",
        "txn of lists or registers: nothing is seen of transactions that failed or go on, nor in circles (Adya PL-2)"
    );
    READ_UNCOMMITTED = Level::new(
        "read-uncommitted",
        "txn of lists or registers: writes have one order (Adya PL-1)"
    );
    CAUSAL_CONVERGENCE = Level::new(
        "causal-convergence",
        "txn of lists or registers: causal, and all agree on one order of concurrent writes (CCv, Bouajjani et al. 2017)"
    );
    CAUSAL_MEMORY = Level::new(
        "causal-memory",
        "txn of registers: causal, and each process has an order of all writes that explains its reads (CM, Bouajjani et al. 2017)"
    );
    PRAM = sessions::pram::Pram;
    SET_FULL = survival::set_full::SetFull;
    TOTAL_QUEUE = survival::total_queue::TotalQueue;
    UNIQUE_IDS = simple::unique_ids::UniqueIds;
    MONOTONIC = simple::monotonic::Monotonic;
    BANK = simple::bank::Bank;
    DIRTY_READS = simple::dirty_reads::DirtyReads;
    LONG_FORK = simple::long_fork::LongFork;
    STALENESS = simple::staleness::Staleness;
    KAFKA = log::Kafka;
    WATCH = simple::watch::Watch;
    CAUSAL_REVERSE = simple::write_order::CausalReverse;
    CAUSAL_REGISTER = simple::causal_register::CausalRegister;
    ADYA_G2 = simple::adya_g2::AdyaG2;
    PN_COUNTER = simple::eventual_counter::EventualCounter { grows: false };
    G_COUNTER = simple::eventual_counter::EventualCounter { grows: true };
    ECHO = simple::echo::Echo;
}

impl CheckName {
    /// The check.
    pub(crate) fn check(self) -> &'static dyn Check {
        CHECKS[self.0 as usize]
    }

    /// The name used at the command line.
    pub fn name(self) -> &'static str {
        self.check().name()
    }

    /// What is decided, and of which functions and values, in a line.
    pub fn about(self) -> &'static str {
        self.check().about()
    }

    /// Whether operations on this object can show it; others are not judged by it.
    pub fn is_of(self, object: Object) -> bool {
        let check = self.check();
        check.scope() == Scope::Run || check.objects().contains(&object)
    }

    /// The checks by which every run is judged, claimed or not.
    pub fn measured() -> impl Iterator<Item = CheckName> {
        CheckName::ALL.iter().copied().filter(|name| name.check().nature().measured)
    }
}

impl fmt::Display for CheckName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Debug for CheckName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name given is no check's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown property '{0}': known are {known}", known = names())]
pub struct UnknownCheck(pub String);

fn names() -> String {
    CheckName::ALL.iter().map(|name| name.name()).collect::<Vec<_>>().join(", ")
}

impl FromStr for CheckName {
    type Err = UnknownCheck;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = CheckName::ALL.iter().copied().find(|name| name.name() == text);
        known.ok_or_else(|| UnknownCheck(text.to_owned()))
    }
}

impl Serialize for CheckName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for CheckName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A name that asks for a check of an object, or for several.
#[derive(Clone, Copy, Debug)]
pub struct Alias {
    /// The name used at the command line.
    pub name: &'static str,
    /// Functions, values and what is decided, in a line.
    pub about: &'static str,
    /// What it asks for.
    pub checks: Meant,
    /// What a key is then, if that is said.
    pub object: Option<Object>,
}

/// The checks that an alias asks for.
#[derive(Clone, Copy, Debug)]
pub enum Meant {
    /// These.
    Checks(&'static [CheckName]),
    /// The level of isolation that the settings require.
    Required,
}

const fn object(name: &'static str, object: Object, about: &'static str) -> Alias {
    Alias { name, about, checks: Meant::Checks(&[CheckName::LINEARIZABLE]), object: Some(object) }
}

/// The names of objects, and of groups of checks, in the order in which they are listed.
pub const ALIASES: &[Alias] = &[
    object(
        "register",
        Object::Register,
        "read, write v: linearizable, each key by itself (reads of lists of siblings: the bench's own workload)",
    ),
    object("cas-register", Object::CasRegister, "read, write v, cas [expected new]: linearizable, each key by itself"),
    object(
        "multi-register",
        Object::MultiRegister,
        "txn of [r k v] and [w k v] on several registers at once: linearizable",
    ),
    object("mutex", Object::Mutex, "acquire, release (by any process): linearizable, each key by itself"),
    object("owner-mutex", Object::OwnerMutex, "acquire, release by the process that holds it: linearizable"),
    object(
        "reentrant-mutex",
        Object::ReentrantMutex,
        "acquire, also by the process that holds it, released by it as often: linearizable",
    ),
    object(
        "fenced-mutex",
        Object::FencedMutex,
        "acquire with a fencing token above all before it, release by the process that holds it: linearizable",
    ),
    object("semaphore", Object::Semaphore, "acquire [n], release [n], at most --permits N at a time: linearizable"),
    object("set", Object::Set, "add v, remove v, read [v ...]: linearizable, each key by itself"),
    object("counter", Object::Counter, "add n (inc, dec), read: linearizable, each key by itself"),
    object(
        "queue",
        Object::Queue,
        "enqueue v, dequeue (peek): first in, first out, linearizable; what is lost or doubled alone: total-queue",
    ),
    object("fifo-queue", Object::Queue, "the same as queue"),
    object("stack", Object::Stack, "push v, pop (peek): last in, first out, linearizable"),
    object("priority-queue", Object::PriorityQueue, "insert n, extract-min: linearizable"),
    object(
        "deque",
        Object::Deque,
        "push-front v, push-back v, pop-front, pop-back, peek-front, peek-back: linearizable",
    ),
    object("text", Object::Text, "get, put v, append v, of strings: linearizable, each key by itself (Porcupine's kv)"),
    object(
        "accounts",
        Object::Accounts,
        "transfer {from a, to b, amount n}, read {account balance ...}: linearizable; totals alone: bank",
    ),
    Alias {
        name: "comments",
        about: "the same as causal-reverse, as CockroachDB's test is called",
        checks: Meant::Checks(&[CheckName::CAUSAL_REVERSE]),
        object: None,
    },
    Alias {
        name: "broadcast",
        about: "broadcast v, read [v ...]: every element that was acknowledged appears, and stays (Maelstrom): set-full",
        checks: Meant::Checks(&[CheckName::SET_FULL]),
        object: None,
    },
    Alias {
        name: "list-append",
        about: "txn of [append k v] and [r k [v ...]]: isolation of transactions by their dependencies (Elle)",
        checks: Meant::Required,
        object: Some(Object::ListAppend),
    },
    Alias {
        name: "rw-register",
        about: "txn of [w k v] (v unique for k) and [r k v]: isolation of transactions by their dependencies (Elle)",
        checks: Meant::Required,
        object: Some(Object::RwRegister),
    },
    Alias {
        name: "session",
        about: "read, write v, add v (values, sets, lists, siblings): four guarantees, each key by itself (Terry et al. 1994)",
        checks: Meant::Checks(&[
            CheckName::READ_YOUR_WRITES,
            CheckName::MONOTONIC_READS,
            CheckName::MONOTONIC_WRITES,
            CheckName::WRITES_FOLLOW_READS,
        ]),
        object: None,
    },
];

/// A check, and the object that a name says it is of.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// The name that asked for it.
    pub name: &'static str,
    /// The check.
    pub check: CheckName,
    /// What a key is, if that is said.
    pub object: Option<Object>,
}

/// What a name asks for: one check, or several; none if it is unknown.
pub fn find(name: &str, settings: &Settings) -> Vec<Asked> {
    if let Some(alias) = ALIASES.iter().find(|alias| alias.name == name) {
        let Alias { name, object, .. } = *alias;
        let required = settings.transactions.required.parse().ok();
        let checks = match alias.checks {
            Meant::Checks(checks) => checks.to_vec(),
            Meant::Required => required.into_iter().collect(),
        };
        return checks.into_iter().map(|check| Asked { name, check, object }).collect();
    }
    let check = name.parse().ok();
    check.into_iter().map(|check: CheckName| Asked { name: check.name(), check, object: None }).collect()
}

impl Asked {
    /// What was chosen, if another name asked for it: `register: linearizable of a register`.
    pub fn chosen(&self) -> Option<String> {
        let of = self.object.map_or_else(String::new, |object| match object {
            Object::Accounts => format!(" of {object}"),
            _ => format!(" of {} {object}", if object.name().starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" }),
        });
        (self.name != self.check.name()).then(|| format!("{}: {}{of}", self.name, self.check))
    }

    /// Checks a history.
    pub fn check(&self, records: &History, context: &Context<'_>) -> Finding {
        judge(self.check.check(), &View::of_records(records, self.object), context)
    }

    /// Checks the first part of a history, of which there is more. It is never valid, and a violation counts only if
    /// nothing that follows can explain it.
    pub(crate) fn check_part(&self, records: &History, context: &Context<'_>) -> Finding {
        let mut finding = self.check(records, context);
        let lasting = self.check.check().nature().lasting;
        match finding.outcome() {
            Outcome::Invalid if !lasting => {
                finding.violations = 0;
                finding.doubt("what was not read may explain what is violated in this part");
            }
            Outcome::Valid => finding.doubt("what was not read is not judged"),
            Outcome::Invalid | Outcome::Inconclusive => {}
        }
        finding
    }
}

/// Operations and values handed to checks to find needless operations, all in all.
const WORK_MAX: usize = 2_000_000;

/// Judges a view within the limits, and takes needless operations out of the proofs.
pub(crate) fn judge(check: &dyn Check, view: &View<'_>, context: &Context<'_>) -> Finding {
    if let Some(undecided) = view.records.and_then(|records| too_much(check, records, &context.limits)) {
        return undecided;
    }
    if view.records.is_some_and(|records| records.ops.is_empty()) {
        return Finding::undecided("there is no operation to judge");
    }
    if let Some(unknown) = view.facts.and_then(|workload| workload.keys.iter().find_map(|key| key.unknown.as_ref())) {
        return Finding::undecided(format!("{unknown}: what it did is not known, so that nothing can be judged"));
    }
    let missing = view.records.map(|records| unsaid::missing(check.name(), view.object, records));
    if let Some(missing) = missing.as_ref().filter(|missing| !missing.shows_violations) {
        return Finding { doubts: missing.doubts.clone(), ..Finding::default() };
    }
    let mut finding = check.judge(view, context);
    finding.doubts.extend(missing.into_iter().flat_map(|missing| missing.doubts));
    if let Some(why) = unacknowledged(view).filter(|_| finding.violations == 0) {
        // What the headline says of no operation is nothing.
        finding.headline.clear();
        finding.doubts.insert(0, why);
    }
    for kept in &mut finding.anomalies.kept {
        let anomaly = &mut kept.anomaly;
        anomaly.faults = active_between(context.faults, anomaly.from_ns, anomaly.to_ns);
    }
    if let Some(records) = view.records.filter(|_| check.nature().shrinks) {
        shrink(check, view.object, records, context, &mut finding);
    }
    if let Some(records) = view.records {
        failed_writers::name_them(records, context.faults, &mut finding);
    }
    finding
}

/// Why nothing was put to the test: of what is judged, nothing is known to have happened.
fn unacknowledged(view: &View<'_>) -> Option<String> {
    let (operations, any) = match (view.records, view.facts) {
        (Some(records), _) => (records.ops.len(), records.ops.iter().any(Op::is_ok)),
        (None, Some(workload)) => (workload.operations(), workload.is_acknowledged()),
        (None, None) => (0, true),
    };
    let none = match operations {
        1 => "the only operation was not acknowledged".to_owned(),
        _ => format!("none of {operations} operations was acknowledged"),
    };
    (!any).then(|| format!("{none}: nothing is known to have happened"))
}

fn shrink(check: &dyn Check, object: Option<Object>, records: &History, context: &Context<'_>, finding: &mut Finding) {
    let limits = Limits { anomalies_max: usize::MAX, threads: 1, ..context.limits };
    let all = Context { limits, ..*context };
    let again = |part: &History| check.judge(&View::of_records(part, object), &all);
    let anew = |kept: &mut Kept| kept.shrinks = kept.shrinks.or(Some(Shrinks::NewAnomaly));
    finding.anomalies.kept.iter_mut().for_each(anew);
    let budget = Budget { work: WORK_MAX, out_of_time: context.limits.out_of_time };
    minimal::shrink(&mut finding.anomalies, &OfColumns { records, judge: &again }, context.faults, budget);
}

/// A finding not to begin what would not fit, or when the time is over.
fn too_much(check: &dyn Check, records: &History, limits: &Limits<'_>) -> Option<Finding> {
    let (name, operations) = (check.name(), records.ops.len());
    let needed = check.nature().bytes_per_operation.saturating_mul(operations as u64);
    if (limits.out_of_time)() {
        return Some(Finding::undecided(format!("{name}: the time limit was reached before it began")));
    }
    (needed > limits.memory_bytes).then(|| {
        Finding::undecided(format!(
            "{name}: {operations} operations need about {} MiB besides the history, {} MiB are left of the limit: nothing was \
             checked",
            needed.div_ceil(1 << 20),
            limits.memory_bytes >> 20
        ))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::checks::isolation::levels;
    use crate::checks::isolation::saturation::Isolation;
    use crate::checks::sessions::Guarantee;

    #[test]
    fn a_name_means_one_thing_and_a_constant_is_called_as_its_check() {
        let names: Vec<&str> = CheckName::ALL.iter().map(|name| name.name()).collect();
        let spelt: Vec<String> = CONSTANTS.iter().map(|name| name.to_lowercase().replace('_', "-")).collect();
        assert_eq!(names, spelt);
        let all: BTreeSet<&str> = names.iter().copied().chain(ALIASES.iter().map(|alias| alias.name)).collect();
        assert_eq!(all.len(), names.len() + ALIASES.len());
        assert!(CHECKS.iter().all(|check| !check.about().is_empty()));
    }

    #[test]
    fn every_level_and_every_guarantee_is_a_check() {
        let guarantees = Guarantee::ALL.into_iter().map(Guarantee::name);
        let isolations = Isolation::ALL.into_iter().map(Isolation::name);
        for name in levels::names().chain(guarantees).chain(isolations) {
            let asked = find(name, &Settings::default());
            assert_eq!(asked.iter().map(|asked| asked.check.name()).collect::<Vec<_>>(), [name]);
        }
    }

    #[test]
    fn an_alias_says_what_was_chosen() {
        let chosen = |name: &str| find(name, &Settings::default()).iter().map(Asked::chosen).collect::<Vec<_>>();
        assert_eq!(chosen("register"), [Some("register: linearizable of a register".to_owned())]);
        assert_eq!(chosen("rw-register"), [Some("rw-register: strict-serializable of a rw-register".to_owned())]);
        assert_eq!((chosen("bank"), chosen("session").len(), chosen("nothing").len()), (vec![None], 4, 0));
    }
}
