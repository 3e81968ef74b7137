//! `put`, `get`, `del`, `ls`, `export`: the data.

use super::{Client, Failure, Output, args, failure::Exit, size};
use datafan_core::{item::Key, limits::VALUE_BYTES_MAX};
use datafan_node::http::wire::{CommitAnswer, CommitRequest, ItemLine, KeyLine, WriteRequest, Written};
use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read},
    path::Path,
};

/// `datafan put`
pub fn put(mut client: Client, args: args::Put, out: &mut Output) -> Result<(), Failure> {
    if args.owner.is_some() {
        let text = "put takes no --owner: only the owner writes its shard, so put it on that member";
        return Err(Failure::Said(Exit::Usage, text.to_owned()));
    }
    check_key(&args.key)?;
    let value = match (args.value.as_deref(), &args.file) {
        (_, Some(file)) => read_value(file)?,
        (Some("-"), None) => read_value(Path::new("-"))?,
        (Some(text), None) => text.as_bytes().to_vec(),
        (None, None) => return Err(Failure::Said(Exit::Usage, "put needs VALUE, - or --file".to_owned())),
    };
    if value.len() > VALUE_BYTES_MAX {
        return Err(Failure::new(format!("value is over the limit of {VALUE_BYTES_MAX} bytes")));
    }
    let mut write = WriteRequest::put(&args.key, &value);
    write.ttl_ms = args.ttl.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
    let answer: CommitAnswer = client.post("/v1/commit", &CommitRequest { writes: vec![write] })?;
    show_written(out, &answer.written)
}

/// A file, or standard input for `-`, up to one byte over the limit of a value.
fn read_value(file: &Path) -> Result<Vec<u8>, Failure> {
    let said = |error: io::Error| Failure::new(format!("{}: {error}", file.display()));
    let input: Box<dyn Read> = match file == Path::new("-") {
        true => Box::new(io::stdin()),
        false => Box::new(File::open(file).map_err(said)?),
    };
    let mut value = Vec::new();
    input.take(VALUE_BYTES_MAX as u64 + 1).read_to_end(&mut value).map_err(said)?;
    Ok(value)
}

/// `datafan get`
pub fn get(mut client: Client, args: args::Get, out: &mut Output) -> Result<(), Failure> {
    check_key(&args.key)?;
    if args.of.all {
        return client.lines("/v1/items", &[("key", &args.key)], |line| show_item(out, line));
    }
    let mut query = vec![("key", args.key.as_str())];
    query.extend(args.of.owner.as_deref().map(|owner| ("owner", owner)));
    let text = client.get_text("/v1/item", &query)?;
    if out.json {
        return Ok(out.json_line(&text)?);
    }
    out.bytes(&bytes_of(&item(&text)?)?)?;
    if out.terminal {
        out.line("")?;
    }
    Ok(())
}

/// One line of `get --all`: for people the owner and the value, escaped so that it stays one line.
fn show_item(out: &mut Output, text: &str) -> Result<(), Failure> {
    if out.json {
        return Ok(out.json_line(text)?);
    }
    let item = item(text)?;
    let value = String::from_utf8_lossy(&bytes_of(&item)?).into_owned();
    let owner = item.owner_name.unwrap_or(item.owner);
    Ok(out.line(&format!("{owner}\t{}", super::output::escape(&value)))?)
}

fn item(text: &str) -> Result<ItemLine, Failure> {
    serde_json::from_str(text).map_err(Failure::new)
}

fn bytes_of(item: &ItemLine) -> Result<Vec<u8>, Failure> {
    item.bytes().ok_or_else(|| Failure::new("the member's answer has no value"))
}

/// `datafan del`: one commit; keys that are not there are named, the others are gone.
pub fn del(mut client: Client, args: args::Del, out: &mut Output) -> Result<(), Failure> {
    let keys: BTreeSet<&str> = args.keys.iter().map(String::as_str).collect();
    keys.iter().try_for_each(|key| check_key(key))?;
    let writes = keys.iter().map(|key| WriteRequest::delete(key)).collect();
    let answer: CommitAnswer = client.post("/v1/commit", &CommitRequest { writes })?;
    show_written(out, &answer.written)?;
    if answer.missing.is_empty() {
        return Ok(());
    }
    let missing: Vec<String> = answer.missing.iter().map(|key| format!("{key:?}")).collect();
    Err(Failure::Said(Exit::NotFound, format!("no such key: {}", missing.join(", "))))
}

/// `datafan ls`
pub fn ls(mut client: Client, args: args::Ls, out: &mut Output) -> Result<(), Failure> {
    if !args.prefix.is_empty() {
        check_key(&args.prefix)?;
    }
    let mut query = of(&args.of);
    query.push(("prefix", &args.prefix));
    query.extend(after(&args.after));
    client.lines("/v1/list", &query, |line| {
        if out.json {
            return Ok(out.json_line(line)?);
        }
        let line: KeyLine = serde_json::from_str(line).map_err(Failure::new)?;
        let owner = line.owner_name.unwrap_or(line.owner);
        let time = datafan_node::http::wire::rfc3339(datafan_core::time::Timestamp(line.timestamp));
        let key = out.shown(&line.key);
        Ok(out.line(&format!("{owner:<12}  {time}  {:>10}  {key}", size(line.bytes)))?)
    })
}

/// `datafan export`
pub fn export(mut client: Client, args: args::Export, out: &mut Output) -> Result<(), Failure> {
    let query: Vec<_> = of(&args.of).into_iter().chain(after(&args.after)).collect();
    client.lines("/v1/export", &query, |line| Ok(out.json_line(line)?))
}

fn after(after: &args::After) -> impl Iterator<Item = (&str, &str)> {
    let key = after.after.as_deref().map(|key| ("after", key));
    key.into_iter().chain(after.after_owner.as_deref().map(|owner| ("after_owner", owner)))
}

fn of(of: &args::Of) -> Vec<(&str, &str)> {
    match (&of.owner, of.all) {
        (Some(owner), _) => vec![("owner", owner.as_str())],
        (None, true) => vec![("all", "true")],
        (None, false) => Vec::new(),
    }
}

/// The limits of keys, before anybody is asked.
fn check_key(key: &str) -> Result<(), Failure> {
    Key::new(key).map(drop).map_err(Failure::new)
}

/// What a commit did.
pub fn show_written(out: &mut Output, written: &Written) -> Result<(), Failure> {
    if out.json {
        return Ok(out.object(written)?);
    }
    let Written { timestamp, written, unchanged } = written;
    Ok(out.line(&format!("{written} written, {unchanged} unchanged, at {timestamp}"))?)
}
