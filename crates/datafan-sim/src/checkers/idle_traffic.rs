//! An idle round has the same cost, however much is held.

use super::checker::{Checked, Checker, Purpose, Scene, Sent, must};
use crate::ledger::Applied;
use std::collections::BTreeSet;

/// Once all members are equal, each direction of each link carries at most 64 B of messages per round of its
/// sender, independent of owners, items and members. New links are excepted, and so is a mesh in which
/// misbehaving members continue, since those have something to send.
#[derive(Default)]
pub struct IdleTraffic {
    /// Per direction of each link that was up: sender, receiver, bytes and the sender's rounds.
    began: Vec<(usize, usize, u64, u64)>,
    /// Greetings since then, by sender and receiver.
    greeted: BTreeSet<(usize, usize)>,
    /// Commits made since then.
    n_made: u64,
}

const ROUND_BYTES_MAX: u64 = 64;
/// Bytes to tell a peer of one system commit: that a link has come up or gone down.
const COMMIT_BYTES_MAX: u64 = 2_048;

impl Checker for IdleTraffic {
    fn name(&self) -> &'static str {
        "idle_traffic"
    }

    fn on_applied(&mut self, scene: &Scene<'_>, applied: &Applied<'_>) -> Checked {
        let own = scene.ledger.writer(applied.owner) == applied.member;
        self.n_made += u64::from(own && scene.scenario.discovery.is_some());
        Ok(())
    }

    fn on_sent(&mut self, _: &Scene<'_>, sent: &Sent<'_>) -> Checked {
        if sent.purpose == Purpose::Greet {
            self.greeted.extend([(sent.from, sent.to), (sent.to, sent.from)]);
        }
        Ok(())
    }

    fn on_rest(&mut self, scene: &Scene<'_>) -> Checked {
        if scene.scenario.faults.misbehaving_forever {
            return Ok(());
        }
        self.greeted.clear();
        self.n_made = 0;
        let links = scene.world.links().filter(|(_, up)| *up);
        let both = links.flat_map(|((a, b), _)| [(a, b), (b, a)]);
        let now = both.map(|(from, to)| {
            (from, to, scene.world.traffic(from, to).bytes, scene.world.stats(from).rounds)
        });
        self.began = now.collect();
        Ok(())
    }

    fn at_end(&mut self, scene: &Scene<'_>) -> Checked {
        for (from, to, bytes, rounds) in std::mem::take(&mut self.began) {
            if !scene.world.linked(from, to) || self.greeted.contains(&(from, to)) {
                continue;
            }
            let bytes = scene.world.traffic(from, to).bytes - bytes;
            // A round may just have begun.
            let limit = ROUND_BYTES_MAX * (scene.world.stats(from).rounds - rounds + 1)
                + COMMIT_BYTES_MAX * self.n_made;
            must(bytes <= limit, || format!("m{from} sent m{to} {bytes} B at rest, limit {limit}"))?;
        }
        Ok(())
    }
}
