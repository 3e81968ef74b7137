//! The outcome of a simulation.

use crate::measure::{Converged, Histogram, Progress};
use datafan_core::hash::Hash;
use std::collections::BTreeMap;

/// The outcome of a simulation. Everything except memory and real time follows from scenario and seed.
pub struct Outcome {
    /// The scenario's name.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// Members of the mesh.
    pub members: usize,
    /// The topology's name.
    pub topology: String,
    /// Whether all members ended equal, compared in full.
    pub equal: bool,
    /// A digest of every message and event.
    pub trace_digest: Hash,
    /// Its duration in virtual microseconds.
    pub virtual_micros: u64,
    /// The real time that this took to simulate, in microseconds.
    pub real_micros: u64,
    /// The processor time of its one thread, in microseconds, if the system reports it.
    pub computed_micros: Option<u64>,
    /// Mean time between rounds, in microseconds.
    pub round_micros: u64,
    /// Counters of what was written, sent and applied.
    pub counts: Counts,
    /// From a commit until it becomes visible at another member.
    pub deliveries: Histogram,
    /// Convergence after the end of the faults, or after the start if there were none.
    pub converged: Converged,
    /// Convergence over time.
    pub progress: Progress,
    /// When the faults began and ended, in microseconds.
    pub faults: (u64, u64),
    /// Peak memory of this process so far, in bytes.
    pub memory: Option<u64>,
    /// The finding of each checker; `None` is good.
    pub checks: BTreeMap<&'static str, Option<String>>,
    /// The first failure.
    pub failure: Option<Failure>,
    /// The mesh at the end.
    pub picture: Picture,
}

/// Counters.
#[derive(Clone, Copy, Default, Debug)]
pub struct Counts {
    /// Commits that were acknowledged.
    pub commits: u64,
    /// Commits that became visible at members that did not make them.
    pub deliveries: u64,
    /// Messages that engines sent.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Messages with data among these.
    pub data_messages: u64,
    /// Their bytes.
    pub data_bytes: u64,
    /// Number of signature checks that were computed.
    pub signatures: u64,
    /// Links that were ever made.
    pub links: u64,
    /// How often a link came up or went down.
    pub linkings: u64,
    /// Number of faults injected.
    pub actions: u64,
    /// Refusals of all members, for all reasons.
    pub refusals: u64,
    /// Alarms.
    pub alarms: u64,
    /// Longest and mean shortest path between two members, in links; the mean in thousandths.
    pub hops: (u64, u64),
}

/// A failure.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The checker that found it.
    pub checker: String,
    /// What it found.
    pub what: String,
    /// When, in virtual microseconds.
    pub at: u64,
    /// The last events before it.
    pub events: Vec<String>,
}

/// A mesh to draw: the picture of scenario A19.
#[derive(Clone, Default, Debug)]
pub struct Picture {
    /// Name and number of own items of each member, in the order of members.
    pub members: Vec<(String, u64)>,
    /// Each link once, the lower number first, ascending; and whether it is up.
    pub links: Vec<((usize, usize), bool)>,
}

impl Outcome {
    /// Whether all checks hold.
    pub fn holds(&self) -> bool {
        self.failure.is_none()
    }

    /// Data messages sent beyond the one that each delivery needs, per thousand deliveries.
    pub fn redundancy_per_mille(&self) -> u64 {
        let extra = self.counts.data_messages.saturating_sub(self.counts.deliveries);
        (extra * 1_000).checked_div(self.counts.deliveries).unwrap_or(0)
    }

    /// Processor time of one core, in microseconds; at least 1.
    pub fn busy_micros(&self) -> u64 {
        self.computed_micros.unwrap_or(self.real_micros).max(1)
    }

    /// Deliveries per second of processor time.
    pub fn deliveries_per_second(&self) -> u64 {
        (u128::from(self.counts.deliveries) * 1_000_000 / u128::from(self.busy_micros())) as u64
    }

    /// Virtual time in rounds.
    pub fn rounds(&self) -> u64 {
        self.virtual_micros / self.round_micros
    }
}
