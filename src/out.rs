//! Standard output, which its reader may close at any time, as `head` does.

use std::fmt;
use std::io::{self, Write};

/// Prints a line. If the output is closed, the line is lost; the exit code still shows how the command ended.
pub(crate) fn line(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// `println!` that a closed pipe cannot make panic.
macro_rules! say {
    ($($text:tt)*) => { $crate::out::line(format_args!($($text)*)) };
}
pub(crate) use say;
