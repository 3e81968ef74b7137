//! Rows as pictures need them.

use anyhow::{Context, Result};
use serde::Deserialize;

/// What is drawn of a row that a run with `--json` has printed.
#[derive(Deserialize)]
pub struct Row {
    pub name: String,
    pub x: Option<f64>,
    pub value: f64,
    pub peer: Option<String>,
    pub ratio: Option<f64>,
}

/// Reads one row per line.
///
/// # Errors
/// If a line is no row.
pub fn read(text: &str) -> Result<Vec<Row>> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| serde_json::from_str(line).with_context(|| format!("no row: {line}"))).collect()
}

/// Text between tags.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
