//! A recorder that keeps the history in memory, for tests and for runs that are checked at once.

use std::sync::{Mutex, PoisonError};

use super::event::{Event, Recorder};
use super::lines::Recording;

/// Keeps what it records.
#[derive(Debug, Default)]
pub struct MemoryRecorder {
    events: Mutex<Vec<Event>>,
}

impl MemoryRecorder {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty one with room for so many events: a long history is not copied each time that it has doubled.
    pub fn with_room(events: usize) -> Self {
        Self { events: Mutex::new(Vec::with_capacity(events)) }
    }

    /// What was recorded so far.
    pub fn history(&self) -> Recording {
        Recording { events: self.events.lock().unwrap_or_else(PoisonError::into_inner).clone(), torn: None }
    }
}

impl From<MemoryRecorder> for Recording {
    /// What was recorded, without a copy.
    fn from(recorder: MemoryRecorder) -> Self {
        Self { events: recorder.events.into_inner().unwrap_or_else(PoisonError::into_inner), torn: None }
    }
}

impl Recorder for MemoryRecorder {
    fn record(&self, mut event: Event) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        event.index = events.len() as u64;
        events.push(event);
    }
}
