//! Moves data to a new key: copies the items of another owner into this member's shard.

use super::{
    app::{AppState, read},
    body::body,
    owner::resolve,
    patience,
    refuse::{Answered, json},
    wire::{AdoptRequest, Adopted, Refusal},
    written::written,
};
use axum::{body::Body, extract::State};
use datafan_core::{
    engine::Write,
    grant::GrantState,
    hash::Hash,
    id::MemberId,
    limits::{COMMIT_BYTES_MAX, COMMIT_WRITES_MAX},
    read::{KeyRange, Snapshot},
    roster::MemberError,
    store::{StoreReader, StoreSnapshot},
    time::Timestamp,
};
use datafan_driver::WaitError;
use std::{ops::Bound, time::Duration};

/// How long to wait for the kept shard to arrive, if the request does not say.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(60);

/// What one commit copies.
#[derive(Default)]
struct Part {
    writes: Vec<Write>,
    unchanged: u64,
    /// The last key that was examined; `None` at the end.
    last: Option<String>,
}

/// `POST /v1/adopt`: puts what this member lacks, commit by commit. A repeated request continues where the
/// last one stopped.
pub async fn adopt<R: StoreReader>(State(app): AppState<R>, sent: Body) -> Answered {
    let request: AdoptRequest = body(sent).await?;
    let (own, authority) = (app.handle.id(), app.handle.mesh().authority());
    let owner = read(&app, move |snapshot| match request.owner.as_deref() {
        Some(text) => resolve(&snapshot, text),
        None => predecessor(&snapshot, &own),
    })
    .await?;
    if owner == own {
        return Err(Refusal::failure(MemberError::Own { id: owner }));
    }
    if owner == authority {
        return Err(Refusal::failure(MemberError::Authority { id: owner }));
    }
    let kept = read(&app, move |snapshot| kept(&snapshot, &owner)).await?;
    let (arrives, limit) = (app.handle.wait_for(owner, kept.0), patience::present_or(ARRIVAL_TIMEOUT));
    app.handle.timeout(limit, arrives).await.map_err(|error| match error {
        WaitError::TimedOut(_) => Refusal::timeout(format!(
            "the kept shard of {owner} did not arrive here within {limit:?}: try again when a member that \
             holds it is linked"
        )),
        error => error.into(),
    })?;
    let mut adopted = Adopted { owner: owner.to_string(), ..Adopted::default() };
    let mut from: Option<String> = None;
    loop {
        let Part { writes, unchanged, last } =
            read(&app, move |snapshot| part(&snapshot, &owner, kept, &own, from)).await?;
        adopted.unchanged += unchanged;
        if !writes.is_empty() {
            let done = written(&app, app.handle.commit(writes)).await?;
            adopted.written += done.changed;
            adopted.timestamp = done.timestamp.0;
        }
        if last.is_none() {
            return Ok(json(&adopted));
        }
        from = last;
    }
}

/// The revoked member with this member's name whose shard was kept.
fn predecessor<V: StoreSnapshot>(snapshot: &Snapshot<V>, own: &MemberId) -> Answered<MemberId> {
    let Some(name) = snapshot.name_of(own)? else {
        return Err(Refusal::failure("this member is not in the roster yet"));
    };
    let kept = snapshot.members()?.into_iter().filter(|(id, grant)| {
        id != own && grant.name == name && matches!(grant.state, GrantState::Keep { .. })
    });
    match kept.map(|(id, _)| id).collect::<Vec<_>>().as_slice() {
        [] => Err(Refusal::not_found(format!("there is no revoked member {name} whose shard was kept"))),
        [one] => Ok(*one),
        [first, second, ..] => Err(Refusal::usage(format!(
            "several revoked members were named {name}, among them {first} and {second}: choose one by its id"
        ))),
    }
}

/// The head at which the shard of a revoked member is frozen. Any other head may lack items.
fn kept<V: StoreSnapshot>(snapshot: &Snapshot<V>, owner: &MemberId) -> Answered<(Timestamp, Hash)> {
    match snapshot.grant_of(owner)?.map(|grant| grant.state) {
        Some(GrantState::Keep { timestamp, root }) => Ok((timestamp, root)),
        Some(GrantState::Drop) => {
            Err(Refusal::not_found(format!("the shard of {owner} was dropped everywhere")))
        }
        Some(GrantState::Active | GrantState::Invited { .. }) => Err(Refusal::failure(format!(
            "{owner} is an active member: only the items of a revoked one can be adopted"
        ))),
        None => Err(Refusal::not_found(format!("{owner} is not in the roster"))),
    }
}

/// The next items after the key `from` whose keys this member does not have.
fn part<V: StoreSnapshot>(
    snapshot: &Snapshot<V>,
    owner: &MemberId,
    kept: (Timestamp, Hash),
    own: &MemberId,
    from: Option<String>,
) -> Answered<Part> {
    if snapshot.head(owner)?.map(|head| head.order()) != Some(kept) {
        return Err(Refusal::failure(format!(
            "the shard of {owner} has not reached the kept head: try again later"
        )));
    }
    let after = from.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    let (mut part, mut bytes) = (Part::default(), 0);
    for entry in snapshot.items(owner, KeyRange::new((after, Bound::Unbounded))) {
        let item = entry?.item;
        bytes += item.bytes() as usize;
        if part.writes.len() == COMMIT_WRITES_MAX || bytes > COMMIT_BYTES_MAX {
            return Ok(part);
        }
        part.last = Some(item.key.to_string());
        if snapshot.get(own, item.key.as_str())?.is_some() {
            part.unchanged += 1;
            bytes -= item.bytes() as usize;
        } else {
            let (key, value, expiry) = (item.key.clone(), item.value.clone(), item.expiry);
            part.writes.push(Write::Put { key, value, expiry });
        }
    }
    part.last = None;
    Ok(part)
}
