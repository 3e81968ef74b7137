//! One suite for every store.
//!
//! A store's test passes [`check_store`] a [`Medium`]: the medium of the store, with its faults. The suite
//! compares the store with a naive [`Model`] and ignores how it works.

// A suite fails by panicking.
#![allow(clippy::unwrap_used)]

mod backups;
mod crashes;
mod damage;
mod durability;
mod erasure;
mod generate;
mod medium;
mod model;
mod opening;
mod reads;
mod sound;
pub mod tape;

pub use crashes::{FilePath, Tally, Taped, check_crashes};
pub use generate::Generator;
pub use medium::Medium;
pub use model::{Model, ModelShard, Places};

/// Runs the whole suite; `fresh` creates an empty medium. Panics at the first difference.
pub fn check_store<M: Medium>(fresh: impl Fn() -> M) {
    for seed in 0..6 {
        reads::agree_with_a_model(&fresh(), seed);
        durability::survives_crashes(&fresh(), seed);
    }
    for seed in 0..3 {
        durability::survives_failing_writes(&fresh, seed);
    }
    reads::pages_reach_their_bounds(&fresh());
    reads::snapshots_see_whole_commits_from_any_thread(&fresh());
    erasure::takes_dead_shards_away_by_pages(&fresh());
    damage::is_found_where_it_is(&fresh());
    backups::come_back(&fresh);
    opening::keeps_everything_over_a_clean_stop(&fresh());
    opening::refuses_an_unknown_format(&fresh());
    opening::opens_once(&fresh());
}
