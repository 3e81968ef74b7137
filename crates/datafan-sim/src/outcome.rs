//! What a simulation came to.

use crate::measure::{Converged, Histogram, Progress};
use datafan_core::hash::Hash;
use std::collections::BTreeMap;

/// What a simulation came to. All of it but the memory and the real time follows from scenario and seed.
pub struct Outcome {
    /// The scenario's name.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// Members of the mesh.
    pub members: usize,
    /// The topology's name.
    pub topology: String,
    /// Whether all ended equal, compared in full.
    pub equal: bool,
    /// A digest of every message and event.
    pub trace_digest: Hash,
    /// How long it lasted, in virtual microseconds.
    pub virtual_micros: u64,
    /// Of that, how long it took to simulate, in real microseconds.
    pub real_micros: u64,
    /// How long its one thread computed, in microseconds, where the system says so.
    pub computed_micros: Option<u64>,
    /// Mean time between rounds, in microseconds.
    pub round_micros: u64,
    /// What was written, carried and applied.
    pub counts: Counts,
    /// From a commit to its becoming visible at another member.
    pub deliveries: Histogram,
    /// From the end of the faults, or from the beginning if there were none.
    pub converged: Converged,
    /// How it became equal.
    pub progress: Progress,
    /// When the faults began and ended, in microseconds.
    pub faults: (u64, u64),
    /// The most memory of this process so far, in bytes.
    pub memory: Option<u64>,
    /// Per checker what it found; `None` is good.
    pub checks: BTreeMap<&'static str, Option<String>>,
    /// The first thing that was wrong.
    pub failure: Option<Failure>,
    /// The mesh as it was at the end.
    pub picture: Picture,
}

/// What was counted.
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
    /// Of these, messages with data.
    pub data_messages: u64,
    /// Their bytes.
    pub data_bytes: u64,
    /// Real signature checks.
    pub signatures: u64,
    /// Links that were ever made.
    pub links: u64,
    /// How often a link came up or went down.
    pub linkings: u64,
    /// Things that were done to the mesh.
    pub actions: u64,
    /// What members refused, all reasons together.
    pub refusals: u64,
    /// Alarms.
    pub alarms: u64,
    /// Longest and mean shortest path between two members, in links; the mean in thousandths.
    pub hops: (u64, u64),
}

/// Something was wrong.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Which checker found it.
    pub checker: String,
    /// What.
    pub what: String,
    /// When, in virtual microseconds.
    pub at: u64,
    /// What happened last before it.
    pub events: Vec<String>,
}

/// A mesh, to be drawn: the picture of scenario A19.
#[derive(Clone, Default, Debug)]
pub struct Picture {
    /// Name and number of items that each member owns, in the order of members.
    pub members: Vec<(String, u64)>,
    /// Each link once, the lower number first, ascending; and whether it is up.
    pub links: Vec<((usize, usize), bool)>,
}

impl Outcome {
    /// Whether all checks hold.
    pub fn holds(&self) -> bool {
        self.failure.is_none()
    }

    /// Data messages that were sent beyond the one that each delivery needs, per thousand deliveries.
    pub fn redundancy_per_mille(&self) -> u64 {
        let extra = self.counts.data_messages.saturating_sub(self.counts.deliveries);
        (extra * 1_000).checked_div(self.counts.deliveries).unwrap_or(0)
    }

    /// How long one processor was busy, in microseconds; at least 1.
    pub fn busy_micros(&self) -> u64 {
        self.computed_micros.unwrap_or(self.real_micros).max(1)
    }

    /// Deliveries per second of one processor.
    pub fn deliveries_per_second(&self) -> u64 {
        (u128::from(self.counts.deliveries) * 1_000_000 / u128::from(self.busy_micros())) as u64
    }

    /// Virtual time in rounds.
    pub fn rounds(&self) -> u64 {
        self.virtual_micros / self.round_micros
    }
}
