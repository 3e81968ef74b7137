//! The directory of the member.

use super::failure::Failure;
use std::{env, path::PathBuf};

/// The one named, or else that of the environment, or else the user's data directory.
pub fn resolve(named: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // A relative XDG_DATA_HOME counts as unset, according to its specification.
    let xdg = || set("XDG_DATA_HOME").filter(|path| path.is_absolute()).map(|path| path.join("datafan"));
    let home = || set("HOME").map(|path| path.join(".local/share/datafan"));
    named.or_else(|| set("DATAFAN_DATA_DIR")).or_else(xdg).or_else(home).ok_or_else(|| {
        Failure::new("no data directory: use --data-dir DIR, or set DATAFAN_DATA_DIR, XDG_DATA_HOME or HOME")
    })
}
