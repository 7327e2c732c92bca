//! Standard output, which its reader may close at any time, as `head` does.

use std::fmt;
use std::io::{self, Write};
use std::sync::OnceLock;

/// Why output was lost that somebody waits for.
static LOST: OnceLock<String> = OnceLock::new();

/// Prints a line. If its reader has closed the output, the line is lost, and the exit code still shows how the command
/// ended; any other error is kept for [`lost`].
pub(crate) fn line(text: fmt::Arguments<'_>) {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            LOST.get_or_init(|| error.to_string());
        }
        _ => {}
    }
}

/// Why something that was to be printed was not, if so: a full disk.
pub(crate) fn lost() -> Option<&'static str> {
    LOST.get().map(String::as_str)
}

/// `println!` that a closed pipe cannot make panic.
macro_rules! say {
    ($($text:tt)*) => { $crate::out::line(format_args!($($text)*)) };
}
pub(crate) use say;
