//! The opaque context of the client API (4.1): what a read hands out and a write hands back.
//!
//! It is checked when it comes back: it must be whole, of a version known here, made by a cluster of the same
//! versioning and ring, and for the same key. Anything else is refused, because a wrong context taken for "nothing
//! seen" makes siblings, and taken at its word loses writes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::config::Versioning;
use crate::ids::NodeId;
use crate::ring::key_position;
use crate::versions::clock::VectorClock;
use crate::versions::{KeyState, TIMESTAMP_US_MAX, Version, VersionVector};

/// The first format had neither clock nor fastest replica; clients may still hold such contexts.
const FORMAT_1: u8 = 1;
const FORMAT: u8 = 2;
const CRC_BYTES: usize = 4;

/// What a context takes at most, as bytes: all but its pairs of node and counter, and each of these.
const ENVELOPE_BYTES: usize = 64;
const PAIR_BYTES: usize = 24;

/// The longest context that is looked at, as text.
pub const CONTEXT_CHARS_MAX: usize = 48 * 1024;

/// What a client has seen of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Context {
    /// The causal past.
    pub seen: VersionVector,
    /// The greatest timestamp seen, for last-write-wins.
    pub timestamp_max_us: Option<i64>,
    /// The clocks of all that was seen, merged, for vector clocks.
    pub clock: VectorClock,
    /// The replica that answered the read first: the one to coordinate the write (6.4). No part of the past.
    pub fastest: Option<NodeId>,
}

impl Context {
    /// What a reader of this state has seen.
    pub fn of(state: &KeyState) -> Self {
        Self { seen: state.context(), timestamp_max_us: state.timestamp_max_us(), clock: state.clock(), fastest: None }
    }

    /// Of somebody who knows one version alone.
    pub(crate) fn of_version(version: &Version) -> Self {
        let (seen, clock) = (version.past.with(version.dot), version.clock.clone());
        Self { seen, timestamp_max_us: Some(version.timestamp_us), clock, fastest: None }
    }

    /// Of somebody who has seen both.
    #[must_use]
    pub fn joined(mut self, other: &Self) -> Self {
        self.seen.join(&other.seen);
        self.clock.merge(&other.clock);
        self.timestamp_max_us = self.timestamp_max_us.max(other.timestamp_max_us);
        self
    }
}

/// Why a context is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContextError {
    /// Not something that a read returned.
    #[error("malformed context: {0}; hand back exactly what the read returned")]
    Malformed(&'static str),
    /// A context, but of another key, cluster or versioning.
    #[error("foreign context: it belongs to another {0}")]
    Foreign(&'static str),
}

#[derive(Serialize, Deserialize)]
struct Envelope<C> {
    key: u128,
    cluster: u64,
    versioning: Versioning,
    context: C,
}

/// A context of format 1.
#[derive(Serialize, Deserialize)]
struct Context1 {
    seen: VersionVector,
    timestamp_max_us: Option<i64>,
}

impl From<Context1> for Context {
    fn from(Context1 { seen, timestamp_max_us }: Context1) -> Self {
        Self { seen, timestamp_max_us, ..Self::default() }
    }
}

impl<C: DeserializeOwned> Envelope<C> {
    fn read(body: &[u8]) -> Result<Self, ContextError> {
        match postcard::take_from_bytes(body) {
            Ok((envelope, [])) => Ok(envelope),
            Ok(_) => Err(ContextError::Malformed("trailing bytes")),
            Err(_) => Err(ContextError::Malformed("cannot be decoded")),
        }
    }

    fn opened(self, key: &[u8], cluster: u64, versioning: Versioning) -> Result<C, ContextError> {
        if self.cluster != cluster {
            return Err(ContextError::Foreign("cluster"));
        }
        if self.key != key_position(key) {
            return Err(ContextError::Foreign("key"));
        }
        if self.versioning != versioning {
            return Err(ContextError::Foreign("versioning"));
        }
        Ok(self.context)
    }
}

impl Context {
    /// The text for a client.
    pub fn encode(&self, key: &[u8], cluster: u64, versioning: Versioning) -> String {
        let envelope = Envelope { key: key_position(key), cluster, versioning, context: self };
        let mut format = Vec::with_capacity(ENVELOPE_BYTES + PAIR_BYTES * (self.seen.len() + self.clock.pairs().len()));
        format.push(FORMAT);
        let mut bytes = postcard::to_extend(&envelope, format).expect("a context is plain data");
        let crc = crc32fast::hash(&bytes);
        bytes.extend(crc.to_le_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a client's text.
    ///
    /// # Errors
    /// When it is damaged, or was made for another key, cluster or versioning.
    pub fn decode(text: &str, key: &[u8], cluster: u64, versioning: Versioning) -> Result<Self, ContextError> {
        if text.len() > CONTEXT_CHARS_MAX {
            return Err(ContextError::Malformed("too long"));
        }
        let bytes = URL_SAFE_NO_PAD.decode(text.trim()).map_err(|_| ContextError::Malformed("not base64"))?;
        let context = match checked_body(&bytes)? {
            (FORMAT, body) => Envelope::<Self>::read(body)?.opened(key, cluster, versioning)?,
            (FORMAT_1, body) => Envelope::<Context1>::read(body)?.opened(key, cluster, versioning)?.into(),
            _ => return Err(ContextError::Malformed("unknown format")),
        };
        if context.timestamp_max_us > Some(TIMESTAMP_US_MAX) {
            return Err(ContextError::Malformed("a timestamp that no clock shows"));
        }
        Ok(context)
    }
}

/// The format and what is in it.
fn checked_body(bytes: &[u8]) -> Result<(u8, &[u8]), ContextError> {
    let (body, crc) = bytes.split_last_chunk::<CRC_BYTES>().ok_or(ContextError::Malformed("too short"))?;
    if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
        return Err(ContextError::Malformed("the checksum does not match"));
    }
    body.split_first().map(|(format, rest)| (*format, rest)).ok_or(ContextError::Malformed("too short"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::versions::clock::Pair;
    use crate::versions::{Actor, Dot};

    fn context() -> Context {
        let mut seen = VersionVector::default();
        seen.add(Dot { actor: Actor { node: NodeId(2), epoch: 77 }, counter: 5 });
        let mut clock = VectorClock::default();
        clock.set(Pair { node: NodeId(1), counter: 4, timestamp_us: -3 });
        Context { seen, timestamp_max_us: Some(12), clock, fastest: Some(NodeId(2)) }
    }

    /// What a client still holds that read before clocks and fastest replicas were carried.
    #[test]
    fn a_context_of_the_first_format_is_still_read() {
        let text = "AfO71sOehLHDqqmirKvk2tjkmQIJAAECTQUBGNySurA";
        let Context { seen, timestamp_max_us, .. } = context();
        let expected = Context { seen, timestamp_max_us, ..Context::default() };
        assert_eq!(Context::decode(text, b"k", 9, Versioning::Dvv), Ok(expected));
    }

    #[test]
    fn comes_back_as_it_was() {
        let text = context().encode(b"k", 9, Versioning::Dvv);
        assert_eq!(Context::decode(&text, b"k", 9, Versioning::Dvv), Ok(context()));
    }

    #[test]
    fn a_foreign_context_is_distinguished_from_a_malformed_one() {
        let text = context().encode(b"k", 9, Versioning::Dvv);
        let foreign = |key: &[u8], cluster, versioning| Context::decode(&text, key, cluster, versioning);
        assert_eq!(foreign(b"other", 9, Versioning::Dvv), Err(ContextError::Foreign("key")));
        assert_eq!(foreign(b"k", 8, Versioning::Dvv), Err(ContextError::Foreign("cluster")));
        assert_eq!(foreign(b"k", 9, Versioning::Lww), Err(ContextError::Foreign("versioning")));
    }

    #[test]
    fn every_damaged_character_is_noticed() {
        let text = context().encode(b"k", 9, Versioning::Dvv);
        for at in 0..text.len() {
            let mut damaged = text.clone().into_bytes();
            damaged[at] = if damaged[at] == b'A' { b'B' } else { b'A' };
            let damaged = String::from_utf8(damaged).expect("ascii");
            assert!(Context::decode(&damaged, b"k", 9, Versioning::Dvv).is_err(), "damage at {at} went unnoticed");
        }
        assert!(Context::decode("", b"k", 9, Versioning::Dvv).is_err());
        assert!(Context::decode("not a context!", b"k", 9, Versioning::Dvv).is_err());
    }
}
