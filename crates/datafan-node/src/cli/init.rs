//! `init` and `id`: making a member and saying who it is.

use super::{Client, Failure, Output, args, failure::Exit, files::check_private};
use datafan_core::id::MemberId;
use datafan_node::{
    Beginning, Home, Membership,
    http::wire::{StatusAnswer, rfc3339},
    ticket::{TICKET_TEXT_MAX, Ticket},
};
use serde::Serialize;
use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    time::SystemTime,
};
use zeroize::Zeroizing;

#[derive(Serialize)]
struct Identified {
    id: String,
    mesh: String,
    name: String,
}

/// `datafan init`
pub fn init(dir: &Path, args: args::Init, out: &mut Output) -> Result<(), Failure> {
    let home = Home::new(dir);
    if let Some(membership) = home.membership().map_err(Failure::new)? {
        let text = format!("{} holds the member {} already", dir.display(), membership.name);
        return Err(Failure::new(text));
    }
    let beginning = beginning(args)?;
    let next = next_step(&beginning);
    let membership = home.begin(beginning).map_err(Failure::new)?;
    let id = own_id(&home)?;
    if out.json {
        return Ok(out.object(&identified(id, &membership))?);
    }
    let founded = home.authority_key_path().exists();
    out.line(&format!("id    {id}"))?;
    out.line(&format!("mesh  {}", membership.mesh))?;
    out.line(&format!("name  {}", membership.name))?;
    out.line(&format!("\nBack up {}", home.member_key_path().display()))?;
    if founded {
        out.line(&format!("    and {}, which decides who belongs", home.authority_key_path().display()))?;
    }
    Ok(out.line(&format!("\nNext: {}", next.replace("ID", &id.to_string())))?)
}

fn beginning(args: args::Init) -> Result<Beginning, Failure> {
    match (args.ticket, args.mesh, args.name) {
        (Some(file), _, _) => from_ticket(&file),
        (None, Some(mesh), Some(name)) => Ok(Beginning::Join { mesh, name }),
        (None, None, Some(name)) => Ok(Beginning::NewMesh { name }),
        (None, _, None) => Err(Failure::Said(Exit::Usage, "init needs --name or --ticket".to_owned())),
    }
}

fn next_step(beginning: &Beginning) -> String {
    match beginning {
        Beginning::NewMesh { .. } | Beginning::Invited { .. } => "datafan run".to_owned(),
        Beginning::Join { name, .. } => {
            format!(
                "datafan run --connect HOST:PORT, and where authority.key is: datafan admit ID --name {name}"
            )
        }
    }
}

/// The beginning that a ticket in `file` (`-` for standard input) stands for.
pub fn from_ticket(file: &Path) -> Result<Beginning, Failure> {
    let ticket = read_ticket(file)?;
    is_over(&ticket)?;
    Ok(Beginning::Invited(Box::new(ticket)))
}

/// Refuses a ticket whose time has passed.
fn is_over(ticket: &Ticket) -> Result<(), Failure> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_micros());
    if let Some(expiry) = ticket.expiry.filter(|expiry| u128::from(expiry.0) <= now) {
        let at = rfc3339(expiry);
        return Err(Failure::new(format!("the ticket ended at {at}: ask for a new one (datafan invite)")));
    }
    Ok(())
}

/// The ticket in `file`, `-` for standard input.
pub fn read_ticket(file: &Path) -> Result<Ticket, Failure> {
    let said = |what: &dyn std::fmt::Display| Failure::new(format!("{}: {what}", file.display()));
    let input: Box<dyn Read> = match file == Path::new("-") {
        true => Box::new(io::stdin()),
        false => {
            check_private(file, "ticket")?;
            Box::new(File::open(file).map_err(|error| said(&error))?)
        }
    };
    let mut text = Zeroizing::new(String::with_capacity(2 * TICKET_TEXT_MAX));
    // A little more than the longest ticket, so that a longer text is seen to be none.
    let bound = 2 * TICKET_TEXT_MAX as u64;
    input.take(bound).read_to_string(&mut text).map_err(|error| said(&error))?;
    text.parse().map_err(|error| said(&error))
}

/// `datafan id`
pub fn id(dir: &Path, out: &mut Output) -> Result<(), Failure> {
    let home = Home::new(dir);
    let membership = of_member(&home)?;
    let mut identified = identified(own_id(&home)?, &membership);
    // The name in the grant wins, and a running member knows it.
    if let Ok(status) = Client::of(dir).get::<StatusAnswer>("/v1/status", &[]) {
        identified.name = status.name;
    }
    if out.json {
        return Ok(out.object(&identified)?);
    }
    out.line(&format!("id    {}", identified.id))?;
    out.line(&format!("mesh  {}", identified.mesh))?;
    Ok(out.line(&format!("name  {}", identified.name))?)
}

/// What a directory says of its member.
pub fn of_member(home: &Home) -> Result<Membership, Failure> {
    let membership = home.membership().map_err(Failure::new)?;
    membership.ok_or_else(|| {
        let dir = home.path().display();
        Failure::new(format!("{dir} holds no member yet: make one with `datafan init --name NAME`"))
    })
}

fn identified(id: MemberId, membership: &Membership) -> Identified {
    Identified { id: id.to_string(), mesh: membership.mesh.to_string(), name: membership.name.to_string() }
}

fn own_id(home: &Home) -> Result<MemberId, Failure> {
    let key = home.member_key().map_err(Failure::new)?;
    let missing =
        || Failure::new(format!("{} is missing: restore it from a backup", home.member_key_path().display()));
    Ok(key.ok_or_else(missing)?.id())
}
