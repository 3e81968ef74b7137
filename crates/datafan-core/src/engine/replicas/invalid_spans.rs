//! Spans of timestamps that their owners made invalid: `_sys/restamped`.

use crate::{
    codec::{DecodeError, Reader, Writer},
    id::MemberId,
    time::Timestamp,
};
use alloc::{collections::BTreeMap, vec::Vec};

/// The key of the invalid spans of an owner's timestamps.
pub const RESTAMPED_KEY: &str = "_sys/restamped";

const RESTAMPED_VERSION: u8 = 1;
/// Most invalid spans of one owner. Beyond that, spans that end before its head are dropped, since the head
/// replaces older heads anyway; if there are none, the two closest spans are merged.
const SPANS_MAX: usize = 16;

/// First and last timestamp, both inclusive.
pub(in crate::engine) type Span = (Timestamp, Timestamp);

/// Invalid spans by owner. Most owners have none.
#[derive(Default)]
pub(in crate::engine) struct InvalidSpans(BTreeMap<MemberId, Vec<Span>>);

impl InvalidSpans {
    pub(super) fn set(&mut self, owner: &MemberId, spans: Vec<Span>) {
        match spans.is_empty() {
            true => self.0.remove(owner),
            false => self.0.insert(*owner, spans),
        };
    }

    pub(in crate::engine) fn of(&self, owner: &MemberId) -> &[Span] {
        self.0.get(owner).map_or(&[], Vec::as_slice)
    }

    /// The end of the span that contains `at`.
    pub(in crate::engine) fn end(&self, owner: &MemberId, at: Timestamp) -> Option<Timestamp> {
        if self.0.is_empty() {
            return None;
        }
        self.of(owner).iter().find(|(first, last)| *first <= at && at <= *last).map(|(_, last)| *last)
    }

    /// The first timestamp at or after `at` that is in no span.
    pub(in crate::engine) fn next(&self, owner: &MemberId, mut at: Timestamp) -> Timestamp {
        while let Some(end) = self.end(owner, at) {
            at = end.next().expect("the bound of the clock keeps timestamps far below the maximum");
        }
        at
    }

    /// An upper bound of the last timestamp that `n` (at least one) writes after `last` take.
    pub(in crate::engine) fn reach(&self, owner: &MemberId, last: Timestamp, n: u64) -> Timestamp {
        let after = |at: Timestamp| Timestamp(at.0.saturating_add(n));
        let mut reach = after(last);
        let over = |reach, (from, to): &Span| *from <= reach && last < *to && after(*to) > reach;
        while let Some((_, to)) = self.of(owner).iter().find(|span| over(reach, span)) {
            reach = after(*to);
        }
        reach
    }
}

/// Adds a span to those of an owner whose head will be at `head`.
pub(in crate::engine) fn add_span(spans: &mut Vec<Span>, span: Span, head: Timestamp) {
    spans.push(span);
    spans.sort_unstable();
    while spans.len() > SPANS_MAX {
        if let Some(past) = spans.iter().position(|(_, last)| *last < head) {
            spans.remove(past);
            continue;
        }
        let between = |at: &usize| spans[at + 1].0.0.saturating_sub(spans[*at].1.0);
        let at = (0..spans.len() - 1).min_by_key(between).expect("there are more than SPANS_MAX spans");
        let (_, last) = spans.remove(at + 1);
        spans[at].1 = spans[at].1.max(last);
    }
}

/// Whether a value of [`RESTAMPED_KEY`] makes `at` invalid.
pub(in crate::engine) fn names(value: &[u8], at: Timestamp) -> bool {
    decode(value).is_ok_and(|spans| spans.iter().any(|(first, last)| *first <= at && at <= *last))
}

/// Encodes the value of [`RESTAMPED_KEY`].
pub(in crate::engine) fn encode(spans: &[Span]) -> Vec<u8> {
    let mut out = Writer::new();
    out.byte(RESTAMPED_VERSION).list(spans, |out, (first, last)| {
        out.fixed(first.0).fixed(last.0);
    });
    out.finish()
}

/// Decodes the value of [`RESTAMPED_KEY`].
pub(in crate::engine) fn decode(bytes: &[u8]) -> Result<Vec<Span>, DecodeError> {
    let mut input = Reader::new(bytes);
    let found = input.byte()?;
    if found != RESTAMPED_VERSION {
        return Err(DecodeError::Version { found, known: RESTAMPED_VERSION });
    }
    let spans = input.list("invalid spans", SPANS_MAX, |input| {
        Ok((Timestamp(input.fixed()?), Timestamp(input.fixed()?)))
    })?;
    input.end()?;
    Ok(spans)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(first: u64, last: u64) -> Span {
        (Timestamp(first), Timestamp(last))
    }

    #[test]
    fn writes_skip_invalid_spans() {
        let (owner, mut invalid) = (MemberId([1; 32]), InvalidSpans::default());
        invalid.set(&owner, [span(100, 199), span(200, 299), span(1_000, 1_999)].into());
        assert_eq!(invalid.next(&owner, Timestamp(99)), Timestamp(99));
        assert_eq!(invalid.next(&owner, Timestamp(150)), Timestamp(300));
        assert_eq!(invalid.next(&MemberId([2; 32]), Timestamp(150)), Timestamp(150));
        let reach = |first, n| invalid.reach(&owner, Timestamp(first), n).0;
        assert_eq!(reach(10, 50), 60);
        assert_eq!(reach(60, 50), 349, "both spans are skipped, all timestamps lie behind them");
        assert_eq!(reach(99, 1), 300);
        assert_eq!(reach(299, 50), 349, "earlier positions do not matter");
        assert_eq!(reach(60, 800), 2_799);
    }

    #[test]
    fn few_spans_are_kept_and_no_relevant_one_is_forgotten() {
        let mut spans: Vec<Span> = (0..16).map(|n| span(1_000 * n, 1_000 * n + 500)).collect();
        add_span(&mut spans, span(90_000, 90_500), Timestamp(2_200));
        assert_eq!(spans.len(), SPANS_MAX);
        assert_eq!((spans[0], spans[15]), (span(1_000, 1_500), span(90_000, 90_500)));
        add_span(&mut spans, span(7_550, 7_900), Timestamp(0));
        assert_eq!(spans.len(), SPANS_MAX);
        assert!(spans.contains(&span(7_000, 7_900)), "{spans:?}");
        add_span(&mut spans, span(20_000, 20_500), Timestamp(0));
        assert!(spans.iter().any(|(first, last)| first.0 <= 1_000 && last.0 >= 1_500), "{spans:?}");
    }
}
