//! What this machine allows.
use std::ffi::OsString;
pub(crate) const COMMAND: &str = "__probe";
pub(crate) fn answer(_arguments: impl Iterator<Item = OsString>) -> ! {
    std::process::exit(70)
}
