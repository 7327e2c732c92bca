//! `lin-kv`: one map, on which requests are done one after the other.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::kv::{Key, Kv, KvAnswer, KvRequest};

/// The store.
#[derive(Debug, Default)]
pub(super) struct Linearizable(BTreeMap<Key, Value>);

impl Kv for Linearizable {
    fn answer(&mut self, _client: &str, request: &KvRequest, _chance: &mut ChaCha8Rng) -> KvAnswer {
        let done = request.done(self.0.get(&request.key));
        if let Some(value) = done.changed {
            self.0.insert(request.key.clone(), value);
        }
        done.answer
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use serde_json::json;

    use super::*;

    #[test]
    fn it_reads_writes_and_compares() {
        let (mut kv, mut chance) = (Linearizable::default(), ChaCha8Rng::seed_from_u64(1));
        let mut ask = |body: Value| kv.answer("n1", &KvRequest::in_body(&body).expect("a request"), &mut chance).body();
        let code = |answer: Value| answer["code"].as_i64();
        assert_eq!(code(ask(json!({"type": "cas", "key": 1, "from": 2, "to": 3}))), Some(20));
        let creating = json!({"type": "cas", "key": 1, "from": 2, "to": 3, "create_if_not_exists": true});
        assert_eq!(ask(creating.clone()), json!({"type": "cas_ok"}));
        assert_eq!(code(ask(creating)), Some(22), "it is there now, with another value");
        assert_eq!(ask(json!({"type": "cas", "key": 1, "from": 3, "to": {"a": []}})), json!({"type": "cas_ok"}));
        assert_eq!(ask(json!({"type": "read", "key": 1}))["value"], json!({"a": []}));
        assert_eq!(ask(json!({"type": "write", "key": 1, "value": null})), json!({"type": "write_ok"}));
        assert_eq!(ask(json!({"type": "read", "key": 1})), json!({"type": "read_ok", "value": null}));
        assert_eq!(code(ask(json!({"type": "read", "key": "1"}))), Some(20), "a number is not its text");
    }
}
