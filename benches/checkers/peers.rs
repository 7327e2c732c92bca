//! Other crates that check the same histories: our operations converted to theirs, and a run of one of them.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::time::{Duration, Instant};

use checker::formats::{Format, Selection, read};
use checker::history::{Datum, Kind, Op};
use porcupine_rs::CheckResult;

use super::error::AnyError;
use super::table::{History, Peer, Row};

/// The time limit of another checker, in s.
pub const PEER_SECONDS_MAX: u64 = 120;

/// Has the peer of a row check the history, and prints its verdict with seconds and MiB.
pub fn run(row: &Row, file: &Path) -> Result<(), AnyError> {
    let (verdict, wall) = match row.peer.ok_or("no peer decides that")? {
        Peer::Porcupine => porcupine(row, file)?,
        Peer::Adya => adya(row, file)?,
    };
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    let mib = peak.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0;
    println!("{verdict}\t{}\t{mib}", wall.as_secs_f64());
    Ok(())
}

fn porcupine(row: &Row, file: &Path) -> Result<(&'static str, Duration), AnyError> {
    let reader = BufReader::with_capacity(1 << 20, File::open(file)?);
    let records = read(reader, Format::Json, &Selection::default())?.records;
    let history = operations(&records, row.options.contains("enforce"));
    drop(records);
    let began = Instant::now();
    // Its own limit is beyond ours.
    let limit = Duration::from_secs(2 * PEER_SECONDS_MAX);
    let verdict = match porcupine_rs::check_operations_timeout(&history, limit) {
        CheckResult::Ok => "valid",
        CheckResult::Illegal => "invalid",
        CheckResult::Unknown => "unknown",
    };
    Ok((verdict, began.elapsed()))
}

fn adya(row: &Row, file: &Path) -> Result<(&'static str, Duration), AnyError> {
    let began = Instant::now();
    let history = adya::History::from_json(&std::fs::read_to_string(file)?)?;
    let lists = matches!(row.history, History::Transactions { lists: true, .. });
    let workload = if lists { adya::Workload::ListAppend } else { adya::Workload::RwRegister };
    let options = adya::Opts { sequential_keys: row.options.contains("sequential-keys"), ..adya::Opts::default() };
    let verdict = match adya::check(&history, workload, &options).valid {
        adya::Valid::True => "valid",
        adya::Valid::False => "invalid",
        adya::Valid::Unknown => "unknown",
    };
    Ok((verdict, began.elapsed()))
}

/// A register as a model of Porcupine.
#[derive(Clone)]
pub struct PeerRegister;

#[derive(Clone, Debug)]
pub enum PeerAction {
    Read(u32),
    Write(u32),
    Cas(u32, u32),
    /// It never completed. The peer orders every operation somewhere: this one may be last and change nothing.
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

/// Operations on registers in the form that Porcupine reads, with failed compare-and-sets if they are `enforced`.
pub fn operations(records: &checker::history::History, enforced: bool) -> Vec<porcupine_rs::Operation<PeerRegister>> {
    let made = records.ops.iter().filter_map(|op| {
        let action = match (records.text(op.f), op.kind) {
            ("read", Kind::Ok) => PeerAction::Read(op.result.0),
            ("write", Kind::Ok | Kind::Info) => PeerAction::Write(op.argument.0),
            ("cas", kind) => match (records.datum(op.argument), kind) {
                (Datum::List(&[from, _]), Kind::Fail) => enforced.then_some(PeerAction::FailedCas(from.0))?,
                (Datum::List(&[from, to]), Kind::Info) => PeerAction::OpenCas(from.0, to.0),
                (Datum::List(&[from, to]), _) => PeerAction::Cas(from.0, to.0),
                _ => return None,
            },
            _ => return None,
        };
        let return_time = if op.ret == Op::NEVER { i64::MAX } else { i64::from(op.ret) };
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
