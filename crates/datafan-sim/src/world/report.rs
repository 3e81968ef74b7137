//! The report of a failed run.

use super::{Disk, World};
use std::fmt::Write;

impl<D: Disk> World<D> {
    /// Fails the test, with the seed and the state of each member.
    pub fn fail(&self, what: &str) -> ! {
        panic!("{what}\nseed {}, time {} us\n{}", self.seed, self.time().0, self.report());
    }

    /// Each member in a few lines.
    pub fn report(&self) -> String {
        let mut text = String::new();
        for index in 0..self.members.len() {
            writeln!(text, "m{index} {}", self.id(index).short()).expect("a string takes everything");
            text.push_str(&self.report_of(index).unwrap_or_else(|| "  does not run\n".into()));
        }
        text
    }

    pub(crate) fn report_of(&self, index: usize) -> Option<String> {
        let engine = self.members[index].engine.as_ref()?;
        let status = engine.status();
        let mut text = format!(
            "  {:?}, own shard {:?}, linked to {:?}, next wake {}, refusals {:?}\n",
            status.standing,
            status.own,
            self.peers(index),
            engine.next_wake().0,
            status.refusals,
        );
        for link in &status.links {
            text += &format!("  link {:?} {:?} {:?} {:?}\n", link.id, link.direction, link.state, link.error);
        }
        for shard in &status.shards {
            let (owner, at) = (shard.owner, shard.timestamp);
            text +=
                &format!("  shard {owner:?} {at} items {} {:?} {:?}\n", shard.items, shard.root, shard.state);
        }
        for alarm in self.alarms(index) {
            text += &format!("  alarm {alarm:?}\n");
        }
        Some(text)
    }
}
