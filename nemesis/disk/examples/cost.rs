//! What a disk costs without a fault: the same calls, and the same stores, on the backing file system and on a disk of
//! it, in turn, in one run.
//!
//! ```sh
//! cargo run --release --example cost
//! ```
//!
//! The backing file system syncs for real, a disk does not unless it is told to: the layer itself costs what a disk
//! *with* real syncs is slower than raw. Times are medians.

#[path = "../tests/support/mod.rs"]
mod support;

use std::fs::{self, File, OpenOptions};
use std::hint::black_box;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use program_disk::DiskOptions;
use redb::{Database, TableDefinition};
use support::Bench;
use support::stores::has_module;

/// Rounds of each measurement; the median counts.
const ROUNDS: usize = 7;

/// Something to measure in a directory, and how many calls that is. It says how long the calls took.
type Measured = (&'static str, u32, fn(&Path, u32) -> Duration);

const CALLS: [Measured; 7] = [
    ("append of 128 B", 20_000, |directory, calls| append(directory, calls, 128)),
    ("append of 128 KiB", 500, |directory, calls| append(directory, calls, 128 << 10)),
    ("overwrite of 4 KiB, 16 MiB in all", 10_000, overwrite),
    ("append of 128 B, fdatasync", 300, append_synced),
    ("read of 4 KiB, cached", 50_000, read),
    ("create, write, rename over", 1_000, replace),
    ("stat", 50_000, stat),
];

const REDB: Measured = ("redb, commit of a row of 3,000 B", 200, redb_commits);
const SQLITE: Measured = ("SQLite, WAL, FULL, commit of such a row", 300, |path, calls| sqlite(path, calls, "FULL"));
const SQLITE_OFF: Measured =
    ("SQLite, WAL, OFF, commit of such a row", 3_000, |path, calls| sqlite(path, calls, "OFF"));

fn main() -> ExitCode {
    if let Err(reason) = support::enter() {
        eprintln!("this machine allows no disks of programs: {reason}");
        return ExitCode::FAILURE;
    }
    let threads = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(2);
    println!("| call | raw, µs | disk, µs | disk with real syncs, µs | disk / raw | with real syncs / raw |");
    println!("|---|--:|--:|--:|--:|--:|");
    let stores = [REDB, SQLITE, SQLITE_OFF];
    let here = |(name, ..): &Measured| !name.starts_with("SQLite") || has_module("sqlite3");
    for measured in CALLS.into_iter().chain(stores.into_iter().filter(here)) {
        measure(measured, threads);
    }
    ExitCode::SUCCESS
}

fn measure((name, calls, work): Measured, threads: usize) {
    let options = DiskOptions { threads, ..DiskOptions::default() };
    let [disk, syncing] = [false, true].map(|real_syncs| Bench::with(&DiskOptions { real_syncs, ..options.clone() }));
    let raw = tempfile::tempdir_in(disk.directory.path()).expect("a directory");
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        // In turn, so that a machine which gets slower does so for all.
        for (times, directory) in times.iter_mut().zip([raw.path(), &disk.at, &syncing.at]) {
            times.push(work(directory, calls).as_secs_f64() * 1e6 / f64::from(calls));
        }
    }
    let [raw, disk, syncing] = times.map(median);
    println!("| {name} | {raw:.1} | {disk:.1} | {syncing:.1} | {:.2} | {:.2} |", disk / raw, syncing / raw);
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn timed(calls: u32, call: impl FnMut(u32)) -> Duration {
    let started = Instant::now();
    (0..calls).for_each(call);
    started.elapsed()
}

fn append(directory: &Path, calls: u32, bytes: usize) -> Duration {
    let mut file = File::create(directory.join("append")).expect("it is made");
    timed(calls, |_| file.write_all(&vec![1; bytes]).expect("it writes"))
}

fn append_synced(directory: &Path, calls: u32) -> Duration {
    let mut file = File::create(directory.join("synced")).expect("it is made");
    timed(calls, |_| {
        file.write_all(&[1; 128]).expect("it writes");
        file.sync_data().expect("it syncs");
    })
}

fn overwrite(directory: &Path, calls: u32) -> Duration {
    let path = directory.join("overwritten");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).expect("it opens");
    file.set_len(16 << 20).expect("it grows");
    timed(calls, |call| file.write_all_at(&[2; 4096], u64::from(call * 37 % 4096) * 4096).expect("it writes"))
}

fn read(directory: &Path, calls: u32) -> Duration {
    let path = directory.join("read");
    fs::write(&path, vec![1; 1 << 20]).expect("it writes");
    let file = File::open(&path).expect("it opens");
    timed(calls, |call| file.read_exact_at(&mut [0; 4096], u64::from(call % 256) * 4096).expect("it reads"))
}

fn replace(directory: &Path, calls: u32) -> Duration {
    timed(calls, |_| {
        fs::write(directory.join("new"), b"content").expect("it writes");
        fs::rename(directory.join("new"), directory.join("current")).expect("it is renamed");
    })
}

fn stat(directory: &Path, calls: u32) -> Duration {
    File::create(directory.join("f")).expect("it is made");
    timed(calls, |_| drop(black_box(fs::metadata(directory.join("f")))))
}

fn redb_commits(directory: &Path, calls: u32) -> Duration {
    const TABLE: TableDefinition<u32, &[u8]> = TableDefinition::new("t");
    let store = Database::create(directory.join("redb")).expect("it opens");
    timed(calls, |call| {
        let transaction = store.begin_write().expect("it begins");
        transaction.open_table(TABLE).expect("a table").insert(call, &[7; 3000][..]).expect("it inserts");
        transaction.commit().expect("it commits");
    })
}

/// It says by itself how long its commits took, since Python takes long to start.
const COMMITS: &str = "
import os, sqlite3, sys, time
path, commits, synchronous = sys.argv[1], int(sys.argv[2]), sys.argv[3]
for old in (path, path + '-wal', path + '-shm'):
    if os.path.exists(old): os.remove(old)
store = sqlite3.connect(path, isolation_level=None)
store.execute('pragma journal_mode=wal'); store.execute('pragma synchronous=' + synchronous)
store.execute('create table t(id integer primary key, data blob)')
started = time.monotonic()
for number in range(commits):
    store.execute('insert into t values(?, randomblob(3000))', (number,))
print(time.monotonic() - started)
";

fn sqlite(directory: &Path, commits: u32, synchronous: &str) -> Duration {
    let mut command = Command::new("python3");
    command.arg("-c").arg(COMMITS).arg(directory.join("sqlite")).args([&commits.to_string(), synchronous]);
    let output = command.output().expect("Python was there before");
    let said = String::from_utf8_lossy(&output.stdout);
    let seconds = said.trim().parse().unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    Duration::from_secs_f64(seconds)
}
