//! The code that fuzzers attack: one function per target, which takes bytes and panics on a bug.
//!
//! The bodies of the fuzz targets, the seeds of their corpora, and a mutator that attacks them for a few
//! seconds in ordinary tests. The fuzzer itself is elsewhere: the targets for libFuzzer are in `fuzz/`, a
//! separate workspace, and each is one call of a function here. `docs/fuzzing.md` says how to run them and
//! what they found.
//!
//! | module | what is attacked |
//! | --- | --- |
//! | [`message`] | bytes of a peer: every message |
//! | [`session`] | an engine, by two members and a stranger who misbehave in every way the input says |
//! | [`record`] | heads, grants, records, nodes, items: what stores and messages hold |
//! | [`store_file`] | a store's file whose bytes were changed |
//! | [`ticket`] | invitations as text |
//! | [`request`] | requests to an authority that is offline, and what it signs, as text |
//! | [`evidence`] | evidence of a fork |
//! | [`backup`] | a backup, part by part |
//! | [`import`] | files of JSON lines |
//! | [`home`] | the files of a member's directory |
//! | [`word`] | ids, names, keys and addresses as text |
//! | [`scenario`] | the settings of a simulation |
//! | [`mutate`] | changed and mixed seeds, from a number |

pub mod backup;
mod corpus;
pub mod evidence;
pub mod home;
pub mod import;
pub mod message;
pub mod mutate;
pub mod record;
pub mod request;
pub mod scenario;
pub mod session;
pub mod store_file;
pub mod ticket;
pub mod word;

pub use corpus::Seed;

/// A fuzz target.
pub struct Target {
    /// Also the name of its corpus.
    pub name: &'static str,
    /// Accepts any bytes; panics if a property is violated.
    pub attack: fn(&[u8]),
    /// Makes the initial inputs of its corpus, always the same.
    pub seeds: fn() -> Vec<Seed>,
    /// Number of mutated inputs in an ordinary test: about two seconds in an unoptimised build.
    pub tries: u64,
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "message", attack: message::attack, seeds: message::seeds, tries: 200_000 },
    Target { name: "session", attack: session::attack, seeds: session::seeds, tries: 120 },
    Target { name: "record", attack: record::attack, seeds: record::seeds, tries: 200_000 },
    Target { name: "store_file", attack: store_file::attack, seeds: store_file::seeds, tries: 80 },
    Target { name: "ticket", attack: ticket::attack, seeds: ticket::seeds, tries: 50_000 },
    Target { name: "request", attack: request::attack, seeds: request::seeds, tries: 50_000 },
    Target { name: "evidence", attack: evidence::attack, seeds: evidence::seeds, tries: 20_000 },
    Target { name: "backup", attack: backup::attack, seeds: backup::seeds, tries: 20_000 },
    Target { name: "import", attack: import::attack, seeds: import::seeds, tries: 50_000 },
    Target { name: "home", attack: home::attack, seeds: home::seeds, tries: 5_000 },
    Target { name: "scenario", attack: scenario::attack, seeds: scenario::seeds, tries: 2_000 },
    Target { name: "word", attack: word::attack, seeds: word::seeds, tries: 200_000 },
];
