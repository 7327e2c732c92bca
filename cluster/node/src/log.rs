//! Lines on standard error: few, each with the time of day (UTC) and the node's name.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Lines of one kind written within [`WINDOW`]; the rest are counted, and the count is written.
const LINES_MAX: u32 = 20;
const WINDOW: Duration = Duration::from_secs(10);

/// Writes lines for one node.
#[derive(Clone, Debug)]
pub struct Log {
    name: Arc<str>,
    window: Arc<Mutex<Window>>,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    written: u32,
    left_out: u64,
}

impl Log {
    /// A log for the node called `name`.
    pub fn new(name: &str) -> Self {
        let window = Window { began: Instant::now(), written: 0, left_out: 0 };
        Self { name: name.into(), window: Arc::new(Mutex::new(window)) }
    }

    /// One line, always.
    pub fn line(&self, what: impl fmt::Display) {
        let day_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() % 86_400_000;
        let (hour, minute, ms) = (day_ms / 3_600_000, day_ms / 60_000 % 60, day_ms % 60_000);
        let line = format!("{hour:02}:{minute:02}:{:02}.{:03} {} {what}\n", ms / 1000, ms % 1000, self.name);
        // A log that cannot be written has no place to be reported, and must not stop the node.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }

    /// One line, unless too many came of late: what a network does must not fill a disk.
    pub fn limited(&self, what: impl fmt::Display) {
        let (write, left_out) = self.window.lock().unwrap_or_else(PoisonError::into_inner).admit(Instant::now());
        if left_out > 0 {
            self.line(format_args!("({left_out} lines about connections were left out)"));
        }
        if write {
            self.line(what);
        }
    }
}

impl Window {
    /// Whether to write a line now, and how many were left out before it.
    fn admit(&mut self, now: Instant) -> (bool, u64) {
        let mut left_out = 0;
        if now.duration_since(self.began) >= WINDOW {
            left_out = std::mem::take(&mut self.left_out);
            (self.began, self.written) = (now, 0);
        }
        let write = self.written < LINES_MAX;
        if write {
            self.written += 1;
        } else {
            self.left_out += 1;
        }
        (write, left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_and_counted() {
        let began = Instant::now();
        let mut window = Window { began, written: 0, left_out: 0 };
        let written = (0..100).filter(|_| window.admit(began).0).count();
        assert_eq!(written, LINES_MAX as usize);
        assert_eq!(window.admit(began + WINDOW), (true, 80));
        assert_eq!(window.admit(began + WINDOW), (true, 0));
    }
}
