//! A node's wall clock as a file in memory: the bench writes by how much it is wrong, the node's programs read that
//! whenever they want to know the time.
//!
//! The file is one page, all numbers little-endian. Its first 40 bytes are for readers that read the file as such, the
//! rest for the stand-in vDSO, which has it mapped and cannot wait for a writer.
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | the magic `DSNSCLK1` |
//! | 8..32 | the setting: `i64` offset, ns; `i64` drift, parts per million; `i64` CLOCK_MONOTONIC when it was made, ns |
//! | 32..40 | `u64` checksum: the wrapping sum of the three numbers, XOR `0x9E3779B97F4A7C15` |
//! | 64..72 | `u64` how many settings have been made: if it is even, the first of the following two holds |
//! | 72..96 | a setting |
//! | 96..120 | a setting |
//!
//! `wall = machine's wall + offset + drift * (CLOCK_MONOTONIC now - that in the setting) / 1,000,000`. The setting is
//! absolute: a drift that ends leaves nothing behind.
//!
//! The two settings are a latch, as the kernel's `seqcount_latch`: the writer fills the one that does not hold, then
//! counts up. A reader looks at the count before and after; it reads again only if a setting was made meanwhile, and
//! never waits, even if the bench is stopped while it writes.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::time::{ClockId, clock_gettime};

/// The first eight bytes of a clock file.
pub const MAGIC: [u8; 8] = *b"DSNSCLK1";

/// The largest offset either way, ms: a hundred years.
pub const OFFSET_MS_MAX: i64 = 100 * 365 * 86_400_000;

/// The largest drift either way, parts per million: a clock that runs eleven times as fast, or nine times backwards.
pub const DRIFT_PPM_MAX: i64 = 10_000_000;

/// Bytes at the beginning that a checksum covers.
pub(crate) const CHECKED_LENGTH: usize = 40;

const CHECKSUM_MASK: u64 = 0x9E37_79B9_7F4A_7C15;
const PAGE: usize = 4096;
const COUNT_AT: u64 = 64;
const SETTINGS_AT: u64 = 72;
const SETTING_LENGTH: u64 = 24;

/// By how much a wall clock is wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// Jump, ns.
    pub offset_ns: i64,
    /// Rate error, parts per million.
    pub drift_ppm: i64,
    /// CLOCK_MONOTONIC when the setting was made, ns.
    pub since_monotonic_ns: i64,
}

impl Setting {
    /// How far the wall clock is ahead of the machine's, ns, when CLOCK_MONOTONIC shows `monotonic_ns`.
    pub fn ahead_ns(&self, monotonic_ns: i64) -> i64 {
        let elapsed_ns = i128::from(monotonic_ns) - i128::from(self.since_monotonic_ns);
        let ahead_ns = i128::from(self.offset_ns) + elapsed_ns * i128::from(self.drift_ppm) / 1_000_000;
        ahead_ns.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }

    fn numbers(&self) -> [u8; SETTING_LENGTH as usize] {
        let mut bytes = [0; SETTING_LENGTH as usize];
        bytes[..8].copy_from_slice(&self.offset_ns.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.drift_ppm.to_le_bytes());
        bytes[16..].copy_from_slice(&self.since_monotonic_ns.to_le_bytes());
        bytes
    }

    fn checksum(&self) -> u64 {
        let sum = self.offset_ns.wrapping_add(self.drift_ppm).wrapping_add(self.since_monotonic_ns);
        sum as u64 ^ CHECKSUM_MASK
    }

    /// The setting in a file's first 40 bytes; none if they are torn or no clock file's.
    pub(crate) fn from_checked(bytes: &[u8; CHECKED_LENGTH]) -> Option<Self> {
        let number = |at: usize| bytes[at..at + 8].try_into().map_or(0, i64::from_le_bytes);
        let setting = Self { offset_ns: number(8), drift_ppm: number(16), since_monotonic_ns: number(24) };
        (bytes[..8] == MAGIC && number(32) as u64 == setting.checksum()).then_some(setting)
    }

    /// The file's first 40 bytes.
    fn checked(&self) -> Vec<u8> {
        [&MAGIC[..], &self.numbers(), &self.checksum().to_le_bytes()].concat()
    }
}

/// Why a setting was not made.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// The offset is out of range.
    #[error("a wall clock cannot be off by {0} ms: at most {OFFSET_MS_MAX} ms either way")]
    Offset(i64),
    /// The drift is out of range.
    #[error("a wall clock cannot drift by {0} ppm: at most {DRIFT_PPM_MAX} ppm either way")]
    Drift(i64),
    /// The clock file could not be written.
    #[error("the clock file cannot be written: {0}")]
    Io(#[from] io::Error),
}

/// The bench's end of a wall clock: what it sets, every program under the clock shows at once.
#[derive(Debug)]
pub struct Clock {
    file: File,
    made: Mutex<Made>,
}

/// What has been written.
#[derive(Clone, Copy, Debug, Default)]
struct Made {
    settings: u64,
    last: Setting,
}

impl Clock {
    /// A clock that shows the machine's own time. Its file is closed on exec.
    ///
    /// # Errors
    /// When the system gives no memory file.
    pub fn create() -> io::Result<Self> {
        let file = File::from(memfd_create("dissensus-clock", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?);
        file.set_len(PAGE as u64)?;
        // A page that is cut off would kill its readers.
        fcntl(&file, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW))?;
        let clock = Self { file, made: Mutex::default() };
        clock.write(Setting { since_monotonic_ns: monotonic_ns()?, ..Setting::default() })?;
        Ok(clock)
    }

    /// Replaces the setting, from now on: off by `offset_ms`, and further off by `drift_ppm` µs a second.
    ///
    /// # Errors
    /// When a number is out of range or the file cannot be written.
    pub fn set(&self, offset_ms: i64, drift_ppm: i64) -> Result<(), SetError> {
        if !(-OFFSET_MS_MAX..=OFFSET_MS_MAX).contains(&offset_ms) {
            return Err(SetError::Offset(offset_ms));
        }
        if !(-DRIFT_PPM_MAX..=DRIFT_PPM_MAX).contains(&drift_ppm) {
            return Err(SetError::Drift(drift_ppm));
        }
        self.write(Setting { offset_ns: offset_ms * 1_000_000, drift_ppm, since_monotonic_ns: monotonic_ns()? })?;
        Ok(())
    }

    /// The setting that holds.
    pub fn setting(&self) -> Setting {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).last
    }

    /// The file, for programs that read it themselves (its first 40 bytes).
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The file once more, which cannot be written through the new descriptor: what a program may hold.
    pub(crate) fn read_only(&self) -> io::Result<OwnedFd> {
        File::open(format!("/proc/self/fd/{}", self.file.as_raw_fd())).map(OwnedFd::from)
    }

    fn write(&self, setting: Setting) -> io::Result<()> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let settings = made.settings + 1;
        self.file.write_all_at(&setting.numbers(), SETTINGS_AT + settings % 2 * SETTING_LENGTH)?;
        self.file.write_all_at(&settings.to_le_bytes(), COUNT_AT)?;
        self.file.write_all_at(&setting.checked(), 0)?;
        *made = Made { settings, last: setting };
        Ok(())
    }
}

/// CLOCK_MONOTONIC, ns.
///
/// # Errors
/// When the system has no such clock.
pub fn monotonic_ns() -> io::Result<i64> {
    clock_ns(ClockId::CLOCK_MONOTONIC)
}

/// A clock of the machine, ns.
pub(crate) fn clock_ns(id: ClockId) -> io::Result<i64> {
    let time = clock_gettime(id)?;
    Ok(time.tv_sec().saturating_mul(1_000_000_000).saturating_add(time.tv_nsec()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(clock: &Clock) -> Vec<u8> {
        let mut bytes = vec![0; PAGE];
        clock.file().read_exact_at(&mut bytes, 0).expect("a page");
        bytes
    }

    #[test]
    fn the_layout_is_the_agreed_one() {
        let clock = Clock::create().expect("a memory file");
        clock.set(-1500, 7).expect("in range");
        let setting = clock.setting();
        let numbers: Vec<u8> =
            [-1_500_000_000, 7, setting.since_monotonic_ns].iter().flat_map(|number| number.to_le_bytes()).collect();
        let bytes = bytes(&clock);
        assert_eq!((&bytes[..8], &bytes[8..32]), (&MAGIC[..], &numbers[..]));
        assert_eq!(bytes[32..40], setting.checksum().to_le_bytes());
        assert_eq!(
            (&bytes[64..72], &bytes[72..96]),
            (&2u64.to_le_bytes()[..], &numbers[..]),
            "the second, so the first"
        );
        clock.set(1, 0).expect("in range");
        let again = self::bytes(&clock);
        assert_eq!(
            (&again[64..72], &again[72..96]),
            (&3u64.to_le_bytes()[..], &numbers[..]),
            "what held is left alone"
        );
        assert_eq!(again[96..104], 1_000_000i64.to_le_bytes());
    }

    #[test]
    fn a_clock_drifts_from_when_it_was_set_and_forgets_a_drift_that_ended() {
        let clock = Clock::create().expect("a memory file");
        let before_ns = monotonic_ns().expect("a clock");
        clock.set(-1500, 500_000).expect("in range");
        let setting = clock.setting();
        assert!((before_ns..=monotonic_ns().expect("a clock")).contains(&setting.since_monotonic_ns));
        assert_eq!(setting.ahead_ns(setting.since_monotonic_ns), -1_500_000_000);
        assert_eq!(setting.ahead_ns(setting.since_monotonic_ns + 2_000_000_000), -500_000_000);
        clock.set(0, 0).expect("in range");
        assert_eq!(clock.setting().ahead_ns(i64::MAX), 0);
    }

    #[test]
    fn what_is_out_of_range_is_refused_and_changes_nothing() {
        let clock = Clock::create().expect("a memory file");
        clock.set(5, 6).expect("in range");
        let before = bytes(&clock);
        assert!(matches!(clock.set(OFFSET_MS_MAX + 1, 0), Err(SetError::Offset(_))));
        assert!(matches!(clock.set(0, -DRIFT_PPM_MAX - 1), Err(SetError::Drift(_))));
        assert!(matches!(clock.set(i64::MIN, i64::MIN), Err(SetError::Offset(_))));
        assert_eq!(bytes(&clock), before);
        assert!(clock.file().set_len(10).is_err(), "the page stays");
    }

    #[test]
    fn what_a_program_holds_cannot_be_written() {
        let clock = Clock::create().expect("a memory file");
        let held = File::from(clock.read_only().expect("opened again"));
        assert!(held.write_all_at(&[1], 0).is_err());
    }

    proptest! {
        #[test]
        fn ahead_is_the_definition(offset_ns in -1i64 << 60..1 << 60, drift in -DRIFT_PPM_MAX..DRIFT_PPM_MAX, after in 0i64..1 << 50) {
            let setting = Setting { offset_ns, drift_ppm: drift, since_monotonic_ns: 12 };
            let exact = i128::from(offset_ns) + i128::from(after) * i128::from(drift) / 1_000_000;
            prop_assert_eq!(i128::from(setting.ahead_ns(12 + after)), exact.clamp(i64::MIN.into(), i64::MAX.into()));
        }
    }
}
