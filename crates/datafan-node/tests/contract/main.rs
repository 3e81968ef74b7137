//! The contract of the command line and of HTTP: what scripts rely on, literally. A file per topic.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

#[path = "../common/mod.rs"]
mod common;

mod basics;
mod beginnings;
mod import;
mod puts;
