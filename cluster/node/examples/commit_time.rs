//! How long one synced commit takes on the disk of the current directory: `cargo run --example commit_time [DIRECTORY]`.

use std::path::PathBuf;
use std::time::Instant;

use cluster_core::api::{Table, Write};
use cluster_node::storage::{RedbEngine, StorageEngine, StorageError};

const COMMITS: u32 = 300;

fn main() -> Result<(), StorageError> {
    let place = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("."), PathBuf::from);
    let directory = |source| StorageError::Directory { path: place.clone(), source };
    let dir = tempfile::tempdir_in(&place).map_err(directory)?;
    let mut engine = RedbEngine::open(dir.path())?;
    for rows in [1, 16, 64] {
        let mut took: Vec<_> = (0..COMMITS).map(|round| commit(&mut engine, round, rows)).collect::<Result<_, _>>()?;
        took.sort();
        let at = |share: f64| took[((COMMITS - 1) as f64 * share) as usize];
        println!("{rows:3} rows a commit: median {:?}, 99 % {:?}, most {:?}", at(0.5), at(0.99), at(1.0));
    }
    Ok(())
}

fn commit(engine: &mut RedbEngine, round: u32, rows: u32) -> Result<std::time::Duration, StorageError> {
    let key = |row: u32| format!("key-{}", (round * rows + row) % 1000).into_bytes();
    let writes: Vec<Write> =
        (0..rows).map(|row| Write { table: Table::Data, key: key(row), value: Some(vec![7; 200]) }).collect();
    let began = Instant::now();
    engine.commit(&writes)?;
    Ok(began.elapsed())
}
