//! The HTTP API of a running member, on a socket in its directory and, optionally, on TCP on loopback.
//!
//! `docs/http.md` lists the endpoints. Whoever can open the socket can do everything that the member can;
//! only the owner of the directory can open it. On TCP, a token can be required. The API is not meant for
//! other machines.
//!
//! Modules in reading order: [`wire`], [`writes`] and [`changes`] (the JSON), [`socket`] (the socket),
//! `server` (connections), `guard` and [`token`] (access), `bounds` (limits), `query` (parameters),
//! `patience` (timeouts), `routes`, and below them `roster`, `adopt`, `data`, `report`, `owner`, `stream`;
//! `app`, `body` and `written` hold what these share.

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
