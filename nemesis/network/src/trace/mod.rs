//! `trace.pcapng`: what every port sent and received, for Wireshark and tshark.
//!
//! Each port is an interface that shows what tcpdump would show on that node. A packet that is lost is seen only at its
//! sender's, with the reason as a comment; one that arrives is seen at both. The last interface has the notes: when a
//! fault began and when it ended. To see the file as one node does, without every packet of the others twice:
//! `tshark -r trace.pcapng -Y 'frame.interface_name in {"n1", "notes"}' -w n1.pcapng`.
//!
//! ```text
//!  switch ─► buffer (bounded) ◄─ swapped by ─ writer thread ─► file (bounded)
//! ```
//! The switch never waits for the disk: when the buffer is full, packets are missing from the trace, and counted.

pub(crate) mod pcapng;

use std::fs::File;
use std::io::{self, Write};
use std::mem;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::port::Ports;
use pcapng::{Direction, LINK_TYPE_NOTES, LINK_TYPE_RAW, PACKET_OVERHEAD_BYTES_MAX, Packet};

/// The longest note, bytes; what is longer is cut.
pub const NOTE_BYTES_MAX: usize = 1024;

/// What of a file's bound is kept for notes, so that the ends of faults are not missing where packets are.
const NOTES_BYTES_MAX: u64 = 1 << 20;

/// The file is at most this far behind.
const WRITE_EVERY: Duration = Duration::from_millis(100);

/// How much is traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceLimits {
    /// Of each packet, bytes; what is longer is shortened. The default, 128, holds all headers.
    pub packet_bytes_max: u32,
    /// Of the file, bytes of packets, beside up to 1 MiB of notes; 256 MiB by default.
    pub file_bytes_max: u64,
    /// What may wait to be written, bytes; 4 MiB by default.
    pub buffer_bytes_max: usize,
}

impl Default for TraceLimits {
    fn default() -> Self {
        Self { packet_bytes_max: 128, file_bytes_max: 256 << 20, buffer_bytes_max: 4 << 20 }
    }
}

/// What a trace has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceSummary {
    /// Packets in it; one that arrived is there twice, at its sender and at its receiver.
    pub packets: u64,
    /// Notes in it.
    pub notes: u64,
    /// Packets and notes that are missing because a limit was reached.
    pub missed: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// A trace that is being written.
#[derive(Debug)]
pub(crate) struct Trace {
    shared: Arc<Shared>,
    writer: JoinHandle<io::Result<File>>,
    limits: TraceLimits,
    notes_interface: u32,
    notes_bytes: u64,
    summary: TraceSummary,
}

#[derive(Debug)]
struct Shared {
    buffer: Mutex<Buffer>,
    changed: Condvar,
}

#[derive(Debug)]
struct Buffer {
    bytes: Vec<u8>,
    is_closed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Trace {
    /// Makes the file and starts its writer.
    pub(crate) fn create(path: &Path, limits: TraceLimits, ports: Ports) -> io::Result<Self> {
        let mut file = File::create(path)?;
        let mut beginning = Vec::new();
        pcapng::section_header(&mut beginning);
        for port in ports.all() {
            pcapng::interface(&mut beginning, &port.to_string(), LINK_TYPE_RAW, limits.packet_bytes_max);
        }
        pcapng::interface(&mut beginning, "notes", LINK_TYPE_NOTES, NOTE_BYTES_MAX as u32);
        file.write_all(&beginning)?;
        let buffer = Buffer { bytes: Vec::with_capacity(limits.buffer_bytes_max), is_closed: false };
        let shared = Arc::new(Shared { buffer: Mutex::new(buffer), changed: Condvar::new() });
        let spare = Vec::with_capacity(limits.buffer_bytes_max);
        let writer = thread::Builder::new().name("trace".into()).spawn({
            let shared = Arc::clone(&shared);
            move || write(&shared, file, spare)
        })?;
        let summary = TraceSummary { bytes: beginning.len() as u64, ..TraceSummary::default() };
        Ok(Self { shared, writer, limits, notes_interface: ports.count() as u32, notes_bytes: 0, summary })
    }

    /// Records a packet at a port.
    pub(crate) fn packet(&mut self, port: usize, direction: Direction, packet: &[u8], comment: &'static str) {
        let data = &packet[..packet.len().min(self.limits.packet_bytes_max as usize)];
        let bytes_max = self.limits.file_bytes_max + self.notes_bytes;
        let record = Packet {
            interface: port as u32,
            time_ns: now_ns(),
            data,
            original_bytes: packet.len() as u32,
            direction: Some(direction),
            comment,
        };
        if self.append(&record, bytes_max) {
            self.summary.packets += 1;
        }
    }

    /// Records a note.
    pub(crate) fn note(&mut self, text: &str) {
        if self.notes_bytes >= NOTES_BYTES_MAX {
            self.summary.missed += 1;
            return;
        }
        let before = self.summary.bytes;
        if self.append(&note(self.notes_interface, text), u64::MAX) {
            self.summary.notes += 1;
            self.notes_bytes += self.summary.bytes - before;
        }
    }

    /// Whether there was room, in the file and in the buffer.
    fn append(&mut self, record: &Packet, file_bytes_max: u64) -> bool {
        let bytes_max = record.data.len() + record.comment.len() + PACKET_OVERHEAD_BYTES_MAX;
        let mut buffer = self.shared.lock();
        let is_full = buffer.bytes.len() + bytes_max > self.limits.buffer_bytes_max;
        if is_full || buffer.is_closed || self.summary.bytes + bytes_max as u64 > file_bytes_max {
            self.summary.missed += 1;
            return false;
        }
        let before = buffer.bytes.len();
        pcapng::packet(&mut buffer.bytes, record);
        self.summary.bytes += (buffer.bytes.len() - before) as u64;
        let is_half_full = |bytes| bytes > self.limits.buffer_bytes_max / 2;
        if is_half_full(buffer.bytes.len()) && !is_half_full(before) {
            self.shared.changed.notify_one();
        }
        true
    }

    /// Writes what is left, with a last note if anything is missing, and closes the file.
    ///
    /// # Errors
    /// When anything could not be written, now or before.
    pub(crate) fn finish(mut self) -> io::Result<TraceSummary> {
        self.shared.lock().is_closed = true;
        self.shared.changed.notify_one();
        let written = self.writer.join();
        let mut file = written.unwrap_or_else(|_| Err(io::Error::other("the writer of the trace has panicked")))?;
        if self.summary.missed > 0 {
            let text = format!("{} packets are missing: a limit of the trace was reached", self.summary.missed);
            let mut last = Vec::new();
            pcapng::packet(&mut last, &note(self.notes_interface, &text));
            file.write_all(&last)?;
            self.summary.notes += 1;
            self.summary.bytes += last.len() as u64;
        }
        Ok(self.summary)
    }
}

/// The text as a packet and as its comment: the one for those who read the data, the other for lists of packets.
fn note(interface: u32, text: &str) -> Packet<'_> {
    let text = &text[..text.floor_char_boundary(NOTE_BYTES_MAX)];
    Packet {
        interface,
        time_ns: now_ns(),
        data: text.as_bytes(),
        original_bytes: text.len() as u32,
        direction: None,
        comment: text,
    }
}

/// Writes until the trace is closed. After an error nothing more is taken in.
fn write(shared: &Shared, mut file: File, mut spare: Vec<u8>) -> io::Result<File> {
    loop {
        let mut buffer = shared.lock();
        if buffer.bytes.is_empty() && !buffer.is_closed {
            buffer = shared.changed.wait_timeout(buffer, WRITE_EVERY).unwrap_or_else(PoisonError::into_inner).0;
        }
        mem::swap(&mut buffer.bytes, &mut spare);
        let is_last = buffer.is_closed;
        drop(buffer);
        if let Err(error) = file.write_all(&spare) {
            shared.lock().is_closed = true;
            return Err(error);
        }
        spare.clear();
        if is_last {
            return Ok(file);
        }
    }
}

fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use pcap_parser::{Block, parse_pcapng};

    use super::*;

    fn packets_of(bytes: &[u8]) -> Vec<(u32, Vec<u8>)> {
        let (rest, capture) = parse_pcapng(bytes).expect("it is pcapng");
        assert!(rest.is_empty(), "the file ends with a whole block");
        let packet = |block: &Block| match block {
            Block::EnhancedPacket(packet) => Some((packet.if_id, packet.data[..packet.caplen as usize].to_vec())),
            _ => None,
        };
        capture.sections[0].blocks.iter().filter_map(packet).collect()
    }

    fn traced(limits: TraceLimits, act: impl FnOnce(&mut Trace)) -> (TraceSummary, Vec<(u32, Vec<u8>)>) {
        let directory = tempfile::tempdir().expect("a directory for the test");
        let path = directory.path().join("trace.pcapng");
        let ports = Ports::new(2).expect("two nodes are allowed");
        let mut trace = Trace::create(&path, limits, ports).expect("the file can be made");
        act(&mut trace);
        let summary = trace.finish().expect("it can be written");
        let bytes = fs::read(&path).expect("it can be read");
        assert_eq!(summary.bytes, bytes.len() as u64);
        (summary, packets_of(&bytes))
    }

    #[test]
    fn packets_are_shortened_and_notes_have_an_interface_of_their_own() {
        let limits = TraceLimits { packet_bytes_max: 4, ..TraceLimits::default() };
        let (summary, packets) = traced(limits, |trace| {
            trace.packet(0, Direction::Outbound, &[1; 9], "");
            trace.note("the cut begins");
            trace.packet(1, Direction::Inbound, &[2; 3], "");
        });
        assert_eq!((summary.packets, summary.notes, summary.missed), (2, 1, 0));
        assert_eq!(packets, [(0, vec![1; 4]), (3, b"the cut begins".to_vec()), (1, vec![2; 3])]);
    }

    #[test]
    fn the_file_is_bounded_and_still_says_when_faults_end() {
        let limits = TraceLimits { file_bytes_max: 10_000, ..TraceLimits::default() };
        let (summary, packets) = traced(limits, |trace| {
            for _ in 0..1000 {
                trace.packet(0, Direction::Outbound, &[1; 100], "lost");
            }
            trace.note("the fault ends");
        });
        assert_eq!(summary.packets + summary.missed, 1000);
        assert!(summary.packets > 20 && summary.bytes < 11_000, "{summary:?}");
        let last_words = packets.iter().rev().map(|(_, data)| String::from_utf8_lossy(data)).take(2);
        let last_words: Vec<_> = last_words.collect();
        assert!(last_words[0].contains("are missing") && last_words[1] == "the fault ends", "{last_words:?}");
    }

    #[test]
    fn a_full_buffer_loses_packets_and_counts_them() {
        let limits = TraceLimits { buffer_bytes_max: 300, ..TraceLimits::default() };
        let (summary, packets) = traced(limits, |trace| {
            (0..100_000).for_each(|_| trace.packet(0, Direction::Outbound, &[1; 100], ""));
        });
        assert_eq!(summary.packets + summary.missed, 100_000);
        assert!(summary.missed > 0 && summary.packets > 0, "{summary:?}");
        assert_eq!(packets.len() as u64, summary.packets + summary.notes);
    }

    #[test]
    fn what_cannot_be_written_is_an_error() {
        let ports = Ports::new(1).expect("one node is allowed");
        let limits = TraceLimits::default();
        assert!(Trace::create(Path::new("/nowhere/at/all"), limits, ports).is_err());
        let full = Trace::create(Path::new("/dev/full"), limits, ports);
        assert!(full.is_err(), "the beginning is written at once");
    }

    #[test]
    fn a_long_note_is_cut_between_characters() {
        let (summary, packets) = traced(TraceLimits::default(), |trace| trace.note(&"ä".repeat(NOTE_BYTES_MAX)));
        assert_eq!((summary.notes, packets[0].1.len()), (1, NOTE_BYTES_MAX));
    }
}
