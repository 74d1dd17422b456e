//! The `gatewright` program.

use std::process::ExitCode;

/// Returns memory to the system some seconds after it was last used, from threads of its own. The allocator of the C library
/// keeps what thousands of streams once took.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    gatewright::run()
}
