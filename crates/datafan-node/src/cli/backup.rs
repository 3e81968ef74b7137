//! `backup`, `restore`: the store as one file.

use super::{
    args,
    client::Client,
    failure::{Exit, Failure},
    files::refuse_special,
    init::of_member,
    notes::note,
    output::Output,
    repair::not_opened,
    text::{count, size},
    verify::refuse_unsound,
};
use datafan_core::{
    backup::{FRAME_BYTES_MAX, Frames, Origin, Restore, RestoreError, Summary},
    id::{MemberId, MeshId},
    identity::Strict,
    read::Snapshot,
    store::{Store, StoreError, StoreReader},
    time::Timestamp,
};
use datafan_node::{Home, http::wire::rfc3339, sweep_beside};
use datafan_store_redb::{Options, RedbStore};
use serde::Serialize;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, ErrorKind, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

#[derive(Serialize)]
struct Report {
    member: String,
    time: String,
    shards: u64,
    items: u64,
    bytes: u64,
}

/// `datafan backup`: written to a temporary file, verified, and renamed into place.
pub fn backup(dir: &Path, mut client: Client, args: &args::Save, out: &mut Output) -> Result<(), Failure> {
    let home = Home::new(dir);
    if client.is_of_directory() {
        of_member(&home)?;
    }
    if args.file == Path::new("-") {
        return stream(&home, &mut client, out);
    }
    refuse_existing(args)?;
    sweep_beside(&args.file);
    let fresh = beside(&args.file);
    let done = write(&home, &mut client, &fresh).and_then(|()| {
        let checked = check(&fresh)?;
        refuse_existing(args)?;
        fs::rename(&fresh, &args.file).map_err(|error| at(&args.file, &error))?;
        Ok(checked)
    });
    let (origin, summary) = done.inspect_err(|_| drop(fs::remove_file(&fresh)))?;
    show(out, "saved", &origin, &summary)?;
    if !out.json {
        note(
            "The backup does not contain the keys: keep copies of member.key, and of authority.key if it is \
             here.",
        );
    }
    Ok(())
}

/// An existing backup may be the only good one.
fn refuse_existing(args: &args::Save) -> Result<(), Failure> {
    refuse_special(&args.file)?;
    if args.force || args.file.symlink_metadata().is_err() {
        return Ok(());
    }
    Err(Failure::new(format!("{} already exists: replace it with --force", args.file.display())))
}

/// To standard output, verified while it is written; the report goes to standard error.
fn stream(home: &Home, client: &mut Client, out: &mut Output) -> Result<(), Failure> {
    if out.terminal {
        return Err(Failure::Said(
            Exit::Usage,
            "refusing to write a backup to a terminal: name a file".to_owned(),
        ));
    }
    let mut checked = Checked { to: out, frames: Frames::default(), rest: Vec::new() };
    // A closed pipe is an error here: part of a backup is not a backup.
    let said = |error: io::Error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::new("standard output was closed: the backup is incomplete"),
        _ => Failure::from(error),
    };
    save(home, client, &mut checked, said)?;
    checked.flush().map_err(said)?;
    let (json, (origin, summary)) = (checked.to.json, checked.finish()?);
    note(&report("saved", &origin, &summary, json)?);
    Ok(())
}

/// Passes the backup on, and verifies it on the way.
struct Checked<'a> {
    to: &'a mut Output,
    frames: Frames,
    rest: Vec<u8>,
}

impl Checked<'_> {
    fn finish(self) -> Result<(Origin, Summary), Failure> {
        if !self.rest.is_empty() {
            return Err(Failure::new("the backup is incomplete"));
        }
        self.frames.finish().map_err(Failure::new)
    }
}

impl Write for Checked<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.bytes(bytes)?;
        self.rest.extend_from_slice(bytes);
        let mut input = &self.rest[..];
        let mut frame = Vec::new();
        loop {
            let mut ahead = input;
            match next(&mut ahead, &mut frame) {
                Ok(true) => self.frames.take(&frame).map_err(io::Error::other)?,
                Ok(false) => break,
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
                Err(error) => return Err(error),
            }
            input = ahead;
        }
        let done = self.rest.len() - input.len();
        self.rest.drain(..done);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Into a new file.
fn write(home: &Home, client: &mut Client, fresh: &Path) -> Result<(), Failure> {
    let said = |error: io::Error| at(fresh, &error);
    // Only the owner of the file may read what members hold.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(fresh).map_err(said)?;
    let mut file = BufWriter::new(file);
    save(home, client, &mut file, said)?;
    let file = file.into_inner().map_err(|error| said(error.into_error()))?;
    file.sync_all().map_err(said)
}

/// From the running member, or from the store itself if none runs.
fn save(
    home: &Home,
    client: &mut Client,
    to: &mut impl Write,
    said: impl Fn(io::Error) -> Failure,
) -> Result<(), Failure> {
    match client.bytes("/v1/backup", |bytes| to.write_all(bytes).map_err(&said)) {
        Err(Failure::Said(Exit::NoMember, _)) if client.is_of_directory() => {
            if home.store_path().exists() {
                refuse_unsound(home)?;
            }
            write_offline(home, to).map_err(|error| match error {
                Offline::Unusable(what) => Failure::new(what),
                Offline::Store(error) => not_opened(error),
                Offline::File(error) => said(error),
            })
        }
        done => done,
    }
}

enum Offline {
    /// A file of the member's directory exists but cannot be used.
    Unusable(String),
    Store(StoreError),
    File(io::Error),
}

impl From<StoreError> for Offline {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn write_offline(home: &Home, file: &mut impl Write) -> Result<(), Offline> {
    let path = home.store_path();
    let unusable = |error: &dyn std::fmt::Display| Offline::Unusable(error.to_string());
    let membership = home.membership().map_err(|error| unusable(&error))?;
    let key = home.member_key().map_err(|error| unusable(&error))?;
    let (Some(membership), Some(key), true) = (membership, key, path.exists()) else {
        let what = format!("{} or member.key is missing", path.display());
        return Err(StoreError::Failed { what }.into());
    };
    // The file system may be read-only.
    let store = RedbStore::open_read_only(&path, Options::default())?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let wall = Timestamp(u64::try_from(now.as_micros()).unwrap_or(u64::MAX));
    let snapshot = Snapshot::new(store.reader().snapshot()?, membership.mesh, wall);
    snapshot.save(key.id(), |frame| {
        let length = u32::try_from(frame.len()).expect("frames are bounded");
        file.write_all(&length.to_be_bytes()).and_then(|()| file.write_all(frame)).map_err(Offline::File)
    })?;
    drop(snapshot);
    Ok(store.close()?)
}

/// Reads the file again, to be sure that all of it is there.
fn check(file: &Path) -> Result<(Origin, Summary), Failure> {
    let mut frames = Frames::default();
    each_frame(file, |bytes| frames.take(bytes))?;
    frames.finish().map_err(|error| refused(file, error))
}

/// `datafan restore`
pub fn restore(dir: &Path, args: &args::Backup, out: &mut Output) -> Result<(), Failure> {
    let home = Home::new(dir);
    let membership = of_member(&home)?;
    let key = home.member_key().map_err(Failure::new)?.ok_or_else(|| {
        Failure::new(format!(
            "{} is missing: copy the member's key there first",
            home.member_key_path().display()
        ))
    })?;
    let (path, fresh) = (home.store_path(), beside(&home.store_path()));
    if path.exists() {
        let text = format!(
            "{} already exists: move it away first, since a backup never replaces a store",
            path.display()
        );
        return Err(Failure::new(text));
    }
    let done = read_into(&args.file, &fresh, (membership.mesh, key.id())).and_then(|done| {
        fs::rename(&fresh, &path).map_err(|error| at(&path, &error))?;
        Ok(done)
    });
    let (origin, summary) = done.inspect_err(|_| drop(fs::remove_file(&fresh)))?;
    show(out, "restored", &origin, &summary)?;
    if !out.json {
        note(
            "When the member runs, it fetches what the mesh has beyond this backup: see `datafan recovered`.",
        );
    }
    Ok(())
}

/// Builds a store from a backup.
fn read_into(file: &Path, store: &Path, whose: (MeshId, MemberId)) -> Result<(Origin, Summary), Failure> {
    let opened = RedbStore::open(store, Options::default()).map_err(Failure::new)?;
    let mut restore = Restore::new(opened, whose, &Strict);
    each_frame(file, |bytes| restore.frame(bytes))?;
    restore.finish().map_err(|error| refused(file, error))
}

fn each_frame(file: &Path, mut take: impl FnMut(&[u8]) -> Result<(), RestoreError>) -> Result<(), Failure> {
    let input: Box<dyn Read> = match file == Path::new("-") {
        true => Box::new(io::stdin()),
        false => Box::new(File::open(file).map_err(|error| at(file, &error))?),
    };
    let mut input = BufReader::new(input);
    let mut bytes = Vec::new();
    let failed = |error: io::Error| match error.kind() {
        ErrorKind::UnexpectedEof => Failure::new(format!("{}: the backup is incomplete", file.display())),
        _ => at(file, &error),
    };
    while next(&mut input, &mut bytes).map_err(failed)? {
        take(&bytes).map_err(|error| refused(file, error))?;
    }
    Ok(())
}

fn refused(file: &Path, error: RestoreError) -> Failure {
    match error {
        RestoreError::Store(error) => Failure::new(error),
        error => Failure::new(format!("{}: {error}", file.display())),
    }
}

/// Reads the next frame; false at the end.
fn next(input: &mut impl Read, bytes: &mut Vec<u8>) -> io::Result<bool> {
    let mut length = [0; 4];
    match input.read_exact(&mut length[..1]) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(false),
        read => read?,
    }
    input.read_exact(&mut length[1..])?;
    let length = u32::from_be_bytes(length) as usize;
    if length > FRAME_BYTES_MAX {
        let text = format!("not a datafan backup: a frame of {length} bytes, limit {FRAME_BYTES_MAX}");
        return Err(io::Error::new(ErrorKind::InvalidData, text));
    }
    bytes.resize(length, 0);
    input.read_exact(bytes)?;
    Ok(true)
}

fn show(out: &mut Output, done: &str, origin: &Origin, summary: &Summary) -> Result<(), Failure> {
    out.has_done(report(done, origin, summary, false)?);
    let text = report(done, origin, summary, out.json)?;
    Ok(if out.json { out.json_line(&text) } else { out.line(&text) }?)
}

fn report(done: &str, origin: &Origin, summary: &Summary, json: bool) -> Result<String, Failure> {
    let Summary { shards, items, bytes } = *summary;
    let report = Report { member: origin.member.to_string(), time: rfc3339(origin.at), shards, items, bytes };
    if json {
        return serde_json::to_string(&report).map_err(Failure::new);
    }
    let Report { member, time, .. } = report;
    let (items, shards) = (count(items, "item"), count(shards, "shard"));
    Ok(format!("{done} {items} of {shards}, {}, of {time}, member {member}", size(bytes)))
}

fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    name.into()
}

fn at(file: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("{}: {error}", file.display()))
}
