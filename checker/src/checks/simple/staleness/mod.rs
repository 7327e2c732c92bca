//! How stale reads of a register are: by versions, by time, and by how soon writes are seen.
//!
//! Decides, for each key whose written values are unique (Golab, Li, Shah, PODC 2011; Golab, Hurwitz, Li, ICDCS 2013):
//!
//! - *k-atomicity*: is there an order of all operations, one that real time allows, in which each read returns one of the
//!   last k written values? Exactly for k = 1 ([`zones`]) and k = 2 ([`versions`]); for more a bound from below.
//! - *delta-atomicity*: the least time by which all reads must be taken to have begun earlier, so that k = 1 ([`zones`]).
//! - *t-visibility* (Bailis et al., VLDB 2012): of the reads that began within t of the end of the last acknowledged write
//!   before them, how many returned that write or one that may be later ([`visibility`]).
//!
//! These are measured. Invalid is what no bound excuses, a value that nobody wrote or that was read before its write
//! began, and what exceeds the bounds that were asked for ([`Bounds`]). O(n log n), but for k = 2 (see there).

pub mod input;
pub mod versions;
pub mod visibility;
pub mod zones;

use crate::checks::by_key::{by_key, named, of, seconds};
use crate::history::History;
use crate::limits::{Decision, Limits, Violation};
use crate::verdict::Outcome;
use input::{Flaw, Register};
use visibility::Curve;

/// How stale a read may be; none: it is measured only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// The versions k: 1 is the last one, 2 the last two.
    pub versions_max: Option<u64>,
    /// The time delta, in ns.
    pub time_ns_max: Option<u64>,
}

#[derive(Default)]
struct Tally {
    keys: u64,
    /// Keys that are not k-atomic for 1 and for 2, and those for which 2 was not decided.
    stale: u64,
    beyond_two: u64,
    undecided: u64,
    /// The largest bound from below of any key.
    versions_min: u64,
    delta_ns_max: u64,
    reads: u64,
    curve: Curve,
}

/// Measures `read` and `write` on registers that begin with nil.
pub fn check(records: &History, limits: &Limits<'_>, bounds: Bounds) -> Decision {
    let keys = match by_key(records, &["read", "write"]) {
        Ok(keys) => keys,
        Err(decision) => return decision,
    };
    if !records.timed {
        return Decision::inconclusive("staleness: the history has no times");
    }
    let (mut tally, mut decision) = (Tally::default(), Decision::default());
    for (key, ops) in &keys {
        if (limits.out_of_time)() {
            let outcome = decision.outcome.merge(Outcome::Inconclusive);
            return tally.finish(Decision { outcome, headline: "out of time; so far: ".into(), ..decision });
        }
        match Register::new(records, ops) {
            Ok(register) => Judge { records, limits, bounds, key, register }.judge(&mut tally, &mut decision),
            Err(flaw) => flawed(records, key, &flaw, limits, &mut decision),
        }
    }
    tally.finish(decision)
}

/// What no bound excuses is a violation; a value written twice is a history that this cannot judge.
fn flawed(records: &History, key: &str, flaw: &Flaw, limits: &Limits<'_>, decision: &mut Decision) {
    let (kind, explanation, ops) = match flaw {
        Flaw::WrittenTwice(one, other) => {
            decision.outcome = decision.outcome.merge(Outcome::Inconclusive);
            let value = records.show(records.ops[*one].argument);
            let writes = [*one, *other].map(|op| records.event_index(records.ops[op].call));
            let [first, second] = writes;
            decision.headline =
                format!("{value}{} is written twice, at index {first} and {second}: values must be unique; ", of(key));
            return;
        }
        Flaw::Unwritten(read) => {
            let (value, process) = (records.show(records.ops[*read].result), records.ops[*read].process);
            ("unwritten", format!("Process {process} read {value}{}, which nobody wrote.", of(key)), vec![*read])
        }
        Flaw::Future(read, write) => {
            let (value, ended) = (records.show(records.ops[*read].result), records.ops[*read].returned_ns);
            let began = seconds(records.ops[*write].called_ns);
            let explanation =
                format!("{value}{} was read until {}, but its write began at {began}.", of(key), seconds(ended));
            ("read-from-the-future", explanation, vec![*read, *write])
        }
    };
    let events = records.events_of_all(ops);
    decision.violated(limits, || Violation { kind: kind.into(), key: named(key), explanation, events });
}

struct Judge<'a> {
    records: &'a History,
    limits: &'a Limits<'a>,
    bounds: Bounds,
    key: &'a str,
    register: Register,
}

impl Judge<'_> {
    fn judge(&self, tally: &mut Tally, decision: &mut Decision) {
        tally.keys += 1;
        tally.reads += self.register.reads.len() as u64;
        tally.curve.add(&self.register);
        let (least, example) = versions::at_least(&self.register, self.bounds.versions_max.unwrap_or(u64::MAX));
        tally.versions_min = tally.versions_min.max(least);
        let Some(conflict) = zones::conflict(&self.register, 0) else { return };
        tally.stale += 1;
        let delta = zones::delta(&self.register);
        tally.delta_ns_max = tally.delta_ns_max.max(delta);
        let two = if least > 2 { Some(false) } else { versions::two_atomic(&self.register, self.limits.out_of_time) };
        tally.beyond_two += u64::from(two == Some(false));
        tally.undecided += u64::from(two.is_none());
        if self.bounds.time_ns_max.is_some_and(|most| delta > most) {
            self.too_old(delta, decision);
        }
        match self.bounds.versions_max {
            Some(1) => self.conflicting(&conflict, decision),
            Some(most) if least > most => self.too_many(least, &example, decision),
            Some(2) if two == Some(false) => self.not_two_atomic(decision),
            Some(2) if two.is_none() => decision.outcome = decision.outcome.merge(Outcome::Inconclusive),
            Some(most) if most > 2 && two != Some(true) => {
                decision.outcome = decision.outcome.merge(Outcome::Inconclusive);
            }
            _ => {}
        }
    }

    fn too_old(&self, delta: u64, decision: &mut Decision) {
        // The conflict that is left just below the least delta.
        let conflict = zones::conflict(&self.register, delta - 1).unwrap_or_default();
        let ms = delta as f64 / 1e6;
        let explanation = format!("Reads{} must be taken to have begun {ms} ms earlier to be atomic.", of(self.key));
        self.violated("stale-by-time", explanation, &conflict, decision);
    }

    fn conflicting(&self, conflict: &[usize], decision: &mut Decision) {
        let explanation = format!("These operations{} see two writes in different orders.", of(self.key));
        self.violated("stale-read", explanation, conflict, decision);
    }

    fn too_many(&self, least: u64, example: &[usize], decision: &mut Decision) {
        let read = example.last().copied().unwrap_or_default();
        let (value, process) = (self.records.show(self.records.ops[read].result), self.records.ops[read].process);
        let explanation = format!(
            "Process {process} read {value}{}, though {} writes were made after it and acknowledged before the read began.",
            of(self.key),
            least - 1
        );
        self.violated("stale-by-versions", explanation, example, decision);
    }

    fn not_two_atomic(&self, decision: &mut Decision) {
        let events = versions::without_needless(&self.register, self.limits.out_of_time);
        let explanation =
            format!("No order of these operations{} has each read return one of the last two values.", of(self.key));
        self.violated("not-2-atomic", explanation, &events, decision);
    }

    fn violated(&self, kind: &str, explanation: String, ops: &[usize], decision: &mut Decision) {
        decision.violated(self.limits, || {
            let events = self.records.events_of_all(ops.iter().copied());
            Violation { kind: kind.into(), key: named(self.key), explanation, events }
        });
    }
}

impl Tally {
    fn finish(self, mut decision: Decision) -> Decision {
        if self.reads == 0 && decision.outcome == Outcome::Valid {
            decision.outcome = Outcome::Inconclusive;
        }
        let undecided = if self.undecided > 0 { format!(", {} undecided", self.undecided) } else { String::new() };
        decision.headline += &format!(
            "staleness: of {} keys {} have stale reads, {} beyond the last two versions{undecided}; delta {:.3} ms; {:.3} % \
             of reads fresh",
            self.keys,
            self.stale,
            self.beyond_two,
            self.delta_ns_max as f64 / 1e6,
            100.0 * self.curve.fresh_share(),
        );
        decision.figure("keys", self.keys as f64);
        decision.figure("keys_stale", self.stale as f64);
        decision.figure("keys_beyond_two_versions", self.beyond_two as f64);
        decision.figure("keys_two_versions_undecided", self.undecided as f64);
        decision.figure("versions_at_least", self.versions_min as f64);
        decision.figure("delta_ms", self.delta_ns_max as f64 / 1e6);
        self.curve.figures(&mut decision);
        decision
    }
}
