//! How a row lies on disk, whatever the engine: `version u8 | crc32 u32 little-endian | value`.
//!
//! The checksum covers the key too, so a row that is damaged, or that turns up under another key, is noticed when the
//! node starts instead of being served.

use cluster_core::api::{Row, Table};

use super::{RowKey, StorageError};

const ROW_VERSION: u8 = 1;
const ROW_HEADER_BYTES: usize = 5;

/// A row as it was found: its value still has version and checksum.
pub(super) struct StoredRow {
    pub(super) key: Vec<u8>,
    pub(super) stored: Vec<u8>,
}

impl StoredRow {
    /// The row it is.
    ///
    /// # Errors
    /// When it is damaged.
    pub(super) fn check(self, table: Table) -> Result<Row, StorageError> {
        match decode(&self.key, &self.stored) {
            Ok(value) => Ok(Row { table, key: self.key, value }),
            Err(what) => Err(StorageError::Damaged { table, key: RowKey(self.key), what }),
        }
    }
}

/// What a table is called inside an engine.
pub(super) fn table_name(table: Table) -> &'static str {
    match table {
        Table::Data => "data",
        Table::Hints => "hints",
        Table::Meta => "meta",
    }
}

/// The row's framed value.
pub(super) fn encode(key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(ROW_HEADER_BYTES + value.len());
    stored.push(ROW_VERSION);
    stored.extend(checksum(key, value).to_le_bytes());
    stored.extend(value);
    stored
}

/// The value, or how the row can be seen to be damaged.
fn decode(key: &[u8], stored: &[u8]) -> Result<Vec<u8>, String> {
    let Some((&[version, c0, c1, c2, c3], value)) = stored.split_first_chunk::<ROW_HEADER_BYTES>() else {
        return Err(format!("{} bytes are too few for a row", stored.len()));
    };
    if version != ROW_VERSION {
        return Err(format!("row format {version} where this program knows {ROW_VERSION}"));
    }
    if u32::from_le_bytes([c0, c1, c2, c3]) != checksum(key, value) {
        return Err("the checksum does not match".to_owned());
    }
    Ok(value.to_vec())
}

fn checksum(key: &[u8], value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&(key.len() as u64).to_le_bytes());
    hasher.update(key);
    hasher.update(value);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_are_read_back_and_any_changed_bit_is_noticed(
            key in prop::collection::vec(any::<u8>(), 0..20),
            value in prop::collection::vec(any::<u8>(), 0..50),
            at in any::<prop::sample::Index>(),
            bit in 0u8..8,
        ) {
            let mut stored = encode(&key, &value);
            prop_assert_eq!(decode(&key, &stored), Ok(value));
            let at = at.index(stored.len());
            stored[at] ^= 1 << bit;
            prop_assert!(decode(&key, &stored).is_err());
        }
    }
}
