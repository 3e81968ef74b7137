//! What proves that owners have forked.

use super::{
    refuse::{Answered, json},
    routes::{AppState, read},
    wire::{ForkLine, Forks, rfc3339},
};
use axum::extract::State;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use datafan_core::{id::Name, store::StoreReader};

/// `GET /v1/forks`: all pieces of evidence, few and bounded.
pub async fn list<R: StoreReader>(State(app): AppState<R>) -> Answered {
    let forks = read(&app, |snapshot| {
        let mut forks = Vec::new();
        for piece in snapshot.forks()? {
            let owner = piece.first.owner;
            forks.push(ForkLine {
                owner: owner.to_string(),
                owner_name: snapshot.name_of(&owner)?.as_ref().map(Name::to_string),
                first: piece.first.timestamp.0,
                first_time: rfc3339(piece.first.timestamp),
                second: piece.second.timestamp.0,
                second_time: rfc3339(piece.second.timestamp),
                evidence: BASE64_STANDARD.encode(piece.encode()),
            });
        }
        Ok(forks)
    });
    Ok(json(&Forks { forks: forks.await? }))
}
