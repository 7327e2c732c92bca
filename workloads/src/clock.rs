//! The arena's time: real with processes, virtual in simulation.

use std::time::Duration;

use futures::future::LocalBoxFuture;

/// The run's clock. Times are since the run began and never decrease.
pub trait Clock {
    /// Now.
    fn now(&self) -> Duration;
    /// Completes at `deadline`, or at once when it has passed.
    fn sleep_until(&self, deadline: Duration) -> LocalBoxFuture<'_, ()>;
}
