//! `cart`: the paper's shopping cart (DeCandia et al., SOSP 2007, sections 4.4 and 6.1). Clients add, remove and
//! read items.
//!
//! Siblings are merged by union, so an acknowledged add must never be lost, while a removed item may come back, since
//! the get of another operation can have returned it before. How often that happens is worth measuring, but it is not a
//! defect of the store.

use std::collections::BTreeMap;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::client::{Attempt, Completion, Operation, Outcome};
use crate::elements::{self, Elements};
use crate::key_window::KeyWindow;
use crate::meaning::{Corrupt, Meaning};
use crate::store::Store;
use crate::workload::{Invocation, Unique, Workload};

const FUNCTIONS: &[&str] = &["add", "remove", "read"];

/// `add` in 55 operations of 100, `remove` in 20 (an `add` instead while no item is known), `read` in 25.
#[derive(Debug)]
pub struct Cart {
    window: KeyWindow,
    unique: Unique,
    items: BTreeMap<String, Items>,
}

/// What the generator knows about a cart in use.
#[derive(Debug, Default)]
struct Items {
    /// Items added with `ok` or read, without a remove yet; at most [`Items::REMOVABLE_MAX`], even if a broken store
    /// returns more.
    removable: Elements,
    /// Items for which a remove was invoked. Unless it failed, there is no second remove of the same item.
    removed: Elements,
}

impl Cart {
    /// Carts in use at a time, by default.
    pub const KEYS: u64 = 4;
    /// Adds after which a cart gives way to a new one, by default.
    pub const ITEMS_PER_KEY: u64 = 500;
    const ADD_PERCENT: u32 = 55;
    const REMOVE_PERCENT: u32 = 20;

    /// `keys` carts in use at a time, each for `items_per_key` adds; at least one of either.
    pub fn new(keys: u64, items_per_key: u64, unique: Unique) -> Self {
        Self { window: KeyWindow::new("cart", keys, items_per_key), unique, items: BTreeMap::new() }
    }

    fn add(&mut self, rng: &mut ChaCha8Rng) -> Invocation {
        let invocation = Invocation::of("add", self.window.key_to_fill(rng), self.unique.next());
        self.items.retain(|key, _| self.window.is_in_use(key));
        invocation
    }

    /// Removes a known item of one cart; none if no item of it is known.
    fn remove(&mut self, rng: &mut ChaCha8Rng) -> Option<Invocation> {
        let key = self.window.key(rng);
        let items = self.items.get_mut(&key)?;
        let removable = items.removable.as_slice();
        if removable.is_empty() {
            return None;
        }
        let item = removable[rng.random_range(0..removable.len())];
        items.removable.remove(item);
        items.removed.insert(item);
        Some(Invocation::of("remove", key, item))
    }
}

impl Workload for Cart {
    fn name(&self) -> &'static str {
        "cart"
    }

    fn functions(&self) -> &'static [&'static str] {
        FUNCTIONS
    }

    fn keys(&self) -> Vec<String> {
        self.window.keys()
    }

    fn next(&mut self, rng: &mut ChaCha8Rng, _process: u64) -> Invocation {
        match rng.random_range(0..100) {
            draw if draw < Self::ADD_PERCENT => self.add(rng),
            draw if draw < Self::ADD_PERCENT + Self::REMOVE_PERCENT => {
                self.remove(rng).unwrap_or_else(|| self.add(rng))
            }
            _ => Invocation::of("read", self.window.key(rng), Value::Null),
        }
    }

    fn observe(&mut self, operation: &Operation, completion: &Completion) {
        let Some(key) = operation.key.as_ref().filter(|key| self.window.is_in_use(key)) else { return };
        let items = self.items.entry(key.clone()).or_default();
        match (operation.f, completion.outcome) {
            ("add", Outcome::Ok) => items.know(&completion.value),
            ("read", Outcome::Ok) => {
                completion.value.as_array().into_iter().flatten().for_each(|item| items.know(item))
            }
            ("remove", Outcome::Fail) => items.not_removed(&operation.value),
            _ => {}
        }
    }
}

/// A cart is one stored value: its siblings merge by union.
#[derive(Debug)]
pub struct StoredCart;

impl Meaning for StoredCart {
    fn functions(&self) -> &'static [&'static str] {
        FUNCTIONS
    }

    fn perform<'a>(
        &'a self,
        store: &'a dyn Store,
        node: &'a str,
        operation: &'a Operation,
        attempt: &'a Attempt,
    ) -> LocalBoxFuture<'a, Completion> {
        match operation.f {
            "read" => elements::read(store, node, operation, attempt).boxed_local(),
            "add" => elements::add(store, node, operation, attempt).boxed_local(),
            "remove" => elements::remove(store, node, operation, attempt).boxed_local(),
            _ => futures::future::ready(operation.unknown()).boxed_local(),
        }
    }

    fn decode(&self, bytes: &[u8]) -> Result<Value, Corrupt> {
        elements::decode(bytes).map(|elements| elements::to_value(&elements))
    }
}

impl Items {
    const REMOVABLE_MAX: usize = 1_000;

    fn know(&mut self, item: &Value) {
        if self.removable.as_slice().len() >= Self::REMOVABLE_MAX {
            return;
        }
        if let Some(item) = item.as_u64().filter(|item| !self.removed.contains(*item)) {
            self.removable.insert(item);
        }
    }

    /// After a failed remove the item may be removed again, once a read has returned it.
    fn not_removed(&mut self, item: &Value) {
        if let Some(item) = item.as_u64() {
            self.removed.remove(item);
        }
    }
}
