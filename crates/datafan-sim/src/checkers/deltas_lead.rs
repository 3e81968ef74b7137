//! Deltas lead to the head that they come with, whatever state the receiver has.

use super::checker::{Checked, Checker, Purpose, Scene, Sent, Violation};
use crate::ledger::Owner;
use datafan_core::{id::MemberId, limits::DELTA_BYTES_MAX, time::Time};
use std::collections::BTreeSet;

/// No member compares the index of a shard unless a member was told that a delta is unavailable: tombstones
/// were dropped, or too much has changed. So what neighbours send leads to its head, whatever was
/// overwritten, deleted or skipped in between (A47). A member that has compared an index lacks tombstones of
/// items that came and went in between, so then other members may have to compare too.
///
/// A member whose request timed out assumes a slow line and compares larger shards, because it can do that in
/// parts. That also leaves it without tombstones.
///
/// A member whose clock is so far behind that its head could lie in the future compares an earlier head,
/// which may make the future one invalid.
///
/// The writer of the roster examines rosters of others that it did not write in this run, since its disk may
/// lack entries.
///
/// If members misbehave, heads may step back, or shards are too large for a delta, there are other reasons to
/// compare.
#[derive(Default)]
pub struct DeltasLead {
    /// Owners of shards for which a member was told that a delta is unavailable, that are too large for a
    /// delta, or that a member compared for a head of the future.
    excused: BTreeSet<MemberId>,
    /// Owners of shards above the minimum that is compared in parts.
    large: BTreeSet<MemberId>,
    /// The first member that compared without a reason. Reported at the end: its cause may violate a property
    /// that matters more.
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
            let what =
                format!("m{member} compared the index of {name} because a delta did not lead to its head");
            self.found = Some(Violation(what));
        }
        Ok(())
    }

    fn on_settled(&mut self, _: &Scene<'_>, _: Time) -> Checked {
        self.found.take().map_or(Ok(()), Err)
    }
}

/// Whether the head that a member holds lies further ahead of its clock than allowed.
fn holds_of_future(scene: &Scene<'_>, member: usize, owner: Owner) -> bool {
    let held = scene.ledger.made(owner, scene.ledger.position(member, owner));
    held.is_some_and(|held| scene.world.is_too_late(member, held.head.timestamp))
}

/// The least that is requested at once, however slow a line is.
const LITTLE_BYTES: u64 = 32 << 10;
