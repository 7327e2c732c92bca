//! Sets of 64 writes as words, and how they are carried along causal pasts.

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

/// The writes in a block: the bits of a word.
pub(super) const BLOCK: usize = 64;

/// The positions of the bits that are set.
pub(super) fn bits(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        (word != 0).then(|| {
            let bit = word.trailing_zeros() as usize;
            word &= word - 1;
            bit
        })
    })
}

/// The lowest `count` bits.
pub(super) fn low_bits(count: usize) -> u64 {
    if count >= BLOCK { u64::MAX } else { (1 << count) - 1 }
}

/// Adds to each write's word the words of its past.
pub(super) fn gather(components: &[Vec<usize>], past: &[&[u32]], words: &mut [u64]) {
    for component in components {
        let mut word = 0;
        for write in component {
            word |= past[*write].iter().fold(words[*write], |word, older| word | words[*older as usize]);
        }
        for write in component {
            words[*write] = word;
        }
    }
}

/// Carries `before` from each write to its past, the latest first; `own` has the bits of the writes themselves.
pub(super) fn down(components: &[Vec<usize>], past: &[&[u32]], own: &[u64], before: &mut [u64]) {
    for component in components.iter().rev() {
        let word = component.iter().fold(0, |word, write| word | before[*write]);
        let own_bits = component.iter().fold(0, |word, write| word | own[*write]);
        // Inside a cycle all see one another; whether one that is seen is older does not matter.
        for write in component {
            before[*write] = word;
        }
        for older in component.iter().flat_map(|write| past[*write]) {
            before[*older as usize] |= word | own_bits;
        }
    }
}

/// The strongly connected components, each after those that it leads to.
pub(crate) fn components(past: &[&[u32]]) -> Vec<Vec<usize>> {
    let edges = past.iter().map(|older| older.len()).sum();
    let mut graph: DiGraph<(), ()> = DiGraph::with_capacity(past.len(), edges);
    for _ in past {
        graph.add_node(());
    }
    for (write, older) in past.iter().enumerate() {
        for older in *older {
            graph.add_edge(NodeIndex::new(write), NodeIndex::new(*older as usize), ());
        }
    }
    kosaraju_scc(&graph).into_iter().map(|component| component.into_iter().map(NodeIndex::index).collect()).collect()
}
