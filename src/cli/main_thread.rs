//! The runtime of commands that start nodes.

use crate::exit::Problem;

/// Runs `work` to its end on the calling thread, which must be the process's main thread: nodes are started from it and
/// live as long as it does.
///
/// # Errors
/// Those of `work`, or when the system gives no runtime.
pub fn on_main_thread<T>(work: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Problem::bench(format!("cannot start the runtime: {error}")))?;
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    result
}
