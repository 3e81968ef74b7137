//! Pushes follow trees: only a small part of them is redundant.

use super::checker::{Checked, Checker, Purpose, Scene, Sent, must};
use datafan_core::time::Time;

/// Until all members are equal, redundant pushes are at most a twentieth of the deliveries, plus what it
/// takes to find a tree: [`PER_GREETING`] for each owner and each greeting of a link. Not checked if members
/// misbehave, or messages are lost, delayed or duplicated: what such a link carries is redundant without
/// anybody's fault.
#[derive(Default)]
pub struct Redundancy {
    /// Greetings sent, one in each direction of a link that came up.
    n_greetings: u64,
}

const PER_DELIVERY: u64 = 20;
const PER_GREETING: u64 = 2;

impl Checker for Redundancy {
    fn name(&self) -> &'static str {
        "redundancy"
    }

    fn on_sent(&mut self, _: &Scene<'_>, sent: &Sent<'_>) -> Checked {
        self.n_greetings += u64::from(sent.purpose == Purpose::Greet);
        Ok(())
    }

    fn on_settled(&mut self, scene: &Scene<'_>, _: Time) -> Checked {
        let faults = &scene.scenario.faults;
        let n_altered = faults.loss_per_mille + faults.twice_per_mille + faults.late_per_mille;
        if !scene.misbehaving.is_empty() || n_altered > 0 {
            return Ok(());
        }
        let members = 0..scene.world.n_members();
        let redundant: u64 = members
            .filter(|member| scene.world.runs(*member))
            .map(|member| scene.world.stats(member).redundant)
            .sum();
        let n_writers = scene.ledger.owners().filter(|owner| scene.ledger.made(*owner, 1).is_some()).count();
        let limit =
            scene.ledger.n_deliveries() / PER_DELIVERY + PER_GREETING * self.n_greetings * n_writers as u64;
        must(redundant <= limit, || format!("{redundant} pushes were redundant, limit {limit}"))
    }
}
