//! Sessions: a read covers what its client has read and written, or fails.

mod common;

use cluster_core::api::{Failure, NodeId, Reply, Request};
use cluster_core::bug::Bug;
use cluster_core::config::{Config, Quorum, Versioning};
use cluster_core::message::Message;
use cluster_core::sim::World;
use common::lone::*;
use common::*;

/// One reply and one acknowledgement do, so nearly every read may be stale.
fn weak(versions: Versioning) -> Config {
    without_anti_entropy(config(3, (3, 1, 1), Quorum::Sloppy, versions))
}

fn in_session(session: &Option<String>, request: Request) -> Request {
    Request::InSession { session: session.clone(), request: Box::new(request) }
}

fn put_in(world: &mut World, node: NodeId, session: &mut Option<String>, value: &[u8]) {
    match call(world, node, in_session(session, put(b"k", value, None))) {
        Reply::StoredInSession { session: seen } => *session = Some(seen),
        other => panic!("the write fails: {other:?}"),
    }
}

fn get_in(world: &mut World, node: NodeId, session: &mut Option<String>) -> Result<Vec<Vec<u8>>, Failure> {
    match call(world, node, in_session(session, get(b"k"))) {
        Reply::Got { values, context } => {
            *session = context.or(session.take());
            Ok(values)
        }
        Reply::Failed(failure) => Err(failure),
        other => panic!("no answer to a read: {other:?}"),
    }
}

#[test]
fn a_read_beyond_the_quorum_finds_what_the_session_wrote() {
    for versions in [Versioning::Dvv, Versioning::VectorClock, Versioning::Lww] {
        let mut world = world(weak(versions), Default::default(), 1);
        world.network().partition(&[A], &[C]);
        let mut session = None;
        put_in(&mut world, A, &mut session, b"v");
        world.run_until(world.now_ns() + 10 * MS);
        assert_eq!(
            values(&mut world, C, b"k"),
            Vec::<Vec<u8>>::new(),
            "{versions:?}: C alone is asked, and has nothing"
        );
        let found = get_in(&mut world, C, &mut session);
        assert_eq!(found, Ok(vec![b"v".to_vec()]), "{versions:?}: B has it");
    }
}

/// A fallback may be the only one that has what the session wrote: it is asked too, and nobody is without a session.
#[test]
fn a_read_that_does_not_cover_its_session_asks_the_fallbacks() {
    let config = sloppy(4, (3, 1, 1));
    let key = key_where(&config, "k", |list| list == [A, B, C, D]);
    let mut before = Lone::start(at(A, &config));
    let id = before.request(in_session(&None, put(&key, b"v", None)));
    before.sync();
    let Some(Reply::StoredInSession { session }) = before.reply(id).cloned() else { panic!("{:?}", before.reply(id)) };
    for session in [None, Some(session)] {
        let mut node = Lone::start(at(A, &config));
        node.sync();
        node.take_sent();
        node.request(in_session(&session, get(&key)));
        let fetches = sent_where(&node.take_sent(), |message| matches!(message, Message::Fetch { .. }));
        let mut asked: Vec<NodeId> = fetches.into_iter().map(|(to, _)| to).collect();
        asked.sort();
        assert_eq!(asked, if session.is_some() { vec![B, C, D] } else { vec![B, C] });
    }
}

#[test]
fn a_read_that_would_be_older_than_its_session_is_unavailable() {
    let stale_read = |bug| {
        let mut world = world(Config { bug, ..weak(Versioning::Dvv) }, Default::default(), 1);
        let mut session = None;
        put_in(&mut world, A, &mut session, b"first");
        world.run_until(world.now_ns() + SECOND);
        world.network().partition(&[A], &[B, C]);
        put_in(&mut world, A, &mut session, b"second");
        let cut_off = get_in(&mut world, B, &mut session.clone());
        world.network().heal();
        world.run_until(world.now_ns() + 3 * SECOND);
        let healed = get_in(&mut world, B, &mut session).expect("all can be reached");
        assert!(healed.contains(&b"second".to_vec()));
        cut_off
    };
    assert!(matches!(stale_read(None), Err(Failure::Unavailable(_))));
    assert_eq!(stale_read(Some(Bug::SessionUnchecked)), Ok(vec![b"first".to_vec()]));
}

/// What a session has read counts as what it has written does.
#[test]
fn a_session_does_not_read_backwards() {
    let mut world = world(weak(Versioning::Dvv), Default::default(), 1);
    world.network().partition(&[A], &[B, C]);
    assert_eq!(call(&mut world, A, put(b"k", b"v", None)), Reply::Stored);
    let mut session = None;
    assert_eq!(get_in(&mut world, A, &mut session), Ok(vec![b"v".to_vec()]));
    let backwards = get_in(&mut world, C, &mut session.clone());
    assert!(matches!(backwards, Err(Failure::Unavailable(_))), "{backwards:?}");
    assert_eq!(get_in(&mut world, C, &mut None), Ok(vec![]), "a new session may");
}

/// The node that is asked is no replica: what the version knows comes back with the forward.
#[test]
fn a_forwarded_write_updates_its_session_too() {
    let config = sloppy(4, (2, 1, 2));
    let key = key_where(&config, "k", |list| list == [B, C, D, A]);
    let mut world = world(config, Default::default(), 1);
    let reply = call(&mut world, A, in_session(&None, put(&key, b"v", None)));
    let Reply::StoredInSession { session } = reply else { panic!("{reply:?}") };
    let reply = call(&mut world, A, in_session(&Some(session), get(&key)));
    assert!(matches!(reply, Reply::Got { values, .. } if values == [b"v".to_vec()]));
}

#[test]
fn a_session_is_checked_as_a_context_is() {
    let mut node = Lone::start(weak(Versioning::Dvv));
    for request in [get(b"k"), put(b"k", b"v", None)] {
        let id = node.request(in_session(&Some("nonsense".to_owned()), request));
        assert!(matches!(node.reply(id), Some(Reply::Failed(Failure::BadRequest(_)))));
    }
    let id = node.request(in_session(&None, get_local(b"k")));
    assert!(matches!(node.reply(id), Some(Reply::Failed(Failure::BadRequest(_)))));
}
