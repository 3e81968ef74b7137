//! How `run` begins: where a directory holds a member already, what the command line names must be that
//! member.

use super::{
    args::Run,
    failure::Failure,
    init::{from_ticket, read_ticket},
};
use datafan_core::id::Name;
use datafan_node::{Bootstrap, BootstrapError, Home, Membership, ticket::Ticket};
use std::{
    io::{self, IsTerminal},
    path::Path,
};

/// How to begin, where DIR has no member yet; `None` where it has the one that is named, or none is named.
pub fn bootstrap(dir: &Path, args: &Run) -> Result<Option<Bootstrap>, Failure> {
    let home = Home::new(dir);
    let Some(member) = home.membership().map_err(Failure::new)? else {
        return match (&args.init, &args.ticket) {
            (Some(name), _) => Ok(Some(Bootstrap::NewMesh { name: name.clone() })),
            (None, Some(file)) => from_ticket(file).map(Some),
            (None, None) if home.store_path().exists() => {
                Err(Failure::new(BootstrapError::Occupied { path: dir.into() }))
            }
            (None, None) => Err(Failure::new(format!(
                "{} holds no member yet: name --init NAME for a new mesh, or --ticket FILE",
                dir.display()
            ))),
        };
    };
    if let Some(name) = &args.init {
        is_founder(dir, &member, name)?;
    }
    if let Some(ticket) = args.ticket.as_deref().map(ticket_again).transpose()?.flatten() {
        is_invited(&home, &member, &ticket)?;
    }
    Ok(None)
}

fn is_founder(dir: &Path, member: &Membership, name: &Name) -> Result<(), Failure> {
    // Who was invited knows which roster it was admitted in; a founder accepts any.
    let invited = member.roster_min.0 > 0;
    if member.name == *name && !invited {
        return Ok(());
    }
    let how = if invited { ", which was invited" } else { "" };
    let (dir, there, mesh) = (dir.display(), &member.name, member.mesh);
    Err(Failure::new(format!(
        "--init {name} would begin a new mesh, but {dir} holds the member {there} of mesh {mesh}{how}: choose \
         another directory, or leave --init out to run {there}"
    )))
}

/// The ticket, as far as it is still there: once it was used it may be deleted.
fn ticket_again(file: &Path) -> Result<Option<Ticket>, Failure> {
    let is_stdin = file == Path::new("-");
    if is_stdin && io::stdin().is_terminal() || !is_stdin && !file.exists() {
        return Ok(None);
    }
    match read_ticket(file) {
        Ok(ticket) => Ok(Some(ticket)),
        // A unit that hands over a ticket at each start has perhaps nothing more to hand over.
        Err(_) if is_stdin => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn is_invited(home: &Home, member: &Membership, ticket: &Ticket) -> Result<(), Failure> {
    let dir = home.path().display();
    let (there, theirs) = (&member.name, &ticket.name);
    if member.mesh != ticket.mesh {
        return Err(Failure::new(format!(
            "the ticket is for mesh {}, but {dir} holds the member {there} of mesh {}: choose another directory, \
             or leave --ticket out to run {there}",
            ticket.mesh, member.mesh
        )));
    }
    let id = home.member_key().map_err(Failure::new)?.map(|key| key.id());
    if there == theirs && id.is_none_or(|id| id == ticket.member.id()) {
        return Ok(());
    }
    let id = id.map(|id| format!(" ({id})")).unwrap_or_default();
    Err(Failure::new(format!(
        "the ticket is for the member {theirs} ({}), but {dir} holds {there}{id}: choose another directory, or \
         leave --ticket out to run {there}",
        ticket.member.id()
    )))
}
