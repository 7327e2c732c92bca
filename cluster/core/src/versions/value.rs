//! A value on the wire and on disk: bytes in one piece.
//!
//! Left to itself serde takes a slice for a list, and asks the format to write each byte by itself. A format that has
//! bytes writes the same, but at once.

use std::fmt;
use std::sync::Arc;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

struct Owned(Arc<[u8]>);

impl<'de> Deserialize<'de> for Owned {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(BytesVisitor).map(Self)
    }
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Arc<[u8]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Arc::from(bytes))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = list.next_element()? {
            bytes.push(byte);
        }
        Ok(Arc::from(bytes))
    }
}

/// For `#[serde(with)]`.
pub(crate) fn serialize<S: Serializer>(value: &Option<Arc<[u8]>>, serializer: S) -> Result<S::Ok, S::Error> {
    value.as_deref().map(Bytes).serialize(serializer)
}

/// For `#[serde(with)]`.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<[u8]>>, D::Error> {
    Option::<Owned>::deserialize(deserializer).map(|value| value.map(|Owned(bytes)| bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Held {
        #[serde(with = "super")]
        value: Option<Arc<[u8]>>,
    }

    #[test]
    fn bytes_lie_as_a_list_of_them_always_did() {
        for value in [None, Some(Vec::new()), Some(vec![0, 127, 128, 255])] {
            let held = Held { value: value.clone().map(Arc::from) };
            let bytes = postcard::to_stdvec(&held).expect("plain data");
            assert_eq!(bytes, postcard::to_stdvec(&value).expect("plain data"), "rows written before can be read");
            assert_eq!(postcard::from_bytes::<Held>(&bytes).expect("it is whole"), held);
        }
    }
}
