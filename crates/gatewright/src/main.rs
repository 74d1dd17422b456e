//! The `gatewright` program.

use std::process::ExitCode;

/// Returns memory to the system some seconds after it was last used, on background threads. The allocator of the C library
/// keeps the memory that thousands of streams once used.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    gatewright::run()
}
