//! A made-up run that looks like a real one: clients, faults that slow and fail them, and (if asked) violations.
//!
//! Everything follows from the numbers in [`Sample`], so two calls give the same run.

use std::collections::BTreeMap;

use checker::CheckName;
use checker::history::{Event, EventType, History, Phase, Process};
use checker::verdict::{Anomaly, FaultFinding, OperationStatistics, Outcome, PropertyResult, Verdict};
use reports::RunSummary;
use serde_json::{Value, json};

/// What to make up.
#[derive(Clone, Copy)]
pub struct Sample {
    /// Operations of the main phase.
    pub operations: u64,
    /// Whether claims are broken, and a fault left without evidence.
    pub broken: bool,
    /// How many anomalies each broken property lists.
    pub anomalies: usize,
}

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;
const RUN_NS: u64 = 30 * SECOND;
const NODES: [&str; 5] = ["n1", "n2", "n3", "n4", "n5"];

/// (kind, detail, nodes, start ms, length ms, evidence)
type Planned = (&'static str, &'static str, &'static [&'static str], u64, u64, &'static str);

const PLAN: [Planned; 8] = [
    ("partition", "{n1 n2} | {n3 n4 n5}", &NODES, 2_000, 3_200, "12 links cut: 48,211 bytes and 3 connections blocked"),
    ("kill", "n3", &["n3"], 6_100, 2_400, "process 4127 gone after 2 ms; listening again 310 ms after the restart"),
    ("pause", "n2 n5", &["n2", "n5"], 9_600, 1_500, "state T seen 15 of 15 times"),
    ("clock-bump", "n4 +1,800 ms", &["n4"], 11_000, 3_000, "offset read back: +1,800 ms"),
    (
        "slow-link",
        "n1 -> n2, n1 -> n4: 80 ms ± 20 ms",
        &["n1"],
        14_500,
        2_500,
        "91,204 bytes delivered late, 84 ms on average",
    ),
    ("partition", "n5 | {n1 n2 n3 n4}", &NODES, 18_000, 4_000, "8 links cut: 71,930 bytes and 9 connections blocked"),
    ("kill", "n1 n4", &["n1", "n4"], 20_500, 2_500, "processes 4121, 4130 gone after 3 ms"),
    ("clock-drift", "n2 +200,000 ppm", &["n2"], 24_000, 4_500, "clock gained 902 ms in 4.5 s"),
];

/// The run: what reports are made from.
pub fn run(sample: Sample) -> (RunSummary, Verdict, Vec<Event>) {
    let mut maker = Maker::new(sample);
    maker.main_phase();
    maker.nemesis();
    maker.rest();
    let events = maker.finish();
    let verdict = verdict(sample, &events);
    (summary(sample, &events), verdict, events)
}

/// The events as a history.
pub fn history(events: &[Event]) -> History {
    History::of_events(events).expect("the sample's events fit")
}

struct Maker {
    sample: Sample,
    random: u64,
    events: Vec<Event>,
    held: BTreeMap<String, Vec<u64>>,
}

impl Maker {
    fn new(sample: Sample) -> Self {
        Self { sample, random: 42, events: Vec::new(), held: BTreeMap::new() }
    }

    /// A number below `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % bound
    }

    fn main_phase(&mut self) {
        let concurrency = (self.sample.operations / 600).max(10);
        let mut clients: Vec<(u64, u64)> = (0..concurrency).map(|id| (0, id)).collect();
        let mut next_process = 10_000;
        let keys = (self.sample.operations / 900).max(2);
        let mut due = 0;
        for number in 0..self.sample.operations {
            let Some(client) = clients.iter_mut().min() else { return };
            let start = due.max(client.0) + number % 977;
            due = start + RUN_NS / self.sample.operations;
            if start >= RUN_NS {
                return;
            }
            let process = client.1;
            let (end, kind) = self.ending(start);
            *client = (end + 1, process);
            if kind == EventType::Info {
                client.1 = next_process;
                next_process += 1;
            }
            self.operation(number, keys, process, (start, end), kind);
        }
    }

    /// How long an operation takes and how it ends, by the faults around it.
    fn ending(&mut self, start: u64) -> (u64, EventType) {
        let active = PLAN.iter().find(|p| start >= p.3 * MS && start < (p.3 + p.4) * MS);
        let dice = self.below(1_000);
        let quick = MS + self.below(3 * MS) + if dice > 985 { self.below(30 * MS) } else { 0 };
        match active.map(|p| p.0) {
            Some("partition") if dice < 90 => (start + SECOND, EventType::Info),
            Some("partition") if dice < 300 => (start + quick + self.below(220 * MS), EventType::Ok),
            Some("kill") if dice < 40 => (start + quick, EventType::Fail),
            Some("pause") if dice < 200 => (start + quick + self.below(900 * MS), EventType::Ok),
            Some("slow-link") if dice < 400 => (start + quick + 80 * MS + self.below(20 * MS), EventType::Ok),
            _ => (start + quick, EventType::Ok),
        }
    }

    fn operation(&mut self, number: u64, keys: u64, process: u64, (start, end): (u64, u64), kind: EventType) {
        let workload = ["set", "register", "cart"][(number % 3) as usize];
        let f = match (workload, self.below(10)) {
            (_, 0..4) => "read",
            ("register", _) => "write",
            ("cart", 9) => "remove",
            _ => "add",
        };
        let key = format!("{workload}-{}", self.below(keys));
        let node = NODES[self.below(5) as usize];
        let held = self.held.entry(key.clone()).or_default();
        let kind = if f == "read" && kind == EventType::Info { EventType::Fail } else { kind };
        let argument = if f == "read" { Value::Null } else { json!(number) };
        let mut completion = Event::new(end, Process::Client(process), kind, f, argument.clone());
        match (f, kind) {
            ("read", EventType::Ok) => completion.value = json!(held),
            ("write", EventType::Ok) => {
                completion.past = Some(held.iter().map(|v| json!(v)).collect());
                *held = vec![number];
            }
            ("add", EventType::Ok) => held.push(number),
            ("remove", EventType::Ok) => held.truncate(held.len() / 2),
            _ => completion.error = Some("timed out after 1,000 ms".to_owned()),
        }
        let invoke = Event::new(start, Process::Client(process), EventType::Invoke, f, argument);
        self.push(invoke, workload, &key, node, Phase::Main);
        self.push(completion, workload, &key, node, Phase::Main);
    }

    fn push(&mut self, mut event: Event, workload: &str, key: &str, node: &str, phase: Phase) {
        event.workload = Some(workload.to_owned());
        event.key = Some(key.to_owned());
        event.node = Some(node.to_owned());
        event.phase = phase;
        self.events.push(event);
    }

    fn nemesis(&mut self) {
        let faults = |(id, p): (usize, &Planned)| {
            let (kind, detail, nodes, at_ms, for_ms, ..) = p;
            json!({"fault": id + 1, "kind": kind, "detail": detail, "nodes": nodes, "at_ms": at_ms, "for_ms": for_ms})
        };
        let plan: Vec<Value> = PLAN.iter().enumerate().map(faults).collect();
        let mut record = |time, f: String, value| {
            self.events.push(Event::new(time, Process::Nemesis, EventType::Info, f, value));
        };
        record(0, "plan".to_owned(), json!(plan));
        for (id, p) in PLAN.iter().enumerate() {
            let value = json!({"fault": id + 1, "detail": p.1, "nodes": p.2});
            record(p.3 * MS, format!("start-{}", p.0), value);
            let value = json!({"fault": id + 1, "proved": true, "evidence": p.5});
            record((p.3 + p.4) * MS, format!("stop-{}", p.0), value);
        }
        record(RUN_NS + SECOND / 2, "heal".to_owned(), Value::Null);
    }

    /// Two rounds of replica reads, then a final read of each key.
    fn rest(&mut self) {
        let held: Vec<(String, Vec<u64>)> = self.held.clone().into_iter().collect();
        let mut time = RUN_NS + 600 * MS;
        let lost = lost_values(self.sample, &self.events);
        for round in 0..3 {
            time = time.max(RUN_NS + (600 + round * 300) * MS);
            for (key, elements) in &held {
                let workload = key.split('-').next().unwrap_or_default().to_owned();
                let elements: Vec<u64> = elements.iter().copied().filter(|e| !lost.contains(e)).take(400).collect();
                for node in &NODES[..3] {
                    let value = json!([{"id": format!("{node}:{}", elements.len()), "value": elements}]);
                    let phase = if round < 2 { Phase::Replica } else { Phase::Final };
                    let value = if round < 2 { value } else { json!(elements) };
                    let process = Process::Client(9_000);
                    let invoke = Event::new(time, process, EventType::Invoke, "read", Value::Null);
                    self.push(invoke, &workload, key, node, phase);
                    let done = Event::new(time + 2 * MS, process, EventType::Ok, "read", value);
                    self.push(done, &workload, key, node, phase);
                    time += 3 * MS;
                }
            }
        }
    }

    fn finish(mut self) -> Vec<Event> {
        self.events.sort_by_key(|event| event.time);
        for (index, event) in self.events.iter_mut().enumerate() {
            event.index = index as u64;
        }
        self.events
    }
}

/// The acknowledged adds of the set workload that a broken run loses: some of those made during the first partition.
fn lost_values(sample: Sample, events: &[Event]) -> Vec<u64> {
    let acknowledged = |e: &&Event| e.kind == EventType::Ok && e.f == "add" && e.workload.as_deref() == Some("set");
    let during = events.iter().filter(|e| (2 * SECOND..5 * SECOND).contains(&e.time)).filter(acknowledged);
    let count = if sample.broken { sample.anomalies } else { 0 };
    during.filter_map(|e| e.value.as_u64()).take(count).collect()
}

fn summary(sample: Sample, events: &[Event]) -> RunSummary {
    let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    RunSummary {
        title: "dynamo: set, register, cart".to_owned(),
        started_utc: "2026-03-14T09:26:53Z".to_owned(),
        duration_ms: events.last().map_or(0, |e| e.time / MS),
        untimed: false,
        seed: 8_675_309,
        command: format!(
            "dissensus run --system dynamo --workload set,register,cart --nemesis partition,kill,pause,clock,slow \
             --n 3 --r 2 --w 2{} --time-limit 30s --seed 8675309",
            if sample.broken { " --bug hint-deleted-early" } else { "" }
        ),
        settings: vec![
            setting("system", "dynamo"),
            setting("nodes", "5"),
            setting("n / r / w", "3 / 2 / 2"),
            setting("quorum", "sloppy"),
            setting("versions", "dvv"),
            setting("engine", "redb"),
            setting("concurrency", "10"),
            setting("rate", "200 operations/s"),
            setting("net", "proxy"),
        ],
        claims_note: "A sloppy quorum claims no lost writes and convergence. It does not claim read-your-writes: \
                      during a partition a read may reach other nodes than the write before it did."
            .to_owned(),
        first_ack_ms: events.iter().find(|e| e.kind == EventType::Ok).map(|e| e.time / MS),
        nodes: NODES.map(str::to_owned).to_vec(),
        messages: None,
        run_dir: "store/dynamo/20260314T092653Z-8675309".to_owned(),
        version: "0.1.0".to_owned(),
    }
}

fn verdict(sample: Sample, events: &[Event]) -> Verdict {
    let lost = lost_values(sample, events);
    let mut properties = Vec::new();
    for workload in ["set", "register", "cart"] {
        let broken = workload == "set" && !lost.is_empty();
        let anomalies = if broken { lost.iter().map(|v| lost_write(*v, events)).collect() } else { Vec::new() };
        properties.push(property(CheckName::NO_LOST_WRITES, workload, true, anomalies, lost.len() as u64 * 2));
        let stale = if workload == "register" { stale_reads(events, sample.anomalies) } else { Vec::new() };
        properties.push(property(CheckName::READ_YOUR_WRITES, workload, false, stale, 14));
        properties.push(property(CheckName::CONVERGENCE, workload, true, Vec::new(), 0));
    }
    let mut faults: Vec<FaultFinding> = PLAN.iter().enumerate().map(|(id, p)| finding(id, p)).collect();
    let mut reasons = Vec::new();
    if sample.broken {
        faults[3].proved = false;
        faults[3].evidence = "offset read back: 0 ms, expected +1,800 ms".to_owned();
        reasons.push(format!("no-lost-writes (set) is violated: {}", properties[0].summary));
        reasons.push("fault 4 (clock-bump n4 +1,800 ms) has no evidence that it took effect".to_owned());
    }
    let outcome = if sample.broken { Outcome::Invalid } else { Outcome::Valid };
    Verdict { outcome, reasons, properties, faults, statistics: statistics(events) }
}

fn property(property: CheckName, workload: &str, claimed: bool, anomalies: Vec<Anomaly>, total: u64) -> PropertyResult {
    let outcome = if anomalies.is_empty() { Outcome::Valid } else { Outcome::Invalid };
    let total = if anomalies.is_empty() { 0 } else { total.max(anomalies.len() as u64) };
    let (summary, figures) = match property {
        CheckName::NO_LOST_WRITES => (
            format!("{total} of 1,190 acknowledged writes are lost; 61 of unknown outcome, 44 of them recovered"),
            vec![("acknowledged", 1_190.0), ("attempted", 1_251.0), ("lost", total as f64), ("recovered", 44.0)],
        ),
        CheckName::CONVERGENCE => (
            "all replicas of 2 keys agree, the last 412 ms after the heal".to_owned(),
            vec![("keys", 2.0), ("converge_ms", 412.0), ("siblings_max", 1.0)],
        ),
        _ => (
            format!("{total} of 786 reads miss a write that their own process had acknowledged"),
            vec![("reads", 786.0), ("stale", total as f64), ("stale_p99_ms", 1_240.5)],
        ),
    };
    let figures = figures.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    PropertyResult {
        property,
        workload: Some(workload.to_owned()),
        claimed,
        outcome,
        summary,
        figures,
        anomalies,
        anomalies_total: total,
        strongest: vec![],
    }
}

fn lost_write(value: u64, events: &[Event]) -> Anomaly {
    let of_value = events.iter().filter(|e| e.f == "add" && e.value == json!(value));
    let mut proof: Vec<&Event> = of_value.collect();
    let (key, node) = (proof[0].key.clone(), proof[0].node.clone().unwrap_or_default());
    let after = events.iter().filter(|e| e.key == key && e.phase != Phase::Main && e.kind == EventType::Ok);
    proof.extend(after.skip(3));
    let (from_ns, to_ns) = (proof[0].time, proof[proof.len() - 1].time);
    Anomaly {
        kind: "lost-write".to_owned(),
        key: key.clone(),
        process: None,
        explanation: format!(
            "{node} acknowledged the add of {value} to {} at {:.3} s, while fault 1 cut {{n1 n2}} from {{n3 n4 n5}}. After the heal no \
             replica holds it and no read returns it, and nothing removed it: an acknowledged write is lost.",
            key.unwrap_or_default(),
            from_ns as f64 / 1e9
        ),
        events: proof.iter().map(|e| e.index).collect(),
        context: vec![],
        faults: vec![1],
        from_ns,
        to_ns,
        edges: vec![],
    }
}

fn stale_reads(events: &[Event], count: usize) -> Vec<Anomaly> {
    let is_write =
        |e: &&Event| e.kind == EventType::Ok && e.f == "write" && e.time > 18 * SECOND && e.time < 21 * SECOND;
    events.iter().filter(is_write).take(count).filter_map(|write| stale_read(write, events)).collect()
}

fn stale_read(write: &Event, events: &[Event]) -> Option<Anomaly> {
    let read = events[write.index as usize..]
        .iter()
        .find(|e| e.f == "read" && e.kind == EventType::Ok && e.key == write.key)?;
    let invoked = |done: &Event| {
        let earlier = events[..done.index as usize].iter().rev();
        earlier
            .filter(|e| e.kind == EventType::Invoke)
            .find(|e| e.process == done.process)
            .map_or(done.index, |e| e.index)
    };
    let Process::Client(process) = read.process else {
        return None;
    };
    Some(Anomaly {
        kind: "stale-read".to_owned(),
        key: write.key.clone(),
        process: Some(process.into()),
        explanation: format!(
            "Process {process} wrote {} and then read {} from {}: its own write is missing.",
            write.value,
            read.value,
            read.node.as_deref().unwrap_or_default()
        ),
        events: vec![invoked(write), write.index, invoked(read), read.index],
        context: vec![],
        faults: vec![6],
        from_ns: write.time,
        to_ns: read.time,
        edges: vec![],
    })
}

fn finding(id: usize, p: &Planned) -> FaultFinding {
    FaultFinding {
        fault: id as u64 + 1,
        kind: p.0.to_owned(),
        detail: p.1.to_owned(),
        nodes: p.2.iter().map(|n| (*n).to_owned()).collect(),
        start_ns: Some(p.3 * MS),
        stop_ns: Some((p.3 + p.4) * MS),
        proved: true,
        evidence: p.5.to_owned(),
        foreign: false,
    }
}

fn statistics(events: &[Event]) -> Vec<OperationStatistics> {
    let mut all: BTreeMap<(String, String), OperationStatistics> = BTreeMap::new();
    for event in events.iter().filter(|e| e.phase == Phase::Main && e.process != Process::Nemesis) {
        let name = (event.workload.clone().unwrap_or_default(), event.f.clone());
        let s = all.entry(name.clone()).or_default();
        (s.workload, s.f) = name;
        let faulty = PLAN.iter().any(|p| event.time >= p.3 * MS && event.time < (p.3 + p.4) * MS);
        match event.kind {
            EventType::Invoke => s.invoked_in_faults += u64::from(faulty),
            EventType::Ok => (s.ok, s.ok_in_faults) = (s.ok + 1, s.ok_in_faults + u64::from(faulty)),
            EventType::Fail => s.fail += 1,
            EventType::Info => s.info += 1,
        }
        let latencies = (2.31, 118.4, 780.25, 1_002.7);
        (s.latency_p50_ms, s.latency_p99_ms, s.latency_p999_ms, s.latency_max_ms) = latencies;
        if event.f == "read" {
            (s.harvest, s.harvest_in_faults, s.harvest_outside_faults) = (Some(0.98), Some(0.9364), Some(1.0));
        }
    }
    all.into_values().collect()
}
