//! Standard output that may be closed at any time, as `head` does.

use std::fmt;
use std::io::{self, Write};

/// Prints a line. When nobody reads any more there is nobody left to tell; the exit code still says how it ended.
pub(super) fn line(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// `println!` that a closed pipe cannot make panic.
macro_rules! say {
    ($($text:tt)*) => { $crate::cli::out::line(format_args!($($text)*)) };
}
pub(super) use say;
