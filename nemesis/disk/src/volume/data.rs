//! Calls that read, write and sync what is in files.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::unistd::{Whence, lseek};

use super::Volume;
use crate::rules::{FailedSync, Strike};
use crate::tree::{Content, Node, NodeId};
use crate::undo::{BLOCK_BYTES, FileUndo, blocks_of};

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writer {
    /// A program, by a call.
    Program,
    /// The kernel: dirty pages of a shared mapping.
    PageCache,
}

/// What is about to happen to a range of a file.
#[derive(Clone, Copy, Debug)]
enum Touch {
    Overwrites,
    /// It is cut off or becomes a hole.
    Removes,
}

impl Volume {
    pub(crate) fn open_file(&self, id: NodeId, write: bool) -> io::Result<()> {
        let names = self.names.lock();
        let node = names.tree.node(id).ok_or(Errno::ESTALE)?;
        let mut content = node.content.lock();
        if content.file.is_some() && (content.writable || !write) {
            content.opened += 1;
            return Ok(());
        }
        let (file, writable) = open_backing(&names.path(id)?, write)?;
        content.open(file, writable);
        Ok(())
    }

    pub(crate) fn release(&self, id: NodeId) {
        if let Ok(node) = self.node(id) {
            node.content.lock().release();
        }
    }

    pub(crate) fn read(&self, id: NodeId, offset: u64, size: usize) -> io::Result<Vec<u8>> {
        if self.strikes(Strike::ReadError, id) {
            self.counters.failed_reads.one();
            return Err(Errno::EIO.into());
        }
        let file = self.node(id)?.content.lock().opened_file()?;
        let mut data = vec![0; size];
        let mut count = 0;
        while count < size {
            match file.read_at(&mut data[count..], offset + count as u64)? {
                0 => break,
                more => count += more,
            }
        }
        data.truncate(count);
        if count > 0 && self.strikes(Strike::FlippedRead, id) {
            let bit = self.faults.below(count as u64 * 8);
            data[(bit / 8) as usize] ^= 1 << (bit % 8);
            self.counters.flipped_reads.one();
        }
        self.counters.reads.one();
        self.counters.read_bytes.add(count as u64);
        Ok(data)
    }

    /// Writes, and returns how much: less than asked for where the space ends.
    pub(crate) fn write(&self, id: NodeId, offset: u64, data: &[u8], writer: Writer) -> io::Result<usize> {
        if writer == Writer::Program {
            self.powered()?;
        }
        if self.strikes(Strike::WriteError, id) {
            self.counters.failed_writes.one();
            return Err(Errno::EIO.into());
        }
        let misdirected = self.strikes(Strike::MisdirectedWrite, id);
        let node = self.node(id)?;
        let mut content = node.content.lock();
        let file = content.opened_file()?;
        let size = file.metadata()?.len();
        let data = self.within_space(data, offset, size)?;
        let elsewhere = if misdirected { self.elsewhere(offset, data.len(), size) } else { None };
        match elsewhere {
            Some(target) => self.write_elsewhere(&mut content, &file, (offset, target), data)?,
            None => self.write_at(&mut content, &file, offset, data)?,
        }
        drop(content);
        self.counters.writes.one();
        self.counters.written_bytes.add(data.len() as u64);
        self.counters.mapped_writes.add(u64::from(writer == Writer::PageCache));
        self.bound_undo();
        Ok(data.len())
    }

    pub(crate) fn truncate(&self, id: NodeId, size: u64) -> io::Result<()> {
        self.powered()?;
        let node = self.node(id)?;
        let file = self.file_to_write(&node)?;
        let mut content = node.content.lock();
        let now = file.metadata()?.len();
        self.save(&mut content, &file, &(size..now.max(size)), Touch::Removes)?;
        file.set_len(size)?;
        drop(content);
        self.faults.give_space(now.saturating_sub(size));
        self.bound_undo();
        Ok(())
    }

    pub(crate) fn allocate(&self, id: NodeId, range: Range<u64>, mode: i32) -> io::Result<()> {
        self.powered()?;
        let flags = FallocateFlags::from_bits(mode).ok_or(Errno::EOPNOTSUPP)?;
        let removes = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_ZERO_RANGE;
        if !(removes | FallocateFlags::FALLOC_FL_KEEP_SIZE).contains(flags) {
            return Err(Errno::EOPNOTSUPP.into());
        }
        let node = self.node(id)?;
        let mut content = node.content.lock();
        let file = content.opened_file()?;
        let size = file.metadata()?.len();
        self.take_all_space(range.end.saturating_sub(size.max(range.start)))?;
        let lost = if flags.intersects(removes) { range.clone() } else { size..size };
        self.save(&mut content, &file, &lost, Touch::Removes)?;
        fallocate(&*file, flags, range.start as i64, (range.end - range.start) as i64)?;
        drop(content);
        self.bound_undo();
        Ok(())
    }

    /// The next data or hole.
    pub(crate) fn seek(&self, id: NodeId, offset: i64, whence: Whence) -> io::Result<i64> {
        let file = self.node(id)?.content.lock().opened_file()?;
        Ok(lseek(&*file, offset, whence)?)
    }

    /// Makes a file outlast a power failure, and with it all names.
    pub(crate) fn sync_file(&self, id: NodeId) -> io::Result<()> {
        if !self.sync_begins(id)? {
            return Ok(());
        }
        let node = self.node(id)?;
        let mut content = node.content.lock();
        if let Some(file) = content.file.clone() {
            if self.options.real_syncs {
                file.sync_all()?;
            }
            self.forget_undo(&mut content, &file)?;
        }
        drop(content);
        self.commit_names(&mut self.names.lock())
    }

    /// Makes all names outlast a power failure.
    pub(crate) fn sync_directory(&self, id: NodeId) -> io::Result<()> {
        if !self.sync_begins(id)? {
            return Ok(());
        }
        let mut names = self.names.lock();
        if self.options.real_syncs {
            File::open(names.path(id)?)?.sync_all()?;
        }
        self.commit_names(&mut names)
    }

    /// Counts a sync. False if it is to lie.
    fn sync_begins(&self, id: NodeId) -> io::Result<bool> {
        self.counters.syncs.one();
        self.powered()?;
        if self.strikes(Strike::SyncError, id) {
            self.counters.failed_syncs.one();
            self.fail_sync(id);
            return Err(Errno::EIO.into());
        }
        let lies = self.strikes(Strike::LyingSync, id);
        self.counters.lying_syncs.add(u64::from(lies));
        Ok(!lies)
    }

    fn fail_sync(&self, id: NodeId) {
        if self.faults.rules().failed_sync == FailedSync::Keeps {
            return;
        }
        if let Ok(node) = self.node(id) {
            let forgotten = node.content.lock().undo.as_mut().map_or(0, FileUndo::forget);
            self.counters.forgotten_blocks.add(forgotten);
        }
    }

    fn forget_undo(&self, content: &mut Content, file: &File) -> io::Result<()> {
        let Some(mut undo) = content.undo.take() else { return Ok(()) };
        let before = undo.bytes();
        if !undo.synced(file)? {
            self.charge(undo.bytes());
            content.undo = Some(undo);
        }
        self.discharge(before);
        Ok(())
    }

    fn write_at(&self, content: &mut Content, file: &File, offset: u64, data: &[u8]) -> io::Result<()> {
        self.save(content, file, &(offset..offset + data.len() as u64), Touch::Overwrites)?;
        file.write_all_at(data, offset)
    }

    /// The size is as if the write had landed where it should.
    fn write_elsewhere(
        &self,
        content: &mut Content,
        file: &File,
        (offset, target): (u64, u64),
        data: &[u8],
    ) -> io::Result<()> {
        self.write_at(content, file, target, data)?;
        let end = offset + data.len() as u64;
        if end > file.metadata()?.len() {
            file.set_len(end)?;
        }
        self.counters.misdirected_writes.one();
        self.counters.misdirected_bytes.add(data.len() as u64);
        Ok(())
    }

    /// Another place in the file for a write of this length, at a distance of whole blocks. None in a file too short.
    fn elsewhere(&self, offset: u64, length: usize, size: u64) -> Option<u64> {
        let inside = offset % BLOCK_BYTES;
        let places = size.checked_sub(inside + length as u64)? / BLOCK_BYTES + 1;
        let own = offset / BLOCK_BYTES;
        let others = if own < places { places - 1 } else { places };
        if others == 0 {
            return None;
        }
        let drawn = self.faults.below(others);
        let place = if own < places && drawn >= own { drawn + 1 } else { drawn };
        Some(place * BLOCK_BYTES + inside)
    }

    /// As much of the data as there is space for.
    fn within_space<'a>(&self, data: &'a [u8], offset: u64, size: u64) -> io::Result<&'a [u8]> {
        let growth = (offset + data.len() as u64).saturating_sub(size.max(offset));
        let missing = growth - self.faults.take_space(growth);
        if missing > 0 {
            self.counters.out_of_space.one();
        }
        match data.len() - missing as usize {
            0 if missing > 0 => Err(Errno::ENOSPC.into()),
            length => Ok(&data[..length]),
        }
    }

    fn take_all_space(&self, wanted: u64) -> io::Result<()> {
        let granted = self.faults.take_space(wanted);
        if granted < wanted {
            self.faults.give_space(granted);
            self.counters.out_of_space.one();
            return Err(Errno::ENOSPC.into());
        }
        Ok(())
    }

    /// Keeps what a range holds, before it is touched.
    fn save(&self, content: &mut Content, file: &File, range: &Range<u64>, touch: Touch) -> io::Result<()> {
        if content.gone {
            return Ok(());
        }
        let mut undo = match content.undo.take() {
            Some(undo) => undo,
            None => FileUndo::begin(file)?,
        };
        if undo.cost(range) > self.options.undo_bytes_max {
            // More than can ever be kept: the file counts as synced, with what is about to happen to it.
            self.note_written_back(&undo);
            self.counters.written_back_blocks.add(blocks_of(range).count() as u64);
            return Ok(());
        }
        let added = match touch {
            Touch::Overwrites => undo.save(file, range),
            Touch::Removes => undo.save_removed(file, range),
        };
        self.charge(added?);
        content.undo = Some(undo);
        Ok(())
    }

    /// Where the undo logs need too much memory, the files with the largest count as synced, as when a kernel that is
    /// short of memory writes dirty pages out.
    fn bound_undo(&self) {
        while self.undo_bytes.load(Ordering::Relaxed) > self.options.undo_bytes_max {
            let logs = self.nodes().into_iter();
            let size = |node: &Arc<Node>| node.content.lock().undo.as_ref().map_or(0, FileUndo::bytes);
            let Some(largest) = logs.max_by_key(size) else { return };
            match largest.content.lock().undo.take() {
                Some(undo) => self.note_written_back(&undo),
                None => return,
            }
        }
    }

    pub(super) fn note_written_back(&self, undo: &FileUndo) {
        self.discharge(undo.bytes());
        self.counters.written_back_files.one();
        self.counters.written_back_blocks.add(undo.blocks());
    }

    fn file_to_write(&self, node: &Node) -> io::Result<Arc<File>> {
        let names = self.names.lock();
        let content = node.content.lock();
        match &content.file {
            Some(file) if content.writable => Ok(Arc::clone(file)),
            _ => Ok(Arc::new(open_backing(&names.path(node.id)?, true)?.0)),
        }
    }
}

impl Content {
    /// It is open once more, by this file.
    pub(super) fn open(&mut self, file: File, writable: bool) {
        if self.file.is_none() || writable {
            self.file = Some(Arc::new(file));
            self.writable = writable;
        }
        self.opened += 1;
    }

    fn release(&mut self) {
        self.opened = self.opened.saturating_sub(1);
        if self.opened == 0 {
            self.file = None;
            self.writable = false;
        }
    }

    fn opened_file(&self) -> io::Result<Arc<File>> {
        self.file.clone().ok_or_else(|| Errno::EBADF.into())
    }
}

/// Opens a file for reading and, if it can be or must be, for writing. Never for appending: the kernel gives offsets.
/// The blocks that a write-only program overwrites must be read, so such a file has to be readable.
fn open_backing(path: &Path, write: bool) -> io::Result<(File, bool)> {
    match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => Ok((file, true)),
        Err(_) if !write => Ok((File::open(path)?, false)),
        Err(error) => Err(error),
    }
}
