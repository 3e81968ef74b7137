//! The workspace's own commands: `cargo xtask ci`, `cargo xtask imports`, `cargo xtask bench`,
//! `cargo xtask instructions`, `cargo xtask simulate` and `cargo xtask mutants`.

mod bench;
mod ci;
mod deps;
mod imports;
mod instructions;
mod mutants;
mod simulate;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// What the binary `datafan` uses.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The workspace's own checks, benchmarks and simulations")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything that must hold beyond the tests: format, lints, arrows, imports, features, docs, lengths,
    /// examples, demo, a few hundred simulated worlds, instruction counts
    Ci(ci::Arguments),
    /// Shows which modules of a package import each other in a circle
    Imports(imports::Arguments),
    /// Measures speed, bytes and memory
    Bench(bench::Arguments),
    /// Counts the instructions of the core's hot functions, and compares them with the baseline
    Instructions(instructions::Arguments),
    /// Simulates a mesh with faults, from one seed
    Simulate(simulate::Arguments),
    /// Breaks the engine on purpose, one patch at a time, and sees whether the simulator notices
    Mutants(mutants::Arguments),
    /// One measurement in a process of its own; `bench` calls it
    #[command(hide = true)]
    BenchChild(bench::child::Arguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Ci(arguments) => ci::run(&arguments),
        Command::Imports(arguments) => imports::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Instructions(arguments) => instructions::run(&arguments),
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Mutants(arguments) => mutants::run(&arguments),
        Command::BenchChild(arguments) => bench::child::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // What a person reads: no backtrace, whatever the environment says.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
