//! A node's wall clock, set wrong without root: the node adds the setting in a small shared file to the machine's
//! clock.
//!
//! The bench makes the file in memory ([`ClockFile`]); a node that it starts inherits the descriptor and reads the
//! file, as `/proc/self/fd/N` or by the number, whenever it wants to know the time.
//!
//! The file is 40 bytes, all numbers little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | the magic `DSNSCLK1` |
//! | 8..16 | `i64` offset, ns |
//! | 16..24 | `i64` drift, parts per million |
//! | 24..32 | `i64` CLOCK_MONOTONIC at which the setting was made, ns |
//! | 32..40 | `u64` checksum: the wrapping sum of the three numbers, XOR `0x9E3779B97F4A7C15` |
//!
//! `wall = machine's wall + offset + drift * (CLOCK_MONOTONIC now - that in the file) / 1,000,000`. A reader that
//! finds a wrong checksum has read while the file was written, and reads again. The setting is absolute: a drift that
//! ends leaves nothing behind.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::FileExt;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::time::{ClockId, clock_gettime};

use crate::surface::ClockSetting;

/// The first eight bytes of a clock file.
pub const MAGIC: [u8; 8] = *b"DSNSCLK1";

/// Its length.
pub const LENGTH: usize = 40;

const CHECKSUM_MASK: u64 = 0x9E37_79B9_7F4A_7C15;

/// How often a torn file is read again. A write lasts for microseconds; a file torn for so long is damaged.
const READ_ATTEMPTS: usize = 1000;

/// What a clock file says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawSetting {
    /// Jump, ns.
    pub offset_ns: i64,
    /// Rate error, parts per million.
    pub drift_ppm: i64,
    /// CLOCK_MONOTONIC when the setting was made, ns.
    pub since_monotonic_ns: i64,
}

impl RawSetting {
    /// How far the wall clock is ahead of the machine's, ns, when CLOCK_MONOTONIC shows `monotonic_ns`.
    pub fn ahead_ns(&self, monotonic_ns: i64) -> i64 {
        let elapsed_ns = i128::from(monotonic_ns) - i128::from(self.since_monotonic_ns);
        let ahead_ns = i128::from(self.offset_ns) + elapsed_ns * i128::from(self.drift_ppm) / 1_000_000;
        ahead_ns.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }

    /// The file's bytes.
    pub fn encode(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..16].copy_from_slice(&self.offset_ns.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.drift_ppm.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.since_monotonic_ns.to_le_bytes());
        bytes[32..].copy_from_slice(&self.checksum().to_le_bytes());
        bytes
    }

    /// The setting in these bytes; none if they are torn or no clock file's.
    pub fn decode(bytes: &[u8; LENGTH]) -> Option<Self> {
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            word
        };
        let number = |at: usize| i64::from_le_bytes(word(at));
        let setting = Self { offset_ns: number(8), drift_ppm: number(16), since_monotonic_ns: number(24) };
        (word(0) == MAGIC && u64::from_le_bytes(word(32)) == setting.checksum()).then_some(setting)
    }

    fn checksum(&self) -> u64 {
        let sum =
            (self.offset_ns as u64).wrapping_add(self.drift_ppm as u64).wrapping_add(self.since_monotonic_ns as u64);
        sum ^ CHECKSUM_MASK
    }
}

/// The bench's end of a node's wall clock.
#[derive(Debug)]
pub struct ClockFile {
    file: File,
}

impl ClockFile {
    /// A file in memory that says the machine's own time. Child processes inherit it: it is not closed on exec.
    ///
    /// # Errors
    /// When the system gives no memory file.
    pub fn create() -> io::Result<Self> {
        let descriptor = memfd_create("dissensus-clock", MFdFlags::empty())?;
        let clock = Self { file: File::from(descriptor) };
        clock.set(ClockSetting::default())?;
        Ok(clock)
    }

    /// The descriptor's number, the same in a child process.
    pub fn fd_number(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// The file itself, for [`read_setting`].
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Replaces the setting, from now on, in one write.
    ///
    /// # Errors
    /// When the clock cannot be read or the file not be written.
    pub fn set(&self, setting: ClockSetting) -> io::Result<()> {
        let raw = RawSetting {
            offset_ns: setting.offset_ms.saturating_mul(1_000_000),
            drift_ppm: setting.drift_ppm,
            since_monotonic_ns: monotonic_ns()?,
        };
        self.file.write_all_at(&raw.encode(), 0)
    }
}

/// Reads a clock file, again if it was being written.
///
/// # Errors
/// When it cannot be read, or is not a clock file.
pub fn read_setting(file: &File) -> io::Result<RawSetting> {
    for _ in 0..READ_ATTEMPTS {
        let mut bytes = [0; LENGTH];
        file.read_exact_at(&mut bytes, 0)?;
        if let Some(setting) = RawSetting::decode(&bytes) {
            return Ok(setting);
        }
        std::thread::yield_now();
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidData,
        "this is not a clock file, or it is damaged: its checksum never fits",
    ))
}

/// CLOCK_MONOTONIC, ns.
///
/// # Errors
/// When the system has no such clock.
pub fn monotonic_ns() -> io::Result<i64> {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    Ok(time.tv_sec().saturating_mul(1_000_000_000).saturating_add(time.tv_nsec()))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_setting_reads_back_and_drifts_from_when_it_was_made() {
        let clock = ClockFile::create().expect("a memory file");
        let fresh = read_setting(clock.file()).expect("a setting");
        assert_eq!((fresh.offset_ns, fresh.drift_ppm), (0, 0));

        let before_ns = monotonic_ns().expect("a clock");
        clock.set(ClockSetting { offset_ms: -1500, drift_ppm: 500_000 }).expect("written");
        let read = read_setting(clock.file()).expect("a setting");
        assert!((before_ns..=monotonic_ns().expect("a clock")).contains(&read.since_monotonic_ns));
        assert_eq!(read.ahead_ns(read.since_monotonic_ns), -1_500_000_000);
        assert_eq!(read.ahead_ns(read.since_monotonic_ns + 2_000_000_000), -500_000_000);

        clock.set(ClockSetting::default()).expect("written");
        let right = read_setting(clock.file()).expect("a setting");
        assert_eq!(right.ahead_ns(monotonic_ns().expect("a clock")), 0, "no drift is left behind");
    }

    #[test]
    fn the_layout_is_the_agreed_one() {
        let bytes = RawSetting { offset_ns: 1, drift_ppm: -2, since_monotonic_ns: 3 }.encode();
        let mut wanted = b"DSNSCLK1".to_vec();
        wanted.extend([1, 0, 0, 0, 0, 0, 0, 0]);
        wanted.extend([0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
        wanted.extend([3, 0, 0, 0, 0, 0, 0, 0]);
        wanted.extend((2u64 ^ 0x9E37_79B9_7F4A_7C15).to_le_bytes());
        assert_eq!(bytes.to_vec(), wanted);
    }

    #[test]
    fn a_torn_file_is_read_again_until_it_is_whole() {
        let clock = ClockFile::create().expect("a memory file");
        let whole = RawSetting { offset_ns: 5, drift_ppm: 6, since_monotonic_ns: 7 }.encode();
        clock.file().write_all_at(&whole[..20], 0).expect("half a write");
        assert_eq!(read_setting(clock.file()).expect_err("torn").kind(), io::ErrorKind::InvalidData);
        clock.file().write_all_at(&whole, 0).expect("the other half");
        assert_eq!(read_setting(clock.file()).expect("whole").drift_ppm, 6);
        clock.file().set_len(10).expect("cut short");
        assert!(read_setting(clock.file()).is_err());
    }

    #[test]
    fn a_reader_never_sees_a_mixture() {
        let clock = ClockFile::create().expect("a memory file");
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 0..20_000 {
                    clock.set(ClockSetting { offset_ms: round, drift_ppm: round }).expect("written");
                }
                done.store(true, Ordering::Release);
            });
            while !done.load(Ordering::Acquire) {
                let setting = read_setting(clock.file()).expect("whole");
                assert_eq!(setting.offset_ns, setting.drift_ppm * 1_000_000);
            }
        });
    }

    #[test]
    fn a_child_process_inherits_the_file() {
        let clock = ClockFile::create().expect("a memory file");
        let path = format!("/proc/self/fd/{}", clock.fd_number());
        let output = std::process::Command::new("head").args(["-c", "8", &path]).output().expect("head runs");
        assert_eq!(output.stdout, MAGIC);
    }

    proptest! {
        #[test]
        fn any_setting_survives_and_any_flipped_bit_is_noticed(
            offset_ns: i64, drift_ppm: i64, since_monotonic_ns: i64, bit in 0usize..LENGTH * 8,
        ) {
            let setting = RawSetting { offset_ns, drift_ppm, since_monotonic_ns };
            let mut bytes = setting.encode();
            prop_assert_eq!(RawSetting::decode(&bytes), Some(setting));
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(RawSetting::decode(&bytes), None);
        }
    }
}
