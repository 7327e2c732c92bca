//! Small random histories of transactions: of a serial store with concurrent clients, with faults that break it.

use crate::checks::isolation::input::{Outcome, Transactions};
use crate::tests::random::Random;

/// What a history looks like.
#[derive(Clone, Copy)]
pub struct Shape {
    pub transactions: u32,
    pub processes: u32,
    pub keys: u32,
    pub micros_max: u64,
    /// How often a read shows an older state, percent.
    pub stale: u64,
    /// How often a transaction fails or is unknown, percent.
    pub unsure: u64,
    pub lists: bool,
    /// How often a micro-operation is about the key of the one before it, percent.
    pub again: u64,
}

/// One history: transactions take effect one after the other, each at a moment within its span, but for stale reads.
pub fn history(draw: &mut Random, shape: Shape) -> Transactions {
    let mut spans = spans(draw, shape);
    // The order of effects: any that agrees with real time.
    let mut effects: Vec<(u32, usize)> = spans.iter().enumerate().map(|(at, span)| (span.effect, at)).collect();
    effects.sort_unstable();
    let mut state: Vec<Vec<u32>> = vec![Vec::new(); shape.keys as usize];
    let mut next = 1;
    let mut bodies: Vec<Vec<Drawn>> = vec![Vec::new(); spans.len()];
    for (_, at) in effects {
        let happens = match spans[at].outcome {
            Outcome::Ok => true,
            Outcome::Info => draw.chance(50),
            Outcome::Fail => draw.chance(shape.stale / 2),
        };
        let mut own = state.clone();
        for _ in 0..=draw.below(shape.micros_max) {
            let key = match bodies[at].last() {
                Some((_, last, ..)) if shape.again > 0 && draw.chance(shape.again) => *last,
                _ => draw.below(u64::from(shape.keys)) as u32,
            };
            if draw.chance(50) {
                own[key as usize].push(next);
                bodies[at].push((true, key, next, Vec::new()));
                next += 1;
            } else {
                let mut seen = own[key as usize].clone();
                if !seen.is_empty() && draw.chance(shape.stale) {
                    seen.truncate(draw.below(seen.len() as u64 + 1) as usize);
                }
                bodies[at].push((false, key, 0, seen));
            }
        }
        if happens {
            state = own;
        }
    }
    spans.iter_mut().zip(bodies).fold(Transactions::default(), |mut all, (span, body)| {
        all.begin(span.process, span.outcome, span.call, span.ret);
        for (writes, key, value, seen) in body {
            match (writes, shape.lists) {
                (true, true) => all.append(key, value),
                (true, false) => all.write(key, value),
                (false, true) => all.read_list(key, seen),
                (false, false) => all.read(key, seen.last().copied().unwrap_or(0)),
            }
        }
        all
    })
}

/// Whether it writes, the key, what it writes, or else what it saw.
type Drawn = (bool, u32, u32, Vec<u32>);

struct Span {
    process: u32,
    outcome: Outcome,
    call: u32,
    effect: u32,
    ret: u32,
}

/// Spans of transactions by call; processes do one thing at a time, a process whose transaction is unknown ends.
fn spans(draw: &mut Random, shape: Shape) -> Vec<Span> {
    let mut free: Vec<u32> = (0..shape.processes).collect();
    let mut running: Vec<usize> = Vec::new();
    let (mut spans, mut now, mut fresh): (Vec<Span>, u32, u32) = (Vec::new(), 0, shape.processes);
    loop {
        let more = spans.len() < shape.transactions as usize;
        if more && !free.is_empty() && (running.is_empty() || draw.chance(50)) {
            let process = free.swap_remove(draw.below(free.len() as u64) as usize);
            running.push(spans.len());
            spans.push(Span { process, outcome: Outcome::Ok, call: now, effect: 0, ret: 0 });
        } else if !running.is_empty() {
            let span = &mut spans[running.swap_remove(draw.below(running.len() as u64) as usize)];
            span.ret = now;
            span.effect = span.call + draw.below(u64::from(now - span.call)) as u32;
            span.outcome = match draw.below(100) {
                lot if lot < shape.unsure / 2 => Outcome::Info,
                lot if lot < shape.unsure => Outcome::Fail,
                _ => Outcome::Ok,
            };
            free.push(if span.outcome == Outcome::Info { fresh } else { span.process });
            fresh += 1;
        } else {
            return spans;
        }
        now += 1;
    }
}
