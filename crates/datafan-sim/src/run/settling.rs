//! Whether links settle once all members are equal.

use super::{Run, SETTLE_ROUNDS};
use datafan_core::time::SECOND;

/// How long links may take to settle, and how long hardly any may then come or go.
const SETTLING_MICROS: u64 = 600 * SECOND;
const QUIET_MICROS: u64 = 60 * SECOND;
/// Links that come and go in that time only because members verify that others are reachable. While a member
/// is unreachable, all members together start a slow dial every 1.25 s, every fourth to any member that is
/// not linked.
const LOOKS_MAX: u64 = 2 * QUIET_MICROS / (4 * SECOND * 5 / 4);

impl Run<'_> {
    /// With discovery, lets links settle: members may have made more in a hurry than they keep. Such changes
    /// are published, and must have arrived everywhere.
    pub(super) fn links_settle(&mut self) {
        if self.scenario.discovery.is_none() {
            return;
        }
        let end = self.world.time().after(SETTLING_MICROS);
        let looks = if self.scenario.faults.deaths > 0 { LOOKS_MAX } else { 0 };
        let max = self.scenario.members as u64 / 4 + looks;
        while self.failure.is_none() && self.world.time() < end {
            let before = self.counts.linkings;
            self.run_to(self.world.time().after(QUIET_MICROS));
            if self.counts.linkings - before <= max {
                return self.run_until(SETTLE_ROUNDS * SECOND, |run| run.ledger.is_converged());
            }
        }
        let linkings = self.counts.linkings;
        self.fail("one_component", format!("links do not settle: they came and went {linkings} times"));
    }

    /// With discovery, a link that has come up or gone down is published: that arrives, even where it is
    /// known already.
    pub(super) fn links_are_told(&mut self) {
        if self.scenario.discovery.is_some() && !self.ledger.is_converged() {
            self.run_until(SETTLE_ROUNDS * SECOND, |run| run.ledger.is_converged());
            self.run_to(self.world.time().after(SECOND));
        }
    }
}
