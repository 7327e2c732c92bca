//! Operations that never completed and that nobody saw cost nothing: a violation among them is found within as much work as
//! without them. What is counted are the configurations of the search, not the time.

use crate::checks::linearizable::machine::{NEVER, Timed};
use crate::checks::linearizable::multi_register::{Part, Transaction};
use crate::checks::linearizable::register::{RegisterAction, RegisterOp};
use crate::checks::linearizable::rule::{self, Ruling};
use crate::checks::linearizable::search::Bounds;
use crate::tests::random::Random;

/// Far less than one configuration for each set of thirty unknown operations.
const CONFIGURATIONS_MAX: u64 = 40_000;
/// Unknown operations of each history.
const UNKNOWN: u32 = 30;

fn bounds() -> Bounds<'static> {
    Bounds { configurations_max: CONFIGURATIONS_MAX, ..Bounds::default() }
}

/// Unknown operations, then `known` by four processes that overlap, and `last` one after the other.
fn history<A: Clone>(unknown: &[A], known: &[A], last: &[A]) -> Vec<Timed<A>> {
    let (mut operations, mut now) = (Vec::new(), 0);
    for (at, action) in unknown.iter().enumerate() {
        operations.push(Timed { process: 100 + at as u32, call: now, ret: NEVER, action: action.clone() });
        now += 2;
    }
    for (at, action) in known.iter().enumerate() {
        // Each begins before the one before it has ended.
        operations.push(Timed { process: at as u32 % 4, call: now, ret: now + 5, action: action.clone() });
        now += 4;
    }
    now += 10;
    for action in last {
        operations.push(Timed { process: 9, call: now, ret: now + 1, action: action.clone() });
        now += 2;
    }
    operations
}

/// Writes of values below 4 and reads of what was written, by a register that does one after the other.
fn known_registers() -> Vec<RegisterAction> {
    let (mut random, mut held) = (Random(1), 0);
    (0..400)
        .map(|_| match random.below(3) {
            0 => {
                held = 1 + random.below(3) as u32;
                RegisterAction::Write(held)
            }
            1 => {
                let from = std::mem::replace(&mut held, 1 + random.below(3) as u32);
                RegisterAction::Cas(from, held)
            }
            _ => RegisterAction::Read(held),
        })
        .collect()
}

#[test]
fn registers_with_unknown_operations_that_nobody_saw_are_decided() {
    use RegisterAction::{Cas, FailedCas, Read, Write};
    let of = |one: &dyn Fn(u32) -> RegisterAction| (0..UNKNOWN).map(one).collect::<Vec<_>>();
    let stale = [Write(1), Write(2), Read(1)];
    let cases: [(&str, Vec<RegisterAction>, Vec<RegisterAction>); 8] = [
        ("writes of values of their own", of(&|at| Write(100 + at)), stale.to_vec()),
        ("writes of one value", of(&|_| Write(100)), stale.to_vec()),
        ("cas to values of their own", of(&|at| Cas(1 + at % 3, 100 + at)), stale.to_vec()),
        ("a chain of cas", of(&|at| Cas(if at == 0 { 1 } else { 99 + at }, 100 + at)), stale.to_vec()),
        ("a circle of cas", of(&|at| Cas(100 + at, 100 + (at + 1) % UNKNOWN)), stale.to_vec()),
        ("cas that found what nobody wrote", of(&|at| Cas(100 + at, 200 + at)), stale.to_vec()),
        (
            "writes and cas",
            of(&|at| if at % 2 == 0 { Write(100 + at) } else { Cas(99 + at, 3 + 97 * at) }),
            stale.to_vec(),
        ),
        (
            "writes of values of their own, any of which a failed cas may have found",
            of(&|at| Write(100 + at)),
            vec![Write(1), FailedCas(2), Write(2), Read(1)],
        ),
    ];
    for (what, unknown, last) in cases {
        let operations: Vec<RegisterOp> = history(&unknown, &known_registers(), &last);
        let ruling = rule::register(0, &operations, &bounds());
        let Ruling::Violation { core, .. } = ruling else { panic!("{what}: {ruling:?}") };
        assert!(core.iter().all(|operation| operation.completed() || what.contains("failed cas")), "{what}: {core:?}");
    }
}

/// What was seen of the same values others may have written: unknown operations count, each at most once.
#[test]
fn registers_with_unknown_operations_that_may_have_been_seen_are_decided() {
    use RegisterAction::{Cas, Read, Write};
    for (what, of) in [
        ("writes", (|at| Write(1 + at % 3)) as fn(u32) -> RegisterAction),
        ("cas", |at| Cas(1 + at % 3, 1 + (at + 1) % 3)),
    ] {
        let unknown: Vec<RegisterAction> = (0..8).map(of).collect();
        let flips = |count: u32| {
            [Write(1), Write(2)].into_iter().chain((0..count).map(|at| Read(1 + at % 2))).collect::<Vec<_>>()
        };
        let with = |count| rule::register(0, &history(&unknown, &known_registers(), &flips(count)), &bounds());
        assert!(matches!(with(2), Ruling::Holds { .. }), "{what}: {:?}", with(2));
        assert!(matches!(with(40), Ruling::Violation { .. }), "{what}: {:?}", with(40));
    }
}

#[test]
fn transactions_with_unknown_ones_that_nobody_saw_are_decided() {
    let write = |key, value| Part::Write { key, value };
    let read = |key, value| Part::Read { key, value };
    let of = |one: &dyn Fn(u32) -> Transaction| (0..UNKNOWN).map(one).collect::<Vec<_>>();
    let mut known: Vec<Transaction> = (1..=60).map(|value| vec![write(value % 5, value)]).collect();
    known.extend((0..5).map(|key| vec![read(key, 60 - (5 - key) % 5)]));
    let stale = vec![vec![write(0, 61)], vec![write(0, 62)], vec![read(0, 61)]];
    let cases = [
        ("writes of values of their own", of(&|at| vec![write(at % 5, 1000 + at)])),
        ("writes of two registers", of(&|at| vec![write(at % 5, 1000 + at), write((at + 1) % 5, 1000 + at)])),
        ("writes of one value", of(&|at| vec![write(at % 5, 1000)])),
        ("writes of registers that nobody reads", of(&|at| vec![write(7 + at, 1)])),
        ("values that are read of other registers", of(&|at| vec![write(at % 5, 60 - (6 - at % 5) % 5)])),
        ("nothing at all", of(&|_| Vec::new())),
    ];
    for (what, unknown) in cases {
        let ruling = rule::multi_register(0, &history(&unknown, &known, &stale), &bounds());
        let Ruling::Violation { core, .. } = ruling else { panic!("{what}: {ruling:?}") };
        assert!(core.iter().all(Timed::completed) && core.len() <= 4, "{what}: {core:?}");
    }
}
