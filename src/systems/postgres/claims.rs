//! What PostgreSQL promises, by its configuration.
//!
//! | configuration | is promised | because |
//! |---|---|---|
//! | one node | what its isolation says, and that nothing is lost | a commit is in the log on disk before it is acknowledged |
//! | one node, `--synchronous-commit off` or `--no-fsync` | to serve | recent transactions are lost ([asynchronous commit]), or all |
//! | standbys, whatever else | to serve | replication is asynchronous, or nobody says who is promoted |
//!
//! "SERIALIZABLE" is serializable; "REPEATABLE READ" is snapshot isolation ([isolation]); a row is changed by one
//! transaction after the other at every level, so what is a single row is linearizable. A counter whose sum a client
//! computes is only so from REPEATABLE READ on, where a transaction that would overwrite a later change fails.
//!
//! With `--synchronous-standbys N` a commit is on N standbys before it is acknowledged; that the one which is promoted is
//! among them is a promise of the operator's script, which PostgreSQL does not make, so it is not claimed.
//!
//! [asynchronous commit]: https://www.postgresql.org/docs/15/wal-async-commit.html
//! [isolation]: https://www.postgresql.org/docs/15/transaction-iso.html

use checker::{CheckName, Claim, ConcurrentWrites};

use super::settings::{PostgresSettings, SynchronousCommit};
use crate::sql::options::{Isolation, Updates};
use crate::systems::system::Claims;

/// What this configuration promises.
pub(super) fn claims(settings: &PostgresSettings) -> Claims {
    let mut claims = vec![Claim::of_all(CheckName::AVAILABILITY, served(settings))];
    let note = match settings {
        PostgresSettings { nodes: 2.., .. } => {
            "A standby is promoted that may not have what the primary has acknowledged, and the primary then takes a copy \
             of it, so nothing is claimed of what was written."
        }
        PostgresSettings { no_fsync: false, synchronous_commit: SynchronousCommit::On, .. } => {
            claims.extend(of_one_node(settings));
            "One node syncs the log of a transaction before it acknowledges it, and isolates transactions as it is told."
        }
        _ => "What is acknowledged is synced later or never, so nothing is claimed of what was written.",
    };
    Claims { claims, note: note.to_owned(), concurrent_writes: ConcurrentWrites::Kept, nodes_to_serve: 1 }
}

fn served(settings: &PostgresSettings) -> &'static str {
    match settings.nodes {
        1 => "the one node serves again when it has recovered from its log",
        _ => "a standby is promoted within seconds where a majority does not see the primary",
    }
}

fn of_one_node(settings: &PostgresSettings) -> impl Iterator<Item = Claim> {
    let reason = "a row is changed by one transaction after the other, and synced before that is acknowledged";
    let rows = [("cas-register", CheckName::LINEARIZABLE), ("kv-set", CheckName::SET_FULL)];
    let keeps_reads = settings.isolation != Isolation::ReadCommitted || settings.updates == Updates::InPlace;
    let counter = keeps_reads.then_some(("kv-counter", CheckName::LINEARIZABLE));
    let rows =
        rows.into_iter().chain(counter).map(move |(workload, check)| Claim::of_workload(check, workload, reason));
    let (level, reason) = match settings.isolation {
        Isolation::Serializable => (CheckName::SERIALIZABLE, "SERIALIZABLE is, in PostgreSQL's documents"),
        Isolation::RepeatableRead => (CheckName::SNAPSHOT_ISOLATION, "REPEATABLE READ is, in PostgreSQL's documents"),
        Isolation::ReadCommitted => (CheckName::READ_COMMITTED, "READ COMMITTED is, as each append is one statement"),
    };
    let bank =
        (settings.isolation != Isolation::ReadCommitted).then(|| Claim::of_workload(CheckName::BANK, "bank", reason));
    rows.chain(keeps_reads.then(|| Claim::of_workload(level, "append", reason))).chain(bank)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claimed(settings: PostgresSettings) -> Vec<(CheckName, Option<String>)> {
        let of = |claim: Claim| match claim.on {
            checker::On::Workload(workload) => (claim.check, Some(workload)),
            _ => (claim.check, None),
        };
        claims(&settings).claims.into_iter().map(of).collect()
    }

    fn of_append(isolation: Isolation, updates: Updates) -> Vec<CheckName> {
        let claimed = claimed(PostgresSettings { isolation, updates, ..PostgresSettings::default() });
        claimed.into_iter().filter(|(_, on)| on.as_deref() == Some("append")).map(|(check, _)| check).collect()
    }

    #[test]
    fn transactions_are_as_isolated_as_they_ask_to_be() {
        let computed = Updates::SelectThenUpdate;
        assert_eq!(of_append(Isolation::Serializable, computed), [CheckName::SERIALIZABLE]);
        assert_eq!(of_append(Isolation::RepeatableRead, computed), [CheckName::SNAPSHOT_ISOLATION]);
        assert!(of_append(Isolation::ReadCommitted, computed).is_empty(), "updates are lost");
        assert_eq!(of_append(Isolation::ReadCommitted, Updates::InPlace), [CheckName::READ_COMMITTED]);
    }

    #[test]
    fn a_transfer_sets_what_it_computes_and_needs_its_reads_to_stay_true() {
        for (isolation, keeps) in [(Isolation::RepeatableRead, true), (Isolation::ReadCommitted, false)] {
            let settings = PostgresSettings { isolation, updates: Updates::InPlace, ..PostgresSettings::default() };
            assert_eq!(claimed(settings).iter().any(|(check, _)| *check == CheckName::BANK), keeps, "{isolation:?}");
        }
    }

    #[test]
    fn only_what_one_node_has_synced_is_kept() {
        let usual = PostgresSettings::default();
        assert!(claimed(usual.clone()).iter().any(|(check, _)| *check == CheckName::SET_FULL));
        for settings in [
            PostgresSettings { nodes: 3, synchronous_standbys: 2, ..usual.clone() },
            PostgresSettings { synchronous_commit: SynchronousCommit::Off, ..usual.clone() },
            PostgresSettings { no_fsync: true, ..usual.clone() },
        ] {
            assert_eq!(claimed(settings), [(CheckName::AVAILABILITY, None)]);
        }
    }
}
