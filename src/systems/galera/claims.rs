//! What MariaDB promises, by its configuration.
//!
//! | configuration | is promised | because |
//! |---|---|---|
//! | one node | what its isolation says, and that nothing is lost | a commit is in the log on disk before it is acknowledged |
//! | one node, `--flush-log written` or `later` | to serve | "a transaction may be lost" ([flush]) |
//! | several | to serve, and that nothing is lost | a commit is at all nodes, in one order, before it is acknowledged |
//!
//! InnoDB's SERIALIZABLE locks what it reads. Its REPEATABLE READ reads a snapshot and changes what is there now, so a
//! change that is computed of what was read may undo another; with `--snapshot-isolation` such a transaction fails
//! ([snapshot]).
//!
//! Galera's documents say "between SERIALIZABLE and REPEATABLE READ" ([isolation]), which names no anomaly that cannot
//! happen. What is commonly understood, snapshot isolation, is not claimed: `--require` does.
//!
//! [flush]: https://mariadb.com/docs/server/server-usage/storage-engines/innodb/innodb-system-variables
//! [snapshot]: https://mariadb.com/docs/server/server-usage/storage-engines/innodb/innodb-system-variables
//! [isolation]: https://galeracluster.com/library/documentation/isolation-levels.html

use checker::{CheckName, Claim, ConcurrentWrites};

use super::settings::{FlushLog, GaleraSettings};
use crate::sql::options::{Isolation, Updates};
use crate::systems::system::Claims;

/// What this configuration promises.
pub(super) fn claims(settings: &GaleraSettings) -> Claims {
    let mut claims = vec![Claim::of_all(CheckName::AVAILABILITY, served(settings))];
    let note = match settings {
        GaleraSettings { flush_log: FlushLog::Written | FlushLog::Later, .. } => {
            "What is acknowledged is synced later, so nothing is claimed of what was written."
        }
        GaleraSettings { nodes: 1, .. } => {
            claims.extend(of_one_node(settings));
            "One node syncs the log of a transaction before it acknowledges it, and isolates transactions as it is told."
        }
        _ => {
            let reason = "a commit is at all nodes that serve before it is acknowledged, and each has synced its log";
            claims.push(Claim::of_workload(CheckName::SET_FULL, "kv-set", reason));
            "Nodes bring changes into one order before they are acknowledged. How isolated transactions of different nodes \
             are is not said in terms of what cannot happen, so nothing is claimed of it."
        }
    };
    let nodes_to_serve = settings.nodes / 2 + 1;
    Claims { claims, note: note.to_owned(), concurrent_writes: ConcurrentWrites::Kept, nodes_to_serve }
}

fn served(settings: &GaleraSettings) -> &'static str {
    match settings.nodes {
        1 => "the one node serves again when it has recovered from its log",
        _ => "a majority serves, and the others join it when they see it",
    }
}

fn of_one_node(settings: &GaleraSettings) -> impl Iterator<Item = Claim> {
    let reason = "a row is changed by one transaction after the other, and synced before that is acknowledged";
    let keeps_reads = match settings.isolation {
        Isolation::Serializable => true,
        Isolation::RepeatableRead => settings.snapshot_isolation,
        Isolation::ReadCommitted => false,
    };
    let counts = keeps_reads || settings.updates == Updates::InPlace;
    let rows = [
        Some(("cas-register", CheckName::LINEARIZABLE)),
        Some(("kv-set", CheckName::SET_FULL)),
        counts.then_some(("kv-counter", CheckName::LINEARIZABLE)),
        keeps_reads.then_some(("bank", CheckName::BANK)),
    ];
    let rows = rows.into_iter().flatten().map(move |(workload, check)| Claim::of_workload(check, workload, reason));
    let level = match settings.isolation {
        Isolation::Serializable => Some((CheckName::SERIALIZABLE, "SERIALIZABLE locks what it reads")),
        Isolation::RepeatableRead if keeps_reads => {
            Some((CheckName::SNAPSHOT_ISOLATION, "what changed since it was read is not changed"))
        }
        _ => counts.then_some((CheckName::READ_COMMITTED, "what is not committed is not read")),
    };
    rows.chain(level.map(|(check, reason)| Claim::of_workload(check, "append", reason)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claimed(settings: GaleraSettings) -> Vec<CheckName> {
        claims(&settings).claims.into_iter().map(|claim| claim.check).collect()
    }

    fn one(isolation: Isolation, snapshot_isolation: bool) -> Vec<CheckName> {
        claimed(GaleraSettings { nodes: 1, isolation, snapshot_isolation, ..GaleraSettings::default() })
    }

    #[test]
    fn a_snapshot_is_isolated_if_what_changed_is_not_overwritten() {
        let both = [CheckName::BANK, CheckName::SNAPSHOT_ISOLATION];
        assert!(both.iter().all(|check| one(Isolation::RepeatableRead, true).contains(check)));
        assert!(!both.iter().any(|check| one(Isolation::RepeatableRead, false).contains(check)));
        assert!(one(Isolation::Serializable, false).contains(&CheckName::SERIALIZABLE));
    }

    #[test]
    fn several_nodes_lose_nothing_and_isolate_nothing() {
        let usual = GaleraSettings::default();
        assert_eq!(claimed(usual.clone()), [CheckName::AVAILABILITY, CheckName::SET_FULL]);
        for flush_log in [FlushLog::Written, FlushLog::Later] {
            for nodes in [1, 3] {
                let settings = GaleraSettings { nodes, flush_log, ..usual.clone() };
                assert_eq!(claimed(settings), [CheckName::AVAILABILITY], "what is not synced may be lost");
            }
        }
    }
}
