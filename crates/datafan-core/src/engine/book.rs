//! The address book: where peers may be found, and how dialling them went.

use crate::{
    codec::{DecodeError, Reader, Writer},
    connector::Address,
    id::MemberId,
    limits::{ADDRESS_BOOK_MAX, ADDRESS_BYTES_MAX},
    rng::Rng,
    time::{MILLI, SECOND, Time},
};
use alloc::{
    collections::BTreeMap,
    string::{String, ToString},
    vec::Vec,
};

/// Addresses and what is known of them. The part that names members is kept on disk.
///
/// Anybody can claim any address, so who is expected there is part of an entry's name: a claim displaces neither
/// what the user said nor what has worked.
#[derive(Default)]
pub(super) struct Book {
    entries: BTreeMap<Place, Entry>,
    changed: bool,
    /// Nothing is to be dialled or given up before, as far as was known when somebody looked. Any change of the book
    /// ends that, and every link that comes or goes changes it.
    pub(super) quiet_until: Time,
}

/// Who is or should be there, and an address: a member's entries lie together.
pub(super) type Place = (Option<MemberId>, Address);

/// One address.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    /// Given by the user: dialled before others, and the only ones dialled where discovery is off.
    pub(super) seed: bool,
    /// A dial is under way, until its outcome or this time.
    pub(super) dialling: Option<Time>,
    /// Not dialled before.
    pub(super) next: Time,
    /// Dials in a row that came to nothing.
    pub(super) failures: u32,
    /// The last error.
    pub(super) error: Option<String>,
}

/// How long a dial may take.
const DIAL_MICROS: u64 = 20 * SECOND;
/// The first wait after a failed dial; it doubles up to [`DIAL_MICROS_MAX`].
const DIAL_MICROS_MIN: u64 = 250 * MILLI;
const DIAL_MICROS_MAX: u64 = 30 * SECOND;

impl Book {
    /// Notes an address that the user gave; dialled at once.
    pub(super) fn seed(&mut self, address: Address, member: Option<MemberId>, now: Time) {
        self.quiet_until = Time(0);
        let entry = self.entries.entry((member, address)).or_default();
        entry.seed = true;
        entry.next = now;
        entry.failures = 0;
    }

    /// Replaces the addresses that `member` publishes; seeds stay.
    pub(super) fn learn(&mut self, member: &MemberId, addresses: &[Address]) {
        let stale = |address: &Address, entry: &Entry| {
            !entry.seed && entry.dialling.is_none() && !addresses.contains(address)
        };
        self.remove_of(member, stale);
        for address in addresses {
            self.add(member, address);
        }
    }

    /// Notes one more address of `member`.
    pub(super) fn add(&mut self, member: &MemberId, address: &Address) {
        let place = (Some(*member), address.clone());
        if self.entries.len() < ADDRESS_BOOK_MAX && !self.entries.contains_key(&place) {
            self.entries.insert(place, Entry::default());
            self.quiet_until = Time(0);
            self.changed = true;
        }
    }

    /// Forgets a member that no longer belongs.
    pub(super) fn forget(&mut self, member: &MemberId) {
        self.remove_of(member, |_, entry| !entry.seed);
    }

    fn remove_of(&mut self, member: &MemberId, mut goes: impl FnMut(&Address, &Entry) -> bool) {
        let gone = self.entries.range(first_of(member)..).take_while(|((at, _), _)| *at == Some(*member));
        let gone = gone.filter(|((_, address), entry)| goes(address, entry));
        let gone: Vec<Place> = gone.map(|(place, _)| place.clone()).collect();
        for place in gone {
            self.entries.remove(&place);
            self.quiet_until = Time(0);
            self.changed = true;
        }
    }

    /// A link to `member` is up; dials to it are over. `address` is where it was dialled.
    pub(super) fn on_up(&mut self, member: &MemberId, address: Option<&Address>) {
        // Whoever was dialled there without a name has one now.
        if let Some(address) = address
            && let Some(nameless) = self.entries.remove(&(None, address.clone()))
        {
            let entry = self.entries.entry((Some(*member), address.clone())).or_default();
            entry.seed |= nameless.seed;
            self.changed = true;
        }
        for entry in self.of(member) {
            entry.dialling = None;
            entry.error = None;
        }
    }

    /// The link to `member` proved good: failures are forgotten.
    pub(super) fn on_ready(&mut self, member: &MemberId) {
        for entry in self.of(member) {
            entry.failures = 0;
            entry.error = None;
        }
    }

    /// The link to `member` is gone, or it refused us: it is dialled again after a while.
    pub(super) fn on_down(&mut self, member: &MemberId, error: &str, now: Time, rng: &mut Rng) {
        for entry in self.of(member) {
            entry.fail(error.to_string(), now, rng);
        }
    }

    fn of(&mut self, member: &MemberId) -> impl Iterator<Item = &mut Entry> {
        self.quiet_until = Time(0);
        let entries = self.entries.range_mut(first_of(member)..);
        entries.take_while(|((at, _), _)| *at == Some(*member)).map(|(_, entry)| entry)
    }

    /// A dial came to nothing.
    pub(super) fn on_failed(&mut self, place: &Place, error: String, now: Time, rng: &mut Rng) {
        if let Some(entry) = self.entries.get_mut(place) {
            self.quiet_until = Time(0);
            entry.fail(error, now, rng);
        }
    }

    /// Notes that an address is being dialled.
    pub(super) fn on_dial(&mut self, place: &Place, now: Time) {
        if let Some(entry) = self.entries.get_mut(place) {
            entry.dialling = Some(now.after(DIAL_MICROS));
        }
    }

    /// Gives up dials that came to nothing at all: a connector may keep silent about a peer that is linked already.
    pub(super) fn expire(&mut self, now: Time, rng: &mut Rng) {
        for entry in
            self.entries.values_mut().filter(|entry| entry.dialling.is_some_and(|until| until <= now))
        {
            entry.fail("the dial had no outcome".into(), now, rng);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Place, &Entry)> {
        self.entries.iter()
    }

    /// The bytes to keep, if they changed since the last call: addresses whose member is known.
    pub(super) fn take_changed(&mut self) -> Option<Vec<u8>> {
        if !core::mem::take(&mut self.changed) {
            return None;
        }
        let known: Vec<(&Address, MemberId)> =
            self.entries.keys().filter_map(|(member, address)| Some((address, (*member)?))).collect();
        let mut out = Writer::new();
        out.list(&known, |out, (address, member)| {
            out.id(member).prefixed(address.as_bytes());
        });
        Some(out.finish())
    }

    /// Reads what [`Book::take_changed`] gave.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        let known = input.list("addresses", 2 * ADDRESS_BOOK_MAX, |input| {
            let member = input.id()?;
            let address = Address::from(input.text("address", ADDRESS_BYTES_MAX)?);
            Ok(((Some(member), address), Entry::default()))
        })?;
        input.end()?;
        Ok(Self { entries: known.into_iter().collect(), changed: false, quiet_until: Time(0) })
    }
}

/// Where the entries of a member begin.
fn first_of(member: &MemberId) -> Place {
    (Some(*member), Address::from(""))
}

impl Entry {
    fn fail(&mut self, error: String, now: Time, rng: &mut Rng) {
        let wait = (DIAL_MICROS_MIN << self.failures.min(7)).min(DIAL_MICROS_MAX);
        self.dialling = None;
        self.next = now.after(rng.jitter(wait));
        self.failures = self.failures.saturating_add(1);
        self.error = Some(error);
    }
}
