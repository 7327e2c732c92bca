//! What cannot be judged of a history that does not say when operations were invoked, or by whom.
//!
//! Real time orders an operation before another only if the one had completed when the other was invoked. Where no invocation
//! is recorded, as in some histories of Elle and in the formats of checkers of isolation, a check that asks for real time has
//! nothing to go by; and one that asks for the order of each process has nothing where no process is named. What they find
//! violated without that order is violated with it, too. That nothing was found shows nothing.

use crate::checks::isolation::levels;
use crate::history::History;
use crate::objects::Object;

/// What a check asks of a history beside its operations.
struct Needs {
    real_time: bool,
    processes: Processes,
    /// Whether a violation that it finds without real time is one.
    shows_violations: bool,
    /// The same without processes.
    shows_without_processes: bool,
}

/// What the process of an operation is needed for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Processes {
    No,
    /// Its order, unless real time has it.
    OrderIfNoTime,
    /// Its order, which real time does not say, as concurrent operations may be of one process.
    Order,
    /// Who may do what another may not.
    Owner,
}

/// By values alone.
const BY_VALUES: [&str; 5] = ["total-queue", "unique-ids", "bank", "dirty-reads", "long-fork"];
/// By the order of each process, and by what operations show of one another.
const BY_SESSIONS: [&str; 9] = [
    "read-your-writes",
    "monotonic-reads",
    "monotonic-writes",
    "writes-follow-reads",
    "causal",
    "causal-convergence",
    "causal-memory",
    "pram",
    "sequential",
];
/// Locks that only who holds them may let go of.
const OWNED: [Object; 3] = [Object::OwnerMutex, Object::ReentrantMutex, Object::FencedMutex];

/// Of a check that is not known here it is assumed that it asks for all, and finds nothing without it.
fn needs(check: &str, object: Option<Object>) -> Needs {
    let needs = Needs {
        real_time: true,
        processes: Processes::OrderIfNoTime,
        shows_violations: false,
        shows_without_processes: true,
    };
    if BY_VALUES.contains(&check) {
        return Needs { real_time: false, processes: Processes::No, shows_violations: true, ..needs };
    }
    if BY_SESSIONS.contains(&check) {
        return Needs { real_time: false, processes: Processes::Order, shows_violations: true, ..needs };
    }
    if levels::names().any(|level| level == check) {
        let of_sessions = check.starts_with("strong-session");
        let real_time = !of_sessions && (check.starts_with("strict") || check.starts_with("strong"));
        let processes = match (real_time, of_sessions) {
            (true, _) => Processes::OrderIfNoTime,
            (false, true) => Processes::Order,
            (false, false) => Processes::No,
        };
        return Needs { real_time, processes, shows_violations: true, ..needs };
    }
    match check {
        // Each operation is taken for a process of its own, and nothing is out of order between processes.
        "kafka" => Needs { processes: Processes::Order, ..needs },
        "linearizable" if object.is_some_and(|object| OWNED.contains(&object)) => {
            Needs { processes: Processes::Owner, shows_without_processes: false, ..needs }
        }
        _ => needs,
    }
}

/// What a history does not say, and a check needs.
pub(crate) struct Missing {
    /// Why the check cannot be sure, a clause each.
    pub doubts: Vec<String>,
    /// Whether it is worth while all the same: a violation that it finds is one.
    pub shows_violations: bool,
}

/// The level that asks for the same without real time, by which transactions may be judged instead.
fn without_real_time(check: &str) -> Option<&'static str> {
    match check {
        "strict-serializable" => Some("strong-session-serializable"),
        "strong-snapshot-isolation" => Some("strong-session-snapshot-isolation"),
        _ => None,
    }
}

/// What is missing for a check, which is of an object if that is known.
pub(crate) fn missing(check: &str, object: Option<Object>, history: &History) -> Missing {
    let (needs, unsaid) = (needs(check, object), history.unsaid);
    let (mut doubts, mut shows_violations) = (Vec::new(), true);
    if needs.real_time && unsaid.invocations {
        let mut doubt = format!("no invocation is recorded, and {check} depends on what had completed when");
        if let Some(level) = without_real_time(check) {
            doubt += &format!(" (--consistency {level} does not)");
        }
        doubts.push(doubt);
        shows_violations &= needs.shows_violations;
    }
    // Real time is known of operations without a process, if their invocations are.
    let is_needed = match needs.processes {
        Processes::No => false,
        Processes::OrderIfNoTime => needs.real_time && unsaid.invocations,
        Processes::Order | Processes::Owner => true,
    };
    if is_needed && unsaid.processes {
        doubts.push(match (needs.processes, object) {
            (Processes::Owner, Some(object)) => {
                format!("no process is recorded, and who may release a lock (`{object}`) depends on it")
            }
            _ => format!("no process is recorded, and {check} depends on the order of each"),
        });
        shows_violations &= needs.shows_without_processes;
    }
    Missing { doubts, shows_violations }
}
