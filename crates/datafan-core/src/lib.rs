//! datafan's core: every member of a mesh holds a verified copy of what all the others publish.
//!
//! This crate is the replication engine as a synchronous state machine: no clock, no I/O, no thread, no async, no
//! `std`. A driver feeds it [`engine::Input`]s and carries out its [`engine::Effect`]s.
//!
#![no_std]
#![deny(rustdoc::broken_intra_doc_links)]
extern crate alloc;

pub mod base32;
pub mod codec;
pub mod connector;
pub mod engine;
pub mod grant;
pub mod hash;
pub mod head;
pub mod id;
pub mod identity;
pub mod item;
pub mod limits;
pub mod message;
pub mod read;
mod rng;
mod shard;
pub mod store;
pub mod time;
pub mod trie;
