//! Rows, medians and how they are shown.

use serde::Serialize;
use std::io::Write as _;

/// The rows so far.
pub struct Report {
    json: bool,
    rows: Vec<Row>,
}

/// One figure.
#[derive(Serialize)]
struct Row {
    name: String,
    unit: &'static str,
    value: f64,
    runs: usize,
}

impl Report {
    /// No rows yet.
    pub fn new(json: bool) -> Self {
        Self { json, rows: Vec::new() }
    }

    /// Says on stderr what is being done.
    pub fn progress(&self, what: &str) {
        eprintln!("bench: {what}");
    }

    /// Adds the median of `values`, one per run. As JSON it is printed at once.
    pub fn row(&mut self, name: impl Into<String>, unit: &'static str, values: &[f64]) {
        let row = Row { name: name.into(), unit, value: rounded(median(values)), runs: values.len() };
        if self.json {
            println!("{}", serde_json::to_string(&row).expect("a row is plain data"));
        }
        self.rows.push(row);
    }

    /// How many rows there are.
    pub fn n_rows(&self) -> usize {
        self.rows.len()
    }

    /// Prints the table.
    pub fn finish(&self) {
        if self.json {
            return;
        }
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
        for row in &self.rows {
            println!("{:width$}  {:>14} {:<16} {} runs", row.name, row.value, row.unit, row.runs);
        }
        // Nothing follows that could say so.
        drop(std::io::stdout().flush());
    }
}

/// The middle one; of two the mean.
pub fn median(values: &[f64]) -> f64 {
    percentile(values, 50)
}

/// The value that `percent` of `values` do not exceed; between two of them where the rank is.
pub fn percentile(values: &[f64], percent: u32) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() - 1) as f64 * f64::from(percent) / 100.0;
    let (low, high) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
    low + (high - low) * rank.fract()
}

/// Three digits that count, or whole numbers: more would be noise.
fn rounded(value: f64) -> f64 {
    if value.abs() >= 100.0 { value.round() } else { (value * 1_000.0).round() / 1_000.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[9.0, 1.0, 5.0]), 5.0);
        assert_eq!(median(&[4.0, 2.0]), 3.0);
        assert_eq!(percentile(&[1.0, 2.0, 3.0, 4.0, 5.0], 99), 4.96);
    }
}
