//! `cargo xtask simulate`, and what `cargo xtask ci` and `cargo xtask mutants` ask of the simulator.

mod revision;
mod seeds;
mod simulate;

use anyhow::Result;
use clap::{Parser, Subcommand};
use datafan_sim::{Scenario, checkers};
use std::process::ExitCode;

/// What the binary `datafan` uses.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Simulates a mesh with faults, from one seed
#[derive(Parser)]
#[command(
    bin_name = "cargo xtask simulate",
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(flatten)]
    simulate: simulate::Arguments,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Plays a few hundred seeds of small worlds
    #[command(hide = true)]
    Seeds,
    /// Prints the name of each checker, one per line
    #[command(hide = true)]
    Checkers,
    /// Reads scenarios without playing them; fails at the first that is wrong
    #[command(hide = true)]
    Scenarios {
        /// A scenario that is shipped or a file
        names: Vec<String>,
    },
}

fn main() -> ExitCode {
    let Arguments { simulate, command } = Arguments::parse();
    let done = match command {
        None => simulate::run(&simulate),
        Some(Command::Seeds) => seeds::check(),
        Some(Command::Checkers) => {
            checkers::all().iter().for_each(|checker| println!("{}", checker.name()));
            Ok(())
        }
        Some(Command::Scenarios { names }) => read(&names),
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

fn read(names: &[String]) -> Result<()> {
    names.iter().try_for_each(|name| Ok(Scenario::load(name).map(drop)?))
}
