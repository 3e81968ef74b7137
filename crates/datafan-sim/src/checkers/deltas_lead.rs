//! Deltas lead to the head that they come with, from wherever one is.

use super::{Checked, Checker, Purpose, Scene, Sent, Violation};
use datafan_core::{id::MemberId, limits::DELTA_BYTES_MAX, time::Time};
use std::collections::BTreeSet;

/// Nobody compares the index of a shard before somebody was told of a gap: graves were dropped, or too much has changed.
/// So what neighbours send leads to its head, whatever was overwritten, deleted or skipped meanwhile (A47). Whoever has once
/// compared an index lacks graves of what came and went in between, so then others may have to compare, too.
///
/// Who waited in vain for an answer takes the line for a slow one, and compares what is larger than a little, since it can ask
/// for that in parts.
///
/// Where members lie, heads may step back, shards are too large for a delta, or most clocks around are so far behind that
/// a head could be one of the future, there are other reasons to compare.
#[derive(Default)]
pub struct DeltasLead {
    /// Owners of shards that somebody was told of a gap in, or that are too large for a delta.
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
        let is_gap = sent.purpose == Purpose::Gap;
        let excused = sent.heads.iter().map(|told| &told.head);
        let excused = excused.filter(|head| is_gap || head.bytes > DELTA_BYTES_MAX as u64);
        self.excused.extend(excused.map(|head| head.owner));
        let large = sent.heads.iter().filter(|told| told.head.bytes > LITTLE_BYTES);
        self.large.extend(large.map(|told| told.head.owner));
        let Purpose::Compare(owner) = sent.purpose else { return Ok(()) };
        let waited = scene.world.stats(sent.from).refusals.contains_key("late_answer");
        let faults = &scene.scenario.faults;
        let other_reasons =
            faults.liars > 0 || faults.leaves > 0 || faults.restores > 0 || faults.clock_jumps > 0;
        let excused = self.excused.contains(&owner) || waited && self.large.contains(&owner);
        if !other_reasons && !excused && self.found.is_none() {
            let name = scene.ledger.owner(scene.world, &owner).map(|owner| scene.ledger.name(owner));
            let (member, name) = (sent.from, name.unwrap_or_default());
            let what = format!("m{member} compared the index of {name}, for a delta led nowhere");
            self.found = Some(Violation(what));
        }
        Ok(())
    }

    fn on_settled(&mut self, _: &Scene<'_>, _: Time) -> Checked {
        self.found.take().map_or(Ok(()), Err)
    }
}

/// The least that is asked for at once, however slow a line is.
const LITTLE_BYTES: u64 = 32 << 10;
