//! How long `dissensus check` takes to decide whether large histories are linearizable, and how much memory, beside
//! `porcupine-rs`.
//!
//! `cargo bench --bench checkers` takes small inputs, `-- --full` those of a million operations, `-- large` those of ten
//! millions; `-- only NAME` those whose name has that in it; `-- make NAME FILE` writes the first of these to a file;
//! `-- agree 10000` compares the verdicts on so many random small histories instead.
//!
//! Ours is the whole program as a user runs it, on a file of JSON lines: `wall` from its start to its end, `processor`
//! what all its threads took, in user code and in the kernel, `MiB` the resident memory at most (VmHWM). The peer is given
//! operations that were read before: its time is that of its check alone. It is stopped after a minute or at 8 GiB of
//! address space. Figures depend on the machine: compare the ratios.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use checker::decision::{Decision, Limits};
use checker::formats::{Format, Selection, read};
use checker::linearizability::{FailedCas, Model, Options, check};
use checker::records::{Datum, Kind, Records};
use checker::verdict::Outcome;
use porcupine_rs::CheckResult;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

const PEER_TIME: Duration = Duration::from_secs(60);
const PEER_KIB: u64 = 8 << 20;

/// An input of the table.
#[derive(Clone, Copy)]
struct Input {
    name: &'static str,
    object: Object,
    keys: u64,
    operations: u64,
    clients: u64,
    /// With the failed compare-and-sets of this reading.
    failed_cas: FailedCas,
    /// Whether the peer is tried.
    peer: bool,
    /// When it is taken.
    size: Size,
    /// What `--memory` says.
    memory: &'static str,
}

/// Which inputs are taken together.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Size {
    Small,
    Full,
    Large,
}

/// What is simulated.
#[derive(Clone, Copy, PartialEq)]
enum Object {
    /// Half reads, a quarter writes, a quarter compare-and-sets, of unique values.
    Cas,
    /// The same with values 0 to 4, eight operations that never complete, and one stale read at the end.
    Small,
    Queue,
    Stack,
    Set,
}

const fn input(name: &'static str, object: Object, keys: u64, operations: u64, clients: u64) -> Input {
    Input {
        name,
        object,
        keys,
        operations,
        clients,
        failed_cas: FailedCas::Drop,
        peer: false,
        size: Size::Small,
        memory: "8GiB",
    }
}

const INPUTS: [Input; 20] = [
    Input { peer: true, ..input("one key, 1,000", Object::Cas, 1, 1_000, 20) },
    Input { peer: true, ..enforced(input("one key, 1,000, enforced", Object::Cas, 1, 1_000, 20)) },
    input("one key, 10,000", Object::Cas, 1, 10_000, 20),
    enforced(input("one key, 10,000, enforced", Object::Cas, 1, 10_000, 20)),
    Input { peer: true, ..input("50 keys of 200", Object::Cas, 50, 200, 20) },
    Input { peer: true, ..input("values 0 to 4, stale", Object::Small, 1, 1_000, 10) },
    Input { peer: true, ..enforced(input("values 0 to 4, stale, enforced", Object::Small, 1, 1_000, 10)) },
    Input { size: Size::Full, peer: true, ..input("one key, 10,000, peer", Object::Cas, 1, 10_000, 20) },
    Input { size: Size::Full, ..input("one key, 100,000", Object::Cas, 1, 100_000, 20) },
    Input { size: Size::Full, ..input("one key, 1 M", Object::Cas, 1, 1_000_000, 20) },
    Input { size: Size::Full, ..enforced(input("one key, 1 M, enforced", Object::Cas, 1, 1_000_000, 20)) },
    Input { size: Size::Full, peer: true, ..input("1,000 keys of 1,000", Object::Cas, 1_000, 1_000, 20) },
    Input {
        size: Size::Full,
        peer: true,
        ..enforced(input("1,000 keys of 1,000, enforced", Object::Cas, 1_000, 1_000, 20))
    },
    Input { size: Size::Full, ..input("queue, 1 M", Object::Queue, 1, 1_000_000, 10) },
    Input { size: Size::Full, ..input("stack, 1 M", Object::Stack, 1, 1_000_000, 10) },
    Input { size: Size::Full, ..input("set, 1 M", Object::Set, 1, 1_000_000, 10) },
    large("1,000 keys of 10,000", 1_000, 10_000, "20GiB"),
    large("1,000 keys of 10,000, 1 GiB", 1_000, 10_000, "1GiB"),
    large("1,000 keys of 10,000, 300 MiB", 1_000, 10_000, "300MiB"),
    large("one key, 10 M, 1 GiB", 1, 10_000_000, "1GiB"),
];

const fn large(name: &'static str, keys: u64, operations: u64, memory: &'static str) -> Input {
    Input { size: Size::Large, memory, ..input(name, Object::Cas, keys, operations, 20) }
}

const fn enforced(input: Input) -> Input {
    Input { failed_cas: FailedCas::Enforce, ..input }
}

fn main() -> Result<(), AnyError> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["peer", number, file] => peer(&INPUTS[number.parse::<usize>()?], Path::new(file)),
        ["agree", histories] => agree(histories.parse()?),
        ["--full"] => table(|input| input.size <= Size::Full),
        ["large"] => table(|input| input.size == Size::Large),
        ["only", name] => table(|input| input.name.contains(name)),
        ["make", name, file] => make(name, Path::new(file)),
        [] => table(|input| input.size == Size::Small),
        _ => Err("expected nothing, --full, large, only NAME, make NAME FILE, or agree NUMBER".into()),
    }
}

fn make(name: &str, file: &Path) -> Result<(), AnyError> {
    let input = INPUTS.iter().find(|input| input.name.contains(name)).ok_or("there is no such input")?;
    let mut out = BufWriter::new(File::create(file)?);
    generate(input, &mut out, 1)?;
    Ok(out.flush()?)
}

fn table(wanted: impl Fn(&Input) -> bool) -> Result<(), AnyError> {
    let dir = std::env::temp_dir().join(format!("dissensus-checkers-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{:<32} {:>8} {:>11} {:>7}  verdict, of {threads} threads; peer", "", "wall s", "processor s", "MiB");
    let rows = || -> Result<(), AnyError> {
        let mut made = None;
        for (number, input) in INPUTS.iter().enumerate().filter(|(_, input)| wanted(input)) {
            row(number, input, &dir, &mut made)?;
        }
        Ok(())
    };
    let done = rows();
    std::fs::remove_dir_all(&dir)?;
    done
}

/// What tells the files of inputs apart.
type Made = Option<(u64, u64, u64)>;

fn row(number: usize, input: &Input, dir: &Path, made: &mut Made) -> Result<(), AnyError> {
    let file: PathBuf = dir.join("history.jsonl");
    let this = Some((input.keys, input.operations, input.object as u64));
    if std::mem::replace(made, this) != this {
        generate(input, &mut BufWriter::new(File::create(&file)?), 1)?;
    }
    let ours = ours(input, &file)?;
    print!("{:<32} {:>8.3} {:>11.3} {:>7.0}  {}", input.name, ours.wall, ours.processor, ours.mib, ours.verdict);
    if input.peer {
        match measured(number, &file)? {
            Some((verdict, [seconds, mib])) => print!(
                "; {verdict} in {seconds:.3} s, {mib:.0} MiB: {:.1} times the time, {:.1} times the memory",
                seconds / ours.wall,
                mib / ours.mib
            ),
            None => print!("; ended by the bound of {} GiB", PEER_KIB >> 20),
        }
    }
    println!();
    Ok(())
}

/// What a run of ours took, in seconds and MiB.
struct Ours {
    verdict: String,
    wall: f64,
    processor: f64,
    mib: f64,
}

/// The program itself, with the verdict as JSON.
fn ours(input: &Input, file: &Path) -> Result<Ours, AnyError> {
    let model = match input.object {
        Object::Cas | Object::Small => "cas-register",
        Object::Queue => "queue",
        Object::Stack => "stack",
        Object::Set => "set",
    };
    let failed_cas = if input.failed_cas == FailedCas::Enforce { "enforce" } else { "drop" };
    let mut command = Command::new(env!("CARGO_BIN_EXE_dissensus"));
    command.arg("check").arg(file).args(["--json", "--model", model, "--failed-cas", failed_cas]);
    let began = Instant::now();
    let output = command.args(["--memory", input.memory]).output()?;
    let wall = began.elapsed().as_secs_f64();
    let told: serde_json::Value = serde_json::from_slice(&output.stdout)
        .map_err(|_| format!("our own check failed: {}", String::from_utf8_lossy(&output.stderr)))?;
    let spent = |name: &str| told["spent"][name].as_f64().ok_or("it does not tell what it spent");
    let mut verdict = told["outcome"].as_str().unwrap_or_default().to_owned();
    if verdict == "inconclusive" {
        verdict = format!("inconclusive: {}; {}", told["decisions"][0]["headline"], told["notes"]);
    }
    Ok(Ours { verdict, wall, processor: spent("processor_ms")? / 1e3, mib: spent("memory_peak_bytes")? / 1048576.0 })
}

/// Runs this program again for the peer; its verdict with seconds and MiB. None if it was ended.
fn measured(number: usize, file: &Path) -> Result<Option<(String, [f64; 2])>, AnyError> {
    let output = Command::new("sh")
        .args(["-c", &format!("ulimit -v {PEER_KIB}; exec \"$0\" \"$@\"")])
        .arg(std::env::current_exe()?)
        .args(["peer", &number.to_string()])
        .arg(file)
        .stderr(std::process::Stdio::null())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let fields: Vec<&str> = text.trim().split('\t').collect();
    let [verdict, seconds, kib] = fields[..] else { return Ok(None) };
    Ok(Some((verdict.to_owned(), [seconds.parse()?, kib.parse::<f64>()? / 1024.0])))
}

fn decide(input: &Input, records: &Records) -> Decision {
    let model = match input.object {
        Object::Cas | Object::Small => Model::Register,
        Object::Queue => Model::Queue,
        Object::Stack => Model::Stack,
        Object::Set => Model::Set,
    };
    let threads = std::thread::available_parallelism().map_or(1, Into::into);
    let limits = Limits { threads, memory_bytes: 8 << 30, ..Limits::default() };
    check(model, records, &limits, &Options { failed_cas: input.failed_cas, ..Options::default() })
}

fn peer(input: &Input, file: &Path) -> Result<(), AnyError> {
    let reader = BufReader::with_capacity(1 << 20, File::open(file)?);
    let records = read(reader, Format::Json, &Selection::default())?.records;
    let history = operations(&records, input.failed_cas);
    let began = Instant::now();
    let result = porcupine_rs::check_operations_timeout(&history, PEER_TIME);
    let verdict = match result {
        CheckResult::Ok => "valid",
        CheckResult::Illegal => "invalid",
        CheckResult::Unknown => "timed out",
    };
    let seconds = began.elapsed().as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    println!("{verdict}\t{seconds}\t{}", peak.trim().trim_end_matches(" kB"));
    Ok(())
}

/// The peer's register.
#[derive(Clone)]
struct PeerRegister;

#[derive(Clone, Debug)]
enum PeerAction {
    Read(u32),
    Write(u32),
    Cas(u32, u32),
    /// It never completed. The peer gives every operation a moment: at the end, this one may do nothing.
    OpenCas(u32, u32),
    FailedCas(u32),
}

impl porcupine_rs::Model for PeerRegister {
    type State = u32;
    type Op = (u32, PeerAction);
    type Metadata = ();

    fn partition_operations(history: &[porcupine_rs::Operation<Self>]) -> Vec<Vec<porcupine_rs::Operation<Self>>> {
        let mut parts = std::collections::BTreeMap::<u32, Vec<_>>::new();
        for operation in history {
            parts.entry(operation.op.0).or_default().push(operation.clone());
        }
        parts.into_values().collect()
    }

    fn init() -> u32 {
        0
    }

    fn step(held: &u32, (_, action): &(u32, PeerAction)) -> (bool, u32) {
        match *action {
            PeerAction::Read(value) => (value == *held, *held),
            PeerAction::Write(value) => (true, value),
            PeerAction::Cas(from, to) => (from == *held, to),
            PeerAction::OpenCas(from, to) => (true, if from == *held { to } else { *held }),
            PeerAction::FailedCas(expected) => (expected != *held, *held),
        }
    }
}

fn operations(records: &Records, failed_cas: FailedCas) -> Vec<porcupine_rs::Operation<PeerRegister>> {
    let made = records.ops.iter().filter_map(|op| {
        let action = match (records.text(op.f), op.kind) {
            ("read", Kind::Ok) => PeerAction::Read(op.result.0),
            ("write", Kind::Ok | Kind::Info) => PeerAction::Write(op.argument.0),
            ("cas", kind) => match (records.datum(op.argument), kind) {
                (Datum::List(&[from, _]), Kind::Fail) => {
                    (failed_cas == FailedCas::Enforce).then_some(PeerAction::FailedCas(from.0))?
                }
                (Datum::List(&[from, to]), Kind::Info) => PeerAction::OpenCas(from.0, to.0),
                (Datum::List(&[from, to]), _) => PeerAction::Cas(from.0, to.0),
                _ => return None,
            },
            _ => return None,
        };
        let return_time = if op.ret == Records::NEVER { i64::MAX } else { i64::from(op.ret) };
        Some(porcupine_rs::Operation {
            client_id: Some(op.process),
            call_time: i64::from(op.call),
            return_time,
            op: (op.key.0, action),
            metadata: None,
        })
    });
    made.collect()
}

/// Both on random small histories, some with a result changed.
fn agree(histories: u64) -> Result<(), AnyError> {
    let (mut valid, mut invalid) = (0u64, 0u64);
    for seed in 0..histories {
        let object = if seed % 2 == 0 { Object::Cas } else { Object::Small };
        let failed_cas = if seed % 4 < 2 { FailedCas::Drop } else { FailedCas::Enforce };
        let input = Input { failed_cas, ..input("", object, 1, 10 + seed % 40, 2 + seed % 5) };
        let mut lines = Vec::new();
        generate(&input, &mut lines, seed)?;
        let text = spoiled(&String::from_utf8(lines)?, seed);
        let records = read(text.as_bytes(), Format::Json, &Selection::default())?.records;
        let (mine, theirs) = (decide(&input, &records), operations(&records, failed_cas));
        let linearizable = porcupine_rs::check_operations(&theirs);
        if (mine.outcome == Outcome::Valid) != linearizable || mine.outcome == Outcome::Inconclusive {
            return Err(format!("seed {seed}: ours {}, theirs {linearizable}:\n{text}", mine.outcome).into());
        }
        *(if linearizable { &mut valid } else { &mut invalid }) += 1;
    }
    println!("{histories} histories, {valid} linearizable, {invalid} not: no disagreement");
    Ok(())
}

/// The history with the result of one read put in the place of another's, every other time.
fn spoiled(text: &str, seed: u64) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let reads: Vec<usize> =
        (0..lines.len()).filter(|at| lines[*at].contains("\"type\":\"ok\",\"f\":\"read\"")).collect();
    if !seed.is_multiple_of(3) && reads.len() > 1 {
        let value = |line: &str| line.rsplit("\"value\":").next().unwrap_or_default().to_owned();
        let (one, other) = (reads[seed as usize % reads.len()], reads[seed as usize / 7 % reads.len()]);
        let (head, _) = lines[one].rsplit_once("\"value\":").unwrap_or_default();
        lines[one] = format!("{head}\"value\":{}", value(&lines[other]));
    }
    lines.join("\n")
}

/// A client of the simulated objects.
struct Client {
    process: u64,
    standing: Standing,
    /// What it read last.
    known: Option<u64>,
}

enum Standing {
    Idle,
    Invoked { key: u64, f: &'static str, argument: String, first: u64, second: u64 },
    Acted { key: u64, f: &'static str, kind: &'static str, result: String },
}

/// Objects by key, whatever they are.
struct World {
    object: Object,
    next: u64,
    registers: Vec<Option<u64>>,
    inside: VecDeque<u64>,
    members: std::collections::BTreeSet<u64>,
    added: Vec<u64>,
}

/// Writes a history of simulated clients: each in turn, drawn at random, invokes, acts or returns.
fn generate(input: &Input, to: &mut impl Write, seed: u64) -> Result<(), AnyError> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let idle = |process| Client { process, standing: Standing::Idle, known: None };
    let mut clients: Vec<Client> = (0..input.clients).map(idle).collect();
    let mut world = World {
        object: input.object,
        next: 0,
        registers: vec![None; input.keys as usize],
        inside: VecDeque::new(),
        members: std::collections::BTreeSet::new(),
        added: Vec::new(),
    };
    let total = input.keys * input.operations;
    let (mut invoked, mut event, mut lost, mut processes) = (0, 0u64, 0, input.clients);
    let mut open = 0;
    while invoked < total || open > 0 {
        let at = random.random_range(0..clients.len());
        let client = &mut clients[at];
        let mut line = |kind: &str, key: u64, f: &str, value: &str, process: u64| {
            let key = if input.keys > 1 { format!("\"key\":\"k{key}\",") } else { String::new() };
            event += 1;
            writeln!(
                to,
                "{{\"index\":{},\"time\":{},\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",{key}\"value\":{value}}}",
                event - 1,
                event * 1000
            )
        };
        client.standing = match std::mem::replace(&mut client.standing, Standing::Idle) {
            Standing::Idle if invoked < total => {
                // All clients work on one key, then on the next.
                let key = invoked / input.operations;
                let (f, argument, first, second) = world.invoke(&mut random, client.known);
                line("invoke", key, f, &argument, client.process)?;
                invoked += 1;
                open += 1;
                Standing::Invoked { key, f, argument, first, second }
            }
            Standing::Idle => Standing::Idle,
            Standing::Invoked { key, f, argument, first, second } => {
                let (kind, result) = world.act(key, f, &argument, first, second, &mut client.known);
                Standing::Acted { key, f, kind, result }
            }
            Standing::Acted { key, f, kind, result } => {
                let loses = input.object == Object::Small && lost < 8 && f != "read" && random.random_range(0..40) == 0;
                let kind = if loses { "info" } else { kind };
                line(kind, key, f, &result, client.process)?;
                open -= 1;
                if loses {
                    lost += 1;
                    client.process = processes;
                    processes += 1;
                }
                Standing::Idle
            }
        };
    }
    if input.object == Object::Small {
        stale_read(to, event, processes)?;
    }
    Ok(())
}

/// Two writes and a read of the first, one after the other.
fn stale_read(to: &mut impl Write, event: u64, process: u64) -> Result<(), AnyError> {
    let steps = [("write", "1", "1"), ("write", "2", "2"), ("read", "null", "1")];
    for (at, (f, argument, result)) in steps.into_iter().enumerate() {
        for (index, kind, value) in
            [(event + 2 * at as u64, "invoke", argument), (event + 2 * at as u64 + 1, "ok", result)]
        {
            writeln!(
                to,
                "{{\"index\":{index},\"time\":{},\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",\"value\":{value}}}",
                (index + 1) * 1000
            )?;
        }
    }
    Ok(())
}

impl World {
    fn fresh(&mut self, random: &mut ChaCha8Rng) -> u64 {
        self.next += 1;
        if self.object == Object::Small { random.random_range(0..5) } else { self.next }
    }

    fn invoke(&mut self, random: &mut ChaCha8Rng, known: Option<u64>) -> (&'static str, String, u64, u64) {
        match (self.object, random.random_range(0..4)) {
            (Object::Cas | Object::Small, 0 | 1) => ("read", "null".into(), 0, 0),
            (Object::Cas | Object::Small, 2) => {
                let value = self.fresh(random);
                ("write", value.to_string(), value, 0)
            }
            (Object::Cas | Object::Small, _) => {
                let (from, to) = (known.unwrap_or(0), self.fresh(random));
                ("cas", format!("[{from},{to}]"), from, to)
            }
            (Object::Queue, 0 | 1) => self.put("enqueue"),
            (Object::Queue, _) => ("dequeue", "null".into(), 0, 0),
            (Object::Stack, 0 | 1) => self.put("push"),
            (Object::Stack, _) => ("pop", "null".into(), 0, 0),
            (Object::Set, 0 | 1) => {
                let added = self.put("add");
                self.added.push(added.2);
                added
            }
            (Object::Set, 2) if !self.added.is_empty() => {
                let at = random.random_range(0..self.added.len());
                let element = self.added.swap_remove(at);
                ("remove", element.to_string(), element, 0)
            }
            (Object::Set, _) => {
                let element = random.random_range(0..self.next + 1);
                ("contains", element.to_string(), element, 0)
            }
        }
    }

    fn put(&mut self, f: &'static str) -> (&'static str, String, u64, u64) {
        self.next += 1;
        (f, self.next.to_string(), self.next, 0)
    }

    fn act(
        &mut self,
        key: u64,
        f: &str,
        argument: &str,
        first: u64,
        second: u64,
        known: &mut Option<u64>,
    ) -> (&'static str, String) {
        let held = &mut self.registers[key as usize];
        let text = |value: Option<u64>| value.map_or_else(|| "null".into(), |value| value.to_string());
        let done = ("ok", argument.to_owned());
        match f {
            "read" => {
                *known = *held;
                ("ok", text(*held))
            }
            "write" => {
                *held = Some(first);
                done
            }
            "cas" if *held != Some(first) => ("fail", done.1),
            "cas" => {
                *held = Some(second);
                done
            }
            "enqueue" | "push" => {
                self.inside.push_back(first);
                done
            }
            "dequeue" => ("ok", text(self.inside.pop_front())),
            "pop" => ("ok", text(self.inside.pop_back())),
            "add" => {
                self.members.insert(first);
                done
            }
            "remove" => {
                self.members.remove(&first);
                done
            }
            _ => ("ok", self.members.contains(&first).to_string()),
        }
    }
}
