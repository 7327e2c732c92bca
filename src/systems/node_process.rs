//! What the first processes of nodes have in common, where a system has one of its own: what they are told, and their directories.

use std::fs;
use std::io::{self, BufRead};
use std::path::Path;

use serde::de::DeserializeOwned;

/// What the bench says, a line of JSON on the standard input.
///
/// # Errors
/// In words, when it says nothing that can be read.
pub(super) fn told<T: DeserializeOwned>(mut input: impl BufRead) -> Result<T, String> {
    let mut line = String::new();
    input.read_line(&mut line).map_err(|error| error.to_string())?;
    serde_json::from_str(&line).map_err(|error| format!("this command is the bench's own: {error}"))
}

/// Removes a directory with all that is in it, if it is there.
///
/// # Errors
/// When it stays.
pub(super) fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
