//! Commands of one member: its beginning, its run, its store, and what it says of itself.

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
    /// A ticket from `datafan invite`: a file, or - for standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["name", "mesh"])]
    pub ticket: Option<PathBuf>,
    /// The mesh to join; the member has to be admitted there
    #[arg(long, value_name = "MESH_ID", requires = "name")]
    pub mesh: Option<MeshId>,
}

/// `run`
#[derive(Args, Debug)]
pub struct Run {
    /// Begin a new mesh where DIR has no member yet
    #[arg(long, value_name = "NAME", conflicts_with = "ticket")]
    pub init: Option<Name>,
    /// Begin with a ticket where DIR has no member yet: a file, or - for standard input
    #[arg(long, value_name = "FILE")]
    pub ticket: Option<PathBuf>,
    /// Listen here for links (UDP); port 0 takes a free one
    #[arg(long, value_name = "IP:PORT")]
    pub listen: Vec<SocketAddr>,
    /// Dial this member first
    #[arg(long, value_name = "[ID@]HOST:PORT", value_parser = parse::peer)]
    pub connect: Vec<Peer>,
    /// Publish this address as the member's own, in place of what is found
    #[arg(long, value_name = "HOST:PORT", value_parser = parse::address)]
    pub advertise: Vec<Address>,
    /// Mean time between two rounds, at most 1d
    #[arg(long, value_name = "TIME", value_parser = parse::timeout, default_value = "1s")]
    pub sync_period: Duration,
    /// Begin this member's shard anew where the store has lost it, whatever the mesh still has of it
    #[arg(long)]
    pub abandon: bool,
    /// Write the bound addresses to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub ports_file: Option<PathBuf>,
    #[command(flatten)]
    pub limits: Limits,
}

/// `verify`
#[derive(Args, Debug)]
pub struct Verify {
    /// Keep what can be read of damaged shards, and let the member copy the rest from its neighbours when it
    /// runs
    #[arg(long)]
    pub repair: bool,
}

/// `forks`
#[derive(Args, Debug)]
pub struct Forks {
    /// Write each piece of evidence to a file in this directory
    #[arg(long, value_name = "DIR")]
    pub export: Option<PathBuf>,
    /// Close the forks of this owner (name or id) that are known so far: its writes are pushed again.
    /// Asks the running member that holds authority.key
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
    /// The file; of a backup also - for standard input
    pub file: PathBuf,
}

/// `recovered`
#[derive(Args, Debug)]
pub struct Recovered {
    /// Write all that is kept aside and lacking here, as new commits, and give up the rest
    #[arg(long, conflicts_with = "forget")]
    pub take: bool,
    /// Give up what is kept aside
    #[arg(long)]
    pub forget: bool,
    /// Do not ask before what cannot be undone
    #[arg(long)]
    pub yes: bool,
}

/// `wait`
#[derive(Args, Debug)]
pub struct Wait {
    /// Whose state [default: this member's own]
    #[arg(long, value_name = "O", requires = "timestamp")]
    pub owner: Option<String>,
    /// The state: a timestamp, as put and import print it
    #[arg(long, value_name = "T")]
    pub timestamp: Option<u64>,
    /// How many links are up at least
    #[arg(long, value_name = "N")]
    pub links: Option<usize>,
}

/// `members`
#[derive(Args, Debug)]
pub struct Members {
    /// Show who knocked and waits to be admitted
    #[arg(long)]
    pub pending: bool,
}

/// `demo`
#[derive(Args, Debug)]
pub struct Demo {
    /// How many members, 2 to 16
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=16))]
    pub members: u8,
    /// Rows {"owner","key","value"}, plain or gzip [default: a sample that is compiled in]
    #[arg(long, value_name = "FILE")]
    pub data: Option<PathBuf>,
    /// Rows that are applied as live changes [default: the sample's, or none with --data]
    #[arg(long, value_name = "FILE")]
    pub updates: Option<PathBuf>,
    /// Keep the members' stores here [default: a directory that is removed at the end]
    #[arg(long)]
    pub dir: Option<PathBuf>,
}
