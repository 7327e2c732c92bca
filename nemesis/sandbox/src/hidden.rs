//! The bench's own executable, started again for a purpose: the first thing that main does is to ask whether this is
//! such a start.

use std::env;
use std::io;

use crate::{doctor, executable, init, sys};

/// To be called as the first thing in main: in a process that was started as the init of a node or as a probe of
/// [`crate::doctor()`], this does that work and does not return. In any other, it returns at once, and nodes can be
/// started from now on. Files that the process has inherited are closed at its execs then, and do not reach nodes.
///
/// # Errors
/// When `/proc/self` cannot be read.
pub fn serve_hidden_commands() -> io::Result<()> {
    let mut arguments = env::args_os().skip(1);
    match arguments.next() {
        Some(command) if command == init::COMMAND => init::run(arguments),
        Some(command) if command == doctor::COMMAND => doctor::answer(arguments),
        _ => {}
    }
    sys::keep_inherited_from_children()?;
    executable::hold()
}
