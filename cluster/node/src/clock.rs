//! What time it is, twice: a monotonic clock that nobody can touch, and a wall clock that the bench may have bent.
//!
//! A clock fault is a file of 40 bytes, shared with whoever bends the clock and handed over as an open descriptor:
//!
//! ```text
//!   magic "DSNSCLK1" | offset_ns i64 | drift_ppm i64 | since_monotonic_ns i64 | checksum u64      (little-endian)
//!   believed wall = real wall + offset_ns + drift_ppm * (monotonic now - since) / 1,000,000
//! ```
//!
//! It is read each time the node asks for the time. A read that meets a half-done write does not match the checksum
//! and is done again. Only this node's own clock goes through here, so two nodes of one machine can disagree.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use cluster_core::api::Now;
use nix::time::{ClockId, clock_gettime};

const MAGIC: [u8; 8] = *b"DSNSCLK1";
const FILE_BYTES: usize = 40;
const CHECKSUM_MASK: u64 = 0x9E37_79B9_7F4A_7C15;
/// A write takes microseconds; so many torn reads in a row are no coincidence.
const READ_ATTEMPTS_MAX: u32 = 1000;

/// Why the time could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ClockError {
    /// The operating system has no such clock.
    #[error("the system clock cannot be read: {0}")]
    System(#[from] nix::Error),
    /// The clock file is not there or cannot be read.
    #[error("the clock file {path} cannot be read: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another kind of file.
    #[error("{0} is not a clock file: it does not begin with DSNSCLK1")]
    Foreign(PathBuf),
    /// The checksum never matched.
    #[error("the clock file {path} was torn {READ_ATTEMPTS_MAX} times in a row: its writer has left it half written")]
    Torn {
        /// The file.
        path: PathBuf,
    },
}

/// The clocks of a node.
#[derive(Debug)]
pub struct Clock {
    bend: Option<ClockFile>,
}

impl Clock {
    /// The clock bent by the file open as descriptor `fd`; without one, the real wall clock.
    ///
    /// # Errors
    /// When the file cannot be opened, or is no sound clock file.
    pub fn open(fd: Option<i32>) -> Result<Self, ClockError> {
        let bend = fd.map(|fd| ClockFile::open(Path::new(&format!("/proc/self/fd/{fd}")))).transpose()?;
        let clock = Self { bend };
        clock.now()?;
        Ok(clock)
    }

    /// The time now.
    ///
    /// # Errors
    /// When the clock file cannot be read.
    pub fn now(&self) -> Result<Now, ClockError> {
        let monotonic_ns = monotonic_ns()?;
        let real_ns = wall_ns()?;
        let wall_ns = match &self.bend {
            Some(file) => file.read()?.apply(real_ns, monotonic_ns),
            None => real_ns,
        };
        Ok(Now { monotonic_ns, wall_ns })
    }
}

fn monotonic_ns() -> Result<u64, ClockError> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    let ns = i128::from(now.tv_sec()) * 1_000_000_000 + i128::from(now.tv_nsec());
    Ok(u64::try_from(ns).unwrap_or(0))
}

fn wall_ns() -> Result<i64, ClockError> {
    let now = clock_gettime(ClockId::CLOCK_REALTIME)?;
    Ok(saturate(i128::from(now.tv_sec()) * 1_000_000_000 + i128::from(now.tv_nsec())))
}

/// How the wall clock is bent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bend {
    offset_ns: i64,
    drift_ppm: i64,
    since_monotonic_ns: i64,
}

impl Bend {
    fn apply(self, real_ns: i64, monotonic_ns: u64) -> i64 {
        let elapsed_ns = i128::from(monotonic_ns) - i128::from(self.since_monotonic_ns);
        let drifted_ns = i128::from(self.drift_ppm).saturating_mul(elapsed_ns) / 1_000_000;
        saturate(i128::from(real_ns) + i128::from(self.offset_ns) + drifted_ns)
    }

    /// None when the checksum does not match.
    fn decode(words: [[u8; 8]; 4]) -> Option<Self> {
        let [offset, drift, since, checksum] = words.map(u64::from_le_bytes);
        let expected = offset.wrapping_add(drift).wrapping_add(since) ^ CHECKSUM_MASK;
        (checksum == expected).then_some(Self {
            offset_ns: offset.cast_signed(),
            drift_ppm: drift.cast_signed(),
            since_monotonic_ns: since.cast_signed(),
        })
    }
}

fn saturate(ns: i128) -> i64 {
    i64::try_from(ns).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX })
}

#[derive(Debug)]
struct ClockFile {
    path: PathBuf,
    file: File,
}

impl ClockFile {
    fn open(path: &Path) -> Result<Self, ClockError> {
        let file = File::open(path).map_err(|source| ClockError::Io { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), file })
    }

    fn read(&self) -> Result<Bend, ClockError> {
        for _ in 0..READ_ATTEMPTS_MAX {
            if let Some(bend) = self.read_once()? {
                return Ok(bend);
            }
            std::thread::yield_now();
        }
        Err(ClockError::Torn { path: self.path.clone() })
    }

    fn read_once(&self) -> Result<Option<Bend>, ClockError> {
        let mut bytes = [0; FILE_BYTES];
        self.file.read_exact_at(&mut bytes, 0).map_err(|source| ClockError::Io { path: self.path.clone(), source })?;
        let (words, _) = bytes.as_chunks::<8>();
        let &[magic, offset, drift, since, checksum] = words else {
            return Err(ClockError::Foreign(self.path.clone()));
        };
        if magic != MAGIC {
            return Err(ClockError::Foreign(self.path.clone()));
        }
        Ok(Bend::decode([offset, drift, since, checksum]))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsRawFd;

    use proptest::prelude::*;

    use super::*;

    fn file_bytes(bend: Bend) -> [u8; FILE_BYTES] {
        let values = [bend.offset_ns, bend.drift_ppm, bend.since_monotonic_ns];
        let sum = values.iter().fold(0u64, |sum, value| sum.wrapping_add(value.cast_unsigned()));
        let mut bytes = [0; FILE_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        for (place, value) in bytes[8..32].chunks_mut(8).zip(values) {
            place.copy_from_slice(&value.to_le_bytes());
        }
        bytes[32..].copy_from_slice(&(sum ^ 0x9E37_79B9_7F4A_7C15).to_le_bytes());
        bytes
    }

    fn clock_file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(bytes).expect("forty bytes");
        file
    }

    #[test]
    fn without_a_file_the_wall_clock_is_the_real_one() {
        let now = Clock::open(None).expect("a clock").now().expect("the time");
        let real = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        assert!((i128::from(now.wall_ns) - real.as_nanos() as i128).abs() < 60_000_000_000);
    }

    #[test]
    fn an_inherited_descriptor_bends_the_clock_and_can_be_bent_again() {
        let hour_ns = 3_600_000_000_000;
        let mut bend = Bend { offset_ns: hour_ns, drift_ppm: 0, since_monotonic_ns: 0 };
        let file = clock_file(&file_bytes(bend));
        let clock = Clock::open(Some(file.as_file().as_raw_fd())).expect("a clock");
        let ahead = clock.now().expect("the time").wall_ns - wall_ns().expect("the time");
        assert!((ahead - hour_ns).abs() < hour_ns / 2, "{ahead}");
        bend.offset_ns = -hour_ns;
        file.as_file().write_all_at(&file_bytes(bend), 0).expect("forty bytes");
        let ahead = clock.now().expect("the time").wall_ns - wall_ns().expect("the time");
        assert!((ahead + hour_ns).abs() < hour_ns / 2, "{ahead}");
    }

    #[test]
    fn a_fast_clock_gains_its_parts_in_a_million() {
        let bend = Bend { offset_ns: 5, drift_ppm: 100, since_monotonic_ns: 1_000_000_000 };
        assert_eq!(bend.apply(10, 2_000_000_000), 10 + 5 + 100_000);
        let slow = Bend { drift_ppm: -100, ..bend };
        assert_eq!(slow.apply(10, 2_000_000_000), 10 + 5 - 100_000);
    }

    #[test]
    fn a_file_left_torn_foreign_or_short_is_an_error() {
        let mut bytes = file_bytes(Bend { offset_ns: 1, drift_ppm: 2, since_monotonic_ns: 3 });
        bytes[8] ^= 1;
        let torn = clock_file(&bytes);
        assert!(matches!(Clock::open(Some(torn.as_file().as_raw_fd())), Err(ClockError::Torn { .. })));
        let foreign = clock_file(&[0; FILE_BYTES]);
        assert!(matches!(Clock::open(Some(foreign.as_file().as_raw_fd())), Err(ClockError::Foreign(_))));
        let short = clock_file(&MAGIC);
        assert!(matches!(Clock::open(Some(short.as_file().as_raw_fd())), Err(ClockError::Io { .. })));
        assert!(matches!(Clock::open(Some(-1)), Err(ClockError::Io { .. })));
    }

    proptest! {
        #[test]
        fn every_bend_is_read_back(
            offset_ns in any::<i64>(), drift_ppm in any::<i64>(), since_monotonic_ns in any::<i64>(),
            real in any::<i64>(), mono in any::<u64>(),
        ) {
            let bend = Bend { offset_ns, drift_ppm, since_monotonic_ns };
            let file = clock_file(&file_bytes(bend));
            prop_assert_eq!(ClockFile::open(file.path())?.read()?, bend);
            bend.apply(real, mono);
        }
    }
}
