//! Waits for a condition, so that scripts need no sleeps.

use super::{
    app::{App, AppState, read},
    bounds::WAIT_MILLIS_MAX,
    owner::resolve,
    query::{Asked, asked},
    refuse::{Answered, json},
    stamp,
    wire::{Refusal, RefusalKind, Waited},
};
use axum::extract::State;
use datafan_core::{engine::LinkState, id::MemberId, store::StoreReader, time::Timestamp};
use serde::Deserialize;
use std::time::Duration;

/// The condition to wait for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaitAsked {
    owner: Option<String>,
    timestamp: Option<u64>,
    links: Option<usize>,
    timeout_ms: Option<u64>,
}

const TIMEOUT_DEFAULT_MS: u64 = 30_000;

/// `GET /v1/wait`: answers when everything asked for is true.
pub async fn wait<R: StoreReader>(State(app): AppState<R>, query: Asked<WaitAsked>) -> Answered {
    let asked = asked(query)?;
    if asked.owner.is_some() && asked.timestamp.is_none() {
        return Err(Refusal::usage("owner needs timestamp"));
    }
    let limit = asked.timeout_ms.unwrap_or(TIMEOUT_DEFAULT_MS);
    if limit > WAIT_MILLIS_MAX {
        return Err(Refusal::usage(format!("timeout_ms is {limit}, limit {WAIT_MILLIS_MAX}: a day")));
    }
    let limit = Duration::from_millis(limit);
    let _place = app.bounds.wait().await?;
    let waited = tokio::time::timeout(limit, reached(&app, &asked)).await;
    match waited {
        Ok(waited) => waited?,
        Err(_) => return Err(not_reached(&app, &asked, limit).await),
    }
    Ok(json(&now(&app, &asked).await?))
}

async fn reached<R: StoreReader>(app: &App<R>, asked: &WaitAsked) -> Answered<()> {
    if let Some(timestamp) = asked.timestamp {
        let owner = known(app, asked).await?;
        app.handle.wait_for(owner, Timestamp(timestamp)).await?;
    }
    if let Some(links) = asked.links {
        app.handle.wait_links(links).await?;
    }
    Ok(())
}

/// The owner, as soon as a roster that names it has arrived: a member that has just started knows nobody.
async fn known<R: StoreReader>(app: &App<R>, asked: &WaitAsked) -> Answered<MemberId> {
    let mut changes = app.handle.changes();
    loop {
        match whose(app, asked).await {
            Err(refusal) if refusal.kind == RefusalKind::NotFound => changes.changed().await?,
            found => return found,
        }
    }
}

async fn whose<R: StoreReader>(app: &App<R>, asked: &WaitAsked) -> Answered<MemberId> {
    let Some(text) = asked.owner.clone() else { return Ok(app.handle.id()) };
    read(app, move |snapshot| resolve(&snapshot, &text)).await
}

/// An owner that is still unknown is not found; everything else is late.
async fn not_reached<R: StoreReader>(app: &App<R>, asked: &WaitAsked, limit: Duration) -> Refusal {
    if let Err(refusal) = whose(app, asked).await {
        return refusal;
    }
    match now(app, asked).await {
        Ok(Waited { timestamp: Some(held), links, .. }) => Refusal::timeout(format!(
            "not reached within {limit:?}: the shard is at {held}, {links} links are up"
        )),
        Ok(Waited { timestamp: None, links, .. }) => {
            Refusal::timeout(format!("not reached within {limit:?}: {links} links are up"))
        }
        Err(refusal) => refusal,
    }
}

async fn now<R: StoreReader>(app: &App<R>, asked: &WaitAsked) -> Answered<Waited> {
    let links = app.handle.status().await?.links;
    let links = links.iter().filter(|link| link.state == LinkState::Up).count();
    let timestamp = match asked.timestamp {
        None => None,
        Some(_) => {
            let owner = whose(app, asked).await?;
            Some(
                read(app, move |snapshot| Ok(snapshot.head(&owner)?.map_or(0, |head| head.timestamp.0)))
                    .await?,
            )
        }
    };
    Ok(Waited { timestamp, time: timestamp.and_then(stamp::time), links })
}
