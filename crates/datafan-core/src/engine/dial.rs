//! Chooses whom the dialler tries, from shards, links and the roster.

use super::{
    context::Context,
    discovery::{
        ADDRESSES_KEY, Discovery, Endpoint, Looking, Pool, Reach, Target, Why, decode_addresses, pause_micros,
    },
    divergent_copies::DivergentCopies,
    effect::Effect,
    handlers::Dialling,
    key_conflicts::SameKeyPlace,
    links::{Link, Links},
    publish::system_item,
    replicas::Owner,
};
use crate::{
    connector::Address,
    id::MemberId,
    store::{Meta, Store, StoreError},
    time::Time,
};
use alloc::vec::Vec;

/// The number of members with the latest heads to choose from.
const LATEST_MAX: usize = 16;
/// Most simultaneous dials that are made because there are too few links.
const DIALS_MAX: usize = 8;

impl<S: Store> Dialling<'_, S> {
    pub(super) fn on_dial_failed(&mut self, place: &Endpoint, error: &str) {
        if place.0 == Some(self.cx.me) {
            return self.key_conflicts.same_key.is_free(&place.1);
        }
        self.discovery.dialer.on_failed(place, error, self.cx.now.time, &mut self.cx.rng);
    }

    pub(super) fn on_dial_found(&mut self, place: Endpoint, peer: MemberId) {
        if peer == self.cx.me {
            return self.conflicts().on_same_key(SameKeyPlace::Answers(place.1));
        }
        self.discovery.dialer.on_found(&place, peer, self.cx.now.time);
    }

    /// Begins the dials that are due, and continues those under way.
    pub(super) fn dial(&mut self) {
        if self.key_conflicts.same_key.has_queued() {
            self.conflicts().dial_same_key();
        }
        if self.cx.now.time < wakes_at(self.cx, self.links, self.discovery, self.divergent) {
            return;
        }
        self.step_dials();
        while let Some(target) = self.discovery.dialer.new_user() {
            self.begin_dial(target, Why::Minimum);
        }
        let wanted = self.dials_wanted();
        if wanted > 0 {
            let due = self.due();
            due.into_iter().take(wanted).for_each(|target| self.begin_dial(target, Why::Minimum));
        }
        if self.cx.config.links_min > 0 {
            self.dial_lost();
            self.dial_divergent_owner();
            self.dial_slowly();
        }
        self.step_dials();
        let (minimum, discovers) = (self.dials_wanted() > 0, self.cx.config.links_min > 0);
        self.discovery.dialer.update_quiet_until(Looking { minimum, discovers }, self.cx.now.time);
    }

    /// Dials lost links again.
    fn dial_lost(&mut self) {
        while let Some(member) = self.discovery.dialer.due_lost(self.cx.now.time) {
            let is_linked = self.links.contains_key(&member);
            match is_linked
                || !self.members.belongs(self.replicas, &member)
                || self.is_dial_prevented(&member)
            {
                true => self.discovery.dialer.forget(&member),
                false => self.begin_dial(Target::Member(member), Why::Lost),
            }
        }
    }

    /// Dials owners of divergent copies, one at a time, because they may not know what is kept here.
    fn dial_divergent_owner(&mut self) {
        if let Some(owner) = self.next_divergent_owner() {
            self.begin_dial(Target::Member(owner), Why::Slow);
        }
    }

    /// Dials, one at a time, members that may be out of reach, regardless of the number of links.
    fn dial_slowly(&mut self) {
        let now = self.cx.now.time;
        if self.discovery.reach.wakes_at() <= now {
            self.update_reach();
            let pause = self.slow_pause();
            self.discovery.dialer.shorten_slow_pause(pause, now, &mut self.cx.rng);
        }
        let Some(pool) = self.discovery.dialer.due_slow(now) else { return };
        let pause = self.slow_pause();
        self.discovery.dialer.pause_slow(pause, now, &mut self.cx.rng);
        if let Some(target) = self.draw(pool) {
            self.begin_dial(target, Why::Slow);
        }
    }

    fn slow_pause(&self) -> u64 {
        // In a healthy mesh nearly all members are reachable, so check that first.
        let mut unreachable = self.found().filter(|member| !self.discovery.reach.is_reachable(member));
        let n_unreachable = usize::from(unreachable.any(|member| self.may_be_dialled(&member)));
        pause_micros(self.discovery.reach.n_reachable(), n_unreachable)
    }

    /// A random target for a slow dial.
    fn draw(&mut self, pool: Pool) -> Option<Target> {
        let seems_safe =
            |id: &MemberId| self.discovery.reach.is_reachable(id) && !self.discovery.reach.is_behind_one(id);
        let members = self.dialable().filter(|member| pool == Pool::Unlinked || !seems_safe(member));
        let mut members: Vec<MemberId> = members.collect();
        let mut users: Vec<Target> = Vec::new();
        match pool {
            Pool::Latest => {
                let head = |member: &MemberId| self.replicas.get(member).map(Owner::timestamp);
                members.sort_by_cached_key(|member| core::cmp::Reverse(head(member)));
                members.truncate(LATEST_MAX);
            }
            Pool::Unreachable | Pool::Unlinked => {
                let seems_safe = |found: Option<MemberId>| found.is_some_and(|found| seems_safe(&found));
                let drawn = self
                    .discovery
                    .dialer
                    .users()
                    .filter(|(_, found)| pool == Pool::Unlinked || !seems_safe(*found));
                users.extend(drawn.map(|(place, _)| Target::User(place.clone())));
            }
        }
        let targets = members.into_iter().map(Target::Member).chain(users);
        let mut targets: Vec<Target> = targets
            .filter(|target| self.discovery.dialer.may_dial_slowly(target, self.cx.now.time))
            .collect();
        if targets.is_empty() && pool == Pool::Latest {
            return self.draw(Pool::Unreachable);
        }
        let random = self.cx.rng.next() % targets.len().max(1) as u64;
        (!targets.is_empty()).then(|| targets.swap_remove(random as usize))
    }

    /// Updates who is reachable.
    pub(super) fn update_reach(&mut self) {
        let linked = self.links.up();
        let mut reach =
            core::mem::replace(&mut self.discovery.reach, Reach::new(self.cx.me, self.cx.now.wall));
        reach.update_if_due(self.cx.now.time, self.cx.now.wall, &linked, |id| {
            self.members.kind_of(self.replicas, id)
        });
        self.discovery.reach = reach;
    }

    /// Dials pending peers that have been admitted, so that they need not wait until they try again.
    pub(super) fn dial_admitted(&mut self) {
        for pending in self.members.take_admitted(self.replicas) {
            if !self.links.contains_key(&pending.id) {
                self.discovery.addresses.set_announced(&pending.id, pending.address.as_slice());
                self.discovery.dialer.on_admitted(&pending.id, self.cx.now.time);
            }
        }
    }

    fn step_dials(&mut self) {
        let mut dials = Vec::new();
        self.discovery.dialer.step(self.cx.now.time, &mut self.cx.rng, |place| dials.push(place));
        for (expected, address) in dials {
            self.cx.emit(Effect::Dial { address, expected });
        }
    }

    fn begin_dial(&mut self, target: Target, why: Why) {
        let addresses = match &target {
            Target::User((_, address)) => alloc::vec![address.clone()],
            Target::Member(member) => self.addresses_of(member),
        };
        self.cx.stats.dials += 1;
        self.discovery.dialer.begin(target, addresses, why, self.cx.now.time, &mut self.cx.rng);
    }

    /// The addresses of a member: first those where it was found, then those that its shard publishes.
    fn addresses_of(&self, member: &MemberId) -> Vec<Address> {
        let mut addresses = self.discovery.addresses.of(member).to_vec();
        // If the store fails, the next write reports it.
        for address in self.published_addresses(member).unwrap_or_default() {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        addresses
    }

    fn published_addresses(&self, member: &MemberId) -> Result<Vec<Address>, StoreError> {
        let item = system_item(self.disk, self.replicas, member, ADDRESSES_KEY)?;
        Ok(item.and_then(|item| decode_addresses(&item.value).ok()).unwrap_or_default())
    }

    /// How many further dials may begin because there are too few links.
    fn dials_wanted(&self) -> usize {
        let under_way = self.discovery.dialer.n_under_way();
        if self.cx.config.links_min == 0 {
            return DIALS_MAX.saturating_sub(under_way);
        }
        let wanted = match self.links.are_too_few(self.cx) {
            true => self.cx.config.links_wanted_max.max(self.cx.config.links_min) - self.links.len(),
            false => 0,
        };
        wanted.min(DIALS_MAX).saturating_sub(under_way)
    }

    /// The targets to dial because there are too few links: user addresses first, then members in random
    /// order.
    fn due(&mut self) -> Vec<Target> {
        let now = self.cx.now.time;
        // If the peer found at an address is linked, a dial would most likely find it again.
        let users = self.discovery.dialer.users().filter(|(_, found)| {
            found.is_none_or(|found| !self.links.contains_key(&found) && !self.is_dial_prevented(&found))
        });
        let users = users.map(|(place, _)| Target::User(place.clone()));
        let mut due: Vec<Target> = users.filter(|target| self.discovery.dialer.is_due(target, now)).collect();
        if self.cx.config.links_min > 0 {
            let members = self.dialable().map(Target::Member);
            let mut members: Vec<(u64, Target)> = members
                .filter(|target| self.discovery.dialer.is_due(target, now))
                .map(|target| (0, target))
                .collect();
            members.iter_mut().for_each(|(rank, _)| *rank = self.cx.rng.next());
            members.sort_unstable();
            due.extend(members.into_iter().map(|(_, target)| target));
        }
        due
    }

    /// Members with a known address that are not linked.
    pub(super) fn dialable(&self) -> impl Iterator<Item = MemberId> {
        self.found().filter(|member| self.may_be_dialled(member))
    }

    /// All members with a known address.
    fn found(&self) -> impl Iterator<Item = MemberId> {
        self.discovery.addresses.members()
    }

    fn is_dial_prevented(&self, member: &MemberId) -> bool {
        self.key_conflicts.prevents_dial(member, self.links, self.own.run.process(), self.cx.now.time)
    }

    fn may_be_dialled(&self, member: &MemberId) -> bool {
        *member != self.cx.me
            && !self.links.contains_key(member)
            && self.members.belongs(self.replicas, member)
            && !self.is_dial_prevented(member)
    }

    /// Frees copies whose owners were reachable for long enough to learn of them and fetch them. Copies of
    /// the own shard are kept.
    pub(super) fn age_divergent(&mut self) {
        if !self.divergent.heard_mut().is_due(self.cx.now.time) {
            return;
        }
        let kept = self.divergent.owners().filter(|owner| **owner != self.cx.me);
        let is_up = |owner: &MemberId| self.links.get(owner).is_some_and(Link::is_up);
        let kept: Vec<_> =
            kept.map(|owner| (*owner, is_up(owner) || self.discovery.reach.is_reachable(owner))).collect();
        let over = self.divergent.heard_mut().count(self.cx.now.time, &kept);
        over.iter().for_each(|owner| self.divergent.retire(owner, self.disk));
        if let Some(bytes) = self.divergent.heard_mut().due_bytes(self.cx.now.time) {
            self.disk.set_meta(Meta::HeardFor, Some(bytes));
        }
    }

    /// The owner to dial now, if it is time; owners take turns.
    pub(super) fn next_divergent_owner(&mut self) -> Option<MemberId> {
        let now = self.cx.now.time;
        if self.divergent.next_dial() > now {
            return None;
        }
        let owners =
            self.divergent.owners().filter(|owner| is_to_be_told(owner, self.cx, self.links, self.divergent));
        let owners: Vec<MemberId> = owners.copied().collect();
        self.divergent.dial_next(owners.into_iter(), now)
    }
}

/// When the next dial may begin, or reachability has to be updated.
pub(super) fn wakes_at<V>(
    cx: &Context,
    links: &Links<V>,
    discovery: &Discovery,
    divergent: &DivergentCopies,
) -> Time {
    let quiet_until = discovery.dialer.quiet_until();
    if cx.config.links_min == 0 {
        return quiet_until;
    }
    // When to dial the next owner, to tell it which copies are kept here.
    let is_any = divergent.owners().any(|owner| is_to_be_told(owner, cx, links, divergent));
    let tell = if is_any { divergent.next_dial() } else { Time::NEVER };
    quiet_until.min(discovery.reach.wakes_at()).min(tell)
}

/// Whether an owner of divergent copies is neither linked nor was told recently.
fn is_to_be_told<V>(owner: &MemberId, cx: &Context, links: &Links<V>, divergent: &DivergentCopies) -> bool {
    *owner != cx.me && !links.contains_key(owner) && !divergent.was_told(owner, cx.now.time)
}
