//! What a node knows of the membership, and the commands under way.

use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::ops::Origin;
use crate::config::Config;
use crate::ids::NodeId;
use crate::membership::{History, View};
use crate::message::{Command, Tag};
use crate::partitioning::Partitioning;
use crate::ring::Ring;
use crate::row::{self, DamagedRow, Row, RowWrite, Table};

const META_KEY: &[u8] = b"membership";

/// What a node knows of the membership.
#[derive(Debug)]
pub(crate) struct Membership {
    /// What is on disk, and so what the node goes by.
    pub history: History,
    /// Where keys live by it.
    pub view: View,
    /// What will be on disk when the persists under way have completed.
    pub writing: History,
    /// What the node would bring as a new member: chosen at its first start.
    pub tokens: Vec<u128>,
    /// The digests that peers last said they have on their disks.
    pub known: BTreeMap<NodeId, u64>,
    /// Peers to inform of the next history that is believed.
    pub to_inform: BTreeSet<NodeId>,
    /// A node on an empty disk may have forgotten what it once knew. It takes no commands until a peer has sent its history.
    pub is_informed: bool,
    /// With the bug `seeds-ignored`: who has not answered, and has not gossiped since.
    pub struck: BTreeSet<NodeId>,
}

/// As it lies on disk.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    tokens: Vec<u128>,
    history: History,
}

/// A command that is being carried out, or has been handed to a member.
#[derive(Debug)]
pub(crate) struct CommandOp {
    pub origin: Origin,
    pub command: Command,
    pub tags: Vec<Tag>,
    pub deadline_ns: u64,
}

impl Membership {
    /// Reads it among the rows of a node.
    pub fn recover(rows: &[Row], config: &Config) -> Result<Self, DamagedRow> {
        // A row that has got under another key would else be taken for missing, and a membership for never changed.
        for row in rows.iter().filter(|row| row.table == Table::Meta) {
            row::body(row)?;
        }
        let own = rows.iter().find(|row| row.table == Table::Meta && row.key == META_KEY);
        let record = match own {
            Some(row) => row::decode(row)?,
            None => Record { tokens: own_tokens(config), history: History::default() },
        };
        Ok(Self {
            view: record.history.view(),
            writing: record.history.clone(),
            history: record.history,
            tokens: record.tokens,
            known: BTreeMap::new(),
            to_inform: BTreeSet::new(),
            is_informed: own.is_some() || config.names.len() == 1,
            struck: BTreeSet::new(),
        })
    }

    /// The row that keeps this history on disk.
    pub fn row(&self, history: &History) -> RowWrite {
        let record = Record { tokens: self.tokens.clone(), history: history.clone() };
        RowWrite::meta(META_KEY, &record)
    }

    /// Nothing that is known is still on its way to disk.
    pub fn is_quiet(&self) -> bool {
        self.writing == self.history
    }

    /// Whether a node is known to have exactly this history on its disk.
    pub fn knows(&self, node: NodeId, me: NodeId) -> bool {
        node == me || self.known.get(&node) == Some(&self.history.digest())
    }
}

/// Where a node stands on the circle as a member: a founder where it has always stood, others at random. Where tokens
/// are taken over from the others (strategy 3) it brings none.
fn own_tokens(config: &Config) -> Vec<u128> {
    let founders = u64::from(config.founders());
    let tokens = match config.partitioning {
        Partitioning::EqualTokens { .. } => return Vec::new(),
        Partitioning::Random { tokens } | Partitioning::FixedRanges { tokens, .. } => u64::from(tokens),
    };
    // Settings that make no ring have been refused before.
    let founding = Ring::founding_tokens(config).unwrap_or_default();
    if !founding.is_empty() {
        return founding;
    }
    // As many as a founder of this capacity would have.
    let capacities = (0..config.founders()).map(|node| u64::from(config.capacity(NodeId(node)))).sum::<u64>().max(1);
    let count = (tokens * founders * u64::from(config.capacity(config.id))).div_ceil(capacities).max(1);
    let mut rng = ChaCha8Rng::seed_from_u64(config.ring_seed ^ config.seed.rotate_left(17) ^ u64::from(config.id.0));
    (0..count).map(|_| (u128::from(rng.next_u64()) << 64) | u128::from(rng.next_u64())).collect()
}
