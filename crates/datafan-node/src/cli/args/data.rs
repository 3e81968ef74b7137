//! Commands that read and write items.

use super::super::parse;
use clap::Args;
use std::{path::PathBuf, time::Duration};

/// `put`
#[derive(Args, Debug)]
pub struct Put {
    /// The key
    pub key: String,
    /// The value, or - to read it from standard input
    #[arg(required_unless_present = "file", conflicts_with = "file", allow_negative_numbers = true)]
    pub value: Option<String>,
    /// Read the value from this file
    #[arg(long, value_name = "F")]
    pub file: Option<PathBuf>,
    /// Expire the item after this time: 500ms, 10s, 10m, 2h, 1d; at most 365250d (a thousand years)
    #[arg(long, value_name = "TIME", value_parser = parse::lifetime)]
    pub ttl: Option<Duration>,
    /// Parsed only so that the error can explain why it is refused.
    #[arg(long, hide = true)]
    pub owner: Option<String>,
}

/// `get`
#[derive(Args, Debug)]
pub struct Get {
    /// The key
    pub key: String,
    /// Owner to read
    #[command(flatten)]
    pub of: Of,
    /// With --all, also show items of revoked members
    #[arg(long, requires = "all")]
    pub revoked: bool,
    /// Print the raw bytes of the value, even to a terminal
    #[arg(long, conflicts_with = "all")]
    pub raw: bool,
}

/// The owner to read from; by default this member.
#[derive(Args, Debug)]
pub struct Of {
    /// Read from this member: exact name, full id or unique prefix of the id
    #[arg(long, value_name = "O", conflicts_with = "all")]
    pub owner: Option<String>,
    /// Read from every owner
    #[arg(long)]
    pub all: bool,
}

/// `del`
#[derive(Args, Debug)]
pub struct Del {
    /// The keys, removed in one commit
    #[arg(required_unless_present = "prefix", value_name = "KEY")]
    pub keys: Vec<String>,
    /// Remove every key with this prefix, in commits of up to 4,096 keys
    #[arg(long, value_name = "P", conflicts_with = "keys")]
    pub prefix: Option<String>,
    /// Do not fail if a key does not exist
    #[arg(long)]
    pub ignore_missing: bool,
}

/// `ls`
#[derive(Args, Debug)]
pub struct Ls {
    /// Owner to read
    #[command(flatten)]
    pub of: Of,
    /// Only list keys with this prefix
    #[arg(value_name = "PREFIX")]
    pub beginning: Option<String>,
    /// Same as PREFIX
    #[arg(long, value_name = "P", conflicts_with = "beginning")]
    pub prefix: Option<String>,
    /// With --all, also list keys of revoked members
    #[arg(long, requires = "all")]
    pub revoked: bool,
    /// Print only the keys
    #[arg(long)]
    pub keys: bool,
    /// End each key with a zero byte instead of a line feed
    #[arg(short = '0', long, requires = "keys")]
    pub null: bool,
    /// Where to continue
    #[command(flatten)]
    pub after: After,
}

/// Where an interrupted listing continues.
#[derive(Args, Debug)]
pub struct After {
    /// Only list keys after this one, to continue an interrupted listing; the data may have changed since
    #[arg(long, value_name = "KEY")]
    pub after: Option<String>,
    /// With --all and --after, the owner of that key; continue with this owner and later ones
    #[arg(long, value_name = "O", requires_all = ["all", "after"])]
    pub after_owner: Option<String>,
}

/// `status`
#[derive(Args, Debug)]
pub struct Status {
    /// Exit with code 5 unless the member is up
    #[arg(long)]
    pub check: bool,
}

/// `import`
#[derive(Args, Debug)]
pub struct Import {
    /// The file, or - for standard input
    pub file: PathBuf,
    /// Only import the rows of this owner: its name, full id or unique prefix of the id
    #[arg(long, value_name = "O", conflicts_with = "merge_owners")]
    pub owner: Option<String>,
    /// Import the rows of all owners into this member's shard; if several owners have a key, the last row
    /// wins
    #[arg(long)]
    pub merge_owners: bool,
}

/// `export`
#[derive(Args, Debug)]
pub struct Export {
    /// Owner to read; items of revoked members are marked
    #[command(flatten)]
    pub of: Of,
    /// Only export keys with this prefix
    #[arg(long, value_name = "P")]
    pub prefix: Option<String>,
    /// Where to continue
    #[command(flatten)]
    pub after: After,
}
