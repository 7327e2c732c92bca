//! Membership (4.8): who is told what, what is refused, and what everybody knows in the end.

mod common;

use std::time::Duration;

use cluster_core::api::{Failure, Members, NodeId, Reply, Request, Standing};
use cluster_core::config::{Config, Partitioning, Quorum};
use cluster_core::sim::World;
use common::lone::*;
use common::*;

/// Seats beyond the founders.
fn with_spares(founders: u16, seats: usize) -> Config {
    Config { members: Some(founders), ..sloppy(seats, (3, 2, 2)) }
}

fn join(node: NodeId) -> Request {
    Request::Join { node }
}

fn leave(node: NodeId) -> Request {
    Request::Leave { node }
}

fn members(world: &mut World, node: NodeId) -> Members {
    match call(world, node, Request::Members) {
        Reply::Members(members) => members,
        other => panic!("{other:?}"),
    }
}

fn standings(world: &mut World, node: NodeId) -> Vec<Standing> {
    members(world, node).seats.iter().map(|seat| seat.standing).collect()
}

#[test]
fn founders_are_members_and_spares_are_not() {
    use Standing::{Member, NoMember};
    let mut world = world(with_spares(3, 5), Default::default(), 1);
    for node in world.nodes() {
        assert_eq!(standings(&mut world, node), [Member, Member, Member, NoMember, NoMember]);
    }
}

#[test]
fn a_command_reaches_every_node_whichever_it_was_given_to() {
    for told in [A, D, E] {
        let mut world = world(with_spares(3, 5), Default::default(), 2);
        world.run_until(5 * SECOND);
        assert_eq!(call(&mut world, told, join(D)), Reply::Done, "told {told:?}");
        world.run_until(world.now_ns() + 15 * SECOND);
        let expected = members(&mut world, A);
        assert_eq!(expected.seats[3].version, 1);
        assert_ne!(expected.seats[3].standing, Standing::NoMember);
        for node in world.nodes() {
            assert_eq!(members(&mut world, node), expected, "told {told:?}, asked {node:?}");
        }
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_a_reason() {
    let mut world = world(with_spares(3, 5), Default::default(), 3);
    world.run_until(5 * SECOND);
    for (request, reason) in [
        (join(A), "n1 is a member already"),
        (leave(D), "n4 is no member"),
        (leave(A), "n1 cannot leave: n = 3 replicas need as many members"),
        (join(NodeId(9)), "there is no node 9 (from 0): the roster has 5 names"),
    ] {
        assert_eq!(call(&mut world, B, request), Reply::Failed(Failure::BadRequest(reason.into())));
    }
    world.crash(D);
    let Reply::Failed(Failure::Unavailable(why)) = call(&mut world, B, join(D)) else { panic!("n4 is down") };
    assert_eq!(why, "n4, which is to join, does not answer; nothing has changed");
    assert!(members(&mut world, B).history.is_empty());
}

/// An acknowledged command survives the crash of all.
#[test]
fn a_command_is_on_disk_before_it_is_acknowledged() {
    let mut world = world(with_spares(3, 4), Default::default(), 4);
    world.run_until(5 * SECOND);
    assert_eq!(call(&mut world, A, join(D)), Reply::Done);
    for node in world.nodes() {
        world.crash(node);
    }
    world.start(A).expect("it restarts");
    assert_eq!(members(&mut world, A).seats[3].version, 1);
}

/// With a faster gossip than the paper's, so that changes settle within a test.
fn lively(founders: u16, seats: usize) -> Config {
    let mut config = with_spares(founders, seats);
    config.timing.gossip_interval = Duration::from_millis(100);
    config
}

fn settle(world: &mut World, node: NodeId, standing: Standing) {
    let give_up = world.now_ns() + 60 * SECOND;
    while world.now_ns() < give_up {
        world.run_until(world.now_ns() + SECOND / 2);
        let all: Vec<Vec<Standing>> = world
            .nodes()
            .collect::<Vec<_>>()
            .into_iter()
            .filter(|seat| world.is_up(*seat))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|seat| standings(world, seat))
            .collect();
        if all.iter().all(|standings| standings[usize::from(node.0)] == standing) {
            return;
        }
    }
    panic!("{node:?} never becomes {standing:?}: {:?}", members(world, A));
}

/// Whose change is open asks the others what they know, and used to be told by chance only, when one of them happened to
/// gossip with it: a node that had restarted while it joined took half a minute, now and then more.
#[test]
fn regression_who_joins_was_not_answered_by_those_who_knew() {
    for seed in 0..10 {
        let mut config = with_spares(5, 6);
        config.seeds = vec![A];
        let mut world = world(config, Default::default(), seed);
        world.run_until(5 * SECOND);
        let joining = NodeId(5);
        assert_eq!(call(&mut world, A, join(joining)), Reply::Done);
        world.crash(joining);
        // Meanwhile all others learn of it, and tell it in vain.
        world.run_until(world.now_ns() + 30 * SECOND);
        world.start(joining).expect("it restarts");
        // Two phases, and for each a round of questions, which begins every second.
        world.run_until(world.now_ns() + 10 * SECOND);
        assert_eq!(standings(&mut world, joining)[5], Standing::Member, "seed {seed}");
    }
}

fn keys(count: u32) -> Vec<Vec<u8>> {
    (0..count).map(|key| format!("key-{key}").into_bytes()).collect()
}

fn write_all(world: &mut World, keys: &[Vec<u8>]) {
    for key in keys {
        assert_eq!(call(world, A, put(key, b"value", None)), Reply::Stored);
    }
    world.run_until(world.now_ns() + 2 * SECOND);
}

/// Who holds a key, hints not counted.
fn holders(world: &mut World, key: &[u8]) -> Vec<NodeId> {
    let nodes: Vec<NodeId> = world.nodes().collect();
    nodes.into_iter().filter(|node| !local(world, *node, key).is_empty()).collect()
}

fn assert_on_owners(world: &mut World, keys: &[Vec<u8>]) {
    for key in keys {
        let mut owners = world.node(A).expect("it is up").preference_list(key)[..3].to_vec();
        owners.sort();
        assert_eq!(holders(world, key), owners, "{key:?}");
    }
}

const STRATEGIES: [Partitioning; 3] = [
    Partitioning::Random { tokens: 16 },
    Partitioning::FixedRanges { tokens: 16, ranges: 64 },
    Partitioning::EqualTokens { ranges: 60 },
];

#[test]
fn a_node_joins_and_leaves_again_and_data_goes_where_it_belongs() {
    for partitioning in STRATEGIES {
        let config = Config { partitioning, ..without_anti_entropy(lively(4, 5)) };
        let (mut world, keys) = (world(config, Default::default(), 5), keys(200));
        write_all(&mut world, &keys);
        world.run_until(world.now_ns() + SECOND);
        assert_eq!(call(&mut world, B, join(E)), Reply::Done);
        settle(&mut world, E, Standing::Member);
        world.run_until(world.now_ns() + 5 * SECOND);
        assert_on_owners(&mut world, &keys);
        let held = world.node(E).expect("it is up").status().keys;
        assert!((60..180).contains(&held), "{held} of 600 copies are a fifth, {partitioning:?}");
        let sent: u64 =
            world.nodes().map(|node| metric(world.node(node).expect("up"), "transfer_keys_sent_total")).sum();
        assert_eq!(sent, held, "each row moved once, {partitioning:?}");
        assert_eq!(call(&mut world, C, leave(E)), Reply::Done);
        settle(&mut world, E, Standing::NoMember);
        world.run_until(world.now_ns() + 5 * SECOND);
        assert_on_owners(&mut world, &keys);
        assert_eq!(call(&mut world, E, leave(A)), Reply::Done, "a stranger hands it to a member");
        settle(&mut world, A, Standing::NoMember);
        world.run_until(world.now_ns() + 5 * SECOND);
        assert_eq!(values(&mut world, A, &keys[0]), [b"value".to_vec()], "a node that has left still serves clients");
        assert_eq!(call(&mut world, A, join(A)), Reply::Done, "and may come back");
        settle(&mut world, A, Standing::Member);
        world.run_until(world.now_ns() + 5 * SECOND);
        assert_on_owners(&mut world, &keys);
    }
}

/// One after the other, though two are told at the same time by different nodes.
#[test]
fn changes_made_at_the_same_time_are_carried_out_one_by_one() {
    let (mut world, keys) = (world(lively(4, 6), Default::default(), 6), keys(50));
    write_all(&mut world, &keys);
    world.network().set(unreliable());
    let told = [(A, join(E)), (B, join(NodeId(5))), (C, leave(D))];
    for (node, request) in told {
        world.request(node, request).expect("it is up");
    }
    for (node, standing) in [(E, Standing::Member), (NodeId(5), Standing::Member), (D, Standing::NoMember)] {
        settle(&mut world, node, standing);
    }
    world.network().set(Default::default());
    world.run_until(world.now_ns() + 10 * SECOND);
    assert_on_owners(&mut world, &keys);
    let history = members(&mut world, A).history;
    assert_eq!((history.len(), history.settled().len()), (3, 3));
}

/// A member that is down delays a change, and requests go on; one that sleeps through the end of it is not served, and
/// does not serve, until it has learnt.
#[test]
fn a_node_that_sleeps_through_a_change_learns_before_it_serves() {
    let config = Config { quorum: Quorum::Strict, ..lively(4, 5) };
    let (mut world, keys) = (world(config, Default::default(), 7), keys(30));
    write_all(&mut world, &keys);
    world.crash(B);
    assert_eq!(call(&mut world, A, join(E)), Reply::Done);
    world.run_until(world.now_ns() + 10 * SECOND);
    assert_eq!(standings(&mut world, A)[4], Standing::Joining, "not while B may not know");
    for key in &keys {
        // The first attempts may still be handed to B.
        let served = (0..10).any(|_| call(&mut world, A, put(key, b"more", None)) == Reply::Stored);
        assert!(served, "two of three replicas are there");
    }
    world.start(B).expect("it restarts");
    settle(&mut world, E, Standing::Member);
    world.pause(C);
    assert_eq!(call(&mut world, A, leave(D)), Reply::Done);
    world.run_until(world.now_ns() + 10 * SECOND);
    assert_eq!(standings(&mut world, A)[3], Standing::Leaving);
    world.resume(C);
    settle(&mut world, D, Standing::NoMember);
    world.run_until(world.now_ns() + 5 * SECOND);
    assert_on_owners(&mut world, &keys);
}

/// Under load, with crashes, partitions and loss: nothing acknowledged is lost, strict quorums read their writes, all
/// agree in the end, and every key lies with its owners alone.
#[test]
fn nothing_is_lost_while_nodes_join_and_leave() {
    let mut changes = 0;
    for seed in 0..24 {
        let quorum = if seed % 2 == 0 { Quorum::Strict } else { Quorum::Sloppy };
        let partitioning = STRATEGIES[seed as usize % 3];
        let config = Config { quorum, partitioning, ..lively(4, 6) };
        let findings = run_changing_sets(&config, seed, 20, Faults { clocks: false, ..ALL_FAULTS });
        assert!(findings.lost.is_empty(), "seed {seed}: lost {:?}", findings.lost);
        assert!(findings.unread.is_empty(), "seed {seed}: unread {:?}", findings.unread);
        assert!(findings.diverged.is_empty(), "seed {seed}: diverged {:?}", findings.diverged);
        assert!(findings.agree && findings.settled, "seed {seed}: {findings:?}");
        assert!(findings.misplaced.is_empty(), "seed {seed}: {:?}", findings.misplaced);
        changes += findings.changes;
    }
    assert!(changes > 12, "only {changes} changes: the test tests nothing");
}
