//! Virtual time: futures on one thread, and a clock that moves only when all of them wait.
//!
//! Futures are polled until none can go on; then either the world takes its earliest event, or time goes to the
//! earliest sleeper. Nothing else happens, so a run is a function of what the futures and the world do. What the world
//! is does not matter here: it says when its next event is, and takes it.
//!
//! ```text
//!   block_on ─► poll ─► all wait? ─► World::step ─► answers wake clients, time wakes sleepers ─► poll ...
//! ```

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures::future::LocalBoxFuture;
use workloads::clock::Clock;

/// What happens in virtual time beside the futures. Times are in ns, on the world's own clock.
pub trait World {
    /// The time now.
    fn now_ns(&self) -> u64;
    /// When the next event is due; none if nothing will happen unless a future causes it.
    fn next_ns(&self) -> Option<u64>;
    /// Takes the event that is due at `at_ns`, and wakes the futures that it answers.
    fn step(&self, at_ns: u64);
    /// Lets time pass until `at_ns`, before the next event is due.
    fn skip_to(&self, at_ns: u64);
}

/// A world, and the futures that wait in its time.
pub struct VirtualTime<W> {
    world: W,
    start_ns: u64,
    /// By deadline, then by the order in which they went to sleep.
    sleepers: RefCell<BTreeMap<(u64, u64), Waker>>,
    sleeps: Cell<u64>,
}

impl<W: World> VirtualTime<W> {
    /// Time begins now, at 0.
    pub fn new(world: W) -> Self {
        Self { start_ns: world.now_ns(), world, sleepers: RefCell::default(), sleeps: Cell::new(0) }
    }

    /// The world.
    pub fn world(&self) -> &W {
        &self.world
    }

    /// Runs a future to its end, letting virtual time pass whenever it waits.
    ///
    /// # Panics
    /// When it waits for something that can never happen: a defect of the bench, not of the cluster.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let woken = Arc::new(Flag(AtomicBool::new(true)));
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(future);
        loop {
            if woken.0.swap(false, Ordering::Relaxed)
                && let Poll::Ready(output) = future.as_mut().poll(&mut context)
            {
                return output;
            }
            while !woken.0.load(Ordering::Relaxed) {
                assert!(self.advance(), "everything waits and nothing will ever happen");
            }
        }
    }

    /// Takes the next event, or goes to the next sleeper if that is not later. Returns whether there was either.
    fn advance(&self) -> bool {
        let sleeper = self.sleepers.borrow().first_key_value().map(|((at_ns, _), _)| *at_ns);
        match (sleeper, self.world.next_ns()) {
            (None, None) => return false,
            (Some(at_ns), event) if event.is_none_or(|event| at_ns <= event) => self.world.skip_to(at_ns),
            (_, Some(event)) => self.world.step(event),
            (Some(_), None) => unreachable!("without an event the sleeper is next"),
        }
        self.wake_sleepers();
        true
    }

    fn wake_sleepers(&self) {
        let now_ns = self.world.now_ns();
        let mut sleepers = self.sleepers.borrow_mut();
        while let Some(entry) = sleepers.first_entry()
            && entry.key().0 <= now_ns
        {
            entry.remove().wake();
        }
    }
}

impl<W: World> Clock for VirtualTime<W> {
    fn now(&self) -> Duration {
        Duration::from_nanos(self.world.now_ns() - self.start_ns)
    }

    fn sleep_until(&self, deadline: Duration) -> LocalBoxFuture<'_, ()> {
        let at_ns = self.start_ns.saturating_add(u64::try_from(deadline.as_nanos()).unwrap_or(u64::MAX));
        let order = self.sleeps.get();
        self.sleeps.set(order + 1);
        Box::pin(Sleep { time: self, slot: (at_ns, order) })
    }
}

struct Sleep<'a, W> {
    time: &'a VirtualTime<W>,
    slot: (u64, u64),
}

impl<W: World> Future for Sleep<'_, W> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.time.world.now_ns() >= self.slot.0 {
            return Poll::Ready(());
        }
        self.time.sleepers.borrow_mut().insert(self.slot, context.waker().clone());
        Poll::Pending
    }
}

impl<W> Drop for Sleep<'_, W> {
    fn drop(&mut self) {
        self.time.sleepers.borrow_mut().remove(&self.slot);
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Events at fixed times, each of which is noted when it happens.
    struct Agenda {
        now_ns: Cell<u64>,
        due_ns: RefCell<Vec<u64>>,
        happened: RefCell<Vec<String>>,
    }

    impl World for Agenda {
        fn now_ns(&self) -> u64 {
            self.now_ns.get()
        }
        fn next_ns(&self) -> Option<u64> {
            self.due_ns.borrow().first().copied()
        }
        fn step(&self, at_ns: u64) {
            self.due_ns.borrow_mut().remove(0);
            self.now_ns.set(at_ns);
            self.happened.borrow_mut().push(format!("event {at_ns}"));
        }
        fn skip_to(&self, at_ns: u64) {
            self.now_ns.set(at_ns);
        }
    }

    fn time(due_ns: &[u64]) -> VirtualTime<Agenda> {
        let (due_ns, happened) = (RefCell::new(due_ns.to_vec()), RefCell::default());
        VirtualTime::new(Agenda { now_ns: Cell::new(0), due_ns, happened })
    }

    #[test]
    fn events_and_sleepers_take_turns_by_their_times_and_a_sleeper_goes_first() {
        let time = time(&[5, 10, 30]);
        let sleeper = async |until: u64| {
            time.sleep_until(Duration::from_nanos(until)).await;
            time.world().happened.borrow_mut().push(format!("sleeper {until}"));
        };
        time.block_on(async { futures::join!(sleeper(20), sleeper(10), sleeper(0)) });
        let happened = time.world().happened.borrow();
        assert_eq!(*happened, ["sleeper 0", "event 5", "sleeper 10", "event 10", "sleeper 20"]);
        assert_eq!(time.now(), Duration::from_nanos(20), "what is due later has not happened");
    }

    #[test]
    fn a_sleep_that_is_given_up_is_forgotten() {
        let time = time(&[]);
        time.block_on(async {
            let long = time.sleep_until(Duration::from_secs(9));
            let short = time.sleep_until(Duration::from_secs(1));
            futures::future::select(long, short).await;
        });
        assert_eq!((time.now(), time.sleepers.borrow().len()), (Duration::from_secs(1), 0));
    }

    #[test]
    #[should_panic(expected = "nothing will ever happen")]
    fn what_can_never_happen_is_no_endless_loop() {
        time(&[1]).block_on(std::future::pending::<()>());
    }
}
