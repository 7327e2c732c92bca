//! Whole files, of which a full disk cannot leave half.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::error::{StoreError, failed};

/// Writes a whole file under a temporary name and renames it.
///
/// # Errors
/// When it cannot be written; an earlier version of the file is then untouched.
pub fn write_whole(path: &Path, content: &str) -> Result<(), StoreError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let beside = PathBuf::from(beside);
    let write = || -> io::Result<()> {
        let mut file = fs::File::create(&beside)?;
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(|source| {
        let _ = fs::remove_file(&beside);
        failed("write", path, source)
    })
}
