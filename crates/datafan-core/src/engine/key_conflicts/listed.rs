//! Finds another process with this member's key that cannot be dialled, through the links that others
//! publish.
//!
//! A list has the run of each peer. A member that is listed with a run other than its own publishes in its
//! own `_sys/links` that it has *seen* that run, and how long it had run itself by then. A process that reads
//! that its own run was seen knows that another process with its key is running: nobody else can sign this,
//! and nobody knew the run before this process started. If that process had run for longer than this one has
//! now, it began first. No wall clocks are compared.
//!
//! A process that started on an empty store reads the lists before it writes. While a reachable member lists
//! another run of it, its writes wait, at most [`HOLD_MICROS`]: a list outlives its link by less, and the
//! other process's answer takes less.

use crate::{
    id::MemberId,
    runs::RunId,
    time::{SECOND, Time},
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

/// How long the writes of a process that started on an empty store wait at most.
const HOLD_MICROS: u64 = 60 * SECOND;
/// How long they wait at least if the mesh has its shard: the lists of others have to arrive.
const LISTS_MICROS: u64 = 3 * SECOND;
/// How often the lists are checked meanwhile.
const LOOK_MICROS: u64 = SECOND;
/// How long no link must have been lost: another process may have taken it, and that process is not listed
/// yet.
const STEADY_MICROS: u64 = 15 * SECOND;

/// The runs under which others list this member.
#[derive(Default)]
pub(in crate::engine) struct Listed {
    by: BTreeMap<MemberId, RunId>,
    newcomer: Option<Newcomer>,
    /// The own shard shows that a process which began before this one has seen it.
    is_seen: bool,
    /// How long this process had run when it first saw each other run.
    seen: BTreeMap<RunId, u64>,
    /// Members that started to list another run.
    sought: BTreeSet<MemberId>,
}

/// This process started on an empty store, or on a store on which such a process was not cleared yet.
#[derive(Clone, Copy)]
struct Newcomer {
    /// When it started, and later when its shard was recovered.
    since: Time,
    /// Its shard is recovered: writes wait for the lists.
    holds: bool,
    next_look: Time,
    /// When a link was last lost, which another process may have taken.
    lost: Option<Time>,
    /// A member that lists another run.
    lister: Option<MemberId>,
}

impl Listed {
    /// The process started on a store without data of its own.
    pub(in crate::engine) fn begin_as_newcomer(&mut self, now: Time) {
        let newcomer = Newcomer { since: now, holds: false, next_look: Time(0), lost: None, lister: None };
        self.newcomer = Some(newcomer);
    }

    /// `lister` publishes a link with this run of ours, or none. Returns whether that is new.
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

    /// Forgets what `lister` publishes.
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

    /// Whether this process started on an empty store and does not count as the only one yet.
    pub(in crate::engine) fn is_newcomer(&self) -> bool {
        self.newcomer.is_some()
    }

    /// The member that own writes wait for.
    pub(in crate::engine) fn lister(&self) -> Option<MemberId> {
        self.newcomer.filter(|newcomer| newcomer.holds)?.lister
    }

    /// Whether a link to a member may replace another process's link.
    pub(in crate::engine) fn may_replace_link(&self, member: &MemberId, own: RunId, now: Time) -> bool {
        let newcomer = self.newcomer.filter(|newcomer| newcomer.since.after(HOLD_MICROS) > now);
        newcomer.is_some() && self.by.get(member).is_some_and(|run| *run != own)
    }

    /// When the lists are next checked.
    pub(in crate::engine) fn wakes_at(&self) -> Time {
        self.newcomer.filter(|newcomer| newcomer.holds).map_or(Time::NEVER, |newcomer| newcomer.next_look)
    }

    /// The shard is recovered, or was never lost: writes wait from now on.
    pub(in crate::engine) fn hold(&mut self, now: Time) {
        if let Some(newcomer) = self.newcomer.as_mut().filter(|newcomer| !newcomer.holds) {
            (newcomer.since, newcomer.holds) = (now, true);
        }
    }

    /// Whether a check of the lists is due.
    pub(in crate::engine) fn is_check_due(&self, now: Time) -> bool {
        self.wakes_at() <= now
    }

    /// Records the result of a check. Returns whether writes may continue.
    pub(in crate::engine) fn record_check(
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

    /// This process counts as the only one with its key.
    pub(in crate::engine) fn end_newcomer(&mut self) {
        self.newcomer = None;
    }

    /// Whether the own shard shows that a process which began before this one has seen it.
    pub(in crate::engine) fn is_seen(&self) -> bool {
        self.is_seen
    }

    /// Learns which runs the writer of the own shard has seen, and how long the writer had run at each time.
    /// A writer that had run longer then than this process, `own`, has now began before it.
    pub(in crate::engine) fn on_seen(&mut self, runs: &[(RunId, u64)], own: RunId, age_micros: u64) {
        self.is_seen |= runs.iter().any(|(run, older)| *run == own && *older > age_micros);
    }

    /// Whether a member has begun to list another run.
    pub(in crate::engine) fn has_listers(&self) -> bool {
        !self.sought.is_empty()
    }

    /// Takes a member that started to list another run, with the run that it lists now.
    pub(in crate::engine) fn pop_lister(&mut self) -> Option<(MemberId, Option<RunId>)> {
        let lister = self.sought.pop_first()?;
        Some((lister, self.by.get(&lister).copied()))
    }

    /// Records that `lister` started to list another run.
    pub(in crate::engine) fn add_lister(&mut self, lister: &MemberId) {
        self.sought.insert(*lister);
    }

    /// Updates the listed runs of other processes. Returns them with how long this process had run when it
    /// first saw each.
    pub(in crate::engine) fn update_seen(
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
        assert!(!listed.holds() && !listed.is_check_due(second(9)), "the shard is recovered first");
        listed.hold(second(10));
        listed.hold(second(12));
        assert!(listed.holds() && listed.is_check_due(second(10)));
        assert!(!listed.record_check(second(10), None, true), "lists may be in transit");
        assert!(!listed.is_check_due(second(10)) && listed.is_check_due(second(11)));
        assert!(!listed.record_check(second(13), None, false), "first copies may be in transit");
        assert!(!listed.record_check(second(69), Some(LISTER), true) && listed.lister() == Some(LISTER));
        listed.on_lost(second(20));
        assert!(!listed.record_check(second(34), None, true), "another process may have taken a link");
        assert!(listed.record_check(second(35), None, true));
        assert!(listed.record_check(second(70), Some(LISTER), false));
    }

    #[test]
    fn a_member_that_lists_another_run_is_not_dialled_for_a_minute() {
        let mut listed = Listed::default();
        assert!(listed.on_list(&LISTER, Some(OTHER)) && !listed.on_list(&LISTER, Some(OTHER)));
        assert!(!listed.may_replace_link(&LISTER, OWN, second(1)), "only for a newcomer");
        listed.begin_as_newcomer(second(0));
        assert!(listed.may_replace_link(&LISTER, OWN, second(59)));
        assert!(!listed.may_replace_link(&LISTER, OWN, second(60)));
        assert!(!listed.may_replace_link(&LISTER, OTHER, second(1)), "the list names this process");
        assert_eq!(listed.others(OWN).count(), 1);
        assert!(listed.on_list(&LISTER, None) && listed.others(OWN).count() == 0);
    }
}
