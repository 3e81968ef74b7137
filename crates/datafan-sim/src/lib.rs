//! The simulator: many engines in one thread, on virtual time, from one seed.
//!
//! It is a second driver of the same engine, store trait and messages that members run, without hooks in
//! them. [`simulate`] runs a [`Scenario`]: members start and write, the seed draws faults that happen, then
//! everything heals and must become equal; meanwhile the [`checkers`] examine every commit and every message.
//! It is not a model: nothing that it checks is implemented a second time.
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
