//! datafan's core: every member of a mesh holds a verified copy of what all the others publish.
//!
//! This crate is the replication engine, written as a synchronous state machine. A driver feeds it
//! [`engine::Input`]s and carries out its [`engine::Effect`]s; the same inputs always give the same effects,
//! byte for byte. It has no clock, no I/O, no threads, no async, no logging, no random-order map and no
//! `std`. It depends on no particular store or connector: [`store`] and [`connector`] define the traits that
//! it needs. `datafan-driver` runs the engine in a thread, and `datafan-node` adds a disk and a network.
//! `docs/architecture.md` gives an overview, and `docs/protocol.md` specifies the bytes.
//!
//! Modules, in reading order:
//!
//! | module | what it has |
//! | --- | --- |
//! | [`limits`] | every limit, with the relations between neighbours |
//! | [`id`], [`identity`] | members, meshes and names; keys and signatures |
//! | [`time`] | timestamps of data, monotonic time for deadlines |
//! | [`item`] | keys and items |
//! | [`hash`], [`trie`] | BLAKE3 with domains; the canonical Merkle trie over timestamps |
//! | [`head`] | what an owner signs after each commit |
//! | [`claim`] | what the older one of two processes with one key signs |
//! | [`grant`], [`roster`] | what the roster says of each member, and how that changes |
//! | [`store`] | what the engine asks of a store, and its one atomic batch |
//! | [`codec`], [`message`] | canonical bytes; what members say to each other |
//! | [`connector`] | what a driver asks of a connector |
//! | [`engine`] | the state machine, one file per cause |
//! | [`read`] | snapshots for users: by owner, key, prefix and range |
//! | [`verify`](mod@verify) | what a store holds, checked against itself |
//! | [`base32`] | ids as text |
//!
//! How a receiver verifies that data comes from its owner, regardless of who relayed it:
//!
//! ```
//! use datafan_core::{
//!     hash::{Hash, Hasher}, head::Head, id::MeshId, identity::{Identity, Strict}, item::{Item, Key},
//!     message::{Delta, Message, encode_delta}, time::Timestamp, trie::{Branch, NewNodes, join},
//! };
//!
//! // The owner: an item, the trie over it, a signed head, one message.
//! let (authority, owner) = (Identity::from_secret(&[1; 32]), Identity::from_secret(&[2; 32]));
//! let mesh = MeshId(authority.id());
//! let item = Item {
//!     key: Key::new("color")?,
//!     timestamp: Timestamp(1_700_000_000_000_000),
//!     expiry: None,
//!     value: (*b"red").into(),
//! };
//! let root = item.leaf_hash(); // the root of a trie with one leaf is that leaf
//! let (timestamp, bytes, signature) = (item.timestamp, item.bytes(), [0; 64]);
//! let head = Head { owner: owner.id(), timestamp, items: 1, bytes, root, signature }.signed(&mesh, &owner);
//! let body = encode_delta(Timestamp::ZERO, &[item], &[]);
//! let sent = Message::Push(Delta::new(head, Timestamp::ZERO, &body)).encode();
//!
//! // A receiver that holds nothing: the signature proves the head, the head proves the items.
//! let Message::Push(delta) = Message::decode(&sent)? else { unreachable!() };
//! assert!(delta.head.verify(&mesh, &Strict));
//! let (items, _tombstones) = delta.contents()?;
//! let leaves: Vec<Branch> = items.iter().map(|item| Branch::leaf(item.timestamp.0, item.leaf())).collect();
//! let top = join(Hasher::NODE, &leaves, &mut NewNodes::new());
//! assert_eq!(top.map_or_else(Hash::empty, |top| top.hash), delta.head.root);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![no_std]
#![deny(rustdoc::broken_intra_doc_links)]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod backup;
pub mod base32;
pub mod claim;
pub mod codec;
pub mod connector;
pub mod difference;
pub mod engine;
pub mod fork;
pub mod grant;
pub mod hash;
pub mod head;
mod history;
pub mod id;
pub mod identity;
pub mod item;
mod key;
pub mod limits;
pub mod message;
pub mod read;
mod recovered;
pub mod repair;
mod rng;
pub mod roster;
pub mod runs;
mod shard;
pub mod store;
pub mod time;
pub mod trie;
pub mod verify;
