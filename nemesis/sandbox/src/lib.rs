//! Processes of any unmodified program, as nodes of a cluster under test.

mod enter;
mod why;

pub use enter::{EnterError, Entered, Namespaces, enter};
pub use why::Why;
