//! The address book: which members publish addresses, and up to four known addresses of each member.
//!
//! Addresses are read from the shards (`_sys/addresses`). The address book remembers which of them answered,
//! so that a dial starts there, and the addresses of members that own no shard and cannot publish any.

use crate::{
    codec::{DecodeError, Reader, Writer},
    connector::Address,
    id::MemberId,
    limits::{ADDRESS_BYTES_MAX, CACHED_ADDRESSES_MAX, CACHED_MEMBERS_MAX},
    time::{SECOND, Time},
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

/// Addresses at which members were found, or that they announced.
#[derive(Default)]
pub(in crate::engine) struct AddressBook {
    /// Members whose shard publishes an address.
    publishers: BTreeSet<MemberId>,
    members: BTreeMap<MemberId, Known>,
    n_uses: u64,
    changed: bool,
    /// The earliest next write.
    next_write: Time,
}

struct Known {
    /// At most [`CACHED_ADDRESSES_MAX`] addresses; the one that answered last comes first.
    addresses: Vec<Address>,
    /// When the entry was last used, as a counter. If there are too many members, the least recently used one
    /// is dropped.
    used: u64,
}

/// Pause between writes. The whole book is written at once, so this is rare. A crash loses only hints.
const WRITE_MICROS: u64 = 5 * SECOND;

impl AddressBook {
    /// The known addresses of a member, best first.
    pub(in crate::engine) fn of(&self, member: &MemberId) -> &[Address] {
        self.members.get(member).map_or(&[], |known| &known.addresses)
    }

    /// A dial of `address` found `member` there.
    pub(in crate::engine) fn answered(&mut self, member: &MemberId, address: &Address) {
        if self.of(member).first() == Some(address) {
            return;
        }
        let addresses = &mut self.entry(member).addresses;
        addresses.retain(|known| known != address);
        addresses.insert(0, address.clone());
        addresses.truncate(CACHED_ADDRESSES_MAX);
    }

    /// `member` announced the addresses `told`, best first. The address that answered last stays before them.
    pub(in crate::engine) fn set_announced(&mut self, member: &MemberId, told: &[Address]) {
        let before = self.of(member);
        let mut addresses: Vec<Address> = before.first().into_iter().chain(told).cloned().collect();
        addresses.extend(before.iter().skip(1).cloned());
        let mut known: Vec<Address> = Vec::new();
        for address in addresses {
            if known.len() < CACHED_ADDRESSES_MAX && !known.contains(&address) {
                known.push(address);
            }
        }
        if known != before {
            self.entry(member).addresses = known;
        }
    }

    /// Forgets a member that is no longer active.
    pub(in crate::engine) fn forget(&mut self, member: &MemberId) {
        self.publishers.remove(member);
        self.changed |= self.members.remove(member).is_some();
    }

    /// Records whether the shard of `member` publishes addresses.
    pub(in crate::engine) fn set_publisher(&mut self, member: &MemberId, publishes: bool) {
        match publishes {
            true => self.publishers.insert(*member),
            false => self.publishers.remove(member),
        };
    }

    /// Whether the shard of `member` publishes addresses.
    pub(in crate::engine) fn is_publisher(&self, member: &MemberId) -> bool {
        self.publishers.contains(member)
    }

    /// Members with a known address: publishers first, then the others, each ordered by id.
    pub(in crate::engine) fn members(&self) -> impl Iterator<Item = MemberId> {
        let others = self.members.keys().filter(|member| !self.publishers.contains(member));
        self.publishers.iter().chain(others).copied()
    }

    fn entry(&mut self, member: &MemberId) -> &mut Known {
        self.changed = true;
        self.n_uses += 1;
        if !self.members.contains_key(member) && self.members.len() >= CACHED_MEMBERS_MAX {
            let oldest = self.members.iter().min_by_key(|(_, known)| known.used).map(|(id, _)| *id);
            oldest.map(|oldest| self.members.remove(&oldest));
        }
        let known = self.members.entry(*member).or_insert(Known { addresses: Vec::new(), used: 0 });
        known.used = self.n_uses;
        known
    }

    /// The bytes to write, if the book changed and the last write is long enough ago.
    pub(in crate::engine) fn take_changed(&mut self, now: Time) -> Option<Vec<u8>> {
        if !self.changed || now < self.next_write {
            return None;
        }
        self.changed = false;
        self.next_write = now.after(WRITE_MICROS);
        let pairs = self.members.iter();
        let pairs = pairs.flat_map(|(id, known)| known.addresses.iter().map(move |address| (id, address)));
        let pairs: Vec<(&MemberId, &Address)> = pairs.collect();
        let mut out = Writer::new();
        out.list(&pairs, |out, (member, address)| {
            out.id(member).prefixed(address.as_bytes());
        });
        Some(out.finish())
    }

    /// When the next write is due.
    pub(in crate::engine) fn wakes_at(&self) -> Time {
        if self.changed { self.next_write } else { Time::NEVER }
    }

    /// Decodes what [`AddressBook::take_changed`] returned.
    pub(in crate::engine) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        let pairs = input.list("addresses", CACHED_MEMBERS_MAX * CACHED_ADDRESSES_MAX, |input| {
            Ok((input.id()?, Address::from(input.text("address", ADDRESS_BYTES_MAX)?)))
        })?;
        input.end()?;
        let mut cache = Self::default();
        for (member, address) in pairs {
            let addresses = &mut cache.entry(&member).addresses;
            if addresses.len() < CACHED_ADDRESSES_MAX {
                addresses.push(address);
            }
        }
        cache.changed = false;
        Ok(cache)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const M: MemberId = MemberId([7; 32]);

    fn addresses(names: &[&str]) -> Vec<Address> {
        names.iter().map(|name| Address::from(*name)).collect()
    }

    #[test]
    fn the_last_working_address_comes_first_and_four_are_kept() {
        let mut cache = AddressBook::default();
        for name in ["a", "b", "c", "d", "e", "b"] {
            cache.answered(&M, &name.into());
        }
        assert_eq!(cache.of(&M), addresses(&["b", "e", "d", "c"]));
        cache.set_announced(&M, &addresses(&["x", "e"]));
        assert_eq!(cache.of(&M), addresses(&["b", "x", "e", "d"]));
    }

    #[test]
    fn it_is_written_rarely_and_read_back() {
        let mut cache = AddressBook::default();
        cache.answered(&M, &"a".into());
        cache.answered(&M, &"b".into());
        let bytes = cache.take_changed(Time(1)).expect("it changed");
        assert_eq!(AddressBook::decode(&bytes).unwrap().of(&M), addresses(&["b", "a"]));
        cache.answered(&M, &"b".into());
        assert_eq!((cache.wakes_at(), cache.take_changed(Time(2))), (Time::NEVER, None), "nothing new");
        cache.forget(&M);
        assert_eq!((cache.wakes_at(), cache.take_changed(Time(2))), (Time(1 + WRITE_MICROS), None));
        assert!(cache.take_changed(Time(1 + WRITE_MICROS)).is_some());
    }

    #[test]
    fn beyond_the_limit_the_least_recently_used_member_is_dropped() {
        let mut cache = AddressBook::default();
        let member = |n: usize| MemberId(core::array::from_fn(|i| (n >> (8 * (i % 2))) as u8));
        for n in 0..CACHED_MEMBERS_MAX {
            cache.answered(&member(n), &"a".into());
        }
        cache.answered(&member(0), &"b".into());
        cache.answered(&member(CACHED_MEMBERS_MAX), &"a".into());
        assert_eq!(cache.members().count(), CACHED_MEMBERS_MAX);
        assert!(cache.of(&member(1)).is_empty() && cache.of(&member(0)).len() == 2);
    }
}
