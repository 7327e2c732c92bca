//! Blocking work, off the tasks' thread.

/// Does blocking work on a thread of tokio's pool. It is short: every wait in it has a limit.
pub(crate) async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => unreachable!("blocking work is never cancelled once it has begun: {error}"),
        },
    }
}
