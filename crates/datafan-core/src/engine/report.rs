//! Builds the status report of the engine.

use super::{
    discovery::Target,
    handlers::Report,
    links::Link,
    own::Confirmed,
    replicas::{Owner, Transfer},
    status::{
        LinkState, LinkStatus, MemberReach, OwnState, Reachability, ShardProgress, ShardStatus, Standing,
        Status,
    },
};
use crate::{
    connector::Direction,
    grant::Grant,
    hash::Hash,
    id::MemberId,
    read::Snapshot,
    store::{ShardState, Store, StoreReader, StoreSnapshot},
    time::Timestamp,
};
use alloc::{collections::BTreeMap, string::String, vec::Vec};

impl<S: Store> Report<'_, S> {
    /// The current status of the member.
    pub(super) fn status(&self) -> Status {
        let (members, reached) = (self.members(), self.reached_now());
        let reach = members.iter().filter(|(_, grant)| grant.is_active());
        let reach = reach.map(|(id, _)| (*id, self.member_reach(id, &reached))).collect();
        Status {
            name: self.members.own_name(self.cx),
            standing: self.standing(),
            disk_full: self.disk.full().map(String::from),
            recovered: self.own.recovered(),
            divergent: self.divergent_span(),
            clock_ahead: self
                .links
                .median_wall(self.cx.now.time)
                .map(|wall| self.cx.now.wall.0.cast_signed().wrapping_sub(wall.0.cast_signed())),
            own: match self.own[&self.cx.me].confirmed() {
                Confirmed::Not => OwnState::Waiting,
                Confirmed::Recovering { .. } => {
                    let lost = self.recoveries().best_remote(&self.cx.me);
                    let timestamp = lost.map_or(Timestamp::ZERO, |(_, head)| head.timestamp);
                    OwnState::Recovering { timestamp, holder: lost.map(|(holder, _)| holder) }
                }
                Confirmed::Yes if self.key_conflicts.listed.holds() => {
                    OwnState::Checking { lister: self.key_conflicts.listed.lister() }
                }
                Confirmed::Yes => OwnState::Confirmed,
                Confirmed::Contested(contest) => {
                    OwnState::Contested { timestamp: contest.theirs().timestamp }
                }
                Confirmed::Foreign(timestamp) => OwnState::Foreign { timestamp },
            },
            links: self.link_statuses(),
            shards: self.shard_statuses(&reach),
            members,
            reach,
            pending: self.members.pending(self.replicas).cloned().collect(),
            refusals: self.cx.stats.refusals.clone(),
        }
    }

    fn standing(&self) -> Standing {
        // Any peer can refuse us. While another peer is linked, the refusal does not matter.
        let linked = self.links.values().any(Link::is_up);
        let refused_by = self.members.refused_by().filter(|_| !linked);
        match (
            self.members.of(self.replicas, &self.cx.me).map(|membership| membership.is_active()),
            refused_by,
        ) {
            (Some(false), _) => Standing::Refused(String::from("this member was revoked")),
            (_, Some(refusal)) => Standing::Refused(refusal.advice().into()),
            (Some(true), None) => Standing::Up,
            (None, None) => Standing::Joining,
        }
    }

    fn link_statuses(&self) -> Vec<LinkStatus> {
        let links = self.links.iter().map(|(peer, link)| LinkStatus {
            id: Some(*peer),
            address: link.address().cloned(),
            direction: link.direction(),
            state: if link.is_up() { LinkState::Up } else { LinkState::Greeting },
            error: None,
        });
        let shown = self.discovery.dialer.shown();
        let dials = shown.into_iter().filter_map(|shown| {
            let id = match shown.target {
                Target::Member(member) => Some(member),
                Target::User((expected, _)) => expected,
            };
            let is_linked = id.is_some_and(|id| self.links.contains_key(&id));
            (!is_linked).then(|| LinkStatus {
                id,
                address: shown.address.cloned(),
                direction: Direction::Out,
                state: if shown.dialling { LinkState::Dialling } else { LinkState::Waiting },
                error: shown.error.map(String::from),
            })
        });
        links.chain(dials).collect()
    }

    /// The roster from the store; empty if the read fails. The next write reports the failure.
    fn members(&self) -> Vec<(MemberId, Grant)> {
        let read = |snapshot| Snapshot::new(snapshot, self.cx.config.mesh, self.cx.now.wall).members();
        let mut members = self.disk.reader().snapshot().and_then(read).unwrap_or_default();
        members.sort_unstable_by_key(|(id, _)| *id);
        members
    }

    /// The members that are reachable now.
    fn reached_now(&self) -> Vec<MemberId> {
        self.discovery
            .reach
            .now(self.cx.now.time, &self.links.up(), |id| self.members.kind_of(self.replicas, id))
    }

    fn member_reach(&self, id: &MemberId, reached: &[MemberId]) -> MemberReach {
        let reach = match () {
            () if *id == self.cx.me => Reachability::Itself,
            () if self.links.get(id).is_some_and(Link::is_up) => Reachability::Linked,
            () if reached.binary_search(id).is_ok() => Reachability::Reachable,
            () => Reachability::Unreachable { since: self.discovery.reach.gone_since(id, self.cx.now.wall) },
        };
        let seen = !matches!(reach, Reachability::Unreachable { .. }) || self.discovery.reach.has_seen(id);
        MemberReach { reach, seen, dialling: self.discovery.dialer.is_dialling(id) }
    }

    fn shard_statuses(&self, reach: &BTreeMap<MemberId, MemberReach>) -> Vec<ShardStatus> {
        let shards = self.replicas.iter().filter_map(|owner| self.shard_status(owner));
        let mut shards: Vec<ShardStatus> = shards
            .map(|shard| match reach.get(&shard.owner).map(|member| member.reach) {
                Some(Reachability::Unreachable { since }) => {
                    ShardStatus { unreachable_since: Some(since), ..shard }
                }
                _ => shard,
            })
            .collect();
        shards.sort_unstable_by_key(|shard| shard.owner);
        shards
    }

    fn shard_status(&self, owner: &Owner) -> Option<ShardStatus> {
        let head = owner.head();
        let copying = matches!(owner.transfer(), Some(Transfer::Reconciliation(_)));
        if head.is_none() && owner.known().is_none() && !copying {
            return None;
        }
        let revoked =
            self.members.of(self.replicas, owner.id()).is_some_and(|membership| !membership.is_active());
        Some(ShardStatus {
            owner: *owner.id(),
            timestamp: head.map_or(Timestamp::ZERO, |head| head.timestamp),
            items: head.map_or(0, |head| head.items),
            bytes: head.map_or(0, |head| head.bytes),
            root: head.map_or_else(Hash::empty, |head| head.root),
            unreachable_since: None,
            state: match (revoked, copying || head.is_none()) {
                (true, _) => ShardProgress::Revoked,
                (false, false) if self.replicas.forks.has(owner.id()) => ShardProgress::Forked,
                (false, true) => ShardProgress::Copying,
                (false, false) => ShardProgress::Whole,
            },
        })
    }

    /// The span of the divergent copies of the member's own shard: where the first diverged and where the
    /// last one ends.
    pub(super) fn divergent_span(&self) -> Option<(Timestamp, Timestamp)> {
        let mut span: Option<(Timestamp, Timestamp)> = None;
        for shard in self.divergent.of(&self.cx.me) {
            let record = self.disk.current().shard(*shard).ok().flatten()?;
            let ShardState::Divergent { head, diverged: first, .. } = record.state else { continue };
            let last = head.timestamp;
            span = Some(span.map_or((first, last), |span| (span.0.min(first), span.1.max(last))));
        }
        span
    }
}
