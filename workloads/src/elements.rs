//! The values of sets and carts: an unordered collection of numbers, stored as a JSON list, siblings merged by union.
//!
//! Union is the paper's business-logic reconciliation (DeCandia et al., SOSP 2007, section 6): commutative,
//! associative and idempotent, so it does not matter who merges which siblings in which order. An add is never lost;
//! a removed item may come back.

use serde_json::Value;

use crate::store::{Context, Store, Versions};
use crate::workload::{Attempt, Completion, Corrupt, Invocation, get, put};

/// A decoded value: numbers in ascending order, each once. A busy key's siblings come by the dozen, so this is the
/// part that must be quick.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elements(Vec<u64>);

impl Elements {
    /// In ascending order.
    pub fn as_slice(&self) -> &[u64] {
        &self.0
    }

    /// Puts an element in, unless it is there.
    pub fn insert(&mut self, element: u64) {
        if let Err(at) = self.0.binary_search(&element) {
            self.0.insert(at, element);
        }
    }

    /// Takes an element out, and says whether it was there.
    pub fn remove(&mut self, element: u64) -> bool {
        let found = self.0.binary_search(&element);
        found.map(|at| self.0.remove(at)).is_ok()
    }

    /// Whether the element is there.
    pub fn contains(&self, element: u64) -> bool {
        self.0.binary_search(&element).is_ok()
    }
}

impl FromIterator<u64> for Elements {
    fn from_iter<I: IntoIterator<Item = u64>>(elements: I) -> Self {
        let mut elements: Vec<u64> = elements.into_iter().collect();
        // The stable sort finds the ascending runs that siblings are, and merges them.
        elements.sort();
        elements.dedup();
        Self(elements)
    }
}

/// Reads stored bytes: a JSON list of numbers.
pub fn decode(bytes: &[u8]) -> Result<Elements, Corrupt> {
    if let Some(elements) = decode_plain(bytes) {
        return Ok(elements);
    }
    let list: Result<Vec<u64>, _> = serde_json::from_slice(bytes);
    list.map(Elements::from_iter).map_err(|error| Corrupt::new("a list of elements", bytes, error))
}

/// A list exactly as [`encode`] writes it, which is what a store returns unless it is broken: ascending, without
/// spaces. None for anything else, be it JSON or not.
fn decode_plain(bytes: &[u8]) -> Option<Elements> {
    let inner = bytes.strip_prefix(b"[")?.strip_suffix(b"]")?;
    let mut elements: Vec<u64> = Vec::with_capacity(inner.len() / 4);
    if inner.is_empty() {
        return Some(Elements(elements));
    }
    for digits in inner.split(|byte| *byte == b',') {
        let element = match digits {
            [b'0'] => 0,
            [b'1'..=b'9', ..] if digits.len() < DIGITS_MAX && digits.iter().all(u8::is_ascii_digit) => {
                digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
            }
            _ => return None,
        };
        if elements.last().is_some_and(|last| *last >= element) {
            return None;
        }
        elements.push(element);
    }
    Some(Elements(elements))
}

/// With fewer digits than this no number is too large.
const DIGITS_MAX: usize = 20;
/// The digits of most elements and a comma.
const ELEMENT_BYTES: usize = 6;

/// The bytes to store: a sorted JSON list.
pub fn encode(elements: &Elements) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(2 + ELEMENT_BYTES * elements.0.len());
    serde_json::to_writer(&mut bytes, &elements.0).expect("a list of numbers is always JSON");
    bytes
}

/// As histories show them: a sorted list.
pub fn to_value(elements: &Elements) -> Value {
    elements.0.iter().copied().collect()
}

/// Merges siblings; none is the empty collection.
pub fn union(siblings: impl IntoIterator<Item = Elements>) -> Elements {
    let mut siblings = siblings.into_iter();
    let first = siblings.next().unwrap_or_default();
    match siblings.next() {
        None => first,
        Some(second) => [first, second].into_iter().chain(siblings).flat_map(|sibling| sibling.0).collect(),
    }
}

/// The `read` operation: get, and merge what it returned.
pub(crate) async fn read(store: &dyn Store, node: &str, invocation: &Invocation) -> Completion {
    match fetch(store, node, invocation).await {
        Ok((elements, _)) => Completion::ok(to_value(&elements)),
        Err(completion) => completion,
    }
}

/// The `add` operation: get, merge, insert, put with the context.
pub(crate) async fn add(store: &dyn Store, node: &str, invocation: &Invocation, attempt: &Attempt) -> Completion {
    let insert = |mut elements: Elements, element| {
        elements.insert(element);
        Ok(elements)
    };
    update(store, node, invocation, attempt, insert).await
}

/// The `remove` operation: get, merge, take the item out, put with the context. Without the item there is nothing to
/// put: `fail`.
pub(crate) async fn remove(store: &dyn Store, node: &str, invocation: &Invocation, attempt: &Attempt) -> Completion {
    let take_out = |mut elements: Elements, item| match elements.remove(item) {
        true => Ok(elements),
        false => Err(invocation.fail("not in the cart")),
    };
    update(store, node, invocation, attempt, take_out).await
}

async fn update(
    store: &dyn Store,
    node: &str,
    invocation: &Invocation,
    attempt: &Attempt,
    change: impl FnOnce(Elements, u64) -> Result<Elements, Completion>,
) -> Completion {
    let changed = async {
        let element = invocation.argument()?;
        let (elements, context) = fetch(store, node, invocation).await?;
        Ok((change(elements, element)?, context))
    };
    match changed.await {
        Ok((elements, context)) => put(store, node, invocation, attempt, context.as_ref(), encode(&elements)).await,
        Err(completion) => completion,
    }
}

async fn fetch(
    store: &dyn Store,
    node: &str,
    invocation: &Invocation,
) -> Result<(Elements, Option<Context>), Completion> {
    let Versions { values, context } = get(store, node, invocation).await?;
    let siblings: Result<Vec<Elements>, Corrupt> = values.iter().map(|bytes| decode(bytes)).collect();
    let siblings = siblings.map_err(|corrupt| invocation.corrupt(&corrupt))?;
    Ok((union(siblings), context))
}
