//! What every part of the engine can use in a call: settings, clocks, random numbers, counters and the
//! outbox.

use super::{
    command_error::CommandError, config::Config, effect::Alarm, effect::Answer, effect::Committed,
    effect::Effect, effect::Outbox, effect::Ticket, input::OwnChange, not_writable::NotWritable,
    send_budget::SendBudget, stats::Stats,
};
use crate::{
    connector::Frame,
    head::Head,
    id::MemberId,
    identity::Verifier,
    item::Item,
    message::Message,
    rng::Rng,
    time::{Now, SECOND, Time, Timestamp},
};
use alloc::{boxed::Box, sync::Arc, vec::Vec};

/// News from a member's shard for discovery.
pub(super) enum News {
    /// The shard has a new head.
    Moved { owner: MemberId },
    /// The shard has this item at [`ADDRESSES_KEY`](super::ADDRESSES_KEY).
    Addresses { owner: MemberId, item: Arc<Item> },
    /// The shard has this item at [`LINKS_KEY`](super::LINKS_KEY).
    Links { owner: MemberId, item: Arc<Item> },
    /// The shard was replaced as a whole and publishes no links.
    NoLinks { owner: MemberId },
}

/// The context of one call of the engine.
pub(super) struct Context {
    pub(super) config: Config,
    pub(super) me: MemberId,
    pub(super) now: Now,
    pub(super) rng: Rng,
    pub(super) stats: Stats,
    /// `handle` must be called again at once, because work is left.
    pub(super) more_to_do: bool,
    /// When the next anti-entropy round begins.
    pub(super) next_round: Time,
    /// News of this call that discovery has not processed yet.
    news: Vec<News>,
    /// The send budget.
    budget: SendBudget,
    verifier: Box<dyn Verifier>,
    out: Outbox,
    /// Own commits are not on disk yet, so effects that may announce them wait for the sync.
    own_unsynced: bool,
}

impl Context {
    pub(super) fn new(config: Config, mut rng: Rng, verifier: Box<dyn Verifier>, now: Now) -> Self {
        Self {
            me: config.member.id(),
            next_round: now.time.after(rng.jitter(config.round_micros)),
            news: Vec::new(),
            config,
            now,
            rng,
            stats: Stats::default(),
            more_to_do: false,
            budget: SendBudget::default(),
            verifier,
            out: Outbox::new(),
            own_unsynced: false,
        }
    }

    /// The parts with which an engine is reopened.
    pub(super) fn into_parts(self) -> (Config, Box<dyn Verifier>) {
        (self.config, self.verifier)
    }

    /// Monotonic time of this call.
    pub(super) fn time(&self) -> Time {
        self.now.time
    }

    /// Swaps the outbox with the caller's, at the start and at the end of each call.
    pub(super) fn swap_outbox(&mut self, out: &mut Outbox) {
        core::mem::swap(&mut self.out, out);
    }

    /// Emits an effect that does not announce own data, so it can be carried out at once.
    pub(super) fn emit(&mut self, effect: Effect) {
        self.out.now.push(effect);
    }

    /// Emits an effect that has to wait for the next sync.
    pub(super) fn emit_after_sync(&mut self, effect: Effect) {
        self.out.after_sync.push(effect);
    }

    /// Emits an effect that may announce own data. It waits for the sync if own data is not on disk yet.
    pub(super) fn emit_in_order(&mut self, effect: Effect) {
        let effects = if self.own_unsynced { &mut self.out.after_sync } else { &mut self.out.now };
        effects.push(effect);
    }

    /// Queues news for discovery.
    pub(super) fn add_news(&mut self, news: News) {
        self.news.push(news);
    }

    /// Whether other parts have yet to hear something.
    pub(super) fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// Takes the queued news, in order.
    pub(super) fn take_news(&mut self) -> Vec<News> {
        core::mem::take(&mut self.news)
    }

    pub(super) fn alarm(&mut self, alarm: Alarm) {
        self.emit(Effect::Alarm(Box::new(alarm)));
    }

    /// Answers a command that changed nothing.
    pub(super) fn answer(&mut self, ticket: Ticket, answer: Answer) {
        self.emit(Effect::Answer { ticket, answer });
    }

    /// Answers a command that needed no change; `timestamp` is the shard's.
    pub(super) fn answer_unchanged(&mut self, ticket: Ticket, timestamp: Timestamp) {
        self.answer(ticket, Answer::Committed(Committed { timestamp, changed: 0 }));
    }

    /// Answers a command that is not carried out.
    pub(super) fn refuse(&mut self, ticket: Ticket, error: impl Into<CommandError>) {
        self.answer(ticket, Answer::Refused(error.into()));
    }

    /// Sends a message. It waits for the sync if own data is not on disk yet.
    pub(super) fn send(&mut self, to: MemberId, message: &Message<'_>) {
        self.send_frame(to, message.frame());
    }

    /// Like [`Context::send`], for a frame.
    pub(super) fn send_frame(&mut self, to: MemberId, frame: Frame) {
        self.count_sent(&frame);
        self.emit_in_order(Effect::Send { to, frame });
    }

    /// Sends a frame that announces only data of others.
    pub(super) fn send_frame_at_once(&mut self, to: MemberId, frame: Frame) {
        self.count_sent(&frame);
        self.emit(Effect::Send { to, frame });
    }

    fn count_sent(&mut self, frame: &Frame) {
        self.stats.messages_sent += 1;
        self.stats.bytes_sent += frame.bytes.len() as u64;
        self.budget.count_sent(frame.bytes.len());
    }

    /// A push was sent.
    pub(super) fn count_pushed(&mut self, bytes: usize) {
        self.stats.pushes_sent += 1;
        self.budget.count_pushed(bytes);
    }

    /// A call begins.
    pub(super) fn begin_call(&mut self, now: Now) {
        self.now = now;
        self.more_to_do = false;
        self.budget.begin_call(now.time, &self.config);
    }

    /// A round begins: schedules the next one, with jitter.
    pub(super) fn begin_round(&mut self) {
        self.next_round = self.now.time.after(self.rng.jitter(self.config.round_micros));
    }

    /// Whether answers with data may be sent.
    pub(super) fn may_answer(&self) -> bool {
        self.budget.may_answer(&self.config)
    }

    /// Whether pushes may be sent.
    pub(super) fn may_push(&self) -> bool {
        self.budget.may_push(&self.config)
    }

    /// When answers that wait for the budget may be sent.
    pub(super) fn answers_at(&self) -> Time {
        self.budget.answers_at(&self.config)
    }

    /// When pushes that wait for the budget may be sent.
    pub(super) fn pushes_at(&self) -> Time {
        self.budget.pushes_at(&self.config)
    }

    /// Verifies the owner's signature of a head.
    pub(super) fn check_signature(&mut self, head: &Head) -> bool {
        self.stats.verified += 1;
        head.verify(&self.config.mesh, &*self.verifier)
    }

    /// The last timestamp that others accept according to our clock.
    pub(super) fn clock_bound(&self) -> Timestamp {
        Timestamp(self.now.wall.0.saturating_add(self.config.clock_ahead_micros))
    }

    /// Whether a timestamp is further ahead of our clock than others may be.
    pub(super) fn is_too_late(&self, at: Timestamp) -> bool {
        at > self.clock_bound()
    }

    /// Checks that a timestamp is within the bound of the clock.
    pub(super) fn check_within(&self, at: Timestamp) -> Result<(), NotWritable> {
        if at <= self.clock_bound() {
            return Ok(());
        }
        let ahead_seconds = at.0.saturating_sub(self.now.wall.0) / SECOND;
        let limit_seconds = self.config.clock_ahead_micros / SECOND;
        Err(NotWritable::ClockBehind { ahead_seconds, limit_seconds })
    }

    /// The verifier of signatures.
    pub(super) fn verifier(&self) -> &dyn Verifier {
        &*self.verifier
    }

    /// Whether a shard is ours. This is called for every message, so it does not look up the own shards.
    pub(super) fn is_own(&self, owner: &MemberId) -> bool {
        *owner == self.me || self.config.authority.is_some() && self.is_authority(owner)
    }

    /// Whether a shard is the roster.
    pub(super) fn is_authority(&self, owner: &MemberId) -> bool {
        *owner == self.config.mesh.authority()
    }

    /// The owner of the shard that a change is for.
    pub(super) fn owner_of(&self, change: &OwnChange) -> MemberId {
        if change.is_of_authority() { self.config.mesh.authority() } else { self.me }
    }

    /// Own data was committed but is not on disk yet.
    pub(super) fn on_own_commit(&mut self) {
        self.own_unsynced = true;
    }

    /// All commits are on disk.
    pub(super) fn on_synced(&mut self) {
        self.own_unsynced = false;
    }

    pub(super) fn is_own_unsynced(&self) -> bool {
        self.own_unsynced
    }

    /// Asks the driver for a sync.
    pub(super) fn want_sync(&mut self) {
        self.out.wants_sync = true;
    }

    /// Whether effects wait for a sync.
    pub(super) fn waits_for_sync(&self) -> bool {
        self.own_unsynced || !self.out.after_sync.is_empty()
    }

    /// After a sync, releases the effects that waited for it.
    pub(super) fn release(&mut self) {
        let out = &mut self.out;
        out.wants_sync = false;
        out.now.append(&mut out.after_sync);
    }
}
