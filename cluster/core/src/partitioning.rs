//! How the circle of keys is to be divided among the nodes, and which divisions cannot work.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

/// How the circle of keys is divided among the nodes: the strategies of 6.2. With capacities, `tokens` is the mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Partitioning {
    /// Strategy 1: random tokens, which define the ranges.
    Random {
        /// T, a node.
        tokens: u32,
    },
    /// Strategy 2: random tokens, and equal ranges; a range lies on the first hosts met from its end on.
    FixedRanges {
        /// T, a node.
        tokens: u32,
        /// Q, of all nodes together.
        ranges: u32,
    },
    /// Strategy 3: equal ranges, each a token; nodes have equally many of them, at random places.
    EqualTokens {
        /// Q, of all nodes together.
        ranges: u32,
    },
}

impl Default for Partitioning {
    fn default() -> Self {
        Self::Random { tokens: 16 }
    }
}

/// Tokens of all nodes together, or ranges, at most: every node keeps an order of preference for each.
pub const RANGES_MAX: u32 = 1 << 16;

/// A division of the circle that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartitionError {
    /// Nobody to give a range to.
    #[error("a ring has at least one node")]
    NoNodes,
    /// Nodes without tokens own nothing.
    #[error("tokens must not be zero")]
    NoTokens,
    /// A range is owned whole.
    #[error("{ranges} ranges are too few for {nodes} nodes: take at least one range a node")]
    TooFewRanges {
        /// Q.
        ranges: u32,
        /// S.
        nodes: u16,
    },
    /// More than is kept in memory.
    #[error("{count} {what} in all are too many: {RANGES_MAX} is the most")]
    TooMany {
        /// `tokens` or `ranges`.
        what: &'static str,
        /// Of all nodes together.
        count: u64,
    },
    /// Capacities are all nodes' or none's.
    #[error("there are {given} capacities for {nodes} nodes: give one for each, or none")]
    Capacities {
        /// Capacities.
        given: usize,
        /// S.
        nodes: u16,
    },
    /// A node so small beside the others that it would own nothing.
    #[error(
        "node {node} (from 0) has capacity {capacity}, for which it gets none of the {total} tokens: give it more \
         capacity, or the ring more tokens"
    )]
    NoShare {
        /// Which node.
        node: usize,
        /// Its capacity.
        capacity: u32,
        /// Tokens of all nodes.
        total: u32,
    },
}

/// Tokens of each node, in proportion to its capacity, of as many as there would be were all equal.
///
/// # Errors
/// When nodes, tokens, ranges and capacities do not fit each other.
pub(crate) fn tokens_of_each(nodes: u16, how: Partitioning, capacities: &[u32]) -> Result<Vec<u32>, PartitionError> {
    if nodes == 0 {
        return Err(PartitionError::NoNodes);
    }
    let at_most = |count: u64, what| match u32::try_from(count) {
        Ok(count) if count <= RANGES_MAX => Ok(count),
        _ => Err(PartitionError::TooMany { what, count }),
    };
    let ranges_at_most = |ranges: u32| match ranges < u32::from(nodes) {
        true => Err(PartitionError::TooFewRanges { ranges, nodes }),
        false => at_most(u64::from(ranges), "ranges"),
    };
    let total = match how {
        Partitioning::Random { tokens: 0 } | Partitioning::FixedRanges { tokens: 0, .. } => {
            return Err(PartitionError::NoTokens);
        }
        Partitioning::Random { tokens } => at_most(u64::from(tokens) * u64::from(nodes), "tokens")?,
        Partitioning::FixedRanges { tokens, ranges } => {
            ranges_at_most(ranges)?;
            at_most(u64::from(tokens) * u64::from(nodes), "tokens")?
        }
        Partitioning::EqualTokens { ranges } => ranges_at_most(ranges)?,
    };
    share(nodes, total, capacities)
}

fn share(nodes: u16, total: u32, capacities: &[u32]) -> Result<Vec<u32>, PartitionError> {
    let given = capacities.len();
    if given != 0 && given != usize::from(nodes) {
        return Err(PartitionError::Capacities { given, nodes });
    }
    let equal = vec![1; usize::from(nodes)];
    let capacities = if given == 0 { &equal } else { capacities };
    let tokens = apportion(total, capacities);
    match tokens.iter().position(|&tokens| tokens == 0) {
        Some(node) => Err(PartitionError::NoShare { node, capacity: capacities[node], total }),
        None => Ok(tokens),
    }
}

/// By largest remainder: shares of equal weights differ by one at most, and the earlier ones are the larger.
fn apportion(total: u32, weights: &[u32]) -> Vec<u32> {
    let sum: u64 = weights.iter().copied().map(u64::from).sum();
    if sum == 0 {
        return vec![0; weights.len()];
    }
    let quota = |at: usize| u64::from(total) * u64::from(weights[at]);
    let mut shares: Vec<u32> = (0..weights.len()).map(|at| (quota(at) / sum) as u32).collect();
    let left = total - shares.iter().sum::<u32>();
    let mut by_remainder: Vec<usize> = (0..weights.len()).collect();
    by_remainder.sort_by_key(|&at| (Reverse(quota(at) % sum), at));
    for &at in by_remainder.iter().take(left as usize) {
        shares[at] += 1;
    }
    assert_eq!(shares.iter().sum::<u32>(), total, "shares add up to the whole");
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_go_by_weight_and_lose_nothing() {
        assert_eq!(apportion(10, &[1, 1, 1]), [4, 3, 3]);
        assert_eq!(apportion(8, &[1, 2, 1]), [2, 4, 2]);
        assert_eq!(apportion(RANGES_MAX, &[u32::MAX; 256]), [RANGES_MAX / 256; 256]);
        assert_eq!(apportion(5, &[0, 0]), [0, 0]);
    }
}
