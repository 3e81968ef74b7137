//! Measures other crates at the work of datafan's benchmarks: one subject of one peer per process, as `cargo
//! xtask bench --peers` calls it. Prints one JSON object with the figures by name.
//!
//! Every subject says how it differs from datafan's. Where there is a choice, it favours the peer.

mod data;
mod documents;
mod figures;
mod gossip;
mod ids;
mod live;
mod symbols;

use clap::{Parser, Subcommand};
use data::Place;
use figures::Figures;
use std::{path::PathBuf, process::ExitCode};

/// The allocator of datafan's own measurements.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "datafan-peers", about = "Measures one subject of one peer")]
struct Arguments {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Subcommand)]
enum Subject {
    /// iroh-docs: the first sync of a replica in memory, then one after each number of changes
    Documents {
        /// Entries
        items: u64,
        /// Number of entries that are overwritten before each further sync
        changed: Vec<u64>,
    },
    /// iroh-docs: the first sync of a replica on a file
    DocumentsOnFile {
        /// Entries
        items: u64,
        /// Directory of the file
        directory: PathBuf,
    },
    /// iroh-docs: memory of a replica in memory
    DocumentsMemory {
        /// Entries
        items: u64,
    },
    /// iroh-docs: from a write on one node until another one has it, over loopback QUIC
    Live {
        /// Number of writes, one after the other
        writes: u32,
    },
    /// chitchat: from a write on one node until all others have it, and the cost of idle nodes
    Spread {
        #[command(flatten)]
        shape: gossip::Shape,
        /// Number of writes, one after the other
        writes: u32,
    },
    /// chitchat: until a new node has everything
    Join {
        #[command(flatten)]
        shape: gossip::Shape,
        /// Keys of each of the nodes
        keys: u64,
    },
    /// chitchat: memory of a node
    GossipMemory {
        /// Its keys
        items: u64,
    },
    /// negentropy: finds the difference of two sets
    Negentropy(Sets),
    /// riblt: finds the difference of two sets
    Riblt(Sets),
}

#[derive(clap::Args)]
struct Sets {
    /// Items that both had
    items: u64,
    /// Number of items that one side has overwritten
    changed: u64,
    /// Which items
    place: Place,
}

fn main() -> ExitCode {
    match measure(Arguments::parse().subject) {
        Ok(figures) => {
            println!("{}", figures.to_json());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(subject: Subject) -> anyhow::Result<Figures> {
    match subject {
        Subject::Documents { items, changed } => documents::sync(items, &changed),
        Subject::DocumentsOnFile { items, directory } => documents::sync_to_file(items, &directory),
        Subject::DocumentsMemory { items } => documents::memory_of(items),
        Subject::Live { writes } => live::writes(writes),
        Subject::Spread { shape, writes } => gossip::spread(shape, writes),
        Subject::Join { shape, keys } => gossip::join(shape, keys),
        Subject::GossipMemory { items } => gossip::memory_of(items),
        Subject::Negentropy(Sets { items, changed, place }) => ids::reconcile(items, changed, place),
        Subject::Riblt(Sets { items, changed, place }) => symbols::reconcile(items, changed, place),
    }
}
