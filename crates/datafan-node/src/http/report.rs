//! Reports about the member and its mesh.

use super::{
    app::{App, AppState, read},
    refuse::{Answered, json},
    wire::{
        Addresses, LinkLine, MemberLine, Members, PendingLine, Refusal, ShardLine, Span, StatusAnswer,
        StoreLine, rfc3339,
    },
};
use axum::extract::State;
use datafan_core::{
    connector::Direction,
    engine::{
        LinkState, LinkStatus, MemberReach, OwnState, Reachability, ShardProgress, ShardStatus, Standing,
        Status,
    },
    grant::{Grant, GrantState},
    id::{MemberId, Name},
    item::SYSTEM_PREFIX,
    read::Snapshot,
    store::{StoreReader, StoreSnapshot},
    time::Timestamp,
};
use datafan_driver::WaitError;
use std::collections::{BTreeMap, BTreeSet};

/// `GET /v1/status`: the member at this moment.
pub async fn status<R: StoreReader>(State(app): AppState<R>) -> Answered {
    let status = match app.handle.status().await {
        Ok(status) => status,
        Err(WaitError::Stopped { reason }) => return Ok(json(&stopped(&app, reason.to_string()))),
        Err(error) => return Err(error.into()),
    };
    let names: BTreeMap<_, _> = status.members.iter().map(|(id, grant)| (*id, grant.name.clone())).collect();
    let (state, reason) = standing(&status);
    let own = status.members.iter().find(|(id, _)| *id == app.handle.id());
    let role = own.map(|(_, grant)| grant.role.to_string());
    let links = status.links.iter().map(|link| link_line(link, &names)).collect();
    let refusals = status.refusals.iter().map(|(name, count)| (name.to_string(), *count)).collect();
    let (shards, authority) = (status.shards, app.handle.mesh().authority());
    let shards = read(&app, move |snapshot| {
        let snapshot = snapshot.with_system();
        shards.iter().map(|shard| shard_line(&snapshot, shard, authority, &names)).collect()
    });
    Ok(json(&StatusAnswer {
        name: status.name.to_string(),
        role,
        state: state.to_owned(),
        reason,
        recovered: status.recovered.map(|span| Span { after: span.from.0, until: span.to.0 }),
        clock_ahead: status.clock_ahead,
        divergent: status.divergent.map(|(after, until)| Span { after: after.0, until: until.0 }),
        links,
        shards: shards.await?,
        refusals,
        store: Some(store_line(&app).await?),
        ..stopped(&app, String::new())
    }))
}

/// `GET /v1/members`: the roster, and members that wait to be admitted.
pub async fn members<R: StoreReader>(State(app): AppState<R>) -> Answered {
    let status = app.handle.status().await?;
    let held: BTreeSet<MemberId> = status
        .shards
        .iter()
        .filter(|shard| shard.timestamp > Timestamp::ZERO)
        .map(|shard| shard.owner)
        .collect();
    let wall = read(&app, |snapshot| Ok(snapshot.wall())).await?;
    let members = status.members.iter().map(|(id, grant)| {
        let reach = status.reach.get(id);
        let never_seen = reach.is_some_and(|member| is_never_seen(member, grant, held.contains(id)));
        let (state, until) = match grant.state {
            GrantState::Active => ("active", None),
            GrantState::Invited { until } if until >= wall || held.contains(id) => ("invited", Some(until)),
            GrantState::Invited { until } => ("expired", Some(until)),
            GrantState::Keep { .. } | GrantState::Drop => ("revoked", None),
        };
        MemberLine {
            id: id.to_string(),
            name: grant.name.to_string(),
            role: grant.role.to_string(),
            state: state.to_owned(),
            until: until.map(rfc3339),
            items: grant.quota.items,
            bytes: grant.quota.bytes,
            granted: rfc3339(grant.granted),
            reach: reach.map(|member| reach_name(member.reach).to_owned()),
            unreachable_since: reach
                .filter(|_| !never_seen)
                .and_then(|member| unreachable_since(member.reach))
                .map(rfc3339),
            never_seen,
            dialling: reach.is_some_and(|member| member.dialling),
        }
    });
    let pending = status.pending.iter().map(|pending| PendingLine {
        id: pending.id.to_string(),
        name: pending.name.to_string(),
        address: pending.address.as_deref().map(str::to_owned),
        since: rfc3339(pending.since),
    });
    Ok(json(&Members { members: members.collect(), pending: pending.collect() }))
}

/// `GET /v1/addresses`: the addresses that this member publishes.
pub async fn addresses<R: StoreReader>(State(app): AppState<R>) -> Answered {
    Ok(json(&Addresses {
        addresses: app.facts.advertised.now().iter().map(|address| address.to_string()).collect(),
    }))
}

/// What is known without the engine.
fn stopped<R: StoreReader>(app: &App<R>, reason: String) -> StatusAnswer {
    StatusAnswer {
        id: app.handle.id().to_string(),
        name: app.facts.name.clone(),
        mesh: app.handle.mesh().to_string(),
        role: None,
        recovered: None,
        divergent: None,
        clock_ahead: None,
        state: "stopped".to_owned(),
        reason: Some(reason),
        listen: app.facts.listen.iter().map(ToString::to_string).collect(),
        api: app.facts.api.map(|api| api.to_string()),
        links: Vec::new(),
        shards: Vec::new(),
        refusals: BTreeMap::new(),
        store: None,
    }
}

async fn store_line<R: StoreReader>(app: &App<R>) -> Answered<StoreLine> {
    let handle = app.handle.clone();
    let usage = tokio::task::spawn_blocking(move || handle.usage())
        .await
        .map_err(|_| Refusal::failure("reading panicked, which is a bug"))?
        .map_err(Refusal::failure)?;
    Ok(StoreLine {
        file_bytes: usage.file_bytes,
        free_bytes: usage.file_bytes.saturating_sub(usage.used_bytes),
        oldest_read_ms: usage.oldest_read.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
    })
}

/// Why a member whose clock is far behind cannot join.
pub const CLOCK_BEHIND: &str =
    "the roster of the peers is further ahead of this machine's clock than is accepted: correct the clock";

/// Why a member that sees another process with its key does not write.
pub const CONTESTED: &str = "another process writes with this member's key; writes wait until it is clear \
    which of the two began first, at most 30 s";

/// Whether the roster was refused for its timestamp: without a roster, no other head is judged.
pub fn clock_is_behind(status: &Status) -> bool {
    status.members.is_empty() && status.refusals.contains_key("clock_ahead")
}

fn standing(status: &Status) -> (&'static str, Option<String>) {
    match (&status.own, &status.standing) {
        (OwnState::Foreign { timestamp }, _) => {
            let reason = format!(
                "a peer holds a head of our own shard that this process did not make (timestamp \
                 {timestamp}): another process uses the same key; this member has stopped writing"
            );
            ("stopped", Some(reason))
        }
        (_, Standing::Refused(reason)) => ("refused", Some(reason.clone())),
        _ if status.disk_full.is_some() => ("degraded", status.disk_full.as_deref().map(disk_full)),
        (_, Standing::Joining) if clock_is_behind(status) => ("joining", Some(CLOCK_BEHIND.to_owned())),
        (_, Standing::Joining) => ("joining", Some("no roster with this member has arrived yet".to_owned())),
        (OwnState::Waiting, Standing::Up) => {
            ("up", Some("writes wait until a peer confirms our own shard".to_owned()))
        }
        (OwnState::Recovering { timestamp, holder }, Standing::Up) => (
            "up",
            Some(format!(
                "writes wait until our own shard is complete: {}",
                held_by(status, *timestamp, *holder)
            )),
        ),
        (OwnState::Contested { .. }, Standing::Up) => ("up", Some(CONTESTED.to_owned())),
        (OwnState::Checking { lister }, Standing::Up) => ("up", Some(same_key(status, *lister))),
        (OwnState::Confirmed, Standing::Up) => ("up", None),
    }
}

/// Who holds more of the own shard, up to `timestamp`, and what happens with it.
pub fn held_by(status: &Status, timestamp: Timestamp, holder: Option<MemberId>) -> String {
    let Some(holder) = holder else { return "everything that peers held was fetched".to_owned() };
    let named = status.members.iter().find(|(id, _)| *id == holder);
    let name = named.map_or_else(|| holder.short().to_string(), |(_, grant)| grant.name.to_string());
    let linked = status.links.iter().any(|link| link.id == Some(holder) && link.state == LinkState::Up);
    let then = match linked {
        true => "fetching it",
        false => "it is not linked; `datafan run --abandon` discards what it holds",
    };
    format!("{name} holds a newer state, up to timestamp {timestamp}: {then}")
}

fn reach_name(reach: Reachability) -> &'static str {
    match reach {
        Reachability::Itself => "itself",
        Reachability::Linked => "linked",
        Reachability::Reachable => "reachable",
        Reachability::Unreachable { .. } => "unreachable",
    }
}

fn unreachable_since(reach: Reachability) -> Option<Timestamp> {
    match reach {
        Reachability::Itself | Reachability::Linked | Reachability::Reachable => None,
        Reachability::Unreachable { since } => Some(since),
    }
}

/// Whether nothing of a member has ever arrived here. Nothing of a reader is stored, so it may have been here
/// before this run.
fn is_never_seen(member: &MemberReach, grant: &Grant, is_held: bool) -> bool {
    let Reachability::Unreachable { since } = member.reach else { return false };
    !member.seen && !is_held && (grant.role.owns() || grant.granted >= since)
}

fn disk_full(why: &str) -> String {
    format!(
        "the disk is full ({why}): reads work; own writes are refused and data of others is not taken until \
         there is room"
    )
}

fn link_line(link: &LinkStatus, names: &BTreeMap<MemberId, Name>) -> LinkLine {
    LinkLine {
        id: link.id.map(|id| id.to_string()),
        name: link.id.and_then(|id| names.get(&id)).map(Name::to_string),
        address: link.address.as_deref().map(str::to_owned),
        direction: match link.direction {
            Direction::Out => "out".to_owned(),
            Direction::In => "in".to_owned(),
        },
        state: match link.state {
            LinkState::Dialling => "dialling".to_owned(),
            LinkState::Waiting => "waiting".to_owned(),
            LinkState::Greeting => "greeting".to_owned(),
            LinkState::Up => "up".to_owned(),
        },
        error: link.error.clone(),
    }
}

fn shard_line<V: StoreSnapshot>(
    snapshot: &Snapshot<V>,
    shard: &ShardStatus,
    authority: MemberId,
    names: &BTreeMap<MemberId, Name>,
) -> Answered<ShardLine> {
    let is_roster = shard.owner == authority;
    // All items of the roster are system items; counting them one by one could take long.
    let (mut system_items, mut system_bytes) = (0, 0);
    if is_roster {
        (system_items, system_bytes) = (shard.items, shard.bytes);
    } else {
        for entry in snapshot.prefix(&shard.owner, SYSTEM_PREFIX) {
            system_items += 1;
            system_bytes += entry?.item.bytes();
        }
    }
    Ok(ShardLine {
        owner: shard.owner.to_string(),
        owner_name: names.get(&shard.owner).map(Name::to_string),
        kind: if is_roster { "roster" } else { "member" }.to_owned(),
        timestamp: shard.timestamp.0,
        items: shard.items,
        bytes: shard.bytes,
        system_items,
        system_bytes,
        root: shard.root.to_string(),
        state: match shard.state {
            ShardProgress::Whole => "whole".to_owned(),
            ShardProgress::Copying => "copying".to_owned(),
            ShardProgress::Revoked => "revoked".to_owned(),
            ShardProgress::Forked => "forked".to_owned(),
        },
        unreachable_since: shard.unreachable_since.map(rfc3339),
    })
}

/// Why a member that began without data does not write yet.
pub fn same_key(status: &Status, lister: Option<MemberId>) -> String {
    let Some(lister) = lister else {
        return "checking the lists of other members first, because another process with this key might be \
            running"
            .to_owned();
    };
    let name = status.members.iter().find(|(id, _)| *id == lister).map(|(_, grant)| grant.name.to_string());
    format!(
        "another process with this key seems to run, because {} lists it; writes wait until it is no longer \
         listed, at most 60 s",
        name.unwrap_or_else(|| lister.short())
    )
}
