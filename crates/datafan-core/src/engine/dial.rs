//! Finding each other: dialling until there are links enough.

use super::{
    Effect, Engine, Outbox,
    book::{Entry, Place},
};
use crate::{connector::Address, id::MemberId, store::Store, time::Time};
use alloc::{collections::BTreeSet, string::String, vec::Vec};

impl<S: Store> Engine<S> {
    pub(super) fn on_dial_failed(&mut self, address: Address, expected: Option<MemberId>, error: String) {
        let linked = expected.is_some_and(|peer| self.links.contains_key(&peer));
        if !linked {
            self.book.on_failed(&(expected, address), error, self.now.time, &mut self.rng);
        }
    }

    /// Dials what is due: the user's addresses for a start, then those of members until there are links enough.
    pub(super) fn dial(&mut self, out: &mut Outbox) {
        if self.now.time < self.book.quiet_until {
            return;
        }
        self.book.expire(self.now.time, &mut self.rng);
        let wanted = self.dials_wanted();
        let due = if wanted > 0 { self.due() } else { Vec::new() };
        for place in due.into_iter().take(wanted) {
            self.book.on_dial(&place, self.now.time);
            let (expected, address) = place;
            out.now.push(Effect::Dial { address, expected });
        }
        self.book.quiet_until = self.next_dial();
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

    /// Whether an address may be dialled when its time has come.
    fn may_dial(&self, (expected, _): &Place, entry: &Entry) -> bool {
        let linked = expected.is_some_and(|member| self.links.contains_key(&member) || member == self.me);
        !linked && entry.dialling.is_none() && (entry.seed || self.config.links_min > 0)
    }

    /// What may be dialled now, the user's first, then in an order drawn by lot; each address and member once.
    fn due(&mut self) -> Vec<Place> {
        let mut rng = self.rng.clone();
        let mut due: Vec<(u64, Place)> = Vec::new();
        for (place, entry) in self.book.iter() {
            if self.may_dial(place, entry) && entry.next <= self.now.time {
                due.push((if entry.seed { 0 } else { rng.next() | 1 }, place.clone()));
            }
        }
        if !due.is_empty() {
            self.rng = rng;
        }
        due.sort();
        let under_way = self.book.iter().filter(|(_, entry)| entry.dialling.is_some());
        let mut addresses: BTreeSet<Address> = under_way.map(|((_, address), _)| address.clone()).collect();
        let mut members = BTreeSet::new();
        due.retain(|(_, (expected, address))| {
            addresses.insert(address.clone()) && expected.is_none_or(|member| members.insert(member))
        });
        due.into_iter().map(|(_, place)| place).collect()
    }

    /// When the next address becomes due, or a dial has to have an outcome.
    fn next_dial(&self) -> Time {
        let outcomes = self.book.iter().filter_map(|(_, entry)| entry.dialling);
        let wanted = self.dials_wanted() > 0;
        // What is due but is being dialled for somebody else waits for that outcome.
        let next = self.book.iter().filter(|(place, entry)| wanted && self.may_dial(place, entry));
        let next = next.map(|(_, entry)| entry.next).filter(|next| *next > self.now.time);
        outcomes.chain(next).min().unwrap_or(Time::NEVER)
    }
}

/// Most dials under way at once.
const DIALS_MAX: usize = 8;
