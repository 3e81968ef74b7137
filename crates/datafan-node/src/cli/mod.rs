//! The command line: one file per group of commands, all of them thin. Most commands ask the running member
//! over HTTP; only `init`, `run`, `id`, `verify`, `backup`, `restore`, `compact`, `authority` and `demo` open
//! files themselves.

mod admissions;
mod api;
pub mod args;
mod authority;
mod backup;
mod batch;
mod begin;
mod client;
mod compact;
mod confirm;
mod data;
mod directory;
pub mod failure;
mod file_size;
mod files;
mod forks;
mod import;
mod init;
mod inspect;
mod limits;
mod log_filter;
mod logs;
mod notes;
pub mod output;
mod parse;
mod peers;
mod ports;
mod recovered;
mod repair;
mod report;
mod roster;
mod run;
mod salvage;
mod sink;
pub mod text;
mod usage;
mod verify;
mod version;
mod words;

use args::{Authority, Cli, Command};
use client::Client;
use failure::Failure;
use output::Output;
use std::{process::ExitCode, time::Duration};
use version::version;

/// Parses the command line, runs the command and returns the exit code.
pub fn main() -> ExitCode {
    let cli = match usage::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let json = cli.json;
    // Without it, only the name of the signal would be seen, and unfinished files would be left behind.
    let _ = file_size::fail_beyond();
    let code = match dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(json),
    };
    notes::drain();
    code
}

/// Timeout of commands that read a whole shard.
const LONG: Duration = Duration::from_secs(600);

fn dispatch(cli: Cli) -> Result<(), Failure> {
    let mut out = Output::new(cli.json);
    let dir = directory::resolve(cli.data_dir);
    let api = api::resolve(cli.api, cli.api_token_file)?;
    let timeout = cli.timeout;
    let done = match cli.command {
        Command::Demo(args) => {
            // This command crashes on purpose; that must not be logged as a crash.
            logs::install("off")?;
            crate::demo::demo(&args, &mut out)
        }
        // These commands need no directory.
        Command::Version => version(&mut out),
        Command::VerifyFork(args) => forks::verify(&args, &mut out),
        Command::Run(args) => {
            // The driver logs the same link events as the connector: once is enough.
            logs::install_lossy("warn,datafan=info,datafan_conn_quic=warn")?;
            run::run(&dir?, args, &api)
        }
        Command::Authority(command) => {
            logs::install("warn")?;
            match command {
                Authority::New(args) => authority::new(dir, args, &mut out),
                Authority::Sign(args) => authority::sign(dir, args, &mut out),
                Authority::Apply(args) => authority::apply(Client::new(&dir?, api, timeout), args, &mut out),
            }
        }
        command => {
            logs::install("warn")?;
            let dir = dir?;
            let client = || Client::new(&dir, api.clone(), timeout);
            match command {
                Command::Init(args) => init::init(&dir, args, &mut out),
                Command::Id => init::id(&dir, timeout, &mut out),
                Command::Verify(args) => verify::verify(&dir, &args, &mut out),
                Command::Backup(args) => backup::backup(&dir, client(), &args, &mut out),
                Command::Compact => compact::compact(&dir, client().patient(LONG), &mut out),
                Command::Restore(args) => backup::restore(&dir, &args, &mut out),
                Command::Forks(args) => forks::forks(client(), &args, &mut out),
                Command::VerifyFork(_) | Command::Version => unreachable!("matched above"),
                Command::Recovered(args) => recovered::recovered(client().patient(LONG), &args, &mut out),
                Command::Restamp => recovered::restamp(client().patient(LONG), &mut out),
                Command::Invite(args) => roster::invite(client(), args, &mut out),
                Command::Admit(args) => roster::admit(client(), args, &mut out),
                Command::Grant(args) => roster::grant(client(), args, &mut out),
                Command::Rotate(args) => roster::rotate(client(), args, &mut out),
                Command::Adopt(args) => roster::adopt(client().patient(LONG), args, &mut out),
                Command::Revoke(args) => roster::revoke(client(), args, &mut out),
                Command::Put(args) => data::put(client(), args, &mut out),
                Command::Get(args) => data::get(client(), args, &mut out),
                Command::Del(args) => data::del(client(), args, &mut out),
                Command::Ls(args) => data::ls(client(), args, &mut out),
                Command::Import(args) => import::import(client(), args, &mut out),
                Command::Export(args) => data::export(client(), args, &mut out),
                Command::Wait(args) => report::wait(client(), args, &mut out),
                Command::Status(args) => report::status(client(), &args, &mut out),
                Command::Members(args) => report::members(client(), args, &mut out),
                Command::Demo(_) | Command::Run(_) | Command::Authority(_) => unreachable!("matched above"),
            }
        }
    };
    // What was written before a failure appears before its line.
    out.finish(done)
}
