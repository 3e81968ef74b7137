//! Another process with this member's key: a ticket used twice, a copied directory, a cloned machine.
//!
//! Two that run at a time are told from one that took the other's place by liveness alone, never by heads or
//! clocks. So a member looks, before it writes, whether somebody answers with its own key where its own shard
//! says that it can be dialled. Only who holds the key can answer so. The connector compares which of both
//! began first; the later one stops. Where nobody can be dialled, lists (`listed`) and peers (`processes`,
//! `contest`) tell.

use crate::{
    connector::Address,
    time::{SECOND, Time},
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
pub(in crate::engine) struct SameKey {
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
    pub(in crate::engine) fn ask(&mut self, addresses: Vec<Address>) {
        for address in addresses {
            if self.asked.len() < ASKED_MAX && self.asked.insert(address.clone()) {
                self.to_ask.push(address);
            }
        }
    }

    /// What is to be dialled now.
    pub(in crate::engine) fn begin(&mut self, now: Time) -> Vec<Address> {
        let addresses = core::mem::take(&mut self.to_ask);
        if !addresses.is_empty() {
            self.until = now.after(ANSWER_MICROS);
            self.under_way.extend(addresses.iter().cloned());
        }
        addresses
    }

    /// Nobody who matters answers there.
    pub(in crate::engine) fn is_free(&mut self, address: &Address) {
        self.under_way.remove(address);
    }

    /// Whether an answer is waited for.
    pub(in crate::engine) fn waits(&self, now: Time) -> bool {
        !self.to_ask.is_empty() || !self.under_way.is_empty() && self.until > now
    }

    /// An earlier process with this key was found. Whether it is the first.
    pub(in crate::engine) fn find(&mut self, place: SameKeyPlace) -> bool {
        if let SameKeyPlace::Answers(address) = &place {
            self.is_free(address);
        }
        let is_first = self.found.is_none();
        self.found.get_or_insert(place);
        is_first
    }

    /// Where an earlier process with this key runs.
    pub(in crate::engine) fn found(&self) -> Option<&SameKeyPlace> {
        self.found.as_ref()
    }

    /// Until when an answer is waited for; never, where none is.
    pub(in crate::engine) fn wakes_at(&self, now: Time) -> Time {
        if self.waits(now) { self.until } else { Time::NEVER }
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
