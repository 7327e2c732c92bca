//! The coordinating client (6.4), in the simulated world.

mod common;

use cluster_core::api::{Failure, NodeId, Now, Reply, Request, RequestId};
use cluster_core::client::{CallId, Client, Effect, Input, Response};
use cluster_core::config::{Config, Quorum, Versioning};
use cluster_core::membership::{Change, ChangeKind, FOUNDING_VIEW, History, Phase, View};
use cluster_core::sim::{Answer, ClientId, World};
use cluster_core::versions::{Actor, Dot, KeyState, Version, VersionVector};
use common::lone::*;
use common::*;

fn lww(config: Config) -> Config {
    Config { versions: Versioning::Lww, ..config }
}

fn strict(nodes: usize, quorum: (u8, u8, u8)) -> Config {
    Config { quorum: Quorum::Strict, ..sloppy(nodes, quorum) }
}

fn world_with_client(config: Config) -> (World, ClientId) {
    let mut world = world(config, Default::default(), 1);
    let client = world.add_client(7).expect("the settings can work");
    (world, client)
}

fn wait(world: &mut World, id: RequestId) -> Reply {
    let give_up = world.now_ns() + 10 * SECOND;
    while world.now_ns() < give_up {
        world.step(give_up);
        if let Some(Answer::Reply(reply)) = world.take_answer(id) {
            return reply;
        }
    }
    panic!("a client answers every request");
}

fn ask(world: &mut World, client: ClientId, request: Request) -> Reply {
    let id = world.client_request(client, request);
    wait(world, id)
}

fn seen(world: &mut World, client: ClientId, key: &[u8]) -> (Vec<Vec<u8>>, Option<String>) {
    match ask(world, client, get(key)) {
        Reply::Got { values, context } => (values, context),
        other => panic!("the read fails: {other:?}"),
    }
}

fn replicas(world: &World, key: &[u8], n: usize) -> Vec<NodeId> {
    let some_node = world.nodes().find_map(|node| world.node(node)).expect("one is up");
    some_node.preference_list(key)[..n].to_vec()
}

fn total(world: &World, name: &str) -> u64 {
    world.nodes().filter_map(|node| world.node(node)).map(|node| metric(node, name)).sum()
}

/// The nodes coordinate no read, and forward no write: the client knows where everything lies.
#[test]
fn reads_and_writes_go_straight_to_replicas() {
    let (mut world, client) = world_with_client(sloppy(5, (3, 2, 2)));
    for number in 0..20u8 {
        let key = [b'k', number];
        assert_eq!(ask(&mut world, client, put(&key, b"one", None)), Reply::Stored);
        let (values, context) = seen(&mut world, client, &key);
        assert_eq!(values, [b"one"]);
        assert_eq!(ask(&mut world, client, put(&key, b"two", context)), Reply::Stored);
        assert_eq!(seen(&mut world, client, &key).0, [b"two"], "the context covers what was read");
    }
    assert_eq!((total(&world, "puts_total"), total(&world, "puts_forwarded_total")), (40, 0));
    assert_eq!(total(&world, "gets_total"), 0);
}

/// What a client reads is what any node would say, siblings and context included.
#[test]
fn a_client_and_the_nodes_see_the_same() {
    let (mut world, client) = world_with_client(strict(3, (3, 2, 2)));
    call(&mut world, A, put(b"k", b"one", None));
    ask(&mut world, client, put(b"k", b"two", None));
    let (mut values, context) = seen(&mut world, client, b"k");
    values.sort();
    assert_eq!(values, [b"one".to_vec(), b"two".to_vec()]);
    assert_eq!(call(&mut world, B, put(b"k", b"both", context)), Reply::Stored);
    assert_eq!(seen(&mut world, client, b"k").0, [b"both"]);
    assert_eq!(read(&mut world, C, b"k").0, [b"both"]);
}

/// Under last-write-wins the client makes the version itself, in the name of no node, and two clients never in the same.
#[test]
fn timestamped_writes_are_coordinated_by_the_client() {
    let (mut world, client) = world_with_client(lww(strict(3, (3, 2, 2))));
    let other = world.add_client(8).expect("the settings can work");
    assert_eq!(ask(&mut world, client, put(b"k", b"one", None)), Reply::Stored);
    world.run_until(world.now_ns() + SECOND);
    let [first] = &local(&mut world, A, b"k")[..] else { panic!("one version wins") };
    assert!(first.id.starts_with("65535."), "{first:?} was made by a node");
    assert_eq!(ask(&mut world, other, put(b"k", b"two", None)), Reply::Stored);
    world.run_until(world.now_ns() + SECOND);
    let [second] = &local(&mut world, A, b"k")[..] else { panic!("one version wins") };
    assert_eq!((second.value.as_deref(), seen(&mut world, client, b"k").0), (Some(&b"two"[..]), vec![b"two".to_vec()]));
    let actor = |id: &str| id.split(':').next().map(str::to_owned);
    assert_ne!(actor(&first.id), actor(&second.id), "two clients are two actors");
    assert_eq!(total(&world, "puts_total"), 0, "no node coordinated anything");
}

/// Each version is later than what the writer has read, whatever the clocks say.
#[test]
fn a_timestamp_is_later_than_what_was_read() {
    let (mut world, client) = world_with_client(lww(strict(3, (3, 2, 2))));
    for node in [A, B, C] {
        world.set_clock(node, 3_600 * SECOND as i64, 0);
    }
    call(&mut world, A, put(b"k", b"from an hour ahead", None));
    let (_, context) = seen(&mut world, client, b"k");
    assert_eq!(ask(&mut world, client, put(b"k", b"later", context)), Reply::Stored);
    assert_eq!(seen(&mut world, client, b"k").0, [b"later"]);
}

/// A fallback keeps what the client gives it as a hint, and hands it over (4.6).
#[test]
fn a_fallback_stands_in_for_a_replica_that_is_down() {
    let (mut world, client) = world_with_client(lww(without_anti_entropy(sloppy(5, (3, 2, 3)))));
    let key = b"k";
    let down = replicas(&world, key, 3)[1];
    world.crash(down);
    assert_eq!(ask(&mut world, client, put(key, b"one", None)), Reply::Stored, "three of the five are up");
    assert!(world.client_counters(client).substitutes > 0);
    assert_eq!(world.nodes().filter(|node| *node != down).map(|node| hints(&world, node)).sum::<u64>(), 1);
    assert_eq!(seen(&mut world, client, key).0, [b"one"]);
    world.start(down).expect("it restarts from its own disk");
    world.run_until(world.now_ns() + 3 * SECOND);
    assert_eq!(local(&mut world, down, key).len(), 1, "the hint was handed over");
}

/// A replica that has gone silent costs a read the time in which it is found out, and no more; then it is tried again.
#[test]
fn a_silent_replica_is_suspected_until_it_answers() {
    let (mut world, client) = world_with_client(strict(3, (3, 3, 2)));
    ask(&mut world, client, put(b"k", b"one", None));
    world.pause(B);
    let id = world.client_request(client, get(b"k"));
    assert!(matches!(wait(&mut world, id), Reply::Failed(Failure::Unavailable(_))), "r = 3 needs all");
    assert_eq!(world.client_counters(client).suspicions, 1);
    let began_ns = world.now_ns();
    let r2 = Request::Get { key: b"k".to_vec(), r: Some(2), n: None };
    assert!(matches!(ask(&mut world, client, r2), Reply::Got { .. }));
    assert!(world.now_ns() - began_ns < 20 * MS, "two others are there");
    world.run_until(world.now_ns() + SECOND);
    assert!(matches!(ask(&mut world, client, get(b"k")), Reply::Failed(_)));
    world.resume(B);
    world.run_until(world.now_ns() + SECOND);
    assert_eq!(seen(&mut world, client, b"k").0, [b"one"], "a probe has found it up");
}

/// Too few replicas: refused at once when that is known, and nothing happened when nothing left.
#[test]
fn too_few_replicas_is_said_with_what_may_have_happened() {
    let (mut world, client) = world_with_client(lww(strict(3, (3, 2, 2))));
    world.crash(A);
    world.crash(B);
    let reply = ask(&mut world, client, put(b"k", b"one", None));
    assert!(matches!(reply, Reply::Failed(Failure::Unknown(_))), "C may have it: {reply:?}");
    world.run_until(world.now_ns() + 2 * SECOND);
    let reply = ask(&mut world, client, put(b"other", b"one", None));
    assert!(matches!(reply, Reply::Failed(Failure::Unavailable(_))), "{reply:?}");
    assert_eq!(local(&mut world, C, b"other"), [], "nothing was written");
    world.crash(C);
    let reply = ask(&mut world, client, get(b"k"));
    assert!(matches!(reply, Reply::Failed(Failure::Unavailable(_))), "{reply:?}");
}

#[test]
fn a_read_repairs_a_replica_that_is_behind() {
    let (mut world, client) = world_with_client(without_anti_entropy(strict(3, (3, 2, 2))));
    world.crash(C);
    assert_eq!(ask(&mut world, client, put(b"k", b"one", None)), Reply::Stored);
    world.run_until(world.now_ns() + SECOND);
    world.start(C).expect("it restarts from its own disk");
    world.run_until(world.now_ns() + SECOND);
    assert_eq!(local(&mut world, C, b"k"), [], "nothing else repairs");
    let all = Request::Get { key: b"k".to_vec(), r: Some(3), n: None };
    assert!(matches!(ask(&mut world, client, all), Reply::Got { .. }));
    world.run_until(world.now_ns() + SECOND);
    assert_eq!(local(&mut world, C, b"k"), local(&mut world, A, b"k"));
    assert_eq!(world.client_counters(client).read_repairs, 1);
    seen(&mut world, client, b"k");
    world.run_until(world.now_ns() + SECOND);
    assert_eq!(world.client_counters(client).read_repairs, 1, "nothing is left to repair");
}

/// A write is handed on only where it certainly did not arrive; else one put would be two versions.
#[test]
fn a_put_is_handed_on_only_if_it_never_left() {
    let (mut world, client) = world_with_client(sloppy(5, (3, 2, 2)));
    let [first, second, _] = replicas(&world, b"k", 3)[..] else { panic!("n is 3") };
    world.crash(first);
    assert_eq!(ask(&mut world, client, put(b"k", b"one", None)), Reply::Stored);
    world.pause(second);
    let id = world.client_request(client, put(b"k", b"two", None));
    let reply = wait(&mut world, id);
    assert!(matches!(reply, Reply::Failed(Failure::Unknown(_))), "the paused coordinator has it: {reply:?}");
    assert_eq!(ask(&mut world, client, put(b"k", b"three", None)), Reply::Stored, "it is suspected now");
    world.resume(second);
    world.start(first).expect("it restarts from its own disk");
    world.run_until(world.now_ns() + 10 * SECOND);
    let mut values = seen(&mut world, client, b"k").0;
    values.sort();
    assert_eq!(values, [b"one".to_vec(), b"three".to_vec(), b"two".to_vec()], "each once");
}

#[test]
fn what_cannot_work_is_refused_before_anything_is_asked() {
    let (mut world, client) = world_with_client(lww(strict(3, (3, 2, 2))));
    let wrong = [
        get(b""),
        Request::Get { key: b"k".to_vec(), r: Some(4), n: None },
        Request::Put { key: b"k".to_vec(), value: None, context: None, w: Some(0), n: None },
        put(b"k", b"v", Some("no context".into())),
        put(b"k", &vec![0; (1 << 20) + 1], None),
        get_local(b"k"),
    ];
    for request in wrong {
        let reply = ask(&mut world, client, request.clone());
        assert!(matches!(reply, Reply::Failed(Failure::BadRequest(_))), "{request:?}: {reply:?}");
    }
}

/// A node takes only states that a cluster of its kind makes.
#[test]
fn an_unsound_state_is_refused() {
    let version = |counter: u64, past: VersionVector, timestamp_us: i64| Version {
        dot: Dot { actor: Actor { node: NodeId::CLIENT, epoch: 5 }, counter },
        past,
        clock: Default::default(),
        timestamp_us,
        value: Some((*b"v").into()),
    };
    let state = |version: Version| {
        let mut state = KeyState::default();
        state.insert(version, Versioning::Dvv);
        state
    };
    let mut two = state(version(1, VersionVector::default(), 1));
    two.insert(version(2, VersionVector::default(), 2), Versioning::Dvv);
    let mut past = VersionVector::default();
    past.add(Dot { actor: Actor { node: A, epoch: 1 }, counter: 1 });
    let store = |state| Request::Store { key: b"k".to_vec(), state, hint_for: None, view: FOUNDING_VIEW };
    let sound = state(version(1, VersionVector::default(), 1));
    let unsound = [
        KeyState::default(),
        state(version(0, VersionVector::default(), 1)),
        state(version(1, VersionVector::default(), i64::MAX)),
        state(version(1, past, 1)),
        two,
    ];
    let mut world = world(lww(strict(3, (3, 2, 2))), Default::default(), 1);
    for state in unsound {
        let reply = call(&mut world, A, store(state.clone()));
        assert!(matches!(reply, Reply::Failed(Failure::BadRequest(_))), "{state:?}: {reply:?}");
    }
    assert_eq!(call(&mut world, A, store(sound.clone())), Reply::Stored);
    let mut with_dots = common::world(strict(3, (3, 2, 2)), Default::default(), 1);
    let refused = call(&mut with_dots, A, store(sound.clone()));
    assert!(matches!(refused, Reply::Failed(Failure::BadRequest(_))), "its dots are replicas' to make: {refused:?}");
    assert_eq!(
        call(&mut world, A, Request::Fetch { key: b"k".to_vec(), view: FOUNDING_VIEW }),
        Reply::Fetched { state: sound }
    );
}

/// A client by itself: the test is every node.
struct Alone {
    client: Client,
    now_ns: u64,
    calls: Vec<(CallId, NodeId, Request)>,
    replies: Vec<Reply>,
}

impl Alone {
    fn new(config: Config) -> Self {
        let mut effects = Vec::new();
        let client = Client::start(config, 1, Now { monotonic_ns: 1, wall_ns: 1 }, &mut effects).expect("it can work");
        let mut alone = Self { client, now_ns: 1, calls: Vec::new(), replies: Vec::new() };
        alone.note(effects);
        alone
    }

    fn handle(&mut self, input: Input) {
        let mut effects = Vec::new();
        let now = Now { monotonic_ns: self.now_ns, wall_ns: self.now_ns as i64 };
        self.client.handle(now, input, &mut effects);
        self.note(effects);
    }

    fn note(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Call { call, node, request } => self.calls.push((call, node, request)),
                Effect::Reply { reply, .. } => self.replies.push(reply),
                Effect::SetTimer { .. } => {}
            }
        }
    }

    fn ask(&mut self, request: Request) -> Vec<(CallId, NodeId, Request)> {
        self.calls.clear();
        self.handle(Input::Request { id: RequestId(1), request });
        std::mem::take(&mut self.calls)
    }

    fn answer(&mut self, call: CallId, reply: Reply) {
        self.handle(Input::Response { call, response: Response::Reply(reply) });
    }
}

fn under_change() -> History {
    let mut history = History::default();
    history.advance(Change { version: 1, node: C, kind: ChangeKind::Leave }, Phase::Active(1));
    history
}

/// What did not leave goes to the next replica; what left and was not answered goes to nobody: it may have been done.
#[test]
fn a_put_whose_answer_is_lost_goes_to_nobody_else() {
    for (response, goes_on) in [(Response::NotSent("no".into()), true), (Response::Lost("cut".into()), false)] {
        let mut alone = Alone::new(strict(5, (3, 2, 2)));
        let [(call, first, _)] = alone.ask(put(b"k", b"v", None))[..] else { panic!("one replica coordinates") };
        alone.handle(Input::Response { call, response });
        assert_eq!(alone.calls.iter().filter(|(_, node, _)| *node != first).count(), usize::from(goes_on));
        let unknown = matches!(alone.replies[..], [Reply::Failed(Failure::Unknown(_))]);
        assert_eq!(unknown, !goes_on, "{:?}", alone.replies);
    }
}

/// Ten seconds apart, of anybody (6.4); and what it says is believed.
#[test]
fn the_membership_is_downloaded_every_ten_seconds() {
    let mut alone = Alone::new(strict(5, (3, 2, 2)));
    let mut asked = Vec::new();
    for round in 0..20 {
        alone.now_ns = 1 + round * 10 * SECOND;
        alone.handle(Input::Timer);
        for (call, node, request) in std::mem::take(&mut alone.calls) {
            assert_eq!(request, Request::Members);
            asked.push(node);
            alone.answer(call, Reply::OtherView { history: History::default() });
        }
    }
    assert_eq!(asked.len(), 20);
    let distinct: std::collections::BTreeSet<NodeId> = asked.into_iter().collect();
    assert!(distinct.len() >= 3, "random nodes: {distinct:?}");
    assert_eq!(alone.client.counters().views, 0, "nothing has changed");
}

/// What was answered in an old view does not count; while a change is under way a node coordinates.
#[test]
fn a_read_begins_anew_when_a_node_is_of_another_view() {
    let mut alone = Alone::new(strict(5, (3, 2, 2)));
    let fetches = alone.ask(get(b"k"));
    assert_eq!(fetches.len(), 3);
    assert!(fetches.iter().all(|(_, _, request)| matches!(request, Request::Fetch { view: FOUNDING_VIEW, .. })));
    alone.answer(fetches[0].0, Reply::Fetched { state: KeyState::default() });
    alone.answer(fetches[1].0, Reply::OtherView { history: under_change() });
    assert_eq!(alone.client.counters().views, 1);
    let [(call, _, request)] = &alone.calls[..] else { panic!("one node coordinates: {:?}", alone.calls) };
    assert_eq!(request, &Request::Get { key: b"k".to_vec(), r: Some(2), n: Some(3) });
    let call = *call;
    alone.answer(fetches[2].0, Reply::Fetched { state: KeyState::default() });
    assert_eq!(alone.replies, [], "an answer of the old view does not count");
    let got = Reply::Got { values: vec![b"v".to_vec()], context: None };
    alone.answer(call, got.clone());
    assert_eq!(alone.replies, [got]);
    let [(_, _, Request::Put { .. })] = &alone.ask(put(b"k", b"w", None))[..] else { panic!("a node coordinates") };
}

/// A timestamped write is handed over only if nobody has it: else there would be two versions of one write.
#[test]
fn a_timestamped_write_is_handed_over_only_if_nobody_has_it() {
    let other_view = || Reply::OtherView { history: under_change() };
    for somebody_has_it in [false, true] {
        let mut alone = Alone::new(lww(strict(5, (3, 2, 2))));
        let stores = alone.ask(put(b"k", b"v", None));
        assert_eq!(stores.len(), 3);
        alone.answer(stores[0].0, if somebody_has_it { Reply::Stored } else { other_view() });
        alone.answer(stores[1].0, other_view());
        assert_eq!(alone.calls.len(), 0, "the third is still on its way");
        alone.answer(stores[2].0, other_view());
        let handed_over = matches!(&alone.calls[..], [(_, _, Request::Put { .. })]);
        assert_eq!(handed_over, !somebody_has_it);
        alone.now_ns += 2 * SECOND;
        alone.handle(Input::Timer);
        assert!(matches!(alone.replies[..], [Reply::Failed(Failure::Unknown(_))]), "{:?}", alone.replies);
    }
}

#[test]
fn a_node_serves_clients_of_its_own_view_alone() {
    let (mut world, client) = world_with_client(strict(3, (3, 2, 2)));
    ask(&mut world, client, put(b"k", b"v", None));
    let fetch = |view| Request::Fetch { key: b"k".to_vec(), view };
    assert!(matches!(call(&mut world, A, fetch(FOUNDING_VIEW)), Reply::Fetched { .. }));
    assert_eq!(call(&mut world, A, fetch(View(7))), Reply::OtherView { history: History::default() });
}

/// A node joins and another leaves while a client reads and writes: nothing fails because of it, and afterwards the
/// client coordinates in the new ring.
#[test]
fn a_client_follows_the_ring() {
    let config = Config { members: Some(5), ..sloppy(6, (3, 2, 2)) };
    let (mut world, client) = world_with_client(config);
    world.run_until(5 * SECOND);
    let newcomer = NodeId(5);
    for (round, command) in [Request::Join { node: newcomer }, Request::Leave { node: A }].into_iter().enumerate() {
        assert_eq!(call(&mut world, B, command), Reply::Done);
        for number in 0..200u8 {
            let (key, value) = ([b'k', number % 20], [round as u8, number]);
            let (_, context) = seen(&mut world, client, &key);
            assert_eq!(ask(&mut world, client, put(&key, &value, context)), Reply::Stored, "{round}, {number}");
            assert_eq!(seen(&mut world, client, &key).0, [value], "{round}, {number}");
            world.run_until(world.now_ns() + SECOND / 4);
        }
    }
    assert!(world.client_counters(client).views >= 4, "each change begins and settles");
    let coordinated = total(&world, "gets_total");
    assert!(coordinated > 0, "while a change was under way nodes coordinated");
    let mut keys_of_newcomer = 0;
    for number in 0..20u8 {
        assert_eq!(seen(&mut world, client, &[b'k', number]).0, [[1, 180 + number]]);
        let owners = replicas(&world, &[b'k', number], 3);
        assert!(!owners.contains(&A));
        keys_of_newcomer += usize::from(owners.contains(&newcomer));
    }
    assert!(keys_of_newcomer > 0);
    assert_eq!(total(&world, "gets_total"), coordinated, "now the client coordinates again");
}
