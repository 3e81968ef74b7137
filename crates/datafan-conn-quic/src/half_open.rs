//! Places for incoming handshakes. A source that starts handshakes and does not finish them uses up its own
//! places first, and then the oldest handshakes are dropped; so an honest handshake gets through, whatever
//! else arrives.

use crate::config::{HALF_OPEN_MAX, KNOWN_SOURCES_MAX};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::Notify;

/// The source of a handshake: an IPv4 address, or the /64 of an IPv6 address, in which a single host can have
/// any number of addresses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Source([u8; 8]);

impl Source {
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::v4(v4),
            IpAddr::V6(v6) => Self::v6(v6),
        }
    }

    fn v4(address: Ipv4Addr) -> Self {
        // The prefix ::/64 belongs to no host, so no IPv6 source looks like this.
        let [a, b, c, d] = address.octets();
        Self([0, 0, 0, 0, a, b, c, d])
    }

    fn v6(address: Ipv6Addr) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = address.octets();
        Self([a, b, c, d, e, f, g, h])
    }
}

/// The answer to an incoming handshake.
pub(crate) enum Admission {
    /// It may start.
    Granted(HandshakePermit),
    /// The sender must prove its address first.
    Prove,
    /// There is no place.
    Refused,
}

/// The places of a connector.
pub(crate) struct HalfOpen {
    /// Per source; twice as many for a known one.
    source_max: usize,
    places: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    /// In the order in which they were taken.
    taken: BTreeMap<u64, Taken>,
    last_number: u64,
    /// Sources of members, and when each was last confirmed.
    known: BTreeMap<Source, u64>,
    last_known: u64,
    n_evicted: u64,
}

struct Taken {
    source: Source,
    known: bool,
    since: Instant,
    evicted: Arc<Notify>,
}

impl HalfOpen {
    /// At most `source_max` places per source.
    pub(crate) fn new(source_max: usize) -> Arc<Self> {
        let source_max = source_max.clamp(1, HALF_OPEN_MAX);
        Arc::new(Self { source_max, places: Mutex::default() })
    }

    /// Records that members are at `address`: it was dialled, or a link with it lasted.
    pub(crate) fn knows(&self, address: IpAddr) {
        let mut places = self.lock();
        places.last_known += 1;
        let number = places.last_known;
        places.known.insert(Source::of(address), number);
        if places.known.len() > KNOWN_SOURCES_MAX {
            let oldest = places.known.iter().min_by_key(|(_, number)| **number).map(|(source, _)| *source);
            oldest.map(|source| places.known.remove(&source));
        }
    }

    /// Requests a place for a handshake from `address`; `proven` says that the sender has proved this
    /// address.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr, proven: bool, now: Instant) -> Admission {
        let mut places = self.lock();
        let source = Source::of(address);
        let known = places.known.contains_key(&source);
        let source_max = if known { 2 * self.source_max } else { self.source_max }.min(HALF_OPEN_MAX);
        let n_of_source = places.taken.values().filter(|taken| taken.source == source).count();
        let crowded = places.taken.len() >= HALF_OPEN_MAX / 2 || n_of_source > source_max / 2;
        if crowded && !proven {
            // A sender with forged addresses gets no further, and takes nobody's place.
            return Admission::Prove;
        }
        let n_unknown = places.taken.values().filter(|taken| !taken.known).count();
        let victim = if n_of_source >= source_max {
            places.oldest(|taken| taken.source == source)
        } else if places.taken.len() >= HALF_OPEN_MAX || !known && n_unknown >= UNKNOWN_MAX {
            let crowd = places.largest_unknown().filter(|_| n_unknown > 0);
            places.oldest(|taken| crowd.map_or(known, |crowd| taken.source == crowd && !taken.known))
        } else {
            return Admission::Granted(self.take(&mut places, source, known, now));
        };
        match victim {
            Some((number, since)) if now.duration_since(since) >= AGE_MIN => {
                if let Some(taken) = places.taken.remove(&number) {
                    taken.evicted.notify_one();
                }
                places.n_evicted += 1;
                Admission::Granted(self.take(&mut places, source, known, now))
            }
            // Those in progress had no time to finish: the rate of handshakes is limited.
            Some(_) | None => Admission::Refused,
        }
    }

    /// Number of handshakes in progress, and of those dropped for others.
    pub(crate) fn stats(&self) -> (u64, u64) {
        let places = self.lock();
        (places.taken.len() as u64, places.n_evicted)
    }

    fn take(
        self: &Arc<Self>,
        places: &mut Places,
        source: Source,
        known: bool,
        now: Instant,
    ) -> HandshakePermit {
        places.last_number += 1;
        let (number, evicted) = (places.last_number, Arc::new(Notify::new()));
        places.taken.insert(number, Taken { source, known, since: now, evicted: evicted.clone() });
        HandshakePermit { half_open: self.clone(), number, evicted }
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        // A panic cannot leave an entry half changed.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    fn oldest(&self, which: impl Fn(&Taken) -> bool) -> Option<(u64, Instant)> {
        self.taken.iter().find(|(_, taken)| which(taken)).map(|(number, taken)| (*number, taken.since))
    }

    /// The source with most places among those without members.
    fn largest_unknown(&self) -> Option<Source> {
        let mut counts = BTreeMap::<Source, usize>::new();
        for taken in self.taken.values().filter(|taken| !taken.known) {
            *counts.entry(taken.source).or_default() += 1;
        }
        counts.into_iter().max_by_key(|(_, count)| *count).map(|(source, _)| source)
    }
}

/// A place, held until this is dropped.
pub(crate) struct HandshakePermit {
    half_open: Arc<HalfOpen>,
    number: u64,
    evicted: Arc<Notify>,
}

impl HandshakePermit {
    /// Waits until the handshake must be dropped.
    pub(crate) async fn evicted(&self) {
        self.evicted.notified().await;
    }
}

impl Drop for HandshakePermit {
    fn drop(&mut self) {
        self.half_open.lock().taken.remove(&self.number);
    }
}

/// Maximum number of places for sources where no member is known to be; the rest is reserved for members.
const UNKNOWN_MAX: usize = HALF_OPEN_MAX - HALF_OPEN_MAX / 4;
/// A handshake keeps its place at least this long: that bounds how many are started per second, and their
/// cost.
const AGE_MIN: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE_MAX: usize = 16;

    fn ip(n: u16) -> IpAddr {
        let [high, low] = n.to_be_bytes();
        IpAddr::from([10, 0, high, low])
    }

    fn granted(admission: Admission) -> Option<HandshakePermit> {
        match admission {
            Admission::Granted(place) => Some(place),
            Admission::Prove | Admission::Refused => None,
        }
    }

    fn is_evicted(half_open: &HalfOpen, place: &HandshakePermit) -> bool {
        !half_open.lock().taken.contains_key(&place.number)
    }

    #[test]
    fn a_source_is_an_address_or_a_network_of_one_host() {
        let of = |text: &str| Source::of(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1:2:3"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
        assert_eq!(of("10.0.0.1"), of("::ffff:10.0.0.1"));
    }

    #[test]
    fn a_source_gives_way_to_itself_and_leaves_the_others_alone() {
        let (half_open, mut now) = (HalfOpen::new(SOURCE_MAX), Instant::now());
        let other = granted(half_open.admit(ip(2), true, now)).unwrap();
        let mut places = Vec::new();
        for _ in 0..200 {
            now += AGE_MIN;
            places.push(granted(half_open.admit(ip(1), true, now)).unwrap());
        }
        assert_eq!(half_open.stats(), (1 + SOURCE_MAX as u64, 200 - SOURCE_MAX as u64));
        assert!(!is_evicted(&half_open, &other));
        assert!(is_evicted(&half_open, &places[199 - SOURCE_MAX]));
        assert!(!is_evicted(&half_open, &places[200 - SOURCE_MAX]), "the oldest goes first");
        drop(places);
        assert_eq!(half_open.stats().0, 1);
    }

    #[test]
    fn no_more_are_begun_than_have_time_to_end() {
        let (half_open, now) = (HalfOpen::new(SOURCE_MAX), Instant::now());
        let admitted: Vec<_> = (0..100).filter_map(|_| granted(half_open.admit(ip(1), true, now))).collect();
        assert_eq!(admitted.len(), SOURCE_MAX);
        assert!(granted(half_open.admit(ip(1), true, now + AGE_MIN)).is_some());
    }

    #[test]
    fn beyond_half_of_its_places_a_sender_proves_its_address() {
        let (half_open, mut now) = (HalfOpen::new(SOURCE_MAX), Instant::now());
        let mut places = Vec::new();
        for n in 0..1_000 {
            now += AGE_MIN;
            match half_open.admit(ip(1), false, now) {
                Admission::Granted(place) => places.push(place),
                Admission::Prove => assert_eq!(places.len(), SOURCE_MAX / 2 + 1, "{n}"),
                Admission::Refused => panic!("refused"),
            }
        }
        for n in 0..1_000 {
            now += AGE_MIN;
            places.extend(granted(half_open.admit(ip(2 + n), false, now)));
        }
        assert_eq!(
            half_open.stats(),
            (HALF_OPEN_MAX as u64 / 2, 0),
            "and so do all, beyond half of all places"
        );
    }

    #[test]
    fn members_have_places_of_their_own_and_nobody_takes_them() {
        let (half_open, mut now) = (HalfOpen::new(SOURCE_MAX), Instant::now());
        let mut places = Vec::new();
        // As many sources as there are places.
        for n in 0..1_000 {
            now += AGE_MIN;
            places.extend(granted(half_open.admit(ip(n), true, now)));
        }
        assert_eq!(half_open.stats().0, UNKNOWN_MAX as u64);
        let member = ip(5_000);
        half_open.knows(member);
        let kept = granted(half_open.admit(member, true, now)).unwrap();
        for n in 0..1_000 {
            now += AGE_MIN;
            places.extend(granted(half_open.admit(ip(n), true, now)));
        }
        assert!(!is_evicted(&half_open, &kept));
        // Members that connect at the same time displace unknown sources, not each other.
        let mut members = vec![kept];
        for n in 0..HALF_OPEN_MAX as u16 - 1 {
            half_open.knows(ip(6_000 + n));
            now += AGE_MIN;
            members.push(granted(half_open.admit(ip(6_000 + n), true, now)).unwrap());
        }
        assert!(members.iter().all(|member| !is_evicted(&half_open, member)));
        assert!(granted(half_open.admit(ip(1), true, now + AGE_MIN)).is_none());
    }

    #[test]
    fn known_sources_are_bounded() {
        let half_open = HalfOpen::new(SOURCE_MAX);
        for n in 0..KNOWN_SOURCES_MAX as u16 + 10 {
            half_open.knows(ip(n));
            half_open.knows(ip(0));
        }
        let places = half_open.lock();
        assert_eq!(places.known.len(), KNOWN_SOURCES_MAX);
        assert!(places.known.contains_key(&Source::of(ip(0))), "who was seen lately stays");
        assert!(!places.known.contains_key(&Source::of(ip(1))));
    }
}
