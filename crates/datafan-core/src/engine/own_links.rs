//! `_sys/links`: each member publishes in its own shard which links it has, so that everybody can see who is
//! reachable.
//!
//! Only links that lasted are published, and seldom: a link that flaps costs nobody anything. Where no link
//! is up nothing is written, so the first write of a run comes after a peer has compared our shard with its
//! own copy.

use super::{Engine, Write, link::Link};
use crate::{
    codec::{DecodeError, Reader, Writer, malformed},
    id::MemberId,
    item::Key,
    limits::LINKS_MAX,
    store::Store,
    time::{SECOND, Time},
};
use alloc::vec::Vec;

/// The key of a member's own links.
pub const LINKS_KEY: &str = "_sys/links";

const LINKS_VERSION: u8 = 1;
/// How long a link has to be up before it is published.
const LASTED_MICROS: u64 = 5 * SECOND;
/// How long what was published stays at least.
const REWRITE_MICROS: u64 = 30 * SECOND;
/// How long a write waits for the shard to be confirmed before it is tried again.
const RETRY_MICROS: u64 = SECOND;

/// What this member has published, and when that is looked at again.
#[derive(Default)]
pub(super) struct OwnLinks {
    published: Vec<MemberId>,
    next_write: Time,
    /// Nothing to do before, unless a link comes or goes.
    look_at: Time,
}

impl OwnLinks {
    /// What the own shard has.
    pub(super) fn on_published(&mut self, peers: Vec<MemberId>) {
        self.published = peers;
    }

    /// A link came or went.
    pub(super) fn on_changed(&mut self) {
        self.look_at = Time(0);
    }

    pub(super) fn wakes_at(&self) -> Time {
        self.look_at
    }

    /// What is to be published now, if it is time and something else than before. `links` are those that are
    /// up, by id, and since when.
    fn due(&mut self, now: Time, links: &[(MemberId, Time)]) -> Option<Vec<MemberId>> {
        let lasted = |since: &Time| since.after(LASTED_MICROS);
        let peers = links.iter().filter(|(_, since)| lasted(since) <= now).map(|(peer, _)| *peer);
        let peers: Vec<MemberId> = peers.collect();
        let young = links.iter().map(|(_, since)| lasted(since)).filter(|at| *at > now);
        self.look_at = young.min().unwrap_or(Time::NEVER);
        if peers.is_empty() || peers == self.published {
            return None;
        }
        if now < self.next_write {
            self.look_at = self.look_at.min(self.next_write);
            return None;
        }
        Some(peers)
    }

    fn on_written(&mut self, now: Time) {
        self.next_write = now.after(REWRITE_MICROS);
        self.look_at = self.look_at.min(self.next_write);
    }
}

/// The value of the key.
fn encode_links(peers: &[MemberId]) -> Vec<u8> {
    let mut out = Writer::new();
    out.byte(LINKS_VERSION).list(peers, |out, peer| {
        out.id(peer);
    });
    out.finish()
}

/// Reads the value of [`LINKS_KEY`]: the peers to which links were up, ascending.
///
/// # Errors
/// If it is malformed, over a limit, or not in order.
pub fn decode_links(bytes: &[u8]) -> Result<Vec<MemberId>, DecodeError> {
    let mut input = Reader::new(bytes);
    let found = input.byte()?;
    if found != LINKS_VERSION {
        return Err(DecodeError::Version { found, known: LINKS_VERSION });
    }
    let peers = input.list("links", LINKS_MAX, Reader::id)?;
    input.end()?;
    match peers.is_sorted_by(|a, b| a < b) {
        true => Ok(peers),
        false => Err(malformed("links")),
    }
}

impl<S: Store> Engine<S> {
    /// When this member's links may have to be published.
    pub(super) fn links_wake_at(&self) -> Time {
        if self.config.publish_links { self.own_links.wakes_at() } else { Time::NEVER }
    }

    /// Whether this member's links may have to be published.
    pub(super) fn is_links_look_due(&self) -> bool {
        self.config.publish_links && self.own_links.wakes_at() <= self.now.time
    }

    /// The own links cannot be written: once more a little later if they may be by then, else when they
    /// change.
    pub(super) fn put_off_links(&mut self, soon: bool) {
        if self.is_links_look_due() {
            self.own_links.look_at = if soon { self.now.time.after(RETRY_MICROS) } else { Time::NEVER };
        }
    }

    /// Adds the write of the own links, if they have changed for long enough.
    pub(super) fn links_writes(&mut self, writes: &mut Vec<Write>) {
        if !self.is_links_look_due() {
            return;
        }
        let links = self.links.iter().filter(|(_, link)| link.is_up());
        let links: Vec<(MemberId, Time)> = links.map(|(peer, link)| (*peer, link.up_since)).collect();
        if let Some(peers) = self.own_links.due(self.now.time, &links) {
            self.own_links.on_written(self.now.time);
            let key = Key::new(LINKS_KEY).expect("a key");
            writes.push(Write::Put { key, value: encode_links(&peers).into(), expiry: None });
        }
    }

    /// Takes over what `owner` publishes.
    pub(super) fn learn_links(&mut self, owner: &MemberId, value: &[u8]) {
        let peers = decode_links(value);
        if *owner == self.me {
            self.own_links.on_published(peers.unwrap_or_default());
            return;
        }
        match peers {
            Ok(peers) => self.reach.list(owner, &peers),
            Err(_) => {
                self.stats.refuse("links");
                self.reach.unlist(owner);
            }
        }
    }

    /// The peers to which links are up, by id.
    pub(super) fn linked(&self) -> Vec<MemberId> {
        self.links.iter().filter(|(_, link)| Link::is_up(link)).map(|(peer, _)| *peer).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> MemberId {
        MemberId([n; 32])
    }

    #[test]
    fn only_links_that_lasted_are_published_and_seldom() {
        let (mut own, second) = (OwnLinks::default(), |n: u64| Time(n * SECOND));
        let links = [(id(1), second(1)), (id(2), second(4))];
        assert_eq!((own.due(second(5), &links), own.wakes_at()), (None, second(6)));
        assert_eq!(own.due(second(6), &links), Some(alloc::vec![id(1)]));
        own.on_published(alloc::vec![id(1)]);
        own.on_written(second(6));
        assert_eq!((own.due(second(9), &links), own.wakes_at()), (None, second(36)), "not so soon again");
        assert_eq!(own.due(second(36), &links), Some(alloc::vec![id(1), id(2)]));
        own.on_published(alloc::vec![id(1), id(2)]);
        own.on_written(second(36));
        assert_eq!((own.due(second(99), &links), own.wakes_at()), (None, Time::NEVER), "nothing new");
        assert_eq!(own.due(second(99), &[]), None, "alone it has nobody to tell");
    }

    #[test]
    fn they_are_read_as_they_are_written_and_nothing_else() {
        let bytes = encode_links(&[id(1), id(2)]);
        assert_eq!(bytes[..3], [1, 2, 1]);
        assert_eq!(decode_links(&bytes), Ok(alloc::vec![id(1), id(2)]));
        for wrong in [&[id(2), id(1)][..], &[id(1), id(1)], &[id(1); LINKS_MAX + 1]] {
            assert!(decode_links(&encode_links(wrong)).is_err());
        }
        assert!(decode_links(&[]).is_err() && decode_links(&[2, 0]).is_err());
        assert!(decode_links(&[&bytes[..], &[0]].concat()).is_err());
    }
}
