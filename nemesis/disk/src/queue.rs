//! Calls that are answered later: slow ones at their time, those of a stalled disk when it goes on.
//!
//! A thread of its own runs them, so that a slow sync does not keep a fast read waiting for a thread. The queue holds at
//! most one call for each thread of the program and the kernel's bounded background requests.
//!
//! A process that is killed while the kernel waits for an answer cannot die before it has one (state D). So the thread
//! looks after the processes of waiting calls: those of a killed one are answered with EIO at once.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// How often the processes of waiting calls are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The bit of SIGKILL in the masks of `/proc/PID/status`.
const SIGKILL_BIT: u64 = 1 << (9 - 1);

/// How a call that waited is to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Its time has come.
    Served,
    /// With an error: nobody waits for it any more, or the power is off.
    Abandoned,
}

/// A call that waits.
pub(crate) struct Waiting {
    /// The thread that waits for the answer; 0 where it is the kernel itself.
    pub(crate) thread: u32,
    /// Does and answers it.
    pub(crate) serve: Box<dyn FnOnce(Turn) + Send>,
}

/// Calls in the order in which they are answered.
pub(crate) struct Queue {
    shared: Arc<Shared>,
    worker: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    slow: BTreeMap<(Instant, u64), Waiting>,
    stalled: VecDeque<Waiting>,
    /// Of the next slow call: calls due at the same moment keep their order.
    number: u64,
    stalling: bool,
    power_off: bool,
    closed: bool,
}

impl Queue {
    /// # Errors
    /// When no thread can be had.
    pub(crate) fn start() -> std::io::Result<Queue> {
        let shared = Arc::new(Shared::default());
        let worker = thread::Builder::new().name("disk-queue".to_owned());
        let worker = worker.spawn({
            let shared = Arc::clone(&shared);
            move || shared.work()
        })?;
        Ok(Queue { shared, worker: Some(worker) })
    }

    /// Answers a call after this time, and not before a stall has ended.
    pub(crate) fn wait(&self, time: Duration, waiting: Waiting) {
        let mut state = self.shared.state.lock();
        match () {
            () if state.power_off => {
                drop(state);
                return (waiting.serve)(Turn::Abandoned);
            }
            () if state.stalling => state.stalled.push_back(waiting),
            () => state.insert(time, waiting),
        }
        self.shared.changed.notify_one();
    }

    /// From now on nothing is answered, or what was stalled is, in the order in which it came.
    pub(crate) fn stall(&self, on: bool) {
        let mut state = self.shared.state.lock();
        state.stalling = on;
        let stalled = if on { VecDeque::new() } else { std::mem::take(&mut state.stalled) };
        drop(state);
        stalled.into_iter().for_each(|waiting| (waiting.serve)(Turn::Served));
    }

    /// While the power is off, everything is answered with an error, at once.
    pub(crate) fn cut_power(&self, off: bool) {
        let mut state = self.shared.state.lock();
        state.power_off = off;
        let waiting = if off { state.take_all() } else { Vec::new() };
        drop(state);
        waiting.into_iter().for_each(|waiting| (waiting.serve)(Turn::Abandoned));
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.shared.state.lock().closed = true;
        self.shared.changed.notify_one();
        if let Some(worker) = self.worker.take() {
            // It panics only by a defect, which it has printed.
            worker.join().ok();
        }
        self.cut_power(true);
    }
}

impl Shared {
    fn work(&self) {
        let mut looked = Instant::now();
        while let Some(due) = self.next() {
            due.into_iter().for_each(|waiting| (waiting.serve)(Turn::Served));
            if looked.elapsed() >= LOOK_EVERY {
                looked = Instant::now();
                let dying = self.state.lock().take_dying();
                dying.into_iter().for_each(|waiting| (waiting.serve)(Turn::Abandoned));
            }
        }
    }

    /// Waits until a call is due or processes have to be looked at. None at the end.
    fn next(&self) -> Option<Vec<Waiting>> {
        let mut state = self.state.lock();
        if state.closed {
            return None;
        }
        let now = Instant::now();
        match state.slow.keys().next().map(|(due, _)| due.saturating_duration_since(now)) {
            Some(Duration::ZERO) => {}
            Some(wait) => drop(self.changed.wait_for(&mut state, wait.min(LOOK_EVERY))),
            None if state.stalled.is_empty() => self.changed.wait(&mut state),
            None => drop(self.changed.wait_for(&mut state, LOOK_EVERY)),
        }
        Some(state.take_due(Instant::now()))
    }
}

impl State {
    fn insert(&mut self, time: Duration, waiting: Waiting) {
        self.number += 1;
        self.slow.insert((Instant::now() + time, self.number), waiting);
    }

    fn take_due(&mut self, now: Instant) -> Vec<Waiting> {
        let later = self.slow.split_off(&(now, u64::MAX));
        std::mem::replace(&mut self.slow, later).into_values().collect()
    }

    fn take_all(&mut self) -> Vec<Waiting> {
        let slow = std::mem::take(&mut self.slow).into_values();
        slow.chain(self.stalled.drain(..)).collect()
    }

    fn take_dying(&mut self) -> Vec<Waiting> {
        let slow = self.slow.extract_if(.., |_, waiting| is_dying(waiting.thread)).map(|(_, waiting)| waiting);
        let mut dying: Vec<Waiting> = slow.collect();
        for waiting in std::mem::take(&mut self.stalled) {
            match is_dying(waiting.thread) {
                true => dying.push(waiting),
                false => self.stalled.push_back(waiting),
            }
        }
        dying
    }
}

/// Whether a thread has been killed, and waits for nothing but the answer.
fn is_dying(thread: u32) -> bool {
    if thread == 0 {
        return false;
    }
    let Ok(status) = fs::read_to_string(format!("/proc/{thread}/status")) else { return true };
    let masks = status.lines().filter_map(|line| line.strip_prefix("SigPnd:").or(line.strip_prefix("ShdPnd:")));
    masks.filter_map(|mask| u64::from_str_radix(mask.trim(), 16).ok()).any(|mask| mask & SIGKILL_BIT != 0)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn waiting(name: &'static str, said: &mpsc::Sender<(&'static str, Turn)>) -> Waiting {
        let said = said.clone();
        let serve = Box::new(move |turn| said.send((name, turn)).expect("the test listens"));
        Waiting { thread: std::process::id(), serve }
    }

    #[test]
    fn slow_calls_are_answered_by_time_and_stalled_ones_when_it_ends() {
        let (said, heard) = mpsc::channel();
        let queue = Queue::start().expect("a thread");
        queue.wait(Duration::from_millis(60), waiting("slow", &said));
        queue.wait(Duration::from_millis(1), waiting("quick", &said));
        queue.stall(true);
        queue.wait(Duration::ZERO, waiting("stalled first", &said));
        queue.wait(Duration::ZERO, waiting("stalled next", &said));
        let mut order: Vec<_> = heard.iter().take(2).collect();
        queue.stall(false);
        order.extend(heard.iter().take(2));
        let order: Vec<_> = order.into_iter().map(|(name, turn)| (turn == Turn::Served).then_some(name)).collect();
        assert_eq!(order, ["quick", "slow", "stalled first", "stalled next"].map(Some));
    }

    #[test]
    fn without_power_everything_is_abandoned() {
        let (said, heard) = mpsc::channel();
        let queue = Queue::start().expect("a thread");
        queue.wait(Duration::from_secs(3600), waiting("slow", &said));
        queue.stall(true);
        queue.wait(Duration::ZERO, waiting("stalled", &said));
        queue.cut_power(true);
        queue.wait(Duration::ZERO, waiting("late", &said));
        assert_eq!(heard.iter().take(3).map(|(_, turn)| turn).collect::<Vec<_>>(), [Turn::Abandoned; 3]);
        queue.cut_power(false);
        queue.wait(Duration::ZERO, waiting("at the end", &said));
        drop((queue, said));
        assert_eq!(heard.iter().collect::<Vec<_>>(), [("at the end", Turn::Abandoned)]);
    }

    #[test]
    fn a_process_that_is_gone_is_dying_and_this_one_is_not() {
        assert!(!is_dying(std::process::id()) && !is_dying(0));
        assert!(is_dying(u32::MAX), "there is no such process");
    }
}
