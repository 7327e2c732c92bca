//! Versions of the peer protocol, and how two nodes find one that both speak: so a cluster is upgraded node by node,
//! and serves meanwhile.
//!
//! Every message travels in an [`Envelope`](crate::envelope::Envelope) that says in which version it is written, and
//! which is the newest that its sender speaks. There is no handshake that could be lost: a node that has heard nothing
//! of a peer speaks the oldest version it can, until it hears the peer's first message. A node that comes back with
//! another version is known by its first message too.
//!
//! ```text
//!   n1, upgraded ── written in 1, "I speak 2" ──► n2, not yet: reads 1
//!   n1           ◄─ written in 1, "I speak 1" ─── n2
//!   n2 is upgraded ...
//!   n1           ◄─ written in 1, "I speak 2" ─── n2: knows nothing of n1 yet
//!   n1           ── written in 2, "I speak 2" ──► n2
//! ```
//!
//! | version | what is new in it |
//! |---|---|
//! | 1 | everything else |
//! | 2 | `StoredAll`: the acknowledgements of one step; `StoreBuffered`: memory is enough; `Guard`, `Fence`, `Reap`: tombstones |
//!
//! A node speaks its own version and the one before; anything else it refuses.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A version of the peer protocol that this program knows; a node that is given one speaks it and the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Protocol(u8);

impl Protocol {
    /// The first.
    pub const OLDEST: Protocol = Protocol(1);
    /// The second.
    pub(crate) const SECOND: Protocol = Protocol(2);
    /// The latest.
    pub const NEWEST: Protocol = Self::SECOND;

    /// The version by its number.
    ///
    /// # Errors
    /// When this program does not know it.
    pub fn new(number: u8) -> Result<Self, UnknownProtocol> {
        let known = Self::OLDEST.0..=Self::NEWEST.0;
        if known.contains(&number) { Ok(Self(number)) } else { Err(UnknownProtocol(number)) }
    }

    /// Its number.
    pub fn number(self) -> u8 {
        self.0
    }

    /// The one after, if this program knows it.
    pub fn next(self) -> Option<Self> {
        Self::new(self.0 + 1).ok()
    }

    /// The one before, if there is one.
    pub fn previous(self) -> Option<Self> {
        Self::new(self.0 - 1).ok()
    }

    /// The number of the oldest version that a node of this one speaks: its neighbour's.
    pub fn oldest_spoken(self) -> u8 {
        self.previous().unwrap_or(self).0
    }

    /// Whether a node of this version speaks the other.
    ///
    /// # Errors
    /// Why not.
    pub fn check(self, version: u8) -> Result<(), VersionRefused> {
        let oldest = self.oldest_spoken();
        let speaks = (oldest..=self.0).contains(&version);
        if speaks { Ok(()) } else { Err(VersionRefused::NotSpoken { version, oldest, newest: self.0 }) }
    }
}

impl Default for Protocol {
    fn default() -> Self {
        Self::NEWEST
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Protocol> for u8 {
    fn from(protocol: Protocol) -> u8 {
        protocol.0
    }
}

impl TryFrom<u8> for Protocol {
    type Error = UnknownProtocol;
    fn try_from(number: u8) -> Result<Self, UnknownProtocol> {
        Self::new(number)
    }
}

/// The number given is no version's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown protocol version {0}: this program knows {old} to {new}", old = Protocol::OLDEST, new = Protocol::NEWEST)]
pub struct UnknownProtocol(pub u8);

/// Why a message is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VersionRefused {
    /// Written in a version that this node does not speak.
    #[error("protocol version {version} where this node speaks {oldest} to {newest}")]
    NotSpoken {
        /// That of the message.
        version: u8,
        /// The oldest that this node speaks.
        oldest: u8,
        /// The newest.
        newest: u8,
    },
    /// It says something that its version has no word for.
    #[error("a message of protocol version {since} in an envelope of version {version}")]
    TooNew {
        /// The version in which there first was such a message.
        since: u8,
        /// That of the envelope.
        version: u8,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_speaks_its_own_version_and_the_one_before() {
        let (one, two) = (Protocol::OLDEST, Protocol::NEWEST);
        assert_eq!((one.oldest_spoken(), two.oldest_spoken()), (1, 1));
        assert_eq!((one.next(), two.next(), one.previous()), (Some(two), None, None));
        assert_eq!([0, 1, 2].map(|version| one.check(version).is_ok()), [false, true, false]);
        assert_eq!([0, 1, 2, 3].map(|version| two.check(version).is_ok()), [false, true, true, false]);
        let why = two.check(9).expect_err("nobody speaks 9").to_string();
        assert_eq!(why, "protocol version 9 where this node speaks 1 to 2");
    }

    #[test]
    fn a_version_is_its_number_in_settings() {
        assert_eq!(serde_json::to_string(&Protocol::NEWEST).expect("plain data"), "2");
        assert_eq!(serde_json::from_str::<Protocol>("1").expect("known"), Protocol::OLDEST);
        let unknown = serde_json::from_str::<Protocol>("7").expect_err("not known").to_string();
        assert!(unknown.contains("unknown protocol version 7: this program knows 1 to 2"), "{unknown}");
    }
}
