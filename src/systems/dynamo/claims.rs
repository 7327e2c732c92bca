//! What a configuration promises of the workloads whose keys have one writer each, and of counters.
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

use checker::objects::Model;
use checker::verdict::Property;
use cluster_core::config::Versioning;

use super::Dynamo;

/// The models whose keys have one writer each.
const SINGLE_WRITERS: [Model; 2] = [Model::ListAppend, Model::RwRegister];

impl Dynamo {
    /// What is claimed of these workloads, and why, in a sentence.
    pub(super) fn of_chains(&self) -> (Vec<(Property, Model)>, &'static str) {
        use Property::{
            Durability, MonotonicReads, MonotonicWrites, NoLostWrites, ReadYourWrites, Serializable,
            StrongSessionSerializable, WritesFollowReads,
        };
        let is_lww = match self.settings.versions {
            Versioning::Dvv => false,
            Versioning::Lww => true,
            Versioning::VectorClock => return (Vec::new(), ""),
        };
        let chain = [Serializable].into_iter();
        // Of dotted version vectors these are claimed anyway.
        let of_lww = [NoLostWrites, Durability, ReadYourWrites, MonotonicWrites].into_iter().filter(|_| is_lww);
        let of_lww_in_session = [MonotonicReads, WritesFollowReads].into_iter().filter(|_| is_lww);
        let (properties, note): (Vec<Property>, _) = match (self.settings.session, self.overlapping_quorums()) {
            (true, _) => (
                chain.chain([StrongSessionSerializable]).chain(of_lww).chain(of_lww_in_session).collect(),
                " So a key with one writer is strong session serializable.",
            ),
            (false, true) => (chain.chain(of_lww).collect(), " So a key with one writer is serializable."),
            (false, false) => {
                (Vec::new(), " So even one writer may miss its last write, and its transactions have no order.")
            }
        };
        let mut claims: Vec<(Property, Model)> = SINGLE_WRITERS
            .into_iter()
            .flat_map(|model| properties.iter().map(move |property| (*property, model)))
            .collect();
        if self.overlapping_quorums() && !is_lww {
            claims.push((Property::CounterBounds, Model::Counter));
        }
        (claims, note)
    }
}

#[cfg(test)]
mod tests {
    use cluster_core::config::Quorum;

    use super::super::DynamoSettings;
    use super::*;
    use crate::systems::System;
    use cluster_node::Engine;

    fn claimed(model: Model, change: impl Fn(&mut DynamoSettings)) -> Vec<Property> {
        let mut settings = DynamoSettings::default();
        change(&mut settings);
        let claims = Dynamo::new(settings, 1).expect("the settings can work").claims();
        let of_model = claims.of_model.into_iter().filter(|(_, of)| *of == model);
        of_model.map(|(property, _)| property).collect()
    }

    #[test]
    fn keys_with_one_writer_are_serializable_where_the_writer_sees_its_last_write() {
        use Property::{CounterBounds, Serializable, StrongSessionSerializable};
        for model in SINGLE_WRITERS {
            assert_eq!(claimed(model, |_| {}), []);
            assert_eq!(claimed(model, |s| s.quorum = Quorum::Strict), [Serializable]);
            assert_eq!(claimed(model, |s| s.session = true), [Serializable, StrongSessionSerializable]);
            let disjoint = claimed(model, |s| (s.quorum, s.r) = (Quorum::Strict, 1));
            assert_eq!(disjoint, [], "R + W = N does not overlap");
            let lww = claimed(model, |s| (s.quorum, s.versions) = (Quorum::Strict, Versioning::Lww));
            assert!(lww.contains(&Serializable) && lww.contains(&Property::NoLostWrites), "{lww:?}");
            assert!(!lww.contains(&Property::MonotonicReads), "{lww:?}");
            assert_eq!(claimed(model, |s| s.versions = Versioning::Lww), []);
            assert_eq!(claimed(model, |s| (s.quorum, s.versions) = (Quorum::Strict, Versioning::VectorClock)), []);
            assert_eq!(claimed(model, |s| (s.quorum, s.engine) = (Quorum::Strict, Engine::Memory)), []);
        }
        assert_eq!(claimed(Model::Counter, |s| s.quorum = Quorum::Strict), [CounterBounds]);
        assert_eq!(claimed(Model::Counter, |s| s.session = true), [], "others' changes may be missing");
        assert_eq!(claimed(Model::Counter, |s| (s.quorum, s.versions) = (Quorum::Strict, Versioning::Lww)), []);
    }
}
