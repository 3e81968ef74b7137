//! Items: reading one, several or all; and commits.

use super::{
    app::{App, AppState, read},
    body::body,
    bounds,
    owner::resolve,
    query::{Asked, asked},
    refuse::{Answered, json},
    stream::{Lines, lines},
    wire::{
        CommitAnswer, CommitRequest, ItemLine, KeyLine, ReadEndedLine, Refusal, WriteRequest, Written,
        rfc3339,
    },
    written::written,
};
use axum::{body::Body, extract::State, response::Response};
use datafan_core::{
    engine::Write,
    id::{MemberId, Name},
    item::{Item, Key},
    read::{KeyRange, Snapshot},
    store::{StoreError, StoreReader, StoreSnapshot},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Selects an item.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemAsked {
    key: String,
    owner: Option<String>,
}

/// Selects items.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemsAsked {
    owner: Option<String>,
    #[serde(default)]
    all: bool,
    #[serde(default)]
    prefix: String,
    /// Only keys after this one.
    after: Option<String>,
    /// With `all`: the owner of that key; only it and later owners.
    after_owner: Option<String>,
}

/// The rows of a stream.
struct Rows {
    /// `None` for all owners.
    owner: Option<MemberId>,
    keys: KeyRange,
    after: After,
}

/// Where a stream continues.
#[derive(Default)]
struct After {
    owner: Option<MemberId>,
    key: Option<String>,
}

/// `GET /v1/item`: one item.
pub async fn item<R: StoreReader>(State(app): AppState<R>, query: Asked<ItemAsked>) -> Answered {
    let asked = asked(query)?;
    bounds::key(&asked.key)?;
    let own = app.handle.id();
    let line = read(&app, move |snapshot| {
        let owner = Owner::of(&snapshot, whose(&snapshot, asked.owner.as_deref(), own)?)?;
        match snapshot.get(&owner.id, &asked.key)? {
            Some(item) => Ok(item_line(&owner, &item)),
            None => {
                let has =
                    if asked.owner.is_none() { others_with(&snapshot, &asked.key)? } else { String::new() };
                Err(Refusal::not_found(format!("{} has no key {:?}{has}", owner.shown(), asked.key)))
            }
        }
    });
    Ok(json(&line.await?))
}

/// `GET /v1/items`: the items of one key, of every owner that has it.
pub async fn items<R: StoreReader>(State(app): AppState<R>, query: Asked<ItemAsked>) -> Answered {
    let asked = asked(query)?;
    if asked.owner.is_some() {
        return Err(Refusal::usage(
            "this endpoint returns the items of every owner: leave out owner and all",
        ));
    }
    bounds::key(&asked.key)?;
    let key = asked.key.clone();
    let anywhere = read(&app, move |snapshot| Ok(snapshot.get_all(&key).next().transpose()?.is_some()));
    if !anywhere.await? {
        return Err(Refusal::not_found(format!("no owner has the key {:?}", asked.key)));
    }
    let exactly = KeyRange::new(asked.key.as_str()..=asked.key.as_str());
    stream(&app, Rows { owner: None, keys: exactly, after: After::default() }, item_line).await
}

/// `GET /v1/list`: keys.
pub async fn list<R: StoreReader>(State(app): AppState<R>, query: Asked<ItemsAsked>) -> Answered {
    let asked = asked(query)?;
    stream(&app, rows(&app, asked).await?, key_line).await
}

/// `GET /v1/export`: items.
pub async fn export<R: StoreReader>(State(app): AppState<R>, query: Asked<ItemsAsked>) -> Answered {
    let asked = asked(query)?;
    stream(&app, rows(&app, asked).await?, item_line).await
}

/// `POST /v1/commit`: applies writes, all or none.
pub async fn commit<R: StoreReader>(State(app): AppState<R>, sent: Body) -> Answered {
    let request: CommitRequest = body(sent).await?;
    let (own, wished) = (app.handle.id(), app.facts.name.clone());
    let (writes, missing) = read(&app, move |snapshot| {
        let wall = snapshot.wall();
        let name = snapshot.name_of(&own)?.map_or(wished, |name| name.to_string());
        refuse_others(&request.writes, &own.to_string(), &name)?;
        let writes = request.writes.iter().map(|write| checked(write, wall)).collect::<Answered<Vec<_>>>()?;
        let missing = missing(&snapshot, &own, &writes)?;
        Ok((writes, missing))
    })
    .await?;
    let n_writes = writes.len() as u64;
    let done = written(&app, app.handle.commit(writes)).await?;
    // Of several writes of one key, only the last one counts.
    let unchanged = n_writes.saturating_sub(done.changed);
    let written = Written { timestamp: done.timestamp.0, written: done.changed, unchanged };
    Ok(json(&CommitAnswer { written, missing }))
}

/// The same check as in `import`: the export of a whole mesh must not be written to one member by mistake.
fn refuse_others(writes: &[WriteRequest], id: &str, name: &str) -> Answered<()> {
    let others = writes.iter().find_map(|write| Some((write, write.other_owner(id, name)?)));
    let Some((write, other)) = others else { return Ok(()) };
    Err(Refusal::usage(format!(
        "write of key {:?}: it belongs to owner {other:?}, but this member is {name}: leave out owner and \
         owner_name to write it as this member's own",
        write.key
    )))
}

fn checked(write: &WriteRequest, wall: Timestamp) -> Answered<Write> {
    let key = Key::new(&write.key).map_err(Refusal::failure)?;
    let Some(value) = write.bytes().map_err(Refusal::usage)? else { return Ok(Write::Delete { key }) };
    let expiry = write.expiry(wall).map_err(Refusal::usage)?;
    Ok(Write::Put { key, value: value.into(), expiry })
}

/// Deleted keys that did not exist before the commit.
fn missing<V: StoreSnapshot>(
    snapshot: &Snapshot<V>,
    own: &MemberId,
    writes: &[Write],
) -> Answered<Vec<String>> {
    let mut missing = Vec::new();
    for write in writes {
        if let Write::Delete { key } = write
            && snapshot.get(own, key.as_str())?.is_none()
        {
            missing.push(key.to_string());
        }
    }
    Ok(missing)
}

fn whose<V: StoreSnapshot>(snapshot: &Snapshot<V>, owner: Option<&str>, own: MemberId) -> Answered<MemberId> {
    owner.map_or(Ok(own), |text| resolve(snapshot, text))
}

/// The selected rows.
async fn rows<R: StoreReader>(app: &App<R>, asked: ItemsAsked) -> Answered<Rows> {
    bounds::key(&asked.prefix)?;
    if let Some(key) = &asked.after {
        bounds::key(key)?;
    }
    if asked.all && asked.owner.is_some() {
        return Err(Refusal::usage("owner and all cannot be used together"));
    }
    if asked.after_owner.is_some() && !(asked.all && asked.after.is_some()) {
        return Err(Refusal::usage("after_owner needs all and after"));
    }
    if asked.all && asked.after.is_some() && asked.after_owner.is_none() {
        return Err(Refusal::usage("with all, after needs after_owner"));
    }
    let own = app.handle.id();
    read(app, move |snapshot| {
        let owner = match asked.all {
            true => None,
            false => Some(whose(&snapshot, asked.owner.as_deref(), own)?),
        };
        let after_owner = asked.after_owner.as_deref().map(|text| resolve(&snapshot, text)).transpose()?;
        let after = After { owner: after_owner, key: asked.after };
        Ok(Rows { owner, keys: KeyRange::prefix(&asked.prefix), after })
    })
    .await
}

/// One line per item, sorted by the text of the owner's id and by key. A read that loses its snapshot ends
/// with a line that names the last key, from which to continue.
async fn stream<R: StoreReader, L: Serialize + 'static>(
    app: &Arc<App<R>>,
    rows: Rows,
    line: fn(&Owner, &Item) -> L,
) -> Answered<Response> {
    let (app, place) = (app.clone(), app.bounds.stream().await?);
    Ok(lines(place, move |out| {
        let mut last = rows.after.owner.or(rows.owner).zip(rows.after.key.clone());
        let written = write_rows(&app.handle.snapshot()?, &rows, line, &mut last, out);
        if let Err(error @ StoreError::ReadEnded { .. }) = &written {
            let _ = out.line(&ReadEndedLine::new(error, last.as_ref())).and_then(|()| out.flush());
        }
        written
    }))
}

/// Writes rows; `last` is the last one written.
fn write_rows<V: StoreSnapshot, L: Serialize>(
    snapshot: &Snapshot<V>,
    rows: &Rows,
    line: fn(&Owner, &Item) -> L,
    last: &mut Option<(MemberId, String)>,
    out: &mut Lines,
) -> Result<(), StoreError> {
    let mut owners = rows.owner.map_or_else(|| snapshot.owners(), |one| Ok(vec![one]))?;
    owners.sort_by_cached_key(MemberId::to_string);
    let first = rows.after.owner.map(|owner| owner.to_string());
    owners.retain(|owner| first.as_ref().is_none_or(|first| owner.to_string() >= *first));
    for owner in owners {
        let named = Owner::of(snapshot, owner)?;
        let goes_on = rows.after.owner.is_none_or(|after| after == owner);
        let keys = match &rows.after.key {
            Some(key) if goes_on => rows.keys.clone().after(key),
            _ => rows.keys.clone(),
        };
        for entry in snapshot.items(&owner, keys) {
            let item = entry?.item;
            if out.line(&line(&named, &item)).is_err() {
                return Ok(());
            }
            *last = Some((owner, item.key.to_string()));
        }
    }
    Ok(())
}

/// An owner as lines show it.
struct Owner {
    id: MemberId,
    name: Option<Name>,
    revoked: bool,
}

impl Owner {
    fn of<V: StoreSnapshot>(snapshot: &Snapshot<V>, id: MemberId) -> Result<Self, StoreError> {
        let grant = snapshot.grant_of(&id)?;
        let revoked = grant.as_ref().is_some_and(|grant| !grant.is_active());
        Ok(Self { id, name: grant.map(|grant| grant.name), revoked })
    }

    fn shown(&self) -> String {
        self.name.as_ref().map_or_else(|| self.id.to_string(), Name::to_string)
    }
}

fn item_line(owner: &Owner, item: &Item) -> ItemLine {
    ItemLine { revoked: owner.revoked, ..ItemLine::new(&owner.id, owner.name.as_ref(), item) }
}

fn key_line(owner: &Owner, item: &Item) -> KeyLine {
    KeyLine {
        owner: owner.id.to_string(),
        owner_name: owner.name.as_ref().map(Name::to_string),
        key: item.key.to_string(),
        timestamp: item.timestamp.0,
        time: rfc3339(item.timestamp),
        bytes: item.bytes(),
        revoked: owner.revoked,
    }
}

/// A hint at some members that have the key that this member lacks. Revoked members are named only if nobody
/// else has it.
fn others_with<V: StoreSnapshot>(snapshot: &Snapshot<V>, key: &str) -> Answered<String> {
    let (mut names, mut revoked) = (Vec::new(), Vec::new());
    for entry in snapshot.get_all(key) {
        let owner = Owner::of(snapshot, entry?.owner)?;
        match owner.revoked {
            true if revoked.len() < HINTS_MAX => revoked.push(owner),
            true => {}
            false => names.push(owner.shown()),
        }
        if names.len() == HINTS_MAX {
            break;
        }
    }
    names.sort();
    match names.as_slice() {
        [] => revoked_with(snapshot, &revoked),
        [one] => Ok(format!("; {one} has it: --owner {one}")),
        several => Ok(format!("; {} have it: --owner NAME, or --all", several.join(", "))),
    }
}

/// The same for revoked members: another member may have the name by now, so only the id identifies the
/// shard.
fn revoked_with<V: StoreSnapshot>(snapshot: &Snapshot<V>, revoked: &[Owner]) -> Answered<String> {
    let is_named = |owner: &Owner| resolve(snapshot, &owner.shown()) == Ok(owner.id);
    if let [one] = revoked {
        let shown = one.shown();
        let leads = if is_named(one) { shown.clone() } else { one.id.to_string() };
        return Ok(format!("; the revoked member {shown} has it: --owner {leads}"));
    }
    let shown = |owner: &Owner| match is_named(owner) {
        true => owner.shown(),
        false => format!("{} ({})", owner.shown(), owner.id),
    };
    let mut names: Vec<String> = revoked.iter().map(shown).collect();
    names.sort();
    Ok(match names.as_slice() {
        [] => String::new(),
        several => {
            format!(
                "; the revoked members {} have it: --owner NAME|ID, or --all --revoked",
                several.join(", ")
            )
        }
    })
}

/// Maximum number of owners in a hint.
const HINTS_MAX: usize = 3;
