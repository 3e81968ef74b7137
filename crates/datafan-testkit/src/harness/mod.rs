//! A deterministic harness: many engines in one thread, on virtual time, from one seed.
//!
//! What this is: a second driver of the same engine, for stories about a handful of members. A [`World`] has members
//! with a store, a wall clock and an engine each, and links with latency, rate, queues and faults between them. What
//! this is not: the simulator. It draws no faults by itself; a test says what goes wrong, and when.
//!
//! ```text
//! let mut world = World::<Mem>::mesh(3, seed);     // three admitted members, no links yet
//! world.link_all(&line(3));
//! world.put(0, "color", b"red");                   // returns when it is on disk
//! world.lose_next(0, 1);
//! world.run_until("all equal", 10 * SECOND, |world| world.equal());
//! ```
//!
//! The same seed gives the same story, byte for byte: [`World::digest`] covers every message that was carried.

mod content;
mod guard;
mod link;
mod member;
mod network;
mod reading;
mod report;
mod topology;
mod world;
mod writes;

pub use content::Content;
pub use guard::{heads_never_go_back, keeps_what_was_readable, uses_no_timestamp_twice};
pub use link::{Terms, Traffic};
pub use member::Disk;
pub use network::{Fate, Passing};
pub use topology::{circle, circle2, full, line, line2, random};
pub use world::World;
pub use writes::{delete, put, put_until};
