//! What stores lose when the power fails, by how they sync, and on a disk that lies: SQLite in WAL mode, redb, LMDB,
//! and etcd with its bbolt. A store that cannot be opened afterwards, or is not whole, counts as damaged.
//!
//! ```sh
//! cargo run --release --example power -- 200          # of each, as far as they are here
//! cargo run --release --example power -- 200 "SQLite OFF"
//! ```

#[path = "../tests/support/mod.rs"]
mod support;

use std::process::{Child, ExitCode};
use std::time::{Duration, Instant};

use program_disk::{Dose, Rules};
use support::stores::{self, any_loss, has_module, power_failures};
use support::{Bench, HUNG};

const HEADER: &str =
    "| store | set to | disk | failures | took effect | acknowledged | lost | damaged | bytes taken | seconds |
|---|---|---|--:|--:|--:|--:|--:|--:|--:|";

/// How long an etcd may take to serve that is expected not to.
const SERVES_WITHIN: Duration = Duration::from_secs(10);

/// A store, how it is set, and its writer on a disk.
struct Writer {
    store: &'static str,
    set_to: &'static str,
    start: Box<dyn Fn(&Bench) -> Child>,
}

fn main() -> ExitCode {
    if let Some(ended) = stores::write_redb_if_asked() {
        return ended;
    }
    if let Err(reason) = support::enter() {
        eprintln!("this machine allows no disks of programs: {reason}");
        return ExitCode::FAILURE;
    }
    let failures = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(200);
    let only = std::env::args().nth(2).unwrap_or_default();
    println!("{HEADER}");
    let is_wanted = |writer: &&Writer| format!("{} {}", writer.store, writer.set_to).contains(&only);
    for writer in writers().iter().filter(is_wanted) {
        measure(writer, failures, false);
        if writer.set_to == "FULL" || writer.store == "redb" {
            measure(writer, failures, true);
        }
    }
    ExitCode::SUCCESS
}

/// What is here of the stores, in each of their settings.
fn writers() -> Vec<Writer> {
    let mut writers = Vec::new();
    let mut add = |store, set_to, start| writers.push(Writer { store, set_to, start });
    for synchronous in ["FULL", "NORMAL", "OFF"].into_iter().filter(|_| has_module("sqlite3")) {
        add("SQLite", synchronous, Box::new(|bench: &Bench| stores::sqlite(&bench.path("db"), synchronous)) as Box<_>);
    }
    add("redb", "Immediate", Box::new(|bench: &Bench| stores::redb(&bench.path("db"))));
    for mode in ["sync", "writemap", "nosync"].into_iter().filter(|_| has_module("lmdb")) {
        add("LMDB", mode, Box::new(|bench: &Bench| stores::lmdb(&bench.path("db"), mode)));
    }
    if let Some(program) = stores::etcd_program() {
        let unsafe_program = program.clone();
        let usual = move |bench: &Bench| stores::etcd(&bench.path("db"), &program, HUNG, &[]);
        add("etcd", "usual", Box::new(usual));
        // It starts, and then never has a leader.
        let start = move |bench: &Bench| {
            stores::etcd(&bench.path("db"), &unsafe_program, SERVES_WITHIN, &["--unsafe-no-fsync"])
        };
        add("etcd", "--unsafe-no-fsync", Box::new(start));
    }
    writers
}

fn measure(writer: &Writer, failures: u64, lies: bool) {
    let bench = Bench::new();
    let lying_sync = lies.then_some(Dose::ALWAYS);
    bench.disk.set_rules(Rules { lying_sync, ..Rules::default() }).expect("the rules are sound");
    let started = Instant::now();
    let found = power_failures(&bench, failures, any_loss, || (writer.start)(&bench));
    println!(
        "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {:.0} |",
        writer.store,
        writer.set_to,
        if lies { "lies" } else { "syncs" },
        found.crashes,
        found.effective,
        found.acknowledged,
        found.lost,
        found.damaged,
        bench.disk.statistics().lost_bytes,
        started.elapsed().as_secs_f64()
    );
}
