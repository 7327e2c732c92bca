//! `dissensus`: see [`dissensus::cli`].

use std::process::ExitCode;

/// Simulation makes and drops small things without end; the C library's allocator would be an eighth of its time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    dissensus::cli::main()
}
