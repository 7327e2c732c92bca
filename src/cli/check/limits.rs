//! What a check may spend: memory for the history and for what is checked together, and time, reading included.

use std::time::{Duration, Instant};

use checker::formats::Cut;
use checker::history::History;
use checker::limits::Limits;
use nix::time::{ClockId, clock_gettime};
use serde::Serialize;

use crate::cli::arguments::CheckArgs;

/// How many violations of a model are explained.
const ANOMALIES_MAX: usize = 20;
/// What the program itself takes, with the blocks of text that are under way.
const PROGRAM_BYTES: u64 = 40 << 20;
/// What the checks of a workload hold of an operation beside its record: what it sees and has written, and the proofs.
/// Measured of runs of all workloads: 1,300 bytes with the record.
const FACTS_BYTES: u64 = 1_200;
/// Without `--memory`: so much of what the machine has to spare.
const DEFAULT_PERCENT: u64 = 75;
/// Where the free memory is unknown.
const DEFAULT_BYTES: u64 = 1 << 30;

/// Limits of one call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    /// Memory for all, in bytes.
    pub memory_bytes: u64,
    began: Instant,
    deadline: Option<Instant>,
    timeout: Option<Duration>,
    threads: usize,
}

/// What a check did spend.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Spent {
    /// Since it began, reading included.
    pub wall_ms: u64,
    /// Of all threads, in user code and in the kernel; zero if that is unknown.
    pub processor_ms: u64,
    /// How many threads it may use.
    pub threads: usize,
    /// Resident at most, of the whole process (VmHWM); zero if that is unknown.
    pub memory_peak_bytes: u64,
}

impl Budget {
    /// What was asked for; the time begins now.
    pub fn begin(args: &CheckArgs) -> Self {
        let (timeout, began) = (args.timeout.map(|span| span.0), Instant::now());
        Self {
            began,
            memory_bytes: args.memory.map_or_else(default_bytes, |size| size.0),
            // A time that no clock reaches is no limit.
            deadline: timeout.and_then(|timeout| began.checked_add(timeout)),
            timeout,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }

    /// The limit that cut something short, for people.
    pub fn named(&self, cut: Cut) -> String {
        match cut {
            Cut::Memory => format!("the memory limit of {}", bytes(self.memory_bytes)),
            Cut::Time => format!("the time limit of {:?}", self.timeout.unwrap_or_default()),
        }
    }

    /// Whether the time for reading is over: what was read is to be checked, too.
    pub fn out_of_time_to_read(&self) -> bool {
        self.timeout.is_some_and(|timeout| self.began.elapsed() >= timeout / 5 * 4)
    }

    /// Whether the time is over.
    pub fn out_of_time(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// What was spent so far.
    pub fn spent(&self) -> Spent {
        let processor = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map(Duration::from).unwrap_or_default();
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        Spent {
            wall_ms: self.began.elapsed().as_millis() as u64,
            processor_ms: processor.as_millis() as u64,
            threads: self.threads,
            memory_peak_bytes: kib_of(&status, "VmHWM:").unwrap_or(0),
        }
    }

    /// For reading: most of the memory, since a check takes less for an operation than its record does.
    pub fn of_reading<'a>(&self, out_of_time: &'a (dyn Fn() -> bool + Sync)) -> Limits<'a> {
        self.limits(self.for_history() / 8 * 5, out_of_time)
    }

    /// How many operations of a history can be judged workload by workload, if that is not all of them: what is known of
    /// each has to fit beside the records.
    pub fn workload_operations_max(&self, history: &History) -> Option<usize> {
        let room = self.for_history().saturating_sub(history.memory_bytes());
        let operations = usize::try_from(room / FACTS_BYTES).unwrap_or(usize::MAX);
        (operations < history.ops.len()).then_some(operations)
    }

    /// For a check beside records of so many bytes.
    pub fn beside<'a>(&self, records_bytes: u64, out_of_time: &'a (dyn Fn() -> bool + Sync)) -> Limits<'a> {
        self.limits(self.for_history().saturating_sub(records_bytes), out_of_time)
    }

    fn for_history(&self) -> u64 {
        self.memory_bytes - PROGRAM_BYTES.min(self.memory_bytes / 8)
    }

    fn limits<'a>(&self, memory_bytes: u64, out_of_time: &'a (dyn Fn() -> bool + Sync)) -> Limits<'a> {
        Limits { memory_bytes, anomalies_max: ANOMALIES_MAX, out_of_time, threads: self.threads }
    }
}

/// A share of what is free, of the machine or of the control group, whichever is less.
fn default_bytes() -> u64 {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let machine = read("/proc/meminfo").and_then(|text| kib_of(&text, "MemAvailable:"));
    let group = |file: &str| read(&format!("/sys/fs/cgroup/{file}")).and_then(|text| text.trim().parse::<u64>().ok());
    let in_group = group("memory.max").map(|most| most.saturating_sub(group("memory.current").unwrap_or(0)));
    let free = machine.into_iter().chain(in_group).min();
    free.map_or(DEFAULT_BYTES, |free| (free / 100 * DEFAULT_PERCENT).max(DEFAULT_BYTES / 16))
}

/// What a line of `/proc` with this name says in KiB, in bytes.
fn kib_of(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}

/// A size as the command line takes it.
pub(super) fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_048_576 => format!("{} KiB", bytes >> 10),
        1_048_576..1_073_741_824 => format!("{} MiB", bytes >> 20),
        _ => format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_free_is_read() {
        let meminfo = "MemTotal:       24689152 kB\nMemFree:         8096968 kB\nMemAvailable:   23172032 kB\n";
        assert_eq!(kib_of(meminfo, "MemAvailable:"), Some(23_172_032 << 10));
        assert_eq!(kib_of("MemTotal: 5 kB\n", "MemAvailable:"), None);
    }

    #[test]
    fn reading_and_checking_share_the_memory() {
        let began = Instant::now();
        let budget = Budget { began, memory_bytes: 1 << 30, deadline: None, timeout: None, threads: 2 };
        let reading = budget.of_reading(&|| false).memory_bytes;
        let checking = budget.beside(reading, &|| false).memory_bytes;
        assert!(reading + checking + PROGRAM_BYTES <= 1 << 30 && checking > reading / 2, "{reading} {checking}");
        let little = Budget { memory_bytes: 1 << 20, ..budget };
        assert!(little.beside(1 << 19, &|| false).memory_bytes > 0);
    }
}
