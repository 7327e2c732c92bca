//! What cannot be judged of a history that does not say when operations were invoked, or by whom.
//!
//! Real time orders an operation before another only if the one had completed when the other was invoked. Where no invocation
//! is recorded, as in some histories of Elle and in the formats of checkers of isolation, a check that asks for real time has
//! nothing to go by; and one that asks for the order of each process has nothing where no process is named. What they find
//! violated without that order is violated with it, too. That nothing was found shows nothing.

use crate::checks::isolation::levels;
use crate::history::History;

/// What a check asks of a history beside its operations.
struct Needs {
    real_time: bool,
    sessions: bool,
    /// Whether a violation that it finds without them is one.
    shows_violations: bool,
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

/// Of a check that is not known here it is assumed that it asks for all, and finds nothing without it.
fn needs(check: &str) -> Needs {
    if BY_VALUES.contains(&check) {
        return Needs { real_time: false, sessions: false, shows_violations: true };
    }
    if BY_SESSIONS.contains(&check) {
        return Needs { real_time: false, sessions: true, shows_violations: true };
    }
    if levels::names().any(|level| level == check) {
        let of_sessions = check.starts_with("strong-session");
        let real_time = !of_sessions && (check.starts_with("strict") || check.starts_with("strong"));
        return Needs { real_time, sessions: real_time || of_sessions, shows_violations: true };
    }
    Needs { real_time: true, sessions: true, shows_violations: false }
}

/// Why a check cannot be sure of a history, a clause each.
pub(crate) fn doubts(check: &str, history: &History) -> Vec<String> {
    let (needs, unsaid) = (needs(check), history.unsaid);
    let mut doubts = Vec::new();
    if needs.real_time && unsaid.invocations {
        doubts.push(format!("no invocation is recorded, and {check} depends on what had completed when"));
    }
    // Real time is known of operations without a process, if their invocations are.
    if needs.sessions && unsaid.processes && (!needs.real_time || unsaid.invocations) {
        doubts.push(format!("no process is recorded, and {check} depends on the order of each"));
    }
    doubts
}

/// Whether a check of a history that leaves doubts is worth while.
pub(crate) fn shows_violations(check: &str) -> bool {
    needs(check).shows_violations
}
