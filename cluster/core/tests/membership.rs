//! Membership (4.8): how commands spread, what is refused, and what every node knows in the end.

mod common;

use std::time::Duration;

use cluster_core::api::{Failure, MemberStatus, Members, NodeId, Reply, Request};
use cluster_core::bug::Bug;
use cluster_core::config::{Config, Partitioning, Quorum};
use cluster_core::membership::View;
use cluster_core::message::{Message, Tag};
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

fn statuses(world: &mut World, node: NodeId) -> Vec<MemberStatus> {
    members(world, node).seats.iter().map(|seat| seat.status).collect()
}

#[test]
fn founders_are_members_and_spares_are_not() {
    use MemberStatus::{Member, NoMember};
    let mut world = world(with_spares(3, 5), Default::default(), 1);
    for node in world.nodes() {
        assert_eq!(statuses(&mut world, node), [Member, Member, Member, NoMember, NoMember]);
    }
}

#[test]
fn a_command_reaches_every_node_whichever_it_was_given_to() {
    for asked in [A, D, E] {
        let mut world = world(with_spares(3, 5), Default::default(), 2);
        world.run_until(5 * SECOND);
        assert_eq!(call(&mut world, asked, join(D)), Reply::Done, "asked {asked:?}");
        world.run_until(world.now_ns() + 15 * SECOND);
        let expected = members(&mut world, A);
        assert_eq!(expected.seats[3].version, 1);
        assert_ne!(expected.seats[3].status, MemberStatus::NoMember);
        for node in world.nodes() {
            assert_eq!(members(&mut world, node), expected, "commanded {asked:?}, asked {node:?}");
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

fn settle(world: &mut World, node: NodeId, status: MemberStatus) {
    let give_up = world.now_ns() + 60 * SECOND;
    while world.now_ns() < give_up {
        world.run_until(world.now_ns() + SECOND / 2);
        let all: Vec<Vec<MemberStatus>> = world
            .nodes()
            .collect::<Vec<_>>()
            .into_iter()
            .filter(|seat| world.is_up(*seat))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|seat| statuses(world, seat))
            .collect();
        if all.iter().all(|statuses| statuses[usize::from(node.0)] == status) {
            return;
        }
    }
    panic!("{node:?} never becomes {status:?}: {:?}", members(world, A));
}

/// A node whose change is open asks the others what they know, and used to learn it by chance only, when one of them happened to
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
        // Meanwhile all others learn of it, and report it in vain.
        world.run_until(world.now_ns() + 30 * SECOND);
        world.start(joining).expect("it restarts");
        // Two phases, and for each a round of questions, which begins every second.
        world.run_until(world.now_ns() + 10 * SECOND);
        assert_eq!(statuses(&mut world, joining)[5], MemberStatus::Member, "seed {seed}");
    }
}

/// With the bug `seeds-ignored`, the sides of a partition never speak of the membership again: what one of them takes on
/// later the other does not hear of, while both serve as before (4.8.2). Without the partition, or on the right
/// cluster, shows nothing of it.
#[test]
fn without_seeds_a_partition_leaves_two_rings() {
    let standings_of_leaver = |bug, seconds_cut: u64| {
        let mut world = world(Config { bug, ..lively(5, 5) }, Default::default(), 9);
        world.run_until(5 * SECOND);
        world.network().partition(&[A, B], &[C, D, E]);
        world.run_until(world.now_ns() + seconds_cut * SECOND);
        world.network().heal();
        world.run_until(world.now_ns() + 5 * SECOND);
        assert_eq!(call(&mut world, A, put(b"k", b"v", None)), Reply::Stored);
        assert_eq!(values(&mut world, C, b"k"), [b"v".to_vec()], "it is the membership alone that is in two");
        assert_eq!(call(&mut world, A, leave(B)), Reply::Done);
        world.run_until(world.now_ns() + 30 * SECOND);
        world.nodes().map(|node| members(&mut world, node).seats[1].status).collect::<Vec<_>>()
    };
    use MemberStatus::{Leaving, Member, NoMember};
    let two_rings = [Leaving, Leaving, Member, Member, Member];
    assert_eq!(standings_of_leaver(Some(Bug::SeedsIgnored), 3), two_rings);
    assert_eq!(standings_of_leaver(Some(Bug::SeedsIgnored), 0), [NoMember; 5]);
    assert_eq!(standings_of_leaver(None, 3), [NoMember; 5]);
}

/// With the bug `membership-by-clock`, a change that is taken on when the clock is right is older than one that was taken on
/// when it was ahead: its author alone believes in it. The right cluster merges by version and looks at no clock (4.8.1).
#[test]
fn by_the_wall_clock_a_later_change_is_taken_for_known() {
    let standings_of_second = |bug, ahead_s: i64| {
        let mut world = world(Config { bug, ..lively(3, 5) }, Default::default(), 10);
        world.run_until(5 * SECOND);
        world.set_clock(A, ahead_s * SECOND as i64, 0);
        assert_eq!(call(&mut world, A, join(D)), Reply::Done);
        settle(&mut world, D, MemberStatus::Member);
        world.set_clock(A, 0, 0);
        assert_eq!(call(&mut world, A, join(E)), Reply::Done);
        world.run_until(world.now_ns() + 20 * SECOND);
        world.nodes().map(|node| members(&mut world, node).seats[4].status).collect::<Vec<_>>()
    };
    use MemberStatus::{Joining, Member, NoMember};
    let author_alone = [Joining, NoMember, NoMember, NoMember, NoMember];
    assert_eq!(standings_of_second(Some(Bug::MembershipByClock), 100), author_alone);
    assert_eq!(standings_of_second(Some(Bug::MembershipByClock), 0), [Member; 5]);
    assert_eq!(standings_of_second(None, 100), [Member; 5]);
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
        settle(&mut world, E, MemberStatus::Member);
        world.run_until(world.now_ns() + 5 * SECOND);
        assert_on_owners(&mut world, &keys);
        let held = world.node(E).expect("it is up").status().keys;
        assert!((60..180).contains(&held), "{held} of 600 copies are a fifth, {partitioning:?}");
        let sent: u64 =
            world.nodes().map(|node| metric(world.node(node).expect("up"), "transfer_keys_sent_total")).sum();
        assert_eq!(sent, held, "each row moved once, {partitioning:?}");
        assert_eq!(call(&mut world, C, leave(E)), Reply::Done);
        settle(&mut world, E, MemberStatus::NoMember);
        world.run_until(world.now_ns() + 5 * SECOND);
        assert_on_owners(&mut world, &keys);
        assert_eq!(call(&mut world, E, leave(A)), Reply::Done, "a stranger hands it to a member");
        settle(&mut world, A, MemberStatus::NoMember);
        world.run_until(world.now_ns() + 5 * SECOND);
        assert_eq!(values(&mut world, A, &keys[0]), [b"value".to_vec()], "a node that has left still serves clients");
        assert_eq!(call(&mut world, A, join(A)), Reply::Done, "and may come back");
        settle(&mut world, A, MemberStatus::Member);
        world.run_until(world.now_ns() + 5 * SECOND);
        assert_on_owners(&mut world, &keys);
    }
}

/// One after the other, though two are commanded at the same time at different nodes.
#[test]
fn changes_made_at_the_same_time_are_carried_out_one_by_one() {
    let (mut world, keys) = (world(lively(4, 6), Default::default(), 6), keys(50));
    write_all(&mut world, &keys);
    world.network().set(unreliable());
    let commands = [(A, join(E)), (B, join(NodeId(5))), (C, leave(D))];
    for (node, request) in commands {
        world.request(node, request).expect("it is up");
    }
    for (node, status) in [(E, MemberStatus::Member), (NodeId(5), MemberStatus::Member), (D, MemberStatus::NoMember)] {
        settle(&mut world, node, status);
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
    assert_eq!(statuses(&mut world, A)[4], MemberStatus::Joining, "not while B may not know");
    assert!(members(&mut world, A).history.active().is_none(), "nor does anything move");
    for key in &keys {
        // The first attempts may still be handed to B.
        let served = (0..10).any(|_| call(&mut world, A, put(key, b"more", None)) == Reply::Stored);
        assert!(served, "two of three replicas are there");
    }
    world.start(B).expect("it restarts");
    settle(&mut world, E, MemberStatus::Member);
    world.pause(C);
    assert_eq!(call(&mut world, A, leave(D)), Reply::Done);
    world.run_until(world.now_ns() + 10 * SECOND);
    assert_eq!(statuses(&mut world, A)[3], MemberStatus::Leaving);
    world.resume(C);
    settle(&mut world, D, MemberStatus::NoMember);
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

/// Once an interval with somebody at random (4.8.1), and more often with a seed (4.8.2): whoever may be cut off from the
/// others by what they know of each other meets them there.
#[test]
fn a_node_gossips_with_a_random_peer_each_interval_and_often_with_a_seed() {
    let mut node = Lone::start(at(A, &Config { seeds: vec![C], ..sloppy(8, (3, 2, 2)) }));
    node.sync();
    let mut received = [0; 8];
    for _second in 0..400 {
        node.sleep_ms(1000);
        for (to, _) in sent_where(&node.take_sent(), |message| matches!(message, Message::Gossip { .. })) {
            received[usize::from(to.0)] += 1;
        }
    }
    assert!((399..=401).contains(&received.iter().sum::<u32>()), "one a second: {received:?}");
    let [itself, one, seed, rest @ ..] = received;
    assert_eq!(itself, 0);
    assert!([one].iter().chain(&rest).all(|peer| (15..80).contains(peer)), "everybody in their turn: {received:?}");
    assert!(seed > 100, "a seed besides: {received:?}");
}

/// Chosen at the first start and kept: a node with a recorded join may die before it is a member.
#[test]
fn a_node_brings_the_tokens_of_its_first_start_in_every_life() {
    let tokens = |node: &mut Lone| {
        node.take_sent();
        node.message(A, Message::AskTokens { tag: Tag(1) });
        let sent = node.take_sent();
        match &sent[..] {
            [(A, Message::Tokens { tokens, capacity: 1, .. })] => tokens.clone(),
            other => panic!("{other:?}"),
        }
    };
    let config = at(D, &with_spares(3, 4));
    let mut node = Lone::start(config.clone());
    node.sync();
    let chosen = tokens(&mut node);
    assert_eq!(chosen.len(), 32, "as many as a founder has");
    let otherwise = Config { seed: 999, ..config };
    let mut again = Lone::start_on(otherwise.clone(), node.rows(), node.now_ns + SECOND).expect("its own disk");
    assert_eq!(tokens(&mut again), chosen);
    assert_ne!(tokens(&mut Lone::start(otherwise)), chosen, "else the test shows nothing");
}

/// What was offered moves only after the other has said that it lacks it (4.9), and what it does not ask for is on its disk.
#[test]
fn of_what_is_offered_only_what_is_lacking_is_asked_for() {
    let mut node = Lone::start(at(A, &sloppy(2, (2, 1, 1))));
    node.sync();
    node.request(put(b"held", b"v", None));
    let held = |digest| Message::Offer { tag: Tag(7), keys: vec![(b"held".to_vec(), digest), (b"new".to_vec(), 1)] };
    let wanted = |keys: &[&[u8]]| {
        let keys = keys.iter().map(|key| key.to_vec()).collect();
        vec![(B, Message::Wanted { tag: Tag(7), keys })]
    };
    let answers = |node: &mut Lone| sent_where(&node.take_sent(), |message| matches!(message, Message::Wanted { .. }));
    node.message(B, held(1));
    assert_eq!(answers(&mut node), [], "what it says of its rows waits for the disk");
    node.sync();
    let sent = node.take_sent();
    assert_eq!(sent_where(&sent, |message| matches!(message, Message::Wanted { .. })), wanted(&[b"held", b"new"]));
    let copies = sent_where(&sent, |message| matches!(message, Message::Store { .. }));
    let [(B, Message::Store { state, .. })] = &copies[..] else { panic!("B is a replica too: {copies:?}") };
    node.message(B, held(state.digest(b"held")));
    assert_eq!(answers(&mut node), wanted(&[b"new"]));
}

/// Nobody sees a change but by where keys live (4.9): nodes of all kinds are asked all the time, and none refuses.
#[test]
fn every_request_is_served_while_a_node_joins_and_another_leaves() {
    let config = Config { quorum: Quorum::Strict, ..lively(4, 5) };
    let (mut world, keys) = (world(config, Default::default(), 8), keys(20));
    write_all(&mut world, &keys);
    for (change, concerned, status) in [(join(E), E, MemberStatus::Member), (leave(D), D, MemberStatus::NoMember)] {
        assert_eq!(call(&mut world, B, change), Reply::Done);
        let give_up = world.now_ns() + 60 * SECOND;
        let mut requests = 0;
        while statuses(&mut world, A)[usize::from(concerned.0)] != status || requests < 400 {
            let (node, key) = (NodeId(requests % 5), &keys[usize::from(requests % 20)]);
            let value = requests.to_be_bytes();
            let (_, context) = read(&mut world, node, key);
            assert_eq!(call(&mut world, node, put(key, &value, context)), Reply::Stored, "{status:?}: {requests}");
            assert_eq!(values(&mut world, NodeId((requests + 1) % 5), key), [value], "{status:?}: {requests}");
            world.run_until(world.now_ns() + 5 * MS);
            requests += 1;
            assert!(world.now_ns() < give_up, "it never settles");
        }
    }
    for node in world.nodes() {
        assert!(metric(world.node(node).expect("it is up"), "view_changes_total") >= 3, "else nothing was tested");
    }
}

/// What was written last is read, from a single copy, all the while it moves: who loses a key serves it until who gains it
/// has it, and both are written meanwhile.
#[test]
fn a_single_copy_is_read_and_written_while_it_moves() {
    for seed in 0..4 {
        let config = Config { n: 1, r: 1, w: 1, quorum: Quorum::Strict, ..without_anti_entropy(lively(4, 5)) };
        let (mut world, keys) = (world(config, Default::default(), seed), keys(60));
        write_all(&mut world, &keys);
        let mut last = vec![b"value".to_vec(); keys.len()];
        let mut requests = 0u32;
        for (change, concerned, status) in [(join(E), E, MemberStatus::Member), (leave(A), A, MemberStatus::NoMember)] {
            assert_eq!(call(&mut world, B, change), Reply::Done);
            let give_up = world.now_ns() + 60 * SECOND;
            let mut settled = 0;
            while settled < 100 {
                let at = requests as usize * 7 % keys.len();
                let node = NodeId((requests % 5) as u16);
                let (found, context) = read(&mut world, node, &keys[at]);
                assert_eq!(found, [last[at].clone()], "seed {seed}, {status:?}, request {requests}");
                last[at] = requests.to_be_bytes().to_vec();
                assert_eq!(call(&mut world, node, put(&keys[at], &last[at], context)), Reply::Stored);
                settled += u32::from(statuses(&mut world, B)[usize::from(concerned.0)] == status);
                requests += 1;
                assert!(world.now_ns() < give_up, "it never settles");
            }
        }
    }
}

/// A node reads and writes its rows for nobody who believes that keys live elsewhere, and says what it knows.
#[test]
fn a_node_serves_peers_of_its_own_view_alone() {
    let mut node = Lone::start(at(A, &sloppy(3, (3, 2, 2))));
    node.request(put(b"k", b"v", None));
    node.sync();
    node.take_sent();
    let held = node.node.status().keys;
    for message in [
        Message::Fetch { tag: Tag(1), key: b"k".to_vec() },
        Message::Store { tag: Tag(1), key: b"new".to_vec(), state: Default::default(), hint_for: None },
        Message::Offer { tag: Tag(1), keys: vec![(b"k".to_vec(), 1)] },
    ] {
        node.message(B, Message::InView { view: View(7), message: Box::new(message) });
        node.sync();
        let sent = node.take_sent();
        assert!(matches!(&sent[..], [(B, Message::OtherView { tag: Tag(1), .. })]), "{sent:?}");
    }
    assert_eq!((node.node.status().keys, node.metric("views_refused_total")), (held, 3));
}
