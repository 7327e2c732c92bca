//! What anomalies are called by people, and what they mean.

/// An anomaly by the name that checks give it, by a name for people, and in a clause.
struct Meaning(&'static str, &'static str, &'static str);

const MEANINGS: [Meaning; 30] = [
    Meaning("G0", "dirty write", "two transactions that wrote over each other, each before and after the other"),
    Meaning("G1a", "aborted read", "a read of what a failed transaction wrote"),
    Meaning("G1b", "intermediate read", "a read of what its writer itself wrote over later"),
    Meaning("G1c", "circular information flow", "transactions that each saw or built on what the next one wrote"),
    Meaning(
        "G-single",
        "read skew",
        "a transaction that saw something of another and missed something else of it, or of what it had seen",
    ),
    Meaning(
        "G-nonadjacent",
        "snapshots in conflict",
        "transactions that saw each other's writes in orders that contradict each other",
    ),
    Meaning("G2-item", "write skew", "transactions that each read what another wrote over, as if each had been first"),
    Meaning("long-fork", "long fork", "readers that saw independent writes in opposite orders"),
    Meaning("G-update", "updates in a circle", "transactions that write, in a circle"),
    Meaning("lost-update", "lost update", "two transactions that read one version and both replaced it"),
    Meaning("dirty-update", "dirty update", "a write on top of what a failed transaction wrote"),
    Meaning("internal", "own write not seen", "a transaction that did not see what it had itself written or read"),
    Meaning("non-repeatable-read", "non-repeatable read", "a transaction that read a key twice and saw two values"),
    Meaning("future-read", "future read", "a transaction that read what it wrote only later"),
    Meaning("fractured-read", "fractured read", "a transaction that saw one write of another one and missed another"),
    Meaning(
        "observed-transaction-vanishes",
        "observed transaction vanishes",
        "a transaction that saw a write of another one and later missed another",
    ),
    Meaning("missed-own-write", "own write forgotten", "a transaction that missed what its process had written before"),
    Meaning("missed-cause", "cause missed", "a transaction that missed what had happened before it"),
    Meaning("duplicate-elements", "element twice", "a list that shows an element twice"),
    Meaning("incompatible-order", "orders in conflict", "reads of a list of which none is the beginning of the other"),
    Meaning(
        "cyclic-versions",
        "versions in a circle",
        "versions of a key each of which comes before the next, and the last before the first",
    ),
    Meaning("garbage-read", "unwritten value", "a read of a value that nobody wrote"),
    Meaning("sibling-read", "several values at once", "a read of several values of a register"),
    Meaning("cyclic-commit-order", "no commit order", "reads that no order of commits explains"),
    Meaning("WriteCOInitRead", "read of nothing", "a read of nothing, of a key that was written before"),
    Meaning("WriteCORead", "overwritten read", "a read of a value that was overwritten before"),
    Meaning(
        "CyclicCO",
        "causes in a circle",
        "transactions each of which happened before the next, and the last before the first",
    ),
    Meaning("CyclicCF", "no common order", "concurrent writes that readers saw in opposite orders"),
    Meaning("CyclicHB", "no order of a session", "reads of a session that no order of all writes explains"),
    Meaning("WriteHBInitRead", "read of nothing", "a read of nothing, of a key whose write the session must have seen"),
];

fn find(kind: &str) -> Option<&'static Meaning> {
    let base = ["-process", "-realtime"].into_iter().find_map(|suffix| kind.strip_suffix(suffix)).unwrap_or(kind);
    MEANINGS.iter().find(|meaning| meaning.0 == base)
}

/// What an anomaly is: `write skew: transactions that ...`, with the order that it needs besides dependencies.
pub(super) fn of(kind: &str) -> Option<String> {
    let Meaning(_, name, clause) = find(kind)?;
    let with = match () {
        () if kind.ends_with("-process") => ", with the order of a process",
        () if kind.ends_with("-realtime") => ", with the order of real time",
        () => "",
    };
    Some(format!("{name}{with}: {clause}"))
}

/// So many of a kind: `2 G2-item (write skew)`.
pub(super) fn counted(count: u64, kind: &str) -> String {
    match find(kind) {
        Some(Meaning(known, name, _)) if known != name && name.replace(' ', "-") != kind => {
            format!("{count} {kind} ({name})")
        }
        _ => format!("{count} {kind}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{counted, of};
    use crate::checks::isolation::levels;

    #[test]
    fn every_anomaly_has_a_meaning() {
        let without: Vec<&str> = levels::anomalies().filter(|kind| of(kind).is_none()).collect();
        assert!(without.is_empty(), "{without:?}");
        assert_eq!(counted(1, "G2-item"), "1 G2-item (write skew)");
        assert_eq!(counted(2, "lost-update"), "2 lost-update");
        assert!(
            of("G-single-realtime").is_some_and(|means| means.starts_with("read skew, with the order of real time: "))
        );
    }
}
