//! `datafan version`

use super::{failure::Failure, output::Output};

/// Prints the version.
pub fn version(out: &mut Output) -> Result<(), Failure> {
    let version = env!("CARGO_PKG_VERSION");
    match out.json {
        true => out.object(&serde_json::json!({ "version": version }))?,
        false => out.line(&format!("datafan {version}"))?,
    }
    Ok(())
}
