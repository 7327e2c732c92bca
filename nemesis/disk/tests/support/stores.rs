//! Stores that are written until their power fails, and then must have what they acknowledged.
//!
//! A writer is a program that opens its store, says `found N` for the rows 1 to N that it has, then adds one row after
//! the other and says the number of each when its commit has returned.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use program_disk::Loss;
use redb::{Database, ReadableDatabase, ReadableTableMetadata, TableDefinition};

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

/// SQLite in WAL mode, by Python's own module.
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

/// LMDB, which is all mmap: read by it, written by it too in the mode `writemap`. It has no checksums, so a row shows by
/// itself whether it is whole.
const LMDB: &str = "
import lmdb, sys
modes = {'sync': {}, 'writemap': {'writemap': True}, 'nosync': {'sync': False}}
store = lmdb.open(sys.argv[1], map_size=64 << 20, **modes[sys.argv[2]])
row = lambda number: bytes([number % 251]) * 3000
with store.begin() as found:
    rows = [(int.from_bytes(key, 'big'), value) for key, value in found.cursor()]
assert rows == [(number, row(number)) for number in range(1, len(rows) + 1)]
last = len(rows)
print('found', last, flush=True)
while True:
    last += 1
    with store.begin(write=True) as transaction:
        transaction.put(last.to_bytes(8, 'big'), row(last))
    print(last, flush=True)
";

/// One node of etcd, whose keys are in bbolt, and its client. The process that is killed is etcd; its client goes when
/// nobody answers it, and gives up when etcd does not serve for so long. Each put is a transaction of bbolt, instead of
/// a hundred milliseconds' of them.
const ETCD: &str = "
import base64, json, os, signal, socket, sys, time, urllib.request
directory, program, patience_s, *options = sys.argv[1:]
def url():
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        return f'http://127.0.0.1:{free.getsockname()[1]}'
clients, peers, parent = url(), url(), os.getpid()
if os.fork():
    os.execv(program, [program, '--data-dir', directory, '--backend-batch-limit', '1',
        '--listen-client-urls', clients, '--advertise-client-urls', clients, '--listen-peer-urls', peers,
        '--initial-advertise-peer-urls', peers, '--initial-cluster', 'default=' + peers, *options])
def ask(what, **body):
    body = {name: base64.b64encode(it).decode() if isinstance(it, bytes) else it for name, it in body.items()}
    with urllib.request.urlopen(f'{clients}/v3/kv/{what}', json.dumps(body).encode(), timeout=float(patience_s)) as answer:
        return json.load(answer)
until = time.monotonic() + float(patience_s)
while True:
    try:
        found = ask('range', key=bytes(1), range_end=bytes(1), limit=1, sort_order='DESCEND', sort_target='KEY')
        break
    except OSError:
        if os.getppid() != parent or time.monotonic() > until:
            if os.getppid() == parent:
                os.kill(parent, signal.SIGKILL)
            sys.exit('etcd has ended, or has no leader')
        time.sleep(0.01)
last = int(found.get('count', 0))
assert last == 0 or base64.b64decode(found['kvs'][0]['key']) == b'%08d' % last
print('found', last, flush=True)
while True:
    last += 1
    ask('put', key=b'%08d' % last, value=bytes(3000))
    print(last, flush=True)
";

/// SQLite, which syncs as it is told: `FULL`, `NORMAL` or `OFF`.
pub fn sqlite(path: &Path, synchronous: &str) -> Child {
    python(SQLITE, [path.as_os_str(), synchronous.as_ref()])
}

/// LMDB in a mode: `sync`, `writemap` or `nosync`.
pub fn lmdb(path: &Path, mode: &str) -> Child {
    python(LMDB, [path.as_os_str(), mode.as_ref()])
}

/// One node of etcd with these options besides. One that does not serve for so long counts as damaged.
pub fn etcd(path: &Path, program: &Path, patience: Duration, options: &[&str]) -> Child {
    let patience_s = patience.as_secs().to_string();
    let usual = [path.as_os_str(), program.as_os_str(), patience_s.as_ref()];
    python(ETCD, usual.into_iter().chain(options.iter().map(OsStr::new)))
}

fn python<'a>(program: &str, arguments: impl IntoIterator<Item = &'a OsStr>) -> Child {
    let mut command = Command::new("python3");
    command.arg("-c").arg(program).args(arguments).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().expect("Python was there before")
}

/// Whether Python has this module, which is said if not.
pub fn has_module(module: &str) -> bool {
    let there = Command::new("python3").args(["-c", &format!("import {module}")]).stderr(Stdio::null()).status();
    let there = there.is_ok_and(|status| status.success());
    if !there {
        eprintln!("this part is skipped, as python3 has no {module} here");
    }
    there
}

/// The program etcd, from the directory of unpacked packages that `DISSENSUS_BINARIES` names, or from the PATH. None
/// where there is none, or no Python to ask it, which is said.
pub fn etcd_program() -> Option<PathBuf> {
    let unpacked = std::env::var_os("DISSENSUS_BINARIES").map(|dir| PathBuf::from(dir).join("usr/bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = unpacked.into_iter().chain(std::env::split_paths(&path));
    let found = places.find_map(|place| place.join("etcd").canonicalize().ok());
    if found.is_none() {
        eprintln!("this part is skipped, as there is no etcd here (etcd-server of Debian)");
    }
    found.filter(|_| has_module("urllib.request"))
}

const TABLE: TableDefinition<u64, &[u8]> = TableDefinition::new("t");

/// redb, by this very program, whose `main` must call [`write_redb_if_asked`] first.
pub fn redb(path: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.arg("write-redb").arg(path).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().expect("it starts")
}

/// What this process comes to if it was started as the writer of redb.
pub fn write_redb_if_asked() -> Option<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let ["write-redb", path] = arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] else { return None };
    Some(match write_redb(Path::new(path)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    })
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
