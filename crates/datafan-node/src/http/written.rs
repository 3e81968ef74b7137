//! Waits for a write, and says what the write waits for.

use super::{
    app::App,
    patience,
    refuse::Answered,
    report::{self, same_key},
    wire::Refusal,
};
use datafan_core::{
    engine::{LinkState, OwnState, Standing, Status},
    id::MemberId,
    store::StoreReader,
};
use datafan_driver::CommitError;
use std::{pin::pin, time::Duration};

/// Waits for a write, but for a peer no longer than the request's patience.
pub async fn written<R: StoreReader, T>(
    app: &App<R>,
    write: impl Future<Output = Result<T, CommitError>>,
) -> Answered<T> {
    let (mut write, patience) = (pin!(write), patience::present());
    if let Ok(done) = tokio::time::timeout(patience, write.as_mut()).await {
        return Ok(done?);
    }
    if let Some(waits) = waits_for(&app.handle.status().await?, app.handle.id()) {
        return Err(Refusal::timeout(format!(
            "not written within {patience:?}: the write waits {waits}; it will be made when that arrives"
        )));
    }
    match tokio::time::timeout(WRITE_TIMEOUT, write).await {
        Ok(done) => Ok(done?),
        Err(_) => {
            Err(Refusal::timeout(format!("not written within {WRITE_TIMEOUT:?}: the disk is too slow")))
        }
    }
}

/// What a write of the member waits for, if it waits for a peer, and what to do about it.
fn waits_for(status: &Status, id: MemberId) -> Option<String> {
    let links = status.links.iter().filter(|link| link.state == LinkState::Up).count();
    let linked = match links {
        0 => "no link is up (`datafan status` shows the results of dials)".to_owned(),
        1 => "1 link is up".to_owned(),
        n => format!("{n} links are up"),
    };
    match (status.own, &status.standing) {
        (OwnState::Waiting, Standing::Joining) if report::clock_is_behind(status) => {
            Some(format!("for the mesh's roster; {}", report::CLOCK_BEHIND))
        }
        (OwnState::Waiting, Standing::Joining) => Some(format!(
            "for a roster with this member, {name} ({id}), and for a peer to confirm its own shard; \
             {linked}; if it is not admitted yet, run where authority.key is: datafan admit {id} --name \
             {name}",
            name = status.name
        )),
        (OwnState::Waiting, _) => Some(format!("for a peer to confirm its own shard; {linked}")),
        (OwnState::Recovering { timestamp, holder }, _) => Some(format!(
            "until its own shard is complete: {}; {linked}",
            report::held_by(status, timestamp, holder)
        )),
        (OwnState::Checking { lister }, _) => Some(format!(
            "until it is certain that no other process has this key: {}",
            same_key(status, lister)
        )),
        (OwnState::Contested { .. }, _) => {
            Some(format!("until it is clear which process continues: {}", report::CONTESTED))
        }
        (OwnState::Confirmed | OwnState::Foreign { .. }, _) => None,
    }
}

/// How long any other write may take: a disk that is slower than this counts as failed.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
