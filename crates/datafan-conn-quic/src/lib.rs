//! datafan's connector over QUIC: TLS 1.3 with mutual authentication by the members' own keys.
//!
//! The bytes are laid down in `docs/protocol-links.md`. What this crate is not: it does not know who belongs
//! to a mesh. It proves who a peer is; whether the peer may stay is the engine's judgement.
//!
//! Everything async runs as tasks on the runtime whose handle is given; the [`Connector`] methods never
//! block. An [`Inbox`] is pushed to under the connector's lock, so it must not call the connector back.
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
