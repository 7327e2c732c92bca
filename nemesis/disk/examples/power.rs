//! What SQLite in WAL mode loses when the power fails, by how it syncs, and on a disk that lies.
//!
//! ```sh
//! cargo run --release --example power -- 200
//! ```

#[path = "../tests/support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::time::Instant;

use program_disk::{Dose, Rules};
use support::Bench;
use support::stores::{any_loss, has_sqlite, power_failures, sqlite};

fn main() -> ExitCode {
    if let Err(reason) = support::enter() {
        eprintln!("this machine allows no disks of programs: {reason}");
        return ExitCode::FAILURE;
    }
    if !has_sqlite() {
        return ExitCode::FAILURE;
    }
    let crashes = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(200);
    println!("| synchronous | disk | failures | took effect | acknowledged | lost | damaged | seconds |");
    println!("|---|---|--:|--:|--:|--:|--:|--:|");
    for (synchronous, lying) in [("FULL", false), ("NORMAL", false), ("OFF", false), ("FULL", true)] {
        let bench = Bench::new();
        let lying_sync = lying.then_some(Dose::ALWAYS);
        bench.disk.set_rules(Rules { lying_sync, ..Rules::default() }).expect("the rules are sound");
        let started = Instant::now();
        let failures = power_failures(&bench, crashes, any_loss, || sqlite(&bench.path("db"), synchronous));
        println!(
            "| {synchronous} | {} | {} | {} | {} | {} | {} | {:.0} |",
            if lying { "lies" } else { "syncs" },
            failures.crashes,
            failures.effective,
            failures.acknowledged,
            failures.lost,
            failures.damaged,
            started.elapsed().as_secs_f64()
        );
    }
    ExitCode::SUCCESS
}
