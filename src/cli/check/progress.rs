//! What a person sees while a long check runs: how much is read, then what is checked. Nothing in the first second, and
//! nothing where there is no terminal.

use std::io::{self, BufRead, IsTerminal, Read};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::store::input::Input;

const SILENT_FOR: Duration = Duration::from_secs(1);

/// A line on standard error.
pub struct Progress {
    bar: ProgressBar,
    shown: bool,
}

impl Progress {
    /// One that shows nothing yet; ever, if so asked or without a terminal.
    pub fn new(quiet: bool) -> Self {
        Self { bar: ProgressBar::hidden(), shown: io::stderr().is_terminal() && !quiet }
    }

    /// A reader that shows how much it has read.
    pub fn reading(&self, input: Input) -> impl BufRead {
        let style = ProgressStyle::with_template("reading [{bar:24}] {bytes} of {total_bytes}, {eta} left");
        self.bar.set_style(style.expect("the template is constant").progress_chars("━╸ "));
        self.bar.set_length(input.bytes);
        Watched { input, bar: self.bar.clone(), shown: self.shown, began: Instant::now(), drawn: false, calls: 0 }
    }

    /// A model is being checked.
    pub fn checking(&self, model: &str) {
        if !self.shown {
            return;
        }
        let style = ProgressStyle::with_template("{spinner} checking {msg}, {elapsed}");
        self.bar.set_style(style.expect("the template is constant"));
        self.bar.set_message(model.to_owned());
        self.bar.set_draw_target(ProgressDrawTarget::stderr());
        self.bar.enable_steady_tick(SILENT_FOR);
    }

    /// Nothing is being done any more.
    pub fn done(&self) {
        self.bar.finish_and_clear();
    }
}

struct Watched {
    input: Input,
    bar: ProgressBar,
    shown: bool,
    began: Instant,
    drawn: bool,
    calls: u64,
}

impl Watched {
    fn show(&mut self) {
        if !self.shown || self.began.elapsed() < SILENT_FOR {
            return;
        }
        if !std::mem::replace(&mut self.drawn, true) {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_position(self.input.read_bytes.load(Ordering::Relaxed));
    }
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.show();
        self.input.reader.read(buffer)
    }
}

impl BufRead for Watched {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.input.reader.fill_buf()
    }

    fn consume(&mut self, bytes: usize) {
        self.input.reader.consume(bytes);
        self.calls += 1;
        // The clock costs more than a line does.
        if self.calls.is_multiple_of(4096) {
            self.show();
        }
    }
}
