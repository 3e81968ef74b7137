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
    /// An address for the new member to dial [default: the addresses that this member publishes]
    #[arg(long, value_name = "HOST:PORT", value_parser = parse::address)]
    pub addr: Vec<Address>,
    /// How long the invitation is valid, such as 24h; or never (it does not expire)
    #[arg(long, value_name = "TIME", value_parser = parse::expiry, default_value = "7d")]
    pub expires: Expiry,
    /// Write the ticket to this new file (mode 0600) instead of printing it
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Role and quota
    #[command(flatten)]
    pub terms: GrantOptions,
    /// Where the authority key is
    #[command(flatten)]
    pub offline: Offline,
}

/// Role and quota of a member.
#[derive(Args, Clone, Copy, Debug)]
pub struct GrantOptions {
    /// member: writes its own shard; reader: holds and relays all shards but writes none
    #[arg(long, value_name = "ROLE", value_parser = parse::role)]
    pub role: Option<Role>,
    /// Quota: number of items
    #[arg(long, value_name = "N")]
    pub items: Option<u64>,
    /// Quota: bytes of keys and values, a number with an optional KiB, MiB, GiB or TiB
    #[arg(long, value_name = "N", value_parser = parse::bytes)]
    pub bytes: Option<u64>,
}

/// What to do if the authority key is offline.
#[derive(Args, Debug)]
pub struct Offline {
    /// Change nothing; write a request to FILE, to be signed with `datafan authority sign`
    #[arg(long, value_name = "FILE")]
    pub offline: Option<PathBuf>,
}

/// `admit`
#[derive(Args, Debug)]
pub struct Admit {
    /// The member's full id
    #[arg(required_unless_present = "file", requires = "name", conflicts_with = "file")]
    pub id: Option<MemberId>,
    /// The member's name
    #[arg(long, requires = "id")]
    pub name: Option<Name>,
    /// Admit all members in this file: JSON lines {"id","name"} or lines ID NAME; - for standard input
    #[arg(long)]
    pub file: Option<PathBuf>,
    /// How long the invitation is valid, such as 24h [default: it does not expire]
    #[arg(long, value_name = "TIME", value_parser = parse::expiry)]
    pub expires: Option<Expiry>,
    /// Role and quota
    #[command(flatten)]
    pub terms: GrantOptions,
    /// Where the authority key is
    #[command(flatten)]
    pub offline: Offline,
}

/// `grant`
#[derive(Args, Debug)]
pub struct Grant {
    /// The member: full id, exact name or unique prefix of the id
    #[arg(value_name = "ID|NAME")]
    pub member: String,
    /// The new name
    #[arg(long)]
    pub name: Option<Name>,
    /// How long from now the invitation is valid, such as 24h; or never (it does not expire)
    #[arg(long, value_name = "TIME", value_parser = parse::expiry)]
    pub expires: Option<Expiry>,
    /// Role and quota
    #[command(flatten)]
    pub terms: GrantOptions,
    /// Delete the items everywhere; only with --role reader
    #[arg(long)]
    pub drop: bool,
    /// Do not ask for confirmation
    #[arg(long)]
    pub yes: bool,
    /// Where the authority key is
    #[command(flatten)]
    pub offline: Offline,
}

/// `revoke`
#[derive(Args, Debug)]
pub struct Revoke {
    /// The member: full id, exact name or unique prefix of the id
    #[arg(value_name = "ID|NAME")]
    pub member: String,
    /// Also delete its shard everywhere
    #[arg(long)]
    pub drop: bool,
    /// Do not ask for confirmation
    #[arg(long)]
    pub yes: bool,
    /// Where the authority key is
    #[command(flatten)]
    pub offline: Offline,
}

/// `rotate`
#[derive(Args, Debug)]
pub struct Rotate {
    /// The member: full id, exact name or unique prefix of the id
    #[arg(value_name = "ID|NAME")]
    pub member: String,
    /// The full id of the new key, as printed by `datafan id` on its machine
    #[arg(long, value_name = "NEW_ID")]
    pub id: Option<MemberId>,
    /// Delete everywhere what the old key wrote, instead of keeping it for `adopt`
    #[arg(long)]
    pub drop: bool,
    /// An address for the holder of the ticket to dial [default: the addresses that this member publishes]
    #[arg(long, value_name = "HOST:PORT", value_parser = parse::address, conflicts_with = "id")]
    pub addr: Vec<Address>,
    /// Write the ticket to this new file (mode 0600) instead of printing it
    #[arg(long, value_name = "FILE", conflicts_with = "id")]
    pub out: Option<PathBuf>,
    /// How long the ticket is valid [default: 7d; with --id it does not expire]
    #[arg(long, value_name = "TIME", value_parser = parse::expiry)]
    pub expires: Option<Expiry>,
    /// Do not ask for confirmation
    #[arg(long)]
    pub yes: bool,
    /// Where the authority key is
    #[command(flatten)]
    pub offline: Offline,
}

/// `adopt`
#[derive(Args, Debug)]
pub struct Adopt {
    /// The owner of the items: full id, exact name or unique prefix of the id [default: the revoked member
    /// with this member's name]
    #[arg(value_name = "ID|NAME")]
    pub owner: Option<String>,
}

/// `authority`
#[derive(Subcommand, Debug)]
pub enum Authority {
    /// Create the authority key of a new mesh, to be kept offline
    New(AuthorityNew),
    /// Show what a request changes, and sign it; needs the authority key and no network
    Sign(AuthoritySign),
    /// Give a signed roster to the running member, which spreads it
    Apply(AuthorityApply),
}

/// `authority new`
#[derive(Args, Debug)]
pub struct AuthorityNew {
    /// Write the key to this file [default: DIR/authority.key]
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
}

/// `authority sign`
#[derive(Args, Debug)]
pub struct AuthoritySign {
    /// The request, written with --offline
    pub file: PathBuf,
    /// The authority key [default: DIR/authority.key]
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Write the signed roster to this file [default: FILE.signed]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Do not ask for confirmation
    #[arg(long)]
    pub yes: bool,
    /// Sign even if the key has signed a later roster, or if its record is missing
    #[arg(long)]
    pub force: bool,
}

/// `authority apply`
#[derive(Args, Debug)]
pub struct AuthorityApply {
    /// The signed roster from `datafan authority sign`; - for standard input
    pub file: PathBuf,
}
