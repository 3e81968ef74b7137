//! The version of the simulated code.

use std::process::Command;

/// The revision of the working tree, with a plus if it was changed, as reported by git.
pub fn revision() -> String {
    let git = Command::new("git").args(["describe", "--always", "--dirty=+"]).output();
    let said = git.ok().filter(|output| output.status.success());
    said.map_or_else(|| "unknown".into(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
