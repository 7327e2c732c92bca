//! Who is whose neighbour: what the workload `broadcast` tells each node, as a suggestion. Every node can send to every other
//! one all the same.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How nodes are arranged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Topology {
    /// In a square, each beside four others at most
    #[default]
    Grid,
    /// One after the other
    Line,
    /// Everyone beside everyone
    Total,
    /// A tree in which each has two children
    Tree2,
    /// A tree in which each has three children
    Tree3,
    /// A tree in which each has four children
    Tree4,
}

impl Topology {
    /// The neighbours of each node, by name, as a message has them.
    pub(super) fn of(self, nodes: &[String]) -> Value {
        let named = |index: usize| {
            let neighbours = (0..nodes.len()).filter(|other| self.are_neighbours(index, *other, nodes.len()));
            (nodes[index].clone(), neighbours.map(|other| Value::from(nodes[other].clone())).collect())
        };
        Value::Object((0..nodes.len()).map(named).collect::<Map<String, Value>>())
    }

    fn are_neighbours(self, one: usize, other: usize, nodes: usize) -> bool {
        let (low, high) = (one.min(other), one.max(other));
        let is_child = |children: usize| high > 0 && (high - 1) / children == low;
        low != high
            && match self {
                Topology::Grid => {
                    let side = (1..).find(|side| side * side >= nodes).expect("there is a greater square");
                    high - low == side || (high - low == 1 && high % side != 0)
                }
                Topology::Line => high - low == 1,
                Topology::Total => true,
                Topology::Tree2 => is_child(2),
                Topology::Tree3 => is_child(3),
                Topology::Tree4 => is_child(4),
            }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(topology: Topology, nodes: usize) -> Value {
        topology.of(&(1..=nodes).map(|number| format!("n{number}")).collect::<Vec<_>>())
    }

    #[test]
    fn five_nodes_as_maelstrom_arranges_them() {
        let grid = json!({
            "n1": ["n2", "n4"], "n2": ["n1", "n3", "n5"], "n3": ["n2"], "n4": ["n1", "n5"], "n5": ["n2", "n4"]
        });
        assert_eq!(of(Topology::Grid, 5), grid);
        assert_eq!(of(Topology::Line, 3), json!({"n1": ["n2"], "n2": ["n1", "n3"], "n3": ["n2"]}));
        assert_eq!(of(Topology::Tree2, 4), json!({"n1": ["n2", "n3"], "n2": ["n1", "n4"], "n3": ["n1"], "n4": ["n2"]}));
    }

    #[test]
    fn each_is_its_neighbours_neighbour_and_all_are_reached() {
        for topology in Topology::value_variants() {
            for nodes in 1..=25 {
                let (mut reached, mut open) = (vec![false; nodes], vec![0]);
                while let Some(at) = open.pop() {
                    if !std::mem::replace(&mut reached[at], true) {
                        open.extend((0..nodes).filter(|other| topology.are_neighbours(at, *other, nodes)));
                    }
                }
                assert!(reached.into_iter().all(|is| is), "{topology:?} of {nodes}");
            }
        }
    }
}
