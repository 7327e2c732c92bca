//! The algebra of versions: joins in any order agree, and a write supersedes exactly what its writer had seen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cluster_core::api::NodeId;
use cluster_core::config::Versioning;
use cluster_core::versions::clock::VectorClock;
use cluster_core::versions::{Actor, Dot, KeyState, Version, VersionVector};
use proptest::prelude::*;

const REPLICAS: usize = 3;

/// One thing that happens to a key on three replicas.
#[derive(Clone, Debug)]
enum Step {
    /// A client reads a replica and remembers the context.
    Read { client: usize, replica: usize },
    /// It writes with whatever context it has.
    Write { client: usize, replica: usize },
    /// One replica's whole state reaches another.
    Exchange { from: usize, to: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let (client, replica) = (0..4usize, 0..REPLICAS);
    prop_oneof![
        (client.clone(), replica.clone()).prop_map(|(client, replica)| Step::Read { client, replica }),
        (client, replica.clone()).prop_map(|(client, replica)| Step::Write { client, replica }),
        (replica.clone(), replica).prop_map(|(from, to)| Step::Exchange { from, to }),
    ]
}

/// Replicas, and beside them the true causal history of each version as a plain set of writes.
#[derive(Default)]
struct World {
    states: Vec<KeyState>,
    contexts: Vec<VersionVector>,
    seen: Vec<BTreeSet<Dot>>,
    history: Vec<(Dot, BTreeSet<Dot>)>,
}

impl World {
    fn run(steps: &[Step]) -> Self {
        let mut world = Self {
            states: vec![KeyState::default(); REPLICAS],
            contexts: vec![VersionVector::default(); 4],
            seen: vec![BTreeSet::new(); 4],
            history: Vec::new(),
        };
        for step in steps {
            world.take(step);
        }
        world
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Read { client, replica } => {
                self.contexts[client].join(&self.states[replica].context());
                let dots: Vec<Dot> = self.states[replica].versions().iter().map(|version| version.dot).collect();
                for dot in dots {
                    let past = self.history_of(dot);
                    self.seen[client].insert(dot);
                    self.seen[client].extend(past);
                }
            }
            Step::Write { client, replica } => {
                let actor = Actor { node: NodeId(replica as u16), epoch: 0 };
                let made = self.states[replica].context().counter(actor).max(self.contexts[client].counter(actor));
                let dot = Dot { actor, counter: made + 1 };
                let value = Some(Arc::from(dot.to_string().into_bytes()));
                let past = self.contexts[client].clone();
                self.history.push((dot, self.seen[client].clone()));
                self.states[replica].insert(
                    Version { dot, past, clock: VectorClock::default(), timestamp_us: 0, value },
                    Versioning::Dvv,
                );
            }
            Step::Exchange { from, to } => {
                let state = self.states[from].clone();
                self.states[to].join(&state, Versioning::Dvv);
            }
        }
    }

    fn history_of(&self, dot: Dot) -> BTreeSet<Dot> {
        self.history.iter().find(|(d, _)| *d == dot).map(|(_, past)| past.clone()).unwrap_or_default()
    }
}

fn joined(a: &KeyState, b: &KeyState, versioning: Versioning) -> KeyState {
    let mut a = a.clone();
    a.join(b, versioning);
    a
}

proptest! {
    #[test]
    fn join_is_commutative_associative_and_idempotent(steps in proptest::collection::vec(step(), 0..60)) {
        let world = World::run(&steps);
        let [a, b, c] = [&world.states[0], &world.states[1], &world.states[2]];
        for versioning in [Versioning::Dvv, Versioning::Lww] {
            let join = |x: &KeyState, y: &KeyState| joined(x, y, versioning);
            prop_assert_eq!(join(a, b), join(b, a));
            prop_assert_eq!(join(&join(a, b), c), join(a, &join(b, c)));
            prop_assert_eq!(join(&join(a, b), b), join(a, b));
        }
        prop_assert_eq!(&joined(a, a, Versioning::Dvv), a);
    }

    #[test]
    fn a_version_is_superseded_iff_a_later_writer_had_seen_it(steps in proptest::collection::vec(step(), 0..60)) {
        let world = World::run(&steps);
        let everything = world.states.iter().fold(KeyState::default(), |all, s| joined(&all, s, Versioning::Dvv));
        let survivors: BTreeSet<Dot> = everything.versions().iter().map(|version| version.dot).collect();
        for (dot, _) in &world.history {
            let was_seen = world.history.iter().any(|(_, past)| past.contains(dot));
            prop_assert_eq!(survivors.contains(dot), !was_seen, "write {}", dot);
        }
    }

    /// What `join` means, word by word: all versions of both sides but those that lie in the past of any.
    #[test]
    fn join_keeps_what_neither_side_has_superseded(steps in proptest::collection::vec(step(), 0..60)) {
        let world = World::run(&steps);
        for (a, b) in [(0, 1), (1, 2), (2, 0)].map(|(a, b)| (&world.states[a], &world.states[b])) {
            let all: BTreeMap<Dot, &Version> = a.versions().iter().chain(b.versions()).map(|v| (v.dot, v)).collect();
            let kept: Vec<Version> = all.values()
                .filter(|v| !all.values().any(|other| other.past.contains(v.dot)))
                .map(|v| (*v).clone())
                .collect();
            let joined = joined(a, b, Versioning::Dvv);
            prop_assert_eq!(joined.versions(), kept);
        }
    }

    #[test]
    fn no_replica_knows_a_dot_without_the_earlier_ones_of_its_actor(steps in proptest::collection::vec(step(), 0..60)) {
        let world = World::run(&steps);
        for state in &world.states {
            let context = state.context();
            let known: BTreeSet<Dot> = state.versions().iter()
                .flat_map(|v| world.history_of(v.dot).into_iter().chain([v.dot])).collect();
            for (dot, _) in &world.history {
                prop_assert_eq!(context.contains(*dot), known.contains(dot), "dot {}", dot);
            }
        }
    }

    #[test]
    fn last_write_wins_keeps_the_greatest_timestamp(stamps in proptest::collection::vec(0i64..5, 1..20)) {
        let version = |(at, timestamp_us): (usize, &i64)| Version {
            dot: Dot { actor: Actor { node: NodeId(at as u16), epoch: 0 }, counter: 1 },
            past: VersionVector::default(),
            clock: VectorClock::default(),
            timestamp_us: *timestamp_us,
            value: None,
        };
        let mut state = KeyState::default();
        for version in stamps.iter().enumerate().map(version) {
            state.insert(version, Versioning::Lww);
        }
        prop_assert_eq!(state.versions().len(), 1);
        prop_assert_eq!(Some(state.versions()[0].timestamp_us), stamps.iter().copied().max());
    }
}

/// Two puts with the same context at the same coordinator: dots keep both (4.4's gap).
#[test]
fn two_puts_with_one_context_at_one_coordinator_are_siblings() {
    let read_then_write_twice = [
        Step::Write { client: 0, replica: 0 },
        Step::Read { client: 0, replica: 0 },
        Step::Read { client: 1, replica: 0 },
        Step::Write { client: 0, replica: 0 },
        Step::Write { client: 1, replica: 0 },
    ];
    let world = World::run(&read_then_write_twice);
    assert_eq!(world.states[0].versions().len(), 2);
}
