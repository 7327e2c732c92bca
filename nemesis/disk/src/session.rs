//! The kernel's side: requests of FUSE become calls of the volume, now or later.
//!
//! **No writeback cache.** Each write(2) reaches the disk before it returns. With the kernel's writeback cache small writes
//! would be several times faster, but a fault would meet no call that it could be counted against: errors, lack of space and
//! latency would only show at some later sync. Reads do come from the page cache, and shared mappings work; their dirty
//! pages arrive when the kernel writes them.
//!
//! **No extended attributes.** The kernel would ask for `security.capability` before every write. It asks once, is told
//! that there are none, and never again.
//!
//! **Locks** (flock, fcntl) are the kernel's own, which needs no help for processes of one machine.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{
    AccessFlags, BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    InitFlags, KernelConfig, LockOwner, OpenAccMode, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyWrite, ReplyXattr, Request,
    TimeOrNow, WriteFlags,
};
use nix::libc;
use nix::sys::stat::SFlag;
use nix::sys::statvfs::statvfs;
use nix::sys::time::TimeSpec;
use nix::unistd::Whence;
use parking_lot::Mutex;

use crate::faults::Wait;
use crate::queue::{Queue, Turn, Waiting};
use crate::rules::Call;
use crate::volume::{Attributes, Found, Listed, Make, Volume, Writer};

/// All changes come through this mount, so the kernel may trust what it knows for as long as it likes.
const VALID: Duration = Duration::from_secs(3600);

const WRITE_BYTES_MAX: u32 = 1 << 20;

/// The file system of one mount.
pub(crate) struct Served {
    pub(crate) volume: Arc<Volume>,
    pub(crate) queue: Arc<Queue>,
    /// Open directories as they were when they were read from the start.
    listings: Mutex<HashMap<u64, Arc<Vec<Listed>>>>,
    handles: AtomicU64,
}

impl Served {
    pub(crate) fn new(volume: Arc<Volume>, queue: Arc<Queue>) -> Served {
        Served { volume, queue, listings: Mutex::default(), handles: AtomicU64::new(0) }
    }

    /// Does and answers a call at its time. `answer` gets what came of it.
    fn serve<T>(
        &self,
        call: Call,
        request: &Request,
        work: impl FnOnce(&Volume) -> io::Result<T> + Send + 'static,
        answer: impl FnOnce(Result<T, Errno>) + Send + 'static,
    ) {
        match self.volume.wait(call) {
            None => answer(work(&self.volume).map_err(Errno::from)),
            Some(wait) => self.serve_later(wait, request, work, answer),
        }
    }

    fn serve_later<T>(
        &self,
        wait: Wait,
        request: &Request,
        work: impl FnOnce(&Volume) -> io::Result<T> + Send + 'static,
        answer: impl FnOnce(Result<T, Errno>) + Send + 'static,
    ) {
        let volume = Arc::clone(&self.volume);
        let time = count_wait(&volume, wait);
        let serve = Box::new(move |turn| match turn {
            Turn::Served => answer(work(&volume).map_err(Errno::from)),
            Turn::Abandoned => {
                volume.counters.abandoned_calls.one();
                answer(Err(Errno::EIO));
            }
        });
        self.queue.wait(time, Waiting { thread: request.pid(), serve });
    }

    fn names<T>(
        &self,
        request: &Request,
        work: impl FnOnce(&Volume) -> io::Result<T> + Send + 'static,
        answer: impl FnOnce(Result<T, Errno>) + Send + 'static,
    ) {
        self.serve(Call::Names, request, work, answer);
    }

    fn make(&self, request: &Request, parent: INodeNo, name: &OsStr, what: Make, reply: ReplyEntry) {
        let name = name.to_owned();
        self.names(request, move |volume| volume.make(parent.0, &name, what), |made| reply_entry(reply, made));
    }
}

fn count_wait(volume: &Volume, wait: Wait) -> Duration {
    match wait {
        Wait::Slow(time) => {
            volume.counters.delayed_calls.one();
            volume.counters.delayed_us.add(time.as_micros() as u64);
            time
        }
        Wait::Stalled => {
            volume.counters.stalled_calls.one();
            Duration::ZERO
        }
    }
}

fn reply_entry(reply: ReplyEntry, found: Result<Found, Errno>) {
    match found {
        Ok(found) => reply.entry(&VALID, &attributes(&found), Generation(0)),
        Err(error) => reply.error(error),
    }
}

fn reply_attributes(reply: ReplyAttr, found: Result<Found, Errno>) {
    match found {
        Ok(found) => reply.attr(&VALID, &attributes(&found)),
        Err(error) => reply.error(error),
    }
}

fn reply_empty(reply: ReplyEmpty, done: Result<(), Errno>) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

fn reply_written(reply: ReplyWrite, written: Result<usize, Errno>) {
    match written {
        Ok(count) => reply.written(count as u32),
        Err(error) => reply.error(error),
    }
}

impl Filesystem for Served {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        let wanted = InitFlags::FUSE_PARALLEL_DIROPS | InitFlags::FUSE_ASYNC_DIO | InitFlags::FUSE_CACHE_SYMLINKS;
        // What an older kernel lacks is only slower.
        config.add_capabilities(wanted & config.capabilities()).ok();
        let within = |refused| io::Error::other(format!("writes of {WRITE_BYTES_MAX} bytes, at most {refused}"));
        config.set_max_write(WRITE_BYTES_MAX).map(drop).map_err(within)
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        reply_entry(reply, self.volume.look_up(parent.0, name).map_err(Errno::from));
    }

    fn forget(&self, _: &Request, ino: INodeNo, count: u64) {
        self.volume.forget(ino.0, count);
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply_attributes(reply, self.volume.attributes(ino.0).map_err(Errno::from));
    }

    fn setattr(
        &self,
        request: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let [accessed, modified] = [atime, mtime].map(time_spec);
        let to = Attributes { mode, owner: [uid, gid], accessed, modified };
        let work = move |volume: &Volume| {
            size.map_or(Ok(()), |size| volume.truncate(ino.0, size))?;
            volume.set_attributes(ino.0, &to)?;
            volume.attributes(ino.0)
        };
        self.names(request, work, |found| reply_attributes(reply, found));
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        use std::os::unix::ffi::OsStrExt;
        match self.volume.read_link(ino.0) {
            Ok(target) => reply.data(target.as_os_str().as_bytes()),
            Err(error) => reply.error(error.into()),
        }
    }

    fn mknod(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, _: u32, _: u32, reply: ReplyEntry) {
        match SFlag::from_bits_truncate(mode & libc::S_IFMT) {
            kind @ (SFlag::S_IFIFO | SFlag::S_IFSOCK | SFlag::S_IFREG) => {
                self.make(request, parent, name, Make::Special { kind, mode }, reply);
            }
            _ => reply.error(Errno::EPERM),
        }
    }

    fn mkdir(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, _: u32, reply: ReplyEntry) {
        self.make(request, parent, name, Make::Directory { mode }, reply);
    }

    fn symlink(&self, request: &Request, parent: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        self.make(request, parent, name, Make::Symlink(target.to_owned()), reply);
    }

    fn link(&self, request: &Request, ino: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        self.make(request, parent, name, Make::Link(ino.0), reply);
    }

    fn unlink(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = name.to_owned();
        self.names(request, move |volume| volume.remove_file(parent.0, &name), |done| reply_empty(reply, done));
    }

    fn rmdir(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = name.to_owned();
        self.names(request, move |volume| volume.remove_directory(parent.0, &name), |done| reply_empty(reply, done));
    }

    fn rename(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let (name, new_name) = (name.to_owned(), new_name.to_owned());
        let work = move |volume: &Volume| {
            let [from, to] = [(parent.0, name.as_os_str()), (new_parent.0, new_name.as_os_str())];
            match flags {
                RenameFlags::RENAME_EXCHANGE => volume.exchange(from, to),
                RenameFlags::RENAME_NOREPLACE => volume.rename(from, to, false),
                flags if flags.is_empty() => volume.rename(from, to, true),
                _ => Err(nix::errno::Errno::EINVAL.into()),
            }
        };
        self.names(request, work, |done| reply_empty(reply, done));
    }

    fn open(&self, request: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let write = flags.acc_mode() != OpenAccMode::O_RDONLY;
        let answer = |opened: Result<(), Errno>| match opened {
            Ok(()) => reply.opened(FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE),
            Err(error) => reply.error(error),
        };
        self.names(request, move |volume| volume.open_file(ino.0, write), answer);
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let name = name.to_owned();
        let exclusive = flags & libc::O_EXCL != 0;
        let answer = |created: Result<Found, Errno>| match created {
            Ok(found) => {
                let keep = FopenFlags::FOPEN_KEEP_CACHE;
                reply.created(&VALID, &attributes(&found), Generation(0), FileHandle(0), keep);
            }
            Err(error) => reply.error(error),
        };
        self.names(request, move |volume| volume.create(parent.0, &name, mode, exclusive), answer);
    }

    fn read(
        &self,
        request: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let answer = |read: Result<Vec<u8>, Errno>| match read {
            Ok(data) => reply.data(&data),
            Err(error) => reply.error(error),
        };
        self.serve(Call::Read, request, move |volume| volume.read(ino.0, offset, size as usize), answer);
    }

    fn write(
        &self,
        request: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        write_flags: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let from_cache = write_flags.contains(WriteFlags::FUSE_WRITE_CACHE);
        let writer = if from_cache { Writer::PageCache } else { Writer::Program };
        match self.volume.wait(Call::Write) {
            None => reply_written(reply, self.volume.write(ino.0, offset, data, writer).map_err(Errno::from)),
            Some(wait) => {
                let data = data.to_vec();
                let work = move |volume: &Volume| volume.write(ino.0, offset, &data, writer);
                self.serve_later(wait, request, work, |written| reply_written(reply, written));
            }
        }
    }

    /// Closing a file means nothing to a disk. The kernel is told so, and stops asking.
    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.error(Errno::ENOSYS);
    }

    fn release(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.volume.release(ino.0);
        reply.ok();
    }

    fn fsync(&self, request: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.serve(Call::Sync, request, move |volume| volume.sync_file(ino.0), |done| reply_empty(reply, done));
    }

    fn fsyncdir(&self, request: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.serve(Call::Sync, request, move |volume| volume.sync_directory(ino.0), |done| reply_empty(reply, done));
    }

    fn fallocate(
        &self,
        request: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let range = offset..offset.saturating_add(length);
        self.serve(
            Call::Write,
            request,
            move |volume| volume.allocate(ino.0, range, mode),
            |done| reply_empty(reply, done),
        );
    }

    fn lseek(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: i64, whence: i32, reply: ReplyLseek) {
        let whence = match whence {
            libc::SEEK_DATA => Whence::SeekData,
            libc::SEEK_HOLE => Whence::SeekHole,
            _ => return reply.error(Errno::EINVAL),
        };
        match self.volume.seek(ino.0, offset, whence) {
            Ok(offset) => reply.offset(offset),
            Err(error) => reply.error(error.into()),
        }
    }

    fn opendir(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let handle = self.handles.fetch_add(1, Ordering::Relaxed);
        reply.opened(FileHandle(handle), FopenFlags::empty());
    }

    fn readdir(&self, _: &Request, ino: INodeNo, handle: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        if offset == 0 {
            // The first time, or after rewinddir(3).
            match self.volume.list(ino.0) {
                Ok(listing) => drop(self.listings.lock().insert(handle.0, Arc::new(listing))),
                Err(error) => return reply.error(error.into()),
            }
        }
        let Some(listing) = self.listings.lock().get(&handle.0).cloned() else { return reply.error(Errno::EBADF) };
        for (listed, next) in listing.iter().zip(1..).skip(offset as usize) {
            let Some(kind) = FileType::from_std(listed.kind) else { continue };
            if reply.add(INodeNo(listed.id), next, kind, &listed.name) {
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(&self, _: &Request, _: INodeNo, handle: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        self.listings.lock().remove(&handle.0);
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let statistics = match statvfs(self.volume.root()) {
            Ok(statistics) => statistics,
            Err(error) => return reply.error(Errno::from_i32(error as i32)),
        };
        let unit = statistics.fragment_size();
        let free = match self.volume.faults.space_left() {
            Some(bytes) => statistics.blocks_available().min(bytes / unit),
            None => statistics.blocks_available(),
        };
        reply.statfs(
            statistics.blocks(),
            free,
            free,
            statistics.files(),
            statistics.files_free(),
            statistics.block_size() as u32,
            statistics.name_max() as u32,
            unit as u32,
        );
    }

    fn setxattr(&self, _: &Request, _: INodeNo, _: &OsStr, _: &[u8], _: i32, _: u32, reply: ReplyEmpty) {
        reply.error(Errno::ENOSYS);
    }

    fn getxattr(&self, _: &Request, _: INodeNo, _: &OsStr, _: u32, reply: ReplyXattr) {
        reply.error(Errno::ENOSYS);
    }

    fn listxattr(&self, _: &Request, _: INodeNo, _: u32, reply: ReplyXattr) {
        reply.error(Errno::ENOSYS);
    }

    fn removexattr(&self, _: &Request, _: INodeNo, _: &OsStr, reply: ReplyEmpty) {
        reply.error(Errno::ENOSYS);
    }

    /// The kernel checks permissions by itself (`default_permissions`).
    fn access(&self, _: &Request, _: INodeNo, _: AccessFlags, reply: ReplyEmpty) {
        reply.ok();
    }
}

fn attributes(found: &Found) -> FileAttr {
    use std::os::unix::fs::MetadataExt;
    let metadata = &found.metadata;
    FileAttr {
        ino: INodeNo(found.id),
        size: metadata.size(),
        blocks: metadata.blocks(),
        atime: time(metadata.atime(), metadata.atime_nsec()),
        mtime: time(metadata.mtime(), metadata.mtime_nsec()),
        ctime: time(metadata.ctime(), metadata.ctime_nsec()),
        crtime: UNIX_EPOCH,
        kind: FileType::from_std(metadata.file_type()).unwrap_or(FileType::RegularFile),
        perm: (metadata.mode() & 0o7777) as u16,
        nlink: found.links as u32,
        uid: metadata.uid(),
        gid: metadata.gid(),
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

/// A time as the kernel gives it, which may be before 1970.
fn time(seconds: i64, nanoseconds: i64) -> SystemTime {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let start = if seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
    start.unwrap_or(UNIX_EPOCH) + Duration::from_nanos(nanoseconds.unsigned_abs())
}

fn time_spec(time: Option<TimeOrNow>) -> TimeSpec {
    match time {
        None => TimeSpec::UTIME_OMIT,
        Some(TimeOrNow::Now) => TimeSpec::UTIME_NOW,
        Some(TimeOrNow::SpecificTime(time)) => match time.duration_since(UNIX_EPOCH) {
            Ok(since) => TimeSpec::from_duration(since),
            Err(before) => {
                let before = before.duration();
                let up = i64::from(before.subsec_nanos() > 0);
                TimeSpec::new(-(before.as_secs() as i64) - up, up * 1_000_000_000 - i64::from(before.subsec_nanos()))
            }
        },
    }
}
