//! A message on the wire: a length, a version, a checksum, and the message.
//!
//! ```text
//!   0        4   5        9
//!   ├────────┼───┼────────┼──────────────┐
//!   │ length │ v │ crc32  │ payload      │   length: bytes of the payload, u32 little-endian
//!   └────────┴───┴────────┴──────────────┘   crc32: of the payload, u32 little-endian
//! ```
//!
//! The payload is postcard. The first frame of a connection is a [`Hello`]; every later one is a message of the core.
//! A reader believes nothing: the version first (a later version may mean the rest differently), then the length,
//! before any memory is taken for it, then the checksum, then the payload, which must be used up to its last byte.

use bytes::{Buf, Bytes, BytesMut};
use cluster_core::api::NodeId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The version of the peer protocol that this node speaks.
pub const PROTOCOL_VERSION: u8 = 1;

/// Bytes of the largest payload: several siblings of the largest value fit.
pub const PAYLOAD_BYTES_MAX: usize = 8 << 20;

/// Bytes of length, version and checksum.
pub const HEADER_BYTES: usize = 9;

/// What a connection says first: who is at the other end, and what it speaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The cluster, by the seed of its ring: nodes of two clusters never mix.
    pub cluster: u64,
    /// The sender.
    pub from: NodeId,
    /// The oldest version that the sender can speak.
    pub version_min: u8,
    /// The newest version that the sender can speak.
    pub version_max: u8,
}

/// Bytes that are no frame of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Another version of the protocol, or no frame at all.
    #[error("protocol version {0} where this node speaks {PROTOCOL_VERSION}")]
    Version(u8),
    /// Longer than any frame may be.
    #[error("a frame of {0} bytes where {PAYLOAD_BYTES_MAX} is the most")]
    Oversized(usize),
    /// Damaged on its way.
    #[error("the checksum does not match")]
    Checksum,
    /// A sound frame with contents that mean nothing.
    #[error("the payload is not understood: {0}")]
    Payload(String),
}

/// Makes one frame.
///
/// # Errors
/// [`FrameError::Oversized`], or [`FrameError::Payload`] when the value cannot be written as postcard.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, FrameError> {
    let mut frame = postcard::to_extend(value, vec![0; HEADER_BYTES]).map_err(payload_error)?;
    let payload_bytes = frame.len() - HEADER_BYTES;
    if payload_bytes > PAYLOAD_BYTES_MAX {
        return Err(FrameError::Oversized(payload_bytes));
    }
    let length = u32::try_from(payload_bytes).map_err(|_| FrameError::Oversized(payload_bytes))?;
    let crc = crc32fast::hash(&frame[HEADER_BYTES..]);
    frame[0..4].copy_from_slice(&length.to_le_bytes());
    frame[4] = PROTOCOL_VERSION;
    frame[5..9].copy_from_slice(&crc.to_le_bytes());
    Ok(frame)
}

/// Takes the payload of the first whole frame out of `buffer`; none if more bytes must come first.
///
/// # Errors
/// The bytes are no frame. Nothing after them can be trusted: the connection must end.
pub fn take(buffer: &mut BytesMut) -> Result<Option<Bytes>, FrameError> {
    let Some(header) = buffer.first_chunk::<HEADER_BYTES>() else {
        return Ok(None);
    };
    let [l0, l1, l2, l3, version, c0, c1, c2, c3] = *header;
    if version != PROTOCOL_VERSION {
        return Err(FrameError::Version(version));
    }
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if length > PAYLOAD_BYTES_MAX {
        return Err(FrameError::Oversized(length));
    }
    if buffer.len() < HEADER_BYTES + length {
        return Ok(None);
    }
    buffer.advance(HEADER_BYTES);
    let payload = buffer.split_to(length).freeze();
    if crc32fast::hash(&payload) != u32::from_le_bytes([c0, c1, c2, c3]) {
        return Err(FrameError::Checksum);
    }
    Ok(Some(payload))
}

/// Reads a payload, all of it.
///
/// # Errors
/// [`FrameError::Payload`] when it is not what was expected, or when bytes are left over.
pub fn decode<T: DeserializeOwned>(payload: &[u8]) -> Result<T, FrameError> {
    let (value, rest) = postcard::take_from_bytes(payload).map_err(payload_error)?;
    if !rest.is_empty() {
        return Err(FrameError::Payload(format!("{} bytes are left over", rest.len())));
    }
    Ok(value)
}

fn payload_error(error: postcard::Error) -> FrameError {
    FrameError::Payload(error.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames(values: &[Vec<u8>]) -> Vec<u8> {
        values.iter().flat_map(|value| encode(value).expect("a small value fits")).collect()
    }

    #[test]
    fn the_bytes_on_the_wire_are_fixed() {
        let hello = Hello { cluster: 7, from: NodeId(2), version_min: 1, version_max: 1 };
        let payload = [7, 2, 1, 1];
        let mut expected = vec![4, 0, 0, 0, 1];
        expected.extend(crc32fast::hash(&payload).to_le_bytes());
        expected.extend(payload);
        assert_eq!(encode(&hello), Ok(expected));
    }

    #[test]
    fn a_version_is_refused_before_its_length_is_read() {
        let mut buffer = BytesMut::from(&[255, 255, 255, 255, 9, 0, 0, 0, 0][..]);
        assert_eq!(take(&mut buffer), Err(FrameError::Version(9)));
    }

    #[test]
    fn an_oversized_length_is_refused_before_its_bytes_come() {
        let mut buffer = BytesMut::from(&[255, 255, 255, 255, PROTOCOL_VERSION, 0, 0, 0, 0][..]);
        assert_eq!(take(&mut buffer), Err(FrameError::Oversized(u32::MAX as usize)));
        assert!(buffer.capacity() < 1024);
    }

    #[test]
    fn an_oversized_value_is_not_sent() {
        let value = vec![0u8; PAYLOAD_BYTES_MAX];
        assert!(matches!(encode(&value), Err(FrameError::Oversized(_))));
    }

    #[test]
    fn a_payload_must_be_used_up() {
        assert!(matches!(decode::<u8>(&[1, 2]), Err(FrameError::Payload(_))));
    }

    proptest! {
        #[test]
        fn frames_come_out_whole_however_they_are_cut(
            values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..6),
            cut in 1usize..64,
        ) {
            let mut buffer = BytesMut::new();
            let mut read: Vec<Vec<u8>> = Vec::new();
            for piece in frames(&values).chunks(cut) {
                buffer.extend_from_slice(piece);
                while let Some(payload) = take(&mut buffer)? {
                    read.push(decode(&payload)?);
                }
            }
            prop_assert_eq!(read, values);
        }

        #[test]
        fn one_changed_payload_byte_is_noticed(
            value in prop::collection::vec(any::<u8>(), 1..100), at in any::<prop::sample::Index>(), bit in 0u8..8,
        ) {
            let mut frame = encode(&value)?;
            let at = HEADER_BYTES + at.index(frame.len() - HEADER_BYTES);
            frame[at] ^= 1 << bit;
            prop_assert_eq!(take(&mut BytesMut::from(&frame[..])), Err(FrameError::Checksum));
        }

        #[test]
        fn no_bytes_bring_a_reader_down(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut buffer = BytesMut::from(&bytes[..]);
            while let Ok(Some(payload)) = take(&mut buffer) {
                let _ = decode::<Hello>(&payload);
            }
            let _ = decode::<Hello>(&bytes);
        }
    }
}
