//! Whether elements added to a set stay: which are there for good, which were lost, and how long each took to appear.
//!
//! The definitions are those of Jepsen's `set-full`. An element is *known* from the completion of its first
//! acknowledged add or of the first read that saw it. Let *last present* and *last absent* be the latest invocations of
//! reads that contain it and that lack it. It is *stable* if no read invoked after last present lacks it; *lost* if one
//! does that was also invoked after it was known; else *never read*. The latency of a stable element is how long after
//! it was known a read lacked it last; if it is above zero, the element was *stale*.
//!
//! Violations: an element that is lost, occurs twice in one list, or is read without having been added. Inconclusive:
//! no element is stable.
//!
//! Reads are visited from the last to the first. An element is followed as long as every read so far contains it. So
//! the cost is linear in the size of the lists, not elements times reads.

use rustc_hash::FxHashMap;

use crate::checks::by_key::{by_key, elements, is, of, seconds};
use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::finding::{Draft, Finding, Proof, ms, quantile};
use crate::history::{History, ValueId};
use crate::limits::Limits;
use crate::objects::Object;

/// What is known of an element.
#[derive(Clone, Copy, Default)]
struct Element {
    /// An add was invoked that did not certainly fail.
    added: bool,
    /// The operation from whose completion on it is known.
    known_by: Option<usize>,
    /// The latest invoked read that contains it.
    last_present: Option<usize>,
    /// The latest invoked read that lacks it.
    last_absent: Option<usize>,
    /// The number of the last visited read that contains it.
    stamp: usize,
}

/// Checks what becomes of each element of a set.
pub(crate) struct SetFull;

impl Check for SetFull {
    fn name(&self) -> &'static str {
        "set-full"
    }

    fn about(&self) -> &'static str {
        "add v, read [v ...]: which elements stay, which are lost, how long they take to appear"
    }

    fn scope(&self) -> Scope {
        Scope::Key
    }

    fn objects(&self) -> &'static [Object] {
        &[Object::Set]
    }

    fn nature(&self) -> Nature {
        Nature::default().needing(200)
    }

    fn judge(&self, view: &View<'_>, context: &Context<'_>) -> Finding {
        view.by_records(|records| check(records, &context.limits))
    }
}

/// Checks `add` of an element and `read` of all of them, each key independently. O(size of all lists read).
pub(crate) fn check(records: &History, limits: &Limits<'_>) -> Finding {
    let keys = match by_key(records, &["add", "read"]) {
        Ok(keys) => keys,
        Err(why) => return Finding::undecided(why),
    };
    let mut counts = ElementCounts::default();
    let mut finding = Finding::default();
    for (key, ops) in &keys {
        if (limits.out_of_time)() {
            finding.doubt("the time limit was reached: not every key was checked");
            return finding;
        }
        if let Err(problem) = Set::of(records, key, ops, limits, &mut finding).judge(&mut counts) {
            return Finding::undecided(problem);
        }
    }
    counts.finish(records, finding)
}

#[derive(Default)]
struct ElementCounts {
    stable: u64,
    lost: u64,
    never_read: u64,
    stale: u64,
    duplicated: u64,
    unexpected: u64,
    stable_ns: Vec<u64>,
    lost_ns: Vec<u64>,
}

struct Set<'r, 'd> {
    records: &'r History,
    key: &'r str,
    ops: &'r [usize],
    limits: &'d Limits<'d>,
    finding: &'d mut Finding,
    elements: FxHashMap<ValueId, Element>,
}

impl<'r, 'd> Set<'r, 'd> {
    fn of(
        records: &'r History,
        key: &'r str,
        ops: &'r [usize],
        limits: &'d Limits<'d>,
        finding: &'d mut Finding,
    ) -> Self {
        Self { records, key, ops, limits, finding, elements: FxHashMap::default() }
    }

    fn judge(mut self, counts: &mut ElementCounts) -> Result<(), String> {
        self.adds()?;
        let reads = self.reads()?;
        self.duplicates(&reads, counts);
        self.unexpected(&reads, counts);
        self.presence(&reads);
        self.outcomes(counts);
        Ok(())
    }

    fn adds(&mut self) -> Result<(), String> {
        for &at in self.ops {
            let op = &self.records.ops[at];
            if !is(self.records, op, "add") {
                continue;
            }
            if op.argument.is_list() {
                return Err(format!(
                    "the element {} is a list: elements must be scalars",
                    self.records.show(op.argument)
                ));
            }
            let element = self.elements.entry(op.argument).or_default();
            element.added |= op.may_have_happened();
            if op.is_ok() {
                element.known_by = earlier(self.records, element.known_by, at);
            }
        }
        Ok(())
    }

    /// The reads that succeeded, in the order of invocation, with their lists.
    fn reads(&self) -> Result<Vec<(usize, &'r [ValueId])>, String> {
        let records = self.records;
        let reads = self.ops.iter().map(|at| (*at, &records.ops[*at]));
        let reads = reads.filter(|(_, op)| op.is_ok() && is(records, op, "read"));
        reads
            .map(|(at, op)| {
                let list = elements(records, op.result);
                list.map(|list| (at, list)).ok_or_else(|| {
                    let index = records.event_index(op.ret);
                    format!("the read that ended at index {index} has no list: {}", records.show(op.result))
                })
            })
            .collect()
    }

    fn duplicates(&mut self, reads: &[(usize, &[ValueId])], counts: &mut ElementCounts) {
        for (at, list) in reads {
            let mut sorted = list.to_vec();
            sorted.sort_unstable();
            let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) else { continue };
            counts.duplicated += 1;
            let element = self.records.show(twice[0]);
            let explanation =
                format!("Process {} read {element}{} more than once in one list.", self.process(*at), of(self.key));
            self.violated("duplicate", explanation, &[*at]);
        }
    }

    fn unexpected(&mut self, reads: &[(usize, &[ValueId])], counts: &mut ElementCounts) {
        for (at, list) in reads {
            for element in *list {
                let entry = self.elements.entry(*element).or_default();
                if !entry.added {
                    entry.added = true;
                    counts.unexpected += 1;
                    self.unexpected_element(*at, *element);
                }
            }
        }
    }

    fn unexpected_element(&mut self, read: usize, element: ValueId) {
        let shown = self.records.show(element);
        let add = self.ops.iter().copied().find(|at| {
            let op = &self.records.ops[*at];
            is(self.records, op, "add") && op.argument == element
        });
        let why = if add.is_some() { "whose add had failed" } else { "which nobody had added" };
        let explanation = format!("Process {} read {shown}{}, {why}.", self.process(read), of(self.key));
        let events: Vec<usize> = add.into_iter().chain([read]).collect();
        self.violated("unexpected", explanation, &events);
    }

    /// Visits the reads from the last to the first: see the module.
    fn presence(&mut self, reads: &[(usize, &[ValueId])]) {
        debug_assert!(reads.is_sorted_by(|a, b| a.0 < b.0), "reads are in the order of invocation");
        // Elements that every visited read contains. An element leaves it at the first read (from the end) that lacks
        // it, which is its last absent one.
        let mut everywhere: Vec<ValueId> = self.elements.keys().copied().collect();
        for (stamp, (at, list)) in (1..).zip(reads.iter().rev()) {
            for id in *list {
                if let Some(element) = self.elements.get_mut(id) {
                    element.stamp = stamp;
                    element.last_present = element.last_present.or(Some(*at));
                    element.known_by = earlier(self.records, element.known_by, *at);
                }
            }
            everywhere.retain(|id| {
                let element = self.elements.get_mut(id).expect("it was taken from this map");
                if element.stamp != stamp {
                    element.last_absent = Some(*at);
                }
                element.stamp == stamp
            });
        }
    }

    fn outcomes(&mut self, counts: &mut ElementCounts) {
        let mut elements: Vec<(ValueId, Element)> = self.elements.iter().map(|(id, element)| (*id, *element)).collect();
        elements.sort_unstable_by_key(|(id, element)| (element.known_by, *id));
        for (id, element) in elements {
            let Some(known_by) = element.known_by else { continue };
            let (known, since) = (self.records.ops[known_by].ret, self.records.ops[known_by].returned_ns);
            match (element.last_present, element.last_absent) {
                (Some(present), absent) if absent.is_none_or(|absent| absent < present) => {
                    let latency = absent.map_or(0, |at| self.records.ops[at].called_ns.saturating_sub(since));
                    counts.stable += 1;
                    counts.stale += u64::from(absent.is_some_and(|at| self.records.ops[at].call > known));
                    counts.stable_ns.push(latency);
                }
                (present, Some(absent)) if self.records.ops[absent].call > known => {
                    counts.lost += 1;
                    let seen_ns = present.map_or(since, |at| self.records.ops[at].called_ns);
                    counts.lost_ns.push(seen_ns.saturating_sub(since));
                    self.lost(id, known_by, absent);
                }
                _ => counts.never_read += 1,
            }
        }
    }

    fn lost(&mut self, element: ValueId, known_by: usize, absent: usize) {
        let (known, read) = (&self.records.ops[known_by], &self.records.ops[absent]);
        let how = if is(self.records, known, "add") { "acknowledged to" } else { "read by" };
        let explanation = format!(
            "{}{} was {how} process {} at {}, but the read that process {} began at {} does not have it, and none after it does.",
            self.records.show(element),
            of(self.key),
            known.process,
            seconds(known.returned_ns),
            read.process,
            seconds(read.called_ns),
        );
        self.violated("lost", explanation, &[known_by, absent]);
    }

    fn violated(&mut self, kind: &'static str, explanation: String, ops: &[usize]) {
        let proof = Proof::at(self.records, ops.iter().copied());
        let key = self.key;
        self.finding.violated(self.limits, || Draft { kind, key, process: None, explanation, proof });
    }

    fn process(&self, op: usize) -> u32 {
        self.records.ops[op].process
    }
}

/// The operation that completed first.
fn earlier(records: &History, known: Option<usize>, other: usize) -> Option<usize> {
    known.filter(|known| records.ops[*known].ret < records.ops[other].ret).or(Some(other))
}

impl ElementCounts {
    fn finish(mut self, records: &History, mut finding: Finding) -> Finding {
        if self.stable == 0 {
            finding.doubt("no element stayed");
        }
        let counts = [
            ("stable", self.stable),
            ("lost", self.lost),
            ("never_read", self.never_read),
            ("stale", self.stale),
            ("reads_with_duplicates", self.duplicated),
            ("unexpected", self.unexpected),
        ];
        finding.headline = format!(
            "set-full: {} elements stable ({} of them stale for a while), {} lost, {} never read",
            self.stable, self.stale, self.lost, self.never_read
        );
        for (name, count) in counts {
            finding.figure(name, count as f64);
        }
        if !records.timed {
            return finding;
        }
        for (name, latencies) in [("stable", &mut self.stable_ns), ("lost", &mut self.lost_ns)] {
            latencies.sort_unstable();
            for (label, share) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)] {
                if !latencies.is_empty() {
                    finding.figure(&format!("{name}_ms_{label}"), ms(quantile(latencies, share)));
                }
            }
        }
        finding
    }
}
