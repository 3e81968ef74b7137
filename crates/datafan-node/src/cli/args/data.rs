//! Commands that read and write items.

use super::super::parse;
use clap::Args;
use std::{path::PathBuf, time::Duration};

/// `put`
#[derive(Args, Debug)]
pub struct Put {
    /// The key
    pub key: String,
    /// The value, or - for standard input
    #[arg(required_unless_present = "file", conflicts_with = "file", allow_negative_numbers = true)]
    pub value: Option<String>,
    /// Take the value from this file
    #[arg(long, value_name = "F")]
    pub file: Option<PathBuf>,
    /// Hide the item after this time: 500ms, 10s, 10m, 2h, 1d; at most 365250d, a thousand years
    #[arg(long, value_name = "TIME", value_parser = parse::lifetime)]
    pub ttl: Option<Duration>,
    /// Taken only to be refused in words of its own.
    #[arg(long, hide = true)]
    pub owner: Option<String>,
}

/// `get`
#[derive(Args, Debug)]
pub struct Get {
    /// The key
    pub key: String,
    /// Of whom
    #[command(flatten)]
    pub of: Of,
    /// With --all: items of revoked members, too
    #[arg(long, requires = "all")]
    pub revoked: bool,
    /// Print the bytes of the value as they are, on a terminal, too
    #[arg(long, conflicts_with = "all")]
    pub raw: bool,
}

/// Whose shard is meant; one's own where nothing is said.
#[derive(Args, Debug)]
pub struct Of {
    /// Of this member: exact name, full id, or a unique beginning of the id
    #[arg(long, value_name = "O", conflicts_with = "all")]
    pub owner: Option<String>,
    /// Of every owner
    #[arg(long)]
    pub all: bool,
}

/// `del`
#[derive(Args, Debug)]
pub struct Del {
    /// The keys, all in one commit
    #[arg(required_unless_present = "prefix", value_name = "KEY")]
    pub keys: Vec<String>,
    /// Remove all keys that begin with this, in commits of up to 4,096
    #[arg(long, value_name = "P", conflicts_with = "keys")]
    pub prefix: Option<String>,
    /// Keys that are not there are no error
    #[arg(long)]
    pub ignore_missing: bool,
}

/// `ls`
#[derive(Args, Debug)]
pub struct Ls {
    /// Of whom
    #[command(flatten)]
    pub of: Of,
    /// Only keys that begin with this
    #[arg(value_name = "PREFIX")]
    pub beginning: Option<String>,
    /// The same
    #[arg(long, value_name = "P", conflicts_with = "beginning")]
    pub prefix: Option<String>,
    /// With --all: keys of revoked members, too
    #[arg(long, requires = "all")]
    pub revoked: bool,
    /// Print the keys alone
    #[arg(long)]
    pub keys: bool,
    /// End each key with a zero byte in place of a line feed
    #[arg(short = '0', long, requires = "keys")]
    pub null: bool,
    /// Where to go on
    #[command(flatten)]
    pub after: After,
}

/// Where a list goes on that was broken off.
#[derive(Args, Debug)]
pub struct After {
    /// Only keys after this one; a list that was broken off goes on in a later state
    #[arg(long, value_name = "KEY")]
    pub after: Option<String>,
    /// With --all --after: whose key that is; go on with this owner and later ones
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
    /// Take the rows of this owner only: its name, full id, or a unique beginning of the id
    #[arg(long, value_name = "O", conflicts_with = "merge_owners")]
    pub owner: Option<String>,
    /// Take the rows of all owners as this member's own; of a key at several owners the last row wins
    #[arg(long)]
    pub merge_owners: bool,
}

/// `export`
#[derive(Args, Debug)]
pub struct Export {
    /// Of whom; items of revoked members are marked
    #[command(flatten)]
    pub of: Of,
    /// Only keys that begin with this
    #[arg(long, value_name = "P")]
    pub prefix: Option<String>,
    /// Where to go on
    #[command(flatten)]
    pub after: After,
}
