//! Several engines in one thread, without drivers and connectors.
//!
//! [`Engines`] keeps for each engine what its driver would: an inbox and an outbox, and makes the calls in
//! the right order. Its user decides when an engine handles its inputs, at which time, and what happens to
//! each effect; messages arrive when they are [delivered](Engines::deliver), which may be at once, late,
//! altered or never.

use datafan_core::{
    connector::Direction,
    engine::{Effect, Engine, Input, Outbox, Stats},
    id::MemberId,
    store::{Store, StoreError},
    time::{Now, Time},
};
use std::{collections::BTreeMap, sync::Arc};

/// Members by number, in the order in which they were added.
pub struct Engines<E> {
    members: Vec<Member<E>>,
    numbers: BTreeMap<MemberId, usize>,
    /// Number of inboxes filled so far.
    n_filled: u64,
}

struct Member<E> {
    id: MemberId,
    /// `None` while it is stopped.
    engine: Option<E>,
    inbox: Vec<Input>,
    /// The inbox that was filled earlier has the smaller number; meaningless while the inbox is empty.
    filled: u64,
    outbox: Outbox,
}

/// An engine on any store.
pub trait Running {
    /// See [`Engine::handle`].
    fn handle(&mut self, now: Now, inputs: Vec<Input>, out: &mut Outbox) -> Result<(), StoreError>;
    /// See [`Engine::sync`].
    fn sync(&mut self, out: &mut Outbox) -> Result<(), StoreError>;
    /// See [`Engine::next_wake`].
    fn next_wake(&self) -> Time;
    /// See [`Engine::stats`].
    fn stats(&self) -> &Stats;
}

impl<E: Running> Engines<E> {
    /// Starts without members.
    pub fn new() -> Self {
        Self { members: Vec::new(), numbers: BTreeMap::new(), n_filled: 0 }
    }

    /// Adds a member, and returns its number.
    pub fn add(&mut self, id: MemberId, engine: E) -> usize {
        let number = self.members.len();
        let (engine, inbox, outbox) = (Some(engine), Vec::new(), Outbox::new());
        self.members.push(Member { id, engine, inbox, filled: 0, outbox });
        self.numbers.insert(id, number);
        number
    }

    /// Removes and returns a member's engine, with all pending inputs. Until it is started again, its inputs
    /// are collected and ignored.
    pub fn stop(&mut self, member: usize) -> Option<E> {
        let member = &mut self.members[member];
        member.inbox.clear();
        member.outbox = Outbox::new();
        member.engine.take()
    }

    /// Starts a stopped member again.
    pub fn start(&mut self, member: usize, engine: E) {
        let before = self.members[member].engine.replace(engine);
        assert!(before.is_none(), "a member has one engine");
    }

    /// A member's id.
    pub fn id(&self, member: usize) -> MemberId {
        self.members[member].id
    }

    /// The member with that id.
    pub fn number(&self, id: &MemberId) -> Option<usize> {
        self.numbers.get(id).copied()
    }

    /// Number of members.
    pub fn n_members(&self) -> usize {
        self.members.len()
    }

    /// The engine of a member that is not stopped.
    pub fn engine(&self, member: usize) -> &E {
        self.members[member].engine.as_ref().expect("a member whose engine is looked at is not stopped")
    }

    /// Puts an input into a member's inbox.
    pub fn give(&mut self, member: usize, input: Input) {
        let member = &mut self.members[member];
        if member.inbox.is_empty() {
            self.n_filled += 1;
            member.filled = self.n_filled;
        }
        member.inbox.push(input);
    }

    /// Delivers a message of `from` to `to`.
    pub fn deliver(&mut self, from: usize, to: usize, bytes: Arc<[u8]>) {
        self.give(to, Input::Message { from: self.members[from].id, bytes });
    }

    /// Tells a member that its link with a peer is up.
    pub fn link_up(&mut self, member: usize, peer: usize, direction: Direction) {
        self.give(member, Input::LinkUp { peer: self.members[peer].id, address: None, direction });
    }

    /// Tells a member that its link with a peer is down.
    pub fn link_down(&mut self, member: usize, peer: usize, reason: &str) {
        self.give(member, Input::LinkDown { peer: self.members[peer].id, reason: reason.into() });
    }

    /// Whether a member has pending inputs.
    pub fn has_input(&self, member: usize) -> bool {
        !self.members[member].inbox.is_empty()
    }

    /// The member whose inputs have waited longest.
    pub fn waiting(&self) -> Option<usize> {
        let waiting = self.members.iter().enumerate().filter(|(_, member)| !member.inbox.is_empty());
        waiting.min_by_key(|(_, member)| member.filled).map(|(number, _)| number)
    }

    /// Takes all pending inputs of a member.
    pub fn take_inputs(&mut self, member: usize) -> Vec<Input> {
        std::mem::take(&mut self.members[member].inbox)
    }

    /// Takes the first pending input of a member; the rest queues behind the other members.
    pub fn take_input(&mut self, member: usize) -> Option<Input> {
        let member = &mut self.members[member];
        let first = (!member.inbox.is_empty()).then(|| member.inbox.remove(0));
        self.n_filled += 1;
        member.filled = self.n_filled;
        first
    }

    /// Drops the inputs of a member for which `keep` is false.
    pub fn retain_inputs(&mut self, member: usize, keep: impl FnMut(&Input) -> bool) {
        self.members[member].inbox.retain(keep);
    }

    /// Does what a driver does with pending inputs: one call, and a sync if requested. The effects stay in
    /// the outbox.
    ///
    /// # Errors
    /// If the store fails.
    pub fn handle(&mut self, member: usize, now: Now, inputs: Vec<Input>) -> Result<(), StoreError> {
        let Member { engine: Some(engine), outbox, .. } = &mut self.members[member] else { return Ok(()) };
        outbox.wants_sync = false;
        engine.handle(now, inputs, outbox)?;
        assert!(outbox.wants_sync || outbox.after_sync.is_empty(), "effects wait for no sync");
        if outbox.wants_sync {
            engine.sync(outbox)?;
        }
        Ok(())
    }

    /// Syncs a member's store.
    ///
    /// # Errors
    /// If the store fails.
    pub fn sync(&mut self, member: usize) -> Result<(), StoreError> {
        let Member { engine: Some(engine), outbox, .. } = &mut self.members[member] else { return Ok(()) };
        engine.sync(outbox)
    }

    /// Takes the effects from a member's outbox, in order.
    pub fn take_effects(&mut self, member: usize) -> Vec<Effect> {
        std::mem::take(&mut self.members[member].outbox.now)
    }

    /// When the first engine next wants to be woken.
    pub fn next_wake(&self) -> Time {
        let engines = self.members.iter().filter_map(|member| member.engine.as_ref());
        engines.map(Running::next_wake).min().unwrap_or(Time::NEVER)
    }

    /// Wakes the engines that are due.
    pub fn wake(&mut self, now: Time) {
        for number in 0..self.members.len() {
            if self.members[number].engine.as_ref().is_some_and(|engine| engine.next_wake() <= now) {
                self.give(number, Input::Wake);
            }
        }
    }
}

impl<E: Running> Default for Engines<E> {
    fn default() -> Self {
        Self::new()
    }
}

/// The problem that an effect reports, if any: a closed link, a refused peer, an alarm.
pub fn trouble(effect: &Effect) -> Option<String> {
    match effect {
        Effect::Send { .. } | Effect::Answer { .. } => None,
        Effect::Applied { .. } | Effect::Ready { .. } | Effect::Dial { .. } => None,
        Effect::Close { reason, .. } => Some(format!("a link was closed: {reason}")),
        Effect::Refused(refused) => Some(refused.to_string()),
        Effect::Alarm(alarm) => Some(format!("an alarm: {alarm:?}")),
    }
}

impl<S: Store> Running for Engine<S> {
    fn handle(&mut self, now: Now, inputs: Vec<Input>, out: &mut Outbox) -> Result<(), StoreError> {
        Engine::handle(self, now, inputs, out)
    }

    fn sync(&mut self, out: &mut Outbox) -> Result<(), StoreError> {
        Engine::sync(self, out)
    }

    fn next_wake(&self) -> Time {
        Engine::next_wake(self)
    }

    fn stats(&self) -> &Stats {
        Engine::stats(self)
    }
}

/// For engines on different stores.
impl Running for Box<dyn Running> {
    fn handle(&mut self, now: Now, inputs: Vec<Input>, out: &mut Outbox) -> Result<(), StoreError> {
        (**self).handle(now, inputs, out)
    }

    fn sync(&mut self, out: &mut Outbox) -> Result<(), StoreError> {
        (**self).sync(out)
    }

    fn next_wake(&self) -> Time {
        (**self).next_wake()
    }

    fn stats(&self) -> &Stats {
        (**self).stats()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafan_core::time::Timestamp;

    /// Counts its inputs, asks for a sync after each, and reports ready after it.
    #[derive(Default)]
    struct Counter {
        stats: Stats,
        n_inputs: usize,
        wakes_at: Option<Time>,
    }

    impl Running for Counter {
        fn handle(&mut self, _: Now, inputs: Vec<Input>, out: &mut Outbox) -> Result<(), StoreError> {
            self.n_inputs += inputs.len();
            out.wants_sync = true;
            out.now.push(Effect::Applied { owner: id(9), timestamp: Timestamp(1) });
            out.after_sync.push(Effect::Ready { peer: id(9) });
            Ok(())
        }

        fn sync(&mut self, out: &mut Outbox) -> Result<(), StoreError> {
            out.now.append(&mut out.after_sync);
            Ok(())
        }

        fn next_wake(&self) -> Time {
            self.wakes_at.unwrap_or(Time::NEVER)
        }

        fn stats(&self) -> &Stats {
            &self.stats
        }
    }

    const NOW: Now = Now { time: Time(1), wall: Timestamp(1) };

    fn id(number: u8) -> MemberId {
        MemberId([number; 32])
    }

    fn three() -> Engines<Counter> {
        let mut engines = Engines::new();
        for number in 0..3 {
            engines.add(id(number), Counter::default());
        }
        engines
    }

    #[test]
    fn who_waits_longest_is_next() {
        let mut engines = three();
        assert_eq!(engines.waiting(), None);
        engines.deliver(0, 2, [1][..].into());
        engines.link_up(1, 0, Direction::In);
        engines.deliver(1, 2, [2][..].into());
        assert_eq!(engines.waiting(), Some(2));
        let first = engines.take_input(2);
        assert!(matches!(first, Some(Input::Message { from, .. }) if from == id(0)), "{first:?}");
        assert_eq!(engines.waiting(), Some(1));
        assert_eq!(engines.take_inputs(1).len(), 1);
        assert_eq!((engines.waiting(), engines.take_inputs(2).len()), (Some(2), 1));
        assert_eq!(engines.waiting(), None);
    }

    #[test]
    fn effects_come_in_their_order_syncs_included() {
        let mut engines = three();
        engines.handle(0, NOW, vec![Input::Wake]).unwrap();
        let effects = engines.take_effects(0);
        assert!(matches!(effects[..], [Effect::Applied { .. }, Effect::Ready { .. }]), "{effects:?}");
        assert!(engines.take_effects(0).is_empty());
    }

    #[test]
    fn a_stopped_member_does_nothing_and_nothing_waits_for_it() {
        let mut engines = three();
        engines.link_down(1, 0, "cut");
        engines.handle(1, NOW, vec![Input::Wake]).unwrap();
        assert_eq!(engines.stop(1).map(|engine| engine.n_inputs), Some(1));
        assert!(!engines.has_input(1) && engines.take_effects(1).is_empty());
        engines.handle(1, NOW, vec![Input::Wake]).unwrap();
        assert!(engines.take_effects(1).is_empty());
        engines.start(1, Counter::default());
        engines.handle(1, NOW, vec![Input::Wake]).unwrap();
        assert_eq!((engines.engine(1).n_inputs, engines.number(&id(1))), (1, Some(1)));
    }

    #[test]
    fn only_whose_time_has_come_wakes() {
        let mut engines = three();
        engines.add(id(3), Counter { wakes_at: Some(Time(5)), ..Counter::default() });
        engines.wake(Time(4));
        assert_eq!((engines.next_wake(), engines.waiting()), (Time(5), None));
        engines.wake(Time(5));
        assert_eq!(engines.waiting(), Some(3));
        engines.retain_inputs(3, |input| !matches!(input, Input::Wake));
        assert_eq!(engines.waiting(), None);
    }

    #[test]
    fn a_closed_link_is_trouble() {
        let close = Effect::Close { peer: id(1), reason: "late".into() };
        assert_eq!(trouble(&close), Some("a link was closed: late".into()));
        assert_eq!(trouble(&Effect::Ready { peer: id(1) }), None);
    }
}
