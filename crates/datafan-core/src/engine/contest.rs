//! Decides which of two writing processes with this member's key continues.
//!
//! A process that sees a state of its own shard which lists its own run, but which it did not write, holds
//! its writes back: another process continues from its writes. The process that began first may continue.
//! Peers linked with both compare how long each has run (`processes`); the older process signs a claim, and
//! the newer one stops when it receives the claim. If no peer can compare them, the process that holds its
//! writes back waits for half a minute. It stops if it heard of the other process meanwhile, and continues if
//! not.

use super::{
    effect::Alarm,
    handlers::{Conflicts, Gossip},
    key_conflicts::SameKeyPlace,
    own::{Contest, Verdict},
};
use crate::{
    claim::Claim, connector::Lane, engine::rejection::Rejection, head::Head, id::MemberId, message::Message,
    runs::RunId, store::Store, time::SECOND,
};

/// How long a process that has written waits for peers that know another process with its key.
const MEET_MICROS: u64 = 4 * SECOND;

impl<S: Store> Conflicts<'_, S> {
    /// A peer reports that another process with our key was linked with it, and how long that process has
    /// run.
    pub(super) fn on_other_run(&mut self, from: MemberId, run: RunId, age_micros: u64) {
        let (own, now) = (self.own.run.process(), self.cx.now.time);
        if run == own {
            return self.cx.stats.reject(Rejection::OtherRun);
        }
        if self.is_stopping() || (self.own.run.age_micros(now), own) < (age_micros, run) {
            return;
        }
        let claims = &mut self.own.claims;
        let known = claims.against(run);
        let is_full = self.links.get(&from).is_none_or(|link| link.is_full(Lane::Small));
        if is_full || known.is_none() && !claims.has_room_for(&from, now) {
            // The peer reports it again when a link comes up.
            return self.cx.stats.reject(Rejection::OtherRun);
        }
        let claim = known.unwrap_or_else(|| {
            let claim = Claim::signed(&self.cx.config.mesh, &self.cx.config.member, own, run);
            claims.add(claim, from, now);
            claim
        });
        claims.on_sent(now);
        self.gossip().shorten_recovery_wait();
        let claims = &mut self.own.claims;
        if claims.may_alarm(now) {
            self.cx.alarm(Alarm::OtherProcess { told_by: from });
        }
        self.cx.send(from, &Message::Claim(claim));
    }

    /// Whether this process has already given way and is about to stop.
    fn is_stopping(&self) -> bool {
        self.key_conflicts.same_key.found().is_some() || self.own.is_stopped()
    }

    /// Another process with our key signed a claim against this process.
    pub(super) fn on_claim_against_us(&mut self, claim: &Claim) {
        let own = self.own.run.process();
        // If both claim to be older, because they started too close together for peers to tell, exactly one
        // of them stops.
        if self.own.claims.against(claim.older).is_none() || claim.older < own {
            self.on_same_key(SameKeyPlace::Linked);
        }
    }
}

impl<S: Store> Gossip<'_, S> {
    /// How long to wait, before fetching from peers, until all of them have announced what they hold of an
    /// own shard. A process that has written waits longer: if it learns meanwhile that it is the older of
    /// two, its own state is kept.
    pub(super) fn settle_micros(&self, owner: &MemberId) -> u64 {
        let waits = *owner == self.cx.me
            && self.own[owner].has_written()
            && !self.own.claims.is_older_one(self.cx.time());
        if waits { self.cx.config.settle_micros.max(MEET_MICROS) } else { self.cx.config.settle_micros }
    }

    /// This process is the older one, so its recovery need not wait longer.
    fn shorten_recovery_wait(&mut self) {
        let soon = self.cx.now.time.after(self.cx.config.settle_micros);
        if self.own.shorten_recovery_wait(soon) {
            self.fetch_best_remote();
        }
    }

    /// Begins to fetch the best state of the own shard that a peer holds.
    fn fetch_best_remote(&mut self) {
        if let Some((peer, head)) = self.recoveries().best_remote(&self.cx.me) {
            self.learn(peer, &head, self.cx.now.time);
        }
    }

    /// Whether this process, as the older of two, keeps its own writes rather than those of the other
    /// process.
    pub(super) fn keeps_own(&self, owner: &MemberId) -> bool {
        *owner == self.cx.me && self.own[owner].has_written() && self.own.claims.is_older_one(self.cx.time())
    }

    /// Continues own writes from the state held here, with timestamps above a head that the other process
    /// made.
    pub(super) fn continue_from_own(&mut self, theirs: &Head, claimed: bool) {
        self.cx.alarm(Alarm::ContestOver { theirs: *theirs, claimed });
        self.replicas.forget(&theirs.owner);
        self.own.on_own_head(theirs, self.disk);
        self.own.continue_from_held();
        self.cx.more_to_do = true;
    }

    /// Begins a contest: a state of the own shard lists this run but was not written here.
    pub(super) fn begin_contest(&mut self, theirs: &Head, diverged: bool) {
        let ours = self.replicas[&self.cx.me].head().copied();
        // This state was examined, so it must not be fetched again.
        self.replicas.forget(&self.cx.me.clone());
        if !self.own.begin_contest(theirs, ours, diverged, self.cx.time()) {
            return;
        }
        self.cx.stats.reject(Rejection::ForeignOwnHead);
        self.cx.alarm(Alarm::Contested { theirs: *theirs, ours });
    }

    /// Handles a head of the own shard that a peer holds while own writes are held back.
    pub(super) fn on_contested_head(&mut self, peer: MemberId, head: &Head, contest: Contest) {
        if !self.own.is_contest_news(head, &contest) {
            return;
        }
        if !self.own.member().has_lost(head) && !self.cx.check_signature(head) {
            return self.links.penalize(self.cx, peer, Rejection::Signature);
        }
        self.own.record_contested_head(peer, head, contest, self.cx.time());
    }

    /// Ends the contest if it is decided.
    pub(super) fn try_end_contest(&mut self) {
        let Some(verdict) = self.own.judge_contest(self.cx.time()) else { return };
        let (Verdict::KeepOwn { theirs, claimed } | Verdict::TakeBack { theirs, claimed }) = verdict else {
            let Verdict::GiveWay(theirs) = verdict else { return };
            return self.stop_own_writes(&theirs);
        };
        // Use a new run from now on, because writes under the old one may be on the other process's branch.
        self.own.run.renew(&mut self.cx.rng);
        if matches!(verdict, Verdict::KeepOwn { .. }) {
            // Writes acknowledged here stay. Peers keep what only the other process wrote as a divergent
            // copy.
            return self.continue_from_own(&theirs, claimed);
        }
        self.cx.alarm(Alarm::ContestOver { theirs, claimed });
        self.own.on_own_head(&theirs, self.disk);
        // Only states after this timestamp are missing.
        let held = self.replicas[&self.cx.me].timestamp();
        self.own.recover_after(held, self.cx.time().after(self.cx.config.settle_micros));
        self.fetch_best_remote();
    }
}
