//! The processes of other members that were linked here recently.
//!
//! Two processes with one key take each other's links, so a peer that both know sees them in turn. This
//! member compares how long they have run. It tells the older process about the newer one, and relays the
//! [`Claim`] that the older one then signs to the newer one, which stops. A peer's report alone does not stop
//! a process.

use crate::{
    claim::Claim,
    id::MemberId,
    message::Message,
    runs::RunId,
    time::{SECOND, Time},
};
use alloc::{collections::BTreeMap, vec::Vec};

/// How long a process is remembered after its link is gone.
const KNOWN_MICROS: u64 = 60 * SECOND;
/// How long after its link is gone a process counts as alive.
const ALIVE_MICROS: u64 = 10 * SECOND;
/// Most processes of a member that are remembered.
const RUNS_MAX: usize = 4;

/// Processes by member: those that are linked, and those that were recently.
#[derive(Default)]
pub(in crate::engine) struct Processes(BTreeMap<MemberId, Vec<Process>>);

struct Process {
    run: RunId,
    /// How long it had run at the time `at`.
    age_micros: u64,
    at: Time,
    is_linked: bool,
    /// When its link last came up or went down.
    seen: Time,
    /// The claim of an older process against it.
    claim: Option<Claim>,
}

impl Process {
    /// How long it has run now, if it is alive.
    fn age_now(&self, now: Time) -> u64 {
        self.age_micros.saturating_add(now.0.saturating_sub(self.at.0))
    }

    fn is_alive(&self, now: Time) -> bool {
        self.is_linked || self.seen.after(ALIVE_MICROS) > now
    }

    fn is_forgotten(&self, now: Time) -> bool {
        !self.is_linked && self.seen.after(KNOWN_MICROS) <= now
    }
}

impl Processes {
    /// A link is up to a process of `peer`, which had run for `age_micros` at the time `at`. Returns the
    /// messages to send to it.
    pub(in crate::engine) fn on_up(
        &mut self,
        peer: MemberId,
        run: RunId,
        (age_micros, at): (u64, Time),
        now: Time,
    ) -> Vec<Message<'static>> {
        self.forget_old(now);
        let processes = self.0.entry(peer).or_default();
        unlink(processes, now);
        let claim = match processes.iter().position(|process| process.run == run) {
            Some(known) => processes.remove(known).claim,
            None => None,
        };
        if processes.len() >= RUNS_MAX {
            processes.remove(0);
        }
        // The process that signed the claim may have ended since.
        let older_lives =
            |claim: &Claim| processes.iter().any(|other| other.run == claim.older && other.is_alive(now));
        let claim = claim.filter(older_lives);
        let process = Process { run, age_micros, at, is_linked: true, seen: now, claim };
        let is_newer = |other: &&Process| (other.age_now(now), other.run) < (process.age_now(now), run);
        let newer = processes.iter().filter(is_newer);
        let newer = newer.map(|other| Message::OtherRun { run: other.run, age_micros: other.age_now(now) });
        let told = claim.into_iter().map(Message::Claim).chain(newer).collect();
        // The most recently linked process is forgotten last.
        processes.push(process);
        told
    }

    /// The link to `peer` is gone.
    pub(in crate::engine) fn on_down(&mut self, peer: &MemberId, now: Time) {
        if let Some(processes) = self.0.get_mut(peer) {
            unlink(processes, now);
        }
    }

    /// Where to keep a claim, if it comes from the linked process that signed it and is about a process that
    /// was linked here recently.
    pub(in crate::engine) fn place_of(&mut self, claim: &Claim, now: Time) -> Option<&mut Option<Claim>> {
        self.forget_old(now);
        let processes = self.0.get_mut(&claim.member)?;
        let is_its_own = processes.iter().any(|process| process.is_linked && process.run == claim.older);
        let newer = processes.iter_mut().find(|process| is_its_own && process.run == claim.newer)?;
        Some(&mut newer.claim)
    }

    fn forget_old(&mut self, now: Time) {
        self.0.retain(|_, processes| {
            processes.retain(|process| !process.is_forgotten(now));
            !processes.is_empty()
        });
    }
}

/// Marks all processes as not linked.
fn unlink(processes: &mut [Process], now: Time) {
    for process in processes.iter_mut().filter(|process| process.is_linked) {
        (process.is_linked, process.seen) = (false, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: MemberId = MemberId([7; 32]);
    const OLD: RunId = RunId([1; 8]);
    const NEW: RunId = RunId([2; 8]);

    fn second(n: u64) -> Time {
        Time(n * SECOND)
    }

    fn claim() -> Claim {
        Claim { member: PEER, older: OLD, newer: NEW, signature: [9; 64] }
    }

    /// Links a process that has run for `age` seconds.
    fn up(processes: &mut Processes, run: RunId, age: u64, now: u64) -> Vec<Message<'static>> {
        processes.on_up(PEER, run, (age * SECOND, second(now)), second(now))
    }

    /// Whether a claim of the linked process to be the older one counts.
    fn claims(processes: &mut Processes, claim: Claim, now: u64) -> bool {
        let place = processes.place_of(&claim, second(now));
        place.is_some_and(|place| place.replace(claim).is_none_or(|before| before == claim))
    }

    #[test]
    fn the_older_process_learns_of_the_newer_one_which_gets_its_claim() {
        let mut processes = Processes::default();
        assert!(up(&mut processes, OLD, 500, 10).is_empty());
        processes.on_down(&PEER, second(20));
        assert!(up(&mut processes, NEW, 1, 20).is_empty(), "it may have restarted");
        assert!(!claims(&mut processes, claim(), 20), "the newer process may not make the claim");
        processes.on_down(&PEER, second(21));
        let told = up(&mut processes, OLD, 511, 21);
        assert_eq!(told, [Message::OtherRun { run: NEW, age_micros: 2 * SECOND }]);
        assert!(
            !claims(&mut processes, Claim { newer: RunId([3; 8]), ..claim() }, 21),
            "of an unknown process"
        );
        assert!(claims(&mut processes, claim(), 21));
        // Its link is replaced: no event reported that it went down.
        assert_eq!(up(&mut processes, NEW, 3, 22), [Message::Claim(claim())]);
        assert_eq!(up(&mut processes, OLD, 512, 22).len(), 1);
    }

    #[test]
    fn a_claim_counts_while_the_older_process_is_linked_and_a_process_is_forgotten_after_a_minute() {
        let mut processes = Processes::default();
        up(&mut processes, NEW, 1, 0);
        up(&mut processes, OLD, 500, 1);
        assert!(claims(&mut processes, claim(), 60), "the newer one is remembered for a minute");
        assert!(!claims(&mut processes, claim(), 61));
        up(&mut processes, NEW, 62, 61);
        up(&mut processes, OLD, 561, 62);
        assert!(claims(&mut processes, claim(), 62));
        processes.on_down(&PEER, second(70));
        assert_eq!(up(&mut processes, NEW, 80, 79).len(), 1, "the older one was linked recently");
        processes.on_down(&PEER, second(80));
        assert!(up(&mut processes, NEW, 81, 80).is_empty(), "it may have ended");
    }

    #[test]
    fn a_limited_number_of_processes_per_member_is_remembered() {
        let mut processes = Processes::default();
        for n in 0..3 * RUNS_MAX as u8 {
            up(&mut processes, RunId([n; 8]), 0, 1);
        }
        assert_eq!(processes.0[&PEER].len(), RUNS_MAX);
        assert_eq!(up(&mut processes, RunId([99; 8]), 9, 1).len(), RUNS_MAX - 1);
    }
}
