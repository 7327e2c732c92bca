//! `dissensus`: see [`dissensus::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    dissensus::cli::main()
}
