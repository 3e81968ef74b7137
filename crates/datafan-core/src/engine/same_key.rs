//! Another process with this member's key: a ticket used twice, a copied directory, a cloned machine.
//!
//! Two that run at a time are told from one that took the other's place by liveness alone, never by heads or clocks. So a
//! member looks, before it writes, whether somebody answers with its own key where its own shard says that it can be
//! dialled. Only who holds the key can answer so. The connector compares which of both began first; the later one stops.
//! Where nobody can be dialled, lists (`listed`) and peers (`processes`, `contest`) tell.

use super::{
    Alarm, Effect, Engine,
    own::OwnShard,
    publish::{ADDRESSES_KEY, decode_addresses},
};
use crate::{
    connector::Address,
    store::{Store, StoreError},
    time::{SECOND, Time, Timestamp},
};
use alloc::{collections::BTreeSet, vec::Vec};
use core::fmt;

/// How long an answer may take. Own writes wait for it.
const ANSWER_MICROS: u64 = SECOND;
/// Addresses that are asked by one run; a shard that names ever new ones is not followed for ever.
const ASKED_MAX: usize = 64;

/// Where another process with a member's key was noticed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SameKeyPlace {
    /// It answers there.
    Answers(Address),
    /// It has signed that it knows of this process: it is or was linked with a member lately.
    Linked,
}

impl fmt::Display for SameKeyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answers(address) => write!(f, "answers at {address}"),
            Self::Linked => f.write_str("is linked with this mesh, and has signed that it knows of this one"),
        }
    }
}

/// What is known of other processes with this member's key.
#[derive(Default)]
pub(super) struct SameKey {
    to_ask: Vec<Address>,
    /// Asked, and not answered yet.
    under_way: BTreeSet<Address>,
    /// Whatever was asked in this run.
    asked: BTreeSet<Address>,
    /// When those under way count as answered by nobody.
    until: Time,
    /// Where one is that began before this one.
    found: Option<SameKeyPlace>,
}

impl SameKey {
    fn ask(&mut self, addresses: Vec<Address>) {
        for address in addresses {
            if self.asked.len() < ASKED_MAX && self.asked.insert(address.clone()) {
                self.to_ask.push(address);
            }
        }
    }

    /// What is to be dialled now.
    fn begin(&mut self, now: Time) -> Vec<Address> {
        let addresses = core::mem::take(&mut self.to_ask);
        if !addresses.is_empty() {
            self.until = now.after(ANSWER_MICROS);
            self.under_way.extend(addresses.iter().cloned());
        }
        addresses
    }

    /// Nobody who matters answers there.
    pub(super) fn is_free(&mut self, address: &Address) {
        self.under_way.remove(address);
    }

    /// Whether an answer is waited for.
    pub(super) fn waits(&self, now: Time) -> bool {
        !self.to_ask.is_empty() || !self.under_way.is_empty() && self.until > now
    }

    /// Where an earlier process with this key runs.
    pub(super) fn found(&self) -> Option<&SameKeyPlace> {
        self.found.as_ref()
    }

    /// Until when an answer is waited for; never, where none is.
    pub(super) fn wakes_at(&self, now: Time) -> Time {
        if self.waits(now) { self.until } else { Time::NEVER }
    }
}

impl<S: Store> Engine<S> {
    /// Notes where the own shard says that this member can be dialled, to be asked.
    pub(super) fn seek_same_key(&mut self) -> Result<(), StoreError> {
        let item = self.system_item(&self.cx.me.clone(), ADDRESSES_KEY)?;
        let addresses = item.and_then(|item| decode_addresses(&item.value).ok()).unwrap_or_default();
        self.same_key.ask(addresses);
        Ok(())
    }

    /// Whether own writes wait until it is clear that no other process has our key.
    pub(super) fn looks_for_same_key(&self) -> bool {
        self.same_key.waits(self.cx.now.time) || self.listed.holds()
    }

    /// Asks there.
    pub(super) fn dial_same_key(&mut self) {
        for address in self.same_key.begin(self.cx.now.time) {
            self.cx.emit(Effect::Dial { address, expected: Some(self.cx.me) });
        }
    }

    /// A process that began before this one has our key.
    pub(super) fn on_same_key(&mut self, place: SameKeyPlace) {
        if let SameKeyPlace::Answers(address) = &place {
            self.same_key.is_free(address);
        }
        if self.same_key.found.is_some() {
            return;
        }
        self.cx.stats.refuse("key_in_use");
        self.same_key.found = Some(place.clone());
        let is_empty = |own: &OwnShard| own.before() == Timestamp::ZERO && !own.has_written();
        let empty = self.own.get(&self.cx.me).is_none_or(is_empty);
        let empty = empty || self.listed.is_newcomer();
        self.cx.alarm(Alarm::KeyInUse { place, empty });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_is_asked_once_and_waited_for_a_second() {
        let (mut same, now) = (SameKey::default(), Time(7));
        assert!(!same.waits(now) && same.begin(now).is_empty());
        same.ask(alloc::vec!["a:1".into(), "b:1".into(), "a:1".into()]);
        assert!(same.waits(now), "not yet asked");
        assert_eq!(same.begin(now), ["a:1".into(), "b:1".into()] as [Address; 2]);
        assert!(same.waits(now) && same.wakes_at(now) == now.after(ANSWER_MICROS));
        same.is_free(&"a:1".into());
        assert!(same.waits(now) && !same.waits(now.after(ANSWER_MICROS)), "b does not answer");
        same.is_free(&"b:1".into());
        assert!(!same.waits(now) && same.wakes_at(now) == Time::NEVER);
        same.ask(alloc::vec!["a:1".into()]);
        assert!(same.begin(now).is_empty(), "it was asked");
    }

    #[test]
    fn a_run_asks_a_bounded_number_of_addresses() {
        let mut same = SameKey::default();
        same.ask((0..2 * ASKED_MAX).map(|n| alloc::format!("a:{n}").into()).collect());
        assert_eq!(same.begin(Time(1)).len(), ASKED_MAX);
    }
}
