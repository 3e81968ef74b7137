//! The binary `datafan`: the command line and the demo around the library `datafan_node`.

mod cli;
mod demo;

fn main() -> std::process::ExitCode {
    cli::main()
}
