//! The store as one file, while the member runs, and its compaction.

use super::{
    app::AppState,
    body::no_body,
    refuse::{Answered, json},
    stream::{Gone, stream},
    wire::{CompactAnswer, Refusal},
};
use axum::{body::Body, extract::State};
use datafan_core::store::{Compacted, StoreError, StoreReader};

/// `GET /v1/backup`: frames, each preceded by its length as four bytes, big-endian.
pub async fn save<R: StoreReader>(State(app): AppState<R>) -> Answered {
    let (app, place) = (app.clone(), app.bounds.stream().await?);
    Ok(stream("application/octet-stream", place, move |out| {
        let (snapshot, own) = (app.handle.backup_snapshot()?, app.handle.id());
        let saved = snapshot.save(own, |frame| {
            let length = u32::try_from(frame.len()).expect("frames are bounded");
            out.bytes(&length.to_be_bytes()).and_then(|()| out.bytes(frame)).map_err(Ended::from)
        });
        match saved {
            Ok(_) | Err(Ended::Gone) => Ok(()),
            Err(Ended::Failed(error)) => Err(error),
        }
    }))
}

/// `POST /v1/compact`: shrinks the store to the size of its content.
pub async fn compact<R: StoreReader>(State(app): AppState<R>, sent: Body) -> Answered {
    no_body(sent).await?;
    let Compacted { before, after, .. } = app.handle.compact().await.map_err(Refusal::failure)?;
    Ok(json(&CompactAnswer { before, after }))
}

/// Why the backup ends early.
enum Ended {
    Gone,
    Failed(StoreError),
}

impl From<Gone> for Ended {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}
