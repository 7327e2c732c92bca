//! Disks that fail, tear, rot or are emptied: the node ends, refuses or starts anew, and what the others hold comes back.

mod common;

use cluster_core::api::{Reply, Table};
use cluster_core::config::{Config, Quorum, Versioning};
use cluster_core::node::StartError;
use cluster_core::sim::disk::DiskSettings;
use cluster_core::sim::{Answer, World};
use common::lone::*;
use common::*;

fn five(quorum: Quorum) -> Config {
    config(5, (3, 2, 2), quorum, Versioning::Dvv)
}

/// Three nodes that hold everything, with a version of each key.
fn filled(keys: u8) -> World {
    let mut world = world(config(3, (3, 2, 2), Quorum::Sloppy, Versioning::Dvv), Default::default(), 1);
    for key in 0..keys {
        assert_eq!(call(&mut world, A, put(&[key], b"v", None)), Reply::Stored);
    }
    world.run_until(world.now_ns() + 5 * SECOND);
    world
}

#[test]
fn a_failed_sync_ends_the_node_and_acknowledges_nothing() {
    let mut world = filled(1);
    world.fail_syncs(A, true);
    let request = world.send_request(A, put(b"k", b"v", None)).expect("it is up");
    world.run_until(world.now_ns() + SECOND);
    assert_eq!(world.take_answer(request), Some(Answer::ConnectionLost), "neither stored nor failed");
    assert!(!world.is_up(A), "it does not go on with a disk that has failed it");
    assert_eq!(world.disk_counters(A).failed_syncs, 1, "and does not try again");
    world.start(A).expect("its disk can be read");
    world.run_until(world.now_ns() + SECOND);
    assert!(!world.is_up(A), "the first batch of its new life fails as well");
    world.fail_syncs(A, false);
    world.start(A).expect("its disk can be read");
    assert_eq!(call(&mut world, A, put(b"k", b"v", None)), Reply::Stored);
}

/// With every hundredth sync failing, and each failure ending a node until somebody starts it.
#[test]
fn disks_that_fail_now_and_then_lose_nothing_acknowledged() {
    let mut acknowledged = 0;
    for (seed, quorum) in (0..20).flat_map(|seed| [(seed, Quorum::Sloppy), (seed, Quorum::Strict)]) {
        let disk = DiskSettings { sync_failure: 0.01, ..DiskSettings::default() };
        let found = run_sets_on(disk, &five(quorum), seed, 20, ALL_FAULTS);
        let clean = found.lost.is_empty() && found.diverged.is_empty() && found.unread.is_empty();
        assert!(clean, "{quorum:?}, seed {seed}: {found:?}");
        acknowledged += found.acknowledged;
    }
    assert!(acknowledged > 2_000, "only {acknowledged} acknowledged: too little to have shown anything");
}

#[test]
fn a_node_with_rotten_rows_says_so_and_comes_back_without_them() {
    let mut world = filled(40);
    assert_eq!(world.node(B).expect("it is up").status().keys, 40);
    world.crash(B);
    world.rot(B, 7);
    assert_eq!(world.disk_counters(B).rotten_rows, 7);
    let error = world.start(B).expect_err("a damaged row is not taken for a good one");
    assert!(matches!(error, StartError::Damaged(_)), "{error}");
    assert!(error.to_string().contains("start the node without its damaged rows"), "{error}");
    let dropped = world.start_without_damaged(B).expect("the rest of the disk is sound");
    assert_eq!(dropped.len(), 7);
    assert!(dropped.iter().all(|row| row.to_string().starts_with("damaged row in table Data")), "{dropped:?}");
    let node = world.node(B).expect("it is up");
    assert_eq!((node.status().keys, metric(node, "damaged_rows_dropped_total")), (33, 7));
    world.run_until(world.now_ns() + 30 * SECOND);
    for key in 0..40 {
        assert_eq!(local(&mut world, B, &[key]), local(&mut world, A, &[key]), "key {key}");
    }
    world.crash(B);
    world.start(B).expect("the damage is gone for good");
}

/// The row remembered how far its actor had counted. Without it the actor is at its end: the same dot made again would
/// be taken for what the others have seen of it.
#[test]
fn what_is_written_in_place_of_a_damaged_row_has_a_new_actor() {
    let config = sloppy(3, (1, 1, 1));
    let key = key_where(&config, "k", |list| list[0] == A);
    let mut node = Lone::start(config.clone());
    node.request(put(&key, b"one", None));
    node.sync();
    let id_of = |node: &mut Lone| {
        let id = node.request(get_local(&key));
        let Some(Reply::Local { versions }) = node.reply(id).cloned() else { panic!("it is there") };
        versions.into_iter().map(|version| version.id).collect::<Vec<_>>()
    };
    let before = id_of(&mut node);
    let mut rows = node.rows();
    let row = rows.iter_mut().find(|row| row.table == Table::Data).expect("the row");
    row.value[9] ^= 1;
    let mut node = Lone::start_without_damaged(config, rows, 7).expect("it starts");
    node.sync();
    assert!(node.rows().iter().all(|row| row.table == Table::Meta), "the damaged row is deleted");
    node.request(put(&key, b"two", None));
    node.sync();
    let after = id_of(&mut node);
    assert!(after.len() == 1 && before.len() == 1 && after != before, "{before:?}, then {after:?}");
}

#[test]
fn a_damaged_identity_cannot_be_started_without() {
    let mut node = Lone::start(sloppy(3, (1, 1, 1)));
    node.sync();
    let mut rows = node.rows();
    rows[0].value[9] ^= 1;
    let started = Lone::start_without_damaged(node.config.clone(), rows, 7).map(|_| ());
    assert!(matches!(started, Err(StartError::Damaged(_))), "{started:?}");
}

/// A replica's disk is emptied while its neighbours hold everything; then the next one's, once the first is whole again.
#[test]
fn wiped_nodes_are_refilled_one_after_the_other() {
    let mut world = filled(40);
    for node in [A, B, C] {
        world.crash(node);
        world.wipe(node);
        assert!(world.disk_counters(node).wiped_rows > 40);
        world.start(node).expect("an empty disk is anybody's");
        world.run_until(world.now_ns() + 30 * SECOND);
        assert_eq!(world.node(node).expect("it is up").status().keys, 40, "{node:?}");
    }
}
