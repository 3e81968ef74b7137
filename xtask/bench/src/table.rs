//! Rows printed by a run with `--json`, as a table for a document.

use anyhow::{Context, Result};
use serde_json::Value;
use std::{fmt::Write as _, fs, path::Path};

/// Reads one object per line and returns Markdown.
///
/// # Errors
/// If the file cannot be read, or a line is not a row.
pub fn markdown(file: &Path) -> Result<String> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let mut table = String::from(
        "| name | datafan | peer | times better | target | runs |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let row: Value = serde_json::from_str(line).with_context(|| format!("not a row: {line}"))?;
        writeln!(table, "| {} |", cells(&row).join(" | "))?;
    }
    Ok(table)
}

fn cells(row: &Value) -> [String; 6] {
    let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
    let number = |field: &str| row[field].as_f64().map(grouped).unwrap_or_default();
    let met = match row["target_met"].as_bool() {
        Some(true) => ", met",
        Some(false) => ", **missed**",
        None => "",
    };
    let ratio = number("ratio");
    [
        format!("`{}`", text("name")),
        format!("{} {}", number("value"), text("unit")),
        format!("{} {}", text("peer"), number("peer_value")).trim().to_owned(),
        if row["ratio"].as_f64().is_some_and(|ratio| ratio < 1.0) {
            format!("{ratio} (worse)")
        } else {
            ratio
        },
        text("target") + met,
        number("runs"),
    ]
}

/// With a comma as thousands separator.
fn grouped(number: f64) -> String {
    let text = number.to_string();
    let (whole, part) =
        text.split_once('.').map_or((text.as_str(), None), |(whole, part)| (whole, Some(part)));
    let mut grouped = String::new();
    for (index, digit) in whole.char_indices() {
        if index > 0 && (whole.len() - index) % 3 == 0 && &whole[..index] != "-" {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    part.map(|part| format!("{grouped}.{part}")).unwrap_or(grouped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_at_a_glance() {
        let numbers =
            [(1.0, "1"), (1_234_567.0, "1,234,567"), (-100.0, "-100"), (0.25, "0.25"), (1_000.5, "1,000.5")];
        for (number, text) in numbers {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn a_missed_target_shows() {
        let row = serde_json::json!({"name": "a", "unit": "ms", "value": 5.0, "runs": 5,
            "peer": "b", "peer_value": 4.0, "ratio": 0.8, "target": "ratio > 1", "target_met": false});
        assert_eq!(cells(&row), ["`a`", "5 ms", "b 4", "0.8 (worse)", "ratio > 1, **missed**", "5"]);
    }
}
