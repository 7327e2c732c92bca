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
/// The last run in a directory of runs.
const LATEST: &str = "latest";
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
    let latest = path.join(LATEST);
    if latest.is_dir() {
        let (path, latest) = (path.display(), latest.display());
        return Err(Problem::arguments(format!("{path} has the runs of a test: name one, as in {latest}")));
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

/// What a text is that is no history, and what to do about it, as far as its beginning shows.
pub(super) fn other_kind(head: &[u8]) -> Option<&'static str> {
    const COMPRESSIONS: [(&[u8], &str); 4] = [
        (b"\xfd7zXZ\0", "compressed with xz, which is not read here: `xz -dc FILE | dissensus check -`"),
        (b"BZh", "compressed with bzip2, which is not read here: `bzip2 -dc FILE | dissensus check -`"),
        (b"PK\x03\x04", "a zip archive: `unzip -p FILE | dissensus check -`"),
        (b"\x04\x22\x4d\x18", "compressed with lz4, which is not read here: `lz4 -dc FILE | dissensus check -`"),
    ];
    const TAR_MAGIC: (usize, &[u8]) = (257, b"ustar");
    if let Some((_, kind)) = COMPRESSIONS.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some(kind);
    }
    if head.get(TAR_MAGIC.0..).is_some_and(|rest| rest.starts_with(TAR_MAGIC.1)) {
        return Some("an archive of tar: unpack it, and name the history in it");
    }
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return Some(
            "a text in UTF-16, and histories are in UTF-8: `iconv -f UTF-16 -t UTF-8 FILE | dissensus check -`",
        );
    }
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    let columns: Vec<&[u8]> = line.split(|byte| *byte == b',').collect();
    let is_csv = [b"process".as_slice(), b"f".as_slice()].iter().all(|name| columns.contains(&name.trim_ascii()));
    is_csv.then_some("a table of CSV, which is not read here: write a line of JSON for each event (docs/history.md)")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// They were called damaged, and none of them is.
    #[test]
    fn regression_whole_files_of_other_kinds_were_called_damaged() {
        let tar = [&[b'x'; 257][..], b"ustar"].concat();
        let utf16: Vec<u8> = "\u{feff}{\"process\":0}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let kinds: [(&[u8], &str); 5] = [
            (b"\xfd7zXZ\0\0", "xz -dc"),
            (b"BZh91AY", "bzip2 -dc"),
            (&tar, "tar"),
            (&utf16, "UTF-16"),
            (b"index,type,process,f,value\n0,invoke,0,read,\n", "CSV"),
        ];
        for (head, named) in kinds {
            assert!(other_kind(head).is_some_and(|kind| kind.contains(named)), "{named}");
        }
        assert_eq!(other_kind(b"a, b\n"), None);
    }
}
