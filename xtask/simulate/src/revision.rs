//! Which version of the code was simulated.

use std::process::Command;

/// The revision of the working tree, with a plus where it was changed; as far as git knows.
pub fn revision() -> String {
    let git = Command::new("git").args(["describe", "--always", "--dirty=+"]).output();
    let said = git.ok().filter(|output| output.status.success());
    said.map_or_else(|| "unknown".into(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
