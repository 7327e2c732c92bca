//! Faults of a history that another bench recorded: when each began and ended, according to its nemesis.
//!
//! Jepsen's nemeses record each of their operations twice, when it is requested and when it is done, both as `info`.
//! There is no plan and no evidence. Which function begins a fault and which ends it is a convention (that of Jepsen's
//! `jepsen.nemesis`, `jepsen.nemesis.combined` and `jepsen.nemesis.time`):
//!
//! | begins | ends |
//! |---|---|
//! | `start` | `stop` |
//! | `start-KIND`, `KIND-start` | `stop-KIND`, `KIND-stop`, `heal-KIND` |
//! | `kill`, `pause` | `start`, `resume` |
//! | `bump`, `strobe`, `bump-clock`, `strobe-clock` | `reset`, `reset-clock` |
//! | `partition`, `isolate`, `break`, any other function | `heal`, `fix`, `recover`, or its next occurrence |
//!
//! A fault begins with the first record of its beginning and ends with the last record of its end, so that it covers
//! all operations that it may have affected. Time: O(events of the nemesis x kinds).

use std::collections::BTreeMap;

use serde_json::Value;

use super::findings::FaultFinding;
use crate::history::Event;

/// How many characters of a fault's detail are kept.
const DETAIL_CHARS_MAX: usize = 200;

/// Faults after which nodes have to be started again.
const DOWN: [&str; 2] = ["kill", "pause"];

/// Functions that change nothing.
const OBSERVES: [&str; 5] = ["check-offsets", "plan", "noop", "sleep", "left-out"];

/// What an event does.
enum Step<'e> {
    Begin(&'e str),
    /// It ends faults of these kinds.
    End(Ends<'e>),
    Nothing,
}

/// Which faults an event ends.
enum Ends<'e> {
    /// Those of this kind.
    Kind(&'e str),
    /// Those of one of these kinds.
    OneOf(&'static [&'static str]),
    /// All faults.
    All,
}

/// The faults, numbered from 1 in the order in which they began.
pub(super) fn findings(nemesis: &[Event]) -> Vec<FaultFinding> {
    let mut pairing = Pairing::default();
    for event in nemesis {
        let step = pairing.step(event);
        // The next record of `start` is that of its being done.
        pairing.starts_again = !pairing.starts_again && event.f == "start" && matches!(step, Step::End(_));
        match step {
            Step::Begin(kind) => pairing.begin(kind, event),
            Step::End(ends) => pairing.end(&ends, event.time),
            Step::Nothing => {}
        }
    }
    pairing.faults
}

/// The faults so far, and of each kind the one that is open and the last one that ended. Of a kind one is open at a time.
#[derive(Default)]
struct Pairing<'e> {
    faults: Vec<FaultFinding>,
    open: BTreeMap<&'e str, usize>,
    ended: BTreeMap<&'e str, usize>,
    /// Whether the last event requested that nodes be started again.
    starts_again: bool,
}

impl<'e> Pairing<'e> {
    /// Whether nodes are killed or paused, or are just being started again.
    fn is_down(&self) -> bool {
        self.starts_again || DOWN.iter().any(|kind| self.open.contains_key(kind))
    }

    fn step(&self, event: &'e Event) -> Step<'e> {
        let f = event.f.as_str();
        let ended_by = |prefix: &str| f.strip_prefix(prefix).filter(|kind| !kind.is_empty());
        if OBSERVES.contains(&f) {
            return Step::Nothing;
        }
        match f {
            // `start` is ambiguous: if nodes are killed or paused it starts them again, otherwise it begins a fault.
            "start" if self.is_down() => Step::End(Ends::OneOf(&DOWN)),
            "start" => Step::Begin("fault"),
            "stop" => Step::End(Ends::OneOf(&["fault"])),
            "resume" | "cont" => Step::End(Ends::OneOf(&["pause"])),
            "restart" => Step::End(Ends::OneOf(&["kill"])),
            "reset" | "reset-clock" => Step::End(Ends::OneOf(&["bump", "strobe", "bump-clock", "strobe-clock"])),
            "heal" | "fix" | "recover" => Step::End(Ends::All),
            _ => match (ended_by("stop-").or(ended_by("heal-")).or(f.strip_suffix("-stop")), ended_by("start-")) {
                (Some(kind), _) => Step::End(Ends::Kind(kind)),
                (None, Some(kind)) => Step::Begin(kind),
                (None, None) => Step::Begin(f.strip_suffix("-start").unwrap_or(f)),
            },
        }
    }

    fn begin(&mut self, kind: &'e str, event: &Event) {
        let value = detail(&event.value);
        if let Some(open) = self.open.get(kind).map(|at| &mut self.faults[*at]) {
            // The second record, of what was done, is often more detailed than the first, of what was requested.
            if open.detail.len() < value.len() {
                open.detail = value;
                open.nodes = nodes(&event.value);
            }
            return;
        }
        self.open.insert(kind, self.faults.len());
        self.faults.push(FaultFinding {
            fault: self.faults.len() as u64 + 1,
            kind: kind.to_owned(),
            detail: value,
            nodes: nodes(&event.value),
            start_ns: Some(event.time),
            stop_ns: None,
            proved: false,
            evidence: "recorded by the nemesis of this history, which says nothing of the effect".to_owned(),
            foreign: true,
        });
    }

    /// Ends the open faults of these kinds. If there are none, this is a second record of an end, which moves that end.
    fn end(&mut self, ends: &Ends<'_>, time: u64) {
        let open: Vec<&str> = self.open.keys().copied().filter(|kind| ends.hold(kind)).collect();
        for kind in &open {
            if let Some(at) = self.open.remove(kind) {
                self.faults[at].stop_ns = Some(time);
                self.ended.insert(kind, at);
            }
        }
        let ended = self.ended.iter().filter(|(kind, _)| ends.hold(kind)).map(|(_, at)| *at);
        if let (true, Some(last)) = (open.is_empty(), ended.max()) {
            self.faults[last].stop_ns = Some(time);
        }
    }
}

impl Ends<'_> {
    fn hold(&self, kind: &str) -> bool {
        match self {
            Ends::Kind(ended) => *ended == kind,
            Ends::OneOf(kinds) => kinds.contains(&kind),
            Ends::All => true,
        }
    }
}

/// What a fault was requested to do, without quotation marks.
fn detail(value: &Value) -> String {
    let text = shown(value);
    match text.char_indices().nth(DETAIL_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// A value without quotation marks: `{n1: {n2 n3}}`. The nesting is bounded by the reader of the text.
fn shown(value: &Value) -> String {
    let all = |values: &[Value]| values.iter().map(shown).collect::<Vec<String>>().join(" ");
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.trim_start_matches(':').to_owned(),
        Value::Array(values) => format!("[{}]", all(values)),
        Value::Object(fields) => match fields.get("#set").and_then(Value::as_array) {
            Some(set) => format!("{{{}}}", all(set)),
            None => {
                let entry = |(name, value): (&String, &Value)| format!("{}: {}", plain(name), shown(value));
                format!("{{{}}}", fields.iter().map(entry).collect::<Vec<String>>().join(", "))
            }
        },
        other => other.to_string(),
    }
}

/// The name of a field, which may be a string of EDN.
fn plain(name: &str) -> &str {
    name.trim_matches('"')
}

/// The nodes that a value names: the strings of lists and sets, and the keys of maps. A keyword, as in
/// `[:isolated {"n1" #{"n2"}}]`, says how, not where.
fn nodes(value: &Value) -> Vec<String> {
    let mut names: Vec<String> = match value {
        Value::Array(values) => values.iter().flat_map(in_list).collect(),
        Value::Object(fields) => match fields.get("#set") {
            Some(set) => nodes(set),
            None => fields.keys().map(|name| plain(name)).filter(|name| !is_keyword(name)).map(str::to_owned).collect(),
        },
        _ => Vec::new(),
    };
    names.sort_unstable();
    names.dedup();
    names
}

fn in_list(value: &Value) -> Vec<String> {
    match value.as_str() {
        Some(name) if is_keyword(name) => Vec::new(),
        Some(name) => vec![name.to_owned()],
        None => nodes(value),
    }
}

fn is_keyword(name: &str) -> bool {
    name.starts_with(':')
}
