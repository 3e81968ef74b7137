//! Commands that change the roster.

use super::super::parse::{self, Expiry};
use clap::{Args, Subcommand};
use datafan_core::{
    connector::Address,
    grant::Role,
    id::{MemberId, Name},
};
use std::path::PathBuf;

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
    /// Write the ticket to this new file, for its owner alone (mode 0600), in place of printing it
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// What it may
    #[command(flatten)]
    pub terms: GrantOptions,
    /// Where the key is
    #[command(flatten)]
    pub offline: Offline,
}

/// What a member may.
#[derive(Args, Clone, Copy, Debug)]
pub struct GrantOptions {
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
    pub terms: GrantOptions,
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
    pub terms: GrantOptions,
    /// Of who becomes a reader, everybody deletes the items
    #[arg(long)]
    pub drop: bool,
    /// Do not ask before what cannot be undone
    #[arg(long)]
    pub yes: bool,
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
    /// Do not ask before what cannot be undone
    #[arg(long)]
    pub yes: bool,
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
    /// Write the ticket to this new file, for its owner alone (mode 0600), in place of printing it
    #[arg(long, value_name = "FILE", conflicts_with = "id")]
    pub out: Option<PathBuf>,
    /// How long the new key may take to come in for the first time [default: 7d; with --id for ever]
    #[arg(long, value_name = "TIME", value_parser = parse::expiry)]
    pub expires: Option<Expiry>,
    /// Do not ask before what cannot be undone
    #[arg(long)]
    pub yes: bool,
    /// Where the key is
    #[command(flatten)]
    pub offline: Offline,
}

/// `adopt`
#[derive(Args, Debug)]
pub struct Adopt {
    /// Whose items: full id, exact name, or a unique beginning of the id [default: the revoked member with
    /// our name]
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
