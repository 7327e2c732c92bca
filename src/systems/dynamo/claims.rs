//! What a configuration promises, each with its reason: what the paper promises of it, and no more.
//!
//! What is said of each key with one writer, and of counters:
//!
//! A store without compare-and-set puts concurrent writes side by side, so it orders transactions only where nobody writes
//! at the same time. The bench's transactions see to that: a key has one writer, which waits for each write, and none after
//! a write of unknown outcome. A write is a get and a put with its context. If the get has the writer's own last write, each
//! version replaces the one before it: the versions of the key are a chain, and every read shows one of them. Then some order
//! explains all transactions of the key: it is serializable. If the get can miss that write, there are siblings, and a reader
//! of one of them sees what no order explains.
//!
//! | | the writer's get | reads | so it is |
//! |---|---|---|---|
//! | sloppy, or R + W <= N | may miss its last write | show any version | not even serializable |
//! | strict, R + W > N | has it: the quorums overlap | may go back while a write is under way | serializable |
//! | session | has it, or fails | never go back, for one process | strong session serializable |
//!
//! Strict serializability is claimed by none: a read quorum that meets a write under way may show it, and the next one, of
//! another process, may not. Last-write-wins keeps such a chain as well: a write is later than what its context has seen.
//! With several writers at a time it promises nothing of the kind. A vector clock is left out: what a truncated one loses is
//! measured.
//!
//! A counter is mergeable, so its writers may be many: siblings are merged. With overlapping quorums a read has every change
//! that was acknowledged before it; otherwise it may lack some, and is then too low, or, if it lacks decrements, too high.

use checker::{CheckName, Claim, ConcurrentWrites, Object};
use cluster_core::config::Versioning;
use cluster_node::Engine;

use super::system::Dynamo;
use crate::systems::system::Claims;

/// The objects whose keys have one writer each.
const SINGLE_WRITERS: [Object; 2] = [Object::ListAppend, Object::RwRegister];

/// What is claimed whatever became of the data (4.6, 4.8).
pub(super) const OF_ALL: [CheckName; 3] = [CheckName::CONVERGENCE, CheckName::RING_AGREEMENT, CheckName::AVAILABILITY];

/// What the versions of a key promise of its writes.
const OF_WRITES: [(CheckName, &str); 4] = [
    (CheckName::NO_LOST_WRITES, "every concurrent write is kept as a sibling"),
    (CheckName::DURABILITY, "a write is acknowledged when it is on the disks of its quorum"),
    (CheckName::NO_RESURRECTION, "what a write has seen it replaces, tombstones included"),
    (CheckName::SIBLINGS_BOUNDED, "dotted versions that one has seen are none beside it"),
];

/// What a session promises, whatever the quorums.
const OF_SESSIONS: [(CheckName, &str); 4] = [
    (CheckName::READ_YOUR_WRITES, "in a session a read covers what its process has written, or fails"),
    (CheckName::MONOTONIC_READS, "in a session a read covers what its process has read, or fails"),
    (
        CheckName::MONOTONIC_WRITES,
        "the get of a write covers what its process has written, and with it whoever sees the write",
    ),
    (
        CheckName::WRITES_FOLLOW_READS,
        "the get of a write covers what its process has read, and with it whoever sees the write",
    ),
];

/// What quorums that overlap promise without a session.
const OF_QUORUMS: [(CheckName, &str); 2] = [
    (CheckName::READ_YOUR_WRITES, "R + W > N: a read meets a replica with the last write"),
    (CheckName::MONOTONIC_WRITES, "R + W > N: the get of a write covers what its process has written"),
];

/// Why the transactions of a key with one writer have an order.
const CHAIN: &str = "the writer's get has its own last write, so the versions of a key with one writer are a chain";
/// Why last-write-wins keeps such a chain.
const LWW_CHAIN: &str = "with one writer nothing is concurrent, and each write is later than what it has seen";

impl Dynamo {
    /// What the paper promises of this configuration, and no more.
    pub(super) fn claimed(&self) -> Claims {
        let agreed = "once healed, a cluster agrees, on its members as well, and every node serves";
        let mut claims: Vec<Claim> = OF_ALL.into_iter().map(|check| Claim::of_all(check, agreed)).collect();
        let mut note = String::new();
        if self.settings.engine == Engine::Memory {
            note.push_str("The memory engine forgets at a crash, so of what was written nothing is claimed. ");
        } else {
            self.of_versions(&mut claims, &mut note);
            self.of_sessions(&mut claims, &mut note);
            self.of_chains(&mut claims, &mut note);
        }
        let concurrent_writes = match self.settings.versions {
            Versioning::Dvv | Versioning::VectorClock => ConcurrentWrites::Kept,
            Versioning::Lww => ConcurrentWrites::OneWins,
        };
        Claims { claims, note, concurrent_writes, nodes_to_serve: 1 }
    }

    fn of_versions(&self, claims: &mut Vec<Claim>, note: &mut String) {
        note.push_str(match self.settings.versions {
            Versioning::Dvv => {
                claims.extend(OF_WRITES.map(|(check, why)| Claim::of_all(check, why)));
                "Dotted version vectors keep every concurrent write as a sibling and nothing else, so no acknowledged \
                 write may be lost, and what one has replaced or deleted may not come back. "
            }
            Versioning::VectorClock => {
                "A vector clock falsely dominates a concurrent write of the same coordinator, so lost writes are measured \
                 and not claimed. "
            }
            Versioning::Lww => {
                "Last-write-wins drops all but one of several concurrent writes, so lost writes are measured and not \
                 claimed. "
            }
        });
    }

    fn of_sessions(&self, claims: &mut Vec<Claim>, note: &mut String) {
        note.push_str(match (self.overlapping_quorums(), self.settings.versions) {
            (_, Versioning::Dvv) if self.settings.session => {
                claims.extend(OF_SESSIONS.map(|(check, why)| Claim::of_all(check, why)));
                "In a session a read covers what its process has read and written, or fails, whatever the quorums. The get of a write \
                 does so too, and with it whoever sees the write."
            }
            (_, Versioning::VectorClock) => "What is falsely dominated its own writer does not read.",
            (false, _) => {
                "Quorums that are sloppy, do not overlap, or acknowledge from a buffer in memory do not claim read-your-writes."
            }
            (true, Versioning::Dvv) => {
                claims.extend(OF_QUORUMS.map(|(check, why)| Claim::of_all(check, why)));
                "Strict quorums with R + W > N overlap, so a process reads its own writes, and covers them with its next."
            }
            (true, Versioning::Lww) => {
                let why = "R + W > N: a read meets a replica with the last write of a register, or a later one";
                claims.push(Claim::of_object(CheckName::READ_YOUR_WRITES, Object::Register, why));
                "Strict quorums with R + W > N overlap, so a process reads its own write of a register or a later one; of a set or a \
                 cart it may miss what a concurrent write has replaced."
            }
        });
    }

    /// What is claimed of workloads whose keys have one writer each, and of counters.
    fn of_chains(&self, claims: &mut Vec<Claim>, note: &mut String) {
        use CheckName as C;
        let is_lww = match self.settings.versions {
            Versioning::Dvv => false,
            Versioning::Lww => true,
            Versioning::VectorClock => return,
        };
        // Of dotted version vectors these are claimed anyway.
        let of_lww =
            [C::NO_LOST_WRITES, C::DURABILITY, C::READ_YOUR_WRITES, C::MONOTONIC_WRITES].map(|of| (of, LWW_CHAIN));
        let of_lww_in_session = [C::MONOTONIC_READS, C::WRITES_FOLLOW_READS].map(|of| (of, LWW_CHAIN));
        let (of_lww, of_lww_in_session) =
            if is_lww { (&of_lww[..], &of_lww_in_session[..]) } else { (&[][..], &[][..]) };
        let serializable = (C::SERIALIZABLE, CHAIN);
        let in_session =
            (C::STRONG_SESSION_SERIALIZABLE, "reads of the chain never go back for one process in a session");
        let (chained, why): (Vec<(CheckName, &str)>, _) = match (self.settings.session, self.overlapping_quorums()) {
            (true, _) => (
                [&[serializable, in_session][..], of_lww, of_lww_in_session].concat(),
                " So a key with one writer is strong session serializable.",
            ),
            (false, true) => ([&[serializable][..], of_lww].concat(), " So a key with one writer is serializable."),
            (false, false) => {
                (Vec::new(), " So even one writer may miss its last write, and its transactions have no order.")
            }
        };
        for object in SINGLE_WRITERS {
            claims.extend(chained.iter().map(|(check, why)| Claim::of_object(*check, object, *why)));
        }
        if self.overlapping_quorums() && !is_lww {
            let why = "R + W > N: a read has every change that was acknowledged before it";
            claims.push(Claim::of_object(C::COUNTER_BOUNDS, Object::Counter, why));
        }
        note.push_str(why);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use checker::On;
    use cluster_core::config::Quorum;

    use super::super::DynamoSettings;
    use super::*;
    use crate::systems::System;

    /// A row of the table of claims: what has to be set, and what is claimed then.
    struct Row {
        configuration: &'static str,
        claims: BTreeSet<(CheckName, Option<Object>)>,
    }

    /// The table of claims of the README.
    fn table() -> Vec<Row> {
        let text = include_str!("../../../README.md");
        let (_, table) = text.split_once("| configuration | claims | because |").expect("the README has the table");
        let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
        rows.map(|line| match line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>()[..] {
            [configuration, claims, because] => {
                assert!(!because.is_empty(), "{line}");
                Row { configuration, claims: claims.split(';').flat_map(group).collect() }
            }
            _ => panic!("three columns: {line}"),
        })
        .collect()
    }

    /// `serializable, durability of list-append, rw-register`: each of these of each of those.
    fn group(text: &str) -> Vec<(CheckName, Option<Object>)> {
        let (checks, objects) = text.split_once(" of ").unwrap_or((text, ""));
        let objects: Vec<Option<Object>> = match objects {
            "" => vec![None],
            some => some.split(',').map(|name| Some(name.trim().parse().expect("an object"))).collect(),
        };
        let checks = checks.split(',').map(|name| name.trim().parse().expect("a check"));
        checks.flat_map(|check: CheckName| objects.iter().map(move |object| (check, *object))).collect()
    }

    impl Row {
        /// Whether a configuration is one that the row speaks of.
        fn speaks_of(&self, dynamo: &Dynamo) -> bool {
            let settings = &dynamo.settings;
            let has = |words: &str| self.configuration.contains(words);
            self.configuration == "whatever is set"
                || settings.engine != Engine::Memory
                    && has("--versions dvv") == (settings.versions == Versioning::Dvv)
                    && has("--versions lww") == (settings.versions == Versioning::Lww)
                    && (settings.session || !has("--session"))
                    && (dynamo.overlapping_quorums() || !has("R + W > N"))
        }
    }

    /// Every combination of what claims depend on.
    fn configurations() -> Vec<DynamoSettings> {
        let mut all = Vec::new();
        for versions in [Versioning::Dvv, Versioning::Lww, Versioning::VectorClock] {
            for (bits, r) in (0..16).flat_map(|bits| [(bits, 1), (bits, 2)]) {
                let mut settings = DynamoSettings { versions, r, session: bits & 1 == 1, ..DynamoSettings::default() };
                settings.quorum = if bits & 2 == 2 { Quorum::Strict } else { Quorum::Sloppy };
                settings.engine = if bits & 4 == 4 { Engine::Memory } else { settings.engine };
                if bits & 8 == 8 {
                    settings.durability = cluster_core::config::Durability::Buffered;
                }
                all.push(settings);
            }
        }
        all
    }

    #[test]
    fn the_table_of_claims_in_the_readme_is_what_is_claimed() {
        let (rows, mut compared, mut used) = (table(), 0, BTreeSet::new());
        for settings in configurations() {
            let Ok(dynamo) = Dynamo::new(settings.clone(), 1) else { continue };
            let speaking = rows.iter().enumerate().filter(|(_, row)| row.speaks_of(&dynamo));
            let mut expected = BTreeSet::new();
            for (at, row) in speaking {
                used.insert(at);
                expected.extend(row.claims.iter().copied());
            }
            // What holds of all workloads holds of some.
            let of_all: Vec<CheckName> =
                expected.iter().filter(|claim| claim.1.is_none()).map(|claim| claim.0).collect();
            expected.retain(|(check, object)| object.is_none() || !of_all.contains(check));
            let claims = dynamo.claims().claims;
            assert!(claims.iter().all(|claim| !claim.reason.is_empty()));
            let claimed: BTreeSet<(CheckName, Option<Object>)> = claims
                .iter()
                .map(|claim| match claim.on {
                    On::All => (claim.check, None),
                    On::Object(object) => (claim.check, Some(object)),
                    On::GetsAndPuts | On::Workload(_) | On::History(_) => {
                        panic!("Dynamo claims nothing of these: {claim:?}")
                    }
                })
                .collect();
            assert_eq!(claimed, expected, "{settings:?}");
            compared += 1;
        }
        assert!(compared >= 40 && used.len() == rows.len(), "{compared} configurations used the rows {used:?}");
    }

    fn claimed(model: Object, change: impl Fn(&mut DynamoSettings)) -> Vec<CheckName> {
        let mut settings = DynamoSettings::default();
        change(&mut settings);
        let claims = Dynamo::new(settings, 1).expect("the settings can work").claims();
        let of_object = claims.claims.into_iter().filter(|claim| claim.on == On::Object(model));
        of_object.map(|claim| claim.check).collect()
    }

    #[test]
    fn keys_with_one_writer_are_serializable_where_the_writer_sees_its_last_write() {
        for model in SINGLE_WRITERS {
            assert_eq!(claimed(model, |_| {}), []);
            assert_eq!(claimed(model, |s| s.quorum = Quorum::Strict), [CheckName::SERIALIZABLE]);
            assert_eq!(
                claimed(model, |s| s.session = true),
                [CheckName::SERIALIZABLE, CheckName::STRONG_SESSION_SERIALIZABLE]
            );
            let disjoint = claimed(model, |s| (s.quorum, s.r) = (Quorum::Strict, 1));
            assert_eq!(disjoint, [], "R + W = N does not overlap");
            let lww = claimed(model, |s| (s.quorum, s.versions) = (Quorum::Strict, Versioning::Lww));
            assert!(lww.contains(&CheckName::SERIALIZABLE) && lww.contains(&CheckName::NO_LOST_WRITES), "{lww:?}");
            assert!(!lww.contains(&CheckName::MONOTONIC_READS), "{lww:?}");
            assert_eq!(claimed(model, |s| s.versions = Versioning::Lww), []);
            assert_eq!(claimed(model, |s| (s.quorum, s.versions) = (Quorum::Strict, Versioning::VectorClock)), []);
            assert_eq!(claimed(model, |s| (s.quorum, s.engine) = (Quorum::Strict, Engine::Memory)), []);
        }
        assert_eq!(claimed(Object::Counter, |s| s.quorum = Quorum::Strict), [CheckName::COUNTER_BOUNDS]);
        assert_eq!(claimed(Object::Counter, |s| s.session = true), [], "others' changes may be missing");
        assert_eq!(claimed(Object::Counter, |s| (s.quorum, s.versions) = (Quorum::Strict, Versioning::Lww)), []);
    }
}
