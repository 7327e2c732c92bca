//! Watches a growing log for a phrase.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Bytes read at once, and of a line kept while its end has not been written. A longer line is cut.
const READ_BYTES_MAX: usize = 64 * 1024;

/// A log that is read as it grows.
#[derive(Debug)]
pub(crate) struct LogWatch {
    path: PathBuf,
    phrase: Vec<u8>,
    file: Option<File>,
    line: Vec<u8>,
}

impl LogWatch {
    /// Reads from the beginning; the file may not be there yet.
    pub(crate) fn new(path: &Path, phrase: &str) -> Self {
        Self { path: path.to_owned(), phrase: phrase.into(), file: None, line: Vec::new() }
    }

    /// Reads what is new; returns the first line with the phrase in it, as far as it is written.
    pub(crate) fn line(&mut self) -> io::Result<Option<String>> {
        if self.file.is_none() {
            self.file = match File::open(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                file => Some(file?),
            };
        }
        let Some(file) = &mut self.file else { return Ok(None) };
        let mut new = vec![0; READ_BYTES_MAX];
        loop {
            let length = file.read(&mut new)?;
            if length == 0 {
                return Ok(None);
            }
            if let Some(line) = find(&mut self.line, &new[..length], &self.phrase) {
                return Ok(Some(line));
            }
        }
    }
}

/// Adds what was read to the line begun before; returns a line with the phrase.
fn find(line: &mut Vec<u8>, new: &[u8], phrase: &[u8]) -> Option<String> {
    for piece in new.split_inclusive(|byte| *byte == b'\n') {
        line.extend_from_slice(piece);
        if phrase.is_empty() || line.windows(phrase.len()).any(|window| window == phrase) {
            return Some(String::from_utf8_lossy(line).trim_end().to_owned());
        }
        if line.ends_with(b"\n") {
            line.clear();
        }
        if line.len() > READ_BYTES_MAX {
            // What may be the beginning of the phrase is kept.
            line.drain(..line.len() - phrase.len());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_phrase_is_found_in_whatever_pieces_it_is_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let mut watch = LogWatch::new(&path, "ready to serve");
        assert_eq!(watch.line().expect("not there yet"), None);
        let mut log = File::create(&path).expect("made");
        for piece in ["starting\nnot ready\nto serve\n1 re", "ady to se"] {
            log.write_all(piece.as_bytes()).expect("written");
            assert_eq!(watch.line().expect("read"), None, "{piece:?}");
        }
        log.write_all(b"rve client requests\nmore\n").expect("written");
        assert_eq!(watch.line().expect("read").as_deref(), Some("1 ready to serve client requests"));
    }

    #[test]
    fn an_endless_line_is_cut_without_losing_the_phrase() {
        let mut line = Vec::new();
        for _ in 0..10 {
            assert_eq!(find(&mut line, &vec![b'x'; READ_BYTES_MAX - 1], b"needle"), None);
            assert!(line.len() < 2 * READ_BYTES_MAX);
        }
        assert_eq!(find(&mut line, b"nee", b"needle"), None);
        assert!(find(&mut line, b"dle", b"needle").is_some_and(|line| line.ends_with("xneedle")));
    }
}
