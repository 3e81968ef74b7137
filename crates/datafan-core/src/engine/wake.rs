//! Deadlines: what happens because time has passed, and when it happens next.

use super::{Engine, dial, links::Link, surplus};
use crate::{
    store::{Meta, Store, StoreError},
    time::Time,
};

impl<S: Store> Engine<S> {
    /// Does what is due.
    pub(super) fn on_time(&mut self) -> Result<(), StoreError> {
        let now = self.cx.now.time;
        if self.own.confirm_at() <= now {
            self.own.confirm_all(&mut self.disk);
        }
        self.gossip().end_interval();
        self.commits().end_recoveries()?;
        self.conflicts().turn_newcomer();
        self.gossip().turn_contest();
        self.conflicts().seek_judges()?;
        if self.links.need_a_look(now) {
            self.greeting().on_greetings();
            self.greeting().end_silent();
            for link in self.links.values_mut() {
                link.end_pins(now);
            }
        }
        if self.cx.next_round <= now {
            self.cx.next_round = now.after(self.cx.rng.jitter(self.cx.config.round_micros));
            self.exchange().begin_round();
            self.replication().end_pins_of_grown_store();
            self.exchange().probe_silent();
            self.own.on_round();
        }
        if let Some(addresses) = self.discovery.addresses.take_changed(now) {
            self.disk.set_meta(Meta::Addresses, Some(addresses));
        }
        self.greeting().drop_surplus();
        self.disk.erase(now)
    }

    /// When `handle` wants to be called with [`super::Input::Wake`] if nothing else happens.
    pub fn next_wake(&self) -> Time {
        if self.cx.more_to_do {
            return self.cx.now.time;
        }
        [
            self.disk.wakes_at(self.cx.config.sync_micros),
            self.own.confirm_at(),
            self.recoveries().recovery_ends_at(),
            self.key_conflicts.same_key.wakes_at(self.cx.now.time),
            self.key_conflicts.listed.wakes_at(),
            self.own.contest_ends_at(),
            self.links.wakes_at(),
            self.cx.next_round,
            dial::wakes_at(&self.cx, &self.links, &self.discovery, &self.divergent),
            surplus::wakes_at(&self.cx, &self.links, &self.discovery),
            self.discovery.links_wake_at(&self.cx),
            self.discovery.addresses.wakes_at(),
            self.budget_wakes_at(),
            self.replicas.wakes_at(self.cx.now.time),
        ]
        .into_iter()
        .min()
        .unwrap_or(Time::NEVER)
    }

    /// When what waits for the send budget goes on.
    fn budget_wakes_at(&self) -> Time {
        let answers = !self.cx.may_answer() && self.links.values().any(Link::has_owed);
        let pushes = !self.cx.may_push() && self.links.values().any(Link::is_catching_up);
        let answers = answers.then(|| self.cx.answers_at());
        let pushes = pushes.then(|| self.cx.pushes_at());
        answers.into_iter().chain(pushes).min().unwrap_or(Time::NEVER)
    }
}
