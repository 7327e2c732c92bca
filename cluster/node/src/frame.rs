//! A message on the wire: a length, two versions, a checksum, and the message.
//!
//! ```text
//!   0        4   5   6        10
//!   ├────────┼───┼───┼────────┼──────────────┐   length: bytes of the payload, u32 little-endian
//!   │ length │ v │ n │ crc32  │ payload      │   v: the version that the payload is written in; n: the newest
//!   └────────┴───┴───┴────────┴──────────────┘   that the sender speaks; crc32: of the payload, u32 little-endian
//! ```
//!
//! The payload is postcard. The first frame of a connection is a [`Hello`]; every later one is a message of the core.
//! A reader believes nothing: the version first (a later version may mean the rest differently), then the length,
//! before any memory is taken for it, then the checksum, then the payload, which must be used up to its last byte.

use bytes::{Buf, Bytes, BytesMut};
use cluster_core::api::NodeId;
use cluster_core::envelope::Envelope;
use cluster_core::protocol::{Protocol, VersionRefused};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Bytes of the largest payload: several siblings of the largest value fit.
pub const PAYLOAD_BYTES_MAX: usize = 8 << 20;

/// Bytes of length, versions and checksum.
pub const HEADER_BYTES: usize = 10;

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
    #[error(transparent)]
    Version(#[from] VersionRefused),
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

/// A payload that has been taken out of its frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framed {
    /// The version that it is written in.
    pub version: u8,
    /// The newest version that its sender speaks.
    pub newest: u8,
    /// Its bytes.
    pub payload: Bytes,
}

/// Makes the frame of a message.
///
/// # Errors
/// As [`encode`].
pub fn encode_message(envelope: &Envelope) -> Result<Vec<u8>, FrameError> {
    encode(envelope.version, envelope.newest, &envelope.message)
}

/// Reads a message.
///
/// # Errors
/// As [`decode`].
pub fn decode_message(framed: &Framed) -> Result<Envelope, FrameError> {
    let Framed { version, newest, .. } = *framed;
    Ok(Envelope { version, newest, message: decode(&framed.payload)? })
}

/// Makes one frame, of a payload that is written in `version` by a sender whose newest version is `newest`.
///
/// # Errors
/// [`FrameError::Oversized`], or [`FrameError::Payload`] when the value cannot be written as postcard.
pub fn encode<T: Serialize>(version: u8, newest: u8, value: &T) -> Result<Vec<u8>, FrameError> {
    let mut frame = postcard::to_extend(value, vec![0; HEADER_BYTES]).map_err(payload_error)?;
    let payload_bytes = frame.len() - HEADER_BYTES;
    if payload_bytes > PAYLOAD_BYTES_MAX {
        return Err(FrameError::Oversized(payload_bytes));
    }
    let length = u32::try_from(payload_bytes).map_err(|_| FrameError::Oversized(payload_bytes))?;
    let crc = crc32fast::hash(&frame[HEADER_BYTES..]);
    frame[0..4].copy_from_slice(&length.to_le_bytes());
    (frame[4], frame[5]) = (version, newest);
    frame[6..10].copy_from_slice(&crc.to_le_bytes());
    Ok(frame)
}

/// Takes the payload of the first whole frame out of `buffer`; none if more bytes must come first. `own` is the version
/// of this node.
///
/// # Errors
/// The bytes are no frame. Nothing after them can be trusted: the connection must end.
pub fn take(buffer: &mut BytesMut, own: Protocol) -> Result<Option<Framed>, FrameError> {
    let Some(header) = buffer.first_chunk::<HEADER_BYTES>() else {
        return Ok(None);
    };
    let [l0, l1, l2, l3, version, newest, c0, c1, c2, c3] = *header;
    own.check(version)?;
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
    Ok(Some(Framed { version, newest, payload }))
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
    use cluster_core::message::{Message, Tag};
    use proptest::prelude::*;

    use super::*;

    fn frames(values: &[Vec<u8>]) -> Vec<u8> {
        values.iter().flat_map(|value| encode(1, 2, value).expect("a small value fits")).collect()
    }

    #[test]
    fn the_bytes_on_the_wire_are_fixed() {
        let hello = Hello { cluster: 7, from: NodeId(2), version_min: 1, version_max: 1 };
        let payload = [7, 2, 1, 1];
        assert_eq!(encode(1, 2, &hello), Ok(framed(1, 2, &payload)));
    }

    /// What a node of each version says when it acknowledges: programs that are out there read these very bytes.
    #[test]
    fn both_versions_have_their_bytes() {
        let envelope = |version, message| Envelope { version, newest: 2, message };
        let one = envelope(1, Message::Stored { tag: Tag(300) });
        assert_eq!(encode_message(&one), Ok(framed(1, 2, &[1, 0xac, 2])));
        let two = envelope(2, Message::StoredAll { tags: vec![Tag(7), Tag(300)] });
        assert_eq!(encode_message(&two), Ok(framed(2, 2, &[16, 2, 7, 0xac, 2])));
        for envelope in [one, two] {
            let mut buffer = BytesMut::from(&encode_message(&envelope).expect("small")[..]);
            let taken = take(&mut buffer, Protocol::NEWEST).expect("spoken").expect("whole");
            assert_eq!(decode_message(&taken), Ok(envelope));
        }
    }

    fn framed(version: u8, newest: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![payload.len() as u8, 0, 0, 0, version, newest];
        frame.extend(crc32fast::hash(payload).to_le_bytes());
        frame.extend(payload);
        frame
    }

    #[test]
    fn a_version_is_refused_before_its_length_is_read() {
        let mut buffer = BytesMut::from(&[255, 255, 255, 255, 9, 9, 0, 0, 0, 0][..]);
        let refused = VersionRefused::NotSpoken { version: 9, oldest: 1, newest: 2 };
        assert_eq!(take(&mut buffer, Protocol::NEWEST), Err(FrameError::Version(refused)));
        let mut buffer = BytesMut::from(&encode(2, 2, &1u8).expect("small")[..]);
        assert!(matches!(take(&mut buffer, Protocol::OLDEST), Err(FrameError::Version(_))), "not its neighbour's");
    }

    #[test]
    fn an_oversized_length_is_refused_before_its_bytes_come() {
        let mut buffer = BytesMut::from(&[255, 255, 255, 255, 1, 1, 0, 0, 0, 0][..]);
        assert_eq!(take(&mut buffer, Protocol::NEWEST), Err(FrameError::Oversized(u32::MAX as usize)));
        assert!(buffer.capacity() < 1024);
    }

    #[test]
    fn an_oversized_value_is_not_sent() {
        let value = vec![0u8; PAYLOAD_BYTES_MAX];
        assert!(matches!(encode(1, 1, &value), Err(FrameError::Oversized(_))));
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
                while let Some(framed) = take(&mut buffer, Protocol::NEWEST)? {
                    read.push(decode(&framed.payload)?);
                }
            }
            prop_assert_eq!(read, values);
        }

        #[test]
        fn one_changed_payload_byte_is_noticed(
            value in prop::collection::vec(any::<u8>(), 1..100), at in any::<prop::sample::Index>(), bit in 0u8..8,
        ) {
            let mut frame = encode(1, 1, &value)?;
            let at = HEADER_BYTES + at.index(frame.len() - HEADER_BYTES);
            frame[at] ^= 1 << bit;
            prop_assert_eq!(take(&mut BytesMut::from(&frame[..]), Protocol::NEWEST), Err(FrameError::Checksum));
        }

        #[test]
        fn no_bytes_bring_a_reader_down(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut buffer = BytesMut::from(&bytes[..]);
            while let Ok(Some(framed)) = take(&mut buffer, Protocol::NEWEST) {
                let _ = decode::<Hello>(&framed.payload);
            }
            let _ = decode::<Hello>(&bytes);
        }
    }
}
