//! Rate limit per owner: a fixed amount in each interval, and beyond it only the newest head at the end of
//! the interval. An excess counts against the following intervals.

use crate::{
    engine::config::Config,
    head::Head,
    id::MemberId,
    time::{MILLI, SECOND, Time},
};
use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};

/// Rates per second are enforced in intervals of a tenth of a second, so an owner beyond its limit is delayed
/// by no more than that.
const INTERVAL_MICROS: u64 = 100 * MILLI;

/// What owners used of the current interval, which ends in this call or later.
#[derive(Default)]
pub(super) struct RateLimits {
    ends: Time,
    /// Owners that used something of it.
    used: BTreeMap<MemberId, Used>,
    /// Whether an owner waits for its end.
    waits: bool,
    /// The newest heads of past intervals, with the peers that announced them.
    late: Vec<(Head, MemberId)>,
}

#[derive(Default)]
struct Used {
    heads: u64,
    bytes: u64,
    /// The newest head beyond the limit. Its signature is not verified yet, since the limit also bounds that
    /// cost.
    newest: Option<Box<(Head, MemberId)>>,
}

impl RateLimits {
    /// Begins another interval if the last one is over. An excess of bytes over `share` is carried over.
    fn begin_interval_if_over(&mut self, now: Time, share: u64) {
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

    /// Called at the start of each call.
    pub(super) fn begin_call(&mut self, now: Time, config: &Config) {
        if self.ends <= now && !self.used.is_empty() {
            self.begin_interval_if_over(now, share(config.owner_bytes_max));
        }
    }

    /// Counts verified heads and bytes of items that were accepted from an owner.
    pub(super) fn count(&mut self, owner: &MemberId, heads: u64, bytes: u64, now: Time) {
        if self.used.is_empty() {
            self.ends = now.after(INTERVAL_MICROS);
        }
        let used = self.used.entry(*owner).or_default();
        used.heads = used.heads.saturating_add(heads);
        used.bytes = used.bytes.saturating_add(bytes);
    }

    /// The end of the interval, if the owner has reached its limit.
    pub(super) fn paused_until(&self, owner: &MemberId, config: &Config) -> Option<Time> {
        let used = self.used.get(owner)?;
        let heads = used.heads >= share(config.owner_heads_max);
        let bytes = used.bytes >= share(config.owner_bytes_max);
        (heads || bytes).then_some(self.ends)
    }

    /// Like [`RateLimits::paused_until`], and wakes the engine then.
    pub(super) fn pause(&mut self, owner: &MemberId, config: &Config) -> Option<Time> {
        let until = self.paused_until(owner, config)?;
        self.waits = true;
        Some(until)
    }

    /// Whether this many more bytes would exceed the owner's limit in the interval.
    pub(super) fn would_exceed(&self, owner: &MemberId, bytes: u64, config: &Config) -> bool {
        let used = self.used.get(owner).map_or(0, |used| used.bytes);
        used.saturating_add(bytes) >= share(config.owner_bytes_max)
    }

    /// Holds back a head beyond its owner's limit until the interval is over. Only the newest is kept.
    pub(super) fn hold_back(&mut self, head: &Head, from: MemberId) {
        let used = self.used.entry(head.owner).or_default();
        if used.newest.as_ref().is_none_or(|newest| newest.0.order() < head.order()) {
            used.newest = Some(Box::new((*head, from)));
        }
    }

    /// Whether heads were kept until now.
    pub(super) fn has_late(&self) -> bool {
        !self.late.is_empty()
    }

    /// Takes the heads that were held back, with the peers that announced them.
    pub(super) fn take_late(&mut self) -> Vec<(Head, MemberId)> {
        core::mem::take(&mut self.late)
    }

    /// When waiting owners continue.
    pub(super) fn wakes_at(&self) -> Time {
        match (self.late.is_empty(), self.waits) {
            (false, _) => Time(0),
            (true, true) => self.ends,
            (true, false) => Time::NEVER,
        }
    }
}

/// The share of a rate per second for one interval.
fn share(per_second: u64) -> u64 {
    (per_second / (SECOND / INTERVAL_MICROS)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::{context, head, owner};

    #[test]
    fn beyond_the_rate_only_the_newest_head_is_kept_until_the_interval_ends() {
        let mut config = context().config;
        config.owner_heads_max = 20;
        let (mut limits, now) = (RateLimits::default(), Time(7));
        limits.count(&owner(1), 1, 0, now);
        assert_eq!(limits.pause(&owner(1), &config), None);
        limits.count(&owner(1), 1, 0, now);
        let end = now.after(INTERVAL_MICROS);
        assert_eq!((limits.pause(&owner(1), &config), limits.wakes_at()), (Some(end), end));
        assert_eq!(limits.paused_until(&owner(2), &config), None, "others are not held back");
        [5, 9, 7].iter().for_each(|at| limits.hold_back(&head(owner(1), *at), owner(3)));
        limits.begin_call(Time(end.0 - 1), &config);
        assert!(limits.take_late().is_empty());
        limits.begin_call(end, &config);
        assert_eq!(limits.wakes_at(), Time(0), "held-back heads are due");
        assert_eq!(limits.take_late(), [(head(owner(1), 9), owner(3))]);
        assert_eq!((limits.pause(&owner(1), &config), limits.wakes_at()), (None, Time::NEVER));
    }

    #[test]
    fn an_excess_is_carried_over_to_the_next_intervals() {
        let mut config = context().config;
        config.owner_bytes_max = 1_000;
        let (mut limits, now) = (RateLimits::default(), Time(7));
        assert!(!limits.would_exceed(&owner(1), 99, &config) && limits.would_exceed(&owner(1), 100, &config));
        limits.count(&owner(1), 1, 250, now);
        for interval in 1..=2 {
            let at = now.after(interval * INTERVAL_MICROS);
            limits.begin_call(at, &config);
            let is_paused = limits.paused_until(&owner(1), &config).is_some();
            assert_eq!(is_paused, interval == 1, "100 bytes are allowed in each");
        }
    }
}
