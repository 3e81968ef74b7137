//! Files of members to admit: one member per line, as `datafan id --json` prints it, or as id and name.

use super::{client::Client, failure::Failure};
use datafan_core::{
    id::{MemberId, Name},
    identity::is_admissible,
};
use datafan_node::http::{
    BODY_BYTES_MAX,
    wire::{AdmitRequest, StatusAnswer},
};
use serde::Deserialize;
use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: String,
    name: String,
    /// The mesh that the member is to join, as `datafan id --json` prints it.
    mesh: Option<String>,
}

/// All members that `file` (`-` for standard input) names. Every line is checked before the first member is
/// admitted.
pub fn read(client: &mut Client, file: &Path) -> Result<Vec<AdmitRequest>, Failure> {
    let text = text(file)?;
    let mut mesh = None;
    let mut requests = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let said = |what: String| Failure::new(format!("{}: line {}: {what}", file.display(), at + 1));
        let Line { id, name, mesh: named } = line_of(line).map_err(said)?;
        if let Some(named) = named {
            let ours = match &mut mesh {
                Some(ours) => ours,
                none => none.insert(client.get::<StatusAnswer>("/v1/status", &[])?.mesh),
            };
            if named != *ours {
                return Err(said(format!("mesh {named:?} is not the mesh of this member, which is {ours}")));
            }
        }
        requests.push(checked(&id, &name).map_err(said)?);
    }
    Ok(requests)
}

fn text(file: &Path) -> Result<String, Failure> {
    let said = |what: &dyn std::fmt::Display| Failure::new(format!("{}: {what}", file.display()));
    let input: Box<dyn Read> = match file == Path::new("-") {
        true => Box::new(io::stdin()),
        false => Box::new(File::open(file).map_err(|error| said(&error))?),
    };
    let mut text = String::new();
    input.take(BODY_BYTES_MAX as u64 + 1).read_to_string(&mut text).map_err(|error| said(&error))?;
    if text.len() > BODY_BYTES_MAX {
        return Err(said(&format!("longer than {BODY_BYTES_MAX} bytes, the limit of a request: split it")));
    }
    Ok(text)
}

fn line_of(line: &str) -> Result<Line, String> {
    if line.trim_start().starts_with('{') {
        return serde_json::from_str(line).map_err(|error| error.to_string());
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        [id, name] => Ok(Line { id: (*id).to_owned(), name: (*name).to_owned(), mesh: None }),
        _ => Err("expected {\"id\",\"name\"} or ID NAME".to_owned()),
    }
}

fn checked(id: &str, name: &str) -> Result<AdmitRequest, String> {
    let member: MemberId = id.parse().map_err(|error| format!("{error}"))?;
    if !is_admissible(&member) {
        return Err(format!("{id} is not a valid Ed25519 public key"));
    }
    let name: Name = name.parse().map_err(|error| format!("{error}"))?;
    Ok(AdmitRequest { id: id.to_owned(), name: name.to_string(), ..AdmitRequest::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_line_are_those_of_an_id_and_no_others() {
        assert!(line_of(r#"{"id":"a","mesh":"m","name":"b"}"#).is_ok());
        let error = line_of(r#"{"id":"a","name":"b","items":5}"#).map(|line| line.id).unwrap_err();
        assert!(error.contains("unknown field `items`"), "{error}");
    }
}
