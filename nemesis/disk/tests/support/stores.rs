//! Stores that are written until their power fails, and then must have what they acknowledged.
//!
//! A writer is a program that opens its store, says `found N` for the rows 1 to N that it has, then adds one row after
//! the other and says the number of each when its commit has returned.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use program_disk::Loss;

use super::{Bench, kill};

/// What a number of power failures did to a store.
#[derive(Clone, Copy, Debug, Default)]
pub struct Failures {
    pub crashes: u64,
    /// Commits that had returned.
    pub acknowledged: u64,
    /// Of them, those that were not there afterwards.
    pub lost: u64,
    /// Failures after which the store could not be opened, or was found to be damaged.
    pub damaged: u64,
    /// Failures that took something which was not synced.
    pub effective: u64,
}

/// Lets the power fail so many times, each time after some more commits. Where a store was damaged, it
/// starts anew.
pub fn power_failures(bench: &Bench, crashes: u64, loss: impl Fn(u64) -> Loss, writer: impl Fn() -> Child) -> Failures {
    let mut failures = Failures::default();
    let mut expected: u64 = 0;
    for nth in 0..=crashes {
        let mut child = writer();
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let found = lines.next().as_deref().and_then(|line| line.strip_prefix("found ")?.parse::<u64>().ok());
        let Some(found) = found else {
            failures.damaged += 1;
            kill(&mut child);
            bench.disk.wipe().expect("it is wiped");
            expected = 0;
            continue;
        };
        failures.lost += expected.saturating_sub(found);
        if nth == crashes {
            // It was only opened to see what the last one did.
            kill(&mut child);
            break;
        }
        // Not the same number each time, so that the power fails in different states.
        let commits = 5 + nth * 7 % 11;
        let last = lines.by_ref().take(commits as usize).last();
        let last = last.and_then(|line| line.parse().ok()).expect("the writer goes on");
        kill(&mut child);
        // What it said before it died counts, too.
        expected = lines.filter_map(|line| line.parse().ok()).last().unwrap_or(last);
        failures.acknowledged += expected - found;
        failures.crashes += 1;
        failures.effective += u64::from(bench.disk.crash(loss(nth)).expect("a crash").took_effect());
    }
    failures
}

/// Everything, or by coin, in turn.
pub fn any_loss(nth: u64) -> Loss {
    match nth % 3 {
        0 => Loss::Everything,
        1 => Loss::Reordered { seed: nth },
        _ => Loss::Torn { seed: nth },
    }
}

const SQLITE: &str = "
import sqlite3, sys
store = sqlite3.connect(sys.argv[1], isolation_level=None)
store.execute('pragma journal_mode=wal'); store.execute('pragma synchronous=' + sys.argv[2])
store.execute('create table if not exists t(id integer primary key, data blob)')
assert store.execute('pragma integrity_check').fetchone()[0] == 'ok'
count, last = store.execute('select count(*), coalesce(max(id), 0) from t').fetchone()
assert count == last
print('found', last, flush=True)
while True:
    last += 1
    store.execute('insert into t values(?, randomblob(3000))', (last,))
    print(last, flush=True)
";

/// SQLite in WAL mode, by Python's own module.
pub fn sqlite(path: &Path, synchronous: &str) -> Child {
    let mut command = Command::new("python3");
    command.arg("-c").arg(SQLITE).arg(path).arg(synchronous).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().expect("Python was there before")
}

/// Whether Python has its module for SQLite, which is said if not.
pub fn has_sqlite() -> bool {
    let there = Command::new("python3").args(["-c", "import sqlite3"]).stderr(Stdio::null()).status();
    let there = there.is_ok_and(|status| status.success());
    if !there {
        eprintln!("this part is skipped, as python3 has no sqlite3 here");
    }
    there
}
