//! After the faults all members become equal, within the bound.

use super::checker::{Checked, Checker, Scene, Violation, must};
use crate::store::SharedSnapshot;
use datafan_core::time::{SECOND, Time};

/// When the faults have ended, all running members hold the same heads within the scenario's bound, and then
/// the same items: owner, key, timestamp, value and expiry, compared in full.
#[derive(Default)]
pub struct Convergence;

impl Checker for Convergence {
    fn name(&self) -> &'static str {
        "convergence"
    }

    fn on_settled(&mut self, scene: &Scene<'_>, healed_at: Time) -> Checked {
        let ledger = scene.ledger;
        if let Some((member, owner, found, wanted)) = ledger.first_behind() {
            let (pairs, there) = ledger.pairs();
            let seconds = (scene.world.time().0 - healed_at.0) / SECOND;
            return Err(Violation(format!(
                "not equal {seconds} s after the faults: {} of {pairs} pairs are missing, the first: \
                 m{member} holds commit {found} of {}, wanted {wanted}\n{}",
                pairs - there,
                ledger.name(owner),
                scene.world.report_of(member).unwrap_or_default(),
            )));
        }
        let counts = |member: &usize| scene.world.runs(*member) && ledger.counts(*member);
        let mut running = (0..scene.world.n_members()).filter(counts);
        let Some(first) = running.next() else { return Ok(()) };
        let model = scene.world.snapshot(first);
        running.try_for_each(|member| same(scene, (first, &model), member))
    }

    fn at_end(&mut self, scene: &Scene<'_>) -> Checked {
        // Equal members stay equal at rest.
        must(scene.ledger.is_converged(), || {
            format!("no longer equal at rest: {:?}", scene.ledger.first_behind())
        })
    }
}

fn same(scene: &Scene<'_>, (first, model): (usize, &SharedSnapshot), member: usize) -> Checked {
    let snapshot = scene.world.snapshot(member);
    for owner in scene.ledger.owners().filter(|owner| scene.ledger.counts(*owner)) {
        let id = scene.ledger.id(scene.world, owner);
        let (ours, theirs) = (model.state_of(&id), snapshot.state_of(&id));
        let equal = match (ours, theirs) {
            // The same state, shared in one pool.
            (Some(ours), Some(theirs)) if ours.serial() == theirs.serial() => true,
            // Tombstones may differ; they are hints.
            (Some(ours), Some(theirs)) => {
                let head =
                    |state: &crate::store::State| state.record().and_then(|record| record.head().copied());
                head(ours) == head(theirs) && ours.items().eq(theirs.items())
            }
            (ours, theirs) => ours.is_none() && theirs.is_none(),
        };
        must(equal, || {
            format!("m{first} and m{member} hold different items of {}", scene.ledger.name(owner))
        })?;
    }
    Ok(())
}
