//! `lww-kv`: replicas that answer without asking each other, and of two values keep the one with the greater timestamp.
//!
//! Each request meets some replica, and before that one replica tells another what it has, all by chance. A replica's clock is a
//! Lamport clock: a write takes its time, and a replica that learns of a later one goes on from there. So concurrent writes get
//! equal times, and one of them is lost: equal times are decided by the values.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::kv::{Key, Kv, KvAnswer, KvRequest};

/// As many as Maelstrom's.
const REPLICAS: usize = 5;

/// The store.
#[derive(Debug, Default)]
pub(super) struct LastWriteWins([Replica; REPLICAS]);

#[derive(Clone, Debug, Default)]
struct Replica {
    clock: u64,
    values: BTreeMap<Key, Timed>,
}

#[derive(Clone, Debug, PartialEq)]
struct Timed {
    time: u64,
    value: Value,
}

impl Timed {
    fn compare(&self, other: &Self) -> Ordering {
        self.time.cmp(&other.time).then_with(|| match (self.value.as_i64(), other.value.as_i64()) {
            (Some(one), Some(two)) => one.cmp(&two),
            _ => self.value.to_string().cmp(&other.value.to_string()),
        })
    }
}

impl Replica {
    fn learn(&mut self, other: &Replica) {
        self.clock = self.clock.max(other.clock);
        for (key, theirs) in &other.values {
            let is_later = self.values.get(key).is_none_or(|own| own.compare(theirs) == Ordering::Less);
            if is_later {
                self.values.insert(key.clone(), theirs.clone());
            }
        }
    }
}

impl Kv for LastWriteWins {
    fn answer(&mut self, _client: &str, request: &KvRequest, chance: &mut ChaCha8Rng) -> KvAnswer {
        let [teller, hearer, at] = [(); 3].map(|()| chance.random_range(0..REPLICAS));
        if let Ok([teller, hearer]) = self.0.get_disjoint_mut([teller, hearer]) {
            hearer.learn(teller);
        }
        let replica = &mut self.0[at];
        let done = request.done(replica.values.get(&request.key).map(|timed| &timed.value));
        if let Some(value) = done.changed {
            replica.values.insert(request.key.clone(), Timed { time: replica.clock, value });
            replica.clock += 1;
        }
        done.answer
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::systems::maelstrom::services::kv::Does;

    #[test]
    fn writes_get_lost_and_replicas_agree_in_the_end() {
        let (mut kv, mut chance) = (LastWriteWins::default(), ChaCha8Rng::seed_from_u64(5));
        let mut increments = 0_u64;
        let mut ask = |does: Does| kv.answer("n1", &KvRequest { key: "x".into(), does }, &mut chance);
        for _ in 0..200 {
            let is = match ask(Does::Read) {
                KvAnswer::Read(value) => value,
                _ => 0.into(),
            };
            let to = (is.as_u64().expect("a number") + 1).into();
            increments += u64::from(ask(Does::Cas { from: is, to, creates: true }) == KvAnswer::Swapped);
        }
        let settled: Vec<Value> = (0..300).map(|_| ask(Does::Read).body()["value"].clone()).collect();
        let last = settled[299].as_u64().expect("a number");
        assert!(last < increments, "{last} of {increments}: some were overwritten");
        assert!(settled[200..].iter().all(|value| *value == last), "all replicas have it");
    }
}
