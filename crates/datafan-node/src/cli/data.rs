//! `put`, `get`, `del`, `ls`, `export`: reading and writing items.

use super::{
    args,
    batch::Batch,
    client::Client,
    failure::{Exit, Failure},
    output::{Effect, Output},
    text::{count, lossless, readable, size},
};
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
        let text = "put takes no --owner: only the owner writes its shard, so run put on that member";
        return Err(Failure::Said(Exit::Usage, text.to_owned()));
    }
    check_key(&args.key)?;
    let value = match (args.value.as_deref(), &args.file) {
        (_, Some(file)) => read_value(file)?,
        (Some("-"), None) => read_value(Path::new("-"))?,
        (Some(text), None) => text.as_bytes().to_vec(),
        (None, None) => {
            return Err(Failure::Said(Exit::Usage, "put needs VALUE, -, or --file FILE".to_owned()));
        }
    };
    if value.len() > VALUE_BYTES_MAX {
        return Err(Failure::new(format!("the value is longer than {VALUE_BYTES_MAX} bytes, the limit")));
    }
    let mut write = WriteRequest::put(&args.key, &value);
    write.ttl_ms = args.ttl.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
    let answer: CommitAnswer = client.post("/v1/commit", &CommitRequest { writes: vec![write] })?;
    show_written(out, &answer.written)
}

/// Reads a file, or standard input for `-`, up to one byte more than a value may have.
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
        return get_all(client, &args, out);
    }
    let mut query = vec![("key", args.key.as_str())];
    query.extend(args.of.owner.as_deref().map(|owner| ("owner", owner)));
    let text = client.get_text("/v1/item", &query)?;
    if out.json {
        return Ok(out.json_line(&text)?);
    }
    let value = bytes_of(&item(&text)?)?;
    if !out.terminal {
        return Ok(out.bytes(&value)?);
    }
    match args.raw {
        true => out.bytes(&value)?,
        false => out.bytes(readable(&value).as_bytes())?,
    }
    Ok(out.line("")?)
}

/// The item of each owner that has the key.
fn get_all(mut client: Client, args: &args::Get, out: &mut Output) -> Result<(), Failure> {
    let (mut shown, mut hidden) = (0_u64, 0_u64);
    client.lines("/v1/items", &[("key", &args.key)], |line| {
        let item = item(line)?;
        if item.revoked && !args.revoked {
            hidden += 1;
            return Ok(());
        }
        shown += 1;
        show_item(out, line, item)
    })?;
    if shown == 0 && hidden > 0 {
        let text = format!("only revoked members have the key {:?}: show it with --revoked", args.key);
        return Err(Failure::Said(Exit::NotFound, text));
    }
    Ok(())
}

/// One line of `get --all`: for people, the owner and the value, escaped without loss so that it fits on one
/// line.
fn show_item(out: &mut Output, text: &str, item: ItemLine) -> Result<(), Failure> {
    if out.json {
        return Ok(out.json_line(text)?);
    }
    let value = lossless(&bytes_of(&item)?);
    let owner = item.owner_name.unwrap_or(item.owner);
    Ok(out.line(&format!("{owner}\t{value}"))?)
}

fn item(text: &str) -> Result<ItemLine, Failure> {
    serde_json::from_str(text).map_err(Failure::new)
}

fn bytes_of(item: &ItemLine) -> Result<Vec<u8>, Failure> {
    item.bytes().ok_or_else(|| Failure::new("the member's answer has no value"))
}

/// `datafan del`: one commit; missing keys are reported, the others are removed.
pub fn del(mut client: Client, args: args::Del, out: &mut Output) -> Result<(), Failure> {
    if let Some(prefix) = &args.prefix {
        return del_prefix(client, prefix, args.ignore_missing, out);
    }
    let keys: BTreeSet<&str> = args.keys.iter().map(String::as_str).collect();
    keys.iter().try_for_each(|key| check_key(key))?;
    let writes = keys.iter().map(|key| WriteRequest::delete(key)).collect();
    let answer: CommitAnswer = client.post("/v1/commit", &CommitRequest { writes })?;
    show_written(out, &answer.written)?;
    if answer.missing.is_empty() || args.ignore_missing {
        return Ok(());
    }
    let missing: Vec<String> = answer.missing.iter().map(|key| format!("{key:?}")).collect();
    Err(Failure::Said(Exit::NotFound, format!("no such key: {}", missing.join(", "))))
}

/// All keys that begin with `prefix` now.
fn del_prefix(
    mut client: Client,
    prefix: &str,
    ignore_missing: bool,
    out: &mut Output,
) -> Result<(), Failure> {
    if prefix.is_empty() {
        let text = "an empty prefix would remove every key: name the prefixes one by one";
        return Err(Failure::Said(Exit::Usage, text.to_owned()));
    }
    check_key(prefix)?;
    let mut keys = Vec::new();
    client.lines("/v1/list", &[("prefix", prefix)], |line| {
        keys.push(serde_json::from_str::<KeyLine>(line).map_err(Failure::new)?.key);
        Ok(())
    })?;
    if keys.is_empty() && !ignore_missing {
        return Err(Failure::Said(Exit::NotFound, format!("no key begins with {prefix:?}")));
    }
    let (mut batch, mut done) = (Batch::new(), Written::default());
    let mut commit = |batch: &mut Batch| {
        let body = std::mem::replace(batch, Batch::new()).finish();
        let answer = client.post_bytes::<CommitAnswer>("/v1/commit", body);
        let answer = answer.map_err(|failure| match done.written {
            0 => failure,
            n => failure.and(format!("{} removed before that", count(n, "key"))),
        })?;
        done.timestamp = answer.written.timestamp;
        done.written += answer.written.written;
        done.unchanged += answer.written.unchanged;
        Ok::<_, Failure>(())
    };
    for key in &keys {
        let text = serde_json::to_vec(&WriteRequest::delete(key)).map_err(Failure::new)?;
        if !batch.has_room(text.len(), key.len()) {
            commit(&mut batch)?;
        }
        batch.add(&text, key.len());
    }
    // Sent even without any key, so that the answer names the current head.
    commit(&mut batch)?;
    show_written(out, &done)
}

/// `datafan ls`
pub fn ls(mut client: Client, args: args::Ls, out: &mut Output) -> Result<(), Failure> {
    if args.keys && out.json {
        let text = "--keys and --json cannot be used together: with --json each line has its key";
        return Err(Failure::Said(Exit::Usage, text.to_owned()));
    }
    let prefix = args.beginning.as_deref().or(args.prefix.as_deref()).unwrap_or_default();
    let query = query(&args.of, prefix, &args.after)?;
    client.lines("/v1/list", &query, |text| {
        let line: KeyLine = serde_json::from_str(text).map_err(Failure::new)?;
        if args.of.all && line.revoked && !args.revoked {
            return Ok(());
        }
        if out.json {
            return Ok(out.json_line(text)?);
        }
        if args.null {
            return Ok(out.bytes(&[line.key.as_bytes(), &[0]].concat())?);
        }
        let key = out.shown(&line.key);
        if args.keys {
            return Ok(out.line(&key)?);
        }
        let owner = line.owner_name.unwrap_or(line.owner);
        Ok(out.line(&format!("{owner:<12}  {}  {:>10}  {key}", line.time, size(line.bytes)))?)
    })
}

/// `datafan export`
pub fn export(mut client: Client, args: args::Export, out: &mut Output) -> Result<(), Failure> {
    let query = query(&args.of, args.prefix.as_deref().unwrap_or_default(), &args.after)?;
    client.lines("/v1/export", &query, |line| Ok(out.json_line(line)?))
}

fn after(after: &args::After) -> impl Iterator<Item = (&'static str, &str)> {
    let key = after.after.as_deref().map(|key| ("after", key));
    key.into_iter().chain(after.after_owner.as_deref().map(|owner| ("after_owner", owner)))
}

fn query<'a>(
    whose: &'a args::Of,
    prefix: &'a str,
    go_on: &'a args::After,
) -> Result<Vec<(&'static str, &'a str)>, Failure> {
    let mut query = of(whose);
    query.extend(after(go_on));
    if !prefix.is_empty() {
        check_key(prefix)?;
        query.push(("prefix", prefix));
    }
    Ok(query)
}

fn of(of: &args::Of) -> Vec<(&'static str, &str)> {
    match (&of.owner, of.all) {
        (Some(owner), _) => vec![("owner", owner.as_str())],
        (None, true) => vec![("all", "true")],
        (None, false) => Vec::new(),
    }
}

/// Checks the limits of keys before the member is asked.
fn check_key(key: &str) -> Result<(), Failure> {
    Key::new(key).map(drop).map_err(Failure::new)
}

/// Reports what a commit did.
pub fn show_written(out: &mut Output, written: &Written) -> Result<(), Failure> {
    let Written { timestamp, written: changed, unchanged } = written;
    let text = format!("{changed} written, {unchanged} unchanged, at {timestamp}");
    Ok(out.answer(Effect::of(*changed), written, &text)?)
}
