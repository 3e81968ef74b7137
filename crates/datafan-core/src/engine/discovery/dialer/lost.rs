//! Lost links, which are dialled again for a while.

use crate::{
    id::MemberId,
    limits::LINKS_MAX,
    rng::Rng,
    time::{SECOND, Time},
};
use alloc::collections::BTreeMap;

/// Members whose link was lost, or that were just admitted. They are dialled again after 1, 2, 4, 8, then
/// every 10 s, for five minutes, regardless of the number of links.
#[derive(Default)]
pub(super) struct LostLinks(BTreeMap<MemberId, Lost>);

struct Lost {
    n_dials: usize,
    next: Time,
    until: Time,
}

const WAITS: [u64; 5] = [SECOND, 2 * SECOND, 4 * SECOND, 8 * SECOND, 10 * SECOND];
const LOST_MICROS: u64 = 300 * SECOND;
/// Most members that are remembered; beyond that, the one lost first is forgotten.
const LOST_MAX: usize = LINKS_MAX;

impl LostLinks {
    /// A link to `member` was lost.
    pub(super) fn add_lost(&mut self, member: MemberId, not_before: Time, now: Time, rng: &mut Rng) {
        self.insert(member, now, now.after(rng.jitter(WAITS[0])).max(not_before));
    }

    /// `member` is dialled now.
    pub(super) fn add_due(&mut self, member: MemberId, now: Time) {
        self.insert(member, now, now);
    }

    fn insert(&mut self, member: MemberId, now: Time, next: Time) {
        self.0.insert(member, Lost { n_dials: 0, next, until: now.after(LOST_MICROS) });
        if self.0.len() > LOST_MAX {
            let first = self.0.iter().min_by_key(|(_, lost)| lost.until).map(|(member, _)| *member);
            first.map(|first| self.0.remove(&first));
        }
    }

    /// `member` is linked, or no longer active.
    pub(super) fn found(&mut self, member: &MemberId) {
        self.0.remove(member);
    }

    /// Members that are due, longest waiting first.
    pub(super) fn due(&self, now: Time) -> impl Iterator<Item = MemberId> {
        let due = self.0.iter().filter(|(_, lost)| lost.next <= now && now < lost.until);
        let mut due: alloc::vec::Vec<_> = due.map(|(member, lost)| (lost.next, *member)).collect();
        due.sort_unstable();
        due.into_iter().map(|(_, member)| member)
    }

    /// `member` is being dialled.
    pub(super) fn dialled(&mut self, member: &MemberId, now: Time, rng: &mut Rng) {
        self.0.retain(|_, lost| now < lost.until);
        if let Some(lost) = self.0.get_mut(member) {
            lost.next = now.after(rng.jitter(WAITS[(lost.n_dials + 1).min(WAITS.len() - 1)]));
            lost.n_dials += 1;
        }
    }

    /// When the next member is due after `now`.
    pub(super) fn next(&self, now: Time) -> Time {
        let next = self.0.values().filter(|lost| lost.next < lost.until).map(|lost| lost.next);
        next.filter(|next| *next > now).min().unwrap_or(Time::NEVER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_link_is_dialled_after_1_2_4_8_then_every_10_seconds_for_5_minutes() {
        let (mut lost, mut rng, member) = (LostLinks::default(), Rng::new(1), MemberId([1; 32]));
        lost.add_lost(member, Time(0), Time(0), &mut rng);
        let (mut now, mut waits) = (Time(0), alloc::vec::Vec::new());
        while lost.next(now) != Time::NEVER {
            let next = lost.next(now);
            waits.push((next.0 - now.0) as f64 / SECOND as f64);
            now = next;
            assert_eq!(lost.due(now).collect::<alloc::vec::Vec<_>>(), [member]);
            lost.dialled(&member, now, &mut rng);
            assert_eq!(lost.due(now).count(), 0);
        }
        for (wait, expected) in waits.iter().zip([1., 2., 4., 8., 10., 10., 10.]) {
            assert!((wait - expected).abs() <= expected / 4., "{waits:?}");
        }
        assert!((28..=40).contains(&waits.len()), "about five minutes of dials: {}", waits.len());
    }

    #[test]
    fn a_linked_member_is_not_dialled_and_there_is_a_limit() {
        let mut lost = LostLinks::default();
        for n in 0..=LOST_MAX as u8 {
            lost.add_due(MemberId([n; 32]), Time(u64::from(n)));
        }
        assert_eq!((lost.0.len(), lost.due(Time(SECOND)).next()), (LOST_MAX, Some(MemberId([1; 32]))));
        lost.found(&MemberId([1; 32]));
        assert_eq!(lost.due(Time(SECOND)).next(), Some(MemberId([2; 32])));
    }
}
