//! Recovery of own shards when the mesh holds a later state than our disk: the disk was lost, or is an older
//! copy.

use super::{
    effect::Alarm,
    handlers::{Commits, Gossip, Recoveries, Replication},
    input::Write,
    learned::Learned,
    links::Link,
    own::{Confirmed, OwnShard},
    replicas::Owner,
};
use crate::{
    engine::rejection::Rejection,
    grant::Grant,
    head::Head,
    id::MemberId,
    item::Item,
    message::{Ask, Hello, Message, Request},
    recovered::Recovered,
    store::{Page, ShardChange, ShardNumber, Store, StoreError, StoreSnapshot},
    time::{Time, Timestamp},
    trie::Place,
};
use alloc::vec::Vec;

impl<S: Store> Gossip<'_, S> {
    /// Compares our own shards with the peer's copies of them. Own commits wait for this.
    pub(super) fn compare_own(&mut self, peer: MemberId, hello: &Hello) {
        let told = || hello.yours.iter().chain(&hello.roster);
        self.own.on_hello(&peer, |owner| told().find(|head| head.owner == *owner));
        for head in hello.yours.iter().chain(&hello.roster) {
            if self.cx.is_own(&head.owner) {
                self.learn(peer, head, self.cx.now.time);
            }
        }
        // After the loss of a disk, other peers whose handshake is under way may hold more than this one.
        let others_greet = self.links.values().any(|link| !link.peer_accepted());
        if !self.own.is_confirmed() && others_greet {
            self.own.confirm_soon(self.cx.now.time.after(self.cx.config.settle_micros));
        } else {
            self.own.confirm_all(self.disk);
        }
    }

    /// A link is up: requests the peer's copies of our own shards, before the peer learns of our state.
    pub(super) fn ask_for_own(&mut self, peer: MemberId) {
        let hello = self.links.get(&peer).and_then(|link| link.hello().cloned());
        for head in hello.iter().flat_map(|hello| hello.yours.iter().chain(&hello.roster)) {
            if self.cx.is_own(&head.owner) {
                self.learn(peer, head, self.cx.now.time);
            }
        }
    }

    /// Handles a head of an own shard that a peer holds. A head later than ours is fetched: our disk is empty
    /// or an older copy, or another process has our key. Its content tells which.
    pub(super) fn judge_own_head(&mut self, peer: MemberId, head: &Head) -> Learned {
        let ours = self.replicas.get(&head.owner).and_then(|owner| owner.head().copied());
        let own = &self.own[&head.owner];
        if let Some(end) = self.replicas.invalid_spans().end(&head.owner, head.timestamp) {
            self.outrank_invalid(peer, head, end);
            return Learned::Known;
        }
        let same = ours.is_some_and(|ours| ours.order() == head.order());
        if same || matches!(own.confirmed(), Confirmed::Foreign(_)) {
            return Learned::Known;
        }
        if let Confirmed::Contested(contest) = own.confirmed() {
            self.on_contested_head(peer, head, contest);
            return Learned::Known;
        }
        let later = ours.is_none_or(|ours| ours.order() < head.order());
        let roster = head.owner == self.cx.config.mesh.authority();
        // A peer keeps a lost state of our own shard as a divergent copy and tells us. But peers refuse a
        // roster that lacks an entry, so their rosters have to be examined here.
        let merges = roster && (!later || own.has_written());
        if merges && (own.has_made(head) || own.is_examined(head)) || !later && !merges {
            return Learned::Known;
        }
        if !own.has_lost(head) && !self.cx.check_signature(head) {
            self.links.penalize(self.cx, peer, Rejection::Signature);
            return Learned::Refused;
        }
        if self.cx.config.abandon && head.owner == self.cx.me {
            self.outrank(head);
            return Learned::Known;
        }
        if merges {
            self.fetch_roster(peer, head);
            return Learned::Known;
        }
        let until = self.cx.now.time.after(self.settle_micros(&head.owner));
        if self.own.begin_recovery(peer, head, until) {
            self.cx.alarm(Alarm::Recovering { theirs: *head, ours });
        }
        Learned::Newer
    }

    /// Gives up what others hold of the own shard: own timestamps continue above it, and the next head
    /// replaces it.
    fn outrank(&mut self, head: &Head) {
        self.own.on_own_head(head, self.disk);
        let ours = self.replicas[&head.owner].head();
        if ours.is_none_or(|ours| ours.order() < head.order()) {
            self.own.outrank(head.timestamp);
        }
    }

    /// Stops own writes, because a fetched state shows that another process writes with our key.
    pub(super) fn stop_own_writes(&mut self, theirs: &Head) {
        self.replicas.forget(&theirs.owner);
        let ours = self.replicas.get(&theirs.owner).and_then(|owner| owner.head().copied());
        self.own.stop(theirs, self.disk);
        self.cx.stats.reject(Rejection::ForeignOwnHead);
        self.cx.alarm(Alarm::ForeignHead { theirs: *theirs, ours });
    }

    /// Fetches a peer's roster that we may have lost, to look for entries that ours lacks.
    fn fetch_roster(&mut self, peer: MemberId, head: &Head) {
        let owner = head.owner;
        let speaks = |link: &Link<_>| link.is_up() || link.hello().is_some();
        if !self.links.get(&peer).is_some_and(speaks)
            || self.replicas.get_or_insert(&owner).transfer().is_some()
        {
            return;
        }
        self.own.set_examined(head);
        self.own.on_own_head(head, self.disk);
        self.links.set_position(&peer, &owner, Some(head.timestamp));
        if head.items > 1 {
            // The answer does not matter: the request makes the peer pin this state for us.
            let slots = alloc::vec![Ask { slot: Place::ALL, hash: head.root, hints: None }];
            let (id, root) = (self.replicas.new_request(), head.root);
            self.cx.send(peer, &Message::AskNodes(Request { id, owner, root, slots }));
        }
        self.exchange().begin_divergent(peer, head);
    }

    /// The earliest time to fetch an announced head. For an own shard, all peers first get time to announce a
    /// later one. For an owner that lost push, the next round. For an owner beyond its rate limit, the next
    /// interval.
    pub(super) fn fetch_at(&self, owner: &MemberId) -> Time {
        if self.replicas.has_lost_push(owner) {
            return self.cx.next_round;
        }
        match self.own.get(owner).map(OwnShard::confirmed) {
            Some(Confirmed::Recovering { until }) => until,
            _ => self.replicas.paused_until(self.cx, owner).unwrap_or(Time(0)),
        }
    }
}

impl<S: Store> Replication<'_, S> {
    /// Restores roster entries that our roster lost and others know: a roster only grows.
    pub(super) fn restore_roster_entries(&mut self, shard: ShardNumber) -> Result<(), StoreError> {
        let owner = self.cx.config.mesh.authority();
        let mut next = Some(Timestamp::ZERO);
        while let Some(first) = next {
            let (items, rest) = self.disk.view(shard).log(first..=Timestamp::MAX, Page::rows(PAGE_ROWS))?;
            let mut writes = Vec::new();
            for item in items.iter().filter(|item| Grant::member_of(item.key.as_str()).is_some()) {
                if self.replaces_current(item)? {
                    let (key, value) = (item.key.clone(), item.value.clone());
                    writes.push(Write::Put { key, value, expiry: None });
                }
            }
            self.commit_writes(owner, &writes)?;
            next = rest;
        }
        self.disk.retire(owner, shard);
        Ok(())
    }

    /// Whether a lost roster entry replaces the current one: if it is later, or if only the lost one is a
    /// revocation.
    fn replaces_current(&self, lost: &Item) -> Result<bool, StoreError> {
        let Some((shard, _)) = self.replicas[&self.cx.config.mesh.authority()].whole() else {
            return Ok(true);
        };
        let view = self.disk.view(shard);
        let Some(at) = view.timestamp_of(lost.key.as_str())? else { return Ok(true) };
        let revoked = |item: &Item| Grant::decode(&item.value).is_ok_and(|grant| !grant.is_active());
        let Some(present) = view.item(at)? else { return Ok(true) };
        Ok(match (revoked(lost), revoked(&present)) {
            (lost, present) if lost != present => lost,
            _ => lost.timestamp > at,
        })
    }

    /// Rebuilds the list of expiries of an own shard, because peers do not keep this list for our shard.
    pub(super) fn list_expiries(&mut self, owner: &MemberId) -> Result<(), StoreError> {
        let Some((shard, _)) = self.replicas[owner].whole() else { return Ok(()) };
        let mut change = ShardChange::default();
        let all = Page { rows: usize::MAX, bytes: usize::MAX };
        for listed in self.disk.current().expiries(shard, Timestamp::MAX, all)? {
            change.expiries.insert(listed, false);
        }
        let mut next = Some(Timestamp::ZERO);
        while let Some(first) = next {
            let (items, rest) = self.disk.view(shard).log(first..=Timestamp::MAX, Page::rows(PAGE_ROWS))?;
            let expiring = items.iter().filter_map(|item| Some((item.expiry?, item.timestamp)));
            change.expiries.extend(expiring.map(|listed| (listed, true)));
            next = rest;
        }
        if !change.expiries.is_empty() {
            self.disk.stage(shard, change);
        }
        Ok(())
    }
}

impl<S: Store> Commits<'_, S> {
    /// Ends recoveries that are complete or cannot get more.
    pub(super) fn end_recoveries(&mut self) -> Result<(), StoreError> {
        let now = self.cx.now.time;
        let ended: Vec<MemberId> =
            self.recoveries().recovered_own().filter(|(_, until)| *until <= now).map(|(id, _)| id).collect();
        for owner in ended {
            self.replication().flush()?;
            self.replication().list_expiries(&owner)?;
            self.conflicts().queue_own_addresses()?;
            let to = self.replicas.get(&owner).map_or(Timestamp::ZERO, Owner::timestamp);
            let recovered = Recovered { from: self.own[&owner].before(), to, at: self.cx.now.wall };
            let lost = self.own.end_recovery(&owner);
            if recovered.to > recovered.from {
                if owner == self.cx.me {
                    self.own.set_recovered(recovered, self.disk);
                }
                self.cx.alarm(Alarm::Recovered { owner, recovered });
            }
            if let Some(theirs) = lost.filter(|lost| lost.timestamp > to) {
                // An unreachable peer may still have that state, so new writes must have later timestamps.
                self.own.on_own_head(&theirs, self.disk);
                self.cx.alarm(Alarm::NotRecovered { theirs, to });
            }
            self.own.confirm_recovered(self.disk);
        }
        Ok(())
    }
}

impl Recoveries<'_> {
    /// The peer with the greatest head of an own shard that our disk lost. Revoked peers do not count.
    pub(super) fn best_remote(&self, owner: &MemberId) -> Option<(MemberId, Head)> {
        let counts = |peer: &MemberId| {
            self.members.of(self.replicas, peer).is_none_or(|membership| membership.is_active())
        };
        self.own[owner].best_remote(self.cx.time(), counts)
    }

    /// Own shards in recovery that have everything the peers have, and until when they wait for more.
    fn recovered_own(&self) -> impl Iterator<Item = (MemberId, Time)> {
        self.own.iter().filter_map(|(owner, own)| {
            let Confirmed::Recovering { until } = own.confirmed() else { return None };
            let held = self.replicas.get(owner).and_then(|state| state.head());
            let lacks = |lost: Head| held.is_none_or(|held| held.order() < lost.order());
            (!self.best_remote(owner).is_some_and(|(_, lost)| lacks(lost))).then_some((*owner, until))
        })
    }

    /// When the next recovery ends, or the wait for a peer with a later head ends, if nothing else happens.
    pub(super) fn recovery_ends_at(&self) -> Time {
        let ends = self.recovered_own().map(|(_, until)| until).min().unwrap_or(Time::NEVER);
        let waits = |own: &&OwnShard| matches!(own.confirmed(), Confirmed::Recovering { .. });
        let waiting =
            self.own.iter().map(|(_, own)| own).filter(waits).map(|own| own.lost_wakes_at(self.cx.now.time));
        waiting.min().unwrap_or(Time::NEVER).min(ends)
    }
}

/// Items read at a time.
pub(super) const PAGE_ROWS: usize = 4_096;
