//! Faults with real processes: `docs/testing.md` says what each shows and how to run more of it.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

#[path = "../common/mod.rs"]
mod common;

mod addresses;
mod client;
mod diagnostics;
mod disk;
mod failing;
mod halves;
mod kills;
mod namespaces;
mod parting;
mod relayed;
