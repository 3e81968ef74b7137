//! `invite`, `admit`, `revoke`: who belongs.

use super::{Client, Failure, Output, args, failure::Exit, init::ticket_expiry, output::note};
use datafan_core::{
    connector::Address,
    id::{MemberId, MeshId, Name},
    identity::{Identity, is_admissible},
    limits::ADDRESSES_MAX,
    time::Timestamp,
};
use datafan_node::{
    http::wire::{Addresses, AdmitRequest, RevokeRequest, Rostered, StatusAnswer},
    ticket::Ticket,
};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{self, Read},
    path::Path,
    time::SystemTime,
};
use zeroize::Zeroizing;

#[derive(Serialize)]
struct Invited<'a> {
    ticket: &'a str,
    id: String,
    name: String,
}

/// `datafan invite`: the secret never leaves this process but in the ticket.
pub fn invite(mut client: Client, args: args::Invite, out: &mut Output) -> Result<(), Failure> {
    let status: StatusAnswer = client.get("/v1/status", &[])?;
    let mesh: MeshId = status.mesh.parse().map_err(Failure::new)?;
    let addresses = addresses(&mut client, args.addr)?;
    let member = new_identity()?;
    let request = AdmitRequest { id: member.id().to_string(), name: args.name.to_string() };
    let admitted: Rostered = client.post("/v1/admit", &request)?;
    let ticket = Ticket {
        mesh,
        member,
        roster: Timestamp(admitted.timestamp),
        expiry: ticket_expiry(SystemTime::now()),
        name: args.name,
        addresses,
    };
    let text = ticket.to_text();
    if out.json {
        return Ok(out.object(&Invited { ticket: &text, id: admitted.id, name: admitted.name })?);
    }
    out.line(&text)?;
    note("The ticket is for one machine and holds its key. There: datafan run --ticket FILE");
    Ok(())
}

fn addresses(client: &mut Client, named: Vec<Address>) -> Result<Vec<Address>, Failure> {
    let mut addresses = named;
    if addresses.is_empty() {
        let published: Addresses = client.get("/v1/addresses", &[])?;
        addresses = published.addresses.into_iter().map(Address::from).collect();
    }
    match addresses.len() {
        0 => Err(Failure::new("this member publishes no address: name one with --addr HOST:PORT")),
        n if n > ADDRESSES_MAX => {
            Err(Failure::Said(Exit::Usage, format!("a ticket has at most {ADDRESSES_MAX} addresses")))
        }
        _ => Ok(addresses),
    }
}

fn new_identity() -> Result<Identity, Failure> {
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *secret).map_err(Failure::new)?;
    Ok(Identity::from_secret(&secret))
}

/// `datafan admit`
pub fn admit(mut client: Client, args: args::Admit, out: &mut Output) -> Result<(), Failure> {
    let requests = match (args.id, args.name, args.file) {
        (Some(id), Some(name), None) => {
            vec![AdmitRequest { id: id.to_string(), name: name.to_string() }]
        }
        (None, None, Some(file)) => requests(&file)?,
        _ => return Err(Failure::Said(Exit::Usage, "admit needs ID --name NAME, or --file FILE".to_owned())),
    };
    for request in requests {
        let admitted: Rostered = client.post("/v1/admit", &request)?;
        show(out, "admitted", &admitted)?;
    }
    Ok(())
}

#[derive(Deserialize)]
struct Line {
    id: String,
    name: String,
}

/// One member per line, as `datafan id --json` prints it, or as id and name.
fn requests(file: &Path) -> Result<Vec<AdmitRequest>, Failure> {
    let said = |what: &dyn std::fmt::Display| Failure::new(format!("{}: {what}", file.display()));
    let text = match file == Path::new("-") {
        true => {
            let mut text = String::new();
            io::stdin().take(FILE_BYTES_MAX).read_to_string(&mut text).map(|_| text)
        }
        false => fs::read_to_string(file),
    };
    let text = text.map_err(|error| said(&error))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(at, line)| request(line).map_err(|what| said(&format!("line {}: {what}", at + 1)))).collect()
}

fn request(line: &str) -> Result<AdmitRequest, String> {
    if line.trim_start().starts_with('{') {
        let Line { id, name } = serde_json::from_str(line).map_err(|error| error.to_string())?;
        return checked(&id, &name);
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        [id, name] => checked(id, name),
        _ => Err("expected {\"id\",\"name\"} or ID NAME".to_owned()),
    }
}

/// All lines are checked before the first member is admitted.
fn checked(id: &str, name: &str) -> Result<AdmitRequest, String> {
    let member: MemberId = id.parse().map_err(|error| format!("{error}"))?;
    if !is_admissible(&member) {
        return Err(format!("{id} is not a sound Ed25519 public key"));
    }
    let name: Name = name.parse().map_err(|error| format!("{error}"))?;
    Ok(AdmitRequest { id: id.to_owned(), name: name.to_string() })
}

/// Ten times the lines of the largest mesh.
const FILE_BYTES_MAX: u64 = 128 << 20;

/// `datafan revoke`
pub fn revoke(mut client: Client, args: args::Revoke, out: &mut Output) -> Result<(), Failure> {
    let request = RevokeRequest { member: args.member, drop: args.drop };
    let revoked: Rostered = client.post("/v1/revoke", &request)?;
    show(out, "revoked", &revoked)
}

fn show(out: &mut Output, done: &str, rostered: &Rostered) -> Result<(), Failure> {
    match out.json {
        true => out.object(rostered)?,
        false => out.line(&format!("{done} {} ({})", rostered.name, rostered.id))?,
    }
    Ok(())
}
