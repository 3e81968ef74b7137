//! Properties that must always hold, one file each, checked during a simulation.
//!
//! A checker sees every commit that becomes visible, every message that an engine sends and every answer. Its
//! cost must follow the change; at the end it may examine everything.

mod acknowledged;
mod bounds;
mod checker;
mod convergence;
mod deltas_lead;
mod durable_first;
mod fair_blame;
mod heads_forward;
mod idle_traffic;
mod in_time;
mod nothing_lost;
mod nothing_unverified;
mod one_component;
mod redundancy;
mod signed_states;
mod single_writer;
mod whole_commits;

pub use checker::{Checked, Checker, Purpose, Scene, Sent, Told, Violation};
pub(crate) use one_component::joined;

/// All checkers.
pub fn all() -> Vec<Box<dyn Checker>> {
    vec![
        Box::<single_writer::SingleWriter>::default(),
        Box::<signed_states::SignedStates>::default(),
        Box::<whole_commits::WholeCommits>::default(),
        Box::<heads_forward::HeadsForward>::default(),
        Box::<durable_first::DurableFirst>::default(),
        Box::<acknowledged::Acknowledged>::default(),
        Box::<nothing_lost::NothingLost>::default(),
        Box::<nothing_unverified::NothingUnverified>::default(),
        Box::<deltas_lead::DeltasLead>::default(),
        Box::<fair_blame::FairBlame>::default(),
        Box::<bounds::Bounds>::default(),
        Box::<convergence::Convergence>::default(),
        Box::<one_component::OneComponent>::default(),
        Box::<in_time::InTime>::default(),
        Box::<idle_traffic::IdleTraffic>::default(),
        Box::<redundancy::Redundancy>::default(),
    ]
}
