//! The services that the bench runs beside the nodes, which send them requests by their names, as in Maelstrom.
//!
//! | name | what it is | `kv.rs`, ... |
//! |---|---|---|
//! | `lin-kv` | a linearizable key-value store: one map | [`Linearizable`](linearizable::Linearizable) |
//! | `seq-kv` | a sequentially consistent one: reads may be old, but no client goes back | [`Sequential`](sequential::Sequential) |
//! | `lww-kv` | replicas that gossip, and of two writes keep the later | [`LastWriteWins`](last_write_wins::LastWriteWins) |
//! | `lin-tso` | a linearizable oracle of timestamps: 0, 1, 2, ... | [`Timestamps`] |
//!
//! Each does one request at a time, and what it draws comes from the run's seed.

mod kv;
mod last_write_wins;
mod linearizable;
mod sequential;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::error_code::unknown_request;
use kv::{Kv, KvRequest};
use last_write_wins::LastWriteWins;
use linearizable::Linearizable;
use sequential::Sequential;

/// Their names.
const NAMES: [&str; 4] = ["lin-kv", "seq-kv", "lww-kv", "lin-tso"];

/// All of them.
pub(super) struct Services {
    chance: ChaCha8Rng,
    linearizable: Linearizable,
    sequential: Sequential,
    last_write_wins: LastWriteWins,
    timestamps: Timestamps,
}

impl Services {
    /// Services that know nothing yet.
    pub fn new(seed: u64) -> Self {
        Self {
            chance: ChaCha8Rng::seed_from_u64(seed),
            linearizable: Linearizable::default(),
            sequential: Sequential::default(),
            last_write_wins: LastWriteWins::default(),
            timestamps: Timestamps::default(),
        }
    }

    /// Whether a service has this name.
    pub fn has(name: &str) -> bool {
        NAMES.contains(&name)
    }

    /// The answer of a service to the body of a request; none if it is no request, such as the answer to one.
    pub fn answer(&mut self, service: &str, client: &str, body: &Value) -> Option<Value> {
        if body.get("in_reply_to").is_some() {
            return None;
        }
        let mut answer = match service {
            "lin-tso" => self.timestamps.answer(body),
            "seq-kv" => kv_answer(&mut self.sequential, client, body, &mut self.chance),
            "lww-kv" => kv_answer(&mut self.last_write_wins, client, body, &mut self.chance),
            _ => kv_answer(&mut self.linearizable, client, body, &mut self.chance),
        };
        if let Some(number) = body.get("msg_id") {
            answer["in_reply_to"] = number.clone();
        }
        Some(answer)
    }
}

fn kv_answer(kv: &mut dyn Kv, client: &str, body: &Value, chance: &mut ChaCha8Rng) -> Value {
    match KvRequest::in_body(body) {
        Ok(request) => kv.answer(client, &request, chance).body(),
        Err(error) => error,
    }
}

/// `lin-tso`: each request gets the next number.
#[derive(Debug, Default)]
struct Timestamps(u64);

impl Timestamps {
    fn answer(&mut self, body: &Value) -> Value {
        if body["type"] != "ts" {
            return unknown_request(body, "ts");
        }
        let ts = self.0;
        self.0 += 1;
        json!({"type": "ts_ok", "ts": ts})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_answered_with_its_number() {
        let mut services = Services::new(1);
        let mut ask = |service: &str, body: Value| services.answer(service, "n1", &body);
        let key_does_not_exist = ask("lin-kv", json!({"type": "read", "msg_id": 5, "key": "x"})).expect("an answer");
        assert_eq!((&key_does_not_exist["code"], &key_does_not_exist["in_reply_to"]), (&json!(20), &json!(5)));
        let ts = |body: Option<Value>| body.expect("an answer")["ts"].clone();
        assert_eq!(ts(ask("lin-tso", json!({"type": "ts", "msg_id": 1}))), 0);
        assert_eq!(ts(ask("lin-tso", json!({"type": "ts", "msg_id": 2}))), 1);
        assert_eq!(ask("lin-kv", json!({"type": "read_ok", "in_reply_to": 3})), None);
    }

    #[test]
    fn what_is_no_request_is_refused_for_good() {
        let mut services = Services::new(1);
        for (service, body, code) in [
            ("lin-tso", json!({"type": "read"}), 10),
            ("seq-kv", json!({"type": "delete", "key": 1}), 10),
            ("lww-kv", json!({"key": 1}), 12),
            ("lin-kv", json!({"type": "write", "key": 1}), 12),
            ("lin-kv", json!({"type": "read"}), 12),
            ("lin-kv", json!({"type": "cas", "key": 1, "from": 2}), 12),
        ] {
            let answer = services.answer(service, "n1", &body).expect("an answer");
            assert_eq!((&answer["type"], &answer["code"]), (&json!("error"), &json!(code)), "{body}");
        }
    }
}
