//! Commands about one member: creating it, running it, its store and its state.

use super::super::{
    limits::Limits,
    parse::{self, Peer},
};
use clap::Args;
use datafan_core::{
    connector::Address,
    id::{MeshId, Name},
};
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// `init`
#[derive(Args, Debug)]
pub struct Init {
    /// The member's name: 1 to 63 of a-z, 0-9 and -
    #[arg(long, required_unless_present = "ticket")]
    pub name: Option<Name>,
    /// The ticket from `datafan invite`: a file, or - for standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["name", "mesh"])]
    pub ticket: Option<PathBuf>,
    /// The mesh to join; a member of that mesh must then admit this one
    #[arg(long, value_name = "MESH_ID", requires = "name")]
    pub mesh: Option<MeshId>,
}

/// `run`
#[derive(Args, Debug)]
pub struct Run {
    /// Create a new mesh if DIR holds no member yet
    #[arg(long, value_name = "NAME", conflicts_with = "ticket")]
    pub init: Option<Name>,
    /// Join with this ticket if DIR holds no member yet: a file, or - for standard input
    #[arg(long, value_name = "FILE")]
    pub ticket: Option<PathBuf>,
    /// Listen for links on this UDP address; port 0 picks a free port
    #[arg(long, value_name = "IP:PORT")]
    pub listen: Vec<SocketAddr>,
    /// Dial this member first
    #[arg(long, value_name = "[ID@]HOST:PORT", value_parser = parse::peer)]
    pub connect: Vec<Peer>,
    /// Publish this address instead of the detected ones
    #[arg(long, value_name = "HOST:PORT", value_parser = parse::address)]
    pub advertise: Vec<Address>,
    /// Mean time between two anti-entropy rounds, at most 1d
    #[arg(long, value_name = "TIME", value_parser = parse::timeout, default_value = "1s")]
    pub sync_period: Duration,
    /// Start an empty shard if the store has lost it, discarding any copy that peers hold
    #[arg(long)]
    pub abandon: bool,
    /// Write the bound addresses to this file as JSON
    #[arg(long, value_name = "FILE")]
    pub ports_file: Option<PathBuf>,
    #[command(flatten)]
    pub limits: Limits,
}

/// `verify`
#[derive(Args, Debug)]
pub struct Verify {
    /// Keep the readable rows of damaged shards; the member copies the rest from its peers when it runs
    #[arg(long)]
    pub repair: bool,
}

/// `forks`
#[derive(Args, Debug)]
pub struct Forks {
    /// Write each piece of evidence to a file in this directory
    #[arg(long, value_name = "DIR")]
    pub export: Option<PathBuf>,
    /// Close the forks known so far of this owner (name or id), so that its writes are pushed again. Needs
    /// the running member that holds authority.key
    #[arg(long, value_name = "OWNER", conflicts_with = "export")]
    pub close: Option<String>,
}

/// `backup`
#[derive(Args, Debug)]
pub struct Save {
    /// The file, or - for standard output
    pub file: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    pub force: bool,
}

/// `restore`, `verify-fork`
#[derive(Args, Debug)]
pub struct Backup {
    /// The file; for a backup, - reads standard input
    pub file: PathBuf,
}

/// `recovered`
#[derive(Args, Debug)]
pub struct Recovered {
    /// Write every divergent item that is missing here as new commits, and discard the rest
    #[arg(long, conflicts_with = "forget")]
    pub take: bool,
    /// Discard the divergent copy
    #[arg(long)]
    pub forget: bool,
    /// Do not ask for confirmation
    #[arg(long)]
    pub yes: bool,
}

/// `wait`
#[derive(Args, Debug)]
pub struct Wait {
    /// Owner whose state to wait for [default: this member]
    #[arg(long, value_name = "O", requires = "timestamp")]
    pub owner: Option<String>,
    /// Wait for this timestamp, as printed by put and import
    #[arg(long, value_name = "T")]
    pub timestamp: Option<u64>,
    /// Wait for at least this many links
    #[arg(long, value_name = "N")]
    pub links: Option<usize>,
}

/// `members`
#[derive(Args, Debug)]
pub struct Members {
    /// Show who tried to connect and is not admitted yet
    #[arg(long)]
    pub pending: bool,
}

/// `demo`
#[derive(Args, Debug)]
pub struct Demo {
    /// Number of members, 2 to 16
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=16))]
    pub members: u8,
    /// Rows {"owner","key","value"}, plain or gzip [default: a built-in sample]
    #[arg(long, value_name = "FILE")]
    pub data: Option<PathBuf>,
    /// Rows to apply as live changes [default: those of the sample, or none with --data]
    #[arg(long, value_name = "FILE")]
    pub updates: Option<PathBuf>,
    /// Keep the stores of the members here [default: a temporary directory]
    #[arg(long)]
    pub dir: Option<PathBuf>,
}
