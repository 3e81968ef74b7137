//! What proves that owners have forked.

use super::{
    owner::resolve,
    refuse::{Answered, json},
    routes::{AppState, body, read, written},
    wire::{CloseForks, ForkLine, Forks, ForksClosed, rfc3339},
};
use axum::{body::Body, extract::State};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use datafan_core::{fork::ClosedBy, id::Name, store::StoreReader};

/// `GET /v1/forks`: all pieces of evidence, few and bounded.
pub async fn list<R: StoreReader>(State(app): AppState<R>) -> Answered {
    let forks = read(&app, |snapshot| {
        let mut forks = Vec::new();
        for fork in snapshot.forks()? {
            let piece = &fork.evidence;
            let owner = piece.first.owner;
            forks.push(ForkLine {
                owner: owner.to_string(),
                owner_name: snapshot.name_of(&owner)?.as_ref().map(Name::to_string),
                first: piece.first.timestamp.0,
                first_time: rfc3339(piece.first.timestamp),
                second: piece.second.timestamp.0,
                second_time: rfc3339(piece.second.timestamp),
                evidence: BASE64_STANDARD.encode(piece.encode()),
                closed_by: snapshot.closed_by(&fork)?.map(|by| match by {
                    ClosedBy::Owner => "owner".to_owned(),
                    ClosedBy::Authority => "authority".to_owned(),
                }),
            });
        }
        Ok(forks)
    });
    Ok(json(&Forks { forks: forks.await? }))
}

/// `POST /v1/forks/close`: the authority closes the forks of an owner that are known here.
pub async fn close<R: StoreReader>(State(app): AppState<R>, sent: Body) -> Answered {
    let request: CloseForks = body(sent).await?;
    let owner = read(&app, move |snapshot| resolve(&snapshot, &request.owner)).await?;
    let done = written(&app, app.handle.close_forks(owner)).await?;
    let time = rfc3339(done.timestamp);
    Ok(json(&ForksClosed { owner: owner.to_string(), timestamp: done.timestamp.0, time }))
}
