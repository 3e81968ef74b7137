//! Links connect all running members, soon after the last fault that separated them.

use super::checker::{Checked, Checker, Scene, must};
use crate::ledger::{Ledger, Mesh};
use datafan_core::{
    limits::LINKS_MAX,
    time::{SECOND, Time},
};

/// With discovery: within the scenario's bound after the last fault in lines or members, while all lines
/// work, links on which both ends have greeted each other connect all running members, and they stay
/// connected. No member ever reaches its limit of links. Whether links settle afterwards is checked when all
/// members are equal.
#[derive(Default)]
pub struct OneComponent {
    /// From when on all must be connected; `None` while a line is down.
    due: Option<Time>,
    disturbed: bool,
    /// The member whose number of links is checked next.
    next: usize,
}

impl Checker for OneComponent {
    fn name(&self) -> &'static str {
        "one_component"
    }

    fn on_disturbed(&mut self, _: &Scene<'_>) -> Checked {
        // Checked at the next tick, because several faults may be injected at once.
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
            "links leave {} separate groups of members: {shown:?}\n{}",
            components.len(),
            report.unwrap_or_default()
        )
    })
}

/// The groups of members that links connect, among the running members that count.
pub(crate) fn joined(world: &Mesh, ledger: &Ledger) -> Vec<Vec<usize>> {
    let counts =
        |member: &usize| world.runs(*member) && ledger.counts(*member) && ledger.ending(*member).is_none();
    let members: Vec<usize> = (0..world.n_members()).filter(counts).collect();
    world.components(&members)
}
