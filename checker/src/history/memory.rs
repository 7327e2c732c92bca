//! A recorder that keeps the events in memory, for tests and for runs that are checked at once.

use std::sync::{Mutex, PoisonError};

use super::event::{Event, Recorder};

/// Keeps the recorded events in memory.
#[derive(Debug, Default)]
pub struct MemoryRecorder {
    events: Mutex<Vec<Event>>,
}

impl MemoryRecorder {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty one with room for so many events, so that a long history is not copied each time it doubles.
    pub fn with_room(events: usize) -> Self {
        Self { events: Mutex::new(Vec::with_capacity(events)) }
    }

    /// The events recorded so far.
    pub fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The recorded events, without a copy.
    pub fn into_events(self) -> Vec<Event> {
        self.events.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorder for MemoryRecorder {
    fn record(&self, mut event: Event) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        event.index = events.len() as u64;
        events.push(event);
    }
}
