//! The disk of any unmodified program: a FUSE file system under its data directory that forgets what was not synced,
//! fails, lies, is slow and rots, when told to.
//!
//! Everything that the program writes goes straight to a backing directory. What it overwrites is kept in memory until
//! the program syncs. So a process may be killed at any moment and loses nothing, as on a real machine; and when its power
//! fails, the backing directory is put back to what was synced:
//!
//! ```text
//!   program ── write(2), mmap, rename, fsync ──► mount point ──► backing directory
//!                                                    │                 ▲
//!                                                    ▼                 │ Disk::crash
//!                                       undo log, journal of names ────┘
//! ```
//!
//! Real syncs are skipped, as they would only guard against a power failure of this very machine: a disk that syncs
//! costs nothing of the machine's, and its speed is a rule ([`Rules::sync`]).
//!
//! **What a sync promises.** `fsync` and `fdatasync` make the content and size of that one file durable, and all names,
//! as ext4's journal does. A program that relies on more than that loses data here; one that forgets to sync a
//! directory is not found. `sync(2)` and `syncfs(2)` do not reach a FUSE file system and make nothing durable.
//!
//! **What it takes.** A process in a user and a mount namespace of its own, and `/dev/fuse`. The mount is gone with the
//! namespace, however the process ends. Where other mount namespaces are made from that one, they must receive its
//! unmounts (`MS_SLAVE` of a shared tree), or they keep the disk of a dead node alive.
//!
//! **Calls block** and belong on a thread that may (`spawn_blocking`): a crash waits until the kernel has let go.

mod disk;
mod error;
mod faults;
mod journal;
mod queue;
mod rules;
mod session;
mod statistics;
mod tree;
mod undo;
mod volume;

pub use disk::{Disk, DiskOptions, UNDO_BYTES_MAX};
pub use error::DiskError;
pub use rules::{BadRule, CallRule, Dose, FailedSync, LATENCY_US_MAX, Latency, Rules};
pub use statistics::DiskStatistics;
pub use volume::{CrashReport, Flip, FlipBits, Loss};
