//! Items: reading one, many, all; and commits.

use super::{
    bounds,
    owner::resolve,
    refuse::{Answered, json},
    routes::{App, AppState, Asked, asked, body, read, written},
    stream::lines,
    wire::{CommitAnswer, CommitRequest, ItemLine, KeyLine, Refusal, WriteRequest, Written},
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

/// Which item.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemAsked {
    key: String,
    owner: Option<String>,
}

/// Which items.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemsAsked {
    owner: Option<String>,
    #[serde(default)]
    all: bool,
    #[serde(default)]
    prefix: String,
}

/// `GET /v1/item`: one item.
pub async fn item<R: StoreReader>(State(app): AppState<R>, query: Asked<ItemAsked>) -> Answered {
    let asked = asked(query)?;
    bounds::key(&asked.key)?;
    let own = app.handle.id();
    let line = read(&app, move |snapshot| {
        let owner = whose(&snapshot, asked.owner.as_deref(), own)?;
        let name = snapshot.name_of(&owner)?;
        match snapshot.get(&owner, &asked.key)? {
            Some(item) => Ok(ItemLine::new(&owner, name.as_ref(), &item)),
            None => Err(Refusal::not_found(no_key(&asked.key, &owner, name.as_ref()))),
        }
    });
    Ok(json(&line.await?))
}

/// `GET /v1/items`: the items of one key, at every owner that has it.
pub async fn items<R: StoreReader>(State(app): AppState<R>, query: Asked<ItemAsked>) -> Answered {
    let asked = asked(query)?;
    if asked.owner.is_some() {
        return Err(Refusal::usage("items are of every owner"));
    }
    bounds::key(&asked.key)?;
    let key = asked.key.clone();
    let anywhere =
        read(&app, move |snapshot| Ok(snapshot.at_every_owner(&key).next().transpose()?.is_some()));
    if !anywhere.await? {
        return Err(Refusal::not_found(format!("no owner has a key {:?}", asked.key)));
    }
    let exactly = KeyRange::new(asked.key.as_str()..=asked.key.as_str());
    stream(&app, None, exactly, ItemLine::new).await
}

/// `GET /v1/list`: keys.
pub async fn list<R: StoreReader>(State(app): AppState<R>, query: Asked<ItemsAsked>) -> Answered {
    let asked = asked(query)?;
    let owner = owners(&app, &asked).await?;
    stream(&app, owner, KeyRange::prefix(&asked.prefix), key_line).await
}

/// `GET /v1/export`: items.
pub async fn export<R: StoreReader>(State(app): AppState<R>, query: Asked<ItemsAsked>) -> Answered {
    let asked = asked(query)?;
    let owner = owners(&app, &asked).await?;
    stream(&app, owner, KeyRange::prefix(&asked.prefix), ItemLine::new).await
}

/// `POST /v1/commit`: writes, all of them or none.
pub async fn commit<R: StoreReader>(State(app): AppState<R>, sent: Body) -> Answered {
    let request: CommitRequest = body(sent).await?;
    let own = app.handle.id();
    let (writes, missing) = read(&app, move |snapshot| {
        let wall = snapshot.wall();
        let writes = request.writes.iter().map(|write| checked(write, wall)).collect::<Answered<Vec<_>>>()?;
        let missing = missing(&snapshot, &own, &writes)?;
        Ok((writes, missing))
    })
    .await?;
    let n_writes = writes.len() as u64;
    let done = written(&app, app.handle.commit(writes)).await?;
    // Of several writes of one key only the last one counts.
    let unchanged = n_writes.saturating_sub(done.changed);
    let written = Written { timestamp: done.timestamp.0, written: done.changed, unchanged };
    Ok(json(&CommitAnswer { written, missing }))
}

fn checked(write: &WriteRequest, wall: Timestamp) -> Answered<Write> {
    let key = Key::new(&write.key).map_err(Refusal::failure)?;
    let Some(value) = write.bytes().map_err(Refusal::usage)? else { return Ok(Write::Delete { key }) };
    let expiry = write.expiry(wall).map_err(Refusal::usage)?;
    Ok(Write::Put { key, value: value.into(), expiry })
}

/// Keys of deletes that are not there before the commit.
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

/// The owner that is meant; `None` for all.
async fn owners<R: StoreReader>(app: &App<R>, asked: &ItemsAsked) -> Answered<Option<MemberId>> {
    bounds::key(&asked.prefix)?;
    if asked.all && asked.owner.is_some() {
        return Err(Refusal::usage("owner and all exclude each other"));
    }
    let (own, owner) = (app.handle.id(), asked.owner.clone());
    if asked.all {
        return Ok(None);
    }
    read(app, move |snapshot| whose(&snapshot, owner.as_deref(), own)).await.map(Some)
}

/// One line per item, sorted by the text of the owner's id and by key.
async fn stream<R: StoreReader, L: Serialize + 'static>(
    app: &Arc<App<R>>,
    owner: Option<MemberId>,
    keys: KeyRange,
    line: fn(&MemberId, Option<&Name>, &Item) -> L,
) -> Answered<Response> {
    let (app, place) = (app.clone(), app.bounds.stream().await?);
    Ok(lines(place, move |out| {
        let snapshot = app.handle.snapshot()?;
        let mut owners = owner.map_or_else(|| snapshot.owners(), |one| Ok(vec![one]))?;
        owners.sort_by_cached_key(MemberId::to_string);
        for owner in owners {
            let name = snapshot.name_of(&owner)?;
            for entry in snapshot.items(&owner, keys.clone()) {
                if out.line(&line(&owner, name.as_ref(), &entry?.item)).is_err() {
                    return Ok(());
                }
            }
        }
        Ok::<(), StoreError>(())
    }))
}

fn key_line(owner: &MemberId, name: Option<&Name>, item: &Item) -> KeyLine {
    KeyLine {
        owner: owner.to_string(),
        owner_name: name.map(Name::to_string),
        key: item.key.to_string(),
        timestamp: item.timestamp.0,
        bytes: item.bytes(),
    }
}

fn no_key(key: &str, owner: &MemberId, name: Option<&Name>) -> String {
    match name {
        Some(name) => format!("{name} has no key {key:?}"),
        None => format!("{owner} has no key {key:?}"),
    }
}
