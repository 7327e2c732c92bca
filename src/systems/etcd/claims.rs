//! What etcd promises, by its configuration.
//!
//! etcd documents strict serializability for everything but watches and leases: all changes are in one log, which a
//! majority has on disk before a change is acknowledged, and a read asks a majority first. What each deviation takes away:
//!
//! | configuration | is not promised | because |
//! |---|---|---|
//! | `--reads serializable` | what depends on how new a read is | a node answers from what it has applied |
//! | a lease shorter than [`LEASE_SECONDS_SAFE`] | that locks exclude each other | a lease may end while its client holds the lock |
//! | `--unsafe-no-fsync` | anything but to serve | a member that forgets what it acknowledged takes part in votes all the same |

use checker::{CheckName, Claim, ConcurrentWrites};

use super::settings::{EtcdSettings, Reads};
use crate::systems::system::Claims;

/// A client of the bench holds a lock from one turn to its next, which is seconds unless the rate is set very low. A lease
/// that lasts longer than this outlives that by far.
pub(super) const LEASE_SECONDS_SAFE: u64 = 600;

/// Workloads whose clients do more than get and put, each with what holds of it whatever node is read.
const OF_ANY_READ: [(&str, CheckName); 4] = [
    ("kv-set", CheckName::SET_FULL),
    ("append", CheckName::SERIALIZABLE),
    ("watch", CheckName::WATCH),
    ("unique-ids", CheckName::UNIQUE_IDS),
];

/// The same, with what holds if a read is up to date.
const OF_NEW_READS: [(&str, CheckName); 3] = [
    ("cas-register", CheckName::LINEARIZABLE),
    ("kv-counter", CheckName::LINEARIZABLE),
    ("append", CheckName::STRICT_SERIALIZABLE),
];

/// What holds of keys that are got and put, whatever node is read.
const OF_GETS: [CheckName; 6] = [
    CheckName::NO_LOST_WRITES,
    CheckName::CONVERGENCE,
    CheckName::DURABILITY,
    CheckName::NO_RESURRECTION,
    CheckName::SIBLINGS_BOUNDED,
    CheckName::SERIALIZABLE,
];

/// What holds of them if a read is up to date.
const OF_NEW_GETS: [CheckName; 8] = [
    CheckName::READ_YOUR_WRITES,
    CheckName::MONOTONIC_READS,
    CheckName::MONOTONIC_WRITES,
    CheckName::WRITES_FOLLOW_READS,
    CheckName::CAUSAL,
    CheckName::COUNTER_BOUNDS,
    CheckName::STRONG_SESSION_SERIALIZABLE,
    CheckName::STRICT_SERIALIZABLE,
];

/// What this configuration promises.
pub(super) fn claims(settings: &EtcdSettings) -> Claims {
    let served = "a majority elects a leader within seconds, and every node passes requests on to it";
    let mut claims = vec![Claim::of_all(CheckName::AVAILABILITY, served)];
    let note = if settings.unsafe_no_fsync {
        "Without syncs a node that comes back may have forgotten what it has acknowledged and whom it has voted for, so \
         nothing is claimed of what was written."
    } else {
        claims.extend(of_the_log());
        claims.extend((settings.reads == Reads::Default).then(of_new_reads).into_iter().flatten());
        claims.extend((settings.lease_seconds >= LEASE_SECONDS_SAFE).then(of_locks).into_iter().flatten());
        match settings.reads {
            Reads::Default => {
                "Changes are in one log, and a read waits until its node has all of it that a majority has."
            }
            Reads::Serializable => {
                "Changes are in one log, and a read shows the state after some part of it, which may be an old one. So \
                 nothing is claimed that depends on how new a read is."
            }
        }
    };
    Claims {
        claims,
        note: note.to_owned(),
        concurrent_writes: ConcurrentWrites::Kept,
        nodes_to_serve: settings.nodes / 2 + 1,
    }
}

/// Whatever is read, it is the state after some part of the log.
fn of_the_log() -> impl Iterator<Item = Claim> {
    let reason = "a change is acknowledged when a majority has it in its log on disk, and all nodes apply the same log";
    let of_workloads = OF_ANY_READ.map(|(workload, check)| Claim::of_workload(check, workload, reason));
    of_workloads.into_iter().chain(OF_GETS.map(|check| Claim::of_gets_and_puts(check, reason)))
}

fn of_new_reads() -> Vec<Claim> {
    let reason = "a node asks a majority how far the log goes, and answers a read when it has applied so much";
    let of_workloads = OF_NEW_READS.map(|(workload, check)| Claim::of_workload(check, workload, reason));
    of_workloads.into_iter().chain(OF_NEW_GETS.map(|check| Claim::of_gets_and_puts(check, reason))).collect()
}

fn of_locks() -> [Claim; 2] {
    let reason = "a lock is a key that one client makes, and its lease outlives the time for which a client holds it";
    ["lock", "fenced-lock"].map(|workload| Claim::of_workload(CheckName::LINEARIZABLE, workload, reason))
}

#[cfg(test)]
mod tests {
    use checker::On;

    use super::*;

    fn claimed(check: CheckName, workload: &str, change: impl Fn(&mut EtcdSettings)) -> bool {
        let mut settings = EtcdSettings::default();
        change(&mut settings);
        let on = On::Workload(workload.to_owned());
        claims(&settings).claims.iter().any(|claim| claim.check == check && claim.on == on)
    }

    #[test]
    fn stale_reads_are_serializable_and_not_linearizable() {
        let stale = |settings: &mut EtcdSettings| settings.reads = Reads::Serializable;
        assert!(claimed(CheckName::LINEARIZABLE, "cas-register", |_| {}));
        assert!(!claimed(CheckName::LINEARIZABLE, "cas-register", stale));
        assert!(claimed(CheckName::STRICT_SERIALIZABLE, "append", |_| {}));
        assert!(!claimed(CheckName::STRICT_SERIALIZABLE, "append", stale));
        for (workload, check) in [("append", CheckName::SERIALIZABLE), ("lock", CheckName::LINEARIZABLE)] {
            assert!(claimed(check, workload, stale), "{workload}: what is not read from one node stays claimed");
        }
    }

    #[test]
    fn locks_exclude_others_while_their_leases_last() {
        for (seconds, excludes) in [(3_600, true), (600, true), (599, false), (2, false)] {
            let lease = |settings: &mut EtcdSettings| settings.lease_seconds = seconds;
            assert_eq!(claimed(CheckName::LINEARIZABLE, "lock", lease), excludes, "{seconds} s");
            assert_eq!(claimed(CheckName::LINEARIZABLE, "fenced-lock", lease), excludes, "{seconds} s");
        }
    }

    #[test]
    fn without_syncs_a_node_only_serves() {
        let settings = EtcdSettings { unsafe_no_fsync: true, ..EtcdSettings::default() };
        let checks: Vec<CheckName> = claims(&settings).claims.iter().map(|claim| claim.check).collect();
        assert_eq!(checks, [CheckName::AVAILABILITY]);
    }
}
