//! Timers: one table of what happens because time has passed, and when it happens next.

use super::{Engine, dial, links::Link, surplus};
use crate::{
    store::{Meta, Store, StoreError},
    time::Time,
};

/// Why the engine is woken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Timer {
    /// Own shards that nobody contradicted may be written.
    Confirmation,
    /// What was held back for its owner's rate is asked for, and a pull is given up.
    Transfers,
    /// What an own shard had lost is not waited for any longer.
    Recovery,
    /// Addresses are asked for another process with this member's key.
    SameKey,
    /// A process that may be the second one with its key is cleared.
    Newcomer,
    /// It is decided which of two processes with this member's key goes on.
    Contest,
    /// A greeting, a probe or a roster is late, or a pinned state is released.
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
    /// Somebody is dialled, or reachability is looked at.
    Dials,
    /// What waits for the send budget goes on.
    SendBudget,
}

impl Timer {
    /// All of them, in the order in which a call comes to them.
    const ALL: [Self; 14] = [
        Self::Confirmation,
        Self::Transfers,
        Self::Recovery,
        Self::SameKey,
        Self::Newcomer,
        Self::Contest,
        Self::Links,
        Self::Round,
        Self::AddressBook,
        Self::Surplus,
        Self::Disk,
        Self::OwnLinks,
        Self::Dials,
        Self::SendBudget,
    ];
}

impl<S: Store> Engine<S> {
    /// Does what is due.
    pub(super) fn on_time(&mut self) -> Result<(), StoreError> {
        Timer::ALL.into_iter().try_for_each(|timer| self.act(timer))
    }

    /// When `handle` wants to be called with [`super::Input::Wake`] if nothing else happens.
    pub fn next_wake(&self) -> Time {
        if self.cx.more_to_do {
            return self.cx.now.time;
        }
        Timer::ALL.into_iter().map(|timer| self.deadline(timer)).min().unwrap_or(Time::NEVER)
    }

    /// When there is something to do for a timer.
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

    /// Does what there is to do for a timer, if it is due. Most of them look at more than the time.
    fn act(&mut self, timer: Timer) -> Result<(), StoreError> {
        let now = self.cx.now.time;
        match timer {
            Timer::Confirmation if self.own.confirm_at() <= now => self.own.confirm_all(&mut self.disk),
            Timer::Confirmation => {}
            Timer::Transfers => self.gossip().end_interval(),
            Timer::Recovery => self.commits().end_recoveries()?,
            Timer::Newcomer => self.conflicts().turn_newcomer(),
            Timer::Contest => {
                self.gossip().turn_contest();
                self.conflicts().seek_judges()?;
            }
            Timer::Links if self.links.have_work(now) => {
                self.greeting().on_greetings();
                self.greeting().end_silent();
                self.links.values_mut().for_each(|link| link.end_pins(now));
            }
            Timer::Links => {}
            Timer::Round if self.cx.next_round <= now => {
                self.cx.begin_round();
                self.exchange().begin_round();
                self.replication().end_pins_of_grown_store();
                self.exchange().probe_silent();
                self.own.on_round();
            }
            Timer::Round => {}
            Timer::AddressBook => {
                if let Some(addresses) = self.discovery.addresses.take_changed(now) {
                    self.disk.set_meta(Meta::Addresses, Some(addresses));
                }
            }
            Timer::Surplus => self.greeting().drop_surplus(),
            Timer::Disk => self.disk.erase(now)?,
            // Every call comes to them at its end: it commits, asks, dials, answers and asks for a sync.
            Timer::SameKey | Timer::OwnLinks | Timer::Dials | Timer::SendBudget => {}
        }
        Ok(())
    }

    /// When what waits for the send budget goes on.
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

    /// Called when it wants to be, an engine that is alone does not keep its driver busy.
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
        let deadlines = Timer::ALL.map(|timer| engine.deadline(timer));
        assert_eq!(engine.next_wake(), deadlines.into_iter().min().unwrap());
        engine.cx.next_round = Time(1);
        assert_eq!((engine.next_wake(), engine.deadline(Timer::Round)), (Time(1), Time(1)));
        engine.cx.more_to_do = true;
        assert_eq!(engine.next_wake(), at(1).time);
    }
}
