//! Membership (4.8): who is told what, what is refused, and what everybody knows in the end.

mod common;

use cluster_core::api::{Failure, Members, NodeId, Reply, Request, Standing};
use cluster_core::config::Config;
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
