//! `invite`, `admit`, `grant`, `revoke`, `rotate`, `adopt`: changes of the roster.

use super::{
    admissions,
    args::{self, Offline},
    client::Client,
    confirm::{GO_ON, confirm},
    failure::{Exit, Failure},
    files::{Fresh, write_new},
    notes::note,
    output::{Effect, Output},
    parse::Expiry,
    text::count,
};
use datafan_core::{
    connector::Address,
    grant::Role,
    id::MeshId,
    identity::Identity,
    limits::{ADDRESSES_MAX, ROSTER_CHANGES_MAX},
    time::Timestamp,
};
use datafan_node::{
    http::{
        stamp,
        wire::{
            Addresses, AdmitAllRequest, AdmitRequest, AdoptRequest, Adopted, EntryChange, GrantRequest,
            Named, Requested, RevokeRequest, Rostered, RosteredAll, RotateRequest, StatusAnswer,
        },
    },
    ticket::Ticket,
};
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};
use zeroize::Zeroizing;

#[derive(Serialize)]
struct Invited<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<String>,
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<String>,
}

/// A new key, to be handed over in a ticket.
struct Ready {
    mesh: MeshId,
    member: Identity,
    addresses: Vec<Address>,
    /// Microseconds since 1970, or 0 for no end.
    until: u64,
    /// The ticket file, if one was named; created before the member is admitted.
    out: Option<(PathBuf, Fresh)>,
}

/// `datafan invite`: the secret leaves this process only in the ticket.
pub fn invite(mut client: Client, args: args::Invite, out: &mut Output) -> Result<(), Failure> {
    let ready = Ready::new(&mut client, args.addr, args.expires, args.out)?;
    let request = AdmitRequest {
        id: ready.member.id().to_string(),
        name: args.name.to_string(),
        role: args.terms.role.map(|role| role.to_string()),
        items: args.terms.items,
        bytes: args.terms.bytes,
        until: Some(ready.until),
        offline: args.offline.is_asked(),
    };
    let changed = ask(&mut client, "/v1/admit", &request, &args.offline)?;
    ready.hand_over(&changed, &args.offline, out)
}

/// `datafan rotate`: with a given new key, or with one that is created here and put in a ticket.
pub fn rotate(mut client: Client, args: args::Rotate, out: &mut Output) -> Result<(), Failure> {
    let Some(id) = args.id else {
        let ready = Ready::new(&mut client, args.addr, args.expires.unwrap_or(Expiry::WEEK), args.out)?;
        let request = RotateRequest {
            member: args.member,
            id: ready.member.id().to_string(),
            until: Some(ready.until),
            drop: args.drop,
            offline: args.offline.is_asked(),
        };
        confirm_rotation(&mut client, args.yes, &request)?;
        let changed = ask(&mut client, "/v1/rotate", &request, &args.offline)?;
        return ready.hand_over(&changed, &args.offline, out);
    };
    let request = RotateRequest {
        member: args.member,
        id: id.to_string(),
        until: args.expires.map(until).transpose()?,
        drop: args.drop,
        offline: args.offline.is_asked(),
    };
    confirm_rotation(&mut client, args.yes, &request)?;
    let changed = ask(&mut client, "/v1/rotate", &request, &args.offline)?;
    show(out, &changed, &args.offline, |new| format!("admitted the new key of {} ({})", new.name, new.id))
}

fn confirm_rotation(client: &mut Client, yes: bool, request: &RotateRequest) -> Result<(), Failure> {
    confirm(yes || request.offline, &GO_ON, || {
        let asked = RotateRequest { offline: true, ..request.clone() };
        let Requested { name, .. } = client.post("/v1/rotate", &asked)?;
        Ok(format!(
            "{name} will get another key; its current key cannot be used again, and {}",
            fate(request.drop)
        ))
    })
}

/// What happens to the items of a revoked key.
fn fate(drop: bool) -> &'static str {
    if drop { "what it wrote is deleted everywhere" } else { "what it wrote is kept" }
}

impl Ready {
    fn new(
        client: &mut Client,
        named: Vec<Address>,
        expires: Expiry,
        out: Option<PathBuf>,
    ) -> Result<Self, Failure> {
        let status: StatusAnswer = client.get("/v1/status", &[])?;
        Ok(Self {
            mesh: status.mesh.parse().map_err(Failure::new)?,
            addresses: addresses(client, named)?,
            member: new_identity()?,
            until: until(expires)?,
            out: out.map(|path| Ok::<_, Failure>((path.clone(), Fresh::create(&path)?))).transpose()?,
        })
    }

    fn hand_over(self, changed: &Changed, offline: &Offline, out: &mut Output) -> Result<(), Failure> {
        let (id, name, timestamp) = changed.entry();
        let ticket = Ticket {
            mesh: self.mesh,
            member: self.member,
            roster: Timestamp(timestamp),
            expiry: Some(Timestamp(self.until)).filter(|until| *until != Timestamp::ZERO),
            name: name.parse().map_err(Failure::new)?,
            addresses: self.addresses,
        };
        let text = ticket.to_text();
        let mut file = None;
        // Nothing else holds the ticket.
        let lost = match &offline.offline {
            None => format!("{name} was admitted but its key is lost: run `datafan revoke {id}`"),
            Some(file) => format!("the key in {} is lost: do not sign the request", file.display()),
        };
        let is_lost = |error: Failure| match error {
            Failure::OutputClosed => Failure::new(format!("standard output was closed; {lost}")),
            error => error.and(&lost),
        };
        if let Some((path, fresh)) = self.out {
            fresh.write(&format!("{}\n", *text)).map_err(is_lost)?;
            out.has_done(format!("the ticket of {name} ({id}) is in {}", path.display()));
            file = Some(path.display().to_string());
        }
        if out.json {
            let request = offline.offline.as_ref().map(|file| file.display().to_string());
            let ticket = file.is_none().then_some(text.as_str());
            let invited = Invited { ticket, out: file.clone(), id, name, request };
            let shown = out.object(&invited).and_then(|()| out.flush());
            return shown.map_err(|error| if file.is_none() { is_lost(error.into()) } else { error.into() });
        }
        match &file {
            Some(file) => out.line(&format!("wrote {file}"))?,
            None => {
                out.line(&text).and_then(|()| out.flush()).map_err(|error| is_lost(error.into()))?;
            }
        }
        let file = file.as_deref().unwrap_or("FILE");
        note(&format!("The ticket holds the key of one machine. Run there: datafan run --ticket {file}"));
        if let Some(file) = &offline.offline {
            note(&format!("It works after {} has been signed and applied.", file.display()));
        }
        Ok(())
    }
}

/// The result of a roster change.
enum Changed {
    /// The change was made.
    Done(Rostered),
    /// The change must be signed; the request is written.
    Asked(Requested),
}

impl Changed {
    /// Id, name, and timestamp of the roster.
    fn entry(&self) -> (String, String, u64) {
        match self {
            Self::Done(Rostered { id, name, timestamp, .. })
            | Self::Asked(Requested { id, name, timestamp, .. }) => (id.clone(), name.clone(), *timestamp),
        }
    }
}

impl Offline {
    fn is_asked(&self) -> bool {
        self.offline.is_some()
    }
}

impl Expiry {
    /// Long enough for a machine to be delivered, short enough that an old message with a ticket is harmless.
    pub const WEEK: Self = Self::After(std::time::Duration::from_secs(7 * 86_400));
}

/// Makes a change, or requests what must be signed for it.
fn ask(
    client: &mut Client,
    path: &str,
    request: &impl Serialize,
    offline: &Offline,
) -> Result<Changed, Failure> {
    let Some(file) = &offline.offline else { return Ok(Changed::Done(client.post(path, request)?)) };
    let asked: Requested = client.post(path, request)?;
    write_new(file, &format!("{}\n", asked.request))?;
    Ok(Changed::Asked(asked))
}

/// The end of an invitation issued now: microseconds since 1970, or 0 for none.
fn until(expires: Expiry) -> Result<u64, Failure> {
    let Expiry::After(time) = expires else { return Ok(0) };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_err(Failure::new)?;
    u64::try_from((now + time).as_micros()).map_err(Failure::new)
}

fn addresses(client: &mut Client, named: Vec<Address>) -> Result<Vec<Address>, Failure> {
    let mut addresses = named;
    if addresses.is_empty() {
        let published: Addresses = client.get("/v1/addresses", &[])?;
        addresses = published.addresses.into_iter().map(Address::from).collect();
    }
    match addresses.len() {
        0 => Err(Failure::new("this member publishes no address: add one with --addr HOST:PORT")),
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
    let end = args.expires.map(until).transpose()?;
    let changed_by = |request: AdmitRequest| AdmitRequest {
        role: args.terms.role.map(|role| role.to_string()),
        items: args.terms.items,
        bytes: args.terms.bytes,
        until: end,
        ..request
    };
    match (args.id, args.name, args.file) {
        (Some(id), Some(name), None) => {
            let (id, name, offline) = (id.to_string(), name.to_string(), args.offline.is_asked());
            let request = changed_by(AdmitRequest { id, name, offline, ..AdmitRequest::default() });
            let admitted = ask(&mut client, "/v1/admit", &request, &args.offline)?;
            show(out, &admitted, &args.offline, words)
        }
        (None, None, Some(file)) => {
            let members = admissions::read(&mut client, &file)?.into_iter().map(changed_by).collect();
            admit_all(client, &file, members, &args.offline, out)
        }
        _ => Err(Failure::Said(Exit::Usage, "admit needs ID --name NAME, or --file FILE".to_owned())),
    }
}

/// Admits many members: in as many roster changes as needed, or all in one request.
fn admit_all(
    mut client: Client,
    file: &Path,
    mut members: Vec<AdmitRequest>,
    offline: &Offline,
    out: &mut Output,
) -> Result<(), Failure> {
    if members.is_empty() {
        return Err(Failure::new(format!("{} names no member", file.display())));
    }
    let Some(request) = &offline.offline else {
        let (all, mut n, mut changes, mut shown) = (members.len(), 0, false, Ok(()));
        while !members.is_empty() {
            let rest = members.split_off(members.len().min(ROSTER_CHANGES_MAX));
            let part = AdmitAllRequest { members, offline: false };
            let done = client.post::<RosteredAll>("/v1/admit-all", &part).map_err(|failure| match n {
                0 => failure,
                n => failure.and(format!("{n} of the {all} were admitted before that")),
            })?;
            n += done.members.len();
            changes |= done.members.iter().any(|member| member.change != Some(EntryChange::Unchanged));
            if changes {
                out.has_done(format!("admitted {n} of the {all} members of {}", file.display()));
            }
            // Even if nobody reads the output, all of them are admitted.
            shown = shown.and_then(|()| show_each(out, done));
            members = rest;
        }
        return shown;
    };
    match members.len() {
        0..=ROSTER_CHANGES_MAX => {}
        n => {
            return Err(Failure::new(format!(
                "{} names {n} members, but a request has at most {ROSTER_CHANGES_MAX}: split the file, and \
                 apply each request before making the next",
                file.display()
            )));
        }
    }
    let mut asked: RosteredAll = client.post("/v1/admit-all", &AdmitAllRequest { members, offline: true })?;
    let text = asked.request.replace(request.display().to_string());
    write_new(request, &format!("{}\n", text.unwrap_or_default()))?;
    if out.json {
        out.has_done(wrote(request));
        return Ok(out.object(&asked)?);
    }
    next(out, request)
}

fn show_each(out: &mut Output, done: RosteredAll) -> Result<(), Failure> {
    for Named { id, name, change, was } in done.members {
        let change = change.unwrap_or(EntryChange::Admitted);
        let rostered = Rostered { id, name, change, was, timestamp: done.timestamp };
        if out.json { out.object(&rostered)? } else { out.line(&words(&rostered))? }
    }
    Ok(())
}

/// `datafan grant`
pub fn grant(mut client: Client, args: args::Grant, out: &mut Output) -> Result<(), Failure> {
    let request = GrantRequest {
        member: args.member,
        name: args.name.map(|name| name.to_string()),
        role: args.terms.role.map(|role| role.to_string()),
        items: args.terms.items,
        bytes: args.terms.bytes,
        until: args.expires.map(until).transpose()?,
        drop: args.drop,
        offline: args.offline.is_asked(),
    };
    if request.drop && args.terms.role == Some(Role::Reader) {
        confirm(args.yes || request.offline, &GO_ON, || {
            let asked = GrantRequest { offline: true, ..request.clone() };
            let Requested { id, name, .. } = client.post("/v1/grant", &asked)?;
            Ok(format!("{name} ({id}) will be a reader, and its items are deleted everywhere"))
        })?;
    }
    let granted = ask(&mut client, "/v1/grant", &request, &args.offline)?;
    show(out, &granted, &args.offline, words)
}

/// `datafan revoke`
pub fn revoke(mut client: Client, args: args::Revoke, out: &mut Output) -> Result<(), Failure> {
    let offline = args.offline.is_asked();
    let request = RevokeRequest { member: args.member, drop: args.drop, offline };
    confirm(args.yes || offline, &GO_ON, || {
        let asked = RevokeRequest { offline: true, ..request.clone() };
        let Requested { id, name, .. } = client.post("/v1/revoke", &asked)?;
        Ok(format!("{name} ({id}) will be revoked; its key cannot be used again, and {}", fate(request.drop)))
    })?;
    let revoked = ask(&mut client, "/v1/revoke", &request, &args.offline)?;
    show(out, &revoked, &args.offline, words)
}

/// `datafan adopt`
pub fn adopt(mut client: Client, args: args::Adopt, out: &mut Output) -> Result<(), Failure> {
    let adopted: Adopted = client.post("/v1/adopt", &AdoptRequest { owner: args.owner })?;
    let Adopted { owner, written, unchanged, .. } = &adopted;
    let (items, keys) = (count(*written, "item"), count(*unchanged, "key"));
    let text = format!("adopted {items} of {owner}; {keys} already here");
    out.answer(Effect::of(*written), &adopted, &text)?;
    if out.json {
        return Ok(());
    }
    note(&format!("When everything works, run where authority.key is: datafan revoke {owner} --drop"));
    Ok(())
}

/// Prints where a request was written.
fn next(out: &mut Output, file: &Path) -> Result<(), Failure> {
    out.has_done(wrote(file));
    let file = file.display();
    out.line(&format!("wrote {file}: nothing has changed yet"))?;
    Ok(out.line(&format!("\nNext, where the authority's key is: datafan authority sign {file}"))?)
}

fn wrote(file: &Path) -> String {
    format!("wrote {}", file.display())
}

/// Prints what was done, in the words of `said`, or what must be signed.
fn show(
    out: &mut Output,
    changed: &Changed,
    offline: &Offline,
    said: impl Fn(&Rostered) -> String,
) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Written<'a> {
        id: &'a str,
        name: &'a str,
        #[serde(flatten, with = "stamp")]
        timestamp: u64,
        request: String,
    }
    match (changed, &offline.offline) {
        (Changed::Done(rostered), _) => {
            let effect = match rostered.change {
                EntryChange::Unchanged => Effect::None,
                _ => Effect::Changed,
            };
            out.answer(effect, rostered, &said(rostered))?;
        }
        (Changed::Asked(Requested { id, name, timestamp, .. }), Some(file)) if out.json => {
            let request = file.display().to_string();
            out.has_done(wrote(file));
            out.object(&Written { id, name, timestamp: *timestamp, request })?;
        }
        (Changed::Asked(_), Some(file)) => {
            next(out, file)?;
        }
        (Changed::Asked(_), None) => unreachable!("asked for a file"),
    }
    Ok(())
}

/// The change of an entry, in words.
fn words(Rostered { id, name, change, was, .. }: &Rostered) -> String {
    match (change, was) {
        (EntryChange::Admitted, _) => format!("admitted {name} ({id})"),
        (EntryChange::Renamed, Some(was)) => format!("renamed {was} to {name} ({id})"),
        (EntryChange::Renamed, None) => format!("renamed to {name} ({id})"),
        (EntryChange::Changed, _) => format!("changed {name} ({id})"),
        (EntryChange::Revoked, _) => format!("revoked {name} ({id})"),
        (EntryChange::Unchanged, _) => format!("unchanged {name} ({id}): the roster already says so"),
    }
}
