//! Rows, medians and their presentation.

use serde::{Serialize, Serializer};
use std::{fmt, io::Write as _};

/// The rows so far.
pub struct Report {
    json: bool,
    rows: Vec<Row>,
}

/// A figure; beside that of a peer that does the same, and beside its target, if there are any.
#[derive(Serialize)]
pub struct Row {
    name: String,
    /// The point on a curve, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<u64>,
    unit: &'static str,
    value: f64,
    runs: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_value: Option<f64>,
    /// How many times better than the peer: datafan is better above 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Target>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_met: Option<bool>,
}

/// Which direction is better.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// For rates.
    More,
    /// For times and bytes.
    Less,
}

/// A target.
#[derive(Clone, Copy)]
pub struct Target {
    of: Measured,
    bound: Bound,
    figure: f64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Measured {
    Value,
    Ratio,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bound {
    Least,
    Most,
    Above,
}

impl Target {
    /// The value must be at least this.
    pub fn at_least(figure: f64) -> Self {
        Self { of: Measured::Value, bound: Bound::Least, figure }
    }

    /// The value must be at most this.
    pub fn at_most(figure: f64) -> Self {
        Self { of: Measured::Value, bound: Bound::Most, figure }
    }

    /// At least this many times better than the peer.
    pub fn ratio(figure: f64) -> Self {
        Self { of: Measured::Ratio, bound: Bound::Least, figure }
    }

    /// Better than the peer, by however little.
    pub fn better() -> Self {
        Self { of: Measured::Ratio, bound: Bound::Above, figure: 1.0 }
    }

    fn met(&self, measured: f64) -> bool {
        match self.bound {
            Bound::Least => measured >= self.figure,
            Bound::Most => measured <= self.figure,
            Bound::Above => measured > self.figure,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.of == Measured::Ratio { "ratio " } else { "" };
        let bound = match self.bound {
            Bound::Least => ">=",
            Bound::Most => "<=",
            Bound::Above => ">",
        };
        write!(out, "{what}{bound} {}", self.figure)
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Row {
    /// The median of `values`, one per run.
    pub fn new(name: impl Into<String>, unit: &'static str, values: &[f64]) -> Self {
        Self {
            name: name.into(),
            x: None,
            unit,
            value: rounded(median(values)),
            runs: values.len(),
            peer: None,
            peer_value: None,
            ratio: None,
            target: None,
            target_met: None,
        }
    }

    /// The same work by a peer. Each of `pairs` is one run of datafan and the peer's next to it: the ratio is
    /// the median of their ratios, because the speed of a shared machine changes.
    pub fn beside(
        name: impl Into<String>,
        unit: &'static str,
        peer: &'static str,
        better: Better,
        pairs: &[(f64, f64)],
    ) -> Self {
        let values: Vec<f64> = pairs.iter().map(|(own, _)| *own).collect();
        let theirs: Vec<f64> = pairs.iter().map(|(_, theirs)| *theirs).collect();
        let ratio = |(own, theirs): &(f64, f64)| match better {
            Better::More => own / theirs,
            Better::Less => theirs / own,
        };
        let ratios: Vec<f64> = pairs.iter().map(ratio).collect();
        Self {
            peer: Some(peer),
            peer_value: Some(rounded(median(&theirs))),
            ratio: Some(rounded(median(&ratios))),
            ..Self::new(name, unit, &values)
        }
    }

    /// Marks it as a point of the curve with this name.
    pub fn at(mut self, x: u64) -> Self {
        self.x = Some(x);
        self
    }

    /// Adds a target.
    pub fn target(mut self, target: Target) -> Self {
        let measured = match target.of {
            Measured::Value => Some(self.value),
            Measured::Ratio => self.ratio,
        };
        self.target = Some(target);
        self.target_met = measured.map(|measured| target.met(measured));
        self
    }

    /// The cells for people, column by column.
    fn cells(&self) -> [String; 6] {
        let peer = |(peer, value): (&str, f64)| format!("{peer} {value}");
        let met = match self.target_met {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        };
        [
            self.x.map_or_else(|| self.name.clone(), |x| format!("{} at {x}", self.name)),
            format!("{} {}", self.value, self.unit),
            self.peer.zip(self.peer_value).map(peer).unwrap_or_default(),
            self.ratio.map(|ratio| format!("{ratio} x")).unwrap_or_default(),
            self.target.map(|target| format!("{target} {met}")).unwrap_or_default(),
            format!("{} runs", self.runs),
        ]
    }
}

impl Report {
    /// No rows yet.
    pub fn new(json: bool) -> Self {
        Self { json, rows: Vec::new() }
    }

    /// Prints the current step on stderr.
    pub fn progress(&self, what: &str) {
        eprintln!("bench: {what}");
    }

    /// Adds the median of `values`, one per run. As JSON it is printed at once.
    pub fn row(&mut self, name: impl Into<String>, unit: &'static str, values: &[f64]) {
        self.add(Row::new(name, unit, values));
    }

    /// Adds a row. As JSON it is printed at once.
    pub fn add(&mut self, row: Row) {
        if self.json {
            println!("{}", serde_json::to_string(&row).expect("a row is plain data"));
        }
        self.rows.push(row);
    }

    /// Prints the table.
    pub fn finish(&self) {
        if self.json {
            return;
        }
        let titles = ["name", "datafan", "peer", "ratio", "target", "runs"].map(str::to_owned);
        let table: Vec<[String; 6]> = [titles].into_iter().chain(self.rows.iter().map(Row::cells)).collect();
        let width = |column: usize| table.iter().map(|cells| cells[column].len()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..6).map(width).collect();
        for cells in &table {
            let line: Vec<String> =
                cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            println!("{}", line.join("  ").trim_end());
        }
        // The table is the last output, so nothing can report a failure.
        drop(std::io::stdout().flush());
    }
}

/// The median; of two values, the mean.
pub fn median(values: &[f64]) -> f64 {
    percentile(values, 50)
}

/// The value that `percent` of `values` do not exceed, interpolated between ranks.
pub fn percentile(values: &[f64], percent: u32) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() - 1) as f64 * f64::from(percent) / 100.0;
    let (low, high) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
    low + (high - low) * rank.fract()
}

/// Three significant digits, or whole numbers: more would be noise.
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

    #[test]
    fn what_is_not_there_is_left_out() {
        let json = |row: &Row| serde_json::to_string(row).unwrap();
        let alone = Row::new("a", "ms", &[2.0, 4.0]);
        assert_eq!(json(&alone), r#"{"name":"a","unit":"ms","value":3.0,"runs":2}"#);
        let missed = Row::new("a", "ms", &[5.0]).target(Target::at_most(4.0));
        assert!(json(&missed).ends_with(r#""target":"<= 4","target_met":false}"#));
    }

    #[test]
    fn a_ratio_above_one_is_better() {
        let pairs = [(2.0, 10.0), (4.0, 10.0), (5.0, 20.0)];
        let less = Row::beside("time", "s", "peer", Better::Less, &pairs).target(Target::ratio(4.0));
        assert_eq!((less.ratio, less.target_met), (Some(4.0), Some(true)));
        let more = Row::beside("rate", "1/s", "peer", Better::More, &pairs).target(Target::better());
        assert_eq!((more.ratio, more.target_met), (Some(0.25), Some(false)));
    }
}
