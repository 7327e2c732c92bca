//! Violations of sequential consistency among thousands of operations are found without a search, by what reads force.

use crate::checks::linearizable::machine::{NEVER, Timed};
use crate::checks::linearizable::register::RegisterAction::{self, Cas, Read, Write};
use crate::checks::linearizable::rule::{self, Ruling};
use crate::checks::linearizable::search::Bounds;
use crate::checks::linearizable::sequential::{Found, KeyedAction, KeyedOp, judge};

/// Two registers that only the operations in question use.
const X: u32 = 100;
const Y: u32 = 101;
const OTHERS: u32 = 2_000;

/// Process, register, action, and whether it completed.
type Step = (u32, u32, RegisterAction, bool);

fn ok(process: u32, key: u32, action: RegisterAction) -> Step {
    (process, key, action, true)
}

/// One after the other in real time, which does not count: half of what others do, the steps, the other half.
fn history(steps: &[Step]) -> Vec<KeyedOp> {
    let other = |at: u32| {
        let (process, value) = (10 + at / 2 % 8, 1 + at / 2);
        // Each value is read by another process, eight operations late: that is not linearizable.
        match at {
            at if at % 2 == 0 => ok(process, value % 4, Write(value)),
            at if at < 20 => ok(process, 50, Read(0)),
            _ => ok(process + 20, 3 - value % 4, Read(0)),
        }
    };
    let middle = OTHERS / 2;
    let all = (0..middle).map(other).chain(steps.iter().copied()).chain((middle..OTHERS).map(other));
    all.zip(0..)
        .map(|((process, key, action, completed), at)| {
            let ret = if completed { 2 * at + 1 } else { NEVER };
            Timed { process, call: 2 * at, ret, action: KeyedAction { key, action } }
        })
        .collect()
}

#[test]
fn violations_are_found_without_a_search() {
    // Processes that never see anything of each other but in these steps.
    let cases: [(&str, Vec<Step>); 10] = [
        ("backwards", vec![ok(0, X, Write(1)), ok(0, X, Write(2)), ok(1, X, Read(2)), ok(1, X, Read(1))]),
        ("unwritten", vec![ok(0, X, Write(1)), ok(1, X, Read(7))]),
        ("its own write is not seen", vec![ok(0, X, Write(1)), ok(0, X, Read(0))]),
        (
            "each misses what the other wrote",
            vec![ok(0, X, Write(1)), ok(0, Y, Read(0)), ok(1, Y, Write(1)), ok(1, X, Read(0))],
        ),
        (
            "a message overtakes what it speaks of",
            vec![ok(0, X, Write(1)), ok(0, Y, Write(1)), ok(1, Y, Read(1)), ok(1, X, Read(0))],
        ),
        (
            "two see two writes in different orders",
            vec![
                ok(0, X, Write(1)),
                ok(1, Y, Write(1)),
                ok(2, X, Read(1)),
                ok(2, Y, Read(0)),
                ok(3, Y, Read(1)),
                ok(3, X, Read(0)),
            ],
        ),
        (
            "causality by way of a third",
            vec![ok(0, X, Write(1)), ok(1, X, Read(1)), ok(1, Y, Write(1)), ok(2, Y, Read(1)), ok(2, X, Read(0))],
        ),
        ("two cas find the same", vec![ok(0, X, Write(1)), ok(1, X, Cas(1, 2)), ok(2, X, Cas(1, 3))]),
        ("a cas comes between", vec![ok(0, X, Write(1)), ok(1, X, Cas(1, 2)), ok(2, X, Read(2)), ok(2, X, Read(1))]),
        (
            "what never completed was seen, and an older value after it",
            vec![ok(0, X, Write(1)), ok(2, X, Read(1)), (1, X, Write(2), false), ok(2, X, Read(2)), ok(2, X, Read(1))],
        ),
    ];
    for (what, steps) in cases {
        let operations = history(&steps);
        let judged = judge(&operations, 0, &Bounds::default());
        assert_eq!((judged.found, judged.explored), (Found::Violation, 0), "{what}");
        let ruling = rule::sequential(0, &operations, &Bounds::default());
        let Ruling::Violation { core, .. } = ruling else { panic!("{what}: {ruling:?}") };
        assert!(
            core.len() <= steps.len() && core.iter().all(|operation| operation.action.key >= X),
            "{what}: {core:?}"
        );
        let alone = judge(&core, 0, &Bounds::default());
        assert_eq!(alone.found, Found::Violation, "{what}: {core:?} explains nothing");
    }
}

/// The same without the last step: consistent, and found to be, in about as many steps as there are operations.
#[test]
fn what_is_consistent_is_found_to_be_within_few_steps() {
    let steps = [ok(0, X, Write(1)), ok(1, X, Write(2)), ok(2, X, Read(2)), ok(2, X, Read(1)), ok(3, X, Read(2))];
    let few = Bounds { configurations_max: 4 * u64::from(OTHERS), ..Bounds::default() };
    let judged = judge(&history(&steps), 0, &few);
    assert_eq!(judged.found, Found::Consistent, "{judged:?}");
    assert!(judged.explored > 0, "it is not linearizable");
}
