//! Another process with this member's key: a ticket was used twice, or a directory or a machine was copied.
//!
//! Only liveness distinguishes two running processes from one that replaced the other; heads and clocks
//! cannot. So before a member writes, it dials the addresses that its own shard publishes and checks whether
//! a process answers with its own key. Only a holder of the key can answer so. The connector compares which
//! process began first; the later one stops. If no address can be dialled, published lists (`listed`) and
//! peers (`processes`, `contest`) reveal the other process.

use crate::{
    connector::Address,
    time::{SECOND, Time},
};
use alloc::{collections::BTreeSet, vec::Vec};
use core::fmt;

/// How long to wait for an answer. Own writes wait meanwhile.
const ANSWER_MICROS: u64 = SECOND;
/// Most addresses that one process dials, in case the shard lists ever new ones.
const ASKED_MAX: usize = 64;

/// Where another process with the member's key was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SameKeyPlace {
    /// It answers at this address.
    Answers(Address),
    /// It signed that it knows this process: it is, or was recently, linked with a member.
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

/// What is known about other processes with this member's key.
#[derive(Default)]
pub(in crate::engine) struct SameKey {
    to_ask: Vec<Address>,
    /// Addresses being dialled.
    under_way: BTreeSet<Address>,
    /// All addresses dialled by this process.
    asked: BTreeSet<Address>,
    /// When the addresses being dialled count as unanswered.
    until: Time,
    /// Where an earlier process was found.
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

    /// Whether addresses wait to be dialled.
    pub(in crate::engine) fn has_queued(&self) -> bool {
        !self.to_ask.is_empty()
    }

    /// Takes the addresses to dial now.
    pub(in crate::engine) fn begin(&mut self, now: Time) -> Vec<Address> {
        let addresses = core::mem::take(&mut self.to_ask);
        if !addresses.is_empty() {
            self.until = now.after(ANSWER_MICROS);
            self.under_way.extend(addresses.iter().cloned());
        }
        addresses
    }

    /// No earlier process answers at this address.
    pub(in crate::engine) fn is_free(&mut self, address: &Address) {
        self.under_way.remove(address);
    }

    /// Whether an answer is pending.
    pub(in crate::engine) fn waits(&self, now: Time) -> bool {
        !self.to_ask.is_empty() || !self.under_way.is_empty() && self.until > now
    }

    /// An earlier process with this key was found. Returns whether it is the first one found.
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

    /// Until when to wait for an answer; never if none is pending.
    pub(in crate::engine) fn wakes_at(&self, now: Time) -> Time {
        if self.waits(now) { self.until } else { Time::NEVER }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_is_dialled_once_and_has_a_second_to_answer() {
        let (mut same, now) = (SameKey::default(), Time(7));
        assert!(!same.waits(now) && same.begin(now).is_empty());
        same.ask(alloc::vec!["a:1".into(), "b:1".into(), "a:1".into()]);
        assert!(same.waits(now), "not dialled yet");
        assert_eq!(same.begin(now), ["a:1".into(), "b:1".into()] as [Address; 2]);
        assert!(same.waits(now) && same.wakes_at(now) == now.after(ANSWER_MICROS));
        same.is_free(&"a:1".into());
        assert!(same.waits(now) && !same.waits(now.after(ANSWER_MICROS)), "b does not answer");
        same.is_free(&"b:1".into());
        assert!(!same.waits(now) && same.wakes_at(now) == Time::NEVER);
        same.ask(alloc::vec!["a:1".into()]);
        assert!(same.begin(now).is_empty(), "it was dialled");
    }

    #[test]
    fn a_run_dials_a_bounded_number_of_addresses() {
        let mut same = SameKey::default();
        same.ask((0..2 * ASKED_MAX).map(|n| alloc::format!("a:{n}").into()).collect());
        assert_eq!(same.begin(Time(1)).len(), ASKED_MAX);
    }
}
