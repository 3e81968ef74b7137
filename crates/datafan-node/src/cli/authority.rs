//! `authority`: signing the roster with an offline key.

use super::{
    args,
    client::Client,
    confirm::{Question, confirm},
    failure::{Exit, Failure},
    files::{read_text, write_new},
    notes::note,
    output::{Effect, Output},
    text::count,
    words,
};
use datafan_core::{identity::Identity, time::Timestamp};
use datafan_node::{
    Home,
    authority::{
        Force, REQUEST_TEXT_MAX, Record, Request, SIGNED_TEXT_MAX, Signing, new_key, read_key, record_path,
        signed_to_text,
    },
    http::{
        stamp,
        wire::{ApplyRequest, Written, rfc3339},
    },
};
use serde::Serialize;
use std::{
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::SystemTime,
};

#[derive(Serialize)]
struct Made {
    mesh: String,
    key: String,
}

/// `datafan authority new`
pub fn new(dir: Result<PathBuf, Failure>, args: args::AuthorityNew, out: &mut Output) -> Result<(), Failure> {
    let key = key_path(dir, args.key)?;
    let authority = new_key(&key).map_err(Failure::new)?;
    let made = Made { mesh: authority.id().to_string(), key: key.display().to_string() };
    out.has_done(format!("created {}, the key of mesh {}", made.key, made.mesh));
    if out.json {
        return Ok(out.object(&made)?);
    }
    out.line(&format!("mesh  {}", made.mesh))?;
    out.line(&format!("\nBack up {}: it controls membership", made.key))?;
    out.line(&format!("    and {}: the record of what it signed", record_path(&key).display()))?;
    Ok(out.line(&format!("\nNext, on each member: datafan init --mesh {} --name NAME", made.mesh))?)
}

#[derive(Serialize)]
struct Signed {
    mesh: String,
    base: u64,
    base_time: Option<String>,
    #[serde(flatten, with = "stamp")]
    timestamp: u64,
    changes: Vec<String>,
    file: String,
}

/// `datafan authority sign`
pub fn sign(
    dir: Result<PathBuf, Failure>,
    args: args::AuthoritySign,
    out: &mut Output,
) -> Result<(), Failure> {
    let key = key_path(dir, args.key)?;
    let to = args.out.unwrap_or_else(|| with_more(&args.file, ".signed"));
    if to.exists() {
        return Err(Failure::new(format!("{} already exists", to.display())));
    }
    let said = |what: &dyn std::fmt::Display| Failure::new(format!("{}: {what}", args.file.display()));
    let request =
        Request::from_text(&read_text(&args.file, REQUEST_TEXT_MAX)?).map_err(|error| said(&error))?;
    let authority = authority(&key)?;
    refuse_running(&key)?;
    let mesh = request.mesh;
    let record = match Record::read(&key, datafan_core::id::MeshId(authority.id())) {
        Err(error) if !args.force => return Err(Failure::new(error)),
        record => record.ok().flatten(),
    };
    let (made, now) = (request.made, now());
    let force = if args.force { Force::Yes } else { Force::No };
    let signing = Signing::new(request, &authority, record, force, now).map_err(Failure::new)?;
    let changes: Vec<String> =
        signing.changes().map(|(id, before, after)| words::of(id, before, after)).collect();
    explain(&signing, &changes, made, now, record.is_none(), args.force);
    confirm(args.yes, &SIGN, || Ok(String::new()))?;
    let (record, signed) = signing.sign(&authority);
    // The record is written first: a signature without a record could be forgotten by the next one.
    record.write(&key).map_err(|error| Failure::new(format!("{}: {error}", record_path(&key).display())))?;
    write_new(&to, &format!("{}\n", signed_to_text(&signed.message)))?;
    let file = to.display().to_string();
    out.has_done(format!("wrote {file}"));
    if out.json {
        let (base, timestamp) = (signed.base.0, signed.head.timestamp.0);
        return Ok(out.object(&Signed {
            mesh: mesh.to_string(),
            base,
            base_time: stamp::time(base),
            timestamp,
            changes,
            file,
        })?);
    }
    out.line(&format!("wrote {file}"))?;
    Ok(out.line(&format!("\nNext, on any running member: datafan authority apply {file}"))?)
}

/// `datafan authority apply`
pub fn apply(mut client: Client, args: args::AuthorityApply, out: &mut Output) -> Result<(), Failure> {
    let signed = read_text(&args.file, SIGNED_TEXT_MAX)?.trim().to_owned();
    let done: Written = client.post("/v1/apply", &ApplyRequest { signed })?;
    let at = rfc3339(Timestamp(done.timestamp));
    let said = match done.written {
        0 => format!("the roster of {at} is already here"),
        _ => format!("applied: the roster is now of {at} and spreads to the other members"),
    };
    Ok(out.answer(Effect::of(done.written), &done, &said)?)
}

/// Prints everything that will be signed, even when nobody is asked.
fn explain(
    signing: &Signing,
    changes: &[String],
    made: Timestamp,
    now: Timestamp,
    unrecorded: bool,
    forced: bool,
) {
    let roster = signing.roster();
    note(&format!("mesh    {}", roster.mesh()));
    match roster.head() {
        Some(head) => {
            let n_active = roster.grants().values().filter(|grant| grant.is_active()).count();
            let members = count(n_active as u64, "member");
            note(&format!("roster  of {}, {members}, as last signed", rfc3339(head.timestamp)));
        }
        None => note("roster  none yet: this creates the mesh"),
    }
    note(&format!("made    {}", rfc3339(made)));
    changes.iter().for_each(|change| note(&format!("will    {change}")));
    if forced {
        note("warning: --force skips the comparison with what this key signed before");
    } else if unrecorded {
        note("warning: there is no record of what this key signed; one is started now");
    }
    if made.0.abs_diff(now.0) > HOUR_MICROS {
        note(&format!("warning: the clock of this machine says {}", rfc3339(now)));
    }
}

const HOUR_MICROS: u64 = 3_600_000_000;

const SIGN: Question = Question { ask: "Sign this?", declined: "not signed" };

/// Refuses the key of a running member: that member would find a roster that it did not make, and stop.
fn refuse_running(key: &Path) -> Result<(), Failure> {
    let dir = key.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let home = Home::new(dir);
    if key.file_name() != home.authority_key_path().file_name()
        || UnixStream::connect(home.socket_path()).is_err()
    {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{}: a member runs there and signs with this key itself: run the command without --offline, or stop \
         the member first. Name an offline key with --key FILE",
        dir.display()
    )))
}

fn authority(key: &Path) -> Result<Identity, Failure> {
    let missing = || {
        Failure::Said(
            Exit::NotFound,
            format!("{} does not exist: name the key with --key FILE", key.display()),
        )
    };
    read_key(key).map_err(Failure::new)?.ok_or_else(missing)
}

fn key_path(dir: Result<PathBuf, Failure>, named: Option<PathBuf>) -> Result<PathBuf, Failure> {
    match named {
        Some(key) => Ok(key),
        None => Ok(Home::new(dir?).authority_key_path()),
    }
}

fn with_more(file: &Path, more: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(more);
    name.into()
}

fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(now.as_micros()).unwrap_or(u64::MAX))
}
