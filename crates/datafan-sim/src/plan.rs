//! The plan of faults, drawn completely from the seed before the simulation starts.

mod action;
mod discovery;
mod drawing;

pub use action::{Action, Plan, Vacancy};

use crate::scenario::Scenario;
use datafan_testkit::rng::Rng;
use drawing::Drawing;

/// Draws a plan for a mesh with `links`.
pub fn draw(scenario: &Scenario, links: &[(usize, usize)], rng: &mut Rng) -> Plan {
    let mut drawing = Drawing { scenario, links, rng, plan: Plan::default() };
    drawing.parts();
    drawing.members();
    drawing.network();
    drawing.machines();
    discovery::draw(&mut drawing);
    let mut plan = drawing.plan;
    plan.actions.sort_by_key(|(at, _)| *at);
    plan
}
