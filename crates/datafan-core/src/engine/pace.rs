//! How fast an owner is followed: so much in each interval, and beyond it only its newest head, at the interval's end. What
//! came at once and was more is held against the intervals that follow. Who has signed what cannot be loses push, and is
//! followed once per round.

use super::{Engine, fetch::Learned, owners::Owner};
use crate::{
    head::Head,
    id::MemberId,
    limits::INVALID_OWNERS_MAX,
    store::Store,
    time::{MILLI, SECOND, Time},
};
use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

/// The rates of a second are kept in each of its tenths: who goes beyond them is behind by no more.
const INTERVAL_MICROS: u64 = 100 * MILLI;

/// What owners have used of the present interval, which ends in the present call or after it.
#[derive(Default)]
pub(super) struct Pace {
    ends: Time,
    /// Who has used something of it.
    used: BTreeMap<MemberId, Used>,
    /// Somebody waits for its end.
    waits: bool,
    /// The newest heads of intervals that are over, and who told of them.
    late: Vec<(Head, MemberId)>,
    /// Who has signed a head whose content breaks a rule.
    invalid: InvalidOwners,
}

/// Owners, at most [`INVALID_OWNERS_MAX`]: those beyond are treated as if they had signed nothing wrong.
#[derive(Default)]
struct InvalidOwners(BTreeSet<MemberId>);

impl InvalidOwners {
    fn insert(&mut self, owner: &MemberId) {
        if self.0.len() < INVALID_OWNERS_MAX {
            self.0.insert(*owner);
        }
    }

    fn has(&self, owner: &MemberId) -> bool {
        self.0.contains(owner)
    }
}

#[derive(Default)]
struct Used {
    heads: u64,
    bytes: u64,
    /// The newest head beyond the rate. Its signature is not verified yet: that is what the rate is for.
    newest: Option<Box<(Head, MemberId)>>,
}

impl Pace {
    /// Begins another interval if the last one is over. Who used more bytes than `share` of one has the rest to come.
    fn turn(&mut self, now: Time, share: u64) {
        if self.ends > now {
            return;
        }
        let n_over = 1 + (now.0 - self.ends.0) / INTERVAL_MICROS;
        let late = &mut self.late;
        self.used.retain(|_, used| {
            late.extend(used.newest.take().map(|newest| *newest));
            used.heads = 0;
            used.bytes = used.bytes.saturating_sub(share.saturating_mul(n_over));
            used.bytes > 0
        });
        self.ends = now.after(INTERVAL_MICROS);
        self.waits = false;
    }

    /// When somebody who waits goes on.
    pub(super) fn wakes_at(&self) -> Time {
        match (self.late.is_empty(), self.waits) {
            (false, _) => Time(0),
            (true, true) => self.ends,
            (true, false) => Time::NEVER,
        }
    }
}

impl<S: Store> Engine<S> {
    /// At the beginning of each call.
    pub(super) fn turn_pace(&mut self) {
        if self.pace.ends <= self.cx.now.time && !self.pace.used.is_empty() {
            self.pace.turn(self.cx.now.time, share(self.cx.config.owner_bytes_max));
        }
    }

    /// Counts what was taken in of an owner: heads whose signature is good, bytes of its items.
    pub(super) fn note_used(&mut self, owner: &MemberId, heads: u64, bytes: u64) {
        if self.pace.used.is_empty() {
            self.pace.ends = self.cx.now.time.after(INTERVAL_MICROS);
        }
        let used = self.pace.used.entry(*owner).or_default();
        used.heads = used.heads.saturating_add(heads);
        used.bytes = used.bytes.saturating_add(bytes);
    }

    /// The end of the interval, if the owner has used up what it may in it.
    pub(super) fn paused_until(&self, owner: &MemberId) -> Option<Time> {
        let used = self.pace.used.get(owner)?;
        let heads = used.heads >= share(self.cx.config.owner_heads_max);
        let bytes = used.bytes >= share(self.cx.config.owner_bytes_max);
        (heads || bytes).then_some(self.pace.ends)
    }

    /// Whether so many bytes more are beyond what the owner may have in the interval.
    pub(super) fn would_exceed(&self, owner: &MemberId, bytes: u64) -> bool {
        let used = self.pace.used.get(owner).map_or(0, |used| used.bytes);
        used.saturating_add(bytes) >= share(self.cx.config.owner_bytes_max)
    }

    /// As [`Engine::paused_until`], and the engine wakes then.
    pub(super) fn pause(&mut self, owner: &MemberId) -> Option<Time> {
        let until = self.paused_until(owner)?;
        self.pace.waits = true;
        Some(until)
    }

    /// Holds news of an owner back that came unasked and beyond its rate; of several the newest.
    pub(super) fn hold_back(&mut self, from: MemberId, head: &Head) -> bool {
        let held = self.owners.get(&head.owner).map_or(Default::default(), Owner::timestamp);
        if head.timestamp <= held || self.cx.is_own(&head.owner) || self.pause(&head.owner).is_none() {
            return false;
        }
        self.cx.stats.refuse("over_rate");
        let used = self.pace.used.entry(head.owner).or_default();
        if used.newest.as_ref().is_none_or(|newest| newest.0.order() < head.order()) {
            used.newest = Some(Box::new((*head, from)));
        }
        true
    }

    /// Learns of what was held back, once its interval is over.
    pub(super) fn end_interval(&mut self) {
        for (head, from) in core::mem::take(&mut self.pace.late) {
            if !self.links.contains_key(&from) || self.links.is_penalized(&from, self.cx.time()) {
                continue;
            }
            if self.learn(from, &head, self.cx.now.time) == Learned::Older {
                self.cx.stats.refuse("stale_head");
            }
        }
    }

    /// An owner has signed what cannot be.
    pub(super) fn note_void(&mut self, owner: &MemberId) {
        self.pace.invalid.insert(owner);
    }

    /// Whether an owner's commits come with the rounds only. The roster's come at once, whoever signed it.
    pub(super) fn has_lost_push(&self, owner: &MemberId) -> bool {
        self.forks.has(owner) || self.pace.invalid.has(owner) && *owner != self.cx.config.mesh.authority()
    }
}

/// What of a rate per second falls to an interval.
fn share(per_second: u64) -> u64 {
    (per_second / (SECOND / INTERVAL_MICROS)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_owners_are_remembered_than_there_may_be() {
        let mut owners = InvalidOwners::default();
        let id = |n: usize| {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&(n as u64).to_be_bytes());
            MemberId(id)
        };
        (0..INVALID_OWNERS_MAX + 9).for_each(|n| owners.insert(&id(n)));
        assert_eq!(owners.0.len(), INVALID_OWNERS_MAX);
        assert!(owners.has(&id(0)) && !owners.has(&id(INVALID_OWNERS_MAX)));
    }
}
