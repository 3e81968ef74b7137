//! Roster changes: made by the member that holds the authority key, or written as requests if the key is
//! offline.

use super::{
    app::{App, AppState, read},
    body::body,
    changes::until,
    owner::resolve,
    refuse::{Answered, json},
    wire::{
        AdmitAllRequest, AdmitRequest, ApplyRequest, EntryChange, GrantRequest, Named, Refusal, Requested,
        RevokeRequest, Rostered, RosteredAll, RotateRequest,
    },
    written::written,
};
use crate::authority::{Request, signed_from_text};
use axum::{body::Body, extract::State, response::Response};
use datafan_core::{
    engine::Disposition,
    grant::{Grant, Role},
    id::{MemberId, MeshId, Name},
    identity::Strict,
    read::Snapshot,
    roster::{GrantChange, IdRole, MemberError, RosterChange, WholeRoster, role_of},
    store::{StoreReader, StoreSnapshot},
    time::Timestamp,
};

/// Which entry a request changes, and how.
struct Wanted {
    id: MemberId,
    name: Name,
    changes: Vec<RosterChange>,
}

/// `POST /v1/admit`: admits a member.
pub async fn admit<R: StoreReader>(State(app): AppState<R>, sent: Body) -> Answered {
    let request: AdmitRequest = body(sent).await?;
    let (id, name, terms) = admitted(&request)?;
    let changes = vec![RosterChange::Admit { id, name: name.clone(), terms }];
    change(&app, Wanted { id, name, changes }, request.offline).await
}

/// `POST /v1/admit-all`: admits several members in one commit of the roster.
pub async fn admit_all<R: StoreReader>(State(app): AppState<R>, sent: Body) -> Answered {
    let request: AdmitAllRequest = body(sent).await?;
    let (mut members, mut changes, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    for member in &request.members {
        if member.offline {
            return Err(Refusal::usage("set offline once, not for each member"));
        }
        let (id, name, terms) = admitted(member)?;
        members.push(Named { id: id.to_string(), name: name.to_string(), change: None, was: None });
        ids.push(id);
        changes.push(RosterChange::Admit { id, name, terms });
    }
    if request.offline {
        let (follows, text) = requested(&app, changes).await?;
        return Ok(json(&RosteredAll { members, timestamp: follows.0, request: Some(text) }));
    }
    let (timestamp, entries) = made(&app, ids, changes).await?;
    for (member, (change, was)) in members.iter_mut().zip(entries) {
        (member.change, member.was) = (Some(change), was);
    }
    Ok(json(&RosteredAll { members, timestamp: timestamp.0, request: None }))
}

fn admitted(request: &AdmitRequest) -> Answered<(MemberId, Name, GrantChange)> {
    let id: MemberId = request.id.parse().map_err(Refusal::usage)?;
    Ok((id, Name::new(&request.name).map_err(Refusal::usage)?, request.terms()?))
}

/// `POST /v1/grant`: changes a grant.
pub async fn grant<R: StoreReader>(State(app): AppState<R>, sent: Body) -> Answered {
    let request: GrantRequest = body(sent).await?;
    let terms = request.terms()?;
    let name = request.name.as_deref().map(Name::new).transpose().map_err(Refusal::usage)?;
    if name.is_none() && terms == GrantChange::default() {
        return Err(Refusal::usage(
            "nothing to change: give a name, a role, items, bytes, or the end of the invitation",
        ));
    }
    let (offline, mesh) = (request.offline, app.handle.mesh());
    let wanted = read(&app, move |snapshot| {
        let (id, grant) = member(&snapshot, mesh, &request.member)?;
        let items = items_of(&snapshot, &id)?;
        if terms.role == Some(Role::Reader) && items > 0 && !request.drop {
            let items = if items == 1 { "1 item".to_owned() } else { format!("{items} items") };
            return Err(Refusal::failure(format!(
                "{} has {items}, and a reader has none: use --drop to delete them everywhere",
                grant.name
            )));
        }
        let changes = vec![RosterChange::Change { id, name: name.clone(), terms }];
        Ok(Wanted { id, name: name.unwrap_or(grant.name), changes })
    });
    change(&app, wanted.await?, offline).await
}

/// `POST /v1/revoke`: revokes a member.
pub async fn revoke<R: StoreReader>(State(app): AppState<R>, sent: Body) -> Answered {
    let request: RevokeRequest = body(sent).await?;
    let (offline, mesh) = (request.offline, app.handle.mesh());
    let wanted = read(&app, move |snapshot| {
        let (id, grant) = member(&snapshot, mesh, &request.member)?;
        let changes = vec![revocation(&snapshot, id, request.drop, offline)?];
        Ok(Wanted { id, name: grant.name, changes })
    });
    change(&app, wanted.await?, offline).await
}

/// `POST /v1/rotate`: replaces a key under the same name.
pub async fn rotate<R: StoreReader>(State(app): AppState<R>, sent: Body) -> Answered {
    let request: RotateRequest = body(sent).await?;
    let (offline, mesh) = (request.offline, app.handle.mesh());
    let fresh: MemberId = request.id.parse().map_err(Refusal::usage)?;
    let wanted = read(&app, move |snapshot| {
        let (id, grant) = member(&snapshot, mesh, &request.member)?;
        if snapshot.grant_of(&fresh)?.is_some() {
            return Err(Refusal::failure(format!("{fresh} is already in the roster: use a new key")));
        }
        let quota = grant.quota;
        let terms = GrantChange {
            role: Some(grant.role),
            items: Some(quota.items),
            bytes: Some(quota.bytes),
            until: request.until.map(until),
        };
        let admission = RosterChange::Admit { id: fresh, name: grant.name.clone(), terms };
        let changes = vec![revocation(&snapshot, id, request.drop, offline)?, admission];
        Ok(Wanted { id: fresh, name: grant.name, changes })
    });
    change(&app, wanted.await?, offline).await
}

/// `POST /v1/apply`: takes a roster that was signed elsewhere.
pub async fn apply<R: StoreReader>(State(app): AppState<R>, sent: Body) -> Answered {
    let request: ApplyRequest = body(sent).await?;
    let signed = signed_from_text(&request.signed)
        .map_err(|error| Refusal::failure(format!("cannot apply the signed roster: {error}")))?;
    let done = written(&app, app.handle.apply_roster(signed.into())).await?;
    Ok(json(&super::wire::Written {
        timestamp: done.timestamp.0,
        written: done.changed,
        unchanged: 1 - done.changed.min(1),
    }))
}

async fn change<R: StoreReader>(app: &App<R>, wanted: Wanted, offline: bool) -> Answered<Response> {
    let Wanted { id, name, changes } = wanted;
    let (member, id, name) = (id, id.to_string(), name.to_string());
    if offline {
        let (timestamp, request) = requested(app, changes).await?;
        return Ok(json(&Requested { id, name, timestamp: timestamp.0, request }));
    }
    let (timestamp, mut entries) = made(app, vec![member], changes).await?;
    let (change, was) = entries.pop().expect("one for each member");
    Ok(json(&Rostered { id, name, change, was, timestamp: timestamp.0 }))
}

/// Makes changes; returns the roster's timestamp, and for each of these members how its entry changed and its
/// old name if it was renamed. A concurrent change is reported as part of this one.
async fn made<R: StoreReader>(
    app: &App<R>,
    ids: Vec<MemberId>,
    changes: Vec<RosterChange>,
) -> Answered<(Timestamp, Vec<(EntryChange, Option<String>)>)> {
    let before = entries(app, ids.clone()).await?;
    let timestamp = written(app, app.handle.change_roster(changes)).await?.timestamp;
    let after = entries(app, ids).await?;
    let made = before.iter().zip(&after).map(|(before, after)| {
        let was =
            before.as_ref().filter(|before| after.as_ref().is_some_and(|after| after.name != before.name));
        (EntryChange::between(before.as_ref(), after.as_ref()), was.map(|grant| grant.name.to_string()))
    });
    Ok((timestamp, made.collect()))
}

async fn entries<R: StoreReader>(app: &App<R>, ids: Vec<MemberId>) -> Answered<Vec<Option<Grant>>> {
    read(app, move |snapshot| Ok(ids.iter().map(|id| snapshot.grant_of(id)).collect::<Result<_, _>>()?)).await
}

/// The timestamp of the current roster, 0 for none, and the text of a request that is based on it.
async fn requested<R: StoreReader>(
    app: &App<R>,
    changes: Vec<RosterChange>,
) -> Answered<(Timestamp, String)> {
    let mesh = app.handle.mesh();
    let request = read(app, move |snapshot| asked(&snapshot, mesh, changes)).await?;
    let follows = request.roster.as_ref().map_or(Timestamp::ZERO, |(head, _)| head.timestamp);
    Ok((follows, request.to_text()))
}

/// A request to the authority. What the authority would refuse is refused here.
fn asked<V: StoreSnapshot>(
    snapshot: &Snapshot<V>,
    mesh: MeshId,
    changes: Vec<RosterChange>,
) -> Answered<Request> {
    let authority = mesh.authority();
    let (head, made) = (snapshot.head(&authority)?, snapshot.wall());
    let all = snapshot.system(&authority).map(|entry| entry.map(|entry| (*entry.item).clone()));
    let mut items = all.collect::<Result<Vec<_>, _>>()?;
    items.sort_unstable_by_key(|item| item.timestamp);
    let roster = WholeRoster::new(mesh, head, items.clone(), &Strict)
        .map_err(|error| Refusal::failure(format!("cannot read the roster of this member: {error}")))?;
    let new = roster.changed(&changes, made).map_err(Refusal::failure)?;
    if new.is_empty() {
        return Err(Refusal::failure("the roster already says so"));
    }
    Ok(Request { mesh, roster: head.map(|head| (head, items)), changes, made })
}

fn revocation<V: StoreSnapshot>(
    snapshot: &Snapshot<V>,
    id: MemberId,
    drop: bool,
    offline: bool,
) -> Answered<RosterChange> {
    let held = snapshot.head(&id)?.map(|head| head.order());
    Ok(match (drop, offline, held) {
        (true, _, _) | (false, true, None) => {
            RosterChange::Revoke { id, disposition: Disposition::Drop, at: None }
        }
        // The current head when the change is made, which may be a later one.
        (false, false, _) => RosterChange::Revoke { id, disposition: Disposition::Keep, at: None },
        (false, true, at) => RosterChange::Revoke { id, disposition: Disposition::Keep, at },
    })
}

/// The member that `text` names; it must be in the roster.
fn member<V: StoreSnapshot>(snapshot: &Snapshot<V>, mesh: MeshId, text: &str) -> Answered<(MemberId, Grant)> {
    let id = resolve(snapshot, text)?;
    if role_of(&mesh, &id) == IdRole::Authority {
        return Err(Refusal::failure(MemberError::Authority { id }));
    }
    let grant = snapshot.grant_of(&id)?;
    Ok((id, grant.ok_or_else(|| Refusal::not_found(format!("{id} is not in the roster")))?))
}

/// Number of items of an owner, without system items.
fn items_of<V: StoreSnapshot>(snapshot: &Snapshot<V>, id: &MemberId) -> Answered<u64> {
    let all = snapshot.head(id)?.map_or(0, |head| head.items);
    let system = snapshot.system(id).map(|entry| entry.map(|_| 1)).sum::<Result<u64, _>>()?;
    Ok(all.saturating_sub(system))
}
