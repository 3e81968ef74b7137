//! Runs commands: silent if they succeed, with their whole output if they fail.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::{
    path::PathBuf,
    process::{Command, Output},
};

/// Runs cargo with `arguments`, which are separated by spaces.
///
/// # Errors
/// If it fails, with its output.
pub fn cargo(arguments: &str) -> Result<()> {
    outcome(&mut command("cargo", arguments)).map(drop)
}

/// Like [`cargo`], with an environment variable.
///
/// # Errors
/// Those of [`cargo`].
pub fn cargo_with(arguments: &str, variable: &str, value: &str) -> Result<()> {
    outcome(command("cargo", arguments).env(variable, value)).map(drop)
}

/// The standard output of `program`.
///
/// # Errors
/// If it fails, with its output.
pub fn output(program: &str, arguments: &str) -> Result<String> {
    let output = outcome(&mut command(program, arguments))?;
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{program} {arguments}` printed text that is not UTF-8"))
}

/// `program` with `arguments`, which are separated by spaces.
pub fn command(program: &str, arguments: &str) -> Command {
    let mut command = Command::new(program);
    command.args(arguments.split_whitespace());
    // Variables that cargo set for us would make some build scripts run again.
    for (name, _) in std::env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
        {
            command.env_remove(name);
        }
    }
    command
}

/// Runs `command` to completion.
///
/// # Errors
/// If it fails, with its output.
pub fn outcome(command: &mut Command) -> Result<Output> {
    let output = command.output().with_context(|| format!("starting {command:?}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let said =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    bail!("{said}{command:?} ended with {}", output.status)
}

/// The path of a program that cargo built with `--message-format json`.
///
/// # Errors
/// If cargo reported no program.
pub fn executable(said: &str) -> Result<PathBuf> {
    #[derive(Deserialize)]
    struct Artifact {
        executable: Option<PathBuf>,
    }
    let made = |line: &str| serde_json::from_str::<Artifact>(line).ok()?.executable;
    said.lines().filter_map(made).next_back().context("cargo reported no program")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found() {
        let said = "{\"reason\":\"compiler-artifact\",\"executable\":null}\n\
                    {\"reason\":\"compiler-artifact\",\"executable\":\"target/release/x\"}\n\
                    {\"reason\":\"build-finished\",\"success\":true}\n";
        assert_eq!(executable(said).unwrap(), PathBuf::from("target/release/x"));
        assert!(executable("").is_err());
    }
}
