//! Many seeds on several threads. Every seed is a run of its own, so threads share only the number of the next seed.

use std::ops::{ControlFlow, Range};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::exit::Problem;

/// The result of each seed, in the order of the seeds. After a `Break` or an error no new seed is begun.
///
/// # Errors
/// The first error of a seed.
pub(super) fn each<T: Send>(
    seeds: &Range<u64>,
    jobs: usize,
    run: impl Fn(u64) -> Result<ControlFlow<T, T>, Problem> + Sync,
) -> Result<Vec<(u64, T)>, Problem> {
    let (next, stop, done) = (AtomicU64::new(seeds.start), AtomicBool::new(false), Mutex::new(Vec::new()));
    let work = || -> Result<(), Problem> {
        while !stop.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            let ran = run(seed);
            stop.fetch_or(!matches!(ran, Ok(ControlFlow::Continue(_))), Ordering::Relaxed);
            let (ControlFlow::Continue(found) | ControlFlow::Break(found)) = ran?;
            done.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push((seed, found));
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    let mut done = done.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    done.sort_unstable_by_key(|(seed, _)| *seed);
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_is_run_once_and_reported_in_order() {
        for jobs in [0, 1, 3] {
            let ran = each(&(5..25), jobs, |seed| Ok(ControlFlow::Continue(seed * 2))).expect("nothing fails");
            assert_eq!(ran, (5..25).map(|seed| (seed, seed * 2)).collect::<Vec<_>>(), "{jobs} jobs");
        }
    }

    #[test]
    fn a_break_and_an_error_begin_no_new_seed() {
        let until = |last| move |seed| Ok(if seed < last { ControlFlow::Continue(()) } else { ControlFlow::Break(()) });
        let ran = each(&(0..100), 1, until(7)).expect("nothing fails");
        assert_eq!(ran.len(), 8, "0 to 7");
        let failing = |seed| match seed {
            3 => Err(Problem::bench("seed 3")),
            seed => Ok(ControlFlow::Continue(seed)),
        };
        let failed = each(&(0..u64::MAX), 2, failing).expect_err("seed 3 fails");
        assert!(failed.to_string().contains("seed 3"), "{failed}");
    }
}
