//! `cargo xtask bench --growth`: how cost grows with items, owners, members and bytes of a value.
//!
//! A row is one point of one curve: its name says which, its `x` where. Every point is measured in processes of its own.

pub mod items;
pub mod members;
pub mod owners;
pub mod values;

use super::{
    Measure, child,
    figures::Figures,
    report::{Report, Row},
};
use anyhow::Result;

/// All curves, by what they grow with.
pub const MEASUREMENTS: &[(&str, Measure)] = &[
    ("growth-items", items::measure),
    ("growth-owners", owners::measure),
    ("growth-members", members::measure),
    ("growth-values", values::measure),
];

/// Where the points are.
#[derive(Clone, Copy)]
pub struct Extent {
    items: &'static [u64],
    owners: &'static [u64],
    members: &'static [u64],
    /// Bytes of a value.
    values: &'static [u64],
    /// Writes in the short and in the long run of a simulation, in virtual seconds.
    seconds: [u32; 2],
    /// The same where there are more members than [`members::LONG_MAX`].
    seconds_of_many: [u32; 2],
}

impl Extent {
    /// What the document shows. The middle of each decade is only where decades are too far apart to see a bend.
    pub const FULL: Self = Self {
        items: &[1_000, 10_000, 100_000, 1_000_000],
        owners: &[10, 100, 1_000, 10_000],
        members: &[10, 32, 100, 316, 1_000, 3_162, 10_000],
        values: &[10, 100, 1 << 10, 10 << 10, 32 << 10, 63 << 10, 66 << 10, 100 << 10, 1 << 20],
        seconds: [10, 40],
        seconds_of_many: [2, 10],
    };

    /// To see that all of it works.
    pub const SMALL: Self = Self {
        items: &[1_000, 10_000],
        owners: &[10, 100],
        members: &[10, 32],
        values: &[100, 63 << 10, 66 << 10],
        seconds: [2, 5],
        seconds_of_many: [2, 5],
    };
}

/// One child per run.
fn runs(n: u32, arguments: &[&str]) -> Result<Vec<Figures>> {
    (0..n).map(|_| child::own(arguments)).collect()
}

/// Adds the point at `x`: a figure of all runs, times `factor`.
fn point(
    report: &mut Report,
    curve: (&str, &'static str),
    x: u64,
    runs: &[Figures],
    (figure, factor): (&str, f64),
) -> Result<()> {
    let values = runs.iter().map(|run| Ok(run.get(figure)? * factor)).collect::<Result<Vec<_>>>()?;
    let (name, unit) = curve;
    report.add(Row::new(format!("growth_{name}"), unit, &values).at(x));
    Ok(())
}

/// Microseconds in a second.
const MICROS: f64 = 1e6;
