//! Finds what is suspicious about a history, before any check.
//!
//! A checker relies on what a history says: that `fail` is certain, that a process does one thing at a time, that a
//! value identifies its write. If a client gets one of these wrong, every verdict is worthless, and no verdict shows
//! it. Each finding here is a line and a sentence; one event may have several. O(n); the written values are kept.

use std::collections::{BTreeMap, HashMap};

use crate::formats::whole_events::Located;
use crate::formats::write::edn_text;
use crate::formats::{Tree, refusal};
use crate::history::{SaidTime, unit_since_1970};
use crate::objects::completion::{Completion, Sort, completion};

/// How many findings of a rule are reported; further ones are only counted.
pub(crate) const FINDINGS_OF_A_RULE_MAX: u64 = 20;

/// Something suspicious.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// The line of the event, from 1.
    pub line: u64,
    /// The rule's name.
    pub rule: &'static str,
    /// What is suspicious, and why it matters.
    pub sentence: String,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Findings {
    /// In the order of lines, at most `FINDINGS_OF_A_RULE_MAX` of a rule.
    pub findings: Vec<Finding>,
    /// How many there are in all, by rule.
    pub totals: BTreeMap<&'static str, u64>,
    /// How many events were examined.
    pub events: u64,
}

/// Examines one event after another.
#[derive(Default)]
pub struct Linter {
    findings: Findings,
    processes: HashMap<String, ProcessState>,
    /// The line of the first write of a value to a key.
    writes: HashMap<(String, String), u64>,
    /// By function, the writes of values that were written to their key before.
    repeats: BTreeMap<String, Repeats>,
    /// Whether an event so far was an invocation.
    invokes: bool,
    /// Whether reads so far showed numbers, and nothing else: then what is added is added up.
    reads: Reads,
    last_index: Option<i64>,
    last_time: Option<i64>,
    /// The line of the first event with a time.
    first_timed: Option<u64>,
    /// The earliest time and the latest.
    times: Option<(i64, i64)>,
    /// Whether an event so far had an index.
    indexed: bool,
    /// Whether an event so far had a time.
    timed: bool,
}

/// The state of a process: its open operation, or the line of the `info` that ended it.
enum ProcessState {
    Open { line: u64, f: String, value: Tree, key: Option<Tree> },
    Ended { line: u64 },
}

/// Writes of values that were written before.
struct Repeats {
    count: u64,
    /// The first of them: its line, the line of the write before, and the value.
    line: u64,
    before: u64,
    value: String,
}

/// What reads showed so far.
#[derive(Default, PartialEq)]
enum Reads {
    #[default]
    Nothing,
    Numbers,
    Others,
}

/// Functions whose argument identifies the write, so that it has to be unique for its key.
const WRITES: [&str; 6] = ["write", "add", "enqueue", "push", "insert", "offer"];

/// The rule of a completion without its invocation.
const NOT_INVOKED: &str = "not-invoked";

/// Functions that change nothing: their failure is certain, whatever went wrong.
const READS: [&str; 4] = ["read", "members", "get", "scan"];

/// Words in an error which mean that the request may have arrived.
const UNKNOWN: [&str; 8] =
    ["timeout", "timed out", "timed-out", "time-out", "connection", "reset", "broken pipe", "unavailable"];
/// Words which mean that it certainly did not.
const CERTAIN: [&str; 3] = ["refused", "not sent", "never sent"];

impl Linter {
    /// A new one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Examines the next event.
    pub fn event(&mut self, located: &Located) {
        let (line, event) = (located.line, &located.event);
        self.findings.events += 1;
        self.order(line, event);
        let kind = event.get("type").and_then(Tree::name).unwrap_or_default().to_owned();
        if !["invoke", "ok", "fail", "info"].contains(&kind.as_str()) {
            self.found(line, "type", "its type is none of invoke, ok, fail, info".into());
            return;
        }
        let process = match event.get("process") {
            None | Some(Tree::Nil) => return self.found(line, "process", "it has no process".into()),
            Some(process) if process.name().is_some_and(|name| name.trim_start_matches(':') == "nemesis") => return,
            Some(process) => process.notation(),
        };
        if let Some(problem) = refusal(event) {
            return self.found(line, "not-an-event", format!("{problem}; a check refuses the history"));
        }
        match kind.as_str() {
            "invoke" => self.invoke(line, process, event),
            _ => self.complete(line, process, &kind, event),
        }
    }

    /// All findings.
    pub fn finish(mut self) -> Findings {
        let mut open: Vec<(u64, String, String)> = Vec::new();
        for (process, state) in &self.processes {
            if let ProcessState::Open { line, f, .. } = state {
                open.push((*line, process.clone(), f.clone()));
            }
        }
        open.sort_unstable();
        self.unit();
        self.repeated();
        if !self.invokes {
            // A history of completions alone, as checkers of isolation write them.
            self.findings.findings.retain(|finding| finding.rule != NOT_INVOKED);
            self.findings.totals.remove(NOT_INVOKED);
        }
        for (line, process, f) in open {
            let sentence = format!(
                "process {process} never completes its `{f}`: it counts as `info`; was the recording cut short?"
            );
            self.found(line, "never-completed", sentence);
        }
        self.findings.findings.sort_by_key(|finding| finding.line);
        self.findings
    }

    /// Checks that times are counted from the beginning of the run.
    fn unit(&mut self) {
        let (Some(line), Some((first, last))) = (self.first_timed, self.times) else { return };
        let count = |time: i64| u64::try_from(time).unwrap_or(0);
        let events = u32::try_from(self.findings.events).unwrap_or(u32::MAX);
        if let Some(unit) = unit_since_1970(count(first), count(last), events) {
            let sentence = format!(
                "times are {unit} since 1970, and not nanoseconds since the run began: they are counted from the earliest event"
            );
            self.found(line, "time-unit", sentence);
        }
    }

    /// Reports values that were written twice, once for each function. What is added to a counter need not be unique.
    fn repeated(&mut self) {
        for (f, Repeats { count, line, before, value }) in std::mem::take(&mut self.repeats) {
            if f == "add" && self.reads == Reads::Numbers {
                continue;
            }
            let times = if count == 1 { "once".to_owned() } else { format!("{count} times") };
            let sentence = format!(
                "`{f}` repeats a value of its key {times}, first {value} of line {before}: where values are not unique, a read does \
                 not show which write it saw, and checks are slower or cannot decide"
            );
            self.found(line, "value-written-twice", sentence);
        }
    }

    fn found(&mut self, line: u64, rule: &'static str, sentence: String) {
        let total = self.findings.totals.entry(rule).or_default();
        *total += 1;
        if *total <= FINDINGS_OF_A_RULE_MAX {
            self.findings.findings.push(Finding { line, rule, sentence });
        }
    }

    /// Checks that indices have no gaps, and that the clock does not run backwards.
    fn order(&mut self, line: u64, event: &Tree) {
        let index = event.get("index").and_then(Tree::int);
        match (index, self.last_index) {
            (Some(index), Some(last)) if index <= last => {
                self.found(line, "index", format!("index {index} after {last}: events are doubled or out of order"));
            }
            (Some(index), Some(last)) if index > last + 1 => {
                let missing = index - last - 1;
                let sentence = format!("{missing} indices are missing before {index}: what happened there is unknown");
                self.found(line, "index-gap", sentence);
            }
            (None, _) if self.indexed => self.found(line, "index", "it has no index, as others have".into()),
            _ => {}
        }
        self.indexed |= index.is_some();
        self.last_index = index.or(self.last_index);
        let time = event.get("time").and_then(whole_time);
        match (time, self.last_time) {
            (Some(time), Some(last)) if time < last => {
                let ms = (last - time) as f64 / 1e6;
                let sentence = format!("the clock runs backwards by {ms} ms: times and latencies are unreliable");
                self.found(line, "clock", sentence);
            }
            (None, _) if self.timed => self.found(line, "clock", "it has no time, as others have".into()),
            _ => {}
        }
        self.timed |= time.is_some();
        self.first_timed = self.first_timed.or(time.map(|_| line));
        self.last_time = time.or(self.last_time);
        let times = time.map(|time| self.times.map_or((time, time), |(least, most)| (least.min(time), most.max(time))));
        self.times = times.or(self.times);
    }

    fn invoke(&mut self, line: u64, process: String, event: &Tree) {
        self.invokes = true;
        let f = function(event);
        match self.processes.get(&process) {
            Some(ProcessState::Open { line: invoked, f: open, .. }) => {
                let sentence = format!(
                    "process {process} invokes `{f}` while its `{open}` of line {invoked} is open: it does one thing at a time"
                );
                self.found(line, "concurrent-process", sentence);
            }
            Some(ProcessState::Ended { line: ended }) => {
                let sentence = format!(
                    "process {process} goes on after the `info` of line {ended}: that operation may still take effect, so its client \
                     needs a new process"
                );
                self.found(line, "process-after-info", sentence);
            }
            None => {}
        }
        let (value, key) = (event.get("value").cloned().unwrap_or(Tree::Nil), event.get("key").cloned());
        if WRITES.contains(&f.as_str()) && value != Tree::Nil {
            self.written(line, &f, &value, key.as_ref());
        }
        self.processes.insert(process, ProcessState::Open { line, f, value, key });
    }

    fn written(&mut self, line: u64, f: &str, value: &Tree, key: Option<&Tree>) {
        let place = (key.map(Tree::notation).unwrap_or_default(), value.notation());
        match self.writes.get(&place) {
            None => drop(self.writes.insert(place, line)),
            Some(before) => {
                let first = Repeats { count: 0, line, before: *before, value: edn_text(value) };
                self.repeats.entry(f.to_owned()).or_insert(first).count += 1;
            }
        }
    }

    fn complete(&mut self, line: u64, process: String, kind: &str, event: &Tree) {
        let f = function(event);
        let open = match self.processes.remove(&process) {
            Some(open @ ProcessState::Open { .. }) => open,
            ended => {
                self.processes.extend(ended.map(|ended| (process.clone(), ended)));
                self.found(line, NOT_INVOKED, format!("process {process} completes `{f}` that it never invoked"));
                return;
            }
        };
        if kind == "info" {
            self.processes.insert(process.clone(), ProcessState::Ended { line });
        }
        let ProcessState::Open { line: invoked, f: open_f, value, key } = open else { return };
        if open_f != f {
            let sentence =
                format!("process {process} completes `{f}`, but what it invoked at line {invoked} is `{open_f}`");
            self.found(line, "other-function", sentence);
            return;
        }
        if kind == "ok" {
            self.echoed(line, invoked, &f, &value, event);
        }
        if event.get("key").is_some_and(|found| key.as_ref().is_some_and(|key| key.notation() != found.notation())) {
            self.found(line, "other-key", format!("`{f}` has another key than at its invocation, line {invoked}"));
        }
        if kind == "fail" && !READS.contains(&f.as_str()) {
            self.certain(line, &f, event);
        }
    }

    /// Checks that the `ok` of a write has the value of its invocation.
    fn echoed(&mut self, line: u64, invoked: u64, f: &str, value: &Tree, event: &Tree) {
        let writes = WRITES.contains(&f) || f == "cas";
        let result = event.get("value").unwrap_or(&Tree::Nil);
        // Whether a set changed is a result of its own.
        let is_result =
            f == "add" && matches!((value, result), (other, Tree::Bool(_)) if !matches!(other, Tree::Bool(_)));
        if writes && *result != Tree::Nil && result.notation() != value.notation() && !is_result {
            let counts = match completion(sort(value), sort(result)) {
                Completion::Counts => "that counts as what was done",
                Completion::Acknowledges => "that counts as an acknowledgement, and says no more",
                Completion::Denies => "if nothing was done it must be `fail`, and is not understood otherwise",
            };
            let (asked, done) = (edn_text(value), edn_text(result));
            let sentence =
                format!("`{f}` was invoked with {asked} at line {invoked} and is `ok` with {done}: {counts}");
            self.found(line, "other-argument", sentence);
        }
        if f == "read" && *result != Tree::Nil {
            let is_number = is_number(result) || (is_keyed(value) && is_number_of_key(result));
            self.reads = if is_number && self.reads != Reads::Others { Reads::Numbers } else { Reads::Others };
        }
        if f == "read" && event.get("value").is_none() {
            self.found(
                line,
                "read-without-value",
                "a read that is `ok` without a value counts as a read of nil".into(),
            );
        }
    }

    /// Reports a write that failed for a reason which leaves it unknown whether it happened.
    fn certain(&mut self, line: u64, f: &str, event: &Tree) {
        let said = ["error", "value", "exception"].map(|field| event.get(field).map(edn_text).unwrap_or_default());
        let said = said.join(" ").to_lowercase();
        let Some(word) = UNKNOWN.iter().find(|word| said.contains(*word)) else { return };
        if CERTAIN.iter().any(|word| said.contains(word)) {
            return;
        }
        let sentence = format!(
            "`{f}` is `fail`, that is, it certainly did not happen, but its error speaks of \"{word}\": if the request may have \
             arrived, it must be `info`"
        );
        self.found(line, "uncertain-fail", sentence);
    }
}

fn is_number(value: &Tree) -> bool {
    matches!(value, Tree::Int(_) | Tree::Float(_))
}

/// Whether it is the argument of a read as Jepsen's `independent` records it: `[key nil]`.
fn is_keyed(argument: &Tree) -> bool {
    matches!(argument, Tree::Vector(parts) if matches!(&parts[..], [_, Tree::Nil]))
}

/// Whether it is a number with its key before it.
fn is_number_of_key(result: &Tree) -> bool {
    matches!(result, Tree::Vector(parts) if matches!(&parts[..], [_, number] if is_number(number)))
}

/// The sort of a value, as the checks take it.
fn sort(value: &Tree) -> Sort<'_> {
    match value {
        Tree::Nil => Sort::Nil,
        Tree::Bool(truth) => Sort::Bool(*truth),
        Tree::Int(_) | Tree::Float(_) => Sort::Number,
        Tree::Text(text) | Tree::Keyword(text) => Sort::Text(text),
        Tree::Other(notation) => Sort::of_notation(notation),
        Tree::Vector(_) | Tree::List(_) | Tree::Set(_) => Sort::List,
        Tree::Map(_) => Sort::Map,
        Tree::Tagged(_, value) => sort(value),
    }
}

/// A time without its fraction.
fn whole_time(time: &Tree) -> Option<i64> {
    match time {
        Tree::Int(time) => Some(*time),
        Tree::Float(time) => Some(time.floor() as i64),
        Tree::Other(notation) => SaidTime::of_fraction(notation).map(|time| time.whole),
        _ => None,
    }
}

fn function(event: &Tree) -> String {
    event.get("f").and_then(Tree::name).unwrap_or_default().to_owned()
}
