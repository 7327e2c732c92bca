//! `seq-kv`: sequentially consistent, and as stale as that allows.
//!
//! There is one order of all changes. Each client has a place in it, and goes only forwards: a request that changes nothing is
//! answered from the state at some place between the client's and the newest, drawn by chance, and the client is there from now
//! on. A request that would change something is done at the end of the order, so a client that writes is up to date. So two
//! clients may see the same moment at different times, but each sees the changes in their one order (Lamport 1979).
//!
//! Only the newest [`PAST_MAX`] states can be met: who lags further behind is taken along.

use std::collections::BTreeMap;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::kv::{Key, Kv, KvAnswer, KvRequest};

/// How many changes a client can lag behind.
const PAST_MAX: u64 = 32;

/// The store.
#[derive(Debug, Default)]
pub(super) struct Sequential {
    /// How many changes there were.
    newest: u64,
    /// The values of each key, with the number of the change that made each, oldest first.
    values: BTreeMap<Key, Vec<(u64, Value)>>,
    /// After which change each client is.
    clients: BTreeMap<String, u64>,
}

impl Sequential {
    /// The value of a key after so many changes.
    fn at(&self, key: &str, place: u64) -> Option<&Value> {
        let values = self.values.get(key)?.iter();
        values.rev().find(|(made, _)| *made <= place).map(|(_, value)| value)
    }

    fn change(&mut self, key: &str, value: Value) {
        self.newest += 1;
        let oldest = self.newest.saturating_sub(PAST_MAX);
        let values = self.values.entry(key.to_owned()).or_default();
        values.push((self.newest, value));
        // The last one that was made before the oldest place is still met there.
        let unmet = values.iter().filter(|(made, _)| *made <= oldest).count().saturating_sub(1);
        values.drain(..unmet);
    }
}

impl Kv for Sequential {
    fn answer(&mut self, client: &str, request: &KvRequest, chance: &mut ChaCha8Rng) -> KvAnswer {
        let oldest = self.newest.saturating_sub(PAST_MAX);
        let from = self.clients.get(client).copied().unwrap_or_default().max(oldest);
        let mut place = chance.random_range(from..=self.newest);
        let mut done = request.done(self.at(&request.key, place));
        if done.changed.is_some() {
            done = request.done(self.at(&request.key, self.newest));
            if let Some(value) = done.changed.take() {
                self.change(&request.key, value);
            }
            place = self.newest;
        }
        self.clients.insert(client.to_owned(), place);
        done.answer
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use serde_json::json;

    use super::*;
    use crate::systems::maelstrom::services::kv::Does;

    fn read(kv: &mut Sequential, client: &str, key: &str, chance: &mut ChaCha8Rng) -> Option<u64> {
        match kv.answer(client, &KvRequest { key: key.into(), does: Does::Read }, chance) {
            KvAnswer::Read(value) => value.as_u64(),
            _ => None,
        }
    }

    fn write(kv: &mut Sequential, client: &str, key: &str, value: u64, chance: &mut ChaCha8Rng) {
        let request = KvRequest { key: key.into(), does: Does::Write(value.into()) };
        assert_eq!(kv.answer(client, &request, chance), KvAnswer::Written);
    }

    /// x and y are written in turns, so whoever sees a value of one knows the least value of the other.
    #[test]
    fn reads_are_stale_and_no_client_goes_back() {
        let (mut kv, mut chance) = (Sequential::default(), ChaCha8Rng::seed_from_u64(3));
        let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
        let (mut stale, mut reads) = (0, 0);
        for number in 1..=400_u64 {
            write(&mut kv, "writer", if number % 2 == 1 { "x" } else { "y" }, number, &mut chance);
            assert_eq!(read(&mut kv, "writer", "x", &mut chance), Some(number - (number + 1) % 2), "its own writes");
            for (client, key) in [("a", "x"), ("a", "y"), ("b", "y"), ("b", "x")] {
                let value = read(&mut kv, client, key, &mut chance).unwrap_or_default();
                let before = seen.entry(client).or_default();
                assert!(value + 1 >= *before, "{client} read {key} = {value} after {before}");
                *before = value.max(*before);
                (stale, reads) = (stale + u64::from(value + 1 < number), reads + 1);
                assert!(value + PAST_MAX + 1 >= number, "nobody lags further behind");
            }
        }
        assert!(stale * 5 > reads && stale < reads, "{stale} of {reads} reads were stale");
        assert!(kv.values.values().all(|values| values.len() as u64 <= PAST_MAX + 1), "the past is bounded");
    }

    #[test]
    fn a_change_is_made_to_the_newest_state() {
        let (mut kv, mut chance) = (Sequential::default(), ChaCha8Rng::seed_from_u64(3));
        write(&mut kv, "writer", "x", 0, &mut chance);
        for number in 0..200 {
            let does = Does::Cas { from: number.into(), to: (number + 1).into(), creates: false };
            let request = KvRequest { key: "x".into(), does };
            // From an old state it may fail, and then it is tried again, as by any client.
            while kv.answer(["a", "b"][number % 2], &request, &mut chance) != KvAnswer::Swapped {}
        }
        assert_eq!(kv.at("x", kv.newest), Some(&json!(200)), "no increment is lost");
    }

    #[test]
    fn the_seed_decides_what_is_stale() {
        let run = |seed: u64| {
            let (mut kv, mut chance) = (Sequential::default(), ChaCha8Rng::seed_from_u64(seed));
            let step = |number| {
                write(&mut kv, "writer", "x", number, &mut chance);
                read(&mut kv, "reader", "x", &mut chance)
            };
            (0..50).map(step).collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }
}
