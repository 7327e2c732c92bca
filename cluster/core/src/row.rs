//! How a row lies on disk: a format, a checksum, and plain data.
//!
//! ```text
//!   0   1        5
//!   ├───┼────────┼──────────────┐
//!   │ f │ crc32  │ body         │   f: the format; crc32 of table, row key and body, u32 little-endian; body: postcard
//!   └───┴────────┴──────────────┘
//! ```
//! The checksum covers where the row lies, so that a row that has got under another key is noticed too.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::versions::KeyState;

/// A table of the node's storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Table {
    /// Versions of keys this node is a replica of.
    Data,
    /// Versions kept for another node until it can be reached: the separate hint store (4.6).
    Hints,
    /// The node's own: identity, counters.
    Meta,
}

impl Table {
    /// Every table.
    pub const ALL: [Table; 3] = [Table::Data, Table::Hints, Table::Meta];
}

/// One row to write, in bytes; see [`RowWrite::encoded`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// Where.
    pub table: Table,
    /// The row's key.
    pub key: Vec<u8>,
    /// The row; none deletes it.
    pub value: Option<Vec<u8>>,
}

/// One row as found on disk at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where.
    pub table: Table,
    /// The row's key.
    pub key: Vec<u8>,
    /// The row.
    pub value: Vec<u8>,
}

/// What is held of one key in one place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyRow {
    pub state: KeyState,
    /// The last dot that this node made in this row: the epoch ends with the row, and the counter is remembered here
    /// because the versions that had the earlier ones may be superseded and gone.
    pub made: Option<Made>,
}

/// Names the last version that a node made in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Made {
    pub epoch: u64,
    pub counter: u64,
}

/// 1 had no vector clocks.
const ROW_FORMAT: u8 = 2;
const CRC_BYTES: usize = 4;

/// A row on disk that cannot be what this node wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "damaged row in table {table:?}, key {key:?}: {why}; \
         restore the node's data directory, start the node without its damaged rows, or start it empty"
)]
pub struct DamagedRow {
    table: Table,
    key: String,
    why: &'static str,
}

impl DamagedRow {
    pub(crate) fn new(table: Table, key: &[u8], why: &'static str) -> Self {
        Self { table, key: String::from_utf8_lossy(key).into_owned(), why }
    }
}

/// One row that a node has written. Its bytes are made when they are asked for: a simulated disk needs few of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowWrite {
    pub(crate) table: Table,
    pub(crate) key: Vec<u8>,
    /// None deletes it.
    pub(crate) body: Option<Body>,
}

/// What a row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// As bytes.
    Encoded(Vec<u8>),
    /// What is held of a key, yet to be encoded.
    Held(KeyRow),
}

impl RowWrite {
    /// Of a row of the node's own, which is small and seldom written.
    pub(crate) fn meta(key: &[u8], body: &impl Serialize) -> Self {
        let body = Some(Body::Encoded(encode(Table::Meta, key, body)));
        Self { table: Table::Meta, key: key.to_vec(), body }
    }

    pub(crate) fn held(table: Table, key: Vec<u8>, held: KeyRow) -> Self {
        Self { table, key, body: Some(Body::Held(held)) }
    }

    pub(crate) fn delete(table: Table, key: Vec<u8>) -> Self {
        Self { table, key, body: None }
    }

    /// The same in bytes.
    pub fn encoded(self) -> Write {
        let Self { table, key, body } = self;
        let value = body.map(|body| body.into_bytes(table, &key));
        Write { table, key, value }
    }
}

impl From<Write> for RowWrite {
    fn from(Write { table, key, value }: Write) -> Self {
        Self { table, key, body: value.map(Body::Encoded) }
    }
}

impl Body {
    /// The bytes of the row with this key.
    pub(crate) fn into_bytes(self, table: Table, key: &[u8]) -> Vec<u8> {
        match self {
            Body::Encoded(bytes) => bytes,
            Body::Held(held) => encode_with_room(table, key, &held, held.state.bytes()),
        }
    }
}

/// The bytes of a row.
fn encode<T: Serialize>(table: Table, key: &[u8], body: &T) -> Vec<u8> {
    encode_with_room(table, key, body, 0)
}

/// The same where it is known about how many bytes the body takes.
fn encode_with_room<T: Serialize>(table: Table, key: &[u8], body: &T, bytes: usize) -> Vec<u8> {
    let mut head = Vec::with_capacity(1 + CRC_BYTES + bytes);
    head.extend_from_slice(&[ROW_FORMAT, 0, 0, 0, 0]);
    let mut row = postcard::to_extend(body, head).expect("rows are plain data");
    let crc = checksum(table, key, &row[1 + CRC_BYTES..]);
    row[1..=CRC_BYTES].copy_from_slice(&crc.to_le_bytes());
    row
}

/// Whether the row is what was written there, whatever it says.
pub(crate) fn check(row: &Row) -> Result<(), DamagedRow> {
    body(row).map(|_| ())
}

/// What a row says.
pub(crate) fn decode<T: DeserializeOwned>(row: &Row) -> Result<T, DamagedRow> {
    match postcard::take_from_bytes(body(row)?) {
        Ok((decoded, [])) => Ok(decoded),
        _ => Err(DamagedRow::new(row.table, &row.key, "cannot be decoded")),
    }
}

/// The body of a row that is whole and lies where it was written.
pub(crate) fn body(row: &Row) -> Result<&[u8], DamagedRow> {
    let damaged = |why| DamagedRow::new(row.table, &row.key, why);
    let Some((&ROW_FORMAT, rest)) = row.value.split_first() else {
        return Err(damaged("unknown format"));
    };
    let (crc, body) = rest.split_first_chunk::<CRC_BYTES>().ok_or_else(|| damaged("too short"))?;
    if u32::from_le_bytes(*crc) != checksum(row.table, &row.key, body) {
        return Err(damaged("the checksum does not match"));
    }
    Ok(body)
}

fn checksum(table: Table, key: &[u8], body: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&[table as u8]);
    crc.update(&(key.len() as u64).to_le_bytes());
    crc.update(key);
    crc.update(body);
    crc.finalize()
}
