//! A write soon reaches all running members.

use super::checker::{Checked, Checker, Scene, must};
use crate::ledger::{Applied, Owner, Position};
use datafan_core::time::{SECOND, Time};
use std::collections::VecDeque;

/// If the scenario asks for it: a commit that was made after the last fault in lines or members reaches all
/// running members within `delivered_seconds`.
#[derive(Default)]
pub struct InTime {
    /// Commits that may be in flight, the oldest first.
    made: VecDeque<(Time, Owner, Position)>,
}

impl Checker for InTime {
    fn name(&self) -> &'static str {
        "in_time"
    }

    fn on_applied(&mut self, scene: &Scene<'_>, applied: &Applied<'_>) -> Checked {
        let own = scene.ledger.writer(applied.owner) == applied.member;
        if scene.scenario.delivered_seconds > 0 && own && applied.now > applied.before {
            self.made.push_back((scene.world.time(), applied.owner, applied.now));
        }
        Ok(())
    }

    fn on_disturbed(&mut self, _: &Scene<'_>) -> Checked {
        self.made.clear();
        Ok(())
    }

    fn on_tick(&mut self, scene: &Scene<'_>) -> Checked {
        let bound = scene.scenario.delivered_seconds * SECOND;
        while let Some((at, owner, position)) = self.made.front().copied() {
            if at.after(bound) > scene.world.time() {
                break;
            }
            self.made.pop_front();
            let members = (0..scene.world.n_members()).filter(|member| scene.ledger.runs(*member));
            let mut behind = members.filter(|member| scene.ledger.position(*member, owner) < position);
            let first = behind.next();
            must(first.is_none(), || {
                format!(
                    "m{} and {} others do not have commit {position} of {} within {} s, peers of the first: \
                     {:?}",
                    first.unwrap_or_default(),
                    behind.count(),
                    scene.ledger.name(owner),
                    scene.scenario.delivered_seconds,
                    scene.world.peers(first.unwrap_or_default()),
                )
            })?;
        }
        Ok(())
    }
}
