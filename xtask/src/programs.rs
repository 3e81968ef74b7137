//! Programs of the workspace that are built only when they are used.

use crate::{process, workspace};
use anyhow::{Context, Result};
use std::{
    ffi::OsString,
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
};

/// The benchmarks.
pub const BENCH: Program = Program("datafan-bench");
/// The simulator.
pub const SIMULATE: Program = Program("datafan-simulate");

/// A program, by the name of its crate.
#[derive(Clone, Copy)]
pub struct Program(&'static str);

/// The arguments of a program, which it parses itself.
#[derive(clap::Args)]
pub struct Arguments {
    /// See `--help` for its options
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<OsString>,
}

impl Program {
    /// Builds it and runs it on this terminal and in this directory; its exit code becomes ours.
    ///
    /// # Errors
    /// If it does not build or cannot be started.
    pub fn run(self, arguments: &Arguments) -> Result<ExitCode> {
        let mut program = Command::new(self.build(Stdio::inherit())?);
        let status =
            program.args(&arguments.arguments).status().with_context(|| format!("starting {program:?}"))?;
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
    }

    /// Builds and runs it, and returns its standard output.
    ///
    /// # Errors
    /// If it does not build, or fails; with its output.
    pub fn output(self, arguments: &[&str]) -> Result<String> {
        let output = process::outcome(Command::new(self.build(Stdio::piped())?).args(arguments))?;
        String::from_utf8(output.stdout).with_context(|| format!("{} printed text that is not UTF-8", self.0))
    }

    fn build(self, stderr: Stdio) -> Result<PathBuf> {
        let mut cargo = process::command("cargo", "build --release --message-format json-render-diagnostics");
        cargo.arg("--manifest-path").arg(workspace::directory().join("Cargo.toml"));
        // With the features of all of them, so that shared dependencies are built once, whichever comes
        // first.
        for Program(name) in [BENCH, SIMULATE] {
            cargo.args(["-p", name]);
        }
        let built = process::outcome(cargo.args(["--bin", self.0]).stderr(stderr))?;
        process::executable(&String::from_utf8_lossy(&built.stdout))
    }
}
