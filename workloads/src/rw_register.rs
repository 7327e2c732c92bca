//! `rw-register`: transactions that write a register or read one, each of one key, in Jepsen's form.
//!
//! As in [`crate::list_append`] each key has one writer, and a write is a get, then a put with the context. The values
//! that the get returned are recorded on the write's completion, as in [`crate::register`]. Siblings are returned as a
//! list: a register never has two values at once, so no order of writes explains them.

use serde_json::Value;

use crate::client::{Attempt, Completion, Operation};
use crate::meaning::Corrupt;
use crate::register::{decode, fetch, overwrite};
use crate::single_writer::{OwnedKeys, SingleWriter};
use crate::store::Store;
use crate::transaction;
use crate::workload::Unique;

/// Six operations of ten write, if the process owns a key or can get one (`single_writer.rs`); all others read.
#[derive(Debug)]
pub struct RwRegister {
    owned_keys: OwnedKeys,
}

impl RwRegister {
    /// Registers in use at a time, by default: half as many as clients, since a read returns one write only, and it
    /// takes several reads of the same register to see that one of them went backwards.
    pub const KEYS: u64 = 5;
    /// Writes after which a register gives way to a new one, by default.
    pub const WRITES_PER_KEY: u64 = 200;

    /// `keys` registers in use at a time, each for `writes_per_key` writes; at least one of either.
    pub fn new(keys: u64, writes_per_key: u64, unique: Unique) -> Self {
        Self { owned_keys: OwnedKeys::new("rw", Self::CHANGE, unique, keys, writes_per_key) }
    }
}

impl SingleWriter for RwRegister {
    const NAME: &'static str = "rw-register";
    const CHANGE: &'static str = "w";

    fn owned_keys(&self) -> &OwnedKeys {
        &self.owned_keys
    }

    fn owned_keys_mut(&mut self) -> &mut OwnedKeys {
        &mut self.owned_keys
    }

    async fn read(store: &dyn Store, node: &str, operation: &Operation, attempt: &Attempt) -> Completion {
        let siblings = match fetch(store, node, operation, attempt).await {
            Ok((siblings, _)) => siblings,
            Err(completion) => return completion,
        };
        let result = match siblings[..] {
            [] => Value::Null,
            [value] => value.into(),
            _ => siblings.into(),
        };
        transaction::read_completion(operation, &result)
    }

    async fn change(store: &dyn Store, node: &str, operation: &Operation, attempt: &Attempt, value: u64) -> Completion {
        overwrite(store, node, operation, attempt, value).await
    }

    fn decode(bytes: &[u8]) -> Result<Value, Corrupt> {
        decode(bytes).map(Value::from)
    }
}
