//! What a disk costs without a fault: the same calls on the backing file system and on a disk of it, in turn, in one run.
//!
//! ```sh
//! cargo run --release --example cost
//! ```

#[path = "../tests/support/mod.rs"]
mod support;

use std::fs::{self, File, OpenOptions};
use std::hint::black_box;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use program_disk::DiskOptions;
use support::Bench;

/// Rounds of each measurement; the median counts.
const ROUNDS: usize = 7;

/// Something to measure in a directory, and how many calls that is.
type Measured = (&'static str, u32, fn(&Path, u32));

const MEASURED: [Measured; 7] = [
    ("append of 128 B", 20_000, |directory, calls| append(directory, calls, 128)),
    ("append of 128 KiB", 500, |directory, calls| append(directory, calls, 128 << 10)),
    ("overwrite of 4 KiB, 16 MiB in all", 10_000, overwrite),
    ("append of 128 B, fdatasync", 300, append_synced),
    ("read of 4 KiB, cached", 50_000, read),
    ("create, write, rename over", 1_000, replace),
    ("stat", 50_000, |directory, calls| {
        File::create(directory.join("f")).expect("it is made");
        (0..calls).for_each(|_| drop(black_box(fs::metadata(directory.join("f")))));
    }),
];

fn main() -> ExitCode {
    if let Err(reason) = support::enter() {
        eprintln!("this machine allows no disks of programs: {reason}");
        return ExitCode::FAILURE;
    }
    println!("| call | raw, µs | disk, µs | disk with real syncs, µs |");
    println!("|---|--:|--:|--:|");
    for (name, calls, work) in MEASURED {
        let threads = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(2);
        let options = DiskOptions { threads, ..DiskOptions::default() };
        let [disk, syncing] =
            [false, true].map(|real_syncs| Bench::with(&DiskOptions { real_syncs, ..options.clone() }));
        let raw = tempfile::tempdir_in(disk.directory.path()).expect("a directory");
        let mut times = [const { Vec::new() }; 3];
        for _ in 0..ROUNDS {
            // In turn, so that a machine which gets slower does so for all.
            for (times, directory) in times.iter_mut().zip([raw.path(), &disk.at, &syncing.at]) {
                let started = Instant::now();
                work(directory, calls);
                times.push(started.elapsed().as_secs_f64() * 1e6 / f64::from(calls));
            }
        }
        let [raw, disk, syncing] = times.map(median);
        println!("| {name} | {raw:.1} | {disk:.1} | {syncing:.1} |");
    }
    ExitCode::SUCCESS
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn append(directory: &Path, calls: u32, bytes: usize) {
    let mut file = File::create(directory.join("append")).expect("it is made");
    (0..calls).for_each(|_| file.write_all(&vec![1; bytes]).expect("it writes"));
}

fn append_synced(directory: &Path, calls: u32) {
    let mut file = File::create(directory.join("synced")).expect("it is made");
    for _ in 0..calls {
        file.write_all(&[1; 128]).expect("it writes");
        file.sync_data().expect("it syncs");
    }
}

fn overwrite(directory: &Path, calls: u32) {
    let path = directory.join("overwritten");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).expect("it opens");
    file.set_len(16 << 20).expect("it grows");
    (0..calls).for_each(|call| file.write_all_at(&[2; 4096], u64::from(call * 37 % 4096) * 4096).expect("it writes"));
}

fn read(directory: &Path, calls: u32) {
    let path = directory.join("read");
    fs::write(&path, vec![1; 1 << 20]).expect("it writes");
    let file = File::open(&path).expect("it opens");
    (0..calls).for_each(|call| file.read_exact_at(&mut [0; 4096], u64::from(call % 256) * 4096).expect("it reads"));
}

fn replace(directory: &Path, calls: u32) {
    for _ in 0..calls {
        fs::write(directory.join("new"), b"content").expect("it writes");
        fs::rename(directory.join("new"), directory.join("current")).expect("it is renamed");
    }
}
