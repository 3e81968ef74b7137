//! datafan's connector inside one process: a switch that passes frames from one member's inbox to another's.
//!
//! For tests, simulations of topology and members that share a process. It has no clock and no thread: the
//! caller delivers the events to the inboxes. Addresses are plain strings, registered in the switch.
//!
//! ```
//! # use std::sync::Arc;
//! # use datafan_core::{connector::{Connector, Event, Inbox}, id::MemberId};
//! # struct Ignore;
//! # impl Inbox for Ignore { fn push(&self, _: Event) {} }
//! let mesh = datafan_conn_chan::ChanMesh::new();
//! let a = mesh.connector(MemberId([1; 32]), "a", Arc::new(Ignore));
//! let _b = mesh.connector(MemberId([2; 32]), "b", Arc::new(Ignore));
//! a.dial("b".into(), None);
//! ```

mod connector;
mod mailbox;
mod switch;

pub use connector::{ChanConnector, ChanMesh};
pub use switch::{BULK_QUEUE_BYTES, SMALL_QUEUE_BYTES};
