//! The contract of the command line and of HTTP: what scripts rely on, literally. One file per topic.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

#[path = "../common/mod.rs"]
mod common;

mod backup;
mod basics;
mod beginnings;
mod documents;
mod full_output;
mod http;
mod import;
mod puts;
mod reading;
mod revoked;
mod roster;
mod usage;
