//! Every defect that was found in the node, by the name of what it did.

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use cluster_core::api::{Failure, NodeId, Reply, Request, Table};
use cluster_core::config::{Config, Partitioning, Quorum, Versioning};
use cluster_core::context::Context;
use cluster_core::membership::{Change, ChangeKind, History, Phase};
use cluster_core::message::{Message, Tag};
use cluster_core::node::StartError;
use cluster_core::ring::{Ring, Span};
use common::lone::*;
use common::*;

/// A forward from a peer whose settings differ (or that is mad) ended the process: the preference list was cut behind
/// its end.
#[test]
fn regression_a_forward_with_an_impossible_n_ended_the_node() {
    let config = sloppy(4, (2, 1, 1));
    let key = key_where(&config, "k", |list| list[0] == A && !list[..2].contains(&D));
    for (n, w) in [(200, 1), (0, 0), (2, 3)] {
        let mut node = Lone::start(at(A, &config));
        let mut forward = forward_to(&mut node, D, put(&key, b"v", None));
        if let Message::Forward { put, .. } = &mut forward {
            (put.n, put.w) = (n, w);
        }
        node.message(D, forward);
        node.sync();
        let sent = node.take_sent();
        let refused = |m: &Message| matches!(m, Message::Forwarded { failure: Some(Failure::BadRequest(_)), .. });
        assert_eq!(sent_where(&sent, refused).len(), 1, "n = {n}, w = {w}: {sent:?}");
        assert_eq!(node.node.status().keys, 0);
    }
}

/// An interval of zero is due again as soon as it was served: the node never came back from its first alarm.
#[test]
fn regression_settings_that_hang_or_end_the_node_were_accepted() {
    let good = sloppy(3, (3, 2, 2));
    assert!(good.validate().is_ok());
    let mut bad = Vec::new();
    for field in 0..6 {
        let mut config = good.clone();
        let timing = &mut config.timing;
        let durations = [
            &mut timing.replica_timeout,
            &mut timing.request_timeout,
            &mut timing.repair_delay,
            &mut timing.probe_interval,
            &mut timing.hint_interval,
            &mut timing.anti_entropy_interval,
        ];
        *durations.into_iter().nth(field).expect("six") = Duration::ZERO;
        bad.push(config);
    }
    let mut nobody = good.clone();
    nobody.id = NodeId(3);
    let mut twins = good.clone();
    twins.names[2] = "n1".into();
    let mut no_requests = good.clone();
    no_requests.limits.requests_max = 0;
    let mut no_transfers = good.clone();
    no_transfers.limits.transfers_max = 0;
    let mut no_tokens = good.clone();
    no_tokens.partitioning = Partitioning::Random { tokens: 0 };
    bad.extend([nobody, twins, no_requests, no_transfers, no_tokens]);
    for config in bad {
        let started = Lone::start_on(config.clone(), Vec::new(), 1);
        assert!(matches!(started, Err(StartError::Config(_))), "{config:?}");
    }
}

/// A coordinator that is itself the fallback did not look at the bound.
#[test]
fn regression_a_coordinators_own_hints_were_not_bounded() {
    let mut config = sloppy(3, (1, 1, 1));
    config.limits.hints_max = 2;
    let mut node = Lone::start(at(C, &config));
    suspect(&mut node, A);
    suspect(&mut node, B);
    let mut outcomes = Vec::new();
    for key in keys_where(&config, "k", |list| list[0] == A).take(4) {
        let id = node.request(put(&key, b"v", None));
        node.sync();
        outcomes.push(matches!(node.reply(id), Some(Reply::Stored)));
    }
    assert_eq!((outcomes, node.node.status().hints), (vec![true, true, false, false], 2));
}

/// A read answered shortly before its deadline was forgotten at the deadline, and nobody repaired.
#[test]
fn regression_the_deadline_of_an_answered_read_cancelled_its_repair() {
    let mut config = sloppy(3, (3, 2, 2));
    config.timing.repair_delay = Duration::from_secs(2);
    let mut node = Lone::start(at(A, &config));
    node.request(put(b"k", b"v", None));
    node.sync();
    node.take_sent();
    let id = node.request(get(b"k"));
    for (to, message) in node.take_sent() {
        answer_fetch(&mut node, to, C, &message);
    }
    assert!(matches!(node.reply(id), Some(Reply::Got { .. })));
    node.sleep_ms(2001);
    assert_eq!(node.metric("read_repairs_total"), 1, "B answered with nothing");
}

/// A put with an n of its own waited for as many acknowledgements as the configured N once a substitute had come in.
#[test]
fn regression_a_put_with_its_own_n_went_on_after_n_had_it() {
    let config = sloppy(3, (3, 2, 2));
    let mut node = Lone::start(at(A, &config));
    let key = key_where(&config, "k", |list| list == [A, B, C]);
    node.request(Request::Put { key, value: Some(b"v".to_vec()), context: None, w: Some(2), n: Some(2) });
    node.sync();
    node.take_sent();
    node.sleep_ms(201);
    let sent = node.take_sent();
    let (to, tag, _) = stores(&sent).pop().expect("somebody comes in for B");
    assert_eq!(to, C);
    node.message(C, Message::Stored { tag });
    assert_eq!(node.node.status().requests, 0, "two have it");
}

/// The network may hold a copy of a forward until the coordinator has started again, and then forgot what it had
/// taken: the write was coordinated a second time, with a new dot, and under last-write-wins buried all that had been
/// written since.
#[test]
fn regression_a_forward_was_coordinated_again_after_a_restart() {
    for versions in [Versioning::Dvv, Versioning::Lww] {
        let config = config(3, (2, 1, 1), Quorum::Strict, versions);
        let key = key_where(&config, "k", |list| list == [A, B, C]);
        let mut forwarder = Lone::start(at(C, &config));
        let mut node = Lone::start(at(A, &config));
        let id = forwarder.request(put(&key, b"v", None));
        let mut copies = Vec::new();
        for _ in 0..4 {
            for (to, message) in forwarder.take_sent() {
                if to == A {
                    copies.push(message.clone());
                    node.message(C, message);
                }
            }
            node.sync();
            for (to, message) in node.take_sent() {
                if to == C {
                    forwarder.message(A, message);
                }
            }
        }
        assert_eq!(forwarder.reply(id), Some(&Reply::Stored));
        let ids = |node: &mut Lone| {
            let id = node.request(get_local(&key));
            node.sync();
            node.reply(id).cloned()
        };
        let before = ids(&mut node);
        let mut node = node.restarted();
        for copy in copies {
            node.message(C, copy);
        }
        node.sync();
        assert_eq!(ids(&mut node), before);
    }
}

/// A disk that has been put back to an earlier state remembers fewer dots than the world does: a dot was made twice,
/// and because the writer's own context covered it, the new version superseded itself.
#[test]
fn regression_a_disk_put_back_made_a_dot_twice() {
    let mut node = Lone::start(sloppy(1, (1, 1, 1)));
    node.request(put(b"k", b"one", None));
    node.sync();
    let earlier = node.rows();
    let id = node.request(get(b"k"));
    let Some(Reply::Got { context, .. }) = node.reply(id).cloned() else { panic!("it is there") };
    node.request(put(b"k", b"two", context));
    let id = node.request(get(b"k"));
    node.sync();
    let Some(Reply::Got { context, .. }) = node.reply(id).cloned() else { panic!("it is there") };
    let mut node = Lone::start_on(node.config.clone(), earlier, node.now_ns + 1).expect("its own disk");
    node.request(put(b"k", b"three", context));
    let id = node.request(get(b"k"));
    node.sync();
    let Some(Reply::Got { values, .. }) = node.reply(id) else { panic!("it is there") };
    assert_eq!(values, &[b"three".to_vec()]);
}

/// Rows that this node cannot have written like that were taken for good.
#[test]
fn regression_damage_that_can_still_be_decoded_went_unnoticed() {
    let config = sloppy(3, (1, 1, 1));
    let mut node = Lone::start(at(C, &config));
    suspect(&mut node, A);
    suspect(&mut node, B);
    let hinted = key_where(&config, "k", |list| list[0] == A);
    let own = key_where(&config, "k", |list| list[0] == C);
    node.request(put(&hinted, b"value", None));
    node.request(put(&own, b"value", None));
    node.sync();
    let rows = node.rows();
    let mut tables: Vec<Table> = rows.iter().map(|row| row.table).collect();
    tables.dedup();
    assert_eq!(tables, Table::ALL);
    let restart = |rows| Lone::start_on(at(C, &config), rows, 7).map(|_| ());
    assert_eq!(restart(rows.clone()), Ok(()));
    for (at, row) in rows.iter().enumerate() {
        for byte in 0..row.value.len() {
            let mut damaged = rows.clone();
            damaged[at].value[byte] ^= 1;
            assert!(restart(damaged).is_err(), "{:?}: byte {byte} of {:?}", row.table, row.value);
        }
        let mut longer = rows.clone();
        longer[at].value.push(0);
        assert!(restart(longer).is_err(), "{:?}: a byte too many", row.table);
        let mut elsewhere = rows.clone();
        elsewhere[at].key[0] ^= 0x40;
        assert!(restart(elsewhere).is_err(), "{:?}: a row under another key", row.table);
    }
    let without_identity: Vec<_> = rows.into_iter().filter(|row| row.table != Table::Meta).collect();
    assert!(restart(without_identity).is_err(), "rows of nobody");
}

/// The same seed with other tokens or other nodes is another ring: keys lie elsewhere.
#[test]
fn regression_a_disk_of_another_ring_of_the_same_seed_was_accepted() {
    let config = sloppy(3, (2, 1, 1));
    let mut node = Lone::start(config.clone());
    node.sync();
    let mut tokens = config.clone();
    tokens.partitioning = Partitioning::Random { tokens: 9 };
    let mut nodes = config.clone();
    nodes.names.push("n4".into());
    for other in [tokens, nodes] {
        let started = Lone::start_on(other, node.rows(), 7).map(|_| ());
        assert!(matches!(started, Err(StartError::Foreign { .. })), "{started:?}");
    }
    assert!(Lone::start_on(config, node.rows(), 7).is_ok());
}

/// The first sixteen ranges that differ were answered, always the same: under load they always differ.
#[test]
fn regression_later_ranges_starved_in_anti_entropy() {
    let config = sloppy(2, (2, 1, 1));
    let ring = Ring::of(&config).expect("the settings are valid");
    let mut node = Lone::start(config);
    let roots: Vec<(Span, u128)> = (0..64).map(|range| (ring.span(range), 1)).collect();
    let mut answered = BTreeSet::new();
    for _ in 0..200 {
        node.message(B, Message::Roots { credit: 16, roots: roots.clone() });
        let sent = node.take_sent();
        assert_eq!(sent.len(), 16, "no more than there is credit");
        for (_, message) in sent {
            if let Message::Leaves { span, .. } = message {
                answered.insert(*span);
            }
        }
    }
    assert_eq!(answered.len(), 64);
}

/// A list that arrives twice was walked twice from there on: with every page that is duplicated the traffic grew for
/// ever. A comparison that forks ends in every fork, and the next round begins as one again.
#[test]
fn regression_a_duplicated_page_forked_the_comparison() {
    let mut config = sloppy(2, (2, 1, 1));
    config.partitioning = Partitioning::Random { tokens: 1 };
    let mut nodes = [Lone::start(at(A, &config)), Lone::start(at(B, &config))];
    for key in 0..200u32 {
        nodes[0].request(put(&key.to_be_bytes(), b"v", None));
    }
    nodes[0].sync();
    nodes[0].sleep_ms(1000);
    nodes[0].message(B, Message::Pong { tag: Tag(0) });
    nodes[0].take_sent();
    for _ in 0..5 {
        nodes[0].sleep_ms(1000);
        let begun = sent_where(&nodes[0].take_sent(), |message| !matches!(message, Message::Gossip { .. }));
        assert!((1..=2).contains(&begun.len()), "{begun:?}");
        let (mut under_way, mut turns) = (begun, 0);
        while !under_way.is_empty() {
            turns += 1;
            assert!(turns < 20, "{} messages after {turns} turns", under_way.len());
            // All of it is lost where it would settle the difference, and twice there where it compares.
            let compares = |m: &Message| !matches!(m, Message::Store { .. } | Message::Want { .. });
            let heard: Vec<_> = sent_where(&under_way, compares).into_iter().flat_map(|m| [m.clone(), m]).collect();
            under_way = Vec::new();
            for (to, message) in heard {
                let from = if to == A { B } else { A };
                nodes[usize::from(to.0)].message(from, message);
            }
            under_way.extend(nodes.iter_mut().flat_map(Lone::take_sent));
        }
    }
}

/// The first hints of an owner that refuses them (or that no message can carry) kept all others from being tried.
#[test]
fn regression_hints_that_cannot_be_delivered_blocked_the_others() {
    let config = sloppy(3, (1, 1, 1));
    let mut node = Lone::start(at(C, &config));
    suspect(&mut node, A);
    suspect(&mut node, B);
    let keys: Vec<Vec<u8>> = keys_where(&config, "k", |list| list[0] == A).take(200).collect();
    for key in &keys {
        node.request(put(key, b"v", None));
    }
    node.sync();
    node.message(A, Message::Pong { tag: Tag(0) });
    let mut tried = BTreeSet::new();
    for _ in 0..10 {
        node.sleep_ms(100);
        for (to, tag, key) in stores(&node.take_sent()) {
            tried.insert(key);
            node.message(to, Message::StoreRefused { tag });
        }
    }
    assert_eq!(tried.len(), 200);
}

/// The greatest timestamp that there is cannot be exceeded: a write whose context had it lost to what it had seen.
#[test]
fn regression_a_context_from_the_end_of_time_was_believed() {
    let config = config(1, (1, 1, 1), Quorum::Sloppy, Versioning::Lww);
    let mut node = Lone::start(config.clone());
    let forged = Context { timestamp_max_us: Some(i64::MAX), ..Context::default() };
    let text = forged.encode(b"k", config.ring_seed, Versioning::Lww);
    let id = node.request(put(b"k", b"v", Some(text)));
    assert!(matches!(node.reply(id), Some(Reply::Failed(Failure::BadRequest(_)))));
}

/// What waits for a disk that does not answer had no bound: peers ask on.
#[test]
fn regression_what_waited_for_a_stalled_disk_had_no_bound() {
    let config = sloppy(2, (2, 1, 1));
    let mut node = Lone::start(config);
    node.sync();
    node.request(put(b"k", b"v", None));
    for tag in 0..100_000 {
        node.message(B, Message::Fetch { tag: Tag(tag), key: b"k".to_vec() });
    }
    let local = node.request(get_local(b"k"));
    assert!(matches!(node.reply(local), Some(Reply::Failed(Failure::Unavailable(_)))));
    node.sync();
    assert!(node.take_sent().len() < 20_000, "the rest is as if lost");
    let local = node.request(get_local(b"k"));
    assert!(matches!(node.reply(local), Some(Reply::Local { .. })), "and it goes on");
}

/// The forwarder took all replicas for down, the fallback that it chose did not, and refused.
#[test]
fn regression_a_fallback_asked_to_coordinate_refused_because_it_saw_the_replicas_up() {
    let config = sloppy(5, (2, 2, 2));
    let key = key_where(&config, "k", |list| list == [A, B, C, D, E]);
    let mut world = world(config, Default::default(), 1);
    world.network().partition(&[E], &[A, B]);
    call(&mut world, E, get(&key));
    for turn in 0..5u8 {
        assert_eq!(call(&mut world, E, put(&key, &[turn], None)), Reply::Stored, "turn {turn}");
    }
    world.network().heal();
    world.run_until(world.now_ns() + SECOND);
    for replica in [A, B] {
        let Reply::Local { versions } = call(&mut world, replica, get_local(&key)) else { panic!("a local read") };
        assert_eq!(versions.len(), 5);
    }
    assert_eq!(world.node(C).map(|node| node.status().hints), Some(0));
}

/// A read ends as soon as R have answered and repairs are done, and with it went the alarm of who had not answered:
/// only writes found out that a replica was down.
#[test]
fn regression_reads_never_noticed_a_replica_that_does_not_answer() {
    let config = sloppy(3, (3, 2, 2));
    let mut node = Lone::start(at(A, &config));
    let id = node.request(get(b"k"));
    for (to, message) in node.take_sent() {
        answer_fetch(&mut node, to, C, &message);
    }
    assert!(matches!(node.reply(id), Some(Reply::Got { .. })));
    node.sleep_ms(201);
    let peers = node.node.status().peers;
    assert_eq!(peers, [("n2".into(), true), ("n3".into(), false)]);
    assert_eq!(node.metric("messages_unanswered"), 0);
}

/// A target that had acknowledged was replaced all the same when its answer to a second sending stayed out: a hint
/// for what its owner has.
#[test]
fn regression_a_target_that_had_acknowledged_was_replaced() {
    let config = sloppy(4, (3, 1, 1));
    let key = key_where(&config, "k", |list| list == [A, B, C, D]);
    let mut node = Lone::start(at(A, &config));
    suspect(&mut node, D);
    node.take_sent();
    node.request(put(&key, b"v", None));
    node.sync();
    let first = stores(&node.take_sent());
    node.sleep_ms(201);
    assert!(stores(&node.take_sent()).iter().all(|(to, ..)| *to != D), "D is taken for down");
    let (_, tag, _) = first.iter().find(|(to, ..)| *to == B).expect("B is a target").clone();
    node.message(B, Message::Stored { tag });
    node.message(D, Message::Pong { tag: Tag(0) });
    node.sleep_ms(201);
    let hints: Vec<_> = sent_where(&node.take_sent(), |m| matches!(m, Message::Store { hint_for: Some(B), .. }));
    assert_eq!(hints, []);
}

/// A replica that answers late and the fallback that came in for it counted as two, though the fallback hands over to
/// that very replica and then deletes: what was acknowledged as W copies became fewer.
#[test]
fn regression_a_replica_and_its_stand_in_counted_as_two() {
    let config = sloppy(4, (3, 1, 3));
    let key = key_where(&config, "k", |list| list == [A, B, C, D]);
    let mut node = Lone::start(at(A, &config));
    let id = node.request(put(&key, b"v", None));
    node.sync();
    let mut tags = stores(&node.take_sent());
    node.sleep_ms(201);
    tags.extend(stores(&node.take_sent()));
    let tag_to = |peer| tags.iter().find(|(to, ..)| *to == peer).expect("it is a target").1;
    node.message(B, Message::Stored { tag: tag_to(B) });
    node.message(D, Message::Stored { tag: tag_to(D) });
    assert_eq!(node.reply(id), None, "A and B have it, and D keeps it for B: C does not");
    node.message(C, Message::Stored { tag: tag_to(C) });
    assert_eq!(node.reply(id), Some(&Reply::Stored));
    assert_eq!(node.node.status().requests, 0);
}

/// A row without a version was kept, counted as a key, and spread by anti-entropy.
#[test]
fn regression_a_state_of_nothing_became_a_row() {
    let config = sloppy(2, (2, 1, 1));
    let mut node = Lone::start(at(A, &config));
    node.sync();
    let rows = node.rows();
    node.message(B, Message::Store { tag: Tag(1), key: b"k".to_vec(), state: Default::default(), hint_for: None });
    node.sync();
    assert_eq!((node.node.status().keys, node.rows()), (0, rows));
}

/// A node that was commanded to leave, or to join, counted itself among the peers to inform: it sent itself a message, which
/// every node drops.
#[test]
fn regression_a_node_sent_the_news_of_its_own_change_to_itself() {
    let mut founder = Lone::start(at(A, &sloppy(4, (2, 1, 1))));
    founder.sync();
    let mut node = founder.restarted();
    let id = node.request(Request::Leave { node: A });
    node.sync();
    assert_eq!(node.reply(id), Some(&Reply::Done));
    let sent = node.take_sent();
    assert!(sent.iter().all(|(to, _)| *to != A), "{sent:?}");
}

/// A node coordinated a write, and a change of the membership took it off the targets. When a target did not answer, it
/// chose itself as the substitute: the message to itself reached no one, and it came to suspect itself for good.
#[test]
fn regression_a_coordinator_that_is_no_target_any_more_substituted_itself() {
    let config = Config { members: Some(4), ..sloppy(5, (2, 2, 2)) };
    let tokens = (1..=64u128).map(|part| u128::MAX / 64 * part).collect();
    let join = Change { version: 1, node: E, kind: ChangeKind::Join { capacity: 1, tokens } };
    let mut history = History::default();
    history.advance(join, Phase::Settled(1));
    let after = Ring::with_history(&config, &history).expect("such a ring exists");
    let mut keys = keys_where(&config, "k", |before| before[1] == A);
    let key = keys.find(|key| !after.preference_list(key)[..2].contains(&A)).expect("some key moves to E");
    let mut node = Lone::start(at(A, &config));
    node.sync();
    node.request(put(&key, b"v", None));
    node.sync();
    node.message(B, Message::History { history });
    node.sync();
    node.sleep_ms(450);
    let sent = node.take_sent();
    let is_hint = |message: &Message| matches!(message, Message::Store { hint_for: Some(_), .. });
    let is_hinted = |message: &Message| matches!(message, Message::InView { message, .. } if is_hint(message));
    assert!(sent_where(&sent, is_hinted).len() >= 2, "both targets have substitutes: {sent:?}");
    assert!(sent.iter().all(|(to, _)| *to != A), "{sent:?}");
}
