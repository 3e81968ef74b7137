//! Nothing is forwarded unverified.

use super::checker::{Checked, Checker, Scene, Sent, Told, must};

/// Every head that an engine sends was signed by its owner, byte for byte, and the sender holds it with its
/// data. Messages altered after they were sent do not count.
#[derive(Default)]
pub struct NothingUnverified;

impl Checker for NothingUnverified {
    fn name(&self) -> &'static str {
        "nothing_unverified"
    }

    fn on_sent(&mut self, scene: &Scene<'_>, sent: &Sent<'_>) -> Checked {
        let ledger = scene.ledger;
        for Told { head, made } in sent.heads {
            let signed =
                made.filter(|(owner, at)| ledger.made(*owner, *at).is_some_and(|made| made.head == *head));
            let Some((owner, position)) = signed else {
                return must(false, || format!("m{} sends {head:?}, which nobody signed", sent.from));
            };
            let held = ledger.position(sent.from, owner);
            must(position <= held || ledger.ending(owner).is_some(), || {
                format!("m{} sends {head:?} without holding its data", sent.from)
            })?;
        }
        Ok(())
    }
}
