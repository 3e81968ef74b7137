//! A datafan member, ready to run or to embed: the driver with a redb store and QUIC links.
//!
//! ```no_run
//! use datafan_node::{Bootstrap, Node};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let node = Node::builder("/var/lib/my-app/datafan")
//!     .bootstrap(Bootstrap::NewMesh { name: "alpha".parse()? })
//!     .start()
//!     .await?;
//! let done = node.put("color", "red").await?;
//! assert_eq!(node.get(&node.id(), "color")?.map(|item| item.timestamp), Some(done.timestamp));
//! node.stop().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Besides [`Node`]: [`ticket`] (invitations on one line), [`authority`] (an authority key that is kept
//! offline).
//!
//! Features, all on by default: `redb` and `quic` (both together provide `Node`), `http` (the HTTP API of a
//! running member), `rows` (files of JSON lines), `cli` (the binary `datafan`). The library installs no
//! `tracing` subscriber.

pub mod authority;
mod files;
mod home;
mod inventory;
mod json;
mod keys;
mod membership;
pub mod ticket;

#[cfg(feature = "http")]
pub mod http;

#[cfg(feature = "rows")]
pub mod rows;

#[cfg(any(feature = "http", feature = "rows"))]
pub mod times;

#[cfg(feature = "redb")]
mod bootstrap;

#[cfg(all(feature = "redb", feature = "quic"))]
mod advertise;
#[cfg(all(feature = "redb", feature = "quic"))]
mod builder;
#[cfg(all(feature = "redb", feature = "quic"))]
mod handle;
#[cfg(all(feature = "redb", feature = "quic"))]
mod litter;
#[cfg(all(feature = "redb", feature = "quic"))]
mod node;

#[cfg(all(feature = "redb", feature = "quic"))]
pub use advertise::Advertised;
#[cfg(feature = "redb")]
pub use bootstrap::{Bootstrap, BootstrapError};
#[cfg(all(feature = "redb", feature = "quic"))]
pub use builder::{Builder, DEFAULT_PORT, NodeError};
#[cfg(all(feature = "redb", feature = "quic"))]
pub use handle::{NodeHandle, NodeSnapshot};
pub use home::Home;
pub use inventory::Inventory;
pub use keys::{KeyFileError, KeyKind};
#[cfg(all(feature = "redb", feature = "quic"))]
pub use litter::sweep_beside;
pub use membership::{Membership, MembershipError};
#[cfg(all(feature = "redb", feature = "quic"))]
pub use node::Node;

pub use datafan_core as core;
pub use datafan_driver as driver;
