//! Timestamps that an own shard never used: pauses between writes, and jumps of the clock.
//!
//! A clock that jumps ahead leaves a pause before its first write. When the clock is correct again, the pause
//! around the bound shows the last head that others may have accepted, and where the heads begin that nobody
//! has.

use crate::{
    codec::{DecodeError, Reader, Writer},
    id::MemberId,
    time::{SECOND, Timestamp},
};
use alloc::{collections::BTreeMap, vec::Vec};

/// The latest pauses of an own shard in each size class, in ascending order.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(in crate::engine) struct Pauses(Vec<Pause>);

/// No item has a timestamp after the first and before the second.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Pause(Timestamp, Timestamp);

/// Shorter pauses are not recorded.
const PAUSE_MICROS_MIN: u64 = 10 * SECOND;
/// Most pauses that are kept in each size class; each class is twice as long as the one before. So frequent
/// short pauses do not displace rare long ones, and vice versa.
const PER_CLASS_MAX: usize = 8;
const CLASSES_MAX: usize = 64 - PAUSE_MICROS_MIN.ilog2() as usize;

impl Pauses {
    /// Records that writes continue at `first` after `last`, if the pause is long enough. Returns whether it
    /// was recorded.
    pub(super) fn record(&mut self, last: Timestamp, first: Timestamp) -> bool {
        let pause = Pause(last, first);
        if pause.micros() < PAUSE_MICROS_MIN {
            return false;
        }
        let class = |pause: &Pause| pause.micros().ilog2();
        let mut same = self.0.iter().enumerate().filter(|(_, other)| class(other) == class(&pause));
        let oldest = same.next().map(|(at, _)| at);
        if let Some(oldest) = oldest.filter(|_| same.count() + 1 >= PER_CLASS_MAX) {
            self.0.remove(oldest);
        }
        self.0.push(pause);
        true
    }

    /// The last timestamp up to `at` that may have been used, and the first one after it; `None` if `at`
    /// itself may have been used.
    pub(in crate::engine) fn around(&self, at: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let around = |Pause(last, first): &Pause| *last <= at && at < *first;
        self.0.iter().rev().copied().find(around).map(|Pause(last, first)| (last, first))
    }

    /// The spans between `from` and `to` in which timestamps may have been used, both ends included.
    pub(in crate::engine) fn used(&self, from: Timestamp, to: Timestamp) -> Vec<(Timestamp, Timestamp)> {
        let (mut used, mut begins) = (Vec::new(), from);
        for Pause(last, first) in self.0.iter().filter(|Pause(last, first)| *last >= from && *first <= to) {
            used.push((begins, *last));
            begins = *first;
        }
        used.push((begins, to));
        used
    }

    /// Forgets pauses after `at`.
    pub(super) fn forget_after(&mut self, at: Timestamp) {
        self.0.retain(|Pause(_, first)| *first <= at);
    }

    fn encode(&self, out: &mut Writer) {
        out.list(&self.0, |out, Pause(last, first)| {
            out.fixed(last.0).fixed(first.0);
        });
    }

    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let pause = |input: &mut Reader<'_>| Ok(Pause(Timestamp(input.fixed()?), Timestamp(input.fixed()?)));
        Ok(Self(input.list("pauses", CLASSES_MAX * PER_CLASS_MAX, pause)?))
    }
}

/// Encodes the pauses of all own shards.
pub(super) fn encode_all<'a>(shards: impl Iterator<Item = (MemberId, &'a Pauses)>) -> Vec<u8> {
    let shards: Vec<_> = shards.collect();
    let mut out = Writer::new();
    out.list(&shards, |out, (owner, pauses)| {
        out.id(owner);
        pauses.encode(out);
    });
    out.finish()
}

/// Decodes what [`encode_all`] wrote.
pub(super) fn decode_all(bytes: &[u8]) -> Result<BTreeMap<MemberId, Pauses>, DecodeError> {
    let mut input = Reader::new(bytes);
    let shards = input.list("own shards", 2, |input| Ok((input.id()?, Pauses::decode(input)?)))?;
    input.end()?;
    Ok(shards.into_iter().collect())
}

impl Pause {
    fn micros(self) -> u64 {
        self.1.0.saturating_sub(self.0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Timestamp {
        Timestamp(seconds * SECOND)
    }

    #[test]
    fn a_jump_is_found_after_many_other_pauses() {
        let mut pauses = Pauses::default();
        assert!(!pauses.record(at(0), at(9)), "short ones are not recorded");
        let jumps = [(100, 140), (140, 440), (440, 63_072_000)];
        assert!(jumps.iter().all(|(last, first)| pauses.record(at(*last), at(*first))));
        for n in 0..1_000 {
            pauses.record(at(63_072_000 + n * 7_200), at(63_072_000 + n * 7_200 + 3_600));
        }
        assert_eq!(pauses.around(at(3_700)), Some((at(440), at(63_072_000))));
        assert_eq!(pauses.around(at(440)), Some((at(440), at(63_072_000))), "its first timestamp was used");
        assert_eq!(pauses.around(at(439)), Some((at(140), at(440))));
        assert_eq!(pauses.around(at(63_072_001)), None, "forgotten: it may have been used");
        assert!(pauses.0.len() <= 4 * PER_CLASS_MAX);
        assert!(pauses.0.is_sorted_by_key(|Pause(last, _)| *last));
        assert_eq!(
            pauses.used(at(440), at(63_072_000)),
            [(at(440), at(440)), (at(63_072_000), at(63_072_000))]
        );
        let used = [(at(141), at(440)), (at(63_072_000), at(63_072_005))];
        assert_eq!(pauses.used(at(141), at(63_072_005)), used);
        pauses.forget_after(at(440));
        assert_eq!(pauses.around(at(3_700)), None);
        assert_eq!(pauses.around(at(200)), Some((at(140), at(440))));
    }

    #[test]
    fn pauses_survive_their_bytes_in_any_number() {
        let mut pauses = Pauses::default();
        let mut last = Timestamp(1);
        for class in PAUSE_MICROS_MIN.ilog2() + 1..63 {
            for _ in 0..20 {
                let Some(first) = last.0.checked_add(1 << class.min(58)) else { break };
                pauses.record(last, Timestamp(first));
                last = Timestamp(first);
            }
        }
        assert!(pauses.0.len() > 20 * PER_CLASS_MAX);
        let mut out = Writer::new();
        pauses.encode(&mut out);
        assert_eq!(Pauses::decode(&mut Reader::new(&out.finish())), Ok(pauses));
    }
}
