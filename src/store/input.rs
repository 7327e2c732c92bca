//! A history as it lies on disk or comes through a pipe: plain, gzip or zstd, recognized by its first bytes and not by its
//! name.
//!
//! It is opened once and read once, from its first byte to its last, since a pipe cannot be read again: what has to be looked
//! at beforehand is kept and read first. A pipe may pass on a byte at a time, so as much is awaited as is looked at.
//!
//! A compressed file may have several members or frames, one after the other; all are read. The checksum of each is
//! verified, so a damaged file is an error and not a shorter history.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::{StoreError, failed};

const BUFFER_BYTES: usize = 1 << 20;
/// How much of a text is looked at to recognise its format: the beginning of a log may be long.
const HEAD_BYTES: u64 = 64 << 10;
/// How much is looked at to recognise a compression.
const MAGIC_BYTES: u64 = 8;
/// The name that stands for standard input.
const STANDARD_INPUT: &str = "-";
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The magic number of a skippable frame, without its lowest four bits.
const ZSTD_SKIPPED: [u8; 4] = [0x50, 0x2a, 0x4d, 0x18];

/// An opened file.
pub struct Input {
    /// Its content, decompressed.
    pub reader: Box<dyn BufRead>,
    /// The number of bytes on disk that were read so far.
    pub read_bytes: Arc<AtomicU64>,
    /// The number of bytes on disk; zero if unknown, as for a pipe.
    pub bytes: u64,
}

impl Input {
    /// Opens a file, or standard input (`-`), which is then read once.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let (file, bytes): (Box<dyn Read>, u64) = if is_standard_input(path) {
            (Box::new(io::stdin()), 0)
        } else {
            let file = File::open(path).map_err(|source| failed("read", path, source))?;
            let bytes = file.metadata().map(|data| if data.is_file() { data.len() } else { 0 }).unwrap_or(0);
            (Box::new(file), bytes)
        };
        let read_bytes = Arc::new(AtomicU64::new(0));
        let counted = Counted { file, read: Arc::clone(&read_bytes) };
        let reader = decompressed(BufReader::with_capacity(BUFFER_BYTES, counted));
        Ok(Self { reader: reader.map_err(|source| failed("read", path, source))?, read_bytes, bytes })
    }

    /// The beginning of the text, as much as is needed to recognise its format; it is still read.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn head(&mut self) -> io::Result<Vec<u8>> {
        let reader = std::mem::replace(&mut self.reader, Box::new(io::empty()));
        let (head, reader) = peeked(reader, HEAD_BYTES)?;
        self.reader = Box::new(reader);
        Ok(head)
    }
}

/// Whether the name stands for standard input.
pub fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == STANDARD_INPUT
}

/// How an input is called before people.
pub fn shown(path: &Path) -> String {
    if is_standard_input(path) { "standard input".to_owned() } else { path.display().to_string() }
}

/// The first bytes of a text, and all of it.
type Peeked<R> = (Vec<u8>, io::Chain<Cursor<Vec<u8>>, R>);

/// The first bytes, and a reader that still has them.
fn peeked<R: BufRead>(mut reader: R, bytes: u64) -> io::Result<Peeked<R>> {
    let mut head = Vec::new();
    reader.by_ref().take(bytes).read_to_end(&mut head)?;
    Ok((head.clone(), Cursor::new(head).chain(reader)))
}

fn decompressed(file: BufReader<Counted>) -> io::Result<Box<dyn BufRead>> {
    let (start, file) = peeked(file, MAGIC_BYTES)?;
    let is_skipped = start.len() > 4 && start[0] & 0xf0 == ZSTD_SKIPPED[0] && start[1..4] == ZSTD_SKIPPED[1..];
    if start.starts_with(&GZIP) {
        return Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(file))));
    }
    if start.starts_with(&ZSTD) || is_skipped {
        return Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, Frames::Between(file))));
    }
    Ok(Box::new(file))
}

struct Counted {
    file: Box<dyn Read>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// The frames of a zstd file, one after the other.
enum Frames<R> {
    Between(R),
    Within(R, Box<FrameDecoder>),
    /// At the end, and after an error.
    Over,
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::mem::replace(self, Frames::Over) {
                Frames::Over => return Ok(0),
                Frames::Between(source) => *self = next_frame(source)?,
                Frames::Within(mut source, mut decoder) => {
                    while decoder.can_collect() == 0 && !decoder.is_finished() {
                        let strategy = BlockDecodingStrategy::UptoBlocks(1);
                        decoder.decode_blocks(&mut source, strategy).map_err(io::Error::other)?;
                    }
                    let read = decoder.read(buffer)?;
                    if read > 0 || buffer.is_empty() {
                        *self = Frames::Within(source, decoder);
                        return Ok(read);
                    }
                    verify(&decoder)?;
                    *self = Frames::Between(source);
                }
            }
        }
    }
}

fn next_frame<R: BufRead>(mut source: R) -> io::Result<Frames<R>> {
    if source.fill_buf()?.is_empty() {
        return Ok(Frames::Over);
    }
    let mut decoder = Box::new(FrameDecoder::new());
    match decoder.init(&mut source) {
        Ok(()) => Ok(Frames::Within(source, decoder)),
        Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
            io::copy(&mut source.by_ref().take(length.into()), &mut io::sink())?;
            Ok(Frames::Between(source))
        }
        Err(error) => Err(io::Error::other(error)),
    }
}

/// Verifies the checksum of a frame that was read.
fn verify(frame: &FrameDecoder) -> io::Result<()> {
    match (frame.get_checksum_from_data(), frame.get_calculated_checksum()) {
        (Some(written), Some(read)) if written != read => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the checksum of a zstd frame is wrong: the file is damaged",
        )),
        _ => Ok(()),
    }
}
