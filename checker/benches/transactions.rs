//! How long it takes to judge transactions, and how much memory: from a file of JSON lines to the decision, beside the
//! crate `adya` on the same file where it decides the same.
//!
//! `cargo bench -p dissensus-checker --bench transactions [-- [--full] [--ours]]`: `--full` takes a million transactions
//! too, `--ours` leaves the peer out. Histories are those of a simulated store that
//! executes transactions one at a time, each at a moment within its span, for so many concurrent processes; the same
//! seed gives the same file. Each figure is of a process of its own: wall and processor time with reading and parsing,
//! peak memory as the kernel counts it (VmHWM). Wall time depends on what else the machine does: compare processor time,
//! which is what the ratios are of. `read s` is the processor time that reading the file takes of ours.

// A benchmark measures time, starts processes and writes files.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use checker::decision::{Decision, Limits};
use checker::formats::{Format, Selection, read};
use checker::transactions::isolation::Isolation;
use checker::transactions::{Assume, Options, check_isolation, check_list_append, check_rw_register};

type AnyError = Box<dyn std::error::Error>;

/// Processes at a time.
const PROCESSES: usize = 10;
/// Keys in use at a time; one that was written so often is replaced by a new one, as Elle's generator does.
const KEYS: usize = 10;
const WRITES_PER_KEY: u32 = 32;
const MICROS_MAX: u64 = 4;
/// What a run may take: then it is stopped.
const SECONDS_MAX: u64 = 120;

const SMALL: usize = 100_000;
const LARGE: usize = 1_000_000;

/// What is measured: a name, the kind of history, whether the peer decides it too.
const CASES: [(&str, bool, bool); 6] = [
    ("list-append", true, true),
    ("rw-register", false, true),
    ("rw-register-linearizable", false, false),
    ("causal-convergence", false, false),
    ("read-committed", false, false),
    ("read-atomic", false, false),
];

fn main() -> Result<(), AnyError> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["one", who, case, path] => one(who, case, Path::new(path)),
        options if options.iter().all(|option| ["--full", "--ours"].contains(option)) => {
            let sizes = if options.contains(&"--full") { &[SMALL, LARGE][..] } else { &[SMALL] };
            all(sizes, !options.contains(&"--ours"))
        }
        _ => Err("the options are --full and --ours".into()),
    }
}

fn all(sizes: &[usize], beside_the_peer: bool) -> Result<(), AnyError> {
    println!("{PROCESSES} processes, {KEYS} keys at a time, transactions of 1 to {MICROS_MAX} operations");
    let side = format!("{:>8} {:>8} {:>7}", "wall s", "cpu s", "MiB");
    println!(
        "{:<26} {:>8} {side} {:>7} {side} {:>6} {:>6}   (ours, adya, ratios)",
        "", "txns", "read s", "cpu x", "mem x"
    );
    let mut gave_up: Vec<&str> = Vec::new();
    for size in sizes {
        for (case, lists, peer) in CASES {
            let path = history(*size, lists)?;
            let ours = measure("ours", case, &path)?;
            // What took too long for a small history is not asked of a large one.
            let asked = peer && beside_the_peer && !gave_up.contains(&case);
            let theirs = if asked { measure("adya", case, &path)? } else { None };
            if asked && theirs.is_none() {
                gave_up.push(case);
            }
            print(case, *size, ours, theirs);
        }
    }
    if !gave_up.is_empty() {
        println!("adya had not decided after {SECONDS_MAX} s: {}", gave_up.join(", "));
    }
    Ok(())
}

/// Wall time and processor time in s, peak memory in MiB, and the processor time of reading alone.
type Figures = [f64; 4];

fn print(case: &str, size: usize, ours: Option<Figures>, theirs: Option<Figures>) {
    let show = |figures: Option<Figures>| match figures {
        Some([wall, cpu, memory, _]) => format!("{wall:>8.2} {cpu:>8.2} {memory:>7.0}"),
        None => format!("{:>8} {:>8} {:>7}", "-", "-", "-"),
    };
    let ratio =
        |at: usize| ours.zip(theirs).map_or("-".to_owned(), |(ours, theirs)| format!("{:.1}", theirs[at] / ours[at]));
    let read = ours.map_or("-".to_owned(), |ours| format!("{:.2}", ours[3]));
    println!("{case:<26} {size:>8} {} {read:>7} {} {:>6} {:>6}", show(ours), show(theirs), ratio(1), ratio(2));
}

/// Runs one case in a process of its own; none if it took too long.
fn measure(who: &str, case: &str, path: &Path) -> Result<Option<Figures>, AnyError> {
    let mut command = Command::new("timeout");
    command.arg(SECONDS_MAX.to_string()).arg(std::env::current_exe()?).args(["one", who, case]).arg(path);
    let output = command.output()?;
    if output.status.code() == Some(124) {
        return Ok(None);
    }
    let text = String::from_utf8(output.stdout)?;
    let words: Result<Vec<f64>, _> = text.split_whitespace().map(str::parse).collect();
    match words.unwrap_or_default().try_into() {
        Ok(figures) if output.status.success() => Ok(Some(figures)),
        _ => Err(format!("{who} {case}: {text}{}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}

fn one(who: &str, case: &str, path: &Path) -> Result<(), AnyError> {
    let began = Instant::now();
    let reading = match who {
        "ours" => ours(case, path)?,
        _ => adya_decides(case, path)?,
    };
    let wall = began.elapsed().as_secs_f64();
    println!("{wall:.3} {:.2} {:.1} {reading:.2}", cpu_seconds()?, peak_mebibytes()?);
    Ok(())
}

/// Returns the processor time when the file was read, in s.
fn ours(case: &str, path: &Path) -> Result<f64, AnyError> {
    let reading = read(BufReader::with_capacity(1 << 20, File::open(path)?), Format::Json, &Selection::default())?;
    let records = reading.records;
    let read = cpu_seconds()?;
    let limits = Limits { memory_bytes: 8 << 30, ..Limits::default() };
    let versions =
        Assume { sequential_keys: case == "rw-register", linearizable_keys: case == "rw-register-linearizable" };
    let options = Options { versions, ..Options::default() };
    let decision: Decision = match case {
        "list-append" => check_list_append(&records, &limits, options),
        "causal-convergence" => check_isolation(&records, &limits, Isolation::CausalConvergence),
        "read-committed" => check_isolation(&records, &limits, Isolation::ReadCommitted),
        "read-atomic" => check_isolation(&records, &limits, Isolation::ReadAtomic),
        _ => check_rw_register(&records, &limits, options),
    };
    eprintln!("{}", decision.headline);
    match decision.violations_total == 0 && decision.outcome == checker::verdict::Outcome::Valid {
        true => Ok(read),
        false => Err(format!("a serial store was judged {}", decision.headline).into()),
    }
}

/// Returns the processor time when the file was read, in s.
fn adya_decides(case: &str, path: &Path) -> Result<f64, AnyError> {
    let history = adya::History::from_json(&std::fs::read_to_string(path)?)?;
    let read = cpu_seconds()?;
    let workload = if case == "list-append" { adya::Workload::ListAppend } else { adya::Workload::RwRegister };
    let options = adya::Opts { sequential_keys: case != "list-append", ..adya::Opts::default() };
    match adya::check(&history, workload, &options).valid {
        adya::Valid::True => Ok(read),
        other => Err(format!("a serial store was judged {other:?}").into()),
    }
}

/// User and system time of this process, which the kernel counts in hundredths.
fn cpu_seconds() -> Result<f64, AnyError> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').ok_or("no process name")?;
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>).sum::<Result<_, _>>()?;
    Ok(ticks as f64 / 100.0)
}

fn peak_mebibytes() -> Result<f64, AnyError> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}

/// The file of a history, made if it is not there.
fn history(size: usize, lists: bool) -> Result<PathBuf, AnyError> {
    let name = format!("transactions-{}-{size}.jsonl", if lists { "lists" } else { "registers" });
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if !path.exists() {
        let partial = path.with_extension("partial");
        Store::new(lists, 7).run(size, &mut BufWriter::new(File::create(&partial)?))?;
        std::fs::rename(partial, &path)?;
    }
    Ok(path)
}

/// A store that executes one transaction after the other.
struct Store {
    lists: bool,
    draw: u64,
    /// Keys in use, and how often each was written.
    keys: Vec<(u32, u32)>,
    next_key: u32,
    values: HashMap<u32, Vec<u32>>,
    index: usize,
}

/// A micro-operation: the key, and what it writes unless it reads.
type Micro = (u32, Option<u32>);

/// What a process is at.
#[derive(Clone)]
enum At {
    Rest,
    Invoked(Vec<Micro>),
    Executed(String),
}

impl Store {
    fn new(lists: bool, seed: u64) -> Self {
        let keys = (0..KEYS as u32).map(|key| (key, 0)).collect();
        Self { lists, draw: seed, keys, next_key: KEYS as u32, values: HashMap::new(), index: 0 }
    }

    /// splitmix64.
    fn below(&mut self, limit: u64) -> u64 {
        self.draw = self.draw.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.draw;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    /// Lets processes take their steps in a random order.
    fn run(&mut self, size: usize, out: &mut impl Write) -> Result<(), AnyError> {
        let mut processes = vec![At::Rest; PROCESSES];
        let (mut begun, mut done) = (0, 0);
        while done < size {
            let process = self.below(PROCESSES as u64) as usize;
            processes[process] = match std::mem::replace(&mut processes[process], At::Rest) {
                At::Rest if begun < size => {
                    begun += 1;
                    let plan = self.plan();
                    let asked: Vec<String> = plan.iter().map(|micro| self.asked(*micro)).collect();
                    self.line(out, process, "invoke", &asked.join(","))?;
                    At::Invoked(plan)
                }
                At::Rest => At::Rest,
                At::Invoked(plan) => {
                    let answers: Vec<String> = plan.into_iter().map(|micro| self.execute(micro)).collect();
                    At::Executed(answers.join(","))
                }
                At::Executed(answer) => {
                    self.line(out, process, "ok", &answer)?;
                    done += 1;
                    At::Rest
                }
            };
        }
        out.flush()?;
        Ok(())
    }

    fn line(&mut self, out: &mut impl Write, process: usize, kind: &str, value: &str) -> Result<(), AnyError> {
        let index = self.index;
        self.index += 1;
        let time = index * 1000;
        writeln!(
            out,
            r#"{{"index":{index},"time":{time},"process":{process},"type":"{kind}","f":"txn","value":[{value}]}}"#
        )?;
        Ok(())
    }

    fn plan(&mut self) -> Vec<Micro> {
        (0..=self.below(MICROS_MAX))
            .map(|_| {
                let (at, writes) = (self.below(KEYS as u64) as usize, self.below(2) == 0);
                let (key, written) = &mut self.keys[at];
                let key = *key;
                if !writes {
                    return (key, None);
                }
                *written += 1;
                let value = *written;
                if value == WRITES_PER_KEY {
                    self.keys[at] = (self.next_key, 0);
                    self.next_key += 1;
                }
                (key, Some(value))
            })
            .collect()
    }

    fn asked(&self, (key, value): Micro) -> String {
        match (value, self.lists) {
            (Some(value), true) => format!(r#"["append",{key},{value}]"#),
            (Some(value), false) => format!(r#"["w",{key},{value}]"#),
            (None, _) => format!(r#"["r",{key},null]"#),
        }
    }

    fn execute(&mut self, micro: Micro) -> String {
        let (lists, asked) = (self.lists, self.asked(micro));
        let values = self.values.entry(micro.0).or_default();
        match (micro.1, lists) {
            (Some(value), _) => {
                values.push(value);
                asked
            }
            (None, true) => format!(r#"["r",{},{values:?}]"#, micro.0),
            (None, false) => values.last().map_or(asked, |value| format!(r#"["r",{},{value}]"#, micro.0)),
        }
    }
}
