//! Timers: one table of everything that happens because time has passed, and when it happens next.

use super::{Engine, dial, links::Link, surplus};
use crate::{
    store::{Meta, Store, StoreError},
    time::Time,
};

/// Why the engine is woken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Timer {
    /// Own shards that no peer contradicted may be written.
    Confirmation,
    /// Heads held back by the rate limit are fetched, and late pulls are given up.
    Transfers,
    /// The recovery of an own shard ends.
    Recovery,
    /// The search for another process with this member's key, by dialling our addresses, ends.
    SameKey,
    /// A process that may be the second one with its key is cleared.
    Newcomer,
    /// It is decided which of two processes with this member's key continues.
    Contest,
    /// A handshake, a probe or a roster is late, or a pinned state is released.
    Links,
    /// The next anti-entropy round begins.
    Round,
    /// Known addresses are written.
    AddressBook,
    /// A link beyond the wanted number is dropped.
    Surplus,
    /// Committed data is synced, and rows of dead shards are erased.
    Disk,
    /// This member's links are published.
    OwnLinks,
    /// A dial begins, or reachability is updated.
    Dials,
    /// Messages that wait for the send budget are sent.
    SendBudget,
}

impl Timer {
    /// Timers with a step of their own, in the order in which a call handles them.
    const ACTING: [Self; 10] = [
        Self::Confirmation,
        Self::Transfers,
        Self::Recovery,
        Self::Newcomer,
        Self::Contest,
        Self::Links,
        Self::Round,
        Self::AddressBook,
        Self::Surplus,
        Self::Disk,
    ];
    /// Timers that the end of every call handles: it commits, requests, dials, answers and asks for a sync.
    const AT_THE_END: [Self; 4] = [Self::SameKey, Self::OwnLinks, Self::Dials, Self::SendBudget];

    fn all() -> impl Iterator<Item = Self> {
        Self::ACTING.into_iter().chain(Self::AT_THE_END)
    }
}

impl<S: Store> Engine<S> {
    /// Handles all timers that are due.
    pub(super) fn on_time(&mut self) -> Result<(), StoreError> {
        for timer in Timer::ACTING {
            if self.is_due(timer) {
                self.act(timer)?;
            }
        }
        Ok(())
    }

    /// When `handle` must be called with [`super::Input::Wake`] if nothing else happens.
    pub fn next_wake(&self) -> Time {
        if self.cx.more_to_do {
            return self.cx.now.time;
        }
        Timer::all().map(|timer| self.deadline(timer)).min().unwrap_or(Time::NEVER)
    }

    /// When a timer is due.
    fn deadline(&self, timer: Timer) -> Time {
        let now = self.cx.now.time;
        match timer {
            Timer::Confirmation => self.own.confirm_at(),
            Timer::Transfers => self.replicas.wakes_at(now),
            Timer::Recovery => self.recoveries().recovery_ends_at(),
            Timer::SameKey => self.key_conflicts.same_key.wakes_at(now),
            Timer::Newcomer => self.key_conflicts.listed.wakes_at(),
            Timer::Contest => self.own.contest_ends_at(),
            Timer::Links => self.links.wakes_at(),
            Timer::Round => self.cx.next_round,
            Timer::AddressBook => self.discovery.addresses.wakes_at(),
            Timer::Surplus => surplus::wakes_at(&self.cx, &self.links, &self.discovery),
            Timer::Disk => self.disk.wakes_at(self.cx.config.sync_micros),
            Timer::OwnLinks => self.discovery.links_wake_at(&self.cx),
            Timer::Dials => dial::wakes_at(&self.cx, &self.links, &self.discovery, &self.divergent),
            Timer::SendBudget => self.budget_wakes_at(),
        }
    }

    /// Whether there may be work for a timer. Most timers check more than the time.
    #[inline(always)]
    fn is_due(&self, timer: Timer) -> bool {
        let now = self.cx.now.time;
        match timer {
            Timer::Confirmation => self.own.confirm_at() <= now,
            Timer::Transfers => self.replicas.has_held_back(),
            Timer::Recovery => self.own.is_recovering(),
            Timer::Newcomer => self.key_conflicts.listed.is_newcomer(),
            Timer::Contest => self.own.is_contested() || self.key_conflicts.listed.has_listers(),
            Timer::Links => self.links.have_work(now),
            Timer::Round => self.cx.next_round <= now,
            Timer::AddressBook | Timer::Surplus | Timer::Disk => self.deadline(timer) <= now,
            Timer::SameKey | Timer::OwnLinks | Timer::Dials | Timer::SendBudget => false,
        }
    }

    /// Handles a timer that is due.
    fn act(&mut self, timer: Timer) -> Result<(), StoreError> {
        let now = self.cx.now.time;
        match timer {
            Timer::Confirmation => self.own.confirm_all(&mut self.disk),
            Timer::Transfers => self.gossip().end_interval(),
            Timer::Recovery => self.commits().end_recoveries()?,
            Timer::Newcomer => self.conflicts().update_newcomer(),
            Timer::Contest => {
                self.gossip().try_end_contest();
                self.conflicts().dial_listers()?;
            }
            Timer::Links => {
                self.greeting().on_greetings();
                self.greeting().end_silent();
                self.links.values_mut().for_each(|link| link.end_pins(now));
            }
            Timer::Round => {
                self.cx.begin_round();
                self.exchange().begin_round();
                self.replication().end_pins_of_grown_store();
                self.exchange().probe_silent();
                self.own.on_round();
            }
            Timer::AddressBook => {
                if let Some(addresses) = self.discovery.addresses.take_changed(now) {
                    self.disk.set_meta(Meta::Addresses, Some(addresses));
                }
            }
            Timer::Surplus => self.greeting().drop_surplus(),
            Timer::Disk => self.disk.erase(now)?,
            Timer::SameKey | Timer::OwnLinks | Timer::Dials | Timer::SendBudget => {}
        }
        Ok(())
    }

    /// When messages that wait for the send budget may be sent.
    fn budget_wakes_at(&self) -> Time {
        let answers = !self.cx.may_answer() && self.links.values().any(Link::has_pending);
        let pushes = !self.cx.may_push() && self.links.values().any(Link::is_catching_up);
        let answers = answers.then(|| self.cx.answers_at());
        let pushes = pushes.then(|| self.cx.pushes_at());
        answers.into_iter().chain(pushes).min().unwrap_or(Time::NEVER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engine::{
            Config, Input, Outbox,
            testing::{TestStore, at, identity, mesh},
        },
        identity::Strict,
        time::{Now, SECOND, Timestamp},
    };
    use alloc::{boxed::Box, vec};

    fn engine() -> Engine<TestStore> {
        let config = Config::new(mesh(), identity(7), "member".parse().unwrap());
        Engine::open(config, 1, Box::new(Strict), TestStore::default(), at(1)).unwrap()
    }

    /// An engine without peers that is called at its deadlines does not keep its driver busy.
    #[test]
    fn a_woken_engine_moves_its_deadline_on() {
        let (mut engine, mut out) = (engine(), Outbox::new());
        let (end, mut calls, mut rounds) = (Time(600 * SECOND), 0, 0);
        loop {
            let time = engine.next_wake();
            if time > end {
                break;
            }
            let round = engine.cx.next_round;
            engine.handle(Now { time, wall: Timestamp(time.0) }, vec![Input::Wake], &mut out).unwrap();
            engine.sync(&mut out).unwrap();
            rounds += u64::from(engine.cx.next_round != round);
            calls += 1;
            assert!(engine.next_wake() > time || calls < 10, "{calls} calls by {time:?}");
        }
        let round_micros = engine.cx.config.round_micros;
        assert!(rounds >= 600 * SECOND / (2 * round_micros), "only {rounds} rounds of {round_micros} us");
        assert!(calls < 2_000, "{calls} calls in ten minutes");
    }

    #[test]
    fn the_next_wake_is_the_first_deadline() {
        let mut engine = engine();
        engine.handle(at(1), vec![Input::Wake], &mut Outbox::new()).unwrap();
        engine.cx.more_to_do = false;
        assert_eq!(Some(engine.next_wake()), Timer::all().map(|timer| engine.deadline(timer)).min());
        engine.cx.next_round = Time(1);
        assert_eq!((engine.next_wake(), engine.deadline(Timer::Round)), (Time(1), Time(1)));
        engine.cx.more_to_do = true;
        assert_eq!(engine.next_wake(), at(1).time);
    }
}
