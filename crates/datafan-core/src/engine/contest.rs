//! Two processes with this member's key that write: which of them goes on.
//!
//! Whoever sees a state of its own shard that names its own run, and that it did not write, holds its writes
//! back: another process goes on from what it wrote. The one that began first goes on. Peers that both are
//! linked with compare how long each has run (`processes`), the older one signs a claim, and the newer one
//! stops when it gets that. Where nobody can compare them, who is held back stops after half a minute if
//! the other one was heard of meanwhile, and goes on if not.

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

/// How long a process that has written waits for peers that know another one with its key.
const MEET_MICROS: u64 = 4 * SECOND;

impl<S: Store> Conflicts<'_, S> {
    /// A peer says that another process with our key was linked with it, which has run for so long.
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
            // It tells again when a link comes up.
            return self.cx.stats.reject(Rejection::OtherRun);
        }
        let claim = known.unwrap_or_else(|| {
            let claim = Claim::signed(&self.cx.config.mesh, &self.cx.config.member, own, run);
            claims.add(claim, from, now);
            claim
        });
        claims.on_sent(now);
        self.gossip().hasten_recovery();
        let claims = &mut self.own.claims;
        if claims.may_tell(now) {
            self.cx.alarm(Alarm::OtherProcess { told_by: from });
        }
        self.cx.send(from, &Message::Claim(claim));
    }

    /// Whether this process has given way already, and is about to end.
    fn is_stopping(&self) -> bool {
        self.key_conflicts.same_key.found().is_some() || self.own.is_stopped()
    }

    /// Another process with our key has signed that it began before one of its own, which may be this one.
    pub(super) fn on_claim_against_us(&mut self, claim: &Claim) {
        let own = self.own.run.process();
        // Where both claim to be the older one, as their starts were too close for the peers to tell, one of
        // them stops.
        if self.own.claims.against(claim.older).is_none() || claim.older < own {
            self.on_same_key(SameKeyPlace::Linked);
        }
    }
}

impl<S: Store> Gossip<'_, S> {
    /// How long what peers hold of the own shard is waited for before it is fetched: all have to tell of it.
    /// A process that has written may hear that another one has its key; then what it wrote itself goes on.
    pub(super) fn settle_micros(&self, owner: &MemberId) -> u64 {
        let waits = *owner == self.cx.me
            && self.own[owner].has_written()
            && !self.own.claims.is_older_one(self.cx.time());
        if waits { self.cx.config.settle_micros.max(MEET_MICROS) } else { self.cx.config.settle_micros }
    }

    /// This process is the older one: what it was to wait for has come.
    fn hasten_recovery(&mut self) {
        let soon = self.cx.now.time.after(self.cx.config.settle_micros);
        if self.own.hasten_recovery(soon) {
            self.fetch_best_remote();
        }
    }

    /// Begins to fetch what a peer holds of the own shard.
    fn fetch_best_remote(&mut self) {
        if let Some((peer, head)) = self.recoveries().best_remote(&self.cx.me) {
            self.learn(peer, &head, self.cx.now.time);
        }
    }

    /// The older one of two processes keeps what it wrote itself before what the other one wrote, of which it
    /// knows nothing.
    pub(super) fn keeps_own(&self, owner: &MemberId) -> bool {
        *owner == self.cx.me && self.own[owner].has_written() && self.own.claims.is_older_one(self.cx.time())
    }

    /// Own writes go on from what is held here, above a head that the other process made.
    pub(super) fn go_on_from_own(&mut self, theirs: &Head, claimed: bool) {
        self.cx.alarm(Alarm::ContestOver { theirs: *theirs, claimed });
        self.replicas.forget(&theirs.owner);
        self.own.on_own_head(theirs, self.disk);
        self.own.go_on();
        self.cx.more_to_do = true;
    }

    /// A state of the own shard names this run, and was not written here.
    pub(super) fn contest(&mut self, theirs: &Head, diverged: bool) {
        let ours = self.replicas[&self.cx.me].head().copied();
        // What is known of it was looked at: it is not asked for again.
        self.replicas.forget(&self.cx.me.clone());
        if !self.own.begin_contest(theirs, ours, diverged, self.cx.time()) {
            return;
        }
        self.cx.stats.reject(Rejection::ForeignOwnHead);
        self.cx.alarm(Alarm::Contested { theirs: *theirs, ours });
    }

    /// A peer holds a head of the own shard while own writes are held back.
    pub(super) fn see_contested(&mut self, peer: MemberId, head: &Head, contest: Contest) {
        if !self.own.is_contest_news(head, &contest) {
            return;
        }
        if !self.own.member().has_lost(head) && !self.cx.check_signature(head) {
            return self.links.penalize(self.cx, peer, Rejection::Signature);
        }
        self.own.see_contested(peer, head, contest, self.cx.time());
    }

    /// Ends what holds own writes back, if it is time.
    pub(super) fn turn_contest(&mut self) {
        let Some(verdict) = self.own.judge_contest(self.cx.time()) else { return };
        let (Verdict::KeepOwn { theirs, claimed } | Verdict::TakeBack { theirs, claimed }) = verdict else {
            let Verdict::GiveWay(theirs) = verdict else { return };
            return self.stop_own_writes(&theirs);
        };
        // Another name from now on: what was written under the old one may be on the other one's branch.
        self.own.run.renew(&mut self.cx.rng);
        if matches!(verdict, Verdict::KeepOwn { .. }) {
            // What was acknowledged here stays; peers keep what only the other one wrote, and tell of it.
            return self.go_on_from_own(&theirs, claimed);
        }
        self.cx.alarm(Alarm::ContestOver { theirs, claimed });
        self.own.on_own_head(&theirs, self.disk);
        // It lacks what came after that, and no more.
        let held = self.replicas[&self.cx.me].timestamp();
        self.own.take_back(held, self.cx.time().after(self.cx.config.settle_micros));
        self.fetch_best_remote();
    }
}
