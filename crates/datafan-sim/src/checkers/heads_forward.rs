//! A head moves only forward.

use super::checker::{Checked, Checker, Scene, must};
use crate::ledger::{Applied, Ending};

/// Each visible head is greater than the previous one, by timestamp and root. That of a revoked owner may
/// step back to where it is frozen, or disappear.
#[derive(Default)]
pub struct HeadsForward;

impl Checker for HeadsForward {
    fn name(&self) -> &'static str {
        "heads_forward"
    }

    fn on_applied(&mut self, scene: &Scene<'_>, applied: &Applied<'_>) -> Checked {
        let (ledger, owner) = (scene.ledger, applied.owner);
        let order = |position| ledger.made(owner, position).map(|made| made.head.order());
        let ending = ledger.ending(owner);
        let ended = match ending {
            Some(Ending::Keep(position)) => applied.now == position,
            Some(Ending::Drop) => applied.now == 0,
            None => false,
        };
        let forward = order(applied.now) > order(applied.before);
        // Several commits of one call are recorded one by one and checked once.
        let same = applied.now == applied.before;
        must(forward || same || ended, || {
            let (member, name) = (applied.member, ledger.name(owner));
            let (before, now) = (order(applied.before), order(applied.now));
            format!("at m{member} the head of {name} went from {before:?} to {now:?}")
        })
    }
}
