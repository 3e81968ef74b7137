//! The engine: a synchronous state machine that owns its store.
//!
//! It learns through [`Input`]s and wants through [`Effect`]s. One call of [`Engine::handle`] takes
//! everything that waits, changes the store in one write, and leaves two lists: what may be done at once, and
//! what has to wait for [`Engine::sync`], because it tells of own data. Inside, one file per cause: `greet`
//! (links and Hello), `commit` (own writes), `push`, `tree` (over which links), `round` (anti-entropy),
//! `fetch` (hearing of heads, deltas), `burst` (many at once), `ask` (pulls), `credit` (how much at once),
//! `budget` (how much to all), `descent` (asking), `serve` (answering), `roster`, `membership`, `recovery`
//! (own shards from the mesh), `restamp` (clocks), `forks`, `pace` (how fast), `probe` (peers that died),
//! `dial`, `wake` (deadlines).

mod access;
mod ask;
mod burst;
mod commit;
mod config;
mod contest;
mod context;
mod descent;
mod dial;
mod discovery;
mod disk;
mod divergent;
mod divergent_copies;
pub(crate) mod effect;
mod expired;
mod fetch;
mod forks;
mod greet;
mod group;
mod growth;
mod heard_for;
mod input;
mod key_conflicts;
mod learned;
mod links;
mod listed;
mod members;
mod membership;
mod open;
mod open_error;
mod own;
mod own_links;
mod pace;
mod probe;
mod processes;
mod publish;
mod push;
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
pub use crate::roster::Outcome;
pub use config::Config;
pub use discovery::{ADDRESSES_KEY, LINKS_KEY, PublishedLinks, decode_addresses, decode_links};
pub use effect::{Alarm, Answer, CommandError, Committed, Effect, Outbox, Ticket};
pub use input::{Command, Input, Write};
pub use key_conflicts::SameKeyPlace;
pub use members::Refused;
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
    store::{ShardChange, ShardNumber, ShardRecord, Store, StoreError, StoreSnapshot},
    time::Now,
};
use alloc::{sync::Arc, vec::Vec};
use context::{Context, News};
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
    /// What every part has at hand.
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
    /// Takes in what happened, commits what follows from it in one write, and leaves what it wants in `out`.
    ///
    /// # Errors
    /// Only if the store failed: then nothing in `out` may be carried out, and the member stops.
    pub fn handle(&mut self, now: Now, inputs: Vec<Input>, out: &mut Outbox) -> Result<(), StoreError> {
        self.cx.swap_outbox(out);
        let done = self.take_in(now, inputs);
        self.cx.swap_outbox(out);
        done
    }

    /// Makes what was committed durable and moves the effects that waited for it to `out.now`.
    ///
    /// # Errors
    /// Only if the store failed: then nothing in `out` may be carried out, and the member stops.
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

    fn take_in(&mut self, now: Now, inputs: Vec<Input>) -> Result<(), StoreError> {
        if self.cx.is_own_unsynced() {
            self.sync_store()?;
        }
        self.look_for_room()?;
        self.cx.begin_call(now);
        self.own.run.see(now, &mut self.cx.rng);
        self.replicas.begin_call(&self.cx);
        let mut inputs = inputs.into_iter().peekable();
        while let Some(input) = inputs.next() {
            let others = burst::following(&input, &mut inputs);
            self.handle_input(input, others)?;
            self.follow_up();
            if self.disk.is_batch_large() {
                self.settle()?;
            }
        }
        self.on_time()?;
        self.follow_up();
        self.commit_waiting()?;
        self.follow_up();
        self.commit_entered()?;
        self.follow_up();
        self.turn_divergent()?;
        self.settle()?;
        self.push_changes()?;
        if self.replicas.has_waiting() {
            self.ask()?;
            self.follow_up();
            self.settle()?;
            self.push_changes()?;
        }
        self.send_trees();
        if self.links.need_a_look(self.cx.time()) {
            self.catch_up()?;
            self.serve()?;
            self.links.rest();
        }
        self.dial();
        // A commit that moved a bound is on disk already; what an earlier one left still waits to be
        // released.
        let is_due = self.disk.is_sync_due(now.time, self.cx.config.sync_micros);
        if self.cx.waits_for_sync() || is_due {
            self.cx.want_sync();
        }
        Ok(())
    }

    /// Writes what this call has staged, and does what follows from it.
    fn settle(&mut self) -> Result<(), StoreError> {
        while self.disk.has_staged() {
            self.flush()?;
            self.follow_up();
        }
        Ok(())
    }

    /// Writes what this call has staged: whatever was told is there to be read.
    fn flush(&mut self) -> Result<(), StoreError> {
        if self.disk.has_staged() {
            let changed = self.disk.write(&mut self.cx)?;
            self.end_pins_of_grown_store();
            for shard in changed {
                if let Some(record) = self.disk.current().shard(shard)? {
                    self.replicas.share(record);
                }
            }
        }
        Ok(())
    }

    /// What follows once changed shards are written.
    fn follow_up(&mut self) {
        self.hear_news();
        if !self.disk.has_staged() {
            self.on_roster_changed();
        }
    }

    /// Looks whether there is room, before anything is taken in.
    fn look_for_room(&mut self) -> Result<(), StoreError> {
        if self.disk.look_for_room()? {
            // Answers that come now are not waited for any more; what is known is fetched later.
            for owner in self.replicas.under_way() {
                self.cancel_transfer(&owner);
            }
        }
        Ok(())
    }

    /// Takes in one input; `others` are pushes that came with it.
    fn handle_input(&mut self, input: Input, others: Vec<Arc<[u8]>>) -> Result<(), StoreError> {
        if let Input::Command { ticket, command } = &input
            && let Err(error) = self.has_room_for(command)
        {
            self.cx.emit(Effect::Answer { ticket: *ticket, answer: Answer::Refused(error) });
            return Ok(());
        }
        match input {
            Input::Command { ticket, command: Command::Apply(bytes) } => {
                return self.on_apply(ticket, &bytes);
            }
            Input::Command { ticket, command } => self.on_command(ticket, command),
            Input::LinkUp { peer, address, direction } => self.on_link_up(peer, address, direction),
            Input::LinkDown { peer, reason } => self.on_link_lost(peer, &reason),
            Input::Broken { peer } => self.links.penalize(&mut self.cx, peer, Rejection::Frame),
            Input::DialFailed { address, expected, error } => {
                self.on_dial_failed(&(expected, address), &error);
            }
            Input::DialFound { address, expected, peer } => {
                self.on_dial_found((expected, address), peer);
            }
            Input::Message { from, bytes } if others.is_empty() => return self.on_message(from, &bytes),
            Input::Message { from, bytes } => {
                let pushes: Vec<_> = [bytes].into_iter().chain(others).collect();
                return self.on_burst(from, &pushes);
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

    fn on_message(&mut self, from: MemberId, bytes: &Arc<[u8]>) -> Result<(), StoreError> {
        if let Some(link) = self.links.quietly(&from) {
            link.hear();
            self.cx.stats.messages_received += 1;
            self.cx.stats.bytes_received += bytes.len() as u64;
        }
        self.take_message(from, bytes)
    }

    /// Takes in pushes of one owner by one peer.
    fn on_burst(&mut self, from: MemberId, pushes: &[Arc<[u8]>]) -> Result<(), StoreError> {
        if let Some(link) = self.links.quietly(&from) {
            link.hear();
            self.cx.stats.messages_received += pushes.len() as u64;
            self.cx.stats.bytes_received += pushes.iter().map(|push| push.len() as u64).sum::<u64>();
        }
        if let Some((bytes, owner, timestamp)) = burst::combined(pushes) {
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
                self.refuse_link(from, crate::message::Refusal::Malformed);
                return Ok(());
            }
        };
        let welcomed = link.peer_accepted();
        if !welcomed && !self.is_before_welcome(&message) {
            self.cx.stats.reject(Rejection::BeforeWelcome);
            return Ok(());
        }
        if self.links.is_penalized(&from, self.cx.time()) && (message.tells() || !welcomed) {
            // A liar may still ask over a link that it has; what it says is not worth checking for a while.
            self.cx.stats.reject(Rejection::Penalized);
            if !welcomed {
                self.refuse_link(from, crate::message::Refusal::Malformed);
            }
            return Ok(());
        }
        self.on_sound_message(from, message, bytes)?;
        if !welcomed && self.links.is_penalized(&from, self.cx.time()) {
            self.refuse_link(from, crate::message::Refusal::Malformed);
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
            Message::Hello(hello) => self.on_hello(from, hello)?,
            Message::Welcome => self.on_welcome(from),
            Message::Refuse(refusal) => self.on_refuse(from, refusal),
            Message::Push(delta) => self.on_delta(from, &delta, learned::How::Pushed(bytes))?,
            Message::Delta(delta) => self.on_delta(from, &delta, learned::How::Pulled)?,
            Message::Announce(heads) => self.on_announce(from, &heads),
            Message::Gap(head) => self.on_gap(from, &head),
            Message::Nothing(owner) => self.on_nothing(from, &owner),
            Message::Round(root) => self.on_round(from, root),
            Message::AskHeads(asks) => self.owe(from, [links::Owed::Heads(asks)].into_iter()),
            Message::Heads(answers) => self.on_heads(from, answers),
            Message::Pull(wants) => self.owe(from, wants.into_iter().map(links::Owed::Pull)),
            Message::AskNodes(request) => self.owe(from, [links::Owed::Nodes(request)].into_iter()),
            Message::AskRanges(request) => self.owe(from, [links::Owed::Ranges(request)].into_iter()),
            Message::Nodes(id, answers) => self.on_nodes(from, id, answers)?,
            Message::Ranges(id, ranges) => self.on_ranges(from, id, ranges)?,
            Message::Moved(id, head) => self.on_moved(from, id, head.as_ref())?,
            Message::Prune(owners) => self.on_prune(from, &owners),
            Message::Graft(owners) => self.on_graft(from, &owners),
            Message::Probe => self.on_probe(from),
            // That it came is all there is to it.
            Message::Alive => {}
            Message::Diverged(heads) => self.on_diverged(from, &heads)?,
            Message::OtherRun { run, age_micros } => self.on_other_run(from, run, age_micros),
            Message::Claim(claim) => self.on_claim(from, &claim),
        }
        Ok(())
    }

    /// Makes `record`, which has a head, the visible state of its owner.
    fn adopt(&mut self, shard: ShardNumber, record: ShardRecord, mut change: ShardChange) {
        let head = record.head.expect("a visible shard has a head");
        assert_eq!(crate::trie::root_hash(record.root.as_ref()), head.root, "a head is held with its data");
        let before = self.replicas.know_owner(&head.owner).timestamp();
        self.replicas.forget_up_to(&head);
        if let Some(building) = self.replicas.take_building(&head.owner).filter(|building| *building != shard)
        {
            self.disk.retire(head.owner, building);
        }
        if head.owner == self.cx.config.mesh.authority() {
            self.members.learn(&mut self.cx, &mut self.replicas, &change);
        }
        self.note_system(&head.owner, &change);
        if self.cx.config.publish_links {
            self.cx.tell(News::Moved { owner: head.owner });
        }
        let record = Arc::new(record);
        change.record = Some(record.clone());
        self.replicas.hold(&head.owner, Some((shard, record)));
        self.disk.stage(shard, change);
        self.note_moved(&head, before);
        self.members.on_seen(&mut self.cx, &self.replicas, &head.owner);
        self.cx.emit(Effect::Applied { owner: head.owner, timestamp: head.timestamp });
    }
}
