//! Repairs of the member's own shard: what it lost, got back and can take back; and wrong timestamps.

use super::{
    app::{AppState, read},
    body::{body, no_body},
    refuse::{Answered, json},
    stream::lines,
    wire::{DifferenceLine, Forget, Refusal, Restamped, TakenBack, rfc3339},
    written::written,
};
use axum::{body::Body, extract::State};
use datafan_core::{
    difference::{self, Cursor, Difference},
    engine::Write,
    limits::{COMMIT_BYTES_MAX, COMMIT_WRITES_MAX},
    store::{StoreError, StoreReader},
};

/// `GET /v1/recovered`: one line per key.
pub async fn list<R: StoreReader>(State(app): AppState<R>) -> Answered {
    let (app, place) = (app.clone(), app.bounds.stream().await?);
    Ok(lines(place, move |out| {
        let (snapshot, own) = (app.handle.snapshot()?, app.handle.id());
        let mut next = Some(Cursor::START);
        while let Some(from) = next {
            let (found, rest) = snapshot.differences(&own, from)?;
            for difference in &found {
                if out.line(&line(difference)).is_err() {
                    return Ok(());
                }
            }
            next = rest;
        }
        Ok::<(), StoreError>(())
    }))
}

fn line(difference: &Difference) -> DifferenceLine {
    DifferenceLine {
        key: difference.key.to_string(),
        state: match difference.state {
            difference::State::Back => "back".to_owned(),
            difference::State::Lacking => "lacking".to_owned(),
            difference::State::Newer => "newer".to_owned(),
        },
        deleted: difference.item.is_none(),
        timestamp: difference.timestamp.0,
        time: (difference.timestamp.0 > 0).then(|| rfc3339(difference.timestamp)),
        bytes: difference.item.as_ref().map_or(0, |item| item.bytes()),
    }
}

/// `POST /v1/restamp`: gives current timestamps to what was written while the clock was far ahead.
pub async fn restamp<R: StoreReader>(State(app): AppState<R>, sent: Body) -> Answered {
    no_body(sent).await?;
    let done = written(&app, app.handle.restamp()).await?;
    Ok(json(&Restamped { timestamp: done.timestamp.0, restamped: done.changed }))
}

/// `POST /v1/recovered`: writes missing items if requested, then discards the divergent copies.
pub async fn forget<R: StoreReader>(State(app): AppState<R>, sent: Body) -> Answered {
    let request: Forget = body(sent).await?;
    let (own, mut n_written) = (app.handle.id(), 0);
    let mut kept = read(&app, move |snapshot| Ok(snapshot.divergent_roots(&own)?)).await?;
    let (mut next, mut n_begun) = (request.take.then_some(Cursor::START), 1);
    // Taken page by page: a write in between is newer than the divergent copy, and wins.
    while let Some(from) = next {
        let page = read(&app, move |snapshot| {
            Ok((snapshot.divergent_roots(&own)?, snapshot.differences(&own, from)?))
        });
        let (roots, (found, rest)) = page.await?;
        if roots != kept {
            // Another copy has arrived, and pages are counted over all copies.
            if n_begun == TRIES_MAX {
                return Err(Refusal::busy("new divergent copies keep arriving: try again later"));
            }
            (kept, next, n_begun) = (roots, Some(Cursor::START), n_begun + 1);
            continue;
        }
        let lacking = found.into_iter().filter(|found| found.state == difference::State::Lacking);
        for writes in commits(lacking.map(write)) {
            n_written += written(&app, app.handle.commit(writes)).await?.changed;
        }
        next = rest;
    }
    app.handle.discard_divergent(kept).await?;
    Ok(json(&TakenBack { written: n_written }))
}

/// How often the copies are read from the beginning.
const TRIES_MAX: usize = 20;

fn write(lacking: Difference) -> Write {
    match lacking.item {
        Some(item) => Write::Put { key: item.key.clone(), value: item.value.clone(), expiry: item.expiry },
        None => Write::Delete { key: lacking.key },
    }
}

/// Splits the writes into commits within the limits.
fn commits(writes: impl Iterator<Item = Write>) -> Vec<Vec<Write>> {
    let mut commits: Vec<Vec<Write>> = Vec::new();
    let mut bytes = 0;
    for write in writes {
        bytes += write.bytes();
        match commits.last_mut() {
            Some(last) if last.len() < COMMIT_WRITES_MAX && bytes <= COMMIT_BYTES_MAX => last.push(write),
            _ => {
                bytes = write.bytes();
                commits.push(vec![write]);
            }
        }
    }
    commits
}
