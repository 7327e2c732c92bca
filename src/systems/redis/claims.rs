//! What Redis promises, by its configuration.
//!
//! | configuration | is promised | because |
//! |---|---|---|
//! | one node, `--appendfsync always` | everything | one command is executed after the other, and synced before its answer |
//! | one node, any other | to serve | "you may lose 1 second of data" ([persistence]), or all that is not synced |
//! | Sentinels, whatever else | to serve, and that replicas converge | replication is asynchronous |
//!
//! A cluster with Sentinels "does not guarantee that acknowledged writes are retained during failures, since Redis uses
//! asynchronous replication" ([Sentinel]).
//!
//! `WAIT` and `min-replicas-to-write` make a loss less likely, and nothing more is claimed for them: a replica that has
//! a write need not be the one that becomes master ("does not make Redis a strongly consistent store", [WAIT]).
//!
//! [persistence]: https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/
//! [Sentinel]: https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/
//! [WAIT]: https://redis.io/docs/latest/commands/wait/

use checker::{CheckName, Claim, ConcurrentWrites};

use super::settings::{AppendFsync, RedisSettings};
use crate::systems::system::Claims;

/// What holds of workloads whose operations are commands, where no command is lost and a read sees all before it.
const OF_COMMANDS: [(&str, CheckName); 4] = [
    ("cas-register", CheckName::LINEARIZABLE),
    ("kv-set", CheckName::SET_FULL),
    ("kv-counter", CheckName::LINEARIZABLE),
    ("queue", CheckName::TOTAL_QUEUE),
];

/// The same of keys that are got and put.
const OF_GETS: [CheckName; 14] = [
    CheckName::NO_LOST_WRITES,
    CheckName::CONVERGENCE,
    CheckName::DURABILITY,
    CheckName::NO_RESURRECTION,
    CheckName::SIBLINGS_BOUNDED,
    CheckName::READ_YOUR_WRITES,
    CheckName::MONOTONIC_READS,
    CheckName::MONOTONIC_WRITES,
    CheckName::WRITES_FOLLOW_READS,
    CheckName::CAUSAL,
    CheckName::COUNTER_BOUNDS,
    CheckName::SERIALIZABLE,
    CheckName::STRONG_SESSION_SERIALIZABLE,
    CheckName::STRICT_SERIALIZABLE,
];

/// What this configuration promises.
pub(super) fn claims(settings: &RedisSettings) -> Claims {
    let (claims, note) = match settings {
        RedisSettings { sentinel: true, .. } => (
            of_sentinels(),
            "Replication is asynchronous: a master acknowledges what its replicas may not have, and one that was \
             replaced loses it. So nothing is claimed of what was written, but that all nodes agree on it in the end.",
        ),
        RedisSettings { appendfsync: AppendFsync::Always, .. } => (
            of_one_node().chain(of_synced_commands()).collect(),
            "One node executes one command after the other, and syncs it before it answers.",
        ),
        RedisSettings { appendfsync: AppendFsync::Everysec | AppendFsync::No, .. } => (
            of_one_node().collect(),
            "What is acknowledged is synced later, so nothing is claimed of what was written. The end of the process \
             alone loses nothing that the operating system has.",
        ),
        RedisSettings { appendfsync: AppendFsync::Off, .. } => (
            of_one_node().collect(),
            "Without a file a node forgets everything when it ends, so nothing is claimed of what was written.",
        ),
    };
    Claims { claims, note: note.to_owned(), concurrent_writes: ConcurrentWrites::Kept, nodes_to_serve: 1 }
}

fn of_sentinels() -> Vec<Claim> {
    let served = "a majority of Sentinels makes a replica the master where there is none, within seconds";
    let converged = "Sentinels make a master that was replaced a replica, and replicas copy what their master has";
    vec![Claim::of_all(CheckName::AVAILABILITY, served), Claim::of_gets_and_puts(CheckName::CONVERGENCE, converged)]
}

fn of_one_node() -> impl Iterator<Item = Claim> {
    std::iter::once(Claim::of_all(CheckName::AVAILABILITY, "the one node serves again as soon as it runs"))
}

fn of_synced_commands() -> impl Iterator<Item = Claim> {
    let reason = "one node executes one command after the other, and has synced it when it answers";
    let of_commands = OF_COMMANDS.map(|(workload, check)| Claim::of_workload(check, workload, reason));
    of_commands.into_iter().chain(OF_GETS.map(|check| Claim::of_gets_and_puts(check, reason)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claimed(settings: &RedisSettings) -> Vec<CheckName> {
        claims(settings).claims.iter().map(|claim| claim.check).collect()
    }

    #[test]
    fn only_what_is_synced_is_kept() {
        for (appendfsync, keeps) in [
            (AppendFsync::Always, true),
            (AppendFsync::Everysec, false),
            (AppendFsync::No, false),
            (AppendFsync::Off, false),
        ] {
            let claimed = claimed(&RedisSettings { appendfsync, ..RedisSettings::default() });
            assert!(claimed.contains(&CheckName::AVAILABILITY));
            for check in [CheckName::NO_LOST_WRITES, CheckName::LINEARIZABLE, CheckName::TOTAL_QUEUE] {
                assert_eq!(claimed.contains(&check), keeps, "{check} with {appendfsync:?}");
            }
        }
    }

    #[test]
    fn replicas_converge_and_may_lose() {
        let settings = RedisSettings { nodes: 3, sentinel: true, wait: 2, ..RedisSettings::default() };
        assert_eq!(claimed(&settings), [CheckName::AVAILABILITY, CheckName::CONVERGENCE]);
    }
}
