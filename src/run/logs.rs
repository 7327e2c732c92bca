//! The logs of the nodes at the end of a run, checked by [`checker::run::logs`].
//!
//! Every `nodes/NAME/stderr.log` is read to its end, line by line; of a line longer than `LINE_BYTES_MAX` only the
//! beginning is checked. A log that cannot be read is a doubt as well.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use checker::run::logs::Logs;

/// How much of a line is checked, bytes.
const LINE_BYTES_MAX: u64 = 16 << 10;

/// The doubts from the logs of these nodes, in `NODES_DIR/NAME/stderr.log`. Lines with one of the phrases `expected`
/// are normal.
pub fn doubts(nodes_dir: &Path, nodes: &[String], expected: &[&str]) -> Vec<String> {
    let mut logs = Logs::new(expected);
    let mut unread = Vec::new();
    for node in nodes {
        let path = nodes_dir.join(node).join("stderr.log");
        if let Err(error) = read(&path, node, &mut logs) {
            unread.push(format!("the log of {node} could not be read: {error} (nodes/{node}/stderr.log)"));
        }
    }
    let mut doubts = logs.doubts(|node| format!("nodes/{node}/stderr.log"));
    doubts.extend(unread);
    doubts
}

/// A node that never started has no log.
fn read(path: &Path, node: &str, logs: &mut Logs<'_>) -> io::Result<()> {
    let mut reader = match File::open(path) {
        Ok(file) => BufReader::new(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        if reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        logs.line(node, line, &String::from_utf8_lossy(&bytes));
        if bytes.last() != Some(&b'\n') {
            reader.skip_until(b'\n')?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(log: &[u8]) -> Vec<String> {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir_all(dir.path().join("n1")).expect("a directory for the node");
        std::fs::write(dir.path().join("n1/stderr.log"), log).expect("a log");
        doubts(dir.path(), &["n1".to_owned(), "n2".to_owned()], &["connection to peer "])
    }

    #[test]
    fn a_panic_is_quoted_with_its_place() {
        let log = b"12:00 n1 started\n12:01 n1 connection to peer n2 ended: (os error 104)\nthread 'main' panicked at a.rs:1:2:\nboom\n";
        let doubts = judged(log);
        assert_eq!(doubts, ["n1 panicked: nodes/n1/stderr.log, line 3: \"thread 'main' panicked at a.rs:1:2:\""]);
    }

    #[test]
    fn lines_without_end_and_bytes_that_are_no_text_are_read() {
        let mut log = vec![0xff; 100_000];
        log.extend_from_slice(b"\nfatal: full");
        assert_eq!(judged(&log), ["n1 reported a fatal error: nodes/n1/stderr.log, line 2: \"fatal: full\""]);
        assert_eq!(judged(b""), [""; 0]);
    }
}
