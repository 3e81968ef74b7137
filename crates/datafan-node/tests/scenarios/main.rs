//! A30, A40, A42-A44, A49, A50 with processes: `docs/testing.md` says what each shows.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

#[path = "../common/mod.rs"]
mod common;

mod authority;
mod clocks;
mod copies;
mod expiry;
