//! When members have something to do.

use datafan_core::time::Time;

/// A time for each member, and the earliest of them: a tree in which each node has the earlier of the two
/// times below.
pub(super) struct Wakes {
    /// The root is at 1, the children of `i` at `2 * i` and `2 * i + 1`, and members at the end. Its length
    /// is a power of two.
    times: Vec<Time>,
}

impl Wakes {
    /// For no members.
    pub fn new() -> Self {
        Self { times: vec![Time::NEVER; 2] }
    }

    /// Sets when a member has something to do.
    pub fn set(&mut self, member: usize, time: Time) {
        while member >= self.n() {
            let mut larger = Self { times: vec![Time::NEVER; 4 * self.n()] };
            (0..self.n()).for_each(|member| larger.set(member, self.times[self.n() + member]));
            *self = larger;
        }
        let mut at = self.n() + member;
        self.times[at] = time;
        while at > 1 {
            at /= 2;
            let earlier = self.times[2 * at].min(self.times[2 * at + 1]);
            if std::mem::replace(&mut self.times[at], earlier) == earlier {
                return;
            }
        }
    }

    /// The earliest time.
    pub fn next(&self) -> Time {
        self.times[1]
    }

    /// Adds the members that are due to `due`, ascending.
    pub fn due(&self, now: Time, due: &mut Vec<usize>) {
        self.due_below(1, now, due);
    }

    fn due_below(&self, at: usize, now: Time, due: &mut Vec<usize>) {
        if self.times[at] > now {
            return;
        }
        match at.checked_sub(self.n()) {
            Some(member) => due.push(member),
            None => [2 * at, 2 * at + 1].into_iter().for_each(|at| self.due_below(at, now, due)),
        }
    }

    /// Number of members for which there is room.
    fn n(&self) -> usize {
        self.times.len() / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafan_testkit::rng::Rng;

    #[test]
    fn whoever_is_due_is_found() {
        let (mut wakes, mut rng, mut plain) = (Wakes::new(), Rng::new(1), [Time::NEVER; 21]);
        assert_eq!(wakes.next(), Time::NEVER);
        for _ in 0..1_000 {
            let (member, time) = (rng.below(21) as usize, Time(rng.below(100)));
            wakes.set(member, time);
            plain[member] = time;
            let now = Time(rng.below(100));
            let mut due = Vec::new();
            wakes.due(now, &mut due);
            assert!((0..21).filter(|member| plain[*member] <= now).eq(due));
            assert_eq!(wakes.next(), *plain.iter().min().unwrap());
        }
    }
}
