//! What a coordinating client and a node send each other over HTTP: one byte that names the format, then postcard.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::ids::NodeId;
use crate::membership::View;
use crate::versions::KeyState;

const FORMAT: u8 = 1;

/// Bytes of the longest body: the largest state that a node keeps, and its envelope.
pub const BODY_BYTES_MAX: usize = 5 << 20;

/// Not such a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Another format, or none.
    #[error("the body is of no format known here (this is format {FORMAT}): are client and node of one release?")]
    Format,
    /// Of this format, but damaged.
    #[error("the body is damaged")]
    Damaged,
}

/// The body of a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreBody {
    /// A whole state.
    pub state: KeyState,
    /// The replica that the receiver shall keep a hint for.
    pub hint_for: Option<NodeId>,
    /// In which the receiver was chosen.
    pub view: View,
}

/// The bytes of a body: a [`StoreBody`] one way, a [`KeyState`] or a history of the membership the other.
pub fn encode(body: &impl Serialize) -> Vec<u8> {
    postcard::to_extend(body, vec![FORMAT]).expect("bodies are plain data")
}

/// Reads a body.
///
/// # Errors
/// When the bytes are no such body, or more than one.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, WireError> {
    let Some((&FORMAT, body)) = bytes.split_first() else { return Err(WireError::Format) };
    match postcard::take_from_bytes(body) {
        Ok((value, [])) => Ok(value),
        _ => Err(WireError::Damaged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Versioning;
    use crate::versions::{Actor, Dot, Version, VersionVector};

    fn body() -> StoreBody {
        let dot = Dot { actor: Actor { node: NodeId(1), epoch: 2 }, counter: 3 };
        let mut state = KeyState::default();
        state.insert(
            Version {
                dot,
                past: VersionVector::default(),
                clock: Default::default(),
                timestamp_us: 4,
                value: Some([5, 6].into()),
            },
            Versioning::Lww,
        );
        StoreBody { state, hint_for: Some(NodeId(7)), view: View(8) }
    }

    #[test]
    fn a_body_survives_and_its_bytes_are_pinned() {
        let bytes = encode(&body());
        assert_eq!(bytes, [1, 1, 1, 2, 3, 0, 0, 8, 1, 2, 5, 6, 1, 7, 8]);
        assert_eq!(decode(&bytes), Ok(body()));
    }

    #[test]
    fn what_is_cut_short_too_long_or_of_another_format_is_refused() {
        let bytes = encode(&body());
        for length in 1..bytes.len() {
            assert_eq!(decode::<StoreBody>(&bytes[..length]), Err(WireError::Damaged), "{length}");
        }
        assert_eq!(decode::<StoreBody>(&[bytes.clone(), vec![0]].concat()), Err(WireError::Damaged));
        assert_eq!(decode::<StoreBody>(&[]), Err(WireError::Format));
        assert_eq!(decode::<StoreBody>(&[&[2], &bytes[1..]].concat()), Err(WireError::Format));
    }
}
