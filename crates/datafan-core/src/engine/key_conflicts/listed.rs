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

use crate::{
    id::MemberId,
    runs::RunId,
    time::{SECOND, Time},
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
/// How long no link must have been lost: another process may have taken it, and then nobody lists that one.
const STEADY_MICROS: u64 = 15 * SECOND;

/// Under which runs others list this member, and what follows.
#[derive(Default)]
pub(in crate::engine) struct Listed {
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
    pub(in crate::engine) fn begin_as_newcomer(&mut self, now: Time) {
        let newcomer = Newcomer { since: now, holds: false, next_look: Time(0), lost: None, lister: None };
        self.newcomer = Some(newcomer);
    }

    /// `lister` publishes a link with this run of ours, or none. Whether that is news.
    pub(in crate::engine) fn on_list(&mut self, lister: &MemberId, run: Option<RunId>) -> bool {
        let before = match run {
            Some(run) => self.by.insert(*lister, run),
            None => self.by.remove(lister),
        };
        before != run
    }

    /// A link was lost.
    pub(in crate::engine) fn on_lost(&mut self, now: Time) {
        if let Some(newcomer) = &mut self.newcomer {
            newcomer.lost = Some(now);
        }
    }

    /// What `lister` publishes counts no more.
    pub(in crate::engine) fn forget(&mut self, lister: &MemberId) {
        self.by.remove(lister);
    }

    /// Members that list another run than `own`.
    pub(in crate::engine) fn others(&self, own: RunId) -> impl Iterator<Item = (&MemberId, RunId)> {
        self.by.iter().map(|(lister, run)| (lister, *run)).filter(move |(_, run)| *run != own)
    }

    /// Whether own writes wait for the lists.
    pub(in crate::engine) fn holds(&self) -> bool {
        self.newcomer.is_some_and(|newcomer| newcomer.holds)
    }

    /// Whether this process began on an empty store, and nothing has shown yet that it is the only one.
    pub(in crate::engine) fn is_newcomer(&self) -> bool {
        self.newcomer.is_some()
    }

    /// Whom own writes wait for.
    pub(in crate::engine) fn lister(&self) -> Option<MemberId> {
        self.newcomer.filter(|newcomer| newcomer.holds)?.lister
    }

    /// Whether a link to a member may take the place of another process's.
    pub(in crate::engine) fn is_left_alone(&self, member: &MemberId, own: RunId, now: Time) -> bool {
        let newcomer = self.newcomer.filter(|newcomer| newcomer.since.after(HOLD_MICROS) > now);
        newcomer.is_some() && self.by.get(member).is_some_and(|run| *run != own)
    }

    /// When the lists are looked at next.
    pub(in crate::engine) fn wakes_at(&self) -> Time {
        self.newcomer.filter(|newcomer| newcomer.holds).map_or(Time::NEVER, |newcomer| newcomer.next_look)
    }

    /// The shard is back, or was never lost: from now on writes wait.
    pub(in crate::engine) fn hold(&mut self, now: Time) {
        if let Some(newcomer) = self.newcomer.as_mut().filter(|newcomer| !newcomer.holds) {
            (newcomer.since, newcomer.holds) = (now, true);
        }
    }

    /// Whether it is time to look at the lists.
    pub(in crate::engine) fn is_look_due(&self, now: Time) -> bool {
        self.wakes_at() <= now
    }

    /// Notes what a look found; whether writes may go on from now on.
    pub(in crate::engine) fn looked(
        &mut self,
        now: Time,
        lister: Option<MemberId>,
        all_arrived: bool,
    ) -> bool {
        let Some(newcomer) = &mut self.newcomer else { return true };
        (newcomer.lister, newcomer.next_look) = (lister, now.after(LOOK_MICROS));
        let passed = |micros| newcomer.since.after(micros) <= now;
        let steady = newcomer.lost.is_none_or(|at| at.after(STEADY_MICROS) <= now);
        let clear = lister.is_none() && all_arrived && steady && passed(LISTS_MICROS);
        clear || passed(HOLD_MICROS)
    }

    /// This process is taken as the only one.
    pub(in crate::engine) fn end_newcomer(&mut self) {
        self.newcomer = None;
    }

    /// Whether the own shard says that a process which began before this one has seen it.
    pub(in crate::engine) fn is_seen(&self) -> bool {
        self.is_seen
    }

    /// The own shard says that its writer has seen these runs, each when it had run for so long. Whoever had
    /// run for longer then than this process, `own`, has by now began before it.
    pub(in crate::engine) fn on_seen(&mut self, runs: &[(RunId, u64)], own: RunId, age_micros: u64) {
        self.is_seen |= runs.iter().any(|(run, older)| *run == own && *older > age_micros);
    }

    /// Whether a member has begun to list another run.
    pub(in crate::engine) fn has_sought(&self) -> bool {
        !self.sought.is_empty()
    }

    /// Members that have begun to list another run, and which run each lists by now; once.
    pub(in crate::engine) fn pop_sought(&mut self) -> Option<(MemberId, Option<RunId>)> {
        let lister = self.sought.pop_first()?;
        Some((lister, self.by.get(&lister).copied()))
    }

    /// Who begins to list another run is sought.
    pub(in crate::engine) fn seek(&mut self, lister: &MemberId) {
        self.sought.insert(*lister);
    }

    /// Takes over which runs of other processes are listed, and returns them with how long this one had run
    /// when it saw each first.
    pub(in crate::engine) fn see(
        &mut self,
        runs: impl Iterator<Item = RunId>,
        age_micros: u64,
    ) -> Vec<(RunId, u64)> {
        let seen = runs.map(|run| (run, self.seen.get(&run).copied().unwrap_or(age_micros)));
        self.seen = seen.collect();
        self.seen.iter().map(|(run, age)| (*run, *age)).collect()
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
