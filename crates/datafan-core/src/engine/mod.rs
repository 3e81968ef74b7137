//! The engine: a synchronous state machine that owns its store.
//!
//! It takes [`Input`]s and returns [`Effect`]s. One call of [`Engine::handle`] processes all inputs that wait
//! and changes the store in one write. It returns two lists: effects to carry out at once, and effects that
//! announce own data and therefore have to wait for [`Engine::sync`].
//!
//! The state is kept in components with private fields (`context`, `disk`, `own`, `members`, `replicas`,
//! `links`, `discovery`, `key_conflicts`, `divergent_copies`). Code that needs several of them is a method of
//! a handler (`handlers`), which borrows just those; the engine itself only dispatches. Every other file
//! covers one topic, which its first sentence names.

mod access;
mod adopt;
mod ask;
mod coalesce;
mod command_error;
mod commands;
mod commit;
mod config;
mod contest;
mod context;
mod delta;
mod dial;
mod discovery;
mod disk;
mod divergent;
mod divergent_copies;
mod effect;
mod expired;
mod fetch;
mod forks;
mod greet;
mod group;
mod growth;
mod handlers;
mod heard_for;
mod held_back;
mod input;
mod key_conflicts;
mod learned;
mod links;
mod listed;
mod members;
mod membership;
mod not_writable;
mod open;
mod open_error;
mod own;
mod own_links;
mod probe;
mod processes;
mod publish;
mod push;
mod reconcile;
mod recovery;
mod refusals;
mod rejection;
mod replaced;
mod replicas;
mod report;
mod restamp;
mod roster;
mod round;
mod rules;
mod runs;
mod same_key;
mod send_budget;
mod serve;
mod stats;
mod status;
mod surplus;
#[cfg(test)]
mod testing;
mod tree;
mod verdict;
mod wake;

pub use crate::recovered::Recovered;
pub use crate::roster::Disposition;
pub use command_error::{
    AddressError, CommandError, ForkError, RestampError, RosterError, SignedRosterError, WriteError,
};
pub use config::Config;
pub use discovery::{ADDRESSES_KEY, LINKS_KEY, PublishedLinks, decode_addresses, decode_links};
pub use effect::{Alarm, Answer, Committed, Effect, Outbox, Ticket};
pub use input::{Command, Immediate, Input, OwnChange, Write};
pub use key_conflicts::SameKeyPlace;
pub use members::Refused;
pub use not_writable::NotWritable;
pub use open_error::OpenError;
pub use rejection::Rejection;
pub use replicas::invalid_spans::RESTAMPED_KEY;
pub use stats::Stats;
pub use status::{
    LinkState, LinkStatus, MemberReach, OwnState, Pending, Reachability, ShardProgress, ShardStatus,
    Standing, Status,
};

use crate::{
    connector::Lane,
    id::MemberId,
    message::Message,
    store::{Store, StoreError},
    time::Now,
};
use alloc::{sync::Arc, vec::Vec};
use context::Context;
use discovery::Discovery;
use disk::{Disk, Snapshot};
use divergent_copies::DivergentCopies;
use key_conflicts::KeyConflicts;
use links::Links;
use members::Members;
use own::OwnShards;
use replicas::Replicas;

/// The engine of one member.
pub struct Engine<S: Store> {
    /// Configuration, clocks, counters and outbox, which every part uses.
    cx: Context,
    disk: Disk<S>,
    own: OwnShards,
    key_conflicts: KeyConflicts,
    members: Members,
    replicas: Replicas,
    links: Links<Snapshot<S>>,
    discovery: Discovery,
    divergent: DivergentCopies,
}

impl<S: Store> Engine<S> {
    /// Processes `inputs`, commits the resulting changes in one write, and puts the effects into `out`.
    ///
    /// # Errors
    /// Only if the store failed. Then nothing in `out` may be carried out, and the member must stop.
    pub fn handle(&mut self, now: Now, inputs: Vec<Input>, out: &mut Outbox) -> Result<(), StoreError> {
        self.cx.swap_outbox(out);
        let done = self.process_inputs(now, inputs);
        self.cx.swap_outbox(out);
        done
    }

    /// Makes all commits durable and moves the effects that waited for this to `out.now`.
    ///
    /// # Errors
    /// Only if the store failed. Then nothing in `out` may be carried out, and the member must stop.
    pub fn sync(&mut self, out: &mut Outbox) -> Result<(), StoreError> {
        self.cx.swap_outbox(out);
        let done = self.sync_store();
        self.cx.swap_outbox(out);
        done
    }

    fn sync_store(&mut self) -> Result<(), StoreError> {
        self.disk.sync(&mut self.cx)?;
        self.cx.release();
        Ok(())
    }

    fn process_inputs(&mut self, now: Now, inputs: Vec<Input>) -> Result<(), StoreError> {
        if self.cx.is_own_unsynced() {
            self.sync_store()?;
        }
        self.check_disk_room()?;
        self.cx.begin_call(now);
        self.own.run.check_clocks(now, &mut self.cx.rng);
        self.replicas.begin_call(&self.cx);
        let mut inputs = inputs.into_iter();
        while let Some(input) = inputs.next() {
            let others = coalesce::following(&input, &mut inputs);
            self.handle_input(input, others)?;
            self.follow_up()?;
            if self.disk.is_batch_large() {
                self.write_staged()?;
            }
        }
        self.on_time()?;
        self.follow_up()?;
        if self.has_own_writes() {
            self.commits().commit_waiting()?;
            self.follow_up()?;
        }
        if self.members.n_joined() > 0 {
            self.commits().activate_joined()?;
            self.follow_up()?;
        }
        if self.divergent.has_work(now.time) {
            self.replication().tell_and_free_divergent()?;
            self.dialling().age_divergent();
            self.replication().fetch_divergent()?;
        }
        self.write_staged()?;
        if self.replicas.has_moved() {
            self.pusher().push_changes()?;
        }
        if self.replicas.has_waiting() {
            self.replication().ask()?;
            self.follow_up()?;
            self.write_staged()?;
            self.pusher().push_changes()?;
        }
        if self.links.trees.has_asked() {
            self.exchange().send_trees();
        }
        if self.links.have_work(self.cx.time()) {
            self.pusher().catch_up()?;
            self.server().serve()?;
            self.links.on_checked();
        }
        self.dialling().dial();
        // A commit that moved a bound is on disk already, but effects of an earlier commit still wait to be
        // released.
        let is_due = self.disk.is_sync_due(now.time, self.cx.config.sync_micros);
        if self.cx.waits_for_sync() || is_due {
            self.cx.want_sync();
        }
        Ok(())
    }

    /// Writes the changes that this call staged, and handles the consequences.
    fn write_staged(&mut self) -> Result<(), StoreError> {
        while self.disk.has_staged() {
            self.replication().flush()?;
            self.follow_up()?;
        }
        Ok(())
    }

    /// Whether there may be something to write to an own shard.
    fn has_own_writes(&self) -> bool {
        self.own.has_waiting()
            || self.own.is_system_due()
            || self.discovery.links_wake_at(&self.cx) <= self.cx.now.time
    }

    /// Handles the consequences of changed shards.
    #[inline(always)]
    fn follow_up(&mut self) -> Result<(), StoreError> {
        if self.cx.has_news() || self.members.has_changed() { self.handle_news() } else { Ok(()) }
    }

    /// Passes on the news of a step, and handles a changed roster.
    fn handle_news(&mut self) -> Result<(), StoreError> {
        self.dialling().apply_news();
        if self.members.has_changed() && !self.disk.has_staged() {
            return self.greeting().on_roster_changed();
        }
        Ok(())
    }

    /// Checks whether the disk has room, before inputs are processed.
    fn check_disk_room(&mut self) -> Result<(), StoreError> {
        if self.disk.check_disk_room()? {
            // Answers that arrive now cannot be stored. Known heads are fetched later.
            for owner in self.replicas.under_way() {
                self.exchange().cancel_transfer(&owner);
            }
        }
        Ok(())
    }

    /// Handles one input. `others` are further pushes that are coalesced with it.
    fn handle_input(&mut self, input: Input, others: Vec<Arc<[u8]>>) -> Result<(), StoreError> {
        match input {
            Input::Command { ticket, command } => return self.on_command(ticket, command),
            Input::LinkUp { peer, address, direction } => {
                self.greeting().on_link_up(peer, address, direction)
            }
            Input::LinkDown { peer, reason } => self.greeting().on_link_lost(peer, &reason),
            Input::Broken { peer } => self.links.penalize(&mut self.cx, peer, Rejection::Frame),
            Input::DialFailed { address, expected, error } => {
                self.dialling().on_dial_failed(&(expected, address), &error);
            }
            Input::DialFound { address, expected, peer } => {
                self.dialling().on_dial_found((expected, address), peer);
            }
            Input::Message { from, bytes } if others.is_empty() => return self.on_message(from, &bytes),
            Input::Message { from, bytes } => {
                let pushes: Vec<_> = [bytes].into_iter().chain(others).collect();
                return self.on_coalesced(from, &pushes);
            }
            Input::Full { peer, lane } => self.links.set_full(&peer, lane, true),
            Input::Room { peer, lane } => {
                self.links.set_full(&peer, lane, false);
                if let Some(link) = self.links.get_mut(&peer).filter(|_| lane == Lane::Small) {
                    link.begin_catching_up();
                }
            }
            Input::Wake => {}
        }
        Ok(())
    }

    fn on_command(&mut self, ticket: Ticket, command: Command) -> Result<(), StoreError> {
        match command {
            Command::Immediate(immediate) => self.commits().on_immediate(ticket, immediate),
            Command::Change(change) => self.commits().on_change(ticket, change),
            Command::ApplySignedRoster(bytes) => return self.replication().on_signed_roster(ticket, &bytes),
        }
        Ok(())
    }

    fn on_message(&mut self, from: MemberId, bytes: &Arc<[u8]>) -> Result<(), StoreError> {
        if let Some(link) = self.links.get_mut_untracked(&from) {
            link.on_received();
            self.cx.stats.messages_received += 1;
            self.cx.stats.bytes_received += bytes.len() as u64;
        }
        self.take_message(from, bytes)
    }

    /// Handles coalesced pushes of one owner from one peer.
    fn on_coalesced(&mut self, from: MemberId, pushes: &[Arc<[u8]>]) -> Result<(), StoreError> {
        if let Some(link) = self.links.get_mut_untracked(&from) {
            link.on_received();
            self.cx.stats.messages_received += pushes.len() as u64;
            self.cx.stats.bytes_received += pushes.iter().map(|push| push.len() as u64).sum::<u64>();
        }
        if let Some((bytes, owner, timestamp)) = coalesce::combined(pushes) {
            self.take_message(from, &bytes)?;
            if self.replicas.get(&owner).is_some_and(|state| state.timestamp() >= timestamp) {
                return Ok(());
            }
        }
        pushes.iter().try_for_each(|bytes| self.take_message(from, bytes))
    }

    fn take_message(&mut self, from: MemberId, bytes: &Arc<[u8]>) -> Result<(), StoreError> {
        let Some(link) = self.links.get(&from) else { return Ok(()) };
        let message = match Message::decode(bytes) {
            Ok(message) => message,
            Err(_) => {
                self.links.penalize(&mut self.cx, from, Rejection::Malformed);
                self.greeting().refuse_link(from, crate::message::Refusal::Malformed);
                return Ok(());
            }
        };
        let welcomed = link.peer_accepted();
        if !welcomed && !self.greeting().is_before_welcome(&message) {
            self.cx.stats.reject(Rejection::BeforeWelcome);
            return Ok(());
        }
        if self.links.is_penalized(&from, self.cx.time()) && (message.is_unrequested_news() || !welcomed) {
            // A misbehaving peer may still send requests over its link. Its data is ignored for a while, to
            // save the cost of checking it.
            self.cx.stats.reject(Rejection::Penalized);
            if !welcomed {
                self.greeting().refuse_link(from, crate::message::Refusal::Malformed);
            }
            return Ok(());
        }
        self.on_sound_message(from, message, bytes)?;
        if !welcomed && self.links.is_penalized(&from, self.cx.time()) {
            self.greeting().refuse_link(from, crate::message::Refusal::Malformed);
        }
        Ok(())
    }

    fn on_sound_message(
        &mut self,
        from: MemberId,
        message: Message<'_>,
        bytes: &Arc<[u8]>,
    ) -> Result<(), StoreError> {
        match message {
            Message::Hello(hello) => self.greeting().on_hello(from, hello)?,
            Message::Welcome => self.greeting().on_welcome(from),
            Message::Refuse(refusal) => self.greeting().on_refuse(from, refusal),
            Message::Push(delta) => self.replication().on_delta(from, &delta, learned::How::Pushed(bytes))?,
            Message::Delta(delta) => self.replication().on_delta(from, &delta, learned::How::Pulled)?,
            Message::Announce(heads) => self.gossip().on_announce(from, &heads),
            Message::DeltaUnavailable(head) => self.gossip().on_delta_unavailable(from, &head),
            Message::UpToDate(owner) => self.exchange().on_up_to_date(from, &owner),
            Message::Round(root) => self.exchange().on_round(from, root),
            Message::AskHeads(asks) => {
                self.server().queue(from, [links::PendingRequest::Heads(asks)].into_iter())
            }
            Message::Heads(answers) => self.gossip().on_heads(from, answers),
            Message::Pull(wants) => {
                self.server().queue(from, wants.into_iter().map(links::PendingRequest::Pull))
            }
            Message::AskNodes(request) => {
                self.server().queue(from, [links::PendingRequest::Nodes(request)].into_iter())
            }
            Message::AskRanges(request) => {
                self.server().queue(from, [links::PendingRequest::Ranges(request)].into_iter())
            }
            Message::Nodes(id, answers) => self.reconciler().on_nodes(from, id, answers)?,
            Message::Ranges(id, ranges) => self.reconciler().on_ranges(from, id, ranges)?,
            Message::StateChanged(id, head) => self.gossip().on_state_changed(from, id, head.as_ref()),
            Message::Prune(owners) => self.exchange().on_prune(from, &owners),
            Message::Graft(owners) => self.exchange().on_graft(from, &owners),
            Message::Probe => self.exchange().on_probe(from),
            // Receiving it already reset the silence timer.
            Message::Alive => {}
            Message::Diverged(heads) => self.replication().on_diverged(from, &heads)?,
            Message::OtherRun { run, age_micros } => self.conflicts().on_other_run(from, run, age_micros),
            Message::Claim(claim) => self.conflicts().on_claim(from, &claim),
        }
        Ok(())
    }
}
