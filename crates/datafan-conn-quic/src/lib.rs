//! datafan's connector over QUIC: TLS 1.3 with mutual authentication by the members' own keys.
//!
//! `docs/protocol-links.md` specifies the bytes. This crate does not know who belongs to a mesh: it proves
//! who a peer is, and the engine decides whether the peer may stay.
//!
//! Everything async runs as tasks on the given runtime; the [`Connector`] methods never block. Events are
//! pushed to an [`Inbox`] under the connector's lock, so it must not call the connector.
//!
//! [`Connector`]: datafan_core::connector::Connector
//! [`Inbox`]: datafan_core::connector::Inbox

mod config;
mod connector;

mod budget;
mod certificate;
mod setup;
mod socket;
mod verifier;

mod dial;
mod greeting;
mod half_open;
mod hello;
mod listen;
mod replacements;
mod same_key;
mod table;

mod framing;
mod intake;
mod link;
mod link_task;
mod outbox;
mod reader;
mod writer;

mod ending;

pub use config::{BindError, Config, Stats};
pub use connector::QuicConnector;
