//! The workspace's own commands: `cargo xtask ci`, `cargo xtask imports`, `cargo xtask bench`,
//! `cargo xtask instructions`, `cargo xtask simulate` and `cargo xtask mutants`.
//!
//! None of our crates is built into this program, so that it builds in seconds: whatever needs them is a
//! separate program that is built when it is used (`programs`).

mod ci;
mod deps;
mod imports;
mod instructions;
mod mutants;
mod process;
mod programs;
mod workspace;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::{ffi::OsString, process::ExitCode};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The workspace's own checks, benchmarks and simulations")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the checks beyond the tests; `--list` shows them
    Ci(ci::Arguments),
    /// Show which modules of a package import each other in a cycle
    Imports(imports::Arguments),
    /// Measure speed, bytes and memory
    #[command(disable_help_flag = true)]
    Bench(programs::Arguments),
    /// Count the instructions of the core's hot functions, and compare them with the baseline
    Instructions(instructions::Arguments),
    /// Simulate a mesh with faults, from one seed
    #[command(disable_help_flag = true)]
    Simulate(programs::Arguments),
    /// Break the engine on purpose, one patch at a time, and check that the simulator notices
    Mutants(mutants::Arguments),
}

fn main() -> ExitCode {
    match run(Arguments::parse_from(arguments(std::env::args_os())).command) {
        Ok(code) => code,
        Err(error) => {
            // An error for people, without a backtrace, whatever the environment says.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Turns `help bench` into `bench --help`: only the program itself knows its arguments.
fn arguments(given: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = given.collect();
    if arguments.len() > 2 && arguments[1] == "help" {
        arguments[1..3].rotate_left(1);
        arguments[2] = "--help".into();
    }
    arguments
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Ci(arguments) => ci::run(&arguments)?,
        Command::Imports(arguments) => imports::run(&arguments)?,
        Command::Bench(arguments) => return programs::BENCH.run(&arguments),
        Command::Instructions(arguments) => instructions::run(&arguments)?,
        Command::Simulate(arguments) => return programs::SIMULATE.run(&arguments),
        Command::Mutants(arguments) => mutants::run(&arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_of_a_program_is_its_own() {
        let arguments = |text: &str| arguments(text.split(' ').map(OsString::from)).join(" ".as_ref());
        assert_eq!(arguments("xtask help bench"), "xtask bench --help");
        assert_eq!(arguments("xtask help"), "xtask help");
        assert_eq!(arguments("xtask bench --only help"), "xtask bench --only help");
    }

    #[test]
    fn a_program_gets_all_its_arguments() {
        let parsed = Arguments::try_parse_from(["xtask", "bench", "--help", "--only", "x"]);
        let Ok(Arguments { command: Command::Bench(programs::Arguments { arguments }) }) = parsed else {
            panic!("these are arguments of bench");
        };
        assert_eq!(arguments, ["--help", "--only", "x"]);
    }
}
