//! The command line, as clap reads it: one file per group of commands. What it means is told by the module of
//! each command.

mod data;
pub mod examples;
mod member;
mod roster;

pub use data::{After, Del, Export, Get, Import, Ls, Of, Put, Status};
pub use member::{Backup, Demo, Forks, Init, Members, Recovered, Run, Save, Verify, Wait};
pub use roster::{
    Admit, Adopt, Authority, AuthorityApply, AuthorityNew, AuthoritySign, Grant, Invite, Offline, Revoke,
    Rotate,
};

use super::parse;
use clap::{Parser, Subcommand};
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// Every member of a mesh holds a verified copy of what all the others publish.
#[derive(Parser, Debug)]
#[command(name = "datafan", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub struct Cli {
    /// The member's directory [env: DATAFAN_DATA_DIR] [default: $XDG_DATA_HOME/datafan or
    /// ~/.local/share/datafan]
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The HTTP interface on TCP, loopback only: `run` serves it there too, other commands ask there in place
    /// of DIR/api.sock [env: DATAFAN_API]
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "IP:PORT", value_parser = parse::loopback)]
    pub api: Option<SocketAddr>,
    /// The file of the token that the interface on TCP wants; `run` makes it where it is not there [env:
    /// DATAFAN_API_TOKEN_FILE]
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "FILE")]
    pub api_token_file: Option<PathBuf>,
    /// Print JSON: one object on one line
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub json: bool,
    /// How long an answer may take, such as 500ms or 1h30m, at most 1d; of one in many lines, its first byte
    /// [default: 30s; 10m for adopt, compact, restamp, recovered]
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "TIME", value_parser = parse::timeout)]
    pub timeout: Option<Duration>,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes.
const GLOBAL: &str = "Global options";

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
    Backup(Save),
    /// Make the store file as small as what it holds, while the member runs or not
    Compact,
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
    #[command(visible_alias = "set")]
    Put(Put),
    /// Print the value of a key
    Get(Get),
    /// Remove keys of this member, all in one commit
    #[command(visible_aliases = ["rm", "delete"])]
    Del(Del),
    /// List keys
    #[command(visible_alias = "list")]
    Ls(Ls),
    /// Put rows of a file: JSON lines {"key", "value" | "value_base64"}, plain or gzip
    Import(Import),
    /// Print items as JSON lines, sorted by owner id and key
    Export(Export),
    /// Wait until this member holds a state of an owner, or has a number of links
    Wait(Wait),
    /// Show the member, its links and its shards
    Status(Status),
    /// Show the members of the mesh, and who knocked
    Members(Members),
    /// Show a whole mesh at work, in this process and on loopback
    Demo(Demo),
    /// Print the version
    Version,
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
