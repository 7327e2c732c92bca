//! Where the history is that a person names: a file, standard input, or a directory of this bench, of Jepsen or of Maelstrom.
//!
//! What lies beside a history is refused by name: Jepsen's own file of a test, and what its checkers found.

use std::path::{Path, PathBuf};

use crate::exit::Problem;
use crate::store::input::shown;

/// The files of a directory that may be its history, the most telling first, each also with the name of a compression.
const HISTORIES: [&str; 5] = ["history.jsonl", "history.edn", "history.json", "history.txt", "jepsen.log"];
/// How a compressed file is named.
const COMPRESSED: [&str; 3] = ["", ".gz", ".zst"];
/// Jepsen's own file of a whole test, and how it begins.
const TEST: &str = "test.jepsen";
const TEST_MAGIC: &[u8] = b"JEPSEN";
/// What Jepsen's checkers found.
const RESULTS: &str = "results.edn";

/// The file to read.
///
/// # Errors
/// When a directory has no history, or a file is known to be none.
pub(super) fn of_history(path: &Path) -> Result<PathBuf, Problem> {
    if path.file_name().is_some_and(|name| name == RESULTS) {
        return Err(Problem::arguments(format!(
            "{} is what the checkers of Jepsen found: the history is in history.edn beside it",
            path.display()
        )));
    }
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let names = HISTORIES.iter().flat_map(|name| COMPRESSED.map(|end| format!("{name}{end}")));
    if let Some(found) = names.map(|name| path.join(name)).find(|file| file.is_file()) {
        return Ok(found);
    }
    let test = path.join(TEST);
    if test.is_file() {
        return Err(no_fressian(&test));
    }
    Err(Problem::arguments(format!(
        "{} has no history: looked for {}, plain, .gz or .zst",
        path.display(),
        HISTORIES.join(", ")
    )))
}

/// Refuses a file that begins as Jepsen's own do.
///
/// # Errors
/// When it does.
pub(super) fn refuse_fressian(path: &Path, head: &[u8]) -> Result<(), Problem> {
    if head.starts_with(TEST_MAGIC) { Err(no_fressian(path)) } else { Ok(()) }
}

fn no_fressian(path: &Path) -> Problem {
    let directory = path.parent().map_or_else(|| "store/NAME/TIME".into(), |parent| parent.display().to_string());
    Problem::arguments(format!(
        "{} is Jepsen's own file of a test, in blocks of Fressian, which are not read here: check history.edn beside it; where it \
         is missing, `(require 'jepsen.store)` and `(jepsen.store/write-history! (jepsen.store/test \"{directory}\"))` in the \
         `lein repl` of the test write it",
        shown(path)
    ))
}
