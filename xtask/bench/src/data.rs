//! The items that all measurements use, and meshes to put them in.

use datafan_core::engine::Write;
use datafan_testkit::workload;
use std::time::{SystemTime, UNIX_EPOCH};

pub use datafan_testkit::workload::{KEY_BYTES, VALUE_BYTES, config, scattered, value};

/// Which of the common items were overwritten.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Overwritten {
    /// The last ones written.
    Newest,
    /// Random ones.
    Random,
}

/// Writes per commit when many items are written in successive commits.
pub const COMMIT_WRITES: u64 = 1_000;

/// The `n`th item's key, for a user.
pub fn key(n: u64) -> String {
    workload::key(n).as_str().to_owned()
}

/// A put of the `n`th item.
pub fn write(n: u64) -> Write {
    workload::put(n, n)
}

/// A put of the `n`th item with another value.
pub fn rewrite(n: u64) -> Write {
    workload::put(n, !n)
}

/// The numbers of the overwritten items, ascending. The measurements of the peers choose the same.
pub fn overwritten(items: u64, changed: u64, place: Overwritten) -> Vec<u64> {
    match place {
        Overwritten::Newest => (items - changed..items).collect(),
        Overwritten::Random => {
            let mut all: Vec<u64> = (0..items).collect();
            all.sort_unstable_by_key(|n| scattered(!n));
            all.truncate(changed as usize);
            all.sort_unstable();
            all
        }
    }
}

/// The puts of `items` items, in commits.
pub fn commits(items: u64, writes: u64) -> impl Iterator<Item = Vec<Write>> {
    (0..items).step_by(writes as usize).map(move |from| (from..items.min(from + writes)).map(write).collect())
}

/// Bytes of keys and values of `items` items.
pub fn data_bytes(items: u64) -> u64 {
    items * (KEY_BYTES + VALUE_BYTES)
}

/// Microseconds since 1970.
pub fn wall_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
