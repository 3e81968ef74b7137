//! Links join all members that run, soon after the last thing that kept them apart.

use super::checker::{Checked, Checker, Scene, must};
use crate::ledger::{Ledger, Mesh};
use datafan_core::{
    limits::LINKS_MAX,
    time::{SECOND, Time},
};

/// Where members find each other: within the scenario's bound after the last thing that was done to lines or
/// members, while all lines work, links on which both ends have greeted each other join all members that run,
/// and they stay joined. Nobody is ever at its limit of links. That links come to rest afterwards is looked
/// at when all are equal.
#[derive(Default)]
pub struct OneComponent {
    /// From when on all must be joined; `None` while a line is down.
    due: Option<Time>,
    disturbed: bool,
    /// Whose number of links is looked at next.
    next: usize,
}

impl Checker for OneComponent {
    fn name(&self) -> &'static str {
        "one_component"
    }

    fn on_disturbed(&mut self, _: &Scene<'_>) -> Checked {
        // Looked at with the next tick: many things may be done at once.
        self.disturbed = true;
        Ok(())
    }

    fn on_tick(&mut self, scene: &Scene<'_>) -> Checked {
        let Some(discovery) = &scene.scenario.discovery else { return Ok(()) };
        let now = scene.world.time();
        if std::mem::take(&mut self.disturbed) {
            let bound = discovery.bound_seconds(scene.world.n_members()) * SECOND;
            self.due = scene.world.lines_work().then(|| now.after(bound));
        }
        self.next = (self.next + 1) % scene.world.n_members();
        let (member, links) = (self.next, scene.world.peers(self.next).len());
        must(links < LINKS_MAX, || format!("m{member} is at its limit of {links} links"))?;
        if self.due.is_some_and(|due| due <= now) { check(scene) } else { Ok(()) }
    }

    fn on_settled(&mut self, scene: &Scene<'_>, _: Time) -> Checked {
        if scene.scenario.discovery.is_some() { check(scene) } else { Ok(()) }
    }

    fn at_end(&mut self, scene: &Scene<'_>) -> Checked {
        let Some(discovery) = &scene.scenario.discovery else { return Ok(()) };
        check(scene)?;
        let (n, links_max) = (scene.world.n_members(), discovery.links_at_rest);
        let ends: usize = (0..n).map(|member| scene.world.peers(member).len()).sum();
        must(links_max == 0 || ends <= links_max * n, || {
            format!("{n} members have {} links at rest, more than {links_max} each", ends / 2)
        })
    }
}

fn check(scene: &Scene<'_>) -> Checked {
    let components = joined(scene.world, scene.ledger);
    must(components.len() <= 1, || {
        let shown: Vec<_> = components.iter().take(8).collect();
        let smallest = components.iter().min_by_key(|component| component.len()).and_then(|at| at.first());
        let report = smallest.and_then(|member| scene.world.report_of(*member));
        format!(
            "links join {} groups of members, not one: {shown:?}\n{}",
            components.len(),
            report.unwrap_or_default()
        )
    })
}

/// The groups into which links join the members that run and of whom something is promised.
pub(crate) fn joined(world: &Mesh, ledger: &Ledger) -> Vec<Vec<usize>> {
    let counts =
        |member: &usize| world.runs(*member) && ledger.counts(*member) && ledger.ending(*member).is_none();
    let members: Vec<usize> = (0..world.n_members()).filter(counts).collect();
    world.components(&members)
}
