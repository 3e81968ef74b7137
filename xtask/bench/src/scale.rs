//! The size of the measurements.

use crate::report::Report;
use anyhow::Result;

/// A measurement: adds its rows.
pub type Measure = fn(&Scale, &mut Report) -> Result<()>;

/// The size of the measurements.
#[derive(Clone, Copy)]
pub struct Scale {
    /// A large number of items.
    pub items: u64,
    /// Ten times as many.
    pub items_many: u64,
    /// Owners, few and many.
    pub owners: [u32; 2],
    /// Number of items that are overwritten while a member is away.
    pub changed: [u64; 3],
    /// Number of timed writes.
    pub writes: u32,
    /// Items of 1 KiB that are copied during writes.
    pub bulk_items: u64,
    /// Members of one process, and the writes that reach all of them.
    pub members: u32,
    pub spread_writes: u32,
    /// The content that a new member gets: number of shards, and keys in each.
    pub shards: u32,
    pub shard_keys: u64,
    /// Number of timed reads.
    pub reads: u32,
    /// Puts of each of the writers.
    pub puts: u32,
    /// Commits per second of an owner that commits continuously, and for how long.
    pub flood_rate: u32,
    pub flood_seconds: u32,
    /// Duration of idle phases.
    pub idle_seconds: u32,
    pub runs: u32,
    /// The points of the curves.
    pub growth: Extent,
}

/// The points of the curves.
#[derive(Clone, Copy)]
pub struct Extent {
    pub items: &'static [u64],
    pub owners: &'static [u64],
    pub members: &'static [u64],
    /// Bytes of a value.
    pub values: &'static [u64],
    /// Duration of writes in the short and in the long run of a simulation, in virtual seconds.
    pub seconds: [u32; 2],
    /// The same with more members than [`crate::growth::members::LONG_MAX`].
    pub seconds_of_many: [u32; 2],
}

impl Extent {
    /// The sizes of the document. The middle of each decade is measured only where decades are too far apart
    /// to show a bend.
    pub const FULL: Self = Self {
        items: &[1_000, 10_000, 100_000, 1_000_000],
        owners: &[10, 100, 1_000, 10_000],
        members: &[10, 32, 100, 316, 1_000, 3_162, 10_000],
        values: &[10, 100, 1 << 10, 10 << 10, 32 << 10, 63 << 10, 66 << 10, 100 << 10, 1 << 20],
        seconds: [10, 40],
        seconds_of_many: [2, 10],
    };

    /// Small sizes, to see that everything works.
    pub const SMALL: Self = Self {
        items: &[1_000, 10_000],
        owners: &[10, 100],
        members: &[10, 32],
        values: &[100, 63 << 10, 66 << 10],
        seconds: [2, 5],
        seconds_of_many: [2, 5],
    };
}

impl Scale {
    /// Small sizes, to see that everything works.
    pub const QUICK: Self = Self {
        items: 5_000,
        items_many: 50_000,
        owners: [2, 20],
        changed: [1, 10, 100],
        writes: 50,
        bulk_items: 100_000,
        members: 20,
        spread_writes: 10,
        shards: 20,
        shard_keys: 100,
        reads: 500,
        puts: 10,
        flood_rate: 1_000,
        flood_seconds: 2,
        idle_seconds: 3,
        runs: 1,
        growth: Extent::SMALL,
    };

    /// The sizes of the documents.
    pub fn full(runs: u32) -> Self {
        Self {
            items: 100_000,
            items_many: 1_000_000,
            owners: [10, 1_000],
            changed: [1, 100, 10_000],
            writes: 1_000,
            bulk_items: 200_000,
            members: 100,
            spread_writes: 50,
            shards: 100,
            shard_keys: 1_000,
            reads: 100_000,
            puts: 50,
            flood_rate: 10_000,
            flood_seconds: 20,
            idle_seconds: 20,
            runs,
            growth: Extent::FULL,
        }
    }

    /// The number of members of a shipped scenario.
    pub fn simulated(&self, scenario: &str) -> usize {
        let members = if scenario == "thousand" { 10 * self.members } else { self.members };
        members as usize
    }
}
