//! Who belongs: admitting and revoking, on the member that holds the authority's key.

use super::{
    owner::resolve,
    refuse::{Answered, json},
    routes::{AppState, body, read, written},
    wire::{AdmitRequest, Refusal, RevokeRequest, Rostered},
};
use axum::{body::Body, extract::State};
use datafan_core::{
    engine::Outcome,
    id::{MemberId, Name},
    store::StoreReader,
};

/// `POST /v1/admit`: lets a member in.
pub async fn admit<R: StoreReader>(State(app): AppState<R>, sent: Body) -> Answered {
    let request: AdmitRequest = body(sent).await?;
    let id: MemberId = request.id.parse().map_err(Refusal::usage)?;
    let name = Name::new(&request.name).map_err(Refusal::usage)?;
    let done = written(&app, app.handle.admit(id, name.clone())).await?;
    Ok(json(&Rostered { id: id.to_string(), name: name.to_string(), timestamp: done.timestamp.0 }))
}

/// `POST /v1/revoke`: ends a membership.
pub async fn revoke<R: StoreReader>(State(app): AppState<R>, sent: Body) -> Answered {
    let request: RevokeRequest = body(sent).await?;
    let outcome = if request.drop { Outcome::Drop } else { Outcome::Keep };
    let (id, name) = read(&app, move |snapshot| {
        let id = resolve(&snapshot, &request.member)?;
        let name = snapshot.name_of(&id)?;
        let name = name.ok_or_else(|| Refusal::not_found(format!("{id} is not in the roster")))?;
        Ok((id, name))
    })
    .await?;
    let done = written(&app, app.handle.revoke(id, outcome)).await?;
    Ok(json(&Rostered { id: id.to_string(), name: name.to_string(), timestamp: done.timestamp.0 }))
}
