//! The time and memory that `dissensus check` needs for large histories, compared with `porcupine-rs` and `adya`.
//!
//! `cargo bench --bench checkers` runs the small inputs, `-- --full` also those of a million operations, `-- --large`
//! those of ten million; `--ours` leaves the other checkers out. `-- only NAME` runs the rows whose name contains NAME;
//! `-- make NAME FILE` writes the history of the first such row to a file; `-- agree 10000` compares the verdicts on
//! that many random small histories instead; `-- --violating-transactions` measures histories of transactions with faults,
//! and how the time grows. `-- violating` measures histories of every other model in which one thing is wrong, and
//! `-- make-violating NAME OPERATIONS FILE` writes one of these.
//!
//! Ours is the whole program as a user runs it, on a file of JSON lines: *wall* is the time from its start to its end,
//! *processor* the user and system time of all its threads (`getrusage` of children), *memory* the peak resident size
//! (VmHWM). Of three runs the one with the least wall time counts. `adya` reads the same file, and the reading counts;
//! `porcupine-rs` is given operations that were read before, so its time is that of the check alone. Both use the same
//! allocator as ours, and are stopped after two minutes or at 8 GiB of address space. The output is the table of
//! docs/checkers.md.
//!
//! *Target* and *measured before* are figures from the start of this project, on two cores: what the checks should
//! take, and what other checkers took then.

mod agree;
mod error;
mod objects;
mod peers;
mod random;
mod table;
mod transactions;
mod violating;
mod violating_objects;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use error::AnyError;
use nix::sys::resource::{UsageWho, getrusage};
use peers::PEER_SECONDS_MAX;
use table::{History, Peer, ROWS, Row, Size};
use violating_objects::Violating;

/// The same allocator as the program's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How often ours is run, unless one run takes longer than `REPEATED_MAX`.
const RUNS: usize = 3;
const REPEATED_MAX: Duration = Duration::from_secs(10);
const PEER_KIB_MAX: u64 = 8 << 20;

fn main() -> Result<(), AnyError> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let beside = !arguments.contains(&"--ours");
    let arguments: Vec<&str> = arguments.into_iter().filter(|argument| *argument != "--ours").collect();
    match arguments[..] {
        ["peer", number, file] => peers::run(&ROWS[number.parse::<usize>()?], Path::new(file)),
        ["violating"] => violations(|_| true),
        ["violating", name] => violations(|row| row.name.contains(name)),
        ["agree", histories] => agree::agree(histories.parse()?),
        ["--violating-transactions"] => violating::table(),
        ["--full"] => rows(beside, |row| row.size <= Size::Full),
        ["--large"] => rows(beside, |row| row.size == Size::Large),
        ["only", name] => rows(beside, |row| row.name.contains(name)),
        ["make", name, file] => make(name, Path::new(file)),
        ["make-violating", name, operations, file] => make_violating(name, operations.parse()?, Path::new(file)),
        [] => rows(beside, |row| row.size == Size::Small),
        _ => {
            Err("expected nothing, --full, --large, --violating-transactions, only NAME, each with --ours; violating, violating NAME, \
             make NAME FILE, make-violating NAME OPERATIONS FILE, or agree NUMBER"
                .into())
        }
    }
}

fn make(name: &str, file: &Path) -> Result<(), AnyError> {
    let row = ROWS.iter().find(|row| row.name.contains(name)).ok_or("there is no such input")?;
    write(&row.history, file)
}

fn make_violating(name: &str, operations: u64, file: &Path) -> Result<(), AnyError> {
    let row = violating_objects::ROWS.iter().find(|row| row.name.contains(name)).ok_or("there is no such row")?;
    write(&History::Violating(Violating { object: row.object, operations, unknown: row.unknown }), file)
}

fn write(history: &History, file: &Path) -> Result<(), AnyError> {
    let mut out = BufWriter::new(File::create(file)?);
    match history {
        History::Objects(input) => objects::generate(input, &mut out, 1)?,
        History::Violating(input) => violating_objects::generate(input, &mut out)?,
        History::Transactions { lists, count, fault } => transactions::generate(*lists, *count, *fault, &mut out)?,
    }
    Ok(out.flush()?)
}

fn rows(beside: bool, wanted: impl Fn(&Row) -> bool) -> Result<(), AnyError> {
    let dir = tempfile::tempdir()?;
    println!(
        "| history | verdict | wall | target | processor | memory | peer beside it | ratio of time, of memory | measured before |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let file = dir.path().join("history.jsonl");
    let mut made: Option<&History> = None;
    for (number, row) in ROWS.iter().enumerate().filter(|(_, row)| wanted(row)) {
        if made.replace(&row.history) != Some(&row.history) {
            write(&row.history, &file)?;
        }
        let ours = best(row, &file)?;
        let peer = row.peer.filter(|_| beside).map(|peer| theirs(number, peer, &file, &ours)).transpose()?;
        let (peer, ratio) = peer.unwrap_or_default();
        let Ours { verdict, took } = ours;
        let (wall, processor, memory) = (seconds(took.wall), seconds(took.processor), mebibytes(took.mib));
        println!(
            "| {} | {verdict} | {wall} | {} | {processor} | {memory} | {peer} | {ratio} | {} |",
            row.name, row.target, row.before
        );
    }
    Ok(())
}

/// Measures histories in which one thing is wrong, of ever more operations: the processor time and the memory, and by how many
/// times the time grew at most where the operations became ten times as many.
fn violations(wanted: impl Fn(&violating_objects::Row) -> bool) -> Result<(), AnyError> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("history.jsonl");
    println!("| history | 1,000 | 10,000 | 100,000 | 1,000,000 | grows at most |\n|---|---|---|---|---|---|");
    for row in violating_objects::ROWS.iter().filter(|row| wanted(row)) {
        let options = row.options;
        let (mut cells, mut times): (Vec<String>, Vec<f64>) = Default::default();
        for operations in [1_000, 10_000, 100_000, 1_000_000] {
            let decided = times.len() == cells.len();
            if !decided {
                cells.push(String::new());
                continue;
            }
            let history = History::Violating(Violating { object: row.object, operations, unknown: row.unknown });
            write(&history, &file)?;
            let name = row.name;
            let size = Size::Full;
            let made = Row { name, history, options, peer: None, size, target: "", before: "" };
            let Ours { verdict, took } = best(&made, &file)?;
            match verdict.as_str() {
                "invalid" => {
                    times.push(took.processor);
                    cells.push(format!("{}, {}", seconds(took.processor), mebibytes(took.mib)));
                }
                other => cells.push(format!("{}, {}: {other}", seconds(took.processor), mebibytes(took.mib))),
            }
        }
        let grows = times.windows(2).map(|pair| pair[1] / pair[0]).fold(0.0, f64::max);
        println!("| {} | {} | {} |", row.name, cells.join(" | "), self::times(grows));
    }
    Ok(())
}

/// What a run took, in seconds and MiB.
#[derive(Clone, Copy)]
struct Took {
    wall: f64,
    processor: f64,
    mib: f64,
}

struct Ours {
    verdict: String,
    took: Took,
}

/// The quickest of a few runs.
fn best(row: &Row, file: &Path) -> Result<Ours, AnyError> {
    let mut best = ours(row, file)?;
    let long = best.took.wall > REPEATED_MAX.as_secs_f64();
    for _ in 1..if long { 1 } else { RUNS } {
        let next = ours(row, file)?;
        if next.took.wall < best.took.wall {
            best = next;
        }
    }
    Ok(best)
}

/// Runs the program itself, which prints its verdict as JSON.
fn ours(row: &Row, file: &Path) -> Result<Ours, AnyError> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dissensus"));
    command.arg("check").arg(file).arg("--json").args(row.options.split(' '));
    let (began, before) = (Instant::now(), processor_of_children()?);
    let output = command.output()?;
    let (wall, processor) = (began.elapsed().as_secs_f64(), processor_of_children()? - before);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout)
        .map_err(|_| format!("our own check failed: {}", String::from_utf8_lossy(&output.stderr)))?;
    let peak = answer["spent"]["memory_peak_bytes"].as_f64().ok_or("the answer has no peak of memory")?;
    let mut verdict = answer["outcome"].as_str().unwrap_or_default().to_owned();
    if verdict == "inconclusive" {
        verdict = format!("inconclusive: {}; {}", answer["properties"][0]["summary"], answer["notes"]);
    }
    Ok(Ours { verdict, took: Took { wall, processor, mib: peak / 1048576.0 } })
}

/// User and system time of all child processes that have ended, in s.
fn processor_of_children() -> Result<f64, AnyError> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds =
        [usage.user_time(), usage.system_time()].map(|time| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6);
    Ok(seconds.into_iter().sum())
}

/// Runs this program again for the peer: what it took in words, and how that compares.
fn theirs(number: usize, peer: Peer, file: &Path, ours: &Ours) -> Result<(String, String), AnyError> {
    let output = Command::new("timeout")
        .arg(PEER_SECONDS_MAX.to_string())
        .args(["sh", "-c", &format!("ulimit -v {PEER_KIB_MAX}; exec \"$0\" \"$@\"")])
        .arg(std::env::current_exe()?)
        .args(["peer", &number.to_string()])
        .arg(file)
        .output()?;
    let (name, errors) = (peer.name(), String::from_utf8_lossy(&output.stderr));
    if output.status.code() == Some(124) {
        let least = PEER_SECONDS_MAX as f64 / ours.took.wall;
        return Ok((format!("{name}: not after {PEER_SECONDS_MAX} s"), format!("over {}", times(least))));
    }
    if !output.status.success() && errors.contains("memory allocation") {
        return Ok((format!("{name}: not within {} GiB", PEER_KIB_MAX >> 20), String::new()));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let fields: Vec<&str> = text.trim().split('\t').collect();
    let [verdict, wall, mib] = fields[..] else { return Err(format!("{name} failed: {errors}").into()) };
    if verdict != ours.verdict {
        return Err(format!("we say {}, {name} says {verdict}", ours.verdict).into());
    }
    let (wall, mib): (f64, f64) = (wall.parse()?, mib.parse()?);
    let ratio = format!("{}, {}", times(wall / ours.took.wall), times(mib / ours.took.mib));
    Ok((format!("{name}: {}, {}", seconds(wall), mebibytes(mib)), ratio))
}

fn seconds(seconds: f64) -> String {
    if seconds < 0.1 { format!("{seconds:.3} s") } else { format!("{seconds:.2} s") }
}

fn mebibytes(mib: f64) -> String {
    format!("{mib:.0} MiB")
}

fn times(ratio: f64) -> String {
    if ratio < 10.0 { format!("{ratio:.1}") } else { format!("{ratio:.0}") }
}
