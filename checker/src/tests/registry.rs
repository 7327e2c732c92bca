//! Every model of the registry: what it calls a violation is one by itself.
//!
//! For each model random histories are drawn of the objects it is about, most of them with operations that acted on a state
//! of long ago. Where a decision is invalid, the events of each violation alone are a history with a violation of the same
//! kind, and without any one of its operations they are none. A model that is registered and not listed here fails, and so
//! does one that never is found invalid.
//!
//! `REGISTRY_HISTORIES=10000 cargo test -p dissensus-checker --lib tests::registry::` draws more.

use std::collections::{BTreeMap, BTreeSet};

use crate::checks::check::Context;
use crate::checks::isolation::levels;
use crate::checks::registry::{self, ALIASES, CheckName, Settings};
use crate::checks::simple::staleness::Bounds;
use crate::finding::{Anomaly, Finding};
use crate::history::EventType::{self, Fail, Info, Invoke, Ok};
use crate::history::{History, HistoryBuilder, RawEvent, ValueId};
use crate::limits::Limits;
use crate::tests::random::Random;
use crate::verdict::Outcome;
use serde_json::{Value, json};

pub(super) mod renaming;

/// What operations are about.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Object {
    /// Reads and writes of unique values.
    Register,
    /// The same with compare-and-set.
    CasRegister,
    /// Reads and writes of few values.
    SmallRegister,
    /// Transactions on registers.
    Transactions,
    /// Transactions on lists.
    Lists,
    /// The same, where some transactions fail and leave their traces, and some reads show what nobody wrote.
    DirtyLists,
    /// Acquired and released by whatever process.
    Mutex,
    /// The same, where who holds it matters.
    OwnMutex,
    /// The same with fencing tokens.
    Fenced,
    Set,
    /// A set whose additions and removals say whether it changed.
    Answering,
    /// A set that only grows, and reads of all of it.
    Grown,
    Counter,
    Queue,
    TotalQueue,
    Stack,
    Priorities,
    Ids,
    Numbers,
    Bank,
    /// Rows that are written together, some by transactions that fail.
    Rows,
    Fork,
    /// Records that are sent and polled.
    Log,
    /// Keys that are put and watched.
    Watched,
    /// A register of one session.
    Chain,
    /// Rows of which only one of two may be inserted.
    Inserts,
    Echoes,
    Deque,
    /// Strings that are appended to.
    Text,
    /// Accounts whose transfers name both.
    Transfers,
}

use Object::*;

/// The objects that a model is about. None: it is not known here.
fn objects(model: &str) -> Option<&'static [Object]> {
    Some(match model {
        "register" | "cas-register" => &[Register, CasRegister, SmallRegister],
        "sequential" => &[Register, CasRegister],
        "multi-register" => &[Transactions],
        "mutex" | "semaphore" => &[Mutex],
        "owner-mutex" | "reentrant-mutex" => &[OwnMutex],
        "fenced-mutex" => &[Fenced],
        "set" => &[Set, Answering, Grown],
        "counter" => &[Counter],
        "queue" | "fifo-queue" => &[Queue],
        "stack" => &[Stack],
        "priority-queue" => &[Priorities],
        "list-append" => &[Lists],
        "rw-register" | "read-atomic" | "causal-convergence" | "causal-memory" => &[Transactions],
        "causal" | "pram" => &[Transactions, Register, Grown],
        "session" | "read-your-writes" | "monotonic-reads" | "monotonic-writes" | "writes-follow-reads" => {
            &[Register, Grown]
        }
        level if levels::canonical(level) == Some(level) => &[DirtyLists, Lists, Transactions],
        "set-full" => &[Grown],
        "total-queue" => &[TotalQueue],
        "unique-ids" => &[Ids],
        "monotonic" => &[Numbers],
        "bank" => &[Bank],
        "dirty-reads" => &[Rows],
        "long-fork" => &[Fork],
        "staleness" => &[Register],
        "kafka" => &[Log],
        "watch" => &[Watched],
        "causal-reverse" | "comments" | "broadcast" => &[Grown],
        "causal-register" => &[Chain],
        "adya-g2" => &[Inserts],
        "echo" => &[Echoes],
        "deque" => &[Deque],
        "text" => &[Text],
        "accounts" => &[Transfers],
        _ => return None,
    })
}

/// Settings under which the model is tried.
fn settings(model: &str) -> Vec<Settings> {
    let with =
        |versions_max, time_ns_max| Settings { staleness: Bounds { versions_max, time_ns_max }, ..Settings::default() };
    match model {
        "staleness" => vec![with(None, None), with(Some(1), None), with(Some(2), None), with(None, Some(3))],
        "register" | "cas-register" | "sequential" => {
            let enforce =
                Settings { failed_cas: crate::checks::linearizable::FailedCas::Enforce, ..Settings::default() };
            vec![Settings::default(), enforce]
        }
        "semaphore" => vec![Settings { permits: Some(1), ..Settings::default() }],
        "set-full" => {
            [false, true].map(|linearizable_sets| Settings { linearizable_sets, ..Settings::default() }).into()
        }
        _ => vec![Settings::default()],
    }
}

/// Everything that an object remembers, whichever it is.
#[derive(Clone, Default)]
struct World {
    registers: BTreeMap<u64, u64>,
    lists: BTreeMap<u64, Vec<u64>>,
    members: BTreeSet<u64>,
    inside: Vec<u64>,
    accounts: [i64; 3],
    sum: i64,
    held: bool,
    /// What was put, in its order: a revision each.
    changes: Vec<Value>,
    text: String,
}

#[derive(Clone, Debug)]
struct Call {
    f: &'static str,
    key: Option<&'static str>,
    argument: Value,
}

fn call(f: &'static str, argument: Value) -> Call {
    Call { f, key: None, argument }
}

/// Draws what a process asks for next.
fn draw(object: Object, random: &mut Random, next: &mut u64) -> Call {
    *next += 1;
    let (number, choice) = (*next, random.below(4));
    let any = random.below(number) + 1;
    let key = [Some("x"), Some("y")][random.below(2) as usize];
    match (object, choice) {
        (Register | CasRegister, 0 | 1) => Call { key, ..call("read", Value::Null) },
        (CasRegister, 2) => Call { key, ..call("cas", json!([any, number])) },
        (Register | CasRegister, _) => Call { key, ..call("write", json!(number)) },
        (SmallRegister, 0 | 1) => call("read", Value::Null),
        (SmallRegister, 2) => call("write", json!(random.below(3))),
        (SmallRegister, _) => call("cas", json!([random.below(3), random.below(3)])),
        (Transactions, _) => call("txn", micros(random, "w", next)),
        (Lists | DirtyLists, _) => call("txn", micros(random, "append", next)),
        (Mutex | OwnMutex | Fenced, 0 | 1) => call("acquire", Value::Null),
        (Mutex | OwnMutex | Fenced, _) => call("release", Value::Null),
        (Answering, _) => call(["add", "add", "remove", "contains"][choice as usize], json!(random.below(4))),
        (Set, 0) => call("contains", json!(any)),
        (Set, 1) => call("remove", json!(any)),
        (Grown, 0 | 1) => call("read", Value::Null),
        (Set | Grown, _) => call("add", json!(number)),
        (Counter | Numbers, 0 | 1) => call("read", Value::Null),
        (Counter, _) => call("add", json!(1 + random.below(3))),
        (Numbers, _) => call("inc", Value::Null),
        (Queue | TotalQueue, 0 | 1) => call("enqueue", json!(number)),
        (TotalQueue, 3) if random.one_in(2) => call("drain", Value::Null),
        (Queue | TotalQueue, _) => call("dequeue", Value::Null),
        (Stack, 0 | 1) => call("push", json!(number)),
        (Stack, _) => call("pop", Value::Null),
        (Priorities, 0 | 1) => call("insert", json!(number * 7 % 31)),
        (Priorities, _) => call("extract-min", Value::Null),
        (Ids, _) => call("generate", Value::Null),
        (Bank, 0 | 1) => call("read", Value::Null),
        (Bank, _) => call("transfer", json!([random.below(3), random.below(3), random.below(5)])),
        (Rows, 0 | 1) => call("read", Value::Null),
        (Rows, _) => call("write", json!(number)),
        (Fork, 0 | 1) if number <= 8 => call("write", json!([["w", number, 1]])),
        (Log, 0) => call("assign", json!([key])),
        (Log, 1 | 2) => call("send", json!([["send", key, number]])),
        (Log, _) => call("poll", json!([["poll"]])),
        (Watched, 0 | 1) => call("put", json!([key, number])),
        (Watched, _) => call("watch", json!(1)),
        (Chain, 0) => call("read-init", Value::Null),
        (Chain, 1) => call("write", json!(number)),
        (Chain, _) => call("read", Value::Null),
        (Inserts, 0 | 1) => call("insert", json!([any % 4, [number, null]])),
        (Inserts, _) => call("insert", json!([any % 4, [null, number]])),
        (Echoes, _) => call("echo", json!(number)),
        (Deque, 0 | 1) => call(["push-front", "push-back"][choice as usize], json!(number)),
        (Deque, 2) => call(["pop-front", "pop-back"][random.below(2) as usize], Value::Null),
        (Deque, _) => call(["peek-front", "peek-back"][random.below(2) as usize], Value::Null),
        (Text, 0) => call("put", json!(format!("{number}."))),
        (Text, 1) => call("append", json!(format!("{number}."))),
        (Text, _) => call("get", Value::Null),
        (Transfers, 0 | 1) => call("read", Value::Null),
        (Transfers, _) => {
            let [from, to] = [random.below(3), random.below(3)];
            call("transfer", json!({"from": from, "to": to, "amount": random.below(5)}))
        }
        (Fork, _) => call("read", (1..=8).map(|key| json!(["r", key, null])).collect()),
    }
}

fn micros(random: &mut Random, write: &str, next: &mut u64) -> Value {
    let count = 1 + next.wrapping_mul(7) % 3;
    let micro = |_| {
        let key = random.below(3);
        *next += 1;
        if random.one_in(2) { json!(["r", key, null]) } else { json!([write, key, *next]) }
    };
    (0..count).map(micro).collect()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn or_nil(value: Option<u64>) -> Value {
    value.map_or(Value::Null, |value| json!(value))
}

/// What an operation does, and what comes of it.
fn act(world: &mut World, call: &Call) -> (EventType, Value) {
    let (argument, place) = (&call.argument, u64::from(call.key == Some("y")));
    let done = (Ok, argument.clone());
    match call.f {
        "txn" => return (Ok, argument.as_array().into_iter().flatten().map(|micro| act_micro(world, micro)).collect()),
        "write" | "read" if argument.is_array() => {
            return (Ok, argument.as_array().into_iter().flatten().map(|micro| act_micro(world, micro)).collect());
        }
        "add" if world.sum >= 0 && !argument.is_null() => {
            world.sum += number(argument) as i64;
            world.members.insert(number(argument));
        }
        "write" => drop(world.registers.insert(place, number(argument))),
        "cas" if world.registers.get(&place).copied().unwrap_or(0) == number(&argument[0]) => {
            world.registers.insert(place, number(&argument[1]));
        }
        "cas" => return (Fail, done.1),
        "acquire" if world.held => return (Fail, done.1),
        "acquire" => world.held = true,
        "release" if !world.held => return (Fail, done.1),
        "release" => world.held = false,
        "remove" => drop(world.members.remove(&number(argument))),
        "contains" => return (Ok, json!(world.members.contains(&number(argument)))),
        "insert" if argument.is_array() && !world.members.insert(number(&argument[0])) => return (Fail, done.1),
        "insert" if argument.is_array() => {}
        "enqueue" | "push" | "insert" => world.inside.push(number(argument)),
        "drain" => return (Ok, std::mem::take(&mut world.inside).into()),
        "dequeue" | "pop" | "extract-min" => return (Ok, or_nil(taken(world, call.f))),
        "transfer" => {
            let [from, to] = [0, 1].map(|at| number(&argument[at]) as usize);
            world.accounts[from] -= number(&argument[2]) as i64;
            world.accounts[to] += number(&argument[2]) as i64;
        }
        "generate" | "inc" => {
            world.sum += 1;
            return (Ok, json!(world.sum));
        }
        _ => return act_beyond(world, call),
    }
    done
}

/// The same of logs, watched keys, deques, strings and accounts by name.
fn act_beyond(world: &mut World, call: &Call) -> (EventType, Value) {
    let argument = &call.argument;
    match call.f {
        "send" => {
            let list = world.lists.entry(u64::from(argument[0][1] == "y")).or_default();
            list.push(number(&argument[0][2]));
            return (Ok, json!([["send", argument[0][1], [list.len() - 1, argument[0][2]]]]));
        }
        "poll" => {
            let records = |log: &Vec<u64>| json!(log.iter().enumerate().collect::<Vec<_>>());
            let logs = world.lists.iter().map(|(log, list)| (["x", "y"][*log as usize].to_owned(), records(list)));
            return (Ok, json!([["poll", Value::Object(logs.collect())]]));
        }
        "put" if argument.is_array() => {
            world.changes.push(argument.clone());
            return (Ok, json!(world.changes.len()));
        }
        "watch" => {
            let change = |(at, put): (usize, &Value)| json!([[at + 1, "put", put[0], put[1]]]);
            return (Ok, world.changes.iter().enumerate().map(change).collect());
        }
        // Some answers repeat something else.
        "echo" => return (Ok, json!(number(argument) / 9 * 9 + number(argument) % 8)),
        "push-front" => world.inside.insert(0, number(argument)),
        "push-back" => world.inside.push(number(argument)),
        "pop-front" | "pop-back" | "peek-front" | "peek-back" => return (Ok, or_nil(at_end(world, call.f))),
        "put" => world.text = argument.as_str().unwrap_or_default().to_owned(),
        "append" => world.text += argument.as_str().unwrap_or_default(),
        "get" => return (Ok, json!(world.text)),
        "transfer" if argument.is_object() => {
            let [from, to] = ["from", "to"].map(|field| number(&argument[field]) as usize);
            world.accounts[from] -= number(&argument["amount"]) as i64;
            world.accounts[to] += number(&argument["amount"]) as i64;
        }
        _ => return (Ok, Value::Null),
    }
    (Ok, argument.clone())
}

fn taken(world: &mut World, f: &str) -> Option<u64> {
    let at = match f {
        "dequeue" => 0,
        "pop" => world.inside.len().checked_sub(1)?,
        _ => (0..world.inside.len()).min_by_key(|at| world.inside[*at])?,
    };
    (at < world.inside.len()).then(|| world.inside.remove(at))
}

/// What is at an end of a deque, taken out if it is popped.
fn at_end(world: &mut World, f: &str) -> Option<u64> {
    let last = world.inside.len().checked_sub(1)?;
    let at = if f.ends_with("front") { 0 } else { last };
    if f.starts_with("pop") { Some(world.inside.remove(at)) } else { Some(world.inside[at]) }
}

fn act_micro(world: &mut World, micro: &Value) -> Value {
    let key = number(&micro[1]);
    match micro[0].as_str() {
        Some("w") => drop(world.registers.insert(key, number(&micro[2]))),
        Some("append") => world.lists.entry(key).or_default().push(number(&micro[2])),
        _ => {
            let list = world.lists.get(&key).map(|list| json!(list));
            return json!(["r", key, list.unwrap_or_else(|| or_nil(world.registers.get(&key).copied()))]);
        }
    }
    micro.clone()
}

/// What a plain `read` shows.
fn shown(object: Object, world: &World, call: &Call) -> Value {
    let place = u64::from(call.key == Some("y"));
    match object {
        Register | CasRegister | SmallRegister | Chain => or_nil(world.registers.get(&place).copied()),
        Grown => json!(world.members),
        Counter | Numbers => json!(world.sum),
        Rows => vec![or_nil(world.registers.get(&0).copied()); 3].into(),
        Transfers => json!({"0": world.accounts[0], "1": world.accounts[1], "2": world.accounts[2]}),
        Bank => json!({"a": world.accounts[0], "b": world.accounts[1], "c": world.accounts[2]}),
        _ => Value::Null,
    }
}

type Event = (u32, EventType, Call, Value);

/// The same, with the answers that only this object gives.
fn act_as(object: Object, world: &mut World, call: &Call) -> (EventType, Value) {
    let was_inside = world.members.contains(&number(&call.argument));
    let (kind, mut result) = act(world, call);
    if object == Answering && call.f != "contains" {
        result = json!(was_inside == (call.f == "remove"));
    }
    if object == Fenced && call.f == "acquire" && kind == Ok {
        world.sum += 1;
        result = json!(world.sum);
    }
    (kind, result)
}

/// A history of three or four processes; one operation in so many acts on a state that was, and leaves no trace.
fn history(object: Object, random: &mut Random) -> Vec<Event> {
    let stale_one_in = [1000, 12, 6, 4][random.below(4) as usize];
    let operations = 4 + random.below(18);
    let processes = if object == Chain { 1 } else { 2 + random.below(3) };
    let (mut worlds, mut events, mut next) = (vec![World::default()], Vec::new(), 0u64);
    let mut open: BTreeMap<u32, (Call, Option<(EventType, Value)>)> = BTreeMap::new();
    let mut names: Vec<u32> = (0..processes as u32).collect();
    let mut begun = 0;
    while begun < operations || !open.is_empty() {
        let at = random.below(processes) as usize;
        let process = names[at];
        match open.remove(&process) {
            None if begun < operations => {
                let call = draw(object, random, &mut next);
                events.push((process, Invoke, call.clone(), call.argument.clone()));
                open.insert(process, (call, None));
                begun += 1;
            }
            None => {}
            Some((call, None)) => {
                let stale = random.one_in(stale_one_in);
                let from = if stale { random.below(worlds.len() as u64) as usize } else { worlds.len() - 1 };
                let mut world = worlds[from].clone();
                let (mut kind, mut result) = act_as(object, &mut world, &call);
                let failed = object == Rows && call.f == "write" && random.one_in(4);
                if failed {
                    kind = Fail;
                }
                if stale && (call.f == "txn" || object == Fork && call.f == "read") {
                    // Each part of it sees another state.
                    let micros = call.argument.as_array().into_iter().flatten();
                    let mut any = || worlds[random.below(worlds.len() as u64) as usize].clone();
                    result = micros.map(|micro| act_micro(&mut any(), micro)).collect();
                }
                if stale && object == Bank {
                    let mut any = || worlds[random.below(worlds.len() as u64) as usize].accounts;
                    world.accounts = [any()[0], any()[1], any()[2]];
                }
                if stale && object == Rows && call.f == "read" {
                    let any = |_| or_nil(worlds[random.below(worlds.len() as u64) as usize].registers.get(&0).copied());
                    result = (0..3).map(any).collect();
                }
                if matches!(call.f, "read" | "read-init") && result.is_null() {
                    result = shown(object, &world, &call);
                }
                // A write that failed may leave its traces all the same.
                let traces = !failed || random.one_in(6);
                if !stale && traces {
                    worlds.push(world);
                }
                open.insert(process, (call, Some((kind, result))));
            }
            Some((call, Some((kind, result)))) => {
                let lost = random.one_in(25);
                events.push((process, if lost { Info } else { kind }, call, if lost { Value::Null } else { result }));
                names[at] += if lost { 10 } else { 0 };
            }
        }
    }
    if object == DirtyLists {
        soil(&mut events, random);
    }
    events
}

/// Some transactions failed after all, and some reads show an element of nobody.
fn soil(events: &mut [Event], random: &mut Random) {
    for (_, kind, call, value) in events.iter_mut().filter(|(_, kind, ..)| *kind == Ok) {
        if random.one_in(8) {
            (*kind, *value) = (Fail, call.argument.clone());
            continue;
        }
        for micro in value.as_array_mut().into_iter().flatten().filter(|micro| micro[0] == "r") {
            if let Some(list) = micro[2].as_array_mut().filter(|_| random.one_in(40)) {
                list.push(json!(9999));
            }
        }
    }
}

/// History of some of the events; each has its place in the whole as its time.
fn records<'e>(events: impl IntoIterator<Item = (u64, &'e Event)>) -> History {
    let mut builder = HistoryBuilder::new();
    for (time_ns, (process, kind, call, value)) in events {
        let value = builder.json(value).expect("there is room");
        let key = call.key.map_or(ValueId::NIL, |key| builder.text(key).expect("there is room"));
        let (index, process, past) = (None, Some(u64::from(*process)), ValueId::NIL);
        let event = RawEvent { index, time_ns, process, kind: *kind, f: call.f, key, value, past };
        builder.push_event(&event).expect("the history is well-formed");
    }
    builder.finish()
}

/// A check that a name asks for.
struct Entry {
    name: &'static str,
    /// Which of them, if it asks for several.
    at: usize,
}

impl Entry {
    fn check(&self, records: &History, limits: &Limits<'_>, settings: &Settings) -> Finding {
        registry::find(self.name, settings)[self.at].check(records, &Context::new(*limits, settings))
    }

    fn is_lasting(&self) -> bool {
        registry::find(self.name, &Settings::default())[self.at].check.check().nature().lasting
    }
}

/// These need what only a run of the bench's own workloads has, or final reads; `linearizable` is tried by the names of
/// objects.
const ELSEWHERE: [CheckName; 11] = [
    CheckName::NO_LOST_WRITES,
    CheckName::COUNTER_BOUNDS,
    CheckName::CONVERGENCE,
    CheckName::DURABILITY,
    CheckName::NO_RESURRECTION,
    CheckName::SIBLINGS_BOUNDED,
    CheckName::RING_AGREEMENT,
    CheckName::AVAILABILITY,
    CheckName::LINEARIZABLE,
    CheckName::PN_COUNTER,
    CheckName::G_COUNTER,
];

/// Whatever a name of the registry asks for.
fn entries() -> impl Iterator<Item = Entry> {
    let checks = CheckName::ALL.iter().filter(|name| !ELSEWHERE.contains(name)).map(|name| name.name());
    let names = ALIASES.iter().map(|alias| alias.name).chain(checks);
    names.flat_map(|name| (0..registry::find(name, &Settings::default()).len()).map(move |at| Entry { name, at }))
}

fn decide(entry: &Entry, records: &History, settings: &Settings) -> Finding {
    entry.check(records, &Limits { anomalies_max: 3, ..Limits::default() }, settings)
}

/// Of a few operations every violation is reported, so that one of a kind is not hidden by many of another.
fn report_all() -> Limits<'static> {
    Limits { anomalies_max: 1000, ..Limits::default() }
}

fn histories() -> u64 {
    std::env::var("REGISTRY_HISTORIES").ok().and_then(|count| count.parse().ok()).unwrap_or(400)
}

/// The events of a violation are a history that breaks the model in the same way.
fn assert_by_itself(entry: &Entry, events: &[Event], violation: &Anomaly, settings: &Settings) {
    assert!(!violation.events.is_empty(), "{}: {violation:?} has no events", entry.name);
    assert!(violation.events.is_sorted(), "{}: {violation:?}", entry.name);
    let alone = violation.events.iter().map(|index| (*index, &events[*index as usize]));
    let again = entry.check(&records(alone), &report_all(), settings);
    let same_kind = again.explained().any(|other| other.kind == violation.kind);
    assert!(
        again.outcome() == Outcome::Invalid && same_kind,
        "{}: {violation:?}\n{}\n{again:?}",
        entry.name,
        listing(events, &violation.events)
    );
}

/// Some of the events, a line each.
fn listing(events: &[Event], indices: &[u64]) -> String {
    let line = |index: &u64| {
        let (process, kind, call, value) = &events[*index as usize];
        format!("{index}: {process} {kind:?} {} {:?} {value}\n", call.f, call.key)
    };
    indices.iter().map(line).collect()
}

/// An operation of a violation.
struct Part<'e> {
    process: u32,
    /// The indices of its events.
    indices: Vec<u64>,
    key: Option<&'static str>,
    f: &'static str,
    argument: &'e Value,
    /// What came of it, if anybody knows.
    result: Option<&'e Value>,
}

fn parts<'e>(events: &'e [Event], violation: &Anomaly) -> Vec<Part<'e>> {
    let mut parts: Vec<(bool, Part<'e>)> = Vec::new();
    for &index in &violation.events {
        let (process, kind, call, value) = &events[index as usize];
        match parts.iter_mut().rfind(|(open, part)| *open && part.process == *process) {
            Some((open, part)) => {
                *open = false;
                part.indices.push(index);
                part.result = (*kind == Ok).then_some(value);
            }
            None => {
                let (process, key, f) = (*process, call.key, call.f);
                let part = Part { process, indices: vec![index], key, f, argument: value, result: None };
                parts.push((true, part));
            }
        }
    }
    parts.into_iter().map(|(_, part)| part).collect()
}

impl Part<'_> {
    /// The value that it leaves behind.
    fn gives(&self) -> Option<&Value> {
        match (self.f, self.argument) {
            ("cas", pair) => Some(&pair[1]),
            ("contains", _) => None,
            (_, value) => Some(value).filter(|value| !value.is_null()),
        }
    }

    /// Whether it found a value, or can only have happened where it was found.
    fn found(&self, value: &Value) -> bool {
        match (self.f, self.result) {
            ("cas", _) => self.argument[0] == *value,
            ("contains", Some(_)) => self.argument == value,
            (_, Some(Value::Array(found))) => found.contains(value),
            (_, Some(found)) => self.argument.is_null() && found == value,
            _ => false,
        }
    }

    fn ended(&self) -> u64 {
        if self.result.is_some() { self.indices[1] } else { u64::MAX }
    }
}

/// Whether an operation of an explanation relies on another: without that one it has no order for a reason of its own, as a
/// read of a value has that nobody wrote. The models of single objects have one name for all reasons, so this is said here;
/// those of transactions, of sessions and of single workloads name a value that nobody wrote as such.
fn relies(object: Object, parts: &[Part<'_>], at: usize, on: usize) -> bool {
    let (one, other) = (&parts[at], &parts[on]);
    let unknown_removal = |part: &Part<'_>| part.argument.is_null() && part.result.is_none();
    match object {
        Transactions | Lists | DirtyLists => {
            let micros = |part: &Part<'_>, reads: bool| {
                let value = if reads { part.result } else { Some(part.argument) };
                let micros = value.and_then(Value::as_array).cloned().unwrap_or_default();
                micros.into_iter().filter(move |micro| (micro[0] == "r") == reads).collect::<Vec<_>>()
            };
            let written = micros(other, false);
            micros(one, true)
                .iter()
                .any(|read| written.iter().any(|write| (&read[1], &read[2]) == (&write[1], &write[2])))
        }
        // What was held and let go belongs together, until a process holds nothing.
        OwnMutex | Fenced => hold(parts, at) == hold(parts, on),
        // If some process lets go what another holds, nobody knows what belongs together.
        Mutex => {
            let lets_go_own = |at: usize| parts[at].f == "acquire" || held(parts, at) > 0;
            hold(parts, at) == hold(parts, on) || !(0..parts.len()).all(lets_go_own)
        }
        // What the others say of an element is in what each of them says of it.
        Answering => one.argument == other.argument,
        // A sum relies on every addition that may be in it; one that is too low by far, on none.
        Counter => {
            let begun = |part: &&Part<'_>| part.f == "add" && part.indices[0] < one.ended();
            let certain = parts.iter().filter(begun).filter(|part| part.ended() < one.indices[0]);
            let certain: u64 = certain.map(|part| number(part.argument)).sum();
            one.f == "read" && one.result.is_some_and(|sum| number(sum) >= certain) && begun(&other)
        }
        // Of a string and of balances every operation is a part of what is read later.
        Text | Transfers => one.argument.is_null() && !other.argument.is_null(),
        // An element is there from its beginning to its end; none of it without the rest.
        Deque if !unknown_removal(other) => {
            let element = |part: &Part<'_>| part.result.filter(|_| part.argument.is_null()).or(part.gives()).cloned();
            element(one).is_some() && element(one) == element(other)
        }
        // What is missing may have been taken by a removal of unknown outcome that began in time.
        Queue | Stack | Priorities | Deque if unknown_removal(other) => {
            one.result.is_some() && other.indices[0] < one.ended()
        }
        // An element is out of the way once it was taken out; more often than it was put in, it is out without some of that.
        Queue | Stack | Priorities if one.gives().is_some_and(|value| other.found(value)) => {
            let is_same = |part: &&Part<'_>| one.gives().is_some_and(|value| part.found(value));
            let puts_in = |part: &&Part<'_>| part.gives() == one.gives();
            parts.iter().filter(is_same).count() <= parts.iter().filter(puts_in).count()
        }
        _ => one.key == other.key && other.gives().is_some_and(|value| one.found(value)),
    }
}

/// How often the process of an operation holds the lock before it.
fn held(parts: &[Part<'_>], at: usize) -> u64 {
    let own = parts[..at].iter().filter(|part| part.process == parts[at].process);
    own.fold(0, |held, part| if part.f == "acquire" { held + 1 } else { held.saturating_sub(1) })
}

/// The process of an operation, and how many holds it has begun.
fn hold(parts: &[Part<'_>], at: usize) -> (u32, usize) {
    let process = parts[at].process;
    let begins = |other: &usize| parts[*other].process == process && held(parts, *other) == 0;
    (process, (0..=at).filter(begins).count())
}

/// Whether some of an explanation's operations are a violation of the same kind.
fn still(entry: &Entry, events: &[Event], parts: &[&Part<'_>], kind: &str, settings: &Settings) -> bool {
    let mut left: Vec<u64> = parts.iter().flat_map(|part| part.indices.iter().copied()).collect();
    left.sort_unstable();
    let rest = records(left.iter().map(|index| (*index, &events[*index as usize])));
    let decision = entry.check(&rest, &report_all(), settings);
    decision.outcome() == Outcome::Invalid && decision.explained().any(|violation| violation.kind == kind)
}

/// An operation without which the others of an explanation are a violation of the same kind. For single objects it is taken
/// away with all that rely on it if there are any, see [`relies`].
fn needless(
    entry: &Entry,
    object: Object,
    events: &[Event],
    violation: &Anomaly,
    settings: &Settings,
) -> Option<Vec<u64>> {
    let parts = parts(events, violation);
    let single = SINGLE.contains(&entry.name);
    (0..parts.len()).find_map(|out| {
        let mut gone = BTreeSet::from([out]);
        let mut work = vec![out];
        while let Some(on) = work.pop().filter(|_| single) {
            let relying = (0..parts.len()).filter(|at| *at != on && relies(object, &parts, *at, on));
            work.extend(relying.filter(|at| gone.insert(*at)).collect::<Vec<_>>());
        }
        let left: Vec<&Part<'_>> = (0..parts.len()).filter(|at| !gone.contains(at)).map(|at| &parts[at]).collect();
        still(entry, events, &left, &violation.kind, settings).then(|| parts[out].indices.clone())
    })
}

/// The models of single objects, whose violations have one name each whatever the reason.
const SINGLE: [&str; 18] = [
    "register",
    "cas-register",
    "sequential",
    "multi-register",
    "mutex",
    "owner-mutex",
    "reentrant-mutex",
    "fenced-mutex",
    "semaphore",
    "set",
    "counter",
    "queue",
    "fifo-queue",
    "stack",
    "priority-queue",
    "deque",
    "text",
    "accounts",
];

#[test]
fn every_violation_is_one_by_itself_and_has_nothing_needless() {
    for entry in &entries().collect::<Vec<_>>() {
        let objects = objects(entry.name).unwrap_or_else(|| panic!("say what `{}` is about", entry.name));
        let (mut valid, mut invalid, mut longest, mut reported) = (0u64, 0u64, 0, 0u64);
        for seed in 0..histories() {
            let mut random = Random(seed);
            let object = objects[seed as usize % objects.len()];
            let events = history(object, &mut random);
            let all = settings(entry.name);
            let settings = &all[seed as usize / objects.len() % all.len()];
            let decision = decide(entry, &records((0..).zip(&events)), settings);
            match decision.outcome() {
                Outcome::Valid => valid += 1,
                Outcome::Inconclusive => {}
                Outcome::Invalid => {
                    invalid += 1;
                    assert!(!decision.anomalies.kept.is_empty(), "{}: {decision:?}", entry.name);
                }
            }
            for violation in decision.explained().filter(|_| decision.outcome() == Outcome::Invalid) {
                assert_by_itself(entry, &events, violation, settings);
                if let Some(out) = needless(entry, object, &events, violation, settings) {
                    let (name, shown) = (entry.name, listing(&events, &violation.events));
                    panic!(
                        "{name}: {violation:?} is one without the operation of {out:?}, too:
{shown}"
                    );
                }
                longest = longest.max(violation.events.len());
                reported += 1;
            }
        }
        println!(
            "{}: {valid} valid, {invalid} invalid, {reported} violations by themselves, of {longest} events at most",
            entry.name
        );
        assert!(invalid * 200 > histories(), "{}: {invalid} of {} are invalid", entry.name, histories());
    }
}

/// What the first part of a history violates, the whole does, whatever follows.
#[test]
fn a_violation_of_a_part_is_one_of_the_whole_where_it_is_said_to_last() {
    for entry in &entries().filter(Entry::is_lasting).collect::<Vec<_>>() {
        let objects = objects(entry.name).unwrap_or_else(|| panic!("say what `{}` is about", entry.name));
        let mut invalid = 0u64;
        for seed in 0..histories() {
            let mut random = Random(seed + 1_000_000);
            let object = objects[seed as usize % objects.len()];
            let events = history(object, &mut random);
            let all = settings(entry.name);
            let settings = &all[seed as usize / objects.len() % all.len()];
            let cut = random.below(events.len() as u64 + 1) as usize;
            let part = decide(entry, &records((0..).zip(&events[..cut])), settings);
            if part.outcome() == Outcome::Invalid {
                invalid += 1;
                let whole = decide(entry, &records((0..).zip(&events)), settings);
                assert_eq!(whole.outcome(), Outcome::Invalid, "{}, {cut} events of {events:?}: {part:?}", entry.name);
            }
        }
        println!("{}: {invalid} parts are invalid, and so are the wholes", entry.name);
        assert!(invalid > 0, "{}: no part is invalid", entry.name);
    }
}
