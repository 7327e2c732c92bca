//! A disk from mount to unmount, with the power failures in between.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fuser::{Config, INodeNo, Notifier, Session, SessionACL};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{getgid, getuid};
use parking_lot::Mutex;

use crate::error::{DiskError, on_path};
use crate::queue::Queue;
use crate::rules::Rules;
use crate::session::Served;
use crate::statistics::DiskStatistics;
use crate::volume::{CrashReport, Flip, FlipBits, Loss, Volume, VolumeOptions};

/// Memory for the undo log of a disk unless its options say otherwise: 256 MiB.
pub const UNDO_BYTES_MAX: u64 = 256 << 20;

/// How often it is looked whether a disk is free of processes.
const LOOK_EVERY: Duration = Duration::from_micros(500);

/// How a disk is made.
#[derive(Clone, Debug)]
pub struct DiskOptions {
    /// Memory for what was overwritten since the last sync, in bytes. Where it is exceeded, the files with the most of
    /// it count as synced, as when a kernel short of memory writes dirty pages out: a power failure loses less, and
    /// `written_back_files` says so.
    pub undo_bytes_max: u64,
    /// Threads that answer the kernel.
    pub threads: usize,
    /// Whether a sync is also one of the backing file system. Only a power failure of this very machine needs it.
    pub real_syncs: bool,
    /// How long the processes of a disk may take to be gone before it crashes, in milliseconds.
    pub unmount_ms_max: u64,
    /// Of the chance by which faults strike.
    pub seed: u64,
}

impl Default for DiskOptions {
    fn default() -> DiskOptions {
        DiskOptions { undo_bytes_max: UNDO_BYTES_MAX, threads: 2, real_syncs: false, unmount_ms_max: 10_000, seed: 0 }
    }
}

/// A mounted disk. Dropping it unmounts it; what was written stays in the backing directory, synced or not.
pub struct Disk {
    at: PathBuf,
    threads: usize,
    unmount_ms_max: u64,
    volume: Arc<Volume>,
    queue: Arc<Queue>,
    mounted: Mutex<Option<Mounted>>,
}

/// The session with the kernel, of one mount.
struct Mounted {
    notifier: Notifier,
    serving: JoinHandle<io::Result<()>>,
}

impl Disk {
    /// Mounts a disk at `at` whose content is in `backing`. Both must exist; they may be the same directory, whose own
    /// content is then seen again when the disk is unmounted. Beside `backing`, a directory `.NAME.disk` is the disk's
    /// own while it is mounted; one that an earlier disk has left is emptied.
    ///
    /// # Errors
    /// When `/dev/fuse` cannot be opened, the kernel refuses to mount, or the directories are not as they must be.
    pub fn mount(backing: &Path, at: &Path, options: &DiskOptions) -> Result<Disk, DiskError> {
        let [backing, at] = [backing, at].map(|path| path.canonicalize().map_err(on_path("find it", path)));
        let (backing, at) = (backing?, at?);
        if at != backing && at.starts_with(&backing) {
            return Err(DiskError::Inside { at, backing });
        }
        let hidden = hidden_directory(&backing)?;
        let volume = VolumeOptions {
            backing: backing.clone(),
            hidden,
            undo_bytes_max: options.undo_bytes_max,
            real_syncs: options.real_syncs,
            seed: options.seed,
        };
        let volume = Volume::open(volume).map_err(on_path("open it as a disk", &backing))?;
        let queue = Queue::start().map_err(|source| DiskError::Session { at: at.clone(), source })?;
        let disk = Disk {
            at,
            threads: options.threads.max(1),
            unmount_ms_max: options.unmount_ms_max,
            volume: Arc::new(volume),
            queue: Arc::new(queue),
            mounted: Mutex::default(),
        };
        *disk.mounted.lock() = Some(disk.start()?);
        Ok(disk)
    }

    /// Where it is mounted.
    #[must_use]
    pub fn at(&self) -> &Path {
        &self.at
    }

    /// The faults in force.
    #[must_use]
    pub fn rules(&self) -> Rules {
        self.volume.faults.rules()
    }

    /// Puts faults in force, instead of those that are. Where they concern reads, the page cache is emptied, so that the
    /// next reads meet them; that waits for reads under way.
    ///
    /// # Errors
    /// When the rules make no sense, or the cache cannot be emptied.
    pub fn set_rules(&self, rules: Rules) -> Result<(), DiskError> {
        rules.validate()?;
        let (stalled, concerns_reads) = (rules.stalled, rules.concerns_reads());
        self.volume.faults.set(rules);
        self.queue.stall(stalled);
        match concerns_reads && !stalled {
            true => self.drop_caches(),
            false => Ok(()),
        }
    }

    /// Changes some of the faults in force.
    ///
    /// # Errors
    /// As [`set_rules`](Self::set_rules).
    pub fn change_rules(&self, change: impl FnOnce(&mut Rules)) -> Result<(), DiskError> {
        let mut rules = self.rules();
        change(&mut rules);
        self.set_rules(rules)
    }

    /// What the disk did, and what is not synced now.
    #[must_use]
    pub fn statistics(&self) -> DiskStatistics {
        self.volume.statistics()
    }

    /// The power fails, and comes back: what was not synced is lost, and the disk is mounted anew. Its processes must
    /// have been killed; calls that they still wait for are answered with EIO, so that they can die, and the kernel writes
    /// the dirty pages of their mappings, which count as not synced. Rules stay in force. For several nodes that lose
    /// power together, kill all of them before the first of their disks crashes.
    ///
    /// # Errors
    /// [`DiskError::Busy`] where processes still use it after `unmount_ms_max`: nothing was lost then. Others leave the disk
    /// unmounted.
    pub fn crash(&self, loss: Loss) -> Result<CrashReport, DiskError> {
        self.unmounted(|volume| volume.roll_back(loss))
    }

    /// Removes all that is on the disk, whose processes must have ended.
    ///
    /// # Errors
    /// As [`crash`](Self::crash).
    pub fn wipe(&self) -> Result<(), DiskError> {
        self.unmounted(Volume::wipe)
    }

    /// Flips bits in files. They are durable, as if the medium had rotted. Returns which, by file and offset; they are
    /// fewer than asked for where there is less to flip.
    ///
    /// # Errors
    /// When files cannot be read or written.
    pub fn flip_bits(&self, what: &FlipBits) -> Result<Vec<Flip>, DiskError> {
        let (flips, nodes) = self.volume.flip_bits(what).map_err(on_path("flip bits in its files", &self.at))?;
        self.drop_cached(&nodes)?;
        Ok(flips)
    }

    /// Empties the page cache, so that programs read what is on the disk. Waits for reads under way.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn drop_caches(&self) -> Result<(), DiskError> {
        let nodes: Vec<u64> = self.volume.nodes().iter().map(|node| node.id).collect();
        self.drop_cached(&nodes)
    }

    fn drop_cached(&self, nodes: &[u64]) -> Result<(), DiskError> {
        let notifier = self.mounted.lock().as_ref().map(|mounted| mounted.notifier.clone());
        let notifier = notifier.ok_or_else(|| DiskError::NotMounted { at: self.at.clone() })?;
        let mut drop_all = nodes.iter().map(|id| notifier.inval_inode(INodeNo(*id), 0, 0));
        drop_all.try_for_each(|dropped| dropped).map_err(|source| self.session_failed(source))
    }

    /// Does something with the content while the kernel knows nothing of it.
    fn unmounted<T>(&self, work: impl FnOnce(&Volume) -> io::Result<T>) -> Result<T, DiskError> {
        let mut mounted = self.mounted.lock();
        let session = mounted.take().ok_or_else(|| DiskError::NotMounted { at: self.at.clone() })?;
        self.cut_power(true);
        if let Err(error) = self.unmount() {
            self.cut_power(false);
            *mounted = Some(session);
            return Err(error);
        }
        self.wait_for_end(session)?;
        let done = work(&self.volume).map_err(on_path("restore its content", &self.at))?;
        self.cut_power(false);
        *mounted = Some(self.start()?);
        Ok(done)
    }

    fn cut_power(&self, off: bool) {
        self.volume.cut_power(off);
        self.queue.cut_power(off);
    }

    fn start(&self) -> Result<Mounted, DiskError> {
        let device = OpenOptions::new().read(true).write(true).open("/dev/fuse").map_err(DiskError::NoFuse)?;
        let refused = |error: Errno| DiskError::NoMount { at: self.at.clone(), source: error.into() };
        mount_device(&device.as_raw_fd(), &self.at).map_err(refused)?;
        let served = Served::new(Arc::clone(&self.volume), Arc::clone(&self.queue));
        self.serve(served, device.into()).map_err(|source| {
            // Whatever comes of it: the failure to serve is what counts.
            umount2(&self.at, MntFlags::MNT_DETACH).ok();
            self.session_failed(source)
        })
    }

    fn serve(&self, served: Served, device: OwnedFd) -> io::Result<Mounted> {
        let mut config = Config::default();
        config.n_threads = Some(self.threads);
        // The kernel lets only this user in.
        let session = Session::from_fd(served, device, SessionACL::All, config)?;
        let notifier = session.notifier();
        let thread = thread::Builder::new().name("disk".to_owned());
        Ok(Mounted { notifier, serving: thread.spawn(move || session.run())? })
    }

    fn unmount(&self) -> Result<(), DiskError> {
        let started = Instant::now();
        loop {
            match umount2(&self.at, MntFlags::empty()) {
                Ok(()) => return Ok(()),
                Err(Errno::EBUSY) if !self.is_late(started) => thread::sleep(LOOK_EVERY),
                Err(Errno::EBUSY) => {
                    return Err(DiskError::Busy { at: self.at.clone(), waited_ms: self.unmount_ms_max });
                }
                Err(error) => return Err(on_path("unmount it", &self.at)(error.into())),
            }
        }
    }

    /// Waits until the kernel has let go of the file system, having written what it had to.
    fn wait_for_end(&self, session: Mounted) -> Result<(), DiskError> {
        let started = Instant::now();
        while !session.serving.is_finished() {
            if self.is_late(started) {
                return Err(DiskError::MountedElsewhere { at: self.at.clone(), waited_ms: self.unmount_ms_max });
            }
            thread::sleep(LOOK_EVERY);
        }
        let ended = session.serving.join().unwrap_or_else(|_| Err(io::Error::other("a thread has panicked")));
        match ended {
            // The kernel's last word to a thread that was about to hear of a closed file.
            Err(error) if error.raw_os_error() == Some(Errno::ECONNABORTED as i32) => Ok(()),
            ended => ended.map_err(|source| self.session_failed(source)),
        }
    }

    fn is_late(&self, started: Instant) -> bool {
        started.elapsed() >= Duration::from_millis(self.unmount_ms_max)
    }

    fn session_failed(&self, source: io::Error) -> DiskError {
        DiskError::Session { at: self.at.clone(), source }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let Some(session) = self.mounted.get_mut().take() else { return };
        self.queue.cut_power(true);
        match umount2(&self.at, MntFlags::empty()) {
            Ok(()) if self.wait_for_end(session).is_ok() => {
                // What is left of it, the next disk cleans.
                self.volume.clean().ok();
            }
            Ok(()) => {}
            // Processes that still use it go on doing so: it is only no longer to be found.
            Err(_) => drop(umount2(&self.at, MntFlags::MNT_DETACH)),
        }
    }
}

/// Where the disk keeps what is removed and not yet synced: beside its backing directory.
fn hidden_directory(backing: &Path) -> Result<PathBuf, DiskError> {
    match (backing.parent(), backing.file_name()) {
        (Some(parent), Some(name)) => {
            let mut hidden = std::ffi::OsString::from(".");
            hidden.push(name);
            hidden.push(".disk");
            Ok(parent.join(hidden))
        }
        _ => Err(on_path("use it as a disk", backing)(io::Error::other("it has no parent directory"))),
    }
}

fn mount_device(device: &i32, at: &Path) -> nix::Result<()> {
    let [user, group] = [getuid().as_raw(), getgid().as_raw()];
    let options = format!("fd={device},rootmode=40000,user_id={user},group_id={group},default_permissions");
    let flags = MsFlags::MS_NODEV | MsFlags::MS_NOSUID;
    mount(Some("dissensus"), at, Some("fuse.dissensus"), flags, Some(options.as_str()))
}
