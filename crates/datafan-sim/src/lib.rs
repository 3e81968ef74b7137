//! The simulator: many engines in one thread, on virtual time, from one seed.
//!
//! What this is: a second driver of the very same engine, store trait and messages that members run, with no
//! hooks in them. [`simulate`] plays a [`Scenario`]: members start and write, faults happen that the seed
//! draws, all heals, and then everything must become equal; [`checkers`] look at every commit and every
//! message meanwhile. What this is not: a model. There is no second implementation of anything that it
//! checks.
//!
//! ```
//! use datafan_sim::{run::Unwatched, scenario::Scenario, simulate};
//!
//! let scenario = Scenario::parse("members = 4\ntopology = 'ring'\nseconds = 2\nfaults.crashes = 2")?;
//! let outcome = simulate(&scenario, 7, &mut Unwatched)?;
//! assert!(outcome.holds(), "{:?}", outcome.failure);
//! let again = simulate(&scenario, 7, &mut Unwatched)?;
//! assert_eq!(again.trace_digest, outcome.trace_digest);
//! # Ok::<(), datafan_sim::scenario::ScenarioError>(())
//! ```

pub mod checkers;
pub mod ledger;
pub mod measure;
mod misbehaving;
pub mod outcome;
pub mod plan;
pub mod report;
pub mod run;
pub mod scenario;
pub mod store;
pub mod topology;
pub mod world;

pub use outcome::Outcome;
pub use run::simulate;
pub use scenario::Scenario;
