//! The history as a file that grows by a line for each event.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io;
use std::path::Path;

use checker::history::{Event, Recorder, write_event};

/// Writes each event as soon as it is recorded, so that the history is complete up to the moment at which the bench
/// ends, however it ends.
#[derive(Debug)]
pub struct HistoryFile {
    file: RefCell<File>,
    next: Cell<u64>,
    error: RefCell<Option<io::Error>>,
}

impl HistoryFile {
    /// A new file.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: RefCell::new(File::create_new(path)?), next: Cell::new(0), error: RefCell::default() })
    }

    /// Whether an event could not be written. Nothing is recorded after that, since a history with a gap would be
    /// wrong.
    pub fn has_failed(&self) -> bool {
        self.error.borrow().is_some()
    }

    /// Makes what was written durable.
    ///
    /// # Errors
    /// The first error of any write.
    pub fn finish(&self) -> io::Result<()> {
        match self.error.borrow_mut().take() {
            Some(error) => Err(error),
            None => self.file.borrow().sync_all(),
        }
    }
}

impl Recorder for HistoryFile {
    fn record(&self, mut event: Event) {
        if self.has_failed() {
            return;
        }
        event.index = self.next.get();
        match write_event(&mut *self.file.borrow_mut(), &event) {
            Ok(()) => self.next.set(event.index + 1),
            Err(error) => *self.error.borrow_mut() = Some(error),
        }
    }
}
