//! Where keys live: consistent hashing with virtual nodes (4.2), and the preference list (4.3).
//!
//! The MD5 of a key is a point on a circle of 2^128. Every node owns several random tokens on it; a token owns the
//! range from the token before it (excluded) up to itself. Walking clockwise from a key and skipping nodes already
//! met gives every node once: the key's preference list, whose first N are its replicas.
//!
//! This is the paper's partition strategy 1: the tokens define the ranges. All replicas of a range are the same
//! nodes, so the range is also the unit of anti-entropy.

use md5::{Digest, Md5};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::api::NodeId;

/// An index into the ring's ranges, in the order of their tokens.
pub type RangeId = u32;

/// The token ring of a fixed membership.
#[derive(Clone, Debug)]
pub struct Ring {
    /// Sorted by position, no position twice.
    tokens: Vec<Token>,
    /// For each range, all nodes in order of preference.
    preference: Vec<Vec<NodeId>>,
}

#[derive(Clone, Copy, Debug)]
struct Token {
    position: u128,
    node: NodeId,
}

impl Ring {
    /// A ring of `nodes` nodes with `tokens` random tokens each; the same arguments give the same ring everywhere.
    pub fn new(nodes: u16, tokens: u32, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut ring = Vec::with_capacity(usize::from(nodes) * tokens as usize);
        for node in 0..nodes {
            for _ in 0..tokens.max(1) {
                ring.push(Token { position: random_position(&mut rng), node: NodeId(node) });
            }
        }
        ring.sort_by_key(|token| (token.position, token.node));
        ring.dedup_by_key(|token| token.position);
        let preference = (0..ring.len()).map(|start| distinct_nodes_from(&ring, start, usize::from(nodes))).collect();
        Self { tokens: ring, preference }
    }

    /// Every node once, the key's replicas first.
    pub fn preference_list(&self, key: &[u8]) -> &[NodeId] {
        self.range_preference(self.range_of(key))
    }

    /// The range that a key falls into.
    pub fn range_of(&self, key: &[u8]) -> RangeId {
        let position = key_position(key);
        let owner = self.tokens.partition_point(|token| token.position < position) % self.tokens.len();
        owner as RangeId
    }

    /// Every node once, the range's replicas first.
    pub fn range_preference(&self, range: RangeId) -> &[NodeId] {
        &self.preference[range as usize]
    }

    /// Equal for two rings iff they place every key alike (up to MD5 collisions).
    pub fn fingerprint(&self) -> u64 {
        let mut hash = Md5::new();
        for token in &self.tokens {
            hash.update(token.position.to_le_bytes());
            hash.update(token.node.0.to_le_bytes());
        }
        u128::from_le_bytes(hash.finalize().into()) as u64
    }

    /// How many ranges there are; ids run from 0.
    pub fn ranges(&self) -> RangeId {
        self.tokens.len() as RangeId
    }
}

/// The MD5 of the key as a point on the circle (4.2).
pub fn key_position(key: &[u8]) -> u128 {
    u128::from_be_bytes(Md5::digest(key).into())
}

fn random_position(rng: &mut ChaCha8Rng) -> u128 {
    (u128::from(rng.next_u64()) << 64) | u128::from(rng.next_u64())
}

/// Clockwise from a token, skipping nodes already met: virtual nodes never stand in for hosts.
fn distinct_nodes_from(tokens: &[Token], start: usize, count: usize) -> Vec<NodeId> {
    let mut nodes = Vec::with_capacity(count);
    for token in tokens[start..].iter().chain(&tokens[..start]) {
        if nodes.len() == count {
            break;
        }
        if !nodes.contains(&token.node) {
            nodes.push(token.node);
        }
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preference_list_names_every_node_once() {
        let ring = Ring::new(5, 32, 7);
        assert_eq!(ring.ranges(), 160);
        for range in 0..ring.ranges() {
            let mut nodes = ring.range_preference(range).to_vec();
            nodes.sort();
            assert_eq!(nodes, (0..5).map(NodeId).collect::<Vec<_>>());
        }
    }

    /// Three tokens in a row may belong to one host, and three copies on it are one copy.
    #[test]
    fn tokens_of_a_host_already_met_are_skipped() {
        let tokens: Vec<Token> = [0, 0, 1, 0, 0, 2, 1]
            .into_iter()
            .enumerate()
            .map(|(at, node)| Token { position: at as u128, node: NodeId(node) })
            .collect();
        let from = |start| distinct_nodes_from(&tokens, start, 3).iter().map(|node| node.0).collect::<Vec<_>>();
        assert_eq!((from(0), from(3), from(6)), (vec![0, 1, 2], vec![0, 2, 1], vec![1, 0, 2]));
    }

    #[test]
    fn a_fingerprint_tells_rings_apart() {
        let ring = Ring::new(3, 8, 1).fingerprint();
        assert_eq!(ring, Ring::new(3, 8, 1).fingerprint());
        for other in [Ring::new(4, 8, 1), Ring::new(3, 9, 1), Ring::new(3, 8, 2)] {
            assert_ne!(ring, other.fingerprint());
        }
    }

    #[test]
    fn a_token_owns_the_range_up_to_and_including_itself() {
        let ring = Ring::new(3, 4, 1);
        for (range, token) in ring.tokens.iter().enumerate() {
            let found = ring.tokens.partition_point(|t| t.position < token.position);
            assert_eq!(found, range, "a key exactly at a token belongs to that token");
            assert_eq!(ring.preference[range][0], token.node);
        }
    }

    #[test]
    fn a_key_behind_the_last_token_wraps_to_the_first() {
        let ring = Ring::new(2, 1, 3);
        let last = ring.tokens.last().expect("two tokens").position;
        let key = (0u32..).map(|i| i.to_be_bytes()).find(|key| key_position(key) > last).expect("some key lies behind");
        assert_eq!(ring.range_of(&key), 0);
    }

    #[test]
    fn virtual_nodes_even_out_the_load() {
        let ring = Ring::new(5, 64, 11);
        let mut load = [0u32; 5];
        for key in 0u32..10_000 {
            for node in &ring.preference_list(&key.to_be_bytes())[..3] {
                load[usize::from(node.0)] += 1;
            }
        }
        let max = f64::from(*load.iter().max().expect("five nodes"));
        assert!(6000.0 / max > 0.75, "load efficiency mean/max is {}", 6000.0 / max);
    }
}
