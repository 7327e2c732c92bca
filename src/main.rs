//! `dissensus`: see [`dissensus::cli`].

use std::process::ExitCode;

/// Simulation allocates and frees many small values; with the C library's allocator that would take an eighth of its
/// time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    dissensus::cli::main()
}
