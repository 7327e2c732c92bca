//! Rows in memory, and nowhere else: the end of the process is the end of them.
//!
//! "Durable on return" holds for as long as the process does. A cluster on this engine tolerates pauses and
//! partitions; a killed node comes back empty, as if its disk had been wiped.

use std::collections::BTreeMap;

use cluster_core::api::{Row, Table, Write};

use super::{StorageEngine, StorageError};

/// The engine without a disk.
#[derive(Debug, Default)]
pub struct MemoryEngine {
    rows: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
}

impl StorageEngine for MemoryEngine {
    fn load(&self) -> Result<Vec<Row>, StorageError> {
        let rows = self.rows.iter();
        Ok(rows.map(|((table, key), value)| Row { table: *table, key: key.clone(), value: value.clone() }).collect())
    }

    fn commit(&mut self, writes: &[Write]) -> Result<(), StorageError> {
        for Write { table, key, value } in writes {
            match value {
                Some(value) => self.rows.insert((*table, key.clone()), value.clone()),
                None => self.rows.remove(&(*table, key.clone())),
            };
        }
        Ok(())
    }
}
