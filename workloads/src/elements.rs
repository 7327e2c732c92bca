//! The values of sets and carts: an unordered collection of numbers, stored as a JSON list, siblings merged by union.
//!
//! Union is the paper's business-logic reconciliation (DeCandia et al., SOSP 2007, section 6): commutative,
//! associative and idempotent, so the order in which clients merge siblings does not matter. An add is never lost;
//! a removed item may come back.

use serde_json::Value;

use crate::client::{Attempt, Completion, Operation};
use crate::meaning::{Corrupt, get, put};
use crate::store::{Context, Store, Versions};

/// A decoded value: numbers in ascending order, each once. A busy key has dozens of siblings, so merging them has to be
/// fast.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elements(Vec<u64>);

impl Elements {
    /// In ascending order.
    pub fn as_slice(&self) -> &[u64] {
        &self.0
    }

    /// Inserts an element, unless it is there.
    pub fn insert(&mut self, element: u64) {
        if let Err(at) = self.0.binary_search(&element) {
            self.0.insert(at, element);
        }
    }

    /// Removes an element, and returns whether it was there.
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
        // Each sibling is an ascending run; the stable sort detects such runs and merges them.
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

/// Reads a list exactly as [`encode`] writes it, which is what a correct store returns: ascending, without spaces. None
/// for anything else, even if it is valid JSON.
fn decode_plain(bytes: &[u8]) -> Option<Elements> {
    let inner = bytes.strip_prefix(b"[")?.strip_suffix(b"]")?;
    let mut elements: Vec<u64> = Vec::with_capacity(inner.len() / 4 + 1);
    if inner.is_empty() {
        return Some(Elements(elements));
    }
    let mut behind = 0;
    loop {
        let (element, end) = number(inner, behind)?;
        if elements.last().is_some_and(|last| *last >= element) {
            return None;
        }
        elements.push(element);
        match inner.get(end) {
            None => return Some(Elements(elements)),
            Some(b',') => behind = end + 1,
            Some(_) => return None,
        }
    }
}

/// The number that begins at `begin`, and its end. None if there is none, or it is not as [`encode`] writes it.
fn number(bytes: &[u8], begin: usize) -> Option<(u64, usize)> {
    let (mut number, mut end) = (0u64, begin);
    while let Some(digit) = bytes.get(end).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
        // A number that is too long wraps around, and is rejected below.
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
        end += 1;
    }
    let digits = end - begin;
    let is_plain = (1..DIGITS_MAX).contains(&digits) && (bytes[begin] != b'0' || digits == 1);
    is_plain.then_some((number, end))
}

/// A number with fewer digits than this fits into 64 bits.
const DIGITS_MAX: usize = 20;
/// The usual length of an element with its comma.
const ELEMENT_BYTES: usize = 6;

/// The bytes to store: a sorted JSON list.
pub fn encode(elements: &Elements) -> Vec<u8> {
    debug_assert!(elements.0.is_sorted_by(|a, b| a < b), "elements are in ascending order, each once");
    let mut bytes = Vec::with_capacity(2 + ELEMENT_BYTES * elements.0.len());
    bytes.push(b'[');
    for (index, element) in elements.0.iter().enumerate() {
        if index > 0 {
            bytes.push(b',');
        }
        write_number(&mut bytes, *element);
    }
    bytes.push(b']');
    bytes
}

fn write_number(bytes: &mut Vec<u8>, mut number: u64) {
    let (mut digits, mut first) = ([0; DIGITS_MAX], DIGITS_MAX);
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return bytes.extend_from_slice(&digits[first..]);
        }
    }
}

/// Appends an element to a list that [`encode`] wrote, where it is greater than all others. Most adds are of this kind,
/// and need not encode the whole list again.
fn encode_appended(mut bytes: Vec<u8>, element: u64) -> Vec<u8> {
    debug_assert!(bytes.starts_with(b"[") && bytes.ends_with(b"]"), "a list as `encode` writes it");
    bytes.reserve(1 + DIGITS_MAX);
    bytes.pop();
    if bytes.len() > 1 {
        bytes.push(b',');
    }
    write_number(&mut bytes, element);
    bytes.push(b']');
    bytes
}

/// The form used in histories: a sorted list.
pub fn to_value(elements: &Elements) -> Value {
    elements.0.iter().copied().collect()
}

/// Merges siblings. No siblings are the empty collection.
pub fn union(siblings: impl IntoIterator<Item = Elements>) -> Elements {
    let mut siblings = siblings.into_iter();
    let first = siblings.next().unwrap_or_default();
    match siblings.next() {
        None => first,
        Some(second) => [first, second].into_iter().chain(siblings).flat_map(|sibling| sibling.0).collect(),
    }
}

/// The `read` operation: get, and merge the siblings.
pub(crate) async fn read(store: &dyn Store, node: &str, operation: &Operation, attempt: &Attempt) -> Completion {
    match fetch(store, node, operation, attempt).await {
        Ok(Fetched { elements, .. }) => operation.ok(to_value(&elements)),
        Err(completion) => completion,
    }
}

/// The `add` operation: get, merge, insert, put with the context.
pub(crate) async fn add(store: &dyn Store, node: &str, operation: &Operation, attempt: &Attempt) -> Completion {
    let insert = |Fetched { mut elements, plain, .. }: Fetched, element| match plain {
        Some(bytes) if elements.0.last().is_none_or(|last| *last < element) => Ok(encode_appended(bytes, element)),
        _ => {
            elements.insert(element);
            Ok(encode(&elements))
        }
    };
    update(store, node, operation, attempt, insert).await
}

/// The `remove` operation: get, merge, remove the item, put with the context. If the item is not there, nothing is put:
/// `fail`.
pub(crate) async fn remove(store: &dyn Store, node: &str, operation: &Operation, attempt: &Attempt) -> Completion {
    let take_out = |Fetched { mut elements, .. }: Fetched, item| match elements.remove(item) {
        true => Ok(encode(&elements)),
        false => Err(operation.fail("not in the cart")),
    };
    update(store, node, operation, attempt, take_out).await
}

async fn update(
    store: &dyn Store,
    node: &str,
    operation: &Operation,
    attempt: &Attempt,
    change: impl FnOnce(Fetched, u64) -> Result<Vec<u8>, Completion>,
) -> Completion {
    let changed = async {
        let element = operation.argument()?;
        let mut fetched = fetch(store, node, operation, attempt).await?;
        let context = fetched.context.take();
        Ok((change(fetched, element)?, context))
    };
    match changed.await {
        Ok((bytes, context)) => put(store, node, operation, attempt, context.as_ref(), bytes).await,
        Err(completion) => completion,
    }
}

/// What a get returned.
struct Fetched {
    /// All siblings merged.
    elements: Elements,
    /// The bytes of the only sibling, if they are exactly as [`encode`] writes them.
    plain: Option<Vec<u8>>,
    context: Option<Context>,
}

async fn fetch(store: &dyn Store, node: &str, operation: &Operation, attempt: &Attempt) -> Result<Fetched, Completion> {
    let Versions { mut values, context } = get(store, node, operation, attempt).await?;
    if let [bytes] = &values[..]
        && let Some(elements) = decode_plain(bytes)
    {
        return Ok(Fetched { elements, plain: values.pop(), context });
    }
    Ok(Fetched { elements: union(operation.siblings(&values, decode)?), plain: None, context })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_appended_element_gives_the_encoding_of_the_longer_list() {
        let mut elements = Elements::default();
        for element in [0, 7, 10, 99, 100, u64::MAX] {
            let appended = encode_appended(encode(&elements), element);
            elements.insert(element);
            assert_eq!(appended, encode(&elements));
            assert_eq!(appended, serde_json::to_vec(&elements.0).expect("a list of numbers"));
        }
    }
}
