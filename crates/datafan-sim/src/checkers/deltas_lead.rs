//! Deltas lead to the head that they come with, from wherever one is.

use super::checker::{Checked, Checker, Purpose, Scene, Sent, Violation};
use crate::ledger::Owner;
use datafan_core::{id::MemberId, limits::DELTA_BYTES_MAX, time::Time};
use std::collections::BTreeSet;

/// Nobody compares the index of a shard before somebody was told of a gap: tombstones were dropped, or too
/// much has changed. So what neighbours send leads to its head, whatever was overwritten, deleted or skipped
/// meanwhile (A47). Whoever has once compared an index lacks tombstones of what came and went in between, so
/// then others may have to compare, too.
///
/// Who waited in vain for an answer takes the line for a slow one, and compares what is larger than a little,
/// since it can ask for that in parts. That, too, leaves it without tombstones.
///
/// Whose clock is so far behind that the head it holds could be one of the future compares an earlier one,
/// which may make that invalid.
///
/// Whoever writes the roster looks through rosters of others that it did not write in this run: its disk may
/// lack entries.
///
/// Where members misbehave, heads may step back, or shards are too large for a delta, there are other reasons to
/// compare.
#[derive(Default)]
pub struct DeltasLead {
    /// Owners of shards that somebody was told of a gap in, that are too large for a delta, or that somebody
    /// compared for a head of the future.
    excused: BTreeSet<MemberId>,
    /// Owners of shards that are larger than a little.
    large: BTreeSet<MemberId>,
    /// The first that did without a reason. Told when all is over: it costs, but what led to it may be worse.
    found: Option<Violation>,
}

impl Checker for DeltasLead {
    fn name(&self) -> &'static str {
        "deltas_lead"
    }

    fn on_sent(&mut self, scene: &Scene<'_>, sent: &Sent<'_>) -> Checked {
        let is_gap = sent.purpose == Purpose::DeltaUnavailable;
        let excused = sent.heads.iter().map(|told| &told.head);
        let excused = excused.filter(|head| is_gap || head.bytes > DELTA_BYTES_MAX as u64);
        self.excused.extend(excused.map(|head| head.owner));
        let large = sent.heads.iter().filter(|told| told.head.bytes > LITTLE_BYTES);
        self.large.extend(large.map(|told| told.head.owner));
        let Purpose::Compare(owner) = sent.purpose else { return Ok(()) };
        let number = scene.ledger.owner(scene.world, &owner);
        if number.is_some_and(|number| holds_of_future(scene, sent.from, number)) {
            self.excused.insert(owner);
        }
        let waited = scene.world.stats(sent.from).refusals.contains_key("late_answer");
        if waited && self.large.contains(&owner) {
            self.excused.insert(owner);
        }
        let faults = &scene.scenario.faults;
        let other_reasons = faults.misbehaving > 0 || faults.leaves > 0 || faults.restores > 0;
        // Member 0 writes the roster.
        let own_roster = sent.from == 0 && number == Some(scene.ledger.roster());
        let excused = own_roster || self.excused.contains(&owner);
        if !other_reasons && !excused && self.found.is_none() {
            let (member, name) = (sent.from, number.map(|number| scene.ledger.name(number)));
            let name = name.unwrap_or_default();
            let what = format!("m{member} compared the index of {name}, for a delta led nowhere");
            self.found = Some(Violation(what));
        }
        Ok(())
    }

    fn on_settled(&mut self, _: &Scene<'_>, _: Time) -> Checked {
        self.found.take().map_or(Ok(()), Err)
    }
}

/// Whether the head that a member holds lies further ahead of its clock than heads may.
fn holds_of_future(scene: &Scene<'_>, member: usize, owner: Owner) -> bool {
    let held = scene.ledger.made(owner, scene.ledger.position(member, owner));
    held.is_some_and(|held| scene.world.is_too_late(member, held.head.timestamp))
}

/// The least that is asked for at once, however slow a line is.
const LITTLE_BYTES: u64 = 32 << 10;
