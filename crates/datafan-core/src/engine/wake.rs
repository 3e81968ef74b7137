//! Deadlines: what happens because time has passed, and when it happens next.

use super::{Engine, links::Link};
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
        self.end_interval();
        self.end_recoveries()?;
        self.turn_newcomer();
        self.turn_contest();
        self.seek_judges()?;
        if self.links.need_a_look(now) {
            self.on_greetings();
            self.end_silent();
            for link in self.links.values_mut() {
                link.end_pins(now);
            }
        }
        if self.cx.next_round <= now {
            self.cx.next_round = now.after(self.cx.rng.jitter(self.cx.config.round_micros));
            self.begin_round();
            self.end_pins_of_grown_store();
            self.probe_silent();
            self.own.on_round();
        }
        if let Some(addresses) = self.discovery.addresses.take_changed(now) {
            self.disk.set_meta(Meta::Addresses, Some(addresses));
        }
        self.drop_surplus();
        self.disk.erase(now)
    }

    /// Nobody's copy may make the store grow without bound.
    pub(super) fn end_pins_of_grown_store(&mut self) {
        if self.links.values().all(|link| !link.has_pins()) {
            return;
        }
        // A store that does not say how large it is fails at its next write, if it fails.
        let file_bytes = self.disk.file_bytes().unwrap_or_default();
        let (written, max) =
            (self.disk.written_bytes(), (file_bytes / 4).max(self.cx.config.pin_growth_bytes));
        for (_, link) in self.links.all_quietly() {
            link.end_pins_written(written, max);
        }
    }

    /// When `handle` wants to be called with [`super::Input::Wake`] if nothing else happens.
    pub fn next_wake(&self) -> Time {
        if self.cx.more_to_do {
            return self.cx.now.time;
        }
        [
            self.disk.wakes_at(self.cx.config.sync_micros),
            self.own.confirm_at(),
            self.recovery_ends_at(),
            self.key_conflicts.same_key.wakes_at(self.cx.now.time),
            self.key_conflicts.listed.wakes_at(),
            self.own.contest_ends_at(),
            self.links.wakes_at(),
            self.cx.next_round,
            self.dial_wakes_at(),
            self.surplus_at(),
            self.links_wake_at(),
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
