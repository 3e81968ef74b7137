//! The command line as clap parses it: one file per group of commands. The module of each command says what
//! it does.

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

/// Replicates the data of every member of a mesh to all others, signed and verified.
#[derive(Parser, Debug)]
#[command(name = "datafan", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub struct Cli {
    /// The member's directory [env: DATAFAN_DATA_DIR] [default: $XDG_DATA_HOME/datafan or
    /// ~/.local/share/datafan]
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address of the HTTP API on TCP, loopback only: `run` also serves it there, other commands connect
    /// there instead of DIR/api.sock [env: DATAFAN_API]
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "IP:PORT", value_parser = parse::loopback)]
    pub api: Option<SocketAddr>,
    /// File with the token of the HTTP API on TCP; `run` creates it if it does not exist [env:
    /// DATAFAN_API_TOKEN_FILE]
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "FILE")]
    pub api_token_file: Option<PathBuf>,
    /// Print JSON, one object per line
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub json: bool,
    /// How long to wait for an answer, or for the first byte of a streamed one: 500ms, 1h30m, at most 1d
    /// [default: 30s; 10m for adopt, compact, restamp, recovered]
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "TIME", value_parser = parse::timeout)]
    pub timeout: Option<Duration>,
    /// The command
    #[command(subcommand)]
    pub command: Command,
}

/// Heading of the options that every command takes.
const GLOBAL: &str = "Global options";

const EXIT_CODES: &str = concat!(
    "Exit codes: 0 ok, 1 failure, 2 usage, 3 no member is running, 4 not found, 5 degraded, 6 timeout, ",
    "7 second process with this member's key\n",
    "Logs go to stderr; DATAFAN_LOG sets what is logged (error, warn, info, debug, trace)."
);

/// All commands of the binary.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Create a member: of a new mesh, from a ticket, or to be admitted later
    Init(Init),
    /// Run the member until SIGTERM or SIGINT
    Run(Run),
    /// Print the member's id, mesh and name
    Id,
    /// Check the store against the signatures of its owners; the member must be stopped
    Verify(Verify),
    /// Write everything that this member holds to one file
    Backup(Save),
    /// Shrink the store file to the size of its content
    Compact,
    /// Restore the store of this member from a backup
    Restore(Backup),
    /// Show forks (owners that signed two conflicting states) and export the evidence
    Forks(Forks),
    /// Check exported evidence of a fork; needs no member
    VerifyFork(Backup),
    /// Create and admit an identity, and print it as a one-line ticket
    Invite(Invite),
    /// Show what this member lost and got back from the mesh; take back or discard divergent items
    Recovered(Recovered),
    /// Repair timestamps written while the clock was far ahead, so that writes work again
    Restamp,
    /// Admit a member
    Admit(Admit),
    /// Change the name, role, quota or invitation of a member
    Grant(Grant),
    /// Revoke a member; its shard is frozen, or dropped everywhere
    Revoke(Revoke),
    /// Replace a member's key and keep its name; without --id, create the new key and print it as a ticket
    Rotate(Rotate),
    /// Copy the items of another owner into this member's shard, for example after a key was replaced
    Adopt(Adopt),
    /// Sign roster changes offline, and apply them
    #[command(subcommand)]
    Authority(Authority),
    /// Set the value of a key of this member
    #[command(visible_alias = "set")]
    Put(Put),
    /// Print the value of a key
    Get(Get),
    /// Remove keys of this member in one commit
    #[command(visible_aliases = ["rm", "delete"])]
    Del(Del),
    /// List keys
    #[command(visible_alias = "list")]
    Ls(Ls),
    /// Import rows from a file: JSON lines {"key", "value" | "value_base64"}, plain or gzip
    Import(Import),
    /// Print items as JSON lines, sorted by owner id and key
    Export(Export),
    /// Wait until this member holds a state of an owner, or has enough links
    Wait(Wait),
    /// Show the member, its links and its shards
    Status(Status),
    /// Show the members of the mesh, and who waits to be admitted
    Members(Members),
    /// Run a whole mesh in this process, on loopback
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
