//! Another process with this member's key that cannot be dialled, found by the links that others publish.
//!
//! A list names the run of each peer. A member that finds itself listed with a run that is not its own says
//! in its own `_sys/links` that it has *seen* that run, and for how long it had run itself by then. Who reads
//! that its own run was seen knows that another process with its key is alive: nobody else can sign it, and
//! nobody knew the run before this process began. If that one had run for longer than this one has by now, it
//! began first. No wall clock is compared.
//!
//! A process that began on an empty store reads it before it writes. While a reachable member lists another
//! run of it, its writes wait, at most [`HOLD_MICROS`]: a list outlives the link by less, and an answer takes
//! less.

use super::{Engine, own::Confirmed, reach::Kind, replicas::Owner, runs::history_of, same_key::SameKeyPlace};
use crate::{
    id::MemberId,
    runs::RunId,
    store::{Meta, Store, StoreError},
    time::{SECOND, Time, Timestamp},
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

/// How long the writes of a process that began on an empty store wait at most.
const HOLD_MICROS: u64 = 60 * SECOND;
/// How long they wait at least where the mesh had a shard of it: others' lists have to arrive.
const LISTS_MICROS: u64 = 3 * SECOND;
/// How often the lists are looked at meanwhile.
const LOOK_MICROS: u64 = SECOND;
/// Two processes take each other's links within seconds. What a peer lists does not count once an own link to
/// it has lasted so long.
const LASTED_MICROS: u64 = 10 * SECOND;
/// How long no link must have been lost: another process may have taken it, and then nobody lists that one.
const CALM_MICROS: u64 = 15 * SECOND;
/// Most runs that a member says to have seen.
pub(super) const SEEN_MAX: usize = 4;

/// Under which runs others list this member, and what follows.
#[derive(Default)]
pub(super) struct Listed {
    by: BTreeMap<MemberId, RunId>,
    newcomer: Option<Newcomer>,
    /// The own shard says that a process which began before this one has seen it.
    is_seen: bool,
    /// For how long this process had run when it saw others first.
    seen: BTreeMap<RunId, u64>,
    /// Who has begun to list another run.
    sought: BTreeSet<MemberId>,
}

/// This process began on an empty store, or on one on which such a process has not been cleared yet.
#[derive(Clone, Copy)]
struct Newcomer {
    /// When it began, then when it had its shard back.
    since: Time,
    /// Its shard is back: writes wait for the lists.
    holds: bool,
    next_look: Time,
    /// When a link was lost last, which another process may have taken.
    lost: Option<Time>,
    /// Who lists another run.
    lister: Option<MemberId>,
}

impl Listed {
    /// The process began on a store that holds nothing of its own.
    pub(super) fn begin_as_newcomer(&mut self, now: Time) {
        let newcomer = Newcomer { since: now, holds: false, next_look: Time(0), lost: None, lister: None };
        self.newcomer = Some(newcomer);
    }

    /// `lister` publishes a link with this run of ours, or none. Whether that is news.
    fn on_list(&mut self, lister: &MemberId, run: Option<RunId>) -> bool {
        let before = match run {
            Some(run) => self.by.insert(*lister, run),
            None => self.by.remove(lister),
        };
        before != run
    }

    /// A link was lost.
    pub(super) fn on_lost(&mut self, now: Time) {
        if let Some(newcomer) = &mut self.newcomer {
            newcomer.lost = Some(now);
        }
    }

    /// What `lister` publishes counts no more.
    pub(super) fn forget(&mut self, lister: &MemberId) {
        self.by.remove(lister);
    }

    /// Members that list another run than `own`.
    fn others(&self, own: RunId) -> impl Iterator<Item = (&MemberId, RunId)> {
        self.by.iter().map(|(lister, run)| (lister, *run)).filter(move |(_, run)| *run != own)
    }

    /// Whether own writes wait for the lists.
    pub(super) fn holds(&self) -> bool {
        self.newcomer.is_some_and(|newcomer| newcomer.holds)
    }

    /// Whether this process began on an empty store, and nothing has shown yet that it is the only one.
    pub(super) fn is_newcomer(&self) -> bool {
        self.newcomer.is_some()
    }

    /// Whom own writes wait for.
    pub(super) fn lister(&self) -> Option<MemberId> {
        self.newcomer.filter(|newcomer| newcomer.holds)?.lister
    }

    /// Whether a link to a member may take the place of another process's.
    fn is_left_alone(&self, member: &MemberId, own: RunId, now: Time) -> bool {
        let newcomer = self.newcomer.filter(|newcomer| newcomer.since.after(HOLD_MICROS) > now);
        newcomer.is_some() && self.by.get(member).is_some_and(|run| *run != own)
    }

    /// When the lists are looked at next.
    pub(super) fn wakes_at(&self) -> Time {
        self.newcomer.filter(|newcomer| newcomer.holds).map_or(Time::NEVER, |newcomer| newcomer.next_look)
    }

    /// The shard is back, or was never lost: from now on writes wait.
    fn hold(&mut self, now: Time) {
        if let Some(newcomer) = self.newcomer.as_mut().filter(|newcomer| !newcomer.holds) {
            (newcomer.since, newcomer.holds) = (now, true);
        }
    }

    /// Whether it is time to look at the lists.
    fn is_look_due(&self, now: Time) -> bool {
        self.wakes_at() <= now
    }

    /// Notes what a look found; whether writes may go on from now on.
    fn looked(&mut self, now: Time, lister: Option<MemberId>, all_arrived: bool) -> bool {
        let Some(newcomer) = &mut self.newcomer else { return true };
        (newcomer.lister, newcomer.next_look) = (lister, now.after(LOOK_MICROS));
        let passed = |micros| newcomer.since.after(micros) <= now;
        let calm = newcomer.lost.is_none_or(|at| at.after(CALM_MICROS) <= now);
        let clear = lister.is_none() && all_arrived && calm && passed(LISTS_MICROS);
        clear || passed(HOLD_MICROS)
    }
}

impl<S: Store> Engine<S> {
    /// Whether this process begins as one that may be the second: it has nothing of its own, or took it from
    /// the mesh and was not cleared.
    pub(super) fn load_newcomer(&mut self, is_marked: bool) {
        let is_empty = self.own.member().before() == Timestamp::ZERO;
        let asks = self.cx.config.publish_links && !self.cx.config.new_mesh && !self.cx.config.abandon;
        if asks && (is_empty || is_marked) {
            self.listed.begin_as_newcomer(self.cx.now.time);
            self.disk.set_meta(Meta::Newcomer, Some(Vec::new()));
        } else if is_marked {
            self.end_newcomer();
        }
    }

    /// This process is taken as the only one.
    fn end_newcomer(&mut self) {
        self.listed.newcomer = None;
        self.disk.set_meta(Meta::Newcomer, None);
        self.dialer.rouse();
    }

    /// Begins to hold own writes back, and lets them go.
    pub(super) fn turn_newcomer(&mut self) {
        if !self.listed.is_newcomer() || self.same_key.found().is_some() {
            return;
        }
        if self.listed.is_seen {
            return self.on_same_key(SameKeyPlace::Linked);
        }
        if self.own[&self.cx.me].has_written() {
            // Nobody held anything of it: its first write was free.
            return self.end_newcomer();
        }
        let has_head = self.replicas.get(&self.cx.me).is_some_and(|owner| owner.head().is_some());
        let now = self.cx.now.time;
        if has_head && self.own[&self.cx.me].confirmed() == Confirmed::Yes {
            self.listed.hold(now);
        }
        if self.listed.is_look_due(now) {
            let (lister, all_arrived) = (self.lister_of_another(), !self.is_any_first_copy_due());
            if self.listed.looked(now, lister, all_arrived) {
                self.end_newcomer();
            }
        }
    }

    /// Whether a shard is known of which nothing is held yet.
    fn is_any_first_copy_due(&self) -> bool {
        self.replicas.iter().any(|owner| owner.head().is_none() && owner.known().is_some())
    }

    /// A reachable member that lists another run of this member. A link that broke is listed for a while.
    fn lister_of_another(&self) -> Option<MemberId> {
        let lasted = |peer: &MemberId| {
            let link = self.links.get(peer).filter(|link| link.is_up());
            link.is_some_and(|link| link.up_since().after(LASTED_MICROS) <= self.cx.now.time)
        };
        let others = self.listed.others(self.own.run.process()).map(|(lister, _)| *lister);
        let others: Vec<MemberId> = others.filter(|lister| !lasted(lister)).collect();
        if others.is_empty() {
            return None;
        }
        let reached = self.reach.now(self.cx.now.time, &self.linked(), |id| self.kind_of(id));
        others.into_iter().find(|lister| reached.binary_search(lister).is_ok())
    }

    /// Whether a member is better not dialled: a link to it may take the place of another process's. Without
    /// any link nobody can be spared.
    pub(super) fn is_left_alone(&self, member: &MemberId) -> bool {
        self.links.len() > 0 && self.listed.is_left_alone(member, self.own.run.process(), self.cx.now.time)
    }

    /// Takes over under which run `lister` publishes a link with this member.
    pub(super) fn learn_listed(&mut self, lister: &MemberId, run: Option<RunId>) {
        if self.listed.on_list(lister, run) && run.is_some_and(|run| run != self.own.run.process()) {
            self.own_links.on_changed();
            self.listed.sought.insert(*lister);
            self.cx.more_to_do = true;
        }
    }

    /// Whoever is linked with another process of this member is dialled: it can compare both. A list names
    /// the run before this one for a while; that is one that this process goes on from.
    pub(super) fn seek_judges(&mut self) -> Result<(), StoreError> {
        while let Some(lister) = self.listed.sought.pop_first() {
            let seen = self.foreign_runs()?;
            let is_one = self.listed.by.get(&lister).is_some_and(|run| seen.contains(run));
            if is_one && !self.links.contains_key(&lister) && !self.is_left_alone(&lister) {
                self.seek_lost(&lister);
            }
        }
        Ok(())
    }

    /// Some of the runs of other processes that have this member's key, and for how long this one had run
    /// when it saw each first.
    pub(super) fn seen_runs(&mut self) -> Result<Vec<(RunId, u64)>, StoreError> {
        let age = self.own.run.age_micros(self.cx.now.time);
        let runs = self.foreign_runs()?.into_iter().take(SEEN_MAX);
        let seen = runs.map(|run| (run, self.listed.seen.get(&run).copied().unwrap_or(age)));
        self.listed.seen = seen.collect();
        Ok(self.listed.seen.iter().map(|(run, age)| (*run, *age)).collect())
    }

    /// Runs under which members list this one and that are not of its past.
    fn foreign_runs(&self) -> Result<BTreeSet<RunId>, StoreError> {
        let belongs = |lister: &MemberId| self.kind_of(lister) != Kind::Stranger;
        let others = self.listed.others(self.own.run.process()).filter(|(lister, _)| belongs(lister));
        let mut runs: BTreeSet<RunId> = others.map(|(_, run)| run).collect();
        if let Some((shard, _)) = self.replicas.get(&self.cx.me).and_then(Owner::whole)
            && !runs.is_empty()
        {
            let history = history_of(&self.disk.view(shard))?;
            runs.retain(|run| !history.names(*run));
        }
        Ok(runs)
    }

    /// The own shard says that its writer has seen these runs, each when it had run for so long. Whoever had
    /// run for longer then than this process has by now began before it.
    pub(super) fn on_seen(&mut self, runs: &[(RunId, u64)]) {
        let age = self.own.run.age_micros(self.cx.now.time);
        self.listed.is_seen |= runs.iter().any(|(run, older)| *run == self.own.run.process() && *older > age);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: RunId = RunId([1; 8]);
    const OTHER: RunId = RunId([2; 8]);
    const LISTER: MemberId = MemberId([7; 32]);

    fn second(n: u64) -> Time {
        Time(n * SECOND)
    }

    #[test]
    fn writes_wait_until_no_list_names_another_run_and_at_most_a_minute() {
        let mut listed = Listed::default();
        assert!(!listed.holds() && listed.wakes_at() == Time::NEVER);
        listed.begin_as_newcomer(second(0));
        assert!(!listed.holds() && !listed.is_look_due(second(9)), "what the mesh has comes first");
        listed.hold(second(10));
        listed.hold(second(12));
        assert!(listed.holds() && listed.is_look_due(second(10)));
        assert!(!listed.looked(second(10), None, true), "lists may be on their way");
        assert!(!listed.is_look_due(second(10)) && listed.is_look_due(second(11)));
        assert!(!listed.looked(second(13), None, false), "so may first copies");
        assert!(!listed.looked(second(69), Some(LISTER), true) && listed.lister() == Some(LISTER));
        listed.on_lost(second(20));
        assert!(!listed.looked(second(34), None, true), "another process may have taken a link");
        assert!(listed.looked(second(35), None, true));
        assert!(listed.looked(second(70), Some(LISTER), false));
    }

    #[test]
    fn who_lists_another_run_is_left_alone_for_a_minute() {
        let mut listed = Listed::default();
        assert!(listed.on_list(&LISTER, Some(OTHER)) && !listed.on_list(&LISTER, Some(OTHER)));
        assert!(!listed.is_left_alone(&LISTER, OWN, second(1)), "only a newcomer does so");
        listed.begin_as_newcomer(second(0));
        assert!(listed.is_left_alone(&LISTER, OWN, second(59)));
        assert!(!listed.is_left_alone(&LISTER, OWN, second(60)));
        assert!(!listed.is_left_alone(&LISTER, OTHER, second(1)), "that is this process");
        assert_eq!(listed.others(OWN).count(), 1);
        assert!(listed.on_list(&LISTER, None) && listed.others(OWN).count() == 0);
    }
}
