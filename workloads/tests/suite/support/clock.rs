//! Virtual time: when every future waits, the clock moves to the earliest sleeper's deadline.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures::future::LocalBoxFuture;
use workloads::clock::Clock;

/// A clock that its own executor moves.
#[derive(Clone, Default)]
pub struct VirtualClock(Rc<State>);

#[derive(Default)]
struct State {
    now: Cell<Duration>,
    sleepers: RefCell<BTreeMap<(Duration, u64), Waker>>,
    next: Cell<u64>,
}

/// Polls without a move of the clock after which a test is taken to spin for ever.
const POLLS_MAX: u64 = 1_000_000;

impl VirtualClock {
    /// Runs a future to its end.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        let waker = Waker::from(Arc::clone(&woken));
        let mut polls = 0;
        loop {
            while woken.0.swap(false, Ordering::Relaxed) {
                if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                    return output;
                }
                polls += 1;
                assert!(polls < POLLS_MAX, "busy for ever at {:?}", self.0.now.get());
            }
            self.advance();
            polls = 0;
        }
    }

    fn advance(&self) {
        let first = self.0.sleepers.borrow_mut().pop_first();
        let ((deadline, _), waker) = first.expect("nothing sleeps and nothing is ready: a deadlock");
        self.0.now.set(self.0.now.get().max(deadline));
        waker.wake();
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Duration {
        self.0.now.get()
    }

    fn sleep_until(&self, deadline: Duration) -> LocalBoxFuture<'_, ()> {
        let id = self.0.next.replace(self.0.next.get() + 1);
        Box::pin(Sleep { state: Rc::clone(&self.0), key: (deadline, id) })
    }
}

struct Sleep {
    state: Rc<State>,
    key: (Duration, u64),
}

impl Future for Sleep {
    type Output = ();
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.state.now.get() >= self.key.0 {
            return Poll::Ready(());
        }
        self.state.sleepers.borrow_mut().insert(self.key, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.state.sleepers.borrow_mut().remove(&self.key);
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
