//! Stores on a disk whose power fails: those that sync lose nothing that they acknowledged, the same ones without syncs
//! do, and so do those whose disk lies.

mod support;

use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

use program_disk::{Dose, Loss, Rules};
use redb::{Database, ReadableDatabase, ReadableTableMetadata, TableDefinition};
use support::Bench;
use support::stores::{any_loss, has_sqlite, power_failures, sqlite};

const CRASHES: u64 = 12;
const TABLE: TableDefinition<u64, &[u8]> = TableDefinition::new("t");

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["write-redb", path] => match write_redb(Path::new(path)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        },
        _ => support::run(tests![
            sqlite_that_syncs_loses_nothing,
            sqlite_without_syncs_loses,
            sqlite_on_a_lying_disk_loses,
            redb_that_syncs_loses_nothing,
            redb_on_a_lying_disk_loses,
        ]),
    }
}

fn sqlite_that_syncs_loses_nothing() {
    if has_sqlite() {
        let bench = Bench::new();
        let failures = power_failures(&bench, CRASHES, any_loss, || sqlite(&bench.path("db"), "FULL"));
        assert_eq!((failures.crashes, failures.lost, failures.damaged), (CRASHES, 0, 0), "{failures:?}");
    }
}

fn sqlite_without_syncs_loses() {
    if has_sqlite() {
        let bench = Bench::new();
        let everything = |_| Loss::Everything;
        let failures = power_failures(&bench, CRASHES, everything, || sqlite(&bench.path("db"), "OFF"));
        assert!(failures.lost > 0 && failures.effective == failures.crashes, "{failures:?}");
    }
}

fn sqlite_on_a_lying_disk_loses() {
    if has_sqlite() {
        let bench = Bench::new();
        let lying = Rules { lying_sync: Some(Dose::ALWAYS), ..Rules::default() };
        bench.disk.set_rules(lying).expect("a rule");
        let failures = power_failures(&bench, CRASHES, any_loss, || sqlite(&bench.path("db"), "FULL"));
        assert!(failures.lost + failures.damaged > 0, "{failures:?}");
        assert!(bench.disk.statistics().lying_syncs > 0);
    }
}

fn redb_that_syncs_loses_nothing() {
    let bench = Bench::new();
    let failures = power_failures(&bench, CRASHES, any_loss, || redb(&bench.path("db")));
    assert_eq!((failures.crashes, failures.lost, failures.damaged), (CRASHES, 0, 0), "{failures:?}");
}

fn redb_on_a_lying_disk_loses() {
    let bench = Bench::new();
    let lying = Rules { lying_sync: Some(Dose::ALWAYS), ..Rules::default() };
    bench.disk.set_rules(lying).expect("a rule");
    let failures = power_failures(&bench, CRASHES, any_loss, || redb(&bench.path("db")));
    assert!(failures.lost + failures.damaged > 0, "{failures:?}");
}

fn redb(path: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.arg("write-redb").arg(path).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().expect("it starts")
}

fn write_redb(path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let store = Database::create(path)?;
    let opening = store.begin_write()?;
    opening.open_table(TABLE)?;
    opening.commit()?;
    let mut rows = store.begin_read()?.open_table(TABLE)?.len()?;
    println!("found {rows}");
    loop {
        rows += 1;
        let transaction = store.begin_write()?;
        transaction.open_table(TABLE)?.insert(rows, &[7; 2000][..])?;
        transaction.commit()?;
        println!("{rows}");
    }
}
