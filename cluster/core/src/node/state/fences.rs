//! The fences, and the reservation of message numbers, as they lie on disk.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::api::Now;
use crate::ids::NodeId;
use crate::message::Tag;
use crate::row::{self, DamagedRow, Row, RowWrite, Table};

const META_KEY: &[u8] = b"fences";

/// What waits for the fences to be durable waits for this key, which is no client's: theirs are not empty.
pub(crate) const FENCES_KEY: &[u8] = b"";

/// What a node keeps on disk of the order of messages.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Fences {
    /// The next life numbers its messages from here.
    pub tags_from: u64,
    /// The last message of each node that is dropped.
    pub last_dropped: BTreeMap<NodeId, Tag>,
    /// No version made from now on is older than this, microseconds since the Unix epoch: under last-write-wins a
    /// tombstone that still lies somewhere must not bury what is written where it has been reaped.
    pub timestamp_max_us: Option<i64>,
}

impl Fences {
    /// Reads them among the rows; none on a new disk.
    pub fn recover(rows: &[Row]) -> Result<Self, DamagedRow> {
        // One that has got under another key would else be taken for none.
        rows.iter().filter(|row| row.table == Table::Meta).try_for_each(row::check)?;
        let own = rows.iter().find(|row| row.table == Table::Meta && row.key == META_KEY);
        own.map_or_else(|| Ok(Self::default()), row::decode)
    }

    /// Where this life's tags begin.
    pub fn first_tag(&self, now: Now) -> u64 {
        self.tags_from.max(u64::try_from(now.wall_ns).unwrap_or(0))
    }

    /// The greatest timestamp of a version that was reaped, microseconds since the Unix epoch.
    pub fn timestamp_max_us(&self) -> Option<i64> {
        self.timestamp_max_us
    }

    /// The row that keeps it on disk.
    pub fn row(&self) -> RowWrite {
        RowWrite::meta(META_KEY, self)
    }
}
