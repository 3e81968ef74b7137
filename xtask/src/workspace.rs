//! The directory of the workspace.

use anyhow::Result;
use std::path::{Path, PathBuf};

/// The workspace's directory.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").into()
}

/// Makes the workspace's directory the current one; commands run there from now on.
///
/// # Errors
/// If it no longer exists.
pub fn enter() -> Result<PathBuf> {
    let directory = directory();
    std::env::set_current_dir(&directory)?;
    Ok(directory)
}
