//! `init` and `id`: creating a member, and printing who it is.

use super::{
    args,
    client::Client,
    directory,
    failure::{Exit, Failure},
    files::check_private,
    notes::note,
    output::Output,
};
use datafan_core::id::MemberId;
use datafan_node::{
    Bootstrap, BootstrapError, Home, Membership,
    http::wire::{StatusAnswer, rfc3339},
    ticket::{TICKET_TEXT_MAX, Ticket},
};
use serde::Serialize;
use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    time::{Duration, SystemTime},
};
use zeroize::Zeroizing;

#[derive(Serialize)]
struct Identified {
    id: String,
    mesh: String,
    name: String,
}

/// What was created, and what to do with it.
#[derive(Serialize)]
struct Begun {
    #[serde(flatten)]
    who: Identified,
    data_dir: String,
    member_key: String,
    /// Set if the mesh was created here.
    authority_key: Option<String>,
    /// The commands to run next, in this order.
    next: Vec<String>,
}

/// `datafan init`
pub fn init(dir: &Path, args: args::Init, out: &mut Output) -> Result<(), Failure> {
    let home = Home::new(dir);
    if let Some(membership) = home.membership().map_err(Failure::new)? {
        let text = format!("{} already holds the member {}", dir.display(), membership.name);
        return Err(Failure::new(text));
    }
    let bootstrap = bootstrap(args)?;
    let (joins, name) = (matches!(bootstrap, Bootstrap::Join { .. }), args_name(&bootstrap));
    let membership = home.bootstrap(bootstrap).map_err(Failure::new)?;
    let id = own_id(&home)?;
    let begun = Begun {
        who: identified(id, &membership),
        data_dir: dir.display().to_string(),
        member_key: home.member_key_path().display().to_string(),
        authority_key: Some(home.authority_key_path())
            .filter(|path| path.exists())
            .map(|path| path.display().to_string()),
        next: next_steps(dir, id, joins, &name),
    };
    out.has_done(format!("{} holds the member {} ({})", begun.data_dir, begun.who.name, begun.who.id));
    if out.json {
        return Ok(out.object(&begun)?);
    }
    show(&begun.who, out)?;
    out.flush()?;
    note(&format!("\nBack up {}", begun.member_key));
    if let Some(key) = &begun.authority_key {
        note(&format!("    and {key}, which controls membership"));
    }
    note(&format!("\nNext: {}", begun.next.join("\n      ")));
    Ok(())
}

fn show(who: &Identified, out: &mut Output) -> Result<(), Failure> {
    out.line(&format!("id    {}", who.id))?;
    out.line(&format!("mesh  {}", who.mesh))?;
    Ok(out.line(&format!("name  {}", who.name))?)
}

fn args_name(bootstrap: &Bootstrap) -> String {
    match bootstrap {
        Bootstrap::NewMesh { name } | Bootstrap::Join { name, .. } => name.to_string(),
        Bootstrap::Invited(ticket) => ticket.name.to_string(),
    }
}

/// Commands as they are typed, with `--data-dir` unless it is the default.
fn next_steps(dir: &Path, id: MemberId, joins: bool, name: &str) -> Vec<String> {
    let is_default = directory::resolve(None).is_ok_and(|default| default == dir);
    let named = if is_default { String::new() } else { format!(" --data-dir {}", quoted(dir)) };
    match joins {
        false => vec![format!("datafan{named} run")],
        true => vec![
            format!("datafan{named} run --connect HOST:PORT"),
            format!("datafan admit {id} --name {name}    # where authority.key is"),
        ],
    }
}

/// A path, quoted for a shell.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

fn bootstrap(args: args::Init) -> Result<Bootstrap, Failure> {
    match (args.ticket, args.mesh, args.name) {
        (Some(file), _, _) => from_ticket(&file),
        (None, Some(mesh), Some(name)) => Ok(Bootstrap::Join { mesh, name }),
        (None, None, Some(name)) => Ok(Bootstrap::NewMesh { name }),
        (None, _, None) => Err(Failure::Said(Exit::Usage, "init needs --name or --ticket".to_owned())),
    }
}

/// The bootstrap for the ticket in `file` (`-` for standard input).
pub fn from_ticket(file: &Path) -> Result<Bootstrap, Failure> {
    let ticket = read_ticket(file)?;
    is_over(&ticket)?;
    Ok(Bootstrap::Invited(Box::new(ticket)))
}

/// Refuses an expired ticket.
fn is_over(ticket: &Ticket) -> Result<(), Failure> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_micros());
    if let Some(expiry) = ticket.expiry.filter(|expiry| u128::from(expiry.0) <= now) {
        let at = rfc3339(expiry);
        return Err(Failure::new(format!("the ticket expired at {at}: ask for a new one (datafan invite)")));
    }
    Ok(())
}

/// The ticket in `file`, or `-` for standard input.
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
    // Reads a little more than the longest ticket, to notice that a text is too long to be one.
    let bound = 2 * TICKET_TEXT_MAX as u64;
    input.take(bound).read_to_string(&mut text).map_err(|error| said(&error))?;
    text.parse().map_err(|error| said(&error))
}

/// The directory holds almost all of the answer, so a member that does not answer delays it only briefly.
const NAME_PATIENCE: Duration = Duration::from_secs(3);

/// `datafan id`
pub fn id(dir: &Path, timeout: Option<Duration>, out: &mut Output) -> Result<(), Failure> {
    let home = Home::new(dir);
    let membership = of_member(&home)?;
    let mut identified = identified(own_id(&home)?, &membership);
    // The name in the grant takes precedence, and a running member knows it.
    if let Ok(status) = Client::of(dir, timeout).patient(NAME_PATIENCE).get::<StatusAnswer>("/v1/status", &[])
    {
        identified.name = status.name;
    }
    if out.json {
        return Ok(out.object(&identified)?);
    }
    show(&identified, out)
}

/// The identity of the member in a directory.
pub fn of_member(home: &Home) -> Result<Membership, Failure> {
    let membership = home.membership().map_err(Failure::new)?;
    membership.ok_or_else(|| {
        if home.store_path().exists() {
            return Failure::new(BootstrapError::Occupied { path: home.path().into() });
        }
        let dir = home.path().display();
        Failure::new(format!("{dir} holds no member yet: create one with `datafan init --name NAME`"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_quoted_where_a_shell_would_split_it() {
        assert_eq!(quoted(Path::new("/var/lib/a-1")), "/var/lib/a-1");
        assert_eq!(quoted(Path::new("my dir")), "'my dir'");
        assert_eq!(quoted(Path::new("it's")), r"'it'\''s'");
    }
}
