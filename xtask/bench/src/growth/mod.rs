//! `cargo xtask bench --growth`: growth of the cost with items, owners, members and bytes of a value.
//!
//! A row is one point of one curve: its name identifies the curve, its `x` the point. Every point is measured
//! in separate processes.

pub mod items;
pub mod members;
pub mod owners;
mod point;
pub mod values;

use crate::scale::Measure;

/// All curves, by what they grow with.
pub const MEASUREMENTS: &[(&str, Measure)] = &[
    ("growth-items", items::measure),
    ("growth-owners", owners::measure),
    ("growth-members", members::measure),
    ("growth-values", values::measure),
];
