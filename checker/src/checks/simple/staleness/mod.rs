//! How stale the reads of a register are: in versions, in time, and by how soon writes become visible.
//!
//! It measures, for each key whose written values are unique (Golab, Li, Shah, PODC 2011; Golab, Hurwitz, Li, ICDCS
//! 2013):
//!
//! - *k-atomicity*: is there an order of all operations, consistent with real time, in which each read returns one of
//!   the last k written values? Exact for k = 1 ([`zones`]) and k = 2 ([`versions`]); for greater k a lower bound.
//! - *delta-atomicity*: the least time by which the beginnings of all reads must be moved back, so that k = 1
//!   ([`zones`]).
//! - *t-visibility* (Bailis et al., VLDB 2012): of the reads that began within t of the end of the last acknowledged
//!   write before them, the share that returned that write or one that may be later ([`visibility`]).
//!
//! All of these are only measured. Violations are a value that was never written or was read before its write began,
//! which no bound allows, and whatever exceeds the requested bounds ([`Bounds`]). O(n log n), except for k = 2 (see
//! there).

pub(crate) mod input;
pub(crate) mod versions;
pub(crate) mod visibility;
pub(crate) mod zones;

use crate::checks::by_key::{by_key, of, seconds};
use crate::checks::check::{Check, Context, Nature, Scope, View};
pub(crate) use crate::checks::settings::Bounds;
use crate::finding::{Draft, Finding};
use crate::history::{History, Op};
use crate::limits::Limits;
use crate::objects::Object;
use input::{Flaw, Register};
use visibility::Curve;

/// Measures how stale reads are.
pub(crate) struct Staleness;

impl Check for Staleness {
    fn name(&self) -> &'static str {
        "staleness"
    }

    fn about(&self) -> &'static str {
        "read, write v (unique): how many versions and how long reads are behind"
    }

    fn scope(&self) -> Scope {
        Scope::Key
    }

    fn objects(&self) -> &'static [Object] {
        &[Object::Register]
    }

    fn nature(&self) -> Nature {
        Nature { shrinks: true, ..Nature::LASTING.needing(250) }
    }

    fn judge(&self, view: &View<'_>, context: &Context<'_>) -> Finding {
        view.by_records(|records| check(records, &context.limits, context.settings.staleness))
    }
}

#[derive(Default)]
struct Measurements {
    keys: u64,
    /// Keys that are not 1-atomic.
    stale: u64,
    /// Keys that are not 2-atomic.
    beyond_two: u64,
    /// Keys of which it is not known whether they are 2-atomic.
    undecided: u64,
    /// The largest lower bound of k of any key.
    versions_min: u64,
    delta_ns_max: u64,
    reads: u64,
    curve: Curve,
}

/// Measures `read` and `write` on registers.
pub(crate) fn check(records: &History, limits: &Limits<'_>, bounds: Bounds) -> Finding {
    let keys = match by_key(records, &["read", "write"]) {
        Ok(keys) => keys,
        Err(why) => return Finding::undecided(why),
    };
    if !records.timed {
        return Finding::undecided("staleness: the history has no times");
    }
    if let Some(event) = runs_back(records) {
        let index = records.event_index(event);
        return Finding::undecided(format!(
            "staleness: the time of the event at index {index} is before that of an earlier one"
        ));
    }
    let (mut measured, mut finding) = (Measurements::default(), Finding::default());
    for (key, ops) in &keys {
        if (limits.out_of_time)() {
            finding.doubt("the time limit was reached: this is what was seen until then");
            return measured.finish(finding);
        }
        match Register::new(records, ops) {
            Ok(register) => Judge { records, limits, bounds, key, register }.judge(&mut measured, &mut finding),
            Err(flaw) => flawed(records, key, &flaw, limits, &mut finding),
        }
    }
    measured.finish(finding)
}

/// The first event of an operation whose time is before that of an earlier event: what is measured in such times says nothing.
fn runs_back(records: &History) -> Option<u32> {
    let calls = records.ops.iter().map(|op| (op.call, op.called_ns));
    let returns = records.ops.iter().filter(|op| op.ret != Op::NEVER).map(|op| (op.ret, op.returned_ns));
    let mut events: Vec<(u32, u64)> = calls.chain(returns).collect();
    events.sort_unstable();
    events.windows(2).find(|pair| pair[1].1 < pair[0].1).map(|pair| pair[1].0)
}

/// Reports a flaw: a violation that no bound allows, or, for a value written twice, that the history cannot be checked.
fn flawed(records: &History, key: &str, flaw: &Flaw, limits: &Limits<'_>, finding: &mut Finding) {
    let (kind, explanation, ops) = match flaw {
        Flaw::WrittenTwice(one, other) => {
            let value = records.show(records.ops[*one].argument);
            let writes = [*one, *other].map(|op| records.event_index(records.ops[op].call));
            let [first, second] = writes;
            finding.doubt(format!(
                "{value}{} is written twice, at index {first} and {second}: values must be unique",
                of(key)
            ));
            return;
        }
        Flaw::Denied(write) => {
            let index = records.event_index(records.ops[*write].ret);
            finding
                .doubt(format!("the write at index {index} is `ok` with false: one that did nothing must be `fail`"));
            return;
        }
        Flaw::Unwritten(read) => {
            let (value, process) = (records.show(records.ops[*read].result), records.process_of(*read));
            ("unwritten", format!("Process {process} read {value}{}, which nobody wrote.", of(key)), vec![*read])
        }
        Flaw::Future(read, write) => {
            let (value, ended) = (records.show(records.ops[*read].result), records.ops[*read].returned_ns);
            let began = records.ops[*write].called_ns;
            let later = if began == ended { ", later in the history" } else { "" };
            let explanation = format!(
                "{value}{} was read until {}, but its write began at {}{later}.",
                of(key),
                seconds(ended),
                seconds(began)
            );
            ("read-from-the-future", explanation, vec![*read, *write])
        }
    };
    finding.violated(limits, || Draft::at(records, kind, key, ops, explanation));
}

fn undecided(key: &str, versions: u64) -> String {
    format!("whether reads{} return one of the last {versions} values was not decided", of(key))
}

struct Judge<'a> {
    records: &'a History,
    limits: &'a Limits<'a>,
    bounds: Bounds,
    key: &'a str,
    register: Register,
}

impl Judge<'_> {
    fn judge(&self, measured: &mut Measurements, finding: &mut Finding) {
        measured.keys += 1;
        measured.reads += self.register.reads.len() as u64;
        measured.curve.add(&self.register);
        let (least, example) = versions::at_least(&self.register, self.bounds.versions_max.unwrap_or(u64::MAX));
        measured.versions_min = measured.versions_min.max(least);
        let Some(conflict) = zones::conflict(&self.register, 0) else { return };
        measured.stale += 1;
        let delta = zones::delta(&self.register);
        measured.delta_ns_max = measured.delta_ns_max.max(delta);
        let two = if least > 2 { Some(false) } else { versions::two_atomic(&self.register, self.limits.out_of_time) };
        measured.beyond_two += u64::from(two == Some(false));
        measured.undecided += u64::from(two.is_none());
        if self.bounds.time_ns_max.is_some_and(|most| delta > most) {
            self.too_old(delta, finding);
        }
        match self.bounds.versions_max {
            Some(1) => self.conflicting(&conflict, finding),
            Some(most) if least > most => self.too_many(least, &example, finding),
            Some(2) if two == Some(false) => self.not_two_atomic(finding),
            Some(2) if two.is_none() => finding.doubt(undecided(self.key, 2)),
            Some(most) if most > 2 && two != Some(true) => {
                finding.doubt(undecided(self.key, most));
            }
            _ => {}
        }
    }

    fn too_old(&self, delta: u64, finding: &mut Finding) {
        assert!(delta > 0, "a register with a conflict is not atomic as it is");
        // The conflict that remains just below the least delta.
        let conflict = zones::conflict(&self.register, delta - 1).unwrap_or_default();
        let ms = delta as f64 / 1e6;
        let explanation = format!("Reads{} must be taken to have begun {ms} ms earlier to be atomic.", of(self.key));
        self.violated("stale-by-time", explanation, &conflict, finding);
    }

    fn conflicting(&self, conflict: &[usize], finding: &mut Finding) {
        let explanation = format!("These operations{} see two writes in different orders.", of(self.key));
        self.violated("stale-read", explanation, conflict, finding);
    }

    fn too_many(&self, least: u64, example: &[usize], finding: &mut Finding) {
        let read = example.last().copied().unwrap_or_default();
        let (value, process) = (self.records.show(self.records.ops[read].result), self.records.process_of(read));
        let explanation = format!(
            "Process {process} read {value}{}, though {} writes were made after it and acknowledged before the read began.",
            of(self.key),
            least - 1
        );
        self.violated("stale-by-versions", explanation, example, finding);
    }

    fn not_two_atomic(&self, finding: &mut Finding) {
        let events = versions::without_needless(&self.register, self.limits.out_of_time);
        let explanation =
            format!("No order of these operations{} has each read return one of the last two values.", of(self.key));
        self.violated("not-2-atomic", explanation, &events, finding);
    }

    fn violated(&self, kind: &'static str, explanation: String, ops: &[usize], finding: &mut Finding) {
        finding.violated(self.limits, || Draft::at(self.records, kind, self.key, ops.iter().copied(), explanation));
    }
}

impl Measurements {
    fn finish(self, mut finding: Finding) -> Finding {
        if self.reads == 0 {
            finding.doubt("no read was of a known write");
        }
        let undecided = if self.undecided > 0 { format!(", {} undecided", self.undecided) } else { String::new() };
        finding.headline = format!(
            "staleness: of {} keys {} have stale reads, {} beyond the last two versions{undecided}; delta {:.3} ms; {:.3} % \
             of reads fresh",
            self.keys,
            self.stale,
            self.beyond_two,
            self.delta_ns_max as f64 / 1e6,
            100.0 * self.curve.fresh_share(),
        );
        finding.figure("keys", self.keys as f64);
        finding.figure("keys_stale", self.stale as f64);
        finding.figure("keys_beyond_two_versions", self.beyond_two as f64);
        finding.figure("keys_two_versions_undecided", self.undecided as f64);
        finding.figure("versions_at_least", self.versions_min as f64);
        finding.figure("delta_ms", self.delta_ns_max as f64 / 1e6);
        self.curve.figures(&mut finding);
        finding
    }
}
