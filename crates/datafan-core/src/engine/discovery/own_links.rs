//! `_sys/links`: each member publishes its links in its own shard, so that every member can derive who is
//! reachable.
//!
//! Only lasting links are published, and rarely, so a flapping link costs nothing. Nothing is written while
//! no link is up, so the first write of a run happens after a peer compared our shard with its copy.

use crate::{
    codec::{DecodeError, Reader, Writer, malformed},
    id::MemberId,
    limits::{LINKS_MAX, SEEN_RUNS_MAX},
    runs::RunId,
    time::{SECOND, Time},
};
use alloc::vec::Vec;

/// The key of a member's own links.
pub const LINKS_KEY: &str = "_sys/links";

const LINKS_VERSION: u8 = 3;
/// How long a link has to be up before it is published.
const LASTED_MICROS: u64 = 5 * SECOND;
/// Minimum time between two writes.
const REWRITE_MICROS: u64 = 30 * SECOND;
/// Minimum time between two writes if a new run was seen.
const SEEN_MICROS: u64 = 10 * SECOND;
/// How long a write waits for the shard to be confirmed before it is tried again.
const RETRY_MICROS: u64 = SECOND;

/// The value of [`LINKS_KEY`].
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct PublishedLinks {
    /// The linked peers, in ascending order, with the run of each.
    pub peers: Vec<(MemberId, RunId)>,
    /// Runs of other processes with the publisher's key, under which others list the publisher, in ascending
    /// order; with how long the publisher's process had run, in microseconds, when it first saw each.
    pub seen: Vec<(RunId, u64)>,
}

/// A link that is up.
pub(in crate::engine) struct UpLink {
    pub(in crate::engine) peer: MemberId,
    pub(in crate::engine) run: RunId,
    pub(in crate::engine) since: Time,
}

/// What this member published, and when that is next checked.
#[derive(Default)]
pub(in crate::engine) struct OwnLinks {
    published: PublishedLinks,
    next_write: Time,
    /// A newly seen run is not published before.
    next_seen: Time,
    /// No check is needed before, unless a link changes.
    look_at: Time,
}

impl OwnLinks {
    /// Records what the own shard publishes.
    pub(in crate::engine) fn on_published(&mut self, links: PublishedLinks) {
        self.published = links;
    }

    /// A link came up or went down.
    pub(in crate::engine) fn on_changed(&mut self) {
        self.look_at = Time(0);
    }

    /// The links cannot be written now. Tries again a little later if `soon`, else when they change.
    pub(in crate::engine) fn postpone(&mut self, soon: bool, now: Time) {
        self.look_at = if soon { now.after(RETRY_MICROS) } else { Time::NEVER };
    }

    /// When the links are next checked.
    pub(in crate::engine) fn wakes_at(&self) -> Time {
        self.look_at
    }

    /// The links to publish now, if it is time and they differ from the published ones. `links` are up and
    /// ordered by id.
    pub(in crate::engine) fn due(
        &mut self,
        now: Time,
        links: &[UpLink],
        seen: Vec<(RunId, u64)>,
    ) -> Option<PublishedLinks> {
        let lasted = |link: &UpLink| link.since.after(LASTED_MICROS);
        let peers = links.iter().filter(|link| lasted(link) <= now).map(|link| (link.peer, link.run));
        let links_now = PublishedLinks { peers: peers.collect(), seen };
        let young = links.iter().map(lasted).filter(|at| *at > now);
        self.look_at = young.min().unwrap_or(Time::NEVER);
        if links_now.peers.is_empty() || links_now == self.published {
            return None;
        }
        let is_news = links_now.seen.iter().any(|run| !self.published.seen.contains(run));
        let next = if is_news { self.next_write.min(self.next_seen) } else { self.next_write };
        if now < next {
            self.look_at = self.look_at.min(next);
            return None;
        }
        Some(links_now)
    }

    pub(in crate::engine) fn on_written(&mut self, now: Time) {
        self.next_write = now.after(REWRITE_MICROS);
        self.next_seen = now.after(SEEN_MICROS);
        self.look_at = self.look_at.min(self.next_write);
    }
}

impl PublishedLinks {
    /// The run under which the publisher lists `peer`.
    pub fn run_of(&self, peer: &MemberId) -> Option<RunId> {
        let at = self.peers.binary_search_by_key(peer, |(peer, _)| *peer).ok()?;
        Some(self.peers[at].1)
    }

    pub(in crate::engine) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.byte(LINKS_VERSION).list(&self.peers, |out, (peer, run)| {
            out.id(peer).raw(&run.0);
        });
        out.list(&self.seen, |out, (run, age_micros)| {
            out.raw(&run.0).fixed(*age_micros);
        });
        out.finish()
    }
}

/// Decodes the value of [`LINKS_KEY`].
///
/// # Errors
/// If the bytes are malformed, exceed a limit, or are not in order.
pub fn decode_links(bytes: &[u8]) -> Result<PublishedLinks, DecodeError> {
    let mut input = Reader::new(bytes);
    let found = input.byte()?;
    if found != LINKS_VERSION {
        return Err(DecodeError::Version { found, known: LINKS_VERSION });
    }
    let run = |input: &mut Reader<'_>| Ok(RunId(input.array()?));
    let peers = input.list("links", LINKS_MAX, |input| Ok((input.id()?, run(input)?)))?;
    let seen = input.list("runs", SEEN_RUNS_MAX, |input| Ok((run(input)?, input.fixed()?)))?;
    input.end()?;
    let is_sorted = peers.is_sorted_by(|a, b| a.0 < b.0) && seen.is_sorted_by(|a, b| a.0 < b.0);
    match is_sorted {
        true => Ok(PublishedLinks { peers, seen }),
        false => Err(malformed("links")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> MemberId {
        MemberId([n; 32])
    }

    fn run(n: u8) -> RunId {
        RunId([n; 8])
    }

    fn up(n: u8, since: Time) -> UpLink {
        UpLink { peer: id(n), run: run(n), since }
    }

    fn listing(peers: &[u8], seen: &[u8]) -> PublishedLinks {
        let peers = peers.iter().map(|n| (id(*n), run(*n))).collect();
        PublishedLinks { peers, seen: seen.iter().map(|n| (run(*n), 77)).collect() }
    }

    #[test]
    fn only_lasting_links_are_published_and_rarely() {
        let (mut own, second) = (OwnLinks::default(), |n: u64| Time(n * SECOND));
        let links = [up(1, second(1)), up(2, second(4))];
        let due = |own: &mut OwnLinks, n, links: &[UpLink]| own.due(second(n), links, Vec::new());
        assert_eq!((due(&mut own, 5, &links), own.wakes_at()), (None, second(6)));
        assert_eq!(due(&mut own, 6, &links), Some(listing(&[1], &[])));
        own.on_published(listing(&[1], &[]));
        own.on_written(second(6));
        assert_eq!((due(&mut own, 9, &links), own.wakes_at()), (None, second(36)), "not so soon again");
        assert_eq!(due(&mut own, 36, &links), Some(listing(&[1, 2], &[])));
        own.on_published(listing(&[1, 2], &[]));
        own.on_written(second(36));
        assert_eq!((due(&mut own, 99, &links), own.wakes_at()), (None, Time::NEVER), "nothing new");
        assert_eq!(due(&mut own, 99, &[]), None, "without links nothing is published");
        let again = [up(1, second(1)), UpLink { run: run(9), ..up(2, second(99)) }];
        assert!(due(&mut own, 104, &again).is_some(), "a peer has a new run");
    }

    #[test]
    fn a_seen_run_is_published_sooner_but_not_repeatedly() {
        let (mut own, second) = (OwnLinks::default(), |n: u64| Time(n * SECOND));
        let links = [up(1, second(1))];
        own.on_published(listing(&[1], &[]));
        own.on_written(second(6));
        assert_eq!(
            (own.due(second(7), &links, alloc::vec![(run(8), 77)]), own.wakes_at()),
            (None, second(16))
        );
        assert_eq!(own.due(second(16), &links, alloc::vec![(run(8), 77)]), Some(listing(&[1], &[8])));
        own.on_published(listing(&[1], &[8]));
        own.on_written(second(16));
        assert_eq!((own.due(second(26), &links, Vec::new()), own.wakes_at()), (None, second(46)));
    }

    #[test]
    fn encoded_links_decode_and_other_bytes_are_rejected() {
        let bytes = listing(&[1, 2], &[3]).encode();
        assert_eq!(bytes[..3], [3, 2, 1]);
        assert_eq!(decode_links(&bytes), Ok(listing(&[1, 2], &[3])));
        assert_eq!(listing(&[1, 2], &[]).run_of(&id(2)), Some(run(2)));
        assert_eq!(listing(&[1, 2], &[]).run_of(&id(3)), None);
        let long = [1; LINKS_MAX + 1];
        for (peers, seen) in [(&[2, 1][..], &[][..]), (&[1, 1], &[]), (&long, &[]), (&[1], &[2, 1])] {
            assert!(decode_links(&listing(peers, seen).encode()).is_err());
        }
        assert!(decode_links(&listing(&[1], &[1, 2, 3, 4, 5]).encode()).is_err(), "too many");
        assert!(decode_links(&[]).is_err() && decode_links(&[2, 0, 0]).is_err());
        assert!(decode_links(&[&bytes[..], &[0]].concat()).is_err());
    }
}
