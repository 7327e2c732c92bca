//! Parses a text of lines on several threads: it is cut into blocks of whole lines, each block is parsed on its own,
//! and the results come back in order.
//!
//! ```text
//! reader ─► block 0, block 1, ... ─► threads ─► chunk 0, chunk 1, ... ─► the caller, which merges them
//! ```
//! The calling thread reads the blocks and takes the chunks. At any time only a few blocks more than there are threads
//! are in progress, so the memory does not depend on the length of the text. Where blocks end depends on the text
//! alone, so the result does not depend on the number of threads.

use std::collections::VecDeque;
use std::io::{BufRead, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

use super::damage::{Damage, LINE_BYTES_MAX};
use super::parse_block::Chunk;
use super::read_options::Selection;
use super::split::failed;

/// The size of a block if memory is not scarce.
pub(super) const BLOCK_BYTES: usize = 1 << 20;
/// How many blocks are in progress besides one for each thread.
const BLOCKS_AHEAD: usize = 2;

/// Parses a block into an empty chunk.
pub(super) type Parse = fn(&mut Chunk<'_>, &[u8]);

/// A block to be parsed, an emptied chunk to reuse if there is one, and the channel for the filled chunk and the block.
struct Work<'s> {
    block: Vec<u8>,
    chunk: Option<Chunk<'s>>,
    back: SyncSender<(Chunk<'s>, Vec<u8>)>,
}

/// Blocks and chunks to be reused: touching fresh memory costs more than reading text into it.
#[derive(Default)]
struct Spare<'s> {
    blocks: Vec<Vec<u8>>,
    chunks: Vec<Chunk<'s>>,
}

impl<'s> Spare<'s> {
    fn keep(&mut self, chunk: Chunk<'s>, block: Vec<u8>) {
        self.chunks.push(chunk.emptied());
        self.blocks.push(block);
    }
}

/// Passes every chunk of the text to `take`, in order, until that returns false.
///
/// # Errors
/// When the text cannot be read (then the line is 0), or when `take` fails.
pub(super) fn each_chunk<'s>(
    reader: &mut dyn BufRead,
    selection: &'s Selection,
    parse: Parse,
    (threads, block_bytes): (usize, usize),
    mut take: impl FnMut(&mut Chunk<'s>) -> Result<bool, Damage>,
) -> Result<(), Damage> {
    let mut blocks = Blocks { reader, rest: Vec::new(), block_bytes, begun: false, ended: false };
    let parsed = |block: &[u8], chunk: Option<Chunk<'s>>| {
        let mut chunk = chunk.unwrap_or_else(|| Chunk::new(selection));
        parse(&mut chunk, block);
        chunk
    };
    let mut spare = Spare::default();
    if threads <= 1 {
        while let Some(block) = blocks.next_block(spare.blocks.pop())? {
            let mut chunk = parsed(&block, spare.chunks.pop());
            if !take(&mut chunk)? {
                break;
            }
            spare.keep(chunk, block);
        }
        return Ok(());
    }
    let (hand_out, work) = sync_channel::<Work<'s>>(threads + BLOCKS_AHEAD);
    let work = Mutex::new(work);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(Work { block, chunk, back }) = next(&work) {
                    // The receiver is gone if the text was found to be damaged before this block.
                    let _ = back.send((parsed(&block, chunk), block));
                }
            });
        }
        // Moved in, so that it is dropped at the end of this closure: the threads end when the channel is closed.
        let hand_out = hand_out;
        let mut under_way: VecDeque<Receiver<(Chunk<'s>, Vec<u8>)>> = VecDeque::new();
        let mut failed = Ok(());
        loop {
            while under_way.len() < threads + BLOCKS_AHEAD && failed.is_ok() {
                match blocks.next_block(spare.blocks.pop()) {
                    Ok(Some(block)) => {
                        let (back, filled) = sync_channel(1);
                        if hand_out.send(Work { block, chunk: spare.chunks.pop(), back }).is_ok() {
                            under_way.push_back(filled);
                        }
                    }
                    Ok(None) => break,
                    Err(damage) => failed = Err(damage),
                }
            }
            // The receiver fails only if a thread panicked; then the scope panics, too.
            let Some(Ok((mut chunk, block))) = under_way.pop_front().map(|filled| filled.recv()) else { return failed };
            if !take(&mut chunk)? {
                return Ok(());
            }
            spare.keep(chunk, block);
        }
    })
}

fn next<T>(work: &Mutex<Receiver<T>>) -> Option<T> {
    work.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

/// Cuts a text into blocks.
struct Blocks<'r> {
    reader: &'r mut dyn BufRead,
    /// The bytes read beyond the last block.
    rest: Vec<u8>,
    block_bytes: usize,
    begun: bool,
    ended: bool,
}

impl Blocks<'_> {
    /// The next block, in the memory of one that is no longer needed. It consists of whole lines, except for a last
    /// line without a newline, and for a line that is longer than allowed.
    fn next_block(&mut self, spare: Option<Vec<u8>>) -> Result<Option<Vec<u8>>, Damage> {
        let mut block = spare.unwrap_or_default();
        block.clear();
        block.append(&mut self.rest);
        let mut wanted = self.block_bytes;
        while !self.ended {
            let searched = block.len();
            self.fill(&mut block, wanted)?;
            if let Some(end) = block[searched..].iter().rposition(|byte| *byte == b'\n') {
                self.rest.extend_from_slice(&block[searched + end + 1..]);
                block.truncate(searched + end + 1);
                break;
            }
            if block.len() as u64 > LINE_BYTES_MAX {
                break;
            }
            wanted = block.len() + self.block_bytes;
        }
        if !std::mem::replace(&mut self.begun, true) && block.starts_with("\u{feff}".as_bytes()) {
            block.drain(..3);
        }
        debug_assert!(!self.rest.contains(&b'\n'), "a block takes all whole lines that were read");
        Ok(Some(block).filter(|block| !block.is_empty()))
    }

    /// Reads until the block has as many bytes as wanted, or the text ends.
    fn fill(&mut self, block: &mut Vec<u8>, wanted: usize) -> Result<(), Damage> {
        let missing = wanted.saturating_sub(block.len()).max(1) as u64;
        block.reserve(missing as usize);
        let read = (&mut *self.reader).take(missing).read_to_end(block);
        self.ended = (read.map_err(|error| failed(0, error))? as u64) < missing;
        Ok(())
    }
}
