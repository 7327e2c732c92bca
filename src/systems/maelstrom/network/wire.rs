//! The standard input and output of a node that runs: lines of messages in both directions.
//!
//! What a node writes that is no message is said in its log, where the verdict finds it.

use std::fs::File;
use std::io::{PipeReader, PipeWriter, Write};
use std::path::{Path, PathBuf};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;

use crate::systems::maelstrom::message::{Message, NoMessage};

/// The longest line that is read, bytes.
const LINE_BYTES_MAX: u64 = 16 << 20;
/// Lines that wait for a node to read them; further ones are dropped.
pub(super) const WAITING_MAX: usize = 20_000;
/// So much is said of a node in its log in one life.
const SAID_MAX: u64 = 20;

/// Lines for a node.
pub(super) type Lines = mpsc::Sender<Vec<u8>>;

/// Starts to write lines to a node's standard input, until it ends or nobody writes any more. Must be called in a runtime.
pub(super) fn writer(stdin: PipeWriter) -> std::io::Result<Lines> {
    let mut stdin = pipe::Sender::from_owned_fd(stdin.into())?;
    let (lines, mut waiting) = mpsc::channel::<Vec<u8>>(WAITING_MAX);
    tokio::spawn(async move {
        while let Some(line) = waiting.recv().await {
            // It has ended, or closed its standard input: who reads its standard output learns whether it lives.
            if stdin.write_all(&line).await.is_err() {
                return;
            }
        }
    });
    Ok(lines)
}

/// Reads the messages of a node until it ends.
pub(super) async fn read(stdout: pipe::Receiver, complaints: &Complaints, mut each: impl FnMut(Message)) {
    let mut stdout = BufReader::new(stdout);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut stdout).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) if line.len() as u64 == LINE_BYTES_MAX && line.last() != Some(&b'\n') => {
                // The rest of it would be read as lines of their own.
                return complaints.say(&NoMessage::TooLong(LINE_BYTES_MAX));
            }
            Ok(_) if line.iter().all(u8::is_ascii_whitespace) => {}
            Ok(_) => match Message::on_line(&line) {
                Ok(message) => each(message),
                Err(no_message) => complaints.say(&no_message),
            },
        }
    }
}

/// The standard output of a node, to be read.
pub(super) fn reader(stdout: PipeReader) -> std::io::Result<pipe::Receiver> {
    pipe::Receiver::from_owned_fd(stdout.into())
}

/// Says in a node's log what is wrong with what it sends, a bounded number of times.
#[derive(Debug)]
pub(super) struct Complaints {
    log: PathBuf,
    said: std::sync::atomic::AtomicU64,
}

impl Complaints {
    /// Those of one life of a node with this log.
    pub fn in_log(log: &Path) -> Self {
        Self { log: log.to_owned(), said: 0.into() }
    }

    /// Says it: the line reports an error, so that the verdict quotes it.
    pub fn say(&self, what: &dyn std::fmt::Display) {
        let said = self.said.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let more = if said + 1 == SAID_MAX { " (no more is said of this node)" } else { "" };
        if said >= SAID_MAX {
            return;
        }
        // If the log cannot be written, what the node itself writes there is lost as well.
        if let Ok(mut log) = File::options().create(true).append(true).open(&self.log) {
            let _ = writeln!(log, "dissensus: error: {what}{more}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_are_read_and_all_else_is_said_in_the_log() {
        let dir = tempfile::tempdir().expect("a directory");
        let log = dir.path().join("stderr.log");
        let (reading, mut writing) = std::io::pipe().expect("a pipe");
        let lines = "hello\n\n{\"src\":\"n1\",\"dest\":\"n2\",\"body\":{}}\nhello again\n{\"src\":\"n1\",\"dest\":\"n3\",\"body\":{}}";
        writing.write_all(lines.as_bytes()).expect("it fits");
        drop(writing);
        let mut messages = Vec::new();
        let stdout = reader(reading).expect("a pipe");
        read(stdout, &Complaints::in_log(&log), |message| messages.push(message.dest)).await;
        assert_eq!(messages, ["n2", "n3"], "also one at the end without a newline");
        let said = std::fs::read_to_string(&log).expect("a log");
        assert_eq!(said.lines().filter(|line| line.contains("error") && line.contains("hello")).count(), 2, "{said}");
    }

    #[test]
    fn no_more_is_said_than_so_much() {
        let dir = tempfile::tempdir().expect("a directory");
        let complaints = Complaints::in_log(&dir.path().join("log"));
        (0..100).for_each(|number| complaints.say(&number));
        let said = std::fs::read_to_string(dir.path().join("log")).expect("a log");
        assert_eq!(said.lines().count() as u64, SAID_MAX);
        assert!(said.ends_with("19 (no more is said of this node)\n"), "{said}");
    }
}
