//! Whether elements added to a set stay: which are there for good, which were lost, and how long each took to appear.
//!
//! The definitions are those of Jepsen's `set-full`. An element is *known* from the completion of its first
//! acknowledged add or of the first read that saw it. Let *last present* and *last absent* be the latest invocations of
//! reads that contain it and that lack it. It is *stable* if no read invoked after last present lacks it; *lost* if one
//! does that was also invoked after it was known; else *never read*. The latency of a stable element is how long after
//! it was known a read lacked it last; if it is above zero, the element was *stale*.
//!
//! Violations: an element that is lost, occurs twice in one list, or is read without having been added (or although its
//! add failed, or before it was invoked: Jepsen's checker passes that over). If the set is to be linearizable, also an
//! element that was stale. What nobody added is neither stable nor lost, and a read that shows an element before its
//! add was invoked does not make it known. Elements that the set begins with are known before everything. Inconclusive:
//! no element is stable.
//!
//! Reads are visited from the last to the first. An element is followed as long as every read so far contains it. So
//! the cost is linear in the size of the lists, not elements times reads.

use rustc_hash::FxHashMap;

use crate::checks::by_key::{Denials, by_key, elements, is, of};
use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::finding::{Draft, Finding, at_time, ms, quantile};
use crate::history::{History, Identities, Op, ProcessName, ValueId};
use crate::limits::Limits;
use crate::objects::Object;

/// The functions that add an element: that of a set, and that of Maelstrom's `broadcast`.
const ADDS: [&str; 2] = ["add", "broadcast"];

fn adds(records: &History, op: &Op) -> bool {
    ADDS.contains(&records.text(op.f))
}

/// What is known of an element.
#[derive(Clone, Copy, Default)]
struct Element {
    value: ValueId,
    /// An add was invoked that did not certainly fail.
    added: bool,
    /// The set begins with it.
    at_first: bool,
    /// It was reported as read and not added.
    unexpected: bool,
    /// The first add that may have happened.
    added_by: Option<usize>,
    /// The first add that certainly failed.
    failed_by: Option<usize>,
    /// The add that was acknowledged first.
    acknowledged_by: Option<usize>,
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
        view.by_records(|records| check(records, &context.limits, context.settings.linearizable_sets))
    }
}

/// Checks `add` of an element and `read` of all of them, each key independently. O(size of all lists read).
pub(crate) fn check(records: &History, limits: &Limits<'_>, linearizable: bool) -> Finding {
    let keys = match by_key(records, &[&ADDS[..], &["read"]].concat()) {
        Ok(keys) => keys,
        Err(why) => return Finding::undecided(why),
    };
    let mut counts = ElementCounts { linearizable, ..ElementCounts::default() };
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
    /// An element that was stale is a violation.
    linearizable: bool,
    denials: Denials,
    stable: u64,
    lost: u64,
    never_read: u64,
    stale: u64,
    duplicated: u64,
    unexpected: u64,
    stable_ns: Vec<u64>,
    lost_ns: Vec<u64>,
}

/// A read that succeeded: its place in the history, and the elements that it shows, as positions in [`Set::elements`].
type SetRead = (usize, Vec<u32>);

struct Set<'r, 'd> {
    records: &'r History,
    key: &'r str,
    ops: &'r [usize],
    limits: &'d Limits<'d>,
    finding: &'d mut Finding,
    /// In the order in which they appear. Reads show most elements in this order, so going over a read goes over memory in
    /// order, too; a table of elements by value would be visited at random.
    elements: Vec<Element>,
    positions: FxHashMap<ValueId, u32>,
    same: Identities<'r>,
}

impl<'r, 'd> Set<'r, 'd> {
    fn of(
        records: &'r History,
        key: &'r str,
        ops: &'r [usize],
        limits: &'d Limits<'d>,
        finding: &'d mut Finding,
    ) -> Self {
        let (elements, positions, same) = (Vec::new(), FxHashMap::default(), Identities::new(records));
        Self { records, key, ops, limits, finding, elements, positions, same }
    }

    /// The position of a value's element.
    fn position(&mut self, value: ValueId) -> u32 {
        let value = self.same.of(value);
        *self.positions.entry(value).or_insert_with(|| {
            self.elements.push(Element { value, ..Element::default() });
            (self.elements.len() - 1) as u32
        })
    }

    fn element(&mut self, value: ValueId) -> &mut Element {
        let position = self.position(value);
        &mut self.elements[position as usize]
    }

    fn judge(mut self, counts: &mut ElementCounts) -> Result<(), String> {
        self.at_first()?;
        self.adds(&mut counts.denials);
        let mut reads = self.reads()?;
        self.duplicates(&reads, counts);
        self.unexpected(&mut reads, counts);
        self.presence(&reads);
        self.outcomes(counts);
        Ok(())
    }

    fn at_first(&mut self) -> Result<(), String> {
        let Some(op) = self.ops.first().map(|at| &self.records.ops[*at]) else { return Ok(()) };
        let initial = self.records.initial(op.key);
        let all = elements(self.records, initial);
        let all = all.ok_or_else(|| format!("a set cannot begin with {}", self.records.show(initial)))?;
        for element in all {
            let element = self.element(*element);
            (element.added, element.at_first) = (true, true);
        }
        Ok(())
    }

    fn adds(&mut self, denials: &mut Denials) {
        for &at in self.ops {
            let op = &self.records.ops[at];
            if !adds(self.records, op) {
                continue;
            }
            let (element, acknowledged) = denials.change(self.records, op);
            let records = self.records;
            let element = self.element(element);
            element.added |= op.may_have_happened();
            let first = if op.may_have_happened() { &mut element.added_by } else { &mut element.failed_by };
            first.get_or_insert(at);
            if acknowledged {
                element.known_by = earlier(records, element.known_by, at);
                element.acknowledged_by = earlier(records, element.acknowledged_by, at);
            }
        }
    }

    /// The reads that succeeded, in the order of invocation, with their lists.
    fn reads(&mut self) -> Result<Vec<SetRead>, String> {
        let records = self.records;
        let reads = self.ops.iter().map(|at| (*at, &records.ops[*at]));
        let reads = reads.filter(|(_, op)| op.is_ok() && is(records, op, "read"));
        reads
            .map(|(at, op)| {
                let list = records.datum(op.result).elements().ok_or_else(|| {
                    let index = records.event_index(op.ret);
                    format!("the read that ended at index {index} has no list: {}", records.show(op.result))
                })?;
                Ok((at, list.iter().map(|value| self.position(*value)).collect()))
            })
            .collect()
    }

    fn duplicates(&mut self, reads: &[SetRead], counts: &mut ElementCounts) {
        for (at, list) in reads {
            let mut sorted = list.clone();
            sorted.sort_unstable();
            let twice = sorted.windows(2).filter(|pair| pair[0] == pair[1]);
            let Some(twice) = twice.map(|pair| self.elements[pair[0] as usize].value).min() else { continue };
            counts.duplicated += 1;
            let element = self.records.show(twice);
            let explanation =
                format!("Process {} read {element}{} more than once in one list.", self.process(*at), of(self.key));
            self.violated("duplicate", explanation, &[*at]);
        }
    }

    /// Reports elements that nobody can have added when they were read, and takes them out of the reads.
    fn unexpected(&mut self, reads: &mut [SetRead], counts: &mut ElementCounts) {
        let records = self.records;
        for (at, list) in reads {
            let may_show = |add: usize| records.may_show(*at, add);
            let mut reported = Vec::new();
            list.retain(|position| {
                let element = &mut self.elements[*position as usize];
                let possible = element.at_first || element.added_by.is_some_and(may_show);
                if !possible && !element.unexpected {
                    element.unexpected = true;
                    reported.push(*element);
                }
                possible
            });
            counts.unexpected += reported.len() as u64;
            reported.iter().for_each(|element| self.unexpected_element(*at, element));
        }
    }

    fn unexpected_element(&mut self, read: usize, element: &Element) {
        let shown = self.records.show(element.value);
        let failed_add = element.failed_by.filter(|add| self.records.may_show(read, *add));
        let why = match (failed_add, element.added_by.or(element.failed_by)) {
            (Some(_), _) => "whose add had failed",
            (None, Some(_)) => "which nobody had added then",
            (None, None) => "which nobody had added",
        };
        let explanation = format!("Process {} read {shown}{}, {why}.", self.process(read), of(self.key));
        let events: Vec<usize> = failed_add.into_iter().chain([read]).collect();
        self.violated("unexpected", explanation, &events);
    }

    /// Visits the reads from the last to the first: see the module.
    fn presence(&mut self, reads: &[SetRead]) {
        debug_assert!(reads.is_sorted_by(|a, b| a.0 < b.0), "reads are in the order of invocation");
        // Elements that every visited read contains. An element leaves it at the first read (from the end) that lacks
        // it, which is its last absent one.
        let mut everywhere: Vec<u32> = (0..self.elements.len() as u32).collect();
        for (stamp, (at, list)) in (1..).zip(reads.iter().rev()) {
            for position in list {
                let element = &mut self.elements[*position as usize];
                element.stamp = stamp;
                element.last_present = element.last_present.or(Some(*at));
                element.known_by = earlier(self.records, element.known_by, *at);
            }
            everywhere.retain(|position| {
                let element = &mut self.elements[*position as usize];
                if element.stamp != stamp {
                    element.last_absent = Some(*at);
                }
                element.stamp == stamp
            });
        }
    }

    fn outcomes(&mut self, counts: &mut ElementCounts) {
        let mut order: Vec<u32> = (0..self.elements.len() as u32).collect();
        order.sort_unstable_by_key(|position| {
            let element = &self.elements[*position as usize];
            (element.known_by, element.value)
        });
        for position in order {
            let element = self.elements[position as usize];
            if !element.added {
                continue;
            }
            let known_by = element.known_by.filter(|_| !element.at_first);
            let (known, since) = match known_by.map(|at| &self.records.ops[at]) {
                Some(op) => (Some(op.ret), op.returned_ns),
                None if element.at_first => (None, 0),
                None => continue,
            };
            let later = |at: usize| known.is_none_or(|known| self.records.ops[at].call > known);
            match (element.last_present, element.last_absent) {
                (Some(present), absent) if absent.is_none_or(|absent| absent < present) => {
                    let latency = absent.map_or(0, |at| self.records.ops[at].called_ns.saturating_sub(since));
                    counts.stable += 1;
                    counts.stable_ns.push(latency);
                    if let Some(absent) = absent.filter(|at| later(*at)) {
                        counts.stale += 1;
                        if counts.linearizable {
                            self.missing("stale", &element, (known_by, absent));
                        }
                    }
                }
                (present, Some(absent)) if later(absent) => {
                    counts.lost += 1;
                    let seen_ns = present.map_or(since, |at| self.records.ops[at].called_ns);
                    counts.lost_ns.push(seen_ns.saturating_sub(since));
                    self.missing("lost", &element, (known_by, absent));
                }
                _ => counts.never_read += 1,
            }
        }
    }

    /// An element that a read lacks after it was known: for good, or for a while.
    fn missing(&mut self, kind: &'static str, element: &Element, (known_by, absent): (Option<usize>, usize)) {
        // An add that was acknowledged in time says enough, whoever had read it even sooner.
        let acknowledged_by = element.acknowledged_by;
        let in_time = |at: &usize| self.records.ops[*at].ret < self.records.ops[absent].call;
        let known_by = known_by.map(|known_by| acknowledged_by.filter(in_time).unwrap_or(known_by));
        let known = match known_by.map(|at| &self.records.ops[at]) {
            None => "there at first".to_owned(),
            Some(known) => {
                let how = if adds(self.records, known) { "acknowledged to" } else { "read by" };
                let (by, when) = (self.records.process_name(known.process), at_time(self.records, known.returned_ns));
                format!("{how} process {by}{when}")
            }
        };
        let read = &self.records.ops[absent];
        let explanation = format!(
            "{}{} was {known}, but the read that process {} began{} does not have it, {}.",
            self.records.show(element.value),
            of(self.key),
            self.process(absent),
            at_time(self.records, read.called_ns),
            if kind == "lost" { "and none after it does" } else { "though a later one does" },
        );
        // Without an add it would be one that nobody added.
        let is_add = |at: usize| adds(self.records, &self.records.ops[at]);
        let added_by = element.added_by.filter(|_| known_by.is_some_and(|known_by| !is_add(known_by)));
        let mut ops: Vec<usize> = added_by.into_iter().chain(known_by).chain([absent]).collect();
        if kind == "stale" {
            ops.extend(element.last_present);
        }
        self.violated(kind, explanation, &ops);
    }

    fn violated(&mut self, kind: &'static str, explanation: String, ops: &[usize]) {
        let (records, key) = (self.records, self.key);
        self.finding.violated(self.limits, || Draft::at(records, kind, key, ops.iter().copied(), explanation));
    }

    fn process(&self, op: usize) -> ProcessName {
        self.records.process_of(op)
    }
}

/// The operation that completed first.
fn earlier(records: &History, known: Option<usize>, other: usize) -> Option<usize> {
    known.filter(|known| records.ops[*known].ret < records.ops[other].ret).or(Some(other))
}

impl ElementCounts {
    fn finish(mut self, records: &History, mut finding: Finding) -> Finding {
        self.denials.doubt(&mut finding);
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
