//! Own data is on disk before any other member learns of it.

use super::checker::{Checked, Checker, Scene, Sent, must};
use crate::ledger::Applied;
use datafan_core::engine::{Answer, Ticket};

/// No member shows, sends or acknowledges a head that its owner could still lose in a crash.
#[derive(Default)]
pub struct DurableFirst;

impl Checker for DurableFirst {
    fn name(&self) -> &'static str {
        "durable_first"
    }

    fn on_applied(&mut self, scene: &Scene<'_>, applied: &Applied<'_>) -> Checked {
        let (ledger, owner) = (scene.ledger, applied.owner);
        if ledger.writer(owner) == applied.member {
            return Ok(());
        }
        must(ledger.is_synced(owner, applied.now), || {
            format!("m{} shows a commit that {} does not have on disk", applied.member, ledger.name(owner))
        })
    }

    fn on_sent(&mut self, scene: &Scene<'_>, sent: &Sent<'_>) -> Checked {
        let ledger = scene.ledger;
        for (owner, position) in sent.heads.iter().filter_map(|told| told.made) {
            must(ledger.is_synced(owner, position), || {
                format!("m{} sends a commit that {} does not have on disk", sent.from, ledger.name(owner))
            })?;
        }
        Ok(())
    }

    fn on_answer(&mut self, scene: &Scene<'_>, member: usize, _: Ticket, answer: &Answer) -> Checked {
        let Answer::Committed(committed) = answer else { return Ok(()) };
        if committed.changed == 0 {
            return Ok(());
        }
        let ledger = scene.ledger;
        let mut own = [member, ledger.roster()].into_iter().filter(|owner| ledger.writer(*owner) == member);
        must(own.any(|owner| ledger.synced(owner) >= committed.timestamp), || {
            format!("m{member} acknowledges {}, which is not on its disk", committed.timestamp)
        })
    }
}
