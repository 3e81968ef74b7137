//! Rows as the pictures need them.

use anyhow::{Context, Result};
use serde::Deserialize;

/// The part of a row, printed by a run with `--json`, that is drawn.
#[derive(Deserialize)]
pub struct Row {
    pub name: String,
    pub x: Option<f64>,
    pub value: f64,
    pub peer: Option<String>,
    pub ratio: Option<f64>,
}

/// Parses one row per line.
///
/// # Errors
/// If a line is not a row.
pub fn read(text: &str) -> Result<Vec<Row>> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| serde_json::from_str(line).with_context(|| format!("not a row: {line}"))).collect()
}

/// Escapes text between tags.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
