//! How long one synced commit takes with each engine that has a disk, in a directory of choice:
//! `cargo run -p dissensus-cluster-node --example commit_time [DIRECTORY]`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cluster_core::api::{Table, Write};
use cluster_node::options::Engine;
use cluster_node::storage::{self, StorageEngine, StorageError, Syncs};

const COMMITS: u32 = 300;

fn main() -> Result<(), StorageError> {
    let place = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("."), PathBuf::from);
    [Engine::Redb, Engine::Fjall].into_iter().try_for_each(|engine| measure(engine, &place))
}

fn measure(kind: Engine, place: &Path) -> Result<(), StorageError> {
    let directory = |source| StorageError::Directory { path: place.to_owned(), source };
    let dir = tempfile::tempdir_in(place).map_err(directory)?;
    let mut engine = storage::open(kind, dir.path(), Syncs::Always)?;
    for rows in [1, 16, 64] {
        let commits = (0..COMMITS).map(|round| commit(engine.as_mut(), round, rows));
        let mut took: Vec<_> = commits.collect::<Result<_, _>>()?;
        took.sort();
        let at = |share: f64| took[((COMMITS - 1) as f64 * share) as usize];
        println!("{kind:5} {rows:3} rows a commit: median {:?}, 99 % {:?}, most {:?}", at(0.5), at(0.99), at(1.0));
    }
    Ok(())
}

fn commit(engine: &mut dyn StorageEngine, round: u32, rows: u32) -> Result<Duration, StorageError> {
    let key = |row: u32| format!("key-{}", (round * rows + row) % 1000).into_bytes();
    let writes: Vec<Write> =
        (0..rows).map(|row| Write { table: Table::Data, key: key(row), value: Some(vec![7; 200]) }).collect();
    let began = Instant::now();
    engine.commit(&writes)?;
    Ok(began.elapsed())
}
