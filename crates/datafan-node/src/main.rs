//! The binary `datafan`: the command line and the demo around the library `datafan_node`.

mod cli;
mod demo;

/// Items are many small, long-lived allocations: the C library's allocator takes twice the time for a
/// million.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::main()
}
