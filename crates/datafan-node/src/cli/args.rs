//! The command line, as clap reads it. What it means is told by the module of each command.

use super::{limits::Limits, parse};
use clap::{Args, Parser, Subcommand};
use datafan_core::{
    connector::Address,
    grant::Role,
    id::{MemberId, MeshId, Name},
};
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// Every member of a mesh holds a verified copy of what all the others publish.
#[derive(Parser, Debug)]
#[command(name = "datafan", version, disable_help_subcommand = true, after_help = EXIT_CODES)]
pub struct Cli {
    /// The member's directory [env: DATAFAN_DATA_DIR] [default: $XDG_DATA_HOME/datafan or ~/.local/share/datafan]
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The HTTP interface on TCP, loopback only: `run` serves it there too, other commands ask there in place of DIR/api.sock [env: DATAFAN_API]
    #[arg(long, global = true, value_name = "IP:PORT", value_parser = parse::loopback)]
    pub api: Option<SocketAddr>,
    /// The file of the token that the interface on TCP wants; `run` makes it where it is not there [env: DATAFAN_API_TOKEN_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    pub api_token_file: Option<PathBuf>,
    /// Print JSON: one object on one line
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 ok, 1 failure, 2 usage, 3 no member is running, 4 not found, 5 degraded, 6 timeout, 7 second process with this member's key\nLogs go to stderr; DATAFAN_LOG sets what is logged (error, warn, info, debug, trace).";

/// Everything that the binary does.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Make a member: of a new mesh, from a ticket, or one that has to be admitted
    Init(Init),
    /// Run the member until SIGTERM or SIGINT
    Run(Run),
    /// Print the member's id, mesh and name
    Id,
    /// Check that the store holds what its owners signed, while the member does not run
    Verify(Verify),
    /// Write all that this member holds to one file, while it runs or not
    Backup(Backup),
    /// Make the store of this member from a backup
    Restore(Backup),
    /// Show owners that have signed states of which neither grew out of the other, and export what proves it
    Forks(Forks),
    /// Check evidence of a fork, without a member
    VerifyFork(Backup),
    /// Make a ready identity, admit it, and print it as a one-line ticket
    Invite(Invite),
    /// Show what this member lost and got back from the mesh, and take back what is kept aside
    Recovered(Recovered),
    /// Repair the timestamps of what was written while the clock was far ahead, so that writes work again
    Restamp,
    /// Let a member in
    Admit(Admit),
    /// Change what a member may: name, role, quota, the end of its invitation
    Grant(Grant),
    /// End a membership; the shard stays as it is, or is dropped everywhere
    Revoke(Revoke),
    /// Replace a member's key under its name; without --id make the new one and print it as a ticket
    Rotate(Rotate),
    /// Copy another owner's items into this member's shard, after its key was replaced
    Adopt(Adopt),
    /// Sign changes of the roster where no network is, and bring them back
    #[command(subcommand)]
    Authority(Authority),
    /// Set the value of a key of this member
    Put(Put),
    /// Print the value of a key
    Get(Get),
    /// Remove keys of this member, all in one commit
    Del(Del),
    /// List keys
    Ls(Ls),
    /// Put rows of a file: JSON lines {"key", "value" | "value_base64"}, plain or gzip
    Import(Import),
    /// Print items as JSON lines, sorted by owner id and key
    Export(Export),
    /// Wait until this member holds a state of an owner, or has a number of links
    Wait(Wait),
    /// Show the member, its links and its shards
    Status,
    /// Show the members of the mesh, and who knocked
    Members(Members),
    /// Show a whole mesh at work, in this process and on loopback
    Demo(Demo),
}

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
    /// Mean time between two rounds
    #[arg(long, value_name = "TIME", value_parser = parse::duration, default_value = "1s")]
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

/// An address to dial, and who is expected there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Where.
    pub address: Address,
    /// Who.
    pub expected: Option<MemberId>,
}

/// `verify`
#[derive(Args, Debug)]
pub struct Verify {
    /// Keep what can be read of damaged shards, and let the member copy the rest from its neighbours when it runs
    #[arg(long)]
    pub repair: bool,
}

/// `forks`
#[derive(Args, Debug)]
pub struct Forks {
    /// Write each piece of evidence to a file in this directory
    #[arg(long, value_name = "DIR")]
    pub export: Option<PathBuf>,
}

/// `backup`, `restore`, `verify-fork`
#[derive(Args, Debug)]
pub struct Backup {
    /// The file
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
}

/// `invite`
#[derive(Args, Debug)]
pub struct Invite {
    /// The new member's name
    pub name: Name,
    /// An address that the new member dials [default: what this member publishes]
    #[arg(long, value_name = "HOST:PORT", value_parser = parse::address)]
    pub addr: Vec<Address>,
    /// How long the member may take to come in for the first time, such as 24h; or never
    #[arg(long, value_name = "TIME", value_parser = parse::expiry, default_value = "7d")]
    pub expires: Expiry,
    /// What it may
    #[command(flatten)]
    pub terms: Terms,
    /// Where the key is
    #[command(flatten)]
    pub offline: Offline,
}

/// How long an invitation lasts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expiry {
    /// For so long.
    After(Duration),
    /// For ever.
    Never,
}

/// What a member may.
#[derive(Args, Clone, Copy, Debug)]
pub struct Terms {
    /// member: has a shard of its own; reader: holds and relays everything, and writes nothing
    #[arg(long, value_name = "ROLE", value_parser = parse::role)]
    pub role: Option<Role>,
    /// How many items it may hold
    #[arg(long, value_name = "N")]
    pub items: Option<u64>,
    /// How many bytes of keys and values it may hold: a number, or one with KiB, MiB, GiB or TiB
    #[arg(long, value_name = "N", value_parser = parse::bytes)]
    pub bytes: Option<u64>,
}

/// What becomes of a change where the authority's key is offline.
#[derive(Args, Debug)]
pub struct Offline {
    /// Change nothing: write a request to FILE, for `datafan authority sign` where the key is
    #[arg(long, value_name = "FILE")]
    pub offline: Option<PathBuf>,
}

/// `admit`
#[derive(Args, Debug)]
pub struct Admit {
    /// The member's full id
    #[arg(required_unless_present = "file", requires = "name", conflicts_with = "file")]
    pub id: Option<MemberId>,
    /// The name that it gets
    #[arg(long, requires = "id")]
    pub name: Option<Name>,
    /// Admit all that this file names: JSON lines {"id","name"} or lines ID NAME; - for standard input
    #[arg(long)]
    pub file: Option<PathBuf>,
    /// How long it may take to come in for the first time, such as 24h [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = parse::expiry)]
    pub expires: Option<Expiry>,
    /// What it may
    #[command(flatten)]
    pub terms: Terms,
    /// Where the key is
    #[command(flatten)]
    pub offline: Offline,
}

/// `grant`
#[derive(Args, Debug)]
pub struct Grant {
    /// The member: full id, exact name, or a unique beginning of the id
    #[arg(value_name = "ID|NAME")]
    pub member: String,
    /// Its new name
    #[arg(long)]
    pub name: Option<Name>,
    /// How long from now on it may take to come in for the first time, such as 24h; or never
    #[arg(long, value_name = "TIME", value_parser = parse::expiry)]
    pub expires: Option<Expiry>,
    /// What it may
    #[command(flatten)]
    pub terms: Terms,
    /// Of who becomes a reader, everybody deletes the items
    #[arg(long)]
    pub drop: bool,
    /// Where the key is
    #[command(flatten)]
    pub offline: Offline,
}

/// `revoke`
#[derive(Args, Debug)]
pub struct Revoke {
    /// The member: full id, exact name, or a unique beginning of the id
    #[arg(value_name = "ID|NAME")]
    pub member: String,
    /// Everybody deletes its shard, too
    #[arg(long)]
    pub drop: bool,
    /// Where the key is
    #[command(flatten)]
    pub offline: Offline,
}

/// `rotate`
#[derive(Args, Debug)]
pub struct Rotate {
    /// The member: full id, exact name, or a unique beginning of the id
    #[arg(value_name = "ID|NAME")]
    pub member: String,
    /// The full id of the new key, as `datafan id` prints it there
    #[arg(long, value_name = "NEW_ID")]
    pub id: Option<MemberId>,
    /// Everybody deletes what the old key wrote; else it stays to be adopted
    #[arg(long)]
    pub drop: bool,
    /// An address that the bearer of the ticket dials [default: what this member publishes]
    #[arg(long, value_name = "HOST:PORT", value_parser = parse::address, conflicts_with = "id")]
    pub addr: Vec<Address>,
    /// How long the new key may take to come in for the first time [default: 7d; with --id for ever]
    #[arg(long, value_name = "TIME", value_parser = parse::expiry)]
    pub expires: Option<Expiry>,
    /// Where the key is
    #[command(flatten)]
    pub offline: Offline,
}

/// `adopt`
#[derive(Args, Debug)]
pub struct Adopt {
    /// Whose items: full id, exact name, or a unique beginning of the id [default: the revoked member with our name]
    #[arg(value_name = "ID|NAME")]
    pub owner: Option<String>,
}

/// `authority`
#[derive(Subcommand, Debug)]
pub enum Authority {
    /// Make the key of a new mesh, to be kept where no network is
    New(AuthorityNew),
    /// Show what a request asks for, and sign it; needs the key and no network
    Sign(AuthoritySign),
    /// Give a signed roster to the running member, which passes it on
    Apply(AuthorityApply),
}

/// `authority new`
#[derive(Args, Debug)]
pub struct AuthorityNew {
    /// Where the key goes [default: DIR/authority.key]
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
}

/// `authority sign`
#[derive(Args, Debug)]
pub struct AuthoritySign {
    /// The request, from --offline
    pub file: PathBuf,
    /// The authority's key [default: DIR/authority.key]
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Where the signed roster goes [default: FILE.signed]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// Sign even though the key has signed a later roster, or nobody knows whether it has
    #[arg(long)]
    pub force: bool,
}

/// `authority apply`
#[derive(Args, Debug)]
pub struct AuthorityApply {
    /// The signed roster, from `datafan authority sign`; - for standard input
    pub file: PathBuf,
}

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
    /// Hide the item after this time: 500ms, 10s, 10m, 2h, 1d
    #[arg(long, value_name = "TIME", value_parser = parse::duration)]
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
    /// The keys
    #[arg(required = true, value_name = "KEY")]
    pub keys: Vec<String>,
}

/// `ls`
#[derive(Args, Debug)]
pub struct Ls {
    /// Of whom
    #[command(flatten)]
    pub of: Of,
    /// Only keys that begin with this
    #[arg(long, value_name = "P", default_value = "", hide_default_value = true)]
    pub prefix: String,
}

/// `import`
#[derive(Args, Debug)]
pub struct Import {
    /// The file, or - for standard input
    pub file: PathBuf,
}

/// `export`
#[derive(Args, Debug)]
pub struct Export {
    /// Of whom
    #[command(flatten)]
    pub of: Of,
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
    /// How long to wait at most
    #[arg(long, value_name = "TIME", value_parser = parse::duration, default_value = "30s")]
    pub timeout: Duration,
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
