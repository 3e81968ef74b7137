//! Measurements in a process of their own: each begins with the memory and the allocator of a new process,
//! whatever was measured before it. So large and small ones compare, and datafan and its peers.

use crate::figures::Figures;
use anyhow::{Context, Result, ensure};
use std::{env, process::Command};

/// Medians of the seconds that something takes.
pub struct Cost {
    /// In memory that the process has used before.
    pub warm: f64,
    /// In memory that is new to the process.
    pub cold: f64,
}

/// Measures in a child. Unless memory itself is what is measured, the machine has it ready.
///
/// # Errors
/// If the child fails.
pub fn own(arguments: &[&str]) -> Result<Figures> {
    measured(&mut this_program()?, arguments)
}

/// The same of any program that prints figures.
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

/// This program as a child: what it is to measure is missing.
///
/// # Errors
/// If the system does not tell where it is.
pub fn this_program() -> Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.arg("child");
    Ok(command)
}

/// Lets the allocator keep what was freed: its first touch costs what the kernel makes of it.
const KEEP_MEMORY: (&str, &str) = ("MIMALLOC_PURGE_DELAY", "-1");

/// Has the allocator give back what was freed at once: resident is then what is held.
const GIVE_BACK: (&str, &str) = ("MIMALLOC_PURGE_DELAY", "0");

/// What a process before the measured one writes to. A virtual machine gives idle memory back to its host
/// within seconds and pays to get it again, unless the run before has just done so: so what is measured finds
/// it there, be it large or small.
const READY_MIB: &str = "2048";
