//! Measurements in separate processes: each starts with the memory and allocator of a new process, whatever
//! was measured before. This makes large and small ones comparable, and datafan and its peers.

use crate::figures::Figures;
use anyhow::{Context, Result, ensure};
use std::{env, process::Command};

/// Median seconds of a task.
pub struct Cost {
    /// On memory that the process has used before.
    pub warm: f64,
    /// On memory that is new to the process.
    pub cold: f64,
}

/// Runs a measurement in a child. Unless memory itself is measured, the machine is made to have enough ready.
///
/// # Errors
/// If the child fails.
pub fn own(arguments: &[&str]) -> Result<Figures> {
    measured(&mut this_program()?, arguments)
}

/// The same for any program that prints figures.
///
/// # Errors
/// If it fails.
pub fn measured(command: &mut Command, arguments: &[&str]) -> Result<Figures> {
    if !arguments.iter().any(|argument| argument.contains("memory")) {
        let touch = this_program()?.args(["touch", READY_MIB]).output()?;
        ensure!(touch.status.success(), "{}", String::from_utf8_lossy(&touch.stderr));
        command.env(KEEP_MEMORY.0, KEEP_MEMORY.1);
    } else {
        command.env(GIVE_BACK.0, GIVE_BACK.1);
    }
    let output = command.args(arguments).output().context("starting another process")?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Figures::read(&String::from_utf8(output.stdout)?)
}

/// This program as a child, still without the name of the measurement.
///
/// # Errors
/// If the system does not report the path of this program.
pub fn this_program() -> Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.arg("child");
    Ok(command)
}

/// Makes the allocator keep freed memory: the first use of memory costs time in the kernel.
const KEEP_MEMORY: (&str, &str) = ("MIMALLOC_PURGE_DELAY", "-1");

/// Makes the allocator return freed memory at once, so that resident memory is the memory in use.
const GIVE_BACK: (&str, &str) = ("MIMALLOC_PURGE_DELAY", "0");

/// Memory that a process touches before the measured one starts. A virtual machine returns idle memory to its
/// host within seconds and pays to get it back, unless a recent run has just done so: this makes it available
/// to the measured process, whatever its size.
const READY_MIB: &str = "2048";
