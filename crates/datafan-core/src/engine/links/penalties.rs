//! Misbehaving peers: for a while, they are not asked and their data is ignored.

use crate::{
    id::MemberId,
    limits::PENALTIES_MAX,
    time::{SECOND, Time},
};
use alloc::collections::BTreeMap;

/// Misbehaving peers, at most [`PENALTIES_MAX`]. Beyond that, the peer with the fewest violations is
/// forgotten, and among several the one whose penalty ends first. So strangers with ever new keys, with one
/// violation each, displace each other and no repeat offender.
#[derive(Default)]
pub(super) struct Penalties(BTreeMap<MemberId, Penalty>);

#[derive(Clone, Copy)]
struct Penalty {
    times: u32,
    until: Time,
}

impl Penalties {
    /// Penalizes `peer`: twice as long each time, up to ten minutes.
    pub(super) fn add(&mut self, peer: MemberId, now: Time) {
        if !self.0.contains_key(&peer) && self.0.len() >= PENALTIES_MAX {
            self.make_room(now);
        }
        let times = self.0.get(&peer).map_or(0, |penalty| penalty.times);
        let micros = ((5 * SECOND) << times.min(7)).min(600 * SECOND);
        self.0.insert(peer, Penalty { times: times.saturating_add(1), until: now.after(micros) });
    }

    fn make_room(&mut self, now: Time) {
        self.0.retain(|_, penalty| penalty.until > now);
        if self.0.len() >= PENALTIES_MAX {
            let least = self.0.iter().min_by_key(|(_, penalty)| (penalty.times, penalty.until));
            let least = least.map(|(peer, _)| *peer);
            least.map(|least| self.0.remove(&least));
        }
    }

    pub(super) fn is_backed_off(&self, peer: &MemberId, now: Time) -> bool {
        self.0.get(peer).is_some_and(|penalty| penalty.until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> MemberId {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&(n as u64).to_be_bytes());
        MemberId(id)
    }

    #[test]
    fn each_penalty_doubles_the_back_off() {
        let (mut penalties, mut now) = (Penalties::default(), Time(7));
        for seconds in [5, 10, 20, 40, 80, 160, 320, 600, 600] {
            penalties.add(id(1), now);
            assert!(penalties.is_backed_off(&id(1), now.after(seconds * SECOND - 1)));
            now = now.after(seconds * SECOND);
            assert!(!penalties.is_backed_off(&id(1), now));
        }
    }

    #[test]
    fn many_strangers_use_bounded_memory_and_remove_no_active_penalty() {
        let (mut penalties, now) = (Penalties::default(), Time(7));
        (0..2).for_each(|_| penalties.add(id(0), now));
        for n in 1..3 * PENALTIES_MAX {
            penalties.add(id(n), now);
            assert!(penalties.0.len() <= PENALTIES_MAX);
        }
        assert!(penalties.is_backed_off(&id(0), now), "it broke two rules");
        assert!(penalties.is_backed_off(&id(3 * PENALTIES_MAX - 1), now), "the last one too");
        // Expired entries are removed first.
        penalties.add(id(usize::MAX), now.after(9 * SECOND));
        assert_eq!(penalties.0.len(), 2);
    }
}
