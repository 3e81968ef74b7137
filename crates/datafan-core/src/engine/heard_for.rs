//! For how long the owners of divergent copies were able to learn of them. A copy is kept until its owner was
//! reachable for a week, which is enough time to fetch it. An owner that is away for a year loses nothing.

use crate::{
    codec::{DecodeError, Reader, Writer},
    id::MemberId,
    limits::MEMBERS_MAX,
    time::{SECOND, Time},
};
use alloc::{collections::BTreeMap, vec::Vec};

/// The times of all owners.
#[derive(Default, Debug)]
pub(super) struct HeardFor {
    of: BTreeMap<MemberId, Heard>,
    looked_at: Time,
    /// When the times are next written to disk. A crash loses what was counted since the last write.
    write_at: Time,
    written: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Heard {
    micros: u64,
    /// Whether it was reachable at the last check.
    is_reachable: bool,
}

/// Copies are dropped after this time.
const ENOUGH_MICROS: u64 = 7 * 24 * 3_600 * SECOND;
/// Owners are checked this often.
const LOOK_MICROS: u64 = 60 * SECOND;
const WRITE_MICROS: u64 = 3_600 * SECOND;

impl HeardFor {
    /// Whether a check is due.
    pub(super) fn is_due(&self, now: Time) -> bool {
        self.looked_at.after(LOOK_MICROS) <= now
    }

    /// Counts the time since the last check for owners that were reachable then and are now. `kept` lists all
    /// owners of copies, and whether they are reachable. Returns and forgets the owners that had enough time.
    pub(super) fn count(&mut self, now: Time, kept: &[(MemberId, bool)]) -> Vec<MemberId> {
        let passed = now.0.saturating_sub(self.looked_at.0);
        self.looked_at = now;
        let mut over = Vec::new();
        let mut of = BTreeMap::new();
        for (owner, is_reachable) in kept {
            let mut heard = self.of.get(owner).copied().unwrap_or_default();
            if heard.is_reachable && *is_reachable {
                heard.micros = heard.micros.saturating_add(passed);
            }
            heard.is_reachable = *is_reachable;
            match heard.micros >= ENOUGH_MICROS {
                true => over.push(*owner),
                false => drop(of.insert(*owner, heard)),
            }
        }
        self.written &= of == self.of;
        self.of = of;
        over
    }

    /// There is a new copy, so the time starts again.
    pub(super) fn restart(&mut self, owner: &MemberId) {
        self.written &= self.of.remove(owner).is_none();
    }

    /// The bytes to write to disk, if it is time and something changed.
    pub(super) fn due_bytes(&mut self, now: Time) -> Option<Vec<u8>> {
        if self.written || self.write_at > now || self.of.is_empty() && self.write_at == Time(0) {
            return None;
        }
        (self.written, self.write_at) = (true, now.after(WRITE_MICROS));
        let of: Vec<_> = self.of.iter().collect();
        let mut out = Writer::new();
        out.list(&of, |out, (owner, heard)| {
            out.id(owner).fixed(heard.micros);
        });
        Some(out.finish())
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        let of = input.list("owners of divergent copies", MEMBERS_MAX, |input| {
            Ok((input.id()?, Heard { micros: input.fixed()?, is_reachable: false }))
        })?;
        input.end()?;
        Ok(Self { of: of.into_iter().collect(), ..Self::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600 * SECOND;

    fn id(n: u8) -> MemberId {
        MemberId([n; 32])
    }

    fn hours(n: u64) -> Time {
        Time((n + 1) * HOUR)
    }

    #[test]
    fn a_week_counts_only_while_the_owner_is_reachable() {
        let (mut heard, mut over) = (HeardFor::default(), Vec::new());
        for hour in 0..1_000 {
            assert!(heard.is_due(hours(hour)));
            // One is always there, one every other day, one never.
            let kept = [(id(1), true), (id(2), hour / 24 % 2 == 0), (id(3), false)];
            let kept: Vec<_> =
                kept.into_iter().filter(|(owner, _)| !over.iter().any(|(_, one)| one == owner)).collect();
            over.extend(heard.count(hours(hour), &kept).into_iter().map(|owner| (hour, owner)));
        }
        assert_eq!(over, [(168, id(1)), (343, id(2))]);
    }

    #[test]
    fn a_new_copy_is_kept_for_a_week_of_its_own_and_a_restart_forgets_an_hour() {
        let mut heard = HeardFor::default();
        for hour in 0..160 {
            assert!(heard.count(hours(hour), &[(id(1), true), (id(2), true)]).is_empty());
        }
        heard.restart(&id(2));
        let bytes = heard.due_bytes(hours(160)).expect("it has changed");
        assert_eq!(heard.due_bytes(hours(161)), None);
        let mut heard = HeardFor::decode(&bytes).expect("our own bytes");
        let over: Vec<u64> = (0..400)
            .filter(|hour| !heard.count(hours(*hour), &[(id(1), true), (id(2), true)]).is_empty())
            .collect();
        // 159 hours were counted of the first one; both start again after that.
        assert_eq!(over[..2], [9, 168]);
        assert!(HeardFor::decode(&bytes[1..]).is_err());
    }
}
