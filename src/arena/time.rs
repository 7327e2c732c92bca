//! Real time as the workloads' clock.

use std::time::{Duration, Instant};

use futures::future::LocalBoxFuture;
use workloads::clock::Clock;

/// The time since it was started, on the machine's monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct RealClock {
    start: Instant,
}

impl RealClock {
    /// Starts now.
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for RealClock {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep_until(&self, deadline: Duration) -> LocalBoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep_until((self.start + deadline).into()))
    }
}
