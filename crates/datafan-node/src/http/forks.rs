//! Evidence of forks.

use super::{
    app::{AppState, read},
    body::body,
    owner::resolve,
    refuse::{Answered, json},
    wire::{CloseForks, ForkLine, Forks, ForksClosed, Refusal, rfc3339},
    written::written,
};
use axum::{body::Body, extract::State};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use datafan_core::{
    engine::{CommandError, ForkError},
    fork::ClosedBy,
    id::Name,
    store::StoreReader,
};
use datafan_driver::CommitError;

/// `GET /v1/forks`: all evidence; its amount is bounded.
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
    let (owner, name) = read(&app, move |snapshot| {
        let owner = resolve(&snapshot, &request.owner)?;
        Ok((owner, snapshot.name_of(&owner)?))
    })
    .await?;
    let closed = async {
        match app.handle.close_forks(owner).await {
            Err(CommitError::Refused(CommandError::Fork(ForkError::NoFork { .. }))) => Ok(None),
            done => done.map(Some),
        }
    };
    let Some(done) = written(&app, closed).await? else {
        let shown = name.map_or_else(|| owner.to_string(), |name| name.to_string());
        return Err(none_of(&shown));
    };
    let time = rfc3339(done.timestamp);
    Ok(json(&ForksClosed { owner: owner.to_string(), timestamp: done.timestamp.0, time }))
}

/// Replaces the id in an error of the engine by the member's name.
fn none_of(name: &str) -> Refusal {
    Refusal::failure(format!("this member knows of no fork of {name}: `datafan forks` lists the known ones"))
}
