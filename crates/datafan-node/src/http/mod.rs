//! The HTTP interface of a running member, over a socket in its directory and, if asked for, TCP on loopback.
//!
//! `docs/http.md` lists the endpoints. Everybody who may open the socket may do all that the member may; it is
//! made for its owner alone. What this is not: an interface for other machines, it has no passwords.
//!
//! Modules in reading order: [`wire`] and [`changes`] (the JSON), [`socket`] (where), `server` (connections), `routes`, and
//! below them `roster`, `adopt`, `data`, `report`, `owner`, `stream`.

mod adopt;
mod backup;
pub mod changes;
mod data;
mod forks;
mod owner;
mod recovered;
mod refuse;
mod report;
mod roster;
mod routes;
mod server;
pub mod socket;
mod stream;
mod wait;
pub mod wire;

pub use routes::BODY_BYTES_MAX;
pub use server::{Facts, Server};
