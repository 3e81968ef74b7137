//! What a restored owner had written, and others have, is visible or kept for it.

use super::checker::{Checked, Checker, Scene, must};
use crate::{
    ledger::{Applied, Owner, Position},
    store::SharedSnapshot,
};
use datafan_core::{
    runs::{RUNS_KEY, RunHistory},
    time::Time,
};
use std::collections::{BTreeMap, BTreeSet};

/// A state that a member showed, and that was replaced by one that does not descend from it, is at the end
/// part of the owner's state as running members show it, or of a divergent copy that they keep. Which
/// state follows which is observed where the owner writes. A copy does not count if it was not on disk when its holder crashed, or
/// if its holder was itself restored.
#[derive(Default)]
pub struct NothingLost {
    owners: BTreeMap<Owner, Lineage>,
    replaced: BTreeSet<(usize, Owner, Position)>,
}

impl Checker for NothingLost {
    fn name(&self) -> &'static str {
        "nothing_lost"
    }

    fn on_applied(&mut self, scene: &Scene<'_>, applied: &Applied<'_>) -> Checked {
        let Applied { member, owner, before, now, .. } = *applied;
        if owner == scene.ledger.roster() || now == 0 {
            return Ok(());
        }
        let lineage = self.owners.entry(owner).or_default();
        if member == owner && !lineage.knows(now) {
            let from = lineage.parent(scene, applied).unwrap_or(before);
            lineage.grow(from, now);
        } else if before > 0 && lineage.knows(before) && !lineage.is_ancestor(before, now) {
            self.replaced.insert((member, owner, before));
        }
        Ok(())
    }

    fn on_started(&mut self, scene: &Scene<'_>, member: usize) -> Checked {
        let snapshot = scene.world.snapshot(member);
        let owners = &self.owners;
        self.replaced.retain(|(holder, owner, at)| {
            *holder != member || owners[owner].is_part_of(scene, &snapshot, *owner, *at)
        });
        Ok(())
    }

    fn on_settled(&mut self, scene: &Scene<'_>, _: Time) -> Checked {
        self.check(scene)
    }

    fn at_end(&mut self, scene: &Scene<'_>) -> Checked {
        self.check(scene)
    }
}

impl NothingLost {
    fn check(&self, scene: &Scene<'_>) -> Checked {
        let ledger = scene.ledger;
        let running: Vec<_> =
            (0..scene.world.n_members()).filter(|member| scene.world.runs(*member)).collect();
        let snapshots: Vec<_> = running.iter().map(|member| scene.world.snapshot(*member)).collect();
        for (holder, owner, at) in &self.replaced {
            let promised = ledger.counts(*holder) && ledger.counts(*owner) && ledger.ending(*owner).is_none();
            if !promised || !running.contains(holder) {
                continue;
            }
            let lineage = &self.owners[owner];
            let is_kept = snapshots.iter().any(|snapshot| lineage.is_part_of(scene, snapshot, *owner, *at));
            must(is_kept, || {
                format!(
                    "m{holder} held commit {at} of m{owner}, but no member shows it or keeps it for its owner"
                )
            })?;
        }
        Ok(())
    }
}

/// The lines of an owner's states. A branch is a line of states; it starts where an older copy of the disk
/// was restored.
#[derive(Default)]
struct Lineage {
    branch_of: BTreeMap<Position, usize>,
    branches: Vec<Branch>,
}

struct Branch {
    /// The state of another branch from which its first state descends; 0 for none.
    from: Position,
    last: Position,
}

impl Lineage {
    fn knows(&self, at: Position) -> bool {
        self.branch_of.contains_key(&at)
    }

    /// Records a write of the owner on a state other than the visible one: it may have taken a state back and
    /// written in one step. Its run says where it began.
    fn parent(&self, scene: &Scene<'_>, applied: &Applied<'_>) -> Option<Position> {
        let is_tip = |branch: &Branch| branch.last == applied.before;
        if self.branches.iter().any(is_tip) {
            return None;
        }
        let runs = RunHistory::decode(&applied.state?.item(RUNS_KEY)?.value).ok()?;
        let began = runs.last()?.began;
        let at = |at: &Position| scene.ledger.made(applied.owner, *at).map(|made| made.head.timestamp);
        self.branch_of.keys().rev().copied().find(|known| at(known) == Some(began))
    }

    /// Records that the owner wrote `now` on top of `before`.
    fn grow(&mut self, before: Position, now: Position) {
        let same = self.branch_of.get(&before).copied();
        let branch = same.filter(|branch| self.branches[*branch].last == before).unwrap_or_else(|| {
            self.branches.push(Branch { from: before, last: now });
            self.branches.len() - 1
        });
        self.branches[branch].last = now;
        self.branch_of.insert(now, branch);
    }

    /// Whether `old` is `new` or one of its ancestors.
    fn is_ancestor(&self, old: Position, new: Position) -> bool {
        let mut new = new;
        while let (Some(theirs), Some(ours)) = (self.branch_of.get(&old), self.branch_of.get(&new)) {
            if theirs == ours {
                return old <= new;
            }
            new = self.branches[*ours].from;
        }
        false
    }

    /// Whether a store has, visible or divergent, `at` or a descendant of it.
    fn is_part_of(&self, scene: &Scene<'_>, snapshot: &SharedSnapshot, owner: Owner, at: Position) -> bool {
        let id = scene.ledger.id(scene.world, owner);
        let records = snapshot.states().filter_map(|state| state.record());
        let held = records.filter(|record| record.owner == id && record.head().is_some());
        held.filter_map(|record| scene.ledger.find(owner, &record.head()?.order()))
            .any(|held| self.is_ancestor(at, held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_an_ancestor_of_what_was_written_on_top_of_it() {
        let mut lineage = Lineage::default();
        for (before, now) in [(0, 1), (1, 2), (2, 3), (1, 4), (4, 5), (2, 6), (3, 7)] {
            lineage.grow(before, now);
        }
        for (old, new, is_ancestor) in [
            (1, 3, true),
            (3, 7, true),
            (2, 6, true),
            (3, 6, false),
            (1, 5, true),
            (2, 5, false),
            (5, 3, false),
            (6, 6, true),
        ] {
            assert_eq!(lineage.is_ancestor(old, new), is_ancestor, "{old} -> {new}");
        }
    }
}
