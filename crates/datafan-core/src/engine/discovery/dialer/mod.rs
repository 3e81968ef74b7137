//! The dialler: whom to dial, when, and which dials are under way.
//!
//! It knows nothing about shards or links: the engine (`dial.rs`) provides the candidates and reports events.
//! A dial tries all addresses of one member ([`Attempt`]). A user address is not bound to the member that was
//! found there: each dial resolves it again.

mod attempt;
mod lost;
mod slow;
mod target;
#[cfg(test)]
mod tests;

pub(in crate::engine) use slow::{Pool, pause_micros};
pub(in crate::engine) use target::{Endpoint, Target, Why};

use crate::{
    connector::Address,
    id::MemberId,
    limits::USER_ADDRESSES_MAX,
    rng::Rng,
    time::{MILLI, SECOND, Time},
};
use alloc::{
    collections::BTreeMap,
    string::{String, ToString},
    vec::Vec,
};
use attempt::{Attempt, Ended};
use lost::LostLinks;
use slow::Slow;

/// Targets to dial, and the results of dials.
#[derive(Default)]
pub(in crate::engine) struct Dialer {
    users: BTreeMap<Endpoint, User>,
    members: BTreeMap<MemberId, Tried>,
    lost: LostLinks,
    slow: Slow,
    attempts: Vec<Attempt>,
    /// Since when peers refuse this member as not admitted.
    pending_since: Option<Time>,
    /// When the next dial may begin or end, unless something changes.
    quiet_until: Time,
}

/// The results of dials of one target.
#[derive(Clone, Default)]
pub(in crate::engine) struct Tried {
    /// The earliest next dial that is made because there are too few links.
    next: Time,
    /// The earliest next slow dial.
    rests_until: Time,
    /// Consecutive failed dials.
    failures: u32,
    /// Consecutive links that were up but did not last; see [`Tried::on_ended`].
    short_lived: u32,
    /// The last error.
    error: Option<String>,
}

impl Tried {
    /// A link that was up for `up_micros` ended. A link that did not last counts as a failed dial; otherwise
    /// two processes with one key would take each other's links all the time. A link lasts if it is up for
    /// [`LASTS_MICROS`] and for twice the pause that its end causes.
    fn on_ended(&mut self, up_micros: u64) {
        let lasted = up_micros >= LASTS_MICROS.max(2 * wait_micros(self.short_lived));
        self.failures = if lasted { 0 } else { self.short_lived };
        self.short_lived = if lasted { 0 } else { self.short_lived.saturating_add(1) };
    }
}

/// What the dialler looks for.
#[derive(Clone, Copy)]
pub(in crate::engine) struct Looking {
    /// There are too few links.
    pub(in crate::engine) minimum: bool,
    /// Whether members are dialled, not only user addresses.
    pub(in crate::engine) discovers: bool,
}

#[derive(Default)]
struct User {
    tried: Tried,
    /// The user just gave this address, so it is dialled at once, regardless of the number of links.
    is_new: bool,
    /// The member that was last found there.
    found: Option<MemberId>,
}

/// A target that was dialled, for people.
pub(in crate::engine) struct Shown<'a> {
    pub(in crate::engine) target: Target,
    /// The address that was last tried, if known.
    pub(in crate::engine) address: Option<&'a Address>,
    /// A dial is under way.
    pub(in crate::engine) dialling: bool,
    /// The last error.
    pub(in crate::engine) error: Option<&'a str>,
}

/// The first wait after a failed dial; it doubles up to [`WAIT_MICROS_MAX`].
const WAIT_MICROS_MIN: u64 = 250 * MILLI;
const WAIT_MICROS_MAX: u64 = 30 * SECOND;
/// A link that was up for a shorter time did not last.
const LASTS_MICROS: u64 = 5 * SECOND;
/// Pause before a member that was refused as not admitted tries again. After [`PENDING_SOON_MICROS`], the
/// pause is [`PENDING_LATER_MICROS`].
const PENDING_MICROS: u64 = 2 * SECOND;
const PENDING_SOON_MICROS: u64 = 600 * SECOND;
const PENDING_LATER_MICROS: u64 = 10 * SECOND;

impl Dialer {
    /// When the next dial may begin or end, unless something changes.
    pub(in crate::engine) fn quiet_until(&self) -> Time {
        self.quiet_until
    }

    /// Something changed, so dials have to be checked.
    pub(in crate::engine) fn request_check(&mut self) {
        self.quiet_until = Time(0);
    }

    /// Adds an address that the user gave, which is dialled at once. False if there are too many.
    pub(in crate::engine) fn add_user(&mut self, place: Endpoint) -> bool {
        if self.users.len() >= USER_ADDRESSES_MAX && !self.users.contains_key(&place) {
            return false;
        }
        let user = self.users.entry(place).or_default();
        (user.is_new, user.tried) = (true, Tried::default());
        self.request_check();
        true
    }

    /// The user addresses, with the member that was last found at each.
    pub(in crate::engine) fn users(&self) -> impl Iterator<Item = (&Endpoint, Option<MemberId>)> {
        self.users.iter().map(|(place, user)| (place, user.found))
    }

    /// The first new user address.
    pub(in crate::engine) fn new_user(&self) -> Option<Target> {
        let new = self.users.iter().find(|(_, user)| user.is_new);
        new.map(|(place, _)| Target::User(place.clone()))
    }

    /// Whether a target may be dialled because there are too few links.
    pub(in crate::engine) fn is_due(&self, target: &Target, now: Time) -> bool {
        self.tried(target).is_none_or(|tried| tried.next <= now) && self.may_dial(target)
    }

    /// Whether a target may be dialled slowly.
    pub(in crate::engine) fn may_dial_slowly(&self, target: &Target, now: Time) -> bool {
        let member = match target {
            Target::Member(member) => Some(*member),
            // Do not reach a resting member through a user address either.
            Target::User(place) => self.users.get(place).and_then(|user| user.found),
        };
        let tried = member.and_then(|member| self.members.get(&member));
        tried.is_none_or(|tried| tried.rests_until <= now) && self.may_dial(target)
    }

    /// Whether a target may be dialled at all: no dial of it is under way.
    fn may_dial(&self, target: &Target) -> bool {
        self.attempts.iter().all(|attempt| attempt.target() != target)
    }

    /// Whether `member` is being dialled.
    pub(in crate::engine) fn is_dialling(&self, member: &MemberId) -> bool {
        !self.may_dial(&Target::Member(*member))
    }

    /// Makes no slow dial to `member` before `until`, because its link was surplus.
    pub(in crate::engine) fn postpone_slow_dial(&mut self, member: &MemberId, until: Time) {
        self.members.entry(*member).or_default().rests_until = until;
    }

    fn tried(&self, target: &Target) -> Option<&Tried> {
        match target {
            Target::Member(member) => self.members.get(member),
            Target::User(place) => self.users.get(place).map(|user| &user.tried),
        }
    }

    /// How many dials are under way.
    pub(in crate::engine) fn n_under_way(&self) -> usize {
        self.attempts.len()
    }

    /// How many dials under way were begun for this reason.
    pub(in crate::engine) fn n_for(&self, why: Why) -> usize {
        self.attempts.iter().filter(|attempt| attempt.why() == why).count()
    }

    /// The lost link to dial next, if it is time and no lost link is being dialled.
    pub(in crate::engine) fn due_lost(&self, now: Time) -> Option<MemberId> {
        if self.n_for(Why::Lost) > 0 {
            return None;
        }
        self.lost.due(now).find(|member| !self.is_dialling(member))
    }

    /// The pool of the next slow dial, if it is time and none is under way.
    pub(in crate::engine) fn due_slow(&self, now: Time) -> Option<Pool> {
        (self.slow.next() <= now && self.n_for(Why::Slow) == 0).then(|| self.slow.pool())
    }

    /// Starts the pause after a slow dial.
    pub(in crate::engine) fn pause_slow(&mut self, pause_micros: u64, now: Time, rng: &mut Rng) {
        self.slow.begin(now, pause_micros, rng);
    }

    /// Shortens the pause between slow dials, if it became shorter.
    pub(in crate::engine) fn shorten_slow_pause(&mut self, pause_micros: u64, now: Time, rng: &mut Rng) {
        self.slow.shorten_pause(now, pause_micros, rng);
    }

    /// Begins to dial. `addresses` are tried in this order.
    pub(in crate::engine) fn begin(
        &mut self,
        target: Target,
        addresses: Vec<Address>,
        why: Why,
        now: Time,
        rng: &mut Rng,
    ) {
        match &target {
            Target::Member(member) => {
                self.remember(member);
                self.lost.dialled(member, now, rng);
            }
            Target::User(place) => {
                if let Some(user) = self.users.get_mut(place) {
                    user.is_new = false;
                }
            }
        }
        if addresses.is_empty() {
            self.fail(&target, "it has published no address".into(), now, rng);
        } else {
            self.attempts.push(Attempt::new(target, addresses, why, now));
        }
    }

    /// Calls `dial` with the addresses whose turn it is, and gives up dials that took too long.
    pub(in crate::engine) fn step(&mut self, now: Time, rng: &mut Rng, mut dial: impl FnMut(Endpoint)) {
        for attempt in &mut self.attempts {
            attempt.step(now, &mut dial);
        }
        self.remove_failed(now, rng);
    }

    /// A dial of one address failed.
    pub(in crate::engine) fn on_failed(&mut self, place: &Endpoint, error: &str, now: Time, rng: &mut Rng) {
        self.request_check();
        for attempt in &mut self.attempts {
            attempt.on_failed(place, error, now);
        }
        self.remove_failed(now, rng);
    }

    /// A dial of one address found `peer`, which is linked.
    pub(in crate::engine) fn on_found(&mut self, place: &Endpoint, peer: MemberId, now: Time) {
        self.request_check();
        self.attempts.retain(|attempt| !attempt.has_dialled(place));
        if let Some(user) = self.users.get_mut(place) {
            let short_lived = user.tried.short_lived;
            (user.found, user.tried) = (Some(peer), Tried { next: now, short_lived, ..Tried::default() });
        }
    }

    /// A link to `peer` is up; `dialled` is the address that led there, if we dialled.
    pub(in crate::engine) fn on_up(&mut self, peer: &MemberId, dialled: Option<&Address>, now: Time) {
        self.request_check();
        self.attempts.retain(|attempt| *attempt.target() != Target::Member(*peer));
        let places: Vec<Endpoint> = dialled
            .into_iter()
            .flat_map(|address| [(None, address.clone()), (Some(*peer), address.clone())])
            .collect();
        for place in places {
            self.on_found(&place, *peer, now);
        }
    }

    /// The link to `peer` is up, so its failures are forgotten.
    pub(in crate::engine) fn on_ready(&mut self, peer: &MemberId) {
        self.request_check();
        self.pending_since = None;
        if let Some(tried) = self.members.get_mut(peer) {
            let Tried { rests_until, short_lived, .. } = *tried;
            *tried = Tried { rests_until, short_lived, ..Tried::default() };
        }
        self.lost.found(peer);
    }

    /// `peer`, whose link is about to go down, is a member: it will be dialled again by its id.
    pub(in crate::engine) fn remember(&mut self, peer: &MemberId) {
        self.members.entry(*peer).or_default();
    }

    /// The link to `peer` is gone. It is not dialled again at once. `up_micros` is how long it was up, if it
    /// was.
    pub(in crate::engine) fn on_down(
        &mut self,
        peer: &MemberId,
        up_micros: Option<u64>,
        error: &str,
        now: Time,
        rng: &mut Rng,
    ) {
        self.request_check();
        for target in self.targets_of(peer) {
            if let (Some(up_micros), Some(tried)) = (up_micros, self.tried_mut(&target)) {
                tried.on_ended(up_micros);
            }
            self.fail(&target, error.to_string(), now, rng);
        }
    }

    /// A link to `peer` that was up was lost.
    pub(in crate::engine) fn on_lost(&mut self, peer: &MemberId, now: Time, rng: &mut Rng) {
        self.request_check();
        let not_before = self.members.get(peer).map_or(now, |tried| tried.next);
        self.lost.add_lost(*peer, not_before, now, rng);
    }

    /// The pending `peer` was admitted.
    pub(in crate::engine) fn on_admitted(&mut self, peer: &MemberId, now: Time) {
        self.request_check();
        self.members.remove(peer);
        self.lost.add_due(*peer, now);
    }

    /// `peer` refused us because we are not admitted yet. Tries again soon, so that an admission takes effect
    /// at once.
    pub(in crate::engine) fn on_pending(&mut self, peer: &MemberId, now: Time, rng: &mut Rng) {
        self.request_check();
        let since = *self.pending_since.get_or_insert(now);
        let wait = if now < since.after(PENDING_SOON_MICROS) { PENDING_MICROS } else { PENDING_LATER_MICROS };
        let next = now.after(rng.jitter(wait));
        for target in self.targets_of(peer) {
            if let Some(tried) = self.tried_mut(&target) {
                (tried.next, tried.failures) = (next, 0);
            }
        }
    }

    /// `peer` published other addresses, so failures at the old ones do not count.
    pub(in crate::engine) fn on_moved(&mut self, peer: &MemberId) {
        self.request_check();
        if let Some(tried) = self.members.get_mut(peer) {
            (tried.next, tried.failures) = (Time(0), 0);
        }
    }

    /// Forgets a member that is no longer active.
    pub(in crate::engine) fn forget(&mut self, member: &MemberId) {
        self.request_check();
        self.members.remove(member);
        self.lost.found(member);
    }

    /// Computes when the next dial may begin or end. `minimum` says whether there are too few links,
    /// `discovers` whether members are dialled in addition to user addresses.
    pub(in crate::engine) fn update_quiet_until(
        &mut self,
        Looking { minimum, discovers }: Looking,
        now: Time,
    ) {
        let attempts = self.attempts.iter().map(Attempt::wakes_at);
        let lost = if self.n_for(Why::Lost) > 0 { Time::NEVER } else { self.lost.next(now) };
        let members = self.members.values();
        let tried = self.users.values().map(|user| &user.tried).chain(members).filter(|_| minimum);
        let tried = tried.map(|tried| tried.next).filter(|next| *next > now);
        let slow = if self.n_for(Why::Slow) > 0 { Time::NEVER } else { self.slow.next() };
        let own = [lost, slow].into_iter().filter(|_| discovers);
        self.quiet_until = attempts.chain(own).chain(tried).min().unwrap_or(Time::NEVER);
    }

    /// Targets that are being dialled, or whose last dial failed.
    pub(in crate::engine) fn shown(&self) -> Vec<Shown<'_>> {
        let under_way = self.attempts.iter().map(|attempt| Shown {
            target: attempt.target().clone(),
            address: attempt.address(),
            dialling: true,
            error: self.tried(attempt.target()).and_then(|tried| tried.error.as_deref()),
        });
        let members = self.members.iter().map(|(member, tried)| (Target::Member(*member), tried));
        let users = self.users.iter().map(|(place, user)| (Target::User(place.clone()), &user.tried));
        let idle = members.chain(users).filter(|(target, tried)| {
            let is_idle = self.attempts.iter().all(|attempt| attempt.target() != target);
            is_idle && tried.error.is_some()
        });
        let idle = idle.map(|(target, tried)| {
            let address = match &target {
                Target::Member(_) => None,
                Target::User(place) => self.users.get_key_value(place).map(|((_, address), _)| address),
            };
            Shown { target, address, dialling: false, error: tried.error.as_deref() }
        });
        under_way.chain(idle).collect()
    }

    /// The targets that lead to `peer`: the member itself, and user addresses where it was found.
    fn targets_of(&self, peer: &MemberId) -> Vec<Target> {
        let users = self.users.iter().filter(|(_, user)| user.found == Some(*peer));
        let users = users.map(|(place, _)| Target::User(place.clone()));
        let member = self.members.get_key_value(peer).map(|(peer, _)| Target::Member(*peer));
        member.into_iter().chain(users).collect()
    }

    fn tried_mut(&mut self, target: &Target) -> Option<&mut Tried> {
        match target {
            Target::Member(member) => Some(self.members.entry(*member).or_default()),
            Target::User(place) => self.users.get_mut(place).map(|user| &mut user.tried),
        }
    }

    /// Removes failed dials.
    fn remove_failed(&mut self, now: Time, rng: &mut Rng) {
        let mut at = 0;
        while let Some(attempt) = self.attempts.get(at) {
            match attempt.ended(now) {
                Ended::No => at += 1,
                Ended::Failed(error) => {
                    let target = self.attempts.remove(at).into_target();
                    self.fail(&target, error, now, rng);
                }
            }
        }
    }

    fn fail(&mut self, target: &Target, error: String, now: Time, rng: &mut Rng) {
        let Some(tried) = self.tried_mut(target) else { return };
        tried.next = now.after(rng.jitter(wait_micros(tried.failures)));
        tried.failures = tried.failures.saturating_add(1);
        tried.error = Some(error);
    }
}

/// The pause after one more failure than `failures`.
fn wait_micros(failures: u32) -> u64 {
    (WAIT_MICROS_MIN << failures.min(7)).min(WAIT_MICROS_MAX)
}
