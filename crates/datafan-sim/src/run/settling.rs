//! Whether links come to rest once all are equal.

use super::{Run, SETTLE_ROUNDS};
use datafan_core::time::SECOND;

/// How long links may take to settle, and for how long hardly any may have come or gone then.
const SETTLING_MICROS: u64 = 600 * SECOND;
const QUIET_MICROS: u64 = 60 * SECOND;
/// Links that come and go in that time only because members look whether others are as well as is believed.
/// While somebody is out of reach all members together begin a slow dial every 1.25 s, every fourth to
/// whomever is not linked.
const LOOKS_MAX: u64 = 2 * QUIET_MICROS / (4 * SECOND * 5 / 4);

impl Run<'_> {
    /// Lets links settle, where members find each other: what joined them in a hurry may be more than they
    /// keep. Such changes are published, and these must have arrived everywhere.
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

    /// Where members find each other, a link that has come or gone meanwhile is published: that arrives, also
    /// where it is known already.
    pub(super) fn links_are_told(&mut self) {
        if self.scenario.discovery.is_some() && !self.ledger.is_converged() {
            self.run_until(SETTLE_ROUNDS * SECOND, |run| run.ledger.is_converged());
            self.run_to(self.world.time().after(SECOND));
        }
    }
}
