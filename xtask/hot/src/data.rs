//! Keys, values and members, the same in every run.

use datafan_core::time::Timestamp;
use datafan_testkit::workload::scattered;

pub use datafan_testkit::workload::{config, identity, key, mesh, put, value};

/// Items of a shard of typical size.
pub const ITEMS: u64 = 10_000;
/// Start of the clocks: in the year 2025.
pub const WALL: Timestamp = Timestamp(1_750_000_000_000_000);

/// A number in `0..below` for each `n`, without a pattern.
pub fn random(n: u64, below: u64) -> u64 {
    scattered(n) % below
}
