//! `forks`, `verify-fork`: identities that were cloned, rewound or stolen, and the evidence.

use super::{
    args,
    client::Client,
    failure::Failure,
    output::{Output, table},
    text::count,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use datafan_core::{fork::Evidence, identity::Strict, limits::EVIDENCE_BYTES_MAX, time::Timestamp};
use datafan_node::http::wire::{CloseForks, Forks, ForksClosed, rfc3339};
use serde::Serialize;
use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

/// `datafan forks`
pub fn forks(mut client: Client, args: &args::Forks, out: &mut Output) -> Result<(), Failure> {
    if let Some(owner) = &args.close {
        let done: ForksClosed = client.post("/v1/forks/close", &CloseForks { owner: owner.clone() })?;
        let time = &done.time;
        let text =
            format!("closed at {time}: writes of {owner} are pushed again; a later fork will be open again");
        return Ok(out.change(&done, &text)?);
    }
    let text = client.get_text("/v1/forks", &[])?;
    let found: Forks = serde_json::from_str(&text).map_err(Failure::new)?;
    if let Some(dir) = &args.export {
        export(dir, &found)?;
        if !found.forks.is_empty() {
            out.has_done(format!("{} written to {}", count(found.forks.len() as u64, "file"), dir.display()));
        }
    }
    if out.json {
        return Ok(out.json_line(&text)?);
    }
    if found.forks.is_empty() {
        return Ok(out.line("this member knows of no fork")?);
    }
    let rows = found.forks.iter().map(|fork| {
        let owner = fork.owner_name.clone().unwrap_or_else(|| fork.owner.chars().take(8).collect());
        let closed = fork.closed_by.clone().map_or("open".to_owned(), |by| format!("closed by the {by}"));
        vec![owner, rfc3339(Timestamp(fork.first)), rfc3339(Timestamp(fork.second)), closed]
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort();
    Ok(out.line(&table(&["OWNER", "ONE STATE", "THE OTHER", "STATE"], rows))?)
}

fn export(dir: &Path, found: &Forks) -> Result<(), Failure> {
    let said = |path: &Path, error: &io::Error| Failure::new(format!("{}: {error}", path.display()));
    fs::create_dir_all(dir).map_err(|error| said(dir, &error))?;
    for fork in &found.forks {
        let owner: String = fork.owner.chars().take(8).collect();
        let path = dir.join(format!("{owner}-{}-{}.fork", fork.first, fork.second));
        let bytes = BASE64_STANDARD.decode(&fork.evidence).map_err(Failure::new)?;
        fs::write(&path, bytes).map_err(|error| said(&path, &error))?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Proven {
    mesh: String,
    owner: String,
    first: u64,
    first_time: String,
    second: u64,
    second_time: String,
    key: Option<String>,
}

/// `datafan verify-fork`
pub fn verify(args: &args::Backup, out: &mut Output) -> Result<(), Failure> {
    let said = |what: &dyn std::fmt::Display| Failure::new(format!("{}: {what}", args.file.display()));
    let file = File::open(&args.file).map_err(|error| said(&error))?;
    let mut bytes = Vec::new();
    file.take(EVIDENCE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(|error| said(&error))?;
    if bytes.len() > EVIDENCE_BYTES_MAX {
        return Err(said(&format!("longer than {EVIDENCE_BYTES_MAX} bytes, the limit of evidence")));
    }
    let evidence =
        Evidence::decode(&bytes).map_err(|error| said(&format!("not evidence of a fork: {error}")))?;
    evidence
        .verify(&Strict)
        .map_err(|error| said(&format!("the evidence does not prove a fork: {error}")))?;
    let Evidence { mesh, first, second, item } = evidence;
    let proven = Proven {
        mesh: mesh.to_string(),
        owner: first.owner.to_string(),
        first: first.timestamp.0,
        first_time: rfc3339(first.timestamp),
        second: second.timestamp.0,
        second_time: rfc3339(second.timestamp),
        key: item.as_ref().map(|lost| lost.item.key.to_string()),
    };
    if out.json {
        return Ok(out.object(&proven)?);
    }
    out.line(&format!("proven: {} of mesh {} has signed two conflicting states", proven.owner, proven.mesh))?;
    let states = format!("one at {}, one at {}", rfc3339(first.timestamp), rfc3339(second.timestamp));
    Ok(match item {
        Some(lost) => out.line(&format!(
            "{states}: the second has {:?} of {}, the first does not",
            lost.item.key.as_str(),
            rfc3339(lost.item.timestamp)
        )),
        None => out.line(&format!("{states}, with different contents")),
    }?)
}
