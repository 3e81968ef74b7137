//! `cargo xtask simulate`, and the parts of the simulator that `cargo xtask ci` and `cargo xtask mutants`
//! use.

mod revision;
mod seeds;
mod simulate;

use anyhow::Result;
use clap::{Parser, Subcommand};
use datafan_sim::{Scenario, checkers};
use std::process::ExitCode;

/// The allocator of the binary `datafan`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Simulate a mesh with faults, from one seed
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
    /// Run a few hundred seeds of small worlds
    #[command(hide = true)]
    Seeds,
    /// Print the name of each checker, one per line
    #[command(hide = true)]
    Checkers,
    /// Parse scenarios without running them; fail at the first invalid one
    #[command(hide = true)]
    Scenarios {
        /// A shipped scenario or a file
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
            // An error for people, without a backtrace, whatever the environment says.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn read(names: &[String]) -> Result<()> {
    names.iter().try_for_each(|name| Ok(Scenario::load(name).map(drop)?))
}
