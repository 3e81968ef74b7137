//! The HTTP interface of a running member, over a socket in its directory and, if asked for, TCP on loopback.
//!
//! `docs/http.md` lists the endpoints. Everybody who may open the socket may do all that the member may; it
//! is made for its owner alone. On TCP a token is asked for, if there is one. What this is not: an interface
//! for other machines.
//!
//! Modules in reading order: [`wire`], [`writes`] and [`changes`] (the JSON), [`socket`] (where), `server`
//! (connections), `guard` and [`token`] (who), `bounds` (how much), `query` (parameters), `patience` (how
//! long), `routes`, and below them `roster`, `adopt`, `data`, `report`, `owner`, `stream`; what these
//! share is in `app`, `body` and `written`.

mod adopt;
mod app;
mod backup;
mod body;
mod bounds;
pub mod changes;
mod data;
mod forks;
mod guard;
mod owner;
mod patience;
mod query;
mod recovered;
mod refusal;
mod refuse;
mod report;
mod roster;
mod routes;
mod server;
pub mod socket;
mod stall;
pub mod stamp;
mod stream;
pub mod token;
mod wait;
pub mod wire;
pub mod writes;
mod written;

pub use app::Facts;
pub use bounds::{BODY_BYTES_MAX, TTL_MILLIS_MAX, WAIT_MILLIS_MAX};
pub use patience::{TIMEOUT_HEADER, told};
pub use server::{Server, Tcp};
