//! Nothing is forwarded that is not verified.

use super::checker::{Checked, Checker, Scene, Sent, Told, must};

/// Every head that an engine sends was signed by its owner, byte for byte, and is held by the sender with its
/// data. What misbehaving members make of it on the way is not the engine's.
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
                format!("m{} tells of {head:?}, whose data it does not hold", sent.from)
            })?;
        }
        Ok(())
    }
}
