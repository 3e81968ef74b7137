//! How `run` starts: if the directory already holds a member, the command line must name that member.

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

/// The bootstrap to use if DIR holds no member yet; `None` if it holds the named member, or none is named.
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
                "{} holds no member yet: use --init NAME for a new mesh, or --ticket FILE to join one",
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
    // An invited member knows the roster that admitted it; a founder accepts any.
    let invited = member.roster_min.0 > 0;
    if member.name == *name && !invited {
        return Ok(());
    }
    let how = if invited { ", which was invited" } else { "" };
    let (dir, there, mesh) = (dir.display(), &member.name, member.mesh);
    Err(Failure::new(format!(
        "--init {name} would create a new mesh, but {dir} holds the member {there} of mesh {mesh}{how}: \
         choose another directory, or leave out --init to run {there}"
    )))
}

/// The ticket, if the file still exists: a used ticket may be deleted.
fn ticket_again(file: &Path) -> Result<Option<Ticket>, Failure> {
    let is_stdin = file == Path::new("-");
    if is_stdin && io::stdin().is_terminal() || !is_stdin && !file.exists() {
        return Ok(None);
    }
    match read_ticket(file) {
        Ok(ticket) => Ok(Some(ticket)),
        // A service unit that passes the ticket at every start may have an empty file by now.
        Err(_) if is_stdin => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn is_invited(home: &Home, member: &Membership, ticket: &Ticket) -> Result<(), Failure> {
    let dir = home.path().display();
    let (there, theirs) = (&member.name, &ticket.name);
    if member.mesh != ticket.mesh {
        return Err(Failure::new(format!(
            "the ticket is for mesh {}, but {dir} holds the member {there} of mesh {}: choose another \
             directory, or leave out --ticket to run {there}",
            ticket.mesh, member.mesh
        )));
    }
    let id = home.member_key().map_err(Failure::new)?.map(|key| key.id());
    if there == theirs && id.is_none_or(|id| id == ticket.member.id()) {
        return Ok(());
    }
    let id = id.map(|id| format!(" ({id})")).unwrap_or_default();
    Err(Failure::new(format!(
        "the ticket is for the member {theirs} ({}), but {dir} holds {there}{id}: choose another directory, \
         or leave out --ticket to run {there}",
        ticket.member.id()
    )))
}
