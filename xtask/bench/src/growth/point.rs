//! One point of a curve, from its runs.

use crate::{
    child,
    figures::Figures,
    report::{Report, Row},
};
use anyhow::Result;

/// One child per run.
pub fn runs(n: u32, arguments: &[&str]) -> Result<Vec<Figures>> {
    (0..n).map(|_| child::own(arguments)).collect()
}

/// Adds the point at `x`: a figure of all runs, multiplied by `factor`.
pub fn point(
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
pub const MICROS: f64 = 1e6;
