//! A node starts from its own disk with settings that can work, or says why not. Damage is in `regressions.rs`.

mod common;

use cluster_core::api::{NodeId, Row};
use cluster_core::config::{Config, ConfigError};
use cluster_core::node::StartError;
use common::lone::*;
use common::*;

fn start(config: &Config, rows: Vec<Row>) -> Result<(), StartError> {
    Lone::start_on(config.clone(), rows, 7).map(|_| ())
}

#[test]
fn settings_that_can_never_work_are_refused() {
    let good = sloppy(3, (3, 2, 2));
    for ((n, r, w), refused) in [
        ((3, 3, 3), false),
        ((1, 1, 1), false),
        ((0, 1, 1), true),
        ((4, 2, 2), true),
        ((3, 0, 2), true),
        ((3, 2, 0), true),
        ((2, 3, 1), true),
        ((2, 1, 3), true),
    ] {
        let config = Config { n, r, w, ..good.clone() };
        assert_eq!(matches!(start(&config, vec![]), Err(StartError::Config(_))), refused, "n {n}, r {r}, w {w}");
    }
    for nodes in [0, 257] {
        let config = Config { names: (0..nodes).map(|i| i.to_string()).collect(), ..good.clone() };
        assert_eq!(start(&config, vec![]), Err(StartError::Config(ConfigError::Nodes(nodes))));
    }
}

#[test]
fn a_disk_of_another_node_or_ring_is_refused() {
    let own = sloppy(3, (3, 2, 2));
    let mut node = Lone::start(at(A, &own));
    node.request(put(b"k", b"v", None));
    node.sync();
    let rows = node.rows();
    assert_eq!(start(&at(A, &own), rows.clone()), Ok(()));
    let mut renamed = own.clone();
    renamed.names[0] = "other".into();
    let mut reseeded = own.clone();
    reseeded.ring_seed += 1;
    for (config, what) in [(at(B, &own), "a neighbour's"), (renamed, "a stranger's"), (reseeded, "another ring's")] {
        assert!(matches!(start(&config, rows.clone()), Err(StartError::Foreign { .. })), "{what}");
    }
    let error = start(&at(NodeId(1), &own), rows).expect_err("it is n1's").to_string();
    assert!(error.starts_with("the data directory belongs to node n1 of ring "), "{error}");
}

#[test]
fn a_node_finds_everything_again() {
    let mut node = Lone::start(sloppy(1, (1, 1, 1)));
    for key in 0..50u8 {
        node.request(put(&[key + 1], &[key], None));
    }
    node.sync();
    // But for the numbers of its messages, which go on from what was reserved.
    let rows = |node: &Lone| node.rows().into_iter().filter(|row| row.key != b"fences").collect::<Vec<_>>();
    let before = (node.node.status(), rows(&node));
    let mut node = node.restarted();
    node.sync();
    assert_eq!((node.node.status(), rows(&node)), before);
}
