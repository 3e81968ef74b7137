//! What every part of the engine has at hand in a call: settings, clocks, chance, counters, and the outbox.

use super::{
    config::Config, effect::Alarm, effect::Answer, effect::CommandError, effect::Committed, effect::Effect,
    effect::Outbox, effect::Ticket, group::Refusable, input::OwnChange, send_budget::SendBudget,
    stats::Stats,
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

/// What a change of a member's shard means to the parts that find members and join them.
pub(super) enum News {
    /// The shard has moved on.
    Moved { owner: MemberId },
    /// It has this value at [`ADDRESSES_KEY`](super::ADDRESSES_KEY).
    Addresses { owner: MemberId, item: Arc<Item> },
    /// It has this value at [`LINKS_KEY`](super::LINKS_KEY).
    Links { owner: MemberId, item: Arc<Item> },
    /// It was put in place as a whole, and names no links.
    NoLinks { owner: MemberId },
}

/// The surroundings of one call of the engine.
pub(super) struct Context {
    pub(super) config: Config,
    pub(super) me: MemberId,
    pub(super) now: Now,
    pub(super) rng: Rng,
    pub(super) stats: Stats,
    /// `handle` shall be called again at once: something is left to be done.
    pub(super) more_to_do: bool,
    /// When the next anti-entropy round begins.
    pub(super) next_round: Time,
    /// What this call has learned of members' shards, and other parts have yet to hear.
    news: Vec<News>,
    /// How much was sent, of how much may be.
    budget: SendBudget,
    verifier: Box<dyn Verifier>,
    out: Outbox,
    /// Own commits are not on disk: what may tell of them waits for the sync.
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

    /// What an engine is opened again with.
    pub(super) fn into_parts(self) -> (Config, Box<dyn Verifier>) {
        (self.config, self.verifier)
    }

    /// Monotonic time of this call.
    pub(super) fn time(&self) -> Time {
        self.now.time
    }

    /// Exchanges the outbox with the caller's: at the beginning and at the end of each call.
    pub(super) fn swap_outbox(&mut self, out: &mut Outbox) {
        core::mem::swap(&mut self.out, out);
    }

    /// Something that may be done at once, as it does not tell of own data.
    pub(super) fn emit(&mut self, effect: Effect) {
        self.out.now.push(effect);
    }

    /// Something that has to wait for the next sync.
    pub(super) fn emit_after_sync(&mut self, effect: Effect) {
        self.out.after_sync.push(effect);
    }

    /// Something that may tell of own data: behind the sync where that is not on disk.
    pub(super) fn emit_in_order(&mut self, effect: Effect) {
        let effects = if self.own_unsynced { &mut self.out.after_sync } else { &mut self.out.now };
        effects.push(effect);
    }

    /// Something that other parts have to hear.
    pub(super) fn tell(&mut self, news: News) {
        self.news.push(news);
    }

    /// Whether other parts have yet to hear something.
    pub(super) fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// What other parts have yet to hear, in order.
    pub(super) fn take_news(&mut self) -> Vec<News> {
        core::mem::take(&mut self.news)
    }

    pub(super) fn alarm(&mut self, alarm: Alarm) {
        self.emit(Effect::Alarm(Box::new(alarm)));
    }

    /// Answers a command that has changed nothing.
    pub(super) fn answer(&mut self, ticket: Ticket, answer: Answer) {
        self.emit(Effect::Answer { ticket, answer });
    }

    /// Answers a command that there was nothing to do for; `timestamp` is the shard's.
    pub(super) fn answer_unchanged(&mut self, ticket: Ticket, timestamp: Timestamp) {
        self.answer(ticket, Answer::Committed(Committed { timestamp, changed: 0 }));
    }

    /// Answers a command that is not carried out.
    pub(super) fn refuse(&mut self, ticket: Ticket, error: CommandError) {
        self.answer(ticket, Answer::Refused(error));
    }

    /// Queues a message; behind the sync where it may tell of own data that is not on disk.
    pub(super) fn send(&mut self, to: MemberId, message: &Message<'_>) {
        self.send_frame(to, message.frame());
    }

    /// As [`Context::send`], a frame.
    pub(super) fn send_frame(&mut self, to: MemberId, frame: Frame) {
        self.count_sent(&frame);
        self.emit_in_order(Effect::Send { to, frame });
    }

    /// Queues a frame that tells of others' data only.
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

    /// A round begins: the next one is that far away, and a bit more or less.
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

    /// When answers that wait for the budget go on.
    pub(super) fn answers_at(&self) -> Time {
        self.budget.answers_at(&self.config)
    }

    /// When pushes that wait for the budget go on.
    pub(super) fn pushes_at(&self) -> Time {
        self.budget.pushes_at(&self.config)
    }

    /// Whether a head is signed by its owner.
    pub(super) fn check_signature(&mut self, head: &Head) -> bool {
        self.stats.verified += 1;
        head.verify(&self.config.mesh, &*self.verifier)
    }

    /// The last timestamp that others accept by our clock.
    pub(super) fn clock_bound(&self) -> Timestamp {
        Timestamp(self.now.wall.0.saturating_add(self.config.clock_ahead_micros))
    }

    /// Whether a timestamp is further ahead of our clock than others may be.
    pub(super) fn is_too_late(&self, at: Timestamp) -> bool {
        at > self.clock_bound()
    }

    /// Why a timestamp is not within the clock's bound.
    pub(super) fn check_within(&self, at: Timestamp) -> Refusable<()> {
        if at <= self.clock_bound() {
            return Ok(());
        }
        let ahead_seconds = at.0.saturating_sub(self.now.wall.0) / SECOND;
        let limit_seconds = self.config.clock_ahead_micros / SECOND;
        Err(CommandError::ClockBehind { ahead_seconds, limit_seconds })
    }

    /// Who judges signatures.
    pub(super) fn verifier(&self) -> &dyn Verifier {
        &*self.verifier
    }

    /// Whether a shard is ours: asked for every message, so the own shards are left alone.
    pub(super) fn is_own(&self, owner: &MemberId) -> bool {
        *owner == self.me || self.config.authority.is_some() && self.is_authority(owner)
    }

    /// Whether a shard is the roster.
    pub(super) fn is_authority(&self, owner: &MemberId) -> bool {
        *owner == self.config.mesh.authority()
    }

    /// Whose shard a change is for.
    pub(super) fn owner_of(&self, change: &OwnChange) -> MemberId {
        if change.is_of_authority() { self.config.mesh.authority() } else { self.me }
    }

    /// Own data was committed, and is not on disk yet.
    pub(super) fn on_own_commit(&mut self) {
        self.own_unsynced = true;
    }

    /// All that was committed is on disk.
    pub(super) fn on_synced(&mut self) {
        self.own_unsynced = false;
    }

    pub(super) fn is_own_unsynced(&self) -> bool {
        self.own_unsynced
    }

    /// A sync is wanted.
    pub(super) fn want_sync(&mut self) {
        self.out.wants_sync = true;
    }

    /// Whether something waits for a sync.
    pub(super) fn waits_for_sync(&self) -> bool {
        self.own_unsynced || !self.out.after_sync.is_empty()
    }

    /// After a sync, everything may be done.
    pub(super) fn release(&mut self) {
        let out = &mut self.out;
        out.wants_sync = false;
        out.now.append(&mut out.after_sync);
    }
}
