//! Time as the arena has it: real under processes, virtual in simulation.

use std::time::Duration;

use futures::future::LocalBoxFuture;

/// The run's clock. Times are since the run began and never go back.
pub trait Clock {
    /// Now.
    fn now(&self) -> Duration;
    /// Completes at `deadline`, or at once when it has passed.
    fn sleep_until(&self, deadline: Duration) -> LocalBoxFuture<'_, ()>;
}
