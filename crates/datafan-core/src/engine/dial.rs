//! Finding each other: dialling until there are links enough.

use super::{Effect, Engine, Outbox};
use crate::{connector::Address, id::MemberId, store::Store, time::Time};
use alloc::{collections::BTreeSet, string::String, vec::Vec};

impl<S: Store> Engine<S> {
    pub(super) fn on_dial_failed(&mut self, address: &Address, expected: Option<MemberId>, error: String) {
        let linked = expected.is_some_and(|peer| self.links.contains_key(&peer));
        if !linked {
            self.book.on_failed(address, error, self.now.time, &mut self.rng);
        }
    }

    /// Dials what is due: the user's addresses for a start, then those of members until there are links enough.
    pub(super) fn dial(&mut self, out: &mut Outbox) {
        self.book.expire(self.now.time, &mut self.rng);
        let wanted = self.dials_wanted();
        if wanted == 0 {
            return;
        }
        let due: Vec<(Address, Option<MemberId>)> = self.due().into_iter().take(wanted).collect();
        for (address, expected) in due {
            self.book.on_dial(&address, self.now.time);
            out.now.push(Effect::Dial { address, expected });
        }
    }

    /// How many dials may begin now.
    fn dials_wanted(&self) -> usize {
        let under_way = self.book.iter().filter(|(_, entry)| entry.dialling.is_some()).count();
        if self.config.links_min == 0 {
            return DIALS_MAX.saturating_sub(under_way);
        }
        let wanted = match self.links.len() < self.config.links_min {
            true => self.config.links_wanted_max.max(self.config.links_min) - self.links.len(),
            false => 0,
        };
        wanted.saturating_sub(under_way).min(DIALS_MAX)
    }

    /// Addresses that may be dialled now, members in an order drawn by lot.
    fn due(&mut self) -> Vec<(Address, Option<MemberId>)> {
        let discovers = self.config.links_min > 0;
        let mut due: Vec<(u64, Address, Option<MemberId>)> = Vec::new();
        let mut members = BTreeSet::new();
        let mut rng = self.rng.clone();
        for (address, entry) in self.book.iter() {
            let linked =
                entry.member.is_some_and(|member| self.links.contains_key(&member) || member == self.me);
            let wanted = entry.seed || discovers;
            if linked || entry.dialling.is_some() || !wanted || entry.next > self.now.time {
                continue;
            }
            if entry.member.is_none_or(|member| members.insert(member)) {
                let order = if entry.seed { 0 } else { rng.next() | 1 };
                due.push((order, address.clone(), entry.member));
            }
        }
        if !due.is_empty() {
            self.rng = rng;
        }
        due.sort();
        due.into_iter().map(|(_, address, member)| (address, member)).collect()
    }

    /// When the next address becomes due.
    pub(super) fn next_dial(&self) -> Time {
        let outcome = self.book.iter().filter_map(|(_, entry)| entry.dialling).min().unwrap_or(Time::NEVER);
        if self.dials_wanted() == 0 {
            return outcome;
        }
        let discovers = self.config.links_min > 0;
        self.book
            .iter()
            .filter(|(_, entry)| entry.dialling.is_none() && (entry.seed || discovers))
            .filter(|(_, entry)| {
                entry.member.is_none_or(|member| !self.links.contains_key(&member) && member != self.me)
            })
            .map(|(_, entry)| entry.next)
            .min()
            .map_or(outcome, |next| next.min(outcome))
    }
}

/// Most dials under way at once.
const DIALS_MAX: usize = 8;
