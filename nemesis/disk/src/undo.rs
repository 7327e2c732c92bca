//! The undo log of one file: what its blocks and its size were when it was last synced.
//!
//! Writes go straight to the file. Before a block of 4 KiB is overwritten for the first time since a sync, what it held
//! is saved here, in memory. A sync throws the log away. A power failure reads it back: each block, and the size, becomes
//! what it was, or stays what it is, by the [`Chance`] of the crash.
//!
//! Blocks beyond the size that was synced held nothing, so they are noted without content: a crash has to know which
//! blocks of a grown file were written, as each may have reached the disk or not.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Granularity of the log.
pub(crate) const BLOCK_BYTES: u64 = 4096;

type Block = [u8; BLOCK_BYTES as usize];

/// The least that a disk writes atomically.
const SECTOR_BYTES: u64 = 512;

/// Memory of a block in the log besides its content, roughly.
const ENTRY_BYTES: u64 = 64;

/// What a file was at its last sync, as far as it has changed since.
#[derive(Debug)]
pub(crate) struct FileUndo {
    /// Its size then.
    size: u64,
    /// Its blocks then, of those that were written since.
    blocks: BTreeMap<u64, Saved>,
    /// Memory of `blocks`.
    bytes: u64,
}

#[derive(Debug)]
struct Saved {
    /// Content up to the size that was synced: shorter than a block at the end of the file, empty beyond it.
    content: Box<[u8]>,
    /// A failed sync declared the block clean: no later sync writes it, unless it is written again.
    forgotten: bool,
}

/// How a power failure decides.
#[derive(Debug)]
pub(crate) enum Chance {
    /// Nothing that was not synced is there.
    Strict,
    /// Each unit by coin. `sectors`: blocks may tear in the middle.
    Coin {
        /// Where the coins come from.
        rng: Box<ChaCha8Rng>,
        /// Whether a sector, not a block, is atomic.
        sectors: bool,
    },
}

/// What a power failure did to a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RolledBack {
    /// Blocks that are wholly what they were.
    pub(crate) lost_blocks: u64,
    /// Blocks that are partly what they were.
    pub(crate) torn_blocks: u64,
    /// Blocks that stayed what they had become.
    pub(crate) kept_blocks: u64,
    /// Bytes changed, cut off or brought back.
    pub(crate) lost_bytes: u64,
}

impl FileUndo {
    /// An empty log: the file is as it was synced.
    pub(crate) fn begin(file: &File) -> io::Result<FileUndo> {
        Ok(FileUndo { size: file.metadata()?.len(), blocks: BTreeMap::new(), bytes: 0 })
    }

    /// Memory that the log needs.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Blocks written since the last sync.
    pub(crate) fn blocks(&self) -> u64 {
        self.blocks.len() as u64
    }

    /// How much memory saving a range may need at most.
    pub(crate) fn cost(&self, range: &Range<u64>) -> u64 {
        let synced = range.start.min(self.size)..range.end.min(self.size);
        let in_blocks = |range: &Range<u64>| blocks_of(range).count() as u64;
        in_blocks(range) * ENTRY_BYTES + in_blocks(&synced) * BLOCK_BYTES
    }

    /// Saves what the range holds, as far as it is not saved yet, before it is written. Returns the memory taken.
    pub(crate) fn save(&mut self, file: &File, range: &Range<u64>) -> io::Result<u64> {
        let before = self.bytes;
        for block in blocks_of(range) {
            match self.blocks.get_mut(&block) {
                // The page is dirty once more, and a sync writes the whole of it.
                Some(saved) => saved.forgotten = false,
                None => self.save_block(file, block)?,
            }
        }
        Ok(self.bytes - before)
    }

    /// As [`save`](Self::save), for a range whose content goes away rather than being replaced: beyond the synced size
    /// there is nothing to save and nothing written.
    pub(crate) fn save_removed(&mut self, file: &File, range: &Range<u64>) -> io::Result<u64> {
        self.save(file, &(range.start.min(self.size)..range.end.min(self.size)))
    }

    fn save_block(&mut self, file: &File, block: u64) -> io::Result<()> {
        let content = self.synced_part(file, block)?;
        self.bytes += ENTRY_BYTES + content.len() as u64;
        self.blocks.insert(block, Saved { content, forgotten: false });
        Ok(())
    }

    fn synced_part(&self, file: &File, block: u64) -> io::Result<Box<[u8]>> {
        let start = block * BLOCK_BYTES;
        let mut content = vec![0; self.size.saturating_sub(start).min(BLOCK_BYTES) as usize];
        read_or_zeros(file, &mut content, start)?;
        Ok(content.into())
    }

    /// A sync has succeeded: all is as it should be, but what an earlier one has forgotten. True if nothing is left.
    pub(crate) fn synced(&mut self, file: &File) -> io::Result<bool> {
        self.blocks.retain(|_, saved| saved.forgotten);
        self.bytes = self.blocks.values().map(|saved| ENTRY_BYTES + saved.content.len() as u64).sum();
        self.size = file.metadata()?.len();
        Ok(self.blocks.is_empty())
    }

    /// A sync has failed, and left the blocks marked as clean. Returns how many are newly so.
    pub(crate) fn forget(&mut self) -> u64 {
        let fresh = self.blocks.values_mut().filter(|saved| !saved.forgotten);
        fresh.map(|saved| saved.forgotten = true).count() as u64
    }

    /// The power failed: makes the file what the disk has of it.
    pub(crate) fn roll_back(&self, file: &File, chance: &mut Chance) -> io::Result<RolledBack> {
        let now = file.metadata()?.len();
        let size = chance.size(self.size, now);
        let mut done = RolledBack { lost_bytes: now.abs_diff(size), ..RolledBack::default() };
        if size > now {
            file.set_len(size)?;
        }
        for (block, saved) in &self.blocks {
            self.roll_back_block(file, *block, saved, [now, size], chance, &mut done)?;
        }
        file.set_len(size)?;
        Ok(done)
    }

    fn roll_back_block(
        &self,
        file: &File,
        block: u64,
        saved: &Saved,
        [now, size]: [u64; 2],
        chance: &mut Chance,
        done: &mut RolledBack,
    ) -> io::Result<()> {
        let start = block * BLOCK_BYTES;
        let mut new = [0; BLOCK_BYTES as usize];
        read_or_zeros(file, &mut new, start)?;
        let mut old = [0; BLOCK_BYTES as usize];
        old[..saved.content.len()].copy_from_slice(&saved.content);
        let mut after = if saved.forgotten { old } else { chance.mix(&old, &new) };
        let [within_now, within] = [now, size].map(|end| end.saturating_sub(start).min(BLOCK_BYTES) as usize);
        after[within..].fill(0);
        file.write_all_at(&after[..within], start)?;
        done.count(&old, &new, &after, within < within_now);
        let common = within.min(within_now);
        done.lost_bytes += (0..common).filter(|at| after[*at] != new[*at]).count() as u64;
        Ok(())
    }
}

impl RolledBack {
    /// A block whose end was `cut` off with what it held is lost.
    fn count(&mut self, old: &Block, new: &Block, after: &Block, cut: bool) {
        match () {
            () if !cut && after == new => self.kept_blocks += u64::from(old != new),
            () if cut || after == old => self.lost_blocks += 1,
            () => self.torn_blocks += 1,
        }
    }
}

impl Chance {
    /// The size of a file that had `old` bytes at its last sync and has `new` ones now. A file that grew may have
    /// grown in part.
    fn size(&mut self, old: u64, new: u64) -> u64 {
        let Chance::Coin { rng, .. } = self else { return old };
        if new <= old {
            return if rng.random_bool(0.5) { old } else { new };
        }
        let boundaries = (new - 1) / BLOCK_BYTES - old / BLOCK_BYTES;
        match rng.random_range(0..boundaries + 2) {
            0 => old,
            nth if nth <= boundaries => (old / BLOCK_BYTES + nth) * BLOCK_BYTES,
            _ => new,
        }
    }

    /// What a block is that was `old` and should have become `new`.
    fn mix(&mut self, old: &Block, new: &Block) -> Block {
        let Chance::Coin { rng, sectors } = self else { return *old };
        let unit = if *sectors { SECTOR_BYTES } else { BLOCK_BYTES } as usize;
        let mut mixed = *old;
        for start in (0..mixed.len()).step_by(unit) {
            if rng.random_bool(0.5) {
                mixed[start..start + unit].copy_from_slice(&new[start..start + unit]);
            }
        }
        mixed
    }

    /// How many of so many changes of names reached the disk: a journal commits them in order.
    pub(crate) fn committed(&mut self, changes: usize) -> usize {
        match self {
            Chance::Strict => 0,
            Chance::Coin { rng, .. } => rng.random_range(0..=changes),
        }
    }
}

/// The blocks that a range touches.
pub(crate) fn blocks_of(range: &Range<u64>) -> Range<u64> {
    match range.is_empty() {
        true => 0..0,
        false => range.start / BLOCK_BYTES..range.end.div_ceil(BLOCK_BYTES),
    }
}

/// Reads all that there is, and leaves the rest as it is: zeros.
fn read_or_zeros(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset + done as u64)? {
            0 => break,
            count => done += count,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn coin(seed: u64) -> Chance {
        Chance::Coin { rng: Box::new(ChaCha8Rng::seed_from_u64(seed)), sectors: false }
    }

    /// A file of this content, and its empty log.
    fn file(content: &[u8]) -> (File, FileUndo) {
        let file = tempfile::tempfile().expect("a file");
        file.write_all_at(content, 0).expect("it writes");
        let undo = FileUndo::begin(&file).expect("a log");
        (file, undo)
    }

    fn write(file: &File, undo: &mut FileUndo, offset: u64, data: &[u8]) {
        undo.save(file, &(offset..offset + data.len() as u64)).expect("it is saved");
        file.write_all_at(data, offset).expect("it writes");
    }

    fn read(file: &File) -> Vec<u8> {
        let mut content = vec![0; file.metadata().expect("stat").len() as usize];
        file.read_exact_at(&mut content, 0).expect("it reads");
        content
    }

    #[test]
    fn what_was_cut_off_comes_back() {
        let old: Vec<u8> = (0..10_000).map(|at| (at % 251) as u8).collect();
        let (file, mut undo) = file(&old);
        undo.save_removed(&file, &(100..10_000)).expect("it is saved");
        file.set_len(100).expect("truncate");
        write(&file, &mut undo, 5_000, &[9; 10_000]);
        let done = undo.roll_back(&file, &mut Chance::Strict).expect("it is put back");
        assert!(read(&file) == old && done.lost_blocks >= 3, "{done:?}");
    }

    #[test]
    fn a_file_that_grew_may_have_grown_in_part() {
        let mut sizes = std::collections::BTreeSet::new();
        for seed in 0..100 {
            let (file, mut undo) = file(&[1; 100]);
            write(&file, &mut undo, 100, &[2; 20_000]);
            undo.roll_back(&file, &mut coin(seed)).expect("it is put back");
            sizes.insert(file.metadata().expect("stat").len());
            let read = read(&file);
            assert!(read[..100] == [1; 100], "the old content stays whatever comes");
        }
        assert_eq!(sizes.into_iter().collect::<Vec<_>>(), [100, 4096, 8192, 12_288, 16_384, 20_100]);
    }

    #[test]
    fn what_a_failed_sync_forgot_is_lost_unless_it_is_written_again() {
        let (file, mut undo) = file(&[1; 8192]);
        write(&file, &mut undo, 0, &[2; 8192]);
        assert_eq!((undo.forget(), undo.forget()), (2, 0));
        write(&file, &mut undo, 4096, &[3; 1]);
        assert!(!undo.synced(&file).expect("a sync"), "one block is still to be lost");
        for chance in [&mut Chance::Strict, &mut coin(1)] {
            let done = undo.roll_back(&file, chance).expect("it is put back");
            assert_eq!((done.kept_blocks, read(&file)[..4096] == [1; 4096]), (0, true));
        }
        assert_eq!(read(&file)[4096..4098], [3, 2]);
    }
}
